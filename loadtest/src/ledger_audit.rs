//! The audit from a full ledger: the audit of the workload crate, and one more comparison. Here every answer is
//! known, so when all holds have ended, the server's promises must equal the ledger's, unit for unit.

use crate::audit::Audit;
use crate::control_connection::ControlConnection;
use crate::test_catalog::view;
use anyhow::Context;
use std::time::Duration;
use stockhold_client::Client;
use stockhold_protocol::limits::QUANTITY_SCALE;
use stockhold_protocol::query::{SkuView, Status};
use stockhold_protocol::{SkuId, StockId};
use stockhold_workload::facts::SkuFacts;
use stockhold_workload::{AuditPlan, Ledger, audit};

/// How long after the last deadline every cell has dropped the hold, plus a second.
const EXPIRY_GRACE_S: u32 = 2;
/// How long one call of the audit may take.
pub(crate) const CALL_MAX: Duration = Duration::from_mins(1);
/// Maximum number of findings that are described.
const FINDINGS_MAX: usize = 20;

/// The server's hold time, which deadlines use. It differs from its wall clock, because hold time stands still while
/// the server is down.
pub(crate) fn hold_time_ms(status: &Status) -> Result<u64, anyhow::Error> {
    stockhold_workload::hold_time_ms(status).context("the server does not report its hold time")
}

/// How long to wait until the hold with the latest deadline has expired. `now_ms` is hold time.
pub(crate) fn until_expired(deadline_max_s: u32, now_ms: u64) -> Duration {
    let ends_ms = u64::from(deadline_max_s.saturating_add(EXPIRY_GRACE_S)) * 1_000;
    Duration::from_millis(ends_ms.saturating_sub(now_ms))
}

/// Runs both audits. All holds must have expired.
pub(crate) async fn run(
    client: &Client,
    ledger: &mut Ledger,
    facts: &[SkuFacts],
) -> Result<Audit, anyhow::Error> {
    audit::resolve_unknown(client, ledger).await?;
    let now_s = u32::try_from(hold_time_ms(&client.status().await?)? / 1_000)?;
    let mut found = audit::run(client, ledger, facts, AuditPlan::at(now_s)).await?;
    if found.too_old > 0 {
        found.findings.push(format!("{} ids were too old to be compared", found.too_old));
    }
    Ok(Audit {
        oversold_units: found.oversold_units.unsigned_abs(),
        lost_acknowledged: found.lost_acknowledged,
        changed_answers: found.changed_answers,
        wrong_refusals: 0,
        wrong_checks: 0,
        unexplained_units: 0,
        checked_ids: found.repeated,
        checked_skus: found.skus_audited,
        findings: found.findings,
    })
}

/// Compares the server's promises with the ledger's, unit for unit.
pub(crate) fn compare(
    control: &mut ControlConnection,
    skus: &[SkuId],
    stocks: &[StockId],
    ledger: &Ledger,
    facts: &[SkuFacts],
    audit: &mut Audit,
) -> Result<(), anyhow::Error> {
    if ledger.tally().unkept > 0 {
        audit.findings.push("the ledger was full, so promises were not compared unit for unit".to_owned());
        return Ok(());
    }
    let now_s = u32::try_from(hold_time_ms(&control.status()?)? / 1_000)?;
    let counting = ledger.counting(now_s);
    for (sku, facts) in skus.iter().zip(facts) {
        let view = view(control, *sku)?;
        for &stock in stocks {
            let expected = counting.get(&(*sku, stock)).copied().unwrap_or(0);
            let before = facts
                .stocks
                .iter()
                .find(|known| known.stock == stock)
                .map_or(0, |known| known.promised_before);
            let kept = promised_in(&view, stock).saturating_sub(before);
            compare_promises(audit, &view.sku, expected, kept);
        }
    }
    Ok(())
}

/// The promises of a stock for a SKU, including holds.
fn promised_in(view: &SkuView, stock: StockId) -> i64 {
    let position = view.positions.iter().find(|position| position.stock == stock);
    position.map_or(0, |position| position.confirmed.raw().saturating_add(position.held.raw()))
}

fn compare_promises(audit: &mut Audit, sku: &str, expected: i64, kept: i64) {
    let units = |raw: i64| raw.max(0).unsigned_abs().div_ceil(QUANTITY_SCALE.unsigned_abs());
    let (lost, unexplained) = (units(expected.saturating_sub(kept)), units(kept.saturating_sub(expected)));
    audit.lost_acknowledged += lost;
    audit.unexplained_units += unexplained;
    if lost + unexplained > 0 && audit.findings.len() < FINDINGS_MAX {
        let finding =
            format!("{sku}: {expected} ten-thousandths were acknowledged, but the server has {kept}");
        audit.findings.push(finding);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stockhold_protocol::command::{Command, Reserve, Target};
    use stockhold_protocol::{CommandId, Envelope, Line, Lines, Outcome};

    #[test]
    fn too_little_and_too_much_are_told_apart() {
        // Proves that a lost promise and an unexplained one, such as a hold that never expired, are both found.
        let mut audit = Audit::default();
        compare_promises(&mut audit, "A", 30_000, 30_000);
        assert_eq!(audit, Audit::default());
        compare_promises(&mut audit, "A", 30_000, 10_000);
        assert_eq!((audit.lost_acknowledged, audit.unexplained_units), (2, 0));
        compare_promises(&mut audit, "B", 0, 10_000);
        assert_eq!((audit.lost_acknowledged, audit.unexplained_units), (2, 1));
        assert_eq!(audit.findings.len(), 2);
        assert!(audit.is_violated(true));
    }

    #[test]
    fn holds_are_waited_for_to_the_second_and_a_little_longer() {
        // Proves that the audit waits for the last deadline, and does not wait when there is none.
        assert_eq!(until_expired(10, 10_500), Duration::from_millis(1_500));
        assert_eq!(until_expired(0, 10_500), Duration::ZERO);
    }

    /// A server in this process, with one SKU of ten units in one stock.
    fn server(
        folder: &std::path::Path,
    ) -> (stockhold::server::RunningServer, ControlConnection, SkuId, StockId) {
        let config = stockhold::config::Config {
            data_dir: folder.join("data"),
            listen: "127.0.0.1:0".parse().unwrap(),
            ..stockhold::config::Config::default()
        };
        let genesis = stockhold_machine::Genesis::default();
        stockhold::server::format_directory(&config, &genesis).unwrap();
        let running = stockhold::server::start(&config, |_| {}).unwrap();
        let mut control = ControlConnection::connect(running.address()).unwrap();
        let ten = stockhold_client::units_of(10);
        let catalog = crate::test_catalog::TestCatalog::prepare(&mut control, 1, ten, 0).unwrap();
        (running, control, catalog.skus[0], catalog.stock)
    }

    /// The findings of an audit with one correct grant of two units, after `tamper` has changed the ledger.
    fn audited(tamper: impl FnOnce(&mut Ledger, &Envelope<'_>, &Outcome)) -> Audit {
        let folder = tempfile::tempdir().unwrap();
        let (running, mut control, sku, stock) = server(folder.path());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = runtime.block_on(Client::connect(running.address().to_string())).unwrap();
        let facts = runtime.block_on(stockhold_workload::facts::read(&client, &[sku])).unwrap();
        let lines = [Line::new(sku, stockhold_client::units_of(2))];
        let reserve = Reserve {
            target: Target::Stock(stock),
            lines: Lines::Slice(&lines),
            best_effort: false,
            ttl_ms: None,
            owner: 0,
            reference: "",
        };
        let command = Command::Reserve(reserve);
        let settled = runtime.block_on(client.execute(&command)).unwrap();
        let mut ledger = Ledger::new(10);
        tamper(&mut ledger, &Envelope::new(settled.id, command), &settled.outcome);
        let mut audit = runtime.block_on(run(&client, &mut ledger, &facts)).unwrap();
        compare(&mut control, &[sku], &[stock], &ledger, &facts, &mut audit).unwrap();
        drop((client, control));
        assert_eq!(running.stop(), stockhold::server::Exit::Clean);
        audit
    }

    #[test]
    fn an_audit_of_a_real_server_sees_what_it_is_for() {
        // Proves on a whole server that a correct ledger passes, and that an answer that the server never gave, a
        // changed answer and an unrecorded answer are each found.
        let honest = audited(Ledger::note);
        assert!(!honest.is_violated(true) && honest.checked_ids == 1, "{honest:?}");
        let lost = audited(|ledger, envelope, outcome| {
            ledger.note(envelope, outcome);
            let forged = CommandId::from_parts(envelope.id.client_time_ms(), 77);
            ledger.note(&Envelope { id: forged, ..envelope.clone() }, outcome);
        });
        assert!(lost.lost_acknowledged > 0, "{lost:?}");
        let changed = audited(|ledger, envelope, outcome| {
            ledger.note(envelope, &Outcome { op: outcome.op + 1, ..outcome.clone() });
        });
        assert!(changed.changed_answers > 0, "{changed:?}");
        let forgotten = audited(|_, _, _| {});
        assert_eq!(forgotten.unexplained_units, 2, "{forgotten:?}");
        let oversold = audited(|ledger, envelope, outcome| {
            for forged in 0..5 {
                let id = CommandId::from_parts(envelope.id.client_time_ms(), forged);
                ledger.note(&Envelope { id, ..envelope.clone() }, outcome);
            }
            ledger.note(envelope, outcome);
        });
        assert_eq!(oversold.oversold_units, 2, "{oversold:?}");
    }
}
