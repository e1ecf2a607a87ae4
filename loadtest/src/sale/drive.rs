//! The sale over sockets: one open loop for each connection, all on one thread.

use super::SalePlan;
use super::record::SaleRecord;
use super::shoppers::Shoppers;
use crate::interrupt::Interrupt;
use crate::load_error::LoadError;
use crate::open_loop::{Sender, serve};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use stockhold_client::{ConnectionError, PipelinedConnection, Reply};
use stockhold_workload::Ledger;

/// How long to wait for answers after the last shopper.
const DRAIN_MAX: Duration = Duration::from_secs(30);

/// State that all connections share.
#[derive(Debug)]
pub(crate) struct Sale {
    pub(crate) started: Instant,
    pub(crate) record: RefCell<SaleRecord>,
    pub(crate) ledger: RefCell<Ledger>,
    pub(crate) interrupt: Interrupt,
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
    plan: &SalePlan,
    sale: &Rc<Sale>,
) -> Result<(), tokio::task::JoinError> {
    let mut tasks = Vec::new();
    for (index, connection) in (0..).zip(connections) {
        let sender = ConnectionSender { shoppers: plan.shoppers(index), sale: Rc::clone(sale) };
        let limit = Duration::from_nanos(plan.pace.end_ns()) + DRAIN_MAX;
        tasks.push(tokio::task::spawn_local(drive(connection, sender, limit)));
    }
    for task in tasks {
        task.await?;
    }
    Ok(())
}

/// Drives one connection from its first to its last shopper.
async fn drive(mut connection: PipelinedConnection, mut sender: ConnectionSender, limit: Duration) {
    let sale = Rc::clone(&sender.sale);
    let serving = serve(&mut connection, &mut sender, sale.started, &sale.interrupt);
    let served = tokio::time::timeout(limit, serving).await;
    if let Err(broken) = served.unwrap_or(Err(LoadError::Stalled)) {
        let unknown = sender.shoppers.record_unanswered(&mut sale.ledger.borrow_mut());
        let mut record = sale.record.borrow_mut();
        record.unknown += unknown;
        record.broken.push(broken.to_string());
    }
}

/// The shoppers of one connection, and where their answers are recorded.
#[derive(Debug)]
struct ConnectionSender {
    shoppers: Shoppers,
    sale: Rc<Sale>,
}

impl Sender for ConnectionSender {
    fn send_due(&mut self, connection: &mut PipelinedConnection, now_ns: u64) -> Result<(), LoadError> {
        let shoppers = &mut self.shoppers;
        let now_ms = connection.server_clock().now_ms();
        shoppers.gather(now_ns, now_ms, connection.room(), &mut self.sale.record.borrow_mut())?;
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

    fn take_replies(&mut self, connection: &mut PipelinedConnection, now_ns: u64) -> Result<(), LoadError> {
        while let Some(reply) = connection.next_reply()? {
            let record = &mut *self.sale.record.borrow_mut();
            match reply {
                Reply::Outcomes(frame) => {
                    let ledger = &mut self.sale.ledger.borrow_mut();
                    self.shoppers.take_outcomes(&frame, now_ns, record, ledger)?;
                }
                Reply::Cells(frame) => self.shoppers.take_check(frame.request, now_ns, record)?,
                Reply::Resolved { .. } | Reply::Answer { .. } | Reply::Goodbye => {}
            }
        }
        Ok(())
    }

    fn next_ns(&self) -> Option<u64> {
        self.shoppers.next_ns()
    }

    fn stop_new(&mut self) {
        self.shoppers.stop_new();
    }
}
