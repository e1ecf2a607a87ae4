//! Snapshots that a loader refuses although every record can be read and the sum of their hashes is
//! correct.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use stockhold_machine::config::{ACTORS_MAX, BATCH_RULES};
use stockhold_machine::table::record_hash;
use stockhold_machine::{
    BatchVerdict, Genesis, GenesisError, LoadError, Machine, Progress, RULES_VERSION, Section, SnapshotMark,
};
use stockhold_protocol::batch::{Actor, ActorKind, BatchHeader, Rights, Run};
use stockhold_protocol::command::{
    Change, Count, LinkDefinition, Reserve, SettingScope, SettingsChange, SkuDefinition, SourceDefinition,
    StockDefinition, Target,
};
use stockhold_protocol::limits::FEATURE_LEVEL;
use stockhold_protocol::query::{MakerKind, Query, QueryAnswer};
use stockhold_protocol::{
    Code, Command, CommandId, Envelope, Line, Lines, Quantity, SkuId, SourceId, StockId, Timestamp,
};

const NOW: Timestamp = Timestamp(1_763_800_000_000);

/// The record of an outcome without side bytes (FORMAT.md).
const OUTCOME_BYTES: usize = 40;
const CODE_AT: usize = 36;
const SIDE_FLAG_AT: usize = 37;
const SIDE_AT: usize = 40;

/// A machine with one order.
fn machine() -> Machine {
    let mut machine = Machine::new(&Genesis::default());
    let quantity = Quantity::units(10).unwrap();
    let lines = [Line::new(SkuId(0), Quantity::units(1).unwrap())];
    let commands = [
        Command::DefineSource(Box::new(SourceDefinition {
            code: "east".into(),
            name: "East".into(),
            country: "US".into(),
            postcode: "1".into(),
            enabled: true,
            ..SourceDefinition::default()
        })),
        Command::DefineStock(StockDefinition { name: "web".into() }),
        Command::DefineSku(SkuDefinition { sku: "A".into(), ..SkuDefinition::default() }),
        Command::Link(LinkDefinition { stock: StockId(0), source: SourceId(0), priority: 1 }),
        Command::Count(Count {
            source: SourceId(0),
            sku: SkuId(0),
            quantity,
            in_stock: None,
            reason: String::new(),
            reference: String::new(),
        }),
        Command::Reserve(Reserve {
            target: Target::Stock(StockId(0)),
            lines: Lines::Slice(&lines),
            best_effort: false,
            ttl_ms: None,
            owner: 0,
            reference: "",
        }),
    ];
    for (number, command) in (1..).zip(commands) {
        let mut record = Vec::new();
        Envelope::new(CommandId::from_parts(NOW.0, number), command).encode(&mut record).unwrap();
        assert_eq!(machine.apply(NOW, &record).code, Code::Ok);
    }
    machine
}

/// Section, number of records and bytes of each frame.
type Frames = Vec<(u16, u32, Vec<u8>)>;

/// The frames and the mark of a snapshot.
fn snapshot(machine: &mut Machine) -> (Frames, SnapshotMark) {
    let mut frames = Vec::new();
    let mark = machine.begin_snapshot();
    let mut sink = |section, records, bytes: &[u8]| frames.push((section, records, bytes.to_vec()));
    while machine.snapshot_step(1_000, &mut sink) == Progress::More {}
    (frames, mark)
}

fn load(frames: &[(u16, u32, Vec<u8>)], mark: &SnapshotMark) -> Result<Machine, LoadError> {
    let mut loader = Machine::loader();
    for (section, records, bytes) in frames {
        loader.section(*section, *records, bytes)?;
    }
    loader.finish(mark)
}

/// The frame of an outcome, and the position of its bytes there.
fn position_of(frames: &[(u16, u32, Vec<u8>)], id: CommandId) -> (usize, usize) {
    let id = id.to_bytes();
    let of_id = |bytes: &[u8]| bytes.windows(id.len()).position(|window| window == id);
    let is_outcome = |section: u16| section == Section::Outcome as u16;
    let found = frames.iter().enumerate().find_map(|(number, (section, _, bytes))| {
        of_id(bytes).filter(|_| is_outcome(*section)).map(|at| (number, at))
    });
    found.unwrap()
}

/// Loads the snapshot with one byte of an outcome's record changed, and with the digest of the changed
/// record.
fn load_with(at_id: CommandId, offset: usize, byte: u8) -> Result<Machine, LoadError> {
    let (mut frames, mut mark) = snapshot(&mut machine());
    let (number, at) = position_of(&frames, at_id);
    let bytes = &mut frames[number].2;
    let length = OUTCOME_BYTES + usize::from(u16::from_le_bytes([bytes[at + 38], bytes[at + 39]]));
    let hash = |bytes: &[u8]| record_hash(Section::Outcome as u8, &bytes[at..at + length]);
    let before = hash(bytes);
    bytes[at + offset] = byte;
    mark.digest = mark.digest.wrapping_sub(before).wrapping_add(hash(bytes));
    load(&frames, &mark)
}

#[test]
fn a_recorded_answer_that_this_program_cannot_read_is_refused_by_name() {
    // Proves that a code that this program does not know is never replayed as a success, and that a detail
    // that it cannot decode is never dropped: neither those of a later program, nor those that are never
    // recorded.
    let (plain, detailed) = (CommandId::from_parts(NOW.0, 3), CommandId::from_parts(NOW.0, 5));
    assert!(load_with(plain, CODE_AT, Code::Ok.number()).is_ok());
    for code in [3, 31, 100, 125, Code::Busy.number(), Code::NotSupported.number(), 255] {
        let refused = load_with(plain, CODE_AT, code).map(|machine| machine.op());
        let rule = "is not a known code of recorded outcomes";
        assert_eq!(refused, Err(LoadError::Record(Section::Outcome, "outcome.code", rule)), "{code}");
    }
    // The detail of a count follows the value and begins with its variant.
    for (offset, byte) in
        [(SIDE_AT + 4, 99), (SIDE_AT + 4, 0), (SIDE_AT + 4, 1), (SIDE_FLAG_AT, 2), (SIDE_FLAG_AT, 0)]
    {
        let refused = load_with(detailed, offset, byte).map(|machine| machine.op()).unwrap_err();
        let LoadError::Record(Section::Outcome, field, _) = refused else {
            panic!("{offset} {byte}: {refused}");
        };
        assert!(!field.is_empty());
    }
}

#[test]
fn reserved_bytes_that_are_used_are_refused() {
    // Proves that data that a later version stores in reserved bytes, shapes and fields is not lost
    // silently.
    let (frames, mark) = snapshot(&mut machine());
    let unknown = [
        (Section::Position, 36, 1),
        (Section::Item, 31, 1),
        // A shape and a stage that do not exist, and a wide record without the bytes of one.
        (Section::Reservation, 0, 3),
        (Section::Reservation, 1, 6),
        (Section::Reservation, 0, 2),
        // The number of the first field, of a SKU and of a source.
        (Section::Sku, 4, 9),
        (Section::Source, 4, 9),
    ];
    for (section, offset, byte) in unknown {
        let mut frames = frames.clone();
        let (.., bytes) = frames.iter_mut().find(|(number, ..)| *number == section as u16).unwrap();
        bytes[offset] = byte;
        let refused = load(&frames, &mark).map(|machine| machine.op());
        assert!(
            matches!(refused, Err(LoadError::Record(of, ..)) if of == section),
            "{section:?}: {refused:?}"
        );
    }
}

#[test]
fn a_genesis_of_other_rules_is_refused_by_name() {
    // Proves that a directory without a snapshot states the rules of its log, and that nothing else in it
    // is read if they differ.
    let genesis = Genesis { formatted_at: NOW, ..Genesis::default() };
    let bytes = genesis.encode();
    assert_eq!(Genesis::decode(&bytes), Ok(genesis));
    for found in [RULES_VERSION - 1, RULES_VERSION + 1] {
        // The bytes after the version may have any format under other rules.
        let other = [&bytes[..6], &found.to_le_bytes(), b"anything"].concat();
        assert_eq!(Genesis::decode(&other), Err(GenesisError::Rules { found }));
    }
    for length in 0..bytes.len() {
        assert!(Genesis::decode(&bytes[..length]).is_err());
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(Genesis::decode(&longer).is_err());
}

#[test]
fn an_order_without_its_outcome_is_refused() {
    // Proves that a snapshot must not contain a grant without its outcome. Loading it would create the
    // outcome, and the next snapshot of the state would contain more than the digest covers.
    let (mut frames, mut mark) = snapshot(&mut machine());
    assert!(load(&frames, &mark).is_ok());
    let id = CommandId::from_parts(NOW.0, 6).to_bytes();
    let of_order = |bytes: &[u8]| bytes.windows(id.len()).position(|window| window == id);
    let (_, records, bytes) = frames
        .iter_mut()
        .find(|(section, _, bytes)| *section == Section::Outcome as u16 && of_order(bytes).is_some())
        .unwrap();
    let at = of_order(bytes).unwrap();
    let removed: Vec<u8> = bytes.drain(at..at + OUTCOME_BYTES).collect();
    *records -= 1;
    mark.digest = mark.digest.wrapping_sub(record_hash(Section::Outcome as u8, &removed));
    assert_eq!(load(&frames, &mark).unwrap_err(), LoadError::Dangling(Section::Outcome));
}

/// A field of a later release, optional or not.
fn later_field(is_optional: bool) -> Vec<u8> {
    let number: u16 = if is_optional { 0x8063 } else { 0x63 };
    [&number.to_le_bytes()[..], &3_u32.to_le_bytes(), b"new"].concat()
}

/// Adds a field to the first record of a section, and to the digest; the core record has no length in front.
fn with_field(
    section: Section,
    is_optional: bool,
    (frames, mark): &(Frames, SnapshotMark),
) -> (Frames, SnapshotMark) {
    let (mut frames, mut mark) = (frames.clone(), *mark);
    let (number, _, bytes) = frames.iter_mut().find(|(number, ..)| *number == section.number()).unwrap();
    let seed = u8::try_from(*number).unwrap();
    let length = if section == Section::Core {
        bytes.len()
    } else {
        4 + usize::try_from(u32::from_le_bytes(bytes[..4].try_into().unwrap())).unwrap()
    };
    let field = later_field(is_optional);
    let mut record = [&bytes[..length], &field].concat();
    if section != Section::Core {
        let inner = u32::try_from(record.len() - 4).unwrap();
        record[..4].copy_from_slice(&inner.to_le_bytes());
    }
    mark.digest = mark
        .digest
        .wrapping_sub(record_hash(seed, &bytes[..length]))
        .wrapping_add(record_hash(seed, &record));
    *bytes = [&record[..], &bytes[length..]].concat();
    (frames, mark)
}

#[test]
fn an_optional_field_of_a_later_release_is_kept_and_any_other_refused() {
    // Proves that a directory loses no optional fields when an earlier release uses it, and that fields
    // that are not optional are refused by name. The loaded machine is used in between.
    let whole = snapshot(&mut machine());
    for section in [Section::Core, Section::Source, Section::Stock, Section::Link] {
        let (frames, mark) = with_field(section, true, &whole);
        let mut loaded = load(&frames, &mark).unwrap();
        assert_eq!(loaded.validate(), Vec::<String>::new());
        let (again, mark_again) = snapshot(&mut loaded);
        assert_eq!((again, mark_again), (frames, mark), "{section:?}");
    }
    for section in [Section::Core, Section::Source, Section::Stock, Section::Link, Section::Sku] {
        let (frames, mark) = with_field(section, false, &whole);
        let refused = load(&frames, &mark).map(|machine| machine.op());
        assert!(
            matches!(refused, Err(LoadError::Record(of, "field.number", _)) if of == section),
            "{section:?}: {refused:?}"
        );
    }
    let (frames, mark) = with_field(Section::Sku, true, &whole);
    assert!(load(&frames, &mark).is_err(), "a SKU's row has no place for it");
}

#[test]
fn a_source_that_changes_keeps_the_optional_field_of_a_later_release() {
    // Proves that such a field stays with its record when other fields of the record change.
    let (frames, mark) = with_field(Section::Source, true, &snapshot(&mut machine()));
    let mut machine = load(&frames, &mark).unwrap();
    let mut record = Vec::new();
    let renamed = SourceDefinition {
        code: "east".into(),
        name: "Far East".into(),
        country: "US".into(),
        postcode: "1".into(),
        enabled: true,
        ..SourceDefinition::default()
    };
    let command = Command::DefineSource(Box::new(renamed));
    Envelope::new(CommandId::from_parts(NOW.0, 99), command).encode(&mut record).unwrap();
    assert_eq!(machine.apply(NOW, &record).code, Code::Ok);
    let (frames, mark) = snapshot(&mut machine);
    let (.., bytes) = frames.iter().find(|(number, ..)| *number == Section::Source.number()).unwrap();
    assert!(bytes.ends_with(&later_field(true)));
    assert!(load(&frames, &mark).is_ok());
}

/// Reserves one unit in a run of its own that introduces this actor.
fn reserve_as(machine: &mut Machine, number: u128, actor: Actor<'_>) -> CommandId {
    let id = CommandId::from_parts(NOW.0, number);
    let lines = [Line::new(SkuId(0), Quantity::from_raw(1).unwrap())];
    let reserve = Reserve {
        target: Target::Stock(StockId(0)),
        lines: Lines::Slice(&lines),
        best_effort: false,
        ttl_ms: None,
        owner: 0,
        reference: "",
    };
    let mut record = Vec::new();
    Envelope::new(id, Command::Reserve(reserve)).encode(&mut record).unwrap();
    let header = BatchHeader {
        rules: BATCH_RULES,
        feature_level: FEATURE_LEVEL,
        count: 1,
        writer: 1,
        session: u64::try_from(number).unwrap(),
        number: 1,
        proposed: NOW,
        applied_op: 0,
        digest_op: 0,
        digest: 0,
    };
    assert_eq!(machine.begin_batch(&header), BatchVerdict::Apply);
    let run = Run { actor: 0, introduces: Some(actor), rights: Rights::ALL, name_generation: 0, records: 1 };
    machine.begin_run(&run);
    assert_eq!(machine.apply(NOW, &record).code, Code::Ok);
    id
}

/// The actor of a reservation, and whether its name is proved.
fn maker_of(machine: &Machine, id: CommandId) -> (String, MakerKind) {
    let Some(QueryAnswer::Reservation(Some(view))) = machine.query(&Query::Reservation(id.to_bytes())) else {
        panic!("the reservation is kept");
    };
    (view.actor, view.actor_kind)
}

#[test]
fn a_reservation_keeps_its_actor_through_a_snapshot() {
    // Proves that a claimed name and a proved name are two actors, that each reservation reports its actor,
    // and that actors beyond the limit share one number, before and after loading.
    let mut machine = machine();
    let define = Command::Settings(Box::new(SettingsChange {
        min_sale_qty: Change::Set(Quantity::ZERO),
        ..SettingsChange::at(SettingScope::Global)
    }));
    let decimals = SkuDefinition { sku: "A".into(), decimals: true, ..SkuDefinition::default() };
    for (number, command) in [(90, define), (91, Command::DefineSku(decimals))] {
        let mut record = Vec::new();
        Envelope::new(CommandId::from_parts(NOW.0, number), command).encode(&mut record).unwrap();
        assert_eq!(machine.apply(NOW, &record).code, Code::Ok);
    }
    let names: Vec<String> = (0..ACTORS_MAX - 1).map(|number| format!("client {number}")).collect();
    let mut expected = Vec::new();
    let shop = |kind| Actor { kind, name: "shop" };
    expected.push((reserve_as(&mut machine, 100, shop(ActorKind::Claimed)), "shop", MakerKind::Claimed));
    for (number, name) in (101..).zip(&names[..ACTORS_MAX - 2]) {
        let id = reserve_as(&mut machine, number, Actor { kind: ActorKind::Claimed, name });
        expected.push((id, name, MakerKind::Claimed));
    }
    assert_eq!(machine.stats().actors, 4_095);
    expected.push((reserve_as(&mut machine, 9_000, shop(ActorKind::Proved)), "shop", MakerKind::Proved));
    expected.push((
        reserve_as(&mut machine, 9_001, Actor { kind: ActorKind::Claimed, name: "late" }),
        "",
        MakerKind::Others,
    ));
    expected.push((reserve_as(&mut machine, 9_002, shop(ActorKind::Claimed)), "shop", MakerKind::Claimed));
    let (frames, mark) = snapshot(&mut machine);
    for machine in [&machine, &load(&frames, &mark).unwrap()] {
        assert_eq!(machine.stats().actors, 4_096);
        assert_eq!(machine.validate(), Vec::<String>::new());
        for (id, name, kind) in &expected {
            assert_eq!(maker_of(machine, *id), ((*name).to_owned(), *kind));
        }
    }
}

#[test]
fn orders_and_reservations_must_agree() {
    // Proves that a snapshot is refused in which the order of a reservation is missing, or in which an order of which nothing
    // was confirmed has no reservation.
    for ttl_ms in [None, Some(60_000)] {
        let mut machine = machine();
        let lines = [Line::new(SkuId(0), Quantity::units(1).unwrap())];
        let reserve = Reserve {
            target: Target::Stock(StockId(0)),
            lines: Lines::Slice(&lines),
            best_effort: false,
            ttl_ms,
            owner: 7,
            reference: "100000123",
        };
        let id = CommandId::from_parts(NOW.0, 77);
        let mut record = Vec::new();
        Envelope::new(id, Command::Reserve(reserve)).encode(&mut record).unwrap();
        assert_eq!(machine.apply(NOW, &record).code, Code::Ok);
        let (frames, mark) = snapshot(&mut machine);
        let loaded = load(&frames, &mark).unwrap();
        let order = Query::Order("100000123".into());
        assert_eq!(loaded.query(&order), machine.query(&order));
        for section in [Section::Order, Section::Note] {
            let of_section = |frame: &&(u16, u32, Vec<u8>)| frame.0 == section as u16;
            let removed = frames.iter().find(of_section).unwrap();
            assert_eq!(removed.1, 1);
            let digest = mark.digest.wrapping_sub(record_hash(section as u8, &removed.2));
            let rest: Vec<_> = frames.iter().filter(|frame| !of_section(frame)).cloned().collect();
            let refused = load(&rest, &SnapshotMark { digest, ..mark }).map(|_| ());
            // An order with confirmed units may have none of its reservations left.
            let is_sound = section == Section::Note && ttl_ms.is_none();
            assert_eq!(refused, if is_sound { Ok(()) } else { Err(LoadError::Dangling(Section::Order)) });
        }
    }
}
