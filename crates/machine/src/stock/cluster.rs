//! A cluster: one SKU in one group of connected stocks. It has the pool of the group, and for each stock
//! the holds by deadline and the settings in force. All of it is derived from records, so it is not part of
//! snapshots and of the digest.
//!
//! It makes no decisions: it only knows what is promised and what is left.

use crate::stock::settings::Effective;
use crate::stock::sharing::{Group, Pool};
use crate::table::NO_SLOT;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// The second that no hold has: no deadline.
pub(crate) const NEVER: u32 = u32::MAX;

/// Held units with the same deadline. A million equal deadlines end by one subtraction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Units promised.
    pub(crate) units: i64,
    /// Those of the units that were taken from the quota in force.
    pub(crate) quota: i64,
    /// The number of lines in the sum. It distinguishes an empty sum from one that is 0.
    pub(crate) lines: u32,
}

/// The holds of one place.
#[derive(Debug, Default)]
struct Holds {
    /// Sums of `by_deadline`.
    units: i64,
    quota: i64,
    by_deadline: BTreeMap<u32, Held>,
}

/// A place: one SKU in one stock. It is small, because there is one for each SKU in each stock.
#[derive(Debug)]
pub(crate) struct Place {
    /// The slot of the position's record, or [`NO_SLOT`] while there is no record.
    pub(crate) position: u32,
    /// Whether the position has a quota. If not, which is the common case, the record need not be read.
    pub(crate) has_quota: bool,
    /// The settings in force, shared by all places with the same ones.
    pub(crate) settings: Arc<Effective>,
    /// `None` before the first hold.
    holds: Option<Box<Holds>>,
}

impl Place {
    pub(crate) const fn new(settings: Arc<Effective>) -> Self {
        Self { position: NO_SLOT, has_quota: false, settings, holds: None }
    }

    /// Whether the place has neither a record nor holds.
    pub(crate) fn is_blank(&self) -> bool {
        self.position == NO_SLOT && self.holds.as_ref().is_none_or(|holds| holds.by_deadline.is_empty())
    }

    /// The number of held units.
    pub(crate) fn units_held(&self) -> i64 {
        self.holds.as_ref().map_or(0, |holds| holds.units)
    }

    /// Those of the held units that were taken from the quota in force.
    pub(crate) fn quota_held(&self) -> i64 {
        self.holds.as_ref().map_or(0, |holds| holds.quota)
    }

    /// Resets the held units that were taken from a quota, because a new quota begins with nothing taken.
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

    /// The sums of held units, computed from the holds by deadline. For validation.
    pub(crate) fn sums(&self) -> (i64, i64) {
        self.held().fold((0, 0), |(units, quota), (_, held)| {
            (units.saturating_add(held.units), quota.saturating_add(held.quota))
        })
    }

    /// The deadlines of its holds, earliest first.
    pub(crate) fn deadlines(&self) -> Vec<u32> {
        self.held().map(|(deadline_s, _)| *deadline_s).collect()
    }

    /// Units, and quota units, of holds that have ended at `now_s` and are still counted here.
    pub(crate) fn ended_at(&self, now_s: u32) -> (i64, i64) {
        let ended = self.held().take_while(|(deadline_s, _)| **deadline_s <= now_s);
        ended.fold((0, 0), |(units, quota), (_, held)| {
            (units.saturating_add(held.units), quota.saturating_add(held.quota))
        })
    }

    fn first_deadline(&self) -> u32 {
        self.held().next().map_or(NEVER, |(deadline_s, _)| *deadline_s)
    }

    /// Removes the held units with the first deadline, if it is at or before `now_s`.
    fn pop_ended(&mut self, now_s: u32) -> Option<Held> {
        let holds = self.holds.as_mut()?;
        let entry = holds.by_deadline.first_entry().filter(|entry| *entry.key() <= now_s)?;
        let held = entry.remove();
        holds.units = holds.units.saturating_sub(held.units);
        holds.quota = holds.quota.saturating_sub(held.quota);
        Some(held)
    }
}

/// The places of a cluster. Most SKUs are in groups of one stock; their only place is found without another
/// memory access.
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

/// One SKU in one group of stocks.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Cluster {
    pub(crate) sku: u32,
    pub(crate) group: u32,
    /// A second that is not later than the earliest deadline of its holds.
    pub(crate) next_deadline: u32,
    /// The number of the SKU's next cluster. The last one links to the first one; a single one links to
    /// itself.
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

    /// Ends every hold whose deadline is at or before `now_s`: its units are no longer promised. Returns
    /// false if there was nothing to end.
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

    /// The pool at `now_s` without the holds that have ended, for readers that cannot end holds.
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

    /// Adds a held line. Returns true if its deadline is new here and must be put on the due list.
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

    /// Subtracts units of a held line. `ends` means that the line is no longer held at all.
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
            unreachable!("a live hold is counted under its deadline");
        };
        held.units = held.units.saturating_sub(units);
        held.quota = held.quota.saturating_sub(quota);
        assert!(held.units >= 0, "no more units are subtracted from a deadline than were added");
        if ends {
            held.lines = held.lines.saturating_sub(1);
            if held.lines == 0 {
                assert!(held.units == 0, "a deadline without lines has no units");
                holds.by_deadline.remove(&deadline_s);
            }
        }
    }
}
