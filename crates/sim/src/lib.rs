//! The simulator: a whole Stockhold server (its real stages, log, snapshots, recovery and connections), its disk, its
//! clocks, its network and its clients run on one thread, driven by one seed. A model predicts every answer.
//!
//! ```text
//! plan ─► setup ─► turns of `world`: stages step · bytes move (`network`) · faults (`faults`) ─► finish
//!                     │ what is committed            │ what leaves the server
//!                     ▼                              ▼
//!                  `oracle` (model, replay)      `answer_checker` (a reason for every answer)
//! ```
//!
//! A seed determines everything that happens, so a violation can be reproduced. The simulator is *not* for
//! performance, and not for real files and sockets, which other tests cover. Of the server's code, only the table of
//! connections is replaced.
#![forbid(unsafe_code)]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a check ignores the kinds and codes that it does not concern"
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

/// Maximum number of turns per command. A world that is not done by then is ended.
const TURNS_PER_OP_MAX: u64 = 2_000;

/// How a seed is run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many commands clients make.
    pub ops: u32,
    /// Whether every line of the trace is printed at once.
    pub print: bool,
    /// A deliberate bug of the medium.
    pub medium_mutant: Option<recording::Mutant>,
}

impl Default for Options {
    fn default() -> Self {
        Self { ops: 500, print: false, medium_mutant: None }
    }
}

/// The result of one seed.
#[derive(Debug)]
pub struct SeedResult {
    /// What was counted.
    pub report: Report,
    /// The trace: everything that happened, line by line.
    pub trace: String,
    /// The violation, if there was one.
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
