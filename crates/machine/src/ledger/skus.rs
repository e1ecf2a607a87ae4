//! `Skus`: the records of SKUs by their numbers. SKUs are never removed.
//!
//! A snapshot visits them in the order of their numbers, whatever changes meanwhile (FORMAT.md): a loader gives
//! each record the next number.

use super::record::SkuRow;
use crate::table::{Progress, Rows};
use std::collections::BTreeMap;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Skus {
    rows: Rows<SkuRow>,
    snapshot: Option<Snapshot>,
}

/// The snapshot in progress.
#[derive(Debug)]
struct Snapshot {
    /// SKUs below this number were visited.
    cursor: u32,
    /// The number of SKUs when the snapshot began.
    end: u32,
    /// SKUs that were changed before they were visited, as they were.
    saved: BTreeMap<u32, SkuRow>,
}

impl Skus {
    pub(crate) const fn new() -> Self {
        Self { rows: Rows::new(), snapshot: None }
    }

    pub(crate) const fn len(&self) -> u32 {
        self.rows.len()
    }

    pub(crate) fn get(&self, sku: u32) -> &SkuRow {
        self.rows.get(sku)
    }

    /// Adds a SKU. Its number must be the number of SKUs before it.
    pub(crate) fn insert(&mut self, row: SkuRow) {
        assert!(row.sku == self.rows.len(), "SKUs are numbered in the order in which they come");
        self.rows.push(row);
    }

    /// Replaces the record of a SKU.
    pub(crate) fn set(&mut self, row: SkuRow) {
        let old = std::mem::replace(self.rows.get_mut(row.sku), row);
        if let Some(snapshot) = &mut self.snapshot
            && (snapshot.cursor..snapshot.end).contains(&row.sku)
        {
            snapshot.saved.entry(row.sku).or_insert(old);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &SkuRow> {
        self.rows.iter()
    }

    /// Heap bytes in use, including those of a snapshot in progress.
    pub(crate) fn bytes(&self) -> usize {
        self.rows.bytes().saturating_add(self.snapshot_bytes())
    }

    /// Begins a snapshot of this instant. Only one may be in progress.
    pub(crate) fn begin_snapshot(&mut self) {
        assert!(self.snapshot.is_none(), "one snapshot at a time");
        self.snapshot = Some(Snapshot { cursor: 0, end: self.rows.len(), saved: BTreeMap::new() });
    }

    /// Heap bytes of the snapshot in progress: the saved records.
    pub(crate) fn snapshot_bytes(&self) -> usize {
        let saved = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.saved.len());
        saved.saturating_mul(size_of::<(u32, SkuRow)>())
    }

    /// Visits up to `budget` SKUs as they were when the snapshot began. `Done` ends the snapshot.
    pub(crate) fn copy_next(&mut self, budget: u32, visit: &mut impl FnMut(&SkuRow)) -> Progress {
        let Some(snapshot) = &mut self.snapshot else { return Progress::Done };
        let stop = snapshot.cursor.saturating_add(budget).min(snapshot.end);
        for sku in snapshot.cursor..stop {
            visit(snapshot.saved.remove(&sku).as_ref().unwrap_or_else(|| self.rows.get(sku)));
        }
        snapshot.cursor = stop;
        if stop < snapshot.end {
            return Progress::More;
        }
        self.snapshot = None;
        Progress::Done
    }
}
