//! A snapshot, damaged as a file or, behind its checksums, as sections of records. The first byte chooses. The digest
//! is not repaired: a valid digest proves that a machine wrote the records.

use super::draw::Draw;
use super::history::{self, History};
use std::sync::LazyLock;
use stockhold::snapshot::{self, SnapshotHeader, SnapshotWriter, snapshot_name};
use stockhold::storage::recording::RecordingStorage;
use stockhold::storage::{ReadFrom, Storage};
use stockhold_machine::{LoadError, Machine, Progress, SnapshotMark};
use stockhold_protocol::Timestamp;
use stockhold_protocol::limits::FEATURE_LEVEL;
use uuid::Uuid;

const LOG: Uuid = Uuid::from_u128(0x0011_2233_4455_6677_8899_AABB_CCDD_EEFF);
/// Maximum number of damages of one input.
const DAMAGES_MAX: usize = 32;
/// No frame is made longer than this.
const FRAME_BYTES_MAX: usize = 64 * 1024;

/// Records of one section.
#[derive(Clone, Debug)]
struct Section {
    kind: u16,
    records: u32,
    bytes: Vec<u8>,
}

struct Taken {
    mark: SnapshotMark,
    sections: Vec<Section>,
    name: String,
    file: Vec<u8>,
}

static TAKEN: LazyLock<Taken> = LazyLock::new(|| {
    let mut lived = History::new();
    lived.apply_batch(&history::shop(), 1);
    lived.apply_batch(&history::sale(), 1);
    let (mark, sections) = take(&mut lived.machine);
    let disk = RecordingStorage::new();
    let header = SnapshotHeader {
        log_uuid: LOG,
        epoch: 1,
        op: mark.op,
        position: mark.op,
        time_ms: mark.time.0,
        rules_version: mark.rules_version,
        feature_level: FEATURE_LEVEL,
    };
    let mut writer = SnapshotWriter::create(disk.share(), header).expect("memory does not fail");
    for section in &sections {
        writer.push_frame(section.kind, section.records, &section.bytes).expect("memory does not fail");
    }
    writer.finish(*b"sixteen of these").expect("memory does not fail");
    let name = snapshot_name(mark.op);
    let file = disk.contents(&name).expect("it was written");
    Taken { mark, sections, name, file }
});

fn take(machine: &mut Machine) -> (SnapshotMark, Vec<Section>) {
    let mut sections = Vec::new();
    let mark = machine.begin_snapshot();
    let mut sink = |kind: u16, records: u32, bytes: &[u8]| {
        sections.push(Section { kind, records, bytes: bytes.to_vec() });
    };
    while machine.snapshot_step(64, &mut sink) == Progress::More {}
    (mark, sections)
}

/// Damages a snapshot and reads it.
pub fn run(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    if draw.byte().is_multiple_of(4) {
        read_file(&mut draw);
    } else {
        load_sections(&mut draw);
    }
}

/// Every changed byte is detected.
fn read_file(draw: &mut Draw<'_>) {
    let mut file = TAKEN.file.clone();
    for _ in 0..DAMAGES_MAX {
        if draw.is_empty() || file.is_empty() {
            break;
        }
        match draw.byte() % 4 {
            0 | 1 => {
                let at = usize::from(draw.word()) % file.len();
                let length = draw.below(9).min(file.len() - at);
                let bytes = draw.take(length);
                file[at..at + bytes.len()].copy_from_slice(bytes);
            }
            2 => file.truncate(usize::from(draw.word()) % (file.len() + 1)),
            _ => {
                let length = draw.below(40);
                file.extend_from_slice(draw.take(length));
            }
        }
    }
    let disk = RecordingStorage::new();
    disk.forget_history();
    disk.replace(&TAKEN.name, &file).expect("memory does not fail");
    let read = snapshot::verify(&disk, &TAKEN.name, LOG, ReadFrom::Cache, |_, _| ());
    assert_eq!(read.is_ok(), file == TAKEN.file, "a changed byte was not noticed");
}

fn load_sections(draw: &mut Draw<'_>) {
    let mut sections = TAKEN.sections.clone();
    for _ in 0..DAMAGES_MAX {
        if draw.is_empty() || sections.is_empty() {
            break;
        }
        damage(draw, &mut sections);
    }
    match load(&sections, &TAKEN.mark) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(mut machine) => {
            // The frames may be cut differently, and the records of a section may be in another order.
            let violations = machine.validate();
            assert!(violations.is_empty(), "a state that was not saved was loaded: {violations:?}");
            live_on(&mut machine, &TAKEN.mark);
        }
    }
}

fn load(sections: &[Section], mark: &SnapshotMark) -> Result<Machine, LoadError> {
    let mut loader = Machine::loader();
    for section in sections {
        loader.section(section.kind, section.records, &section.bytes)?;
    }
    loader.finish(mark)
}

fn damage(draw: &mut Draw<'_>, sections: &mut Vec<Section>) {
    let kind = draw.byte();
    let at = draw.below(sections.len());
    let length = sections[at].bytes.len();
    match kind % 8 {
        0..=3 => {
            let start = draw.below(length);
            let count = draw.below(9).min(length - start.min(length));
            let bytes = draw.take(count);
            sections[at].bytes[start..start + bytes.len()].copy_from_slice(bytes);
        }
        4 => sections[at].records = u32::from(draw.byte()),
        5 => {
            sections.remove(at);
        }
        6 => {
            let copied = sections[at].clone();
            sections.insert(at, copied);
        }
        _ => {
            // The records of the section are repeated after them.
            let section = &mut sections[at];
            if length * 2 <= FRAME_BYTES_MAX {
                section.bytes.extend_from_within(..);
                section.records = section.records.saturating_mul(2);
            }
        }
    }
}

/// A state that was accepted stays sound, whatever is asked of it, and its own snapshot restores it.
fn live_on(machine: &mut Machine, mark: &SnapshotMark) {
    for (number, record) in (1..).zip(history::sale().iter().chain(&history::shop())) {
        machine.apply(Timestamp(mark.time.0.saturating_add(number * 100_000)), record);
        machine.sweep(8);
    }
    let violations = machine.validate();
    assert!(violations.is_empty(), "a sound state was made unsound: {violations:?}");
    let digest = machine.digest();
    let (mark, sections) = take(machine);
    let again = load(&sections, &mark).expect("the snapshot of a sound state loads");
    assert_eq!(again.digest(), digest);
}
