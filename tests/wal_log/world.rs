//! A log of small segments on a recording disk, with a fixed UUID, for all tests of this module.

use std::sync::Arc;

use stockhold::directory::{Directory, DirectoryError, EpochReason, FormatOptions};
use stockhold::snapshot::LogPoint;
use stockhold::storage::SharedStorage;
use stockhold::storage::recording::RecordingStorage;
use stockhold::wal::{
    AppendError, CommitLog, Durability, LogEnd, LogError, LogOptions, LogStart, LogWriter, Positions,
    Progress, ReadTo, SegmentPreparer,
};
use uuid::Uuid;

pub(crate) const LOG: Uuid = Uuid::from_u128(0x0011_2233_4455_6677_8899_AABB_CCDD_EEFF);
pub(crate) const NOW_MS: u64 = 1_700_000_000_000;

/// Two head blocks, 13 blocks of frames, and the block reserved for the end frame.
pub(crate) const SEGMENT_BYTES: u64 = 16 * 4096;

pub(crate) const OPTIONS: LogOptions =
    LogOptions { segment_bytes: SEGMENT_BYTES, payload_bytes_max: 10_000, durability: Durability::Every };

/// A frame that was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) first_position: u64,
    pub(crate) records: u32,
    pub(crate) payload: Vec<u8>,
}

pub(crate) fn format(storage: &SharedStorage) -> Result<Directory, DirectoryError> {
    Directory::format(
        storage.clone(),
        FormatOptions {
            log_uuid: LOG,
            epoch: 1,
            reason: EpochReason::Format,
            base: LogPoint::default(),
            now_ms: NOW_MS,
            salt_seed: 7,
            segment_bytes: SEGMENT_BYTES,
            genesis: b"genesis".to_vec(),
        },
    )
}

/// A newly formatted disk.
pub(crate) fn formatted() -> RecordingStorage {
    let disk = RecordingStorage::new();
    drop(format(&disk.share()).unwrap());
    disk
}

/// Reads what recovery would read: everything after the newest snapshot.
pub(crate) fn read_all(directory: &Directory) -> Result<(Vec<Batch>, LogEnd), LogError> {
    // In these logs a snapshot whose head is lost is at the position of its op.
    let position_of = |op: &u64| directory.read_snapshot(*op).map_or(*op, |read| read.header().position);
    let newest = directory.snapshots()?.first().map_or(0, position_of);
    let mut reader = directory.read_log(newest + 1, ReadTo::End)?;
    let mut batches = Vec::new();
    while let Some(frame) = reader.next_frame()? {
        batches.push(Batch {
            first_position: frame.first_position,
            records: frame.records,
            payload: frame.payload.to_vec(),
        });
    }
    Ok((batches, reader.into_end().unwrap()))
}

/// A running log.
pub(crate) struct Running {
    pub(crate) directory: Directory,
    pub(crate) writer: LogWriter,
    pub(crate) preparer: SegmentPreparer,
    pub(crate) recovered: Vec<Batch>,
    pub(crate) end: LogEnd,
}

/// Opens the directory, reads the log, and continues it.
pub(crate) fn start(
    storage: &SharedStorage,
    options: LogOptions,
    salt_seed: u64,
) -> Result<Running, LogError> {
    let directory = match Directory::open(storage.clone()) {
        Ok(directory) => directory,
        Err(DirectoryError::Storage(error)) => return Err(error.into()),
        Err(error) => panic!("{error}"),
    };
    let (recovered, end) = read_all(&directory)?;
    let start = LogStart { log_uuid: LOG, epoch: directory.manifest().epoch(), now_ms: NOW_MS, salt_seed };
    let (writer, preparer) = LogWriter::begin(storage, options, start, &end)?;
    Ok(Running { directory, writer, preparer, recovered, end })
}

impl Running {
    /// Appends one batch, and prepares a segment first if one is needed.
    pub(crate) fn append(&mut self, payload: &[u8], records: u32) -> Result<Positions, AppendError> {
        let mut frame = self.writer.frame_buffer();
        frame.extend_from_slice(payload);
        loop {
            match self.writer.append(&mut frame, records) {
                Err(AppendError::NotReady) => self.prepare(),
                answer => {
                    assert_eq!(frame.payload(), payload, "the payload is left as it was");
                    return answer;
                }
            }
        }
    }

    /// Steps the preparer until it has nothing more to do.
    pub(crate) fn prepare(&mut self) {
        while self.preparer.step(NOW_MS).unwrap() == Progress::Working {}
    }
}

/// A payload that contains its number and whose length depends on it.
pub(crate) fn payload(number: u64) -> Vec<u8> {
    let length = usize::try_from(number * 2_741 % 9_000).unwrap();
    (0..length).map(|place| u8::try_from((place as u64 * 31 + number) % 251).unwrap()).collect()
}

pub(crate) fn share(disk: &RecordingStorage) -> SharedStorage {
    Arc::new(disk.clone())
}
