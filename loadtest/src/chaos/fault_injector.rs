//! Injects the faults one after the other, each followed by a start. It counts what the server reports after each
//! start and makes the one comparison that needs no audit: every answered op must have been recovered.

use super::arguments::ChaosArguments;
use super::fault_schedule::{CrashKind, FaultKind, FaultSchedule};
use super::server_process::ServerProcess;
use super::shared_state::SharedState;
use crate::children::{RecoveryFacts, StorageFacts};
use crate::exit::Failure;
use crate::interrupt::Interrupt;
use anyhow::anyhow;
use indicatif::ProgressBar;
use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a start may take.
const START_MAX: Duration = Duration::from_mins(2);
/// How long to wait for the beginning of a snapshot.
const SNAPSHOT_WAIT_MAX: Duration = Duration::from_secs(1);
/// How often to look for it.
const SNAPSHOT_POLL: Duration = Duration::from_micros(300);

/// Counters of the injected faults and of the starts after them.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct FaultCounts {
    /// SIGKILLs.
    pub(crate) kills: u32,
    /// Power cuts.
    pub(crate) power_cuts: u32,
    /// Kills and power cuts while the server recovered, before it accepted connections.
    pub(crate) kills_while_starting: u32,
    /// Kills and power cuts that left an unfinished snapshot behind.
    pub(crate) kills_while_writing_snapshot: u32,
    /// SIGSTOPs.
    pub(crate) stops: u32,
    /// Successful starts on a used directory.
    pub(crate) restarts: u32,
    /// Starts that found a torn write at the end of the log.
    pub(crate) torn_tails: u32,
    /// The highest number of ops that a start recovered.
    pub(crate) recovered_ops_max: u64,
    /// The highest number of ops that a start replayed after a snapshot.
    pub(crate) replayed_ops_max: u64,
    /// The longest time from starting the process to accepting connections.
    pub(crate) longest_restart_ms: u64,
    /// Starts that recovered without an op that had been answered.
    #[serde(skip)]
    pub(crate) starts_that_forgot: u64,
    /// Findings, as sentences.
    #[serde(skip)]
    pub(crate) findings: Vec<String>,
    /// The storage of the log.
    #[serde(skip)]
    pub(crate) storage: Option<StorageFacts>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct FaultInjector {
    server: ServerProcess,
    schedule: FaultSchedule,
    state: Arc<SharedState>,
    faults: FaultCounts,
}

impl FaultInjector {
    /// Starts the server for the first time.
    pub(crate) fn begin(
        server: ServerProcess,
        arguments: &ChaosArguments,
        state: Arc<SharedState>,
    ) -> Result<Self, Failure> {
        let end = if arguments.power_cuts.is_some() { CrashKind::PowerCut } else { CrashKind::Kill };
        let schedule =
            FaultSchedule::new(arguments.seed, arguments.seconds_between, arguments.stop_seconds, end);
        let mut injector = Self { server, schedule, state, faults: FaultCounts::default() };
        injector.server.start()?;
        injector.wait_until_ready()?;
        if let Some(storage) = injector.faults.storage.clone() {
            injector.server.data_dir().check(&storage)?;
        }
        // The first start recovered nothing.
        injector.faults.restarts = 0;
        Ok(injector)
    }

    /// Injects faults until the server has crashed `crashes` times in the requested way.
    pub(crate) fn inject(
        &mut self,
        crashes: u32,
        bar: &ProgressBar,
        interrupt: &Interrupt,
    ) -> Result<(), Failure> {
        while self.crashes() < crashes && !interrupt.is_set() {
            let fault = self.schedule.next();
            std::thread::sleep(fault.after);
            match fault.kind {
                FaultKind::Crash => self.crash_and_restart(fault.crash)?,
                FaultKind::CrashInSnapshot(after) => {
                    self.wait_for_snapshot();
                    std::thread::sleep(after);
                    self.crash_and_restart(fault.crash)?;
                }
                FaultKind::CrashTwice { percent_of_start } => {
                    self.crash(fault.crash)?;
                    if self.crashes() < crashes {
                        self.crash_while_starting(percent_of_start)?;
                    }
                    self.start()?;
                }
                FaultKind::Freeze(span) => {
                    self.freeze(span)?;
                    self.server.thaw()?;
                }
                FaultKind::FreezeAndCrash(span) => {
                    self.freeze(span)?;
                    self.crash_and_restart(fault.crash)?;
                }
            }
            bar.set_position(u64::from(self.crashes()));
            bar.set_message(format!("{} ops recovered", self.faults.recovered_ops_max));
        }
        Ok(())
    }

    /// Crashes the server in the requested way, and starts it again.
    pub(crate) fn crash_once_more(&mut self) -> Result<(), Failure> {
        self.crash_and_restart(self.schedule.crash_kind())
    }

    fn crash_and_restart(&mut self, end: CrashKind) -> Result<(), Failure> {
        self.crash(end)?;
        self.start()
    }

    /// How often the server has crashed in the requested way.
    const fn crashes(&self) -> u32 {
        match self.schedule.crash_kind() {
            CrashKind::Kill => self.faults.kills,
            CrashKind::PowerCut => self.faults.power_cuts,
        }
    }

    /// The counters and the server.
    pub(crate) fn into_parts(self) -> (FaultCounts, ServerProcess) {
        (self.faults, self.server)
    }

    fn wait_for_snapshot(&self) {
        let until = Instant::now() + SNAPSHOT_WAIT_MAX;
        while !self.server.is_writing_snapshot() && Instant::now() < until {
            std::thread::sleep(SNAPSHOT_POLL);
        }
    }

    fn freeze(&mut self, span: Duration) -> Result<(), Failure> {
        self.faults.stops += 1;
        self.server.freeze(span)
    }

    fn crash(&mut self, kind: CrashKind) -> Result<(), Failure> {
        match kind {
            CrashKind::Kill => {
                self.server.kill()?;
                self.faults.kills += 1;
            }
            CrashKind::PowerCut => {
                self.server.cut_power()?;
                self.faults.power_cuts += 1;
            }
        }
        self.state.clear_address();
        self.faults.kills_while_writing_snapshot += u32::from(self.server.is_writing_snapshot());
        Ok(())
    }

    fn start(&mut self) -> Result<(), Failure> {
        self.server.start()?;
        self.wait_until_ready()
    }

    /// Starts the server and crashes it before it is ready, or just after.
    fn crash_while_starting(&mut self, percent: u32) -> Result<(), Failure> {
        let longest = Duration::from_millis(self.faults.longest_restart_ms.max(1));
        self.server.start()?;
        let there = self.server.ready(longest * percent / 100)?;
        self.faults.kills_while_starting += u32::from(there.is_none());
        self.crash(self.schedule.crash_kind())
    }

    /// Waits until the server accepts connections, and records what it reports.
    fn wait_until_ready(&mut self) -> Result<(), Failure> {
        let answered = self.state.acknowledged_op();
        let Some((ready, took)) = self.server.ready(START_MAX)? else {
            return Err(anyhow!("the server did not start within {START_MAX:?}").into());
        };
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.faults.restarts += 1;
        self.faults.longest_restart_ms = self.faults.longest_restart_ms.max(took_ms);
        if let Some(recovery) = &ready.recovery {
            self.faults.note(recovery, answered);
        }
        self.faults.storage = ready.storage;
        self.state.set_address(ready.address);
        Ok(())
    }
}

impl FaultCounts {
    /// Records what a start found. `answered` is the last op that was answered before it.
    fn note(&mut self, recovery: &RecoveryFacts, answered: u64) {
        self.torn_tails += u32::from(recovery.torn_tail);
        self.recovered_ops_max = self.recovered_ops_max.max(recovery.recovered_ops);
        self.replayed_ops_max = self.replayed_ops_max.max(recovery.replayed_ops);
        if recovery.recovered_ops < answered {
            self.starts_that_forgot += 1;
            let recovered = recovery.recovered_ops;
            self.findings
                .push(format!("op {answered} was answered, but a start recovered only up to op {recovered}"));
        }
        // A snapshot with its final name is complete, whatever happened since.
        self.findings.extend(recovery.snapshots_refused.iter().cloned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recovery(recovered_ops: u64, snapshots_refused: &[&str]) -> RecoveryFacts {
        let snapshots_refused = snapshots_refused.iter().map(|text| (*text).to_owned()).collect();
        RecoveryFacts { recovered_ops, replayed_ops: 1, torn_tail: true, snapshots_refused }
    }

    #[test]
    fn a_start_that_forgot_an_answered_op_is_found() {
        // Proves the comparison of recovered and answered ops, at the last op and one below it, and that a damaged
        // snapshot is reported.
        let mut faults = FaultCounts::default();
        faults.note(&recovery(10, &[]), 10);
        assert_eq!((faults.starts_that_forgot, faults.findings.len(), faults.torn_tails), (0, 0, 1));
        faults.note(&recovery(9, &[]), 10);
        assert_eq!((faults.starts_that_forgot, faults.findings.len()), (1, 1));
        faults.note(&recovery(11, &["damaged"]), 10);
        assert_eq!((faults.starts_that_forgot, faults.findings.len(), faults.recovered_ops_max), (1, 2, 11));
    }
}
