//! The few ways in which records change. Every change of a record goes through this room, because every change moves the digest.
//!
//! Not for rules: who may change what is decided in the rooms of the commands.

use crate::cluster::NEVER;
use crate::record::{PositionRow, Record};
use crate::sharing::Place as Seat;
use crate::state::{At, State};
use crate::table::{AHEAD, Digest, NO_SLOT};
use stockhold_protocol::{CommandId, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

/// Clusters that one op refreshes when holds have ended.
const CLUSTERS_PER_OP: u32 = 4;
/// Records that one op erases.
const ERASED_PER_OP: u32 = 4;

impl State {
    /// Lets time pass to `time`: records whose time is up stop counting in the digest at this instant, and
    /// a bounded number of them is erased.
    pub(crate) fn pass_time(&mut self, time: Timestamp) {
        let second = self.now_s();
        self.move_time(time);
        let is_new_second = self.now_s() != second;
        if is_new_second {
            let (gone, records) = self.erase_due.take_hashes(self.now_s());
            self.digest.sub(gone);
            self.known = self.known.saturating_sub(records);
        }
        if is_new_second || self.has_due {
            let cells = self.refresh_due_clusters(CLUSTERS_PER_OP);
            let records = self.erase_due_records(ERASED_PER_OP);
            self.has_due = cells || records;
        }
    }

    /// Ends the due holds of up to `budget` clusters; true if more wait. Answers do not depend on it: every
    /// decision settles the clusters that it reads.
    pub(crate) fn refresh_due_clusters(&mut self, budget: u32) -> bool {
        if self.holds_due.next_due().is_none_or(|second| second > self.now_s()) {
            return false;
        }
        let mut due = std::mem::take(&mut self.due);
        let more = self.holds_due.take_due(self.now_s(), budget, &mut due);
        for cluster in due.drain(..) {
            self.settle(cluster);
        }
        self.due = due;
        more
    }

    /// Erases up to `budget` records whose time is up; true if more wait. Answers do not depend on it: a
    /// record whose time is up is unknown already.
    pub(crate) fn erase_due_records(&mut self, budget: u32) -> bool {
        let now_s = self.now_s();
        // A snapshot reads the answers of grants from their reservations, so these stay until it is done.
        if self.grant_walk.is_some() || self.erase_due.next_due().is_none_or(|second| second > now_s) {
            return false;
        }
        let mut due = std::mem::take(&mut self.due);
        let more = self.erase_due.take_due(now_s, budget, &mut due);
        for slot in due.drain(..) {
            let row = self.reservations.get_mut(slot);
            row.set_awaits_erasure(false);
            let erase_at_s = row.ends_at_s();
            if erase_at_s > now_s {
                row.set_awaits_erasure(true);
                self.erase_due.push(erase_at_s, slot);
            } else if erase_at_s != 0 {
                self.erase(slot);
            }
        }
        self.due = due;
        more
    }

    fn erase(&mut self, slot: u32) {
        self.recount_reservation(slot);
        self.unbook(slot);
        let row = self.reservations.remove(slot);
        let mut line = row.more;
        while line != NO_SLOT {
            line = self.lines.remove(line).next;
        }
        let mut note = row.notes;
        while note != NO_SLOT {
            note = self.notes.remove(note).next;
        }
    }

    /// Ends the due holds of a cluster, so that what is read of it is as of now.
    #[inline]
    pub(crate) fn settle(&mut self, cluster: u32) {
        if self.clusters.get(cluster).next_deadline <= self.now_s() && self.settle_due(cluster) {
            self.mark_changed(cluster);
        }
    }

    /// Ends the due holds of a cluster that has some; whether its cells changed.
    #[inline(never)]
    pub(crate) fn settle_due(&mut self, cluster: u32) -> bool {
        self.recount_cluster(cluster);
        let now_s = self.now_s();
        let one = self.clusters.get_mut(cluster);
        one.settle(self.catalog.layout.group(one.group), now_s)
    }

    /// Puts a cluster on the list of those whose cells readers must see anew.
    pub(crate) fn mark_changed(&mut self, cluster: u32) {
        self.changed_clusters.push(cluster);
    }

    pub(crate) fn position(&self, at: At) -> Option<&PositionRow> {
        let slot = self.clusters.get(at.cluster).place(at.index).position;
        (slot != NO_SLOT).then(|| self.positions.get(slot))
    }

    /// Changes the position of a place; the record is made when there is none.
    pub(crate) fn change_position(&mut self, at: At, change: impl FnOnce(&mut PositionRow)) {
        let row = self.position_to_change(at);
        change(row);
        let has_quota = row.has_quota();
        self.clusters.get_mut(at.cluster).place_mut(at.index).has_quota = has_quota;
    }

    /// The position of a place, out of the digest until the batch ends. Whether it has a quota must stay as it is.
    #[inline]
    fn position_to_change(&mut self, at: At) -> &mut PositionRow {
        let cluster = self.clusters.get_mut(at.cluster);
        let mut slot = cluster.place(at.index).position;
        if slot == NO_SLOT {
            let stock = self.catalog.layout.group(cluster.group).stocks()[at.index as usize];
            let row = PositionRow { is_unsummed: true, ..PositionRow::new(cluster.sku, stock) };
            slot = self.positions.insert(row);
            cluster.place_mut(at.index).position = slot;
            self.unsummed.push(slot);
        }
        let row = self.positions.get_mut(slot);
        if !row.is_unsummed {
            self.digest.sub(row.hash(&mut self.scratch));
            row.is_unsummed = true;
            self.unsummed.push(slot);
        }
        row
    }

    /// Adds the positions that changed to the digest again. For the end of a batch; answers do not depend on it.
    pub(crate) fn sum_positions(&mut self) {
        let mut list = std::mem::take(&mut self.unsummed);
        for some in list.rchunks(AHEAD) {
            self.look_at_positions(some.iter());
            for slot in some {
                let row = self.positions.get_mut(*slot);
                row.is_unsummed = false;
                self.digest.add(row.hash(&mut self.scratch));
            }
        }
        list.clear();
        self.unsummed = list;
    }

    /// The digest with the positions that are not summed yet.
    pub(crate) fn whole_digest(&self) -> Digest {
        let mut digest = self.digest;
        let mut scratch = Vec::new();
        for slot in &self.unsummed {
            digest.add(self.positions.get(*slot).hash(&mut scratch));
        }
        digest
    }

    /// Adds to the promises of orders and to what the quota has given out.
    pub(crate) fn promise(&mut self, at: At, units: i64, quota: i64) {
        self.recount_cluster(at.cluster);
        let cluster = self.clusters.get_mut(at.cluster);
        cluster.pool.add_promise(self.catalog.layout.group(cluster.group), at.index, units);
        self.changed_clusters.push(at.cluster);
        let row = self.position_to_change(at);
        row.confirmed = row.confirmed.saturating_add(units);
        row.quota_taken = row.quota_taken.saturating_add(quota);
    }

    /// Counts a held line under its deadline.
    pub(crate) fn hold(&mut self, at: At, deadline_s: u32, units: i64, quota: i64) {
        self.recount_cluster(at.cluster);
        let cluster = self.clusters.get_mut(at.cluster);
        let group = self.catalog.layout.group(cluster.group);
        if cluster.hold(group, at.index, deadline_s, units, quota) {
            self.holds_due.push(deadline_s, at.cluster);
        }
        self.mark_changed(at.cluster);
    }

    /// Takes units of a held line back; `ends` when the line is no longer held at all.
    pub(crate) fn unhold(&mut self, at: At, deadline_s: u32, units: i64, quota: i64, ends: bool) {
        self.recount_cluster(at.cluster);
        let cluster = self.clusters.get_mut(at.cluster);
        let group = self.catalog.layout.group(cluster.group);
        cluster.unhold(group, at.index, deadline_s, units, quota, ends);
        self.mark_changed(at.cluster);
    }

    /// The slot of a reservation whose record is still known.
    pub(crate) fn find_reservation(&self, id: CommandId) -> Option<u32> {
        let slot = self.slot_of(id)?;
        let erase_at_s = self.reservations.get(slot).ends_at_s();
        (erase_at_s == 0 || erase_at_s > self.now_s()).then_some(slot)
    }

    /// The sum of the hashes of a reservation, its further lines and its notes.
    pub(crate) fn reservation_hash(&mut self, slot: u32) -> u64 {
        let row = self.reservations.get(slot);
        let (mut line, mut note) = (row.more, row.notes);
        let mut sum = row.hash(&mut self.scratch);
        while line != NO_SLOT {
            let one = self.lines.get(line);
            sum = sum.wrapping_add(one.hash(&mut self.scratch));
            line = one.next;
        }
        while note != NO_SLOT {
            let one = self.notes.get(note);
            sum = sum.wrapping_add(one.hash(&mut self.scratch));
            note = one.next;
        }
        sum
    }

    /// Takes a reservation out of the digest before it changes.
    pub(crate) fn uncount(&mut self, slot: u32) {
        self.recount_reservation(slot);
        let hash = self.reservation_hash(slot);
        self.digest.sub(hash);
        let erase_at_s = self.reservations.get(slot).ends_at_s();
        if erase_at_s != 0 {
            self.erase_due.sub_hash(erase_at_s, hash);
        }
    }

    /// Puts a reservation into the digest after it changed, and on the list of records to erase.
    pub(crate) fn count(&mut self, slot: u32) {
        let hash = self.reservation_hash(slot);
        self.count_hash(slot, hash);
    }

    /// As [`State::count`], of a reservation whose hash is known.
    pub(crate) fn count_hash(&mut self, slot: u32, hash: u64) {
        self.digest.add(hash);
        let row = self.reservations.get(slot);
        let (erase_at_s, is_listed) = (row.ends_at_s(), row.awaits_erasure());
        if erase_at_s != 0 {
            self.erase_due.add_hash(erase_at_s, hash);
            if !is_listed {
                self.reservations.get_mut(slot).set_awaits_erasure(true);
                self.erase_due.push(erase_at_s, slot);
            }
        }
    }

    pub(crate) fn sku_of_name(&self, name: &str) -> Option<u32> {
        self.sku_index.find(xxh3_64(name.as_bytes()), |slot| self.skus.get(slot).name() == name)
    }

    pub(crate) fn has_sku(&self, sku: u32) -> bool {
        sku < self.skus.len()
    }

    /// Where the sources of a source stand in the layout.
    pub(crate) fn seat_of_source(&self, source: u32) -> Option<Seat> {
        self.catalog.layout.place_of_source(source)
    }

    /// The first second of hold time in which a hold ends and readers' cells must be refreshed.
    pub(crate) fn next_due_s(&self) -> Option<u32> {
        self.holds_due.next_due().filter(|second| *second != NEVER)
    }
}
