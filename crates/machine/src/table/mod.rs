//! The containers under the machine's state: fixed chunks, bounded steps, no surprise.
//!
//! What they share: growing allocates one chunk and moves none, nothing rehashes as a whole, large things
//! are freed in bounded steps, and the same calls in the same order give the same slots. A snapshot sees
//! the state of one instant while the machine goes on changing it.
//!
//! They are *not* for rules: nothing in here knows what a reservation is, and no outcome may depend on a
//! slot number, which is an accident of the order in which records came.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "every operand is a slot, row, chunk or byte number; the containers assert their bounds (ROWS_MAX, BYTES_MAX) where they grow"
)]

pub mod arena;
pub(crate) mod chunked;
pub mod digest;
pub mod due;
pub mod generations;
pub mod index;
pub mod rows;
pub mod slab;
pub mod sliced;

pub use arena::Arena;
pub use digest::{Digest, record_hash};
pub use due::DueList;
pub use generations::{DroppedGeneration, Entry, Generations, Key};
pub use index::Index;
pub use rows::Rows;
pub use slab::Slab;
pub use sliced::SlicedIndex;

/// Bytes of one chunk of records: large enough that the directory of chunks stays small, small enough that
/// allocating or freeing one is no pause.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// The slot that no record has; it marks "nothing" in links and buckets.
pub const NO_SLOT: u32 = u32::MAX;

/// Whether a task that is done in bounded steps has come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// Nothing is left to do.
    Done,
    /// Call again.
    More,
}

/// How many records are looked at together: what is read fits the smallest cache, and is still there when it is needed.
pub const AHEAD: usize = 16;
