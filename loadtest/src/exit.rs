//! How a run ends: the exit codes that scripts rely on, and failures with their causes.

use std::process::ExitCode;

/// The exit codes; docs/loadtest.md lists them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// It ran and the audit found nothing.
    Fine,
    /// The audit found a violation, or the requested rate was not kept.
    Violation,
    /// The arguments are wrong.
    Usage,
    /// It could not run, or not to its end.
    NotRun,
}

impl Exit {
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Violation => 1,
            Self::Usage => 2,
            Self::NotRun => 3,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

/// Why a run was not completed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) error: anyhow::Error,
}

impl Failure {
    /// Arguments that contradict each other.
    pub(crate) fn usage(message: impl std::fmt::Display) -> Self {
        Self { exit: Exit::Usage, error: anyhow::anyhow!("{message}") }
    }

    /// A violation that was found although the run could not be completed.
    pub(crate) fn violation(message: impl std::fmt::Display) -> Self {
        Self { exit: Exit::Violation, error: anyhow::anyhow!("{message}") }
    }

    /// The message and its causes, outermost first. A cause that its parent already quotes is omitted.
    pub(crate) fn text(&self) -> String {
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

impl<E: Into<anyhow::Error>> From<E> for Failure {
    /// Any other error means that nothing was measured.
    fn from(error: E) -> Self {
        Self { exit: Exit::NotRun, error: error.into() }
    }
}
