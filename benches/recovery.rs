//! The cost of a start: replaying a log of a quarter million reservations, and loading a snapshot of as many. Also
//! the cost of one step of an unfinished snapshot for the applier.
#![expect(dead_code, reason = "other benches use more of the fixture")]

#[path = "../crates/machine/benches/fixture.rs"]
mod fixture;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fixture::{BATCH, Fixture, NOW_MS, genesis};
use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;
use stockhold::assembly::format;
use stockhold::directory::Directory;
use stockhold::pipeline::snapshots::digest_bytes;
use stockhold::recovery::recover;
use stockhold::snapshot::{SnapshotHeader, SnapshotWriter};
use stockhold::storage::{FsStorage, SharedStorage, WritePath};
use stockhold::wal::{CommitLog, LogOptions, LogStart, LogWriter};
use stockhold_machine::config::BATCH_RULES;
use stockhold_machine::table::Progress;
use stockhold_protocol::batch::{Actor, ActorKind, BatchHeader, batch_of_one_run};
use stockhold_protocol::limits::FEATURE_LEVEL;
use stockhold_protocol::{Quantity, Timestamp};

const DIRECTORY: &str = env!("CARGO_TARGET_TMPDIR");
const BATCHES: u64 = 256;
const SALT: u64 = 1;
/// What the applier copies between two batches.
const RECORDS_PER_STEP: u32 = 4_096;

fn new_fixture() -> Fixture {
    Fixture::new(1, |stock| vec![stock], 1, 1_000, Quantity::MAX)
}

fn open(path: &Path) -> (SharedStorage, Directory) {
    let Ok(storage) = FsStorage::open(path, WritePath::Direct) else {
        unreachable!("the directory was just made")
    };
    let storage: SharedStorage = Arc::new(storage);
    let bytes = LogOptions::default().segment_bytes;
    let made = format(storage.clone(), &genesis(), bytes, uuid::Uuid::new_v4(), SALT);
    let Ok(directory) = made else { unreachable!("an empty directory can be formatted: {made:?}") };
    (storage, directory)
}

fn header(count: u32, number: u64) -> BatchHeader {
    BatchHeader {
        rules: BATCH_RULES,
        count,
        writer: 1,
        session: 1,
        number,
        proposed: Timestamp(NOW_MS),
        feature_level: FEATURE_LEVEL,
        applied_op: 0,
        digest_op: 0,
        digest: 0,
    }
}

/// Writes the commands of the fixture to a log and returns the number of ops.
fn write_log(storage: &SharedStorage, directory: &Directory, fixture: &mut Fixture) -> u64 {
    let Ok(recovered) = recover(directory, |_| ()) else { unreachable!("an empty log is recovered") };
    let manifest = directory.manifest();
    let start = LogStart { log_uuid: manifest.log_uuid, epoch: 1, now_ms: NOW_MS, salt_seed: SALT };
    let begun = LogWriter::begin(storage, LogOptions::default(), start, &recovered.end);
    let Ok((mut log, _preparer)) = begun else { unreachable!("an empty log begins") };
    let mut frame = log.frame_buffer();
    let mut append = |count: u32, number: u64, records: &[u8]| {
        frame.clear();
        let actor = Actor { kind: ActorKind::Claimed, name: "bench" };
        frame.extend_from_slice(&batch_of_one_run(&header(count, number), actor, records));
        let appended = log.append(&mut frame, count);
        assert!(appended.is_ok(), "one segment holds the whole life: {appended:?}");
    };
    let definitions = fixture.definitions().concat();
    let defined = u32::try_from(fixture.definitions().len()).unwrap_or(0);
    append(defined, 1, &definitions);
    let mut next = 0_u32;
    let mut pick = move || {
        next = next.wrapping_add(7);
        (next % 1_000, 0)
    };
    for number in 0..BATCHES {
        fixture.fill(1, None, &mut pick);
        append(BATCH, number + 2, fixture.records());
        fixture.apply_batch();
    }
    u64::from(defined) + BATCHES * u64::from(BATCH)
}

fn starts(c: &mut Criterion) {
    let Ok(place) = tempfile::tempdir_in(DIRECTORY) else { unreachable!("the build directory is writable") };
    let (storage, directory) = open(place.path());
    let mut fixture = new_fixture();
    let ops = write_log(&storage, &directory, &mut fixture);
    let mut group = c.benchmark_group("recovery");
    group.sample_size(10);
    group.throughput(Throughput::Elements(ops));
    group.bench_function("replay", |b| {
        b.iter(|| recover(&directory, |_| ()).map(|recovered| recovered.report.replayed_ops).ok());
    });
    let mark = fixture.machine().begin_snapshot();
    let header = SnapshotHeader {
        log_uuid: directory.manifest().log_uuid,
        epoch: 1,
        op: mark.op,
        position: mark.op,
        time_ms: mark.time.0,
        rules_version: mark.rules_version,
        feature_level: FEATURE_LEVEL,
    };
    let Ok(mut writer) = SnapshotWriter::create(storage, header) else { unreachable!("there is room") };
    let mut sink = |section: u16, records: u32, bytes: &[u8]| {
        assert!(writer.push_frame(section, records, bytes).is_ok(), "there is room");
    };
    while fixture.machine().snapshot_step(RECORDS_PER_STEP, &mut sink) == Progress::More {}
    assert!(writer.finish(digest_bytes(mark.digest)).is_ok(), "the snapshot verifies");
    group.bench_function("load_snapshot", |b| {
        b.iter(|| recover(&directory, |_| ()).map(|recovered| recovered.report.snapshot_op()).ok());
    });
    group.finish();
}

fn steps(c: &mut Criterion) {
    let mut fixture = new_fixture();
    for _ in 0..BATCHES {
        let mut next = 0_u32;
        fixture.fill(1, None, &mut || {
            next = next.wrapping_add(7);
            (next % 1_000, 0)
        });
        fixture.apply_batch();
    }
    let fixture = RefCell::new(fixture);
    let is_walking = RefCell::new(false);
    let mut group = c.benchmark_group("snapshot");
    group.throughput(Throughput::Elements(u64::from(RECORDS_PER_STEP)));
    group.bench_function("step", |b| {
        b.iter_batched(
            || {
                if !is_walking.replace(true) {
                    fixture.borrow_mut().machine().begin_snapshot();
                }
            },
            |()| {
                let progress =
                    fixture.borrow_mut().machine().snapshot_step(RECORDS_PER_STEP, &mut |_, _, _| ());
                is_walking.replace(progress == Progress::More);
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, starts, steps);
criterion_main!(benches);
