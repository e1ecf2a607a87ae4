//! The words that cells are made of: written by one thread, read by any without waiting. Where they stand is the business of the grid.

use super::atomics::{AtomicI64, AtomicU32, Ordering, fence};
use stockhold_protocol::query::{CELL_NOT_ASSIGNED, CELL_UNLIMITED};

/// The low bit of a cell: the value is an upper bound.
const UPPER_BOUND: i64 = 1;
/// Bits below the value; the second is reserved and zero.
const FLAG_BITS: u32 = 2;
/// What a cell says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Ten-thousandths, or [`CELL_NOT_ASSIGNED`], or [`CELL_UNLIMITED`].
    pub value: i64,
    /// The exact value may be lower; only the applier knows it.
    pub upper_bound: bool,
}

/// A cell and what belongs to the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatedCell {
    /// The cell.
    pub cell: Cell,
    /// The second in which the next hold of this SKU expires; `u32::MAX` when there is none.
    pub next_deadline_s: u32,
}

/// A cell's word; a cell that was never written says "not assigned".
#[derive(Debug)]
pub(super) struct AtomicCell(AtomicI64);

impl Default for AtomicCell {
    fn default() -> Self {
        Self(AtomicI64::new(CELL_NOT_ASSIGNED))
    }
}

/// Tells readers whether what they read is of one moment. It is odd while that changes.
#[derive(Debug, Default)]
pub(super) struct SeqLock(AtomicU32);

/// What belongs to a SKU as a whole.
#[derive(Debug, Default)]
pub(super) struct SkuCells {
    sequence: SeqLock,
    next_deadline_s: AtomicU32,
}

impl AtomicCell {
    pub(super) fn load(&self) -> Cell {
        unpack(self.0.load(Ordering::Acquire))
    }

    /// Only the writer calls this, inside [`SkuCells::change`].
    pub(super) fn store(&self, value: i64, upper_bound: bool) {
        // Release, so that a plain check that sees this cell also sees what was published before it.
        self.0.store(pack(value, upper_bound), Ordering::Release);
    }
}

impl SeqLock {
    /// Changes what it stands for as one. Only the writer calls this.
    pub(super) fn change(&self, change: impl FnOnce()) {
        let sequence = self.0.load(Ordering::Relaxed);
        self.0.store(sequence.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        change();
        self.0.store(sequence.wrapping_add(2), Ordering::Release);
    }

    /// What was read while nothing changed; `None`: something did.
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

impl SkuCells {
    /// Changes the deadline and, in `cells`, the cells of the SKU as one. Only the writer calls this.
    pub(super) fn change(&self, next_deadline_s: u32, cells: impl FnOnce()) {
        self.sequence.change(|| {
            self.next_deadline_s.store(next_deadline_s, Ordering::Relaxed);
            cells();
        });
    }

    /// A cell of the SKU and its next deadline, both of one moment; `None` while they change.
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
