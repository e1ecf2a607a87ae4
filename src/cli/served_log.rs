//! Finds the log of a running server. A log is read from files, never through the server, which has carts to decide: on
//! the machine of the server these are the files of its data directory, elsewhere those of its archive.

use super::advice::shell_word;
use super::context::Context;
use super::exit::Failure;
use super::questions::wrong_answer;
use crate::directory::ReadOnlyDirectory;
use crate::storage::ReadOnlyFs;
use std::path::Path;
use std::sync::Arc;
use stockhold_protocol::query::{Query, QueryAnswer};
use uuid::Uuid;

/// The given place, or else the data directory of the server.
///
/// # Errors
/// No server answers, or its data directory is not on this machine.
pub(super) fn place_or_served(context: Context<'_>, place: Option<&str>) -> Result<String, Failure> {
    if let Some(place) = place {
        return Ok(place.to_owned());
    }
    let QueryAnswer::Status(status) = context.server()?.query(&Query::Status)? else {
        return Err(wrong_answer());
    };
    let place = Path::new(&status.data_dir);
    if log_of(place) == Some(Uuid::from_bytes(status.log_uuid)) {
        return Ok(status.data_dir);
    }
    Err(Failure::usage(format!(
        "the server at {} has its log in {}, which cannot be read here: run this as a user who may read it on the machine of the server, or name the server's archive or a copy of the directory",
        context.common.server,
        shell_word(place)
    )))
}

/// The log that a data directory contains.
fn log_of(place: &Path) -> Option<Uuid> {
    let files = ReadOnlyFs::open(place).ok()?;
    Some(ReadOnlyDirectory::open(Arc::new(files)).ok()?.manifest().log_uuid)
}
