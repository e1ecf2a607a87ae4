//! Failures that a command line can correct, in words that end with the next command to run.

use crate::directory::{DirectoryError, LOCK_NAME, MANIFEST_NAME};
use crate::error::StartError;
use crate::storage::StorageError;
use std::io::ErrorKind;
use std::path::Path;

/// The message for a directory or an address that cannot be used. `None`: the error speaks for itself.
pub(super) fn explain(error: &StartError, directory: &Path) -> Option<String> {
    if let Some(error) = error.storage_error() {
        return explain_storage(error, directory);
    }
    let shown = directory.display();
    let word = shell_word(directory);
    match error {
        StartError::Directory(DirectoryError::NotFormatted) => {
            Some(format!("the directory {shown} is not formatted; run `stockhold format {word}`"))
        }
        StartError::Directory(DirectoryError::NotEmpty { .. }) if directory.join(MANIFEST_NAME).exists() => {
            Some(format!(
                "the directory {shown} is not empty: it is formatted already; `stockhold serve --data-dir {word}` runs it"
            ))
        }
        StartError::Directory(DirectoryError::NotEmpty { name }) => {
            let inside = directory.join("data");
            Some(format!(
                "the directory {shown} is not empty, it contains {name}; choose a new one, such as {}",
                inside.display()
            ))
        }
        StartError::Directory(error @ DirectoryError::CannotSkip { .. }) => {
            Some(format!("{error}; `stockhold log dump {word}` prints the log"))
        }
        StartError::Listen { address, source } => Some(explain_listen(address, source)),
        StartError::Directory(_)
        | StartError::Storage(_)
        | StartError::Config(_)
        | StartError::NotDirect
        | StartError::Archive(_)
        | StartError::Recovery(_)
        | StartError::Log(_)
        | StartError::Thread { .. } => None,
    }
}

fn explain_storage(error: &StorageError, directory: &Path) -> Option<String> {
    let (shown, word) = (directory.display(), shell_word(directory));
    Some(match error {
        StorageError::NoDirectory { path } => {
            let word = shell_word(Path::new(path));
            format!("{error}; is the path right? `stockhold format {word}` creates a data directory there")
        }
        StorageError::NotADirectory { path } => {
            format!("{error}; `ls -l {}` shows what it is", shell_word(Path::new(path)))
        }
        StorageError::Locked { holder: Some(pid) } => format!(
            "the data directory {shown} is in use by process {pid}; `stockhold status` asks that server, `kill {pid}` stops it in good order"
        ),
        StorageError::Locked { holder: None } => {
            format!("the data directory {shown} is in use; `fuser {word}/{LOCK_NAME}` shows by which process")
        }
        StorageError::Denied { source, .. } => {
            format!("{error}: {source}; `ls -la {word}` shows who may")
        }
        StorageError::NoSpace { .. }
        | StorageError::NotFound { .. }
        | StorageError::Exists { .. }
        | StorageError::ShortWrite { .. }
        | StorageError::Poisoned { .. }
        | StorageError::Io { .. } => return None,
    })
}

fn explain_listen(address: &str, source: &std::io::Error) -> String {
    let kind = source.kind();
    let next = if kind == ErrorKind::AddrInUse {
        format!(
            "`stockhold --server {address} status` shows whether a server runs there, `--listen 127.0.0.1:0` takes any free port"
        )
    } else if kind == ErrorKind::AddrNotAvailable {
        let port = address.rsplit(':').next().unwrap_or_default();
        format!("this machine has no such address; `--listen :{port}` takes all that it has")
    } else if kind == ErrorKind::PermissionDenied {
        "ports below 1024 need a privilege; `--listen 127.0.0.1:7411` needs none".to_owned()
    } else {
        "`stockhold serve --listen 127.0.0.1:0` takes any free port".to_owned()
    };
    format!("cannot listen on {address}: {source}; {next}")
}

/// A path as a word of a shell command.
pub(super) fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_where_a_shell_would_split_them() {
        // Proves that a command that is shown can be run as it stands.
        for (path, word) in [
            ("data", "data"),
            ("/srv/a-b/data.1", "/srv/a-b/data.1"),
            ("my data", "'my data'"),
            ("it's", r"'it'\''s'"),
        ] {
            assert_eq!(shell_word(Path::new(path)), word);
        }
    }
}
