//! The containers of the machine's state.
//!
//! They have common properties. Growing allocates one chunk and moves none. Nothing is rehashed as a whole.
//! Large containers are freed in bounded steps. The same calls in the same order give the same slots. A
//! snapshot contains the state of one instant, while the machine continues to change it.
//!
//! The containers do *not* contain rules: no file here knows what a reservation is. No outcome may depend
//! on a slot number, because slot numbers depend on the order in which records arrived.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "every operand is a slot, row, chunk or byte number; the containers assert their bounds (ROWS_MAX, BYTES_MAX) where they grow"
)]

pub mod arena;
pub(crate) mod chunked;
pub mod digest;
pub mod due;
mod generation;
pub mod generations;
pub mod index;
pub mod parts;
pub mod rows;
pub mod slab;
pub mod sliced;

pub use arena::Arena;
pub use digest::{Digest, record_hash};
pub use due::DueList;
pub use generations::{DroppedGeneration, Entry, Generations, Key};
pub use index::Index;
pub use parts::Parts;
pub use rows::Rows;
pub use slab::Slab;
pub use sliced::SlicedIndex;

/// The bytes of a chunk of records: large enough to keep the list of chunks small, and small enough that
/// allocating or freeing one causes no noticeable pause.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// The number that no slot has. It means "none" in links and buckets.
pub const NO_SLOT: u32 = u32::MAX;

/// Whether a task that is done in bounded steps is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// Nothing is left to do.
    Done,
    /// Call again.
    More,
}

/// How many records are prefetched together. What they read fits into the L1 cache, and is still there when
/// it is used.
pub const PREFETCH_WIDTH: usize = 16;
