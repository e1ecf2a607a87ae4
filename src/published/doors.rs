//! When sales open and close, and what time it was at the last op: enough to refuse at the edge what is not open.

use super::atomics::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use super::growing_array::GrowingArray;
use super::{SKUS_MAX, STOCKS_MAX};
use std::sync::OnceLock;
use stockhold_machine::Changes;
use stockhold_protocol::{SkuId, StockId, Timestamp};

/// The opening and the closing of one SKU in one stock by the wall clock; 0 = none.
#[derive(Debug, Default)]
struct Pair([AtomicU64; 2]);

/// See the module. Each time decides by itself, so no lock keeps them together.
#[derive(Debug)]
pub struct Doors {
    stocks: Box<[OnceLock<GrowingArray<Pair>>]>,
    /// Whether any sale ever had such a time.
    is_used: AtomicBool,
    /// The time of the last op, and the wall clock minus that.
    last_ms: AtomicU64,
    wall_offset_ms: AtomicI64,
}

impl Default for Doors {
    fn default() -> Self {
        Self {
            stocks: (0..STOCKS_MAX).map(|_| OnceLock::new()).collect(),
            is_used: AtomicBool::new(false),
            last_ms: AtomicU64::new(0),
            wall_offset_ms: AtomicI64::new(0),
        }
    }
}

impl Doors {
    /// Whether no sale has an opening or a closing.
    #[must_use]
    pub fn are_unused(&self) -> bool {
        !self.is_used.load(Ordering::Acquire)
    }

    /// The opening, the closing and the present time by the wall clock, if the sale has not begun or is over for sure. It
    /// has not begun if neither the last op nor the next one, which is proposed for `propose_now`, has reached the opening. It
    /// is over if the last op has reached the closing, because time never goes back.
    #[must_use]
    pub fn closed(
        &self,
        sku: SkuId,
        stock: StockId,
        propose_now: impl FnOnce() -> Timestamp,
    ) -> Option<(Timestamp, Timestamp, Timestamp)> {
        let Pair([opens, closes]) = self.stocks.get(usize::try_from(stock.0).ok()?)?.get()?.get(sku.0)?;
        let doors = (opens.load(Ordering::Acquire), closes.load(Ordering::Acquire));
        if doors == (0, 0) {
            return None;
        }
        let offset_ms = self.wall_offset_ms.load(Ordering::Acquire);
        let last_ms = self.last_ms.load(Ordering::Acquire);
        let wall = |ms: u64| ms.saturating_add_signed(offset_ms);
        let (next, last) = (wall(last_ms.max(propose_now().0)), wall(last_ms));
        let is_closed = next < doors.0 || doors.1 != 0 && last >= doors.1;
        is_closed.then_some((Timestamp(doors.0), Timestamp(doors.1), Timestamp(next)))
    }

    /// Publishes what changed.
    pub(super) fn publish(&self, changes: &Changes) {
        for ((sku, stock), (opens_at, closes_at)) in &changes.doors {
            let row = usize::try_from(stock.0).ok().and_then(|stock| self.stocks.get(stock));
            let pair = row.and_then(|row| row.get_or_init(|| GrowingArray::new(SKUS_MAX)).make(sku.0));
            if let Some(Pair([opens, closes])) = pair {
                opens.store(opens_at.0, Ordering::Release);
                closes.store(closes_at.0, Ordering::Release);
                self.is_used.store(true, Ordering::Release);
            }
        }
        let (last, shown) = changes.last_time;
        let offset = i128::from(shown.0) - i128::from(last.0);
        self.wall_offset_ms.store(i64::try_from(offset).unwrap_or_default(), Ordering::Release);
        self.last_ms.store(last.0, Ordering::Release);
    }
}
