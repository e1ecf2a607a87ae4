//! The archive of a server that is stepped by hand: its lag, its limits, and what it keeps.

use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use stockhold::archive::{ArchivePolicy, ArchiveStage, Retention, Store};
use stockhold::config::Config;
use stockhold::replica::Target;
use stockhold::storage::recording::RecordingStorage;
use stockhold::verify::verify;
use stockhold_protocol::Code;

use super::super::crash_images::life::{open_shop, with_command};
use super::super::crash_images::world::{START_MS, World, format_disk, small};
use super::faulty::FaultyStore;
use super::{digest_at, store, view};

pub(super) fn archived(config: impl FnOnce(&mut Config)) -> Config {
    let mut all = small();
    all.archive.url = "memory".to_owned();
    config(&mut all);
    all
}

pub(super) fn policy() -> ArchivePolicy {
    ArchivePolicy { interval_ms: 1_000, retention: Retention::default(), budget_bytes: 0 }
}

/// A server with an open shop.
pub(super) fn start(config: &Config) -> (RecordingStorage, World) {
    let disk = RecordingStorage::new();
    format_disk(&disk, config);
    let mut world = World::start(&disk, config, START_MS, 7).unwrap();
    open_shop(&mut world);
    (disk, world)
}

pub(super) fn stage(
    world: &World,
    disk: &RecordingStorage,
    store: Arc<Store>,
    policy: ArchivePolicy,
) -> ArchiveStage {
    let links = (world.assembly.watermarks.clone(), world.assembly.context.clock.clone());
    let progress = world.assembly.archive.clone().expect("an archive is configured");
    ArchiveStage::new(disk.share_to_read(), store, policy, progress, links)
}

pub(super) fn lag(world: &World) -> (u64, u64) {
    let now_ms = world.assembly.context.clock.monotonic_ms();
    let progress = world.assembly.archive.as_ref().expect("an archive is configured");
    progress.lag(world.assembly.watermarks.durable(), now_ms)
}

/// Executes a command of the sale and returns the code of its outcome.
pub(super) fn buy(world: &mut World, number: u64) -> Code {
    world.time.advance_ms(10);
    with_command(number, |command| world.call(&[command]).remove(0).code)
}

#[test]
fn the_lag_is_told_and_ends_with_a_pass() {
    // Proves ops and time of the lag, and that the archive has exactly what was durable at the pass.
    let (disk, mut world) = start(&archived(|_| ()));
    let objects = Arc::new(InMemory::new());
    let mut stage = stage(&world, &disk, store(&objects), policy());
    assert_eq!(stage.step(), 1_000);
    assert_eq!(lag(&world), (0, 0));
    for number in 1..=25 {
        buy(&mut world, number);
    }
    // The first of them was missing 10 ms after the pass.
    assert_eq!(lag(&world), (25, 240));
    stage.step();
    assert_eq!(lag(&world), (0, 0));
    assert_eq!(digest_at(view(&objects, None), Target::End), (world.op(), world.digest()));
}

#[test]
fn a_required_archive_that_is_behind_stops_new_promises_and_nothing_else() {
    // Proves the limit, what goes on beyond it, and that selling resumes by itself.
    let required = |config: &mut Config| {
        config.archive.required = true;
        config.archive.required_lag_ms = 3_000;
    };
    let (disk, mut world) = start(&archived(required));
    let objects = Arc::new(InMemory::new());
    let down = Arc::new(FaultyStore::over(objects.clone(), 1, 1));
    let unreachable = Store::over(down, "down").unwrap().with_timeout(Duration::from_millis(5));
    let mut failing = stage(&world, &disk, Arc::new(unreachable), policy());
    let mut pauses: Vec<u64> = (0..7).map(|_| failing.step()).collect();
    pauses.dedup();
    assert_eq!(pauses, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000], "failures are not repeated at once");
    let bought = (1..=20).find(|number| buy(&mut world, *number) == Code::Ok).unwrap();
    world.time.advance_ms(3_000);
    let refused = (21..=60).filter(|number| buy(&mut world, *number) == Code::ReadOnly).count();
    assert!(refused > 20, "{refused} reserves were refused");
    assert_eq!(world.assembly.context.feedback.state().name(), "read_only(archive_behind)");
    let reservation = with_command(bought, |command| command.id);
    let confirm = stockhold_protocol::Command::Confirm(stockhold_protocol::ReservationId(reservation));
    assert_ne!(
        world.call(&[stockhold_protocol::Envelope::new(
            super::super::crash_images::world::id(START_MS, 77),
            confirm
        )])[0]
            .code,
        Code::ReadOnly,
        "orders are completed"
    );
    let mut stage = stage(&world, &disk, store(&objects), policy());
    stage.step();
    let codes: Vec<Code> = (61..=80).map(|number| buy(&mut world, number)).collect();
    assert!(!codes.contains(&Code::ReadOnly), "{codes:?}");
    assert_eq!(world.assembly.context.feedback.state().name(), "ok");
}

#[test]
fn the_log_is_held_for_the_archive_up_to_a_limit() {
    // Proves that trimming leaves what the archive lacks, that it goes on once that is archived, and that the limit holds.
    let segments = |disk: &RecordingStorage| {
        let files = disk.share_to_read().list().unwrap();
        files.iter().filter(|file| file.name.ends_with(".segment")).count()
    };
    let sell = |world: &mut World, from: u64| {
        for number in from..from + 300 {
            buy(world, number);
            if number % 100 == 99 {
                world.ask_for_snapshot();
                world.run();
            }
        }
    };
    let objects = Arc::new(InMemory::new());
    let (disk, mut world) = start(&archived(|_| ()));
    sell(&mut world, 1);
    let held = segments(&disk);
    let mut stage = stage(&world, &disk, store(&objects), policy());
    stage.step();
    sell(&mut world, 301);
    stage.step();
    world.ask_for_snapshot();
    world.run();
    let trimmed = segments(&disk);
    assert!(trimmed < held, "{trimmed} segments after an archive, {held} before");
    assert_eq!(digest_at(view(&objects, None), Target::Op(12)).0, 12);

    let little = |config: &mut Config| config.archive.hold_bytes = 3 * 98_304;
    let (disk, mut world) = start(&archived(little));
    sell(&mut world, 1);
    sell(&mut world, 301);
    let kept = segments(&disk);
    assert!(kept < held + 6, "{kept} segments, although three may be held");
    let mut metrics = Vec::new();
    let progress = world.assembly.archive.as_ref().unwrap();
    progress.render(world.op(), 0, &mut metrics);
    let lost = metrics.iter().find(|metric| metric.name == "archive_trimmed_unarchived").unwrap();
    assert!(lost.value > 0);
}

#[test]
fn what_the_archive_leads_back_to_is_not_kept_for_marks() {
    // Proves that a mark keeps log in the data directory until the archive has it, and not longer.
    let (disk, mut world) = start(&archived(|config| config.archive.hold_bytes = 0));
    let mark = stockhold_protocol::command::Mark::new("before");
    world.done(2_000_001, stockhold_protocol::Command::Mark(mark));
    let (op, digest) = (world.op(), world.digest());
    let segments = |disk: &RecordingStorage| {
        let files = disk.share_to_read().list().unwrap();
        files.iter().filter(|file| file.name.ends_with(".segment")).count()
    };
    let sell = |world: &mut World, from: u64| {
        for number in from..from + 300 {
            buy(world, number);
            if number % 100 == 99 {
                world.ask_for_snapshot();
                world.run();
            }
        }
    };
    sell(&mut world, 1);
    let kept = segments(&disk);
    assert_eq!(digest_at(disk.share_to_read(), Target::Op(op)), (op, digest), "the archive is empty");
    let objects = Arc::new(InMemory::new());
    let mut stage = stage(&world, &disk, store(&objects), policy());
    stage.step();
    assert_eq!(world.assembly.archive.as_ref().unwrap().restorable_from(), Some(0));
    world.ask_for_snapshot();
    world.run();
    assert!(segments(&disk) < kept, "{} segments are left of {kept}", segments(&disk));
    assert_eq!(digest_at(view(&objects, None), Target::Op(op)), (op, digest));
}

#[test]
fn old_snapshots_and_segments_leave_the_archive_and_what_is_kept_can_be_restored() {
    // Proves retention by number, that every op from the oldest kept snapshot on is restored, and the budget.
    let (disk, mut world) = start(&archived(|_| ()));
    let objects = Arc::new(InMemory::new());
    let two = ArchivePolicy { retention: Retention { snapshots: 2, age_ms: 0 }, ..policy() };
    let mut stage_of_two = stage(&world, &disk, store(&objects), two);
    let mut digests = std::collections::BTreeMap::new();
    for number in 1..=500 {
        buy(&mut world, number);
        digests.insert(world.op(), world.digest());
        if number % 50 == 49 {
            world.ask_for_snapshot();
            world.run();
            stage_of_two.step();
        }
    }
    stage_of_two.step();
    let files = view(&objects, None);
    let snapshots: Vec<String> = files
        .list()
        .unwrap()
        .into_iter()
        .map(|file| file.name)
        .filter(|name| name.ends_with(".snapshot"))
        .collect();
    assert_eq!(snapshots.len(), 2, "{snapshots:?}");
    let report = verify(&files, |_, _| ()).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
    let oldest: u64 = snapshots[0].split('.').next().unwrap().parse().unwrap();
    assert!(report.log.first_position > 1 && report.log.first_position <= oldest + 1);
    for (op, digest) in digests.range(oldest..) {
        if op % 13 == 0 {
            assert_eq!(digest_at(files.clone(), Target::Op(*op)), (*op, *digest));
        }
    }

    let small = ArchivePolicy { budget_bytes: 100_000, ..policy() };
    let poor = Arc::new(InMemory::new());
    let mut stage_of_budget = stage(&world, &disk, store(&poor), small);
    for number in 501..=700 {
        buy(&mut world, number);
        stage_of_budget.step();
    }
    let spent = Store::over(poor, "poor").unwrap();
    let bytes: u64 = spent.list().unwrap().iter().map(|object| object.bytes).sum();
    assert!(bytes < 100_000 + 2 * 98_304 * 8, "{bytes} bytes for a budget of 100,000 and the last pass");
    let progress = world.assembly.archive.as_ref().unwrap();
    let told = progress.warning(world.op(), 0).unwrap_or_default();
    assert!(told.contains("has spent its budget"), "{told}");
}
