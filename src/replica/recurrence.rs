//! Finds out whether a time occurs again later in a log, because the wall clock was set back in between.

use stockhold_machine::Machine;
use stockhold_protocol::batch::Batch;
use stockhold_protocol::{Command, Envelope};

use super::target::shifted;
use crate::wal::LogReader;

/// The first position after the machine's at which the wall clock was set back to `last_ms` or before. Nothing is
/// applied. A log that cannot be read further has no such position: a restore to a point before damage must be possible.
pub(super) fn occurs_again(
    mut log: LogReader,
    (machine, position): (&Machine, u64),
    last_ms: u64,
) -> Option<u64> {
    let mut op_time = machine.time();
    while let Ok(Some(frame)) = log.next_frame() {
        let batch = Batch::decode(frame.payload).ok()?;
        op_time = op_time.max(batch.header.proposed);
        for (record, at) in batch.records().zip(frame.first_position..) {
            if at <= position {
                continue;
            }
            if let Ok(Envelope { command: Command::WallOffset(offset_ms), .. }) =
                Envelope::decode(record.ok()?)
                && shifted(op_time.0, offset_ms) <= last_ms
            {
                return Some(at);
            }
        }
    }
    None
}
