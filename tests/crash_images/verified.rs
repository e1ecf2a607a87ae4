//! Reports of `verify` on unusual directories: trimmed, restored, with a skipped op, with lost answers, with extra or
//! missing files.

use super::flips::trimmed;
use super::life::{PER_ROUND, ROUNDS, live_with, open_shop, time_of, with_command};
use super::world::{START_MS, World, format_disk, small};
use stockhold::config::DurabilityChoice;
use stockhold::directory::{Directory, EpochReason, FormatOptions, ReadOnlyDirectory};
use stockhold::recovery::{RecoveryError, recover};
use stockhold::replica::ReplicaError;
use stockhold::snapshot::{LogPoint, SnapshotHeader, SnapshotWriter, snapshot_name};
use stockhold::storage::memory::Survival;
use stockhold::storage::recording::RecordingStorage;
use stockhold::storage::{ReadFrom, ReadStorage, Storage};
use stockhold::verify::{Fault, Note, Verification, verify};
use stockhold::wal::EndReason;
use stockhold::wal::segment::segment_name;
use stockhold_machine::Genesis;
use stockhold_protocol::Code;
use uuid::Uuid;

/// Verifies a directory and checks that nothing was changed.
fn verified(disk: &RecordingStorage) -> Verification {
    let before = disk.moment();
    let mut last = (0, 1);
    let answer = verify(&disk.share_to_read(), |done, all| last = (done, all)).unwrap();
    assert_eq!(disk.moment(), before, "verify changed something");
    assert_eq!(last.0, last.1, "progress ends at the end");
    answer
}

fn sound(disk: &RecordingStorage) -> Verification {
    let answer = verified(disk);
    assert!(answer.is_sound(), "{:?}", answer.findings);
    answer
}

fn segments(disk: &RecordingStorage) -> Vec<String> {
    let names = disk.list().unwrap().into_iter().map(|file| file.name);
    names.filter(|name| name.ends_with(".segment")).collect()
}

/// The state after a start.
fn recovered(disk: &RecordingStorage) -> (u64, u64) {
    let directory = Directory::open(disk.share()).unwrap();
    let report = recover(&directory, |_| ()).unwrap().report;
    (report.recovered_ops, report.digest)
}

#[test]
fn a_log_that_reaches_back_to_its_first_op_is_replayed_from_there() {
    // Proves the report of a directory without trimming: where the replay began, what was read, how the log ends.
    let life = live_with(&RecordingStorage::new(), &small(), false);
    let disk = life.storage.crash_now(Survival::Nothing);
    let answer = sound(&disk);
    assert_eq!(answer.replayed.len(), 1);
    assert_eq!((answer.replayed[0].snapshot_op, answer.log.first_position), (None, 1));
    assert_eq!(
        (answer.log.records, answer.replayed[0].ops),
        (answer.end.unwrap().last_position, answer.log.records)
    );
    assert_eq!(answer.end.unwrap().reason, EndReason::Crash);
    assert_eq!(answer.state, Some(recovered(&disk)));
    let used = answer.end.unwrap().segment;
    assert_eq!(answer.log.tally.segments, used);
    assert!(answer.log.tally.bytes >= answer.log.tally.frames * 4_096 + used * 8_192);
    // The prepared segment after it is reported as unused.
    let unused = Note::Unused { file: segment_name(used + 1), is_torn: false };
    assert!(answer.notes.contains(&unused), "{:?}", answer.notes);
}

#[test]
fn a_skipped_op_is_reported_and_is_not_damage() {
    // Proves that the replay skips what a start skips and reports it; and that an op that a snapshot contains cannot be
    // skipped unnoticed.
    let life = live_with(&RecordingStorage::new(), &small(), true);
    let disk = life.storage.crash_now(Survival::Everything);
    let last_op = *life.digests.last_key_value().unwrap().0;
    let newest = verified(&disk).snapshots.last().unwrap().op;
    let op_of_last = life.ledger.iter().rfind(|known| known.outcome.code == Code::Ok).unwrap().outcome.op;
    assert!(op_of_last > newest);
    let order = |op| {
        let image = disk.crash_now(Survival::Everything);
        let mut directory = Directory::open(image.share()).unwrap();
        directory
            .add_skip(
                op,
                "it stopped the server",
                LogPoint { position: last_op, op: last_op },
                time_of(1_000),
            )
            .unwrap();
        drop(directory);
        image.crash_now(Survival::Everything)
    };
    let image = order(op_of_last);
    let answer = sound(&image);
    assert_eq!((answer.skipped_ops, answer.state), (1, Some(recovered(&image))));
    let is_told = |note: &Note| matches!(note, Note::Skipped { op, epoch: 2, .. } if *op == op_of_last);
    assert!(answer.notes.iter().any(is_told), "{:?}", answer.notes);
    // The server continues to write in the new epoch.
    drop(World::start(&image, &small(), time_of(1_001), 99).unwrap());
    sound(&image);

    let oldest = verified(&disk).snapshots[0].op;
    let within = life.ledger.iter().map(|known| &known.outcome);
    let mut within =
        within.filter(|outcome| outcome.code == Code::Ok && outcome.op > oldest && outcome.op <= newest);
    let image = order(within.next_back().unwrap().op);
    let answer = verified(&image);
    assert!(matches!(answer.findings[0].fault, Fault::Digest { .. }), "{:?}", answer.findings);
    assert_eq!(answer.findings[0].file, snapshot_name(newest));
}

#[test]
fn a_possible_loss_after_an_unclean_stop_is_reported() {
    // Proves durability = interval: before the next start the report says that answers may be lost, after it that an
    // epoch began for that reason.
    let mut config = small();
    config.log.durability = DurabilityChoice::Interval;
    config.log.interval_ms = 200;
    let life = live_with(&RecordingStorage::new(), &config, false);
    for survival in [Survival::Nothing, Survival::Everything, Survival::Drawn(3), Survival::Drawn(4)] {
        let image = life.storage.crash_now(survival);
        let answer = sound(&image);
        let last_position = answer.end.unwrap().last_position;
        assert!(answer.notes.contains(&Note::MayHaveLost { last_position }), "{:?}", answer.notes);
        drop(World::start(&image, &config, time_of(ROUNDS * PER_ROUND), 99).unwrap());
        let answer = sound(&image);
        let unclean = Note::Unclean { epoch: 2, first_position: last_position + 1 };
        assert!(answer.notes.contains(&unclean), "{survival:?}: {:?}", answer.notes);
    }
}

/// A directory as a restore leaves it: a new log, whose positions continue at this one, after the snapshot of another
/// log.
fn restored(position: u64) -> (RecordingStorage, u64) {
    let from = RecordingStorage::new();
    format_disk(&from, &small());
    let mut world = World::start(&from, &small(), START_MS, 7).unwrap();
    open_shop(&mut world);
    for number in 1..=40 {
        with_command(number, |command| world.call(&[command]));
    }
    world.ask_for_snapshot();
    world.run();
    drop(world);
    let directory = ReadOnlyDirectory::open(from.share()).unwrap();
    let base_op = directory.snapshots().unwrap()[0];

    let disk = RecordingStorage::new();
    let log_uuid = Uuid::from_u128(77);
    let base = LogPoint { position, op: base_op };
    let options = FormatOptions {
        log_uuid,
        epoch: 5,
        reason: EpochReason::Restore,
        base,
        now_ms: START_MS,
        salt_seed: 3,
        segment_bytes: small().log.segment_bytes,
        genesis: Genesis::default().encode(),
    };
    drop(Directory::format(disk.share(), options).unwrap());
    let mut reader = directory.read_snapshot(base_op, ReadFrom::Cache).unwrap();
    let header = SnapshotHeader { log_uuid, epoch: 5, position, ..*reader.header() };
    let mut writer = SnapshotWriter::create(disk.share(), header).unwrap();
    while let Some(frame) = reader.next_frame().unwrap() {
        writer.push_frame(frame.kind, frame.records, frame.payload).unwrap();
    }
    writer.finish(reader.into_summary().unwrap().digest).unwrap();
    (disk, base_op)
}

#[test]
fn a_restored_directory_is_replayed_from_what_it_was_restored_to() {
    // Proves a base op other than 0 with several base positions, with an empty log and with one that was continued, and
    // that no server can start without the snapshot.
    for base_position in [0, 20, 4_000] {
        check_restored(base_position);
    }
}

fn check_restored(base_position: u64) {
    let (disk, base_op) = restored(base_position);
    let answer = sound(&disk);
    assert!(answer.notes.contains(&Note::Restored { base_op }));
    assert_eq!(answer.end.unwrap().reason, EndReason::Restore);
    assert_eq!(answer.state, Some(recovered(&disk)));
    let mut world = World::start(&disk, &small(), time_of(100), 9).unwrap();
    for number in 100..=140 {
        with_command(number, |command| world.call(&[command]));
    }
    drop(world);
    let answer = sound(&disk);
    assert_eq!(answer.log.first_position, base_position + 1);
    assert_eq!(answer.replayed[0].snapshot_op, Some(base_op));
    assert!(answer.replayed[0].ops > 40);
    assert_eq!(answer.state, Some(recovered(&disk)));
    disk.remove(&snapshot_name(base_op)).unwrap();
    let answer = verified(&disk);
    assert!(matches!(answer.findings[0].fault, Fault::NoStart { .. }), "{:?}", answer.findings);
    let refused = recover(&Directory::open(disk.share()).unwrap(), |_| ()).unwrap_err();
    assert!(matches!(refused, RecoveryError::Replica(ReplicaError::NoStart { .. })), "{refused}");
}

#[test]
fn missing_files_are_damage_where_something_needs_them() {
    // Proves each file of a trimmed directory: a gap in the log and a lost end are found, a snapshot that the log no
    // longer reaches is a note, and a directory without the newest snapshot is sound, because the older one and the log
    // lead to the same state.
    let disk = trimmed();
    let clean = sound(&disk);
    let (oldest, newest) = (clean.snapshots[0].op, clean.snapshots[1].op);
    let without = |names: &[&str]| {
        let image = disk.crash_now(Survival::Everything);
        for name in names {
            image.remove(name).unwrap();
        }
        verified(&image)
    };
    let answer = without(&[&snapshot_name(newest)]);
    assert!(answer.is_sound(), "{:?}", answer.findings);
    assert_eq!(answer.state, clean.state);

    let answer = without(&[&snapshot_name(oldest)]);
    assert!(answer.is_sound(), "{:?}", answer.findings);
    assert_eq!(answer.replayed[0].snapshot_op, Some(newest));

    let answer = without(&[&snapshot_name(oldest), &snapshot_name(newest)]);
    assert!(matches!(answer.findings[0].fault, Fault::NoStart { .. }), "{:?}", answer.findings);

    let names = segments(&disk);
    let answer = without(&[&names[0]]);
    assert!(answer.is_sound(), "{:?}", answer.findings);
    assert!(!answer.snapshots[0].starts && answer.snapshots[1].starts, "{:?}", answer.snapshots);
    let is_told =
        |note: &Note| matches!(note, Note::Unreached { file, .. } if *file == snapshot_name(oldest));
    assert!(answer.notes.iter().any(is_told), "{:?}", answer.notes);

    for missing in &names[1..3] {
        let answer = without(&[missing]);
        assert!(matches!(answer.findings[0].fault, Fault::Missing), "{:?}", answer.findings);
        assert_eq!(&answer.findings[0].file, missing);
    }
    // Everything after the newest snapshot, and more.
    let last: Vec<&str> = names[2..].iter().map(String::as_str).collect();
    let answer = without(&last);
    let is_lost =
        |fault: &Fault| matches!(fault, Fault::EndsEarly { snapshot_op, .. } if *snapshot_op == newest);
    assert!(is_lost(&answer.findings[0].fault), "{:?}", answer.findings);
}

#[test]
fn damage_in_one_place_hides_no_other() {
    // Proves that reading continues after damage: each of several damaged files is named.
    let disk = trimmed();
    let names = segments(&disk);
    let snapshot = snapshot_name(sound(&disk).snapshots[0].op);
    let flips = [
        (names[0].as_str(), 100),
        (&names[1], 4_200),
        (&names[2], 8_300),
        (&names[4], 8_300),
        (&snapshot, 200),
    ];
    for (name, offset) in flips {
        disk.corrupt(name, offset, |bytes| bytes[0] ^= 1);
    }
    let findings = verified(&disk).findings;
    for (name, _) in flips {
        assert!(findings.iter().any(|finding| finding.file == name), "{name}: {findings:?}");
    }
}

#[test]
fn foreign_files_are_reported_and_not_changed() {
    // Proves that leftover and foreign files are not reported as damage, and that they are not removed.
    let disk = trimmed();
    for name in
        ["00000000000000009999.snapshot.tmp", "recycled-0000000000000003.tmp", "notes.txt", "7.segment"]
    {
        disk.replace(name, b"anything").unwrap();
    }
    let answer = sound(&disk);
    let told: Vec<&str> = answer.notes.iter().filter_map(Note::file).collect();
    for name in
        ["00000000000000009999.snapshot.tmp", "recycled-0000000000000003.tmp", "notes.txt", "7.segment"]
    {
        assert!(told.contains(&name), "{name}: {told:?}");
        assert!(disk.contents(name).is_some());
    }
    // The unused part of a segment means nothing, as FORMAT.md says.
    let end = answer.end.unwrap();
    disk.corrupt(&segment_name(end.segment), end.offset, |bytes| bytes.fill(0x55));
    sound(&disk);
}
