//! The report of a run with bad peers.

use super::Results;
use super::arguments::BadPeersArguments;
use super::peers::Kind;
use crate::audit::Audit;
use crate::children::StorageFacts;
use crate::exit::Exit;
use crate::memory::MemoryFacts;
use crate::ratio;
use crate::system::PagingFacts;
use crate::table::Table;
use serde::Serialize;
use std::collections::BTreeMap;

/// The measurement of one kind.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct KindMeasurement {
    pub(crate) kind: Kind,
    pub(crate) peers: u32,
    /// Carts per second without the peers: before, between and after.
    pub(crate) alone: Vec<f64>,
    /// Carts per second with the peers.
    pub(crate) with: Vec<f64>,
    /// The share of throughput that healthy connections kept, in percent, by medians.
    pub(crate) kept_percent: f64,
    /// The 99th percentile of cart latencies, in milliseconds, without and with the peers.
    pub(crate) alone_p99_ms: Vec<f64>,
    pub(crate) with_p99_ms: Vec<f64>,
    /// The ratio of the two, by medians.
    pub(crate) p99_ratio: f64,
    /// Queries of the peers that were answered, per second.
    pub(crate) answers_per_second: f64,
    /// The maximum growth of the server's memory, if it is visible, and its bound.
    pub(crate) grown_bytes: Option<u64>,
    pub(crate) bound_bytes: u64,
    /// Paging while throughput was measured, with and without the peers. The healthy carts are included.
    #[serde(flatten)]
    pub(crate) paging: Option<PagingFacts>,
    /// The state of memory when the server started. Each kind has its own server.
    pub(crate) memory: MemoryFacts,
    pub(crate) sent_bytes: u64,
    /// Connections that peers saw ended, and that the server reports as ended.
    pub(crate) seen_ended: u64,
    pub(crate) ended: u64,
}

impl KindMeasurement {
    pub(crate) const fn new(kind: Kind, peers: u32, memory: MemoryFacts) -> Self {
        Self {
            kind,
            peers,
            alone: Vec::new(),
            with: Vec::new(),
            kept_percent: 0.0,
            alone_p99_ms: Vec::new(),
            with_p99_ms: Vec::new(),
            p99_ratio: 0.0,
            answers_per_second: 0.0,
            grown_bytes: None,
            bound_bytes: 0,
            paging: None,
            memory,
            sent_bytes: 0,
            seen_ended: 0,
            ended: 0,
        }
    }

    /// The text for people.
    fn text(&self) -> String {
        let Self { peers, kept_percent, p99_ratio, grown_bytes, bound_bytes, ended, .. } = self;
        let grown = match grown_bytes {
            Some(bytes) => format!("memory grew by {} MiB", bytes >> 20),
            None => "memory growth IS NOT VISIBLE".to_owned(),
        };
        format!(
            "{peers} peers: {kept_percent:.0} % of {:.0} carts/s kept, p99 {p99_ratio:.1} × {:.1} ms, {grown} (bound {} MiB), {ended} connections ended",
            ratio::median(&self.alone).unwrap_or(0.0),
            ratio::median(&self.alone_p99_ms).unwrap_or(0.0),
            bound_bytes >> 20
        )
    }
}

/// The report, in the order in which it is printed as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct BadPeersReport {
    scenario: &'static str,
    connections: u32,
    depth: u16,
    seed: u64,
    /// Healthy carts before the measurement.
    reservations: u64,
    /// The smallest share of throughput that a kind left to the healthy connections, in percent.
    kept_percent_min: f64,
    /// Kinds that took too much throughput.
    starved: Vec<Kind>,
    /// Kinds that delayed carts too much.
    delayed: Vec<Kind>,
    /// Kinds that made the server's memory grow beyond its bound.
    bloated: Vec<Kind>,
    kinds: Vec<KindMeasurement>,
    answers: BTreeMap<&'static str, u64>,
    unknown: u64,
    connections_broken: Vec<String>,
    storage: Option<StorageFacts>,
    audit: Audit,
}

impl BadPeersReport {
    pub(crate) fn new(arguments: &BadPeersArguments, results: &Results) -> Self {
        let Results { measurements, tally, audit, storage, .. } = results;
        let mut kinds = measurements.clone();
        for measurement in &mut kinds {
            measurement.kept_percent = ratio::kept_percent(&measurement.with, &measurement.alone);
            let p99_percent = ratio::kept_percent(&measurement.with_p99_ms, &measurement.alone_p99_ms);
            measurement.p99_ratio = ratio::hundredth(p99_percent);
        }
        let starved = |measurement: &&KindMeasurement| {
            ratio::is_below(measurement.kept_percent, arguments.keep_percent)
        };
        Self {
            scenario: "bad_peers",
            connections: arguments.connections,
            depth: arguments.depth,
            seed: arguments.common.seed,
            reservations: arguments.reservations,
            kept_percent_min: ratio::least(kinds.iter().map(|measurement| measurement.kept_percent)),
            delayed: kinds
                .iter()
                .filter(|measurement| measurement.p99_ratio > arguments.p99_ratio_max)
                .map(|measurement| measurement.kind)
                .collect(),
            starved: kinds.iter().filter(starved).map(|measurement| measurement.kind).collect(),
            bloated: kinds
                .iter()
                .filter(|measurement| {
                    measurement.grown_bytes.is_some_and(|grown| grown > measurement.bound_bytes)
                })
                .map(|measurement| measurement.kind)
                .collect(),
            kinds,
            answers: tally.answers.by_name(),
            unknown: tally.unknown,
            connections_broken: tally.broken.clone(),
            storage: storage.clone(),
            audit: audit.clone(),
        }
    }

    /// The exit code of the run.
    pub(crate) fn exit(&self, is_ours: bool) -> Exit {
        let is_harmed = self.unknown > 0 || !self.connections_broken.is_empty();
        if self.audit.is_violated(is_ours)
            || is_harmed
            || !self.starved.is_empty()
            || !self.delayed.is_empty()
            || !self.bloated.is_empty()
        {
            Exit::Violation
        } else {
            Exit::Fine
        }
    }

    /// The text for people.
    pub(crate) fn text(&self) -> String {
        let mut table = Table::new();
        let shape =
            format!("{} healthy connections × {} carts in flight, closed loop", self.connections, self.depth);
        table.row("bad peers", shape);
        for measurement in &self.kinds {
            table.row(name(measurement.kind), measurement.text());
            table.paging(measurement.paging.as_ref());
            table.memory(&measurement.memory);
        }
        table.answers("answers", &self.answers);
        if self.unknown > 0 || !self.connections_broken.is_empty() {
            let broken = self.connections_broken.join("; ");
            table.row("HARMED", format!("{} carts unanswered; broken connections: {broken}", self.unknown));
        }
        for (finding, kinds) in
            [("STARVED BY", &self.starved), ("DELAYED BY", &self.delayed), ("BLOATED BY", &self.bloated)]
        {
            for kind in kinds {
                table.row(finding, name(*kind).to_owned());
            }
        }
        table.audit(&self.audit);
        table.text()
    }
}

pub(crate) const fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Mute => "mute",
        Kind::HalfHello => "half a hello",
        Kind::Idle => "idle",
        Kind::Crowd => "a crowd",
        Kind::SlowReader => "slow readers",
        Kind::Flood => "a flood",
        Kind::Oversized => "oversized frames",
        Kind::Endless => "endless frames",
        Kind::Garbage => "garbage",
        Kind::Validations => "validations",
        Kind::Lists => "lists",
        Kind::Snapshots => "snapshots",
    }
}
