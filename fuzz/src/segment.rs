//! A log with its manifest, damaged in every way: bytes, fields, blocks, whole files. If the input says so, the
//! checksums are repaired and the frames chained again, so that the checks behind the checksums are reached.

use super::draw::Draw;
use super::history::{self, History};
use std::sync::LazyLock;
use stockhold::directory::{Directory, DirectoryError, EpochReason, FormatOptions, MANIFEST_NAME};
use stockhold::recovery::{Recovered, recover};
use stockhold::snapshot::LogPoint;
use stockhold::storage::checksum::checksum;
use stockhold::storage::layout::{BLOCK_BYTES, CHECKSUM_BYTES, FRAMES_OFFSET, frame, header, opening};
use stockhold::storage::recording::RecordingStorage;
use stockhold::storage::{ReadStorage, SharedStorage, Storage};
use stockhold::verify::verify;
use stockhold::wal::segment::segment_name;
use stockhold::wal::{CommitLog, Durability, EndReason, LogDump, LogOptions, LogStart, LogWriter, ReadTo};
use uuid::Uuid;

/// A named file.
pub type File = (String, Vec<u8>);

const LOG: Uuid = Uuid::from_u128(0x0011_2233_4455_6677_8899_AABB_CCDD_EEFF);
const OPTIONS: LogOptions =
    LogOptions { segment_bytes: 6 * 4096, payload_bytes_max: 2 * 4096, durability: Durability::Every };
/// Maximum number of damages of one input.
const DAMAGES_MAX: usize = 32;
/// No damage makes a file longer than this.
const FILE_BYTES_MAX: usize = 12 * BLOCK_BYTES;

/// Three runs: one stopped cleanly, one stopped by a crash, and the segment of the third.
static LIFE: LazyLock<Vec<File>> = LazyLock::new(|| {
    let disk = RecordingStorage::new();
    let genesis = history::genesis().encode();
    let format = FormatOptions {
        log_uuid: LOG,
        epoch: 1,
        reason: EpochReason::Format,
        base: LogPoint::default(),
        now_ms: history::START_MS,
        salt_seed: 1,
        segment_bytes: OPTIONS.segment_bytes,
        genesis,
    };
    drop(Directory::format(disk.share(), format).expect("an empty disk is formatted"));
    let mut lived = History::new();
    let sale = history::sale();
    let (first, second) = sale.split_at(4);
    for (session, batches, stops) in
        [(1, &[history::shop(), first.to_vec()][..], true), (2, &[second.to_vec()], false)]
    {
        let mut writer = take_up(&disk.share(), session);
        for batch in batches {
            let mut buffer = writer.frame_buffer();
            buffer.extend_from_slice(&lived.apply_batch(batch, session));
            writer.append(&mut buffer, u32::try_from(batch.len()).expect("few")).expect("there is room");
        }
        if stops {
            writer.finish().expect("there is room");
        }
    }
    drop(take_up(&disk.share(), 3));
    let names = disk.list().expect("a list").into_iter().map(|file| file.name);
    names.filter_map(|name| disk.contents(&name).map(|bytes| (name, bytes))).collect()
});

fn take_up(storage: &SharedStorage, salt_seed: u64) -> LogWriter {
    let directory = Directory::open(storage.clone()).expect("formatted");
    let mut reader = directory.read_log(1, ReadTo::End).expect("a log");
    while reader.next_frame().expect("sound").is_some() {}
    let end = reader.into_end().expect("read to the end");
    let start = LogStart { log_uuid: LOG, epoch: 1, now_ms: history::START_MS, salt_seed };
    LogWriter::begin(storage, OPTIONS, start, &end).expect("taken up").0
}

/// Damages the files as the input says, then reads, verifies, dumps and recovers them. Each returns a result or a
/// typed error, and the result of recovery stays the same after another start.
pub fn run(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    let mut files = LIFE.clone();
    for _ in 0..DAMAGES_MAX {
        if draw.is_empty() {
            break;
        }
        damage(&mut draw, &mut files);
    }
    let disk = RecordingStorage::new();
    disk.forget_history();
    for (name, contents) in &files {
        disk.replace(name, contents).expect("memory does not fail");
    }
    let storage = disk.share();
    let is_sound = match verify(&disk.share_to_read(), |_, _| ()) {
        Ok(verification) => verification.is_sound(),
        Err(DirectoryError::Storage(error)) => panic!("memory does not fail: {error}"),
        Err(_) => false,
    };
    if let Ok(mut dump) = LogDump::open(storage.clone(), LOG, 1) {
        let blocks: usize = files.iter().map(|(_, contents)| contents.len() / BLOCK_BYTES + 1).sum();
        let mut entries = 0;
        while let Ok(Some(_)) = dump.next_entry() {
            entries += 1;
            assert!(entries <= blocks, "a dump ends");
        }
    }
    let starts = restart(&storage);
    assert!(starts || !is_sound, "no start from a directory that was found sound");
}

/// Checks that a second start finds what the first start found. Returns whether there was a start.
fn restart(storage: &SharedStorage) -> bool {
    let Ok(mut directory) = Directory::open(storage.clone()) else { return false };
    let Ok(recovered) = recover(&directory, |_| ()).and_then(Recovered::validated) else { return false };
    let epoch = directory.manifest().epoch();
    let start = LogStart { log_uuid: LOG, epoch, now_ms: history::START_MS, salt_seed: 9 };
    let Ok((writer, _)) = LogWriter::begin(storage, OPTIONS, start, &recovered.end) else { return false };
    drop(writer);
    let again = recover(&directory, |_| ()).expect("what was recovered once is recovered again");
    assert_eq!(
        (again.machine.op(), again.machine.digest()),
        (recovered.machine.op(), recovered.machine.digest())
    );
    // A prepared segment that is used now may contain any bytes after its opening; they look like a torn write.
    let is_end = match again.end.previous.reason {
        EndReason::Crash => true,
        EndReason::TornTail => recovered.end.unused.is_some(),
        EndReason::CleanStop
        | EndReason::Start
        | EndReason::Restore
        | EndReason::Rotated
        | EndReason::Truncated => false,
    };
    assert!(is_end, "an empty segment ends the log: {:?}", again.end);
    let end = LogPoint { position: recovered.end.last_position(), op: recovered.machine.op() };
    if directory.add_skip(end.op, "drawn", end, history::START_MS).is_ok() {
        // Without its last op the log may violate an invariant. That is reported and does not stop the start.
        drop(recover(&directory, |_| ()));
    }
    true
}

fn damage(draw: &mut Draw<'_>, files: &mut Vec<File>) {
    let kind = draw.byte();
    if files.is_empty() {
        return;
    }
    let at = draw.below(files.len());
    let blocks: usize = files[at].1.len().div_ceil(BLOCK_BYTES);
    let block = draw.below(blocks);
    match kind % 8 {
        // Bytes anywhere in a block, or among the first ones, where the fields are.
        0 | 1 => {
            let within =
                if kind.is_multiple_of(8) { usize::from(draw.word()) % BLOCK_BYTES } else { draw.below(128) };
            let length = draw.below(9) + 1;
            put(&mut files[at].1, block * BLOCK_BYTES + within, draw.take(length));
        }
        2 => {
            let length = usize::from(draw.word()) * 2;
            files[at].1.resize(length.min(FILE_BYTES_MAX), 0);
        }
        3 => {
            files.remove(at);
            return;
        }
        4 => {
            let name = segment_name(u64::try_from(draw.below(6)).expect("small"));
            let contents = files[at].1.clone();
            files.retain(|(other, _)| *other != name);
            files.push((name, contents));
            return;
        }
        5 => {
            let from = draw.below(files.len());
            let source = draw.below(files[from].1.len().div_ceil(BLOCK_BYTES)) * BLOCK_BYTES;
            let end = files[from].1.len().min(source + BLOCK_BYTES);
            let copied = files[from].1[source.min(end)..end].to_vec();
            put(&mut files[at].1, block * BLOCK_BYTES, &copied);
        }
        6 => put(&mut files[at].1, block * BLOCK_BYTES, &[0; BLOCK_BYTES]),
        _ => chain_anew(&mut files[at].1),
    }
    if kind & 0x40 != 0 {
        mend(&mut files[at], block);
    }
}

/// Puts bytes into a file, as far as it reaches.
fn put(contents: &mut [u8], at: usize, bytes: &[u8]) {
    let start = at.min(contents.len());
    let end = (start + bytes.len()).min(contents.len());
    contents[start..end].copy_from_slice(&bytes[..end - start]);
}

/// Repairs the checksum of the structure at the start of a block.
fn mend((name, contents): &mut File, block: usize) {
    let at = block * BLOCK_BYTES;
    if name == MANIFEST_NAME {
        if let Some(sum_at) = contents.len().checked_sub(CHECKSUM_BYTES) {
            seal(contents, 0, sum_at);
        }
    } else if contents.len() >= at + BLOCK_BYTES {
        match at {
            0 => seal(contents, 0, header::CHECKSUM_AT),
            opening::OPENING_OFFSET => seal(contents, at, opening::CHECKSUM_AT),
            _ => seal_frame(contents, at),
        }
    }
}

fn seal(contents: &mut [u8], start: usize, sum_at: usize) {
    let sum = checksum(&contents[start..start + sum_at]);
    put(contents, start + sum_at, &sum.to_le_bytes());
}

fn frame_end(contents: &[u8], at: usize) -> usize {
    let mut field = [0; 4];
    field.copy_from_slice(&contents[at + frame::PAYLOAD_BYTES_AT..at + frame::PAYLOAD_BYTES_AT + 4]);
    let payload = usize::try_from(u32::from_le_bytes(field)).expect("64 bits");
    at.saturating_add((frame::HEAD_BYTES + payload).next_multiple_of(BLOCK_BYTES)).min(contents.len())
}

fn seal_frame(contents: &mut [u8], at: usize) {
    let end = frame_end(contents, at);
    let sum = checksum(&contents[at + frame::HEAD_BYTES..end]);
    put(contents, at + frame::BODY_CHECKSUM_AT, &sum.to_le_bytes());
    seal(contents, at, frame::CHECKSUM_AT);
}

/// Chains the frames of a segment again, after whatever opening they have.
fn chain_anew(contents: &mut [u8]) {
    if contents.len() < FRAMES_OFFSET {
        return;
    }
    seal(contents, opening::OPENING_OFFSET, opening::CHECKSUM_AT);
    let mut sum_at = opening::OPENING_OFFSET + opening::CHECKSUM_AT;
    let mut at = FRAMES_OFFSET;
    while contents.len() >= at + BLOCK_BYTES && contents[at..].starts_with(&frame::MAGIC) {
        contents.copy_within(sum_at..sum_at + CHECKSUM_BYTES, at + frame::PREVIOUS_AT);
        contents.copy_within(header::SALT_AT..header::SALT_AT + 8, at + frame::SALT_AT);
        seal_frame(contents, at);
        sum_at = at + frame::CHECKSUM_AT;
        at = frame_end(contents, at);
    }
}
