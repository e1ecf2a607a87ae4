//! Five machines that apply the same encoded records. One is plain. One is swept a little after every op,
//! and one is swept completely. One is loaded from its own snapshot again and again. One takes its snapshot
//! in small steps while commands are applied. They must agree on every outcome and every digest.
//!
//! Scenarios are parsed in `script`.

use stockhold_machine::config::SPAN_MAX_MS;
use stockhold_machine::table::Progress;
use stockhold_machine::{Configuration, Genesis, Loader, Machine, SnapshotMark};
use stockhold_protocol::{Code, Outcome, Timestamp};

/// The second at which every scenario begins.
pub(crate) const START_S: u64 = 1_763_800_000;
/// The number of ops between two reloads.
const RELOAD_EVERY: u64 = 3;

/// A configuration in which no pause is a gap, because scenarios skip hours without a tick.
pub(crate) fn without_gaps() -> Configuration {
    Configuration { gap_max_ms: SPAN_MAX_MS, ..Configuration::default() }
}

/// See the module documentation.
pub(crate) struct Machines {
    pub(crate) now: Timestamp,
    pub(crate) plain: Machine,
    swept_little: Machine,
    swept_wholly: Machine,
    reloaded: Machine,
    copied: Machine,
    snapshot: Option<Snapshot>,
}

/// A snapshot in progress and the loader that receives it.
struct Snapshot {
    mark: SnapshotMark,
    loader: Loader,
}

impl Machines {
    pub(crate) fn new() -> Self {
        let genesis = Genesis { formatted_at: Timestamp(START_S * 1_000), configuration: without_gaps() };
        let new = || Machine::new(&genesis);
        Self {
            now: genesis.formatted_at,
            plain: new(),
            swept_little: new(),
            swept_wholly: new(),
            reloaded: new(),
            copied: new(),
            snapshot: None,
        }
    }

    /// Applies a record to every machine and compares them.
    pub(crate) fn apply(&mut self, record: &[u8]) -> Outcome {
        let outcome = self.plain.apply(self.now, record);
        let digest = self.plain.digest();
        let others = [&mut self.swept_little, &mut self.swept_wholly, &mut self.reloaded, &mut self.copied];
        for (which, other) in others.into_iter().enumerate() {
            assert_eq!(other.apply(self.now, record), outcome, "machine {which} gives another answer");
            assert_eq!(other.digest(), digest, "machine {which} has another digest after {outcome:?}");
        }
        self.swept_little.sweep(1);
        while self.swept_wholly.sweep(u32::MAX) {}
        if outcome.op.is_multiple_of(RELOAD_EVERY) {
            self.reloaded = reload(&mut self.reloaded);
        }
        self.step_snapshot();
        self.validate();
        outcome
    }

    /// Skips an op on every machine.
    pub(crate) fn skip(&mut self) {
        let outcome = self.plain.skip(self.now);
        assert_eq!(outcome.code, Code::Skipped);
        for other in [&mut self.swept_little, &mut self.swept_wholly, &mut self.reloaded, &mut self.copied] {
            assert_eq!(other.skip(self.now), outcome);
            assert_eq!(other.digest(), self.plain.digest());
        }
        self.validate();
    }

    pub(crate) fn validate(&self) {
        let machines = [&self.plain, &self.swept_little, &self.swept_wholly, &self.reloaded, &self.copied];
        for (which, machine) in machines.into_iter().enumerate() {
            assert_eq!(machine.validate(), Vec::<String>::new(), "machine {which} breaks an invariant");
        }
    }

    /// Advances the snapshot of one machine. A complete snapshot must load to the state of its mark.
    fn step_snapshot(&mut self) {
        let snapshot = self.snapshot.get_or_insert_with(|| Snapshot {
            mark: self.copied.begin_snapshot(),
            loader: Machine::loader(),
        });
        let mut sink = |section: u16, records: u32, bytes: &[u8]| {
            assert_eq!(snapshot.loader.section(section, records, bytes), Ok(()));
        };
        if self.copied.snapshot_step(2, &mut sink) == Progress::Done
            && let Some(snapshot) = self.snapshot.take()
        {
            let loaded = snapshot.loader.finish(&snapshot.mark).expect("a snapshot loads");
            assert_eq!(loaded.digest(), snapshot.mark.digest);
            assert_eq!(loaded.validate(), Vec::<String>::new(), "the loaded machine breaks an invariant");
        }
    }
}

/// Loads a machine from its own snapshot.
fn reload(machine: &mut Machine) -> Machine {
    let mark = machine.begin_snapshot();
    let mut loader = Machine::loader();
    let mut sink = |section: u16, records: u32, bytes: &[u8]| {
        assert_eq!(loader.section(section, records, bytes), Ok(()));
    };
    while machine.snapshot_step(1_000, &mut sink) == Progress::More {}
    loader.finish(&mark).expect("a snapshot loads")
}
