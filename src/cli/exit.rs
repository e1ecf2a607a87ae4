//! The exit codes that scripts rely on, and failures with their causes.

use super::advice;
use crate::directory::DirectoryError;
use crate::error::{StartError, is_wrong_path};
use crate::recovery::RecoveryError;
use crate::replica::ReplicaError;
use crate::restore::RestoreError;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use stockhold_protocol::CommandId;

/// The exit codes of `stockhold`; docs/cli.md lists them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Exit {
    /// The command succeeded.
    Ok,
    /// The server refused the command by a business rule, recorded or as an edge refusal.
    Refused,
    /// The request is invalid: flags, names, ids.
    Usage,
    /// The server is unreachable or at a limit, or the outcome is unknown. The same id may be retried.
    Unreachable,
    /// The server refused the connection and gave the reason: it is full, or uses another protocol version.
    ConnectionRefused,
    /// Data is invalid: rows of an import, findings of a verification.
    BadData,
    /// A file or a disk failed.
    Disk,
}

impl Exit {
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Refused => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::BadData => 4,
            Self::ConnectionRefused => 5,
            Self::Disk => 74,
        }
    }

    /// The exit code with this number.
    pub(super) fn of_number(number: i32) -> Option<Self> {
        let all = [
            Self::Ok,
            Self::Refused,
            Self::Usage,
            Self::Unreachable,
            Self::ConnectionRefused,
            Self::BadData,
            Self::Disk,
        ];
        all.into_iter().find(|exit| i32::from(exit.number()) == number)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

/// Why a command failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    pub(super) error: anyhow::Error,
}

impl Failure {
    pub(super) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into() }
    }

    pub(super) fn usage(message: impl std::fmt::Display) -> Self {
        Self { exit: Exit::Usage, error: anyhow::anyhow!("{message}") }
    }

    /// Whether the reader of the output has gone, so that nothing needs to be printed.
    pub(super) fn is_quiet(&self) -> bool {
        self.error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    }

    /// The message and its causes, outermost first. A cause that its parent already contains is left out.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for cause in self.error.chain() {
            let cause = cause.to_string();
            if text.is_empty() {
                text = cause;
            } else if !text.ends_with(&cause) {
                text = format!("{text}: {cause}");
            }
        }
        text
    }
}

/// A command that may have taken effect. The same command under the same id finds out.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub(super) struct OutcomeUnknown {
    pub(super) id: CommandId,
    pub(super) sentence: String,
}

/// Sets the exit code of an error.
pub(super) trait ExitWith<T> {
    fn exit_with(self, exit: Exit) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> ExitWith<T> for Result<T, E> {
    fn exit_with(self, exit: Exit) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(exit, error))
    }
}

/// Converts an error of a data directory or a server to a failure with its exit code, and with the next command where
/// there is one.
pub(super) fn start_failure(error: impl Into<StartError>, directory: &Path) -> Failure {
    let error = error.into();
    let exit = match error.exit_code() {
        2 => Exit::Usage,
        3 => Exit::Unreachable,
        74 => Exit::Disk,
        _ => Exit::BadData,
    };
    match advice::explain(&error, directory) {
        Some(message) => Failure { exit, error: anyhow::anyhow!(message) },
        None => Failure::new(exit, error),
    }
}

/// The exit code for an error of a file that the command line names: its path is wrong, it is not text, or the file or
/// its disk failed.
pub(super) fn exit_of_file(error: &io::Error) -> Exit {
    let kind = error.kind();
    if kind == io::ErrorKind::InvalidData {
        Exit::BadData
    } else if is_wrong_path(kind) {
        Exit::Usage
    } else {
        Exit::Disk
    }
}

/// The failure of a file that the command line names.
pub(super) fn file_failure(file: &Path, error: io::Error) -> Failure {
    let exit = exit_of_file(&error);
    let missing = file.parent().filter(|parent| !parent.as_os_str().is_empty() && !parent.exists());
    let message = match missing {
        Some(parent) => format!("{}; run `mkdir -p {}`", file.display(), advice::shell_word(parent)),
        None => file.display().to_string(),
    };
    Failure { exit, error: anyhow::Error::new(error).context(message) }
}

/// The failure of a replay or of a new directory.
pub(super) fn restore_failure(error: RestoreError, from: &Path, to: &Path) -> Failure {
    match error {
        RestoreError::Replica(
            error @ (ReplicaError::TargetTooEarly { .. }
            | ReplicaError::TargetTooLate { .. }
            | ReplicaError::TargetTwice { .. }),
        ) => Failure::new(Exit::Usage, error),
        RestoreError::Replica(error) => start_failure(RecoveryError::Replica(error), from),
        RestoreError::Directory(DirectoryError::NotEmpty { name }) => Failure::usage(format!(
            "the directory {} is not empty, it contains {name}; choose a new one with --to-dir",
            to.display()
        )),
        RestoreError::Directory(error) => start_failure(error, to),
        RestoreError::Snapshot(error) => Failure::new(Exit::Disk, error),
        RestoreError::Invalid { violations } => start_failure(RecoveryError::Invalid { violations }, from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_code_is_explained() {
        // Proves that operators and scripts find each code in the documents.
        let all = [
            Exit::Ok,
            Exit::Refused,
            Exit::Usage,
            Exit::Unreachable,
            Exit::ConnectionRefused,
            Exit::BadData,
            Exit::Disk,
        ];
        for exit in all {
            for page in [include_str!("../../docs/operations.md"), include_str!("../../docs/cli.md")] {
                assert!(page.contains(&format!("\n| {} | ", exit.number())), "{exit:?}");
            }
        }
    }
}
