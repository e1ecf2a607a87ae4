//! Deals the faults: one after the other, each followed by a start, until there were enough of them. What is counted here is what the
//! server said of itself when it came back, and the one comparison that needs no audit: it came back with every op that it had answered.

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
/// How long the beginning of a snapshot is waited for.
const SNAPSHOT_WAIT_MAX: Duration = Duration::from_secs(1);
/// How often it is looked for.
const SNAPSHOT_POLL: Duration = Duration::from_micros(300);

/// What was done, and what came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct FaultCounts {
    /// SIGKILLs.
    pub(crate) kills: u32,
    /// Ends of the server's power.
    pub(crate) power_cuts: u32,
    /// Kills and power cuts before the server took connections: while it recovered.
    pub(crate) kills_while_starting: u32,
    /// Kills and power cuts that left an unfinished snapshot behind.
    pub(crate) kills_while_writing_snapshot: u32,
    /// SIGSTOPs.
    pub(crate) stops: u32,
    /// Starts on a used directory that ended with taking connections.
    pub(crate) restarts: u32,
    /// Starts that found a cut-off write at the end of the log.
    pub(crate) torn_tails: u32,
    /// The most ops that a start had behind it.
    pub(crate) recovered_ops_max: u64,
    /// The most ops that a start replayed behind a snapshot.
    pub(crate) replayed_ops_max: u64,
    /// The longest time from starting the process to taking connections.
    pub(crate) longest_restart_ms: u64,
    /// Starts that came back without an op that had been answered.
    #[serde(skip)]
    pub(crate) starts_that_forgot: u64,
    /// What was found, as sentences.
    #[serde(skip)]
    pub(crate) findings: Vec<String>,
    /// What the log lies on.
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
        injector.meet()?;
        if let Some(storage) = injector.faults.storage.clone() {
            injector.server.data_dir().check(&storage)?;
        }
        // The first start found nothing.
        injector.faults.restarts = 0;
        Ok(injector)
    }

    /// Injects faults until the server has crashed `crashes` times in the way that is asked for.
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

    /// Ends the server in the way that is asked for, and starts it again.
    pub(crate) fn crash_once_more(&mut self) -> Result<(), Failure> {
        self.crash_and_restart(self.schedule.crash_kind())
    }

    fn crash_and_restart(&mut self, end: CrashKind) -> Result<(), Failure> {
        self.crash(end)?;
        self.start()
    }

    /// How often the server has ended in the way that is asked for.
    const fn crashes(&self) -> u32 {
        match self.schedule.crash_kind() {
            CrashKind::Kill => self.faults.kills,
            CrashKind::PowerCut => self.faults.power_cuts,
        }
    }

    /// What was done so far, and the server.
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
        self.meet()
    }

    /// Starts the server and ends it before it is there, or just after.
    fn crash_while_starting(&mut self, percent: u32) -> Result<(), Failure> {
        let longest = Duration::from_millis(self.faults.longest_restart_ms.max(1));
        self.server.start()?;
        let there = self.server.ready(longest * percent / 100)?;
        self.faults.kills_while_starting += u32::from(there.is_none());
        self.crash(self.schedule.crash_kind())
    }

    /// Waits until the server takes connections, and takes down what it says.
    fn meet(&mut self) -> Result<(), Failure> {
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
    /// Takes down what a start found, when `answered` had been the last op that anybody had an answer of.
    fn note(&mut self, recovery: &RecoveryFacts, answered: u64) {
        self.torn_tails += u32::from(recovery.torn_tail);
        self.recovered_ops_max = self.recovered_ops_max.max(recovery.recovered_ops);
        self.replayed_ops_max = self.replayed_ops_max.max(recovery.replayed_ops);
        if recovery.recovered_ops < answered {
            self.starts_that_forgot += 1;
            let recovered = recovery.recovered_ops;
            self.findings
                .push(format!("op {answered} had been answered, and a start came back with op {recovered}"));
        }
        // A snapshot that has its name is whole, whatever happened since.
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
        // Proves the comparison of what came back with what was answered, at the op itself and one below, and that a broken
        // snapshot is no secret.
        let mut faults = FaultCounts::default();
        faults.note(&recovery(10, &[]), 10);
        assert_eq!((faults.starts_that_forgot, faults.findings.len(), faults.torn_tails), (0, 0, 1));
        faults.note(&recovery(9, &[]), 10);
        assert_eq!((faults.starts_that_forgot, faults.findings.len()), (1, 1));
        faults.note(&recovery(11, &["damaged"]), 10);
        assert_eq!((faults.starts_that_forgot, faults.findings.len(), faults.recovered_ops_max), (1, 2, 11));
    }
}
