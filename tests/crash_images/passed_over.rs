//! Logs with batches that are passed over. Servers write no such batch. They take positions and no ops, and have no
//! other effect.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::life::{open_shop, time_of, with_command};
use super::world::{START_MS, World, format_disk, small};
use stockhold::directory::{Directory, ReadOnlyDirectory};
use stockhold::recovery::{Recovered, RecoveryReport, recover};
use stockhold::replica::PassedOverTally;
use stockhold::snapshot::{LogPoint, snapshot_name};
use stockhold::storage::memory::Survival;
use stockhold::storage::recording::RecordingStorage;
use stockhold::storage::{ReadFrom, Storage};
use stockhold::verify::{Fault, Note, Verification, verify};
use stockhold::wal::{CommitLog, LogStart, Progress, ReadTo};
use stockhold_machine::Machine;
use stockhold_protocol::batch::{Actor, Batch, BatchHeader, batch_of_one_run};
use stockhold_protocol::{Code, Command, CommandId, Envelope, Timestamp};

/// A batch of ticks.
fn ticks(header: BatchHeader) -> Vec<u8> {
    let mut records = Vec::new();
    for _ in 0..header.count {
        Envelope::new(CommandId::NONE, Command::Tick).encode(&mut records).unwrap();
    }
    batch_of_one_run(&header, Actor::SERVER, &records)
}

/// A shop that has sold something and was stopped cleanly; and its last batch.
fn shop() -> (RecordingStorage, Vec<u8>) {
    let disk = RecordingStorage::new();
    format_disk(&disk, &small());
    let mut world = World::start(&disk, &small(), START_MS, 7).unwrap();
    open_shop(&mut world);
    sell(&mut world, 1..=40);
    world.stop();
    let last = last_batch(&disk);
    (disk, last)
}

fn last_batch(disk: &RecordingStorage) -> Vec<u8> {
    let directory = Directory::open(disk.share()).unwrap();
    let mut log = directory.read_log(1, ReadTo::End).unwrap();
    let mut last = Vec::new();
    while let Some(frame) = log.next_frame().unwrap() {
        last = frame.payload.to_vec();
    }
    last
}

fn sell(world: &mut World, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        world.time.advance_ms(10);
        with_command(number, |command| world.call(&[command]));
    }
}

/// Appends these batches to the log of a directory that no server uses.
fn append(disk: &RecordingStorage, payloads: &[Vec<u8>]) {
    let mut directory = Directory::open(disk.share()).unwrap();
    let end = recover(&directory, |_| ()).unwrap().end;
    let log_uuid = directory.manifest().log_uuid;
    let start = LogStart { log_uuid, epoch: 1, now_ms: START_MS, salt_seed: 70 };
    let (mut log, mut preparer) = directory.begin_log(small().log_options(), start, &end).unwrap();
    for payload in payloads {
        while preparer.step(START_MS).unwrap() == Progress::Working {}
        let mut frame = log.frame_buffer();
        frame.extend_from_slice(payload);
        log.append(&mut frame, Batch::decode(payload).unwrap().header.count).unwrap();
    }
    log.finish().unwrap();
}

fn recovered(disk: &RecordingStorage) -> (Machine, LogPoint, RecoveryReport) {
    let recovered = recover(&Directory::open(disk.share()).unwrap(), |_| ()).and_then(Recovered::validated);
    let Recovered { machine, end, report } = recovered.unwrap();
    let point = LogPoint { position: end.last_position(), op: machine.op() };
    (machine, point, report)
}

fn verified(disk: &RecordingStorage) -> Verification {
    verify(&disk.share_to_read(), |_, _| ()).unwrap()
}

/// A duplicate, an older session and a gap, with times far ahead: 1, 3 and 2 records.
fn passed_over_batches(last: &[u8]) -> [Vec<u8>; 3] {
    let header = Batch::decode(last).unwrap().header;
    let header = BatchHeader { proposed: Timestamp(time_of(1_000_000)), ..header };
    assert!(header.session > 1 && header.number > 1);
    [
        ticks(BatchHeader { count: 1, ..header }),
        ticks(BatchHeader { count: 3, session: header.session - 1, number: header.number + 1, ..header }),
        ticks(BatchHeader { count: 2, number: header.number + 2, ..header }),
    ]
}

#[test]
fn state_op_and_time_are_as_without_the_batches_that_are_passed_over() {
    // Proves it for each of them and for all, in the middle of a log that a server then continues. The server's answers
    // count ops without a gap, and a replay of the whole log has the same state.
    let (disk, last) = shop();
    let (before, at, _) = recovered(&disk);
    assert_eq!(at.position, at.op, "a log without duplicates");
    let batches = passed_over_batches(&last);
    let each = batches.iter().map(std::slice::from_ref).chain([batches.as_slice()]);
    for payloads in each {
        let image = disk.crash_now(Survival::Everything);
        append(&image, payloads);
        let records: u64 = payloads.iter().map(|it| u64::from(Batch::decode(it).unwrap().header.count)).sum();
        let tally = PassedOverTally { batches: payloads.len() as u64, records };

        let (machine, point, report) = recovered(&image);
        assert_eq!((machine.op(), machine.time()), (before.op(), before.time()));
        assert_eq!(machine.digest(), before.digest());
        assert_eq!(point, LogPoint { position: at.position + records, op: at.op });
        assert_eq!((report.passed_over, report.replayed_ops), (tally, at.op));

        let mut world = World::start(&image, &small(), time_of(100), 9).unwrap();
        let told = world.assembly.status.warnings.lock().join(" ");
        assert!(told.contains("passed over") && told.contains("stockhold verify"), "{told}");
        let outcome = with_command(101, |command| world.call(&[command]).remove(0));
        assert_eq!(outcome.op, at.op + 1);
        sell(&mut world, 102..=110);
        let (op, digest) = (world.op(), world.digest());
        assert!(world.assembly.watermarks.read().iter().all(|(_, mark)| *mark == op));
        assert_eq!(world.assembly.watermarks.durable(), op);
        world.stop();
        let (machine, point, _) = recovered(&image);
        assert_eq!((machine.op(), machine.digest()), (op, digest));
        assert_eq!(point.position, op + records);
    }
}

#[test]
fn a_start_from_a_snapshot_behind_a_duplicate_resumes_at_the_right_record() {
    // Proves that a snapshot records its position in the log, that a start and `verify` continue from the position and
    // not from the op, and that trimming leaves a start from the older snapshot possible.
    let (disk, last) = shop();
    let [duplicate, ..] = passed_over_batches(&last);
    append(&disk, &vec![duplicate; 30]);
    let mut world = World::start(&disk, &small(), time_of(100), 9).unwrap();
    for round in 0..6 {
        sell(&mut world, 101 + round * 10..=110 + round * 10);
        if round < 5 {
            world.ask_for_snapshot();
            world.run();
        }
    }
    let (op, digest) = (world.op(), world.digest());
    world.stop();
    let files = ReadOnlyDirectory::open(disk.share_to_read()).unwrap();
    let kept = files.snapshots().unwrap();
    assert_eq!(kept.len(), 2);
    for snapshot_op in &kept {
        let snapshot = files.read_snapshot(*snapshot_op, ReadFrom::Cache).unwrap();
        let point = LogPoint { position: snapshot_op + 30, op: *snapshot_op };
        assert_eq!(snapshot.header().point(), point);
        let (machine, end, report) = recovered(&disk);
        assert_eq!((report.snapshot, report.replayed_ops), (Some(point), op - snapshot_op));
        assert_eq!((machine.digest(), report.passed_over), (digest, PassedOverTally::default()));
        assert_eq!(end, LogPoint { position: op + 30, op });
        let answer = verified(&disk);
        assert!(answer.is_sound(), "{:?}", answer.findings);
        assert_eq!(answer.state, Some((op, digest)));
        assert!(answer.snapshots.iter().all(|snapshot| snapshot.starts), "{:?}", answer.snapshots);
        assert!(answer.log.first_position > 1, "the log was trimmed");
        disk.remove(&snapshot_name(*snapshot_op)).unwrap();
    }
}

#[test]
fn verify_tells_of_each_batch_that_was_passed_over() {
    // Proves that a duplicate is a note, because nothing is lost, and that an older session and a gap are findings,
    // each with its place and reason. The replay continues after them and compares the later snapshots.
    let (disk, last) = shop();
    let [duplicate, ..] = passed_over_batches(&last);
    let (_, at, _) = recovered(&disk);
    append(&disk, std::slice::from_ref(&duplicate));
    let mut world = World::start(&disk, &small(), time_of(100), 9).unwrap();
    sell(&mut world, 101..=110);
    world.ask_for_snapshot();
    world.run();
    sell(&mut world, 111..=120);
    let state = (world.op(), world.digest());
    world.stop();

    let answer = verified(&disk);
    assert!(answer.is_sound(), "{:?}", answer.findings);
    assert_eq!(answer.passed_over, PassedOverTally { batches: 1, records: 1 });
    let told: Vec<_> = answer.notes.iter().filter(|note| matches!(note, Note::PassedOver { .. })).collect();
    let [Note::PassedOver { batch, .. }] = told.as_slice() else { panic!("{:?}", answer.notes) };
    assert_eq!((batch.position, batch.records), (at.position + 1, 1));
    assert!(told[0].to_string().contains("was applied before"), "{}", told[0]);
    assert!(answer.snapshots[0].is_compared && answer.snapshots[0].starts, "{:?}", answer.snapshots);
    assert_eq!((answer.state, answer.replayed[0].ops), (Some(state), state.0));
    assert_eq!(answer.log.records, state.0 + 1);

    let [_, older, gap] = passed_over_batches(&last_batch(&disk));
    append(&disk, &[older, gap]);
    let answer = verified(&disk);
    assert_eq!((answer.state, answer.passed_over.batches), (Some(state), 3));
    let reasons: Vec<_> = answer.findings.iter().map(ToString::to_string).collect();
    assert!(
        answer.findings.iter().all(|finding| matches!(finding.fault, Fault::PassedOver(_))),
        "{reasons:?}"
    );
    assert_eq!(reasons.len(), 2);
    for (reason, words) in reasons.iter().zip(["has begun session", "expected"]) {
        assert!(reason.contains(words) && reason.contains(".segment, byte "), "{reason}");
    }
}

#[test]
fn a_server_whose_own_batch_is_passed_over_stops() {
    // Proves that a server stops answering if its own batches are passed over.
    let (disk, last) = shop();
    let header = Batch::decode(&last).unwrap().header;
    append(&disk, &[ticks(BatchHeader { count: 1, session: u64::MAX, number: 1, ..header })]);
    let mut world = World::start(&disk, &small(), time_of(100), 9).unwrap();
    let call = AssertUnwindSafe(|| with_command(101, |command| world.call(&[command])));
    let panic = catch_unwind(call).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("was passed over") && message.contains("has begun session"), "{message}");
}

#[test]
fn an_op_is_skipped_by_its_op_and_not_by_its_position() {
    // Proves that a skip finds its op after a duplicate, that skips and passed-over batches do not disturb each other,
    // and that an op that the log cannot contain is not skipped.
    let (disk, last) = shop();
    let [duplicate, ..] = passed_over_batches(&last);
    append(&disk, &[duplicate.clone(), duplicate]);
    let mut world = World::start(&disk, &small(), time_of(100), 9).unwrap();
    let mut outcomes = Vec::new();
    for number in 101..=110 {
        world.time.advance_ms(10);
        outcomes.push(with_command(number, |command| world.call(&[command]).remove(0)));
    }
    let op = world.op();
    world.stop();
    let left_out = outcomes.iter().rposition(|outcome| outcome.code == Code::Ok && outcome.recorded).unwrap();
    let mut directory = Directory::open(disk.share()).unwrap();
    let end = LogPoint { position: op + 2, op: op + 2 };
    directory.add_skip(outcomes[left_out].op, "it stopped the server", end, time_of(1_000)).unwrap();
    directory.add_skip(op + 3, "it was never logged", end, time_of(1_000)).unwrap_err();
    drop(directory);

    let (machine, _, report) = recovered(&disk);
    assert_eq!((machine.op(), report.skipped_ops, report.passed_over.batches), (op, 1, 2));
    let answer = verified(&disk);
    assert!(answer.is_sound(), "{:?}", answer.findings);
    assert_eq!((answer.skipped_ops, answer.state), (1, Some((op, machine.digest()))));
    let mut world = World::start(&disk, &small(), time_of(111), 11).unwrap();
    for (number, outcome) in (101..).zip(&outcomes).filter(|(_, outcome)| outcome.recorded) {
        let again = with_command(number, |command| world.call(&[command]).remove(0));
        assert_eq!(again.replayed, outcome.op != outcomes[left_out].op, "{number}: {again:?}");
    }
}
