//! Damage is distinguished from a torn tail, and neither is ever read as data.

use stockhold::directory::{Directory, EpochReason, MANIFEST_NAME};
use stockhold::storage::recording::{Fault, RecordingStorage};
use stockhold::storage::{ReadStorage, Storage, StorageError};
use stockhold::wal::segment::segment_name;
use stockhold::wal::{CommitLog, EndReason, FrameFault, LogError};

use super::world::{NOW_MS, OPTIONS, SEGMENT_BYTES, format, formatted, payload, share, start};

const BLOCK: u64 = 4096;

/// A segment with three frames of one block each, in blocks 2, 3 and 4; with an end frame after a clean stop.
fn three_frames(clean: bool) -> RecordingStorage {
    let disk = formatted();
    let mut running = start(&share(&disk), OPTIONS, 1).unwrap();
    for number in 0..3 {
        running.append(&[number; 100], 1).unwrap();
    }
    if clean {
        running.writer.finish().unwrap();
    }
    disk
}

fn copy(disk: &RecordingStorage) -> RecordingStorage {
    disk.crash_now(stockhold::storage::memory::Survival::Everything)
}

/// The last op and the reason of the end after recovery.
fn recover(disk: &RecordingStorage) -> Result<(u64, EndReason), LogError> {
    let running = start(&share(disk), OPTIONS, 2)?;
    for (place, batch) in running.recovered.iter().enumerate() {
        assert_eq!(
            batch.payload,
            vec![u8::try_from(place).unwrap(); 100],
            "what is accepted is what was written"
        );
    }
    assert_eq!(running.end.last_position(), running.recovered.len() as u64);
    Ok((running.end.last_position(), running.end.previous.reason))
}

/// Flips one bit, recovers, and flips it back.
fn with_flip(disk: &RecordingStorage, offset: u64, bit: u8) -> Result<(u64, EndReason), LogError> {
    let image = copy(disk);
    image.corrupt(&segment_name(1), offset, |bytes| bytes[0] ^= 1 << bit);
    recover(&image)
}

/// Bytes of a frame's block: the head, the payload, and samples of the padding.
fn places_in_block() -> impl Iterator<Item = u64> {
    (0..170).chain((170..BLOCK).step_by(61)).chain([BLOCK - 1])
}

/// Proves that any flipped bit in the last frame removes exactly that frame when nothing follows it.
#[test]
fn flips_in_the_last_frame_cut_it() {
    let disk = three_frames(false);
    assert_eq!(recover(&copy(&disk)).unwrap(), (3, EndReason::Crash));
    for place in places_in_block() {
        for bit in 0..8 {
            assert_eq!(
                with_flip(&disk, 4 * BLOCK + place, bit).unwrap(),
                (2, EndReason::TornTail),
                "byte {place}"
            );
        }
    }
}

/// Proves that any flipped bit in a frame with a valid one after it is refused, with the place of both.
#[test]
fn flips_before_valid_frames_are_refused() {
    for (clean, blocks) in [(false, 2..4), (true, 2..5)] {
        let disk = three_frames(clean);
        for block in blocks {
            for place in places_in_block().step_by(7) {
                match with_flip(&disk, block * BLOCK + place, 3) {
                    Err(LogError::Damage { segment: 1, offset, later_offset: Some(later), .. }) => {
                        assert_eq!(offset, block * BLOCK);
                        assert!(later > offset);
                    }
                    other => panic!("block {block} byte {place}: {other:?}"),
                }
            }
        }
    }
}

/// Proves that any flipped bit in the head blocks of a segment that was used is refused.
#[test]
fn flips_in_head_blocks_are_refused() {
    let disk = three_frames(false);
    for place in places_in_block() {
        let header = with_flip(&disk, place, 5);
        assert!(matches!(header, Err(LogError::Header { segment: 1, .. })), "byte {place}: {header:?}");
        let opening = with_flip(&disk, BLOCK + place, 5);
        assert!(matches!(opening, Err(LogError::Opening { segment: 1, .. })), "byte {place}: {opening:?}");
    }
}

/// Proves that a last frame of which only the first sectors arrived is removed, for a frame of one block and of many.
#[test]
fn torn_frames_are_cut() {
    let disk = three_frames(false);
    let mut running = start(&share(&disk), OPTIONS, 3).unwrap();
    running.append(&[9; 9_000], 5).unwrap();
    drop(running);
    let name = segment_name(2);
    for kept in 0..23 {
        let image = copy(&disk);
        image.corrupt(&name, 2 * BLOCK + kept * 512, |bytes| bytes.fill(0));
        let running = start(&share(&image), OPTIONS, 4).unwrap();
        // 64 + 9,000 bytes: the later sectors contain only padding, which may be missing.
        let whole = kept * 512 >= 9_064;
        assert_eq!(running.end.last_position(), if whole { 8 } else { 3 }, "{kept} sectors");
    }
}

/// Proves that a truncated segment file is refused, at any length.
#[test]
fn short_files_are_refused() {
    let disk = three_frames(false);
    let contents = disk.contents(&segment_name(1)).unwrap();
    for length in [0, 1, 511, 4095, 4096, 5000, 8192, 20_000, contents.len() - 1] {
        let image = copy(&disk);
        let storage = share(&image);
        storage.replace(&segment_name(1), &contents[..length]).unwrap();
        let answer = recover(&image);
        assert!(
            matches!(
                answer,
                Err(LogError::Misplaced { segment: 1, .. } | LogError::Header { segment: 1, .. })
            ),
            "{length}: {answer:?}"
        );
    }
}

/// A log over several segments, with a spare after them.
fn many_segments() -> (RecordingStorage, u64) {
    let disk = formatted();
    let mut running = start(&share(&disk), OPTIONS, 1).unwrap();
    for number in 0..30 {
        running.append(&payload(number), 1).unwrap();
    }
    running.prepare();
    let last = running.writer.segment();
    assert!(last >= 4);
    (disk, last)
}

/// Proves that every missing segment is detected: in the middle, the last, all, and the first when it is needed.
#[test]
fn missing_segments_are_missed() {
    let (disk, last) = many_segments();
    for missing in 1..=last {
        let image = copy(&disk);
        image.remove(&segment_name(missing)).unwrap();
        let answer = start(&share(&image), OPTIONS, 2).map(|_| ());
        if missing == 1 {
            assert!(matches!(answer, Err(LogError::Missing { need_position: 1, .. })), "{answer:?}");
        } else {
            assert!(matches!(answer, Err(LogError::SequenceGap { .. })), "{missing}: {answer:?}");
        }
    }
    for segment in 1..=last {
        disk.remove(&segment_name(segment)).unwrap();
    }
    assert!(matches!(
        start(&share(&disk), OPTIONS, 2).map(|_| ()),
        Err(LogError::SequenceGap { before: 0, .. })
    ));
    disk.remove(&segment_name(last + 1)).unwrap();
    assert!(matches!(start(&share(&disk), OPTIONS, 2).map(|_| ()), Err(LogError::NoSegments)));
}

/// Proves that segments in each other's place, of another log, or with the last frames of a full one erased are
/// refused.
#[test]
fn foreign_and_misplaced_segments_are_refused() {
    let (disk, _) = many_segments();
    let (two, three) = (disk.contents(&segment_name(2)).unwrap(), disk.contents(&segment_name(3)).unwrap());
    let image = copy(&disk);
    share(&image).replace(&segment_name(2), &three).unwrap();
    let answer = start(&share(&image), OPTIONS, 2).map(|_| ());
    assert!(matches!(answer, Err(LogError::Misplaced { segment: 2, found: 3, .. })), "{answer:?}");

    let image = copy(&disk);
    share(&image).replace(&segment_name(3), &two).unwrap();
    let answer = start(&share(&image), OPTIONS, 2).map(|_| ());
    assert!(matches!(answer, Err(LogError::Misplaced { segment: 3, found: 2, .. })), "{answer:?}");

    let image = copy(&disk);
    image.corrupt(&segment_name(2), 2 * BLOCK, |bytes| bytes.fill(0));
    let answer = start(&share(&image), OPTIONS, 2).map(|_| ());
    assert!(
        matches!(answer, Err(LogError::Damage { segment: 2, source: FrameFault::Zero, .. })),
        "{answer:?}"
    );

    // The same history written by another start has other salts, so its segments do not fit.
    let twin = formatted();
    let mut running = start(&share(&twin), OPTIONS, 1_000).unwrap();
    for number in 0..30 {
        running.append(&payload(number), 1).unwrap();
    }
    drop(running);
    let image = copy(&disk);
    share(&image).replace(&segment_name(3), &twin.contents(&segment_name(3)).unwrap()).unwrap();
    let answer = start(&share(&image), OPTIONS, 2).map(|_| ());
    assert!(matches!(answer, Err(LogError::Predecessor { segment: 3, .. })), "{answer:?}");
}

/// Proves that a log that ends before the state that was built from it is refused, and not continued at the wrong op.
#[test]
fn a_lost_end_is_seen_by_the_snapshot() {
    let disk = three_frames(false);
    let directory = stockhold::directory::Directory::open(share(&disk)).unwrap();
    let mut reader = directory.read_log(5, stockhold::wal::ReadTo::End).unwrap();
    let answer = reader.next_frame().map(|_| ());
    assert!(matches!(answer, Err(LogError::EndsEarly { need_position: 5, last_position: 3 })), "{answer:?}");
}

/// Proves that frames of an earlier use of a file are never read as frames of the current one, wherever they are.
#[test]
fn stale_frames_are_never_accepted() {
    let disk = three_frames(true);
    let old = disk.contents(&segment_name(1)).unwrap();
    // A second run whose segment is filled with the first one's blocks after its own frames, as by recycling, but
    // worse: each stale frame is exactly where the next frame is expected.
    let mut running = start(&share(&disk), OPTIONS, 9).unwrap();
    running.append(&[3; 100], 1).unwrap();
    drop(running);
    for first in 2..6 {
        let image = copy(&disk);
        let stale = &old[first * 4096..];
        image.corrupt(&segment_name(2), 3 * BLOCK, |bytes| {
            let length = stale.len().min(bytes.len());
            bytes[..length].copy_from_slice(&stale[..length]);
        });
        let running = start(&share(&image), OPTIONS, 10).unwrap();
        assert_eq!(running.end.last_position(), 4);
    }
}

/// Proves that a valid frame moved to another block of its own segment is damage.
#[test]
fn moved_frames_are_refused() {
    let disk = three_frames(false);
    let contents = disk.contents(&segment_name(1)).unwrap();
    disk.corrupt(&segment_name(1), 5 * BLOCK, |bytes| {
        bytes[..4096].copy_from_slice(&contents[16_384..20_480]);
    });
    let answer = recover(&disk);
    assert!(
        matches!(answer, Err(LogError::Damage { source: FrameFault::Place { block: 4 }, .. })),
        "{answer:?}"
    );
}

/// Proves that a directory cannot be formatted twice, that it is locked by one process, and that an unformatted one is
/// reported as such.
#[test]
fn directories_are_guarded() {
    let disk = three_frames(false);
    assert!(format(&share(&disk)).is_err(), "a used directory is not empty");
    let running = start(&share(&disk), OPTIONS, 1).unwrap();
    let second = start(&share(&disk), OPTIONS, 1).map(|_| ());
    assert!(matches!(second, Err(LogError::Storage(StorageError::Locked { .. }))), "{second:?}");
    assert_eq!(running.writer.next_position(), 4);
    let empty = RecordingStorage::new();
    let answer = stockhold::directory::Directory::open(share(&empty)).map(|_| ());
    assert!(matches!(answer, Err(stockhold::directory::DirectoryError::NotFormatted)), "{answer:?}");
    let unused = formatted();
    let files = unused.list().unwrap();
    assert!(format(&share(&unused)).is_err(), "a formatted directory is not empty");
    assert_eq!(unused.list().unwrap(), files, "a refused format removes nothing");
    disk.remove(MANIFEST_NAME).unwrap();
    drop(running);
    let answer = stockhold::directory::Directory::open(share(&disk)).map(|_| ());
    assert!(
        matches!(answer, Err(stockhold::directory::DirectoryError::NoManifest { .. })),
        "a used directory without its manifest is damaged: {answer:?}"
    );
    assert!(SEGMENT_BYTES.is_multiple_of(BLOCK));
}

/// Proves that a manifest older than its log is refused before anything is written that the next start could not read.
/// The fuzzer found a start that continued such a log and made it unreadable.
#[test]
fn a_manifest_older_than_its_log_is_refused() {
    let disk = three_frames(false);
    let old = disk.contents(MANIFEST_NAME).unwrap();
    let mut directory = Directory::open(share(&disk)).unwrap();
    assert_eq!(directory.bump_epoch(EpochReason::UncleanStop, 4, NOW_MS).unwrap(), 2);
    drop(directory);
    drop(start(&share(&disk), OPTIONS, 2).unwrap());
    let segments = disk.list().unwrap().len();
    disk.replace(MANIFEST_NAME, &old).unwrap();
    let answer = start(&share(&disk), OPTIONS, 3).map(|_| ());
    assert!(matches!(answer, Err(LogError::LaterEpoch { segment: 2, epoch: 2, known: 1 })), "{answer:?}");
    assert_eq!(disk.list().unwrap().len(), segments, "nothing was written");
}

/// Proves that a single wrong read removes nothing, wherever it is wrong: the start is refused or recovers everything.
#[test]
fn a_wrong_read_cuts_nothing_off() {
    let mut unsteady = 0;
    for payload in 0..24_u8 {
        let disk = formatted();
        let mut running = start(&share(&disk), OPTIONS, u64::from(payload)).unwrap();
        for number in 0..3 {
            running.append(&[number; 100], 1 + u32::from(payload)).unwrap();
        }
        drop(running);
        // The first read is that of the manifest.
        for read in 2..10 {
            let image = copy(&disk);
            image.inject(Fault::WrongRead(read));
            match start(&share(&image), OPTIONS, 2) {
                Ok(running) => assert_eq!(running.recovered.len(), 3, "read {read}"),
                Err(LogError::Unsteady { .. }) => unsteady += 1,
                Err(_) => {}
            }
            image.disarm();
            assert_eq!(start(&share(&image), OPTIONS, 3).unwrap().recovered.len(), 3, "read {read}");
        }
    }
    assert!(unsteady > 0, "no read was wrong at the end of the log");
}
