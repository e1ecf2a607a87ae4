//! The queues of replies to connections. Each network thread has one, which a stage fills once per batch with a single
//! wake-up. It handles bytes and counts and does not read the replies.

use stockhold_protocol::frame::{self, FrameKind, Header};
use stockhold_protocol::limits::PROTOCOL_VERSION;

use super::primitives::{Arc, Mutex, Notify};

/// The address of a connection. A slot is reused with another generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyAddress {
    /// The network thread.
    pub thread: usize,
    /// The slot of the connection in its thread's table.
    pub slot: u32,
    /// The generation of the slot.
    pub generation: u32,
    /// The protocol version of the reply.
    pub version: u8,
}

impl Default for ReplyAddress {
    fn default() -> Self {
        Self { thread: 0, slot: 0, generation: 0, version: PROTOCOL_VERSION }
    }
}

/// One frame for one connection. Its bytes are in the [`ReplyBuffer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The slot of the connection.
    pub slot: u32,
    /// The generation of the slot.
    pub generation: u32,
    /// The request that it answers.
    pub request: u64,
    /// Where the frame begins in the buffer.
    pub start: usize,
    /// Where the frame ends in the buffer.
    pub end: usize,
    /// The number of commands that it answers.
    pub commands: u32,
    /// How many of them are not plain reserves.
    pub others: u32,
    /// The number of queries that it answers.
    pub queries: u32,
    /// The number of checks by the applier that it answers.
    pub checks: u32,
    /// The commands were lost instead of answered. Their outcome is unknown, so the connection must be cut.
    pub lost: bool,
}

/// Replies and their bytes.
#[derive(Debug, Default)]
pub struct ReplyBuffer {
    /// The frames, one after the other.
    pub bytes: Vec<u8>,
    /// The replies, in the order of their frames.
    pub replies: Vec<Reply>,
}

/// The numbers of commands and questions that a reply answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnsweredCounts {
    /// The number of commands.
    pub commands: u32,
    /// How many of them are not plain reserves.
    pub others: u32,
    /// The number of queries.
    pub queries: u32,
    /// The number of checks by the applier.
    pub checks: u32,
}

/// A buffer that has grown beyond this size is not kept.
const BUFFER_BYTES_KEPT: usize = 4 << 20;

impl ReplyBuffer {
    /// Whether it has no replies.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.replies.is_empty()
    }

    /// Begins a frame. Its body is what is appended to `bytes` before [`ReplyBuffer::seal`].
    #[must_use]
    pub fn begin(&mut self) -> usize {
        frame::begin(&mut self.bytes)
    }

    /// Ends the frame that began at `start` and addresses it.
    pub fn seal(&mut self, start: usize, header: Header, to: ReplyAddress, answered: AnsweredCounts) {
        frame::finish(header.in_version(to.version), start, &mut self.bytes);
        self.replies.push(Reply {
            slot: to.slot,
            generation: to.generation,
            request: header.request,
            start,
            end: self.bytes.len(),
            commands: answered.commands,
            others: answered.others,
            queries: answered.queries,
            checks: answered.checks,
            lost: false,
        });
    }

    /// Adds a reply without a frame: the connection's commands were lost.
    pub fn push_lost(&mut self, to: ReplyAddress) {
        let at = self.bytes.len();
        let (slot, generation) = (to.slot, to.generation);
        self.replies.push(Reply {
            slot,
            generation,
            request: 0,
            start: at,
            end: at,
            commands: 0,
            others: 0,
            queries: 0,
            checks: 0,
            lost: true,
        });
    }

    /// Removes all replies and keeps a buffer of moderate size.
    pub fn clear(&mut self) {
        self.replies.clear();
        if self.bytes.capacity() > BUFFER_BYTES_KEPT {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
    }

    fn append(&mut self, other: &Self) {
        let shift = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        let moved = other.replies.iter().map(|reply| Reply {
            start: reply.start + shift,
            end: reply.end + shift,
            ..*reply
        });
        self.replies.extend(moved);
    }
}

/// The reply queue of one network thread.
#[derive(Debug, Default)]
struct ReplyQueue {
    replies: Mutex<ReplyBuffer>,
    arrived: Notify,
}

/// The reply queues of all network threads.
#[derive(Clone, Debug)]
pub struct ReplyQueues {
    queues: Arc<[ReplyQueue]>,
}

impl ReplyQueues {
    /// Creates one queue per network thread.
    #[must_use]
    pub fn new(count: usize) -> Self {
        assert!(count > 0, "at least one thread reads the replies");
        Self { queues: (0..count).map(|_| ReplyQueue::default()).collect() }
    }

    /// The number of queues.
    #[must_use]
    pub fn count(&self) -> usize {
        self.queues.len()
    }

    /// Moves the replies of `buffer` to the queue of a thread and wakes the thread. The buffer is empty afterwards.
    pub fn deliver(&self, thread: usize, buffer: &mut ReplyBuffer) {
        if buffer.is_empty() {
            return;
        }
        let queue = &self.queues[thread];
        let mut replies = queue.replies.lock();
        if replies.is_empty() {
            std::mem::swap(&mut *replies, buffer);
        } else {
            replies.append(buffer);
        }
        drop(replies);
        buffer.clear();
        queue.arrived.notify_one();
    }

    /// Takes all replies of a thread's queue. `into` must be empty; its memory is reused for the next replies.
    pub fn take(&self, thread: usize, into: &mut ReplyBuffer) {
        assert!(into.is_empty(), "replies that were taken are delivered before more are taken");
        std::mem::swap(&mut *self.queues[thread].replies.lock(), into);
    }

    /// The bytes of replies that no network thread has taken yet.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.queues.iter().map(|queue| queue.replies.lock().bytes.len()).sum()
    }

    /// Waits until replies arrive in a thread's queue.
    pub async fn arrived(&self, thread: usize) {
        self.queues[thread].arrived.notified().await;
    }
}

/// Collects replies for all network threads, for a stage that answers many connections at once.
#[derive(Debug)]
pub struct ReplyWriter {
    buffers: Vec<ReplyBuffer>,
    reply_queues: ReplyQueues,
}

impl ReplyWriter {
    /// A writer without replies.
    #[must_use]
    pub fn new(reply_queues: ReplyQueues) -> Self {
        Self { buffers: (0..reply_queues.count()).map(|_| ReplyBuffer::default()).collect(), reply_queues }
    }

    /// The buffer for the thread of a connection.
    pub fn of(&mut self, address: ReplyAddress) -> &mut ReplyBuffer {
        &mut self.buffers[address.thread]
    }

    /// The bytes of replies that were not sent yet.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.buffers.iter().map(|buffer| buffer.bytes.len()).sum()
    }

    /// Sends all replies, with at most one wake-up per thread.
    pub fn send(&mut self) {
        for (thread, buffer) in self.buffers.iter_mut().enumerate() {
            self.reply_queues.deliver(thread, buffer);
        }
    }

    /// Adds a whole frame for one connection.
    pub fn frame(
        &mut self,
        to: ReplyAddress,
        header: Header,
        answered: AnsweredCounts,
        body: impl FnOnce(&mut Vec<u8>),
    ) {
        let buffer = self.of(to);
        let start = buffer.begin();
        body(&mut buffer.bytes);
        buffer.seal(start, header, to, answered);
    }

    /// Adds a frame with one outcome, for a check that cannot be answered.
    pub fn single_outcome(
        &mut self,
        to: ReplyAddress,
        request: u64,
        answered: AnsweredCounts,
        outcome: &stockhold_protocol::Outcome,
    ) {
        self.frame(to, Header::new(FrameKind::Outcomes, request, 1), answered, |out| outcome.encode(0, out));
    }
}
