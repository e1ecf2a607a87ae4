//! The report of a chaos run.

use super::arguments::ChaosArguments;
use super::fault_injector::FaultCounts;
use crate::audit::Audit;
use crate::exit::Exit;
use crate::table::Table;
use serde::Serialize;
use std::time::Duration;
use stockhold_workload::Tally;

/// The inputs of the report.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) faults: FaultCounts,
    pub(crate) tally: Tally,
    pub(crate) unknown_resolved: u64,
    pub(crate) abandoned: u64,
    pub(crate) span: Duration,
    pub(crate) interrupted: bool,
    pub(crate) audit: Audit,
    /// Findings in the directory after the last stop.
    pub(crate) damage: Vec<String>,
}

/// The report, in the order in which it is printed as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct ChaosReport {
    scenario: &'static str,
    seed: u64,
    shoppers: u32,
    seconds: f64,
    #[serde(flatten)]
    faults: FaultCounts,
    /// Recorded answers: granted, refused, or another command that took effect.
    acknowledged: u64,
    granted: u64,
    refused: u64,
    changed: u64,
    /// Answers that the server did not record, such as edge refusals.
    unrecorded: u64,
    /// Commands whose outcome was unknown at some time and was learned by retries.
    unknown_resolved: u64,
    /// Commands whose outcome cannot be learned, because the log has begun a new epoch.
    abandoned: u64,
    #[serde(flatten)]
    audit: Audit,
    /// Findings in the log and the snapshots after the last stop.
    damage: Vec<String>,
    storage: Option<crate::children::StorageFacts>,
    interrupted: bool,
}

impl ChaosReport {
    pub(crate) fn new(arguments: &ChaosArguments, findings: Findings) -> Self {
        let Findings { mut faults, tally, unknown_resolved, abandoned, span, interrupted, mut audit, damage } =
            findings;
        if abandoned > 0 {
            audit.findings.push("the log has begun a new epoch, and answers may be lost".to_owned());
        }
        audit.lost_acknowledged += faults.starts_that_forgot;
        audit.findings.append(&mut faults.findings);
        if tally.unkept > 0 {
            audit.findings.push("the ledger was full, so not every promise was compared".to_owned());
        }
        Self {
            scenario: "chaos",
            seed: arguments.seed,
            shoppers: arguments.shoppers,
            seconds: span.as_secs_f64(),
            acknowledged: tally.granted + tally.refused + tally.changed,
            granted: tally.granted,
            refused: tally.refused,
            changed: tally.changed,
            unrecorded: tally.unrecorded,
            unknown_resolved,
            abandoned,
            storage: faults.storage.clone(),
            faults,
            audit,
            damage,
            interrupted,
        }
    }

    /// The exit code of the run. Every finding is a violation, because no other client uses this server.
    pub(crate) fn exit(&self) -> Exit {
        let is_clean =
            !self.audit.is_violated(true) && self.audit.findings.is_empty() && self.damage.is_empty();
        if is_clean { Exit::Fine } else { Exit::Violation }
    }

    /// The text for people.
    pub(crate) fn text(&self) -> String {
        let mut table = Table::new();
        let Self { faults, seconds, shoppers, .. } = self;
        table.row("chaos", format!("{shoppers} shoppers, {seconds:.1} s, seed {}", self.seed));
        let kills = format!(
            "{}, power cuts {} ({} while starting, {} while writing a snapshot); frozen {} times",
            faults.kills,
            faults.power_cuts,
            faults.kills_while_starting,
            faults.kills_while_writing_snapshot,
            faults.stops
        );
        table.row("kills", kills);
        let restarts = format!(
            "{} (longest {} ms, {} with a torn write), up to {} ops, up to {} of them replayed",
            faults.restarts,
            faults.longest_restart_ms,
            faults.torn_tails,
            faults.recovered_ops_max,
            faults.replayed_ops_max
        );
        table.row("restarts", restarts);
        let acknowledged = format!(
            "{}: {} granted, {} refused, {} other; {} answers were unrecorded",
            self.acknowledged, self.granted, self.refused, self.changed, self.unrecorded
        );
        table.row("acknowledged", acknowledged);
        table.row("unknown", format!("{} at some time, learned by retries", self.unknown_resolved));
        if self.abandoned > 0 {
            table.row("abandoned", format!("{} commands, after a new epoch of the log", self.abandoned));
        }
        if let Some(storage) = &self.storage {
            table.row("storage", format!("{}, written by {}", storage.file_system, storage.write_path));
        }
        table.audit(&self.audit);
        let damage = if self.damage.is_empty() { "none".to_owned() } else { self.damage.join("; ") };
        table.row("damage", damage);
        if self.interrupted {
            table.row("note", "stopped early by Ctrl-C".to_owned());
        }
        table.text()
    }
}
