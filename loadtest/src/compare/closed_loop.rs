//! The closed loop against peers, built like `generator`: one thread, many connections. Each connection sends a frame
//! of carts, waits until all are answered, and sends the next. The wire format of a frame depends on the peer.

use crate::interrupt::Interrupt;
use crate::system::{Cost, Reading};
use crate::tally::Latencies;
use anyhow::anyhow;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use stockhold_client::{IdGenerator, wall_clock_ms};
use stockhold_protocol::CommandId;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

/// How often the interrupt is polled.
const POLL: Duration = Duration::from_millis(50);

/// One unit of one SKU, under a new id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cart {
    pub(crate) id: CommandId,
    /// The position of the SKU.
    pub(crate) sku: u32,
}

/// A connection to a peer.
pub(crate) trait Connection: 'static {
    /// Sends all carts at once and waits for all answers. Returns how many were granted.
    async fn reserve(&mut self, carts: &[Cart]) -> Result<usize, anyhow::Error>;
}

/// The load of a sample.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) connections: u32,
    pub(crate) depth: u16,
    pub(crate) skus: u32,
    pub(crate) seed: u64,
    pub(crate) warmup: Duration,
    pub(crate) seconds: Duration,
    /// How much memory the peer must fault in before.
    pub(crate) touch_mib: Option<u32>,
    pub(crate) interrupt: Interrupt,
}

/// The result of a sample.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// Carts granted in the measured time.
    pub(crate) measured: u64,
    /// Carts granted in the whole sample.
    pub(crate) granted: u64,
    pub(crate) latencies: Latencies,
    pub(crate) span: Duration,
    pub(crate) cost: Cost,
    /// How much memory the peer had faulted in before, if that was requested.
    pub(crate) touched_mib: Option<u64>,
}

/// State that the connections share.
#[derive(Debug)]
struct LoopContext {
    from: Instant,
    to: Instant,
    load: Load,
    builder: RefCell<(fastrand::Rng, IdGenerator)>,
    tally: RefCell<(u64, u64, Latencies)>,
}

/// A runtime on this thread only, as in the generator.
pub(crate) fn runtime() -> std::io::Result<LocalRuntime> {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default())
}

/// Loads a peer through `connections` and reads the machine's counters at both ends of the measured time.
pub(crate) fn run<C: Connection>(
    runtime: &LocalRuntime,
    connections: Vec<C>,
    load: &Load,
    server_pid: u32,
) -> Result<Loaded, anyhow::Error> {
    let from = Instant::now() + load.warmup;
    let context = Rc::new(LoopContext {
        from,
        to: from + load.seconds,
        load: load.clone(),
        builder: RefCell::new((fastrand::Rng::with_seed(load.seed), IdGenerator::new())),
        tally: RefCell::new((0, 0, Latencies::new()?)),
    });
    let watch = runtime.spawn_local(watch(Rc::clone(&context), server_pid));
    let drive = |connection| runtime.spawn_local(drive(connection, Rc::clone(&context)));
    let tasks: Vec<_> = connections.into_iter().map(drive).collect();
    let (span, cost) = runtime.block_on(async {
        for task in tasks {
            task.await??;
        }
        Ok::<_, anyhow::Error>(watch.await?)
    })?;
    let context = Rc::into_inner(context).ok_or_else(|| anyhow!("a connection still runs"))?;
    let (measured, granted, latencies) = context.tally.into_inner();
    Ok(Loaded { measured, granted, latencies, span, cost, touched_mib: None })
}

async fn watch(context: Rc<LoopContext>, server_pid: u32) -> (Duration, Cost) {
    context.sleep_until(context.from).await;
    let before = Reading::take(Some(server_pid));
    context.sleep_until(context.to).await;
    let after = Reading::take(Some(server_pid));
    (Instant::now().min(context.to).saturating_duration_since(context.from), after.since(before))
}

async fn drive<C: Connection>(mut connection: C, context: Rc<LoopContext>) -> Result<(), anyhow::Error> {
    let mut carts = Vec::new();
    loop {
        let sent = Instant::now();
        if sent >= context.to || context.load.interrupt.is_set() {
            return Ok(());
        }
        context.fill(&mut carts);
        let granted = connection.reserve(&carts).await?;
        if granted != carts.len() {
            return Err(anyhow!(
                "the peer granted only {granted} of {} carts although goods are plentiful",
                carts.len()
            ));
        }
        context.count(sent, u64::from(context.load.depth));
    }
}

impl LoopContext {
    fn fill(&self, carts: &mut Vec<Cart>) {
        let (random, ids) = &mut *self.builder.borrow_mut();
        let now_ms = wall_clock_ms();
        let cart = |_| Cart { id: ids.next_at(now_ms), sku: random.u32(..self.load.skus) };
        carts.clear();
        carts.extend((0..self.load.depth).map(cart));
    }

    fn count(&self, sent: Instant, answered: u64) {
        let (measured, granted, latencies) = &mut *self.tally.borrow_mut();
        let now = Instant::now();
        *granted += answered;
        if self.from <= now && now < self.to {
            *measured += answered;
            latencies.record(now - sent, answered);
        }
    }

    async fn sleep_until(&self, until: Instant) {
        while !self.load.interrupt.is_set() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(POLL.min(left)).await;
        }
    }
}
