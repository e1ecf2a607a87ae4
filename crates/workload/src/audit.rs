//! The audit. It checks that the server keeps what it has acknowledged, and that it never promised more than the
//! goods allow.
//!
//! The audit uses the ledger, the facts of the catalog and what any client may query. It repeats recorded commands
//! under their own ids, so run it last: a server that has forgotten a command would execute it again.

use crate::facts::SkuFacts;
use crate::ledger::{Entry, Ledger};
use crate::shortfall::worst;
use crate::timeline::worst_moment;
use serde::Serialize;
use std::collections::BTreeMap;
use stockhold_client::{CallError, Client, CommandBatch, PushError};
use stockhold_protocol::limits::QUANTITY_SCALE;
use stockhold_protocol::query::{ReservationView, Status};
use stockhold_protocol::{BadField, Code, CommandId, Detail, Line, Outcome, SkuId, StockId};

/// Commands in one frame of repeated commands.
const FRAME_COMMANDS: u16 = 512;
/// Maximum number of findings that are described.
const FINDINGS_MAX: usize = 20;

/// The scope of an audit.
#[derive(Clone, Copy, Debug)]
pub struct AuditPlan {
    /// The time of the audit in seconds of the server's hold time ([`hold_time_ms`]). Holds whose deadline is before
    /// it do not count.
    pub now_s: u32,
    /// Maximum number of reservations that are looked up one by one. Default: 1,000.
    pub views_max: usize,
    /// Maximum number of recorded commands that are repeated. Default: all.
    pub repeats_max: usize,
}

impl AuditPlan {
    /// A plan that repeats everything and looks up a thousand reservations.
    #[must_use]
    pub const fn at(now_s: u32) -> Self {
        Self { now_s, views_max: 1_000, repeats_max: usize::MAX }
    }
}

/// The server's hold time when it reported its status, in milliseconds. Deadlines are in hold time. It is not a wall
/// clock: it stands still while the server is down.
#[must_use]
pub fn hold_time_ms(status: &Status) -> Option<u64> {
    let metric =
        |name: &str| status.metrics.iter().find(|metric| metric.name == name).map(|metric| metric.value);
    let hold_time_ms = metric("clock_time_ms")?.checked_sub(metric("clock_hold_offset_ms")?)?;
    u64::try_from(hold_time_ms).ok()
}

/// The findings of an audit. [`Audit::is_clean`] reports whether there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Units promised beyond goods and allowances, over every set of stocks, at the end or at any op. Rounded up.
    pub oversold_units: i64,
    /// Acknowledged reservations that the server no longer knows, or knows with other contents.
    pub lost_acknowledged: u64,
    /// Recorded commands that got another answer when they were repeated.
    pub changed_answers: u64,
    /// SKUs whose sums were compared with goods.
    pub skus_audited: u64,
    /// Reservations that were looked up.
    pub looked_up: u64,
    /// Recorded commands that were repeated.
    pub repeated: u64,
    /// Repeated commands that the server answered `id_too_old`. They prove nothing.
    pub too_old: u64,
    /// Sums of SKUs or stocks that the facts do not contain. They were not compared.
    pub outside_facts: u64,
    /// The first findings, as sentences.
    pub findings: Vec<String>,
}

impl Audit {
    /// Whether nothing was oversold, lost or changed.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.oversold_units == 0 && self.lost_acknowledged == 0 && self.changed_answers == 0
    }

    fn find(&mut self, sentence: impl FnOnce() -> String) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(sentence());
        }
    }
}

/// Why an audit could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The server did not answer.
    #[error("the server did not answer the audit")]
    Call(#[from] CallError),
    /// A recorded command could not be sent again.
    #[error("a recorded command could not be sent again")]
    Push(#[from] PushError),
    /// A record of the ledger cannot be decoded.
    #[error("a record of the ledger cannot be decoded")]
    Record(#[from] BadField),
}

/// Audits goods, reservations and answers.
///
/// # Errors
/// [`AuditError`] when the server does not answer.
pub async fn run(
    client: &Client,
    ledger: &Ledger,
    facts: &[SkuFacts],
    plan: AuditPlan,
) -> Result<Audit, AuditError> {
    let mut audit = goods(ledger, facts, plan.now_s);
    look_up(client, ledger, plan, &mut audit).await?;
    repeat(client, ledger, plan, &mut audit).await?;
    Ok(audit)
}

/// Repeats the commands whose outcomes are unknown, under their own ids, and records the answers.
///
/// # Errors
/// [`AuditError`] when the server does not answer. Commands that were not resolved stay in the ledger.
pub async fn resolve_unknown(client: &Client, ledger: &mut Ledger) -> Result<(), AuditError> {
    let unknown = ledger.take_unknown();
    for (at, chunk) in unknown.chunks(usize::from(FRAME_COMMANDS)).enumerate() {
        let mut batch = CommandBatch::new();
        for record in chunk {
            batch.push_record(record)?;
        }
        batch.mark_retry();
        match client.send_batch(&mut batch).await {
            Ok(outcomes) => {
                for (record, outcome) in chunk.iter().zip(outcomes.iter()) {
                    ledger.note_record(record, outcome)?;
                }
            }
            Err(error) => {
                unknown
                    .iter()
                    .skip(at * usize::from(FRAME_COMMANDS))
                    .for_each(|record| ledger.note_unknown(record));
                return Err(error.into());
            }
        }
    }
    Ok(())
}

/// The part of the audit that needs no server: for every set of stocks, promised ≤ stocked + allowances.
#[must_use]
pub fn goods(ledger: &Ledger, facts: &[SkuFacts], now_s: u32) -> Audit {
    let mut audit = Audit::default();
    let mut by_sku: BTreeMap<SkuId, BTreeMap<StockId, i64>> = BTreeMap::new();
    for ((sku, stock), sum) in ledger.counting(now_s) {
        by_sku.entry(sku).or_default().insert(stock, sum);
    }
    let mut lack_max = 0;
    for (sku, sums) in &by_sku {
        let Some(facts) = facts.iter().find(|facts| facts.sku == *sku) else {
            audit.outside_facts += 1;
            continue;
        };
        let is_named = |stock: &StockId| facts.stocks.iter().any(|known| known.stock == *stock);
        audit.outside_facts += u64::from(sums.keys().any(|stock| !is_named(stock)));
        audit.skus_audited += 1;
        let lack = worst(facts, sums);
        lack_max = lack_max.max(lack);
        if lack > 0 {
            audit.find(|| format!("SKU {sku}: {lack} ten-thousandths are promised beyond the goods"));
        }
    }
    if let Some((sku, op, lack)) = worst_moment(ledger, facts) {
        lack_max = lack_max.max(lack);
        audit.find(|| format!("SKU {sku}: at op {op} {lack} ten-thousandths were promised beyond the goods"));
    }
    audit.oversold_units =
        lack_max.unsigned_abs().div_ceil(QUANTITY_SCALE.unsigned_abs()).try_into().unwrap_or(i64::MAX);
    audit
}

/// Indexes of about `max` of `all` items, spread evenly.
fn spread(all: usize, max: usize) -> impl Iterator<Item = usize> {
    let stride = if max == 0 { all.max(1) } else { all.div_ceil(max).max(1) };
    (0..if max == 0 { 0 } else { all }).step_by(stride)
}

async fn look_up(
    client: &Client,
    ledger: &Ledger,
    plan: AuditPlan,
    audit: &mut Audit,
) -> Result<(), AuditError> {
    for at in spread(ledger.entries().len(), plan.views_max) {
        let Some(entry) = ledger.entries().get(at).filter(|entry| entry.code.is_success()) else { continue };
        let view = client.reservation(entry.id.into()).await?;
        audit.looked_up += 1;
        if !is_kept(view.as_ref(), entry, ledger.granted_lines(at, entry), plan.now_s) {
            audit.lost_acknowledged += 1;
            audit.find(|| format!("reservation {}: acknowledged, but now {view:?}", entry.id));
        }
    }
    Ok(())
}

/// Whether the server's view matches the acknowledged reservation. The server may have dropped the record only if it
/// no longer counts.
fn is_kept(view: Option<&ReservationView>, entry: &Entry, granted: &[Line], now_s: u32) -> bool {
    let Some(view) = view else { return !entry.counts_at(now_s) };
    let lines = view.lines.iter().map(|line| (line.sku, line.granted));
    let known = granted.iter().map(|line| (line.sku, line.quantity)).filter(|(_, granted)| granted.raw() > 0);
    let is_stock = entry.stock == StockId(u32::MAX) || entry.stock == view.stock;
    view.id == entry.id.to_bytes()
        && view.op == entry.op
        && is_stock
        && lines.filter(|(_, q)| q.raw() > 0).eq(known)
}

/// The expected answer to a repeated command.
struct Expected {
    id: CommandId,
    outcome: Outcome,
    /// The deadline after later extensions. A reservation may answer for its own id with this one.
    deadline: u32,
    is_grant: bool,
}

async fn repeat(
    client: &Client,
    ledger: &Ledger,
    plan: AuditPlan,
    audit: &mut Audit,
) -> Result<(), AuditError> {
    let mut batch = CommandBatch::new();
    let mut expected = Vec::new();
    for at in spread(ledger.entries().len(), plan.repeats_max) {
        let Some(entry) = ledger.entries().get(at) else { continue };
        ledger.with_record(at, entry, |record| batch.push_record(record))?;
        expected.push(Expected {
            id: entry.id,
            outcome: ledger.outcome_of(at, entry),
            deadline: entry.deadline.0,
            is_grant: entry.code.is_success(),
        });
        if batch.len() == FRAME_COMMANDS {
            send(client, &mut batch, &mut expected, audit).await?;
        }
    }
    for at in spread(ledger.changes().len(), plan.repeats_max) {
        let Some(change) = ledger.changes().get(at) else { continue };
        batch.push_record(&change.record)?;
        let id = batch.ids().last().unwrap_or(CommandId::NONE);
        let outcome = change.outcome.clone();
        expected.push(Expected { id, deadline: outcome.value, outcome, is_grant: false });
        if batch.len() == FRAME_COMMANDS {
            send(client, &mut batch, &mut expected, audit).await?;
        }
    }
    send(client, &mut batch, &mut expected, audit).await
}

async fn send(
    client: &Client,
    batch: &mut CommandBatch,
    expected: &mut Vec<Expected>,
    audit: &mut Audit,
) -> Result<(), AuditError> {
    if !batch.is_empty() {
        batch.mark_retry();
        let outcomes = client.send_batch(batch).await?;
        for (expected, outcome) in expected.iter().zip(outcomes.iter()) {
            check_answer(expected, outcome, audit);
        }
    }
    batch.clear();
    expected.clear();
    Ok(())
}

fn check_answer(expected: &Expected, outcome: &Outcome, audit: &mut Audit) {
    audit.repeated += 1;
    if outcome.code == Code::IdTooOld {
        audit.too_old += 1;
        return;
    }
    if outcome.replayed && agrees(expected, outcome) {
        return;
    }
    let was = &expected.outcome;
    // A grant that is not remembered at all is lost. A grant that is remembered with other contents has changed.
    if expected.is_grant && !outcome.replayed {
        audit.lost_acknowledged += 1;
    } else {
        audit.changed_answers += 1;
    }
    audit.find(|| format!("id {}: answered {was:?} first and {outcome:?} when it was repeated", expected.id));
}

fn agrees(expected: &Expected, outcome: &Outcome) -> bool {
    let was = &expected.outcome;
    let is_value = outcome.value == was.value || (expected.is_grant && outcome.value == expected.deadline);
    // A reservation whose outcome was dropped answers for its own id without the backordered quantity.
    let is_detail = match (&was.detail, &outcome.detail) {
        (Detail::Backordered(_), Detail::None) => expected.is_grant,
        (Detail::Granted { lines, .. }, Detail::Granted { lines: now, .. }) => lines == now,
        (was, now) => was == now,
    };
    outcome.code == was.code && outcome.op == was.op && is_value && is_detail
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
