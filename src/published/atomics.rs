//! The atomics of the published cells, behind one name, so that a model checker can take their place. Nothing else belongs here.

pub(super) use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering, fence};
