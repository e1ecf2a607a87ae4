//! A scarce sale on a real server that is killed, frozen, cut off from its power and started again at random moments, over real files
//! and real sockets; then the audit. What is proved: whatever was answered is still so, and nothing was promised that was not there.

mod arena;
pub(crate) mod arguments;
mod drive;
mod goods;
mod power;
mod report;
mod shopper;
mod strikes;
mod torment;
mod victim;

use crate::audit::Audit;
use crate::children::DataDir;
use crate::desk::Desk;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::ledger_audit;
use crate::output::Output;
use anyhow::anyhow;
use arena::Arena;
use arguments::ChaosArguments;
use drive::Crowd;
use goods::Goods;
use power::Power;
use report::{ChaosReport, Findings};
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
use torment::Torment;
use victim::Victim;

/// Most reservations, and as many changes of them, that the ledger keeps.
const LEDGER_MAX: usize = 10_000_000;
/// Odd, so that every shopper gets a seed of its own.
const SEED_STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Runs the scenario.
pub(crate) fn run(arguments: &ChaosArguments, interrupt: &Interrupt) -> Result<Exit, Failure> {
    let output = Output::new(arguments.json);
    let data_dir = DataDir::make(arguments.data_dir.as_deref(), arguments.keep)?;
    let path = data_dir.path().to_owned();
    let power = arguments.power_cuts.map(|_| Power::connect(&path)).transpose()?;
    let arena = Arc::new(Arena::default());
    let victim = Victim::new(data_dir, power, &arguments.set);
    let mut torment = Torment::begin(victim, arguments, Arc::clone(&arena))?;
    match play(arguments, &mut torment, &arena, output, interrupt) {
        Ok(mut findings) => {
            let (blows, mut victim) = torment.into_parts();
            victim.stop()?;
            findings.damage = damage(victim.home())?;
            findings.blows = blows;
            let report = ChaosReport::new(arguments, findings);
            output.report(&report.text(), &report)?;
            if report.exit() != Exit::Fine {
                keep(victim.data_dir(), &path);
            }
            Ok(report.exit())
        }
        Err(failure) => {
            let (blows, mut victim) = torment.into_parts();
            keep(victim.data_dir(), &path);
            Err(after(&blows.findings, failure))
        }
    }
}

/// Who has lost so much that nobody can audit the rest has broken a promise all the same.
fn after(findings: &[String], failure: Failure) -> Failure {
    match findings.first() {
        Some(finding) => Failure::violation(format!("{finding}; and then: {}", failure.text())),
        None => failure,
    }
}

/// A directory after a finding is evidence.
fn keep(data_dir: &mut DataDir, path: &Path) {
    data_dir.preserve();
    crate::output::complain(&format!("the data directory is left behind at {}", path.display()));
}

/// The sale, the last kill and the audit; everything but the blows and the directory.
fn play(
    arguments: &ChaosArguments,
    torment: &mut Torment,
    arena: &Arc<Arena>,
    output: Output,
    interrupt: &Interrupt,
) -> Result<Findings, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let mut setting_up = desk(arena)?;
    let goods = Rc::new(Goods::prepare(&mut setting_up, arguments.seed)?);
    // What was set up was answered too: nobody may have got a cart before the first blow.
    arena.acknowledge(setting_up.recorded_op());
    drop(setting_up);
    let client = runtime.block_on(drive::connect(arena))?;
    let facts = runtime.block_on(facts::read(&client, &goods.skus()))?;
    let crowd = Rc::new(Crowd::new(Arc::clone(arena), Ledger::new(LEDGER_MAX).with_all_refusals()));

    let started = Instant::now();
    let tormenting = || {
        let bar = output.progress_to(u64::from(arguments.ends()), "ends");
        let struck = torment.strike(arguments.ends() - 1, &bar, interrupt);
        bar.finish_and_clear();
        arena.close();
        struck
    };
    std::thread::scope(|scope| {
        let tormenting =
            std::thread::Builder::new().name("torment".to_owned()).spawn_scoped(scope, tormenting)?;
        runtime.block_on(shop_all(arguments, &client, &goods, &crowd))?;
        tormenting.join().map_err(|_| anyhow!("the thread that strikes has panicked"))?
    })?;
    if let Some(error) = crowd.failure.take() {
        return Err(error.into());
    }
    // The audit asks a server that remembers nothing but what its directory says.
    torment.strike_last()?;
    let span = started.elapsed();
    let crowd = Rc::into_inner(crowd).ok_or_else(|| anyhow!("a shopper is still there"))?;
    let mut ledger = crowd.ledger.into_inner();
    output.note("waiting until abandoned holds have expired, then auditing");
    let client = client.with_deadline(ledger_audit::CALL_MAX);
    let now_ms = ledger_audit::hold_time_ms(&runtime.block_on(client.status())?)?;
    std::thread::sleep(ledger_audit::until_expired(crowd.deadline_max_s.get(), now_ms));
    let audit = audit(&runtime, arena, &client, &goods, &mut ledger, &facts)?;
    Ok(Findings {
        blows: torment::Blows::default(),
        tally: ledger.tally(),
        unknown_resolved: crowd.unknown_resolved.get(),
        abandoned: crowd.abandoned.get(),
        span,
        interrupted: interrupt.is_set(),
        audit,
        damage: Vec::new(),
    })
}

fn desk(arena: &Arena) -> Result<Desk, anyhow::Error> {
    Desk::connect(arena.address().ok_or_else(|| anyhow!("the server is gone"))?)
}

async fn shop_all(
    arguments: &ChaosArguments,
    client: &Client,
    goods: &Rc<Goods>,
    crowd: &Rc<Crowd>,
) -> Result<(), tokio::task::JoinError> {
    let mut tasks = Vec::new();
    for index in 0..u64::from(arguments.shoppers) {
        let seed = arguments.seed.wrapping_add(index.wrapping_mul(SEED_STEP));
        // Every other shopper owns nothing: such carts are stored in the shortest way.
        let owner = if index % 2 == 0 { 0 } else { index };
        let shopper = Shopper::new(Rc::clone(goods), seed, owner);
        tasks.push(tokio::task::spawn_local(drive::shop(client.clone(), shopper, Rc::clone(crowd))));
    }
    for task in tasks {
        task.await?;
    }
    Ok(())
}

fn audit(
    runtime: &LocalRuntime,
    arena: &Arena,
    client: &Client,
    goods: &Goods,
    ledger: &mut Ledger,
    facts: &[SkuFacts],
) -> Result<Audit, anyhow::Error> {
    let mut audited = runtime.block_on(ledger_audit::run(client, ledger, facts))?;
    ledger_audit::compare(&mut desk(arena)?, &goods.skus(), &goods.stocks(), ledger, facts, &mut audited)?;
    Ok(audited)
}

/// What `stockhold verify` finds in the directory, after a stop in good order.
fn damage(path: &Path) -> Result<Vec<String>, anyhow::Error> {
    let files: SharedReadStorage = Arc::new(ReadOnlyFs::open(path)?);
    let verification = verify(&files, |_, _| {})?;
    Ok(verification.findings.iter().map(ToString::to_string).collect())
}
