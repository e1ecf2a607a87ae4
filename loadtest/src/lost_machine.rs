//! A machine that is lost: a server with an archive sells, is killed, and its directory is removed. The state is then
//! restored from the archive alone, and every answered reservation is looked for in it. What the archive has must be
//! there, and what is missing must have been answered shortly before the loss.

use crate::arguments::{key_and_value, seconds};
use crate::children::{ChildProcess, DataDir};
use crate::control_connection::ControlConnection;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::table::Table;
use crate::test_catalog::TestCatalog;
use anyhow::{Context as _, anyhow};
use clap::Args;
use serde::Serialize;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stockhold::archive::{ArchiveView, Contents, Store};
use stockhold::calendar::rfc3339;
use stockhold::directory::ReadOnlyDirectory;
use stockhold::replica::{Replica, Target, wall_ms};
use stockhold::restore::replica_at;
use stockhold_client::{Cart, Client};
use stockhold_protocol::query::{Query, QueryAnswer};
use stockhold_protocol::{Quantity, ReservationId};
use tokio::runtime::{Builder, LocalOptions};

/// SKUs that are sold.
const SKUS: u32 = 100;
/// Units of each SKU: more than can be sold.
const UNITS: u32 = 100_000_000;
/// Connections of all shoppers together.
const CONNECTIONS: usize = 4;

/// A server that is lost with its directory, and restored from its archive.
#[derive(Clone, Debug, Args)]
pub(crate) struct LostMachineArguments {
    /// How long the server sells before it is lost, in seconds
    #[arg(long, default_value = "5", value_parser = seconds)]
    seconds: Duration,
    /// Shoppers, each with one reservation in flight
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    shoppers: u32,
    /// The server's archive.interval-ms
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(10..=600_000))]
    interval_ms: u64,
    /// The longest time that one upload may take, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1_000)]
    upload_ms: u64,
    /// An option of the server, as in its configuration file
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
    /// Directory for the server's data and its archive; must be empty or absent. Default: beside this program
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Keep the directory
    #[arg(long)]
    keep: bool,
    /// Print one line of JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// An answered reservation.
#[derive(Clone, Copy, Debug)]
struct Answered {
    id: ReservationId,
    op: u64,
    at: Instant,
}

/// What the run found.
#[derive(Debug, Serialize)]
struct Report {
    scenario: &'static str,
    seconds: f64,
    interval_ms: u64,
    upload_ms: u64,
    /// Reservations that were answered.
    answered: u64,
    /// The last op that was answered.
    answered_op: u64,
    /// The last op that the archive reaches, and its time.
    restored_op: u64,
    restored_time: String,
    /// Answered reservations that the restored state does not have.
    missing: u64,
    /// How long before the loss the first of them was answered, in milliseconds.
    missing_ms: u64,
    /// Answered reservations up to the restored op that the restored state does not have. There must be none.
    lost_in_archive: u64,
    /// Violated invariants of the restored state.
    violations: Vec<String>,
}

impl Report {
    fn exit(&self) -> Exit {
        let is_late = self.missing_ms > self.interval_ms + self.upload_ms;
        let is_sound = self.lost_in_archive == 0 && self.violations.is_empty();
        if is_sound && !is_late && self.answered > 0 { Exit::Fine } else { Exit::Violation }
    }

    fn text(&self) -> String {
        let bound = self.interval_ms + self.upload_ms;
        let mut table = Table::new();
        let answered =
            format!("{} reservations in {:.1} s, up to op {}", self.answered, self.seconds, self.answered_op);
        table.row("answered", answered);
        table.row("restored", format!("op {}, {}", self.restored_op, self.restored_time));
        let missing = format!(
            "{} reservations, the first of them answered {} ms before the loss; {bound} ms are allowed",
            self.missing, self.missing_ms
        );
        table.row("missing", missing);
        let violated = self.violations.len();
        table.row(
            "audit",
            format!("lost in the archive {} · violated invariants {violated}", self.lost_in_archive),
        );
        table.text()
    }
}

/// Runs the scenario.
pub(crate) fn run(arguments: &LostMachineArguments, interrupt: &Interrupt) -> Result<Exit, Failure> {
    let output = Output::new(arguments.json);
    let place = DataDir::make(arguments.data_dir.as_deref(), arguments.keep)?;
    let (data, archive) = (place.path().join("data"), place.path().join("archive"));
    std::fs::create_dir_all(&data)?;
    let archive = std::path::absolute(&archive)?;
    let server = start(arguments, &data, &archive)?;
    let mut control = ControlConnection::connect(server.ready.address)?;
    let units = Quantity::units(i64::from(UNITS)).ok_or_else(|| anyhow!("the units do not fit"))?;
    TestCatalog::prepare(&mut control, SKUS, units, 0)?;
    drop(control);
    let (answered, began, lost) = sell(arguments, server, interrupt)?;
    std::fs::remove_dir_all(&data).context("the data directory cannot be removed")?;
    output.note("the machine is lost; restoring from the archive alone");
    let replica = restored(&archive)?;
    let report = audit(arguments, &replica, &answered, (began, lost));
    output.report(&report.text(), &report)?;
    Ok(report.exit())
}

fn start(arguments: &LostMachineArguments, data: &Path, archive: &Path) -> Result<ChildProcess, Failure> {
    let mut words: Vec<String> = vec![
        format!("--set=archive.url=file://{}", archive.display()),
        format!("--set=archive.interval-ms={}", arguments.interval_ms),
    ];
    words.extend(arguments.set.iter().map(|(key, value)| format!("--set={key}={value}")));
    let mut all = vec!["serve-child".as_ref(), "--data-dir".as_ref(), data.as_os_str()];
    all.extend(words.iter().map(std::ffi::OsStr::new));
    ChildProcess::start(&all, None)
}

/// Sells until the server is killed. Returns what was answered, when it began, and when the server was killed.
fn sell(
    arguments: &LostMachineArguments,
    server: ChildProcess,
    interrupt: &Interrupt,
) -> Result<(Vec<Answered>, Instant, Instant), Failure> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let address = server.ready.address.to_string();
    let client = runtime.block_on(Client::builder().connections(CONNECTIONS).connect(address))?;
    let ledger = Rc::new(RefCell::new(Vec::new()));
    let began = Instant::now();
    let lost = runtime.block_on(async {
        for shopper in 0..arguments.shoppers {
            tokio::task::spawn_local(shop(client.clone(), shopper, Rc::clone(&ledger)));
        }
        let until = began + arguments.seconds;
        while Instant::now() < until && !interrupt.is_set() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let lost = Instant::now();
        // Dropping the process kills it.
        drop(server);
        lost
    });
    drop(runtime);
    let ledger = Rc::into_inner(ledger).ok_or_else(|| anyhow!("a shopper still runs"))?;
    Ok((ledger.into_inner(), began, lost))
}

/// Reserves one unit after the other until the server does not answer.
async fn shop(client: Client, shopper: u32, ledger: Rc<RefCell<Vec<Answered>>>) {
    let sku = format!("LOAD-{:07}", 1 + shopper % SKUS);
    let cart = Cart::from_stock("load-web").line(&sku, 1_u32);
    while let Ok(answer) = client.reserve(&cart).await {
        let Ok(reserved) = answer.into_result() else { return };
        let (id, op) = (reserved.reservation, reserved.outcome.op);
        ledger.borrow_mut().push(Answered { id, op, at: Instant::now() });
    }
}

/// The state that the archive leads to.
fn restored(archive: &Path) -> Result<Replica, anyhow::Error> {
    let store = Arc::new(Store::open(&archive.display().to_string(), false)?);
    let contents = Contents::read(&store)?;
    let timeline = contents.timeline(&store, contents.log(None)?, None)?;
    let files = ArchiveView::open(store, &contents, &timeline)?;
    let directory = ReadOnlyDirectory::open(Arc::new(files))?;
    Ok(replica_at(&directory, Target::End, None, &mut |_| ())?)
}

fn audit(
    arguments: &LostMachineArguments,
    replica: &Replica,
    answered: &[Answered],
    (began, lost): (Instant, Instant),
) -> Report {
    let machine = replica.machine();
    let is_there = |one: &&Answered| {
        let found = machine.query(&Query::Reservation(one.id.0.to_bytes()));
        matches!(found, Some(QueryAnswer::Reservation(Some(_))))
    };
    let missing: Vec<&Answered> = answered.iter().filter(|one| !is_there(one)).collect();
    let first = missing.iter().map(|one| one.at).min();
    let missing_ms = first.map_or(0, |at| lost.saturating_duration_since(at).as_millis());
    Report {
        scenario: "lost-machine",
        seconds: lost.saturating_duration_since(began).as_secs_f64(),
        interval_ms: arguments.interval_ms,
        upload_ms: arguments.upload_ms,
        answered: count(answered.len()),
        answered_op: answered.iter().map(|one| one.op).max().unwrap_or(0),
        restored_op: machine.op(),
        restored_time: rfc3339(wall_ms(machine)),
        missing: count(missing.len()),
        missing_ms: u64::try_from(missing_ms).unwrap_or(u64::MAX),
        lost_in_archive: count(missing.iter().filter(|one| one.op <= machine.op()).count()),
        violations: machine.validate(),
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
