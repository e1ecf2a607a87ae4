//! The result of a demo, as text and as JSON.

use super::super::output::Text;
use super::super::times::milliseconds;
use super::sale::Sale;
use serde_json::{Value, json};
use std::time::Duration;
use stockhold_workload::{Audit, Tally};

/// The numbers of one demo, from the client's ledger.
pub(super) struct Report {
    tally: Tally,
    kept: usize,
    edge_refusals: u64,
    confirmed: u64,
    released: u64,
    busy: u64,
    selling: Duration,
    p50_us: u64,
    p99_us: u64,
    unanswered: u64,
    outage: Duration,
    recovery: Value,
    audit: Audit,
}

impl Report {
    pub(super) fn new(
        sale: &mut Sale,
        audit: Audit,
        unanswered: u64,
        outage: Duration,
        recovery: &Value,
    ) -> Self {
        let counts = &mut sale.counts;
        let (p50_us, p99_us) = (counts.percentile_us(50), counts.percentile_us(99));
        Self {
            tally: sale.ledger.tally(),
            kept: sale.ledger.kept(),
            edge_refusals: counts.edge_refusals,
            confirmed: counts.confirmed,
            released: counts.released,
            busy: counts.busy,
            selling: counts.selling,
            p50_us,
            p99_us,
            unanswered,
            outage,
            recovery: recovery.clone(),
            audit,
        }
    }

    /// Whether the audit found every promise kept.
    pub(super) const fn is_clean(&self) -> bool {
        self.audit.is_clean()
    }

    const fn refused(&self) -> u64 {
        self.tally.refused + self.edge_refusals
    }

    /// The number of carts that were decided per second of selling, granted or not.
    fn per_second(&self, count: u64) -> u64 {
        count.saturating_mul(1_000) / milliseconds(self.selling).max(1)
    }

    pub(super) fn text(&self, left: &str) -> String {
        let mut text = Text::default();
        let audit = &self.audit;
        text.line("");
        text.line(&format!(
            "reserved   {}   ({} per second; {} confirmed, {} released, the others held)",
            grouped(self.tally.granted),
            grouped(self.per_second(self.tally.granted)),
            grouped(self.confirmed),
            grouped(self.released)
        ));
        text.line(&format!(
            "refused    {}   ({} of them from published cells, without a log write)",
            grouped(self.refused()),
            grouped(self.edge_refusals)
        ));
        text.line(&format!(
            "latency    p50 {} µs, p99 {} µs, each frame synced before its answer",
            self.p50_us, self.p99_us
        ));
        text.line(&format!(
            "crash      {} ops recovered; {} commands without an answer were resolved by repeating them",
            self.recovery["recovered_ops"], self.unanswered
        ));
        text.line(&format!(
            "audit      {} units oversold, {} acknowledged reservations lost, {} answers changed",
            audit.oversold_units, audit.lost_acknowledged, audit.changed_answers
        ));
        text.line(&format!(
            "           ({} commands repeated, {} reservations queried, {} SKUs summed over all sets of stocks)",
            grouped(audit.repeated),
            grouped(audit.looked_up),
            audit.skus_audited
        ));
        for finding in &audit.findings {
            text.line(&format!("finding    {finding}"));
        }
        text.line("");
        text.line(left);
        text.into_string()
    }

    pub(super) fn document(&self) -> Value {
        json!({
            "reserved": self.tally.granted,
            "refused": self.refused(),
            "reservations_per_second": self.per_second(self.tally.granted),
            "p50_us": self.p50_us,
            "p99_us": self.p99_us,
            "oversold_units": self.audit.oversold_units,
            "lost_acknowledged": self.audit.lost_acknowledged,
            "changed_answers": self.audit.changed_answers,
            "recovered_ops": self.recovery["recovered_ops"],
            "carts_per_second": self.per_second(self.tally.granted + self.refused()),
            "edge_refusals": self.edge_refusals,
            "confirmed": self.confirmed,
            "released": self.released,
            "busy": self.busy,
            "selling_ms": milliseconds(self.selling),
            "outage_ms": milliseconds(self.outage),
            "unknown_settled": self.unanswered,
            "kept_in_ledger": self.kept,
            "unkept": self.tally.unkept,
            "recovery": self.recovery,
            "audit": serde_json::to_value(&self.audit).unwrap_or_default(),
            "clean": self.is_clean(),
        })
    }
}

/// Formats a number as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_are_grouped() {
        // Proves the positions of the commas.
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
