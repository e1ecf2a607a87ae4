//! A scarce sale on a real server over real files and sockets. The server is killed, frozen, cut off from its power
//! and restarted at random moments; then the run is audited. It proves that every answer stays valid and that nothing
//! was oversold.

pub(crate) mod arguments;
mod drive;
mod fault_injector;
mod fault_schedule;
mod goods;
mod power_cut;
mod report;
mod server_process;
mod shared_state;
mod shopper;

use crate::audit::Audit;
use crate::children::DataDir;
use crate::control_connection::ControlConnection;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::ledger_audit;
use crate::output::Output;
use anyhow::anyhow;
use arguments::ChaosArguments;
use drive::ShopperContext;
use fault_injector::FaultInjector;
use goods::Goods;
use power_cut::PowerSupply;
use report::{ChaosReport, Findings};
use server_process::ServerProcess;
use shared_state::SharedState;
use shopper::Shopper;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use stockhold::storage::{ReadOnlyFs, SharedReadStorage};
use stockhold::verify::verify;
use stockhold_client::Client;
use stockhold_workload::facts::SkuFacts;
use stockhold_workload::{Ledger, facts};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

/// Maximum number of reservations, and of changes of them, in the ledger.
const LEDGER_MAX: usize = 10_000_000;
/// Odd, so that every shopper gets another seed.
const SEED_STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Runs the scenario.
pub(crate) fn run(arguments: &ChaosArguments, interrupt: &Interrupt) -> Result<Exit, Failure> {
    let output = Output::new(arguments.json);
    let data_dir = DataDir::make(arguments.data_dir.as_deref(), arguments.keep)?;
    let path = data_dir.path().to_owned();
    let power = arguments.power_cuts.map(|_| PowerSupply::connect(&path)).transpose()?;
    let state = Arc::new(SharedState::default());
    let server = ServerProcess::new(data_dir, power, &arguments.set);
    let mut injector = FaultInjector::begin(server, arguments, Arc::clone(&state))?;
    match play(arguments, &mut injector, &state, output, interrupt) {
        Ok(mut findings) => {
            let (faults, mut server) = injector.into_parts();
            server.stop()?;
            findings.damage = damage(server.server_dir())?;
            findings.faults = faults;
            let report = ChaosReport::new(arguments, findings);
            output.report(&report.text(), &report)?;
            if report.exit() != Exit::Fine {
                keep(server.data_dir(), &path, output);
            }
            Ok(report.exit())
        }
        Err(failure) => {
            let (faults, mut server) = injector.into_parts();
            keep(server.data_dir(), &path, output);
            Err(after(&faults.findings, failure))
        }
    }
}

/// If a finding exists, a later failure of the audit still counts as a violation.
fn after(findings: &[String], failure: Failure) -> Failure {
    match findings.first() {
        Some(finding) => Failure::violation(format!("{finding}; then the run failed: {}", failure.text())),
        None => failure,
    }
}

/// Keeps the directory after a finding, as evidence.
fn keep(data_dir: &mut DataDir, path: &Path, output: Output) {
    data_dir.preserve();
    output.kept(path);
}

/// The sale, the last crash and the audit. The caller handles the counters and the directory.
fn play(
    arguments: &ChaosArguments,
    injector: &mut FaultInjector,
    state: &Arc<SharedState>,
    output: Output,
    interrupt: &Interrupt,
) -> Result<Findings, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let mut setting_up = connect_control(state)?;
    let goods = Rc::new(Goods::prepare(&mut setting_up, arguments.seed)?);
    // The commands of the setup were answered too, so they count before the first fault.
    state.acknowledge(setting_up.recorded_op());
    drop(setting_up);
    let client = runtime.block_on(drive::connect(state))?;
    let facts = runtime.block_on(facts::read(&client, &goods.skus()))?;
    let context =
        Rc::new(ShopperContext::new(Arc::clone(state), Ledger::new(LEDGER_MAX).with_all_refusals()));

    let started = Instant::now();
    let injecting = || {
        let bar = output.progress_to(u64::from(arguments.crashes()), "ends");
        let struck = injector.inject(arguments.crashes() - 1, &bar, interrupt);
        bar.finish_and_clear();
        state.finish();
        struck
    };
    std::thread::scope(|scope| {
        let injecting =
            std::thread::Builder::new().name("faults".to_owned()).spawn_scoped(scope, injecting)?;
        runtime.block_on(shop_all(arguments, &client, &goods, &context))?;
        injecting.join().map_err(|_| anyhow!("the fault injection thread has panicked"))?
    })?;
    if let Some(error) = context.failure.take() {
        return Err(error.into());
    }
    // The audit must run on a server that knows only what its directory contains.
    injector.crash_once_more()?;
    let span = started.elapsed();
    let context = Rc::into_inner(context).ok_or_else(|| anyhow!("a shopper still runs"))?;
    let mut ledger = context.ledger.into_inner();
    output.note("waiting until abandoned holds have expired, then auditing");
    let client = client.with_deadline(ledger_audit::CALL_MAX);
    let now_ms = ledger_audit::hold_time_ms(&runtime.block_on(client.status())?)?;
    std::thread::sleep(ledger_audit::until_expired(context.deadline_max_s.get(), now_ms));
    let audit = audit(&runtime, state, &client, &goods, &mut ledger, &facts)?;
    Ok(Findings {
        faults: fault_injector::FaultCounts::default(),
        tally: ledger.tally(),
        unknown_resolved: context.unknown_resolved.get(),
        abandoned: context.abandoned.get(),
        span,
        interrupted: interrupt.is_set(),
        audit,
        damage: Vec::new(),
    })
}

fn connect_control(state: &SharedState) -> Result<ControlConnection, anyhow::Error> {
    ControlConnection::connect(state.address().ok_or_else(|| anyhow!("the server is gone"))?)
}

async fn shop_all(
    arguments: &ChaosArguments,
    client: &Client,
    goods: &Rc<Goods>,
    context: &Rc<ShopperContext>,
) -> Result<(), tokio::task::JoinError> {
    let mut tasks = Vec::new();
    for index in 0..u64::from(arguments.shoppers) {
        let seed = arguments.seed.wrapping_add(index.wrapping_mul(SEED_STEP));
        // Every other shopper has no owner. Such carts are stored in the shortest form.
        let owner = if index % 2 == 0 { 0 } else { index };
        let shopper = Shopper::new(Rc::clone(goods), seed, owner);
        tasks.push(tokio::task::spawn_local(drive::shop(client.clone(), shopper, Rc::clone(context))));
    }
    for task in tasks {
        task.await?;
    }
    Ok(())
}

fn audit(
    runtime: &LocalRuntime,
    state: &SharedState,
    client: &Client,
    goods: &Goods,
    ledger: &mut Ledger,
    facts: &[SkuFacts],
) -> Result<Audit, anyhow::Error> {
    let mut audited = runtime.block_on(ledger_audit::run(client, ledger, facts))?;
    ledger_audit::compare(
        &mut connect_control(state)?,
        &goods.skus(),
        &goods.stocks(),
        ledger,
        facts,
        &mut audited,
    )?;
    Ok(audited)
}

/// The findings of `stockhold verify` in the directory after a clean stop.
fn damage(path: &Path) -> Result<Vec<String>, anyhow::Error> {
    let files: SharedReadStorage = Arc::new(ReadOnlyFs::open(path)?);
    let verification = verify(&files, |_, _| {})?;
    Ok(verification.findings.iter().map(ToString::to_string).collect())
}
