//! Passes the spare segment from the preparer to the writer, and keeps trimmed segments for reuse. It performs no I/O.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::storage::{FileEntry, StoredFile};

/// The maximum number of trimmed files kept for reuse. Further ones are removed.
pub const RECYCLABLE_MAX: usize = 2;

/// A segment that can be opened: it has its name, is durable, and its frames are zeros or stale.
#[derive(Debug)]
pub struct PreparedSegment {
    /// Its sequence number.
    pub sequence: u64,
    /// Its salt.
    pub salt: u64,
    /// The open file.
    pub file: Box<dyn StoredFile>,
}

/// The state of the spare segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpareState {
    /// The spare is ready.
    Ready,
    /// The spare is being prepared.
    Underway,
    /// There is no space for the spare. The preparer continues to try.
    NoSpace,
    /// The preparer failed.
    Failed,
}

/// The pool, shared by the writer, the preparer and the snapshotter, which trims.
#[derive(Debug)]
pub struct SegmentPool {
    slots: Mutex<Slots>,
    changed: Condvar,
}

#[derive(Debug)]
struct Slots {
    state: SpareState,
    spare: Option<PreparedSegment>,
    recyclable: Vec<FileEntry>,
    is_closed: bool,
}

impl Default for SegmentPool {
    fn default() -> Self {
        let slots =
            Slots { state: SpareState::Underway, spare: None, recyclable: Vec::new(), is_closed: false };
        Self { slots: Mutex::new(slots), changed: Condvar::new() }
    }
}

impl SegmentPool {
    /// The state of the spare.
    #[must_use]
    pub fn state(&self) -> SpareState {
        self.slots.lock().state
    }

    /// Waits, at most for `limit`, until the spare is ready or cannot be prepared. Returns the state.
    pub fn wait(&self, limit: Duration) -> SpareState {
        let mut slots = self.slots.lock();
        self.changed.wait_while_for(&mut slots, |slots| slots.state == SpareState::Underway, limit);
        slots.state
    }

    /// Waits, at most for `limit`, until a spare is needed or the pool is closed. The preparer's thread calls this
    /// after an idle step.
    pub fn wait_for_demand(&self, limit: Duration) {
        let mut slots = self.slots.lock();
        let is_idle = |slots: &mut Slots| slots.state == SpareState::Ready && !slots.is_closed;
        self.changed.wait_while_for(&mut slots, is_idle, limit);
    }

    /// Waits, at most for `limit`, until the pool is closed. The preparer's thread calls this when only time helps.
    pub fn pause(&self, limit: Duration) {
        let mut slots = self.slots.lock();
        self.changed.wait_while_for(&mut slots, |slots| !slots.is_closed, limit);
    }

    /// Closes the pool: no more spares are needed, and the preparer's thread wakes up and ends.
    pub fn close(&self) {
        self.slots.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Whether [`SegmentPool::close`] was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.slots.lock().is_closed
    }

    /// Offers a trimmed file for reuse. It must have a temporary and durable name. Returns the file if enough are kept
    /// already.
    #[must_use]
    pub fn offer(&self, file: FileEntry) -> Option<FileEntry> {
        let mut slots = self.slots.lock();
        if slots.recyclable.len() >= RECYCLABLE_MAX {
            return Some(file);
        }
        slots.recyclable.push(file);
        None
    }

    /// Takes the spare. The next one is not begun before [`SegmentPool::ask_for_spare`], because two segments without
    /// an opening would look like a gap in the log.
    pub(super) fn take_spare(&self) -> Result<PreparedSegment, SpareState> {
        let mut slots = self.slots.lock();
        slots.spare.take().ok_or(slots.state)
    }

    /// Requests another spare, after the last one is durably in use.
    pub(super) fn ask_for_spare(&self) {
        self.set_state(SpareState::Underway);
    }

    pub(super) fn put_spare(&self, spare: PreparedSegment) {
        let mut slots = self.slots.lock();
        assert!(slots.spare.is_none(), "one spare at a time");
        slots.spare = Some(spare);
        slots.state = SpareState::Ready;
        self.changed.notify_all();
    }

    pub(super) fn set_state(&self, state: SpareState) {
        let mut slots = self.slots.lock();
        assert!(slots.spare.is_none(), "the preparer works only when there is no spare");
        slots.state = state;
        self.changed.notify_all();
    }

    /// Takes a trimmed file of exactly this length, if there is one.
    pub(super) fn take_recyclable(&self, bytes: u64) -> Option<FileEntry> {
        let mut slots = self.slots.lock();
        let index = slots.recyclable.iter().position(|file| file.bytes == bytes)?;
        Some(slots.recyclable.swap_remove(index))
    }
}
