//! The report of a sale.

use super::Offer;
use super::flash::DoorsFacts;
use super::record::SaleRecord;
use crate::arguments::Ramp;
use crate::audit::Audit;
use crate::charts;
use crate::children::{ServerUnderTest, StorageFacts};
use crate::exit::Exit;
use crate::latency::{CurvePoint, Percentiles, curve_of};
use crate::memory::MemoryFacts;
use crate::open_loop::span_ns;
use crate::page::{Page, Steps, Tile};
use crate::plot::figures;
use crate::ratio;
use crate::series::Point;
use crate::server_log::LogFacts;
use crate::system::{Cost, MachineFacts, PagingFacts};
use crate::table::Table;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use stockhold_protocol::query::Status;
use stockhold_workload::Tally;

/// The inputs of the report.
#[derive(Debug)]
pub(crate) struct Findings<'a> {
    pub(crate) record: &'a SaleRecord,
    pub(crate) tally: Tally,
    pub(crate) cost: Cost,
    pub(crate) span: Duration,
    pub(crate) status: (&'a Status, &'a Status),
    pub(crate) server_resident_bytes: u64,
    pub(crate) interrupted: bool,
    pub(crate) audit: Audit,
}

/// The report, in the order in which it is printed as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct SaleReport {
    scenario: &'static str,
    /// Open: latency counts from the due time on.
    r#loop: &'static str,
    rate: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    ramp: Option<Ramp>,
    #[serde(flatten)]
    doors: Option<DoorsFacts>,
    connections: u32,
    skus: u32,
    seed: u64,
    seconds: f64,
    durability: String,
    /// Shoppers that were due, and how many of them were sent in time.
    shoppers: u64,
    shoppers_in_time: u64,
    rate_kept: bool,
    /// Shoppers due each second on average, and the rate of those answered in that time.
    asked_rate: f64,
    reached_rate: f64,
    /// How long after its due time a shopper was sent.
    send_lag: Percentiles,
    reserved: u64,
    refused: u64,
    reservations_per_second: f64,
    /// The latencies of carts.
    #[serde(flatten)]
    latency: Percentiles,
    payment_latency: Percentiles,
    check_latency: Percentiles,
    checks: u64,
    answers: BTreeMap<&'static str, u64>,
    payment_answers: BTreeMap<&'static str, u64>,
    release_answers: BTreeMap<&'static str, u64>,
    /// Edge refusals: neither logged nor recorded.
    edge_refusals: u64,
    /// Holds that were left to expire.
    abandoned_holds: u64,
    unknown: u64,
    connections_broken: Vec<String>,
    client_cpu_us_per_reservation: f64,
    server_cpu_us_per_reservation: f64,
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
    /// The curve of cart latencies.
    latency_curve: Vec<CurvePoint>,
    audit: Audit,
}

impl SaleReport {
    pub(crate) fn new(offer: &Offer<'_>, server: &ServerUnderTest, findings: Findings<'_>) -> Self {
        let Findings { record, tally, cost, span, status: (before, after), interrupted, .. } = findings;
        let reserved = record.carts.successes();
        let selling = Duration::from_nanos(record.last_answer_ns);
        let coming = if interrupted { span.min(record.span) } else { record.span };
        Self {
            scenario: offer.name,
            r#loop: "open",
            rate: offer.rate,
            ramp: offer.ramp,
            doors: offer.doors.map(|doors| doors.facts(offer.hot, record.sold_out_ns)),
            connections: offer.connections,
            skus: offer.skus,
            seed: offer.common.seed,
            seconds: selling.as_secs_f64(),
            durability: after.durability.clone(),
            shoppers: record.shoppers,
            shoppers_in_time: record.shoppers_in_time,
            // 99 % must have been sent by the end. An early end by Ctrl-C is not a failure.
            rate_kept: record.shoppers_in_time * 100 >= record.shoppers * 99,
            asked_rate: ratio::per_second(offer.pace.due_by(span_ns(coming)), coming),
            reached_rate: ratio::per_second(record.answered_in_time, coming),
            send_lag: Percentiles::of(&record.send_lag),
            reserved,
            refused: record.carts.total() - reserved,
            reservations_per_second: ratio::per_second(reserved, selling),
            latency: Percentiles::of(&record.cart_latency),
            payment_latency: Percentiles::of(&record.payment_latency),
            check_latency: Percentiles::of(&record.check_latency),
            checks: record.check_latency.count(),
            answers: record.carts.by_name(),
            payment_answers: record.payments.by_name(),
            release_answers: record.releases.by_name(),
            edge_refusals: record.edge_refusals,
            abandoned_holds: record.abandoned,
            unknown: record.unknown,
            connections_broken: record.broken.clone(),
            client_cpu_us_per_reservation: ratio::us_each(cost.client_cpu, tally.granted),
            server_cpu_us_per_reservation: ratio::us_each(cost.server_cpu, tally.granted),
            client_cpu_percent: ratio::percent(cost.client_cpu, span),
            server_cpu_percent: ratio::percent(cost.server_cpu, span),
            server_resident_bytes: findings.server_resident_bytes,
            paging: cost.paging.map(|paging| paging.facts(span)),
            memory: server.memory.clone(),
            log: LogFacts::between(before, after),
            storage: server.storage.clone(),
            machine: MachineFacts::new(cost.steal, span),
            server_version: after.version.clone(),
            interrupted,
            series: record.series.points(coming, Some((&offer.pace, Duration::ZERO))),
            latency_curve: curve_of(&record.cart_latency),
            audit: findings.audit,
        }
    }

    /// The exit code of the run.
    pub(crate) fn exit(&self, is_ours: bool) -> Exit {
        if self.audit.is_violated(is_ours) || !self.rate_kept {
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
        let Self { rate, connections, skus, seconds, shoppers, .. } = self;
        let rate = self.ramp.map_or_else(|| rate.to_string(), |Ramp { from, to }| format!("{from} to {to}"));
        let shape = format!(
            "{rate} shoppers per second over {connections} connections, {skus} SKUs, {seconds:.1} s, open loop"
        );
        table.row(self.scenario, shape);
        if let Some(doors) = &self.doors {
            table.row("doors", doors.text());
        }
        let kept = if self.rate_kept { "the rate was kept" } else { "THE RATE WAS NOT KEPT" };
        table.row("shoppers", format!("{shoppers}, {} of them sent in time: {kept}", self.shoppers_in_time));
        table.row(
            "rate",
            format!("{:.0} per second requested, {:.0} reached", self.asked_rate, self.reached_rate),
        );
        table.row("sent late by", self.send_lag.text());
        let (reserved, refused, each_second) = (self.reserved, self.refused, self.reservations_per_second);
        table.row(
            "carts",
            format!("{reserved} reserved, {refused} refused; {each_second:.0} reservations per second"),
        );
        table.row("durability", self.durability.clone());
        table.row("cart latency", self.latency.text());
        table.row("payment latency", self.payment_latency.text());
        table.row("check latency", format!("{} ({} checks)", self.check_latency.text(), self.checks));
        table.answers("cart answers", &self.answers);
        table.row("", format!("of which edge refusals: {}", self.edge_refusals));
        table.answers("payments", &self.payment_answers);
        table.answers("releases", &self.release_answers);
        table.row("abandoned", format!("{} holds, all expired before the audit", self.abandoned_holds));
        if self.unknown > 0 || !self.connections_broken.is_empty() {
            let broken = self.connections_broken.join("; ");
            table.row("not answered", format!("{} commands; broken connections: {broken}", self.unknown));
        }
        table.cpu("client CPU", self.client_cpu_us_per_reservation, self.client_cpu_percent);
        table.cpu("server CPU", self.server_cpu_us_per_reservation, self.server_cpu_percent);
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
        let subtitle = format!(
            "open loop · {} connections · {} SKUs · durability {}",
            self.connections, self.skus, self.durability
        );
        let tile = |figure, name| Tile { figure, name };
        let mut tiles = vec![
            tile(figures::count(ratio::number(self.shoppers)), "shoppers"),
            tile(figures::count(ratio::number(self.reserved)), "carts reserved"),
            tile(figures::count(ratio::number(self.refused)), "carts refused"),
        ];
        tiles.extend(self.latency.tiles());
        let doors = self.doors.as_ref().map(|doors| (doors.doors_at_s, "the doors open".to_owned()));
        let at = figures::count(self.asked_rate);
        let title = format!(
            "Latency of carts by percentile: {} with {at} shoppers per second on average",
            self.scenario
        );
        let mut charts = vec![charts::latencies(&title, &self.latency_curve)];
        charts.extend(charts::over_time(&self.series, doors.as_slice()));
        Ok(Page {
            title: self.scenario.to_owned(),
            subtitle,
            verdict: self.audit.verdict(is_ours, self.rate_kept),
            tiles,
            charts,
            steps: Steps::default(),
            facts: self.table().into_rows(),
            json: serde_json::to_string_pretty(self)?,
        })
    }
}
