//! The model checker's side of `src/published/atomics.rs`.

pub(super) use loom::sync::atomic::{AtomicI64, AtomicU32, Ordering, fence};
