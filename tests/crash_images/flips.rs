//! Bit flips in a trimmed directory with two snapshots: `verify` finds each, names the file, and changes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::life::{open_shop, time_of, with_command};
use super::world::{World, format_disk, small};
use serde_json::Value;
use stockhold::directory::MANIFEST_NAME;
use stockhold::storage::ReadStorage;
use stockhold::storage::layout::{BLOCK_BYTES, frame};
use stockhold::storage::memory::{Survival, scramble};
use stockhold::storage::recording::RecordingStorage;
use stockhold::verify::{verify, verify_log};
use stockhold::wal::frame::frame_bytes;
use stockhold::wal::segment::segment_name;
use stockhold::wal::{DumpItem, EndReason, FrameKind, LogDump};
use uuid::Uuid;

const RUNS: u64 = 6;
const ROUNDS: u64 = 30;
const PER_ROUND: u64 = 5;
/// The runs in the middle of which a snapshot is taken.
const WITH_SNAPSHOT: [u64; 3] = [0, 2, 4];
const FLIPS: u64 = 300;
/// Not root, on any system.
const NOBODY: u32 = 65_534;

/// Six runs with clean stops. The log was trimmed up to the older of two snapshots, with several segments between them.
pub(crate) fn trimmed() -> RecordingStorage {
    let storage = RecordingStorage::new();
    format_disk(&storage, &small());
    for run in 0..RUNS {
        let first = run * ROUNDS * PER_ROUND;
        let mut world = World::start(&storage, &small(), time_of(first), 7 + run).unwrap();
        if run == 0 {
            open_shop(&mut world);
        }
        for round in 0..ROUNDS {
            world.time.advance_ms(PER_ROUND * 10);
            for number in 1..=PER_ROUND {
                with_command(first + round * PER_ROUND + number, |command| world.hand_in(&[command]));
            }
            if round == ROUNDS / 2 && WITH_SNAPSHOT.contains(&run) {
                world.ask_for_snapshot();
            }
            world.run();
        }
        world.stop();
    }
    storage.crash_now(Survival::Nothing)
}

fn log_uuid(disk: &RecordingStorage) -> Uuid {
    verify(&disk.share_to_read(), |_, _| ()).unwrap().manifest.unwrap().log_uuid
}

/// A range of meaningful bytes.
#[derive(Clone, Debug)]
struct Place {
    name: String,
    start: usize,
    end: usize,
}

/// All meaningful bytes by their kind, without the last frame of the log, whose loss is a torn tail by definition.
fn places(disk: &RecordingStorage) -> BTreeMap<&'static str, Vec<Place>> {
    let mut places: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let mut put = |kind, name: &str, start: usize, end: usize| {
        places.entry(kind).or_default().push(Place { name: name.to_owned(), start, end });
    };
    let mut frames = Vec::new();
    let mut dump = LogDump::open(disk.share(), log_uuid(disk), 1).unwrap();
    while let Some(entry) = dump.next_entry().unwrap() {
        let name = segment_name(entry.segment);
        match entry.item {
            DumpItem::Heads { opening, .. } => {
                put("header", &name, 0, BLOCK_BYTES);
                // The opening of a segment that was never used has no content.
                if opening.is_some() {
                    put("opening", &name, BLOCK_BYTES, 2 * BLOCK_BYTES);
                }
            }
            DumpItem::Frame { kind, payload, .. } => {
                frames.push((kind, name, usize::try_from(entry.offset).unwrap(), frame_bytes(payload.len())));
            }
            DumpItem::Gap { .. } => {}
        }
    }
    assert_eq!(frames.pop().unwrap().0, FrameKind::End, "the log ends with an end frame");
    for (kind, name, start, length) in frames {
        match kind {
            FrameKind::Batch => {
                put("frame head", &name, start, start + frame::HEAD_BYTES);
                put("frame body", &name, start + frame::HEAD_BYTES, start + length);
            }
            FrameKind::End => put("end frame", &name, start, start + length),
        }
    }
    for file in disk.list().unwrap() {
        let bytes = usize::try_from(file.bytes).unwrap();
        if file.name.ends_with(".snapshot") {
            put("snapshot", &file.name, 0, bytes);
        } else if file.name == MANIFEST_NAME {
            put("manifest", &file.name, 0, bytes);
        }
    }
    places
}

pub(crate) fn flip(disk: &RecordingStorage, name: &str, offset: usize, bit: u32) {
    disk.corrupt(name, u64::try_from(offset).unwrap(), |bytes| bytes[0] ^= 1 << bit);
}

#[test]
fn verify_finds_each_of_300_flipped_bits() {
    // Proves that every meaningful byte is read, also in segments older than the newest snapshot, that the finding
    // names the file, and that a directory is sound again after the bit is flipped back.
    let disk = trimmed();
    let clean = verify(&disk.share_to_read(), |_, _| ()).unwrap();
    assert!(clean.is_sound(), "{:?}", clean.findings);
    assert_eq!(clean.snapshots.len(), 2);
    assert!(clean.log.first_position > 1, "the log was trimmed");
    assert!(clean.snapshots.iter().all(|snapshot| snapshot.starts), "{:?}", clean.snapshots);
    assert!(clean.snapshots[1].is_compared, "the log leads from the older snapshot to the newer");
    assert_eq!(clean.end.unwrap().reason, EndReason::CleanStop);
    let places = places(&disk);
    let kinds: Vec<_> = places.keys().copied().collect();
    assert_eq!(kinds.len(), 7, "{kinds:?}");
    assert!(places["frame head"].len() > 100, "there are many frames");
    let mut draws = (1..).map(scramble);
    let mut draw = |below: usize| usize::try_from(draws.next().unwrap() >> 1).unwrap() % below;
    for number in 0..FLIPS {
        let kind = kinds[usize::try_from(number).unwrap() % kinds.len()];
        let place = &places[kind][draw(places[kind].len())];
        let (offset, bit) = (place.start + draw(place.end - place.start), u32::try_from(draw(8)).unwrap());
        flip(&disk, &place.name, offset, bit);
        let findings = verify(&disk.share_to_read(), |_, _| ()).unwrap().findings;
        let what = format!("{kind}: bit {bit} of byte {offset} of {}", place.name);
        assert!(!findings.is_empty(), "not found: {what}");
        assert!(findings[0].file == place.name, "{what}: {findings:?}");
        let of_log = verify_log(&disk.share_to_read(), |_, _| ()).unwrap().findings;
        let first = of_log.first().map(|finding| finding.file.as_str());
        let expected = (kind != "snapshot").then_some(place.name.as_str());
        assert_eq!(first, expected, "{what}: {of_log:?}");
        flip(&disk, &place.name, offset, bit);
    }
    let again = verify(&disk.share_to_read(), |_, _| ()).unwrap();
    assert!(again.is_sound(), "{:?}", again.findings);
    assert_eq!(again.state, clean.state);
}

/// Copies the files of a disk into a real directory.
fn export(disk: &RecordingStorage, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in disk.list().unwrap() {
        fs::write(to.join(&file.name), disk.contents(&file.name).unwrap()).unwrap();
    }
}

fn contents(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

fn run(command: &mut Command) -> (i32, Value, String) {
    let output = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    let document = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().unwrap(), document, complaint)
}

fn verify_command(program: &Path, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["verify", "--json"]).arg(directory);
    command
}

#[test]
fn the_program_finds_damage_in_the_oldest_segment_and_names_it() {
    // Proves with the real program on real files that flipped bytes are found in a segment older than the newest
    // snapshot. Without that snapshot no server could start.
    let folder = tempfile::tempdir().unwrap();
    let (data, disk) = (folder.path().join("data"), trimmed());
    export(&disk, &data);
    let program = Path::new(env!("CARGO_BIN_EXE_stockhold"));
    let (code, document, complaint) = run(&mut verify_command(program, &data));
    assert_eq!((code, &document["sound"]), (0, &Value::Bool(true)), "{document} {complaint}");
    assert_eq!(document["replayed"][0]["snapshot_op"], document["snapshots"][0]["op"]);
    assert_eq!(document["snapshots"][1]["compared"], true);
    assert_eq!(document["end"]["reason"], "clean_stop");
    let segments = document["log"]["segments"].as_u64().unwrap();
    assert!(segments > 4, "{document}");

    let oldest = contents(&data).into_keys().find(|name| name.ends_with(".segment")).unwrap();
    let mut bytes = fs::read(data.join(&oldest)).unwrap();
    bytes[2 * BLOCK_BYTES + 100] ^= 0x10;
    fs::write(data.join(&oldest), &bytes).unwrap();
    let before = contents(&data);
    let (code, document, complaint) = run(&mut verify_command(program, &data));
    assert_eq!((code, &document["sound"]), (4, &Value::Bool(false)), "{document} {complaint}");
    let finding = &document["findings"][0];
    assert_eq!((finding["file"].as_str(), finding["offset"].as_u64()), (Some(oldest.as_str()), Some(8_192)));
    assert_eq!(finding["kind"], "frame");
    // The newest snapshot and the log after it are intact, and are still verified.
    assert_eq!(document["snapshots"][1]["starts"], true, "{document}");
    assert!(before == contents(&data), "verify changed a file");
}

#[test]
fn verify_and_dump_need_no_more_than_the_right_to_read() {
    // Proves that both work for a user who can write neither the directory nor its files, and change nothing: no file
    // is created, no lock taken.
    let folder = tempfile::tempdir().unwrap();
    let (data, disk) = (folder.path().join("data"), trimmed());
    export(&disk, &data);
    fs::remove_file(data.join("LOCK")).ok();
    let program = folder.path().join("stockhold");
    fs::copy(env!("CARGO_BIN_EXE_stockhold"), &program).unwrap();
    let before = contents(&data);
    for name in before.keys() {
        fs::set_permissions(data.join(name), fs::Permissions::from_mode(0o444)).unwrap();
    }
    for path in [&data, folder.path()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o555)).unwrap();
    }
    // File modes do not restrict root, so the program then runs as another user.
    let is_root = rustix::process::geteuid().is_root();
    let as_nobody = |command: &mut Command| {
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.output().unwrap()
    };
    let made = as_nobody(Command::new("touch").arg(data.join("made")));
    let verified = as_nobody(&mut verify_command(&program, &data));
    let dumped = as_nobody(Command::new(&program).args(["log", "dump", "--limit", "3"]).arg(&data));
    // A file that may not be read is reported, but neither as damage nor as a failing disk.
    let oldest = before.keys().find(|name| name.ends_with(".segment")).unwrap();
    fs::set_permissions(data.join(oldest), fs::Permissions::from_mode(0o000)).unwrap();
    let kept_out = as_nobody(&mut verify_command(&program, &data));
    fs::set_permissions(data.join(oldest), fs::Permissions::from_mode(0o444)).unwrap();
    for path in [folder.path(), &data] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let told: Value = serde_json::from_slice(&kept_out.stdout).unwrap();
    assert_eq!(kept_out.status.code(), Some(2), "{told}");
    assert_eq!(
        (&told["findings"][0]["kind"], &told["findings"][0]["file"]),
        (&"unreadable".into(), &oldest.as_str().into())
    );
    assert!(!made.status.success(), "this user may write, so this proves nothing");
    let complaint = |output: &std::process::Output| String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(verified.status.code(), Some(0), "{}", complaint(&verified));
    assert_eq!(dumped.status.code(), Some(0), "{}", complaint(&dumped));
    assert_eq!(String::from_utf8_lossy(&dumped.stdout).lines().count(), 3);
    assert!(before == contents(&data), "something was changed");
}
