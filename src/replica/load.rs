//! Reads a snapshot to its end and builds the machine.

use std::error::Error;

use stockhold_machine::{LoadError, Loader, Machine, RULES_VERSION, SnapshotMark};
use stockhold_protocol::Timestamp;
use stockhold_protocol::limits::FEATURE_LEVEL;

use super::read_ahead::{ReadAheadSpawner, Reading};
use crate::pipeline::snapshots::digest_bytes;
use crate::snapshot::{SnapshotError, SnapshotReader};
use crate::storage::StorageError;

/// Why a snapshot cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadFault {
    #[error("the storage failed")]
    Storage(#[from] StorageError),
    #[error("{error}{}", error.source().map(|reason| format!(": {reason}")).unwrap_or_default())]
    Snapshot { error: SnapshotError },
    #[error("it has feature level {found}, but this program knows levels up to {FEATURE_LEVEL} only")]
    FeatureLevel { found: u32 },
    #[error("the machine cannot load it: {0}")]
    Machine(#[from] LoadError),
    #[error("the loaded state has digest {found:016x}, but the file records {recorded:?}")]
    Digest { found: u64, recorded: [u8; 16] },
}

impl From<SnapshotError> for LoadFault {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Storage(error) => Self::Storage(error),
            other @ (SnapshotError::Damaged { .. } | SnapshotError::ForeignLog { .. }) => {
                Self::Snapshot { error: other }
            }
        }
    }
}

/// Reads a snapshot to its end and builds the machine. `on_piece` receives the length of each piece.
pub(crate) fn load(
    reader: SnapshotReader,
    spawner: Option<&dyn ReadAheadSpawner>,
    mut on_piece: impl FnMut(usize),
) -> Result<Machine, LoadFault> {
    let header = *reader.header();
    if header.feature_level > FEATURE_LEVEL {
        return Err(LoadFault::FeatureLevel { found: header.feature_level });
    }
    if header.rules_version != RULES_VERSION {
        return Err(LoadError::Rules { found: header.rules_version }.into());
    }
    let mut loader: Loader = Machine::loader();
    let mut reading = Reading::begin(reader, spawner);
    while let Some(frame) = reading.next()? {
        loader.section(frame.kind, frame.records, &frame.payload)?;
        on_piece(frame.payload.len());
    }
    let summary = reading.into_source().into_summary()?;
    let [a, b, c, d, e, f, g, h, ..] = summary.digest;
    let digest = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let mark = SnapshotMark {
        op: header.op,
        time: Timestamp(header.time_ms),
        digest,
        rules_version: header.rules_version,
    };
    let machine = loader.finish(&mark)?;
    if digest_bytes(machine.digest()) != summary.digest {
        return Err(LoadFault::Digest { found: machine.digest(), recorded: summary.digest });
    }
    Ok(machine)
}
