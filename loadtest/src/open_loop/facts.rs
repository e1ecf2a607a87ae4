//! How well an open loop kept its pace, for a report: the requested rate, the reached rate, and the lateness of the
//! load tool itself.

use crate::arguments::{LoadArguments, Ramp};
use crate::latency::Percentiles;
use crate::measure::Measured;
use crate::open_loop::span_ns;
use crate::pace::Pace;
use crate::plot::figures;
use crate::ratio;
use crate::table::Table;
use serde::Serialize;

/// A rate is kept when this percentage of its operations was answered in the measured time.
pub(crate) const KEPT_PERCENT: u64 = 98;
/// This many operations may fall outside the edges of the measured time. It matters when there are few.
const EDGE: u64 = 8;

/// See the module.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct OpenFacts {
    /// Operations due each second, on average over the measured time.
    pub(crate) asked_rate: f64,
    /// Operations answered each second, without those answered `busy`.
    pub(crate) reached_rate: f64,
    /// Whether it is at least 98 % of the requested rate.
    pub(crate) rate_kept: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ramp: Option<Ramp>,
    /// Connections × depth. Operations beyond that wait, and the wait is part of their latency.
    in_flight_max: u64,
    /// How long after its due time an operation was sent.
    pub(crate) send_lag: Percentiles,
    /// Operations that were due and never sent, because the run had been over for too long. Their latency is the time
    /// that they had waited by then.
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

    /// The requested rate, in short.
    pub(crate) fn rates(&self) -> String {
        let count = |rate| figures::count(f64::from(rate));
        self.ramp.map_or_else(
            || figures::count(self.asked_rate),
            |Ramp { from, to }| format!("{}–{}", count(from), count(to)),
        )
    }

    /// The rows for people.
    pub(crate) fn rows(&self, table: &mut Table) {
        let kept = if self.rate_kept { "the rate was kept" } else { "THE RATE WAS NOT KEPT" };
        let (asked, reached) = (self.asked_rate, self.reached_rate);
        let ramp = self.ramp.map_or_else(String::new, |Ramp { from, to }| format!(" (from {from} to {to})"));
        table.row("rate", format!("{asked:.0} per second requested{ramp}, {reached:.0} reached: {kept}"));
        table.row("sent late by", self.send_lag.text());
        if self.unsent > 0 {
            table.row("never sent", format!("{} operations that were due", self.unsent));
        }
    }
}

/// Whether enough of the requested operations were answered.
fn is_kept(asked: u64, answered: u64) -> bool {
    let missing = asked.saturating_sub(answered);
    missing <= EDGE || u128::from(missing) * 100 <= u128::from(asked) * u128::from(100 - KEPT_PERCENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_of_a_hundred_may_be_missing() {
        // Proves the limit of a kept rate, and that a few operations at the edges do not break a low rate.
        assert!(is_kept(1_000, 980) && !is_kept(1_000, 979) && is_kept(1_000, 2_000));
        assert!(is_kept(10, 2) && !is_kept(10, 1) && is_kept(0, 0));
        assert!(!is_kept(u64::MAX, 0));
    }
}
