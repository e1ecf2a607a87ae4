//! The tally of one generator thread: answers by code, latencies, units granted per SKU, and a sample of ids. It is
//! the cheap ledger of a closed loop.

use crate::samples::Samples;
use crate::series::Series;
use crate::test_catalog::{TestCatalog, index_of};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::time::Duration;
use stockhold_protocol::{Code, Outcome};

/// The longest latency that is distinguished, in nanoseconds: ten minutes.
const LATENCY_MAX_NS: u64 = 600_000_000_000;
/// Significant decimal digits of a latency.
const LATENCY_DIGITS: u8 = 3;
/// Points of a curve per halving of the remaining answers.
const CURVE_STEPS: u32 = 5;
/// One counter for each possible code.
const CODES: usize = 256;

/// Latencies in nanoseconds.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> Result<Self, anyhow::Error> {
        Ok(Self(Histogram::new_with_bounds(1, LATENCY_MAX_NS, LATENCY_DIGITS)?))
    }

    /// Counts `count` answers with this latency.
    pub(crate) fn record(&mut self, latency: Duration, count: u64) {
        self.0.saturating_record_n(u64::try_from(latency.as_nanos()).unwrap_or(LATENCY_MAX_NS), count);
    }

    pub(crate) fn merge(&mut self, other: &Self) -> Result<(), anyhow::Error> {
        Ok(self.0.add(&other.0)?)
    }

    /// The latency in nanoseconds of this quantile. 0 without answers.
    pub(crate) fn quantile(&self, quantile: f64) -> u64 {
        self.0.value_at_quantile(quantile)
    }

    pub(crate) fn max(&self) -> u64 {
        self.0.max()
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The curve: quantiles below 1, finer towards the end, with the latency in nanoseconds at each. Empty without
    /// answers.
    pub(crate) fn curve(&self) -> Vec<(f64, u64)> {
        let steps = self.0.iter_quantiles(CURVE_STEPS);
        let mut curve: Vec<(f64, u64)> =
            steps.map(|step| (step.quantile_iterated_to(), step.value_iterated_to())).collect();
        // The last step covers everything. Its quantile is 1, which an axis of nines cannot show.
        curve.retain(|(quantile, _)| *quantile < 1.0);
        curve
    }
}

/// Answers by code.
#[derive(Clone, Debug)]
pub(crate) struct Answers(Box<[u64; CODES]>);

impl Default for Answers {
    fn default() -> Self {
        Self(Box::new([0; CODES]))
    }
}

/// Every code, and the stand-ins for codes of later releases.
fn all_codes() -> impl Iterator<Item = &'static Code> {
    Code::ALL.iter().chain(&Code::STAND_INS)
}

impl Answers {
    pub(crate) fn count(&mut self, code: Code) {
        self.0[usize::from(code.number())] += 1;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0.iter()) {
            *sum += more;
        }
    }

    pub(crate) fn of(&self, code: Code) -> u64 {
        self.0[usize::from(code.number())]
    }

    pub(crate) fn successes(&self) -> u64 {
        Code::ALL.iter().filter(|code| code.is_success()).map(|code| self.of(*code)).sum()
    }

    /// Answers other than those that the server turned away.
    pub(crate) fn served(&self) -> u64 {
        all_codes().filter(|code| code.is_recordable()).map(|code| self.of(*code)).sum()
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The codes that occurred, by name.
    pub(crate) fn by_name(&self) -> BTreeMap<&'static str, u64> {
        let seen = all_codes().filter(|code| self.of(**code) > 0);
        seen.map(|code| (code.name(), self.of(*code))).collect()
    }
}

/// The counters of one thread.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Units granted, by the position of the SKU in the catalog; over the whole run.
    pub(crate) granted: Vec<u64>,
    /// All answers of the run.
    pub(crate) answers: Answers,
    /// Answers within the measured time.
    pub(crate) measured: Answers,
    /// Carts granted for the first time, within the measured time.
    pub(crate) sold: u64,
    /// Refusals within the measured time that were neither logged nor recorded.
    pub(crate) edge_refusals: u64,
    /// Checks answered within the measured time.
    pub(crate) checks: u64,
    /// Checks of the whole run with impossible answers.
    pub(crate) wrong_checks: u64,
    /// Retries of the whole run that got another answer than the command.
    pub(crate) changed_retries: u64,
    /// Latencies within the measured time.
    pub(crate) latencies: Latencies,
    /// Ids to repeat.
    pub(crate) samples: Samples,
    /// Carts that were never answered.
    pub(crate) unknown: u64,
    /// Why connections broke.
    pub(crate) broken: Vec<String>,
    /// The highest op of an answer.
    pub(crate) last_op: u64,
    /// Answers over the measured time.
    pub(crate) series: Series,
    /// Counters of an open loop.
    pub(crate) open: OpenTally,
}

/// How well an open loop kept its pace.
#[derive(Debug)]
pub(crate) struct OpenTally {
    /// Operations of the pace answered within the measured time, without those answered `busy`.
    pub(crate) operations: u64,
    /// How long after its due time an operation was sent, for operations due within the measured time.
    pub(crate) send_lag: Latencies,
    /// Operations that were due within the measured time and never sent.
    pub(crate) unsent: u64,
}

impl Tally {
    pub(crate) fn new(skus: usize) -> Result<Self, anyhow::Error> {
        Ok(Self {
            granted: vec![0; skus],
            answers: Answers::default(),
            measured: Answers::default(),
            sold: 0,
            edge_refusals: 0,
            checks: 0,
            wrong_checks: 0,
            changed_retries: 0,
            latencies: Latencies::new()?,
            samples: Samples::default(),
            unknown: 0,
            broken: Vec::new(),
            last_op: 0,
            series: Series::default(),
            open: OpenTally { operations: 0, send_lag: Latencies::new()?, unsent: 0 },
        })
    }

    /// Counts the answer of a cart that begins at this position of the catalog.
    pub(crate) fn count_cart(
        &mut self,
        catalog: &TestCatalog,
        (first, lines): (u32, u32),
        outcome: &Outcome,
        is_measured: bool,
    ) {
        if outcome.code.is_success() {
            for line in 0..lines {
                self.granted[index_of(catalog.position(first, line, lines))] += 1;
            }
            self.sold += u64::from(is_measured);
        } else if is_measured && outcome.code == Code::SoldOut && !outcome.recorded {
            self.edge_refusals += 1;
        }
    }

    /// Counts one released unit. If it was never granted, the audit will find that the units do not add up.
    pub(crate) fn give_back(&mut self, first: u32) {
        let granted = &mut self.granted[index_of(first)];
        *granted = granted.saturating_sub(1);
    }

    /// Adds the tally of another thread.
    pub(crate) fn merge(&mut self, other: Self) -> Result<(), anyhow::Error> {
        for (sum, more) in self.granted.iter_mut().zip(&other.granted) {
            *sum += more;
        }
        self.answers.merge(&other.answers);
        self.measured.merge(&other.measured);
        self.sold += other.sold;
        self.edge_refusals += other.edge_refusals;
        self.checks += other.checks;
        self.wrong_checks += other.wrong_checks;
        self.changed_retries += other.changed_retries;
        self.latencies.merge(&other.latencies)?;
        self.samples.merge(other.samples);
        self.unknown += other.unknown;
        self.broken.extend(other.broken);
        self.last_op = self.last_op.max(other.last_op);
        self.series.merge(other.series)?;
        self.open.operations += other.open.operations;
        self.open.send_lag.merge(&other.open.send_lag)?;
        self.open.unsent += other.open.unsent;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_later_releases_are_reported_and_are_no_successes() {
        // Proves that a report neither hides an answer that this program does not know nor counts it as sold.
        let mut answers = Answers::default();
        for code in Code::STAND_INS {
            answers.count(code);
        }
        assert_eq!((answers.successes(), answers.served(), answers.total()), (0, 2, 3));
        assert_eq!(answers.by_name().len(), 3);
    }
}
