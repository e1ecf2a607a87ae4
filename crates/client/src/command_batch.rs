//! Command batches: many commands encoded straight into one reused buffer, without an allocation for each.
//!
//! A command batch is the body of one Commands frame. It is not a batch of the server's log. It knows nothing of
//! sockets; a connection copies it into its output.

use stockhold_protocol::batch::split_records;
use stockhold_protocol::command::{Command, FLAG_FRESH, FLAGS_OFFSET, Reserve, Target, record_length};
use stockhold_protocol::limits::{FRAME_BODY_BYTES_MAX, FRAME_COUNT_MAX};
use stockhold_protocol::{BadField, CommandId, Envelope, Line, Lines};

/// Why a command was not added to a batch. The batch is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The frame is full. Send the batch first.
    #[error("the command batch is full; send it first")]
    Full,
    /// A field violates a rule of the protocol.
    #[error(transparent)]
    BadField(#[from] BadField),
}

/// Commands for one frame. [`CommandBatch::clear`] keeps the memory for the next frame.
///
/// ```
/// use stockhold_client::{CommandBatch, IdGenerator};
/// use stockhold_protocol::{Line, Quantity, SkuId, StockId, command::Target};
///
/// let mut ids = IdGenerator::new();
/// let mut batch = CommandBatch::new();
/// for cart in 0..128 {
///     let line = Line::new(SkuId(cart), Quantity::units(1).unwrap());
///     batch.push_reserve(ids.next_id(), Target::Stock(StockId(0)), &[line], Some(60_000))?;
/// }
/// assert_eq!(batch.len(), 128);
/// # Ok::<(), stockhold_client::PushError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct CommandBatch {
    records: Vec<u8>,
    count: u16,
    deadline_ms: u32,
}

impl CommandBatch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds any command and returns its index. `envelope.fresh` must be true only if the id was never sent.
    ///
    /// # Errors
    /// [`PushError`]; the batch is unchanged.
    pub fn push(&mut self, envelope: &Envelope<'_>) -> Result<u16, PushError> {
        if usize::from(self.count) >= FRAME_COUNT_MAX {
            return Err(PushError::Full);
        }
        let start = self.records.len();
        envelope.encode(&mut self.records)?;
        if self.records.len() > FRAME_BODY_BYTES_MAX {
            self.records.truncate(start);
            return Err(PushError::Full);
        }
        self.count += 1;
        Ok(self.count - 1)
    }

    /// Adds an all-or-nothing reserve whose id was never sent before. With a TTL it is a hold, otherwise it is
    /// confirmed from the start.
    ///
    /// # Errors
    /// [`PushError`]; the batch is unchanged.
    pub fn push_reserve(
        &mut self,
        id: CommandId,
        target: Target,
        lines: &[Line],
        ttl_ms: Option<u32>,
    ) -> Result<u16, PushError> {
        let lines = Lines::Slice(lines);
        let reserve = Reserve { target, lines, best_effort: false, ttl_ms, owner: 0, reference: "" };
        self.push(&Envelope::fresh(id, Command::Reserve(reserve)))
    }

    /// Adds an encoded record of another batch unchanged, for instance to retry a part of that batch.
    ///
    /// # Errors
    /// [`PushError`]; the batch is unchanged.
    pub fn push_record(&mut self, record: &[u8]) -> Result<u16, PushError> {
        if usize::from(self.count) >= FRAME_COUNT_MAX
            || self.records.len() + record.len() > FRAME_BODY_BYTES_MAX
        {
            return Err(PushError::Full);
        }
        if record_length(record) != Ok(record.len()) {
            return Err(BadField::new("length", "must be that of one whole record").into());
        }
        self.records.extend_from_slice(record);
        self.count += 1;
        Ok(self.count - 1)
    }

    /// Marks every command as sent before. Call it before the batch is sent again. Without the mark, the server may
    /// answer a retry with a new, unrecorded refusal instead of the recorded outcome.
    pub fn mark_retry(&mut self) {
        let mut at = 0;
        while let Ok(length) = record_length(&self.records[at..]) {
            self.records[at + FLAGS_OFFSET] &= !FLAG_FRESH;
            at += length;
        }
    }

    /// How long the server may take before it logs the commands, in milliseconds. The default, 0, means no limit. A
    /// command that is not logged in time is answered `deadline_passed` and has no effect.
    pub const fn set_deadline_ms(&mut self, deadline_ms: u32) {
        self.deadline_ms = deadline_ms;
    }

    /// The deadline in milliseconds. 0 means none.
    #[must_use]
    pub const fn deadline_ms(&self) -> u32 {
        self.deadline_ms
    }

    /// Removes all commands and keeps the memory.
    pub fn clear(&mut self) {
        self.records.clear();
        self.count = 0;
    }

    /// The number of commands.
    #[must_use]
    pub const fn len(&self) -> u16 {
        self.count
    }

    /// Whether there are no commands.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The encoded records in the order of their indexes.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        split_records(&self.records).filter_map(Result::ok)
    }

    /// The ids in the order of their indexes.
    pub fn ids(&self) -> impl Iterator<Item = CommandId> + '_ {
        self.records().filter_map(Envelope::id_of)
    }

    /// The bytes of all records.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.records
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IdGenerator;
    use stockhold_protocol::{Quantity, SkuId, StockId};

    fn line(sku: u32) -> Line {
        Line::new(SkuId(sku), Quantity::units(1).unwrap())
    }

    fn filled(carts: u32) -> CommandBatch {
        let (mut batch, mut ids) = (CommandBatch::new(), IdGenerator::seeded(3));
        for cart in 0..carts {
            batch
                .push_reserve(ids.next_at(9), Target::Stock(StockId(1)), &[line(cart)], Some(5_000))
                .unwrap();
        }
        batch
    }

    #[test]
    fn what_is_pushed_comes_out() {
        // Proves that records decode to what was pushed, in order, and that marking a retry only clears `fresh`.
        let mut batch = filled(3);
        let ids: Vec<_> = batch.ids().collect();
        for retried in [false, true] {
            if retried {
                batch.mark_retry();
            }
            for (at, record) in batch.records().enumerate() {
                let envelope = Envelope::decode(record).unwrap();
                assert_eq!((envelope.id, envelope.fresh), (ids[at], !retried));
                let Command::Reserve(reserve) = envelope.command else { panic!("not a reserve") };
                assert_eq!(reserve.lines.get(0), Some(line(u32::try_from(at).unwrap())));
                assert_eq!(reserve.ttl_ms, Some(5_000));
            }
        }
    }

    #[test]
    fn a_full_batch_takes_no_more_and_a_bad_cart_leaves_no_trace() {
        // Proves the limit on the commands of one frame, and that a refused push changes nothing.
        let mut batch = filled(u32::try_from(FRAME_COUNT_MAX).unwrap());
        let before = batch.bytes().len();
        let id = IdGenerator::seeded(4).next_at(1);
        let full = batch.push_reserve(id, Target::Stock(StockId(1)), &[line(0)], None);
        assert_eq!(full, Err(PushError::Full));
        assert_eq!(batch.bytes().len(), before);
        batch.clear();
        assert!(matches!(
            batch.push_reserve(id, Target::Stock(StockId(1)), &[], None),
            Err(PushError::BadField(_))
        ));
        assert!(batch.is_empty());
        assert!(batch.bytes().is_empty());
    }

    #[test]
    fn a_record_moves_between_batches() {
        // Proves that a part of a batch can be sent again byte for byte, and that invalid bytes cannot.
        let batch = filled(2);
        let mut again = CommandBatch::new();
        again.push_record(batch.records().nth(1).unwrap()).unwrap();
        assert_eq!(again.ids().next(), batch.ids().nth(1));
        assert!(again.push_record(b"junk that is no record").is_err());
        assert_eq!(again.len(), 1);
    }
}
