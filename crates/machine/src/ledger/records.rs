//! Changes of records, the digest, and the erasure of reservations. Every change of a record updates the
//! digest, so it uses these functions.
//!
//! The rules for changes are not here: the verbs decide who may change what.

use crate::ledger::record::{PositionRow, Record};
use crate::ledger::state::{At, State};
use crate::stock::cluster::NEVER;
use crate::stock::sharing::InGroup;
use crate::table::{Digest, NO_SLOT, PREFETCH_WIDTH};
use stockhold_protocol::CommandId;
use xxhash_rust::xxh3::xxh3_64;

impl State {
    /// Erases up to `budget` records whose retention has ended. Returns true if more are left. Answers do
    /// not depend on it: such a record is unknown already.
    pub(crate) fn erase_due_records(&mut self, budget: u32) -> bool {
        let now_s = self.now_s();
        // A snapshot in progress computes the outcomes of grants from their reservations, so these must
        // stay until it is done.
        if self.grant_cursor.is_some() || self.erase_due.next_due().is_none_or(|second| second > now_s) {
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
        self.unlink_from_order(slot);
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

    /// Marks a cluster as changed: its cells must be published again.
    pub(crate) fn mark_changed(&mut self, cluster: u32) {
        self.changed_clusters.push(cluster);
    }

    pub(crate) fn position(&self, at: At) -> Option<&PositionRow> {
        let slot = self.clusters.get(at.cluster).place(at.index).position;
        (slot != NO_SLOT).then(|| self.positions.get(slot))
    }

    /// Adds the changed positions to the digest again. It is called at the end of a batch; answers do not
    /// depend on it.
    pub(crate) fn sum_positions(&mut self) {
        let mut list = std::mem::take(&mut self.unsummed);
        for slots in list.rchunks(PREFETCH_WIDTH) {
            self.prefetch_positions(slots.iter());
            for slot in slots {
                let row = self.positions.get_mut(*slot);
                row.is_unsummed = false;
                self.digest.add(row.hash(&mut self.scratch));
            }
        }
        list.clear();
        self.unsummed = list;
    }

    /// The digest, including the changed positions that are not in the running sum yet.
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

    /// Subtracts a reservation from the digest. It must be called before the reservation changes.
    pub(crate) fn remove_from_digest(&mut self, slot: u32) {
        self.recount_reservation(slot);
        let hash = self.reservation_hash(slot);
        self.digest.sub(hash);
        let erase_at_s = self.reservations.get(slot).ends_at_s();
        if erase_at_s != 0 {
            self.erase_due.sub_hash(erase_at_s, hash);
        }
    }

    /// Adds a reservation to the digest after it changed, and to the list of records to erase.
    pub(crate) fn add_to_digest(&mut self, slot: u32) {
        let hash = self.reservation_hash(slot);
        self.add_hash_to_digest(slot, hash);
    }

    /// Like [`State::add_to_digest`], for a reservation whose hash is known.
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
        self.sku_index.find(xxh3_64(name.as_bytes()), |slot| self.skus.has_name(slot, name))
    }

    pub(crate) fn has_sku(&self, sku: u32) -> bool {
        sku < self.skus.len()
    }

    /// The group of a source, and its index there.
    pub(crate) fn source_in_group(&self, source: u32) -> Option<InGroup> {
        self.catalog.layout.source_in_group(source)
    }

    /// The first second of hold time at which a hold ends and its cells must be published again.
    pub(crate) fn next_due_s(&self) -> Option<u32> {
        self.holds_due.next_due().filter(|second| *second != NEVER)
    }
}
