//! The state that any thread may read without asking the applier: the salable quantity per SKU and stock, names,
//! channels, and the op of these values.
//!
//! The applier is the only writer. Readers take no lock and never wait. A plain check is one load. An edge refusal
//! needs a cell and its SKU's next deadline *as of the same moment*, which a sequence lock per SKU provides. Another
//! sequence lock ensures that the channel sold from that stock at that moment. The published values are derived from
//! the machine's [`Changes`] and can be rebuilt.

mod atomics;
mod doors;
mod growing_array;
mod names;
mod seqlock;

use atomics::{AtomicU32, AtomicU64, Ordering};
use growing_array::GrowingArray;
use std::sync::OnceLock;
use stockhold_machine::{CellChange, Changes, PREFETCH_WIDTH, SkuChange};
use stockhold_protocol::query::CELL_NOT_ASSIGNED;
use stockhold_protocol::{ChannelId, SkuId, StockId, Timestamp};

use seqlock::{AtomicCell, SeqLock, SkuDeadline};

pub use doors::Doors;
pub use names::Names;
pub use seqlock::{Cell, DatedCell};

/// The maximum number of published SKUs. The applier answers for those beyond.
pub const SKUS_MAX: usize = 1 << 24;
/// The maximum number of published stocks.
pub const STOCKS_MAX: usize = 16_384;
/// The maximum number of published channels.
pub const CHANNELS_MAX: usize = 1 << 16;

const _: () = assert!(stockhold_machine::config::SKUS_MAX as usize <= SKUS_MAX, "every SKU has cells");
const _: () = assert!(stockhold_machine::config::STOCKS_MAX as usize <= STOCKS_MAX, "every stock has cells");
const _: () =
    assert!(stockhold_machine::config::CHANNELS_MAX as usize <= CHANNELS_MAX, "every channel is known");

/// The channel sells from no stock.
const NO_STOCK: u32 = 0;

/// The published cells.
#[derive(Debug)]
pub struct Published {
    stocks: Box<[OnceLock<GrowingArray<AtomicCell>>]>,
    skus: GrowingArray<SkuDeadline>,
    channels: GrowingArray<AtomicU32>,
    /// Locks changes of channels together with the cells of the same ops.
    moves: SeqLock,
    names: Names,
    op: AtomicU64,
    /// Op time minus hold time, in milliseconds.
    hold_offset_ms: AtomicU64,
    doors: Doors,
}

impl Default for Published {
    fn default() -> Self {
        Self {
            stocks: (0..STOCKS_MAX).map(|_| OnceLock::new()).collect(),
            skus: GrowingArray::new(SKUS_MAX),
            channels: GrowingArray::new(CHANNELS_MAX),
            moves: SeqLock::default(),
            names: Names::default(),
            op: AtomicU64::new(0),
            hold_offset_ms: AtomicU64::new(0),
            doors: Doors::default(),
        }
    }
}

impl Published {
    /// The op of the published values. Everything that is read *after* this call is as of this op or a later one.
    #[must_use]
    pub fn op(&self) -> u64 {
        self.op.load(Ordering::Acquire)
    }

    /// Converts an op time to the hold time of deadlines. The result is never before the hold time by which an op of
    /// that time would be decided.
    #[must_use]
    pub fn hold_time(&self, time: Timestamp) -> Timestamp {
        Timestamp(time.0.saturating_sub(self.hold_offset_ms.load(Ordering::Acquire)))
    }

    /// The times of sales.
    #[must_use]
    pub fn doors(&self) -> &Doors {
        &self.doors
    }

    /// The published names.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// One cell. This is one load after the row was found.
    #[must_use]
    pub fn cell(&self, sku: SkuId, stock: StockId) -> Cell {
        match self.word(sku, stock) {
            Some(word) => word.load(),
            None => Cell { value: CELL_NOT_ASSIGNED, upper_bound: is_unpublished(sku, stock) },
        }
    }

    /// One cell with its SKU's next deadline, both as of the same moment. `None` while they change or if they are not
    /// published.
    #[must_use]
    pub fn dated_cell(&self, sku: SkuId, stock: StockId) -> Option<DatedCell> {
        self.skus.get(sku.0)?.dated(|| self.word(sku, stock))
    }

    /// Calls `read` with the stock that a channel sells from. Returns the result if the channel sold from that stock
    /// the whole time. Otherwise a cell that fell after the channel had left the stock could refuse a cart that fits at
    /// every op.
    pub fn at_channel<T>(&self, channel: ChannelId, read: impl FnOnce(StockId) -> Option<T>) -> Option<T> {
        self.moves.read(|| {
            let stock = self.channels.get(channel.0)?.load(Ordering::Acquire);
            read(StockId(stock.checked_sub(1)?))
        })
    }

    /// Publishes what changed up to `op`. Only the applier calls this.
    pub fn publish(&self, changes: &Changes, op: u64) {
        if changes.channels.is_empty() {
            self.publish_cells(changes);
        } else {
            self.moves.change(|| {
                self.publish_cells(changes);
                self.publish_channels(&changes.channels);
            });
        }
        for name in &changes.ended_names {
            self.names.remove(name);
        }
        for (name, number) in &changes.names {
            self.names.insert(name, *number);
        }
        self.doors.publish(changes);
        self.hold_offset_ms.store(changes.hold_offset_ms, Ordering::Release);
        self.op.store(op, Ordering::Release);
    }

    fn publish_channels(&self, channels: &[(ChannelId, StockId)]) {
        for (channel, stock) in channels {
            if let Some(word) = self.channels.make(channel.0) {
                word.store(stock.0.checked_add(1).unwrap_or(NO_STOCK), Ordering::Release);
            }
        }
    }

    fn publish_cells(&self, changes: &Changes) {
        let mut cells = changes.cells.as_slice();
        for (at, sku) in changes.skus.iter().enumerate() {
            if at.is_multiple_of(PREFETCH_WIDTH) {
                self.prefetch(&changes.skus[at..], cells);
            }
            let count = usize::try_from(sku.cells).unwrap_or(usize::MAX).min(cells.len());
            let (own, rest) = cells.split_at(count);
            cells = rest;
            self.publish_sku(sku, own);
        }
        assert!(cells.is_empty(), "every changed cell belongs to a changed SKU");
    }

    /// Loads the words of SKUs and cells that are written next, so that the processor fetches them in parallel.
    fn prefetch(&self, skus: &[SkuChange], cells: &[CellChange]) {
        for sku in skus.iter().take(PREFETCH_WIDTH) {
            std::hint::black_box(self.skus.get(sku.sku.0).and_then(|words| words.dated(|| None)));
        }
        for cell in cells.iter().take(PREFETCH_WIDTH) {
            std::hint::black_box(self.word(cell.sku, cell.stock).map(AtomicCell::load));
        }
    }

    fn publish_sku(&self, sku: &SkuChange, cells: &[CellChange]) {
        let Some(words) = self.skus.make(sku.sku.0) else { return };
        words.change(sku.next_deadline_s, || {
            for cell in cells {
                assert!(cell.sku == sku.sku, "cells follow their SKU");
                let row = usize::try_from(cell.stock.0).ok().and_then(|stock| self.stocks.get(stock));
                let word =
                    row.and_then(|row| row.get_or_init(|| GrowingArray::new(SKUS_MAX)).make(cell.sku.0));
                if let Some(word) = word {
                    word.store(cell.value, cell.upper_bound);
                }
            }
        });
    }

    fn word(&self, sku: SkuId, stock: StockId) -> Option<&AtomicCell> {
        self.stocks.get(usize::try_from(stock.0).ok()?)?.get()?.get(sku.0)
    }
}

/// Whether the numbers are beyond the published range, so that only the applier knows the value.
fn is_unpublished(sku: SkuId, stock: StockId) -> bool {
    let beyond = |number: u32, max: usize| usize::try_from(number).is_ok_and(|number| number >= max);
    beyond(sku.0, SKUS_MAX) || beyond(stock.0, STOCKS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(value: i64, deadline_s: u32) -> Changes {
        Changes {
            skus: vec![SkuChange { sku: SkuId(3), next_deadline_s: deadline_s, cells: 1 }],
            cells: vec![CellChange { sku: SkuId(3), stock: StockId(2), value, upper_bound: false }],
            channels: vec![(ChannelId(0), StockId(2))],
            ..Changes::default()
        }
    }

    #[test]
    fn what_was_published_is_read_and_what_was_not_is_unassigned() {
        // Proves that a reader sees a change, and what it reads for unknown numbers.
        let published = Published::default();
        published.publish(&change(50, 9), 4);
        let cell = Cell { value: 50, upper_bound: false };
        assert_eq!(published.cell(SkuId(3), StockId(2)), cell);
        assert_eq!(published.dated_cell(SkuId(3), StockId(2)), Some(DatedCell { cell, next_deadline_s: 9 }));
        assert_eq!(published.cell(SkuId(4), StockId(2)).value, CELL_NOT_ASSIGNED);
        assert_eq!(published.cell(SkuId(3), StockId(9)).value, CELL_NOT_ASSIGNED);
        assert!(published.cell(SkuId(u32::MAX), StockId(2)).upper_bound, "only the applier can tell");
        assert_eq!(published.at_channel(ChannelId(0), Some), Some(StockId(2)));
        assert_eq!(published.at_channel(ChannelId(1), Some), None);
        assert_eq!(published.op(), 4);
    }

    #[test]
    fn a_channel_that_moves_meanwhile_is_read_as_nothing() {
        // Proves that a cell is not read for a channel that has left its stock meanwhile, or has left it and come back.
        let published = Published::default();
        published.publish(&change(0, 9), 4);
        let read = |meanwhile: &dyn Fn()| {
            published.at_channel(ChannelId(0), |stock| {
                meanwhile();
                published.dated_cell(SkuId(3), stock)
            })
        };
        assert!(read(&|| ()).is_some());
        let moved = |stock| Changes { channels: vec![(ChannelId(0), stock)], ..Changes::default() };
        assert_eq!(read(&|| published.publish(&moved(StockId(1)), 5)), None);
        published.publish(&moved(StockId(2)), 6);
        let there_and_back = || {
            published.publish(&moved(StockId(1)), 7);
            published.publish(&moved(StockId(2)), 8);
        };
        assert_eq!(read(&there_and_back), None);
        assert!(read(&|| published.publish(&change(5, 9), 9)).is_none(), "a change names its channel again");
        assert!(read(&|| ()).is_some());
    }

    #[test]
    fn a_reader_never_sees_a_cell_with_the_deadline_of_another_moment() {
        // Proves the sequence lock: value and deadline are written and read as a pair while a writer runs.
        let published = Published::default();
        published.publish(&change(0, 0), 0);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for round in 1..20_000_u32 {
                    published.publish(&change(i64::from(round), round), u64::from(round));
                }
            });
            let mut pairs = 0;
            while !writer.is_finished() || pairs == 0 {
                if let Some(dated) = published.dated_cell(SkuId(3), StockId(2)) {
                    assert_eq!(dated.cell.value, i64::from(dated.next_deadline_s));
                    pairs += 1;
                }
            }
        });
    }
}
