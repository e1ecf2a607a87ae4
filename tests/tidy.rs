//! Rules of this repository that no lint checks: sizes, names, dependencies between modules, leftovers.
#![expect(clippy::unwrap_used, reason = "a test tells by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// The maximum length of a source file in lines. Tests may be longer.
const LINES_MAX: usize = 500;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(under: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![root().join(under)];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() && name != "target" && !name.to_string_lossy().starts_with('.') {
                left.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no source under {under}: the tree has moved and this test sees nothing");
    found
}

fn sources() -> Vec<(String, String)> {
    let folders = ["src", "crates", "loadtest", "benches", "tests", "fuzz"];
    let files = folders.iter().flat_map(|folder| rust_files(folder));
    files
        .map(|path| {
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

fn is_test(name: &str) -> bool {
    name.contains("/tests/")
        || name.starts_with("tests/")
        || name.ends_with("tests.rs")
        || name.starts_with("benches/")
}

#[test]
fn no_file_is_too_long() {
    // Proves that no source file is too long.
    let long: Vec<String> = sources()
        .into_iter()
        .filter(|(name, text)| !is_test(name) && text.lines().count() > LINES_MAX)
        .map(|(name, text)| format!("{name}: {} lines", text.lines().count()))
        .collect();
    assert!(long.is_empty(), "split these files, they are too long: {long:#?}");
}

#[test]
fn every_module_says_what_it_is_for() {
    // Proves that each file begins with a `//!` sentence.
    let silent: Vec<String> =
        sources().into_iter().filter(|(_, text)| !text.starts_with("//!")).map(|(name, _)| name).collect();
    assert!(silent.is_empty(), "these files begin without a //! sentence: {silent:#?}");
}

#[test]
fn names_have_a_meaning() {
    // Proves that no file has a name without a meaning.
    let drawers = ["util", "utils", "common", "helpers", "helper", "misc", "impls", "types", "manager"];
    let vague: Vec<String> = sources()
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| {
            drawers.iter().any(|drawer| {
                name.ends_with(&format!("/{drawer}.rs")) || name.contains(&format!("/{drawer}/"))
            })
        })
        .collect();
    assert!(vague.is_empty(), "these names have no meaning: {vague:#?}");
}

#[test]
fn nothing_is_left_behind() {
    // Proves that no marker of unfinished work, no ignored test and no statement without an assertion is committed.
    let markers = [
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
        concat!("#[ig", "nore"),
        concat!("#[should_", "panic"),
        concat!("to", "do!("),
    ];
    let mut found = Vec::new();
    for (name, text) in sources() {
        for (number, line) in (1..).zip(text.lines()) {
            let bare = line.trim_start();
            let asserts_nothing = bare.starts_with("matches!(") && bare.ends_with(");");
            if asserts_nothing || markers.iter().any(|marker| line.contains(marker)) {
                found.push(format!("{name}:{number}: {bare}"));
            }
        }
    }
    assert!(found.is_empty(), "left behind: {found:#?}");
}

#[test]
fn modules_use_only_what_is_below_them() {
    // Proves the dependencies that Cargo cannot enforce: the byte layer does not depend on rules, and readers do not
    // depend on disks.
    let forbidden = [
        ("src/wal", "stockhold_machine"),
        ("src/wal", "stockhold_protocol"),
        ("src/storage", "stockhold_"),
        ("src/snapshot", "stockhold_"),
        ("src/directory", "stockhold_machine"),
        ("src/net", "crate::wal"),
        ("src/net", "crate::storage"),
        ("src/published", "crate::pipeline"),
        ("src/pipeline", "crate::net"),
        ("crates/machine/src", "std::fs"),
        ("crates/machine/src", "std::time"),
        ("crates/machine/src", "std::thread"),
        // Only `moves` changes a quantity. Verbs and views get the state to read; snapshots and validations scan it.
        ("crates/machine/src/ledger", "add_promise("),
        ("crates/machine/src/ledger", "change_supply("),
        ("crates/machine/src/persist", "add_promise("),
        ("crates/machine/src/persist", "change_supply("),
        ("crates/machine/src/verbs", "&mut self"),
        ("crates/machine/src/verbs", "&mut State"),
        ("crates/machine/src/verbs", "Machine"),
        ("crates/machine/src/views", "&mut self"),
        ("crates/machine/src/views", "&mut State"),
        ("crates/machine/src/views", "state_to_scan"),
        ("crates/machine/src/machine/", "state_to_scan"),
        ("crates/machine/src/moves", "state_to_scan"),
        ("crates/machine/src/prefetch", "state_to_scan"),
        ("crates/protocol/src", "std::fs"),
        ("crates/protocol/src", "std::time"),
        ("crates/client/src", "stockhold_machine"),
    ];
    let mut broken = Vec::new();
    for (name, text) in sources() {
        for (module, word) in forbidden {
            if name.starts_with(module) && text.contains(word) {
                broken.push(format!("{name} uses {word}"));
            }
        }
    }
    assert!(broken.is_empty(), "these edges point the wrong way: {broken:#?}");
}

/// The texts between quotes in `text`, in which no text has an escaped quote.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2)
}

#[test]
fn rules_follow_the_name_of_a_field() {
    // Proves that the rule of each refused field continues its name, as in "name must not be empty".
    let beginnings = ["is ", "has ", "must "];
    let (mut rules, mut others) = (0, Vec::new());
    for (name, text) in sources().iter().filter(|(name, _)| !is_test(name)) {
        for call in text.split("BadField::new(").skip(1) {
            let arguments = call.split([')', ';']).next().unwrap_or_default();
            // The field is not always a literal, so the rule is the last one.
            if let Some(rule) = quoted(arguments).last().filter(|rule| rule.contains(' ')) {
                rules += 1;
                if !beginnings.iter().any(|beginning| rule.starts_with(beginning)) {
                    others.push(format!("{name}: {rule}"));
                }
            }
        }
    }
    assert!(rules > 60, "this test sees only {rules} rules");
    assert!(others.is_empty(), "these rules do not follow the name of a field: {others:#?}");
}

#[test]
fn only_the_server_spawns() {
    // Proves that the server starts threads and tasks in one module, which also joins them.
    let words = ["thread::spawn", "thread::Builder", "tokio::spawn", "spawn_local", "task::spawn"];
    let spawning: Vec<String> = sources()
        .into_iter()
        .filter(|(name, _)| {
            name.starts_with("src/") && !name.starts_with("src/server") && !name.starts_with("src/cli")
        })
        .filter(|(_, text)| words.iter().any(|word| text.contains(word)))
        .map(|(name, _)| name)
        .collect();
    assert!(spawning.is_empty(), "these spawn: {spawning:#?}");
}
