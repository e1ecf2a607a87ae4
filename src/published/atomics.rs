//! The atomics of the published cells under one name, so that the model checker can replace them.

pub(super) use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering, fence};
