//! The server that is killed: a process with a data directory that outlives it. It starts, freezes and ends processes of its own making
//! by their ids; when, is for `torment`.

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

/// Segments of some dozen writes and a snapshot every thousand ops, so that blows fall on rotations and snapshots too.
const OPTIONS: [(&str, &str); 3] =
    [("log.batch-bytes", "66560"), ("log.segment-bytes", "131072"), ("snapshot.ops", "1000")];

/// One process.
#[derive(Debug)]
struct RunningProcess {
    child: Child,
    started: Instant,
    /// Its first line, when it has come.
    first_line: Receiver<std::io::Result<String>>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    arguments: Vec<OsString>,
    running: Option<RunningProcess>,
    /// The server's directory.
    server_dir: PathBuf,
    /// Before the directory that it lies in: it goes first.
    power: Option<PowerSupply>,
    data_dir: DataDir,
}

impl ServerProcess {
    /// A server that has not been started yet. With a power supply its data lie where that says.
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

    /// Starts a process and does not wait for it.
    pub(crate) fn start(&mut self) -> Result<(), Failure> {
        let arguments: Vec<_> = self.arguments.iter().map(OsString::as_os_str).collect();
        let started = Instant::now();
        let mut child = children::spawn(&arguments, None)?;
        let (sender, first_line) = channel();
        let stdout = child.stdout.take();
        self.running = Some(RunningProcess { child, started, first_line });
        let stdout = stdout.ok_or_else(|| anyhow!("the child process has no standard output"))?;
        let reading = move || {
            // Nobody may be waiting any more.
            sender.send(children::first_line(stdout)).ok();
        };
        drop(std::thread::Builder::new().name("first line".to_owned()).spawn(reading)?);
        Ok(())
    }

    /// Waits until the process takes connections, at most for `limit` (then `None`). Tells how long the start took.
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
        // It says why on standard error.
        let status = running.child.wait()?;
        Err(anyhow!("the server did not start ({status})").into())
    }

    /// Ends the process as a crash of it would end it: the system, and what its caches hold, live on.
    pub(crate) fn kill(&mut self) -> Result<(), Failure> {
        let mut child = self.take_running()?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Ends the process by cutting its power: of its files that is left which had reached the medium. They lie where they lay.
    pub(crate) fn cut_power(&mut self) -> Result<(), Failure> {
        let mut child = self.take_running()?;
        let power = self.power.as_mut().ok_or_else(|| anyhow!("there is no power supply"))?;
        // It is at work: calls are cut off in their middle. From here on nothing gets durable, so a right server answers nothing more
        // that would have to be.
        power.freeze()?;
        let captured = power.capture();
        let killed = child.kill();
        // What is still to be written gets nowhere near the copy.
        power.thaw()?;
        killed?;
        child.wait()?;
        captured?;
        power.restore()?;
        Ok(())
    }

    /// The process that is to be ended; it must have been alive until now.
    fn take_running(&mut self) -> Result<Child, Failure> {
        let mut running = self.running.take().ok_or_else(|| anyhow!("there is no server to kill"))?;
        match running.child.try_wait()? {
            Some(status) => Err(anyhow!("the server ended by itself with {status}").into()),
            None => Ok(running.child),
        }
    }

    /// Freezes the process for so long.
    pub(crate) fn freeze(&self, span: Duration) -> Result<(), Failure> {
        self.signal(Signal::STOP)?;
        std::thread::sleep(span);
        Ok(())
    }

    /// Lets a frozen process go on.
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

    /// Ends the process in good order.
    pub(crate) fn stop(&mut self) -> Result<(), Failure> {
        self.running.take().map_or(Ok(()), |mut running| children::stop(&mut running.child))
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        if let Some(running) = &mut self.running {
            // After a failure nothing is left to say about it; a frozen process dies as well.
            drop(running.child.kill());
            drop(running.child.wait());
        }
    }
}
