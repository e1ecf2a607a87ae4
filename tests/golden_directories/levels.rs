//! Directories of an unknown feature level, and the upgrade of a directory by a later program.

use std::fs;
use std::path::Path;

use super::foreign::{contents, refusal, set_version};
use super::keeping::{copy_of, loaded, present, stockhold};
use crate::crash_images::world::{LOG, START_MS, World, format_disk, small};
use stockhold::directory::{Directory, DirectoryError, MANIFEST_NAME, ManifestFault, ReadOnlyDirectory};
use stockhold::recovery::{RecoveryError, recover};
use stockhold::replica::ReplicaError;
use stockhold::snapshot::LogPoint;
use stockhold::storage::ReadStorage;
use stockhold::storage::layout::{CHECKSUM_BYTES, manifest, opening, snapshot};
use stockhold::storage::memory::Event;
use stockhold::storage::recording::RecordingStorage;
use stockhold::verify::{Fault, verify};
use stockhold::wal::LogStart;
use stockhold_protocol::limits::FEATURE_LEVEL;

const LATER: u32 = FEATURE_LEVEL + 1;

fn set_level(directory: &Path, level: u32) {
    let file = directory.join(MANIFEST_NAME);
    let checksum_at = usize::try_from(fs::metadata(&file).unwrap().len()).unwrap() - CHECKSUM_BYTES;
    set_version(&file, manifest::FEATURE_LEVEL_AT, checksum_at, level);
}

#[test]
fn a_directory_of_a_later_level_is_refused_by_name_and_untouched() {
    // Proves that no way of opening a directory of a later release changes a byte of it or reports it as damaged, and
    // that each message names both levels and the solution.
    let named =
        format!("has feature level {LATER}, but this program knows levels up to {FEATURE_LEVEL} only");
    let words =
        [named.as_str(), "nothing was changed", "the release of stockhold that wrote it or a later one"];
    for golden in present() {
        let copy = copy_of(&golden);
        set_level(copy.path(), LATER);
        let before = contents(copy.path());
        let disk = loaded(copy.path());
        let mut complaints = vec![
            refusal(copy.path()),
            Directory::open(disk.share()).unwrap_err().to_string(),
            ReadOnlyDirectory::open(disk.share_to_read()).unwrap_err().to_string(),
            verify(&disk.share_to_read(), |_, _| ()).unwrap_err().to_string(),
        ];
        let commands: [&[&str]; 4] = [
            &["verify"],
            &["log", "dump"],
            &["log", "skip", "--op", "1", "--reason", "none"],
            &["serve", "--listen", "127.0.0.1:0", "--data-dir"],
        ];
        for arguments in commands {
            let (code, told, complaint) = stockhold(arguments, copy.path());
            assert_eq!(code, 4, "{arguments:?}: {told} {complaint}");
            complaints.push(complaint);
        }
        for complaint in complaints {
            assert!(words.iter().all(|words| complaint.contains(words)), "{complaint}");
            assert!(!complaint.contains("damaged"), "{complaint}");
        }
        assert!(before == contents(copy.path()), "a file was changed");
        for file in disk.list().unwrap() {
            assert_eq!(disk.contents(&file.name), loaded(copy.path()).contents(&file.name), "{}", file.name);
        }
    }
}

#[test]
fn a_snapshot_of_a_later_level_is_refused_by_name_and_untouched() {
    // Proves that a start does not fall back to an older snapshot, because its log would contain unknown records.
    let golden = present().into_iter().find(|path| path.ends_with("stopped")).unwrap();
    let copy = copy_of(&golden);
    let newest = contents(copy.path()).into_iter().rfind(|(name, _)| name.ends_with(".snapshot"));
    let (name, _) = newest.unwrap();
    set_version(&copy.path().join(&name), snapshot::FEATURE_LEVEL_AT, snapshot::CHECKSUM_AT, LATER);
    let disk = loaded(copy.path());
    let moment = disk.moment();
    let directory = Directory::open(disk.share()).unwrap();
    let refused = recover(&directory, |_| ()).unwrap_err();
    assert!(
        matches!(refused, RecoveryError::Replica(ReplicaError::FeatureLevel { found: LATER, .. })),
        "{refused}"
    );
    drop(directory);
    let complaint = refusal(copy.path());
    for words in [format!("feature level {LATER}"), format!("levels up to {FEATURE_LEVEL}")] {
        assert!(complaint.contains(&words), "{complaint}");
    }
    let answer = verify(&disk.share_to_read(), |_, _| ()).unwrap();
    assert!(
        matches!(answer.findings[0].fault, Fault::SnapshotLevel { found: LATER }),
        "{:?}",
        answer.findings
    );
    assert!(answer.findings[0].to_string().contains(&format!("feature level {LATER}")));
    assert_eq!(disk.moment(), moment, "something was changed");
}

#[test]
fn level_0_is_never_written() {
    // Proves that a zero level in a manifest or a snapshot is damage.
    let golden = present().into_iter().find(|path| path.ends_with("stopped")).unwrap();
    let copy = copy_of(&golden);
    set_level(copy.path(), 0);
    let refused = Directory::open(loaded(copy.path()).share()).unwrap_err();
    let field = ManifestFault::Field { offset: manifest::FEATURE_LEVEL_AT };
    assert!(matches!(refused, DirectoryError::Manifest(fault) if fault == field), "{refused:?}");

    let copy = copy_of(&golden);
    for (name, _) in contents(copy.path()).iter().filter(|(name, _)| name.ends_with(".snapshot")) {
        set_version(&copy.path().join(name), snapshot::FEATURE_LEVEL_AT, snapshot::CHECKSUM_AT, 0);
    }
    let complaint = refusal(copy.path());
    assert!(complaint.contains("no snapshot can be used"), "{complaint}");
}

/// Whether this event renames the manifest.
fn is_claim(event: &Event) -> bool {
    matches!(event, Event::Rename { to, .. } if to == MANIFEST_NAME)
}

/// Whether this event writes data that begins with `magic`.
fn writes(event: &Event, magic: &[u8]) -> bool {
    matches!(event, Event::Write { bytes, .. } if bytes.starts_with(magic))
}

#[test]
fn a_later_program_claims_its_level_before_it_writes_anything_else() {
    // Proves that a program of a later level opens a directory of this one, that reading changes nothing, that the
    // manifest is replaced before anything else is written, by a start and by a skip, and that this program refuses the
    // directory from then on.
    let life = || {
        let disk = RecordingStorage::new();
        format_disk(&disk, &small());
        World::start(&disk, &small(), START_MS, 7).unwrap().stop();
        disk
    };
    let is_refused = |disk: &RecordingStorage| {
        let refused = Directory::open(disk.share()).unwrap_err();
        let levels = (LATER, FEATURE_LEVEL);
        assert!(matches!(refused, DirectoryError::FeatureLevel { found, known } if (found, known) == levels));
    };

    let disk = life();
    let moment = disk.moment();
    let mut directory = Directory::open_at_level(disk.share(), LATER).unwrap();
    let end = recover(&directory, |_| ()).unwrap().end;
    assert_eq!((disk.moment(), directory.manifest().feature_level), (moment, FEATURE_LEVEL));
    let start = LogStart { log_uuid: LOG, epoch: 1, now_ms: START_MS, salt_seed: 3 };
    drop(directory.begin_log(small().log_options(), start, &end).unwrap());
    assert_eq!(directory.manifest().feature_level, LATER);
    drop(directory);
    let history = disk.history();
    let claim = (moment..history.len()).find(|at| is_claim(&history[*at])).unwrap();
    let is_other = |event: &&Event| matches!(event, Event::Write { .. }) && !writes(event, &manifest::MAGIC);
    assert_eq!(history[moment..claim].iter().find(is_other), None);
    assert!(history[claim..].iter().any(|event| writes(event, &opening::MAGIC)), "the log was begun");
    is_refused(&disk);
    // The level is claimed only once.
    let moment = disk.moment();
    let mut directory = Directory::open_at_level(disk.share(), LATER).unwrap();
    let end = recover(&directory, |_| ()).unwrap().end;
    drop(directory.begin_log(small().log_options(), start, &end).unwrap());
    drop(directory);
    assert!(!disk.history()[moment..].iter().any(is_claim));

    let disk = life();
    let mut directory = Directory::open_at_level(disk.share(), LATER).unwrap();
    directory.add_skip(1, "none", LogPoint { position: 1, op: 1 }, START_MS).unwrap();
    drop(directory);
    is_refused(&disk);
}
