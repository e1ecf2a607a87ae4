//! The closed loop: each connection sends a frame of carts, waits until all of them are answered, and sends the next. It never waits for
//! time, so it finds the highest rate; it is not for latencies that shoppers would see (see `sale`).
//!
//! One thread drives many connections on its own runtime. Per cart it makes an id, encodes, decodes and counts; everything that costs
//! more happens once per frame.

use crate::catalogue::Catalogue;
use crate::interrupt::Interrupt;
use crate::samples::Sample;
use crate::tally::Tally;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, OnceLock};
use std::time::{Duration, Instant};
use stockhold_client::{
    Batch, ConnectionError, IdSource, OutcomeFrame, PipelinedConnection, PushError, Reply, SubmitError,
    units_of, wall_clock_ms,
};
use stockhold_protocol::command::Target;
use stockhold_protocol::{Code, CommandId, Line, Outcome};
use tokio::runtime::{Builder, LocalOptions};

/// The longest pause that a busy server gets.
const PAUSE_MAX_MS: u32 = 1_000;

/// The time that is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

impl Window {
    fn holds(&self, now: Instant) -> bool {
        self.from <= now && now < self.to
    }
}

/// How the threads start together.
#[derive(Debug)]
pub(crate) struct Start {
    /// Met twice: when all connections are there, and when the window is set.
    pub(crate) barrier: Barrier,
    pub(crate) window: OnceLock<Window>,
    /// Answers so far, for the progress bar.
    pub(crate) answered: AtomicU64,
}

/// What one thread does.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) connections: u32,
    pub(crate) depth: u16,
    pub(crate) seed: u64,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) start: Arc<Start>,
    pub(crate) interrupt: Interrupt,
}

/// Why a connection stopped before its time.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error("a cart could not be encoded")]
    Cart(#[from] PushError),
}

/// Runs a thread's share to the end of the window. The barrier is met whatever happens.
pub(crate) fn run(plan: &Plan) -> Result<Tally, anyhow::Error> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    let connected = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        let connections = runtime.block_on(connect(plan))?;
        Ok((runtime, connections))
    });
    plan.start.barrier.wait();
    plan.start.barrier.wait();
    let (runtime, connections) = connected?;
    let Some(window) = plan.start.window.get().copied() else { return Tally::new(plan.catalogue.skus.len()) };
    let lane = Rc::new(Lane::new(plan, window)?);
    let spawn = |connection| runtime.spawn_local(drive(connection, Rc::clone(&lane), plan.depth));
    let tasks: Vec<_> = connections.into_iter().map(spawn).collect();
    runtime.block_on(async {
        for task in tasks {
            task.await?;
        }
        Ok::<(), tokio::task::JoinError>(())
    })?;
    let lane = Rc::into_inner(lane).ok_or_else(|| anyhow::anyhow!("a connection still runs"))?;
    Ok(lane.tally.into_inner())
}

async fn connect(plan: &Plan) -> Result<Vec<PipelinedConnection>, ConnectionError> {
    let mut connections = Vec::new();
    for _ in 0..plan.connections {
        connections.push(PipelinedConnection::connect(plan.address, "stockhold-loadtest").await?);
    }
    Ok(connections)
}

/// What the connections of one thread share.
#[derive(Debug)]
struct Lane {
    window: Window,
    start: Arc<Start>,
    interrupt: Interrupt,
    catalogue: Arc<Catalogue>,
    maker: RefCell<Maker>,
    tally: RefCell<Tally>,
}

/// What makes carts: never held across an await.
#[derive(Debug)]
struct Maker {
    random: fastrand::Rng,
    ids: IdSource,
    batch: Batch,
}

/// The carts of one connection that wait for their answers.
#[derive(Debug, Default)]
struct Round {
    /// The position of each cart's SKU in the catalogue.
    skus: Vec<u32>,
    /// The cart whose answer is remembered: its index and id.
    sampled: Option<(u16, CommandId)>,
    /// Answers that have not come.
    left: u16,
    /// How long a busy server asks to be left alone.
    pause_ms: u32,
}

impl Lane {
    fn new(plan: &Plan, window: Window) -> Result<Self, anyhow::Error> {
        let random = fastrand::Rng::with_seed(plan.seed);
        let maker = Maker { random, ids: IdSource::new(), batch: Batch::new() };
        Ok(Self {
            window,
            start: Arc::clone(&plan.start),
            interrupt: plan.interrupt.clone(),
            catalogue: Arc::clone(&plan.catalogue),
            maker: RefCell::new(maker),
            tally: RefCell::new(Tally::new(plan.catalogue.skus.len())?),
        })
    }

    /// Puts a frame of new carts on its way.
    fn send(
        &self,
        connection: &mut PipelinedConnection,
        depth: u16,
        round: &mut Round,
    ) -> Result<(), Broken> {
        let Maker { random, ids, batch } = &mut *self.maker.borrow_mut();
        let skus = &self.catalogue.skus;
        let count = u32::try_from(skus.len()).unwrap_or(u32::MAX);
        let target = Target::Stock(self.catalogue.stock);
        let (now_ms, unit) = (wall_clock_ms(), units_of(1));
        let sampled = self.tally.borrow_mut().samples.wants_next().then(|| random.u16(..depth));
        *round = Round { skus: std::mem::take(&mut round.skus), ..Round::default() };
        round.skus.clear();
        batch.clear();
        for index in 0..depth {
            let at = random.u32(..count);
            let id = ids.next_at(now_ms);
            let sku = skus.get(index_of(at)).copied().unwrap_or_default();
            batch.push_reserve(id, target, &[Line::new(sku, unit)], None)?;
            round.skus.push(at);
            if sampled == Some(index) {
                round.sampled = Some((index, id));
            }
        }
        connection.submit(batch)?;
        round.left = depth;
        Ok(())
    }

    /// Counts what one frame answers.
    fn take(&self, frame: &OutcomeFrame<'_>, round: &mut Round, is_measured: bool) -> Result<(), Broken> {
        let tally = &mut *self.tally.borrow_mut();
        for entry in frame.iter() {
            let (index, outcome) = entry?;
            let Some(sku) = round.skus.get(usize::from(index)).copied() else {
                return Err(ConnectionError::UnexpectedAnswer(frame.request).into());
            };
            tally.answers.count(outcome.code);
            if is_measured {
                tally.measured.count(outcome.code);
            }
            if outcome.code.is_success() {
                tally.granted[index_of(sku)] += 1;
            } else if outcome.code == Code::Busy {
                round.pause_ms = round.pause_ms.max(outcome.value.clamp(1, PAUSE_MAX_MS));
            }
            tally.last_op = tally.last_op.max(outcome.op);
            if let Some((_, id)) = round.sampled.filter(|(at, _)| *at == index && outcome.recorded) {
                let Outcome { code, value, op, .. } = outcome;
                tally.samples.keep(Sample { id, sku, code, value, op });
            }
        }
        round.left = round.left.saturating_sub(frame.len());
        Ok(())
    }

    fn is_over(&self, now: Instant) -> bool {
        now >= self.window.to || self.interrupt.is_set()
    }
}

/// One connection, from the start to the end of the window; what was sent last is waited for.
async fn drive(mut connection: PipelinedConnection, lane: Rc<Lane>, depth: u16) {
    let mut round = Round::default();
    if let Err(broken) = rounds(&mut connection, &lane, depth, &mut round).await {
        let mut tally = lane.tally.borrow_mut();
        tally.unknown += u64::from(round.left);
        tally.broken.push(broken.to_string());
    }
}

async fn rounds(
    connection: &mut PipelinedConnection,
    lane: &Lane,
    depth: u16,
    round: &mut Round,
) -> Result<(), Broken> {
    loop {
        let sent = Instant::now();
        if lane.is_over(sent) {
            return Ok(());
        }
        lane.send(connection, depth, round)?;
        while round.left > 0 {
            connection.turn().await?;
            let now = Instant::now();
            let is_measured = lane.window.holds(now);
            let before = round.left;
            while let Some(reply) = connection.next_reply()? {
                if let Reply::Outcomes(frame) = reply {
                    lane.take(&frame, round, is_measured)?;
                }
            }
            let answered = u64::from(before - round.left);
            if answered > 0 {
                lane.start.answered.fetch_add(answered, Ordering::Relaxed);
                if is_measured {
                    lane.tally.borrow_mut().latencies.record(now - sent, answered);
                }
            }
        }
        if round.pause_ms > 0 {
            tokio::time::sleep(Duration::from_millis(u64::from(round.pause_ms))).await;
        }
    }
}

fn index_of(position: u32) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}
