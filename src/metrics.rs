//! The metrics of the server, each declared once with name, unit and help, and their rendering for `status`. Counters
//! are updated once per frame or batch, never per command. Nothing is decided by a metric.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::utils::CachePadded;
use stockhold_protocol::query::Metric;

use crate::tallies::Tallies;

/// A number that only increases.
#[derive(Debug, Default)]
pub struct Counter(CachePadded<AtomicU64>);

impl Counter {
    /// Adds `count`.
    pub fn add(&self, count: u64) {
        if count > 0 {
            self.0.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Adds a length or a number of values in memory.
    pub fn add_count(&self, count: usize) {
        self.add(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// The current value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that increases and decreases.
#[derive(Debug, Default)]
pub struct Gauge(CachePadded<AtomicU64>);

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The current value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The number of buckets for each power of two, as a power of two: 8. So a quantile is at most 12.5 % too high.
const SUB_BITS: u32 = 3;
/// The number of buckets of a histogram, for values up to 2^40.
const BUCKETS: usize = 38 * (1 << SUB_BITS);

/// The distribution of values, in buckets that widen with the value.
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[AtomicU64]>,
    max: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(), max: AtomicU64::new(0) }
    }
}

impl Histogram {
    /// Counts a value.
    pub fn record(&self, value: u64) {
        self.buckets[bucket_of(value)].fetch_add(1, Ordering::Relaxed);
        self.max.fetch_max(value, Ordering::Relaxed);
    }

    /// The quantile: `permille` of all values are at most this value, rounded up to the end of its bucket. 0 if there
    /// are no values.
    #[must_use]
    pub fn quantile(&self, permille: u64) -> u64 {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        let wanted = (u128::from(total) * u128::from(permille)).div_ceil(1_000);
        let mut seen = 0_u128;
        for (bucket, count) in counts.into_iter().enumerate() {
            seen += u128::from(count);
            if count > 0 && seen >= wanted {
                return end_of(bucket).min(self.max.load(Ordering::Relaxed));
            }
        }
        0
    }
}

fn bucket_of(value: u64) -> usize {
    let steps = 1 << SUB_BITS;
    if value < steps {
        return usize::try_from(value).unwrap_or(0);
    }
    let power = value.ilog2() - SUB_BITS;
    let step = (value >> power) - steps;
    let bucket = u64::from(power + 1) * steps + step;
    usize::try_from(bucket).map_or(BUCKETS - 1, |bucket| bucket.min(BUCKETS - 1))
}

/// The highest value of a bucket.
fn end_of(bucket: usize) -> u64 {
    let steps = 1_u64 << SUB_BITS;
    let bucket = u64::try_from(bucket).unwrap_or(u64::MAX);
    match (bucket / steps).checked_sub(1) {
        None => bucket,
        Some(power) => ((bucket % steps + steps + 1) << power) - 1,
    }
}

macro_rules! metrics {
    ($($kind:ident $field:ident, $unit:literal, $help:literal;)*) => {
        /// All metrics of a running server.
        #[derive(Debug, Default)]
        pub struct Metrics {
            $(#[doc = $help] pub $field: $kind,)*
            /// What is counted by name.
            pub tallies: Tallies,
        }

        impl Metrics {
            /// Name, unit and help of each metric of this struct.
            pub const DECLARED: &'static [(&'static str, &'static str, &'static str)] =
                &[$((stringify!($field), $unit, $help),)*];

            /// Appends every metric to an answer.
            pub fn render(&self, out: &mut Vec<Metric>) {
                $(self.$field.render_into(stringify!($field), $unit, out);)*
            }
        }
    };
}

metrics! {
    Gauge connections_open, "connections", "Connections that are open now.";
    Counter connections_accepted, "connections", "Connections that were accepted.";
    Counter connections_refused, "connections", "Connections that were refused because the limit was reached and none was idle.";
    Counter connections_displaced, "connections", "Idle connections that were closed to make room for others.";
    Counter connections_failed, "connections", "Connections that could not be accepted or set up.";
    Counter connections_broken, "connections", "Connections that were closed because the peer broke the protocol.";
    Counter connections_cut, "connections", "Connections that were cut because they read too slowly or their commands were lost.";
    Counter commands_received, "commands", "Commands read from connections.";
    Counter commands_busy, "commands", "Commands answered busy.";
    Counter commands_bad_field, "commands", "Commands answered bad_field before they reached the log.";
    Counter edge_refusals, "commands", "Reserves refused from the published cells, unlogged and unrecorded.";
    Counter checks_answered, "checks", "Checks answered from the published cells.";
    Counter checks_asked, "checks", "Checks that the applier had to answer.";
    Counter names_resolved, "names", "Names resolved.";
    Counter queries_answered, "queries", "Queries answered by the applier.";
    Counter queries_busy, "queries", "Queries refused because too many waited.";
    Counter bytes_read, "bytes", "Bytes read from connections.";
    Counter bytes_written, "bytes", "Bytes written to connections.";
    Counter batches, "batches", "Batches appended to the log.";
    Counter ops_logged, "ops", "Ops appended to the log.";
    Counter ticks, "ops", "Ticks appended because a deadline was due and nothing else arrived.";
    Counter payload_bytes, "bytes", "Batch payloads appended, in bytes.";
    Counter log_bytes, "bytes", "Frames written to the log, in bytes, with heads and padding.";
    Counter segment_waits, "waits", "Appends that waited because the next segment was not ready.";
    Counter inline_commits, "steps", "Times a network thread logged, applied and answered commands itself.";
    Histogram batch_ops, "ops", "Ops of one batch.";
    Histogram populate_us, "us", "Time to fill one batch.";
    Histogram write_us, "us", "Time of one durable log write.";
    Histogram handoff_us, "us", "Time from a durable batch to the start of applying it.";
    Histogram apply_us, "us", "Time to apply one batch.";
    Histogram publish_us, "us", "Time to publish the cells and send the answers of one batch.";
    Histogram sweep_us, "us", "Time of one step of refreshing due cells and erasing records after their retention.";
    Histogram question_turn_us, "us", "Time of one turn of answering questions, during which the applier does nothing else.";
    Histogram snapshot_step_us, "us", "Time of one step of a snapshot in progress, during which the applier does nothing else.";
    Counter snapshots_written, "snapshots", "Snapshots written and verified.";
    Counter snapshots_failed, "snapshots", "Snapshots that failed.";
    Gauge snapshot_failing, "bool", "1 if the last snapshot failed.";
    Gauge snapshot_op, "op", "The op of the newest snapshot; 0 if there is none.";
    Gauge snapshot_time_ms, "ms", "The server's time of the newest snapshot's op, in milliseconds since the Unix epoch; 0 if there is none.";
    Gauge ops_per_second, "ops/s", "Ops appended to the log in the last second.";
    Gauge commands_per_second, "commands/s", "Commands read from connections in the last second.";
    Gauge disk_free_bytes, "bytes", "Space that the server may still use on the file system of the data directory.";
    Gauge disk_bytes, "bytes", "Space of the file system of the data directory; 0 if unknown.";
    Counter clock_alarms, "alarms", "Times the wall clock was found far from the proposed time.";
    Gauge clock_offset_us, "us", "How far the wall clock is from the proposed time, as a magnitude.";
}

/// The quantiles that are shown of each histogram, in thousandths.
const QUANTILES: [(&str, u64); 4] = [("p50", 500), ("p99", 990), ("p999", 999), ("max", 1_000)];

trait Rendered {
    fn render_into(&self, name: &str, unit: &str, out: &mut Vec<Metric>);
}

impl Rendered for Counter {
    fn render_into(&self, name: &str, unit: &str, out: &mut Vec<Metric>) {
        out.push(metric(name, unit, self.get()));
    }
}

impl Rendered for Gauge {
    fn render_into(&self, name: &str, unit: &str, out: &mut Vec<Metric>) {
        out.push(metric(name, unit, self.get()));
    }
}

impl Rendered for Histogram {
    fn render_into(&self, name: &str, unit: &str, out: &mut Vec<Metric>) {
        for (suffix, permille) in QUANTILES {
            out.push(metric(&format!("{name}_{suffix}"), unit, self.quantile(permille)));
        }
    }
}

/// One metric of an answer.
#[must_use]
pub fn metric(name: &str, unit: &str, value: u64) -> Metric {
    Metric { name: name.to_owned(), unit: unit.to_owned(), value: i64::try_from(value).unwrap_or(i64::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket() {
        // Proves that buckets have no gaps, and that a quantile is at most an eighth too high.
        for value in (0..5_000).chain((12..40).map(|power| (1 << power) + 77)) {
            let bucket = bucket_of(value);
            assert!(value <= end_of(bucket), "{value}");
            assert!(bucket == 0 || end_of(bucket - 1) < value, "{value}");
            assert!(end_of(bucket) - value <= value / 8 + 1, "{value}");
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_follow_the_values() {
        // Proves the quantiles that status shows.
        let histogram = Histogram::default();
        assert_eq!(histogram.quantile(500), 0);
        for value in 1..=1_000 {
            histogram.record(value);
        }
        assert!((500..=563).contains(&histogram.quantile(500)));
        assert!((990..=1_000).contains(&histogram.quantile(990)));
        assert_eq!(histogram.quantile(1_000), 1_000);
    }

    #[test]
    fn every_declared_metric_is_rendered() {
        // Proves that status contains every declared metric.
        let mut out = Vec::new();
        Metrics::default().render(&mut out);
        for (name, _, help) in Metrics::DECLARED {
            assert!(out.iter().any(|metric| metric.name.starts_with(name)), "{name} is missing");
            assert!(help.ends_with('.'));
        }
    }
}
