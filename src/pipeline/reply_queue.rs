//! Answers on their way to connections: one mailbox per network thread, filled once per batch, with one wake-up. It knows bytes and
//! counts, never what an answer says.

use stockhold_protocol::frame::{self, FrameKind, Header};
use stockhold_protocol::limits::PROTOCOL_VERSION;

use super::primitives::{Arc, Mutex, Notify};

/// Where an answer goes: a connection of a network thread. A slot is used again, with another generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyAddress {
    /// Which network thread.
    pub thread: usize,
    /// Which connection of it.
    pub slot: u32,
    /// Which use of the slot.
    pub generation: u32,
    /// The version of the wire in which it is answered.
    pub version: u8,
}

impl Default for ReplyAddress {
    fn default() -> Self {
        Self { thread: 0, slot: 0, generation: 0, version: PROTOCOL_VERSION }
    }
}

/// One frame for one connection; its bytes stand in the mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// For whom.
    pub slot: u32,
    /// For which use of the slot.
    pub generation: u32,
    /// The request that it answers.
    pub request: u64,
    /// Where the frame begins in the mail's bytes.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// How many commands it answers.
    pub commands: u32,
    /// How many of those were no plain reserves.
    pub others: u32,
    /// How many queries it answers.
    pub queries: u32,
    /// How many checks that were asked of the applier it answers.
    pub checks: u32,
    /// The commands are not answered but lost: the connection must be cut, because nobody knows what became of them.
    pub lost: bool,
}

/// Letters and their bytes.
#[derive(Debug, Default)]
pub struct ReplyBuffer {
    /// The frames, one after the other.
    pub bytes: Vec<u8>,
    /// Whose they are.
    pub replies: Vec<Reply>,
}

/// Answers that a reply carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnsweredCounts {
    /// Commands.
    pub commands: u32,
    /// Commands that are no plain reserves.
    pub others: u32,
    /// Queries.
    pub queries: u32,
    /// Checks that were asked of the applier.
    pub checks: u32,
}

/// ReplyBuffer whose buffer grew beyond this is not kept for the next time.
const BUFFER_BYTES_KEPT: usize = 4 << 20;

impl ReplyBuffer {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.replies.is_empty()
    }

    /// Begins a frame; what is added to `bytes` until [`ReplyBuffer::seal`] is its body.
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

    /// A reply without a frame: what the connection waits for is lost.
    pub fn lose(&mut self, to: ReplyAddress) {
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

    /// Forgets everything, keeping buffers of a usual size.
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

/// The mailbox of one network thread.
#[derive(Debug, Default)]
struct ReplyQueue {
    mail: Mutex<ReplyBuffer>,
    arrived: Notify,
}

/// All reply_queues.
#[derive(Clone, Debug)]
pub struct ReplyQueues {
    boxes: Arc<[ReplyQueue]>,
}

impl ReplyQueues {
    /// As many reply_queues as there are network threads.
    #[must_use]
    pub fn new(count: usize) -> Self {
        assert!(count > 0, "somebody must read the answers");
        Self { boxes: (0..count).map(|_| ReplyQueue::default()).collect() }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.boxes.len()
    }

    /// Puts a buffer into a mailbox and wakes its thread; the buffer is empty then.
    pub fn deliver(&self, mailbox: usize, buffer: &mut ReplyBuffer) {
        if buffer.is_empty() {
            return;
        }
        let mailbox = &self.boxes[mailbox];
        let mut mail = mailbox.mail.lock();
        if mail.is_empty() {
            std::mem::swap(&mut *mail, buffer);
        } else {
            mail.append(buffer);
        }
        drop(mail);
        buffer.clear();
        mailbox.arrived.notify_one();
    }

    /// Takes all mail; `into` must be empty and its buffers are used for the next mail.
    pub fn take(&self, mailbox: usize, into: &mut ReplyBuffer) {
        assert!(into.is_empty(), "mail that was taken is delivered first");
        std::mem::swap(&mut *self.boxes[mailbox].mail.lock(), into);
    }

    /// Bytes of mail that no network thread has taken yet.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.boxes.iter().map(|mailbox| mailbox.mail.lock().bytes.len()).sum()
    }

    /// Waits for mail.
    pub async fn arrived(&self, mailbox: usize) {
        self.boxes[mailbox].arrived.notified().await;
    }
}

/// One buffer per mailbox, for a stage that answers many connections in one go.
#[derive(Debug)]
pub struct ReplyWriter {
    replies: Vec<ReplyBuffer>,
    reply_queues: ReplyQueues,
}

impl ReplyWriter {
    /// Empty replies.
    #[must_use]
    pub fn new(reply_queues: ReplyQueues) -> Self {
        Self { replies: (0..reply_queues.count()).map(|_| ReplyBuffer::default()).collect(), reply_queues }
    }

    /// The buffer for a connection's thread.
    pub fn of(&mut self, address: ReplyAddress) -> &mut ReplyBuffer {
        &mut self.replies[address.thread]
    }

    /// Bytes that are not sent yet.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.replies.iter().map(|buffer| buffer.bytes.len()).sum()
    }

    /// Sends what there is: one wake-up per thread at most.
    pub fn send(&mut self) {
        for (mailbox, buffer) in self.replies.iter_mut().enumerate() {
            self.reply_queues.deliver(mailbox, buffer);
        }
    }

    /// A whole frame for one connection.
    pub fn frame(
        &mut self,
        to: ReplyAddress,
        header: Header,
        answered: AnsweredCounts,
        body: impl FnOnce(&mut Vec<u8>),
    ) {
        let mail = self.of(to);
        let start = mail.begin();
        body(&mut mail.bytes);
        mail.seal(start, header, to, answered);
    }

    /// One outcome in answer to a request that is no batch of commands (a check that cannot be answered).
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
