//! The demo's server: this program again, as a process of its own that can be killed.

use super::super::exit::{Exit, ExitWith, Failure};
use anyhow::{Context as _, anyhow};
use rustix::process::{Pid, Signal};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The longest line that a server prints when it is ready.
const READY_BYTES_MAX: u64 = 65_536;

/// A server process.
pub(super) struct ServerProcess {
    child: Child,
    /// Where it listens.
    pub(super) address: String,
    /// What recovery did, as the server told it.
    pub(super) recovery: Value,
    /// Whether it stays when this value goes.
    stays: bool,
}

impl ServerProcess {
    /// Starts a server on a formatted directory and waits until it takes connections.
    pub(super) fn start(data_dir: &Path, listen: &str) -> Result<Self, Failure> {
        let program = std::env::current_exe().exit_with(Exit::Disk)?;
        let child = Command::new(program)
            .args(["serve", "--json", "--set", "logging.level=error", "--listen", listen, "--data-dir"])
            .arg(data_dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .exit_with(Exit::Disk)?;
        let mut process = Self { child, address: String::new(), recovery: Value::Null, stays: false };
        let ready = process.ready().map_err(|error| Failure { exit: Exit::Unreachable, error })?;
        ready["address"].as_str().unwrap_or_default().clone_into(&mut process.address);
        process.recovery = ready["recovery"].clone();
        Ok(process)
    }

    fn ready(&mut self) -> Result<Value, anyhow::Error> {
        let stdout = self.child.stdout.take().ok_or_else(|| anyhow!("the server's output is not ours"))?;
        let mut line = String::new();
        BufReader::new(stdout.take(READY_BYTES_MAX)).read_line(&mut line)?;
        serde_json::from_str(&line).context("the server did not start")
    }

    /// Its process number.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it hard: no signal handler, no last write.
    pub(super) fn kill(&mut self) -> Result<(), Failure> {
        self.child.kill().exit_with(Exit::Disk)?;
        self.child.wait().exit_with(Exit::Disk)?;
        Ok(())
    }

    /// Asks it to stop in good order and waits; a server does so in bounded time.
    pub(super) fn stop(&mut self) -> Result<(), Failure> {
        rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM)
            .map_err(|error| Failure::new(Exit::Disk, std::io::Error::from(error)))?;
        let ended = self.child.wait().exit_with(Exit::Disk)?;
        if ended.success() {
            return Ok(());
        }
        Err(Failure { exit: Exit::BadData, error: anyhow!("the server did not stop in good order: {ended}") })
    }

    /// Lets it run on when the demo has ended.
    pub(super) fn leave(mut self) {
        self.stays = true;
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        if !self.stays {
            // A process that has ended already cannot be killed, and need not be.
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}
