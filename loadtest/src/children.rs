//! The server under test: one that already runs, or a child process of this program with a temporary data directory.
//! This module starts and ends processes. Their contents are in `serve` and `echo`.

use crate::arguments::CommonArguments;
use crate::exit::Failure;
use crate::memory::{MemoryFacts, Prepared};
use crate::system::resident_bytes;
use anyhow::{Context as _, anyhow};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a child may take to end after its standard input was closed.
const STOP_MAX: Duration = Duration::from_secs(30);
/// How often an ending child is polled.
const STOP_POLL: Duration = Duration::from_millis(5);
/// The longest first line of a child in bytes.
const READY_BYTES_MAX: u64 = 4_096;

/// The first line of a child. It reports that the child accepts connections.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ready {
    /// The address.
    pub(crate) address: SocketAddr,
    /// The storage of its log. Absent if it writes nothing.
    pub(crate) storage: Option<StorageFacts>,
    /// What it found at its start. Absent if it keeps nothing.
    pub(crate) recovery: Option<RecoveryFacts>,
}

/// What a server found in its data directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RecoveryFacts {
    /// The last op of the log.
    pub(crate) recovered_ops: u64,
    /// How many of them were replayed after a snapshot.
    pub(crate) replayed_ops: u64,
    /// Whether the log ended in a torn write.
    pub(crate) torn_tail: bool,
    /// Snapshots that could not be used, each with the reason.
    pub(crate) snapshots_refused: Vec<String>,
}

impl RecoveryFacts {
    pub(crate) fn of(report: &stockhold::recovery::RecoveryReport) -> Self {
        Self {
            recovered_ops: report.recovered_ops,
            replayed_ops: report.replayed_ops,
            torn_tail: report.torn_tail,
            snapshots_refused: report.snapshots_refused.clone(),
        }
    }
}

/// The storage of a log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StorageFacts {
    /// The file system.
    pub(crate) file_system: String,
    /// How one write is made durable.
    pub(crate) write_path: String,
    /// Whether it is in memory.
    pub(crate) in_memory: bool,
    /// A warning about its durability.
    pub(crate) warning: Option<String>,
}

impl StorageFacts {
    pub(crate) fn of(medium: stockhold::storage::Medium) -> Self {
        Self {
            file_system: format!("{:?}", medium.file_system).to_lowercase(),
            write_path: format!("{:?}", medium.write_path).to_lowercase(),
            in_memory: medium.file_system == stockhold::storage::FileSystemKind::Memory,
            warning: medium.warning(),
        }
    }
}

/// A directory for the data of one run.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    removed_at_end: bool,
    chosen: bool,
}

impl DataDir {
    /// The chosen directory, or a new one beside this program: on the disk that the program was built on, not in
    /// memory.
    pub(crate) fn make(chosen: Option<&Path>, keep: bool) -> Result<Self, Failure> {
        let path = match chosen {
            Some(path) => path.to_owned(),
            None => own_directory()?.join(format!("stockhold-loadtest-{}", std::process::id())),
        };
        if path.exists()
            && path.read_dir().with_context(|| format!("cannot read {}", path.display()))?.next().is_some()
        {
            return Err(Failure::usage(format!(
                "{} is not empty; choose another --data-dir",
                path.display()
            )));
        }
        std::fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { path, removed_at_end: !keep, chosen: chosen.is_some() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps the directory, because it is evidence.
    pub(crate) fn preserve(&mut self) {
        self.removed_at_end = false;
    }

    /// A sync to memory measures nothing. It is accepted only if the directory was named explicitly.
    pub(crate) fn check(&self, storage: &StorageFacts) -> Result<(), Failure> {
        if storage.in_memory && !self.chosen {
            let path = self.path.display();
            return Err(Failure::usage(format!(
                "{path} is in memory, where a sync has no effect; choose a --data-dir"
            )));
        }
        Ok(())
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        if self.removed_at_end {
            // What cannot be removed is left in place.
            drop(std::fs::remove_dir_all(&self.path));
        }
    }
}

fn own_directory() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()?;
    Ok(program
        .parent()
        .map(Path::to_owned)
        .ok_or_else(|| anyhow!("the directory of this program is unknown"))?)
}

/// Runs this program with other arguments.
pub(crate) fn spawn(
    arguments: &[&std::ffi::OsStr],
    environment: Option<(&str, String)>,
) -> Result<Child, Failure> {
    let program = std::env::current_exe()?;
    let child = Command::new(program)
        .args(arguments)
        .envs(environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // A Ctrl-C at the terminal is for the parent only, which still needs its server for the audit.
        .process_group(0)
        .spawn();
    Ok(child.context("cannot start a child process")?)
}

/// The first line that a child prints.
pub(crate) fn first_line(stdout: ChildStdout) -> std::io::Result<String> {
    let mut line = String::new();
    BufReader::new(stdout.take(READY_BYTES_MAX)).read_line(&mut line)?;
    Ok(line)
}

/// Asks a child to stop cleanly and waits for it.
pub(crate) fn stop(child: &mut Child) -> Result<(), Failure> {
    drop(child.stdin.take());
    let until = Instant::now() + STOP_MAX;
    while Instant::now() < until {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(anyhow!("the server under test ended with {status}").into()),
            None => std::thread::sleep(STOP_POLL),
        }
    }
    Err(anyhow!("the server under test did not end within {STOP_MAX:?}").into())
}

/// A child of this program. It ends when its standard input is closed, so it never outlives its parent.
#[derive(Debug)]
pub(crate) struct ChildProcess {
    child: Child,
    pub(crate) ready: Ready,
}

impl ChildProcess {
    /// Runs this program with other arguments and waits until it accepts connections.
    pub(crate) fn start(
        arguments: &[&std::ffi::OsStr],
        environment: Option<(&str, String)>,
    ) -> Result<Self, Failure> {
        let mut child = spawn(arguments, environment)?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            line = first_line(stdout)?;
        }
        if let Ok(ready) = serde_json::from_str(&line) {
            return Ok(Self { child, ready });
        }
        // It has ended, or is about to. It reports the reason on standard error.
        drop(child.kill());
        let status = child.wait()?;
        Err(anyhow!("the child process did not start ({status})").into())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks the child to stop cleanly and waits for it.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        stop(&mut self.child)
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        // After a regular stop both fail, which is expected.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The server under test.
#[derive(Debug)]
pub(crate) struct ServerUnderTest {
    pub(crate) address: SocketAddr,
    pub(crate) pid: Option<u32>,
    pub(crate) storage: Option<StorageFacts>,
    /// Whether no other client uses it.
    pub(crate) is_ours: bool,
    /// The state of its memory at the start.
    pub(crate) memory: MemoryFacts,
    child: Option<ChildProcess>,
    /// Memory that the server must not get. It is released after the child has ended.
    prepared: Option<Prepared>,
    /// Dropped, and so removed, after the child has ended.
    data_dir: Option<DataDir>,
}

impl ServerUnderTest {
    /// Uses the given server, or starts one.
    pub(crate) fn get(arguments: &CommonArguments) -> Result<Self, Failure> {
        if let Some(address) = arguments.server {
            return Ok(Self {
                address,
                pid: arguments.server_pid,
                storage: None,
                is_ours: false,
                memory: MemoryFacts::as_is(),
                child: None,
                prepared: None,
                data_dir: None,
            });
        }
        let data_dir = DataDir::make(arguments.data_dir.as_deref(), arguments.keep)?;
        let options: Vec<String> =
            arguments.set.iter().map(|(key, value)| format!("--set={key}={value}")).collect();
        let mut words = vec!["serve-child".as_ref(), "--data-dir".as_ref(), data_dir.path().as_os_str()];
        words.extend(options.iter().map(std::ffi::OsStr::new));
        let prepared = arguments.memory.prepare()?;
        let touch = prepared.touch_mib.map(|mib| format!("--touch-mib={mib}"));
        words.extend(touch.iter().map(std::ffi::OsStr::new));
        let child = ChildProcess::start(&words, prepared.environment())?;
        prepared.check(resident_bytes(child.pid()))?;
        if let Some(storage) = &child.ready.storage {
            data_dir.check(storage)?;
        }
        Ok(Self {
            address: child.ready.address,
            pid: Some(child.pid()),
            storage: child.ready.storage.clone(),
            is_ours: true,
            memory: prepared.facts.clone(),
            child: Some(child),
            prepared: Some(prepared),
            data_dir: Some(data_dir),
        })
    }

    /// Stops a server that was started. A given server is left running.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let stopped = self.child.map_or(Ok(()), ChildProcess::stop);
        drop((self.prepared, self.data_dir));
        stopped
    }
}
