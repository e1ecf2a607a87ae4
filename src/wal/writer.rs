//! Appends frames to the log, each with one write. It starts no thread.

use std::sync::Arc;

use uuid::Uuid;

use super::blank_segments::blank_run;
use super::frame::{FrameBuffer, FrameKind, FramePlacement, block_at};
use super::pool::{PreparedSegment, SegmentPool, SpareState};
use super::preparer::{SegmentPlan, SegmentPreparer};
use super::reader::LogEnd;
use super::segment::{EndReason, PreviousEnd, SegmentOpening, segment_name};
use super::{AppendError, CommitLog, Durability, LogError, Positions, Space};
use crate::storage::layout::{
    BLOCK_BYTES, FRAMES_OFFSET, PAYLOAD_BYTES_MAX, SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MAX, opening,
};
use crate::storage::width::length;
use crate::storage::{Access, SharedStorage, StorageError, StoredFile};

/// While it is unknown whether there will be another segment, this part of the current one (one in so many) is kept for
/// commands that free space or complete promises.
const RESERVE_SHARE: u64 = 4;

/// How a log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// The length of new segments, a multiple of 4096. Default: 64 MiB. Minimum: two head blocks, a frame of full size
    /// and an end frame.
    pub segment_bytes: u64,
    /// The maximum length of a payload. Default and maximum: 1 MiB.
    pub payload_bytes_max: usize,
    /// When an append is durable. Default: when it returns.
    pub durability: Durability,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            payload_bytes_max: PAYLOAD_BYTES_MAX,
            durability: Durability::Every,
        }
    }
}

impl LogOptions {
    /// The minimum segment length with these options.
    #[must_use]
    pub fn segment_bytes_min(&self) -> u64 {
        length(FRAMES_OFFSET + super::frame::frame_bytes(self.payload_bytes_max) + BLOCK_BYTES)
    }

    /// Whether the options are consistent. The configuration has checked this before.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.payload_bytes_max <= PAYLOAD_BYTES_MAX
            && self.segment_bytes >= self.segment_bytes_min()
            && self.segment_bytes <= SEGMENT_BYTES_MAX
            && self.segment_bytes.is_multiple_of(length(BLOCK_BYTES))
    }
}

/// The inputs of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogStart {
    /// The UUID of the log.
    pub log_uuid: Uuid,
    /// The epoch of everything appended from now on.
    pub epoch: u64,
    /// The time of the wall clock.
    pub now_ms: u64,
    /// Random, new for each start. The salts of new segments are derived from it.
    pub salt_seed: u64,
}

/// Writes at the end of the log.
#[derive(Debug)]
pub struct LogWriter {
    pool: Arc<SegmentPool>,
    options: LogOptions,
    epoch: u64,
    segment: u64,
    salt: u64,
    file: Box<dyn StoredFile>,
    /// The offset after the last frame.
    end_offset: u64,
    /// Everything below this offset is durable.
    synced_offset: u64,
    last_position: u64,
    durable_position: u64,
    chain: u64,
    poisoned: bool,
}

impl LogWriter {
    /// Continues the log after its end. It makes everything that was read durable, opens a new segment and records in
    /// it where and why the previous one ended. The new segment replaces the last ones without records, so that
    /// repeated starts take no more disk space. When this returns, everything that recovery relied on is durable and
    /// answers may be sent.
    pub fn begin(
        storage: &SharedStorage,
        options: LogOptions,
        start: LogStart,
        end: &LogEnd,
    ) -> Result<(Self, SegmentPreparer), LogError> {
        assert!(options.is_valid(), "the configuration was checked");
        for segment in &end.relied_on {
            storage.open(&segment_name(*segment), Access::Cached)?.sync()?;
        }
        storage.sync_dir()?;
        let access = match options.durability {
            Durability::Every => Access::Durable,
            Durability::Interval => Access::Cached,
        };
        let plan = SegmentPlan {
            log_uuid: start.log_uuid,
            segment_bytes: options.segment_bytes,
            salt_seed: start.salt_seed,
            access,
        };
        let pool = Arc::new(SegmentPool::default());
        let blank = blank_run(storage, &end.without_records)?;
        // The oldest blank segment records the end of its predecessor, which is still true.
        let previous = blank.first().map_or(end.previous, |oldest| oldest.opening.previous);
        assert!(previous.last_position == end.previous.last_position, "a blank segment holds no record");
        let sequence = previous.sequence + 1;
        let mut preparer = SegmentPreparer::new(storage.clone(), pool.clone(), plan, sequence);
        let open = |first: PreparedSegment| -> Result<(u64, Opened), StorageError> {
            Ok((first.salt, open_segment(first.file, first.salt, options, start.epoch, previous)?))
        };
        let (salt, (file, end_offset, chain)) = if blank.is_empty() {
            open(preparer.first_segment(end.unused, start.now_ms)?)?
        } else {
            let blank: Vec<u64> = blank.iter().map(|segment| segment.header.sequence).collect();
            preparer.replace_blank(&blank, end.unused, start.now_ms, open)?
        };
        let writer = Self {
            pool,
            options,
            epoch: start.epoch,
            segment: sequence,
            salt,
            file,
            end_offset,
            synced_offset: end_offset,
            last_position: previous.last_position,
            durable_position: previous.last_position,
            chain,
            poisoned: false,
        };
        Ok((writer, preparer))
    }

    /// The pool of spare segments and trimmed files.
    #[must_use]
    pub fn pool(&self) -> &Arc<SegmentPool> {
        &self.pool
    }

    /// The number of the current segment.
    #[must_use]
    pub fn segment(&self) -> u64 {
        self.segment
    }

    /// An empty buffer for this log.
    #[must_use]
    pub fn frame_buffer(&self) -> FrameBuffer {
        FrameBuffer::new(self.options.payload_bytes_max)
    }

    /// Writes the end frame of a clean stop.
    pub fn finish(mut self) -> Result<(), AppendError> {
        self.check_poison()?;
        self.sync()?;
        self.write_frame(&mut FrameBuffer::new(0), FrameKind::End, 0, true)
    }

    fn check_poison(&self) -> Result<(), AppendError> {
        if self.poisoned { Err(AppendError::Poisoned) } else { Ok(()) }
    }

    /// The space for frames, without the block that is reserved for the end frame.
    fn space_left(&self) -> u64 {
        self.options.segment_bytes - self.end_offset - length(BLOCK_BYTES)
    }

    fn write_frame(
        &mut self,
        frame: &mut FrameBuffer,
        kind: FrameKind,
        records: u32,
        durable: bool,
    ) -> Result<(), AppendError> {
        let payload_bytes = frame.len();
        let synced_offset = if durable { self.end_offset } else { self.synced_offset };
        let placement = FramePlacement {
            salt: self.salt,
            block: block_at(self.end_offset),
            first_position: self.last_position + 1,
            previous: self.chain,
            synced_block: block_at(synced_offset),
        };
        let (bytes, chain) = frame.seal(kind, records, &placement);
        let written = length(bytes.len());
        let result = if durable {
            self.file.write_durable(self.end_offset, bytes)
        } else {
            self.file.write(self.end_offset, bytes)
        };
        frame.unseal(payload_bytes);
        self.poison_on_error(result)?;
        self.end_offset += written;
        self.last_position += u64::from(records);
        self.chain = chain;
        if durable {
            self.synced_offset = self.end_offset;
            self.durable_position = self.last_position;
        }
        Ok(())
    }

    fn poison_on_error(&mut self, result: Result<(), StorageError>) -> Result<(), AppendError> {
        result.map_err(|error| {
            self.poisoned = true;
            AppendError::Storage(error)
        })
    }

    /// Switches to the spare segment. If there is none, nothing has changed.
    fn rotate(&mut self) -> Result<(), AppendError> {
        let spare = match self.pool.take_spare() {
            Ok(spare) => spare,
            Err(SpareState::NoSpace) => return Err(AppendError::Full),
            Err(SpareState::Failed) => return Err(AppendError::Poisoned),
            Err(SpareState::Underway | SpareState::Ready) => return Err(AppendError::NotReady),
        };
        assert!(spare.sequence == self.segment + 1, "spares come in order");
        // With `durability = interval`, no record of the next segment may survive an earlier record of this one.
        self.sync()?;
        let previous = PreviousEnd {
            sequence: self.segment,
            end_offset: self.end_offset,
            last_position: self.last_position,
            chain: self.chain,
            reason: EndReason::Rotated,
        };
        match open_segment(spare.file, spare.salt, self.options, self.epoch, previous) {
            Ok((file, end_offset, chain)) => {
                self.file = file;
                self.salt = spare.salt;
                self.segment = spare.sequence;
                self.end_offset = end_offset;
                self.synced_offset = end_offset;
                self.chain = chain;
                self.pool.ask_for_spare();
                Ok(())
            }
            Err(error) => self.poison_on_error(Err(error)),
        }
    }
}

impl CommitLog for LogWriter {
    fn append(&mut self, frame: &mut FrameBuffer, records: u32) -> Result<Positions, AppendError> {
        self.check_poison()?;
        assert!(records > 0, "a batch has a record");
        assert!(frame.len() <= self.options.payload_bytes_max, "the buffer came from this log");
        if length(frame.frame_bytes()) > self.space_left() {
            self.rotate()?;
        }
        let first = self.next_position();
        let durable = self.options.durability == Durability::Every;
        #[cfg(feature = "mutants")]
        let durable = if crate::mutant::is(crate::mutant::Mutant::AnswersBeforeCommit) {
            self.sync()?;
            false
        } else {
            durable
        };
        self.write_frame(frame, FrameKind::Batch, records, durable)?;
        Ok(Positions { first, last: self.last_position })
    }

    fn next_position(&self) -> u64 {
        self.last_position + 1
    }

    fn durable_position(&self) -> u64 {
        #[cfg(feature = "mutants")]
        if crate::mutant::is(crate::mutant::Mutant::AnswersBeforeCommit) {
            return self.last_position;
        }
        self.durable_position
    }

    fn sync(&mut self) -> Result<(), AppendError> {
        self.check_poison()?;
        if self.synced_offset < self.end_offset {
            let result = self.file.sync();
            self.poison_on_error(result)?;
            self.synced_offset = self.end_offset;
            self.durable_position = self.last_position;
        }
        Ok(())
    }

    fn space(&self) -> Space {
        let batch_bytes = length(super::frame::frame_bytes(self.options.payload_bytes_max));
        let reserve_bytes = self.options.segment_bytes / RESERVE_SHARE;
        match self.pool.state() {
            // A failed preparer is not a lack of space. The log uses this segment up and then ends.
            SpareState::Ready | SpareState::Failed => Space::Normal,
            // One batch fits now, and the reserve ends where another batch of full size would not fit.
            SpareState::Underway if self.space_left() >= 2 * batch_bytes + reserve_bytes => Space::Normal,
            SpareState::Underway => Space::Undecided,
            SpareState::NoSpace if self.space_left() >= batch_bytes => Space::Reserve,
            SpareState::NoSpace => Space::Full,
        }
    }
}

/// An opened segment: its file, the offset of its first frame, and the checksum that this frame repeats.
type Opened = (Box<dyn StoredFile>, u64, u64);

/// Writes block 1. If the segment has its name, it is in use from then on.
fn open_segment(
    mut file: Box<dyn StoredFile>,
    salt: u64,
    options: LogOptions,
    epoch: u64,
    previous: PreviousEnd,
) -> Result<Opened, StorageError> {
    let opening = SegmentOpening {
        salt,
        epoch,
        first_position: previous.last_position + 1,
        durability: options.durability,
        previous,
    };
    let (block, chain) = opening.encode();
    file.write_durable(length(opening::OPENING_OFFSET), block.as_slice())?;
    Ok((file, length(FRAMES_OFFSET), chain))
}
