//! The number of commands in a batch of the sequencer.

use std::sync::Arc;

use stockhold::assembly::{Assembly, Environment, assemble, format};
use stockhold::clock::ManualTimeSource;
use stockhold::config::Config;
use stockhold::pipeline::Stepped;
use stockhold::pipeline::reply_queue::ReplyAddress;
use stockhold::storage::recording::RecordingStorage;
use stockhold_machine::Genesis;
use stockhold_protocol::{Command, CommandId, Envelope, Timestamp};

use super::harness::now_ms;

/// The number of commands in a submission.
const FRAME: u16 = 1_024;

/// A server that is not stepped, with its wall clock this many milliseconds into a second.
pub(crate) fn server_at(ms: u64) -> (Assembly, u64) {
    let storage = RecordingStorage::new();
    let config = Config::default();
    let start_ms = now_ms() / 1_000 * 1_000 + ms;
    let genesis = Genesis { formatted_at: Timestamp(start_ms), ..Genesis::default() };
    format(storage.share(), &genesis, config.log.segment_bytes, uuid::Uuid::from_u128(1), 1).unwrap();
    let time = Arc::new(ManualTimeSource::new(start_ms));
    let environment = Environment { time, salt_seed: 1, spawner: None };
    (assemble(storage.share(), &config, 1, environment, |_| ()).unwrap(), start_ms)
}

/// Submits this many frames of commands.
fn submit(assembly: &Assembly, frames: u64) {
    let mut record = Vec::new();
    Envelope::new(CommandId::from_parts(now_ms(), 1), Command::Tick).encode(&mut record).unwrap();
    for request in 0..frames {
        let mut submission = assembly.context.ingress.blank();
        submission.reset(ReplyAddress::default(), request, u64::MAX);
        for index in 0..FRAME {
            submission.push(index, &record, true);
        }
        assert!(assembly.context.ingress.submit(submission).is_ok());
    }
}

/// The number of commands that each step of the sequencer logs until nothing is left, while the applier does nothing.
fn batches_of(frames: u64) -> Vec<u64> {
    let (mut assembly, _) = server_at(0);
    submit(&assembly, frames);
    let mut batches = Vec::new();
    let mut before = assembly.context.metrics.ops_logged.get();
    while assembly.sequencer.step() == Stepped::Worked {
        let logged = assembly.context.metrics.ops_logged.get();
        batches.push((logged - before) / u64::from(FRAME));
        before = logged;
    }
    batches
}

#[test]
fn a_batch_is_at_most_half_of_what_is_on_its_way() {
    // Proves that one half is written while the other half is applied, and that commands being written count.
    assert_eq!(batches_of(10), [5, 5]);
    assert_eq!(batches_of(13), [6, 6, 1]);
}

#[test]
fn few_commands_are_not_parted() {
    // Proves the bound exactly: up to 4,096 commands go into one batch, more do not, as long as half of them are fewer.
    assert_eq!(batches_of(4), [4]);
    assert_eq!(batches_of(5), [4, 1]);
    assert_eq!(batches_of(8), [4, 4]);
}
