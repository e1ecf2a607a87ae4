//! The server of the demo: this program as a separate process, so that it can be killed.

use super::super::exit::{Exit, ExitWith, Failure};
use anyhow::{Context as _, anyhow};
use rustix::process::{Pid, Signal};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The maximum length of the line that a server prints when it is ready.
const READY_BYTES_MAX: u64 = 65_536;

/// A server process.
pub(super) struct ServerProcess {
    child: Child,
    /// The address on which it listens.
    pub(super) address: String,
    /// The recovery report that the server printed.
    pub(super) recovery: Value,
    /// Whether the process continues after this value is dropped.
    stays: bool,
}

impl ServerProcess {
    /// Starts a server on a formatted directory and waits until it accepts connections.
    pub(super) fn start(data_dir: &Path, listen: &str) -> Result<Self, Failure> {
        let program = std::env::current_exe().exit_with(Exit::Unreachable)?;
        let child = Command::new(program)
            .args(["serve", "--json", "--set", "logging.level=error", "--listen", listen, "--data-dir"])
            .arg(data_dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // Only read when the server does not start. It logs nothing but errors.
            .stderr(Stdio::piped())
            .spawn()
            .exit_with(Exit::Unreachable)?;
        let mut process = Self { child, address: String::new(), recovery: Value::Null, stays: false };
        let ready = process.ready().map_err(|error| Failure { exit: Exit::Unreachable, error })?;
        ready["address"].as_str().unwrap_or_default().clone_into(&mut process.address);
        process.recovery = ready["recovery"].clone();
        Ok(process)
    }

    fn ready(&mut self) -> Result<Value, anyhow::Error> {
        let stdout =
            self.child.stdout.take().ok_or_else(|| anyhow!("the server's output is not captured"))?;
        let mut line = String::new();
        BufReader::new(stdout.take(READY_BYTES_MAX)).read_line(&mut line)?;
        serde_json::from_str(&line)
            .with_context(|| format!("the server did not start: {}", self.last_words()))
    }

    /// What a server that did not start has reported.
    fn last_words(&mut self) -> String {
        let mut text = String::new();
        if let Some(stderr) = self.child.stderr.take() {
            // What cannot be read is missing from the message.
            stderr.take(READY_BYTES_MAX).read_to_string(&mut text).ok();
        }
        let last = text.lines().last().unwrap_or_default();
        let document: Option<Value> = serde_json::from_str(last).ok();
        let error = document.as_ref().and_then(|document| document["error"].as_str());
        error.unwrap_or(last).to_owned()
    }

    /// The process number.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills the process with SIGKILL.
    pub(super) fn kill(&mut self) -> Result<(), Failure> {
        self.child.kill().exit_with(Exit::Unreachable)?;
        self.child.wait().exit_with(Exit::Unreachable)?;
        Ok(())
    }

    /// Stops the server cleanly and waits for its end.
    pub(super) fn stop(&mut self) -> Result<(), Failure> {
        rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM)
            .map_err(|error| Failure::new(Exit::Unreachable, std::io::Error::from(error)))?;
        let ended = self.child.wait().exit_with(Exit::Unreachable)?;
        if ended.success() {
            return Ok(());
        }
        Err(Failure { exit: Exit::BadData, error: anyhow!("the server did not stop cleanly: {ended}") })
    }

    /// Lets the server run after the demo.
    pub(super) fn leave(mut self) {
        self.stays = true;
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        if !self.stays {
            // A process that has ended already cannot be killed.
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}
