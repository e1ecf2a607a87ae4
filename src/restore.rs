//! Restores the state at a point of a log into a new data directory, and finds out beforehand what that would undo.
//!
//! The new directory has the identity of the old log and a new epoch, so clients that come back learn of the restore. It
//! consists of one snapshot, and of an empty log that continues after the point. The old directory is only read.

mod tables;
mod undone;
mod undone_file;

use crossbeam::channel::Receiver;
use stockhold_machine::{Machine, Progress};
use stockhold_protocol::limits::FEATURE_LEVEL;
use stockhold_protocol::query::{LIST_MAX, Query, QueryAnswer};

pub use tables::{GoodsChange, PromiseChange};
use undone::Watcher;
pub use undone::{Bulk, CatalogChange, Fate, Fates, Tally, Undone};
pub use undone_file::{UNDONE_NAME, UndoneCommand, UndoneHeader, WrittenUndone, write_undone};

use crate::directory::{Directory, DirectoryError, Manifest, ReadOnlyDirectory, RestoreOptions};
use crate::pipeline::apply::Observer;
use crate::pipeline::snapshots::digest_bytes;
use crate::replica::{OnProgress, ReadAheadSpawner, Replica, ReplicaError, Target};
use crate::snapshot::{LogPoint, SnapshotError, SnapshotHeader, SnapshotWriter, snapshot_name};
use crate::storage::SharedStorage;
use crate::wal::ReadTo;

/// How often something is read while a server removes parts of it.
pub const ATTEMPTS: u32 = 5;
/// The number of records that one step of the snapshot copies.
const RECORDS_PER_STEP: u32 = 65_536;
/// The number of copied pieces that wait to be written. A piece has at most 1 MiB.
const PIECES_AHEAD_MAX: usize = 16;

/// Why a restore is not possible.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The log cannot be replayed to the target.
    #[error("the log cannot be replayed")]
    Replica(#[from] ReplicaError),
    /// The new directory cannot be created.
    #[error("the new data directory cannot be created")]
    Directory(#[from] DirectoryError),
    /// The snapshot cannot be written.
    #[error("the snapshot of the new data directory cannot be written")]
    Snapshot(#[from] SnapshotError),
    /// The state at the target violates invariants of the machine.
    #[error("the state at the target violates invariants: {}", violations.join("; "))]
    Invalid {
        /// The violated invariants.
        violations: Vec<String>,
    },
}

/// A directory that was restored.
#[derive(Debug)]
pub struct Restored {
    /// The new directory, locked.
    pub directory: Directory,
    /// The point of the state.
    pub point: LogPoint,
    /// The time of the last op of the state by the wall clock, in milliseconds since 1970.
    pub wall_ms: u64,
    /// The digest of the state.
    pub digest: u64,
    /// The number of ops that were replayed.
    pub replayed_ops: u64,
}

/// A replica of the state at the target.
///
/// # Errors
/// [`ReplicaError`].
pub fn replica_at(
    from: &ReadOnlyDirectory,
    target: Target,
    spawner: Option<&dyn ReadAheadSpawner>,
    progress: &mut OnProgress<'_>,
) -> Result<Replica, ReplicaError> {
    let mut attempt = 1;
    loop {
        match one_replica_at(from, target, spawner, progress) {
            // A server has trimmed what was to be read. What it keeps leads to the target too, unless it is too old.
            Err(error) if error.is_vanished() && attempt < ATTEMPTS => attempt += 1,
            other => return other,
        }
    }
}

fn one_replica_at(
    from: &ReadOnlyDirectory,
    target: Target,
    spawner: Option<&dyn ReadAheadSpawner>,
    progress: &mut OnProgress<'_>,
) -> Result<Replica, ReplicaError> {
    let mut replica = Replica::load(from, target, spawner)?;
    let mut observer = |_: &Machine, _| ();
    replica.replay(from, (ReadTo::Present, target), spawner, &mut observer, progress)?;
    replica.refuse_recurring(from, target)?;
    Ok(replica)
}

/// Replays the rest of a history. Its parts are in order: each directory was restored from the one before it, so of that
/// one only what the restore has kept belongs to the history.
fn replay_rest(
    history: &[ReadOnlyDirectory],
    replica: &mut Replica,
    spawner: Option<&dyn ReadAheadSpawner>,
    observer: &mut impl Observer,
    progress: &mut OnProgress<'_>,
) -> Result<(), ReplicaError> {
    for (index, directory) in history.iter().enumerate() {
        let restored = history.get(index + 1).map(|next| next.manifest().base.op);
        let end = (ReadTo::Present, restored.map_or(Target::End, Target::Op));
        replica.replay(directory, end, spawner, observer, progress)?;
    }
    Ok(())
}

/// The op of a mark.
///
/// # Errors
/// There is no such mark: the name of the newest one, if there is any.
pub fn marked_op(machine: &Machine, name: &str) -> Result<u64, Option<String>> {
    let (mut after, mut newest) = (None, None);
    while let Some(QueryAnswer::Marks(page)) = machine.query(&Query::Marks { after, limit: LIST_MAX }) {
        if let Some(mark) = page.iter().find(|mark| mark.name == name) {
            return Ok(mark.op);
        }
        let Some(mark) = page.last() else { break };
        after = Some(mark.op);
        newest = Some(mark.name.clone());
    }
    Err(newest)
}

/// Writes the state of a replica as a new data directory.
///
/// # Errors
/// [`RestoreError`]. The new directory is then incomplete and cannot be started.
pub fn restore(
    from: &Manifest,
    replica: &mut Replica,
    storage: SharedStorage,
    options: RestoreOptions,
) -> Result<Restored, RestoreError> {
    let (point, wall_ms) = (replica.point(), crate::replica::wall_ms(replica.machine()));
    let (digest, replayed_ops) = (replica.machine().digest(), replica.tally.replayed_ops);
    let machine = replica.machine_mut();
    let directory = Directory::restore(storage, from, point, options, |storage, manifest| {
        write_snapshot(machine, storage, manifest)
    })?;
    Ok(Restored { directory, point, wall_ms, digest, replayed_ops })
}

fn write_snapshot(
    machine: &mut Machine,
    storage: &SharedStorage,
    manifest: &Manifest,
) -> Result<(), RestoreError> {
    let mark = machine.begin_snapshot();
    let header = SnapshotHeader {
        log_uuid: manifest.log_uuid,
        epoch: manifest.epoch(),
        op: mark.op,
        position: manifest.base.position,
        time_ms: mark.time.0,
        rules_version: mark.rules_version,
        feature_level: FEATURE_LEVEL,
    };
    let writer = SnapshotWriter::create(storage.clone(), header)?;
    // One thread copies the state and validates it, the other one writes what was copied and reads it back.
    let (finished, violations) = std::thread::scope(|scope| {
        let (sender, pieces) = crossbeam::channel::bounded(PIECES_AHEAD_MAX);
        let finishing = scope.spawn(move || finish_snapshot(writer, &pieces, mark.digest));
        loop {
            let mut is_heard = true;
            let progress = machine.snapshot_step(RECORDS_PER_STEP, &mut |kind, records, bytes| {
                is_heard &= sender.send((kind, records, bytes.to_vec())).is_ok();
            });
            if !is_heard || progress == Progress::Done {
                break;
            }
        }
        drop(sender);
        let violations = machine.validate();
        (finishing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), violations)
    });
    finished?;
    if !violations.is_empty() {
        storage.remove(&snapshot_name(mark.op)).map_err(SnapshotError::from)?;
        return Err(RestoreError::Invalid { violations });
    }
    Ok(())
}

/// Writes the pieces of a snapshot, and reads it back after the last one.
fn finish_snapshot(
    mut writer: SnapshotWriter,
    pieces: &Receiver<(u16, u32, Vec<u8>)>,
    digest: u64,
) -> Result<(), SnapshotError> {
    for (kind, records, bytes) in pieces {
        if let Err(error) = writer.push_frame(kind, records, &bytes) {
            writer.abandon();
            return Err(error);
        }
    }
    writer.finish(digest_bytes(digest)).map(drop)
}

/// Finds out what a restore to the target would undo, and returns the machine at the end of the log, which knows the
/// names. Nothing is written. The first directory of the history contains the target; each further one was restored from
/// the one before it.
///
/// # Errors
/// [`ReplicaError`].
pub fn dry_run(
    history: &[ReadOnlyDirectory],
    target: Target,
    spawner: Option<&dyn ReadAheadSpawner>,
    progress: &mut OnProgress<'_>,
) -> Result<(Undone, Machine), ReplicaError> {
    let [first, ..] = history else { unreachable!("a history has a directory") };
    let mut replica = Replica::load(first, target, spawner)?;
    let mut watcher = Watcher::new(target);
    replay_rest(history, &mut replica, spawner, &mut watcher, progress)?;
    let undone = watcher.finish(replica.machine())?;
    Ok((undone, replica.into_machine()))
}
