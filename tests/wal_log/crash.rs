//! A crash at every write, sync, rename and removal of a long run: rotation, recycling, snapshots, trims, new epochs.
//! Whatever the medium keeps of the unsynced data, every acknowledged batch is recovered and none is invented.

use stockhold::directory::{EpochReason, MarkNeeds, trim};
use stockhold::snapshot::{LogPoint, SnapshotHeader, SnapshotWriter};
use stockhold::storage::ReadFrom;
use stockhold::storage::memory::Survival;
use stockhold::storage::recording::{Mutant, RecordingStorage};
use stockhold::wal::{CommitLog, Durability, LogOptions};

use super::world::{Batch, LOG, NOW_MS, OPTIONS, Running, format, formatted, payload, share, start};

/// Everything that was appended, and from which moment on it was acknowledged.
#[derive(Default)]
struct Ledger {
    batches: Vec<(Batch, Option<usize>)>,
    snapshots: Vec<(u64, usize)>,
}

const SURVIVALS: [Survival; 6] = [
    Survival::Nothing,
    Survival::Everything,
    Survival::Drawn(1),
    Survival::Drawn(2),
    Survival::Drawn(3),
    Survival::Drawn(4),
];

impl Ledger {
    fn append(&mut self, disk: &RecordingStorage, running: &mut Running, number: u64) {
        let batch =
            Batch { first_position: running.writer.next_position(), records: 2, payload: payload(number) };
        self.batches.push((batch, None));
        running.append(&payload(number), 2).unwrap();
        self.mark_durable(disk, running);
    }

    fn mark_durable(&mut self, disk: &RecordingStorage, running: &Running) {
        for (batch, promised_at) in &mut self.batches {
            if batch.first_position < running.writer.durable_position() && promised_at.is_none() {
                *promised_at = Some(disk.moment());
            }
        }
    }

    fn snapshot(&mut self, disk: &RecordingStorage, running: &Running) {
        let op = running.writer.durable_position();
        let header = SnapshotHeader {
            log_uuid: LOG,
            epoch: 1,
            op,
            position: op,
            time_ms: NOW_MS,
            rules_version: 1,
            feature_level: 1,
        };
        let mut writer = SnapshotWriter::create(share(disk), header).unwrap();
        writer.push_frame(3, 1, &payload(op)).unwrap();
        writer.finish(*b"0123456789abcdef").unwrap();
        self.snapshots.push((op, disk.moment()));
    }

    /// Recovers the image of a crash at `moment` and compares it with everything acknowledged by then.
    fn check(&self, image: &RecordingStorage, moment: usize) -> Result<(), String> {
        let running = start(&share(image), OPTIONS, 99).map_err(|error| format!("{error:?}"))?;
        let newest = running
            .directory
            .snapshots()
            .map_err(|error| format!("{error:?}"))?
            .first()
            .copied()
            .unwrap_or(0);
        let promised = self.snapshots.iter().filter(|(_, at)| *at <= moment).map(|(op, _)| *op).max();
        if promised.is_some_and(|op| op > newest) {
            return Err(format!("snapshot {promised:?} is lost"));
        }
        for op in running.directory.snapshots().map_err(|error| format!("{error:?}"))? {
            let reader = running.directory.read_snapshot(op).map_err(|error| format!("{error:?}"))?;
            reader.into_summary().map_err(|error| format!("{error:?}"))?;
        }
        let mut tried = self.batches.iter().filter(|(batch, _)| batch.first_position > newest);
        for recovered in &running.recovered {
            match tried.next() {
                Some((batch, _)) if batch == recovered => {}
                other => return Err(format!("recovered {recovered:?}, tried {other:?}")),
            }
        }
        match tried.find(|(_, at)| at.is_some_and(|at| at <= moment)) {
            Some((batch, _)) => Err(format!("op {} was promised and is lost", batch.first_position)),
            None => Ok(()),
        }
    }
}

/// Two runs with everything that happens to a directory.
fn live(disk: &RecordingStorage, options: LogOptions) -> Result<Ledger, String> {
    let mut ledger = Ledger::default();
    for run in 0..2 {
        let mut running = start(&share(disk), options, run).map_err(|error| format!("{error:?}"))?;
        for number in 0..45 {
            ledger.append(disk, &mut running, number);
            if number % 3 == 0 {
                running.preparer.step(NOW_MS).unwrap();
            }
            if number % 5 == 4 {
                running.writer.sync().unwrap();
                ledger.mark_durable(disk, &running);
            }
            if number % 15 == 14 {
                ledger.snapshot(disk, &running);
                let point = |(op, _): &(u64, usize)| LogPoint { position: *op, op: *op };
                let points: Vec<_> = ledger.snapshots.iter().map(point).collect();
                let plan = running.directory.plan_trim(&points, MarkNeeds::default()).unwrap();
                trim(&share(disk), &plan, Some(running.writer.pool())).unwrap();
            }
        }
        let first_position = running.writer.next_position();
        running.directory.bump_epoch(EpochReason::UncleanStop, first_position, NOW_MS).unwrap();
        if run == 0 {
            running.writer.finish().unwrap();
        }
    }
    Ok(ledger)
}

/// A formatted disk whose history begins after the formatting.
fn settled() -> RecordingStorage {
    formatted().crash_now(Survival::Everything)
}

fn check_every_moment(disk: &RecordingStorage, ledger: &Ledger) -> Result<(), String> {
    for moment in 0..=disk.moment() {
        for survival in SURVIVALS {
            let image = disk.crash_at(moment, survival);
            ledger
                .check(&image, moment)
                .map_err(|error| format!("moment {moment}, {survival:?}: {error}"))?;
        }
    }
    Ok(())
}

/// Proves that a crash at any moment loses nothing acknowledged, with a sync per batch, and that files were recycled
/// meanwhile.
#[test]
fn every_moment() {
    let disk = settled();
    let ledger = live(&disk, OPTIONS).unwrap();
    let recycled =
        disk.history().iter().filter(|event| format!("{event:?}").contains("to: \"recycled-")).count();
    assert!(recycled > 4, "the life was long enough to use files again");
    check_every_moment(&disk, &ledger).unwrap();
}

/// Proves that with `durability = interval` a crash at any moment keeps everything that was synced, and is never
/// reported as damage.
#[test]
fn every_moment_with_interval() {
    let disk = settled();
    let ledger = live(&disk, LogOptions { durability: Durability::Interval, ..OPTIONS }).unwrap();
    check_every_moment(&disk, &ledger).unwrap();
}

/// Proves that these tests detect a write path that omits a sync: each of the three ways is caught.
#[test]
fn forgetful_writers_are_caught() {
    for mutant in [Mutant::SkipDurableWrite, Mutant::SkipSync, Mutant::SkipSyncDirectory] {
        let disk = settled();
        disk.set_mutant(mutant);
        let caught = live(&disk, OPTIONS).and_then(|ledger| check_every_moment(&disk, &ledger));
        assert!(caught.is_err(), "{mutant:?} went unseen");
    }
}

/// Proves that a second crash, at any moment of the recovery from the first, loses nothing either.
#[test]
fn crash_during_recovery() {
    let disk = settled();
    let ledger = live(&disk, OPTIONS).unwrap();
    for moment in (0..=disk.moment()).step_by(11) {
        for survival in [Survival::Everything, Survival::Drawn(5), Survival::Drawn(6)] {
            let image = disk.crash_at(moment, survival);
            drop(start(&share(&image), OPTIONS, 50).unwrap());
            for second in 0..=image.moment() {
                for survival in [Survival::Nothing, Survival::Drawn(7)] {
                    let again = image.crash_at(second, survival);
                    ledger.check(&again, moment).unwrap_or_else(|error| {
                        panic!("moment {moment}, then {second}, {survival:?}: {error}");
                    });
                }
            }
        }
    }
}

/// Proves that an interrupted formatting can be repeated, and that a finished one is complete.
#[test]
fn crash_during_format() {
    let disk = RecordingStorage::new();
    drop(format(&share(&disk)).unwrap());
    for moment in 0..=disk.moment() {
        for survival in SURVIVALS {
            let image = disk.crash_at(moment, survival);
            let finished = image.contents("MANIFEST").is_some();
            assert!(finished || moment < disk.moment(), "a finished format holds");
            if !finished {
                drop(format(&share(&image)).unwrap());
            }
            let running = start(&share(&image), OPTIONS, 1).unwrap();
            assert_eq!(running.directory.manifest().genesis, b"genesis");
            assert!(running.recovered.is_empty());
        }
    }
}

/// Proves that a snapshot that has its name is complete on the medium.
#[test]
fn a_named_snapshot_is_whole() {
    let disk = settled();
    let ledger = live(&disk, OPTIONS).unwrap();
    for moment in 0..=disk.moment() {
        let image = disk.crash_at(moment, Survival::Drawn(u64::try_from(moment).unwrap()));
        for (op, _) in &ledger.snapshots {
            let name = stockhold::snapshot::snapshot_name(*op);
            if image.contents(&name).is_some() {
                let storage = share(&image);
                stockhold::snapshot::verify(storage.as_ref(), &name, LOG, ReadFrom::Medium, |_, _| ())
                    .unwrap();
            }
        }
    }
}
