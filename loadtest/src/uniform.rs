//! The scenario `uniform`: single-line carts over uniformly chosen SKUs with plenty of stock, closed loop.

use crate::arguments::UniformArguments;
use crate::audit::{Audit, audit};
use crate::catalogue::Catalogue;
use crate::children::{ServerUnderTest, StorageFacts};
use crate::desk::Desk;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::latency::Percentiles;
use crate::measure::{Measured, Target, measure};
use crate::output::Output;
use crate::ratio;
use crate::server_log::LogFacts;
use crate::system::{MachineFacts, resident_bytes};
use crate::table::Table;
use anyhow::anyhow;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use stockhold_client::units_of;
use stockhold_protocol::query::Status;

/// Units of each SKU before the load: more than any run can sell.
const UNITS: u32 = 1_000_000_000;

/// The report, in the order in which it is printed as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct UniformReport {
    scenario: &'static str,
    /// Closed: a connection sends only when its last frame is answered, so latency at saturation is mostly waiting.
    r#loop: &'static str,
    connections: u32,
    depth: u16,
    threads: u32,
    skus: u32,
    seed: u64,
    seconds: f64,
    durability: String,
    reservations_per_second: f64,
    #[serde(flatten)]
    latency: Percentiles,
    /// Within the measured time, by code.
    answers: BTreeMap<&'static str, u64>,
    /// Carts of the whole run whose answer never came.
    unknown: u64,
    connections_broken: Vec<String>,
    client_cpu_us_per_reservation: f64,
    server_cpu_us_per_reservation: f64,
    client_cpu_percent: f64,
    server_cpu_percent: f64,
    server_resident_bytes: u64,
    log: LogFacts,
    storage: Option<StorageFacts>,
    machine: MachineFacts,
    server_version: String,
    interrupted: bool,
    audit: Audit,
}

/// Runs the scenario.
pub(crate) fn run(arguments: &UniformArguments, interrupt: &Interrupt) -> Result<Exit, Failure> {
    let output = Output::new(arguments.common.json);
    let server = ServerUnderTest::get(&arguments.common)?;
    let mut desk = Desk::connect(server.address)?;
    check_limits(arguments, &desk)?;
    output.note(&format!("preparing {} SKUs at {}", arguments.skus, server.address));
    let catalogue = Arc::new(Catalogue::prepare(&mut desk, arguments.skus, units_of(UNITS))?);
    let target = Target {
        address: server.address,
        server_pid: server.pid,
        catalogue: Arc::clone(&catalogue),
        seed: arguments.common.seed,
        name: "uniform",
    };
    let mut edges = Vec::new();
    let measured = measure(&target, &arguments.load, output, interrupt, || {
        edges.push(desk.status()?);
        Ok(())
    })?;
    let resident = server.pid.and_then(resident_bytes).unwrap_or(0);
    output.note("auditing");
    let audit = audit(&mut desk, &catalogue, &measured.tally)?;
    let [before, after] = edges.as_slice() else {
        return Err(anyhow!("the measurement has no edges").into());
    };
    let report = report(arguments, &server, &measured, (before, after), audit, resident, interrupt.is_set());
    output.report(&text(&report), &report)?;
    let is_ours = server.is_ours;
    drop(desk);
    server.finish()?;
    Ok(if report.audit.is_violated(is_ours) {
        Exit::Violation
    } else if report.connections_broken.is_empty() {
        Exit::Fine
    } else {
        Exit::NotRun
    })
}

/// What the server allows on one connection must hold the carts in flight.
fn check_limits(arguments: &UniformArguments, desk: &Desk) -> Result<(), Failure> {
    let limits = desk.welcome().limits;
    let most = limits.in_flight_max.min(limits.frame_count_max);
    if u32::from(arguments.load.depth) > most {
        return Err(Failure::usage(format!("--depth: this server takes {most} commands on one connection")));
    }
    Ok(())
}

fn report(
    arguments: &UniformArguments,
    server: &ServerUnderTest,
    measured: &Measured,
    (before, after): (&Status, &Status),
    audit: Audit,
    server_resident_bytes: u64,
    interrupted: bool,
) -> UniformReport {
    let Measured { tally, span, cost } = measured;
    let granted = tally.measured.successes();
    UniformReport {
        scenario: "uniform",
        r#loop: "closed",
        connections: arguments.load.connections,
        depth: arguments.load.depth,
        threads: arguments.load.threads.min(arguments.load.connections),
        skus: arguments.skus,
        seed: arguments.common.seed,
        seconds: span.as_secs_f64(),
        durability: after.durability.clone(),
        reservations_per_second: ratio::per_second(granted, *span),
        latency: Percentiles::of(&tally.latencies),
        answers: tally.measured.by_name(),
        unknown: tally.unknown,
        connections_broken: tally.broken.clone(),
        client_cpu_us_per_reservation: ratio::us_each(cost.client_cpu, granted),
        server_cpu_us_per_reservation: ratio::us_each(cost.server_cpu, granted),
        client_cpu_percent: ratio::percent(cost.client_cpu, *span),
        server_cpu_percent: ratio::percent(cost.server_cpu, *span),
        server_resident_bytes,
        log: LogFacts::between(before, after),
        storage: server.storage.clone(),
        machine: MachineFacts::new(cost.steal, *span),
        server_version: after.version.clone(),
        interrupted,
        audit,
    }
}

fn text(report: &UniformReport) -> String {
    let mut table = Table::new();
    let shape = format!(
        "{} connections × {} carts in flight, {} SKUs, {:.1} s, closed loop",
        report.connections, report.depth, report.skus, report.seconds
    );
    table.row("uniform", shape);
    table.row(
        "reservations",
        format!("{:.0} per second, durability {}", report.reservations_per_second, report.durability),
    );
    table.row("latency", report.latency.text());
    table.answers("answers", &report.answers);
    if report.unknown > 0 || !report.connections_broken.is_empty() {
        let broken = report.connections_broken.join("; ");
        table.row("not answered", format!("{} carts; broken connections: {broken}", report.unknown));
    }
    table.cpu("client CPU", report.client_cpu_us_per_reservation, report.client_cpu_percent);
    table.cpu("server CPU", report.server_cpu_us_per_reservation, report.server_cpu_percent);
    table.row("server memory", format!("{} MiB", report.server_resident_bytes >> 20));
    table.log(&report.log);
    table.machine(&report.machine, report.storage.as_ref());
    table.audit(&report.audit);
    if report.interrupted {
        table.row("note", "stopped early by Ctrl-C".to_owned());
    }
    table.text()
}
