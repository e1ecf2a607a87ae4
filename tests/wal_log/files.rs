//! Snapshots and manifests: round trips, and that no changed file is accepted.

use stockhold::directory::{Directory, DirectoryError, EpochReason, FormatOptions, Manifest, MarkNeeds};
use stockhold::snapshot::{
    LogPoint, SnapshotError, SnapshotHeader, SnapshotReader, SnapshotWriter, snapshot_name, verify,
};
use stockhold::storage::recording::{Fault, RecordingStorage};
use stockhold::storage::{ReadFrom, ReadStorage, Storage};
use stockhold::wal::{CommitLog, Durability, EndReason, LogError, LogOptions, ReadTo};
use uuid::Uuid;

use super::world::{LOG, NOW_MS, OPTIONS, formatted, payload, share, start};

const HEADER: SnapshotHeader = SnapshotHeader {
    log_uuid: LOG,
    epoch: 2,
    op: 77,
    position: 79,
    time_ms: NOW_MS,
    rules_version: 1,
    feature_level: 1,
};

fn write(disk: &RecordingStorage) -> Result<(), SnapshotError> {
    let mut writer = SnapshotWriter::create(share(disk), HEADER)?;
    writer.push_frame(2, 3, b"three records")?;
    writer.push_frame(1, 1, b"")?;
    writer.push_frame(2, 2, b"two more")?;
    writer.finish([7; 16]).map(|_| ())
}

/// Proves that a snapshot is synced while it is written, so that the end of a large one does not delay the log's
/// writes: a failing sync affects exactly the frame after which 2 MiB are unsynced.
#[test]
fn a_snapshot_is_synced_piece_by_piece() {
    let disk = RecordingStorage::new();
    let mut writer = SnapshotWriter::create(share(&disk), HEADER).unwrap();
    disk.inject(Fault::FailSync(1));
    let frame = vec![1; 512 << 10];
    let pushed = (0..8).take_while(|_| writer.push_frame(2, 1, &frame).is_ok()).count();
    assert_eq!(pushed, 3, "the fourth frame makes it 2 MiB");
    writer.abandon();
    assert_eq!(disk.list().unwrap().len(), 0);
}

/// Proves that a snapshot returns its head, frames, totals and digest.
#[test]
fn snapshots_come_back() {
    let disk = RecordingStorage::new();
    write(&disk).unwrap();
    let mut reader = SnapshotReader::open(&disk, &snapshot_name(77), LOG, ReadFrom::Cache).unwrap();
    assert_eq!(*reader.header(), HEADER);
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        frames.push((frame.kind, frame.records, frame.payload.to_vec()));
    }
    assert_eq!(frames, [(2, 3, b"three records".to_vec()), (1, 1, Vec::new()), (2, 2, b"two more".to_vec())]);
    let summary = reader.into_summary().unwrap();
    assert_eq!(summary.digest, [7; 16]);
    let totals: Vec<_> =
        summary.sections.iter().map(|one| (one.kind, one.frames, one.records, one.bytes)).collect();
    assert_eq!(totals, [(1, 1, 1, 0), (2, 2, 5, 21)]);
    let other = SnapshotReader::open(&disk, &snapshot_name(77), Uuid::nil(), ReadFrom::Cache).map(|_| ());
    assert!(matches!(other, Err(SnapshotError::ForeignLog { .. })));
}

/// Proves that no flipped bit and no other length of a snapshot is accepted.
#[test]
fn changed_snapshots_are_refused() {
    let disk = RecordingStorage::new();
    write(&disk).unwrap();
    let name = snapshot_name(77);
    let contents = disk.contents(&name).unwrap();
    let check = |bytes: &[u8]| {
        let image = RecordingStorage::new();
        image.replace(&name, bytes).unwrap();
        verify(&image, &name, LOG, ReadFrom::Cache, |_, _| ()).is_ok()
    };
    assert!(check(&contents));
    for bit in 0..contents.len() * 8 {
        let mut changed = contents.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(!check(&changed), "bit {bit}");
    }
    for length in 0..contents.len() {
        assert!(!check(&contents[..length]), "length {length}");
    }
    assert!(!check(&[contents.as_slice(), &[0]].concat()));
}

/// Proves that a snapshot that could not be written has no name and does not prevent a later one.
#[test]
fn failed_snapshots_have_no_name() {
    for nth in 1..=5 {
        for fault in [Fault::FailWrite(nth), Fault::ShortWrite(nth)] {
            let disk = RecordingStorage::new();
            disk.inject(fault);
            write(&disk).unwrap_err();
            assert!(disk.contents(&snapshot_name(77)).is_none());
            write(&disk).unwrap();
        }
    }
    let disk = RecordingStorage::new();
    disk.set_capacity(Some(200));
    assert!(matches!(write(&disk), Err(SnapshotError::Storage(error)) if error.is_no_space()));
}

/// Proves that a manifest with epochs and skips is read back, that its changes are durable, and that its rules are
/// enforced.
#[test]
fn manifests_come_back() {
    let disk = formatted();
    let mut directory = Directory::open(share(&disk)).unwrap();
    assert_eq!(directory.bump_epoch(EpochReason::UncleanStop, 10, NOW_MS).unwrap(), 2);
    assert_eq!(
        directory.add_skip(4, "aborts in the planner", LogPoint { position: 14, op: 12 }, NOW_MS).unwrap(),
        3
    );
    assert_eq!(directory.manifest().epochs[2].first_position, 15);
    for op in [0, 4, 13, 14] {
        let refused = directory.add_skip(op, "again", LogPoint { position: 14, op: 12 }, NOW_MS);
        assert!(matches!(refused, Err(DirectoryError::CannotSkip { .. })), "{op}");
    }
    let expected = directory.manifest().clone();
    drop(directory);
    let manifest = Directory::open(share(&disk)).unwrap().manifest().clone();
    assert_eq!(manifest, expected);
    assert_eq!(manifest.epoch(), 3);
    assert_eq!(manifest.skips[0].reason, "aborts in the planner");
}

/// Proves that no flipped bit and no other length of a manifest is accepted.
#[test]
fn changed_manifests_are_refused() {
    let disk = formatted();
    let mut directory = Directory::open(share(&disk)).unwrap();
    directory.add_skip(1, "reason", LogPoint { position: 1, op: 1 }, NOW_MS).unwrap();
    let contents = directory.manifest().encode();
    assert_eq!(Manifest::decode(&contents).unwrap(), *directory.manifest());
    for bit in 0..contents.len() * 8 {
        let mut changed = contents.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(Manifest::decode(&changed).is_err(), "bit {bit}");
    }
    for length in 0..contents.len() {
        assert!(Manifest::decode(&contents[..length]).is_err(), "length {length}");
    }
    assert!(Manifest::decode(&[contents.as_slice(), &[0]].concat()).is_err());
}

/// Proves that trimming keeps two verified snapshots and the log that the older one needs, by their positions and not
/// by their ops, and does nothing with fewer.
#[test]
fn trimming_keeps_what_the_older_snapshot_needs() {
    let disk = formatted();
    let mut running = start(&share(&disk), OPTIONS, 1).unwrap();
    let mut points = Vec::new();
    for number in 0..40 {
        running.append(&payload(number), 1).unwrap();
        if number % 10 == 9 {
            // As if half of the log had been passed over.
            let point = LogPoint { position: running.writer.durable_position(), op: number.div_ceil(2) };
            let header = SnapshotHeader { op: point.op, position: point.position, ..HEADER };
            SnapshotWriter::create(share(&disk), header).unwrap().finish([0; 16]).unwrap();
            points.push(point);
        }
    }
    let nothing = stockhold::directory::TrimPlan::default();
    assert_eq!(running.directory.plan_trim(&[], MarkNeeds::default()).unwrap(), nothing);
    assert_eq!(
        running.directory.plan_trim(&points[3..], MarkNeeds::default()).unwrap(),
        nothing,
        "one verified snapshot is not enough"
    );
    let plan = running.directory.plan_trim(&points, MarkNeeds::default()).unwrap();
    assert_eq!(plan.snapshots, [5, 10]);
    let log = stockhold::wal::SegmentList::read(&disk, LOG, true).unwrap().used;
    let before = |position: u64| -> Vec<u64> {
        let passed = log.windows(2).filter(|pair| pair[1].opening.first_position <= position);
        passed.map(|pair| pair[0].header.sequence).collect()
    };
    assert_eq!(plan.segments, before(31), "position 31 is needed, and none before it");
    assert_ne!(plan.segments, before(16), "segments are not judged by ops");
    stockhold::directory::trim(&share(&disk), &plan, None).unwrap();
    for position in [30, 40] {
        let read_to = stockhold::wal::ReadTo::Position(40);
        let mut reader = running.directory.read_log(position + 1, read_to).unwrap();
        let mut seen = position;
        while let Some(frame) = reader.next_frame().unwrap() {
            seen = frame.first_position;
        }
        assert_eq!(seen, 40);
    }
    assert_eq!(running.directory.snapshots().unwrap(), [20, 15]);
}

/// Proves that a restored directory begins after its base position, which need not be its base op, in its own epoch,
/// and that its first segment records it.
#[test]
fn a_restored_directory_begins_after_its_base() {
    let disk = RecordingStorage::new();
    let options = FormatOptions {
        log_uuid: LOG,
        epoch: 7,
        reason: EpochReason::Restore,
        base: LogPoint { position: 100, op: 90 },
        now_ms: NOW_MS,
        salt_seed: 1,
        segment_bytes: OPTIONS.segment_bytes,
        genesis: Vec::new(),
    };
    drop(Directory::format(share(&disk), options).unwrap());
    let writer =
        SnapshotWriter::create(share(&disk), SnapshotHeader { op: 90, position: 100, ..HEADER }).unwrap();
    writer.finish([0; 16]).unwrap();
    for run in 0..3 {
        let mut running = start(&share(&disk), OPTIONS, run).unwrap();
        let expected = if run == 0 { EndReason::Restore } else { EndReason::Crash };
        assert_eq!(running.end.previous.reason, expected);
        assert_eq!(running.append(&payload(run), 1).unwrap().first, 101 + run);
        assert!(matches!(
            running.directory.read_log(100, ReadTo::Position(101)).map(|_| ()),
            Err(LogError::Missing { need_position: 100, oldest_position: 101 })
        ));
    }
}

/// Proves that only an unclean stop without a sync per batch requires a new epoch.
#[test]
fn an_unclean_interval_stop_asks_for_a_new_epoch() {
    for durability in [Durability::Every, Durability::Interval] {
        for clean in [true, false] {
            let disk = formatted();
            let options = LogOptions { durability, ..OPTIONS };
            let mut running = start(&share(&disk), options, 1).unwrap();
            running.append(&payload(1), 1).unwrap();
            if clean {
                running.writer.finish().unwrap();
            }
            drop(running.directory);
            let end = start(&share(&disk), OPTIONS, 2).unwrap().end;
            assert_eq!(end.needs_new_epoch(), durability == Durability::Interval && !clean);
        }
    }
}
