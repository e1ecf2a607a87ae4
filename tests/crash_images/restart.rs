//! Unusual starts: from every prefix of the log, with a skipped op, from the older of two snapshots, and after a run
//! that answered before syncing.

use super::life::{PER_ROUND, ROUNDS, live_with, time_of, with_command};
use super::world::{START_MS, World, format_disk, small};
use stockhold::config::DurabilityChoice;
use stockhold::directory::Directory;
use stockhold::pipeline::apply::apply_payload;
use stockhold::recovery::recover;
use stockhold::snapshot::LogPoint;
use stockhold::storage::memory::Survival;
use stockhold::storage::recording::RecordingStorage;
use stockhold::verify::verify;
use stockhold::wal::ReadTo;
use stockhold_machine::{Genesis, Machine};
use stockhold_protocol::command::Mark;
use stockhold_protocol::{Code, Command};

const END_MS: u64 = time_after_all();

const fn time_after_all() -> u64 {
    START_MS + ROUNDS * PER_ROUND * 10
}

#[test]
fn every_prefix_of_the_log_replays_to_the_state_that_the_server_had() {
    // Proves that replay from the first op gives, at the end of each batch, the digest that the running server had there.
    let life = live_with(&RecordingStorage::new(), &small(), false);
    let image = life.storage.crash_now(Survival::Everything);
    let directory = Directory::open(image.share()).unwrap();
    let genesis = Genesis::decode(&directory.manifest().genesis).unwrap();
    let mut machine = Machine::new(&genesis);
    let mut log = directory.read_log(1, ReadTo::End).unwrap();
    // Opening the shop was not recorded op by op.
    let opened = *life.digests.keys().nth(1).unwrap();
    let mut batches = 0;
    while let Some(frame) = log.next_frame().unwrap() {
        apply_payload(
            &mut machine,
            (frame.first_position, frame.records),
            frame.payload,
            |_| false,
            |_: &Machine, _| (),
        )
        .unwrap();
        if machine.op() >= opened {
            assert_eq!(life.digests.get(&machine.op()), Some(&machine.digest()), "after op {}", machine.op());
            batches += 1;
        }
    }
    assert!(batches >= ROUNDS, "the log holds the whole life");
    assert_eq!(machine.validate(), Vec::<String>::new());
}

#[test]
fn a_skipped_op_has_no_effect_and_its_id_is_unused() {
    // Proves `log skip`: recovery skips the op in a new epoch, which the log tells the state of, the state is sound,
    // and a further start has the same state.
    let life = live_with(&RecordingStorage::new(), &small(), false);
    let image = life.storage.crash_now(Survival::Everything);
    let last_op = *life.digests.last_key_value().unwrap().0;
    let skipped = life.ledger.iter().rfind(|known| known.outcome.code == Code::Ok).unwrap();
    let epoch = {
        let mut directory = Directory::open(image.share()).unwrap();
        let before = directory.manifest().epoch();
        let epoch = directory
            .add_skip(
                skipped.outcome.op,
                "it stopped the server",
                LogPoint { position: last_op, op: last_op },
                END_MS,
            )
            .unwrap();
        assert_eq!(epoch, before + 1);
        epoch
    };
    let mut world = World::start(&image, &small(), END_MS, 99).unwrap();
    assert_eq!(world.assembly.report.skipped_ops, 1);
    assert_eq!(world.assembly.directory.manifest().epoch(), epoch);
    assert_ne!(Some(&world.digest()), life.digests.get(&last_op), "the op had an effect, which is gone");
    let again = with_command(skipped.number, |command| world.call(&[command]).remove(0));
    assert!(!again.replayed, "the id is unused: {again:?}");
    // The first op of the epoch begins it.
    assert_eq!(again.op, last_op + 2);
    assert_eq!(world.assembly.applier.machine().epoch(), epoch);
    let (digest, op) = (world.digest(), world.op());
    drop(world);
    let mut world = World::start(&image, &small(), END_MS, 100).unwrap();
    assert_eq!((world.digest(), world.assembly.applier.machine().epoch()), (digest, epoch));
    world.run();
    assert_eq!(world.op(), op, "an epoch that the state knows is not begun again");
}

/// Lets seconds pass with a mark in each, so that batches record digests.
fn pass_seconds(world: &mut World, first: u64) {
    for number in first..first + 5 {
        world.time.advance_ms(1_100);
        world.done(number, Command::Mark(Mark::new(format!("second {number}"))));
    }
}

#[test]
fn an_op_of_an_earlier_session_can_be_skipped_although_later_digests_contain_it() {
    // Proves that a skip never makes a directory unusable: digests of a state that had the op are not compared with a
    // replay that skips it, and later digests are compared again.
    let life = live_with(&RecordingStorage::new(), &small(), false);
    let image = life.storage.crash_now(Survival::Everything);
    let skipped = life.ledger.iter().rfind(|known| known.outcome.code == Code::Ok).unwrap().outcome.op;
    let mut world = World::start(&image, &small(), END_MS, 98).unwrap();
    pass_seconds(&mut world, 9_000);
    let last_op = world.op();
    drop(world);
    let before = recover(&Directory::open(image.share()).unwrap(), |_| ()).unwrap().report;
    let mut directory = Directory::open(image.share()).unwrap();
    let end = LogPoint { position: last_op, op: last_op };
    directory.add_skip(skipped, "it was wrong", end, END_MS).unwrap();
    drop(directory);
    let mut world = World::start(&image, &small(), END_MS + 60_000, 99).unwrap();
    let after = world.assembly.report.clone();
    assert_eq!(after.skipped_ops, 1);
    assert!(after.digests_compared < before.digests_compared, "{before:?} {after:?}");
    pass_seconds(&mut world, 9_100);
    drop(world);
    let again = World::start(&image, &small(), END_MS + 120_000, 100).unwrap();
    assert!(again.assembly.report.digests_compared > after.digests_compared);
    assert!(verify(&image.share_to_read(), |_, _| ()).unwrap().is_sound());
}

#[test]
fn a_damaged_snapshot_is_reported_and_the_older_one_is_used() {
    // Proves that the older of two snapshots and the log after it lead to the same state.
    let life = live_with(&RecordingStorage::new(), &small(), true);
    let image = life.storage.crash_now(Survival::Everything);
    let mut names: Vec<_> = image.share().list().unwrap().into_iter().map(|file| file.name).collect();
    names.retain(|name| name.ends_with(".snapshot"));
    names.sort();
    let newest = names.last().unwrap();
    let middle = u64::try_from(image.contents(newest).unwrap().len() / 2).unwrap();
    image.corrupt(newest, middle, |bytes| bytes[0] ^= 1);
    let world = World::start(&image, &small(), END_MS, 99).unwrap();
    assert_eq!(world.assembly.report.snapshots_refused.len(), 1);
    assert!(world.assembly.report.snapshot_op().is_some());
    assert_eq!(life.digests.get(&world.op()), Some(&world.digest()));
    assert_eq!(Some(world.op()), life.digests.last_key_value().map(|(op, _)| *op));
}

#[test]
fn an_unclean_stop_without_syncs_starts_a_new_epoch_at_a_state_that_existed() {
    // Proves durability = interval: a crash may lose what was answered since the last sync, never more, and clients can
    // detect it.
    let mut config = small();
    config.log.durability = DurabilityChoice::Interval;
    config.log.interval_ms = 200;
    let life = live_with(&RecordingStorage::new(), &config, false);
    for survival in [Survival::Nothing, Survival::Everything, Survival::Drawn(3)] {
        let image = life.storage.crash_now(survival);
        let before = Directory::open(image.share()).unwrap().manifest().epoch();
        let world = World::start(&image, &config, END_MS, 99).unwrap();
        assert_eq!(life.digests.get(&world.op()), Some(&world.digest()), "{survival:?}");
        assert_eq!(world.assembly.directory.manifest().epoch(), before + 1, "{survival:?}");
        // The interval is 200 ms of the world's clock, and a round is 50 ms: four rounds may be lost, and the ones in flight.
        let lost = life.ledger.iter().filter(|known| known.outcome.op > world.op());
        assert!(lost.count() <= usize::try_from(6 * PER_ROUND).unwrap(), "{survival:?}");
        let kept = life.ledger.iter().filter(|known| known.outcome.op <= world.op()).count();
        assert!(kept > 0);
    }
    assert!(time_of(1) < END_MS);
}

#[test]
fn a_snapshot_never_outlives_the_log_that_it_stands_on() {
    // Proves that with durability = interval a snapshot gets its name only when the log is durable up to its op.
    // Otherwise a power cut could leave a snapshot from which no server can start.
    let mut config = small();
    config.log.durability = DurabilityChoice::Interval;
    config.log.interval_ms = 60_000;
    let snapshots = |storage: &RecordingStorage| {
        let files = storage.share().list().unwrap();
        files.iter().filter(|file| file.name.ends_with(".snapshot")).count()
    };
    let storage = RecordingStorage::new();
    format_disk(&storage, &config);
    let mut world = World::start(&storage, &config, END_MS, 7).unwrap();
    for number in 1..=20 {
        with_command(number, |command| world.call(&[command]));
    }
    world.ask_for_snapshot();
    world.run();
    assert_eq!(snapshots(&storage), 0, "the log is not synced that far");
    for survival in [Survival::Nothing, Survival::Everything, Survival::Drawn(5)] {
        let image = storage.crash_now(survival);
        assert!(World::start(&image, &config, END_MS, 8).is_ok(), "{survival:?}");
    }
    let state = |world: &World| (world.assembly.applier.machine().op(), world.digest());
    let before = state(&world);
    world.time.advance_ms(60_000);
    world.run();
    assert_eq!(snapshots(&storage), 1);
    let image = storage.crash_now(Survival::Nothing);
    let recovered = state(&World::start(&image, &config, END_MS, 9).unwrap());
    // A tick of that minute may have been logged after the sync, and is lost like anything else that is not synced.
    assert!([before, state(&world)].contains(&recovered), "{recovered:?}");
}

#[test]
fn starts_without_traffic_leave_the_directory_as_it_is() {
    // Proves that nine starts of a whole server, with clean stops or kills, change neither op nor digest nor the used
    // space, and that later traffic is kept: a new segment replaces the one in which nothing was logged.
    for durability in [DurabilityChoice::Sync, DurabilityChoice::Interval] {
        for is_clean in [true, false] {
            let mut config = small();
            config.log.durability = durability;
            let storage = RecordingStorage::new();
            format_disk(&storage, &config);
            let mut world = World::start(&storage, &config, START_MS, 7).unwrap();
            super::life::open_shop(&mut world);
            for number in 1..=20 {
                with_command(number, |command| world.call(&[command]));
            }
            let (op, digest) = (world.op(), world.digest());
            world.stop();
            let mut disk = storage.crash_now(Survival::Nothing);
            let mut sizes = Vec::new();
            for run in 0..9 {
                let mut world = World::start(&disk, &config, START_MS, 20 + run).unwrap();
                assert_eq!((world.op(), world.digest()), (op, digest));
                world.run();
                if is_clean {
                    world.stop();
                } else {
                    drop(world);
                }
                disk = disk.crash_now(Survival::Nothing);
                let files = disk.share().list().unwrap();
                let files: Vec<_> = files.iter().filter(|file| file.name.ends_with(".segment")).collect();
                sizes.push((files.len(), files.iter().map(|file| file.bytes).sum::<u64>()));
            }
            assert_eq!(sizes, [sizes[0]; 9], "{durability:?}, clean: {is_clean}");
            let mut world = World::start(&disk, &config, START_MS, 40).unwrap();
            let answer = with_command(999, |command| world.call(&[command]).remove(0));
            let digest = world.digest();
            world.stop();
            let mut world = World::start(&disk.crash_now(Survival::Nothing), &config, START_MS, 41).unwrap();
            assert_eq!((world.op(), world.digest()), (answer.op, digest));
            let again = with_command(999, |command| world.call(&[command]).remove(0));
            assert!(again.replayed && again.op == answer.op, "{again:?}");
        }
    }
}
