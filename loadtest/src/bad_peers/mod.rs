//! Healthy carts beside misbehaving peers. The scenario measures whether a mute, idle, slow, flooding or broken peer
//! costs the others throughput or the server memory. Each kind of peers is started and stopped several times while
//! the same healthy connections continue. The throughput with it is compared with that before and after it, so that a
//! machine that changes its speed does not cause a finding.

pub(crate) mod arguments;
mod bound;
mod peers;
mod queries;
mod report;

use crate::arguments::CommonArguments;
use crate::audit::{Audit, audit};
use crate::children::{ServerUnderTest, StorageFacts};
use crate::closed::scenario::Scenario;
use crate::control_connection::ControlConnection;
use crate::exit::{Exit, Failure};
use crate::generator::{self, Plan, Start, Window};
use crate::interrupt::Interrupt;
use crate::memory::MemoryFacts;
use crate::output::Output;
use crate::ratio;
use crate::system::{Reading, resident_bytes};
use crate::tally::{Latencies, Tally};
use crate::test_catalog::TestCatalog;
use anyhow::{Context, anyhow};
use arguments::BadPeersArguments;
use clap::ValueEnum;
use peers::{Kind, PeerTarget, Peers};
use report::{BadPeersReport, KindMeasurement};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use stockhold_client::units_of;

/// SKUs that the healthy connections buy.
const SKUS: u32 = 1_000;
/// Units of each SKU: more than any run can sell.
const UNITS: u32 = 1_000_000_000;
/// File descriptors that are not connections of peers.
const FILES_BESIDE: u64 = 1_200;
/// Connections that a server reserves for peers on its own machine.
const LOCAL_PLACES: u32 = 16;
/// Connections of a crowd beyond the server's limit.
const CROWD_SURPLUS: u32 = 8;
/// How long peers may take to reach their state.
const SETTLE_MAX: Duration = Duration::from_secs(20);
/// The pause after peers were started or stopped, before anything is measured.
const SETTLE: Duration = Duration::from_millis(300);
/// How often memory is read.
const POLL: Duration = Duration::from_millis(20);
/// Longer than any run.
const FOR_EVER: Duration = Duration::from_hours(24);

/// Runs the scenario.
pub(crate) fn run(arguments: &BadPeersArguments, interrupt: &Interrupt) -> Result<Exit, Failure> {
    let output = Output::new(arguments.common.json);
    raise_file_limit(u64::from(arguments.idle) + u64::from(arguments.connections) + FILES_BESIDE)?;
    let mut common = arguments.common.clone();
    if common.server.is_none() {
        let room = u64::from(arguments.idle) + FILES_BESIDE;
        common.set.insert(0, ("limits.connections".to_owned(), room.to_string()));
    }
    let kinds =
        if arguments.kinds.is_empty() { Kind::value_variants().to_vec() } else { arguments.kinds.clone() };
    let mut results = Results::new()?;
    for kind in kinds {
        if !interrupt.is_set() {
            results.measure_kind(kind, arguments, &common, output)?;
        }
    }
    let report = BadPeersReport::new(arguments, &results);
    output.report(&report.text(), &report)?;
    Ok(report.exit(results.is_ours))
}

/// The results so far.
pub(crate) struct Results {
    measurements: Vec<KindMeasurement>,
    tally: Tally,
    audit: Audit,
    storage: Option<StorageFacts>,
    is_ours: bool,
}

impl Results {
    fn new() -> Result<Self, anyhow::Error> {
        let tally = Tally::new(SKUS as usize)?;
        Ok(Self { measurements: Vec::new(), tally, audit: Audit::default(), storage: None, is_ours: true })
    }

    /// Measures one kind, on a fresh server unless the server was given: the healthy carts of one kind are tens of
    /// millions, and a server remembers all of them.
    fn measure_kind(
        &mut self,
        kind: Kind,
        arguments: &BadPeersArguments,
        common: &CommonArguments,
        output: Output,
    ) -> Result<(), Failure> {
        let mut common = common.clone();
        if kind == Kind::Crowd && common.server.is_none() {
            common.set.insert(1, ("limits.connections".to_owned(), crowded(arguments).to_string()));
        }
        common.data_dir = common.data_dir.map(|chosen| chosen.join(report::name(kind).replace(' ', "-")));
        let server = ServerUnderTest::get(&common)?;
        let mut control = ControlConnection::connect(server.address)?;
        let mut catalog = TestCatalog::prepare(&mut control, SKUS + 1, units_of(UNITS), 0)?;
        // The last SKU is for the flood. What it buys is not summed.
        let (sku, _) = (catalog.skus.pop(), catalog.salable.pop());
        let target = PeerTarget {
            address: server.address,
            stock: catalog.stock,
            sku: sku.ok_or_else(|| anyhow!("there is no SKU for the flood"))?,
        };
        let catalog = Arc::new(catalog);
        // Memory is measured first, because it also grows with the healthy carts.
        output.note(&format!("memory with {}", report::name(kind)));
        let mut measurement = measure_memory(kind, arguments, &server, target, &control)?;
        let healthy = HealthyLoad::start(arguments, &server, &catalog)?;
        output.note(&format!("throughput with {}", report::name(kind)));
        measure_throughput(&mut measurement, arguments, &server, target, &healthy, &mut control)?;
        let tally = healthy.stop(catalog.skus.len())?;
        output.note("auditing");
        self.audit.merge(audit(&mut control, &catalog, &tally, true)?);
        self.tally.merge(tally)?;
        self.measurements.push(measurement);
        self.storage.clone_from(&server.storage);
        self.is_ours = server.is_ours;
        drop(control);
        server.finish()?;
        Ok(())
    }
}

/// The connection limit of a server that is to be full: a few less than there are connections, including those
/// reserved for its own machine.
fn crowded(arguments: &BadPeersArguments) -> u32 {
    (arguments.idle + arguments.connections).saturating_sub(LOCAL_PLACES + CROWD_SURPLUS).max(1)
}

/// This process and the server, which inherits the limit, need a descriptor for each connection.
fn raise_file_limit(needed: u64) -> Result<(), Failure> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if limit.maximum.is_some_and(|maximum| maximum < needed) {
        return Err(Failure::usage(format!(
            "this needs {needed} open files and the system allows {:?}; choose a smaller --idle",
            limit.maximum.unwrap_or(0)
        )));
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum: limit.maximum })?;
    Ok(())
}

/// The healthy connections. They run during the whole measurement.
struct HealthyLoad {
    start: Arc<Start>,
    interrupt: Interrupt,
    thread: JoinHandle<Result<Tally, anyhow::Error>>,
}

impl HealthyLoad {
    fn start(
        arguments: &BadPeersArguments,
        server: &ServerUnderTest,
        catalog: &Arc<TestCatalog>,
    ) -> Result<Self, anyhow::Error> {
        let start = Arc::new(Start {
            barrier: Barrier::new(2),
            window: OnceLock::new(),
            answered: AtomicU64::new(0),
            latencies: Some(Mutex::new(Latencies::new()?)),
        });
        let interrupt = Interrupt::default();
        let plan = Plan {
            address: server.address,
            connections: arguments.connections,
            first_of: (0, arguments.connections),
            depth: arguments.depth,
            seed: arguments.common.seed,
            catalog: Arc::clone(catalog),
            scenario: Scenario::UNIFORM,
            asked: None,
            start: Arc::clone(&start),
            interrupt: interrupt.clone(),
        };
        let body = move || generator::run(&plan);
        let thread = std::thread::Builder::new().name("load".to_owned()).spawn(body)?;
        start.barrier.wait();
        let from = Instant::now();
        start.window.get_or_init(|| Window { began: from, from, to: from + FOR_EVER });
        start.barrier.wait();
        Ok(Self { start, interrupt, thread })
    }

    /// Waits until this many carts were answered.
    fn reach(&self, carts: u64) -> Result<(), anyhow::Error> {
        while self.start.answered.load(Ordering::Relaxed) < carts {
            if self.thread.is_finished() {
                return Err(anyhow!("the healthy connections ended early"));
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// Measures carts per second over `span`, and their 99th percentile in milliseconds.
    fn measure(&self, span: Duration) -> Result<(f64, f64), anyhow::Error> {
        self.take_latencies()?;
        let (began, before) = (Instant::now(), self.start.answered.load(Ordering::Relaxed));
        std::thread::sleep(span);
        let per_second =
            ratio::per_second(self.start.answered.load(Ordering::Relaxed) - before, began.elapsed());
        let p99 = Duration::from_nanos(self.take_latencies()?.quantile(0.99));
        Ok((per_second, ratio::ms(p99)))
    }

    fn take_latencies(&self) -> Result<Latencies, anyhow::Error> {
        let fresh = Latencies::new()?;
        let Some(latencies) = &self.start.latencies else { return Ok(fresh) };
        Ok(std::mem::replace(&mut *latencies.lock().unwrap_or_else(PoisonError::into_inner), fresh))
    }

    fn stop(self, skus: usize) -> Result<Tally, anyhow::Error> {
        self.interrupt.set();
        let mut all = Tally::new(skus)?;
        all.merge(self.thread.join().map_err(|_| anyhow!("the generator thread has panicked"))??)?;
        Ok(all)
    }
}

/// Starts peers and waits until all have reached their state.
fn start_peers(
    kind: Kind,
    arguments: &BadPeersArguments,
    target: PeerTarget,
) -> Result<Peers, anyhow::Error> {
    let count = kind.peers(arguments.idle);
    let peers = Peers::start(kind, count, target)?;
    let until = Instant::now() + SETTLE_MAX;
    while peers.state.settled.load(Ordering::Relaxed) < u64::from(count) {
        if Instant::now() > until {
            let settled = peers.state.settled.load(Ordering::Relaxed);
            peers.stop()?;
            return Err(anyhow!(
                "only {settled} of {count} peers ({}) reached their state",
                report::name(kind)
            ));
        }
        std::thread::sleep(POLL);
    }
    std::thread::sleep(SETTLE);
    Ok(peers)
}

/// Measures what one kind of peers costs the server in memory.
fn measure_memory(
    kind: Kind,
    arguments: &BadPeersArguments,
    server: &ServerUnderTest,
    target: PeerTarget,
    control: &ControlConnection,
) -> Result<KindMeasurement, anyhow::Error> {
    let resident = || server.pid.and_then(resident_bytes);
    let count = kind.peers(arguments.idle);
    let before = resident();
    let peers = start_peers(kind, arguments, target)?;
    let (began, mut most) = (Instant::now(), resident());
    while began.elapsed() < arguments.seconds {
        std::thread::sleep(POLL);
        most = most.max(resident());
    }
    peers.stop()?;
    std::thread::sleep(SETTLE);
    let mut measurement = KindMeasurement::new(kind, count, server.memory.clone());
    measurement.grown_bytes = grown(before, most, &server.memory);
    measurement.bound_bytes = bound::of(kind, count, control.welcome());
    Ok(measurement)
}

/// How much memory grew, if that is visible: memory that was faulted in beforehand is resident whether it is used or
/// not.
fn grown(before: Option<u64>, most: Option<u64>, memory: &MemoryFacts) -> Option<u64> {
    let (before, most) = before.zip(most).filter(|_| !memory.is_touched())?;
    Some(most.saturating_sub(before))
}

/// Measures what one kind of peers costs the others in throughput: without them, with them, without them, …, without
/// them.
fn measure_throughput(
    measurement: &mut KindMeasurement,
    arguments: &BadPeersArguments,
    server: &ServerUnderTest,
    target: PeerTarget,
    healthy: &HealthyLoad,
    control: &mut ControlConnection,
) -> Result<(), anyhow::Error> {
    std::thread::sleep(SETTLE);
    // The server may close an idle connection to make room for a crowd, so it is opened again.
    *control = ControlConnection::connect(target.address)?;
    let cut_before = cut_by_server(control)?;
    healthy.reach(arguments.reservations)?;
    let alone = |measurement: &mut KindMeasurement| -> Result<(), anyhow::Error> {
        let (per_second, p99_ms) = healthy.measure(arguments.seconds)?;
        measurement.alone.push(per_second);
        measurement.alone_p99_ms.push(p99_ms);
        Ok(())
    };
    let (began, before) = (Instant::now(), Reading::take(server.pid));
    alone(measurement)?;
    let mut answers = 0;
    for _ in 0..arguments.rounds {
        let peers = start_peers(measurement.kind, arguments, target)?;
        let newcomer = ControlConnection::connect(target.address);
        newcomer.with_context(|| {
            format!("a new connection beside {} was not accepted", report::name(measurement.kind))
        })?;
        let answers_before = peers.state.answers.load(Ordering::Relaxed);
        let (per_second, p99_ms) = healthy.measure(arguments.seconds)?;
        measurement.with.push(per_second);
        measurement.with_p99_ms.push(p99_ms);
        answers += peers.state.answers.load(Ordering::Relaxed) - answers_before;
        measurement.sent_bytes += peers.state.sent_bytes.load(Ordering::Relaxed);
        measurement.seen_ended += peers.state.cut.load(Ordering::Relaxed);
        peers.stop()?;
        std::thread::sleep(SETTLE);
        alone(measurement)?;
    }
    let cost = Reading::take(server.pid).since(before);
    measurement.paging = cost.paging.map(|paging| paging.facts(began.elapsed()));
    measurement.answers_per_second = ratio::per_second(answers, arguments.seconds * arguments.rounds);
    *control = ControlConnection::connect(target.address)?;
    measurement.ended = cut_by_server(control)?.saturating_sub(cut_before);
    Ok(())
}

/// Connections that the server reports as cut, or ended for violating the protocol.
fn cut_by_server(control: &mut ControlConnection) -> Result<u64, anyhow::Error> {
    let status = control.status()?;
    let figure = |name: &str| {
        let metric = status.metrics.iter().find(|metric| metric.name == name);
        metric.and_then(|metric| u64::try_from(metric.value).ok()).unwrap_or(0)
    };
    Ok(figure("connections_cut") + figure("connections_broken") + figure("connections_displaced"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_that_cannot_be_seen_is_not_called_none() {
        // Proves that growth is not reported as zero when it is not visible: the process is unknown, or all its
        // memory was touched.
        let as_is = MemoryFacts::as_is();
        assert_eq!(grown(Some(3), Some(10), &as_is), Some(7));
        assert_eq!(grown(Some(10), Some(3), &as_is), Some(0));
        assert_eq!(grown(None, None, &as_is), None);
        assert_eq!(grown(Some(3), Some(10), &MemoryFacts::touched(64)), None);
    }
}
