//! Returns the frames in order and determines where the log ends. `LogReader::judge_tail` is the only implementation of
//! the torn-tail rule:
//!
//! * In a segment with a successor, the frames must end exactly where the successor records it. Anything else is
//!   damage.
//! * In the last segment, the first invalid frame ends the log, provided that it may be an interrupted write and that
//!   nothing after it proves that it had been acknowledged. Otherwise it is damage. The frame is read twice, because a
//!   read error must not cut off valid data.
//!
//! Reading changes nothing on disk. The next start opens a new segment and records in it the end that was found here.

use uuid::Uuid;

use super::frame::{FrameFault, FrameHead, FrameKind, block_at};
use super::frame_search::find_frame;
use super::segment::{EndReason, PreviousEnd, segment_name};
use super::segment_list::{SegmentList, UnusedSegment, UsedSegment};
use super::window::{Window, read_frame};
use super::{Durability, LogError};
use crate::storage::layout::FRAMES_OFFSET;
use crate::storage::width::length;
use crate::storage::{ReadFrom, ReadableFile, SharedReadStorage};

/// How far to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadTo {
    /// To the end of the log, which the torn-tail rule determines. No server may write to the log.
    End,
    /// To the end of the log, while a server may be writing to it. If the end changes during the check, it is checked
    /// again a few times. After that, the log ends there for this reader.
    Present,
    /// Through the frame that contains this position, which must be committed. A server may be writing to the log. If a
    /// trim removes a needed segment meanwhile, reading returns [`crate::storage::StorageError::NotFound`].
    Position(u64),
}

/// One batch of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The position of its first record. It may be before the start of reading, if that position is inside the frame.
    pub first_position: u64,
    /// The number of records.
    pub records: u32,
    /// The payload.
    pub payload: &'a [u8],
    /// The epoch of its segment.
    pub epoch: u64,
    /// Its segment.
    pub segment: u64,
    /// The offset of the frame in its segment.
    pub offset: u64,
}

/// Where and why the log ended. A start needs nothing else to continue the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEnd {
    /// The end as the next segment will record it.
    pub previous: PreviousEnd,
    /// The epoch of the last segment; 0 if there is none.
    pub epoch: u64,
    /// The durability of the last run, if there was one.
    pub durability: Durability,
    /// The segment that was prepared and not used.
    pub unused: Option<UnusedSegment>,
    /// The segments at the end of the log that are in use and have no records, oldest first.
    pub without_records: Vec<UsedSegment>,
    /// The segments that were read. A start syncs them before the first answer.
    pub relied_on: Vec<u64>,
}

impl LogEnd {
    /// The last position.
    #[must_use]
    pub fn last_position(&self) -> u64 {
        self.previous.last_position
    }

    /// Whether answered records may have been lost, because the last run did not sync every batch and did not stop
    /// cleanly. The next start must then begin a new epoch.
    #[must_use]
    pub fn needs_new_epoch(&self) -> bool {
        let unclean = matches!(self.previous.reason, EndReason::Crash | EndReason::TornTail);
        unclean && self.durability == Durability::Interval
    }
}

/// How much of a log was read and found valid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogTally {
    /// The number of segments.
    pub segments: u64,
    /// The number of frames, including end frames.
    pub frames: u64,
    /// The number of bytes of head blocks and frames.
    pub bytes: u64,
}

/// How often a reader checks again an end that changes.
const RECHECKS_MAX: u32 = 64;

/// Reads a log from a position on.
#[derive(Debug)]
pub struct LogReader {
    storage: SharedReadStorage,
    segments: SegmentList,
    read_to: ReadTo,
    from_position: u64,
    /// The index of the current segment in the list, and its file.
    current: Option<(usize, Box<dyn ReadableFile>)>,
    window: Window,
    offset: u64,
    next_position: u64,
    chain: u64,
    relied_on: Vec<u64>,
    end: Option<LogEnd>,
    read_from: ReadFrom,
    tally: LogTally,
    rechecks_left: u32,
}

/// The result of one step of the reader.
enum Step {
    Batch { offset: u64, head: FrameHead },
    Passed,
    Finished,
}

impl LogReader {
    /// Opens a log to read from the frame that contains `from_position`. `base` is the predecessor that the first
    /// segment of this log records; the manifest contains it.
    pub fn open(
        storage: SharedReadStorage,
        log_uuid: Uuid,
        base: PreviousEnd,
        from_position: u64,
        read_to: ReadTo,
    ) -> Result<Self, LogError> {
        let is_live = match read_to {
            ReadTo::End | ReadTo::Present => false,
            ReadTo::Position(_) => true,
        };
        let segments = SegmentList::read(storage.as_ref(), log_uuid, is_live)?;
        let index = segments.locate(from_position.max(1))?;
        let mut reader = Self::over(storage, segments, base, (from_position, read_to), ReadFrom::Cache)?;
        reader.begin(index, base)?;
        Ok(reader)
    }

    /// Opens a list of consecutive segments to read all of it from its first frame.
    pub fn open_run(
        storage: SharedReadStorage,
        run: SegmentList,
        base: PreviousEnd,
        from: ReadFrom,
    ) -> Result<Self, LogError> {
        let index = (!run.used.is_empty()).then_some(0);
        let mut reader = Self::over(storage, run, base, (0, ReadTo::Present), from)?;
        reader.begin(index, base)?;
        Ok(reader)
    }

    fn over(
        storage: SharedReadStorage,
        segments: SegmentList,
        base: PreviousEnd,
        (from_position, read_to): (u64, ReadTo),
        read_from: ReadFrom,
    ) -> Result<Self, LogError> {
        if let (None, Some(unused)) = (segments.used.first(), &segments.unused)
            && unused.header.sequence != base.sequence + 1
        {
            return Err(LogError::SequenceGap { before: base.sequence, after: unused.header.sequence });
        }
        if let Some(first) = segments.used.first()
            && first.header.sequence == 1
            && first.opening.previous != base
        {
            return Err(LogError::Predecessor { segment: 1, recorded: first.opening.previous, found: base });
        }
        let longest =
            segments.used.iter().map(|segment| segment.header.segment_bytes).max().unwrap_or_default();
        Ok(Self {
            storage,
            segments,
            read_to,
            from_position,
            current: None,
            window: Window::new(longest),
            offset: 0,
            next_position: base.last_position + 1,
            chain: base.chain,
            relied_on: Vec::new(),
            end: None,
            read_from,
            tally: LogTally::default(),
            rechecks_left: RECHECKS_MAX,
        })
    }

    fn begin(&mut self, index: Option<usize>, base: PreviousEnd) -> Result<(), LogError> {
        match index {
            Some(index) => self.enter(index),
            None => self.finish(base),
        }
    }

    /// The next batch; `None` at the end.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, LogError> {
        loop {
            match self.step()? {
                Step::Batch { offset, head } => {
                    if self.next_position <= self.from_position {
                        continue;
                    }
                    return Ok(Some(self.frame_at_window(offset, &head)));
                }
                Step::Passed => {}
                Step::Finished => return Ok(None),
            }
        }
    }

    /// The number and epoch of the last segment in use, if there is one.
    #[must_use]
    pub fn last_epoch(&self) -> Option<(u64, u64)> {
        self.segments.used.last().map(|segment| (segment.header.sequence, segment.opening.epoch))
    }

    /// The first position of the next frame.
    #[must_use]
    pub fn next_position(&self) -> u64 {
        self.next_position
    }

    /// The bytes of log read so far, and the bytes in all.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        let all = self.segments.used.iter().map(|segment| segment.header.segment_bytes);
        let index = self.current.as_ref().map_or(0, |(index, _)| *index);
        let done: u64 = all.clone().take(index).sum();
        (done + self.offset, all.sum())
    }

    /// How much was read so far.
    #[must_use]
    pub fn tally(&self) -> LogTally {
        self.tally
    }

    /// Whether the end changed while it was checked. Then a server writes to the log, or two reads of the medium
    /// differ.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.rechecks_left < RECHECKS_MAX
    }

    /// The end of the log, after [`LogReader::next_frame`] has returned `None` with [`ReadTo::End`] or
    /// [`ReadTo::Present`].
    #[must_use]
    pub fn into_end(self) -> Option<LogEnd> {
        self.end
    }

    fn segment_at(&self, index: usize) -> &UsedSegment {
        &self.segments.used[index]
    }

    fn enter(&mut self, index: usize) -> Result<(), LogError> {
        let segment = *self.segment_at(index);
        let file = self.storage.open_to_read(&segment_name(segment.header.sequence), self.read_from)?;
        self.window.forget();
        self.offset = length(FRAMES_OFFSET);
        self.next_position = segment.opening.first_position;
        self.chain = segment.opening_chain;
        self.relied_on.push(segment.header.sequence);
        self.current = Some((index, file));
        self.tally.segments += 1;
        self.tally.bytes += length(FRAMES_OFFSET);
        Ok(())
    }

    fn step(&mut self) -> Result<Step, LogError> {
        let limit_reached = match self.read_to {
            ReadTo::End | ReadTo::Present => false,
            ReadTo::Position(position) => self.next_position > position,
        };
        let Some((index, file)) = self.current.as_ref().filter(|_| !limit_reached) else {
            return Ok(Step::Finished);
        };
        let index = *index;
        let segment = self.segments.used[index];
        let successor = self.segments.used.get(index + 1).copied();
        if let Some(successor) = &successor
            && self.offset >= successor.opening.previous.end_offset
        {
            self.check_recorded_end(&segment, successor)?;
            self.enter(index + 1)?;
            return Ok(Step::Passed);
        }
        let expected = (self.next_position, self.chain);
        let result = read_frame(file.as_ref(), &mut self.window, self.offset, &segment, expected)?;
        match (result, successor) {
            (Ok(head), successor) => self.pass(&segment, successor.is_some(), head),
            (Err(source), Some(_)) => Err(LogError::Damage {
                segment: segment.header.sequence,
                offset: self.offset,
                later_offset: None,
                source,
            }),
            (Err(source), None) if self.read_to == ReadTo::Present => self.judge_present(&segment, source),
            (Err(source), None) => self.judge_tail(&segment, source),
        }
    }

    /// Advances past a valid frame.
    fn pass(
        &mut self,
        segment: &UsedSegment,
        has_successor: bool,
        head: FrameHead,
    ) -> Result<Step, LogError> {
        let offset = self.offset;
        self.offset += length(head.frame_bytes());
        self.tally.frames += 1;
        self.tally.bytes += length(head.frame_bytes());
        self.next_position += u64::from(head.records);
        self.chain = head.checksum;
        match head.kind {
            FrameKind::Batch => Ok(Step::Batch { offset, head }),
            FrameKind::End if has_successor => Ok(Step::Passed),
            FrameKind::End => {
                // Nothing is written after an end frame, so the block right after it is checked too.
                self.refuse_frames_after(segment, FrameFault::Zero, block_at(offset))?;
                self.finish_here(segment, EndReason::CleanStop)?;
                Ok(Step::Finished)
            }
        }
    }

    /// Applies the torn-tail rule while a server may be writing. Apparent damage may be a frame that was written during
    /// the check.
    fn judge_present(&mut self, segment: &UsedSegment, fault: FrameFault) -> Result<Step, LogError> {
        let error = match self.judge_tail(segment, fault) {
            Err(error @ (LogError::Damage { .. } | LogError::Unsteady { .. })) => error,
            other => return other,
        };
        if self.rechecks_left == 0 {
            self.finish_here(segment, EndReason::Crash)?;
            return Ok(Step::Finished);
        }
        while self.rechecks_left > 0 {
            self.window.forget();
            let Some((_, file)) = &self.current else { return Ok(Step::Finished) };
            let index = (self.next_position, self.chain);
            match read_frame(file.as_ref(), &mut self.window, self.offset, segment, index)? {
                Ok(_) => {
                    self.rechecks_left -= 1;
                    return Ok(Step::Passed);
                }
                Err(_) if matches!(error, LogError::Unsteady { .. }) => self.rechecks_left -= 1,
                Err(_) => return Err(error),
            }
        }
        Err(error)
    }

    /// The torn-tail rule for the last segment.
    fn judge_tail(&mut self, segment: &UsedSegment, fault: FrameFault) -> Result<Step, LogError> {
        let sequence = segment.header.sequence;
        if let ReadTo::Position(position) = self.read_to {
            return Err(LogError::EndsEarly {
                need_position: position,
                last_position: self.next_position - 1,
            });
        }
        if !fault.may_be_torn() {
            return Err(LogError::Damage {
                segment: sequence,
                offset: self.offset,
                later_offset: None,
                source: fault,
            });
        }
        self.refuse_unsteady(sequence)?;
        self.refuse_frames_after(segment, fault, block_at(self.offset))?;
        let reason = match fault {
            FrameFault::Zero => EndReason::Crash,
            FrameFault::Head
            | FrameFault::Body
            | FrameFault::Place { .. }
            | FrameFault::Field { .. }
            | FrameFault::Position { .. }
            | FrameFault::Chain
            | FrameFault::Length => EndReason::TornTail,
        };
        self.finish_here(segment, reason)?;
        Ok(Step::Finished)
    }

    /// Reads the end again from the medium and compares.
    fn refuse_unsteady(&self, segment: u64) -> Result<(), LogError> {
        let file = self.storage.open_to_read(&segment_name(segment), ReadFrom::Medium)?;
        let first = self.window.bytes_from(self.offset);
        let mut second = vec![0; first.len()];
        let read = file.read_at(self.offset, &mut second)?;
        if second[..read] == *first {
            return Ok(());
        }
        Err(LogError::Unsteady { segment, offset: self.offset })
    }

    fn refuse_frames_after(
        &self,
        segment: &UsedSegment,
        source: FrameFault,
        hole_block: u32,
    ) -> Result<(), LogError> {
        let Some((_, file)) = &self.current else { return Ok(()) };
        let later = find_frame(file.as_ref(), &segment.header, self.offset, hole_block)?;
        match later {
            Some(later) => Err(LogError::Damage {
                segment: segment.header.sequence,
                offset: self.offset,
                later_offset: Some(later),
                source,
            }),
            None => Ok(()),
        }
    }

    fn finish_here(&mut self, segment: &UsedSegment, reason: EndReason) -> Result<(), LogError> {
        self.finish(PreviousEnd {
            sequence: segment.header.sequence,
            end_offset: self.offset,
            last_position: self.next_position - 1,
            chain: self.chain,
            reason,
        })
    }

    fn finish(&mut self, previous: PreviousEnd) -> Result<(), LogError> {
        self.current = None;
        if self.from_position > previous.last_position + 1 {
            return Err(LogError::EndsEarly {
                need_position: self.from_position,
                last_position: previous.last_position,
            });
        }
        let used = &self.segments.used;
        let last = used.last();
        let with_records =
            used.partition_point(|segment| segment.opening.first_position <= previous.last_position);
        self.end = Some(LogEnd {
            previous,
            epoch: last.map_or(0, |segment| segment.opening.epoch),
            durability: last.map_or(Durability::Every, |segment| segment.opening.durability),
            unused: self.segments.unused,
            without_records: used[with_records..].to_vec(),
            relied_on: std::mem::take(&mut self.relied_on),
        });
        Ok(())
    }

    fn check_recorded_end(&self, segment: &UsedSegment, successor: &UsedSegment) -> Result<(), LogError> {
        let recorded = successor.opening.previous;
        let found = PreviousEnd {
            sequence: segment.header.sequence,
            end_offset: self.offset,
            last_position: self.next_position - 1,
            chain: self.chain,
            reason: recorded.reason,
        };
        if recorded == found {
            return Ok(());
        }
        Err(LogError::Predecessor { segment: successor.header.sequence, recorded, found })
    }

    fn frame_at_window(&self, offset: u64, head: &FrameHead) -> Frame<'_> {
        let (epoch, segment) = self.current.as_ref().map_or((0, 0), |(index, _)| {
            let segment = self.segment_at(*index);
            (segment.opening.epoch, segment.header.sequence)
        });
        let payload = head.payload_of(self.window.held(offset, head.frame_bytes()));
        Frame {
            first_position: head.placement.first_position,
            records: head.records,
            payload,
            epoch,
            segment,
            offset,
        }
    }
}
