//! Marks: named positions of the log, to which a restore can go back. No two have the same name.
//!
//! There are few of them, so a name is found by looking at all.

use crate::config::MARKS_MAX;
use std::collections::BTreeMap;
use std::ops::Bound;
use stockhold_protocol::Timestamp;
use stockhold_protocol::command::Mark;

/// A named moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct MarkRow {
    pub(crate) name: String,
    pub(crate) time: Timestamp,
    #[cfg(feature = "next-release")]
    pub(crate) note: Option<String>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// By the op that set it. One op sets at most one mark.
    rows: BTreeMap<u64, MarkRow>,
}

impl Marks {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether one more would be too many.
    pub(crate) fn is_full(&self) -> bool {
        self.len() >= MARKS_MAX
    }

    pub(crate) fn get(&self, op: u64) -> Option<&MarkRow> {
        self.rows.get(&op)
    }

    /// All marks in the order of their ops.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &MarkRow)> {
        self.after(None)
    }

    /// The marks after an op in the order of their ops; all of them after `None`.
    pub(crate) fn after(&self, op: Option<u64>) -> impl Iterator<Item = (u64, &MarkRow)> {
        let start = op.map_or(Bound::Unbounded, Bound::Excluded);
        self.rows.range((start, Bound::Unbounded)).map(|(op, row)| (*op, row))
    }

    /// The mark with a name, and its op.
    pub(crate) fn named(&self, name: &str) -> Option<(u64, &MarkRow)> {
        self.iter().find(|(_, row)| row.name == name)
    }

    /// The op of the oldest automatic mark.
    pub(crate) fn oldest_automatic(&self) -> Option<u64> {
        self.iter().find(|(_, row)| row.name.starts_with(Mark::AUTOMATIC)).map(|(op, _)| op)
    }

    pub(crate) fn last_op(&self) -> Option<u64> {
        self.rows.last_key_value().map(|(op, _)| *op)
    }

    pub(crate) fn insert(&mut self, op: u64, row: MarkRow) {
        self.rows.insert(op, row);
    }

    pub(crate) fn remove(&mut self, op: u64) {
        self.rows.remove(&op);
    }

    #[cfg(feature = "next-release")]
    pub(crate) fn get_mut(&mut self, op: u64) -> Option<&mut MarkRow> {
        self.rows.get_mut(&op)
    }
}
