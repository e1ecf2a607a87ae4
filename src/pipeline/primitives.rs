//! The synchronization primitives of the pipeline under one name, so that the model checker can replace them
//! (`tests/threads`).

pub(super) use crossbeam::queue::ArrayQueue;
pub(super) use crossbeam::sync::{Parker, Unparker};
pub(super) use parking_lot::Mutex;
pub(super) use std::sync::Arc;
pub(super) use std::sync::atomic::{AtomicBool, Ordering, fence};
pub(super) use tokio::sync::Notify;
