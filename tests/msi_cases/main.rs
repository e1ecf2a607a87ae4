//! Acceptance cases of Magento's Multi-Source Inventory against a real server: the project's own in `tests/cases/`, and
//! every file in `STOCKHOLD_MSI_CASES` (separated by colons). Each case gets a server of its own, or shares that of its
//! suite if the suite is sequential. The server is used as people use it, through the command line.
//!
//! A call that this program does not know is a failure, and so are no cases at all. Nothing is skipped.

#![expect(clippy::expect_used, reason = "this whole program is a test")]

mod calls;
mod catalog;
mod decided;
mod expect;
mod orders;
mod rows;
mod shop;
mod stock_work;

use serde_json::Value;
use shop::Shop;
use std::path::{Path, PathBuf};

/// Files with cases, separated by colons.
const FILES_VARIABLE: &str = "STOCKHOLD_MSI_CASES";

/// What became of the cases of all files.
#[derive(Default)]
struct Tally {
    passed: u32,
    /// Cases that are decided otherwise, and got what was decided.
    decided: Vec<String>,
    failures: Vec<String>,
}

#[test]
fn every_case_gives_what_magento_gives() {
    // Proves, over the calls of a shop, that the server answers as Magento does.
    let mut tally = Tally::default();
    for file in files() {
        let text = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let document: Value = serde_json::from_slice(&text).expect("a file of cases is JSON");
        let before = tally.count();
        for suite in document["suites"].as_array().into_iter().flatten() {
            run_suite(&document["fixtures"], suite, &mut tally);
        }
        assert!(tally.count() > before, "{} has no cases", file.display());
    }
    for failure in &tally.failures {
        println!("failed: {failure}");
    }
    for decided in &tally.decided {
        println!("decided: {decided}");
    }
    let (failed, decided) = (tally.failures.len(), tally.decided.len());
    println!("{} passed, {failed} failed, {decided} decided", tally.passed);
    println!("{} passed, {failed} failed", tally.passed);
    assert!(tally.failures.is_empty(), "cases failed; they are listed above");
}

impl Tally {
    fn count(&self) -> usize {
        self.passed as usize + self.decided.len() + self.failures.len()
    }
}

/// How a case went.
enum Verdict {
    Passed,
    Decided,
}

/// The project's own files, and those that the environment names.
fn files() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let entries = std::fs::read_dir(own).expect("the project has cases");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "the project has cases");
    let more = std::env::var_os(FILES_VARIABLE).unwrap_or_default();
    files.extend(std::env::split_paths(&more).filter(|path| !path.as_os_str().is_empty()));
    files
}

fn run_suite(fixtures: &Value, suite: &Value, tally: &mut Tally) {
    let (id, fixture) = (text(suite, "id"), &fixtures[text(suite, "fixture")]);
    assert!(!fixture.is_null(), "suite {id} names no fixture of the file");
    let is_sequential = match text(suite, "isolation") {
        "sequential" => true,
        "per-case" => false,
        other => panic!("suite {id}: the isolation {other:?} is unknown"),
    };
    let opened = || {
        let mut shop = Shop::open(fixture)?;
        run_all(&mut shop, &suite["setup"]).map(|()| shop)
    };
    let mut shared = is_sequential.then(opened);
    for (number, case) in suite["cases"].as_array().into_iter().flatten().enumerate() {
        let result = match &mut shared {
            Some(Ok(shop)) => run_case(shop, case),
            Some(Err(error)) => Err(error.clone()),
            None => opened().and_then(|mut shop| run_case(&mut shop, case)),
        };
        match result {
            Ok(Verdict::Passed) => tally.passed += 1,
            Ok(Verdict::Decided) => tally.decided.push(format!("{id} {}", name(case, number))),
            Err(error) => tally.failures.push(format!("{id} {}: {error}", name(case, number))),
        }
    }
}

fn name(case: &Value, number: usize) -> String {
    case["id"].as_str().map_or_else(|| number.to_string(), str::to_owned)
}

/// Runs a case with the calls before and after it.
fn run_case(shop: &mut Shop, case: &Value) -> Result<Verdict, String> {
    run_all(shop, &case["before"])?;
    let mut verdict = check(shop, case)?;
    for call in case["after"].as_array().into_iter().flatten() {
        if matches!(check(shop, call)?, Verdict::Decided) {
            verdict = Verdict::Decided;
        }
    }
    Ok(verdict)
}

/// Runs calls that prepare a case. Each must succeed.
fn run_all(shop: &mut Shop, calls: &Value) -> Result<(), String> {
    for call in calls.as_array().into_iter().flatten() {
        calls::run(shop, text(call, "call"), &call["args"]).map_err(|error| error.of(call))?;
    }
    Ok(())
}

/// Runs one call and compares its result with what is expected. Where something else was decided than the file says, only
/// that is right.
fn check(shop: &mut Shop, call: &Value) -> Result<Verdict, String> {
    let decided = decided::expected(shop, call);
    let expected = decided.as_ref().unwrap_or(&call["expect"]);
    let result = calls::run(shop, text(call, "call"), &call["args"]);
    let is_same = expect::is_same(expected, &call["expect"]);
    expect::compare(expected, calls::is_change(text(call, "call")), result)
        .map_err(|error| format!("{} {}: {error}", call["call"], call["args"]))?;
    Ok(if is_same { Verdict::Passed } else { Verdict::Decided })
}

/// A field that every file has.
fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} is missing in {value}"))
}
