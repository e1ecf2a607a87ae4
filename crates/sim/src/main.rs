//! `stockhold-sim`: runs seeds of the simulator and reports which one violated a guarantee, and how to reproduce it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program prints")]

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use serde::Serialize;
use stockhold_sim::{Options, Report, run};

/// Runs whole Stockhold servers in simulated worlds, each on one thread and from one seed. Disk, clocks, network and
/// crashes are simulated; everything else is the server's own code. A model predicts every answer. The exit code is 1
/// when a guarantee was violated; the output then says how to reproduce it.
#[derive(Debug, Parser)]
#[command(name = "stockhold-sim", version, after_help = LEARN)]
struct Arguments {
    /// How many seeds to run, one after the other
    #[arg(long, default_value_t = 100, value_name = "N")]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 1, value_name = "S")]
    first: u64,
    /// Run only this seed; a seed is always reproducible
    #[arg(long, value_name = "S", conflicts_with_all = ["seeds", "first"])]
    seed: Option<u64>,
    /// How many commands the clients of a world make
    #[arg(long, default_value_t = Options::default().ops, value_name = "M")]
    ops: u32,
    /// Print the whole trace, line by line
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Print one JSON object at the end instead of text
    #[arg(long)]
    json: bool,
}

const LEARN: &str = "Examples:
  stockhold-sim --seeds 200                              two hundred worlds
  stockhold-sim --seed 17 --trace                        one world, line by line
  stockhold-sim --first 100000 --seeds 5000 --ops 2000   a long run

Injected faults: unsynced sectors lost in any subset, torn batches, short and failed writes, failed syncs, no space at
any write, read errors, wrong reads, flipped bits, names and lengths that were not durable, power cuts while running
and again while starting, killed processes, clocks that step, sleep and stall, requests that are late, repeated, lost
or reordered, connections cut within a frame, full queues, mass expiry, ids older than what is remembered.

Checked guarantees: every answer is the one that the model predicts; nothing is oversold over any set of stocks;
everything acknowledged survives every crash; nothing is invented; each id is decided once; edge refusals meet their
conditions; watermarks never go back; the machine's invariants hold; the digests of server, replay and snapshot are equal.";

/// How often progress is printed.
const PROGRESS: Duration = Duration::from_secs(2);

#[derive(Debug, Serialize)]
struct Summary {
    seeds: u64,
    seconds: f64,
    failed_seed: Option<u64>,
    violation: Option<String>,
    #[serde(flatten)]
    met: Report,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let options = Options { ops: arguments.ops, print: arguments.trace, medium_mutant: None };
    let (first, count) = match arguments.seed {
        Some(seed) => (seed, 1),
        None => (arguments.first, arguments.seeds),
    };
    let started = Instant::now();
    let mut last_progress = started;
    let mut summary =
        Summary { seeds: 0, seconds: 0.0, failed_seed: None, violation: None, met: Report::default() };
    for seed in first..first.saturating_add(count) {
        report_panics_of(seed, arguments.ops);
        let run = run(seed, options);
        summary.seeds += 1;
        summary.met.add(&run.report);
        if let Some(violation) = run.violation {
            summary.failed_seed = Some(seed);
            summary.violation = Some(violation.to_string());
            break;
        }
        if last_progress.elapsed() >= PROGRESS {
            last_progress = Instant::now();
            let end = if std::io::stderr().is_terminal() { '\r' } else { '\n' };
            eprint!("{} of {count} seeds, {} ops{end}", summary.seeds, summary.met.ops);
        }
    }
    summary.seconds = started.elapsed().as_secs_f64();
    show(&summary, arguments.json);
    if let (Some(seed), Some(violation)) = (summary.failed_seed, &summary.violation) {
        eprintln!("seed {seed} violated a guarantee: {violation}");
        eprintln!("{}", again(seed, arguments.ops));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The command that reproduces a seed.
fn again(seed: u64, ops: u32) -> String {
    format!(
        "To reproduce it: cargo run --release -p stockhold-sim -- --seed {seed} --ops {ops} --trace | tail -60"
    )
}

/// A broken invariant aborts the program. The last line of output then contains the seed.
fn report_panics_of(seed: u64, ops: u32) {
    drop(std::panic::take_hook());
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        before(panic);
        eprintln!("seed {seed} broke an invariant.\n{}", again(seed, ops));
    }));
}

fn show(summary: &Summary, json: bool) {
    if json {
        match serde_json::to_string(summary) {
            Ok(text) => println!("{text}"),
            Err(error) => eprintln!("the summary cannot be written: {error}"),
        }
        return;
    }
    println!(
        "{} seeds in {:.1} s: {} ops decided for {} commands, {} turns.",
        summary.seeds, summary.seconds, summary.met.ops, summary.met.commands, summary.met.turns
    );
    for (name, counts) in [("Met", &summary.met.events), ("Decided", &summary.met.codes)] {
        let list: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
        println!("{name}: {}.", list.join(", "));
    }
    if summary.violation.is_none() {
        println!("No guarantee was violated.");
    }
}
