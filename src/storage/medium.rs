//! The file system below the data directory, as far as the system reports it. The operator decides whether to use it.

use crate::warning::Warning;

/// How a log write is made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WritePath {
    /// One write that bypasses the cache and is durable when it returns.
    Direct,
    /// A write through the cache and an `fdatasync`.
    Fdatasync,
}

/// The kinds of file systems that are distinguished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystemKind {
    /// ext2, ext3 or ext4, which share one number.
    Ext,
    /// XFS.
    Xfs,
    /// Btrfs. It copies on write, so preallocation has no effect.
    Btrfs,
    /// ZFS. It copies on write, so preallocation has no effect.
    Zfs,
    /// F2FS.
    F2fs,
    /// A file system in memory, which is lost at power-off.
    Memory,
    /// The overlay file system of a container.
    Overlay,
    /// A network or shared file system.
    Network,
    /// A file system in user space.
    Fuse,
    /// The in-memory storage of tests and of the simulator.
    Simulated,
    /// Any other file system, with its number from `statfs`.
    Other(u64),
}

impl FileSystemKind {
    /// The kind with this number from `statfs`.
    #[must_use]
    pub fn from_magic(magic: u64) -> Self {
        match magic {
            0xEF53 => Self::Ext,
            0x5846_5342 => Self::Xfs,
            0x9123_683E => Self::Btrfs,
            0x2FC1_2FC1 => Self::Zfs,
            0xF2F5_2010 => Self::F2fs,
            0x0102_1994 | 0x8584_58F6 => Self::Memory,
            0x794C_7630 => Self::Overlay,
            0x6969 | 0xFF53_4D42 | 0xFE53_4D42 | 0x517B | 0x00C3_6400 | 0x0102_1997 | 0x5346_414F => {
                Self::Network
            }
            0x6573_5546 => Self::Fuse,
            other => Self::Other(other),
        }
    }
}

/// The space of the file system of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What this process may still use.
    pub free_bytes: u64,
    /// All of it.
    pub all_bytes: u64,
}

/// The medium of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Medium {
    /// The file system.
    pub file_system: FileSystemKind,
    /// How log writes are made durable on it.
    pub write_path: WritePath,
}

impl Medium {
    /// The warning for the operator, if the medium deserves one.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let (warning, found) = match self.file_system {
            FileSystemKind::Memory => (
                Warning::FileSystemMemory,
                "The data directory is in memory: everything is lost at power-off.",
            ),
            FileSystemKind::Overlay => (
                Warning::FileSystemOverlay,
                "The data directory is on the overlay file system of a container and is deleted with the container.",
            ),
            FileSystemKind::Network => (
                Warning::FileSystemNetwork,
                "The data directory is on a network file system, whose syncs and locks may guarantee less than those of a local disk.",
            ),
            FileSystemKind::Fuse => (
                Warning::FileSystemUser,
                "The data directory is on a user-space file system: it is unknown whether it honours a sync.",
            ),
            FileSystemKind::Btrfs | FileSystemKind::Zfs => (
                Warning::FileSystemCopyOnWrite,
                "The data directory is on a copy-on-write file system: preallocated log space can still run out, and syncs cost more.",
            ),
            FileSystemKind::Ext
            | FileSystemKind::Xfs
            | FileSystemKind::F2fs
            | FileSystemKind::Simulated
            | FileSystemKind::Other(_) => return None,
        };
        Some(warning.about(found))
    }
}
