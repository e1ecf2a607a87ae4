//! One SKU in one group of connected stocks: its pool, and per stock the holds by deadline and the
//! settings in force. All of it is derived from records, so it is in no snapshot and no digest.
//!
//! Not for deciding: this room only knows what is promised and what is left.

use crate::settings::Effective;
use crate::sharing::{Group, Pool};
use crate::table::NO_SLOT;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The second that no hold has: nothing is due.
pub(crate) const NEVER: u32 = u32::MAX;

/// Held units with one deadline: a million equal deadlines end in one subtraction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Units promised.
    pub(crate) units: i64,
    /// Of these, units that took from the quota in force.
    pub(crate) quota: i64,
    /// Lines in the sum, so that an empty sum is told from a zero one.
    pub(crate) lines: u32,
}

/// One SKU in one stock.
#[derive(Debug)]
pub(crate) struct Place {
    /// Slot of the position's record, or [`NO_SLOT`] while there is nothing to remember.
    pub(crate) position: u32,
    /// Whether the position has a quota, so that the many without need not be looked up.
    pub(crate) has_quota: bool,
    pub(crate) settings: Effective,
    /// Sums of `held`.
    pub(crate) units_held: i64,
    pub(crate) quota_held: i64,
    held: BTreeMap<u32, Held>,
}

impl Place {
    pub(crate) const fn new(settings: Effective) -> Self {
        Self {
            position: NO_SLOT,
            has_quota: false,
            settings,
            units_held: 0,
            quota_held: 0,
            held: BTreeMap::new(),
        }
    }

    /// Whether nothing at all is remembered here.
    pub(crate) fn is_blank(&self) -> bool {
        self.position == NO_SLOT && self.held.is_empty()
    }

    /// Forgets which held units took from a quota: a new quota begins with nothing taken.
    pub(crate) fn forget_quota(&mut self) {
        self.quota_held = 0;
        for held in self.held.values_mut() {
            held.quota = 0;
        }
    }

    /// The sum of held units as the buckets say, for validation.
    pub(crate) fn sums(&self) -> (i64, i64) {
        self.held.values().fold((0, 0), |(units, quota), held| {
            (units.saturating_add(held.units), quota.saturating_add(held.quota))
        })
    }

    /// The deadlines of its holds, earliest first.
    pub(crate) fn deadlines(&self) -> Vec<u32> {
        self.held.keys().copied().collect()
    }

    /// Units, and quota units, of holds that have ended at `now_s` and still stand in their buckets.
    pub(crate) fn ended_at(&self, now_s: u32) -> (i64, i64) {
        self.held.range(..=now_s).fold((0, 0), |(units, quota), (_, held)| {
            (units.saturating_add(held.units), quota.saturating_add(held.quota))
        })
    }

    fn first_deadline(&self) -> u32 {
        self.held.first_key_value().map_or(NEVER, |(deadline, _)| *deadline)
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) sku: u32,
    pub(crate) group: u32,
    /// No later than the earliest deadline of its holds.
    pub(crate) next_deadline: u32,
    /// Whether it waits in the list of changed clusters.
    pub(crate) changed: bool,
    pub(crate) pool: Pool,
    /// One per stock of the group, in index order.
    pub(crate) places: Box<[Place]>,
}

impl Cluster {
    pub(crate) fn new(sku: u32, group: u32, shape: &Group, settings: impl Fn(u32) -> Effective) -> Self {
        let places = shape.stocks().iter().map(|stock| Place::new(settings(*stock))).collect();
        Self { sku, group, next_deadline: NEVER, changed: false, pool: Pool::new(shape), places }
    }

    pub(crate) fn place(&self, index: u32) -> &Place {
        &self.places[index as usize]
    }

    pub(crate) fn place_mut(&mut self, index: u32) -> &mut Place {
        &mut self.places[index as usize]
    }

    /// Ends every hold whose deadline is at or before `now_s`: its units count nothing from here on.
    pub(crate) fn settle(&mut self, group: &Group, now_s: u32) -> bool {
        if self.next_deadline > now_s {
            return false;
        }
        let mut next = NEVER;
        for (index, place) in (0_u32..).zip(self.places.iter_mut()) {
            while let Some(entry) = place.held.first_entry().filter(|entry| *entry.key() <= now_s) {
                let held = entry.remove();
                place.units_held = place.units_held.saturating_sub(held.units);
                place.quota_held = place.quota_held.saturating_sub(held.quota);
                self.pool.add_promise(group, index, 0_i64.saturating_sub(held.units));
            }
            next = next.min(place.first_deadline());
        }
        self.next_deadline = next;
        true
    }

    /// The pool as of `now_s` for a reader, who cannot settle: without the holds that have ended.
    pub(crate) fn pool_at(&self, group: &Group, now_s: u32) -> Cow<'_, Pool> {
        let mut pool = Cow::Borrowed(&self.pool);
        if self.next_deadline <= now_s {
            for (index, place) in (0_u32..).zip(&self.places) {
                let (units, _) = place.ended_at(now_s);
                pool.to_mut().add_promise(group, index, 0_i64.saturating_sub(units));
            }
        }
        pool
    }

    /// Counts a held line; true if its deadline is new here and must be watched.
    pub(crate) fn hold(
        &mut self,
        group: &Group,
        index: u32,
        deadline_s: u32,
        units: i64,
        quota: i64,
    ) -> bool {
        self.pool.add_promise(group, index, units);
        let place = self.place_mut(index);
        place.units_held = place.units_held.saturating_add(units);
        place.quota_held = place.quota_held.saturating_add(quota);
        let held = place.held.entry(deadline_s).or_default();
        held.units = held.units.saturating_add(units);
        held.quota = held.quota.saturating_add(quota);
        held.lines = held.lines.saturating_add(1);
        let is_new = held.lines == 1;
        self.next_deadline = self.next_deadline.min(deadline_s);
        is_new
    }

    /// Takes units of a held line back; `ends` says that the line's hold is over with it.
    pub(crate) fn unhold(
        &mut self,
        group: &Group,
        index: u32,
        deadline_s: u32,
        units: i64,
        quota: i64,
        ends: bool,
    ) {
        self.pool.add_promise(group, index, 0_i64.saturating_sub(units));
        let place = self.place_mut(index);
        place.units_held = place.units_held.saturating_sub(units);
        place.quota_held = place.quota_held.saturating_sub(quota);
        let Some(held) = place.held.get_mut(&deadline_s) else {
            unreachable!("a live hold stands in the bucket of its deadline");
        };
        held.units = held.units.saturating_sub(units);
        held.quota = held.quota.saturating_sub(quota);
        assert!(held.units >= 0, "no more leaves a bucket than came in");
        if ends {
            held.lines = held.lines.saturating_sub(1);
            if held.lines == 0 {
                assert!(held.units == 0, "a bucket without lines holds no units");
                place.held.remove(&deadline_s);
            }
        }
    }
}
