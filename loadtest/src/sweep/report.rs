//! The report of a sweep: a line for each step, and the knee.

use super::arguments::SweepArguments;
use crate::audit::Audit;
use crate::children::{ServerUnderTest, StorageFacts};
use crate::closed::scenario::Scenario;
use crate::exit::Exit;
use crate::latency::Percentiles;
use crate::measure::Measured;
use crate::memory::MemoryFacts;
use crate::open_loop::facts::OpenFacts;
use crate::page::{Page, Steps, Tile};
use crate::plot::{Axis, Chart, Kind, Line, Mark, Stroke, Unit, figures};
use crate::ratio;
use crate::server_log::LogFacts;
use crate::system::{MachineFacts, PagingFacts};
use crate::table::{Table, columns};
use crate::tally::Tally;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use stockhold_protocol::query::Status;

/// One step.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Step {
    /// The requested rate, in an open loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rate: Option<u32>,
    depth: u16,
    pub(super) reached_rate: f64,
    /// Whether 98 % of it was reached. Absent in a closed loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_kept: Option<bool>,
    #[serde(flatten)]
    latency: Percentiles,
    /// How late operations were sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    send_lag_p99_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unsent: Option<u64>,
    answers: BTreeMap<&'static str, u64>,
    client_cpu_percent: f64,
    server_cpu_percent: f64,
    #[serde(flatten)]
    paging: Option<PagingFacts>,
    steal_percent: f64,
    /// Whether the rate was kept and the 99th percentile is below the limit.
    pub(super) is_good: bool,
}

/// The step that was searched for.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Knee {
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<u32>,
    depth: u16,
    reached_rate: f64,
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
    /// Whether a higher step was bad. If not, the knee is beyond the range.
    is_bounded: bool,
}

/// The inputs of the report.
#[derive(Debug)]
pub(super) struct Findings<'a> {
    pub(super) steps: Vec<Step>,
    pub(super) knee: Option<Knee>,
    pub(super) tally: &'a Tally,
    pub(super) edges: (&'a Status, &'a Status),
    pub(super) audit: Audit,
    pub(super) interrupted: bool,
}

/// The report, in the order in which it is printed as JSON.
#[derive(Debug, Serialize)]
pub(super) struct SweepReport {
    scenario: &'static str,
    /// The scenario of every step.
    of: &'static str,
    r#loop: &'static str,
    connections: u32,
    threads: u32,
    skus: u32,
    seed: u64,
    /// The measured time of each step.
    seconds: f64,
    warmup: f64,
    p99_limit_ms: f64,
    durability: String,
    knee: Option<Knee>,
    steps: Vec<Step>,
    unknown: u64,
    connections_broken: Vec<String>,
    /// The log activity over all steps.
    log: LogFacts,
    /// The state of memory when the server started. The cost of each step is in the step.
    memory: MemoryFacts,
    storage: Option<StorageFacts>,
    machine: MachineFacts,
    server_version: String,
    interrupted: bool,
    audit: Audit,
}

impl Step {
    pub(super) fn open(
        rate: u32,
        depth: u16,
        facts: &OpenFacts,
        measured: &Measured,
        limit: Duration,
    ) -> Self {
        Self {
            rate: Some(rate),
            reached_rate: facts.reached_rate,
            rate_kept: Some(facts.rate_kept),
            send_lag_p99_us: Some(facts.send_lag.p99_us),
            unsent: Some(facts.unsent),
            is_good: facts.rate_kept && is_below(measured, limit),
            ..Self::closed(depth, measured, limit)
        }
    }

    pub(super) fn closed(depth: u16, measured: &Measured, limit: Duration) -> Self {
        let Measured { tally, span, cost } = measured;
        Self {
            rate: None,
            depth,
            reached_rate: ratio::per_second(tally.measured.served() + tally.checks, *span),
            rate_kept: None,
            latency: Percentiles::of(&tally.latencies),
            send_lag_p99_us: None,
            unsent: None,
            answers: tally.measured.by_name(),
            client_cpu_percent: ratio::percent(cost.client_cpu, *span),
            server_cpu_percent: ratio::percent(cost.server_cpu, *span),
            paging: cost.paging.map(|paging| paging.facts(*span)),
            steal_percent: ratio::percent(cost.steal, *span),
            is_good: is_below(measured, limit),
        }
    }

    fn cells(&self) -> Vec<String> {
        let Self { latency, .. } = self;
        let asked = self.rate.map_or_else(|| self.depth.to_string(), |rate| figures::count(f64::from(rate)));
        let verdict = match (self.is_good, self.rate_kept) {
            (true, _) => "good",
            (false, Some(false)) => "rate not kept",
            (false, _) => "p99 too high",
        };
        let unknown = || "?".to_owned();
        vec![
            asked,
            figures::count(self.reached_rate),
            figures::latency(latency.p50_us),
            figures::latency(latency.p99_us),
            figures::latency(latency.p999_us),
            figures::latency(latency.max_us),
            format!("{:.0} %", self.client_cpu_percent),
            format!("{:.0} %", self.server_cpu_percent),
            self.paging.map_or_else(unknown, |paging| format!("{:.0} %", paging.system_percent)),
            self.paging.map_or_else(unknown, |paging| paging.minor_faults.to_string()),
            self.paging
                .map_or_else(unknown, |paging| format!("{} MiB", paging.resident_growth_bytes / (1 << 20))),
            format!("{:.0} %", self.steal_percent),
            verdict.to_owned(),
        ]
    }
}

fn is_below(measured: &Measured, limit: Duration) -> bool {
    let latencies = &measured.tally.latencies;
    latencies.count() > 0 && Duration::from_nanos(latencies.quantile(0.99)) < limit
}

impl Knee {
    pub(super) const fn at(step: &Step, is_bounded: bool) -> Self {
        let Percentiles { p50_us, p99_us, p999_us, .. } = step.latency;
        Self {
            rate: step.rate,
            depth: step.depth,
            reached_rate: step.reached_rate,
            p50_us,
            p99_us,
            p999_us,
            is_bounded,
        }
    }

    fn text(&self) -> String {
        let Self { reached_rate, p50_us, p99_us, .. } = self;
        let what = self.rate.map_or_else(
            || format!("depth {}", self.depth),
            |rate| format!("{} per second", figures::count(f64::from(rate))),
        );
        let beyond = if self.is_bounded { "" } else { "; it may be higher, the range ends here" };
        let (p50, p99) = (figures::latency(*p50_us), figures::latency(*p99_us));
        format!("{what} ({reached_rate:.0} reached, p50 {p50}, p99 {p99}){beyond}")
    }
}

impl SweepReport {
    pub(super) fn new(
        arguments: &SweepArguments,
        scenario: &Scenario,
        server: &ServerUnderTest,
        findings: Findings<'_>,
    ) -> Self {
        let Findings { steps, knee, tally, edges: (before, after), audit, interrupted } = findings;
        let steal: Vec<f64> = steps.iter().map(|step| step.steal_percent).collect();
        let machine = MachineFacts {
            steal_percent: ratio::median(&steal).unwrap_or(0.0),
            ..MachineFacts::new(Duration::ZERO, Duration::ZERO)
        };
        Self {
            scenario: "sweep",
            of: scenario.name,
            r#loop: if arguments.depths.is_empty() { "open" } else { "closed" },
            connections: arguments.load.connections,
            threads: arguments.load.threads.min(arguments.load.connections),
            skus: scenario.skus(arguments.skus),
            seed: arguments.common.seed,
            seconds: arguments.load.seconds.as_secs_f64(),
            warmup: arguments.load.warmup.as_secs_f64(),
            p99_limit_ms: ratio::ms(arguments.p99_limit_ms),
            durability: after.durability.clone(),
            knee,
            steps,
            unknown: tally.unknown,
            connections_broken: tally.broken.clone(),
            log: LogFacts::between(before, after),
            memory: server.memory.clone(),
            storage: server.storage.clone(),
            machine,
            server_version: after.version.clone(),
            interrupted,
            audit,
        }
    }

    /// The exit code of the run.
    pub(super) fn exit(&self, is_ours: bool) -> Exit {
        let is_without_knee = self.knee.is_none() && !self.interrupted;
        if self.audit.is_violated(is_ours) || is_without_knee {
            Exit::Violation
        } else if self.connections_broken.is_empty() {
            Exit::Fine
        } else {
            Exit::NotRun
        }
    }

    /// The text for people.
    pub(super) fn text(&self) -> String {
        let rows: Vec<Vec<String>> = self.steps.iter().map(Step::cells).collect();
        format!("{}\n{}", columns(&self.head(), &rows), self.table().text())
    }

    fn head(&self) -> [&'static str; 13] {
        let first = if self.r#loop == "open" { "asked/s" } else { "depth" };
        [
            first,
            "reached/s",
            "p50",
            "p99",
            "p99.9",
            "max",
            "client CPU",
            "server CPU",
            "in kernel",
            "faults",
            "grown",
            "steal",
            "verdict",
        ]
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        let Self { of, connections, skus, seconds, .. } = self;
        let each =
            format!("{of}, {connections} connections, {skus} SKUs, {seconds} s each, {} loop", self.r#loop);
        table.row("sweep", each);
        let none = || "none: the first step was already bad".to_owned();
        table.row("knee", self.knee.as_ref().map_or_else(none, Knee::text));
        let rule = if self.r#loop == "open" { "98 % of the rate reached and " } else { "" };
        table.row("a good step", format!("{rule}p99 below {} ms", self.p99_limit_ms));
        table.row("durability", self.durability.clone());
        if self.unknown > 0 || !self.connections_broken.is_empty() {
            let broken = self.connections_broken.join("; ");
            table.row("not answered", format!("{} carts; broken connections: {broken}", self.unknown));
        }
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
    pub(super) fn page(&self, is_ours: bool) -> Result<Page, anyhow::Error> {
        let tile = |figure, name| Tile { figure, name };
        let tiles = self.knee.iter().flat_map(|knee| {
            let at = match knee.rate {
                Some(rate) => tile(figures::count(f64::from(rate)), "per second at the knee"),
                None => tile(knee.depth.to_string(), "in flight per connection at the knee"),
            };
            [
                at,
                tile(figures::count(knee.reached_rate), "reached per second"),
                tile(figures::latency(knee.p50_us), "p50 there"),
                tile(figures::latency(knee.p99_us), "p99 there"),
                tile(figures::latency(knee.p999_us), "p99.9 there"),
            ]
        });
        let is_knee = |step: &Step| {
            self.knee.as_ref().is_some_and(|knee| (knee.rate, knee.depth) == (step.rate, step.depth))
        };
        Ok(Page {
            title: format!("sweep of {}", self.of),
            subtitle: format!(
                "{} loop · {} connections · {} SKUs · durability {}",
                self.r#loop, self.connections, self.skus, self.durability
            ),
            verdict: self.audit.verdict(is_ours, self.knee.is_some()),
            tiles: tiles.collect(),
            charts: self.charts(),
            steps: Steps {
                head: self.head().to_vec(),
                rows: self.steps.iter().map(|step| (step.cells(), is_knee(step))).collect(),
            },
            facts: self.table().into_rows(),
            json: serde_json::to_string_pretty(self)?,
        })
    }

    fn charts(&self) -> Vec<Chart> {
        let at = |step: &Step| step.rate.map_or_else(|| f64::from(step.depth), f64::from);
        let is_open = self.r#loop == "open";
        let axis = || Axis {
            name: if is_open { "requested per second" } else { "in flight on each connection" },
            kind: Kind::Log,
            unit: Unit::Count,
        };
        let line = |name: &str, stroke, of: fn(&Step) -> f64| Line {
            name: name.to_owned(),
            stroke,
            points: self.steps.iter().map(|step| (at(step), of(step))).collect(),
        };
        let knee = self.knee.as_ref().map(|knee| {
            let at = knee.rate.map_or_else(|| f64::from(knee.depth), f64::from);
            Mark::Upright(at, "the knee".to_owned())
        });
        let limit =
            Mark::Level(ratio::thousand(self.p99_limit_ms), format!("p99 limit {} ms", self.p99_limit_ms));
        let mut rates = vec![line("reached", Stroke::Dots(0), |step| step.reached_rate)];
        if is_open {
            rates.push(line("requested", Stroke::Dashed, |step| step.rate.map_or(f64::NAN, f64::from)));
        }
        vec![
            Chart {
                title: if is_open { "Latency by rate" } else { "Latency by depth" }.to_owned(),
                x: axis(),
                y: Axis { name: "latency", kind: Kind::Log, unit: Unit::Latency },
                lines: vec![
                    line("p50", Stroke::Dots(0), |step| step.latency.p50_us),
                    line("p99", Stroke::Dots(1), |step| step.latency.p99_us),
                    line("p99.9", Stroke::Dots(2), |step| step.latency.p999_us),
                ],
                marks: knee.iter().cloned().chain([limit]).collect(),
            },
            Chart {
                title: if is_open { "Rate reached by rate requested" } else { "Answers by depth" }.to_owned(),
                x: axis(),
                y: Axis { name: "answers per second", kind: Kind::Linear, unit: Unit::Rate },
                lines: rates,
                marks: knee.into_iter().collect(),
            },
        ]
    }
}
