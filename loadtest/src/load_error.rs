//! Why a connection of a load stopped early.

use std::io;
use stockhold_client::{ConnectionError, PushError, SubmitError};

/// Why a connection stopped early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error("a command could not be encoded")]
    Command(#[from] PushError),
    #[error("the timer failed")]
    Timer(#[from] io::Error),
    #[error("answers were still missing long after the end")]
    Stalled,
}
