//! Writes and reads the golden directories and the expectations beside them.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Once};

use super::left;
use super::story::{self, SALE};
use crate::crash_images::world::{World, small};
use stockhold::directory::{Directory, DirectoryError, LOCK_NAME};
use stockhold::recovery::{Recovered, recover};
use stockhold::storage::layout::FORMAT_VERSION;
use stockhold::storage::recording::RecordingStorage;
use stockhold::storage::{FsStorage, ReadStorage, SharedStorage, Storage, WritePath};
use stockhold_machine::RULES_VERSION;
use stockhold_protocol::Outcome;
use stockhold_protocol::limits::FEATURE_LEVEL;

/// The expectation for a golden directory: what its server knew when it ended.
pub(crate) struct Expectation {
    pub(crate) op: u64,
    pub(crate) digest: u64,
    pub(crate) answers: Vec<(u64, Outcome)>,
}

impl Expectation {
    fn text(&self) -> String {
        let mut text = format!("op {}\ndigest {:016x}\n", self.op, self.digest);
        for (number, outcome) in self.answers.iter().filter(|(_, outcome)| outcome.recorded) {
            let (code, value) = (outcome.code.name(), outcome.value);
            writeln!(text, "answer {number} {code} {value} op {} {:?}", outcome.op, outcome.detail).unwrap();
        }
        text
    }
}

pub(crate) fn golden_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden_directories")
}

/// The versions by which a directory was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Versions {
    pub(crate) format: u32,
    pub(crate) rules: u32,
    pub(crate) level: u32,
}

/// The versions that this program writes.
pub(crate) const PRESENT: Versions =
    Versions { format: FORMAT_VERSION, rules: RULES_VERSION, level: FEATURE_LEVEL };
/// All versions that a release has written.
const WRITTEN: &[Versions] =
    &[Versions { format: 1, rules: 1, level: 1 }, Versions { format: 2, rules: 3, level: 1 }];

impl Versions {
    fn folder(self) -> PathBuf {
        let level = if self.level == 1 { String::new() } else { format!("-level{}", self.level) };
        golden_folder().join(format!("v{}-rules{}{level}", self.format, self.rules))
    }

    /// Whether this program can open such a directory.
    fn are_read(&self) -> bool {
        (self.format, self.rules) == (PRESENT.format, PRESENT.rules) && self.level <= PRESENT.level
    }
}

/// Every golden directory with its versions.
pub(crate) fn golden() -> Vec<(Versions, PathBuf)> {
    write_if_asked();
    let mut found = Vec::new();
    for versions in WRITTEN {
        let mut names: Vec<_> = fs::read_dir(versions.folder())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir())
            .collect();
        names.sort();
        assert!(names.len() >= 3, "the golden directories of {versions:?} are gone");
        found.extend(names.into_iter().map(|path| (*versions, path)));
    }
    found
}

/// The golden directories that this program can open.
pub(crate) fn present() -> Vec<PathBuf> {
    golden().into_iter().filter(|(versions, _)| versions.are_read()).map(|(_, path)| path).collect()
}

/// A copy that may be changed, on the real file system.
pub(crate) fn copy_of(golden: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(golden).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    copy
}

/// A copy in memory.
pub(crate) fn loaded(golden: &Path) -> RecordingStorage {
    let disk = RecordingStorage::new();
    for entry in fs::read_dir(golden).unwrap() {
        let path = entry.unwrap().path();
        disk.replace(path.file_name().unwrap().to_str().unwrap(), &fs::read(&path).unwrap()).unwrap();
    }
    disk
}

fn expectation(golden: &Path) -> String {
    fs::read_to_string(golden.with_extension("expected")).unwrap()
}

/// Runs the program.
pub(crate) fn stockhold(arguments: &[&str], directory: &Path) -> (i32, String, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_stockhold")).args(arguments).arg(directory).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// Writes the directories of this version if requested. Every test of this binary waits for it.
fn write_if_asked() {
    static WRITING: Once = Once::new();
    WRITING.call_once(|| {
        let is_asked = std::env::var("STOCKHOLD_GOLDEN").is_ok_and(|word| word == "write");
        // The stand-in for a later release writes none.
        if is_asked && !cfg!(feature = "next-release") {
            for left in left::all() {
                let folder = PRESENT.folder().join(left.name);
                fs::remove_dir_all(&folder).ok();
                fs::create_dir_all(&folder).unwrap();
                for file in left.disk.list().unwrap().iter().filter(|file| file.name != LOCK_NAME) {
                    fs::write(folder.join(&file.name), left.disk.contents(&file.name).unwrap()).unwrap();
                }
                fs::write(folder.with_extension("expected"), left.told.text()).unwrap();
            }
        }
    });
}

#[test]
fn golden_directories_give_back_what_was_acknowledged_in_them() {
    // Proves that a directory of each supported version opens on a real file system with the digest that its server
    // had, and that every recorded answer is returned again; other format versions are refused by name.
    for (versions, golden) in golden() {
        let copy = copy_of(&golden);
        let storage: SharedStorage = Arc::new(FsStorage::open(copy.path(), WritePath::Direct).unwrap());
        let directory = match Directory::open(storage) {
            Err(DirectoryError::Version { found }) if versions.format < FORMAT_VERSION => {
                assert_eq!(found, versions.format);
                continue;
            }
            opened => opened.unwrap(),
        };
        let recovered = recover(&directory, |_| ()).and_then(Recovered::validated).unwrap();
        assert_eq!(versions.rules, RULES_VERSION, "{} was replayed by other rules", golden.display());
        let mut world = World::start(&loaded(&golden), &small(), story::time_of(SALE), 9).unwrap();
        let mut told = Expectation { op: world.op(), digest: world.digest(), answers: Vec::new() };
        assert_eq!((recovered.machine.op(), recovered.machine.digest()), (told.op, told.digest));
        for number in 1..=SALE {
            let outcome = story::with_command(number, |command| world.call(&[command]).remove(0));
            if outcome.replayed {
                told.answers.push((number, outcome));
            }
        }
        assert_eq!(told.text(), expectation(&golden), "{}", golden.display());
    }
}

#[test]
fn golden_directories_are_the_three_ways_in_which_a_life_ends() {
    // Proves that the golden directories contain what they are kept for.
    let levels: BTreeSet<_> =
        golden().into_iter().map(|(versions, _)| versions).filter(Versions::are_read).collect();
    assert!(!levels.is_empty());
    for versions in levels {
        let reports: Vec<_> = ["stopped", "torn", "skipped"]
            .map(|name| {
                recover(&Directory::open(loaded(&versions.folder().join(name)).share()).unwrap(), |_| ())
            })
            .map(|recovered| recovered.unwrap().report)
            .into();
        assert!(reports[0].clean_stop && reports[0].snapshot_op().is_some() && reports[0].replayed_ops > 0);
        assert!(reports[1].torn_tail && reports[1].snapshot_op().is_none());
        assert!(!reports[2].clean_stop && reports[2].skipped_ops == 1);
    }
}

// The stand-in for a later release has no golden directories of its own.
#[cfg(not(feature = "next-release"))]
#[test]
fn this_release_still_writes_its_golden_directories_byte_for_byte() {
    // Proves that nothing that reaches the disk has changed since they were written.
    write_if_asked();
    for left in left::all() {
        let golden = loaded(&PRESENT.folder().join(left.name));
        for file in golden.list().unwrap() {
            let is_same = left.disk.contents(&file.name) == golden.contents(&file.name);
            assert!(
                is_same,
                "{}/{}: another format or other rules; CONTRIBUTING.md says what follows",
                left.name, file.name
            );
        }
    }
}

#[test]
fn verify_finds_golden_directories_sound() {
    // Proves that `stockhold verify` reads every byte of them without a finding.
    for golden in present() {
        let copy = copy_of(&golden);
        let (code, told, complaint) = stockhold(&["verify", "--json"], copy.path());
        assert_eq!(code, 0, "{}: {told} {complaint}", golden.display());
        assert!(told.contains("\"sound\":true"), "{told}");
    }
}
