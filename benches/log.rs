//! One durable write of the log by the size of its batch, on the file system of the build directory: the cost of a
//! sync, and of a byte in it. Every append is one write that is on the medium when it returns.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::path::Path;
use std::sync::Arc;
use stockhold::assembly::format;
use stockhold::recovery::recover;
use stockhold::storage::{FsStorage, SharedStorage, WritePath};
use stockhold::wal::{AppendError, CommitLog, LogOptions, LogStart, LogWriter, SegmentPreparer};
use stockhold_machine::Genesis;

/// The directory of the blocks: beside the programs, on a real medium.
const DIRECTORY: &str = env!("CARGO_TARGET_TMPDIR");
const SALT: u64 = 1;

fn open(path: &Path) -> (LogWriter, SegmentPreparer) {
    let opened = FsStorage::open(path, WritePath::Direct);
    let Ok(storage) = opened else { unreachable!("the directory was just made") };
    let storage: SharedStorage = Arc::new(storage);
    let options = LogOptions::default();
    let made =
        format(storage.clone(), &Genesis::default(), options.segment_bytes, uuid::Uuid::new_v4(), SALT);
    let Ok(directory) = made else { unreachable!("an empty directory can be formatted: {made:?}") };
    let Ok(recovered) = recover(&directory, |_| ()) else { unreachable!("an empty log is recovered") };
    let manifest = directory.manifest();
    let start = LogStart { log_uuid: manifest.log_uuid, epoch: manifest.epoch(), now_ms: 0, salt_seed: SALT };
    match LogWriter::begin(&storage, options, start, &recovered.end) {
        Ok(begun) => begun,
        Err(error) => unreachable!("an empty log begins: {error:?}"),
    }
}

fn appends(c: &mut Criterion) {
    let mut group = c.benchmark_group("log");
    group.sample_size(50);
    for bytes in [4_000, 16_000, 65_000, 260_000, 1_040_000_usize] {
        let Ok(directory) = tempfile::tempdir_in(DIRECTORY) else {
            unreachable!("the build directory is writable")
        };
        let (mut log, mut preparer) = open(directory.path());
        let mut frame = log.frame_buffer();
        let payload = vec![0x5A; bytes];
        group.throughput(Throughput::Bytes(u64::try_from(bytes).unwrap_or(0)));
        group.bench_with_input(BenchmarkId::new("append", bytes), &bytes, |b, _| {
            b.iter(|| {
                frame.clear();
                frame.extend_from_slice(&payload);
                loop {
                    match log.append(&mut frame, 1) {
                        Ok(_) => break,
                        // The next segment is made here, because there is no other thread to make it.
                        Err(AppendError::NotReady) => assert!(preparer.step(0).is_ok(), "there is room"),
                        Err(error) => unreachable!("{error:?}"),
                    }
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, appends);
criterion_main!(benches);
