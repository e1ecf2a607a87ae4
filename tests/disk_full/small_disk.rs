//! A small file system that is mounted for one test and can be filled and freed.

use crate::not_run::{Missing, not_run};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Enough for a server with small segments, and quickly full.
const BYTES: u64 = 24 << 20;
/// The sizes of the pieces that fill a disk: first large ones, then single blocks.
const PIECES: [usize; 2] = [1 << 20, 4_096];
/// A disk that accepts more than this is not the small one.
const FILL_BYTES_MAX: u64 = 2 * BYTES;

/// The kind of file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// ext4 on a loop device.
    Ext4,
    /// In memory.
    Tmpfs,
}

/// A mounted small file system.
pub(crate) struct SmallDisk {
    /// The folder of the image and the mount point.
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// Mounts a new file system. Where that is not possible it prints `NOT RUN`.
    pub(crate) fn mount(kind: Kind) -> Option<Self> {
        let disk = Self { folder: tempfile::tempdir().unwrap() };
        match disk.try_mount(kind) {
            Ok(()) => Some(disk),
            Err((missing, reason)) => {
                not_run(missing, &format!("no {kind:?} can be mounted here ({reason})"), "full disks");
                None
            }
        }
    }

    fn try_mount(&self, kind: Kind) -> Result<(), (Missing, String)> {
        if !rustix::process::geteuid().is_root() {
            return Err((Missing::Right, "only root may mount".to_owned()));
        }
        let image = self.folder.path().join("image");
        std::fs::create_dir(self.place()).unwrap();
        let (image_name, place) = (image.to_str().unwrap(), self.place());
        let place = place.to_str().unwrap();
        match kind {
            Kind::Ext4 => {
                std::fs::File::create(&image).unwrap().set_len(BYTES).unwrap();
                // Without the blocks reserved for root, which runs this.
                system("mkfs.ext4", &["-q", "-F", "-b", "4096", "-m", "0", image_name])?;
                system("mount", &["-t", "ext4", "-o", "loop", image_name, place])
            }
            Kind::Tmpfs => system("mount", &["-t", "tmpfs", "-o", &format!("size={BYTES}"), "tmpfs", place]),
        }
    }

    fn place(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// The path of a server's data directory.
    pub(crate) fn data_dir(&self) -> String {
        self.place().join("data").display().to_string()
    }

    /// A path that is not on this disk.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn filler(&self) -> PathBuf {
        self.place().join("filler")
    }

    /// Writes until there is no space left.
    pub(crate) fn fill(&self) {
        let mut file = std::fs::File::create(self.filler()).unwrap();
        let mut filled = 0;
        for piece in PIECES {
            let bytes = vec![7; piece];
            loop {
                match file.write_all(&bytes).and_then(|()| file.sync_all()) {
                    Ok(()) => filled += piece,
                    Err(error) => {
                        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
                        break;
                    }
                }
                assert!(u64::try_from(filled).unwrap() < FILL_BYTES_MAX, "the disk is small");
            }
        }
    }

    /// Frees the space.
    pub(crate) fn free(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    /// The number of bytes that can still be written.
    pub(crate) fn left_bytes(&self) -> u64 {
        let statvfs = rustix::fs::statvfs(self.place()).unwrap();
        statvfs.f_bavail * statvfs.f_frsize
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // If nothing was mounted there is nothing to unmount. A server of a failed test may keep it busy.
        system("umount", &["--lazy", self.place().to_str().unwrap()]).ok();
    }
}

fn system(program: &str, arguments: &[&str]) -> Result<(), (Missing, String)> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| (Missing::Program, format!("{program}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err((Missing::Right, format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())))
}
