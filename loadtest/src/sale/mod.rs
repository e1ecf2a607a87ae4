//! Sales: an open loop with two stocks that share goods, hot and scarce SKUs, holds that are paid for, released or
//! abandoned, and checks in between; then the audit. The canonical sale runs at one rate. The flash sale (`flash`)
//! opens its doors at a known moment.

mod drive;
pub(crate) mod flash;
mod goods;
mod plan;
mod record;
mod report;
mod shoppers;

use crate::arguments::{CommonArguments, PageArguments, Ramp, SaleArguments};
use crate::children::ServerUnderTest;
use crate::control_connection::ControlConnection;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::ledger_audit;
use crate::output::Output;
use crate::pace::Pace;
use crate::ratio;
use crate::schedule::GROUP_MAX;
use crate::system::{Reading, resident_bytes};
use anyhow::anyhow;
use drive::Sale;
use flash::Doors;
use goods::{Goods, Hot};
use indicatif::ProgressBar;
use plan::SalePlan;
use record::SaleRecord;
use report::{Findings, SaleReport};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stockhold_client::Client;
use stockhold_workload::{Ledger, facts};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

/// Maximum number of reservations in the ledger.
const LEDGER_MAX: usize = 20_000_000;
/// The hot SKU of the canonical sale. A tenth of all lines want it, and it is sold out within seconds.
const HOT: Hot = Hot { skus: 1, units: 2_500, percent: 10 };
/// Percentage of shoppers that only check.
const CHECK_PERCENT: u32 = 25;
/// How often the progress bar is updated.
const POLL: Duration = Duration::from_millis(100);

/// The parameters of a sale.
#[derive(Clone, Debug)]
pub(crate) struct Offer<'a> {
    pub(crate) name: &'static str,
    pub(crate) common: &'a CommonArguments,
    pub(crate) page: &'a PageArguments,
    pub(crate) connections: u32,
    pub(crate) skus: u32,
    pub(crate) hot: Hot,
    pub(crate) pace: Pace,
    /// The base rate.
    pub(crate) rate: u32,
    pub(crate) ramp: Option<Ramp>,
    pub(crate) doors: Option<Doors>,
}

/// Runs the canonical sale.
pub(crate) fn run(arguments: &SaleArguments, interrupt: &Interrupt) -> Result<Exit, Failure> {
    let Ramp { from, to } = arguments.ramp.unwrap_or(Ramp { from: arguments.rate, to: arguments.rate });
    let offer = Offer {
        name: "sale",
        common: &arguments.common,
        page: &arguments.page,
        connections: arguments.connections,
        skus: arguments.skus,
        hot: HOT,
        pace: Pace::default().then(from, to, arguments.seconds),
        rate: from,
        ramp: arguments.ramp,
        doors: None,
    };
    hold(&offer, interrupt)
}

/// Runs a sale.
fn hold(offer: &Offer<'_>, interrupt: &Interrupt) -> Result<Exit, Failure> {
    let output = Output::new(offer.common.json);
    offer.page.check()?;
    let server = ServerUnderTest::get(offer.common)?;
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let mut control = ControlConnection::connect(server.address)?;
    if u64::from(control.welcome().limits.in_flight_max) < 2 * GROUP_MAX {
        return Err(Failure::usage(
            "this server accepts too few commands in flight on one connection for a sale",
        ));
    }
    output.note(&format!("preparing {} SKUs at {}", offer.skus, server.address));
    let goods = Goods::prepare(&mut control, offer.skus, offer.hot)?;
    let builder = Client::builder().name("stockhold-loadtest").deadline(ledger_audit::CALL_MAX);
    let client = runtime.block_on(builder.connect(server.address.to_string()))?;
    let facts = runtime.block_on(facts::read(&client, &goods.skus))?;
    let plan = SalePlan {
        pace: Arc::new(offer.pace.clone()),
        connections: offer.connections,
        seed: offer.common.seed,
        before: offer.doors.map(|doors| (doors.at, goods.mix_without_hot(flash::CHECK_PERCENT_BEFORE))),
        mix: goods.mix(CHECK_PERCENT),
    };

    let (status_before, before) = (control.status()?, Reading::take(server.pid));
    let sale = sell(&runtime, &plan, (offer.name, server.address), output, interrupt)?;
    let (after, span) = (Reading::take(server.pid), sale.started.elapsed());
    let (status_after, resident) = (control.status()?, server.pid.and_then(resident_bytes).unwrap_or(0));
    let record = sale.record.into_inner();
    let mut ledger = sale.ledger.into_inner();

    let hold_time_ms = ledger_audit::hold_time_ms(&status_after)?;
    output.note("waiting until abandoned holds have expired, then auditing");
    std::thread::sleep(ledger_audit::until_expired(record.deadline_max_s, hold_time_ms));
    let mut audited = runtime.block_on(ledger_audit::run(&client, &mut ledger, &facts))?;
    ledger_audit::compare(
        &mut control,
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
    let report = SaleReport::new(offer, &server, findings);
    output.report(&report.text(), &report)?;
    let is_ours = server.is_ours;
    offer.page.write(|| report.page(is_ours))?;
    drop((control, client));
    server.finish()?;
    Ok(report.exit(is_ours))
}

/// The sale itself, with its progress bar.
fn sell(
    runtime: &LocalRuntime,
    plan: &SalePlan,
    (name, address): (&'static str, SocketAddr),
    output: Output,
    interrupt: &Interrupt,
) -> Result<Sale, anyhow::Error> {
    let connections = runtime.block_on(drive::connect(address, plan.connections))?;
    let span = Duration::from_nanos(plan.pace.end_ns());
    let sale = Rc::new(Sale {
        started: Instant::now(),
        record: RefCell::new(SaleRecord::over(span)?),
        ledger: RefCell::new(Ledger::new(LEDGER_MAX)),
        interrupt: interrupt.clone(),
    });
    let bar = output.progress(span, name);
    let showing = runtime.spawn_local(show(bar.clone(), Rc::clone(&sale)));
    runtime.block_on(drive::run(connections, plan, &sale))?;
    showing.abort();
    // An aborted task ends with an error, which is expected.
    drop(runtime.block_on(showing));
    bar.finish_and_clear();
    Rc::into_inner(sale).ok_or_else(|| anyhow!("a connection still runs"))
}

/// Updates the progress bar until it is aborted.
async fn show(bar: ProgressBar, sale: Rc<Sale>) {
    let mut last = (Instant::now(), 0);
    loop {
        tokio::time::sleep(POLL).await;
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
