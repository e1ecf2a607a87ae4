//! Finds the history that contains a target. An archive may have several of a log, because each restore begins a new one.

use super::backup::{Choice, Source};
use super::exit::{Failure, restore_failure};
use crate::calendar::rfc3339;
use crate::directory::ReadOnlyDirectory;
use crate::replica::{OnProgress, ReplicaError, Target};
use crate::restore::{RestoreError, replica_at};
use crate::server;
use std::path::Path;

/// The directories from the one that contains the target to the source's own, each restored from the one before it, and
/// the target in the first. A time before a restore becomes an op there.
///
/// # Errors
/// The target means a state that a restore has undone, so the history must be chosen; or a replay fails.
pub(super) fn history_with(
    source: &Source,
    choice: &Choice,
    target: Target,
    progress: &mut OnProgress<'_>,
) -> Result<(Vec<ReadOnlyDirectory>, Target), Failure> {
    let directory = source.directory()?;
    let Some(parent) = &source.parent else { return Ok((vec![directory], target)) };
    let manifest = directory.manifest();
    let (base, epoch) = (manifest.base.op, manifest.epoch());
    let is_earlier = match target {
        Target::End => false,
        Target::Op(op) => {
            if choice.epoch.is_none() && op > base {
                refuse_in_both(parent, op, (base, epoch))?;
            }
            op < base
        }
        // Until then, the parent was the log.
        Target::Time(ms) => manifest.restored().is_some_and(|restored| ms < restored.time_ms),
    };
    if !is_earlier {
        return Ok((vec![directory], target));
    }
    let (mut history, mut target) = history_with(parent, choice, target, progress)?;
    if let (Target::Time(ms), [before]) = (target, &history[..]) {
        let op = op_at(parent, before, ms, progress)?;
        if op > base {
            let there = before.manifest().epoch();
            return Err(Failure::usage(format!(
                "at {} the log was at op {op}, which a restore to op {base} has undone: choose --to-op {base}, or --epoch {there} for the history before the restore",
                rfc3339(ms)
            )));
        }
        target = Target::Op(op);
    }
    history.push(directory);
    Ok((history, target))
}

/// The last op up to a time, in a log that may have ended before it.
fn op_at(
    source: &Source,
    directory: &ReadOnlyDirectory,
    ms: u64,
    progress: &mut OnProgress<'_>,
) -> Result<u64, Failure> {
    let target = Target::Time(ms);
    match server::with_read_ahead(|spawner| replica_at(directory, target, Some(spawner), progress)) {
        Ok(replica) => Ok(replica.machine().op()),
        Err(ReplicaError::TargetTooLate { last_op, .. }) => Ok(last_op),
        Err(error) => {
            let place = Path::new(&source.from);
            Err(restore_failure(RestoreError::Replica(error), place, place))
        }
    }
}

/// Refuses an op after a restore that the history before it has as well.
fn refuse_in_both(parent: &Source, op: u64, (base, here): (u64, u64)) -> Result<(), Failure> {
    let before = parent.directory()?;
    if before.last_op_max().map_err(|e| parent.failure(e))? < op {
        return Ok(());
    }
    let there = before.manifest().epoch();
    Err(Failure::usage(format!(
        "op {op} is in two histories, because the log was restored to op {base}: choose --epoch {here} or --epoch {there}"
    )))
}
