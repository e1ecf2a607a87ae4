//! `demo`: a merchant, a flash sale over TCP, a crash in the middle, and an audit from the client's ledger.
//!
//! The server is a separate process with real files and is killed by SIGKILL. The audit relies only on the answers that
//! the shoppers received.

mod child;
mod merchant;
mod report;
mod sale;

use super::context::Context;
use super::exit::{Exit, ExitWith, Failure};
use crate::config::{Config, Overrides};
use crate::server;
use child::ServerProcess;
use clap::Args;
use report::Report;
use sale::{CONNECTIONS, FRAME_CARTS, Sale};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use stockhold_client::{Client, SERVER_VARIABLE, wall_clock_ms};
use stockhold_machine::{Configuration, Genesis};
use stockhold_protocol::Timestamp;
use stockhold_workload::{Audit, AuditPlan, SkuFacts, audit, facts};
use tokio::runtime::{Builder, Runtime};

/// The timeout for a query of the audit.
const CALL_MAX: Duration = Duration::from_mins(1);
/// Any free port of this machine.
const ANY_PORT: &str = "127.0.0.1:0";
/// The seed of the shoppers, so that they come in the same order in every run.
const SEED: u64 = 1_817;

/// `demo`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold demo
  stockhold demo --seconds 3 --json
  stockhold demo --keep --data-dir shop-data")]
pub(super) struct DemoArguments {
    /// The duration of the sale in seconds; the crash is in the middle
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Keep the server running and its data in place
    #[arg(long)]
    keep: bool,
    /// The data directory, which must be empty; without it a new one beside this program
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// The data directory of a demo. It is removed at the end unless it is kept.
struct DataDir {
    path: PathBuf,
    stays: bool,
}

impl Drop for DataDir {
    fn drop(&mut self) {
        if !self.stays {
            // A directory that cannot be removed is left in place.
            std::fs::remove_dir_all(&self.path).ok();
        }
    }
}

pub(super) fn demo(context: Context<'_>, arguments: &DemoArguments) -> Result<Exit, Failure> {
    let data = make_directory(arguments)?;
    let mut process = ServerProcess::start(&data.path, ANY_PORT)?;
    context.output.note(&format!("The server runs at {} on {}.", process.address, data.path.display()));
    let merchant = merchant::open(context.output, &process.address, context.timeout)?;
    context.output.note(&merchant.sentence());

    let runtime = Builder::new_current_thread().enable_all().build().exit_with(Exit::Unreachable)?;
    let facts = runtime.block_on(read_facts(&process.address, &merchant))?;
    let mut sale = Sale::new(merchant.mix(), SEED);
    let half = Duration::from_secs(arguments.seconds) / 2;
    context.output.note(&format!(
        "The flash sale opens: {CONNECTIONS} connections, {FRAME_CARTS} new carts in every frame, each answered after it is on disk."
    ));
    sell(context, &runtime, &mut sale, &process.address, half)?;
    process.kill()?;
    let unanswered = runtime.block_on(sale.record_unanswered()).exit_with(Exit::Unreachable)?;
    let down = Instant::now();
    context.output.note(&format!(
        "Killed the server (SIGKILL); {unanswered} commands were in flight without an answer."
    ));
    let mut process = ServerProcess::start(&data.path, &process.address)?;
    let outage = down.elapsed();
    let client = runtime.block_on(connect(&process.address))?;
    runtime.block_on(audit::resolve_unknown(&client, &mut sale.ledger)).exit_with(Exit::Unreachable)?;
    context.output.note(&recovered(&process, outage));
    sell(context, &runtime, &mut sale, &process.address, half)?;
    runtime.block_on(sale.finish()).exit_with(Exit::Unreachable)?;
    context.output.note("The sale is over. The audit repeats every recorded command with its own id …");
    let audit = runtime.block_on(run_audit(&client, &sale, &facts))?;
    drop(client);
    let report = Report::new(&mut sale, audit, unanswered, outage, &process.recovery);
    let text = report.text(&merchant::left(context, &process.address)?);
    context.output.result(&text, &report.document())?;
    end(context, arguments, data, &mut process)?;
    if arguments.keep {
        process.leave();
    }
    Ok(if report.is_clean() { Exit::Ok } else { Exit::BadData })
}

/// Creates and formats the data directory.
fn make_directory(arguments: &DemoArguments) -> Result<DataDir, Failure> {
    let path = if let Some(path) = &arguments.data_dir {
        path.clone()
    } else {
        let program = std::env::current_exe().exit_with(Exit::Unreachable)?;
        let beside = program.parent().unwrap_or(Path::new("."));
        beside.join(format!("stockhold-demo-{}", std::process::id()))
    };
    // A directory that existed before is not removed.
    let is_ours = !path.exists();
    let overrides = Overrides::from([("data-dir".to_owned(), path.display().to_string())]);
    let config = Config::load(None, std::iter::empty(), &overrides).exit_with(Exit::Usage)?;
    let formatted_at = Timestamp(wall_clock_ms());
    let genesis = Genesis { configuration: Configuration::default(), formatted_at };
    let data = DataDir { path, stays: arguments.keep || !is_ours };
    server::format_directory(&config, &genesis)
        .map_err(|error| super::exit::start_failure(error, &config.data_dir))?;
    Ok(data)
}

async fn connect(address: &str) -> Result<Client, Failure> {
    Client::builder().deadline(CALL_MAX).connect(address).await.exit_with(Exit::Unreachable)
}

async fn read_facts(address: &str, merchant: &merchant::Merchant) -> Result<Vec<SkuFacts>, Failure> {
    let client = connect(address).await?;
    facts::read(&client, &merchant.skus).await.exit_with(Exit::Unreachable)
}

/// Runs one half of the sale.
fn sell(
    context: Context<'_>,
    runtime: &Runtime,
    sale: &mut Sale,
    address: &str,
    span: Duration,
) -> Result<(), Failure> {
    runtime.block_on(sale.open(address)).exit_with(Exit::Unreachable)?;
    let bar = context.output.progress(super::times::milliseconds(span), "sale");
    let progress = |elapsed, granted: u64| {
        bar.set_position(super::times::milliseconds(elapsed));
        bar.set_message(format!("{granted} reserved"));
    };
    runtime.block_on(sale.sell(span, progress)).exit_with(Exit::Unreachable)?;
    bar.finish_and_clear();
    Ok(())
}

async fn run_audit(client: &Client, sale: &Sale, facts: &[SkuFacts]) -> Result<Audit, Failure> {
    let now_s = u32::try_from(wall_clock_ms() / 1_000).unwrap_or(u32::MAX);
    audit::run(client, &sale.ledger, facts, AuditPlan::at(now_s)).await.exit_with(Exit::Unreachable)
}

fn recovered(process: &ServerProcess, outage: Duration) -> String {
    format!(
        "The server is back after {} ms: {} ops recovered, {} of them replayed from the log. The sale continues.",
        super::times::milliseconds(outage),
        process.recovery["recovered_ops"],
        process.recovery["replayed_ops"]
    )
}

/// Stops the server, or prints how to use it further.
fn end(
    context: Context<'_>,
    arguments: &DemoArguments,
    data: DataDir,
    process: &mut ServerProcess,
) -> Result<(), Failure> {
    let (address, path, id) = (process.address.clone(), data.path.display().to_string(), process.id());
    if arguments.keep {
        context.output.note(&format!(
            "
The server keeps running at {address} (process {id}) with its data in {path}. Try:
  export {SERVER_VARIABLE}={address}
  stockhold salable BIKE-0001
  stockhold show sku BIKE-0003
  stockhold reserve --stock web-us --line TIRE-0001=2 --ttl 15m
  stockhold status
Stop it with `kill {id}`, then read its log:
  stockhold verify {path}
  stockhold log dump {path} --limit 5"
        ));
    } else {
        process.stop()?;
        drop(data);
        context.output.note(
            "
The server is stopped and its data is removed. Try next:
  stockhold demo --keep                       the same, but keep the server running
  stockhold format shop-data && stockhold serve --data-dir shop-data
  stockhold import examples/bicycles/catalog.toml examples/bicycles/stock.csv
  stockhold salable BIKE-0001                 and `stockhold --help` for all commands",
        );
    }
    Ok(())
}
