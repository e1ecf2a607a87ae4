//! A power supply that can be cut, for a server process on a real file system. It knows files, mounts and programs of the system, and
//! nothing of servers; when the power fails is for `torment`.
//!
//! ```text
//! medium.img ─► medium  holds cache.img, the medium: what is in it is what a power cut leaves
//! cache.img ─► cache  holds data.img, a disk with a cache: a write lies in the page cache of `cache` until the disk is told to flush
//! data.img  ─► data   holds the server's directory
//! ```
//!
//! Each is ext4 on a loop device. Cutting the power freezes `medium`, so that writes to the medium stop at one moment, and copies
//! `cache.img` as it is then. Everything above is thrown away with its page caches: what the server wrote and did not sync, and what the
//! disk was sent and not told to flush. The journals of `cache` and `data` recover when the copy is mounted.
//!
//! Freezing flushes the file system that is frozen. That is why there is a third one: the page cache of `medium` belongs to the medium,
//! and nothing may be lost in it. Copying without a freeze could give a journal from one moment and the blocks that it speaks of from
//! another, which no power cut leaves.

use rustix::fs::SeekFrom;
use rustix::io::Errno;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

/// One file system.
#[derive(Clone, Copy, Debug)]
struct FileSystem {
    /// Of the image, and of the directory where it is mounted.
    name: &'static str,
    /// How large it is; images are sparse.
    bytes: u64,
}

const MEDIUM: FileSystem = FileSystem { name: "medium", bytes: 768 << 20 };
const CACHE: FileSystem = FileSystem { name: "cache", bytes: 512 << 20 };
const DATA: FileSystem = FileSystem { name: "data", bytes: 320 << 20 };
/// The server's directory on the innermost; the top of a file system has a directory of its own in it.
const SERVER_DIR: &str = "server";
/// How often a file system is unmounted that still reports that it is busy, and the pause between.
const UNMOUNT_TRIES: u32 = 100;
const UNMOUNT_PAUSE: Duration = Duration::from_millis(50);
/// What is copied at a time.
const COPY_BYTES: usize = 1 << 20;

/// Why the power could not be cut.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PowerError {
    /// Mounting is for root.
    #[error("power cuts are not possible here: only root may mount file systems")]
    NotRoot,
    /// The system does not let us mount a file system on a loop device.
    #[error("power cuts are not possible here: {0}")]
    NotHere(#[source] Box<PowerError>),
    /// A program of the system is not there.
    #[error("the program {program} cannot be run")]
    Missing {
        /// Which.
        program: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// A program of the system failed.
    #[error("{program} failed with {status}: {message}")]
    Failed {
        /// Which.
        program: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        message: String,
    },
    /// An image or a directory cannot be made, read or written.
    #[error("{path}: {source}", path = .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// See the module.
#[derive(Debug)]
pub(crate) struct PowerSupply {
    base: PathBuf,
    /// Whether the medium is being copied.
    frozen: bool,
}

impl PowerSupply {
    /// Makes the three file systems in a directory.
    pub(crate) fn connect(base: &Path) -> Result<Self, PowerError> {
        if !rustix::process::geteuid().is_root() {
            return Err(PowerError::NotRoot);
        }
        let power = Self { base: base.to_owned(), frozen: false };
        // What cannot be mounted now never can; later failures are something else.
        power.make_all().map_err(|error| PowerError::NotHere(Box::new(error)))?;
        Ok(power)
    }

    /// Where the server has its data.
    pub(crate) fn server_dir(&self) -> PathBuf {
        self.mount_point(DATA).join(SERVER_DIR)
    }

    /// Stops all writes to the medium, at one moment.
    pub(crate) fn freeze(&mut self) -> Result<(), PowerError> {
        run("fsfreeze", &["--freeze".as_ref(), &self.mount_point(MEDIUM)])?;
        self.frozen = true;
        Ok(())
    }

    /// Copies the medium, which is frozen.
    pub(crate) fn capture(&self) -> Result<(), PowerError> {
        copy_sparse(&self.image(CACHE), &self.captured())
    }

    /// Lets writes to the medium go on; what they write is not in the copy.
    pub(crate) fn thaw(&mut self) -> Result<(), PowerError> {
        run("fsfreeze", &["--unfreeze".as_ref(), &self.mount_point(MEDIUM)])?;
        self.frozen = false;
        Ok(())
    }

    /// Mounts what was captured in place of what is mounted now. Nobody may use it any more.
    pub(crate) fn restore(&self) -> Result<(), PowerError> {
        unmount(&self.mount_point(DATA))?;
        unmount(&self.mount_point(CACHE))?;
        copy_sparse(&self.captured(), &self.image(CACHE))?;
        self.mount(CACHE)?;
        self.mount(DATA)
    }

    fn make_all(&self) -> Result<(), PowerError> {
        for file_system in [MEDIUM, CACHE, DATA] {
            let (image, mount_point) = (self.image(file_system), self.mount_point(file_system));
            let made = File::create_new(&image).and_then(|file| file.set_len(file_system.bytes));
            made.and_then(|()| std::fs::create_dir(&mount_point))
                .map_err(|source| PowerError::File { path: image.clone(), source })?;
            // A small image would get smaller blocks than servers have; and nothing may be left to be initialised later.
            let format = ["-q", "-F", "-b", "4096", "-N", "1024", "-E", "lazy_itable_init=0"].map(Path::new);
            run("mkfs.ext4", &[format.as_slice(), &[image.as_path()]].concat())?;
            self.mount(file_system)?;
        }
        Ok(())
    }

    fn mount(&self, file_system: FileSystem) -> Result<(), PowerError> {
        // The loop device goes with the mount.
        run(
            "mount",
            &["-t", "ext4", "-o", "loop"]
                .map(Path::new)
                .into_iter()
                .chain([self.image(file_system).as_path(), &self.mount_point(file_system)])
                .collect::<Vec<_>>(),
        )
    }

    /// Where a file system is mounted.
    fn mount_point(&self, file_system: FileSystem) -> PathBuf {
        self.base.join(file_system.name)
    }

    fn image(&self, file_system: FileSystem) -> PathBuf {
        let within = match file_system.name {
            name if name == CACHE.name => self.mount_point(MEDIUM),
            name if name == DATA.name => self.mount_point(CACHE),
            _ => self.base.clone(),
        };
        within.join(format!("{}.img", file_system.name))
    }

    fn captured(&self) -> PathBuf {
        self.base.join("captured.img")
    }
}

impl Drop for PowerSupply {
    fn drop(&mut self) {
        // After a failure some of these fail as well; what stays mounted is seen in the list of mounts.
        if self.frozen {
            drop(self.thaw());
        }
        for file_system in [DATA, CACHE, MEDIUM] {
            drop(unmount(&self.mount_point(file_system)));
        }
    }
}

/// Unmounts; a file system whose last user has just ended may be busy for a moment.
fn unmount(mount_point: &Path) -> Result<(), PowerError> {
    let mut answer = run("umount", &[mount_point]);
    for _ in 1..UNMOUNT_TRIES {
        if !matches!(answer, Err(PowerError::Failed { ref message, .. }) if message.contains("busy")) {
            break;
        }
        std::thread::sleep(UNMOUNT_PAUSE);
        answer = run("umount", &[mount_point]);
    }
    answer
}

/// Runs a program of the system to its end.
fn run(program: &'static str, arguments: &[&Path]) -> Result<(), PowerError> {
    let output = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(|source| PowerError::Missing { program, source })?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(PowerError::Failed { program, status: output.status, message })
}

/// Copies a file with its holes; what was in `to` before is gone.
fn copy_sparse(from: &Path, to: &Path) -> Result<(), PowerError> {
    let failed = |path: &Path, source| PowerError::File { path: path.to_owned(), source };
    let source = File::open(from).map_err(|error| failed(from, error))?;
    let target = File::create(to).map_err(|error| failed(to, error))?;
    let bytes = source.metadata().map_err(|error| failed(from, error))?.len();
    target.set_len(bytes).map_err(|error| failed(to, error))?;
    let mut buffer = vec![0; COPY_BYTES];
    let mut offset = 0;
    while offset < bytes {
        // The next byte that is no hole.
        match rustix::fs::seek(&source, SeekFrom::Data(offset)) {
            Ok(next) => offset = next,
            Err(Errno::NXIO) => break,
            Err(error) => return Err(failed(from, error.into())),
        }
        let read = source.read_at(&mut buffer, offset).map_err(|error| failed(from, error))?;
        target.write_all_at(&buffer[..read], offset).map_err(|error| failed(to, error))?;
        offset += u64::try_from(read).unwrap_or(u64::MAX);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_equal_and_keeps_its_holes() {
        // Proves the copy of a medium: bytes at the ends and beside holes, and nothing of what the target was before.
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let bytes = 16 << 20;
        let file = File::create(&from).unwrap();
        file.set_len(bytes).unwrap();
        for offset in [0, 4_096, (5 << 20) - 3, bytes - 7] {
            file.write_all_at(b"contents", offset).unwrap();
        }
        file.set_len(bytes).unwrap();
        std::fs::write(&to, vec![7; 20 << 20]).unwrap();
        copy_sparse(&from, &to).unwrap();
        assert!(std::fs::read(&from).unwrap() == std::fs::read(&to).unwrap());
        let held = |path: &Path| path.metadata().unwrap().blocks() * 512;
        assert!(held(&to) <= held(&from) + 8 * (1 << 20), "{} of {}", held(&to), held(&from));
    }

    #[test]
    fn what_a_program_says_is_handed_on() {
        // Proves that a failure names its program and quotes it, and that a missing program is told apart.
        let error = run("umount", &[Path::new("/nowhere/at/all")]).unwrap_err();
        assert!(matches!(&error, PowerError::Failed { message, .. } if !message.is_empty()), "{error}");
        assert!(error.to_string().starts_with("umount failed with"), "{error}");
        let error = run("no-such-program-anywhere", &[]).unwrap_err();
        assert!(matches!(error, PowerError::Missing { .. }), "{error}");
    }
}
