//! The list of segments in order, with their two head blocks checked. It reads frames only to distinguish a segment
//! that was never used from one whose opening was lost.

use uuid::Uuid;

use super::LogError;
use super::frame_search::holds_frames;
use super::segment::{BlockFault, SegmentHeader, SegmentOpening, parse_segment_name, segment_name};
use crate::storage::layout::{BLOCK_BYTES, FRAMES_OFFSET, opening};
use crate::storage::width::{index, length};
use crate::storage::{FileEntry, ReadFrom, ReadStorage, ReadableFile};

/// A segment that is or was in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsedSegment {
    /// Block 0.
    pub header: SegmentHeader,
    /// Block 1.
    pub opening: SegmentOpening,
    /// The checksum of block 1.
    pub opening_chain: u64,
}

/// A segment that was prepared and never used. There is at most one, and it is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnusedSegment {
    /// Block 0.
    pub header: SegmentHeader,
    /// Whether a crash tore the write of block 1, so that the file cannot be used as it is.
    pub torn: bool,
}

/// All segments of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentList {
    /// The used segments, oldest first, without gaps.
    pub used: Vec<UsedSegment>,
    /// The unused segment after them.
    pub unused: Option<UnusedSegment>,
}

enum Opened {
    Used(SegmentOpening, u64),
    Zero,
    Damaged(BlockFault),
}

impl SegmentList {
    /// Reads the head blocks of all segments. Any inconsistency is an error, except a torn opening of the last segment.
    /// While a server writes to the log (`live`), it may open the last segment at any moment, so the frames of an
    /// unopened segment are not checked.
    pub fn read(storage: &dyn ReadStorage, log_uuid: Uuid, live: bool) -> Result<Self, LogError> {
        let sequences = list_segments(&storage.list()?);
        if sequences.is_empty() {
            return Err(LogError::NoSegments);
        }
        let mut segments = Self::default();
        for (index, sequence) in sequences.iter().enumerate() {
            if index > 0 && sequences[index - 1] + 1 != *sequence {
                return Err(LogError::SequenceGap { before: sequences[index - 1], after: *sequence });
            }
            let is_last = index + 1 == sequences.len();
            segments.read_segment(storage, ReadFrom::Cache, log_uuid, *sequence, (is_last, live))?;
        }
        Ok(segments)
    }

    /// Reads the head blocks of the given segments from the medium. Consecutive segments with valid head blocks form a
    /// list; an intact log is one list. Also returns the fault at each boundary between two lists, so that a damaged
    /// segment does not prevent reading the others.
    pub fn read_runs(
        storage: &dyn ReadStorage,
        log_uuid: Uuid,
        sequences: &[u64],
    ) -> (Vec<Self>, Vec<(u64, LogError)>) {
        let (mut runs, mut faults) = (vec![Self::default()], Vec::new());
        for (index, sequence) in sequences.iter().enumerate() {
            if index > 0 && sequences[index - 1] + 1 != *sequence {
                let gap = LogError::SequenceGap { before: sequences[index - 1], after: *sequence };
                faults.push((sequences[index - 1] + 1, gap));
                runs.push(Self::default());
            }
            let is_last = index + 1 == sequences.len();
            let mut result = Ok(());
            if let Some(run) = runs.last_mut() {
                result = run.read_segment(storage, ReadFrom::Medium, log_uuid, *sequence, (is_last, false));
            }
            if let Err(fault) = result {
                let mut fresh = Self::default();
                if matches!(fault, LogError::Discontinuous { .. }) {
                    // The segment is valid by itself, unless it alone has the same fault.
                    fresh.read_segment(storage, ReadFrom::Medium, log_uuid, *sequence, (is_last, false)).ok();
                }
                faults.push((*sequence, fault));
                runs.push(fresh);
            }
        }
        runs.retain(|run| !run.used.is_empty() || run.unused.is_some());
        (runs, faults)
    }

    fn read_segment(
        &mut self,
        storage: &dyn ReadStorage,
        from: ReadFrom,
        log_uuid: Uuid,
        segment: u64,
        (is_last, live): (bool, bool),
    ) -> Result<(), LogError> {
        let file = storage.open_to_read(&segment_name(segment), from)?;
        let header = read_header(file.as_ref(), segment)?;
        if header.log_uuid != log_uuid {
            return Err(LogError::ForeignLog { segment, found: header.log_uuid, expected: log_uuid });
        }
        match read_opening(file.as_ref(), &header)? {
            Opened::Used(opening, opening_chain) => {
                self.check_continues(segment, &opening)?;
                self.used.push(UsedSegment { header, opening, opening_chain });
            }
            Opened::Zero | Opened::Damaged(_) if !is_last => {
                // A successor exists, so this segment was used, and its opening became durable before that of the
                // successor.
                let source = block_fault(file.as_ref(), &header)?;
                return Err(LogError::Opening { segment, source });
            }
            state @ (Opened::Zero | Opened::Damaged(_)) => {
                if !live && holds_frames(file.as_ref(), &header, length(FRAMES_OFFSET))? {
                    // A reader may get here while a server takes the segment into use.
                    if let Opened::Used(opening, opening_chain) = read_opening(file.as_ref(), &header)? {
                        self.check_continues(segment, &opening)?;
                        self.used.push(UsedSegment { header, opening, opening_chain });
                        return Ok(());
                    }
                    let source = match state {
                        Opened::Damaged(fault) => fault,
                        Opened::Zero | Opened::Used(..) => BlockFault::Zero,
                    };
                    return Err(LogError::Opening { segment, source });
                }
                self.unused = Some(UnusedSegment { header, torn: matches!(state, Opened::Damaged(_)) });
            }
        }
        Ok(())
    }

    /// Checks that positions and epochs never decrease and that the segment names its predecessor. The reader compares
    /// the recorded end of the predecessor.
    fn check_continues(&self, segment: u64, opening: &SegmentOpening) -> Result<(), LogError> {
        let starts_after = opening.previous.last_position.checked_add(1) == Some(opening.first_position);
        let follows = self.used.last().is_none_or(|before| {
            before.opening.first_position <= opening.first_position
                && before.opening.epoch <= opening.epoch
                && before.header.sequence == opening.previous.sequence
        });
        if starts_after && follows {
            return Ok(());
        }
        Err(LogError::Discontinuous { segment, first_position: opening.first_position, epoch: opening.epoch })
    }

    /// The index in `used` of the segment that contains `position`, or would contain it.
    pub fn locate(&self, position: u64) -> Result<Option<usize>, LogError> {
        let Some(oldest) = self.used.first() else { return Ok(None) };
        let index = self.used.partition_point(|segment| segment.opening.first_position <= position);
        match index.checked_sub(1) {
            Some(index) => Ok(Some(index)),
            None => Err(LogError::Missing {
                need_position: position,
                oldest_position: oldest.opening.first_position,
            }),
        }
    }
}

/// The sequence numbers of the segments among these files, in ascending order.
#[must_use]
pub fn list_segments(files: &[FileEntry]) -> Vec<u64> {
    let mut sequences: Vec<u64> = files.iter().filter_map(|entry| parse_segment_name(&entry.name)).collect();
    sequences.sort_unstable();
    sequences
}

/// Reads and checks block 0 of the file that is named as this segment.
pub fn read_header(file: &dyn ReadableFile, segment: u64) -> Result<SegmentHeader, LogError> {
    let mut block = vec![0; BLOCK_BYTES];
    let read = file.read_at(0, &mut block)?;
    let header =
        SegmentHeader::decode(&block[..read]).map_err(|source| LogError::Header { segment, source })?;
    if header.sequence != segment || header.segment_bytes != file.bytes()? {
        return Err(LogError::Misplaced {
            segment,
            found: header.sequence,
            found_bytes: header.segment_bytes,
        });
    }
    if index(header.segment_bytes) < FRAMES_OFFSET {
        return Err(LogError::Header { segment, source: BlockFault::Short });
    }
    Ok(header)
}

fn read_opening(file: &dyn ReadableFile, header: &SegmentHeader) -> Result<Opened, LogError> {
    let mut block = vec![0; BLOCK_BYTES];
    let read = file.read_at(length(opening::OPENING_OFFSET), &mut block)?;
    Ok(match SegmentOpening::decode(&block[..read], header.salt) {
        Ok((opening, chain)) => Opened::Used(opening, chain),
        Err(BlockFault::Zero) => Opened::Zero,
        Err(fault) => Opened::Damaged(fault),
    })
}

fn block_fault(file: &dyn ReadableFile, header: &SegmentHeader) -> Result<BlockFault, LogError> {
    Ok(match read_opening(file, header)? {
        Opened::Damaged(fault) => fault,
        Opened::Zero | Opened::Used(..) => BlockFault::Zero,
    })
}
