//! The effects of time: holds end at their deadline, and records are erased at the end of their window.
//!
//! Both follow from the time of an op alone. The sweeps in this module only catch up in bounded steps and
//! never change an answer: each decision first ends the due holds of the clusters that it reads, and a record
//! past its window is treated as unknown before it is erased.

use crate::ledger::state::{At, State};
use stockhold_protocol::command::EventLine;
use stockhold_protocol::{Code, Line, ReservationId, Timestamp};

/// The most clusters that one op settles.
const CLUSTERS_PER_OP: u32 = 4;
/// The most records that one op erases.
const ERASED_PER_OP: u32 = 4;

impl State {
    /// Moves the state to `time`. All records past their window leave the digest immediately. A bounded
    /// number of them is erased.
    pub(crate) fn pass_time(&mut self, time: Timestamp) {
        let second = self.now_s();
        self.move_time(time);
        let is_new_second = self.now_s() != second;
        if is_new_second {
            let (hashes, records) = self.erase_due.take_hashes(self.now_s());
            self.digest.sub(hashes);
            self.known = self.known.saturating_sub(records);
            let orders = self.order_book.pass(self.now_s());
            self.digest.sub(orders);
        }
        if is_new_second || self.has_due {
            let clusters = self.refresh_due_clusters(CLUSTERS_PER_OP);
            let records = self.erase_due_records(ERASED_PER_OP);
            self.has_due = clusters || records;
        }
        self.end_old_orders();
    }

    /// Ends the due holds of up to `budget` clusters. Returns whether more clusters are due. Answers do not
    /// depend on it, because each decision settles the clusters that it reads.
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

    /// The place where a line of a cart is sold, after ending its due holds. `has_promise` tells whether the reservation
    /// already has units of the SKU there.
    #[inline]
    pub(crate) fn settled_place(&mut self, sku: u32, stock: u32, has_promise: bool) -> Result<At, Code> {
        let at = match self.place_to_sell(sku, stock) {
            Ok(at) => at,
            // After a load, a place may be missing that existed before. The decision must not depend on that.
            Err(Code::NotAssigned) if has_promise => self.place_of_line(sku, stock),
            Err(code) => return Err(code),
        };
        self.settle(at.cluster);
        Ok(at)
    }

    /// Ends the due holds of the SKUs of these lines in the stock of a reservation.
    pub(crate) fn settle_lines(&mut self, reservation: ReservationId, lines: &[Line]) {
        let Some(slot) = self.find_reservation(reservation.0) else { return };
        let stock = self.reservations.get(slot).stock;
        for line in lines {
            let at = if self.has_sku(line.sku.0) { self.find(line.sku.0, stock) } else { None };
            if let Some(at) = at {
                self.settle(at.cluster);
            }
        }
    }

    /// Ends the due holds of the SKUs of these lines in their stocks, or in all stocks of an order.
    pub(crate) fn settle_lines_of_order(&mut self, order: u32, lines: &[EventLine]) {
        let stocks: Vec<u32> = self.order_lines_of(order).iter().map(|line| line.stock).collect();
        let mut clusters: Vec<u32> = Vec::new();
        for line in lines.iter().filter(|line| self.has_sku(line.sku.0)) {
            let named = line.stock.map(|stock| stock.0).filter(|stock| self.catalog.has_stock(*stock));
            let all = stocks.iter().copied().filter(|_| line.stock.is_none());
            let places = named.into_iter().chain(all).filter_map(|stock| self.find(line.sku.0, stock));
            clusters.extend(places.map(|at| at.cluster));
        }
        for cluster in clusters {
            self.settle(cluster);
        }
    }

    /// Ends the due holds of a cluster, so that its values are those of the current time.
    #[inline]
    pub(crate) fn settle(&mut self, cluster: u32) {
        if self.clusters.get(cluster).next_deadline <= self.now_s() && self.settle_due(cluster) {
            self.mark_changed(cluster);
        }
    }

    /// Ends the due holds of a cluster that has some. Returns whether its cells changed.
    #[inline(never)]
    pub(crate) fn settle_due(&mut self, cluster: u32) -> bool {
        self.recount_cluster(cluster);
        let now_s = self.now_s();
        let one = self.clusters.get_mut(cluster);
        one.settle(self.catalog.layout.group(one.group), now_s)
    }
}
