//! One SKU in one group of connected stocks: its pool, and per stock the holds by deadline and the
//! settings in force. All of it is derived from records, so it is in no snapshot and no digest.
//!
//! Not for deciding: this room only knows what is promised and what is left.

use crate::stock::settings::Effective;
use crate::stock::sharing::{Group, Pool};
use crate::table::NO_SLOT;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

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

/// What is held at one place.
#[derive(Debug, Default)]
struct Holds {
    /// Sums of `by_deadline`.
    units: i64,
    quota: i64,
    by_deadline: BTreeMap<u32, Held>,
}

/// One SKU in one stock. Small, because there is one for each SKU in each stock.
#[derive(Debug)]
pub(crate) struct Place {
    /// Slot of the position's record, or [`NO_SLOT`] while there is nothing to remember.
    pub(crate) position: u32,
    /// Whether the position has a quota, so that the many without need not be looked up.
    pub(crate) has_quota: bool,
    /// Shared by all places where the same is in force.
    pub(crate) settings: Arc<Effective>,
    /// Nothing before the first hold.
    holds: Option<Box<Holds>>,
}

impl Place {
    pub(crate) const fn new(settings: Arc<Effective>) -> Self {
        Self { position: NO_SLOT, has_quota: false, settings, holds: None }
    }

    /// Whether nothing at all is remembered here.
    pub(crate) fn is_blank(&self) -> bool {
        self.position == NO_SLOT && self.holds.as_ref().is_none_or(|holds| holds.by_deadline.is_empty())
    }

    /// Units held.
    pub(crate) fn units_held(&self) -> i64 {
        self.holds.as_ref().map_or(0, |holds| holds.units)
    }

    /// Of these, units that took from the quota in force.
    pub(crate) fn quota_held(&self) -> i64 {
        self.holds.as_ref().map_or(0, |holds| holds.quota)
    }

    /// Forgets which held units took from a quota: a new quota begins with nothing taken.
    pub(crate) fn forget_quota(&mut self) {
        let Some(holds) = &mut self.holds else { return };
        holds.quota = 0;
        for held in holds.by_deadline.values_mut() {
            held.quota = 0;
        }
    }

    fn held(&self) -> impl Iterator<Item = (&u32, &Held)> {
        self.holds.iter().flat_map(|holds| &holds.by_deadline)
    }

    /// The sum of held units as the buckets say, for validation.
    pub(crate) fn sums(&self) -> (i64, i64) {
        self.held().fold((0, 0), |(units, quota), (_, held)| {
            (units.saturating_add(held.units), quota.saturating_add(held.quota))
        })
    }

    /// The deadlines of its holds, earliest first.
    pub(crate) fn deadlines(&self) -> Vec<u32> {
        self.held().map(|(deadline_s, _)| *deadline_s).collect()
    }

    /// Units, and quota units, of holds that have ended at `now_s` and still stand in their buckets.
    pub(crate) fn ended_at(&self, now_s: u32) -> (i64, i64) {
        let ended = self.held().take_while(|(deadline_s, _)| **deadline_s <= now_s);
        ended.fold((0, 0), |(units, quota), (_, held)| {
            (units.saturating_add(held.units), quota.saturating_add(held.quota))
        })
    }

    fn first_deadline(&self) -> u32 {
        self.held().next().map_or(NEVER, |(deadline_s, _)| *deadline_s)
    }

    /// Takes the first bucket out if its deadline is at or before `now_s`.
    fn pop_ended(&mut self, now_s: u32) -> Option<Held> {
        let holds = self.holds.as_mut()?;
        let entry = holds.by_deadline.first_entry().filter(|entry| *entry.key() <= now_s)?;
        let held = entry.remove();
        holds.units = holds.units.saturating_sub(held.units);
        holds.quota = holds.quota.saturating_sub(held.quota);
        Some(held)
    }
}

/// The places of a cluster. Most SKUs stand in groups of one stock, and these find their only place without another look-up.
#[derive(Debug)]
pub(crate) enum Places {
    One(Place),
    Many(Box<[Place]>),
}

impl FromIterator<Place> for Places {
    fn from_iter<I: IntoIterator<Item = Place>>(places: I) -> Self {
        let mut places = places.into_iter();
        match (places.next(), places.next()) {
            (Some(only), None) => Self::One(only),
            (first, second) => Self::Many(first.into_iter().chain(second).chain(places).collect()),
        }
    }
}

impl Deref for Places {
    type Target = [Place];

    #[inline]
    fn deref(&self) -> &[Place] {
        match self {
            Self::One(place) => std::slice::from_ref(place),
            Self::Many(places) => places,
        }
    }
}

impl DerefMut for Places {
    #[inline]
    fn deref_mut(&mut self) -> &mut [Place] {
        match self {
            Self::One(place) => std::slice::from_mut(place),
            Self::Many(places) => places,
        }
    }
}

/// See the module.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Cluster {
    pub(crate) sku: u32,
    pub(crate) group: u32,
    /// No later than the earliest deadline of its holds.
    pub(crate) next_deadline: u32,
    /// The number of the SKU's next cluster; the first one's after the last, so its own where it is the only one.
    pub(crate) next: u32,
    pub(crate) pool: Pool,
    /// One per stock of the group, in index order.
    pub(crate) places: Places,
}

const _: () = assert!(size_of::<Cluster>() == 64, "a SKU in a group of one stock is one cache line");

impl Cluster {
    pub(crate) fn new(sku: u32, group: u32, shape: &Group, places: Places) -> Self {
        assert!(places.len() == shape.stocks().len(), "one place per stock");
        Self { sku, group, next_deadline: NEVER, next: NO_SLOT, pool: Pool::new(shape), places }
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
            while let Some(held) = place.pop_ended(now_s) {
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
            for (index, place) in (0_u32..).zip(self.places.iter()) {
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
        let holds = self.place_mut(index).holds.get_or_insert_default();
        holds.units = holds.units.saturating_add(units);
        holds.quota = holds.quota.saturating_add(quota);
        let held = holds.by_deadline.entry(deadline_s).or_default();
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
        let Some(holds) = &mut self.place_mut(index).holds else {
            unreachable!("a place with a live hold has holds");
        };
        holds.units = holds.units.saturating_sub(units);
        holds.quota = holds.quota.saturating_sub(quota);
        let Some(held) = holds.by_deadline.get_mut(&deadline_s) else {
            unreachable!("a live hold stands in the bucket of its deadline");
        };
        held.units = held.units.saturating_sub(units);
        held.quota = held.quota.saturating_sub(quota);
        assert!(held.units >= 0, "no more leaves a bucket than came in");
        if ends {
            held.lines = held.lines.saturating_sub(1);
            if held.lines == 0 {
                assert!(held.units == 0, "a bucket without lines holds no units");
                holds.by_deadline.remove(&deadline_s);
            }
        }
    }
}
