//! Appended batches are read back, over rotations, stops and starts.

use proptest::prelude::*;
use stockhold::storage::{FsStorage, WritePath};
use stockhold::wal::{CommitLog, Durability, EndReason, LogOptions, ReadTo};

use super::world::{Batch, NOW_MS, OPTIONS, format, formatted, payload, read_all, share, start};

/// Proves that batches are read back in order over rotations and clean and unclean stops, and that each start records
/// why the last run ended.
#[test]
fn batches_come_back() {
    let disk = formatted();
    let mut expected = Vec::new();
    let mut next_position = 1;
    for run in 0..6 {
        let mut running = start(&share(&disk), OPTIONS, run).unwrap();
        assert_eq!(running.recovered, expected);
        let reason = match run {
            0 => EndReason::Start,
            odd if odd % 2 == 1 => EndReason::CleanStop,
            _ => EndReason::Crash,
        };
        assert_eq!(running.end.previous.reason, reason);
        for number in 0..12 {
            let ops = u32::try_from(number % 5 + 1).unwrap();
            let range = running.append(&payload(number), ops).unwrap();
            assert_eq!(range.first, next_position);
            expected.push(Batch { first_position: next_position, records: ops, payload: payload(number) });
            next_position = range.last + 1;
            assert_eq!(running.writer.durable_position(), range.last);
        }
        if run % 2 == 0 {
            running.writer.finish().unwrap();
        }
    }
}

/// Proves that reading may begin inside the log, also at a position inside a batch, and may stop at a position while
/// the log is written to.
#[test]
fn reading_begins_and_stops_anywhere() {
    let disk = formatted();
    let mut running = start(&share(&disk), OPTIONS, 1).unwrap();
    for number in 0..20 {
        running.append(&payload(number), 3).unwrap();
    }
    running.prepare();
    for from in 1..=60 {
        for to in [from, 31.max(from), 60] {
            let mut reader = running.directory.read_log(from, ReadTo::Position(to)).unwrap();
            let mut last = None;
            while let Some(frame) = reader.next_frame().unwrap() {
                let first = last.map_or_else(|| (from - 1) / 3 * 3 + 1, |last| last + 1);
                assert_eq!(frame.first_position, first);
                assert_eq!(frame.payload, payload((frame.first_position - 1) / 3));
                last = Some(frame.first_position + 2);
            }
            assert_eq!(last, Some((to - 1) / 3 * 3 + 3));
        }
    }
}

/// Proves that both write paths of the real file system carry a log through stops, rotations and a second server's
/// attempt.
#[test]
fn real_files() {
    for path in [WritePath::Direct, WritePath::Fdatasync] {
        for durability in [Durability::Every, Durability::Interval] {
            let folder = tempfile::tempdir().unwrap();
            let storage: stockhold::storage::SharedStorage =
                std::sync::Arc::new(FsStorage::open(folder.path(), path).unwrap());
            drop(format(&storage).unwrap());
            let options = LogOptions { durability, ..OPTIONS };
            let mut expected = Vec::new();
            for run in 0..3_u64 {
                let mut running = start(&storage, options, run).unwrap();
                assert_eq!(running.recovered, expected);
                assert!(start(&storage, options, run).is_err(), "the directory is locked");
                for number in 0..10 {
                    let first_position = running.append(&payload(number), 1).unwrap().first;
                    expected.push(Batch { first_position, records: 1, payload: payload(number) });
                }
                running.writer.sync().unwrap();
                assert_eq!(running.writer.durable_position() + 1, running.writer.next_position());
                while running.preparer.step(NOW_MS).unwrap() == stockhold::wal::Progress::Working {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Proves that any payloads, split over any number of runs, are read back unchanged.
    #[test]
    fn any_payloads(runs in prop::collection::vec(
        prop::collection::vec((prop::collection::vec(any::<u8>(), 0..10_000), 1_u32..1_000), 0..8), 1..4)
    ) {
        let disk = formatted();
        let mut expected = Vec::new();
        for (seed, run) in (0_u64..).zip(&runs) {
            let mut running = start(&share(&disk), OPTIONS, seed).unwrap();
            for (payload, ops) in run {
                let first_position = running.append(payload, *ops).unwrap().first;
                expected.push(Batch { first_position, records: *ops, payload: payload.clone() });
            }
        }
        let directory = stockhold::directory::Directory::open(share(&disk)).unwrap();
        prop_assert_eq!(read_all(&directory).unwrap().0, expected);
    }
}
