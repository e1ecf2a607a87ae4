//! Classifies system errors by their number, never by their text.

use std::io;
use std::path::Path;

use rustix::io::Errno;

use super::{Action, StorageError};

pub(super) fn errno(error: &io::Error) -> Option<Errno> {
    error.raw_os_error().map(Errno::from_raw_os_error)
}

/// Converts a system error by its number.
pub(super) fn from_io(action: Action, name: &str, source: io::Error) -> StorageError {
    let name = name.to_owned();
    match errno(&source) {
        Some(Errno::NOSPC | Errno::DQUOT) => StorageError::NoSpace { action, name, source },
        Some(Errno::NOENT) => StorageError::NotFound { name },
        Some(Errno::EXIST) => StorageError::Exists { name },
        Some(Errno::NOTDIR) => StorageError::NotADirectory { path: name },
        Some(Errno::ACCESS | Errno::PERM) => StorageError::Denied { action, name, source },
        Some(_) | None => StorageError::Io { action, name, source },
    }
}

/// Converts a system error of the directory itself.
pub(super) fn of_directory(action: Action, path: &Path, source: io::Error) -> StorageError {
    let path = path.display().to_string();
    if errno(&source) == Some(Errno::NOENT) {
        return StorageError::NoDirectory { path };
    }
    from_io(action, &path, source)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that system errors are classified by their number.
    #[test]
    fn errors_are_sorted_by_number() {
        let sort = |errno: Errno| from_io(Action::Write, "file", errno.into());
        assert!(sort(Errno::NOSPC).is_no_space());
        assert!(sort(Errno::DQUOT).is_no_space());
        assert!(matches!(sort(Errno::NOENT), StorageError::NotFound { .. }));
        assert!(matches!(sort(Errno::EXIST), StorageError::Exists { .. }));
        for errno in [Errno::NOTDIR, Errno::ACCESS, Errno::PERM] {
            assert!(sort(errno).is_of_request(), "{errno}");
        }
        for errno in [Errno::IO, Errno::NOSPC, Errno::ROFS, Errno::NOENT] {
            assert!(!sort(errno).is_of_request(), "{errno}");
        }
        assert!(matches!(sort(Errno::IO), StorageError::Io { .. }));
    }
}
