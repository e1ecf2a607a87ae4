//! Cutting the log: a kill at any moment leaves the log as it was or cut, and the server goes on in a new epoch.

use stockhold::directory::{Cut, Directory, DirectoryError, EpochReason, ReadOnlyDirectory};
use stockhold::recovery::recover;
use stockhold::replica::Target;
use stockhold::restore::replica_at;
use stockhold::snapshot::LogPoint;
use stockhold::storage::memory::Survival;
use stockhold::storage::recording::RecordingStorage;
use stockhold::verify::{verify, verify_log};
use stockhold::wal::LogError;

use super::flips::trimmed;
use super::life::{time_of, with_command};
use super::world::{START_MS, World, small};

const NOW_MS: u64 = START_MS + 3_600_000;

/// The last positions of the batches, which are ops too, and the place of the frame after each.
fn ends(disk: &RecordingStorage) -> Vec<(u64, u64, u64)> {
    let directory = ReadOnlyDirectory::open(disk.share_to_read()).unwrap();
    let first = verify_log(&disk.share_to_read(), |_, _| ()).unwrap().log.first_position;
    let mut log = directory.read_log(first).unwrap();
    let (mut ends, mut before) = (Vec::new(), None);
    while let Some(frame) = log.next_frame().unwrap() {
        ends.extend(before.map(|last| (last, frame.segment, frame.offset)));
        before = Some(frame.first_position + u64::from(frame.records) - 1);
    }
    ends
}

fn cut_after(disk: &RecordingStorage, op: u64) -> Result<Cut, DirectoryError> {
    let directory = ReadOnlyDirectory::open(disk.share_to_read()).unwrap();
    Cut::find(disk, directory.manifest(), LogPoint { position: op, op })
}

fn digest_at(disk: &RecordingStorage, target: Target) -> (u64, u64) {
    let directory = ReadOnlyDirectory::open(disk.share_to_read()).unwrap();
    let machine = replica_at(&directory, target, None, &mut |_| ()).unwrap().into_machine();
    (machine.op(), machine.digest())
}

fn recovered(disk: &RecordingStorage) -> (u64, u64) {
    let machine = recover(&Directory::open(disk.share()).unwrap(), |_| ()).unwrap().machine;
    (machine.op(), machine.digest())
}

/// Lets a server go on, and checks that its log is sound and in a new epoch.
fn go_on(disk: &RecordingStorage, state: (u64, u64)) {
    let mut world = World::start(disk, &small(), NOW_MS, 77).unwrap();
    assert_eq!((world.op(), world.digest()), state);
    assert_eq!(world.welcome().epoch, 2);
    for number in 2_000..2_010 {
        world.time.advance_ms(10);
        with_command(number, |command| world.call(&[command]));
    }
    world.ask_for_snapshot();
    world.run();
    let after = (world.op(), world.digest());
    assert!(after.0 > state.0 + 10, "with the record that begins the epoch");
    world.stop();
    assert_eq!(recovered(disk), after);
    let report = verify(&disk.share_to_read(), |_, _| ()).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
    let epochs = report.manifest.unwrap().epochs;
    assert_eq!(epochs.last().map(|epoch| (epoch.epoch, epoch.reason)), Some((2, EpochReason::Truncate)));
}

#[test]
fn a_crash_while_the_log_is_cut_leaves_the_old_or_the_new_state() {
    // Proves every moment of a cut before the newest snapshot, between two segments and within one: what starts is the state
    // at the end or at the cut, once it is the one at the cut it stays so, and the log goes on from there.
    let whole = trimmed();
    let old = recovered(&whole);
    let snapshots = ReadOnlyDirectory::open(whole.share_to_read()).unwrap().snapshots().unwrap();
    let ends = ends(&whole);
    let between = |(op, ..): &&(u64, u64, u64)| snapshots[1] < *op && *op < snapshots[0];
    let within = ends.iter().filter(between).find(|(_, _, offset)| *offset > 20_000).unwrap();
    let at_boundary = ends.iter().filter(between).find(|(_, _, offset)| *offset == 8_192).unwrap();
    let late = ends.last().unwrap();
    for (op, ..) in [within, at_boundary, late] {
        let disk = whole.crash_now(Survival::Everything);
        let (new, begin) = (digest_at(&disk, Target::Op(*op)), disk.moment());
        let cut = cut_after(&disk, *op).unwrap();
        assert_eq!(Directory::open(disk.share()).unwrap().truncate(&cut, NOW_MS).unwrap(), 2);
        let (mut is_new, mut is_cut) = ([false; 2], false);
        for moment in begin..=disk.moment() {
            for survival in [Survival::Everything, Survival::Nothing, Survival::Drawn(moment as u64 + 1)] {
                let image = disk.crash_at(moment, survival);
                let state = recovered(&image);
                assert!(state == old || state == new, "op {op}, moment {moment}, {survival:?}: {state:?}");
                is_new[usize::from(state == new)] = true;
                if survival == Survival::Everything {
                    assert!(state == new || !is_cut, "op {op}, moment {moment}: the cut is undone");
                    is_cut = state == new;
                }
                if state == new && moment % 3 == 0 {
                    go_on(&image, new);
                }
            }
        }
        assert_eq!(is_new, [true, true], "both were seen");
        let left = ReadOnlyDirectory::open(disk.share_to_read()).unwrap().snapshots().unwrap();
        assert!(left[0] <= *op, "snapshots of states after the cut are gone");
        go_on(&disk, new);
    }
}

#[test]
fn a_log_is_cut_before_damage_and_only_after_a_whole_batch() {
    // Proves that a directory which cannot start does so after the cut, whatever is damaged after it, and that an op within a
    // batch is refused with the one before it that can be chosen.
    let whole = trimmed();
    let snapshots = ReadOnlyDirectory::open(whole.share_to_read()).unwrap().snapshots().unwrap();
    let ends = ends(&whole);
    let after_snapshots = ends.iter().position(|(op, ..)| *op > snapshots[0] + 10).unwrap();
    let (op, segment, offset) = ends[after_snapshots];
    let new = digest_at(&whole, Target::Op(op));
    let last_segment = ends.last().unwrap().1;
    for (damaged, at) in [(segment, offset + 100), (last_segment, 0)] {
        let disk = whole.crash_now(Survival::Everything);
        disk.corrupt(&format!("{damaged:016}.segment"), at, |bytes| bytes[0] ^= 1);
        assert!(World::start(&disk, &small(), time_of(9_000), 5).is_err());
        let cut = cut_after(&disk, op).unwrap();
        Directory::open(disk.share()).unwrap().truncate(&cut, NOW_MS).unwrap();
        go_on(&disk, new);
    }
    let trimmed = cut_after(&whole, ends[0].0.min(20)).unwrap_err();
    assert!(matches!(trimmed, DirectoryError::Log(LogError::Missing { .. })), "{trimmed}");
    let long = ends.windows(2).find(|pair| pair[1].0 > pair[0].0 + 1).unwrap();
    match cut_after(&whole, long[0].0 + 1) {
        Err(DirectoryError::WithinBatch { op, before }) => {
            assert_eq!((op, before), (long[0].0 + 1, long[0].0));
        }
        other => panic!("{other:?}"),
    }
}
