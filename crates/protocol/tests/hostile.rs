//! Hostile bytes from a peer: nothing panics, no reader loses its position, and no bytes have two meanings.
#![expect(clippy::unwrap_used, reason = "these are tests; a failed step must stop them")]

use crate::samples;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use stockhold_protocol::batch::{BATCH_HEADER_BYTES, Batch, split_records};
use stockhold_protocol::codec::{ColdConfig, Reader, decode_cold, encode_cold};
use stockhold_protocol::command::{
    FLAG_FRESH, FLAG_HAS_KEY, FLAGS_OFFSET, KeyHash, Kind, PlainCart, Reserve, Scratch, Target, record_length,
};
use stockhold_protocol::fields::{OPTIONAL, Tagged, Unknown, decode_fields_with, encode_fields};
use stockhold_protocol::frame::parse;
use stockhold_protocol::handshake::{Hello, Welcome};
use stockhold_protocol::limits::FRAME_BODY_BYTES_MAX;
use stockhold_protocol::query::{Name, Query, QueryAnswer};
use stockhold_protocol::{
    ChannelId, Command, CommandId, Detail, Envelope, Line, Lines, Outcome, Quantity, SkuId, StockId,
};
use wincode::{SchemaRead, SchemaWrite};

/// The flags of carts with fixed offsets: by channel, with a TTL, with an owner, fresh (PROTOCOL.md).
const PLAIN_FLAGS: u8 = 1 << 0 | 1 << 2 | 1 << 3 | FLAG_FRESH;

/// Sets the length field to the actual length, so that the damage behind it is reached.
fn with_length(mut record: Vec<u8>) -> Vec<u8> {
    let length = u16::try_from(record.len()).unwrap();
    record[..2].copy_from_slice(&length.to_le_bytes());
    record
}

/// Checks that the fixed-offset decoder and the general decoder read the same cart, and that it accepts every cart
/// that it can.
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

/// Checks that an accepted record survives another encoding and decoding, and has a fingerprint.
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

/// Checks that an accepted cold message has no other encoding.
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

/// Whether a record that is truncated there is a valid command as well: one of tagged fields that ends before
/// optional fields.
fn ends_between_options(record: &[u8], cut: usize) -> bool {
    let kind = Kind::from_code(record[2]).unwrap();
    let start = if record[FLAGS_OFFSET] & FLAG_HAS_KEY == 0 { 20 } else { 36 };
    let (mut at, mut last) = (start, 0);
    while at < cut {
        let Some(head) = record.get(at..at + 6) else { return false };
        last = u16::from_le_bytes([head[0], head[1]]);
        at += 6 + usize::try_from(u32::from_le_bytes([head[2], head[3], head[4], head[5]])).unwrap();
    }
    let needed = [
        (Kind::Configure, 0),
        (Kind::Settings, 1),
        (Kind::Quota, 2),
        (Kind::Notify, 3),
        (Kind::OrderState, 2),
    ];
    at == cut && needed.iter().any(|(of, field)| *of == kind && last >= *field)
}

/// Checks that an accepted message of tagged fields has one encoding, apart from the skipped optional fields.
fn check_fields<T: Tagged>(bytes: &[u8]) {
    if let Ok((value, kept)) = decode_fields_with(bytes, Unknown::Skip, T::get_fields) {
        let mut again = Vec::new();
        encode_fields(&value, &mut again).unwrap();
        assert_eq!(again.len() + kept.len(), bytes.len());
        let (_, nothing) = decode_fields_with(&again, Unknown::Refuse, T::get_fields).unwrap();
        assert!(nothing.is_empty());
    }
}

/// Checks that an accepted answer is encoded again, not longer, to an equal answer.
fn check_answer(bytes: &[u8]) {
    if let Ok(answer) = QueryAnswer::decode(bytes) {
        let mut again = Vec::new();
        answer.encode(&mut again).unwrap();
        assert!(again.len() <= bytes.len());
        assert_eq!(QueryAnswer::decode(&again), Ok(answer));
    }
}

fn is_prefix(shorter: &QueryAnswer, whole: &QueryAnswer) -> bool {
    match (shorter, whole) {
        (QueryAnswer::Skus(shorter), QueryAnswer::Skus(whole)) => whole.starts_with(shorter),
        (QueryAnswer::Sources(shorter), QueryAnswer::Sources(whole)) => whole.starts_with(shorter),
        (QueryAnswer::Stocks(shorter), QueryAnswer::Stocks(whole)) => whole.starts_with(shorter),
        (QueryAnswer::OldNames(shorter), QueryAnswer::OldNames(whole)) => whole.starts_with(shorter),
        (QueryAnswer::Marks(shorter), QueryAnswer::Marks(whole)) => whole.starts_with(shorter),
        _ => false,
    }
}

#[test]
fn every_truncation_of_every_command_is_refused() {
    // Proves it with the old length and with a length that fits the rest; nothing is read past the end. A cold
    // command that ends before optional fields is another command.
    for (name, record) in samples::commands() {
        for cut in 0..record.len() {
            assert!(Envelope::decode(&record[..cut]).is_err(), "{name} cut at {cut} was accepted");
            assert!(record_length(&record[..cut]).is_err(), "{name} cut at {cut} has a length");
            if cut >= 20 {
                let shorter = with_length(record[..cut].to_vec());
                let accepted = Envelope::decode(&shorter).is_ok();
                assert_eq!(accepted, ends_between_options(&record, cut), "{name} shortened to {cut}");
            }
        }
    }
}

#[test]
fn every_extension_of_every_command_is_refused() {
    // Proves that trailing bytes are refused.
    for (name, record) in samples::commands() {
        for tail in [&[0][..], &[0; 8], &[255; 12], &[1; 17]] {
            let longer = with_length([&record[..], tail].concat());
            assert!(Envelope::decode(&longer).is_err(), "{name} with {} bytes more was accepted", tail.len());
        }
    }
}

#[test]
fn a_cold_command_with_an_unknown_field_is_refused_by_name() {
    // Proves that no server executes half of a command of a later release, whether the field is marked optional or
    // not.
    let cold = |record: &&(String, Vec<u8>)| {
        Kind::from_code(record.1[2]).unwrap().code() >= 16 && record.1[2] != Kind::Tick.code()
    };
    let records = samples::commands();
    assert!(records.iter().filter(cold).count() > 16);
    for (name, record) in records.iter().filter(cold) {
        for number in [0x63, 0x63 | OPTIONAL] {
            let tail = [&number.to_le_bytes()[..], &[1, 0, 0, 0, 7]].concat();
            let error = Envelope::decode(&with_length([&record[..], &tail].concat())).unwrap_err();
            assert_eq!(error.field, "field.number", "{name}");
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
        answer.encode(&mut bytes).unwrap();
        for cut in 0..bytes.len() {
            // A list that ends after an element is another list.
            let is_shorter_list =
                QueryAnswer::decode(&bytes[..cut]).is_ok_and(|shorter| is_prefix(&shorter, &answer));
            let is_refused = QueryAnswer::decode(&bytes[..cut]).is_err();
            assert!(is_refused || is_shorter_list, "{name} cut at {cut} was accepted");
        }
    }
}

#[test]
fn a_hello_with_a_token_or_a_field_of_a_later_release_is_read_if_it_is_optional() {
    // Proves the room for a token: field 5 with the optional bit is skipped at its maximum length, and refused
    // without the bit.
    let mut hello = Vec::new();
    Hello::new("shop").encode(&mut hello).unwrap();
    for length in [0, 1_024_u32] {
        let value = [&u64::from(length).to_le_bytes()[..], &vec![b't'; length as usize]].concat();
        let with =
            |number: u16| [&hello[..], &number.to_le_bytes(), &(length + 8).to_le_bytes(), &value].concat();
        assert_eq!(Hello::decode(&with(5 | OPTIONAL)), Ok(Hello::new("shop")));
        assert_eq!(Hello::decode(&with(5)).unwrap_err().field, "field.number");
    }
    let mut welcome = Vec::new();
    Welcome::default().encode(&mut welcome).unwrap();
    welcome.extend_from_slice(&[15, 0x80, 1, 0, 0, 0, 7]);
    assert_eq!(Welcome::decode(&welcome), Ok(Welcome::default()));
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

/// The flags that a kind allows besides FRESH and HAS_KEY (PROTOCOL.md).
fn allowed(kind: Kind) -> u8 {
    let table = [(Kind::Reserve, 0x3F), (Kind::Replace, 0x3F), (Kind::Sell, 0x3B), (Kind::Ship, 0x22)];
    let found = table
        .into_iter()
        .chain([(Kind::Release, 0x20), (Kind::OrderPlaced, 0x3D)])
        .find(|(of, _)| *of == kind);
    found.map_or(0, |(_, flags)| flags)
}

#[test]
fn flags_that_mean_nothing_are_refused_and_fresh_is_known_to_every_kind() {
    // Proves that each undefined flag of each kind is refused, and that FRESH is cleared by one byte.
    for (name, record) in samples::commands() {
        let mut fresh = record.clone();
        fresh[FLAGS_OFFSET] ^= FLAG_FRESH;
        let (cleared, marked) = (Envelope::decode(&record).unwrap(), Envelope::decode(&fresh).unwrap());
        assert_eq!(cleared.command, marked.command, "{name}");
        let mut scratch = Scratch::default();
        assert_eq!(cleared.command.fingerprint(&mut scratch), marked.command.fingerprint(&mut scratch));
        let undefined = !allowed(cleared.command.kind()) & 0x3F;
        for flag in (0..6).map(|bit| 1 << bit).filter(|flag| undefined & flag != 0) {
            let mut wrong = record.clone();
            wrong[FLAGS_OFFSET] |= flag;
            assert_eq!(Envelope::decode(&wrong).unwrap_err().field, "flags", "{name} {flag:02x}");
        }
    }
}

#[test]
fn a_key_stands_before_the_body_and_makes_no_other_command() {
    // Proves that every kind with an id accepts a key, that the fingerprint leaves it out, and that it cannot be
    // truncated.
    for (name, record) in samples::commands() {
        if record[FLAGS_OFFSET] & FLAG_HAS_KEY != 0 {
            continue;
        }
        let mut keyed = with_length([&record[..20], &[7; 16], &record[20..]].concat());
        keyed[FLAGS_OFFSET] |= FLAG_HAS_KEY;
        let plain = Envelope::decode(&record).unwrap();
        assert_eq!(plain.key, None);
        if plain.command.is_of_servers() {
            assert_eq!(Envelope::decode(&keyed).unwrap_err().field, "key", "{name}");
            let made = Envelope { key: Some(KeyHash(&[7; 16])), ..plain };
            let mut out = vec![1];
            assert_eq!(made.encode(&mut out).unwrap_err().field, "key", "{name}");
            assert_eq!(out, [1]);
            continue;
        }
        let envelope = Envelope::decode(&keyed).unwrap();
        assert_eq!(
            (envelope.id, envelope.fresh, envelope.key),
            (plain.id, plain.fresh, Some(KeyHash(&[7; 16])))
        );
        assert_eq!(envelope.command, plain.command, "{name}");
        let mut scratch = Scratch::default();
        assert_eq!(envelope.command.fingerprint(&mut scratch), plain.command.fingerprint(&mut scratch));
        assert_eq!(PlainCart::read(&keyed), None, "{name}");
        for cut in 20..36 {
            assert_eq!(Envelope::decode(&with_length(keyed[..cut].to_vec())).unwrap_err().field, "key");
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..400)) {
        // Proves that every decoder is total.
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
        check_fields::<Hello>(&bytes);
        check_fields::<Welcome>(&bytes);
        check_cold::<Vec<Name>>(&bytes);
        check_cold::<Query>(&bytes);
        check_answer(&bytes);
        check_cold::<Detail>(&bytes);
    }

    #[test]
    fn damaged_commands_never_panic(
        which in any::<prop::sample::Index>(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        tail in vec(any::<u8>(), 0..30),
    ) {
        // Proves it deep inside the bodies, which arbitrary bytes seldom reach. The length always fits.
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
        // Proves that the decoder of the common cart accepts the same records and reads the same values.
        let lines = [Line::new(SkuId(7), Quantity::from_raw(quantity).unwrap())];
        let target = if by { Target::Channel(ChannelId(3)) } else { Target::Stock(StockId(3)) };
        let reserve =
            Reserve { target, lines: Lines::Slice(&lines), best_effort: false, ttl_ms, owner, reference: "" };
        let id = CommandId::from_parts(1_763_800_000_123, 99);
        let mut record = Vec::new();
        Envelope { fresh, ..Envelope::new(id, Command::Reserve(reserve)) }.encode(&mut record).unwrap();
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
        // Proves it for whole bodies behind a valid header.
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
        answers[which.index(answers.len())].1.encode(&mut bytes).unwrap();
        let place = at.index(bytes.len());
        bytes[place] = byte;
        check_answer(&bytes);
        bytes.clear();
        encode_cold(&queries[which.index(queries.len())].1, &mut bytes).unwrap();
        let place = at.index(bytes.len());
        bytes[place] = byte;
        check_cold::<Query>(&bytes);
    }

    #[test]
    fn damaged_handshakes_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        // Proves it for the messages that open a connection.
        let (mut hello, mut welcome) = (Vec::new(), Vec::new());
        Hello::new("hostile").encode(&mut hello).unwrap();
        Welcome::default().encode(&mut welcome).unwrap();
        let place = at.index(hello.len());
        hello[place] = byte;
        check_fields::<Hello>(&hello);
        let place = at.index(welcome.len());
        welcome[place] = byte;
        check_fields::<Welcome>(&welcome);
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
