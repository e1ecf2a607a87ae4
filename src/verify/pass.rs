//! One pass over a whole directory: it reads every meaningful byte of all segments from the oldest on, and replays
//! them.

use super::finding::{Fault, Finding};
use super::meter::Meter;
use super::note::Note;
use super::read::End;
use super::replay::Replay;
use super::verification::Verification;
use crate::directory::{EpochReason, LOCK_NAME, MANIFEST_NAME, ReadOnlyDirectory, STANDBY_NAME};
use crate::geonames::{addresses_of, parse_address_file_name};
use crate::snapshot::parse_snapshot_name;
use crate::storage::{FileEntry, ReadFrom, TEMPORARY_SUFFIX};
use crate::wal::segment::{parse_segment_name, segment_name};
use crate::wal::segment_list::list_segments;
use crate::wal::{LogEnd, LogError, LogReader, SegmentList};

/// Reads everything that was in the directory when the files were listed.
pub(super) fn read(
    directory: &ReadOnlyDirectory,
    files: &[FileEntry],
    progress: &mut dyn FnMut(u64, u64),
) -> Verification {
    let bytes_all = files.iter().filter(|file| is_state(&file.name)).map(|file| file.bytes).sum();
    let mut meter = Meter { log: 0, snapshots: 0, all: bytes_all, report: progress };
    let mut report = Verification { manifest: Some(directory.manifest().clone()), ..Verification::default() };
    note_files(files, &mut report.notes);
    check_addresses(directory, files, &mut report.findings);
    note_manifest(directory, &mut report.notes);

    let sequences = list_segments(files);
    let (runs, faults) =
        SegmentList::read_runs(directory.files().as_ref(), directory.manifest().log_uuid, &sequences);
    if sequences.is_empty() {
        report.findings.push(Finding::of_log(1, LogError::NoSegments));
    }
    let last_fault = faults.last().map(|(segment, _)| *segment);
    report.findings.extend(faults.into_iter().map(|(segment, error)| Finding::of_log(segment, error)));
    check_epochs(directory, &runs, &mut report.findings);

    let snapshots = files.iter().filter_map(|file| parse_snapshot_name(&file.name)).collect();
    let mut pass = Pass { directory, report, replay: Replay::new(directory, snapshots) };
    pass.read_log(runs, &mut meter);
    // The last segment determines the end of the log, if it can be read.
    if pass.report.end.is_some_and(|end| last_fault.is_some_and(|fault| fault > end.segment)) {
        pass.break_off();
    }
    let Pass { mut report, replay, .. } = pass;
    replay.finish(&mut report, &mut meter);
    meter.done();
    report
}

fn is_state(name: &str) -> bool {
    parse_segment_name(name).is_some() || parse_snapshot_name(name).is_some()
}

struct Pass<'a> {
    directory: &'a ReadOnlyDirectory,
    report: Verification,
    replay: Replay<'a>,
}

impl Pass<'_> {
    fn read_log(&mut self, runs: Vec<SegmentList>, meter: &mut Meter<'_>) {
        let first_position =
            runs.iter().flat_map(|run| &run.used).map(|segment| segment.opening.first_position).next();
        self.report.log.first_position = first_position.unwrap_or(0);
        self.replay.begin(first_position, &mut self.report, meter);
        let has_used = first_position.is_some();
        let mut is_first = true;
        for run in runs {
            if let Some(unused) = &run.unused {
                let (file, is_torn) = (segment_name(unused.header.sequence), unused.torn);
                self.report.notes.push(Note::Unused { file, is_torn });
            }
            // A list without used segments does not determine the end of the log, unless there is nothing else.
            if has_used && run.used.is_empty() {
                continue;
            }
            if !is_first {
                self.break_off();
            }
            is_first = false;
            self.read_run(run, meter);
        }
    }

    fn break_off(&mut self) {
        self.replay.stop(&mut self.report);
        self.report.end = None;
    }

    /// Reads consecutive segments, and continues with the next segment after damage.
    fn read_run(&mut self, mut run: SegmentList, meter: &mut Meter<'_>) {
        let mut log_before = meter.log;
        loop {
            let first = run.used.first().map_or(0, |segment| segment.header.sequence);
            match self.read_sound(run.clone(), meter) {
                Ok(end) => {
                    self.report.end = end;
                    break;
                }
                Err(error) => {
                    self.break_off();
                    let next = segment_behind(&error, first);
                    let named = next.saturating_sub(1);
                    self.report.findings.push(Finding::of_log(named, error));
                    let read = run.used.partition_point(|segment| segment.header.sequence < next);
                    log_before += run.used.drain(..read).map(|read| read.header.segment_bytes).sum::<u64>();
                    meter.log = log_before;
                    if run.used.is_empty() {
                        break;
                    }
                }
            }
        }
        meter.log = log_before + run.used.iter().map(|segment| segment.header.segment_bytes).sum::<u64>();
    }

    /// Reads to the end of the list or to the first fault.
    fn read_sound(&mut self, run: SegmentList, meter: &mut Meter<'_>) -> Result<Option<End>, LogError> {
        let base = self.directory.base();
        let mut reader = LogReader::open_run(self.directory.files().clone(), run, base, ReadFrom::Medium)?;
        let log_before = meter.log;
        let report = loop {
            match reader.next_frame() {
                Ok(Some(frame)) => {
                    self.report.log.records += u64::from(frame.records);
                    self.replay.apply(&frame, &mut self.report, meter);
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
            meter.log = log_before + reader.progress().0;
            meter.show();
        };
        meter.log = log_before;
        let (tally, is_moving) = (reader.tally(), reader.has_changed());
        let total = &mut self.report.log.tally;
        total.segments += tally.segments;
        total.frames += tally.frames;
        total.bytes += tally.bytes;
        if is_moving {
            self.report.notes.push(Note::Moving);
        }
        report.map(|()| reader.into_end().map(|end| end_of(&end, is_moving)))
    }
}

pub(super) fn end_of(end: &LogEnd, is_moving: bool) -> End {
    End {
        segment: end.previous.sequence,
        offset: end.previous.end_offset,
        last_position: end.last_position(),
        reason: end.previous.reason,
        durability: end.durability,
        is_moving,
    }
}

/// The segment with which to continue after a fault in a list that begins with `first`. It is always a later one.
pub(super) fn segment_behind(error: &LogError, first: u64) -> u64 {
    let wrong = match error {
        LogError::Predecessor { segment, .. } => segment.saturating_sub(1),
        LogError::Header { segment, .. }
        | LogError::Misplaced { segment, .. }
        | LogError::ForeignLog { segment, .. }
        | LogError::Opening { segment, .. }
        | LogError::Discontinuous { segment, .. }
        | LogError::LaterEpoch { segment, .. }
        | LogError::Unsteady { segment, .. }
        | LogError::Damage { segment, .. } => *segment,
        LogError::Storage(error) => error.name().and_then(parse_segment_name).unwrap_or(u64::MAX - 1),
        LogError::NoSegments
        | LogError::Missing { .. }
        | LogError::EndsEarly { .. }
        | LogError::SequenceGap { .. } => u64::MAX - 1,
    };
    wrong.max(first) + 1
}

pub(super) fn check_epochs(directory: &ReadOnlyDirectory, runs: &[SegmentList], findings: &mut Vec<Finding>) {
    let known = directory.manifest().epoch();
    for segment in runs.iter().flat_map(|run| &run.used) {
        let (sequence, epoch) = (segment.header.sequence, segment.opening.epoch);
        if epoch > known {
            let error = LogError::LaterEpoch { segment: sequence, epoch, known };
            findings.push(Finding::of_log(sequence, error));
        }
    }
}

/// Reads the files of addresses that are in use.
fn check_addresses(directory: &ReadOnlyDirectory, files: &[FileEntry], findings: &mut Vec<Finding>) {
    for file in addresses_of(files) {
        if let Err(error) = file.read(directory.files().as_ref()) {
            findings.push(Finding { file: file.name(), offset: None, fault: Fault::Addresses(error) });
        }
    }
}

fn note_files(files: &[FileEntry], notes: &mut Vec<Note>) {
    for FileEntry { name, .. } in files {
        let file = name.clone();
        if name.ends_with(TEMPORARY_SUFFIX) {
            notes.push(Note::Temporary { file });
        } else if parse_address_file_name(name).is_none()
            && !is_state(name)
            && ![LOCK_NAME, MANIFEST_NAME, STANDBY_NAME].contains(&name.as_str())
        {
            notes.push(Note::Foreign { file });
        }
    }
}

fn note_manifest(directory: &ReadOnlyDirectory, notes: &mut Vec<Note>) {
    let manifest = directory.manifest();
    for epoch in &manifest.epochs {
        match epoch.reason {
            EpochReason::Format | EpochReason::Skip => {}
            EpochReason::Restore => notes.push(Note::Restored { base_op: manifest.base.op }),
            EpochReason::Truncate => {
                notes.push(Note::Truncated { epoch: epoch.epoch, first_position: epoch.first_position });
            }
            EpochReason::UncleanStop => {
                notes.push(Note::Unclean { epoch: epoch.epoch, first_position: epoch.first_position });
            }
        }
    }
    for skip in &manifest.skips {
        notes.push(Note::Skipped { op: skip.op, epoch: skip.epoch, reason: skip.reason.clone() });
    }
}
