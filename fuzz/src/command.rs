//! Command records, batches of them, and outcomes. There is no checksum here, but a record begins with its length.
//! The first byte says whether the length is repaired.

use super::draw::Draw;
use stockhold_protocol::batch::{Batch, split_records};
use stockhold_protocol::codec::Reader;
use stockhold_protocol::command::{FLAG_FRESH, FLAGS_OFFSET, PlainCart, Scratch};
use stockhold_protocol::{Command, Envelope, Outcome};

/// An accepted record is encoded again, not longer, to an equal command with the same fingerprint.
pub fn run(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    let how = draw.byte();
    let mut record = draw.rest().to_vec();
    if how % 2 == 1
        && record.len() >= 2
        && let Ok(length) = u16::try_from(record.len())
    {
        record[..2].copy_from_slice(&length.to_le_bytes());
    }
    check_record(&record);
    if let Ok(batch) = Batch::decode(&record) {
        assert!(record.starts_with(&batch.header.to_bytes()), "a batch header has one writing");
        for found in batch.records() {
            let Ok(found) = found else { break };
            check_record(found);
        }
    }
    for found in split_records(&record) {
        let Ok(found) = found else { break };
        check_record(found);
    }
    let mut reader = Reader::new(&record);
    while let Ok((index, outcome)) = Outcome::decode(&mut reader) {
        let mut again = Vec::new();
        outcome.encode(index, &mut again);
        assert_eq!(Outcome::decode(&mut Reader::new(&again)), Ok((index, outcome)));
    }
}

/// The decoder of the common cart reads what the general decoder reads, and accepts nothing else.
fn check_plain(record: &[u8]) {
    let Some(cart) = PlainCart::read(record) else { return };
    let envelope = Envelope::decode(record).expect("what the short way reads, the long way reads");
    assert_eq!((envelope.id, envelope.fresh), (cart.id, cart.fresh));
    assert_eq!(envelope.command, Command::Reserve(cart.as_reserve(&[cart.line])));
    assert_eq!(envelope.command.fingerprint(&mut Scratch::default()), cart.fingerprint());
}

fn check_record(record: &[u8]) {
    check_plain(record);
    let Ok(envelope) = Envelope::decode(record) else { return };
    assert_eq!(Envelope::id_of(record), Some(envelope.id));
    let mut again = Vec::new();
    envelope.encode(&mut again).expect("what was read can be written");
    assert!(again.len() <= record.len(), "a second writing is longer than what a peer paid for");
    let second = Envelope::decode(&again).expect("what was written can be read");
    assert_eq!(second, envelope);
    let mut scratch = Scratch::default();
    let fingerprint = envelope.command.fingerprint(&mut scratch);
    assert_eq!(second.command.fingerprint(&mut scratch), fingerprint);
    // A first sending and its retry are the same command.
    again[FLAGS_OFFSET] ^= FLAG_FRESH;
    if let Ok(repeated) = Envelope::decode(&again) {
        assert_eq!(repeated.command.fingerprint(&mut scratch), fingerprint);
    }
}
