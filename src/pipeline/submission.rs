//! The commands of one frame on their way to the log. Its buffers are used again and again; it never looks into a record.

use super::reply_queue::{AnsweredCounts, ReplyAddress};
use super::runs::Origin;
use stockhold_protocol::command::{FLAG_FRESH, FLAGS_OFFSET};
use stockhold_protocol::limits::COMMAND_BYTES_MAX;

/// Longest sum of records in one submission; a longer frame becomes several submissions.
pub const SUBMISSION_BYTES_MAX: usize = 64 * 1024;

const _: () = assert!(COMMAND_BYTES_MAX <= SUBMISSION_BYTES_MAX, "any command fits an empty submission");

/// Commands of one connection, all of one frame, all decoded once and found valid by type.
#[derive(Debug, Default)]
pub struct Submission {
    /// Who waits for the outcomes.
    pub address: ReplyAddress,
    /// Who sends them.
    pub origin: Origin,
    /// The name generation by which the client resolved its numbers.
    pub name_generation: u32,
    /// The frame's request number.
    pub request: u64,
    /// When the caller gives up, by the monotonic clock in milliseconds; `u64::MAX` when never.
    pub until_ms: u64,
    /// The records, one after the other, as they will be logged.
    pub records: Vec<u8>,
    /// How many there are.
    pub count: u32,
    /// How many of them are no plain reserves.
    pub others: u32,
    /// The index of each record in its frame.
    pub indexes: Vec<u16>,
}

impl Submission {
    /// Makes it empty, for a new frame.
    pub fn reset(&mut self, address: ReplyAddress, request: u64, until_ms: u64) {
        self.address = address;
        self.request = request;
        self.until_ms = until_ms;
        self.clear();
    }

    /// Says who sends the records. The same name again costs nothing, and a connection has one.
    pub fn set_origin(&mut self, origin: &Origin, name_generation: u32) {
        self.name_generation = name_generation;
        if self.origin != *origin {
            self.origin = origin.clone();
        }
    }

    /// Forgets the records.
    pub fn clear(&mut self) {
        self.records.clear();
        self.indexes.clear();
        self.count = 0;
        self.others = 0;
    }

    /// Whether it holds no command.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether a record of `bytes` still fits.
    #[must_use]
    pub fn has_room(&self, bytes: usize) -> bool {
        self.records.len() + bytes <= SUBMISSION_BYTES_MAX
    }

    /// Adds a record. The mark that its id is fresh is for the edge alone and is not logged.
    pub fn push(&mut self, index: u16, record: &[u8], is_other: bool) {
        let start = self.records.len();
        self.records.extend_from_slice(record);
        self.records[start + FLAGS_OFFSET] &= !FLAG_FRESH;
        self.indexes.push(index);
        self.count += 1;
        self.others += u32::from(is_other);
    }

    /// What an answer to all of it answers.
    #[must_use]
    pub fn answered(&self) -> AnsweredCounts {
        AnsweredCounts { commands: self.count, others: self.others, ..AnsweredCounts::default() }
    }
}
