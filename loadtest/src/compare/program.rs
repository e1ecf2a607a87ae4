//! Programs of peers: finding them, starting them so that they end with this process, and stopping them.

use crate::exit::Failure;
use anyhow::{Context as _, anyhow};
use std::ffi::OsStr;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a peer may take to end.
const STOP_MAX: Duration = Duration::from_secs(30);
/// How often an ending peer is polled.
const STOP_POLL: Duration = Duration::from_millis(5);
/// How long a peer may take until it answers.
pub(crate) const START_MAX: Duration = Duration::from_secs(20);
/// How often a starting peer is polled.
pub(crate) const START_POLL: Duration = Duration::from_millis(10);

/// The signal that stops a peer, and that it gets when this process ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// SIGTERM.
    Terminate,
    /// SIGINT, by which PostgreSQL ends without waiting for its clients.
    Interrupt,
}

impl End {
    const fn name(self) -> &'static str {
        match self {
            Self::Terminate => "TERM",
            Self::Interrupt => "INT",
        }
    }

    const fn signal(self) -> rustix::process::Signal {
        match self {
            Self::Terminate => rustix::process::Signal::TERM,
            Self::Interrupt => rustix::process::Signal::INT,
        }
    }
}

/// A running peer.
#[derive(Debug)]
pub(crate) struct PeerProcess {
    child: Child,
    end: End,
}

/// Looks for a program on PATH and in `more`.
pub(crate) fn find(name: &str, more: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(more.iter().cloned());
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// Looks for a program of a peer. The error says how to install it.
pub(crate) fn required(name: &str, more: &[PathBuf]) -> Result<PathBuf, Failure> {
    find(name, more).ok_or_else(|| anyhow!("{name} is not installed; run scripts/install-peers.sh").into())
}

/// The version line of a program.
pub(crate) fn version(program: &Path) -> Result<String, Failure> {
    let output = Command::new(program).arg("--version").output();
    let output = output.with_context(|| format!("cannot run {}", program.display()))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A port that is unused at this moment.
pub(crate) fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

impl PeerProcess {
    /// Starts a program, under `account` if one is given (this needs setpriv), with `environment` added. Its output
    /// is discarded.
    pub(crate) fn start<'a>(
        program: &Path,
        arguments: impl IntoIterator<Item = &'a OsStr>,
        end: End,
        account: Option<&str>,
        environment: &[(&str, String)],
    ) -> Result<Self, Failure> {
        // No peer may survive when this process is killed. Only setpriv can request that from outside.
        let mut command = match find("setpriv", &[]) {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                if let Some(account) = account {
                    command.args(["--reuid", account, "--regid", account, "--init-groups"]);
                }
                command.args(["--pdeathsig", end.name(), "--"]).arg(program);
                command
            }
            None => Command::new(program),
        };
        let child = command
            // Another account may not have access to the current directory.
            .current_dir("/")
            .args(arguments)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C at the terminal is for the parent only, which stops its peers itself.
            .process_group(0)
            .spawn();
        let child = child.with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { child, end })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> Result<bool, Failure> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Stops it and waits for it.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, self.end.signal())?;
        let until = Instant::now() + STOP_MAX;
        while Instant::now() < until {
            if self.has_ended()? {
                return Ok(());
            }
            std::thread::sleep(STOP_POLL);
        }
        Err(anyhow!("a peer did not end within {STOP_MAX:?}").into())
    }
}

impl Drop for PeerProcess {
    fn drop(&mut self) {
        // After a regular stop both fail, which is expected.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_told_with_the_way_out() {
        // Proves the message and the exit code that scripts rely on.
        let failure = required("no-such-store", &[]).unwrap_err();
        assert_eq!(failure.exit, crate::exit::Exit::NotRun);
        assert!(failure.text().contains("no-such-store is not installed"), "{}", failure.text());
        assert!(failure.text().contains("scripts/install-peers.sh"), "{}", failure.text());
    }
}
