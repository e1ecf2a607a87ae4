//! `Skus`: the records of SKUs by their numbers, as memory holds them. SKUs are never removed. There may be
//! millions of them, and their names are short with few exceptions. So the beginning of a name is in the row, and
//! the rest of a long one in parts.
//!
//! A snapshot visits them in the order of their numbers, whatever changes meanwhile (FORMAT.md): a loader gives
//! each record the next number.

use super::record::SkuRow;
use crate::table::{Parts, Progress, Rows};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use stockhold_protocol::command::SkuKind;
use stockhold_protocol::limits::SKU_BYTES_MAX;

/// The bytes of a name in its row.
const START_BYTES: usize = 20;

#[derive(Clone, Copy, Debug)]
struct Row {
    sku: u32,
    /// The parts of the name after its start.
    rest: u32,
    length: u16,
    kind: SkuKind,
    decimals: bool,
    start: [u8; START_BYTES],
}

const _: () = assert!(size_of::<Row>() == 32, "half a cache line");
const _: () = assert!(SKU_BYTES_MAX <= u16::MAX as usize, "16 bits are enough for the length of a name");

impl Row {
    fn length(&self) -> usize {
        usize::from(self.length)
    }

    fn start(&self) -> &[u8] {
        &self.start[..self.length().min(START_BYTES)]
    }

    /// The record that is stored as this row.
    fn record(&self, parts: &Parts) -> SkuRow {
        let mut name = self.start().to_vec();
        name.resize(self.length(), 0);
        parts.read(self.rest, &mut name[self.start().len()..]);
        // The bytes came from a `String`.
        let name = String::from_utf8(name).unwrap_or_default();
        SkuRow { sku: self.sku, name, kind: self.kind, decimals: self.decimals }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Skus {
    rows: Rows<Row>,
    parts: Parts,
    snapshot: Option<Snapshot>,
}

/// The snapshot in progress.
#[derive(Debug)]
struct Snapshot {
    /// SKUs below this number were visited.
    cursor: u32,
    /// The number of SKUs when the snapshot began.
    end: u32,
    /// SKUs that were changed before they were visited, as they were. Their names are freed when they are visited.
    saved: BTreeMap<u32, Row>,
}

impl Skus {
    pub(crate) const fn new() -> Self {
        Self { rows: Rows::new(), parts: Parts::new(), snapshot: None }
    }

    pub(crate) const fn len(&self) -> u32 {
        self.rows.len()
    }

    pub(crate) fn get(&self, sku: u32) -> SkuRow {
        self.rows.get(sku).record(&self.parts)
    }

    pub(crate) fn kind(&self, sku: u32) -> SkuKind {
        self.rows.get(sku).kind
    }

    pub(crate) fn decimals(&self, sku: u32) -> bool {
        self.rows.get(sku).decimals
    }

    pub(crate) fn has_name(&self, sku: u32, name: &str) -> bool {
        let row = self.rows.get(sku);
        let of_start = row.start().len();
        name.len() == row.length()
            && name.as_bytes()[..of_start] == *row.start()
            && self.parts.is(row.rest, &name.as_bytes()[of_start..])
    }

    /// Adds a SKU. Its number must be the number of SKUs before it.
    pub(crate) fn insert(&mut self, record: &SkuRow) {
        assert!(record.sku == self.rows.len(), "SKUs are numbered in the order in which they come");
        let row = self.new_row(record);
        self.rows.push(row);
    }

    /// Replaces the record of a SKU.
    pub(crate) fn set(&mut self, record: &SkuRow) {
        let row = self.new_row(record);
        let old = std::mem::replace(self.rows.get_mut(record.sku), row);
        if let Some(snapshot) = &mut self.snapshot
            && (snapshot.cursor..snapshot.end).contains(&record.sku)
            && let Entry::Vacant(place) = snapshot.saved.entry(record.sku)
        {
            place.insert(old);
        } else {
            self.parts.remove(old.rest);
        }
    }

    fn new_row(&mut self, record: &SkuRow) -> Row {
        let name = record.name.as_bytes();
        let (start_of_name, rest) = name.split_at(name.len().min(START_BYTES));
        let mut start = [0; START_BYTES];
        start[..start_of_name.len()].copy_from_slice(start_of_name);
        let rest = self.parts.insert(rest);
        let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
        Row { sku: record.sku, rest, length, kind: record.kind, decimals: record.decimals, start }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = SkuRow> {
        self.rows.iter().map(|row| row.record(&self.parts))
    }

    /// Heap bytes in use, including those of a snapshot in progress.
    pub(crate) fn bytes(&self) -> usize {
        self.rows.bytes().saturating_add(self.parts.bytes()).saturating_add(self.snapshot_bytes())
    }

    /// Begins a snapshot of this instant. Only one may be in progress.
    pub(crate) fn begin_snapshot(&mut self) {
        assert!(self.snapshot.is_none(), "one snapshot at a time");
        self.snapshot = Some(Snapshot { cursor: 0, end: self.rows.len(), saved: BTreeMap::new() });
    }

    /// Heap bytes of the snapshot in progress: the saved rows.
    pub(crate) fn snapshot_bytes(&self) -> usize {
        let saved = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.saved.len());
        saved.saturating_mul(size_of::<(u32, Row)>())
    }

    /// Visits up to `budget` SKUs as they were when the snapshot began. `Done` ends the snapshot.
    pub(crate) fn copy_next(&mut self, budget: u32, visit: &mut impl FnMut(&SkuRow)) -> Progress {
        let Self { rows, parts, snapshot: Some(snapshot) } = self else { return Progress::Done };
        let stop = snapshot.cursor.saturating_add(budget).min(snapshot.end);
        for sku in snapshot.cursor..stop {
            match snapshot.saved.remove(&sku) {
                Some(row) => {
                    visit(&row.record(parts));
                    parts.remove(row.rest);
                }
                None => visit(&rows.get(sku).record(parts)),
            }
        }
        snapshot.cursor = stop;
        if stop < snapshot.end {
            return Progress::More;
        }
        self.snapshot = None;
        Progress::Done
    }
}
