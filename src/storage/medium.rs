//! What the data directory lies on, as far as the system tells. It only reports: whether to go on is the operator's choice.

/// How a log write is made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WritePath {
    /// One write past the cache, durable when it returns.
    Direct,
    /// A write through the cache and an `fdatasync`.
    Fdatasync,
}

/// The kinds of file system that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystemKind {
    /// ext2, ext3 or ext4 (they share one number).
    Ext,
    /// XFS.
    Xfs,
    /// Btrfs: copy on write, so preallocation does not hold.
    Btrfs,
    /// ZFS: copy on write, so preallocation does not hold.
    Zfs,
    /// F2FS.
    F2fs,
    /// Memory: gone at power-off.
    Memory,
    /// A container's overlay.
    Overlay,
    /// A network or a shared file system.
    Network,
    /// A file system in user space.
    Fuse,
    /// The in-memory storage of tests and of the simulator.
    Simulated,
    /// Anything else, by the number that `statfs` gives.
    Other(u64),
}

impl FileSystemKind {
    /// The kind for the number that `statfs` gives.
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

/// What the files lie on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Medium {
    /// The file system.
    pub file_system: FileSystemKind,
    /// How log writes are made durable on it.
    pub write_path: WritePath,
}

impl Medium {
    /// What an operator should be told before trusting it, if anything.
    #[must_use]
    pub fn warning(&self) -> Option<&'static str> {
        match self.file_system {
            FileSystemKind::Memory => {
                Some("the data directory lies in memory: everything is lost at power-off")
            }
            FileSystemKind::Overlay => Some(
                "the data directory lies on a container's overlay: mount a volume, or it goes with the container",
            ),
            FileSystemKind::Network => Some(
                "the data directory lies on a network file system: its syncs and locks may promise less than a local disk's",
            ),
            FileSystemKind::Fuse => Some(
                "the data directory lies on a user-space file system: whether it honours a sync is not known",
            ),
            FileSystemKind::Btrfs | FileSystemKind::Zfs => Some(
                "the data directory lies on a copy-on-write file system: preallocated log space can still run out, and syncs cost more",
            ),
            FileSystemKind::Ext
            | FileSystemKind::Xfs
            | FileSystemKind::F2fs
            | FileSystemKind::Simulated
            | FileSystemKind::Other(_) => None,
        }
    }
}
