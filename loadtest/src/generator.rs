//! The threads that generate load, and the closed loop. Each connection sends a frame of carts, waits until all of
//! them are answered, and sends the next. The closed loop finds the highest rate, because it never waits for a time.
//! For the latencies that shoppers would see, use `open_loop`.
//!
//! One thread drives many connections on its own runtime. Per cart it makes an id, encodes, decodes and counts (see
//! `closed::round`). Everything more expensive happens once per frame.

use crate::closed::round::{Round, RoundBuilder};
use crate::closed::scenario::Scenario;
use crate::interrupt::Interrupt;
use crate::load_error::LoadError;
use crate::open_loop::rounds::{self, OpenLoopPlan};
use crate::schedule::Part;
use crate::series::Series;
use crate::tally::{Latencies, Tally};
use crate::test_catalog::TestCatalog;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use stockhold_client::{ConnectionError, PipelinedConnection, Reply};
use tokio::runtime::{Builder, LocalOptions};

/// The measured time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// When the load begins.
    pub(crate) began: Instant,
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

impl Window {
    fn holds(&self, now: Instant) -> bool {
        self.from <= now && now < self.to
    }
}

/// Synchronizes the start of the threads.
#[derive(Debug)]
pub(crate) struct Start {
    /// Reached twice: when all connections are open, and when the window is set.
    pub(crate) barrier: Barrier,
    pub(crate) window: OnceLock<Window>,
    /// Answers so far, for the progress bar.
    pub(crate) answered: AtomicU64,
    /// Latencies since they were last taken, if they are taken during the run.
    pub(crate) latencies: Option<Mutex<Latencies>>,
}

/// The plan of one thread.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) connections: u32,
    /// The index of this thread's first connection, and the number of all connections.
    pub(crate) first_of: (u32, u32),
    pub(crate) depth: u16,
    pub(crate) seed: u64,
    pub(crate) catalog: Arc<TestCatalog>,
    pub(crate) scenario: Scenario,
    /// The plan of an open loop. `None` for a closed loop.
    pub(crate) asked: Option<OpenLoopPlan>,
    pub(crate) start: Arc<Start>,
    pub(crate) interrupt: Interrupt,
}

/// Runs a thread's share to the end of the window. It reaches the barrier even after an error.
pub(crate) fn run(plan: &Plan) -> Result<Tally, anyhow::Error> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    let connected = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        let connections = runtime.block_on(connect(plan))?;
        Ok((runtime, connections))
    });
    plan.start.barrier.wait();
    plan.start.barrier.wait();
    let (runtime, connections) = connected?;
    let Some(window) = plan.start.window.get().copied() else { return Tally::new(plan.catalog.skus.len()) };
    let context = Rc::new(ThreadContext::new(plan, window)?);
    let spawn = |(index, connection)| match &plan.asked {
        None => runtime.spawn_local(drive(connection, Rc::clone(&context), plan.depth)),
        Some(asked) => {
            let drive = rounds::drive(connection, Rc::clone(&context), asked.clone(), plan.part(index));
            runtime.spawn_local(drive)
        }
    };
    let tasks: Vec<_> = (0..).zip(connections).map(spawn).collect();
    runtime.block_on(async {
        for task in tasks {
            task.await?;
        }
        Ok::<(), tokio::task::JoinError>(())
    })?;
    let context = Rc::into_inner(context).ok_or_else(|| anyhow::anyhow!("a connection still runs"))?;
    Ok(context.tally.into_inner())
}

impl Plan {
    /// The share of the pace for the connection with this index.
    fn part(&self, index: u32) -> Part {
        let (first, connections) = self.first_of;
        let (unit, group_max) = (self.scenario.unit(), u64::from(self.depth));
        Part { connections, index: first + index, unit, group_max }
    }
}

async fn connect(plan: &Plan) -> Result<Vec<PipelinedConnection>, ConnectionError> {
    let mut connections = Vec::new();
    for _ in 0..plan.connections {
        connections.push(PipelinedConnection::connect(plan.address, "stockhold-loadtest").await?);
    }
    Ok(connections)
}

/// State that the connections of one thread share.
#[derive(Debug)]
pub(crate) struct ThreadContext {
    pub(crate) window: Window,
    start: Arc<Start>,
    pub(crate) interrupt: Interrupt,
    pub(crate) catalog: Arc<TestCatalog>,
    pub(crate) depth: u16,
    pub(crate) is_still: bool,
    pub(crate) builder: RefCell<RoundBuilder>,
    pub(crate) tally: RefCell<Tally>,
}

impl ThreadContext {
    fn new(plan: &Plan, window: Window) -> Result<Self, anyhow::Error> {
        let builder = RoundBuilder::new(plan.scenario, &plan.catalog, plan.seed);
        let mut tally = Tally::new(plan.catalog.skus.len())?;
        tally.series = Series::over(window.to.saturating_duration_since(window.from))?;
        Ok(Self {
            window,
            start: Arc::clone(&plan.start),
            interrupt: plan.interrupt.clone(),
            catalog: Arc::clone(&plan.catalog),
            depth: plan.depth,
            is_still: plan.scenario.is_still(),
            builder: RefCell::new(builder),
            tally: RefCell::new(tally),
        })
    }

    /// Sends a new round.
    fn begin(
        &self,
        connection: &mut PipelinedConnection,
        depth: u16,
        round: &mut Round,
    ) -> Result<(), LoadError> {
        let now_ms = connection.server_clock().now_ms();
        let (builder, tally) = (&mut *self.builder.borrow_mut(), &mut *self.tally.borrow_mut());
        builder.begin(&self.catalog, tally, (depth, now_ms), round)?.submit(connection)?;
        Ok(())
    }

    /// Counts answers for the progress bar.
    pub(crate) fn progress(&self, answered: u64) {
        self.start.answered.fetch_add(answered, Ordering::Relaxed);
    }

    fn is_over(&self, now: Instant) -> bool {
        now >= self.window.to || self.interrupt.is_set()
    }
}

/// Drives one connection from the start to the end of the window, and waits for its last answers.
async fn drive(mut connection: PipelinedConnection, context: Rc<ThreadContext>, depth: u16) {
    let mut round = Round::default();
    if let Err(broken) = rounds(&mut connection, &context, depth, &mut round).await {
        let mut tally = context.tally.borrow_mut();
        tally.unknown += u64::from(round.left);
        tally.broken.push(broken.to_string());
    }
}

async fn rounds(
    connection: &mut PipelinedConnection,
    context: &ThreadContext,
    depth: u16,
    round: &mut Round,
) -> Result<(), LoadError> {
    loop {
        let mut sent = Instant::now();
        if context.is_over(sent) {
            return Ok(());
        }
        context.begin(connection, depth, round)?;
        while round.left > 0 {
            answers(connection, context, round, sent).await?;
            if round.left == 0 {
                // A round that was begun is completed, even after the window.
                sent = Instant::now();
                if let Some(ready) =
                    context.builder.borrow_mut().go_on(connection.server_clock().now_ms(), round)?
                {
                    ready.submit(connection)?;
                }
            }
        }
        if round.pause_ms > 0 {
            tokio::time::sleep(Duration::from_millis(u64::from(round.pause_ms))).await;
        }
    }
}

/// Counts the answers of one exchange of bytes.
async fn answers(
    connection: &mut PipelinedConnection,
    context: &ThreadContext,
    round: &mut Round,
    sent: Instant,
) -> Result<(), LoadError> {
    connection.turn().await?;
    let now = Instant::now();
    let is_measured = context.window.holds(now);
    let before = round.left;
    while let Some(reply) = connection.next_reply()? {
        let tally = &mut *context.tally.borrow_mut();
        if let Reply::Outcomes(frame) = reply {
            round.take(&frame, &context.catalog, tally, is_measured, |_, _| ())?;
        } else if let Reply::Cells(frame) = reply {
            round.take_cells(&frame, &context.catalog, tally, context.is_still, is_measured);
        }
    }
    let answered = u64::from(before - round.left);
    if answered > 0 {
        context.progress(answered);
        if let Some(latencies) = &context.start.latencies {
            latencies.lock().unwrap_or_else(PoisonError::into_inner).record(now - sent, answered);
        }
        if is_measured {
            let tally = &mut *context.tally.borrow_mut();
            tally.latencies.record(now - sent, answered);
            tally.series.record(now - context.window.from, now - sent, answered);
        }
    }
    Ok(())
}
