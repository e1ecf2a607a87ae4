//! Fault injection and recovery: processes end, the power fails, the medium returns wrong data or fills up,
//! connections are cut, clocks are set. After every start, the state is compared with what was acknowledged before.

use std::sync::Arc;

use stockhold::clock::ManualTimeSource;
use stockhold::error::StartError;
use stockhold::pipeline::Stepped;
use stockhold::storage::memory::Survival;
use stockhold::storage::recording::Fault;

use crate::answer_checker::AnswerChecker;
use crate::server::Server;
use crate::violation::{CheckResult, Violation, ensure, violation};
use crate::world::World;

/// A bit that was flipped on the medium.
#[derive(Clone, Debug)]
pub(crate) struct FlippedBit {
    name: String,
    offset: u64,
    wrong: u8,
    right: u8,
}

/// A fault that may be injected in a turn.
#[derive(Clone, Copy, Debug)]
enum FaultKind {
    ProcessEnds,
    PowerFails,
    PowerFailsWithin,
    CleanStop,
    DiskFails,
    DiskFills,
    ConnectionCut,
    ClockSteps,
    Burst,
}

/// A fault during a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StartFault {
    Nothing,
    Disk(Fault),
    Flip,
}

/// Maximum number of steps until a stop must be complete.
const STOP_STEPS_MAX: u32 = 10_000;
/// A day, in milliseconds.
const DAY_MS: i64 = 86_400_000;
/// Bytes of the two head blocks of a segment.
const HEAD_BYTES: u64 = 8_192;

impl World {
    /// Draws whether a fault is injected now. Returns whether one was.
    pub(crate) fn maybe_inject_fault(&mut self) -> CheckResult<bool> {
        if self.disk.is_dark() {
            self.counts.count("power cuts within a step");
            self.lose_power()?;
            return Ok(true);
        }
        let has_failed = self.running()?.assembly.sequencer.failure().is_some();
        if has_failed && self.rng.chance(60) {
            self.counts.count("processes ended by a failed log");
            self.end_process()?;
            return Ok(true);
        }
        let rates = self.plan.rates;
        let list = [
            (rates.process_ends, FaultKind::ProcessEnds),
            (rates.power_fails, FaultKind::PowerFails),
            (rates.power_fails_within, FaultKind::PowerFailsWithin),
            (rates.clean_stop, FaultKind::CleanStop),
            (rates.disk_fails, FaultKind::DiskFails),
            (rates.disk_fills, FaultKind::DiskFills),
            (rates.connection_cut, FaultKind::ConnectionCut),
            (rates.clock_steps, FaultKind::ClockSteps),
            (rates.burst, FaultKind::Burst),
        ];
        let mut at = self.rng.below(1_000_000);
        for (rate, kind) in list {
            match at.checked_sub(rate) {
                Some(rest) => at = rest,
                None => return self.inject(kind).map(|()| true),
            }
        }
        Ok(false)
    }

    fn inject(&mut self, kind: FaultKind) -> CheckResult {
        match kind {
            FaultKind::ProcessEnds => {
                self.counts.count("processes killed");
                self.end_process()
            }
            FaultKind::PowerFails => {
                self.counts.count("power cuts");
                self.lose_power()
            }
            FaultKind::PowerFailsWithin => {
                let events = self.rng.within(1..60);
                self.arm(Fault::PowerCut(events));
                Ok(())
            }
            FaultKind::CleanStop => {
                self.counts.count("clean stops");
                self.stop()
            }
            FaultKind::DiskFails => {
                let count = self.rng.within(1..24);
                let fault = self.rng.weighted(&[
                    (3, Fault::FailWrite(count)),
                    (3, Fault::ShortWrite(count)),
                    (3, Fault::FailSync(count)),
                    (1, Fault::FailSyncDirectory(1)),
                    (1, Fault::FailRename(1)),
                    (2, Fault::NoSpaceWrite(count)),
                    (1, Fault::NoSpace(1)),
                ]);
                self.answer_checker.may_be_full = true;
                self.counts.count("disk faults");
                self.arm(fault);
                Ok(())
            }
            FaultKind::DiskFills => self.fill_or_empty_disk(),
            FaultKind::ConnectionCut => self.cut_a_connection(),
            FaultKind::ClockSteps => {
                self.step_clock();
                Ok(())
            }
            FaultKind::Burst => {
                self.counts.count("request bursts");
                for _ in 0..12 {
                    self.client_acts()?;
                    self.carry_to_server()?;
                }
                Ok(())
            }
        }
    }

    fn fill_or_empty_disk(&mut self) -> CheckResult {
        if self.is_full {
            self.disk.set_capacity(None);
        } else {
            let files = self.disk.share().list().map_err(violation("the list of files"))?;
            let used: u64 = files.iter().map(|file| file.bytes).sum();
            self.disk.set_capacity(Some(used + self.rng.below(60_000)));
            self.answer_checker.may_be_full = true;
            self.counts.count("full disks");
        }
        self.is_full = !self.is_full;
        self.trace.note(format_args!("disk: full {}", self.is_full));
        Ok(())
    }

    fn cut_a_connection(&mut self) -> CheckResult {
        let client = self.rng.index(self.clients.len());
        if self.clients[client].connection.is_some() {
            self.counts.count("connections cut");
            if self.rng.chance(500) {
                let most = self.rng.index(120);
                self.carry(client, most)?;
            }
            self.cut(client);
        }
        Ok(())
    }

    fn step_clock(&mut self) {
        self.counts.count("clock steps");
        match self.rng.below(5) {
            0 => {
                let ms = self.rng.within(500..90_000);
                self.time.suspend_ms(ms);
                self.true_ms += ms;
                self.trace.note(format_args!("clock: suspended for {ms} ms"));
            }
            1 => {
                self.time.set_wall_ms(self.true_ms);
                self.trace.note(format_args!("clock: corrected"));
            }
            _ => {
                let by_ms = match self.rng.weighted(&[(12, 0), (3, 1), (1, 2), (1, 3), (1, 4)]) {
                    0 => self.rng.signed(-40_000..20_000),
                    1 => self.rng.signed(-4_000_000..0),
                    2 => self.rng.signed(0..2_000_000),
                    3 => self.rng.signed(-2..3) * DAY_MS,
                    _ => self.rng.signed(-1..2) * 365 * DAY_MS,
                };
                let wall_ms = self.wall_ms().saturating_add_signed(by_ms).max(crate::plan::START_MS / 2);
                self.time.set_wall_ms(wall_ms);
                self.trace.note(format_args!("clock: stepped by {by_ms} ms"));
            }
        }
    }

    /// Ends all connections. Clients may still receive a part of the bytes in transit.
    fn cut_all(&mut self) -> CheckResult {
        for client in 0..self.clients.len() {
            if self.clients[client].connection.is_some() {
                let most = if self.rng.chance(400) { self.rng.index(400) } else { 0 };
                self.carry(client, most)?;
                self.cut(client);
            }
        }
        Ok(())
    }

    fn forget_process(&mut self) {
        self.server = None;
        self.oracle.end_process();
        self.answer_checker = AnswerChecker::after(&self.answer_checker);
        self.counts.faults_armed = 0;
        self.watermarks = [0; 5];
    }

    /// Ends the process. What it had written is still in the system's page cache.
    pub(crate) fn end_process(&mut self) -> CheckResult {
        self.trace.note(format_args!("fault: the process ends"));
        self.cut_all()?;
        self.forget_process();
        self.disk.end_process();
        self.was_power_cut = false;
        Ok(())
    }

    /// Cuts the power. Any part of what was not synced survives.
    pub(crate) fn lose_power(&mut self) -> CheckResult {
        let drawn = self.rng.any();
        let survival = self.rng.weighted(&[
            (3, Survival::Nothing),
            (1, Survival::Everything),
            (6, Survival::Drawn(drawn)),
        ]);
        self.trace.note(format_args!("fault: the power fails, {survival:?}"));
        if self.server.is_some() {
            self.cut_all()?;
        }
        self.forget_process();
        self.take_disk(self.disk.crash_now(survival));
        self.was_power_cut = true;
        self.may_have_lost = true;
        self.true_ms += self.rng.below(20_000);
        let off_ms = match self.rng.weighted(&[(40, 0), (2, 1), (1, 2)]) {
            0 => self.rng.signed(-2_000..2_000),
            1 => self.rng.signed(-120_000..120_000),
            _ => self.rng.signed(-366..367) * DAY_MS,
        };
        self.time = Arc::new(ManualTimeSource::new(self.true_ms.saturating_add_signed(off_ms)));
        Ok(())
    }

    /// Continues with this disk.
    pub(crate) fn take_disk(&mut self, disk: stockhold::storage::recording::RecordingStorage) {
        disk.forget_history();
        if let Some(mutant) = self.medium_mutant {
            disk.set_mutant(mutant);
        }
        self.disk = disk;
        self.is_full = false;
    }

    /// Stops the server cleanly: accepted commands are answered, and the log is closed.
    pub(crate) fn stop(&mut self) -> CheckResult {
        self.trace.note(format_args!("fault: a clean stop"));
        self.running()?.assembly.context.ingress.close();
        let mut is_finished = false;
        for _ in 0..STOP_STEPS_MAX {
            let server = self.running()?;
            is_finished = server.assembly.sequencer.step() == Stepped::Finished;
            let has_failed = server.assembly.sequencer.failure().is_some();
            if self.disk.is_dark() {
                return self.lose_power();
            }
            while self.step_applier()? {}
            self.deliver()?;
            while self.step_preparer()? {}
            if is_finished || has_failed {
                break;
            }
            self.time.advance_ms(1);
        }
        self.cut_all()?;
        let Some(server) = self.server.take() else { return Ok(()) };
        if is_finished {
            let ended = server.assembly.sequencer.into_log().finish();
            let is_expected = self.disk.is_dark() || self.counts.faults_armed > 0;
            ensure!(ended.is_ok() || is_expected, "the log could not be ended: {ended:?}");
        }
        self.forget_process();
        if self.disk.is_dark() {
            return self.lose_power();
        }
        self.disk.end_process();
        self.was_power_cut = false;
        Ok(())
    }

    /// Tries to start the server, with a fault or without one.
    pub(crate) fn start(&mut self) -> CheckResult {
        let fault = self.draw_start_fault();
        if fault == StartFault::Flip {
            self.flip()?;
        }
        let is_sound = self.verify_files()?;
        if let StartFault::Disk(fault) = fault {
            self.disk.inject(fault);
        }
        self.trace.note(format_args!("fault: a start with {fault:?}"));
        let salt_seed = self.rng.any();
        let config = self.plan.config.clone();
        let started = Server::start(&self.disk, &config, self.time.clone(), salt_seed);
        if self.disk.is_dark() {
            drop(started);
            self.counts.count("power cuts while starting");
            return self.lose_power();
        }
        self.disk.disarm();
        match started {
            Ok(server) => {
                self.server = Some(server);
                self.answer_checker.may_be_full = self.is_full;
                self.counts.count("starts");
                self.check_recovery()
            }
            Err(error) => {
                let is_right = !is_sound || matches!(fault, StartFault::Disk(_)) || self.is_full;
                ensure!(is_right, "a start was refused from a directory that was found sound: {error:?}");
                self.check_refusal(fault, &error)
            }
        }
    }

    fn draw_start_fault(&mut self) -> StartFault {
        if self.is_fault_free || !self.rng.chance(self.plan.start_faults) {
            return StartFault::Nothing;
        }
        let (few, many) = (self.rng.within(1..12), self.rng.within(1..60));
        let kind = self.rng.weighted(&[
            (8, Some(Fault::PowerCut(many))),
            (3, Some(Fault::FailRead(many))),
            (3, Some(Fault::WrongRead(many))),
            (1, Some(Fault::FailWrite(few))),
            (1, Some(Fault::ShortWrite(few))),
            (2, Some(Fault::FailSync(few))),
            (1, Some(Fault::FailSyncDirectory(1))),
            (1, Some(Fault::NoSpaceWrite(few))),
            (1, Some(Fault::NoSpace(1))),
            (4, None),
        ]);
        match kind {
            Some(fault) => StartFault::Disk(fault),
            // The medium is changed only while no process uses it.
            None if self.was_power_cut => StartFault::Flip,
            None => StartFault::Nothing,
        }
    }

    /// Flips a bit on the medium. The last frame of the log is excluded, because no reader could tell it from a torn
    /// write.
    fn flip(&mut self) -> CheckResult {
        let files = self.disk.share().list().map_err(violation("the list of files"))?;
        let segments = files.iter().filter(|file| file.name.ends_with(".segment")).count();
        let mut later_segments = segments;
        let mut places = Vec::new();
        for file in files.into_iter().filter(|file| file.bytes > 0) {
            let is_segment = file.name.ends_with(".segment");
            later_segments -= usize::from(is_segment);
            let bytes = if is_segment && later_segments < 2 { HEAD_BYTES } else { file.bytes };
            if is_segment || file.name.ends_with(".snapshot") || file.name == "MANIFEST" {
                places.push((file.name, bytes.min(file.bytes)));
            }
        }
        if places.is_empty() {
            return Ok(());
        }
        let place = self.rng.index(places.len());
        let (name, bytes) = places.swap_remove(place);
        let (offset, bit) = (self.rng.below(bytes), self.rng.small(0..8));
        let mut flipped = FlippedBit { name, offset, wrong: 0, right: 0 };
        self.disk.corrupt(&flipped.name, offset, |bytes| {
            flipped.right = bytes[0];
            bytes[0] ^= 1 << bit;
            flipped.wrong = bytes[0];
        });
        self.trace.note(format_args!("disk: bit {bit} of byte {offset} of {} is flipped", flipped.name));
        self.counts.count("bits flipped");
        self.flipped_bits.push(flipped);
        Ok(())
    }

    /// Flips back the bits that are still flipped.
    pub(crate) fn repair_disk(&mut self) {
        for flipped in std::mem::take(&mut self.flipped_bits) {
            if self.disk.contents(&flipped.name).is_some() {
                self.disk.corrupt(&flipped.name, flipped.offset, |bytes| {
                    if let Some(byte) = bytes.first_mut().filter(|byte| **byte == flipped.wrong) {
                        *byte = flipped.right;
                    }
                });
            }
        }
        self.disk.set_capacity(None);
        self.is_full = false;
    }

    /// A start was refused. There must be a reason, and nothing may be lost.
    fn check_refusal(&mut self, fault: StartFault, error: &StartError) -> CheckResult {
        let has_reason = fault != StartFault::Nothing || !self.flipped_bits.is_empty() || self.is_full;
        ensure!(has_reason, "a start was refused without a reason: {error}: {error:?}");
        let is_typed = matches!(error.exit_code(), 4 | 74);
        ensure!(is_typed, "a start was refused for the wrong reason: {error:?}");
        self.counts.count("starts refused");
        self.trace.note(format_args!("fault: the start is refused with {}", error.exit_code()));
        self.disk.end_process();
        self.repair_disk();
        Ok(())
    }

    /// Everything acknowledged is present and unchanged, and nothing else is.
    fn check_recovery(&mut self) -> CheckResult {
        let server = self.running()?;
        let (op, digest) = (server.op(), server.assembly.applier.machine().digest());
        let epoch = server.assembly.directory.manifest().epoch();
        let snapshot_op = server.assembly.report.snapshot_op();
        let known_op = self.oracle.op();
        self.trace.note(format_args!("fault: op {op} of {known_op} recovered, epoch {epoch}"));
        ensure!(op >= self.durable_op, "op {op} is the last, but op {} was durable", self.durable_op);
        if op < known_op {
            let may = self.plan.is_interval() && self.may_have_lost;
            ensure!(may, "recovery ends with op {op}, but op {known_op} had been answered");
            ensure!(epoch > self.epoch, "ops were lost, and the epoch is still {epoch}");
            self.oracle.rewind(op)?;
            self.commands.forget_after(op);
            self.counts.count("losses allowed by the interval");
        }
        let is_right = if self.plan.is_interval() { epoch >= self.epoch } else { epoch == self.epoch };
        ensure!(is_right, "the epoch went from {} to {epoch}", self.epoch);
        self.epoch = epoch;
        self.may_have_lost = false;
        // Recovery may not have read a flipped bit before the snapshot, so the log is compared only after it.
        let from_op = if self.flipped_bits.is_empty() { 1 } else { snapshot_op.unwrap_or(0) + 1 };
        for (first_op, ops, payload) in self.read_log(from_op, op)? {
            if first_op <= self.oracle.op() {
                self.oracle.check_unchanged(first_op, ops, &payload)?;
            } else {
                self.oracle.replay_batch(first_op, ops, &payload)?;
            }
        }
        let expected = (self.oracle.op(), self.oracle.digest());
        ensure!(
            (op, digest) == expected,
            "recovered op and digest {:?} are not replay's {expected:?}",
            (op, digest)
        );
        self.oracle.end_process();
        for (command, recorded) in self.commands.recorded() {
            let kept = self.oracle.decided(command.id, &command.record);
            let is_kept = kept.is_some_and(|kept| {
                (kept.code, kept.value, kept.op) == (recorded.code, recorded.value, recorded.op)
            });
            ensure!(is_kept, "{} was answered {recorded:?}, but the log says {kept:?}", command.id);
        }
        let marks = self.running()?.assembly.watermarks.read();
        ensure!(marks.iter().all(|(_, mark)| *mark == op), "watermarks after recovery: {marks:?}, op {op}");
        (self.watermarks, self.durable_op) = ([op; 5], op);
        Ok(())
    }

    /// The first start must succeed.
    pub(crate) fn first_start(&mut self) -> CheckResult {
        self.start()?;
        if self.server.is_none() {
            return Err(Violation("a formatted directory does not start".to_owned()));
        }
        Ok(())
    }
}
