//! The two ceilings of this machine. E(c,d) is the same client, connections and frames against an echo server that
//! decides nothing. S is one block made durable by the server's own log code. A server can be compared with both when
//! they are measured in the same run.

use crate::arguments::CeilingArguments;
use crate::children::{ChildProcess, DataDir, StorageFacts};
use crate::closed::scenario::Scenario;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::latency::Percentiles;
use crate::measure::{Measured, Target, measure};
use crate::output::Output;
use crate::ratio;
use crate::system::{MachineFacts, PagingFacts};
use crate::table::Table;
use crate::tally::Latencies;
use crate::test_catalog::TestCatalog;
use anyhow::{Context as _, anyhow};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use stockhold::config::{Config, WritePathChoice};
use stockhold::directory::Directory;
use stockhold::recovery::recover;
use stockhold::server;
use stockhold::storage::SharedStorage;
use stockhold::wal::{CommitLog, LogOptions, LogStart, LogWriter};
use stockhold_client::wall_clock_ms;
use stockhold_machine::{Configuration, Genesis};
use stockhold_protocol::Timestamp;

/// SKUs of the carts. The echo server ignores them.
const SKUS: u32 = 1_000;
/// A payload that fills one block together with the head of its frame.
const PAYLOAD_BYTES: usize = 4_000;
/// The salt of the temporary log.
const SALT: u64 = 1;

/// The report.
#[derive(Debug, Serialize)]
struct CeilingReport {
    scenario: &'static str,
    connections: u32,
    depth: u16,
    threads: u32,
    seconds: f64,
    /// E(c,d).
    echoes_per_second: f64,
    #[serde(flatten)]
    latency: Percentiles,
    client_cpu_us_per_echo: f64,
    server_cpu_us_per_echo: f64,
    #[serde(flatten)]
    paging: Option<PagingFacts>,
    /// S.
    synced_block_us: Percentiles,
    synced_blocks: u64,
    storage: StorageFacts,
    machine: MachineFacts,
}

/// Measures both.
pub(crate) fn run(arguments: &CeilingArguments, interrupt: &Interrupt) -> Result<Exit, Failure> {
    let output = Output::new(arguments.json);
    let data_dir = DataDir::make(arguments.data_dir.as_deref(), false)?;
    let storage = server::open_storage(data_dir.path(), WritePathChoice::Auto)?;
    let facts = StorageFacts::of(storage.medium());
    data_dir.check(&facts)?;
    let synced = synced_blocks(data_dir.path(), arguments.blocks, interrupt)?;

    let echo = ChildProcess::start(&["echo-child".as_ref()], None)?;
    let target = Target {
        address: echo.ready.address,
        server_pid: Some(echo.pid()),
        catalog: Arc::new(TestCatalog::imaginary(SKUS)),
        seed: 1,
        scenario: Scenario::UNIFORM,
        asked: None,
        name: "echo",
    };
    let Measured { tally, span, cost } = measure(&target, &arguments.load, output, interrupt, || Ok(()))?;
    echo.stop()?;
    if let Some(broken) = tally.broken.first() {
        return Err(anyhow!("a connection to the echo server broke: {broken}").into());
    }
    let echoes = tally.measured.total();
    let report = CeilingReport {
        scenario: "ceilings",
        connections: arguments.load.connections,
        depth: arguments.load.depth,
        threads: arguments.load.threads.min(arguments.load.connections),
        seconds: span.as_secs_f64(),
        echoes_per_second: ratio::per_second(echoes, span),
        latency: Percentiles::of(&tally.latencies),
        client_cpu_us_per_echo: ratio::us_each(cost.client_cpu, echoes),
        server_cpu_us_per_echo: ratio::us_each(cost.server_cpu, echoes),
        paging: cost.paging.map(|paging| paging.facts(span)),
        synced_block_us: Percentiles::of(&synced),
        synced_blocks: synced.count(),
        storage: facts,
        machine: MachineFacts::new(cost.steal, span),
    };
    output.report(&text(&report), &report)?;
    Ok(Exit::Fine)
}

fn text(report: &CeilingReport) -> String {
    let mut table = Table::new();
    let (connections, depth) = (report.connections, report.depth);
    table.row(
        "E(c,d)",
        format!("{:.0} echoes per second at c = {connections}, d = {depth}", report.echoes_per_second),
    );
    table.row("latency", report.latency.text());
    let (client, server) = (report.client_cpu_us_per_echo, report.server_cpu_us_per_echo);
    table.row("CPU", format!("client {client:.3} µs, echo server {server:.3} µs per echo"));
    table.paging(report.paging.as_ref());
    table.row("S", format!("{}, over {} synced blocks", report.synced_block_us.text(), report.synced_blocks));
    table.machine(&report.machine, Some(&report.storage));
    table.text()
}

/// Measures single-block appends of the server's own log, one in flight.
pub(crate) fn synced_blocks(
    path: &Path,
    blocks: u32,
    interrupt: &Interrupt,
) -> Result<Latencies, anyhow::Error> {
    let mut latencies = Latencies::new()?;
    let mut log = open_log(path)?;
    let mut frame = log.frame_buffer();
    frame.extend_from_slice(&[0x5A; PAYLOAD_BYTES]);
    for _ in 0..blocks {
        if interrupt.is_set() {
            break;
        }
        let began = Instant::now();
        log.append(&mut frame, 1).context("cannot write a block")?;
        latencies.record(began.elapsed(), 1);
    }
    Ok(latencies)
}

/// A new log whose first segment has room for all blocks, so that only the write is measured.
fn open_log(path: &Path) -> Result<LogWriter, anyhow::Error> {
    let config = Config { data_dir: path.to_owned(), ..Config::default() };
    let now_ms = wall_clock_ms();
    let genesis = Genesis { configuration: Configuration::default(), formatted_at: Timestamp(now_ms) };
    server::format_directory(&config, &genesis).context("cannot format the data directory")?;
    let storage: SharedStorage = server::open_storage(path, WritePathChoice::Auto)?;
    let directory = Directory::open(storage.clone())?;
    let recovered = recover(&directory, |_| {})?;
    let manifest = directory.manifest();
    let start = LogStart { log_uuid: manifest.log_uuid, epoch: manifest.epoch(), now_ms, salt_seed: SALT };
    let (log, _preparer) = LogWriter::begin(&storage, LogOptions::default(), start, &recovered.end)?;
    Ok(log)
}
