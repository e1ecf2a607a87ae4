//! Bytes from a peer that does not mean well: nothing panics, nothing loses its place, nothing reads two ways.
#![expect(clippy::unwrap_used, reason = "these are tests; a failed step must stop them")]

use crate::samples;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use stockhold_protocol::batch::{BATCH_HEADER_BYTES, Batch, split_records};
use stockhold_protocol::codec::{ColdConfig, Reader, decode_cold, encode_cold};
use stockhold_protocol::command::{
    FLAG_FRESH, FLAGS_OFFSET, PlainCart, Reserve, Scratch, Target, record_length,
};
use stockhold_protocol::frame::parse;
use stockhold_protocol::handshake::{Hello, Welcome};
use stockhold_protocol::limits::FRAME_BODY_BYTES_MAX;
use stockhold_protocol::query::{Answer, Name, Query};
use stockhold_protocol::{
    ChannelId, Command, CommandId, Detail, Envelope, Line, Lines, Outcome, Quantity, SkuId, StockId,
};
use wincode::{SchemaRead, SchemaWrite};

/// The flags of carts that stand at fixed places: by channel, with a TTL, with an owner, fresh (PROTOCOL.md).
const PLAIN_FLAGS: u8 = 1 << 0 | 1 << 2 | 1 << 3 | FLAG_FRESH;

/// Sets the length field to what is there, so that the damage behind it is looked at.
fn with_length(mut record: Vec<u8>) -> Vec<u8> {
    let length = u16::try_from(record.len()).unwrap();
    record[..2].copy_from_slice(&length.to_le_bytes());
    record
}

/// A cart that is read from fixed places is what the long way reads, and none that could be is missed.
fn check_plain(record: &[u8]) {
    let whole = Envelope::decode(record).ok();
    let command = whole.as_ref().map(|envelope| &envelope.command);
    let expected = match command {
        Some(Command::Reserve(reserve)) => {
            reserve.lines.len() == 1 && record[FLAGS_OFFSET] & !PLAIN_FLAGS == 0
        }
        Some(_) | None => false,
    };
    let cart = PlainCart::read(record);
    assert_eq!(cart.is_some(), expected, "{record:02x?}");
    if let (Some(cart), Some(whole)) = (cart, whole) {
        assert_eq!((cart.id, cart.fresh), (whole.id, whole.fresh));
        assert_eq!(whole.command, Command::Reserve(cart.as_reserve(&[cart.line])));
        assert_eq!(cart.fingerprint(), whole.command.fingerprint(&mut Scratch::default()));
    }
}

/// What is accepted must survive a second writing and reading, and have a fingerprint.
fn check_accepted(record: &[u8]) {
    check_plain(record);
    if let Ok(envelope) = Envelope::decode(record) {
        let mut again = Vec::new();
        envelope.encode(&mut again).unwrap();
        let second = Envelope::decode(&again).unwrap();
        assert_eq!(second, envelope);
        assert!(again.len() <= record.len(), "a second writing must not be longer than what a peer paid for");
        let mut scratch = Scratch::default();
        assert_eq!(second.command.fingerprint(&mut scratch), envelope.command.fingerprint(&mut scratch));
    }
}

/// A cold message that is accepted has no other encoding.
fn check_cold<'de, T>(bytes: &'de [u8])
where
    T: SchemaRead<'de, ColdConfig, Dst = T> + SchemaWrite<ColdConfig, Src = T>,
{
    if let Ok(value) = decode_cold::<T>(bytes) {
        let mut again = Vec::new();
        encode_cold(&value, &mut again).unwrap();
        assert_eq!(again, bytes);
    }
}

#[test]
fn every_truncation_of_every_command_is_refused() {
    // Proves it with the old length and with a length that fits the rest; nothing is read past the end.
    for (name, record) in samples::commands() {
        for cut in 0..record.len() {
            assert!(Envelope::decode(&record[..cut]).is_err(), "{name} cut at {cut} was accepted");
            assert!(record_length(&record[..cut]).is_err(), "{name} cut at {cut} has a length");
            if cut >= 20 {
                let shorter = with_length(record[..cut].to_vec());
                assert!(Envelope::decode(&shorter).is_err(), "{name} shortened to {cut} was accepted");
            }
        }
    }
}

#[test]
fn every_extension_of_every_command_is_refused() {
    // Proves that no byte can hide behind the last field.
    for (name, record) in samples::commands() {
        for tail in [&[0][..], &[0; 8], &[255; 12], &[1; 17]] {
            let longer = with_length([&record[..], tail].concat());
            assert!(Envelope::decode(&longer).is_err(), "{name} with {} bytes more was accepted", tail.len());
        }
    }
}

#[test]
fn every_truncation_of_outcomes_and_cold_messages_is_refused() {
    // Proves the same on the client's side.
    for (name, outcome) in samples::outcomes() {
        let mut bytes = Vec::new();
        outcome.encode(3, &mut bytes);
        for cut in 0..bytes.len() {
            assert!(
                Outcome::decode(&mut Reader::new(&bytes[..cut])).is_err(),
                "{name} cut at {cut} was accepted"
            );
        }
        assert!(outcome.detail == Detail::None || Detail::decode(&bytes[18..bytes.len() - 1]).is_err());
        bytes[3] |= 0x08;
        assert!(
            Outcome::decode(&mut Reader::new(&bytes)).is_err(),
            "{name} with an undefined flag was accepted"
        );
    }
    for (name, query) in samples::queries() {
        let mut bytes = Vec::new();
        encode_cold(&query, &mut bytes).unwrap();
        for cut in 0..bytes.len() {
            assert!(decode_cold::<Query>(&bytes[..cut]).is_err(), "{name} cut at {cut} was accepted");
        }
        bytes.push(0);
        assert!(decode_cold::<Query>(&bytes).is_err(), "{name} with a byte more was accepted");
    }
    for (name, answer) in samples::answers() {
        let mut bytes = Vec::new();
        encode_cold(&answer, &mut bytes).unwrap();
        for cut in 0..bytes.len() {
            assert!(decode_cold::<Answer>(&bytes[..cut]).is_err(), "{name} cut at {cut} was accepted");
        }
    }
}

#[test]
fn an_empty_detail_cannot_be_announced() {
    // Proves that an outcome has one encoding: the flag without a detail is refused.
    let bytes = [0, 0, 0, 6, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0];
    assert!(Outcome::decode(&mut Reader::new(&bytes)).is_err());
    let mut plain = bytes[..16].to_vec();
    plain[3] = 2;
    assert!(Outcome::decode(&mut Reader::new(&plain)).is_ok());
}

#[test]
fn fresh_is_the_only_flag_that_every_kind_knows() {
    // Proves that each undefined flag of each kind is refused, and that FRESH is cleared by one byte.
    for (name, record) in samples::commands() {
        let mut fresh = record.clone();
        fresh[FLAGS_OFFSET] |= FLAG_FRESH;
        let (cleared, marked) = (Envelope::decode(&record).unwrap(), Envelope::decode(&fresh).unwrap());
        assert_eq!(cleared.command, marked.command, "{name}");
        let mut scratch = Scratch::default();
        assert_eq!(cleared.command.fingerprint(&mut scratch), marked.command.fingerprint(&mut scratch));
        let mut wrong = record;
        wrong[FLAGS_OFFSET] |= 0x40;
        assert_eq!(Envelope::decode(&wrong).unwrap_err().field, "flags", "{name}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..400)) {
        // Proves that every reader is total.
        if let Ok(Some((frame, used))) = parse(&bytes, FRAME_BODY_BYTES_MAX) {
            prop_assert!(used <= bytes.len() && frame.body.len() < used);
        }
        if let Ok(length) = record_length(&bytes) {
            prop_assert!((20..=bytes.len()).contains(&length));
            check_accepted(&bytes[..length]);
        }
        check_accepted(&bytes);
        let mut reader = Reader::new(&bytes);
        while Outcome::decode(&mut reader).is_ok() {}
        prop_assert!(split_records(&bytes).count() <= bytes.len() / 20 + 1);
        if let Ok(batch) = Batch::decode(&bytes) {
            prop_assert!(batch.records().count() <= (bytes.len() - BATCH_HEADER_BYTES) / 20 + 1);
        }
        check_cold::<Hello>(&bytes);
        check_cold::<Welcome>(&bytes);
        check_cold::<Vec<Name>>(&bytes);
        check_cold::<Query>(&bytes);
        check_cold::<Answer>(&bytes);
        check_cold::<Detail>(&bytes);
    }

    #[test]
    fn damaged_commands_never_panic(
        which in any::<prop::sample::Index>(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        tail in vec(any::<u8>(), 0..30),
    ) {
        // Proves it deep inside the bodies, where arbitrary bytes seldom come; the length always fits.
        let commands = samples::commands();
        let mut record = commands[which.index(commands.len())].1.clone();
        for (at, byte) in damage {
            let at = at.index(record.len());
            record[at] = byte;
        }
        check_accepted(&with_length(record.clone()));
        record.extend_from_slice(&tail);
        check_accepted(&with_length(record));
    }

    #[test]
    fn plain_carts_are_read_alike_both_ways(
        by in any::<bool>(), ttl_ms in option::of(any::<u32>()), owner in prop_oneof![Just(0), any::<u64>()],
        quantity in 1..1_i64 << 33, fresh in any::<bool>(), damage in vec((0_usize..60, any::<u8>()), 0..3),
    ) {
        // Proves that the short way to read the common cart accepts the same records and sees the same in them.
        let lines = [Line::new(SkuId(7), Quantity::from_raw(quantity).unwrap())];
        let target = if by { Target::Channel(ChannelId(3)) } else { Target::Stock(StockId(3)) };
        let reserve =
            Reserve { target, lines: Lines::Slice(&lines), best_effort: false, ttl_ms, owner, reference: "" };
        let id = CommandId::from_parts(1_763_800_000_123, 99);
        let mut record = Vec::new();
        Envelope { id, fresh, command: Command::Reserve(reserve) }.encode(&mut record).unwrap();
        prop_assert_eq!(PlainCart::read(&record).is_some(), quantity < 1 << 32);
        check_plain(&record);
        for (at, byte) in damage {
            let at = at % record.len();
            record[at] = byte;
        }
        check_plain(&record);
        check_plain(&with_length(record));
    }

    #[test]
    fn bodies_of_every_kind_from_arbitrary_bytes_never_panic(
        kind in 0_u8..56, flags in any::<u8>(), body in vec(prop_oneof![Just(0), Just(1), any::<u8>()], 0..120),
    ) {
        // Proves it for whole bodies behind a header that is right.
        let id = CommandId::from_parts(1, 1).to_bytes();
        let record = with_length([&[0, 0, kind, flags][..], &id, &body].concat());
        check_accepted(&record);
    }

    #[test]
    fn damaged_cold_messages_never_panic(
        which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        // Proves it for the deepest messages: one byte wrong is refused or is another message.
        let (answers, queries) = (samples::answers(), samples::queries());
        let mut bytes = Vec::new();
        encode_cold(&answers[which.index(answers.len())].1, &mut bytes).unwrap();
        let place = at.index(bytes.len());
        bytes[place] = byte;
        check_cold::<Answer>(&bytes);
        bytes.clear();
        encode_cold(&queries[which.index(queries.len())].1, &mut bytes).unwrap();
        let place = at.index(bytes.len());
        bytes[place] = byte;
        check_cold::<Query>(&bytes);
    }

    #[test]
    fn damaged_outcomes_never_panic(
        which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        // Proves that a client survives a broken server, and that what it accepts reads one way.
        let outcomes = samples::outcomes();
        let mut bytes = Vec::new();
        outcomes[which.index(outcomes.len())].1.encode(3, &mut bytes);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let mut reader = Reader::new(&bytes);
        if let Ok((index, outcome)) = Outcome::decode(&mut reader) {
            let mut again = Vec::new();
            outcome.encode(index, &mut again);
            prop_assert_eq!(&again[..], &bytes[..bytes.len() - reader.rest().len()]);
        }
    }
}
