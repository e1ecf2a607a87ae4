//! Why a server does not start or stops. Errors of single stages are defined with their stages.

use std::io::ErrorKind;

use crate::archive::ArchiveError;
use crate::config::ConfigError;
use crate::directory::DirectoryError;
use crate::recovery::RecoveryError;
use crate::replica::ReplicaError;
use crate::storage::StorageError;
use crate::wal::LogError;

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is invalid.
    #[error("the configuration is invalid")]
    Config(#[from] ConfigError),
    /// The data directory cannot be opened.
    #[error("the data directory cannot be opened")]
    Directory(#[from] DirectoryError),
    /// The storage failed.
    #[error("the storage failed")]
    Storage(#[from] StorageError),
    /// The file system does not support the configured write path.
    #[error("log.write-path = direct, but the file system of the data directory cannot write directly")]
    NotDirect,
    /// The state cannot be recovered.
    #[error("the state cannot be recovered")]
    Recovery(#[from] RecoveryError),
    /// The log cannot be continued.
    #[error("the log cannot be continued")]
    Log(#[from] LogError),
    /// The place of the archive cannot be used.
    #[error("the archive cannot be used")]
    Archive(#[source] ArchiveError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address, as configured.
        address: String,
        /// The system error.
        source: std::io::Error,
    },
    /// A thread or its runtime cannot be started.
    #[error("cannot start the {name} thread")]
    Thread {
        /// The name of the thread.
        name: &'static str,
        /// The system error.
        source: std::io::Error,
    },
}

impl StartError {
    /// The exit code for scripts: 2 for a wrong configuration, address or directory, 3 for a limit of the system, 4 for
    /// damaged data, 74 for a failing disk or file.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if let Some(error) = self.storage_error() {
            return if error.is_of_request() { 2 } else { 74 };
        }
        match self {
            // A file that is not text is a wrong configuration too.
            Self::Config(ConfigError::File { source, .. })
                if !is_wrong_path(source.kind()) && source.kind() != ErrorKind::InvalidData =>
            {
                74
            }
            Self::Config(_)
            | Self::NotDirect
            | Self::Archive(_)
            | Self::Listen { .. }
            | Self::Directory(
                DirectoryError::NotFormatted
                | DirectoryError::NotEmpty { .. }
                | DirectoryError::CannotSkip { .. }
                | DirectoryError::CannotUndoSkip { .. }
                | DirectoryError::WithinBatch { .. }
                | DirectoryError::TooMany { .. },
            ) => 2,
            Self::Thread { .. } => 3,
            Self::Directory(_) | Self::Recovery(_) | Self::Log(_) | Self::Storage(_) => 4,
        }
    }

    /// The error of the storage, if that is the reason.
    #[must_use]
    pub fn storage_error(&self) -> Option<&StorageError> {
        match self {
            Self::Storage(error)
            | Self::Directory(
                DirectoryError::Storage(error) | DirectoryError::Log(LogError::Storage(error)),
            )
            | Self::Recovery(RecoveryError::Replica(
                ReplicaError::Storage(error) | ReplicaError::Log(LogError::Storage(error)),
            ))
            | Self::Log(LogError::Storage(error)) => Some(error),
            Self::Config(_)
            | Self::Directory(_)
            | Self::NotDirect
            | Self::Archive(_)
            | Self::Recovery(_)
            | Self::Log(_)
            | Self::Listen { .. }
            | Self::Thread { .. } => None,
        }
    }
}

/// Whether an error of a file says that its path is wrong. All others say that the file or its disk failed.
#[must_use]
pub fn is_wrong_path(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NotFound
            | ErrorKind::PermissionDenied
            | ErrorKind::AlreadyExists
            | ErrorKind::IsADirectory
            | ErrorKind::NotADirectory
            | ErrorKind::InvalidInput
            | ErrorKind::InvalidFilename
    )
}
