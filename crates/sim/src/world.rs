//! One world: a server, its disk, its clocks, its clients and the network between them, on one thread. Each turn
//! draws the next action. Crashes and starts are in `faults`, the end of a run is in `finish`.

use std::sync::Arc;

use stockhold::clock::ManualTimeSource;
use stockhold::pipeline::Stepped;
use stockhold::storage::recording::{Fault, RecordingStorage};
use stockhold::wal::{LogError, LogReader, Progress, ReadTo};

use crate::answer_checker::AnswerChecker;
use crate::client::Client;
use crate::client_commands::ClientCommands;
use crate::oracle::Oracle;
use crate::plan::{Plan, START_MS};
use crate::report::Counts;
use crate::rng::Rng;
use crate::server::Server;
use crate::trace::Trace;
use crate::violation::{CheckResult, ensure, violation};

/// See the module.
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are facts about the world that do not exclude each other"
)]
pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) plan: Plan,
    pub(crate) trace: Trace,
    pub(crate) disk: RecordingStorage,
    pub(crate) time: Arc<ManualTimeSource>,
    pub(crate) server: Option<Server>,
    pub(crate) clients: Vec<Client>,
    pub(crate) commands: ClientCommands,
    pub(crate) oracle: Oracle,
    pub(crate) answer_checker: AnswerChecker,
    pub(crate) counts: Counts,
    /// New commands that clients may still make.
    pub(crate) budget: u32,
    /// The epoch of the last start.
    pub(crate) epoch: u64,
    /// The watermarks of the current process, from first to last stage.
    pub(crate) watermarks: [u64; 5],
    /// The last op that no power cut may lose, whatever the configured durability.
    pub(crate) durable_op: u64,
    /// Bits that are flipped on the medium.
    pub(crate) flipped_bits: Vec<crate::faults::FlippedBit>,
    /// A deliberate bug of the medium, for every disk of this world.
    pub(crate) medium_mutant: Option<stockhold::storage::recording::Mutant>,
    /// Whether fault injection is off.
    pub(crate) is_fault_free: bool,
    /// Whether the disk is full.
    pub(crate) is_full: bool,
    /// Whether the last process ended with a power cut.
    pub(crate) was_power_cut: bool,
    /// Whether the power has failed since the last successful start.
    pub(crate) may_have_lost: bool,
    /// The time of a correct clock.
    pub(crate) true_ms: u64,
}

/// The possible actions of a turn.
#[derive(Clone, Copy, Debug)]
enum WorldAction {
    Sequencer,
    Applier,
    Snapshotter,
    Preparer,
    Deliver,
    ToServer,
    ToClient,
    Client,
    Time,
    Clock,
    Expire,
}

const WORLD_ACTIONS: [(u64, WorldAction); 11] = [
    (20, WorldAction::Sequencer),
    (20, WorldAction::Applier),
    (10, WorldAction::Snapshotter),
    (6, WorldAction::Preparer),
    (14, WorldAction::Deliver),
    (18, WorldAction::ToServer),
    (18, WorldAction::ToClient),
    (9, WorldAction::Client),
    (7, WorldAction::Time),
    (1, WorldAction::Clock),
    (3, WorldAction::Expire),
];

impl World {
    /// Executes one turn.
    pub(crate) fn turn(&mut self) -> CheckResult {
        if self.server.is_none() {
            return self.start();
        }
        if !self.is_fault_free && self.maybe_inject_fault()? {
            return Ok(());
        }
        match self.rng.weighted(&WORLD_ACTIONS) {
            WorldAction::Sequencer => self.step_sequencer(),
            WorldAction::Applier => self.step_applier().map(|_| ()),
            WorldAction::Snapshotter => {
                self.step_snapshotter();
                Ok(())
            }
            WorldAction::Preparer => self.step_preparer().map(|_| ()),
            WorldAction::Deliver => self.deliver(),
            WorldAction::ToServer => self.carry_to_server(),
            WorldAction::ToClient => self.carry_to_client(),
            WorldAction::Client => self.client_acts(),
            WorldAction::Time => {
                self.pass_time();
                Ok(())
            }
            WorldAction::Expire => self.expire_connections(),
            WorldAction::Clock => {
                self.correct_clock();
                Ok(())
            }
        }
    }

    /// The running server; an error if none runs.
    pub(crate) fn running(&mut self) -> CheckResult<&mut Server> {
        self.server.as_mut().ok_or_else(|| crate::violation::Violation("no server runs".to_owned()))
    }

    pub(crate) fn step_sequencer(&mut self) -> CheckResult {
        let server = self.running()?;
        let had_failed = server.assembly.sequencer.failure().is_some();
        let stepped = server.assembly.sequencer.step();
        let has_failed = server.assembly.sequencer.failure().is_some();
        if stepped == Stepped::Worked {
            let op = self.running()?.assembly.watermarks.read()[2].1;
            self.trace.note(format_args!("sequencer: synced {op}, failed {has_failed}"));
        }
        if has_failed && !had_failed {
            let is_expected = self.disk.is_dark() || self.counts.faults_armed > 0;
            ensure!(is_expected, "the log failed, and nothing was wrong with the disk");
        }
        self.check_watermarks()
    }

    /// Steps the applier and replays what it applied. Returns whether it did anything.
    pub(crate) fn step_applier(&mut self) -> CheckResult<bool> {
        let server = self.running()?;
        let before = server.op();
        let stepped = server.assembly.applier.step().map_err(violation("the applier"))?;
        let op = server.op();
        let worked = stepped == Stepped::Worked;
        self.answer_checker.is_swept = !worked;
        if op > before {
            self.replay_log(before + 1, op)?;
            let server = self.running()?;
            let machine = server.assembly.applier.machine();
            let (digest, found) = (machine.digest(), machine.validate());
            let expected = self.oracle.digest();
            ensure!(
                digest == expected,
                "at op {op} the server's digest is {digest:016x}, replay's {expected:016x}"
            );
            ensure!(
                found.is_empty(),
                "at op {op} the machine's invariants are violated: {}",
                found.join("; ")
            );
            self.trace.note(format_args!("applier: op {op}, digest {digest:016x}"));
        }
        self.check_watermarks()?;
        Ok(worked)
    }

    pub(crate) fn step_snapshotter(&mut self) -> bool {
        let Some(server) = &mut self.server else { return false };
        let worked = server.assembly.snapshotter.step() == Stepped::Worked;
        if worked {
            self.trace.note(format_args!("snapshotter: a piece"));
        }
        worked
    }

    pub(crate) fn step_preparer(&mut self) -> CheckResult<bool> {
        let now_ms = self.wall_ms();
        let server = self.running()?;
        match server.assembly.preparer.step(now_ms) {
            Ok(progress @ (Progress::Working | Progress::Ready)) => {
                self.trace.note(format_args!("preparer: {progress:?}"));
                Ok(true)
            }
            Ok(Progress::Idle | Progress::NoSpace) => Ok(false),
            Err(error) => {
                let is_expected = self.disk.is_dark() || self.counts.faults_armed > 0;
                ensure!(is_expected, "no segment can be made, and nothing is wrong with the disk: {error:?}");
                Ok(false)
            }
        }
    }

    /// Replays these ops from the log in the oracle.
    pub(crate) fn replay_log(&mut self, from_op: u64, to_op: u64) -> CheckResult {
        for (first_op, ops, payload) in self.read_log(from_op, to_op)? {
            let applied = self.oracle.replay_batch(first_op, ops, &payload)?;
            for (op, one) in (first_op..).zip(applied) {
                let outcome = &one.outcome;
                let (code, replayed, value) = (outcome.code.name(), outcome.replayed, outcome.value);
                self.trace.note(format_args!("op {op}: {code} {value} replayed {replayed}"));
                self.counts.ops += 1;
                *self.counts.codes.entry(code).or_default() += 1;
            }
            if self.oracle.model().outcome_room().is_none() {
                self.counts.count("batches with a full memory for outcomes");
            }
        }
        ensure!(self.oracle.op() == to_op, "the log ends before op {to_op}, which the server has applied");
        Ok(())
    }

    /// The batches of these ops, read by the real log reader. Positions equal ops.
    pub(crate) fn read_log(&mut self, from_op: u64, to_op: u64) -> CheckResult<Vec<(u64, u32, Vec<u8>)>> {
        let directory = &self.running()?.assembly.directory;
        let (storage, uuid, base) =
            (directory.storage().clone(), directory.manifest().log_uuid, directory.base());
        let open = |from| LogReader::open(storage.clone(), uuid, base, from, ReadTo::Position(to_op));
        let log = match open(from_op) {
            // Only trimmed batches may be missing, and only at the beginning.
            Err(LogError::Missing { oldest_position, .. }) if from_op == 1 => open(oldest_position),
            other => other,
        };
        let mut log = log.map_err(violation("the log cannot be opened beside the server"))?;
        let mut batches = Vec::new();
        while let Some(frame) =
            log.next_frame().map_err(violation("the log cannot be read beside the server"))?
        {
            batches.push((frame.first_position, frame.records, frame.payload.to_vec()));
        }
        Ok(batches)
    }

    /// Checks that the watermarks are ordered, and that only the first one ever goes back.
    fn check_watermarks(&mut self) -> CheckResult {
        let marks = self.running()?.assembly.watermarks.read();
        for pair in marks.windows(2) {
            ensure!(pair[0].1 >= pair[1].1, "{} is behind {}: {marks:?}", pair[0].0, pair[1].0);
        }
        for (at, (name, mark)) in marks.iter().enumerate() {
            ensure!(
                at == 0 || *mark >= self.watermarks[at],
                "{name} went back from {} to {mark}",
                self.watermarks[at]
            );
            self.watermarks[at] = *mark;
        }
        let durable_op = self.running()?.assembly.watermarks.durable();
        let is_all = durable_op == self.watermarks[2];
        ensure!(
            is_all || self.plan.is_interval(),
            "op {} counts as synced, {durable_op} is durable",
            self.watermarks[2]
        );
        self.durable_op = durable_op;
        Ok(())
    }

    /// The time of the wall clock.
    pub(crate) fn wall_ms(&self) -> u64 {
        use stockhold::clock::TimeSource;
        self.time.read().wall_us / 1_000
    }

    fn pass_time(&mut self) {
        let long = if self.is_fault_free { 0 } else { self.plan.rates.long_pause };
        let ms = if self.rng.below(1_000_000) < long * 10 {
            self.rng.weighted(&[(6, 8_000), (4, 70_000), (1, 700_000)]) + self.rng.below(5_000)
        } else if self.rng.chance(30) {
            self.rng.below(3_000)
        } else {
            self.rng.below(20)
        };
        self.time.advance_ms(ms);
        self.true_ms += ms;
        if ms > 1_000 {
            self.trace.note(format_args!("time: {ms} ms pass"));
        }
    }

    fn correct_clock(&mut self) {
        if let Some(server) = &self.server {
            let correction =
                server.assembly.context.clock.correct(server.assembly.context.feedback.clock().into());
            self.trace.note(format_args!("clock: {} us off", correction.offset_us));
        }
    }

    /// Arms a disk fault.
    pub(crate) fn arm(&mut self, fault: Fault) {
        self.counts.faults_armed += 1;
        self.disk.inject(fault);
        self.trace.note(format_args!("disk: {fault:?}"));
    }

    /// The time of a client's clock.
    pub(crate) fn client_ms(&self, client: usize) -> u64 {
        self.true_ms.saturating_add_signed(self.clients[client].skew_ms).max(START_MS / 2)
    }

    /// The report so far.
    pub(crate) fn report(&self, turns: u64) -> crate::report::Report {
        let mut events = self.counts.events.clone();
        let seen = self.answer_checker.seen;
        for (name, count) in [
            ("edge refusals given", seen.edge_refusals),
            ("answers: busy", seen.busy),
            ("answers: read only", seen.read_only),
            ("answers: deadline passed", seen.deadline_passed),
            ("answers: replayed", seen.replays),
            ("cells compared", seen.cells),
        ] {
            *events.entry(name).or_default() += count;
        }
        crate::report::Report {
            ops: self.counts.ops,
            commands: u64::try_from(self.commands.count()).unwrap_or(u64::MAX),
            turns,
            trace: self.trace.hash(),
            codes: self.counts.codes.clone(),
            events,
        }
    }
}
