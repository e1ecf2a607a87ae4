//! The few ways in which records change. Every change of a record goes through this room, because every change moves the digest.
//!
//! Not for rules: who may change what is decided in the rooms of the commands.

use crate::ledger::record::{PositionRow, Record};
use crate::ledger::state::{At, State};
use crate::stock::cluster::NEVER;
use crate::stock::sharing::InGroup;
use crate::table::{AHEAD, Digest, NO_SLOT};
use stockhold_protocol::CommandId;
use xxhash_rust::xxh3::xxh3_64;

impl State {
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
        self.unregister_id(slot);
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

    /// Puts a cluster on the list of those whose cells readers must see anew.
    pub(crate) fn mark_changed(&mut self, cluster: u32) {
        self.changed_clusters.push(cluster);
    }

    pub(crate) fn position(&self, at: At) -> Option<&PositionRow> {
        let slot = self.clusters.get(at.cluster).place(at.index).position;
        (slot != NO_SLOT).then(|| self.positions.get(slot))
    }

    /// Adds the positions that changed to the digest again. For the end of a batch; answers do not depend on it.
    pub(crate) fn sum_positions(&mut self) {
        let mut list = std::mem::take(&mut self.unsummed);
        for some in list.rchunks(AHEAD) {
            self.prefetch_positions(some.iter());
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
    pub(crate) fn remove_from_digest(&mut self, slot: u32) {
        self.recount_reservation(slot);
        let hash = self.reservation_hash(slot);
        self.digest.sub(hash);
        let erase_at_s = self.reservations.get(slot).ends_at_s();
        if erase_at_s != 0 {
            self.erase_due.sub_hash(erase_at_s, hash);
        }
    }

    /// Puts a reservation into the digest after it changed, and on the list of records to erase.
    pub(crate) fn add_to_digest(&mut self, slot: u32) {
        let hash = self.reservation_hash(slot);
        self.add_hash_to_digest(slot, hash);
    }

    /// As [`State::add_to_digest`], of a reservation whose hash is known.
    pub(crate) fn add_hash_to_digest(&mut self, slot: u32, hash: u64) {
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
    pub(crate) fn source_in_group(&self, source: u32) -> Option<InGroup> {
        self.catalog.layout.source_in_group(source)
    }

    /// The first second of hold time in which a hold ends and readers' cells must be refreshed.
    pub(crate) fn next_due_s(&self) -> Option<u32> {
        self.holds_due.next_due().filter(|second| *second != NEVER)
    }
}
