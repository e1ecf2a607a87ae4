//! Starts that log nothing take no additional disk space, lose nothing, and can be interrupted at any moment.

use stockhold::directory::{MarkNeeds, trim};
use stockhold::snapshot::{LogPoint, SnapshotHeader, SnapshotWriter};
use stockhold::storage::memory::Survival;
use stockhold::storage::recording::RecordingStorage;
use stockhold::storage::{ReadStorage, Storage};
use stockhold::wal::segment::{parse_segment_name, segment_name};
use stockhold::wal::{
    CommitLog, Durability, EndReason, LogOptions, PreviousEnd, ReadTo, SegmentHeader, SegmentOpening,
};

use super::world::{
    Batch, LOG, NOW_MS, OPTIONS, Running, SEGMENT_BYTES, formatted, payload, read_all, share, start,
};

/// The end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Clean,
    /// The process is killed, and the system continues.
    Killed,
    /// The power fails.
    PowerCut(Survival),
}

const ENDINGS: [Ending; 5] = [
    Ending::Clean,
    Ending::Killed,
    Ending::PowerCut(Survival::Nothing),
    Ending::PowerCut(Survival::Everything),
    Ending::PowerCut(Survival::Drawn(3)),
];

fn end(disk: RecordingStorage, running: Running, ending: Ending) -> RecordingStorage {
    if ending == Ending::Clean {
        running.writer.finish().unwrap();
    }
    drop(running.directory);
    match ending {
        Ending::Clean | Ending::Killed => {
            disk.end_process();
            disk
        }
        Ending::PowerCut(survival) => disk.crash_now(survival),
    }
}

/// The sequence numbers of the segments.
fn segments(disk: &RecordingStorage) -> Vec<u64> {
    disk.list().unwrap().iter().filter_map(|file| parse_segment_name(&file.name)).collect()
}

fn append(running: &mut Running, expected: &mut Vec<Batch>, number: u64) {
    let first_position = running.append(&payload(number), 2).unwrap().first;
    expected.push(Batch { first_position, records: 2, payload: payload(number) });
}

/// Proves that nine starts without traffic, however each ends and whether or not its spare was ready, leave the same
/// segments as one; that earlier batches are recovered; and that later batches are too.
#[test]
fn starts_that_log_nothing_take_no_more_of_the_disk() {
    for durability in [Durability::Every, Durability::Interval] {
        let options = LogOptions { durability, ..OPTIONS };
        for (ending, batches, is_patient) in ENDINGS
            .iter()
            .flat_map(|ending| [0, 1, 12].map(|batches| (*ending, batches)))
            .flat_map(|(ending, batches)| [true, false].map(|is_patient| (ending, batches, is_patient)))
        {
            let name = format!("{durability:?}, {ending:?}, {batches} batches, patient: {is_patient}");
            let mut disk = formatted();
            let mut expected = Vec::new();
            let mut running = start(&share(&disk), options, 1).unwrap();
            for number in 0..batches {
                append(&mut running, &mut expected, number);
            }
            running.writer.sync().unwrap();
            running.prepare();
            disk = end(disk, running, ending);
            let mut before = segments(&disk);
            for run in 0..9 {
                let mut running = start(&share(&disk), options, 10 + run).unwrap();
                assert_eq!(running.recovered, expected, "{name}");
                if is_patient {
                    running.prepare();
                }
                disk = end(disk, running, ending);
                let now = segments(&disk);
                let most = before.len() + usize::from(run == 0 && batches > 0);
                assert!(now.len() <= most, "{name}, run {run}: {before:?} became {now:?}");
                before = now;
            }
            let mut running = start(&share(&disk), options, 30).unwrap();
            append(&mut running, &mut expected, 77);
            running.writer.sync().unwrap();
            disk = end(disk, running, ending);
            let last = start(&share(&disk), options, 31).unwrap();
            assert_eq!(last.recovered, expected, "{name}");
        }
    }
}

/// Proves that a crash at any moment of a start that replaces a blank segment, whatever the medium keeps, leaves a log
/// with all batches that still records how the last run with traffic ended.
#[test]
fn a_start_that_replaces_a_blank_segment_can_be_cut_off_anywhere() {
    for (blanks, has_spare) in [(1, true), (1, false), (3, true), (3, false)] {
        let (disk, expected) = with_blanks(blanks, has_spare);
        let disk = disk.crash_now(Survival::Everything);
        drop(start(&share(&disk), OPTIONS, 20).unwrap());
        for moment in 0..=disk.moment() {
            for survival in [Survival::Nothing, Survival::Everything, Survival::Drawn(1), Survival::Drawn(2)]
            {
                let image = disk.crash_at(moment, survival);
                let mut again = start(&share(&image), OPTIONS, 21)
                    .unwrap_or_else(|error| panic!("{blanks}, moment {moment}, {survival:?}: {error:?}"));
                assert_eq!(again.recovered, expected);
                let mut all = expected.clone();
                append(&mut again, &mut all, 5);
                drop(again);
                let image = image.crash_now(Survival::Nothing);
                let directory = stockhold::directory::Directory::open(share(&image)).unwrap();
                let mut reader = directory.read_log(1, ReadTo::End).unwrap();
                let mut found = 0;
                while let Some(frame) = reader.next_frame().unwrap() {
                    assert_eq!(frame.payload, all[found].payload);
                    found += 1;
                }
                assert_eq!(found, all.len());
            }
        }
        assert_eq!(segments(&disk), [1, 2], "all blank segments have given way to one");
    }
}

/// A log of one segment with batches and this many blank ones after it, as servers left them that began a segment at
/// each start.
fn with_blanks(count: u64, has_spare: bool) -> (RecordingStorage, Vec<Batch>) {
    let disk = formatted();
    let mut expected = Vec::new();
    let mut running = start(&share(&disk), OPTIONS, 1).unwrap();
    for number in 0..3 {
        append(&mut running, &mut expected, number);
    }
    running.writer.finish().unwrap();
    drop(running.directory);
    let mut previous =
        read_all(&stockhold::directory::Directory::open(share(&disk)).unwrap()).unwrap().1.previous;
    for _ in 0..count {
        let sequence = previous.sequence + 1;
        let header = header_of(sequence);
        let opening = SegmentOpening {
            salt: header.salt,
            epoch: 1,
            first_position: previous.last_position + 1,
            durability: Durability::Every,
            previous,
        };
        let (block, chain) = opening.encode();
        write_segment(&disk, &header, block.as_slice());
        let end_offset = 2 * 4096;
        previous = PreviousEnd { sequence, end_offset, chain, reason: EndReason::Crash, ..previous };
    }
    if has_spare {
        write_segment(&disk, &header_of(previous.sequence + 1), &[0; 4096]);
    }
    (disk, expected)
}

fn header_of(sequence: u64) -> SegmentHeader {
    let salt = 0x5A17 + sequence;
    SegmentHeader { log_uuid: LOG, sequence, salt, segment_bytes: SEGMENT_BYTES, created_ms: NOW_MS }
}

fn write_segment(disk: &RecordingStorage, header: &SegmentHeader, opening: &[u8]) {
    let mut bytes = [header.encode().as_slice(), opening].concat();
    bytes.resize(usize::try_from(SEGMENT_BYTES).unwrap(), 0);
    disk.replace(&segment_name(header.sequence), &bytes).unwrap();
}

/// Proves that a segment which may contain a torn write is kept as evidence, even if nothing was acknowledged in it.
#[test]
fn a_segment_with_a_torn_write_stays() {
    let (disk, expected) = with_blanks(1, false);
    disk.corrupt(&segment_name(2), 2 * 4096 + 600, |bytes| bytes[0] = 7);
    let running = start(&share(&disk), OPTIONS, 9).unwrap();
    assert_eq!((&running.recovered, running.writer.segment()), (&expected, 3));
    assert_eq!(disk.contents(&segment_name(2)).unwrap()[2 * 4096 + 600], 7);
}

/// Proves that a recycled file counts as blank too: its frames are of an earlier use.
#[test]
fn a_segment_with_frames_of_an_earlier_use_is_blank() {
    let mut disk = formatted();
    let mut running = start(&share(&disk), OPTIONS, 1).unwrap();
    let mut points = Vec::new();
    let mut number = 0;
    // Until the spare is a recycled file.
    while !disk.history().iter().any(|event| format!("{event:?}").contains("Rename { from: \"recycled-")) {
        let op = running.append(&payload(number), 1).unwrap().last;
        number += 1;
        if number.is_multiple_of(9) {
            let header = SnapshotHeader {
                log_uuid: LOG,
                epoch: 1,
                op,
                position: op,
                time_ms: NOW_MS,
                rules_version: 1,
                feature_level: 1,
            };
            SnapshotWriter::create(share(&disk), header).unwrap().finish([0; 16]).unwrap();
            points.push(LogPoint { position: op, op });
            let plan = running.directory.plan_trim(&points, MarkNeeds::default()).unwrap();
            trim(&share(&disk), &plan, Some(running.writer.pool())).unwrap();
        }
        assert!(number < 1_000, "no file is used again");
    }
    running.prepare();
    disk = end(disk, running, Ending::Killed);
    let mut counts = Vec::new();
    for run in 0..4 {
        let mut running = start(&share(&disk), OPTIONS, 50 + run).unwrap();
        running.prepare();
        if run == 0 {
            let reason = running.end.previous.reason;
            assert!(matches!(reason, EndReason::Crash | EndReason::TornTail), "{reason:?}");
        }
        disk = end(disk, running, Ending::Killed);
        counts.push(segments(&disk).len());
    }
    assert_eq!(counts[1..], [counts[0]; 3]);
}
