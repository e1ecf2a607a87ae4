//! The golden log of every version of the rules: the bytes of the log, the answer and the digest after each
//! op, and the snapshot at its end.
//!
//! A different digest means different rules: existing logs would replay to another state. Such a change
//! needs a new `RULES_VERSION` and a new log beside the old one. `STOCKHOLD_GOLDEN=write cargo test -p
//! stockhold-machine-tests golden` writes the files of the current version again.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod bulk;
mod flash;
mod generator;

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use stockhold_machine::config::BATCH_RULES;
use stockhold_machine::table::Progress;
use stockhold_machine::{
    BatchVerdict, Configuration, DigestPoint, Genesis, LoadError, Machine, RULES_VERSION, Section,
    SnapshotMark,
};
use stockhold_protocol::batch::{Actor, ActorKind, Batch, BatchHeader, Rights, Run};
use stockhold_protocol::codec::Reader;
use stockhold_protocol::limits::FEATURE_LEVEL;
use stockhold_protocol::{Outcome, Timestamp};

/// Bytes in front of a frame in a golden snapshot: section, records, length.
const FRAME_HEAD_BYTES: usize = 10;

/// Answers that must occur in the log.
const EXPECTED_ANSWERS: &[&str] = &[
    "ok",
    "frozen",
    "not_open",
    "partial",
    "confirmed_late",
    "sold_out",
    "no_source_in_stock",
    "not_assigned",
    "above_max_sale",
    "not_an_increment",
    "decimals_not_allowed",
    "below_min_sale",
    "composite",
    "quota_exceeded",
    "unknown_reservation",
    "already_confirmed",
    "already_closed",
    "expired",
    "too_late",
    "not_confirmed",
    "more_than_open",
    "more_than_shipped",
    "needed_elsewhere",
    "not_enough_at_source",
    "no_source_item",
    "owner_differs",
    "not_in_reservation",
    "unknown_link",
    "name_taken",
    "bad_field",
    "unknown_name",
    "id_reused",
    "id_too_old",
    "id_from_future",
    "ttl_out_of_range",
    "not_supported",
    "would_break_promises",
    "quantity_overflow",
    "beyond_maximum_total",
    "limit_reached",
];

fn file(extension: &str) -> PathBuf {
    let name = format!("rules-{RULES_VERSION}.{extension}");
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../golden").join(name)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the machine reads no environment variables; this test reads one to write golden files again"
)]
fn must_write() -> bool {
    // The stand-in for a later release never writes golden files.
    !cfg!(feature = "next-release") && std::env::var("STOCKHOLD_GOLDEN").is_ok_and(|word| word == "write")
}

fn genesis() -> Genesis {
    let configuration = Configuration { gap_max_ms: generator::GAP_MAX_MS, ..Configuration::default() };
    Genesis { formatted_at: Timestamp(generator::START_MS), configuration }
}

/// The batches of a golden log. Each is preceded by its length in four bytes.
fn batches(log: &[u8]) -> Vec<&[u8]> {
    let mut reader = Reader::new(log);
    let mut found = Vec::new();
    while let Ok(length) = reader.u32("length") {
        found.push(reader.take(usize::try_from(length).unwrap(), "batch").unwrap());
    }
    reader.finish().unwrap();
    found
}

/// The line of an op: its answer, and the digest after it.
fn answer_line(outcome: &Outcome, machine: &Machine) -> String {
    let replayed = if outcome.replayed { " replayed" } else { "" };
    format!(
        "{} {} {}{replayed} {:016x}\n",
        machine.op(),
        outcome.code.name(),
        outcome.value,
        machine.digest()
    )
}

/// Applies one batch and appends a line per op.
fn apply(machine: &mut Machine, payload: &[u8], into: &mut String) {
    let batch = Batch::decode(payload).unwrap();
    assert_eq!(batch.header.applied_op, machine.op());
    let digest = (batch.header.digest_op, batch.header.digest);
    assert_eq!(digest, (machine.op(), machine.digest()), "before op {}", machine.op() + 1);
    assert_eq!(machine.begin_batch(&batch.header), BatchVerdict::Apply);
    for entry in batch.entries() {
        let entry = entry.unwrap();
        if let Some(run) = &entry.run {
            machine.begin_run(run);
        }
        let outcome = machine.apply(batch.header.proposed, entry.record);
        into.push_str(&answer_line(&outcome, machine));
    }
    let ends = DigestPoint { op: machine.op(), digest: machine.digest() };
    assert!(machine.end_batch().is_none_or(|point| point == ends));
}

/// The records of a batch as runs of two actors in turn.
fn runs_of(records: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, records) in (0_u16..).zip(records.chunks(5)) {
        let actor = number % 2;
        let introduces = (number < 2).then(|| {
            let (kind, name) = [(ActorKind::Claimed, "web"), (ActorKind::Proved, "till")][usize::from(actor)];
            Actor { kind, name }
        });
        let run = Run {
            actor,
            introduces,
            rights: Rights::ALL,
            name_generation: 0,
            records: u32::try_from(records.len()).unwrap(),
        };
        run.put(|part| bytes.extend_from_slice(part));
        bytes.extend_from_slice(&records.concat());
    }
    bytes
}

/// The snapshot of a machine: for each frame its section, number of records, length and bytes.
fn snapshot(machine: &mut Machine) -> (SnapshotMark, Vec<u8>) {
    let mut bytes = Vec::new();
    let mark = machine.begin_snapshot();
    let mut sink = |section: u16, records: u32, frame: &[u8]| {
        bytes.extend_from_slice(&section.to_le_bytes());
        bytes.extend_from_slice(&records.to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(frame.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(frame);
    };
    while machine.snapshot_step(64, &mut sink) == Progress::More {}
    (mark, bytes)
}

/// Writes the golden files: the log, the answers and the snapshot.
fn write() {
    let mut machine = Machine::new(&genesis());
    let mut generator = generator::Generator::new();
    let (mut log, mut answers) = (Vec::new(), String::new());
    for number in 1..=generator::BATCHES {
        let records = generator.next_records();
        let proposed = generator.next_time();
        let header = BatchHeader {
            rules: BATCH_RULES,
            count: u32::try_from(records.len()).unwrap(),
            writer: 7,
            session: 1,
            number,
            proposed,
            feature_level: FEATURE_LEVEL,
            applied_op: machine.op(),
            digest_op: machine.op(),
            digest: machine.digest(),
        };
        let payload = [&header.to_bytes()[..], &runs_of(&records)].concat();
        log.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_le_bytes());
        log.extend_from_slice(&payload);
        apply(&mut machine, &payload, &mut answers);
    }
    let (_, frames) = snapshot(&mut machine);
    for (extension, bytes) in [("batches", &log[..]), ("answers", answers.as_bytes()), ("snapshot", &frames)]
    {
        fs::write(file(extension), bytes).unwrap();
    }
}

#[test]
fn the_golden_log_replays_to_the_same_answers_digests_and_snapshot() {
    // Proves that the rules decide as they did when the files were written, and that all bytes are the
    // same.
    if must_write() {
        write();
    }
    let log = fs::read(file("batches")).unwrap();
    let mut machine = Machine::new(&genesis());
    let mut answers = String::new();
    for payload in batches(&log) {
        apply(&mut machine, payload, &mut answers);
        assert_eq!(machine.validate(), Vec::<String>::new());
        assert_eq!(machine.begin_batch(&Batch::decode(payload).unwrap().header), BatchVerdict::Duplicate);
    }
    let golden = fs::read_to_string(file("answers")).unwrap();
    for (got, golden) in answers.lines().zip(golden.lines()) {
        assert_eq!(got, golden);
    }
    assert_eq!(answers.lines().count(), golden.lines().count());
    assert!(machine.op() >= 300, "the golden log has enough ops to cover the rules");
    let frames = snapshot(&mut machine).1;
    assert!(frames == fs::read(file("snapshot")).unwrap(), "the snapshot's bytes changed");
}

#[test]
fn the_golden_snapshot_loads_to_the_golden_digest() {
    // Proves that a snapshot of this version can still be loaded.
    let frames = fs::read(file("snapshot")).unwrap();
    let mut reader = Reader::new(&frames);
    let mut loader = Machine::loader();
    while let Ok(section) = reader.u16("section") {
        let records = reader.u32("records").unwrap();
        let length = usize::try_from(reader.u32("length").unwrap()).unwrap();
        loader.section(section, records, reader.take(length, "frame").unwrap()).unwrap();
    }
    let golden = fs::read_to_string(file("answers")).unwrap();
    let last: Vec<&str> = golden.lines().last().unwrap().split(' ').collect();
    let op = last[0].parse().unwrap();
    let digest = u64::from_str_radix(last[last.len() - 1], 16).unwrap();
    let mark = SnapshotMark { op, time: Timestamp(0), digest, rules_version: RULES_VERSION };
    let machine = loader.finish(&mark).unwrap();
    assert_eq!(machine.digest(), digest);
    assert_eq!(machine.validate(), Vec::<String>::new());
}

#[test]
fn a_snapshot_of_earlier_rules_is_refused_by_name() {
    // Proves that a state of rules 1 is refused, whether the core record or the mark states the version.
    let mut machine = Machine::new(&genesis());
    let (mark, frames) = snapshot(&mut machine);
    // The first field of the core record, after the head of the frame and of the field. The other fields do
    // not matter.
    let length = usize::try_from(u32::from_le_bytes(frames[6..10].try_into().unwrap())).unwrap();
    let mut core = frames[FRAME_HEAD_BYTES..][..length].to_vec();
    core[6..10].copy_from_slice(&1_u32.to_le_bytes());
    let refused = Machine::loader().section(Section::Core.number(), 1, &core);
    assert_eq!(refused, Err(LoadError::Rules { found: 1 }));
    let foreign = SnapshotMark { rules_version: RULES_VERSION + 1, ..mark };
    let refused = Machine::loader().finish(&foreign).map(|machine| machine.op());
    assert_eq!(refused, Err(LoadError::Rules { found: RULES_VERSION + 1 }));
    let message = LoadError::Rules { found: 1 }.to_string();
    assert!(message.contains("rules version 1") && message.contains("executes version 3"), "{message}");
}

#[test]
fn the_golden_log_contains_most_answers() {
    // Proves that the log covers the rules: an answer that does not occur in it could change unnoticed.
    let golden = fs::read_to_string(file("answers")).unwrap();
    let mut missing = String::new();
    for code in EXPECTED_ANSWERS {
        if !golden.lines().any(|line| line.split(' ').nth(1) == Some(code)) {
            write!(missing, "{code} ").unwrap();
        }
    }
    assert_eq!(missing, "");
}
