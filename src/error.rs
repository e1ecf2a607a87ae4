//! Why a server does not start or stops. Errors of single stages are defined with their stages.

use std::net::SocketAddr;

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
        /// The address.
        address: SocketAddr,
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
    /// The exit code for scripts: 2 for an invalid configuration, 4 for damaged data, 74 for failures of disk and
    /// network.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::NotDirect | Self::Archive(_) => 2,
            Self::Recovery(RecoveryError::Replica(
                ReplicaError::Storage(_) | ReplicaError::Log(LogError::Storage(_)),
            ))
            | Self::Storage(_)
            | Self::Listen { .. }
            | Self::Thread { .. }
            | Self::Directory(DirectoryError::Storage(_) | DirectoryError::Log(LogError::Storage(_)))
            | Self::Log(LogError::Storage(_)) => 74,
            Self::Directory(_) | Self::Recovery(_) | Self::Log(_) => 4,
        }
    }
}
