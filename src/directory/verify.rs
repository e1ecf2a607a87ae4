//! Reads every byte of a directory that counts and says what is wrong with it: for `stockhold verify`. It changes nothing, and it
//! checks bytes only: whether a state follows from its log is for the machine to say.

use super::{DirectoryError, MANIFEST_NAME, base_of, list_snapshots, read_manifest};
use crate::snapshot::{self, SnapshotError, SnapshotSummary, snapshot_name};
use crate::storage::{Access, SharedStorage, StorageError};
use crate::wal::{Catalog, LogEnd, LogError, LogReader, ReadTo};

/// Something that is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Finding {
    /// With the manifest; nothing else can be checked without it.
    #[error("{MANIFEST_NAME}")]
    Manifest(#[source] DirectoryError),
    /// With the log.
    #[error("log")]
    Log(#[source] LogError),
    /// With a snapshot.
    #[error("snapshot after op {op}")]
    Snapshot {
        /// The op.
        op: u64,
        /// What.
        source: SnapshotError,
    },
    /// The log does not reach back to any whole snapshot, nor to its beginning.
    #[error("the log begins with op {first_op}, and no whole snapshot reaches that far")]
    Unreachable {
        /// The first op in the log.
        first_op: u64,
    },
}

/// What was found.
#[derive(Debug, Default)]
pub struct Verification {
    /// What is wrong; empty when all is well.
    pub findings: Vec<Finding>,
    /// The whole snapshots, newest first.
    pub snapshots: Vec<SnapshotSummary>,
    /// The number of ops in the log, and where and why it ends.
    pub log: Option<(u64, LogEnd)>,
}

/// Checks a directory that no server writes to. `progress` gets the bytes done and the bytes in all.
pub fn verify(
    storage: &SharedStorage,
    mut progress: impl FnMut(u64, u64),
) -> Result<Verification, StorageError> {
    let mut answer = Verification::default();
    let manifest = match read_manifest(storage) {
        Ok(manifest) => manifest,
        Err(error) => {
            answer.findings.push(Finding::Manifest(error));
            return Ok(answer);
        }
    };
    let all: u64 = storage.list()?.iter().map(|entry| entry.bytes).sum();
    let mut done_before = 0;
    for op in list_snapshots(storage)? {
        let name = snapshot_name(op);
        let step = |done, _| progress(done_before + done, all);
        match snapshot::verify(storage.as_ref(), &name, manifest.log_uuid, Access::ReadMedium, step) {
            Ok(summary) => answer.snapshots.push(summary),
            Err(source) => answer.findings.push(Finding::Snapshot { op, source }),
        }
        done_before += storage.open(&name, Access::Read)?.bytes()?;
    }
    let walked = Catalog::read(storage.as_ref(), manifest.log_uuid, false).and_then(|catalog| {
        let first_op = catalog.used.first().map_or(manifest.base_op + 1, |segment| segment.opening.first_op);
        let base = base_of(&manifest);
        let mut reader = LogReader::open(storage.clone(), manifest.log_uuid, base, first_op, ReadTo::End)?;
        let mut ops = 0;
        while let Some(frame) = reader.next_frame()? {
            ops += u64::from(frame.ops);
            progress(done_before + reader.progress().0, all);
        }
        Ok((first_op, ops, reader.into_end()))
    });
    match walked {
        Ok((first_op, ops, end)) => {
            let reached = answer.snapshots.iter().any(|snapshot| snapshot.header.op + 1 >= first_op);
            if first_op > manifest.base_op + 1 && !reached {
                answer.findings.push(Finding::Unreachable { first_op });
            }
            check_reach(&mut answer, end.as_ref());
            answer.log = end.map(|end| (ops, end));
        }
        Err(error) => answer.findings.push(Finding::Log(error)),
    }
    progress(all, all);
    Ok(answer)
}

/// A snapshot of an op that the log does not hold means that the end of the log was lost.
fn check_reach(answer: &mut Verification, end: Option<&LogEnd>) {
    let newest = answer.snapshots.first().map(|snapshot| snapshot.header.op);
    if let (Some(need_op), Some(end)) = (newest, end)
        && need_op > end.last_op()
    {
        answer.findings.push(Finding::Log(LogError::EndsEarly { need_op, last_op: end.last_op() }));
    }
}
