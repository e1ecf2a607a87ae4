//! How an open loop kept its pace, for a report: what was asked for, what was reached, and how late the load tool itself was.

use crate::arguments::{LoadArguments, Ramp};
use crate::latency::Percentiles;
use crate::measure::Measured;
use crate::open_loop::span_ns;
use crate::pace::Pace;
use crate::plot::figures;
use crate::ratio;
use crate::table::Table;
use serde::Serialize;

/// A rate is kept when so many of a hundred operations were answered while it was asked for.
pub(crate) const KEPT_PERCENT: u64 = 98;
/// So many operations may lie on either side of the measured time's edges, which matters where there are few.
const EDGE: u64 = 8;

/// See the module.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct OpenFacts {
    /// Operations due each second, on average over the measured time.
    pub(crate) asked_rate: f64,
    /// Operations answered each second; those that the server turned away (`busy`) do not count.
    pub(crate) reached_rate: f64,
    /// Whether it is at least 98 % of what was asked for.
    pub(crate) rate_kept: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ramp: Option<Ramp>,
    /// Connections × depth: what is due beyond that waits, and its wait is latency.
    in_flight_max: u64,
    /// How long after they were due operations were sent.
    pub(crate) send_lag: Percentiles,
    /// Operations that were due and never sent, because the run had been over for too long; their latency is told as the time that they
    /// had waited by then.
    pub(crate) unsent: u64,
}

impl OpenFacts {
    pub(crate) fn new(pace: &Pace, ramp: Option<Ramp>, load: &LoadArguments, measured: &Measured) -> Self {
        let Measured { tally, span, .. } = measured;
        let asked =
            pace.due_by(span_ns(load.warmup + *span)).saturating_sub(pace.due_by(span_ns(load.warmup)));
        Self {
            asked_rate: ratio::per_second(asked, *span),
            reached_rate: ratio::per_second(tally.open.operations, *span),
            rate_kept: is_kept(asked, tally.open.operations),
            ramp,
            in_flight_max: u64::from(load.connections) * u64::from(load.depth),
            send_lag: Percentiles::of(&tally.open.send_lag),
            unsent: tally.open.unsent,
        }
    }

    /// What was asked for, in short.
    pub(crate) fn rates(&self) -> String {
        let count = |rate| figures::count(f64::from(rate));
        self.ramp.map_or_else(
            || figures::count(self.asked_rate),
            |Ramp { from, to }| format!("{}–{}", count(from), count(to)),
        )
    }

    /// Its rows for people.
    pub(crate) fn rows(&self, table: &mut Table) {
        let kept = if self.rate_kept { "the rate was kept" } else { "THE RATE WAS NOT KEPT" };
        let (asked, reached) = (self.asked_rate, self.reached_rate);
        let ramp = self.ramp.map_or_else(String::new, |Ramp { from, to }| format!(" (from {from} to {to})"));
        table.row("rate", format!("{asked:.0} per second asked for{ramp}, {reached:.0} reached: {kept}"));
        table.row("sent late by", self.send_lag.text());
        if self.unsent > 0 {
            table.row("never sent", format!("{} operations that were due", self.unsent));
        }
    }
}

/// Whether so many of those asked for are enough.
fn is_kept(asked: u64, answered: u64) -> bool {
    let missing = asked.saturating_sub(answered);
    missing <= EDGE || u128::from(missing) * 100 <= u128::from(asked) * u128::from(100 - KEPT_PERCENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_of_a_hundred_may_be_missing() {
        // Proves the bound of a kept rate, and that a few operations at the edges break no low rate.
        assert!(is_kept(1_000, 980) && !is_kept(1_000, 979) && is_kept(1_000, 2_000));
        assert!(is_kept(10, 2) && !is_kept(10, 1) && is_kept(0, 0));
        assert!(!is_kept(u64::MAX, 0));
    }
}
