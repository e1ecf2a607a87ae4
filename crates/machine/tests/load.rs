//! What a loader refuses although every record and the sum of their hashes is right.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use stockhold_machine::table::record_hash;
use stockhold_machine::{Genesis, LoadError, Machine, Progress, Section, SnapshotMark};
use stockhold_protocol::command::{
    Count, LinkDefinition, Reserve, SkuDefinition, SourceDefinition, StockDefinition, Target,
};
use stockhold_protocol::{
    Code, Command, CommandId, Envelope, Line, Lines, Quantity, SkuId, SourceId, StockId, Timestamp,
};

const NOW: Timestamp = Timestamp(1_763_800_000_000);

/// The record of an outcome without side bytes (FORMAT.md).
const OUTCOME_BYTES: usize = 40;

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

/// The frames of a snapshot, and what it promises.
fn snapshot(machine: &mut Machine) -> (Vec<(u16, u32, Vec<u8>)>, SnapshotMark) {
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

#[test]
fn an_order_without_its_outcome_is_refused() {
    // Proves that a snapshot cannot hold a grant whose answer would come into being by loading it: the next snapshot of such a state
    // would hold more than its digest sums up.
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
