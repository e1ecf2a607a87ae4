//! Sizes and limits: the size of one cart, and the behaviour one below, at and one above every limit.
#![expect(clippy::unwrap_used, reason = "these are tests; a failed step must stop them")]

use stockhold_protocol::batch::ACTOR_BYTES_MAX;
use stockhold_protocol::command::{
    Assign, Change, Count, CountLine, CountMany, Mark, MarkRemoval, Notify, QuotaChange, Readmit, Release,
    Reserve, SettingScope, SettingsChange, SkuDefinition, Target, TransferLines, TransferMany, Unassign,
    catalog::check_sku, check_new_name, record_length,
};
use stockhold_protocol::frame::{FrameKind, Header, append, parse};
use stockhold_protocol::limits::{
    BULK_LINES_MAX, BULK_PAIRS_MAX, COMMAND_BYTES_MAX, FRAME_BODY_BYTES_MAX, FRAME_COUNT_MAX,
    LINE_QUANTITY_MAX, LINES_MAX, NAME_BYTES_MAX, QUANTITY_MAX, REFERENCE_BYTES_MAX, SKU_BYTES_MAX,
    SKU_CHARACTERS_MAX, TEXT_BYTES_MAX,
};
use stockhold_protocol::query::Name;
use stockhold_protocol::{
    BadField, Command, CommandId, Envelope, FrameError, Line, Lines, Quantity, ReservationId, SkuId,
    SourceId, StockId,
};

fn raw(raw: i64) -> Quantity {
    Quantity::from_raw(raw).unwrap()
}

fn id(number: u128) -> CommandId {
    CommandId::from_parts(1_763_800_000_123, number)
}

fn reserve<'a>(lines: &'a [Line], ttl_ms: Option<u32>, reference: &'a str) -> Command<'a> {
    let (target, lines) = (Target::Stock(StockId(1)), Lines::Slice(lines));
    Command::Reserve(Reserve { target, lines, best_effort: false, ttl_ms, owner: 0, reference })
}

/// Encodes and decodes. Returns the writer's error, which must also be the reader's where the bytes can be built.
fn through(command: Command<'_>) -> Result<(), BadField> {
    let mut bytes = Vec::new();
    let envelope = Envelope::new(id(1), command);
    envelope.encode(&mut bytes)?;
    assert_eq!(Envelope::decode(&bytes), Ok(envelope));
    Ok(())
}

fn record_of(command: &Command<'_>) -> Vec<u8> {
    let mut record = Vec::new();
    Envelope::new(id(1), command.clone()).encode(&mut record).unwrap();
    record
}

/// The field that is named when the command is refused.
fn refused(command: Command<'_>) -> &'static str {
    through(command).unwrap_err().field
}

#[test]
fn a_single_line_cart_costs_at_most_forty_bytes() {
    // Proves the size budget of the wire: 64 carts in a frame, everything counted.
    let lines = [Line::new(SkuId(u32::MAX), raw(u32::MAX.into()))];
    for (ttl_ms, bytes) in [(None, 64 * 34 + 32), (Some(900_000), 64 * 38 + 32)] {
        let mut body = Vec::new();
        for number in 0..64 {
            let command = reserve(&lines, ttl_ms, "");
            Envelope::fresh(id(number), command).encode(&mut body).unwrap();
        }
        let mut frame = Vec::new();
        append(Header::new(FrameKind::Commands, 1, 64), &body, &mut frame);
        assert_eq!(frame.len(), bytes);
        assert!(frame.len() <= 64 * 40);
    }
}

#[test]
fn lines_and_their_quantities_are_bounded() {
    // Proves 0, 1, 255, 256 and 257 lines, and quantities around both ends of their range.
    let line = Line::new(SkuId(1), raw(10_000));
    for count in [1, LINES_MAX - 1, LINES_MAX] {
        assert_eq!(through(reserve(&vec![line; count], None, "")), Ok(()));
    }
    for count in [0, LINES_MAX + 1] {
        assert_eq!(refused(reserve(&vec![line; count], None, "")), "lines");
    }
    let reservation = ReservationId(id(9));
    assert_eq!(through(Command::Release(Release { reservation, lines: Lines::NONE })), Ok(()));
    for quantity in [1, u32::MAX.into(), i64::from(u32::MAX) + 1, LINE_QUANTITY_MAX - 1, LINE_QUANTITY_MAX] {
        assert_eq!(through(reserve(&[Line::new(SkuId(1), raw(quantity))], None, "")), Ok(()), "{quantity}");
    }
    for quantity in [0, -1, LINE_QUANTITY_MAX + 1] {
        assert_eq!(refused(reserve(&[Line::new(SkuId(1), raw(quantity))], None, "")), "lines.quantity");
    }
}

#[test]
fn bulk_commands_are_bounded_in_lines_and_pairs() {
    // Proves the limits of every bulk command at 0, limit − 1, limit and limit + 1, that the largest ones fit a record,
    // that a count names no source item twice, and that a transfer has two ends.
    let (reason, skus) = ("x".repeat(TEXT_BYTES_MAX), |count| vec![SkuId(u32::MAX); count]);
    let (from, to, forced) = (SourceId(1), SourceId(2), true);
    let line = |number: usize| CountLine {
        sku: SkuId(u32::try_from(number).unwrap()),
        source: from,
        quantity: raw(-QUANTITY_MAX),
        in_stock: Some(true),
    };
    let count = |lines| {
        Command::CountMany(Box::new(CountMany { lines, reason: reason.clone(), reference: "r".repeat(32) }))
    };
    let assign = |skus, sources: usize| {
        Command::Assign(Box::new(Assign { skus, sources: vec![from; sources], reason: reason.clone() }))
    };
    let unassign = |skus, sources: usize| {
        Command::Unassign(Box::new(Unassign {
            skus,
            sources: vec![from; sources],
            forced,
            reason: reason.clone(),
        }))
    };
    let many = |to, skus| {
        let reason = reason.clone();
        Command::TransferMany(Box::new(TransferMany { from, to, skus, unassign: true, forced, reason }))
    };
    let lines = |to, count| {
        let lines = vec![Line::new(SkuId(1), raw(LINE_QUANTITY_MAX)); count];
        Command::TransferLines(Box::new(TransferLines { from, to, lines, forced, reason: reason.clone() }))
    };
    for number in [1, BULK_LINES_MAX - 1, BULK_LINES_MAX] {
        assert_eq!(through(count((0..number).map(line).collect())), Ok(()));
        assert_eq!(through(lines(to, number)), Ok(()));
    }
    for number in [0, BULK_LINES_MAX + 1] {
        assert_eq!(refused(count((0..number).map(line).collect())), "lines");
        assert_eq!(refused(lines(to, number)), "lines");
    }
    for (number, sources) in [(1, 1), (BULK_PAIRS_MAX, 1), (1, BULK_PAIRS_MAX), (100, 100)] {
        assert_eq!(through(assign(skus(number), sources)), Ok(()));
        assert_eq!(through(unassign(skus(number), sources)), Ok(()));
    }
    for (number, sources, field) in
        [(0, 1, "skus"), (1, 0, "sources"), (BULK_PAIRS_MAX + 1, 1, "skus"), (101, 100, "skus")]
    {
        assert_eq!(refused(assign(skus(number), sources)), field);
        assert_eq!(refused(unassign(skus(number), sources)), field);
    }
    assert_eq!(through(many(to, skus(BULK_PAIRS_MAX))), Ok(()));
    assert_eq!(refused(many(to, skus(0))), "skus");
    assert_eq!(refused(many(to, skus(BULK_PAIRS_MAX + 1))), "skus");
    assert_eq!([refused(many(from, skus(1))), refused(lines(from, 1))], ["to", "to"]);
    assert_eq!(refused(count(vec![line(1), line(2), line(1)])), "lines");
}

#[test]
fn a_reader_refuses_what_no_writer_writes() {
    // Proves the same bounds on the reading side, where the peer chooses the bytes.
    let mut good = Vec::new();
    Envelope::new(id(1), reserve(&[Line::new(SkuId(1), raw(10_000))], None, "")).encode(&mut good).unwrap();
    let with = |at: usize, bytes: &[u8]| {
        let mut record = good.clone();
        record[at..at + bytes.len()].copy_from_slice(bytes);
        Envelope::decode(&record).map_err(|error| error.field).err()
    };
    assert_eq!(with(0, &[34, 0]), None);
    assert_eq!(with(0, &[35, 0]), Some("length"));
    assert_eq!(with(2, &[0]), Some("kind"));
    assert_eq!(with(3, &[0x40]), Some("key"));
    assert_eq!(with(10, &[0x40]), Some("id"));
    assert_eq!(with(24, &[0, 0]), Some("lines"));
    assert_eq!(with(24, &[2, 0]), Some("lines"));
    assert_eq!(with(24, &[1, 1]), Some("lines"));
    assert_eq!(with(30, &[0; 4]), Some("lines.quantity"));
    // A wide quantity beyond 63 bits, or out of range, is not truncated to a small one.
    for quantity in [u64::MAX, 1 << 63, 1 << 40 | 1 << 62] {
        let mut record = good[..30].to_vec();
        record[0] = 38;
        record[3] = 0x20;
        record.extend_from_slice(&quantity.to_le_bytes());
        assert_eq!(Envelope::decode(&record).unwrap_err().field, "lines.quantity");
    }
}

#[test]
fn texts_are_bounded_in_bytes() {
    // Proves limit − 1, limit and limit + 1 of every text family, with a letter of two bytes.
    let text = |bytes: usize| "é".repeat(bytes / 2) + &"x".repeat(bytes % 2);
    let line = [Line::new(SkuId(1), raw(1))];
    let mark = |name: String| Command::Mark(Mark::new(name));
    let unmark = |name: String| Command::Unmark(MarkRemoval { name });
    let record = record_of(&Command::Confirm(ReservationId(id(2))));
    let readmit = |actor| Command::Readmit(Readmit { epoch: 1, op: 1, actor, record: record.clone() });
    let count = |reason| {
        let (source, sku, quantity) = (SourceId(1), SkuId(1), Quantity::ZERO);
        Command::Count(Count { source, sku, quantity, in_stock: None, reason, reference: String::new() })
    };
    for past in [0, 1] {
        assert_eq!(through(mark(text(NAME_BYTES_MAX - past))), Ok(()));
        assert_eq!(through(unmark(text(NAME_BYTES_MAX - past))), Ok(()));
        assert_eq!(through(readmit(text(ACTOR_BYTES_MAX - past))), Ok(()));
        assert_eq!(through(count(text(TEXT_BYTES_MAX - past))), Ok(()));
        assert_eq!(through(reserve(&line, None, &text(REFERENCE_BYTES_MAX - past))), Ok(()));
    }
    assert_eq!(refused(mark(text(NAME_BYTES_MAX + 1))), "name");
    assert_eq!(refused(unmark(text(NAME_BYTES_MAX + 1))), "name");
    assert_eq!(refused(readmit(text(ACTOR_BYTES_MAX + 1))), "actor");
    assert_eq!(refused(count(text(TEXT_BYTES_MAX + 1))), "reason");
    assert_eq!(refused(reserve(&line, None, &text(REFERENCE_BYTES_MAX + 1))), "reference");
}

#[test]
fn what_is_readmitted_is_a_command_of_a_client() {
    // Proves that a record cannot be nested, made by a server, or broken.
    let readmit = |record| Command::Readmit(Readmit { epoch: 1, op: 1, actor: String::new(), record });
    let good = record_of(&Command::Confirm(ReservationId(id(2))));
    assert_eq!(through(readmit(good.clone())), Ok(()));
    assert_eq!(refused(readmit(record_of(&readmit(good.clone())))), "record");
    assert_eq!(refused(readmit(record_of(&Command::Tick))), "record");
    assert_eq!(refused(readmit(good[..good.len() - 1].to_vec())), "length");
    assert_eq!(refused(readmit(Vec::new())), "length");
}

#[test]
fn quantities_of_cold_commands_are_bounded_though_bincode_knows_64_bits() {
    // Proves that a peer cannot send a quantity that no constructor would make.
    let (source, sku, stock) = (SourceId(1), SkuId(1), StockId(1));
    let count = |quantity| {
        let (reason, reference) = (String::new(), String::new());
        Command::Count(Count { source, sku, quantity, in_stock: None, reason, reference })
    };
    let quota = |limit| Command::Quota(QuotaChange { sku, stock, limit: Some(limit) });
    let notify =
        |threshold| Command::Notify(Notify { sku, source, is_set: true, threshold: Some(threshold) });
    let setting = |value| {
        let change =
            SettingsChange { max_sale_qty: Change::Set(value), ..SettingsChange::at(SettingScope::Global) };
        Command::Settings(Box::new(change))
    };
    let mark = raw(0x0001_0403_0205_0607);
    for (command, field) in [
        (count(mark), "quantity"),
        (quota(mark), "limit"),
        (notify(mark), "threshold"),
        (setting(mark), "max_sale_qty"),
    ] {
        let mut good = Vec::new();
        Envelope::new(id(1), command).encode(&mut good).unwrap();
        let needle = mark.raw().to_le_bytes();
        let at = good.windows(8).position(|window| window == needle).unwrap();
        for (quantity, expected) in [
            (QUANTITY_MAX - 1, None),
            (QUANTITY_MAX, None),
            (QUANTITY_MAX + 1, Some(field)),
            (i64::MIN, Some(field)),
        ] {
            good[at..at + 8].copy_from_slice(&quantity.to_le_bytes());
            assert_eq!(
                Envelope::decode(&good).map_err(|error| error.field).err(),
                expected,
                "{field} {quantity}"
            );
        }
    }
}

#[test]
fn frames_are_bounded_in_bytes_and_entries() {
    // Proves both limits of a frame at limit − 1, limit and limit + 1, from the header alone.
    for length in [FRAME_BODY_BYTES_MAX - 1, FRAME_BODY_BYTES_MAX] {
        let mut frame = Vec::new();
        append(Header::new(FrameKind::Commands, 1, 1), &vec![7; length], &mut frame);
        assert_eq!(parse(&frame, FRAME_BODY_BYTES_MAX).unwrap().unwrap().1, frame.len());
        let too_long = parse(&frame[..32], length - 1);
        assert_eq!(
            too_long,
            Err(FrameError::TooLong {
                got: u32::try_from(length).unwrap(),
                max: u32::try_from(length - 1).unwrap()
            })
        );
    }
    let counted = |count: usize| {
        let mut frame = Vec::new();
        append(Header::new(FrameKind::Checks, 1, u16::try_from(count).unwrap()), b"", &mut frame);
        parse(&frame, FRAME_BODY_BYTES_MAX).map(|frame| frame.unwrap().0.header.count)
    };
    assert_eq!(counted(FRAME_COUNT_MAX - 1), Ok(8_191));
    assert_eq!(counted(FRAME_COUNT_MAX), Ok(8_192));
    assert_eq!(counted(FRAME_COUNT_MAX + 1), Err(FrameError::TooMany { got: 8_193, max: 8_192 }));
}

#[test]
fn record_lengths_are_bounded() {
    // Proves the length field of a record around its limits: the header, the 16-bit maximum, and the rest of the
    // frame.
    let record = |length: usize, have: usize| {
        let mut bytes = vec![0; have];
        bytes[..2].copy_from_slice(&u16::try_from(length).unwrap().to_le_bytes());
        record_length(&bytes)
    };
    assert!(record(19, 40).is_err());
    assert_eq!(record(20, 40), Ok(20));
    assert_eq!(record(40, 40), Ok(40));
    assert!(record(41, 40).is_err());
    assert_eq!(record(COMMAND_BYTES_MAX - 1, 70_000), Ok(COMMAND_BYTES_MAX - 1));
    assert_eq!(record(COMMAND_BYTES_MAX, 70_000), Ok(COMMAND_BYTES_MAX));
    assert!(record(COMMAND_BYTES_MAX, COMMAND_BYTES_MAX - 1).is_err());
    assert!(record_length(&[20]).is_err());
    assert!(record_length(&[]).is_err());
}

#[test]
fn a_sku_is_bounded_in_characters() {
    // Proves limit − 1, limit and limit + 1 with characters of one to four bytes, that the refusal names the limit, and what a SKU
    // must not be or hold at its ends.
    let sku = |sku| Command::DefineSku(SkuDefinition { sku, ..SkuDefinition::default() });
    for character in ["x", "é", "€", "😀"] {
        for characters in [1, SKU_CHARACTERS_MAX - 1, SKU_CHARACTERS_MAX] {
            assert_eq!(through(sku(character.repeat(characters))), Ok(()), "{characters} {character}");
        }
        let too_long = character.repeat(SKU_CHARACTERS_MAX + 1);
        let refusal = BadField::new("sku", "must be at most 64 characters");
        assert_eq!(check_sku(&too_long), Err(refusal.clone()));
        assert_eq!(through(sku(too_long)), Err(refusal));
    }
    // A character is a Unicode scalar value: an e with a combining accent counts two.
    assert_eq!(through(sku("e\u{301}".repeat(SKU_CHARACTERS_MAX / 2))), Ok(()));
    assert_eq!(refused(sku("e\u{301}".repeat(SKU_CHARACTERS_MAX / 2) + "e")), "sku");
    assert_eq!("😀".repeat(SKU_CHARACTERS_MAX).len(), SKU_BYTES_MAX);
    for blank in ["", " ", " BIKE", "BIKE\t", "\u{2003}BIKE"] {
        assert_eq!(refused(sku(blank.into())), "sku");
    }
}

#[test]
fn a_new_name_keeps_the_rules_of_definitions() {
    // Proves the limit of each kind of name, one below and one above it, and what a name must not hold.
    let field = |name: Name| check_new_name(&name).err().map(|error| error.field);
    let long = |bytes: usize| "n".repeat(bytes);
    assert_eq!(field(Name::Sku(long(SKU_CHARACTERS_MAX))), None);
    assert_eq!(field(Name::Sku(long(SKU_CHARACTERS_MAX + 1))), Some("sku"));
    assert_eq!(field(Name::Sku(" BIKE".into())), Some("sku"));
    for empty in ["", "  "] {
        assert_eq!(field(Name::Sku(empty.into())), Some("sku"));
        assert_eq!(field(Name::Stock(empty.into())), Some("name"));
        assert_eq!(field(Name::Source(empty.into())), Some("code"));
        assert_eq!(field(Name::Channel(empty.into(), "us".into())), Some("channel_type"));
        assert_eq!(field(Name::Channel("website".into(), empty.into())), Some("code"));
    }
    assert_eq!(field(Name::Stock(long(NAME_BYTES_MAX))), None);
    assert_eq!(field(Name::Stock(long(NAME_BYTES_MAX + 1))), Some("name"));
    assert_eq!(field(Name::Source(long(NAME_BYTES_MAX))), None);
    assert_eq!(field(Name::Source(long(NAME_BYTES_MAX + 1))), Some("code"));
    assert_eq!(field(Name::Source("us east".into())), Some("code"));
    assert_eq!(field(Name::Channel(long(NAME_BYTES_MAX), long(NAME_BYTES_MAX))), None);
    assert_eq!(field(Name::Channel(long(NAME_BYTES_MAX + 1), "us".into())), Some("channel_type"));
    assert_eq!(field(Name::Channel("website".into(), long(NAME_BYTES_MAX + 1))), Some("code"));
}
