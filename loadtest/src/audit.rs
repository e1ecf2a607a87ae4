//! The audit of a closed-loop run, from the client's own ledger alone: no more was granted than there was, nothing
//! acknowledged is missing, and retries get the same answers.

use crate::control_connection::ControlConnection;
use crate::samples::Sample;
use crate::tally::Tally;
use crate::test_catalog::TestCatalog;
use serde::Serialize;
use stockhold_client::units_of;
use stockhold_protocol::command::{Command, Reserve, Target};
use stockhold_protocol::limits::QUANTITY_SCALE;
use stockhold_protocol::query::{Query, QueryAnswer};
use stockhold_protocol::{Code, Envelope, Line, Lines, Outcome};

/// Maximum number of sampled reservations that are looked up one by one.
const LOOKED_UP_MAX: usize = 256;

/// The findings of an audit. All numbers must be 0, except the counts of what was checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Audit {
    /// Units granted beyond the goods.
    pub(crate) oversold_units: u64,
    /// Acknowledged units that the server no longer counts, and acknowledged reservations that it does not know.
    pub(crate) lost_acknowledged: u64,
    /// Retried ids that got another answer, or an answer that is not marked as replayed.
    pub(crate) changed_answers: u64,
    /// Carts refused for quantity although there was plenty.
    pub(crate) wrong_refusals: u64,
    /// Checks with impossible answers: more than there ever was, less than nothing, or a change although nothing was
    /// sold.
    pub(crate) wrong_checks: u64,
    /// Units that the server counts and that were not granted in this run. On a shared server other clients may have
    /// bought them.
    pub(crate) unexplained_units: u64,
    /// Retried ids.
    pub(crate) checked_ids: u64,
    /// SKUs whose units were summed.
    pub(crate) checked_skus: u64,
    /// The first findings, as sentences.
    pub(crate) findings: Vec<String>,
}

impl Audit {
    /// Adds the findings of another audit, of another server.
    pub(crate) fn merge(&mut self, other: Self) {
        self.oversold_units += other.oversold_units;
        self.lost_acknowledged += other.lost_acknowledged;
        self.changed_answers += other.changed_answers;
        self.wrong_refusals += other.wrong_refusals;
        self.wrong_checks += other.wrong_checks;
        self.unexplained_units += other.unexplained_units;
        self.checked_ids += other.checked_ids;
        self.checked_skus += other.checked_skus;
        self.findings.extend(other.findings);
    }

    /// Whether a guarantee was violated. `is_ours`: no other client uses the server.
    pub(crate) const fn is_violated(&self, is_ours: bool) -> bool {
        self.oversold_units > 0
            || self.lost_acknowledged > 0
            || self.changed_answers > 0
            || self.wrong_refusals > 0
            || self.wrong_checks > 0
            || (is_ours && self.unexplained_units > 0)
    }
}

impl Audit {
    /// One sentence with the result, for a page.
    pub(crate) fn verdict(&self, is_ours: bool, is_rate_kept: bool) -> (bool, String) {
        if self.is_violated(is_ours) {
            (false, "the audit found violations".to_owned())
        } else if is_rate_kept {
            let (ids, skus) = (self.checked_ids, self.checked_skus);
            (
                true,
                format!("audit: nothing oversold, nothing lost, no answer changed ({ids} ids, {skus} SKUs)"),
            )
        } else {
            (false, "the audit found nothing, but the rate was not kept".to_owned())
        }
    }
}

/// Audits a run on `catalog`. If goods were plentiful, no cart may have been refused.
pub(crate) fn audit(
    control: &mut ControlConnection,
    catalog: &TestCatalog,
    tally: &Tally,
    is_plentiful: bool,
) -> Result<Audit, anyhow::Error> {
    let cells = control.cells(catalog.stock, &catalog.skus, tally.last_op)?;
    let mut audit = compare_units(&catalog.salable, &cells, tally);
    if is_plentiful {
        audit.wrong_refusals = tally.answers.of(Code::SoldOut);
    }
    audit.wrong_checks = tally.wrong_checks;
    let samples = tally.samples.all();
    let answers = ask_again(control, catalog, samples)?;
    audit.checked_ids = u64::try_from(samples.len()).unwrap_or(u64::MAX);
    audit.changed_answers = tally.changed_retries
        + count(samples.iter().zip(&answers).filter(|(sample, again)| !is_same(sample, again)));
    audit.lost_acknowledged += count_unknown(control, catalog, samples)?;
    // A retry must not have executed anything.
    let cells_after = control.cells(catalog.stock, &catalog.skus, tally.last_op)?;
    let moved = cells.iter().zip(&cells_after).map(|(before, after)| units(before.abs_diff(*after)));
    audit.unexplained_units += moved.sum::<u64>();
    Ok(audit)
}

/// Compares the granted units with the goods and with what the server still offers.
fn compare_units(salable: &[i64], cells: &[i64], tally: &Tally) -> Audit {
    let mut audit = Audit { checked_skus: count(cells.iter()), ..Audit::default() };
    let mut unexplained = 0;
    for ((there, left), granted) in salable.iter().zip(cells).zip(&tally.granted) {
        let granted_raw = i64::try_from(*granted).unwrap_or(i64::MAX).saturating_mul(QUANTITY_SCALE);
        let expected = there.saturating_sub(granted_raw);
        audit.oversold_units += units(expected.min(0).unsigned_abs());
        audit.lost_acknowledged += units(left.saturating_sub(expected).max(0).unsigned_abs());
        unexplained += units(expected.saturating_sub(*left).max(0).unsigned_abs());
    }
    // A cart without an answer may have been granted.
    audit.unexplained_units = unexplained.saturating_sub(tally.unknown);
    audit
}

fn units(raw: u64) -> u64 {
    raw.div_ceil(QUANTITY_SCALE.unsigned_abs())
}

fn count(things: impl Iterator) -> u64 {
    u64::try_from(things.count()).unwrap_or(u64::MAX)
}

fn ask_again(
    control: &mut ControlConnection,
    catalog: &TestCatalog,
    samples: &[Sample],
) -> Result<Vec<Outcome>, anyhow::Error> {
    let carts: Vec<Vec<Line>> = samples.iter().map(|sample| cart_of(catalog, sample)).collect();
    control.resend(samples.iter().zip(&carts).map(|(sample, cart)| {
        let target = Target::Stock(catalog.stock_for(sample.id));
        let (lines, ttl_ms) = (Lines::Slice(cart), sample.ttl_ms);
        let reserve = Reserve { target, lines, best_effort: false, ttl_ms, owner: 0, reference: "" };
        Envelope::new(sample.id, Command::Reserve(reserve))
    }))
}

fn cart_of(catalog: &TestCatalog, sample: &Sample) -> Vec<Line> {
    let mut cart = Vec::new();
    catalog.lines_of(sample.sku, sample.lines, &mut cart);
    cart
}

fn is_same(sample: &Sample, again: &Outcome) -> bool {
    again.replayed && (again.code, again.value, again.op) == (sample.code, sample.value, sample.op)
}

/// Counts sampled grants that the server does not know as they were granted.
fn count_unknown(
    control: &mut ControlConnection,
    catalog: &TestCatalog,
    samples: &[Sample],
) -> Result<u64, anyhow::Error> {
    let step = samples.len().div_ceil(LOOKED_UP_MAX).max(1);
    let mut unknown = 0;
    for sample in samples.iter().filter(|sample| sample.code.is_success()).step_by(step) {
        let answer = control.query(&Query::Reservation(sample.id.to_bytes()))?;
        let is_known = if let QueryAnswer::Reservation(Some(view)) = answer {
            let cart = cart_of(catalog, sample);
            let is_open = |sku| view.lines.iter().any(|line| line.sku == sku && line.open == units_of(1));
            cart.iter().all(|line| is_open(line.sku))
        } else {
            false
        };
        unknown += u64::from(!is_known);
    }
    Ok(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stockhold_protocol::CommandId;

    fn raw(units: i64) -> i64 {
        units * QUANTITY_SCALE
    }

    fn tally(granted: &[u64]) -> Tally {
        Tally { granted: granted.to_vec(), ..Tally::new(0).unwrap() }
    }

    #[test]
    fn an_honest_ledger_passes() {
        // Proves that consistent sums are accepted.
        let audit = compare_units(&[raw(10), raw(5)], &[raw(7), raw(5)], &tally(&[3, 0]));
        assert_eq!(audit, Audit { checked_skus: 2, ..Audit::default() });
        assert!(!audit.is_violated(true));
    }

    #[test]
    fn every_kind_of_broken_promise_is_found() {
        // Proves that the audit can fail: an oversell, a lost acknowledgement, unexplained units, a wrong refusal.
        let oversold = compare_units(&[raw(2)], &[raw(-1)], &tally(&[3]));
        assert_eq!((oversold.oversold_units, oversold.is_violated(false)), (1, true));
        let lost = compare_units(&[raw(10)], &[raw(8)], &tally(&[4]));
        assert_eq!((lost.lost_acknowledged, lost.is_violated(false)), (2, true));
        let unexplained = compare_units(&[raw(10)], &[raw(5)], &tally(&[4]));
        assert_eq!(unexplained.unexplained_units, 1);
        assert!(unexplained.is_violated(true) && !unexplained.is_violated(false));
        for found in [
            Audit { wrong_refusals: 1, ..Audit::default() },
            Audit { wrong_checks: 1, ..Audit::default() },
            Audit { changed_answers: 1, ..Audit::default() },
        ] {
            assert!(found.is_violated(false), "{found:?}");
        }
    }

    #[test]
    fn an_answer_that_never_came_explains_one_unit_and_no_more() {
        // Proves that a broken connection is not a violation by itself.
        let mut tally = tally(&[4]);
        tally.unknown = 1;
        assert_eq!(compare_units(&[raw(10)], &[raw(5)], &tally).unexplained_units, 0);
        assert_eq!(compare_units(&[raw(10)], &[raw(4)], &tally).unexplained_units, 1);
    }

    #[test]
    fn a_changed_answer_is_noticed() {
        // Proves that code, value, op and the replayed flag are all compared.
        let sample = Sample {
            id: CommandId::from_parts(1, 1),
            sku: 0,
            lines: 1,
            ttl_ms: None,
            code: Code::Ok,
            value: 0,
            op: 7,
        };
        let same = Outcome { replayed: true, ..Outcome::new(Code::Ok, 0, 7) };
        assert!(is_same(&sample, &same));
        let executed_again = Outcome::new(Code::Ok, 0, 7);
        let others = [
            Outcome { op: 8, ..same.clone() },
            Outcome { code: Code::SoldOut, ..same.clone() },
            executed_again,
        ];
        assert!(others.iter().all(|other| !is_same(&sample, other)));
    }
}
