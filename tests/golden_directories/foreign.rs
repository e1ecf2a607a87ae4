//! Directories with a format version or a rules version that this program does not support.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::keeping::{copy_of, golden, loaded, present, stockhold};
use crate::crash_images::world::{START_MS, World, small};
use stockhold::storage::checksum::checksum;
use stockhold::storage::layout::{CHECKSUM_BYTES, FORMAT_VERSION, header, manifest, snapshot};
use stockhold_machine::RULES_VERSION;

const LATER: u32 = FORMAT_VERSION + 1;

/// Gives a file the next version and a valid checksum, as a later program would have written it.
fn make_later(file: &Path, version_at: usize, checksum_at: usize) {
    set_version(file, version_at, checksum_at, LATER);
}

pub(super) fn set_version(file: &Path, version_at: usize, checksum_at: usize, version: u32) {
    let mut bytes = fs::read(file).unwrap();
    bytes[version_at..version_at + 4].copy_from_slice(&version.to_le_bytes());
    let sum = checksum(&bytes[..checksum_at]);
    bytes[checksum_at..checksum_at + CHECKSUM_BYTES].copy_from_slice(&sum.to_le_bytes());
    fs::write(file, bytes).unwrap();
}

pub(super) fn contents(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .filter(|(name, _)| name != "LOCK")
        .collect();
    files.sort();
    files
}

/// The error of a server that is started on the directory.
pub(super) fn refusal(directory: &Path) -> String {
    let disk = loaded(directory);
    let refused = World::start(&disk, &small(), START_MS, 9).err().unwrap();
    let mut text = refused.to_string();
    let mut error: &dyn Error = &refused;
    while let Some(source) = error.source() {
        write!(text, ": {source}").unwrap();
        error = source;
    }
    text
}

#[test]
fn a_directory_of_a_later_version_is_refused_with_what_to_do() {
    // Proves that neither a start nor a read changes a byte of what a later program wrote, that it is not reported as
    // damaged, and that the message names both versions and the solution.
    let golden = present().remove(0);
    let copy = copy_of(&golden);
    let file = copy.path().join("MANIFEST");
    let checksum_at = usize::try_from(fs::metadata(&file).unwrap().len()).unwrap() - CHECKSUM_BYTES;
    make_later(&file, manifest::VERSION_AT, checksum_at);
    let before = contents(copy.path());
    let (code, _, complaint) = stockhold(&["verify"], copy.path());
    assert_eq!(code, 4, "{complaint}");
    for complaint in [complaint, refusal(copy.path())] {
        let versions = format!("has format version {LATER}, but this program reads version {FORMAT_VERSION}");
        for words in [versions.as_str(), "nothing was changed", "use the release of stockhold that wrote it"]
        {
            assert!(complaint.contains(words), "{complaint}");
        }
        assert!(!complaint.contains("damaged"), "{complaint}");
    }
    assert!(before == contents(copy.path()), "a file was changed");
}

#[test]
fn a_file_of_a_later_version_among_others_is_refused_with_its_version() {
    // Proves that a segment or a snapshot of a later version is not mistaken for something else, and that the version
    // is named.
    let golden = present().into_iter().find(|path| path.ends_with("stopped")).unwrap();
    for (suffix, version_at, checksum_at) in [
        (".segment", header::VERSION_AT, header::CHECKSUM_AT),
        (".snapshot", snapshot::VERSION_AT, snapshot::CHECKSUM_AT),
    ] {
        let copy = copy_of(&golden);
        for (name, _) in contents(copy.path()).iter().filter(|(name, _)| name.ends_with(suffix)) {
            make_later(&copy.path().join(name), version_at, checksum_at);
        }
        let complaint = refusal(copy.path());
        let version = format!("format version is {LATER}");
        for words in [version.as_str(), "nothing was changed", "restore from a backup"] {
            assert!(complaint.contains(words), "{suffix}: {complaint}");
        }
    }
}

/// Checks that a directory of these rules is refused by name and not changed.
fn check_rules_are_refused(directory: &Path, rules: u32) {
    let before = contents(directory);
    let complaint = refusal(directory);
    let versions = format!("rules version {rules}, this program executes version {RULES_VERSION}");
    for words in [versions.as_str(), "nothing was changed", "use the release of stockhold that wrote it"] {
        assert!(complaint.contains(words), "{complaint}");
    }
    assert!(!complaint.contains("damaged"), "{complaint}");
    let (code, told, complaint) = stockhold(&["verify"], directory);
    assert_eq!(code, 4, "{told} {complaint}");
    assert!(format!("{told} {complaint}").contains(&versions), "{told} {complaint}");
    assert!(before == contents(directory), "a file was changed");
}

#[test]
fn a_directory_of_an_earlier_version_is_refused_with_what_to_do() {
    // Proves that directories of format 1 are neither opened nor changed nor reported as damaged.
    let earlier: Vec<_> =
        golden().into_iter().filter(|(versions, _)| versions.format < FORMAT_VERSION).collect();
    assert!(earlier.len() >= 3);
    for (versions, golden) in earlier {
        let copy = copy_of(&golden);
        let before = contents(copy.path());
        let (code, _, complaint) = stockhold(&["verify"], copy.path());
        assert_eq!(code, 4, "{complaint}");
        let found = versions.format;
        for complaint in [complaint, refusal(copy.path())] {
            let named =
                format!("has format version {found}, but this program reads version {FORMAT_VERSION}");
            for words in [named.as_str(), "nothing was changed", "use the release of stockhold that wrote it"]
            {
                assert!(complaint.contains(words), "{complaint}");
            }
            assert!(!complaint.contains("damaged"), "{complaint}");
        }
        assert!(before == contents(copy.path()), "a file was changed");
    }
}

#[test]
fn a_directory_of_other_rules_is_refused_by_name_and_untouched() {
    // Proves it for a genesis and for a snapshot of an earlier or later program. Without the snapshot, the log would be
    // replayed by rules that did not decide it.
    let others = [RULES_VERSION - 1, RULES_VERSION + 1];
    for (golden, other) in
        present().into_iter().flat_map(|golden| others.map(|other| (golden.clone(), other)))
    {
        let copy = copy_of(&golden);
        let snapshots: Vec<_> =
            contents(copy.path()).into_iter().filter(|(name, _)| name.ends_with(".snapshot")).collect();
        for (name, _) in &snapshots {
            let file = copy.path().join(name);
            set_version(&file, snapshot::RULES_VERSION_AT, snapshot::CHECKSUM_AT, other);
        }
        if snapshots.is_empty() {
            let file = copy.path().join("MANIFEST");
            // The genesis is before the checksum. It begins with its rules version, after the number and the length of
            // that field.
            let bytes = fs::read(&file).unwrap();
            let checksum_at = bytes.len() - CHECKSUM_BYTES;
            let genesis_bytes = &bytes[manifest::GENESIS_BYTES_AT..][..size_of::<u32>()];
            let genesis_bytes = u32::from_le_bytes(genesis_bytes.try_into().unwrap());
            let rules_at = checksum_at - usize::try_from(genesis_bytes).unwrap() + 6;
            set_version(&file, rules_at, checksum_at, other);
        }
        check_rules_are_refused(copy.path(), other);
    }
}
