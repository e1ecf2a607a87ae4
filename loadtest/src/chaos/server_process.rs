//! The server that is crashed: a process with a data directory that outlives it. It starts, freezes and ends only
//! processes that it started. `fault_injector` decides when.

use super::power_cut::PowerSupply;
use crate::children::{self, DataDir, Ready};
use crate::exit::Failure;
use anyhow::{Context as _, anyhow};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Segments of some dozen writes and a snapshot every thousand ops, so that faults also hit rotations and snapshots.
const OPTIONS: [(&str, &str); 3] =
    [("log.batch-bytes", "66560"), ("log.segment-bytes", "131072"), ("snapshot.ops", "1000")];

/// A running process.
#[derive(Debug)]
struct RunningProcess {
    child: Child,
    started: Instant,
    /// Its first line, once it has been read.
    first_line: Receiver<std::io::Result<String>>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    arguments: Vec<OsString>,
    running: Option<RunningProcess>,
    /// The server's directory.
    server_dir: PathBuf,
    /// It must be dropped before the directory that contains it.
    power: Option<PowerSupply>,
    data_dir: DataDir,
}

impl ServerProcess {
    /// A server that has not been started yet. With a power supply, its data is on that supply's file system.
    pub(crate) fn new(data_dir: DataDir, power: Option<PowerSupply>, set: &[(String, String)]) -> Self {
        let server_dir = power.as_ref().map_or_else(|| data_dir.path().to_owned(), PowerSupply::server_dir);
        let mut arguments: Vec<OsString> =
            vec!["serve-child".into(), "--data-dir".into(), server_dir.as_os_str().to_owned()];
        arguments.extend(OPTIONS.iter().map(|(key, value)| format!("--set={key}={value}").into()));
        arguments.extend(set.iter().map(|(key, value)| format!("--set={key}={value}").into()));
        Self { arguments, running: None, server_dir, power, data_dir }
    }

    /// The server's directory.
    pub(crate) fn server_dir(&self) -> &Path {
        &self.server_dir
    }

    pub(crate) fn data_dir(&mut self) -> &mut DataDir {
        &mut self.data_dir
    }

    /// Starts a process without waiting for it.
    pub(crate) fn start(&mut self) -> Result<(), Failure> {
        let arguments: Vec<_> = self.arguments.iter().map(OsString::as_os_str).collect();
        let started = Instant::now();
        let mut child = children::spawn(&arguments, None)?;
        let (sender, first_line) = channel();
        let stdout = child.stdout.take();
        self.running = Some(RunningProcess { child, started, first_line });
        let stdout = stdout.ok_or_else(|| anyhow!("the child process has no standard output"))?;
        let reading = move || {
            // The receiver may be gone.
            sender.send(children::first_line(stdout)).ok();
        };
        drop(std::thread::Builder::new().name("first line".to_owned()).spawn(reading)?);
        Ok(())
    }

    /// Waits until the process accepts connections, at most for `limit` (then `None`). Returns how long the start
    /// took.
    pub(crate) fn ready(&mut self, limit: Duration) -> Result<Option<(Ready, Duration)>, Failure> {
        let running = self.running.as_mut().ok_or_else(|| anyhow!("the server was not started"))?;
        let line = match running.first_line.recv_timeout(limit) {
            Ok(line) => line.context("the server's first line cannot be read")?,
            Err(RecvTimeoutError::Timeout) => return Ok(None),
            Err(RecvTimeoutError::Disconnected) => String::new(),
        };
        let took = running.started.elapsed();
        if let Ok(ready) = serde_json::from_str(&line) {
            return Ok(Some((ready, took)));
        }
        // The process reports the reason on standard error.
        let status = running.child.wait()?;
        Err(anyhow!("the server did not start ({status})").into())
    }

    /// Kills the process. The system and its page cache stay as they are.
    pub(crate) fn kill(&mut self) -> Result<(), Failure> {
        let mut child = self.take_running()?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Cuts the power of the process. Of its files, only what had reached the medium survives, at the same paths.
    pub(crate) fn cut_power(&mut self) -> Result<(), Failure> {
        let mut child = self.take_running()?;
        let power = self.power.as_mut().ok_or_else(|| anyhow!("there is no power supply"))?;
        // The server is running, so calls are interrupted. From here on nothing becomes durable, so a correct server
        // sends no further answer that needs it.
        power.freeze()?;
        let captured = power.capture();
        let killed = child.kill();
        // Later writes do not reach the copy.
        power.thaw()?;
        killed?;
        child.wait()?;
        captured?;
        power.restore()?;
        Ok(())
    }

    /// The process that is to be crashed. It must have been running until now.
    fn take_running(&mut self) -> Result<Child, Failure> {
        let mut running = self.running.take().ok_or_else(|| anyhow!("there is no server to kill"))?;
        match running.child.try_wait()? {
            Some(status) => Err(anyhow!("the server ended by itself with {status}").into()),
            None => Ok(running.child),
        }
    }

    /// Freezes the process for this time.
    pub(crate) fn freeze(&self, span: Duration) -> Result<(), Failure> {
        self.signal(Signal::STOP)?;
        std::thread::sleep(span);
        Ok(())
    }

    /// Lets a frozen process continue.
    pub(crate) fn thaw(&self) -> Result<(), Failure> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<(), Failure> {
        let running =
            self.running.as_ref().ok_or_else(|| anyhow!("there is no server to send a signal to"))?;
        kill_process(Pid::from_child(&running.child), signal)
            .context("cannot send a signal to the server")?;
        Ok(())
    }

    /// Whether a snapshot is being written.
    pub(crate) fn is_writing_snapshot(&self) -> bool {
        let names = self.server_dir.read_dir().into_iter().flatten().flatten();
        names.map(|entry| entry.file_name()).any(|name| {
            let name = name.to_string_lossy();
            name.strip_suffix(stockhold::storage::TEMPORARY_SUFFIX)
                .is_some_and(|name| stockhold::snapshot::parse_snapshot_name(name).is_some())
        })
    }

    /// Stops the process cleanly.
    pub(crate) fn stop(&mut self) -> Result<(), Failure> {
        self.running.take().map_or(Ok(()), |mut running| children::stop(&mut running.child))
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        if let Some(running) = &mut self.running {
            // After a failure there is nothing more to report. A frozen process is killed too.
            drop(running.child.kill());
            drop(running.child.wait());
        }
    }
}
