//! The atomic words of the published cells and their sequence locks. One thread writes them, and any thread reads them
//! without waiting.

use super::atomics::{AtomicI64, AtomicU32, Ordering, fence};
use stockhold_protocol::query::{CELL_NOT_ASSIGNED, CELL_UNLIMITED};

/// The lowest bit of a cell: the value is an upper bound.
const UPPER_BOUND: i64 = 1;
/// The number of bits below the value. The second bit is reserved and zero.
const FLAG_BITS: u32 = 2;
/// The value of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Ten-thousandths, [`CELL_NOT_ASSIGNED`] or [`CELL_UNLIMITED`].
    pub value: i64,
    /// The exact value may be lower. Only the applier knows it.
    pub upper_bound: bool,
}

/// A cell and the next deadline as of the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatedCell {
    /// The cell.
    pub cell: Cell,
    /// The second in which the next hold of this SKU expires; `u32::MAX` if there is none.
    pub next_deadline_s: u32,
}

/// The word of a cell. A cell that was never written is "not assigned".
#[derive(Debug)]
pub(super) struct AtomicCell(AtomicI64);

impl Default for AtomicCell {
    fn default() -> Self {
        Self(AtomicI64::new(CELL_NOT_ASSIGNED))
    }
}

/// A sequence lock. It tells readers whether all values that they read are of one moment. Its value is odd during a
/// change.
#[derive(Debug, Default)]
pub(super) struct SeqLock(AtomicU32);

/// The next deadline of a SKU, and the sequence lock for it and for the SKU's cells.
#[derive(Debug, Default)]
pub(super) struct SkuDeadline {
    sequence: SeqLock,
    next_deadline_s: AtomicU32,
}

impl AtomicCell {
    pub(super) fn load(&self) -> Cell {
        unpack(self.0.load(Ordering::Acquire))
    }

    /// Only the writer calls this, inside [`SkuDeadline::change`].
    pub(super) fn store(&self, value: i64, upper_bound: bool) {
        // Release ordering, so that a check that sees this cell also sees what was published before it.
        self.0.store(pack(value, upper_bound), Ordering::Release);
    }
}

impl SeqLock {
    /// Changes the locked values as one. Only the writer calls this.
    pub(super) fn change(&self, change: impl FnOnce()) {
        let sequence = self.0.load(Ordering::Relaxed);
        self.0.store(sequence.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        change();
        self.0.store(sequence.wrapping_add(2), Ordering::Release);
    }

    /// Returns what was read if nothing changed meanwhile, otherwise `None`.
    pub(super) fn read<T>(&self, read: impl FnOnce() -> Option<T>) -> Option<T> {
        let before = self.0.load(Ordering::Acquire);
        if !before.is_multiple_of(2) {
            return None;
        }
        let found = read()?;
        fence(Ordering::Acquire);
        let after = self.0.load(Ordering::Relaxed);
        (before == after).then_some(found)
    }
}

impl SkuDeadline {
    /// Changes the deadline and, in `cells`, the cells of the SKU as one. Only the writer calls this.
    pub(super) fn change(&self, next_deadline_s: u32, cells: impl FnOnce()) {
        self.sequence.change(|| {
            self.next_deadline_s.store(next_deadline_s, Ordering::Relaxed);
            cells();
        });
    }

    /// A cell of the SKU and its next deadline as of the same moment; `None` while they change.
    pub(super) fn dated<'a>(&self, cell: impl FnOnce() -> Option<&'a AtomicCell>) -> Option<DatedCell> {
        self.sequence.read(|| {
            let cell = unpack(cell()?.0.load(Ordering::Relaxed));
            let next_deadline_s = self.next_deadline_s.load(Ordering::Relaxed);
            Some(DatedCell { cell, next_deadline_s })
        })
    }
}

fn pack(value: i64, upper_bound: bool) -> i64 {
    if value == CELL_NOT_ASSIGNED || value == CELL_UNLIMITED {
        return value;
    }
    assert!(value.unsigned_abs() < 1 << (62 - FLAG_BITS), "a quantity leaves room for flags");
    (value << FLAG_BITS) | if upper_bound { UPPER_BOUND } else { 0 }
}

fn unpack(word: i64) -> Cell {
    if word == CELL_NOT_ASSIGNED || word == CELL_UNLIMITED {
        return Cell { value: word, upper_bound: false };
    }
    Cell { value: word >> FLAG_BITS, upper_bound: word & UPPER_BOUND != 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_flags_and_sentinels_come_back() {
        // Proves that packing loses nothing, at both ends of the range.
        for value in
            [0, 1, -1, 1_000_000_000_000_000, -4_000_000_000_000_000, CELL_NOT_ASSIGNED, CELL_UNLIMITED]
        {
            assert_eq!(unpack(pack(value, false)), Cell { value, upper_bound: false });
        }
        assert_eq!(unpack(pack(-7, true)), Cell { value: -7, upper_bound: true });
    }
}
