//! A power supply that can be cut, for a server process on a real file system. It works with files, mounts and system
//! programs; `fault_injector` decides when the power fails.
//!
//! ```text
//! medium.img ─► medium  contains cache.img; its content is what survives a power cut
//! cache.img  ─► cache   contains data.img; a disk with a write cache, which is the page cache of this file system
//! data.img   ─► data    contains the server's directory
//! ```
//!
//! Each is ext4 on a loop device. A power cut freezes `medium`, so that all writes to the medium stop at one moment,
//! and copies `cache.img` in that state. Then the file systems above are discarded with their page caches. This loses
//! what the server wrote without syncing, and what the disk received without being told to flush. The journals of
//! `cache` and `data` recover when the copy is mounted.
//!
//! Freezing flushes the frozen file system. That is why there is a third one: the page cache of `medium` belongs to
//! the medium and must not be lost. A copy without a freeze could contain a journal from one moment and its blocks
//! from another, which no power cut leaves.

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
    /// The name of the image, and of the mount point.
    name: &'static str,
    /// Its size. Images are sparse.
    bytes: u64,
}

const MEDIUM: FileSystem = FileSystem { name: "medium", bytes: 768 << 20 };
const CACHE: FileSystem = FileSystem { name: "cache", bytes: 512 << 20 };
const DATA: FileSystem = FileSystem { name: "data", bytes: 320 << 20 };
/// The server's directory on the innermost file system. The root of a file system also contains `lost+found`.
const SERVER_DIR: &str = "server";
/// How often unmounting is tried while the file system is busy, and the pause between tries.
const UNMOUNT_TRIES: u32 = 100;
const UNMOUNT_PAUSE: Duration = Duration::from_millis(50);
/// Bytes that are copied at a time.
const COPY_BYTES: usize = 1 << 20;

/// Why the power could not be cut.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PowerError {
    /// Only root may mount.
    #[error("power cuts are not possible here: only root may mount file systems")]
    NotRoot,
    /// The system does not allow mounting a file system on a loop device.
    #[error("power cuts are not possible here: {0}")]
    NotHere(#[source] Box<PowerError>),
    /// A system program is missing.
    #[error("the program {program} cannot be run")]
    Missing {
        /// The program.
        program: &'static str,
        /// The cause.
        source: std::io::Error,
    },
    /// A system program failed.
    #[error("{program} failed with {status}: {message}")]
    Failed {
        /// The program.
        program: &'static str,
        /// Its exit status.
        status: ExitStatus,
        /// Its error output.
        message: String,
    },
    /// An image or a directory cannot be created, read or written.
    #[error("{path}: {source}", path = .path.display())]
    File {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}

/// See the module.
#[derive(Debug)]
pub(crate) struct PowerSupply {
    base: PathBuf,
    /// Whether the medium is frozen.
    frozen: bool,
}

impl PowerSupply {
    /// Creates the three file systems in a directory.
    pub(crate) fn connect(base: &Path) -> Result<Self, PowerError> {
        if !rustix::process::geteuid().is_root() {
            return Err(PowerError::NotRoot);
        }
        let power = Self { base: base.to_owned(), frozen: false };
        // Mounting that fails now will always fail. Later failures have other causes.
        power.make_all().map_err(|error| PowerError::NotHere(Box::new(error)))?;
        Ok(power)
    }

    /// The server's data directory.
    pub(crate) fn server_dir(&self) -> PathBuf {
        self.mount_point(DATA).join(SERVER_DIR)
    }

    /// Stops all writes to the medium at one moment.
    pub(crate) fn freeze(&mut self) -> Result<(), PowerError> {
        run("fsfreeze", &["--freeze".as_ref(), &self.mount_point(MEDIUM)])?;
        self.frozen = true;
        Ok(())
    }

    /// Copies the frozen medium.
    pub(crate) fn capture(&self) -> Result<(), PowerError> {
        copy_sparse(&self.image(CACHE), &self.captured())
    }

    /// Lets writes to the medium continue. They are not in the copy.
    pub(crate) fn thaw(&mut self) -> Result<(), PowerError> {
        run("fsfreeze", &["--unfreeze".as_ref(), &self.mount_point(MEDIUM)])?;
        self.frozen = false;
        Ok(())
    }

    /// Mounts the copy in place of the current file systems, which must not be in use.
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
            // The options override the defaults for small images: blocks as large as on servers, and no lazy
            // initialization.
            let format = ["-q", "-F", "-b", "4096", "-N", "1024", "-E", "lazy_itable_init=0"].map(Path::new);
            run("mkfs.ext4", &[format.as_slice(), &[image.as_path()]].concat())?;
            self.mount(file_system)?;
        }
        Ok(())
    }

    fn mount(&self, file_system: FileSystem) -> Result<(), PowerError> {
        // The loop device is released with the mount.
        run(
            "mount",
            &["-t", "ext4", "-o", "loop"]
                .map(Path::new)
                .into_iter()
                .chain([self.image(file_system).as_path(), &self.mount_point(file_system)])
                .collect::<Vec<_>>(),
        )
    }

    /// The mount point of a file system.
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
        // After a failure some of these fail too. What stays mounted is visible in the list of mounts.
        if self.frozen {
            drop(self.thaw());
        }
        for file_system in [DATA, CACHE, MEDIUM] {
            drop(unmount(&self.mount_point(file_system)));
        }
    }
}

/// Unmounts. A file system may be busy for a moment after its last user has ended.
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

/// Runs a system program to its end.
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

/// Copies a sparse file and replaces the contents of `to`.
fn copy_sparse(from: &Path, to: &Path) -> Result<(), PowerError> {
    let failed = |path: &Path, source| PowerError::File { path: path.to_owned(), source };
    let source = File::open(from).map_err(|error| failed(from, error))?;
    let target = File::create(to).map_err(|error| failed(to, error))?;
    let bytes = source.metadata().map_err(|error| failed(from, error))?.len();
    target.set_len(bytes).map_err(|error| failed(to, error))?;
    let mut buffer = vec![0; COPY_BYTES];
    let mut offset = 0;
    while offset < bytes {
        // The next byte that is not in a hole.
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
        // Proves the copy of a medium: bytes at the ends and beside holes, and nothing of the target's old contents.
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
        // Proves that a failure names its program and quotes it, and that a missing program is reported as such.
        let error = run("umount", &[Path::new("/nowhere/at/all")]).unwrap_err();
        assert!(matches!(&error, PowerError::Failed { message, .. } if !message.is_empty()), "{error}");
        assert!(error.to_string().starts_with("umount failed with"), "{error}");
        let error = run("no-such-program-anywhere", &[]).unwrap_err();
        assert!(matches!(error, PowerError::Missing { .. }), "{error}");
    }
}
