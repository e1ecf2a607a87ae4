//! Golden directories on their shelf: written, read back, and asked for what they hold.

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

/// What a server knew when it left its directory: the expectation beside each golden directory.
pub(crate) struct Told {
    pub(crate) op: u64,
    pub(crate) digest: u64,
    pub(crate) answers: Vec<(u64, Outcome)>,
}

impl Told {
    fn text(&self) -> String {
        let mut text = format!("op {}\ndigest {:016x}\n", self.op, self.digest);
        for (number, outcome) in self.answers.iter().filter(|(_, outcome)| outcome.recorded) {
            let (code, value) = (outcome.code.name(), outcome.value);
            writeln!(text, "answer {number} {code} {value} op {} {:?}", outcome.op, outcome.detail).unwrap();
        }
        text
    }
}

pub(crate) fn shelf() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden_directories")
}

/// What a directory was written by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) format: u32,
    pub(crate) rules: u32,
}

/// What this program writes.
pub(crate) const PRESENT: Versions = Versions { format: FORMAT_VERSION, rules: RULES_VERSION };
/// Every pair that a program has written which anybody may have used.
const WRITTEN: &[Versions] = &[Versions { format: 1, rules: 1 }, PRESENT];

impl Versions {
    fn folder(self) -> PathBuf {
        shelf().join(format!("v{}-rules{}", self.format, self.rules))
    }
}

fn of_this_version() -> PathBuf {
    write_if_asked();
    PRESENT.folder()
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

/// The golden directories that this program goes on with.
pub(crate) fn present() -> Vec<PathBuf> {
    golden().into_iter().filter(|(versions, _)| *versions == PRESENT).map(|(_, path)| path).collect()
}

/// A copy that may be opened, on the real file system.
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

/// Writes the directories of this version, if that is asked for; every test of this binary waits for it.
fn write_if_asked() {
    static WRITING: Once = Once::new();
    WRITING.call_once(|| {
        if std::env::var("STOCKHOLD_GOLDEN").is_ok_and(|word| word == "write") {
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
    // Proves that a directory of each version opens on a real file system with the digest that its server had, and that every
    // recorded answer is given again; versions of the format that are no longer read are refused by name.
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
        let mut told = Told { op: world.op(), digest: world.digest(), answers: Vec::new() };
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
    // Proves that the golden directories hold what they are kept for, and that their server still writes them byte for byte.
    let reports: Vec<_> = ["stopped", "torn", "skipped"]
        .map(|name| recover(&Directory::open(loaded(&of_this_version().join(name)).share()).unwrap(), |_| ()))
        .map(|recovered| recovered.unwrap().report)
        .into();
    assert!(reports[0].clean_stop && reports[0].snapshot_op().is_some() && reports[0].replayed_ops > 0);
    assert!(reports[1].torn_tail && reports[1].snapshot_op().is_none());
    assert!(!reports[2].clean_stop && reports[2].skipped_ops == 1);
    for left in left::all() {
        let golden = loaded(&of_this_version().join(left.name));
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
    // Proves that `stockhold verify` reads every byte of them and has nothing to say against them.
    for golden in present() {
        let copy = copy_of(&golden);
        let (code, told, complaint) = stockhold(&["verify", "--json"], copy.path());
        assert_eq!(code, 0, "{}: {told} {complaint}", golden.display());
        assert!(told.contains("\"sound\":true"), "{told}");
    }
}
