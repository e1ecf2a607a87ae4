//! FORMAT.md and the golden files agree with the code. To write the golden files again after a change of
//! `FORMAT_VERSION`, run this test with `STOCKHOLD_BLESS=1`.

use std::path::PathBuf;

use stockhold::directory::{
    Directory, EpochReason, FormatOptions, MANIFEST_NAME, Manifest, ReadOnlyDirectory,
};
use stockhold::snapshot::{LogPoint, SnapshotHeader, SnapshotWriter, snapshot_name};
use stockhold::storage::checksum::checksum;
use stockhold::storage::layout::{CHECKSUM_BYTES, layout_constants, manifest};
use stockhold::storage::recording::RecordingStorage;
use stockhold::storage::{ReadFrom, ReadStorage, Storage};
use stockhold::wal::segment::{parse_segment_name, segment_name};
use stockhold::wal::{
    CommitLog, DumpItem, Durability, EndReason, FrameKind, LogDump, LogOptions, LogStart, LogWriter, ReadTo,
};
use stockhold_protocol::limits::FEATURE_LEVEL;

use super::world::{LOG, NOW_MS, share};

const NAMES: [&str; 3] = [MANIFEST_NAME, "0000000000000001.segment", "00000000000000000003.snapshot"];

const OPTIONS: LogOptions =
    LogOptions { segment_bytes: 4 * 4096, payload_bytes_max: 4_000, durability: Durability::Every };

/// The directory of the worked example: one batch of three records, a snapshot after it, a clean stop.
fn example() -> RecordingStorage {
    let disk = RecordingStorage::new();
    let format = FormatOptions {
        log_uuid: LOG,
        epoch: 1,
        reason: EpochReason::Format,
        base: LogPoint::default(),
        now_ms: NOW_MS,
        salt_seed: 42,
        segment_bytes: OPTIONS.segment_bytes,
        genesis: b"genesis".to_vec(),
    };
    let directory = Directory::format(share(&disk), format).unwrap();
    let end = {
        let mut reader = directory.read_log(1, ReadTo::End).unwrap();
        assert!(reader.next_frame().unwrap().is_none());
        reader.into_end().unwrap()
    };
    let start = LogStart { log_uuid: LOG, epoch: 1, now_ms: NOW_MS, salt_seed: 43 };
    let (mut writer, _) = LogWriter::begin(&share(&disk), OPTIONS, start, &end).unwrap();
    let mut frame = writer.frame_buffer();
    frame.extend_from_slice(b"the payload of a batch");
    writer.append(&mut frame, 3).unwrap();
    writer.finish().unwrap();
    let header = SnapshotHeader {
        log_uuid: LOG,
        epoch: 1,
        op: 3,
        position: 3,
        time_ms: NOW_MS,
        rules_version: 1,
        feature_level: 1,
    };
    let mut snapshot = SnapshotWriter::create(share(&disk), header).unwrap();
    snapshot.push_frame(1, 2, b"two records").unwrap();
    snapshot.finish(*b"sixteen of these").unwrap();
    disk
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn format_page() -> String {
    std::fs::read_to_string(root().join("FORMAT.md")).unwrap()
}

/// Sets the level of the golden manifest, which is 1, to the level of this program.
fn set_level(manifest: &mut [u8]) {
    manifest[manifest::FEATURE_LEVEL_AT..][..size_of::<u32>()].copy_from_slice(&FEATURE_LEVEL.to_le_bytes());
    let (bytes, sum) = manifest.split_at_mut(manifest.len() - CHECKSUM_BYTES);
    sum.copy_from_slice(&checksum(bytes).to_le_bytes());
}

/// Proves that this program writes the golden files of its format version byte for byte, except for its level.
#[test]
fn golden_files_are_written() {
    let disk = example();
    let folder = root().join("tests/golden/disk/v2");
    for name in NAMES {
        let written = disk.contents(name).unwrap();
        if std::env::var_os("STOCKHOLD_BLESS").is_some() && !cfg!(feature = "next-release") {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(name), &written).unwrap();
        }
        let mut golden = std::fs::read(folder.join(name)).unwrap();
        if name == MANIFEST_NAME {
            set_level(&mut golden);
        }
        assert!(
            written == golden,
            "{name} differs: a change of the format needs a new FORMAT_VERSION and new golden files"
        );
    }
}

/// Proves that the golden directory is read and is intact.
#[test]
fn golden_files_are_read() {
    let disk = RecordingStorage::new();
    for name in NAMES {
        disk.replace(name, &std::fs::read(root().join("tests/golden/disk/v2").join(name)).unwrap()).unwrap();
    }
    let directory = ReadOnlyDirectory::open(share(&disk)).unwrap();
    assert_eq!(directory.snapshots().unwrap(), [3]);
    let snapshot = directory.read_snapshot(3, ReadFrom::Medium).unwrap().into_summary().unwrap();
    assert_eq!(snapshot.digest, *b"sixteen of these");
    let mut log = directory.read_log(1).unwrap();
    let frame = log.next_frame().unwrap().unwrap();
    assert_eq!((frame.first_position, frame.records), (1, 3));
    assert!(log.next_frame().unwrap().is_none());
    let end = log.into_end().unwrap();
    assert_eq!((end.last_position(), end.previous.reason), (3, EndReason::CleanStop));
}

/// Proves that the dump shows heads, frames and gaps, also after damage.
#[test]
fn dump_shows_everything() {
    let disk = example();
    let collect = || {
        let mut dump = LogDump::open(share(&disk), LOG, 1).unwrap();
        let mut shown = Vec::new();
        while let Some(entry) = dump.next_entry().unwrap() {
            shown.push(match entry.item {
                DumpItem::Heads { .. } => (entry.offset, "heads"),
                DumpItem::Frame { kind: FrameKind::Batch, .. } => (entry.offset, "batch"),
                DumpItem::Frame { kind: FrameKind::End, .. } => (entry.offset, "end"),
                DumpItem::Gap { .. } => (entry.offset, "gap"),
            });
        }
        assert_eq!(dump.progress().0, dump.progress().1);
        shown
    };
    assert_eq!(collect(), [(0, "heads"), (8192, "batch"), (12_288, "end")]);
    disk.corrupt(&segment_name(1), 8192, |bytes| bytes[70] ^= 1);
    assert_eq!(collect(), [(0, "heads"), (8192, "gap"), (12_288, "end")]);
}

/// Proves that the table of numbers in FORMAT.md is exactly that of the code.
#[test]
fn numbers_in_the_page() {
    let page = format_page();
    let section = page.split("## Numbers").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows: Vec<(String, u64)> = section
        .lines()
        .filter_map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            let name = cells.next()?.to_owned();
            Some((name, cells.next()?.parse().ok()?))
        })
        .collect();
    let expected: Vec<(String, u64)> =
        layout_constants().into_iter().map(|(name, number)| (name.to_owned(), number)).collect();
    assert_eq!(rows, expected);
}

/// Proves that the worked example in FORMAT.md is a log that reads as documented, and that it is the golden one.
#[test]
fn example_in_the_page() {
    let page = format_page();
    let section = page.split("## Worked example").nth(1).unwrap();
    let mut bytes = vec![0; 16_384];
    for line in section.split("```").nth(1).unwrap().lines() {
        let mut words = line.split_whitespace();
        let Some(Ok(offset)) = words.next().map(|word| usize::from_str_radix(word, 16)) else { continue };
        for (place, word) in words.enumerate() {
            bytes[offset + place] = u8::from_str_radix(word, 16).unwrap();
        }
    }
    assert!(Some(&bytes) == example().contents(NAMES[1]).as_ref(), "the page shows the golden segment");
    let disk = RecordingStorage::new();
    disk.replace("MANIFEST", &example().contents("MANIFEST").unwrap()).unwrap();
    disk.replace(NAMES[1], &bytes).unwrap();
    let directory = Directory::open(share(&disk)).unwrap();
    let mut reader = directory.read_log(1, ReadTo::End).unwrap();
    let frame = reader.next_frame().unwrap().unwrap();
    assert_eq!(
        (frame.first_position, frame.records, frame.payload),
        (1, 3, b"the payload of a batch".as_slice())
    );
    assert!(reader.next_frame().unwrap().is_none());
}

/// Proves that file names are as in FORMAT.md, and that the golden manifest decodes.
#[test]
fn names_of_files() {
    assert_eq!((segment_name(1).as_str(), snapshot_name(3).as_str()), (NAMES[1], NAMES[2]));
    let file = example().open_to_read("MANIFEST", ReadFrom::Cache).unwrap();
    let mut bytes = vec![0; usize::try_from(file.bytes().unwrap()).unwrap()];
    file.read_at(0, &mut bytes).unwrap();
    let mut manifest = Manifest::decode(&bytes).unwrap();
    assert_eq!(manifest.log_uuid, LOG);
    // Numbers without a successor are refused where they are parsed, not where they are incremented.
    assert_eq!(parse_segment_name(&segment_name(u64::MAX)), None);
    manifest.epochs[0].epoch = u64::MAX;
    assert!(Manifest::decode(&manifest.encode()).is_err());
    (manifest.epochs[0].epoch, manifest.base.op) = (1, u64::MAX);
    assert!(Manifest::decode(&manifest.encode()).is_err());
}
