//! Directories: this release refuses by name what the later one has written and does not change it. The later release
//! opens a directory of this one, which is then refused here.

use super::programs::{Called, Program, data, next, present};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use stockhold::directory::LOCK_NAME;
use stockhold_protocol::limits::FEATURE_LEVEL;

/// Every file with its bytes, except the lock, which names its last holder.
fn contents(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let files =
        entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()));
    files.filter(|(name, _)| name != LOCK_NAME).collect()
}

/// Runs a program that opens a data directory.
fn open(program: &Program, arguments: &[&str], directory: &Path) -> Called {
    program.run(&[arguments, &[data(directory).to_str().unwrap()]].concat())
}

/// Checks that every way of opening a directory is refused by name and changes no byte of it.
fn check_is_refused(directory: &Path) {
    let before = contents(&data(directory));
    let later = FEATURE_LEVEL + 1;
    let levels =
        format!("has feature level {later}, but this program knows levels up to {FEATURE_LEVEL} only");
    let words = [&levels, "nothing was changed", "the release of stockhold that wrote it or a later one"];
    let ways: [&[&str]; 4] = [
        &["serve", "--listen", "127.0.0.1:0", "--data-dir"],
        &["verify"],
        &["log", "dump"],
        &["log", "skip", "--op", "1", "--reason", "none"],
    ];
    for way in ways {
        let refused = open(present(), way, directory);
        assert_eq!(refused.code, 4, "{way:?}: {refused:?}");
        assert!(words.iter().all(|words| refused.stderr.contains(words)), "{way:?}: {refused:?}");
        assert!(!refused.stderr.contains("damaged"), "{way:?}: {refused:?}");
        assert!(before == contents(&data(directory)), "{way:?} changed a file");
    }
    // Formatting it is refused because it is not empty.
    let refused = open(present(), &["format"], directory);
    assert_ne!(refused.code, 0, "{refused:?}");
    assert!(before == contents(&data(directory)), "it was formatted again");
}

/// The op and the digest that a program recovers from a directory.
fn state(program: &Program, directory: &Path) -> (u64, String) {
    let verified = open(program, &["verify"], directory);
    assert_eq!((verified.code, &verified.document["sound"]), (0, &json!(true)), "{verified:?}");
    (verified.document["op"].as_u64().unwrap(), verified.text("digest").to_owned())
}

/// Uses each addition of the later release: the setting, the field, the kind of record and the code.
fn use_additions(address: &str) {
    next().ok(address, &["settings", "--sku", "A", "--lead-days", "3"]);
    next().ok(address, &["mark", "set", "opened", "--note", "the doors are open"]);
    check_additions(address);
}

/// Checks that the later release has what [`use_additions`] has written.
fn check_additions(address: &str) {
    let shown = next().ok(address, &["show", "sku", "A"]);
    assert_eq!(shown["positions"][0]["settings"]["lead_days"], 3, "{shown}");
    let refused = next().call(address, &["mark", "set", "opened"]);
    assert_eq!((refused.code, refused.text("code")), (1, "mark_has_note"), "{refused:?}");
}

#[test]
fn what_a_later_release_wrote_is_refused_by_name_and_untouched() {
    // Proves it for a directory that contains each addition, in its log and in a snapshot that the later release reads
    // again.
    let server = next().serve(next().format());
    next().open_shop(&server.address);
    use_additions(&server.address);
    next().ok(&server.address, &["snapshot"]);
    let directory = server.stop();
    check_is_refused(directory.path());

    state(next(), directory.path());
    let server = next().serve(directory);
    assert!(server.ready["recovery"]["snapshot_op"].as_u64() > Some(0), "{}", server.ready);
    assert_eq!(server.ready["recovery"]["replayed_ops"], 0, "{}", server.ready);
    check_additions(&server.address);
    check_is_refused(server.stop().path());
}

#[test]
fn a_directory_whose_manifest_alone_is_of_a_later_release_is_refused() {
    // Proves that the level in the manifest is enough: the log and the snapshots are those of this release, byte for
    // byte.
    let server = present().serve(present().format());
    present().open_shop(&server.address);
    let sold = present().ok(&server.address, &["reserve", "--stock", "web", "--line", "A=3"]);
    let directory = server.stop();
    let before = contents(&data(directory.path()));
    let op = sold["op"].to_string();
    let skipped = open(next(), &["log", "skip", "--op", &op, "--reason", "a test"], directory.path());
    assert_eq!(skipped.code, 0, "{skipped:?}");
    let after = contents(&data(directory.path()));
    let changed: Vec<_> = before.iter().filter(|(name, bytes)| after.get(*name) != Some(bytes)).collect();
    assert_eq!(changed.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["MANIFEST"]);
    assert_eq!(before.len(), after.len());
    check_is_refused(directory.path());
}

#[test]
fn a_directory_of_this_release_goes_on_in_a_later_one() {
    // Proves that the later release recovers the same state, gives the same answers and changes nothing by reading, and
    // that the directory is upgraded by its first start.
    let server = present().serve(present().format());
    present().open_shop(&server.address);
    present().ok(&server.address, &["settings", "--sku", "A", "--notify-stock-qty", "5"]);
    present().ok(&server.address, &["mark", "set", "before"]);
    let held = present().ok(&server.address, &["reserve", "--stock", "web", "--line", "A=3", "--ttl", "15m"]);
    present().ok(&server.address, &["snapshot"]);
    let order = ["reserve", "--stock", "web", "--line", "A=2", "--reference", "order 7"];
    let ordered = present().ok(&server.address, &order);
    let directory = server.stop();
    let before = contents(&data(directory.path()));
    let ours = state(present(), directory.path());
    assert_eq!(state(next(), directory.path()), ours);
    assert!(before == contents(&data(directory.path())), "looking changed a file");

    let server = next().serve(directory);
    assert_eq!(server.ready["recovery"]["recovered_ops"], ours.0);
    let again = [&order[..], &["--id", ordered["id"].as_str().unwrap()]].concat();
    let again = next().ok(&server.address, &again);
    assert_eq!((&again["replayed"], &again["op"]), (&json!(true), &ordered["op"]));
    next().ok(&server.address, &["confirm", held["id"].as_str().unwrap()]);
    let shown = next().ok(&server.address, &["show", "sku", "A"]);
    let settings = &shown["positions"][0]["settings"];
    assert_eq!((&settings["notify_stock_qty"], &settings["lead_days"]), (&json!("5"), &json!(0)), "{shown}");
    use_additions(&server.address);
    // With the mark goes its note.
    next().ok(&server.address, &["mark", "drop", "opened"]);
    next().ok(&server.address, &["mark", "set", "opened"]);
    next().ok(&server.address, &["snapshot"]);
    let directory = server.stop();
    check_is_refused(directory.path());
    state(next(), directory.path());
}

#[test]
fn a_start_of_a_later_release_is_enough() {
    // Proves that a start of the later release upgrades a directory, even if it uses nothing new.
    let server = present().serve(present().format());
    present().open_shop(&server.address);
    let directory = next().serve(server.stop()).stop();
    check_is_refused(directory.path());
}
