//! The simulator: a whole Stockhold server (its real stages, log, snapshots, recovery and connections), its disk, its clocks, its
//! network and its clients on one thread, driven by one seed, with every answer predicted.
//!
//! ```text
//! plan ─► begin ─► turns of `world`: stages step · bytes move (`lines`) · things go wrong (`fate`) ─► finish
//!                     │ what is committed            │ what leaves the server
//!                     ▼                              ▼
//!                  `oracle` (model, replay)      `answer_checker` (a reason for everything)
//! ```
//!
//! A seed fixes everything that happens, so a violation can be seen again. It is *not* for speed, not for real files and real
//! sockets (other proofs have those), and nothing of the server is copied here but the table of connections.
#![forbid(unsafe_code)]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "kinds and codes that a check is not about are none of its business"
)]

mod answer_checker;
mod client;
mod client_commands;
mod draw;
mod faults;
mod finish;
mod network;
mod oracle;
mod plan;
pub mod report;
pub mod rng;
mod server;
mod setup;
pub mod trace;
pub mod violation;
mod world;

pub use report::Report;
pub use violation::Violation;

use stockhold::storage::recording;
use world::World;

/// Turns after which a world that still has something to do is ended.
const TURNS_PER_OP_MAX: u64 = 2_000;

/// How a seed is run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many commands clients think of.
    pub ops: u32,
    /// Whether every line of the trace is shown as it comes.
    pub print: bool,
    /// A bug of the medium that is put in.
    pub medium_mutant: Option<recording::Mutant>,
}

impl Default for Options {
    fn default() -> Self {
        Self { ops: 500, print: false, medium_mutant: None }
    }
}

/// What a seed came to.
#[derive(Debug)]
pub struct SeedResult {
    /// What it met.
    pub report: Report,
    /// Everything that happened, line by line.
    pub trace: String,
    /// What was wrong, if anything was.
    pub violation: Option<Violation>,
}

/// Runs one seed.
#[must_use]
pub fn run(seed: u64, options: Options) -> SeedResult {
    let mut world = match World::begin(seed, options) {
        Ok(world) => world,
        Err(violation) => {
            return SeedResult {
                report: Report::default(),
                trace: String::new(),
                violation: Some(violation),
            };
        }
    };
    let mut turns = 0;
    let violation = run_world(&mut world, options, &mut turns).err();
    let report = world.report(turns);
    SeedResult { report, trace: world.trace.text().to_owned(), violation }
}

fn run_world(world: &mut World, options: Options, turns: &mut u64) -> violation::CheckResult {
    while world.budget > 0 && *turns < TURNS_PER_OP_MAX * u64::from(options.ops) {
        *turns += 1;
        world.turn()?;
    }
    world.finish()
}
