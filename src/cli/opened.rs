//! Opens a data directory, to change it or to read it.

use super::exit::{Failure, start_failure};
use crate::config::WritePathChoice;
use crate::directory::Directory;
use crate::server::open_storage;
use crate::storage::{ReadOnlyFs, SharedReadStorage};
use std::path::Path;
use std::sync::Arc;

/// Opens a directory to change it.
pub(super) fn open(directory: &Path) -> Result<Directory, Failure> {
    let failed = |error| start_failure(error, directory);
    let storage = open_storage(directory, WritePathChoice::Auto).map_err(failed)?;
    Directory::open(storage).map_err(|error| failed(error.into()))
}

/// Opens the files of a directory for reading.
pub(super) fn read_only(path: &Path) -> Result<SharedReadStorage, Failure> {
    let files = ReadOnlyFs::open(path).map_err(|error| start_failure(error, path))?;
    Ok(Arc::new(files))
}
