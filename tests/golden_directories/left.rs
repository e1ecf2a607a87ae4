//! Creates the golden directories, each with another kind of end.

use super::keeping::Expectation;
use super::story::{self, SALE};
use crate::crash_images::world::{START_MS, World, format_disk, small};
use stockhold::directory::Directory;
use stockhold::recovery::{Recovered, recover};
use stockhold::snapshot::LogPoint;
use stockhold::storage::layout::frame;
use stockhold::storage::memory::{Event, Survival};
use stockhold::storage::recording::RecordingStorage;
use stockhold_protocol::{Code, Outcome};

/// A directory, and what its server knew at the end.
pub(crate) struct Left {
    pub(crate) name: &'static str,
    pub(crate) disk: RecordingStorage,
    pub(crate) told: Expectation,
}

/// One directory for each kind of end.
pub(crate) fn all() -> Vec<Left> {
    vec![stopped(), torn(), skipped()]
}

fn shop() -> (RecordingStorage, World) {
    let disk = RecordingStorage::new();
    format_disk(&disk, &small());
    let mut config = small();
    // Otherwise the mark of the story would keep the log from being trimmed.
    config.marks.keep_bytes = 0;
    let mut world = World::start(&disk, &config, START_MS, 7).unwrap();
    story::open_shop(&mut world);
    (disk, world)
}

fn told(world: &World, answers: Vec<(u64, Outcome)>) -> Expectation {
    Expectation { op: world.op(), digest: world.digest(), answers }
}

/// Two snapshots, a trimmed log, a clean stop.
fn stopped() -> Left {
    let (disk, mut world) = shop();
    let mut answers = Vec::new();
    for third in 0..3 {
        answers.extend(story::play(&mut world, third * SALE / 3 + 1..=(third + 1) * SALE / 3, 1));
        if third < 2 {
            world.ask_for_snapshot();
            world.run();
        }
    }
    let told = told(&world, answers);
    world.stop();
    Left { name: "stopped", disk: disk.crash_now(Survival::Nothing), told }
}

/// No snapshot, and a power cut during the last write, whose commands were never answered.
fn torn() -> Left {
    let (disk, mut world) = shop();
    let answers = story::play(&mut world, 1..=SALE, 3);
    let told = told(&world, answers);
    let before = disk.moment();
    for number in SALE + 1..=SALE + 40 {
        story::with_command(number, |command| world.hand_in(&[command]));
    }
    world.run();
    let events = disk.history();
    let is_frame =
        |event: &Event| matches!(event, Event::Write { bytes, .. } if bytes.starts_with(&frame::MAGIC));
    let write = (before..events.len()).find(|at| is_frame(&events[*at])).unwrap();
    let image = (1..1_000)
        .map(|seed| disk.crash_at(write + 1, Survival::Drawn(seed)))
        .find(|image| recover(&Directory::open(image.share()).unwrap(), |_| ()).unwrap().report.torn_tail);
    Left { name: "torn", disk: image.unwrap(), told }
}

/// A crash between two writes, and the last reserve skipped.
fn skipped() -> Left {
    let (disk, mut world) = shop();
    let mut answers = story::play(&mut world, 1..=SALE, 3);
    let (last_op, whole_digest) = (world.op(), world.digest());
    drop(world);
    let disk = disk.crash_now(Survival::Nothing);
    let last = answers.iter().rposition(|(_, outcome)| outcome.code == Code::Ok).unwrap();
    let (_, outcome) = answers.remove(last);
    let mut directory = Directory::open(disk.share()).unwrap();
    let end = LogPoint { position: last_op, op: last_op };
    directory.add_skip(outcome.op, "it stopped the server", end, story::time_of(SALE + 1)).unwrap();
    let machine = recover(&directory, |_| ()).and_then(Recovered::validated).unwrap().machine;
    assert_ne!(machine.digest(), whole_digest, "the op had an effect, which is gone");
    let told = Expectation { op: last_op, digest: machine.digest(), answers };
    drop(directory);
    Left { name: "skipped", disk: disk.crash_now(Survival::Everything), told }
}
