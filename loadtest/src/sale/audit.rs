//! The audit of a sale: the workload's own, from the full ledger, and one comparison more, since here every answer is known: when all
//! holds have ended, what the server has promised must be what the ledger says, unit for unit.

use super::goods::{Goods, view};
use crate::audit::Audit;
use crate::desk::Desk;
use std::time::Duration;
use stockhold_client::{Client, wall_clock_ms};
use stockhold_protocol::limits::QUANTITY_SCALE;
use stockhold_protocol::query::SkuView;
use stockhold_workload::facts::SkuFacts;
use stockhold_workload::{AuditPlan, Ledger, audit};

/// How long after the last deadline every cell shows that the hold is gone, with a second to spare.
const EXPIRY_GRACE_S: u32 = 2;
/// How long one call of the audit may take.
pub(crate) const CALL_MAX: Duration = Duration::from_mins(1);
/// Most findings that are spelled out.
const FINDINGS_MAX: usize = 20;

/// How long to wait until the hold with the latest deadline has expired for everybody.
pub(crate) fn until_expired(deadline_max_s: u32, now_ms: u64) -> Duration {
    let ends_ms = u64::from(deadline_max_s.saturating_add(EXPIRY_GRACE_S)) * 1_000;
    Duration::from_millis(ends_ms.saturating_sub(now_ms))
}

/// Runs both. All holds have expired by now.
pub(crate) async fn run(
    client: &Client,
    ledger: &mut Ledger,
    facts: &[SkuFacts],
) -> Result<Audit, anyhow::Error> {
    audit::settle_doubts(client, ledger).await?;
    let now_s = u32::try_from(wall_clock_ms() / 1_000)?;
    let found = audit::run(client, ledger, facts, AuditPlan::at(now_s)).await?;
    Ok(Audit {
        oversold_units: found.oversold_units.unsigned_abs(),
        lost_acknowledged: found.lost_acknowledged,
        changed_answers: found.changed_answers,
        wrong_refusals: 0,
        unexplained_units: 0,
        checked_ids: found.repeated,
        checked_skus: found.skus_audited,
        findings: found.findings,
    })
}

/// Compares the server's promises with the ledger's, unit for unit.
pub(crate) fn compare(
    desk: &mut Desk,
    goods: &Goods,
    ledger: &Ledger,
    facts: &[SkuFacts],
    audit: &mut Audit,
) -> Result<(), anyhow::Error> {
    if ledger.tally().unkept > 0 {
        audit.findings.push("the ledger was full, so promises were not compared unit for unit".to_owned());
        return Ok(());
    }
    let now_s = u32::try_from(wall_clock_ms() / 1_000)?;
    let counting = ledger.counting(now_s);
    for (sku, facts) in goods.skus.iter().zip(facts) {
        let view = view(desk, *sku)?;
        for stock in [goods.web, goods.counter] {
            let expected = counting.get(&(*sku, stock)).copied().unwrap_or(0);
            let before = facts
                .stocks
                .iter()
                .find(|known| known.stock == stock)
                .map_or(0, |known| known.promised_before);
            let kept = promised_in(&view, stock).saturating_sub(before);
            judge(audit, &view.sku, expected, kept);
        }
    }
    Ok(())
}

/// What a stock has promised of a SKU, holds included.
fn promised_in(view: &SkuView, stock: stockhold_protocol::StockId) -> i64 {
    let position = view.positions.iter().find(|position| position.stock == stock);
    position.map_or(0, |position| position.confirmed.raw().saturating_add(position.held.raw()))
}

fn judge(audit: &mut Audit, sku: &str, expected: i64, kept: i64) {
    let units = |raw: i64| raw.max(0).unsigned_abs().div_ceil(QUANTITY_SCALE.unsigned_abs());
    let (lost, unexplained) = (units(expected.saturating_sub(kept)), units(kept.saturating_sub(expected)));
    audit.lost_acknowledged += lost;
    audit.unexplained_units += unexplained;
    if lost + unexplained > 0 && audit.findings.len() < FINDINGS_MAX {
        let finding =
            format!("{sku}: {expected} ten-thousandths were acknowledged and the server keeps {kept}");
        audit.findings.push(finding);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_and_too_much_are_told_apart() {
        // Proves that a lost promise and a promise from nowhere, such as a hold that never expired, are both found.
        let mut audit = Audit::default();
        judge(&mut audit, "A", 30_000, 30_000);
        assert_eq!(audit, Audit::default());
        judge(&mut audit, "A", 30_000, 10_000);
        assert_eq!((audit.lost_acknowledged, audit.unexplained_units), (2, 0));
        judge(&mut audit, "B", 0, 10_000);
        assert_eq!((audit.lost_acknowledged, audit.unexplained_units), (2, 1));
        assert_eq!(audit.findings.len(), 2);
        assert!(audit.is_violated(true));
    }

    #[test]
    fn holds_are_waited_for_to_the_second_and_a_little_longer() {
        // Proves that the audit does not look before the last deadline, and does not wait when there is none.
        assert_eq!(until_expired(10, 10_500), Duration::from_millis(1_500));
        assert_eq!(until_expired(0, 10_500), Duration::ZERO);
    }
}
