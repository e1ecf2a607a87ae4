//! Why a server does not start, or stops. Failures of single stages stand with their stages.

use std::net::SocketAddr;

use crate::config::ConfigError;
use crate::directory::DirectoryError;
use crate::recovery::RecoveryError;
use crate::storage::StorageError;
use crate::wal::LogError;

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is wrong.
    #[error("the configuration is wrong")]
    Config(#[from] ConfigError),
    /// The data directory cannot be taken.
    #[error("the data directory cannot be opened")]
    Directory(#[from] DirectoryError),
    /// The storage failed.
    #[error("the storage failed")]
    Storage(#[from] StorageError),
    /// The file system cannot do what the configuration demands.
    #[error("log.write-path = direct, but the file system of the data directory cannot write directly")]
    NotDirect,
    /// The state cannot be recovered.
    #[error("the state cannot be recovered")]
    Recovery(#[from] RecoveryError),
    /// The log cannot be taken up.
    #[error("the log cannot be taken up")]
    Log(#[from] LogError),
    /// The address cannot be listened at.
    #[error("cannot listen at {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A thread or its runtime cannot be started.
    #[error("cannot start the {name} thread")]
    Thread {
        /// Which thread.
        name: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

impl StartError {
    /// The exit code for scripts: 2 for a wrong configuration, 4 for damaged data, 74 for failures of disk and network.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::NotDirect => 2,
            Self::Recovery(RecoveryError::Storage(_) | RecoveryError::Log(LogError::Storage(_)))
            | Self::Storage(_)
            | Self::Listen { .. }
            | Self::Thread { .. }
            | Self::Directory(DirectoryError::Storage(_) | DirectoryError::Log(LogError::Storage(_)))
            | Self::Log(LogError::Storage(_)) => 74,
            Self::Directory(_) | Self::Recovery(_) | Self::Log(_) => 4,
        }
    }
}
