//! The exit codes that scripts rely on, and failures with their causes.

use std::process::ExitCode;

use crate::error::StartError;

/// The exit codes of `stockhold`; docs/cli.md lists them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Exit {
    /// The command succeeded.
    Ok,
    /// The server refused the command by a business rule, recorded or as an edge refusal.
    Refused,
    /// The request is invalid: flags, names, ids.
    Usage,
    /// The server is unreachable or at a limit, or the outcome is unknown. The same id may be retried.
    Unreachable,
    /// The server refused the connection and gave the reason: it is full, or uses another protocol version.
    ConnectionRefused,
    /// Data is invalid: rows of an import, findings of a verification.
    BadData,
    /// A file or a disk failed.
    Disk,
}

impl Exit {
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Refused => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::BadData => 4,
            Self::ConnectionRefused => 5,
            Self::Disk => 74,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

/// Why a command failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    pub(super) error: anyhow::Error,
}

impl Failure {
    pub(super) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into() }
    }

    pub(super) fn usage(message: impl std::fmt::Display) -> Self {
        Self { exit: Exit::Usage, error: anyhow::anyhow!("{message}") }
    }

    /// Whether the reader of the output has gone, so that nothing needs to be printed.
    pub(super) fn is_quiet(&self) -> bool {
        self.error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    }

    /// The message and its causes, outermost first. A cause that its parent already contains is left out.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for cause in self.error.chain() {
            let cause = cause.to_string();
            if text.is_empty() {
                text = cause;
            } else if !text.ends_with(&cause) {
                text = format!("{text}: {cause}");
            }
        }
        text
    }
}

/// Sets the exit code of an error.
pub(super) trait ExitWith<T> {
    fn exit_with(self, exit: Exit) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> ExitWith<T> for Result<T, E> {
    fn exit_with(self, exit: Exit) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(exit, error))
    }
}

/// Converts an error of the server to a failure with its exit code.
pub(super) fn start_failure(error: StartError) -> Failure {
    let exit = match error.exit_code() {
        2 => Exit::Usage,
        74 => Exit::Disk,
        _ => Exit::BadData,
    };
    Failure::new(exit, error)
}
