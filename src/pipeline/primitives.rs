//! What threads share and wake each other with, behind one name, so that a model checker can take its place (`tests/threads`). Nothing
//! else belongs here.

pub(super) use crossbeam::queue::ArrayQueue;
pub(super) use crossbeam::sync::{Parker, Unparker};
pub(super) use parking_lot::Mutex;
pub(super) use std::sync::Arc;
pub(super) use std::sync::atomic::{AtomicBool, Ordering, fence};
pub(super) use tokio::sync::Notify;
