//! Five machines in lockstep, fed with encoded records: one plain, one swept a little and one swept wholly
//! after every op, one that is a snapshot of itself loaded again and again, and one that takes its snapshot in
//! small steps while commands go on. They must agree on every outcome and every digest.
//!
//! Not for reading scenarios: that is `script`.

use stockhold_machine::config::SPAN_MAX_MS;
use stockhold_machine::table::Progress;
use stockhold_machine::{Configuration, Genesis, Loader, Machine, SnapshotMark};
use stockhold_protocol::{Code, Outcome, Timestamp};

/// The second at which every scenario begins.
pub(crate) const START_S: u64 = 1_763_800_000;
/// Ops between two reloads.
const RELOAD_EVERY: u64 = 3;

/// A configuration in which no pause is a gap: scenarios skip hours without a tick.
pub(crate) fn without_gaps() -> Configuration {
    Configuration { gap_max_ms: SPAN_MAX_MS, ..Configuration::default() }
}

/// See the module.
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) machine: Machine,
    swept_little: Machine,
    swept_wholly: Machine,
    reloaded: Machine,
    walked: Machine,
    walk: Option<Walk>,
}

/// A snapshot under way.
struct Walk {
    mark: SnapshotMark,
    loader: Loader,
}

impl World {
    pub(crate) fn new() -> Self {
        let genesis = Genesis { formatted_at: Timestamp(START_S * 1_000), configuration: without_gaps() };
        let new = || Machine::new(&genesis);
        Self {
            now: genesis.formatted_at,
            machine: new(),
            swept_little: new(),
            swept_wholly: new(),
            reloaded: new(),
            walked: new(),
            walk: None,
        }
    }

    /// Applies a record to every machine and compares them.
    pub(crate) fn apply(&mut self, record: &[u8]) -> Outcome {
        let outcome = self.machine.apply(self.now, record);
        let digest = self.machine.digest();
        let others = [&mut self.swept_little, &mut self.swept_wholly, &mut self.reloaded, &mut self.walked];
        for (which, other) in others.into_iter().enumerate() {
            assert_eq!(other.apply(self.now, record), outcome, "machine {which} answers otherwise");
            assert_eq!(other.digest(), digest, "machine {which} has another digest after {outcome:?}");
        }
        self.swept_little.sweep(1);
        while self.swept_wholly.sweep(u32::MAX) {}
        if outcome.op.is_multiple_of(RELOAD_EVERY) {
            self.reloaded = reload(&mut self.reloaded);
        }
        self.step_walk();
        self.validate();
        outcome
    }

    /// The shell skips an op on every machine.
    pub(crate) fn skip(&mut self) {
        let outcome = self.machine.skip(self.now);
        assert_eq!(outcome.code, Code::Skipped);
        for other in [&mut self.swept_little, &mut self.swept_wholly, &mut self.reloaded, &mut self.walked] {
            assert_eq!(other.skip(self.now), outcome);
            assert_eq!(other.digest(), self.machine.digest());
        }
        self.validate();
    }

    pub(crate) fn validate(&self) {
        let machines = [&self.machine, &self.swept_little, &self.swept_wholly, &self.reloaded, &self.walked];
        for (which, machine) in machines.into_iter().enumerate() {
            assert_eq!(machine.validate(), Vec::<String>::new(), "machine {which} breaks an invariant");
        }
    }

    /// Takes the walked machine's snapshot a little further; at its end it must load to what its mark says.
    fn step_walk(&mut self) {
        let walk = self
            .walk
            .get_or_insert_with(|| Walk { mark: self.walked.begin_snapshot(), loader: Machine::loader() });
        let mut sink = |section: u16, records: u32, bytes: &[u8]| {
            assert_eq!(walk.loader.section(section, records, bytes), Ok(()));
        };
        if self.walked.snapshot_step(2, &mut sink) == Progress::Done
            && let Some(walk) = self.walk.take()
        {
            let loaded = walk.loader.finish(&walk.mark).expect("a snapshot loads");
            assert_eq!(loaded.digest(), walk.mark.digest);
            assert_eq!(loaded.validate(), Vec::<String>::new(), "what was loaded breaks an invariant");
        }
    }
}

/// A machine by way of its own snapshot.
fn reload(machine: &mut Machine) -> Machine {
    let mark = machine.begin_snapshot();
    let mut loader = Machine::loader();
    let mut sink = |section: u16, records: u32, bytes: &[u8]| {
        assert_eq!(loader.section(section, records, bytes), Ok(()));
    };
    while machine.snapshot_step(1_000, &mut sink) == Progress::More {}
    loader.finish(&mark).expect("a snapshot loads")
}
