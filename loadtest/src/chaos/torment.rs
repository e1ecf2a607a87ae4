//! Deals the blows: one after the other, each followed by a start, until there were enough of them. What is counted here is what the
//! server said of itself when it came back, and the one comparison that needs no audit: it came back with every op that it had answered.

use super::arena::Arena;
use super::arguments::ChaosArguments;
use super::strikes::{Blow, End, Strikes};
use super::victim::Victim;
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
pub(crate) struct Blows {
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
pub(crate) struct Torment {
    victim: Victim,
    strikes: Strikes,
    arena: Arc<Arena>,
    blows: Blows,
}

impl Torment {
    /// Starts the server for the first time.
    pub(crate) fn begin(
        victim: Victim,
        arguments: &ChaosArguments,
        arena: Arc<Arena>,
    ) -> Result<Self, Failure> {
        let end = if arguments.power_cuts.is_some() { End::PowerCut } else { End::Kill };
        let strikes = Strikes::new(arguments.seed, arguments.seconds_between, arguments.stop_seconds, end);
        let mut torment = Self { victim, strikes, arena, blows: Blows::default() };
        torment.victim.start()?;
        torment.meet()?;
        if let Some(storage) = torment.blows.storage.clone() {
            torment.victim.data_dir().check(&storage)?;
        }
        // The first start found nothing.
        torment.blows.restarts = 0;
        Ok(torment)
    }

    /// Strikes until the server has ended `ends` times in the way that is asked for.
    pub(crate) fn strike(
        &mut self,
        ends: u32,
        bar: &ProgressBar,
        interrupt: &Interrupt,
    ) -> Result<(), Failure> {
        while self.ends() < ends && !interrupt.is_set() {
            let strike = self.strikes.next();
            std::thread::sleep(strike.after);
            match strike.blow {
                Blow::End => self.end_and_start(strike.end)?,
                Blow::EndInSnapshot(after) => {
                    self.wait_for_snapshot();
                    std::thread::sleep(after);
                    self.end_and_start(strike.end)?;
                }
                Blow::EndTwice { percent_of_start } => {
                    self.end(strike.end)?;
                    if self.ends() < ends {
                        self.end_a_start(percent_of_start)?;
                    }
                    self.start()?;
                }
                Blow::Freeze(span) => {
                    self.freeze(span)?;
                    self.victim.thaw()?;
                }
                Blow::FreezeAndEnd(span) => {
                    self.freeze(span)?;
                    self.end_and_start(strike.end)?;
                }
            }
            bar.set_position(u64::from(self.ends()));
            bar.set_message(format!("{} ops recovered", self.blows.recovered_ops_max));
        }
        Ok(())
    }

    /// Ends the server in the way that is asked for, and starts it again.
    pub(crate) fn strike_last(&mut self) -> Result<(), Failure> {
        self.end_and_start(self.strikes.end())
    }

    fn end_and_start(&mut self, end: End) -> Result<(), Failure> {
        self.end(end)?;
        self.start()
    }

    /// How often the server has ended in the way that is asked for.
    const fn ends(&self) -> u32 {
        match self.strikes.end() {
            End::Kill => self.blows.kills,
            End::PowerCut => self.blows.power_cuts,
        }
    }

    /// What was done so far, and the server.
    pub(crate) fn into_parts(self) -> (Blows, Victim) {
        (self.blows, self.victim)
    }

    fn wait_for_snapshot(&self) {
        let until = Instant::now() + SNAPSHOT_WAIT_MAX;
        while !self.victim.is_writing_snapshot() && Instant::now() < until {
            std::thread::sleep(SNAPSHOT_POLL);
        }
    }

    fn freeze(&mut self, span: Duration) -> Result<(), Failure> {
        self.blows.stops += 1;
        self.victim.freeze(span)
    }

    fn end(&mut self, end: End) -> Result<(), Failure> {
        match end {
            End::Kill => {
                self.victim.kill()?;
                self.blows.kills += 1;
            }
            End::PowerCut => {
                self.victim.cut_power()?;
                self.blows.power_cuts += 1;
            }
        }
        self.arena.leave();
        self.blows.kills_while_writing_snapshot += u32::from(self.victim.is_writing_snapshot());
        Ok(())
    }

    fn start(&mut self) -> Result<(), Failure> {
        self.victim.start()?;
        self.meet()
    }

    /// Starts the server and ends it before it is there, or just after.
    fn end_a_start(&mut self, percent: u32) -> Result<(), Failure> {
        let longest = Duration::from_millis(self.blows.longest_restart_ms.max(1));
        self.victim.start()?;
        let there = self.victim.ready(longest * percent / 100)?;
        self.blows.kills_while_starting += u32::from(there.is_none());
        self.end(self.strikes.end())
    }

    /// Waits until the server takes connections, and takes down what it says.
    fn meet(&mut self) -> Result<(), Failure> {
        let answered = self.arena.acknowledged_op();
        let Some((ready, took)) = self.victim.ready(START_MAX)? else {
            return Err(anyhow!("the server did not start within {START_MAX:?}").into());
        };
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.blows.restarts += 1;
        self.blows.longest_restart_ms = self.blows.longest_restart_ms.max(took_ms);
        if let Some(recovery) = &ready.recovery {
            self.blows.note(recovery, answered);
        }
        self.blows.storage = ready.storage;
        self.arena.meet(ready.address);
        Ok(())
    }
}

impl Blows {
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
        let mut blows = Blows::default();
        blows.note(&recovery(10, &[]), 10);
        assert_eq!((blows.starts_that_forgot, blows.findings.len(), blows.torn_tails), (0, 0, 1));
        blows.note(&recovery(9, &[]), 10);
        assert_eq!((blows.starts_that_forgot, blows.findings.len()), (1, 1));
        blows.note(&recovery(11, &["damaged"]), 10);
        assert_eq!((blows.starts_that_forgot, blows.findings.len(), blows.recovered_ops_max), (1, 2, 11));
    }
}
