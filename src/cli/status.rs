//! Commands about the state of the server: status, validate, snapshot.

use super::context::Context;
use super::exit::{Exit, Failure};
use super::output::{Text, table};
use super::questions::wrong_answer;
use super::summary::summary;
use super::units;
use clap::Args;
use serde_json::{Map, Value, json};
use stockhold_protocol::query::{Metric, NamedCount, Query, QueryAnswer, Status};

/// `status`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold status
  stockhold status --all
  stockhold status --json | jq .metrics.archive_lag_ms")]
pub(super) struct StatusArguments {
    /// Show every metric after the summary; `--json` always has them all
    #[arg(long)]
    all: bool,
}

pub(super) fn status(context: Context<'_>, arguments: &StatusArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let QueryAnswer::Status(status) = server.query(&Query::Status)? else { return Err(wrong_answer()) };
    let mut text = summary(&status, &context.common.server);
    if arguments.all {
        text = format!("{text}\nlog {}\n\n{}", hex(&status.log_uuid), metrics(&status));
    }
    context.output.result(&text, &document(&status, &context.common.server))?;
    Ok(Exit::Ok)
}

/// Every metric with its exact value.
fn metrics(status: &Status) -> String {
    let row = |metric: &Metric| {
        let exact = format!("{} {}", metric.value, metric.unit);
        vec![metric.name.clone(), units::value(metric.value, &metric.unit), exact]
    };
    table(&status.metrics.iter().map(row).collect::<Vec<_>>())
}

fn document(status: &Status, server: &str) -> Value {
    let metrics: Map<String, Value> =
        status.metrics.iter().map(|metric| (metric.name.clone(), json!(metric.value))).collect();
    let units: Map<String, Value> =
        status.metrics.iter().map(|metric| (metric.name.clone(), json!(metric.unit))).collect();
    json!({
        "version": status.version,
        "server": server,
        "data_dir": status.data_dir,
        "log_uuid": hex(&status.log_uuid),
        "epoch": status.epoch,
        "state": status.state,
        "durability": status.durability,
        "metrics": metrics,
        "units": units,
        "warnings": status.warnings,
        "refusals": named(&status.refusals),
        "clients": named(&status.clients),
        "wanted": named(&status.wanted),
        "sold_out": named(&status.sold_out),
    })
}

/// Numbers by name, in the order of the server.
fn named(counts: &[NamedCount]) -> Value {
    counts.iter().map(|entry| json!({"name": entry.name, "count": entry.count})).collect()
}

/// Formats a UUID.
fn hex(bytes: &[u8; 16]) -> String {
    uuid::Uuid::from_bytes(*bytes).to_string()
}

pub(super) fn validate(context: Context<'_>) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let QueryAnswer::Validation(validation) = server.query(&Query::Validate)? else {
        return Err(wrong_answer());
    };
    let sound = validation.violations.is_empty();
    let mut text = Text::default();
    text.line(&format!("op {}  digest {:016x}", validation.op, validation.digest));
    text.line(if sound { "all invariants hold" } else { "violated invariants:" });
    for violation in &validation.violations {
        text.line(&format!("  {violation}"));
    }
    let document = json!({
        "op": validation.op,
        "digest": format!("{:016x}", validation.digest),
        "violations": validation.violations,
        "sound": sound,
    });
    context.output.result(&text.into_string(), &document)?;
    Ok(if sound { Exit::Ok } else { Exit::BadData })
}

pub(super) fn snapshot(context: Context<'_>) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let QueryAnswer::Snapshot(snapshot) = server.query(&Query::Snapshot)? else { return Err(wrong_answer()) };
    let text = format!(
        "snapshot {} written and verified: op {}, {} bytes, digest {:016x}",
        snapshot.file, snapshot.op, snapshot.bytes, snapshot.digest
    );
    let document = json!({
        "file": snapshot.file,
        "op": snapshot.op,
        "bytes": snapshot.bytes,
        "digest": format!("{:016x}", snapshot.digest),
    });
    context.output.result(&text, &document)?;
    Ok(Exit::Ok)
}
