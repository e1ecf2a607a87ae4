//! Commands of one frame on their way to the log. The buffers are reused, and the records are not decoded here.

use super::reply_queue::{AnsweredCounts, ReplyAddress};
use super::runs::Origin;
use stockhold_protocol::command::{FLAG_FRESH, FLAGS_OFFSET};
use stockhold_protocol::limits::COMMAND_BYTES_MAX;

/// The maximum length of all records in one submission. A longer frame becomes several submissions.
pub const SUBMISSION_BYTES_MAX: usize = 64 * 1024;

const _: () = assert!(COMMAND_BYTES_MAX <= SUBMISSION_BYTES_MAX, "any command fits into an empty submission");

/// Commands of one connection and of one frame. All were decoded once and found valid.
#[derive(Debug, Default)]
pub struct Submission {
    /// The connection that waits for the outcomes.
    pub address: ReplyAddress,
    /// The actor that sends the commands.
    pub origin: Origin,
    /// The name generation with which the client resolved its numbers.
    pub name_generation: u32,
    /// The request number of the frame.
    pub request: u64,
    /// The deadline of the caller, in milliseconds of the monotonic clock; `u64::MAX` if there is none.
    pub until_ms: u64,
    /// The records, one after the other, as they will be logged.
    pub records: Vec<u8>,
    /// The number of records.
    pub count: u32,
    /// How many of them are not plain reserves.
    pub others: u32,
    /// The index of each record in its frame.
    pub indexes: Vec<u16>,
}

impl Submission {
    /// Empties it for a new frame.
    pub fn reset(&mut self, address: ReplyAddress, request: u64, until_ms: u64) {
        self.address = address;
        self.request = request;
        self.until_ms = until_ms;
        self.clear();
    }

    /// Sets the origin of the records. A connection has one origin, and setting the same again costs nothing.
    pub fn set_origin(&mut self, origin: &Origin, name_generation: u32) {
        self.name_generation = name_generation;
        if self.origin != *origin {
            self.origin = origin.clone();
        }
    }

    /// Removes all records.
    pub fn clear(&mut self) {
        self.records.clear();
        self.indexes.clear();
        self.count = 0;
        self.others = 0;
    }

    /// Whether it has no commands.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether a record of `bytes` bytes still fits.
    #[must_use]
    pub fn has_room(&self, bytes: usize) -> bool {
        self.records.len() + bytes <= SUBMISSION_BYTES_MAX
    }

    /// Adds a record. The flag for a fresh id is for edge refusals only and is not logged.
    pub fn push(&mut self, index: u16, record: &[u8], is_other: bool) {
        let start = self.records.len();
        self.records.extend_from_slice(record);
        self.records[start + FLAGS_OFFSET] &= !FLAG_FRESH;
        self.indexes.push(index);
        self.count += 1;
        self.others += u32::from(is_other);
    }

    /// The counts that an answer to the whole submission settles.
    #[must_use]
    pub fn answered(&self) -> AnsweredCounts {
        AnsweredCounts { commands: self.count, others: self.others, ..AnsweredCounts::default() }
    }
}
