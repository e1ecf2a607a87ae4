//! One measured run of a load, closed or open loop. It starts the threads together, reads the machine's counters at
//! both ends of the window, and shows the progress.

use crate::arguments::LoadArguments;
use crate::closed::scenario::Scenario;
use crate::generator::{self, Plan, Start, Window};
use crate::interrupt::Interrupt;
use crate::open_loop::rounds::OpenLoopPlan;
use crate::output::Output;
use crate::ratio;
use crate::system::{Cost, Reading};
use crate::tally::Tally;
use crate::test_catalog::TestCatalog;
use anyhow::anyhow;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the progress bar and the interrupt are polled.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The load to measure.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) server_pid: Option<u32>,
    pub(crate) catalog: Arc<TestCatalog>,
    pub(crate) seed: u64,
    pub(crate) scenario: Scenario,
    /// The plan of an open loop.
    pub(crate) asked: Option<OpenLoopPlan>,
    /// The name in the progress bar.
    pub(crate) name: &'static str,
}

/// The result.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) tally: Tally,
    /// The length of the window.
    pub(crate) span: Duration,
    pub(crate) cost: Cost,
}

/// Runs the load. `at_edges` is called at the beginning and at the end of the window.
pub(crate) fn measure(
    target: &Target,
    load: &LoadArguments,
    output: Output,
    interrupt: &Interrupt,
    mut at_edges: impl FnMut() -> Result<(), anyhow::Error>,
) -> Result<Measured, anyhow::Error> {
    let threads = load.threads.min(load.connections);
    let parties = usize::try_from(threads).unwrap_or(1) + 1;
    let start = Arc::new(Start {
        barrier: Barrier::new(parties),
        window: OnceLock::new(),
        answered: AtomicU64::new(0),
        latencies: None,
    });
    let mut handles = Vec::new();
    for thread in 0..threads {
        handles.push(spawn(plan_of(thread, threads, target, load, &start, interrupt))?);
    }
    start.barrier.wait();
    let began = Instant::now();
    let from = began + load.warmup;
    let to = from + load.seconds;
    start.window.get_or_init(|| Window { began, from, to });
    start.barrier.wait();

    let bar = output.progress(load.warmup + load.seconds, target.name);
    let watch = |until: Instant| {
        let mut last = (Instant::now(), start.answered.load(Ordering::Relaxed));
        while !interrupt.is_set() && Instant::now() < until && !handles.iter().all(JoinHandle::is_finished) {
            std::thread::sleep(POLL_INTERVAL.min(until.saturating_duration_since(Instant::now())));
            let now = (Instant::now(), start.answered.load(Ordering::Relaxed));
            let spent = now.0.saturating_duration_since(began);
            bar.set_position(u64::try_from(spent.as_millis()).unwrap_or(u64::MAX));
            bar.set_message(format!("{:.0} carts/s", ratio::per_second(now.1 - last.1, now.0 - last.0)));
            last = now;
        }
    };
    // The span is that of the window in which answers are counted, however long the readings take.
    watch(from);
    let before = Reading::take(target.server_pid);
    at_edges()?;
    watch(to);
    let (span, after) =
        (Instant::now().min(to).saturating_duration_since(from), Reading::take(target.server_pid));
    at_edges()?;
    bar.finish_and_clear();
    let tally = join(handles, target.catalog.skus.len())?;
    Ok(Measured { tally, span, cost: after.since(before) })
}

fn plan_of(
    thread: u32,
    threads: u32,
    target: &Target,
    load: &LoadArguments,
    start: &Arc<Start>,
    interrupt: &Interrupt,
) -> Plan {
    let (each, extra) = (load.connections / threads, load.connections % threads);
    Plan {
        address: target.address,
        connections: each + u32::from(thread < extra),
        first_of: (thread * each + thread.min(extra), load.connections),
        depth: load.depth,
        seed: target.seed ^ (u64::from(thread) << 32),
        catalog: Arc::clone(&target.catalog),
        scenario: target.scenario,
        asked: target.asked.clone(),
        start: Arc::clone(start),
        interrupt: interrupt.clone(),
    }
}

type Handle = JoinHandle<Result<Tally, anyhow::Error>>;

fn spawn(plan: Plan) -> Result<Handle, anyhow::Error> {
    let builder = std::thread::Builder::new().name("load".to_owned());
    Ok(builder.spawn(move || generator::run(&plan))?)
}

fn join(handles: Vec<Handle>, skus: usize) -> Result<Tally, anyhow::Error> {
    let mut all = Tally::new(skus)?;
    for handle in handles {
        let tally = handle.join().map_err(|_| anyhow!("a generator thread has panicked"))??;
        all.merge(tally)?;
    }
    Ok(all)
}
