//! How a command ends: the exit codes that scripts rely on, and failures with their causes.

use std::process::ExitCode;

use crate::error::StartError;

/// The exit codes of `stockhold`; docs/cli.md lists them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Exit {
    /// Done.
    Ok,
    /// The server decided against it: a refusal of the business, recorded or from the edge.
    Refused,
    /// The request itself is wrong: flags, names, ids.
    Usage,
    /// The server cannot be reached, is at a limit, or the outcome is unknown: the same id may be tried again.
    Unreachable,
    /// The server refused the connection and said why: it is full, or speaks another version of the protocol.
    TurnedAway,
    /// Data is wrong: rows of an import, findings of a verification.
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
            Self::TurnedAway => 5,
            Self::Disk => 74,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

/// Why a command did not come to a regular end.
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

    /// The reader of our output has gone; there is nobody to tell anything.
    pub(super) fn is_quiet(&self) -> bool {
        self.error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    }

    /// The sentence and its causes, outermost first. A cause that its parent has quoted already is left out.
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

/// Says with which exit code an error ends the command.
pub(super) trait ExitWith<T> {
    fn exit_with(self, exit: Exit) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> ExitWith<T> for Result<T, E> {
    fn exit_with(self, exit: Exit) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(exit, error))
    }
}

/// A failure of the shell with the exit code that belongs to it.
pub(super) fn start_failure(error: StartError) -> Failure {
    let exit = match error.exit_code() {
        2 => Exit::Usage,
        74 => Exit::Disk,
        _ => Exit::BadData,
    };
    Failure::new(exit, error)
}
