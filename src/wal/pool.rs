//! Where the preparer leaves the spare segment and the writer takes it, and where trimmed segments wait to be used again.
//! It does no input or output.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::storage::{FileEntry, StoredFile};

/// How many trimmed files wait to be used again; more are removed.
pub const RECYCLABLE_MAX: usize = 2;

/// A segment ready to be opened: named, durable, its frames zeros or stale.
#[derive(Debug)]
pub struct PreparedSegment {
    /// Its place in the row.
    pub sequence: u64,
    /// Its salt.
    pub salt: u64,
    /// The open file.
    pub file: Box<dyn StoredFile>,
}

/// Why there is no spare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpareState {
    /// There is one.
    Ready,
    /// It is being made.
    Underway,
    /// There is no space for it; the preparer goes on trying.
    NoSpace,
    /// The preparer failed.
    Failed,
}

/// Shared by the writer, the preparer and whoever trims.
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
    /// Why there is, or is not, a spare.
    #[must_use]
    pub fn state(&self) -> SpareState {
        self.slots.lock().state
    }

    /// Waits until there is a spare or a reason that there is none, at most `limit`; answers the state.
    pub fn wait(&self, limit: Duration) -> SpareState {
        let mut slots = self.slots.lock();
        self.changed.wait_while_for(&mut slots, |slots| slots.state == SpareState::Underway, limit);
        slots.state
    }

    /// Waits until a spare is wanted or the pool is closed, at most `limit`; what the thread of the preparer does when its step was idle.
    pub fn wait_for_demand(&self, limit: Duration) {
        let mut slots = self.slots.lock();
        let is_idle = |slots: &mut Slots| slots.state == SpareState::Ready && !slots.is_closed;
        self.changed.wait_while_for(&mut slots, is_idle, limit);
    }

    /// Waits until the pool is closed, at most `limit`; what the thread of the preparer does when only time helps.
    pub fn pause(&self, limit: Duration) {
        let mut slots = self.slots.lock();
        self.changed.wait_while_for(&mut slots, |slots| !slots.is_closed, limit);
    }

    /// No spare is wanted any more: the thread of the preparer wakes and ends.
    pub fn close(&self) {
        self.slots.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Whether [`SegmentPool::close`] was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.slots.lock().is_closed
    }

    /// Leaves a trimmed file, which must have a temporary and durable name, to be used again. Gives it back when enough wait.
    #[must_use]
    pub fn offer(&self, file: FileEntry) -> Option<FileEntry> {
        let mut slots = self.slots.lock();
        if slots.recyclable.len() >= RECYCLABLE_MAX {
            return Some(file);
        }
        slots.recyclable.push(file);
        None
    }

    /// Takes the spare. The next is not begun before [`SegmentPool::ask_for_spare`]: two segments without an opening would look
    /// to a start like a log with a hole.
    pub(super) fn take_spare(&self) -> Result<PreparedSegment, SpareState> {
        let mut slots = self.slots.lock();
        slots.spare.take().ok_or(slots.state)
    }

    /// The spare that was taken is in use, durably: another may be made.
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

    /// A trimmed file of exactly this length, if one waits.
    pub(super) fn take_recyclable(&self, bytes: u64) -> Option<FileEntry> {
        let mut slots = self.slots.lock();
        let place = slots.recyclable.iter().position(|file| file.bytes == bytes)?;
        Some(slots.recyclable.swap_remove(place))
    }
}
