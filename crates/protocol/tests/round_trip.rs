//! Every valid command of every kind survives encoding and decoding; so do outcomes.
#![expect(clippy::unwrap_used, reason = "these are tests; a failed step must stop them")]

use crate::arbitrary::{Draft, catalog, draft};
use proptest::collection::vec;
use proptest::prelude::*;
use stockhold_protocol::batch::split_records;
use stockhold_protocol::codec::Reader;
use stockhold_protocol::command::{KeyHash, Kind, Scratch, record_length};
use stockhold_protocol::outcome::GrantedLine;
use stockhold_protocol::{
    Code, Command, CommandId, Detail, Envelope, Offender, Outcome, Quantity, SkuId, SourceId,
};

fn check(envelope: &Envelope<'_>) {
    let mut bytes = b"what stood there before".to_vec();
    let start = bytes.len();
    envelope.encode(&mut bytes).unwrap();
    let record = &bytes[start..];
    assert_eq!(record_length(record).unwrap(), record.len());
    assert_eq!(Envelope::id_of(record), Some(envelope.id));
    let again = Envelope::decode(record).unwrap();
    assert_eq!(&again, envelope);
    let mut second = Vec::new();
    again.encode(&mut second).unwrap();
    assert_eq!(second, record, "a second writing differs");
    let mut scratch = Scratch::default();
    assert_eq!(again.command.fingerprint(&mut scratch), envelope.command.fingerprint(&mut scratch));
}

fn quantity() -> impl Strategy<Value = Quantity> {
    any::<i64>().prop_map(|raw| Quantity::from_raw(raw % 1_000_000_000_000_000).unwrap())
}

fn offender() -> impl Strategy<Value = Offender> {
    (any::<(u32, u32, u8)>(), quantity(), quantity()).prop_map(|((sku, source, code), bound, value)| {
        Offender { sku: SkuId(sku), source: SourceId(source), code, bound, value }
    })
}

/// Every shape of detail that is sent.
fn detail() -> impl Strategy<Value = Detail> {
    let line =
        (any::<u32>(), quantity()).prop_map(|(sku, quantity)| GrantedLine { sku: SkuId(sku), quantity });
    prop_oneof![
        Just(Detail::None),
        (vec(line, 0..=256), quantity())
            .prop_map(|(lines, backordered)| Detail::Granted { lines, backordered }),
        quantity().prop_map(Detail::Backordered),
        (any::<u32>(), quantity())
            .prop_map(|(sku, available)| Detail::Available { sku: SkuId(sku), available }),
        vec(any::<u32>().prop_map(SourceId), 0..50).prop_map(Detail::Sources),
        quantity().prop_map(Detail::Shortfall),
        (quantity(), any::<u32>(), quantity()).prop_map(|(on_hand, version, shortfall)| Detail::Item {
            on_hand,
            version,
            shortfall
        }),
        (".{0,40}", ".{0,80}").prop_map(|(field, rule)| Detail::Field { field, rule }),
        (any::<u32>(), quantity(), quantity()).prop_map(|(sku, bound, value)| Detail::Bound {
            sku: SkuId(sku),
            bound,
            value
        }),
        any::<[u64; 3]>().prop_map(|[min, max, value]| Detail::Range { min, max, value }),
        (".{0,40}", any::<u64>()).prop_map(|(name, value)| Detail::Limit { name, value }),
        any::<u32>().prop_map(|sku| Detail::Sku(SkuId(sku))),
        (any::<u32>(), vec(offender(), 0..=100))
            .prop_map(|(count, first)| Detail::Offenders { count, first }),
    ]
}

fn key() -> impl Strategy<Value = Option<[u8; 16]>> {
    proptest::option::of(any::<[u8; 16]>())
}

proptest! {
    #[test]
    fn every_hot_command_comes_back(
        draft in draft(), fresh in any::<bool>(), id in any::<u128>(), key in key(),
    ) {
        // Proves that encoding and decoding are inverse, in both directions.
        let (id, mut seen) = (CommandId::from_parts(1_763_800_000_123, id), 0);
        let key = key.as_ref().map(KeyHash);
        for command in draft.commands() {
            check(&Envelope { fresh, key, ..Envelope::new(id, command) });
            seen += 1;
        }
        prop_assert_eq!(seen, 9);
    }

    #[test]
    fn every_catalog_command_comes_back(
        command in catalog(), fresh in any::<bool>(), id in any::<u128>(), key in key(),
    ) {
        // Proves the same for bodies of tagged fields.
        let id = CommandId::from_parts(1_763_800_000_123, id);
        let key = key.as_ref().map(KeyHash).filter(|_| !command.is_of_servers());
        check(&Envelope { fresh, key, ..Envelope::new(id, command) });
    }

    #[test]
    fn order_and_splitting_of_lines_make_no_other_command(draft in draft(), at in any::<prop::sample::Index>()) {
        // Proves that a cart is compared by its sums: reversed, and with one line split in two.
        let mut scratch = Scratch::default();
        let mut other = draft.clone();
        other.lines.reverse();
        let at = at.index(other.lines.len());
        let whole = other.lines[at].quantity.raw();
        if whole > 1 && other.lines.len() < 256 {
            let part = Quantity::from_raw(whole / 2).unwrap();
            other.lines[at].quantity = Quantity::from_raw(whole - whole / 2).unwrap();
            let sku = other.lines[at].sku;
            other.lines.push(stockhold_protocol::Line::new(sku, part));
        }
        for (one, two) in draft.commands().into_iter().zip(other.commands()) {
            prop_assert_eq!(one.fingerprint(&mut scratch), two.fingerprint(&mut scratch));
        }
    }

    #[test]
    fn every_truncation_of_an_arbitrary_record_is_refused(draft in draft()) {
        // Proves that no field is optional by position: a shorter record is another command or none.
        for command in draft.commands() {
            let mut bytes = Vec::new();
            Envelope::new(CommandId::from_parts(1, 1), command).encode(&mut bytes).unwrap();
            for cut in 20..bytes.len() {
                let mut shorter = bytes[..cut].to_vec();
                shorter[..2].copy_from_slice(&u16::try_from(cut).unwrap().to_le_bytes());
                prop_assert!(Envelope::decode(&shorter).is_err(), "cut at {}", cut);
            }
        }
    }

    #[test]
    fn concatenated_records_are_found_again(drafts in vec(draft(), 1..4)) {
        // Proves that the body of a frame splits where it was joined.
        let (mut body, mut ends) = (Vec::new(), Vec::new());
        for command in drafts.iter().flat_map(Draft::commands) {
            Envelope::new(CommandId::from_parts(1, 1), command).encode(&mut body).unwrap();
            ends.push(body.len());
        }
        let mut end = 0;
        let found: Vec<usize> = split_records(&body).map(|record| { end += record.unwrap().len(); end }).collect();
        prop_assert_eq!(found, ends);
    }

    #[test]
    fn every_outcome_comes_back(
        code in prop::sample::select(Code::ALL), detail in detail(), replayed in any::<bool>(),
        recorded in any::<bool>(), value in any::<u32>(), op in any::<u64>(), index in any::<u16>(),
    ) {
        // Proves the bytes of an outcome for every code, flag and detail.
        let outcome = Outcome { code, replayed, recorded, value, op, detail };
        let mut bytes = Vec::new();
        outcome.encode(index, &mut bytes);
        let mut reader = Reader::new(&bytes);
        prop_assert_eq!(Outcome::decode(&mut reader), Ok((index, outcome)));
        prop_assert!(reader.finish().is_ok());
    }
}

#[test]
fn what_servers_make_comes_back_without_an_id() {
    // Proves which kinds no client sends, and that every other kind needs an id.
    for command in [Command::Tick, Command::WallOffset(-2_592_000_000), Command::WallOffset(i64::MAX)] {
        check(&Envelope::new(CommandId::NONE, command));
    }
    for kind in Kind::ALL.iter().filter(|kind| !kind.is_of_servers()) {
        let mut record = [0; 20];
        record[0] = 20;
        record[2] = kind.code();
        assert_eq!(Envelope::decode(&record).unwrap_err().field, "id", "{kind:?}");
    }
}
