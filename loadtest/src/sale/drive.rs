//! The open loop over sockets: one task for each connection, all on one thread. A task sleeps until something is due or an answer comes.

use super::alarm::Alarm;
use super::record::SaleRecord;
use super::schedule::Schedule;
use super::shoppers::Shoppers;
use crate::arguments::SaleArguments;
use crate::interrupt::Interrupt;
use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use stockhold_client::{
    ConnectionError, IdSource, PipelinedConnection, PushError, Reply, SubmitError, wall_clock_ms,
};
use stockhold_workload::{CartMix, CartSource, Ledger};

/// How long after the last shopper answers are waited for.
const DRAIN_MAX: Duration = Duration::from_secs(30);
/// How often the interrupt is looked at while nothing else happens.
const LOOK_NS: u64 = 100_000_000;
/// Odd, so that every connection gets a seed of its own.
const SEED_STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Sale {
    pub(crate) started: Instant,
    pub(crate) record: RefCell<SaleRecord>,
    pub(crate) ledger: RefCell<Ledger>,
    pub(crate) interrupt: Interrupt,
}

/// Why a connection stopped before its time.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error("a command could not be encoded")]
    Command(#[from] PushError),
    #[error("the timer failed")]
    Timer(#[from] io::Error),
    #[error("answers were still missing {DRAIN_MAX:?} after the end")]
    Stalled,
}

impl Sale {
    fn now_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Opens the connections of a sale.
pub(crate) async fn connect(
    address: SocketAddr,
    connections: u32,
) -> Result<Vec<PipelinedConnection>, ConnectionError> {
    let mut all = Vec::new();
    for _ in 0..connections {
        all.push(PipelinedConnection::connect(address, "stockhold-loadtest").await?);
    }
    Ok(all)
}

/// Runs the sale to its end on the current thread's runtime.
pub(crate) async fn run(
    connections: Vec<PipelinedConnection>,
    mix: &CartMix,
    arguments: &SaleArguments,
    sale: &Rc<Sale>,
) -> Result<(), tokio::task::JoinError> {
    let mut tasks = Vec::new();
    for (index, connection) in (0..arguments.connections).zip(connections) {
        let seed = arguments.common.seed.wrapping_add(u64::from(index).wrapping_mul(SEED_STEP));
        let source = CartSource::new(mix.clone(), seed);
        let schedule = Schedule::new(arguments.rate, arguments.connections, index, arguments.seconds);
        let shoppers = Shoppers::new(source, schedule, IdSource::new(), arguments.seconds);
        let limit = arguments.seconds + DRAIN_MAX;
        tasks.push(tokio::task::spawn_local(drive(connection, shoppers, Rc::clone(sale), limit)));
    }
    for task in tasks {
        task.await?;
    }
    Ok(())
}

/// One connection from the first to the last of its shoppers.
async fn drive(mut connection: PipelinedConnection, mut shoppers: Shoppers, sale: Rc<Sale>, limit: Duration) {
    let served = tokio::time::timeout(limit, serve(&mut connection, &mut shoppers, &sale)).await;
    if let Err(broken) = served.unwrap_or(Err(Broken::Stalled)) {
        let doubts = shoppers.doubt_all(&mut sale.ledger.borrow_mut());
        let mut record = sale.record.borrow_mut();
        record.unknown += doubts;
        record.broken.push(broken.to_string());
    }
}

async fn serve(
    connection: &mut PipelinedConnection,
    shoppers: &mut Shoppers,
    sale: &Sale,
) -> Result<(), Broken> {
    let alarm = Alarm::new()?;
    loop {
        if sale.interrupt.is_set() {
            shoppers.close_doors();
        }
        let now_ns = sale.now_ns();
        send_due(connection, shoppers, sale, now_ns)?;
        let next_ns = shoppers.next_ns();
        if next_ns.is_none() && connection.in_flight() == 0 {
            return Ok(());
        }
        // Without room nothing can be sent, however long it is due; then an answer is waited for.
        let due_ns = next_ns.filter(|due| *due > now_ns).unwrap_or(now_ns + LOOK_NS).min(now_ns + LOOK_NS);
        alarm.set(Duration::from_nanos(due_ns.saturating_sub(sale.now_ns())))?;
        tokio::select! {
            turned = connection.turn(), if connection.in_flight() > 0 => turned?,
            rung = alarm.ring() => rung?,
        }
        take_replies(connection, shoppers, sale)?;
    }
}

fn send_due(
    connection: &mut PipelinedConnection,
    shoppers: &mut Shoppers,
    sale: &Sale,
    now_ns: u64,
) -> Result<(), Broken> {
    shoppers.gather(now_ns, wall_clock_ms(), connection.room(), &mut sale.record.borrow_mut())?;
    if let Some(batch) = shoppers.batch() {
        let request = connection.submit(batch)?;
        shoppers.batch_sent(request);
    }
    if !shoppers.pairs().is_empty() {
        let request = connection.submit_checks(shoppers.pairs(), 0, 0)?;
        shoppers.pairs_sent(request);
    }
    Ok(())
}

fn take_replies(
    connection: &mut PipelinedConnection,
    shoppers: &mut Shoppers,
    sale: &Sale,
) -> Result<(), Broken> {
    let now_ns = sale.now_ns();
    while let Some(reply) = connection.next_reply()? {
        let record = &mut *sale.record.borrow_mut();
        match reply {
            Reply::Outcomes(frame) => {
                shoppers.take_outcomes(&frame, now_ns, record, &mut sale.ledger.borrow_mut())?;
            }
            Reply::Cells(frame) => shoppers.take_check(frame.request, now_ns, record)?,
            Reply::Resolved { .. } | Reply::Answer { .. } | Reply::Goodbye => {}
        }
    }
    Ok(())
}
