//! The canonical flash sale: open loop, two stocks that share goods, one hot and scarce SKU, holds that are paid for, released or
//! abandoned, checks in between; then the audit.

mod alarm;
mod drive;
mod goods;
mod record;
mod report;
mod schedule;
mod shoppers;

use crate::arguments::SaleArguments;
use crate::children::ServerUnderTest;
use crate::desk::Desk;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::ledger_audit;
use crate::output::Output;
use crate::ratio;
use crate::system::{Reading, resident_bytes};
use anyhow::anyhow;
use drive::Sale;
use goods::Goods;
use indicatif::ProgressBar;
use record::SaleRecord;
use report::{Findings, SaleReport};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use stockhold_client::{Client, wall_clock_ms};
use stockhold_workload::{Ledger, facts};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

/// Most reservations that the ledger keeps.
const LEDGER_MAX: usize = 20_000_000;
/// How often the progress bar is brought up to date.
const LOOK: Duration = Duration::from_millis(100);

/// Runs the sale.
pub(crate) fn run(arguments: &SaleArguments, interrupt: &Interrupt) -> Result<Exit, Failure> {
    let output = Output::new(arguments.common.json);
    let server = ServerUnderTest::get(&arguments.common)?;
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let mut desk = Desk::connect(server.address)?;
    if u64::from(desk.welcome().limits.in_flight_max) < 2 * schedule::GROUP_MAX {
        return Err(Failure::usage("this server takes too few commands on one connection for a sale"));
    }
    output.note(&format!("preparing {} SKUs at {}", arguments.skus, server.address));
    let goods = Goods::prepare(&mut desk, arguments.skus)?;
    let builder = Client::builder().name("stockhold-loadtest").deadline(ledger_audit::CALL_MAX);
    let client = runtime.block_on(builder.connect(server.address.to_string()))?;
    let facts = runtime.block_on(facts::read(&client, &goods.skus))?;

    let (status_before, before) = (desk.status()?, Reading::take(server.pid));
    let sale = sell(&runtime, arguments, &server, &goods, output, interrupt)?;
    let (after, span) = (Reading::take(server.pid), sale.started.elapsed());
    let (status_after, resident) = (desk.status()?, server.pid.and_then(resident_bytes).unwrap_or(0));
    let record = sale.record.into_inner();
    let mut ledger = sale.ledger.into_inner();

    output.note("waiting until abandoned holds have expired, then auditing");
    std::thread::sleep(ledger_audit::until_expired(record.deadline_max_s, wall_clock_ms()));
    let mut audited = runtime.block_on(ledger_audit::run(&client, &mut ledger, &facts))?;
    ledger_audit::compare(
        &mut desk,
        &goods.skus,
        &[goods.web, goods.counter],
        &ledger,
        &facts,
        &mut audited,
    )?;

    let findings = Findings {
        record: &record,
        tally: ledger.tally(),
        cost: after.since(before),
        span,
        status: (&status_before, &status_after),
        server_resident_bytes: resident,
        interrupted: interrupt.is_set(),
        audit: audited,
    };
    let report = SaleReport::new(arguments, &server, findings);
    output.report(&report.text(), &report)?;
    let is_ours = server.is_ours;
    drop((desk, client));
    server.finish()?;
    Ok(report.exit(is_ours))
}

/// The sale itself, with its progress bar.
fn sell(
    runtime: &LocalRuntime,
    arguments: &SaleArguments,
    server: &ServerUnderTest,
    goods: &Goods,
    output: Output,
    interrupt: &Interrupt,
) -> Result<Sale, anyhow::Error> {
    let connections = runtime.block_on(drive::connect(server.address, arguments.connections))?;
    let sale = Rc::new(Sale {
        started: Instant::now(),
        record: RefCell::new(SaleRecord::new()?),
        ledger: RefCell::new(Ledger::new(LEDGER_MAX)),
        interrupt: interrupt.clone(),
    });
    let bar = output.progress(arguments.seconds, "sale");
    let showing = runtime.spawn_local(show(bar.clone(), Rc::clone(&sale)));
    runtime.block_on(drive::run(connections, &goods.mix(), arguments, &sale))?;
    showing.abort();
    // An aborted task ends with an error, which is what was asked for.
    drop(runtime.block_on(showing));
    bar.finish_and_clear();
    Rc::into_inner(sale).ok_or_else(|| anyhow!("a connection still runs"))
}

/// Shows how the sale goes, until it is aborted.
async fn show(bar: ProgressBar, sale: Rc<Sale>) {
    let mut last = (Instant::now(), 0);
    loop {
        tokio::time::sleep(LOOK).await;
        let (answered, granted, sold_out) = {
            let record = sale.record.borrow();
            let carts = &record.carts;
            (carts.total(), carts.successes(), carts.of(stockhold_protocol::Code::SoldOut))
        };
        let now = (Instant::now(), answered);
        let rate = ratio::per_second(now.1 - last.1, now.0 - last.0);
        bar.set_position(u64::try_from(sale.started.elapsed().as_millis()).unwrap_or(u64::MAX));
        bar.set_message(format!("{rate:.0} carts/s, {granted} granted, {sold_out} sold out"));
        last = now;
    }
}
