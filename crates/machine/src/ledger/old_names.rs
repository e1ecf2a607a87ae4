//! Old names of renamed things. In its grace an old name still means the renamed thing. After that it means
//! nothing and may be given to another thing.
//!
//! The names that things have now are stored with the things.

use crate::config::OLD_NAMES_MAX;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use stockhold_protocol::Timestamp;
use stockhold_protocol::query::Name;

/// One old name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct OldName {
    pub(crate) name: Name,
    /// The number of the renamed thing.
    pub(crate) number: u32,
    /// The op time at which its grace ends.
    pub(crate) until: Timestamp,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct OldNames {
    /// By the op of the rename. One op renames at most one thing.
    rows: BTreeMap<u64, OldName>,
    by_name: BTreeMap<Name, u64>,
    /// Names that readers still have, by the end of their grace.
    published: BTreeSet<(Timestamp, u64)>,
}

impl OldNames {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether one more would be too many.
    pub(crate) fn is_full(&self) -> bool {
        self.len() >= OLD_NAMES_MAX
    }

    pub(crate) fn get(&self, op: u64) -> Option<&OldName> {
        self.rows.get(&op)
    }

    /// The first op after this one that has an old name.
    pub(crate) fn next_op(&self, behind: u64) -> Option<u64> {
        self.rows.range((Bound::Excluded(behind), Bound::Unbounded)).next().map(|(op, _)| *op)
    }

    /// All old names in the order of their ops.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &OldName)> {
        self.rows.iter().map(|(op, old)| (*op, old))
    }

    /// The old names of later ops than this one, in the order of their ops.
    pub(crate) fn after(&self, op: Option<u64>) -> impl Iterator<Item = (u64, &OldName)> {
        let start = op.map_or(Bound::Unbounded, Bound::Excluded);
        self.rows.range((start, Bound::Unbounded)).map(|(op, old)| (*op, old))
    }

    /// The op of an old name.
    pub(crate) fn op_of(&self, name: &Name) -> Option<u64> {
        self.by_name.get(name).copied()
    }

    /// The number that an old name means in its grace.
    pub(crate) fn in_grace(&self, name: &Name, now: Timestamp) -> Option<u32> {
        let old = self.get(self.op_of(name)?)?;
        (now < old.until).then_some(old.number)
    }

    /// The oldest of the names whose grace has ended.
    pub(crate) fn oldest_ended(&self, now: Timestamp) -> Option<&Name> {
        self.rows.values().find(|old| old.until <= now).map(|old| &old.name)
    }

    pub(crate) fn insert(&mut self, op: u64, old: OldName) {
        self.published.insert((old.until, op));
        self.by_name.insert(old.name.clone(), op);
        self.rows.insert(op, old);
    }

    pub(crate) fn remove(&mut self, op: u64) -> Option<OldName> {
        let old = self.rows.remove(&op)?;
        self.published.remove(&(old.until, op));
        self.by_name.remove(&old.name);
        Some(old)
    }

    /// The next name that readers still have although its grace has ended. Each one is returned once.
    pub(crate) fn next_ended(&mut self, now: Timestamp) -> Option<Name> {
        let (until, op) = *self.published.first()?;
        if now < until {
            return None;
        }
        self.published.pop_first();
        self.get(op).map(|old| old.name.clone())
    }
}
