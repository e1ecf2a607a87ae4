//! Appends: one frame, one write, one position after the other. It decides nothing about who may append, and it starts no thread.

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

/// While it is not known whether there will be another segment, this share of the one in use (one part in so many) is kept for what
/// frees and finishes.
const RESERVE_SHARE: u64 = 4;

/// How a log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// The length of new segments. Default: 64 MiB. Minimum: two head blocks, a frame of full size and an end frame. A multiple of 4096.
    pub segment_bytes: u64,
    /// The longest payload. Default and maximum: 1 MiB.
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
    /// The shortest segment that these options allow.
    #[must_use]
    pub fn segment_bytes_min(&self) -> u64 {
        length(FRAMES_OFFSET + super::frame::frame_bytes(self.payload_bytes_max) + BLOCK_BYTES)
    }

    /// Whether the numbers fit each other; the configuration checks this before it gets here.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.payload_bytes_max <= PAYLOAD_BYTES_MAX
            && self.segment_bytes >= self.segment_bytes_min()
            && self.segment_bytes <= SEGMENT_BYTES_MAX
            && self.segment_bytes.is_multiple_of(length(BLOCK_BYTES))
    }
}

/// What a start brings in from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogStart {
    /// The log.
    pub log_uuid: Uuid,
    /// The epoch of everything appended from now on.
    pub epoch: u64,
    /// The wall clock.
    pub now_ms: u64,
    /// Random, new for each start: the salts of the segments of this run come from it.
    pub salt_seed: u64,
}

/// The end of the log that is written to.
#[derive(Debug)]
pub struct LogWriter {
    pool: Arc<SegmentPool>,
    options: LogOptions,
    epoch: u64,
    segment: u64,
    salt: u64,
    file: Box<dyn StoredFile>,
    /// The byte after the last frame.
    end_offset: u64,
    /// The byte below which everything is durable.
    synced_offset: u64,
    last_position: u64,
    durable_position: u64,
    chain: u64,
    poisoned: bool,
}

impl LogWriter {
    /// Takes the log up where it ended: makes durable all that was read, opens a new segment and records in it where and why the
    /// one before ended. The new segment takes the place of those at the end in which nothing was logged, so that a server that is
    /// started and does nothing takes no more of the disk each time. When it returns, everything that recovery relied on is durable
    /// and answers may go out.
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
        // What the oldest of them says of its predecessor was found when it was opened, and still holds.
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

    /// Where spare segments and trimmed files change hands.
    #[must_use]
    pub fn pool(&self) -> &Arc<SegmentPool> {
        &self.pool
    }

    /// The segment that is written to.
    #[must_use]
    pub fn segment(&self) -> u64 {
        self.segment
    }

    /// An empty buffer of the size that this log takes.
    #[must_use]
    pub fn frame_buffer(&self) -> FrameBuffer {
        FrameBuffer::new(self.options.payload_bytes_max)
    }

    /// Says on disk that the server stopped in good order, after everything appended.
    pub fn finish(mut self) -> Result<(), AppendError> {
        self.check_poison()?;
        self.sync()?;
        self.write_frame(&mut FrameBuffer::new(0), FrameKind::End, 0, true)
    }

    fn check_poison(&self) -> Result<(), AppendError> {
        if self.poisoned { Err(AppendError::Poisoned) } else { Ok(()) }
    }

    /// Room for frames, when one block is kept back for the end frame.
    fn room(&self) -> u64 {
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
        let answer = if durable {
            self.file.write_durable(self.end_offset, bytes)
        } else {
            self.file.write(self.end_offset, bytes)
        };
        frame.unseal(payload_bytes);
        self.poison_on_error(answer)?;
        self.end_offset += written;
        self.last_position += u64::from(records);
        self.chain = chain;
        if durable {
            self.synced_offset = self.end_offset;
            self.durable_position = self.last_position;
        }
        Ok(())
    }

    fn poison_on_error(&mut self, answer: Result<(), StorageError>) -> Result<(), AppendError> {
        answer.map_err(|error| {
            self.poisoned = true;
            AppendError::Storage(error)
        })
    }

    /// Goes over to the spare. Nothing has happened when it answers that there is none.
    fn rotate(&mut self) -> Result<(), AppendError> {
        let spare = match self.pool.take_spare() {
            Ok(spare) => spare,
            Err(SpareState::NoSpace) => return Err(AppendError::Full),
            Err(SpareState::Failed) => return Err(AppendError::Poisoned),
            Err(SpareState::Underway | SpareState::Ready) => return Err(AppendError::NotReady),
        };
        assert!(spare.sequence == self.segment + 1, "spares come in order");
        // With `durability = interval`, nothing in the next segment may outlive something in this one.
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
        if length(frame.frame_bytes()) > self.room() {
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
            let answer = self.file.sync();
            self.poison_on_error(answer)?;
            self.synced_offset = self.end_offset;
            self.durable_position = self.last_position;
        }
        Ok(())
    }

    fn space(&self) -> Space {
        let batch_bytes = length(super::frame::frame_bytes(self.options.payload_bytes_max));
        let reserve_bytes = self.options.segment_bytes / RESERVE_SHARE;
        match self.pool.state() {
            // A preparer that failed is no lack of space: this segment is used up in peace, and then the log ends.
            SpareState::Ready | SpareState::Failed => Space::Normal,
            // One batch may go in now, and the reserve ends where another of full size would not fit.
            SpareState::Underway if self.room() >= 2 * batch_bytes + reserve_bytes => Space::Normal,
            SpareState::Underway => Space::Undecided,
            SpareState::NoSpace if self.room() >= batch_bytes => Space::Reserve,
            SpareState::NoSpace => Space::Full,
        }
    }
}

/// An opened segment: its file, where its frames begin, and what the first repeats.
type Opened = (Box<dyn StoredFile>, u64, u64);

/// Writes block 1; the segment is in use from then on, if it has its name.
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
