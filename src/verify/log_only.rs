//! Reads all segments of a log without replaying it: head blocks, frames, checksums, positions, lengths, the headers of
//! batches, and whether digests are recorded. It needs no memory for a state, and is as fast as the medium.

use stockhold_protocol::batch::Batch;
use stockhold_protocol::limits::FEATURE_LEVEL;

use super::finding::{Fault, Finding};
use super::pass::{check_epochs, end_of, segment_behind};
use super::read::{End, LogRead};
use super::{ROUNDS_MAX, names_of_state};
use crate::directory::{DirectoryError, Manifest, ReadOnlyDirectory};
use crate::pipeline::apply::ApplyError;
use crate::storage::{FileEntry, ReadFrom, SharedReadStorage};
use crate::wal::segment::{parse_segment_name, segment_name};
use crate::wal::segment_list::list_segments;
use crate::wal::{Frame, LogError, LogReader, SegmentList};

/// The number of positions within which a server records a digest. One is due every 4,096 ops and with each batch of more,
/// and a few batches of at most 16,384 ops are in flight.
const DIGEST_WITHIN: u64 = 1 << 18;

/// The report of a check of the log.
#[derive(Debug, Default)]
pub struct LogCheck {
    /// The faults in the order of segments; empty if the log is sound.
    pub findings: Vec<Finding>,
    /// The manifest, if it can be read.
    pub manifest: Option<Manifest>,
    /// The summary of the log.
    pub log: LogRead,
    /// The number of digests that batches record.
    pub digests: u64,
    /// The op of the last of them.
    pub last_digest_op: u64,
    /// Where and why the log ends, if it was read to its end.
    pub end: Option<End>,
}

/// Checks all segments. `progress` receives the bytes done and the bytes in all.
///
/// # Errors
/// [`DirectoryError`] as [`super::verify`].
pub fn verify_log(
    files: &SharedReadStorage,
    mut progress: impl FnMut(u64, u64),
) -> Result<LogCheck, DirectoryError> {
    let mut rounds = 0;
    loop {
        let listed = files.list()?;
        let check = match ReadOnlyDirectory::open(files.clone()) {
            Ok(directory) => check_all(&directory, &listed, &mut progress),
            Err(DirectoryError::Manifest(fault)) => {
                LogCheck { findings: vec![Finding::of_manifest(fault)], ..LogCheck::default() }
            }
            Err(error) => return Err(error),
        };
        // A running server may trim and create files while they are read. That is not damage.
        let is_changed = !names_of_state(&listed).eq(names_of_state(&files.list()?));
        if check.findings.is_empty() || !is_changed || rounds >= ROUNDS_MAX {
            return Ok(check);
        }
        rounds += 1;
    }
}

fn check_all(
    directory: &ReadOnlyDirectory,
    files: &[FileEntry],
    progress: &mut dyn FnMut(u64, u64),
) -> LogCheck {
    let lengths = files.iter().filter(|file| parse_segment_name(&file.name).is_some());
    let bytes_all = lengths.map(|file| file.bytes).sum();
    let manifest = directory.manifest();
    let sequences = list_segments(files);
    let (runs, faults) = SegmentList::read_runs(directory.files().as_ref(), manifest.log_uuid, &sequences);
    let mut check = LogCheck { manifest: Some(manifest.clone()), ..LogCheck::default() };
    if sequences.is_empty() {
        check.findings.push(Finding::of_log(1, LogError::NoSegments));
    }
    let last_fault = faults.last().map(|(segment, _)| *segment);
    check.findings.extend(faults.into_iter().map(|(segment, error)| Finding::of_log(segment, error)));
    check_epochs(directory, &runs, &mut check.findings);
    let first = runs.iter().flat_map(|run| &run.used).map(|segment| segment.opening.first_position).next();
    check.log.first_position = first.unwrap_or(0);
    let mut pass = Pass { directory, check, undigested_from: None, bytes_done: 0, bytes_all, progress };
    for run in runs.into_iter().filter(|run| first.is_none() || !run.used.is_empty()) {
        pass.check.end = None;
        pass.read_run(run);
    }
    let Pass { mut check, progress, .. } = pass;
    // The last segment determines the end of the log, if it can be read.
    check.end = check.end.filter(|end| last_fault.is_none_or(|fault| fault <= end.segment));
    check.findings.sort_by(|one, other| (&one.file, one.offset).cmp(&(&other.file, other.offset)));
    progress(bytes_all, bytes_all);
    check
}

struct Pass<'a> {
    directory: &'a ReadOnlyDirectory,
    check: LogCheck,
    /// The first position after the last recorded digest.
    undigested_from: Option<u64>,
    bytes_done: u64,
    bytes_all: u64,
    progress: &'a mut dyn FnMut(u64, u64),
}

impl Pass<'_> {
    /// Reads consecutive segments, and continues with the next segment after damage.
    fn read_run(&mut self, mut run: SegmentList) {
        while !run.used.is_empty() || run.unused.is_some() {
            let first = run.used.first().map_or(0, |segment| segment.header.sequence);
            let bytes_before = self.bytes_done;
            // What was in a part that cannot be read is not known.
            self.undigested_from = None;
            let Err(error) = self.read_sound(run.clone()) else { break };
            self.check.end = None;
            let next = segment_behind(&error, first);
            self.check.findings.push(Finding::of_log(next.saturating_sub(1), error));
            let read = run.used.partition_point(|segment| segment.header.sequence < next);
            let bytes: u64 = run.used.drain(..read).map(|read| read.header.segment_bytes).sum();
            self.bytes_done = bytes_before + bytes;
            if run.used.is_empty() {
                break;
            }
        }
    }

    /// Reads to the end of the list or to the first fault.
    fn read_sound(&mut self, run: SegmentList) -> Result<(), LogError> {
        let base = self.directory.base();
        let mut reader = LogReader::open_run(self.directory.files().clone(), run, base, ReadFrom::Medium)?;
        let bytes_before = self.bytes_done;
        let result = loop {
            match reader.next_frame() {
                Ok(Some(frame)) => self.check_batch(&frame),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
            self.bytes_done = bytes_before + reader.progress().0;
            (self.progress)(self.bytes_done.min(self.bytes_all), self.bytes_all);
        };
        let (tally, is_moving) = (reader.tally(), reader.has_changed());
        let total = &mut self.check.log.tally;
        total.segments += tally.segments;
        total.frames += tally.frames;
        total.bytes += tally.bytes;
        result?;
        self.check.end = reader.into_end().map(|end| end_of(&end, is_moving));
        Ok(())
    }

    fn check_batch(&mut self, frame: &Frame<'_>) {
        self.check.log.records += u64::from(frame.records);
        let file = segment_name(frame.segment);
        if let Err(fault) = self.fault_of(frame) {
            self.check.findings.push(Finding { file, offset: Some(frame.offset), fault });
        }
    }

    fn fault_of(&mut self, frame: &Frame<'_>) -> Result<(), Fault> {
        let position = frame.first_position;
        let unreadable = |source| Fault::Apply(ApplyError::Header { position, source });
        let batch = Batch::decode(frame.payload).map_err(unreadable)?;
        let header = &batch.header;
        if header.feature_level > FEATURE_LEVEL {
            return Err(Fault::Apply(ApplyError::FeatureLevel { position, found: header.feature_level }));
        }
        let mut found = 0;
        for entry in batch.entries() {
            entry.map_err(unreadable)?;
            found += 1;
        }
        if found != u64::from(frame.records) || header.count != frame.records {
            return Err(Fault::Apply(ApplyError::Count { position, found, expected: frame.records }));
        }
        // An op is never above its position.
        if let Some(op) = [header.applied_op, header.digest_op].into_iter().find(|op| *op >= position) {
            return Err(Fault::Ahead { op, position });
        }
        if header.digest_op > 0 {
            self.check.digests += 1;
            self.check.last_digest_op = self.check.last_digest_op.max(header.digest_op);
            self.undigested_from = Some(position);
        }
        let from = *self.undigested_from.get_or_insert(position);
        if position - from > DIGEST_WITHIN {
            self.undigested_from = Some(position);
            return Err(Fault::NoDigest { from, to: position });
        }
        Ok(())
    }
}
