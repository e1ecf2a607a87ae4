//! Numbers of records and bytes of the state, for status and limits.

use crate::config::GENERATION_MS;
use crate::machine::Machine;

/// What the machine contains.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Reservations whose records are kept.
    pub reservations: u64,
    /// The most reservations that may be kept.
    pub reservations_max: u64,
    /// Orders.
    pub orders: u64,
    /// Orders with open units.
    pub orders_unsettled: u64,
    /// Orders that a list of inconsistencies looks at.
    pub orders_to_check: u64,
    /// The most orders.
    pub orders_max: u64,
    /// Recorded outcomes.
    pub outcomes: u64,
    /// The counted bytes of outcomes.
    pub outcome_bytes: u64,
    /// The most counted bytes of outcomes.
    pub outcome_bytes_max: u64,
    /// Generations of outcomes.
    pub generations: u64,
    /// Ids with a time before this one (milliseconds since the Unix epoch) are too old.
    pub horizon_ms: u64,
    /// SKUs.
    pub skus: u64,
    /// Source items.
    pub items: u64,
    /// SKUs in stocks that have or had promises or quotas.
    pub positions: u64,
    /// Clusters: SKUs in groups of stocks.
    pub clusters: u64,
    /// Sources, stocks, channels and links.
    pub catalog: u64,
    /// Old names that are kept, of at most `OLD_NAMES_MAX`.
    pub old_names: u64,
    /// Marks, of at most `MARKS_MAX`.
    pub marks: u64,
    /// Actors that have a number, of at most `ACTORS_MAX`.
    pub actors: u64,
    /// Heap bytes of records and indexes.
    pub memory_bytes: u64,
    /// Heap bytes of the records of reservations and of their index.
    pub reservation_bytes: u64,
    /// Heap bytes of the records of orders and of their index.
    pub order_bytes: u64,
    /// Heap bytes that a snapshot in progress uses in addition.
    pub snapshot_bytes: u64,
}

impl Machine {
    /// Numbers of records and bytes.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let state = self.state();
        let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let reservation_bytes = [
            state.reservations.bytes(),
            state.reservation_index.bytes(),
            state.lines.bytes(),
            state.notes.bytes(),
            state.erase_due.bytes(),
        ];
        let order_bytes = [
            state.orders.bytes(),
            state.order_parts.bytes(),
            state.order_book.bytes(),
            state.unreserved.bytes(),
        ];
        let other_bytes = [
            state.skus.bytes(),
            state.sku_index.bytes(),
            state.settings.bytes(),
            state.items.bytes(),
            state.notifies.bytes(),
            state.positions.bytes(),
            state.outcomes.bytes(),
            state.holds_due.bytes(),
        ];
        let sum = |parts: &[usize]| parts.iter().fold(0_u64, |sum, bytes| sum.saturating_add(wide(*bytes)));
        let catalog = &state.catalog;
        Stats {
            reservations: state.known,
            reservations_max: state.core.configuration.reservations_max,
            orders: state.order_book.len(),
            orders_unsettled: state.order_book.unsettled(),
            orders_to_check: wide(state.order_book.to_check.len()),
            orders_max: state.core.configuration.orders_max,
            outcomes: state.outcomes.entries(),
            outcome_bytes: state.outcomes.bytes_counted(),
            outcome_bytes_max: state.core.configuration.outcome_bytes_max,
            generations: wide(state.outcomes.len()),
            horizon_ms: state.core.horizon.saturating_mul(GENERATION_MS),
            skus: u64::from(state.skus.len()),
            items: u64::from(state.items.len()),
            positions: u64::from(state.positions.len()),
            clusters: wide(state.clusters.len()),
            catalog: sum(&[
                catalog.sources.len(),
                catalog.stocks.len(),
                catalog.channels.len(),
                catalog.links().len(),
            ]),
            old_names: wide(catalog.old_names().len()),
            marks: wide(catalog.marks().len()),
            actors: wide(catalog.actors().len()),
            memory_bytes: sum(&reservation_bytes)
                .saturating_add(sum(&order_bytes))
                .saturating_add(sum(&other_bytes)),
            reservation_bytes: sum(&reservation_bytes),
            order_bytes: sum(&order_bytes),
            snapshot_bytes: wide(self.snapshot_saved_bytes()),
        }
    }
}
