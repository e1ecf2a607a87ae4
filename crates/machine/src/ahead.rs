//! Looking ahead: reading what will be looked at next, for many records in one go, so that the processor fetches it for all of them at once
//! instead of for one after the other. It changes nothing and decides nothing; what it guesses wrong is only not fetched.

use crate::book::key_of;
use crate::machine::Machine;
use crate::shelf::Shelf;
use crate::state::State;
use crate::table::{AHEAD, NO_SLOT};
use stockhold_protocol::command::peek;

/// What so many SKUs need stays in the cache anyway, and looking ahead for commands would only cost. Measured: 4 % with 1,000 SKUs,
/// where it gains a quarter with a million.
const SKUS_CACHED: usize = 8_192;

impl Machine {
    /// Reads what up to [`AHEAD`] records will look at. Each loop reads what the one before has found: within a loop no read waits for another.
    pub fn look_ahead<'a>(&self, records: impl Iterator<Item = &'a [u8]>) {
        let state = &self.state;
        if state.shelves.len() <= SKUS_CACHED {
            return;
        }
        let mut entrances: [&u32; AHEAD] = [&0; AHEAD];
        let mut shelves: [Option<&Shelf>; AHEAD] = [None; AHEAD];
        for ((entrance, shelf), record) in entrances.iter_mut().zip(&mut shelves).zip(records) {
            let Some((id, sku)) = peek(record) else { continue };
            *entrance = state.outcomes.entrance(key_of(id)).unwrap_or(&0);
            *shelf = state.shelves.find(sku);
        }
        look_at(entrances.iter().map(|entrance| **entrance));
        let clusters = shelves.map(|shelf| shelf.map_or(NO_SLOT, |shelf| shelf.first_cluster));
        let positions = clusters.map(|number| {
            let place = state.clusters.find(number).and_then(|cluster| cluster.places.first());
            place.map_or(NO_SLOT, |place| place.position)
        });
        state.look_at_positions(positions.iter().filter(|slot| **slot != NO_SLOT));
    }
}

impl State {
    /// Reads of clusters what will be looked at next.
    pub(crate) fn look_at_clusters(&self, clusters: &[u32]) {
        look_at(clusters.iter().map(|number| self.clusters.get(*number).sku));
    }

    /// Reads of positions what will be looked at next: both ends of each, which may lie in two cache lines.
    pub(crate) fn look_at_positions<'a>(&self, slots: impl Iterator<Item = &'a u32>) {
        look_at(slots.map(|slot| self.positions.get(*slot)).map(|row| row.sku ^ row.quota_number));
    }
}

/// Nobody wants these words, but they must be read.
#[inline]
fn look_at(words: impl Iterator<Item = u32>) {
    std::hint::black_box(words.fold(0, |seen, word| seen ^ word));
}
