//! Commands about the state of the server: status, validate, snapshot.

use super::context::Context;
use super::exit::{Exit, Failure};
use super::output::{Text, table};
use super::questions::wrong_answer;
use serde_json::{Map, Value, json};
use stockhold_protocol::query::{Query, QueryAnswer, Status};

pub(super) fn status(context: Context<'_>) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let QueryAnswer::Status(status) = server.query(&Query::Status)? else { return Err(wrong_answer()) };
    context.output.result(&text(&status), &document(&status))?;
    Ok(Exit::Ok)
}

fn text(status: &Status) -> String {
    let mut text = Text::default();
    text.line(&format!("stockhold {}  {}  durability {}", status.version, status.state, status.durability));
    text.line(&format!("log {}  epoch {}\n", hex(&status.log_uuid), status.epoch));
    let rows: Vec<Vec<String>> = status
        .metrics
        .iter()
        .map(|metric| vec![metric.name.clone(), metric.value.to_string(), metric.unit.clone()])
        .collect();
    text.line(&table(&rows));
    for warning in &status.warnings {
        text.line(&format!("warning: {warning}"));
    }
    text.into_string()
}

fn document(status: &Status) -> Value {
    let metrics: Map<String, Value> =
        status.metrics.iter().map(|metric| (metric.name.clone(), json!(metric.value))).collect();
    let units: Map<String, Value> =
        status.metrics.iter().map(|metric| (metric.name.clone(), json!(metric.unit))).collect();
    json!({
        "version": status.version,
        "log_uuid": hex(&status.log_uuid),
        "epoch": status.epoch,
        "state": status.state,
        "durability": status.durability,
        "metrics": metrics,
        "units": units,
        "warnings": status.warnings,
    })
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
