//! The state of a server in about ten lines: what an operator wants to know first.

use super::output::{Text, table};
use super::units::{bytes, count, grouped, micros, span};
use crate::warning::TO_DO;
use std::collections::BTreeMap;
use stockhold_protocol::query::Status;

/// The metrics of a status by their names.
#[derive(Debug)]
pub(super) struct Readings<'a>(BTreeMap<&'a str, i64>);

impl<'a> Readings<'a> {
    pub(super) fn of(status: &'a Status) -> Self {
        Self(status.metrics.iter().map(|metric| (metric.name.as_str(), metric.value)).collect())
    }

    /// The value of a metric, if the server has it.
    pub(super) fn get(&self, name: &str) -> Option<u64> {
        self.0.get(name).and_then(|value| u64::try_from(*value).ok())
    }

    /// The value of a metric; 0 without one.
    pub(super) fn of_name(&self, name: &str) -> u64 {
        self.get(name).unwrap_or(0)
    }
}

/// The summary as text. `server` is the address that was asked.
pub(super) fn summary(status: &Status, server: &str) -> String {
    let readings = Readings::of(status);
    let rows = [
        ("health", health(status)),
        (
            "server",
            format!("{server}, stockhold {}, up {}", status.version, span(readings.of_name("uptime_ms"))),
        ),
        ("data", data(status, &readings)),
        ("log", log_line(status, &readings)),
        ("load", load(&readings)),
        ("syncs", syncs(status, &readings)),
        ("memory", memory(&readings)),
        ("snapshot", snapshot(&readings)),
        ("archive", archive(&readings)),
    ];
    let rows: Vec<Vec<String>> = rows.map(|(label, text)| vec![label.to_owned(), text]).into();
    let mut text = Text::default();
    text.line(table(&rows).trim_end());
    for warning in &status.warnings {
        let (found, advice) = warning.split_once(TO_DO).unwrap_or((warning, ""));
        text.line(&format!("warning   {found}"));
        if !advice.is_empty() {
            text.line(&format!("          to do: {advice}"));
        }
    }
    text.into_string()
}

pub(super) fn health(status: &Status) -> String {
    match (status.state.as_str(), status.warnings.len()) {
        ("ok", 0) => "ok".to_owned(),
        ("ok", 1) => "works, with 1 warning".to_owned(),
        ("ok", warnings) => format!("works, with {warnings} warnings"),
        (state, _) => state.to_owned(),
    }
}

fn data(status: &Status, readings: &Readings<'_>) -> String {
    let (free, all) = (readings.of_name("disk_free_bytes"), readings.of_name("disk_bytes"));
    match all {
        0 => status.data_dir.clone(),
        _ => format!("{}, {} of {} free", status.data_dir, bytes(free), bytes(all)),
    }
}

fn log_line(status: &Status, readings: &Readings<'_>) -> String {
    let op = grouped(readings.of_name("op_applied"));
    format!("op {op}, epoch {}", status.epoch)
}

fn load(readings: &Readings<'_>) -> String {
    format!(
        "{} commands/s, {} ops/s, {} waiting; {} of {} connections",
        count(readings.of_name("commands_per_second")),
        count(readings.of_name("ops_per_second")),
        count(readings.of_name("queue_depth")),
        grouped(readings.of_name("connections_open")),
        grouped(readings.of_name("connections_max")),
    )
}

fn syncs(status: &Status, readings: &Readings<'_>) -> String {
    format!(
        "{} (p50), {} (p99), {} (max); durability {}",
        micros(readings.of_name("write_us_p50")),
        micros(readings.of_name("write_us_p99")),
        micros(readings.of_name("write_us_max")),
        status.durability,
    )
}

fn memory(readings: &Readings<'_>) -> String {
    format!(
        "{}; {} of {} reservations, {} orders ({} unsettled), {} SKUs",
        bytes(readings.of_name("machine_memory_bytes")),
        count(readings.of_name("machine_reservations")),
        count(readings.of_name("machine_reservations_max")),
        count(readings.of_name("machine_orders")),
        count(readings.of_name("machine_orders_unsettled")),
        count(readings.of_name("machine_skus")),
    )
}

pub(super) fn snapshot(readings: &Readings<'_>) -> String {
    let op = readings.of_name("snapshot_op");
    let since = readings.of_name("op_applied").saturating_sub(op);
    match readings.get("snapshot_age_ms") {
        Some(age_ms) => format!("{} ago at op {}; {} ops since", span(age_ms), grouped(op), count(since)),
        None => format!("none yet; {} ops since the start of the log", count(since)),
    }
}

pub(super) fn archive(readings: &Readings<'_>) -> String {
    let Some(lag_ops) = readings.get("archive_lag_ops") else {
        return "none (archive.url)".to_owned();
    };
    let length = bytes(readings.of_name("archive_bytes"));
    match lag_ops {
        0 => format!("up to date, {length}"),
        _ => format!("{} ops, {} behind; {length}", count(lag_ops), span(readings.of_name("archive_lag_ms"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::metric;

    fn status(more: &[(&str, u64)], warnings: &[&str]) -> Status {
        let all = [
            ("uptime_ms", 11_520_000),
            ("disk_free_bytes", 40 << 30),
            ("disk_bytes", 252 << 30),
            ("op_applied", 1_234_567),
            ("commands_per_second", 2_719_000),
            ("connections_max", 4_096),
            ("write_us_p50", 950),
        ];
        Status {
            version: "0.1.0".to_owned(),
            log_uuid: [0; 16],
            epoch: 2,
            state: "ok".to_owned(),
            durability: "sync".to_owned(),
            metrics: all.iter().chain(more).map(|(name, value)| metric(name, "", *value)).collect(),
            warnings: warnings.iter().map(|text| (*text).to_owned()).collect(),
            data_dir: "/srv/data".to_owned(),
            refusals: Vec::new(),
            clients: Vec::new(),
            wanted: Vec::new(),
            sold_out: Vec::new(),
        }
    }

    #[test]
    fn a_healthy_server_takes_nine_lines() {
        // Proves the lines of a server without snapshot and archive.
        let text = summary(&status(&[], &[]), "127.0.0.1:7411");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 9, "{text}");
        assert_eq!(lines[0], "health    ok");
        assert_eq!(lines[1], "server    127.0.0.1:7411, stockhold 0.1.0, up 3 h 12 min");
        assert_eq!(lines[2], "data      /srv/data, 40.0 GiB of 252 GiB free");
        assert_eq!(lines[3], "log       op 1,234,567, epoch 2");
        assert_eq!(lines[4], "load      2.7 M commands/s, 0 ops/s, 0 waiting; 0 of 4,096 connections");
        assert_eq!(lines[5], "syncs     950 us (p50), 0 us (p99), 0 us (max); durability sync");
        assert_eq!(lines[7], "snapshot  none yet; 1.2 M ops since the start of the log");
        assert_eq!(lines[8], "archive   none (archive.url)");
    }

    #[test]
    fn warnings_say_what_to_do() {
        // Proves snapshot, archive and warnings of a server that has all three.
        let more = [
            ("snapshot_op", 1_200_000),
            ("snapshot_age_ms", 240_000),
            ("archive_lag_ops", 20_000),
            ("archive_lag_ms", 4_200),
            ("archive_bytes", 3 << 30),
        ];
        let text = summary(
            &status(&more, &["clock_off: It is late. To do: Correct it.", "an older server"]),
            "shop:1",
        );
        let expected = "\
snapshot  4 min ago at op 1,200,000; 34.5 k ops since
archive   20.0 k ops, 4.2 s behind; 3.0 GiB
warning   clock_off: It is late.
          to do: Correct it.
warning   an older server
";
        assert!(text.ends_with(expected), "{text}");
        assert!(text.starts_with("health    works, with 2 warnings\n"), "{text}");
    }
}
