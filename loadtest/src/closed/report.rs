//! The report of a scenario.

use super::scenario::Scenario;
use crate::arguments::ClosedArguments;
use crate::audit::Audit;
use crate::charts;
use crate::children::{ServerUnderTest, StorageFacts};
use crate::exit::Exit;
use crate::latency::{CurvePoint, Percentiles, curve_of};
use crate::measure::Measured;
use crate::memory::MemoryFacts;
use crate::open_loop::facts::OpenFacts;
use crate::pace::Pace;
use crate::page::{Page, Steps, Tile};
use crate::plot::figures;
use crate::ratio;
use crate::series::Point;
use crate::server_log::LogFacts;
use crate::system::{MachineFacts, PagingFacts};
use crate::table::Table;
use serde::Serialize;
use std::collections::BTreeMap;
use stockhold_protocol::query::Status;

/// The report, in the order in which it is printed as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct ClosedReport {
    scenario: &'static str,
    /// Closed: a connection sends only when its last frame is answered, so latency at saturation is mostly waiting.
    /// Open: latency counts from the moment an operation was due.
    r#loop: &'static str,
    #[serde(flatten)]
    open: Option<OpenFacts>,
    connections: u32,
    depth: u16,
    threads: u32,
    skus: u32,
    seed: u64,
    seconds: f64,
    durability: String,
    /// Carts granted for the first time.
    reservations_per_second: f64,
    /// Answers of every kind, including those to checks.
    answers_per_second: f64,
    checks_per_second: f64,
    #[serde(flatten)]
    latency: Percentiles,
    /// Answers within the measured time, by code.
    answers: BTreeMap<&'static str, u64>,
    /// Refusals that were neither logged nor recorded.
    edge_refusals: u64,
    /// Carts of the whole run that were never answered.
    unknown: u64,
    connections_broken: Vec<String>,
    client_cpu_us_per_reservation: f64,
    server_cpu_us_per_reservation: f64,
    client_cpu_us_per_answer: f64,
    server_cpu_us_per_answer: f64,
    client_cpu_percent: f64,
    server_cpu_percent: f64,
    server_resident_bytes: u64,
    #[serde(flatten)]
    paging: Option<PagingFacts>,
    memory: MemoryFacts,
    log: LogFacts,
    storage: Option<StorageFacts>,
    machine: MachineFacts,
    server_version: String,
    interrupted: bool,
    series: Vec<Point>,
    latency_curve: Vec<CurvePoint>,
    audit: Audit,
}

/// The inputs of the report.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) measured: &'a Measured,
    /// The pace of an open loop.
    pub(crate) pace: Option<&'a Pace>,
    /// The server's status at both ends of the measured time.
    pub(crate) edges: (&'a Status, &'a Status),
    pub(crate) audit: Audit,
    pub(crate) server_resident_bytes: u64,
    pub(crate) interrupted: bool,
}

impl ClosedReport {
    pub(crate) fn new(
        arguments: &ClosedArguments,
        scenario: &Scenario,
        server: &ServerUnderTest,
        seen: Seen<'_>,
    ) -> Self {
        let Seen { measured, pace, edges: (before, after), audit, server_resident_bytes, interrupted } = seen;
        let Measured { tally, span, cost } = measured;
        let answered = tally.measured.total() + tally.checks;
        Self {
            scenario: scenario.name,
            r#loop: if pace.is_some() { "open" } else { "closed" },
            open: pace.map(|pace| OpenFacts::new(pace, arguments.pace.ramp, &arguments.load, measured)),
            connections: arguments.load.connections,
            depth: arguments.load.depth,
            threads: arguments.load.threads.min(arguments.load.connections),
            skus: scenario.skus(arguments.skus),
            seed: arguments.common.seed,
            seconds: span.as_secs_f64(),
            durability: after.durability.clone(),
            reservations_per_second: ratio::per_second(tally.sold, *span),
            answers_per_second: ratio::per_second(answered, *span),
            checks_per_second: ratio::per_second(tally.checks, *span),
            latency: Percentiles::of(&tally.latencies),
            answers: tally.measured.by_name(),
            edge_refusals: tally.edge_refusals,
            unknown: tally.unknown,
            connections_broken: tally.broken.clone(),
            client_cpu_us_per_reservation: ratio::us_each(cost.client_cpu, tally.sold),
            server_cpu_us_per_reservation: ratio::us_each(cost.server_cpu, tally.sold),
            client_cpu_us_per_answer: ratio::us_each(cost.client_cpu, answered),
            server_cpu_us_per_answer: ratio::us_each(cost.server_cpu, answered),
            client_cpu_percent: ratio::percent(cost.client_cpu, *span),
            server_cpu_percent: ratio::percent(cost.server_cpu, *span),
            server_resident_bytes,
            paging: cost.paging.map(|paging| paging.facts(*span)),
            memory: server.memory.clone(),
            log: LogFacts::between(before, after),
            storage: server.storage.clone(),
            machine: MachineFacts::new(cost.steal, *span),
            server_version: after.version.clone(),
            interrupted,
            series: tally.series.points(*span, pace.map(|pace| (pace, arguments.load.warmup))),
            latency_curve: curve_of(&tally.latencies),
            audit,
        }
    }

    /// The exit code of the run.
    pub(crate) fn exit(&self, is_ours: bool) -> Exit {
        let is_rate_kept = self.open.as_ref().is_none_or(|open| open.rate_kept);
        if self.audit.is_violated(is_ours) || !is_rate_kept {
            Exit::Violation
        } else if self.connections_broken.is_empty() {
            Exit::Fine
        } else {
            Exit::NotRun
        }
    }

    /// The text for people.
    pub(crate) fn text(&self) -> String {
        self.table().text()
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        let shape = format!(
            "{} connections × {} in flight{}, {} SKUs, {:.1} s, {} loop",
            self.connections,
            self.depth,
            if self.open.is_some() { " at most" } else { "" },
            self.skus,
            self.seconds,
            self.r#loop
        );
        table.row(self.scenario, shape);
        if let Some(open) = &self.open {
            open.rows(&mut table);
        }
        table.row(
            "reservations",
            format!("{:.0} per second, durability {}", self.reservations_per_second, self.durability),
        );
        table.row(
            "all answers",
            format!(
                "{:.0} per second, of which {:.0} to checks; {} edge refusals",
                self.answers_per_second, self.checks_per_second, self.edge_refusals
            ),
        );
        table.row("latency", self.latency.text());
        table.answers("answers", &self.answers);
        if self.unknown > 0 || !self.connections_broken.is_empty() {
            let broken = self.connections_broken.join("; ");
            table.row("not answered", format!("{} carts; broken connections: {broken}", self.unknown));
        }
        for (name, us_each, percent) in [
            ("client CPU", self.client_cpu_us_per_answer, self.client_cpu_percent),
            ("server CPU", self.server_cpu_us_per_answer, self.server_cpu_percent),
        ] {
            table.row(name, format!("{us_each:.3} µs per answer, {percent:.0} % of one core"));
        }
        table.row("server memory", format!("{} MiB", self.server_resident_bytes >> 20));
        table.paging(self.paging.as_ref());
        table.memory(&self.memory);
        table.log(&self.log);
        table.machine(&self.machine, self.storage.as_ref());
        table.audit(&self.audit);
        if self.interrupted {
            table.row("note", "stopped early by Ctrl-C".to_owned());
        }
        table
    }

    /// The page with charts.
    pub(crate) fn page(&self, is_ours: bool) -> Result<Page, anyhow::Error> {
        let shape = format!(
            "{} loop · {} connections × {} in flight · {} SKUs · {} s · durability {}",
            self.r#loop,
            self.connections,
            self.depth,
            self.skus,
            figures::short(self.seconds),
            self.durability
        );
        let mut tiles = Vec::new();
        if let Some(open) = &self.open {
            tiles.push(Tile { figure: open.rates(), name: "requested per second" });
            tiles.push(Tile { figure: figures::count(open.reached_rate), name: "reached per second" });
        } else {
            tiles.push(Tile { figure: figures::count(self.answers_per_second), name: "answers per second" });
        }
        if self.reservations_per_second > 0.0 {
            let figure = figures::count(self.reservations_per_second);
            tiles.push(Tile { figure, name: "reservations per second" });
        }
        tiles.extend(self.latency.tiles());
        let at = self.open.as_ref().map_or_else(
            || format!("{} connections × {} in flight, closed loop", self.connections, self.depth),
            |open| format!("{} per second, open loop", open.rates()),
        );
        let title = format!("Latency by percentile: {} at {at}", self.scenario);
        let mut charts = vec![charts::latencies(&title, &self.latency_curve)];
        charts.extend(charts::over_time(&self.series, &[]));
        let is_kept = self.open.as_ref().is_none_or(|open| open.rate_kept);
        Ok(Page {
            title: self.scenario.to_owned(),
            subtitle: shape,
            verdict: self.audit.verdict(is_ours, is_kept),
            tiles,
            charts,
            steps: Steps::default(),
            facts: self.table().into_rows(),
            json: serde_json::to_string_pretty(self)?,
        })
    }
}
