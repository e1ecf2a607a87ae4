//! Time passes: holds whose deadline has come end, and records whose time is up stop being known.
//!
//! Both are facts of an op's time. What is done here in bounded steps changes no answer: every decision ends the due holds of the
//! clusters that it reads, and a record whose time is up is unknown already.

use crate::ledger::state::State;
use stockhold_protocol::Timestamp;

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
}
