//! The server's own counters of its log, before and after a measurement. The difference is what the measurement
//! wrote.

use crate::ratio;
use serde::Serialize;
use stockhold_protocol::query::Status;

/// The log activity of a measurement.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct LogFacts {
    /// Durable writes: each is one sync.
    pub(crate) syncs: u64,
    /// Ops that were logged.
    pub(crate) ops: u64,
    /// Bytes written, with frame heads and padding.
    pub(crate) bytes: u64,
    /// Bytes of the batches alone.
    pub(crate) payload_bytes: u64,
    /// Ops made durable by one sync.
    pub(crate) ops_per_sync: f64,
    /// Batch bytes for each op.
    pub(crate) payload_bytes_per_op: f64,
    /// The median time of one durable write since the server started, in microseconds.
    pub(crate) sync_p50_us: u64,
    /// Its 99th percentile.
    pub(crate) sync_p99_us: u64,
}

impl LogFacts {
    pub(crate) fn between(before: &Status, after: &Status) -> Self {
        let grown = |name: &str| value(after, name).saturating_sub(value(before, name));
        let (syncs, ops, payload_bytes) = (grown("batches"), grown("ops_logged"), grown("payload_bytes"));
        Self {
            syncs,
            ops,
            bytes: grown("log_bytes"),
            payload_bytes,
            ops_per_sync: ratio::each(ops, syncs),
            payload_bytes_per_op: ratio::each(payload_bytes, ops),
            sync_p50_us: value(after, "write_us_p50"),
            sync_p99_us: value(after, "write_us_p99"),
        }
    }
}

/// The value of a metric; 0 if the server does not have it.
pub(crate) fn value(status: &Status, name: &str) -> u64 {
    let found = status.metrics.iter().find(|metric| metric.name == name);
    found.and_then(|metric| u64::try_from(metric.value).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stockhold_protocol::query::Metric;

    fn status(values: &[(&str, i64)]) -> Status {
        let metric = |(name, value): &(&str, i64)| Metric {
            name: (*name).to_owned(),
            unit: String::new(),
            value: *value,
        };
        Status {
            version: String::new(),
            log_uuid: [0; 16],
            epoch: 1,
            state: String::new(),
            durability: String::new(),
            metrics: values.iter().map(metric).collect(),
            warnings: Vec::new(),
            data_dir: String::new(),
            refusals: Vec::new(),
            clients: Vec::new(),
            wanted: Vec::new(),
            sold_out: Vec::new(),
        }
    }

    #[test]
    fn only_what_was_written_in_between_counts() {
        // Proves the differences, and that a missing metric is not an error.
        let before = status(&[("batches", 10), ("ops_logged", 100), ("payload_bytes", 4_000)]);
        let after =
            status(&[("batches", 12), ("ops_logged", 300), ("payload_bytes", 11_000), ("write_us_p50", 120)]);
        let facts = LogFacts::between(&before, &after);
        assert_eq!((facts.syncs, facts.ops, facts.bytes, facts.sync_p50_us), (2, 200, 0, 120));
        assert!(
            (facts.ops_per_sync - 100.0).abs() < 1e-9 && (facts.payload_bytes_per_op - 35.0).abs() < 1e-9
        );
    }

    #[test]
    fn the_metrics_exist_under_these_names() {
        // Proves that the server still has the metrics that are read here.
        let declared: Vec<&str> =
            stockhold::metrics::Metrics::DECLARED.iter().map(|(name, _, _)| *name).collect();
        for name in ["batches", "ops_logged", "log_bytes", "payload_bytes", "write_us"] {
            assert!(declared.contains(&name), "{name}");
        }
    }
}
