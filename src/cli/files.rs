//! The files of a data directory, opened for reading.

use super::exit::{Failure, start_failure};
use crate::storage::{ReadOnlyFs, SharedReadStorage};
use std::path::Path;
use std::sync::Arc;

/// Opens the files of a directory for reading.
pub(super) fn read_only(path: &Path) -> Result<SharedReadStorage, Failure> {
    let files = ReadOnlyFs::open(path).map_err(|error| start_failure(error, path))?;
    Ok(Arc::new(files))
}
