//! Running out of space is noticed before a write; a failed write ends all writing.

use stockhold::storage::memory::Survival;
use stockhold::storage::recording::Fault;
use stockhold::wal::{AppendError, CommitLog, LogOptions, Progress, Space};

use super::world::{NOW_MS, OPTIONS, Running, SEGMENT_BYTES, formatted, payload, share, start};

/// Appends full-size batches until one is refused. Returns how many fitted.
fn fill(running: &mut Running) -> (usize, AppendError) {
    let mut frame = running.writer.frame_buffer();
    frame.extend_from_slice(&[1; 10_000]);
    for appended in 0..1_000 {
        if let Err(error) = running.writer.append(&mut frame, 1) {
            return (appended, error);
        }
    }
    panic!("a bounded disk takes a bounded log");
}

/// Proves the whole sequence: normal, reserve, full (refused before a write, nothing poisoned), and normal again by
/// itself.
#[test]
fn a_full_disk_is_met_early() {
    let disk = formatted();
    let mut running = start(&share(&disk), OPTIONS, 1).unwrap();
    running.prepare();
    assert_eq!(running.writer.space(), Space::Normal);
    disk.set_capacity(Some(2 * SEGMENT_BYTES + 1_000));

    let (first, error) = fill(&mut running);
    assert!(matches!(error, AppendError::NotReady), "{error:?}");
    assert_eq!(first, 8, "two segments of four full-size frames");
    assert_eq!(running.preparer.step(NOW_MS).unwrap(), Progress::NoSpace);
    assert_eq!(running.writer.space(), Space::Full);
    let moment = disk.moment();
    assert!(matches!(fill(&mut running), (0, AppendError::Full)));
    assert_eq!(disk.moment(), moment, "nothing was written");

    disk.set_capacity(None);
    running.prepare();
    assert_eq!(running.writer.space(), Space::Normal);
    assert_eq!(running.append(&[1; 10_000], 1).unwrap().first, 9);
    assert_eq!(running.preparer.step(NOW_MS).unwrap(), Progress::Working);
    disk.set_capacity(Some(0));
    running.prepare();
    assert_eq!(running.writer.space(), Space::Normal, "space that was reserved is not asked for again");
    running.writer.finish().unwrap();
    drop(running.directory);
    assert_eq!(start(&share(&disk), OPTIONS, 2).unwrap().recovered.len(), 9);
}

/// Proves that while it is unknown whether there will be another segment, space for the reserve is kept besides the
/// accepted batch: however late the preparer finds that the disk is full, a quarter of a segment is left for commands
/// that free space.
#[test]
fn a_late_preparer_does_not_cost_the_reserve() {
    let disk = formatted();
    let options = LogOptions { segment_bytes: 2 * SEGMENT_BYTES, ..OPTIONS };
    let mut running = start(&share(&disk), options, 1).unwrap();
    disk.inject(Fault::NoSpace(1));
    let mut appended = 0;
    while running.writer.space() == Space::Normal {
        running.append(&[1; 10_000], 1).unwrap();
        appended += 1;
    }
    assert_eq!((running.writer.space(), appended), (Space::Undecided, 6));
    assert_eq!(running.preparer.step(NOW_MS).unwrap(), Progress::NoSpace);
    let mut reserve_bytes = 0;
    while running.writer.space() == Space::Reserve {
        running.append(&[1; 10_000], 1).unwrap();
        reserve_bytes += 3 * 4096;
    }
    assert!(reserve_bytes >= options.segment_bytes / 4, "{reserve_bytes}");
    running.prepare();
    assert_eq!(running.writer.space(), Space::Normal);
}

/// Proves that the last segment counts as reserve while full-size batches still fit, and that no temporary file is
/// left.
#[test]
fn the_last_segment_is_the_reserve() {
    let disk = formatted();
    let mut running = start(&share(&disk), OPTIONS, 1).unwrap();
    disk.inject(Fault::NoSpace(1));
    assert_eq!(running.preparer.step(NOW_MS).unwrap(), Progress::NoSpace);
    for left in (0..4).rev() {
        assert_eq!(running.writer.space(), Space::Reserve);
        running.append(&[1; 10_000], 1).unwrap();
        assert_eq!(running.writer.space() == Space::Full, left == 0);
    }
    assert!(disk.contents("0000000000000002.segment.tmp").is_none());
    running.append(&[1; 10_000], 1).unwrap_err();
    running.prepare();
    running.append(&[1; 10_000], 1).unwrap();
}

/// Proves that any failure of a write or its sync poisons the log: no later call writes, and a new start recovers
/// everything acknowledged.
#[test]
fn a_failed_write_ends_all_writing() {
    for fault in [Fault::FailWrite(1), Fault::ShortWrite(1), Fault::FailSync(1)] {
        let disk = formatted();
        let mut running = start(&share(&disk), OPTIONS, 1).unwrap();
        running.append(&payload(1), 1).unwrap();
        disk.inject(fault);
        assert!(matches!(running.append(&payload(2), 1), Err(AppendError::Storage(_))));
        let moment = disk.moment();
        assert!(matches!(running.append(&payload(3), 1), Err(AppendError::Poisoned)));
        assert!(matches!(running.writer.sync(), Err(AppendError::Poisoned)));
        assert!(matches!(running.writer.finish(), Err(AppendError::Poisoned)));
        assert_eq!(disk.moment(), moment, "nothing was tried again");
        drop(running.directory);
        let recovered = start(&share(&disk), OPTIONS, 2).unwrap().recovered;
        assert_eq!(recovered[0].payload, payload(1));
        assert!(
            recovered.len() == 1 || recovered[1].payload == payload(2),
            "the failed one may or may not have arrived"
        );
    }
}

/// Proves that a failing preparer reports it, stays failed, and never leaves an unfinished segment under a segment's
/// name.
#[test]
fn a_failed_preparation_is_final() {
    let faults = [Fault::FailWrite(2), Fault::FailSync(1), Fault::FailRename(1), Fault::FailSyncDirectory(1)];
    for fault in faults {
        let disk = formatted();
        let mut running = start(&share(&disk), OPTIONS, 1).unwrap();
        disk.inject(fault);
        let mut answer = Ok(Progress::Working);
        while matches!(answer, Ok(Progress::Working)) {
            answer = running.preparer.step(NOW_MS);
        }
        assert!(answer.is_err(), "{fault:?}: {answer:?}");
        assert!(running.preparer.step(NOW_MS).is_err());
        let (_, error) = fill(&mut running);
        assert!(matches!(error, AppendError::Poisoned), "{error:?}");
        drop(running);
        let disk = disk.crash_now(Survival::Everything);
        assert_eq!(start(&share(&disk), OPTIONS, 2).unwrap().recovered.len(), 4);
    }
}

/// Proves that no segment is prepared after one that is not in use yet, because a start would see two unopened ones as
/// a gap.
#[test]
fn a_failed_rotation_asks_for_no_further_segment() {
    let disk = formatted();
    let mut running = start(&share(&disk), OPTIONS, 1).unwrap();
    running.prepare();
    for _ in 0..4 {
        running.append(&[1; 10_000], 1).unwrap();
    }
    disk.inject(Fault::FailWrite(1));
    assert!(matches!(running.append(&[2; 10_000], 1), Err(AppendError::Storage(_))));
    // The preparer has its own thread, which does not know about the failure.
    running.prepare();
    assert!(disk.contents("0000000000000003.segment").is_none());
    drop(running);
    assert_eq!(start(&share(&disk), OPTIONS, 2).unwrap().recovered.len(), 4);
}

/// Proves that a failing rotation poisons the log and loses nothing.
#[test]
fn a_failed_rotation_ends_all_writing() {
    let disk = formatted();
    let mut running = start(&share(&disk), OPTIONS, 1).unwrap();
    running.prepare();
    for _ in 0..4 {
        running.append(&[1; 10_000], 1).unwrap();
    }
    disk.inject(Fault::FailWrite(1));
    assert!(matches!(running.append(&[2; 10_000], 1), Err(AppendError::Storage(_))));
    assert!(matches!(running.append(&[2; 10_000], 1), Err(AppendError::Poisoned)));
    drop(running);
    assert_eq!(start(&share(&disk), OPTIONS, 2).unwrap().recovered.len(), 4);
}
