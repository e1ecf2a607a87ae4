//! Prepares the next segment in small steps, so that the writer never waits for a file to be filled. It has no thread:
//! the server or the simulator calls [`SegmentPreparer::step`].

use std::sync::Arc;

use uuid::Uuid;

use super::pool::{PreparedSegment, SegmentPool, SpareState};
use super::segment::{SegmentHeader, SegmentOpening, segment_name};
use super::segment_list::UnusedSegment;
use crate::storage::layout::{BLOCK_BYTES, opening};
use crate::storage::memory::scramble;
use crate::storage::width::{index, length};
use crate::storage::{Access, AlignedBuffer, SharedStorage, StorageError, StoredFile, TEMPORARY_SUFFIX};

/// How many bytes one step fills.
const FILL_BYTES: usize = 1 << 20;

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A spare is ready, so there was nothing to do.
    Idle,
    /// A part of the work was done. Step again.
    Working,
    /// The spare has become ready.
    Ready,
    /// There is no space. Try again later.
    NoSpace,
}

/// What all segments of a server's run have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct SegmentPlan {
    pub(super) log_uuid: Uuid,
    pub(super) segment_bytes: u64,
    /// Random, drawn once per start.
    pub(super) salt_seed: u64,
    pub(super) access: Access,
}

impl SegmentPlan {
    fn salt(&self, sequence: u64) -> u64 {
        scramble(self.salt_seed ^ scramble(sequence))
    }
}

#[derive(Debug)]
struct Work {
    name: String,
    file: Box<dyn StoredFile>,
    filled_bytes: u64,
    /// The file was used before. Its frames are stale and need no zeros, but its head blocks do.
    recycled: bool,
}

/// Keeps one spare segment ready.
#[derive(Debug)]
pub struct SegmentPreparer {
    storage: SharedStorage,
    pool: Arc<SegmentPool>,
    plan: SegmentPlan,
    next_sequence: u64,
    work: Option<Work>,
    /// The file of the last begun work, until it is a segment.
    unfinished: Option<String>,
    zeros: AlignedBuffer,
}

impl SegmentPreparer {
    pub(super) fn new(
        storage: SharedStorage,
        pool: Arc<SegmentPool>,
        plan: SegmentPlan,
        next_sequence: u64,
    ) -> Self {
        let zeros = AlignedBuffer::zeroed(FILL_BYTES.min(index(plan.segment_bytes)));
        Self { storage, pool, plan, next_sequence, work: None, unfinished: None, zeros }
    }

    /// Does a bounded amount of work. Running out of space is not an error. After an error the log should be stopped.
    pub fn step(&mut self, now_ms: u64) -> Result<Progress, StorageError> {
        let result = match self.pool.state() {
            SpareState::Ready => return Ok(Progress::Idle),
            SpareState::Failed => {
                return Err(StorageError::Poisoned { name: segment_name(self.next_sequence) });
            }
            SpareState::Underway | SpareState::NoSpace => self.advance(now_ms),
        };
        match result {
            Ok(progress) => Ok(progress),
            Err(error) if error.is_no_space() => match self.sweep() {
                Ok(()) => {
                    self.pool.set_state(SpareState::NoSpace);
                    Ok(Progress::NoSpace)
                }
                Err(error) => self.fail(error),
            },
            Err(error) => self.fail(error),
        }
    }

    fn fail(&self, error: StorageError) -> Result<Progress, StorageError> {
        self.pool.set_state(SpareState::Failed);
        Err(error)
    }

    fn advance(&mut self, now_ms: u64) -> Result<Progress, StorageError> {
        let mut work = match self.work.take() {
            Some(work) => work,
            None => self.begin_work()?,
        };
        self.unfinished = Some(work.name.clone());
        if !self.fill(&mut work)? {
            self.work = Some(work);
            return Ok(Progress::Working);
        }
        let spare = self.finish(work, now_ms)?;
        self.unfinished = None;
        self.pool.put_spare(spare);
        Ok(Progress::Ready)
    }

    fn begin_work(&self) -> Result<Work, StorageError> {
        let segment_bytes = self.plan.segment_bytes;
        if let Some(entry) = self.pool.take_recyclable(segment_bytes) {
            let file = self.storage.open(&entry.name, self.plan.access)?;
            return Ok(Work { name: entry.name, file, filled_bytes: segment_bytes, recycled: true });
        }
        let name = self.temporary_name();
        let file = self.storage.create(&name, segment_bytes, self.plan.access)?;
        Ok(Work { name, file, filled_bytes: 0, recycled: false })
    }

    /// Writes the header, makes everything durable, and then gives the file its name.
    fn finish(&mut self, work: Work, now_ms: u64) -> Result<PreparedSegment, StorageError> {
        let (name, segment) = self.head(work, now_ms)?;
        self.name(&name)?;
        Ok(segment)
    }

    /// Writes the header and makes everything durable. Returns the temporary name of the file.
    fn head(&self, work: Work, now_ms: u64) -> Result<(String, PreparedSegment), StorageError> {
        let Work { name, mut file, recycled, .. } = work;
        let sequence = self.next_sequence;
        let salt = self.plan.salt(sequence);
        if recycled {
            file.write_durable(length(opening::OPENING_OFFSET), &self.zeros.as_slice()[..BLOCK_BYTES])?;
        }
        let header = SegmentHeader {
            log_uuid: self.plan.log_uuid,
            sequence,
            salt,
            segment_bytes: self.plan.segment_bytes,
            created_ms: now_ms,
        };
        file.write_durable(0, header.encode().as_slice())?;
        file.sync()?;
        Ok((name, PreparedSegment { sequence, salt, file }))
    }

    /// Renames a file to the next segment, and replaces a file of that name.
    fn name(&mut self, temporary: &str) -> Result<(), StorageError> {
        self.storage.rename(temporary, &segment_name(self.next_sequence))?;
        self.storage.sync_dir()?;
        self.next_sequence += 1;
        Ok(())
    }

    /// The first segment of a run. It is the segment that the last run left unused, if that can be used, otherwise a
    /// new one.
    pub(super) fn first_segment(
        &mut self,
        unused: Option<UnusedSegment>,
        now_ms: u64,
    ) -> Result<PreparedSegment, StorageError> {
        let sequence = self.next_sequence;
        if let Some(UnusedSegment { header, torn }) = unused {
            assert!(header.sequence == sequence, "the catalog has no gap");
            if !torn && header.segment_bytes == self.plan.segment_bytes {
                self.next_sequence += 1;
                let file = self.storage.open(&segment_name(sequence), self.plan.access)?;
                return Ok(PreparedSegment { sequence, salt: header.salt, file });
            }
            self.storage.remove(&segment_name(sequence))?;
            self.storage.sync_dir()?;
        }
        self.run(now_ms)
    }

    /// Replaces the segments in which nothing was logged with a new one. `blank` are these segments, the last ones of
    /// the log, oldest first. `open` opens the new segment before it gets the name of the oldest one. So after a crash
    /// at any moment, the oldest name belongs to a segment that records how the log before it ended, and no gap
    /// follows.
    pub(super) fn replace_blank<T>(
        &mut self,
        blank: &[u64],
        unused: Option<UnusedSegment>,
        now_ms: u64,
        open: impl FnOnce(PreparedSegment) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        assert!(blank.first() == Some(&self.next_sequence), "the new segment takes the oldest one's place");
        let set_aside = match unused {
            Some(unused) => self.set_aside(&unused)?,
            None => None,
        };
        for later in blank.iter().skip(1).rev() {
            self.storage.remove(&segment_name(*later))?;
            self.storage.sync_dir()?;
        }
        let result = set_aside.map_or_else(|| self.filled(), Ok).and_then(|work| {
            let (name, segment) = self.head(work, now_ms)?;
            let opened = open(segment)?;
            self.name(&name)?;
            Ok(opened)
        });
        self.swept(result)
    }

    /// Durably renames an unused segment, so that its file can be reused for another segment. If it cannot be used, it
    /// is removed.
    fn set_aside(&mut self, unused: &UnusedSegment) -> Result<Option<Work>, StorageError> {
        let segment_bytes = self.plan.segment_bytes;
        let name = segment_name(unused.header.sequence);
        if unused.torn || unused.header.segment_bytes != segment_bytes {
            self.storage.remove(&name)?;
            self.storage.sync_dir()?;
            return Ok(None);
        }
        let temporary = recycled_name(unused.header.sequence);
        self.storage.rename(&name, &temporary)?;
        self.storage.sync_dir()?;
        self.unfinished = Some(temporary.clone());
        let file = self.storage.open(&temporary, self.plan.access)?;
        Ok(Some(Work { name: temporary, file, filled_bytes: segment_bytes, recycled: true }))
    }

    /// Steps until a segment is ready. This is for a start, when no client waits.
    fn run(&mut self, now_ms: u64) -> Result<PreparedSegment, StorageError> {
        let result = self.filled().and_then(|work| self.finish(work, now_ms));
        self.swept(result)
    }

    /// Creates a file of the full length and fills it at once.
    fn filled(&mut self) -> Result<Work, StorageError> {
        let mut work = self.begin_work()?;
        self.unfinished = Some(work.name.clone());
        while !self.fill(&mut work)? {}
        Ok(work)
    }

    /// Passes the result on, after a sweep if there was no space.
    fn swept<T>(&mut self, result: Result<T, StorageError>) -> Result<T, StorageError> {
        if let Err(error) = &result
            && error.is_no_space()
        {
            self.sweep()?;
        }
        result
    }

    /// Removes the unfinished file, new or recycled, because a full disk needs the space.
    fn sweep(&mut self) -> Result<(), StorageError> {
        self.work = None;
        let name = self.unfinished.take().unwrap_or_else(|| self.temporary_name());
        match self.storage.remove(&name) {
            Ok(()) | Err(StorageError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn temporary_name(&self) -> String {
        format!("{}{TEMPORARY_SUFFIX}", segment_name(self.next_sequence))
    }

    /// Fills one piece. Returns whether the file is full.
    fn fill(&self, work: &mut Work) -> Result<bool, StorageError> {
        let left_bytes = self.plan.segment_bytes - work.filled_bytes;
        let piece = length(FILL_BYTES).min(left_bytes);
        if piece > 0 {
            work.file.write_durable(work.filled_bytes, &self.zeros.as_slice()[..index(piece)])?;
            work.filled_bytes += piece;
        }
        Ok(left_bytes == 0)
    }
}

/// The temporary name of a former segment file that is kept for reuse.
#[must_use]
pub fn recycled_name(sequence: u64) -> String {
    format!("recycled-{sequence:016}{TEMPORARY_SUFFIX}")
}

/// Prepares a segment that is in use from the moment at which it has its name. `opening_of` gets its salt.
pub(crate) fn prepare_opened(
    storage: &SharedStorage,
    (log_uuid, segment_bytes, salt_seed): (Uuid, u64, u64),
    sequence: u64,
    now_ms: u64,
    opening_of: impl FnOnce(u64) -> SegmentOpening,
) -> Result<(), StorageError> {
    let plan = SegmentPlan { log_uuid, segment_bytes, salt_seed, access: Access::Durable };
    let pool = Arc::new(SegmentPool::default());
    let mut preparer = SegmentPreparer::new(storage.clone(), pool, plan, sequence);
    let prepared = preparer.filled().and_then(|work| {
        let (name, mut segment) = preparer.head(work, now_ms)?;
        let (block, _) = opening_of(segment.salt).encode();
        segment.file.write_durable(length(opening::OPENING_OFFSET), block.as_slice())?;
        segment.file.sync()?;
        preparer.name(&name)
    });
    preparer.swept(prepared)
}

/// Prepares the first segment of a directory that is being formatted.
pub(crate) fn prepare_first(
    storage: &SharedStorage,
    log_uuid: Uuid,
    segment_bytes: u64,
    salt_seed: u64,
    now_ms: u64,
) -> Result<(), StorageError> {
    let plan = SegmentPlan { log_uuid, segment_bytes, salt_seed, access: Access::Durable };
    let mut preparer = SegmentPreparer::new(storage.clone(), Arc::new(SegmentPool::default()), plan, 1);
    preparer.run(now_ms).map(drop)
}
