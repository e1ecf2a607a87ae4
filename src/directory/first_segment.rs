//! Recognizes the first segment of a directory whose format was interrupted.

use crate::storage::layout::{BLOCK_BYTES, opening};
use crate::storage::width::{is_zero, length};
use crate::storage::{ReadFrom, ReadStorage, StorageError};
use crate::wal::segment::segment_name;

/// Whether segment 1 is what an interrupted format leaves: it was never opened, and its head blocks are intact or
/// missing.
pub(super) fn is_unused_first_segment(storage: &dyn ReadStorage) -> Result<bool, StorageError> {
    let file = storage.open_to_read(&segment_name(1), ReadFrom::Cache)?;
    let mut block = vec![0; BLOCK_BYTES];
    let read = file.read_at(length(opening::OPENING_OFFSET), &mut block)?;
    Ok(is_zero(&block[..read]))
}
