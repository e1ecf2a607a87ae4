//! The whole tool as a user runs it: it starts real servers as child processes, loads them briefly, audits, reports
//! and cleans up.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

mod lost_machine;
#[path = "../../tests/not_run/mod.rs"]
mod not_run;

use not_run::{Missing, not_run};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

const TOOL: &str = env!("CARGO_BIN_EXE_stockhold-loadtest");

fn run(arguments: &[&str]) -> Output {
    Command::new(TOOL).args(arguments).output().unwrap()
}

/// Runs with `--json`. Returns the one line on standard output.
fn report(arguments: &[&str]) -> Value {
    let output = run(&[arguments, &["--json"]].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {errors}{text}");
    assert_eq!(errors, "", "programs see the report and nothing else");
    assert_eq!(text.lines().count(), 1);
    serde_json::from_str(&text).unwrap()
}

fn assert_clean(report: &Value) {
    for finding in
        ["oversold_units", "lost_acknowledged", "changed_answers", "wrong_refusals", "unexplained_units"]
    {
        assert_eq!(report["audit"][finding], 0, "{finding} in {report}");
    }
    assert!(report["audit"]["checked_ids"].as_u64().unwrap() > 0, "{report}");
}

/// Checks that the cost of the server's memory is reported.
fn assert_paging(part: &Value) {
    assert!(part["server_minor_faults"].is_u64(), "{part}");
    assert!(part["server_system_percent"].is_number(), "{part}");
    assert!(part["server_resident_growth_bytes"].is_i64(), "{part}");
}

#[test]
fn failures_are_json_for_programs() {
    // Proves that wrong arguments and a run that cannot start are reported as one document.
    for (arguments, exit) in [
        (&["uniform", "--depth", "0", "--json"][..], 2),
        (&["--json", "nonsense"], 2),
        (&["uniform", "--server", "127.0.0.1:1", "--json"], 3),
    ] {
        let output = run(arguments);
        let document: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!((output.status.code(), &document["exit_code"]), (Some(exit), &Value::from(exit)));
        assert!(!document["error"].as_str().unwrap().is_empty(), "{document}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn the_environment_names_a_server_only_where_one_is_asked_for() {
    // Proves that `--server` without an address takes that of the variable, that it is an error without one, and that the
    // variable alone aims no load at a server.
    let with = |address: Option<&str>, arguments: &[&str]| {
        let mut command = Command::new(TOOL);
        match address {
            Some(address) => command.env("STOCKHOLD_SERVER", address),
            None => command.env_remove("STOCKHOLD_SERVER"),
        };
        let output = command.args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (exit, error) = with(Some("127.0.0.1:1"), &["uniform", "--server", "--json"]);
    assert_eq!(exit, Some(3), "{error}");
    assert!(error.contains("cannot connect to 127.0.0.1:1"), "{error}");
    let (exit, error) = with(None, &["uniform", "--server"]);
    assert_eq!(exit, Some(2), "{error}");
    assert!(error.contains("STOCKHOLD_SERVER is not set; write HOST:PORT"), "{error}");
    let ceilings = ["ceilings", "--connections", "1", "--depth", "1", "--seconds", "0.1", "--blocks", "10"];
    assert_eq!(with(Some("127.0.0.1:1"), &ceilings).0, Some(0));
    let short = [
        "uniform",
        "--connections",
        "1",
        "--depth",
        "1",
        "--seconds",
        "0.1",
        "--warmup",
        "0s",
        "--skus",
        "4",
    ];
    assert_eq!(with(Some("127.0.0.1:1"), &short).0, Some(0));
}

#[test]
fn uniform_loads_a_server_and_audits_it() {
    // Proves the complete run: child server, setup, closed loop, audit, report; and that every figure is present.
    let report = report(&[
        "uniform",
        "--connections",
        "4",
        "--depth",
        "32",
        "--threads",
        "2",
        "--skus",
        "50",
        "--seconds",
        "0.5",
        "--warmup",
        "100ms",
    ]);
    assert_clean(&report);
    assert_eq!((report["scenario"].as_str(), report["loop"].as_str()), (Some("uniform"), Some("closed")));
    assert_eq!(report["durability"], "sync");
    assert_eq!(report["audit"]["checked_skus"], 50);
    assert!(report["answers"]["ok"].as_u64().unwrap() > 0);
    assert_eq!(
        report["answers"].as_object().unwrap().len(),
        1,
        "no cart is refused while stock is plentiful"
    );
    for figure in [
        "reservations_per_second",
        "p50_us",
        "p90_us",
        "p99_us",
        "p999_us",
        "max_us",
        "client_cpu_us_per_reservation",
        "server_cpu_us_per_reservation",
        "server_resident_bytes",
    ] {
        assert!(report[figure].as_f64().unwrap() > 0.0, "{figure} in {report}");
    }
    assert!(report["log"]["syncs"].as_u64().unwrap() > 0);
    assert!(report["log"]["ops"].as_u64() >= report["log"]["syncs"].as_u64());
    assert!(report["machine"]["cores"].as_u64().unwrap() > 0);
    assert_paging(&report);
    for figure in ["server_minor_faults", "server_system_percent"] {
        assert!(report[figure].as_f64().unwrap() > 0.0, "{figure} in {report}");
    }
    assert_eq!(report["memory"]["state"], "as_is");
}

#[test]
fn memory_that_was_touched_is_the_servers() {
    // Proves that the server keeps what was faulted in before its start and serves from it: its reservations add next
    // to nothing.
    let report = report(&[
        "uniform",
        "--connections",
        "4",
        "--depth",
        "128",
        "--seconds",
        "0.5",
        "--warmup",
        "200ms",
        "--memory",
        "touched",
        "--memory-mib",
        "256",
    ]);
    assert_clean(&report);
    assert_eq!(
        (&report["memory"]["state"], &report["memory"]["touched_mib"]),
        (&"touched".into(), &256.into())
    );
    let figure = |name: &str| report[name].as_i64().unwrap();
    assert!(figure("server_resident_bytes") > 256 << 20, "{report}");
    assert!(figure("server_resident_growth_bytes") < 2 << 20, "{report}");
}

#[test]
fn one_cart_in_flight_works_too() {
    // Proves the path of single commands, which share no frame.
    let report = report(&[
        "uniform",
        "--connections",
        "3",
        "--depth",
        "1",
        "--skus",
        "5",
        "--seconds",
        "0.2",
        "--warmup",
        "0s",
    ]);
    assert_clean(&report);
}

/// Runs a closed-loop scenario briefly, on few SKUs.
fn scenario(name: &str) -> Value {
    let load =
        ["--connections", "4", "--depth", "32", "--skus", "20", "--seconds", "0.4", "--warmup", "200ms"];
    let report = report(&[&[name], load.as_slice()].concat());
    assert_eq!((report["scenario"].as_str(), report["loop"].as_str()), (Some(name), Some("closed")));
    for finding in
        ["oversold_units", "lost_acknowledged", "changed_answers", "wrong_refusals", "wrong_checks"]
    {
        assert_eq!(report["audit"][finding], 0, "{finding} in {report}");
    }
    assert_eq!(report["audit"]["unexplained_units"], 0, "{report}");
    assert!(report["answers_per_second"].as_f64().unwrap() > 0.0, "{report}");
    assert_paging(&report);
    report
}

#[test]
fn every_way_to_choose_skus_sells() {
    // Proves that one hot SKU, shared goods, a skewed choice and carts of three lines are loaded and audited.
    for (name, skus) in [("hot", 1), ("shared", 1), ("shops", 20), ("zipf", 20), ("carts", 20)] {
        let report = scenario(name);
        assert_eq!(report["audit"]["checked_skus"], skus);
        assert!(report["reservations_per_second"].as_f64().unwrap() > 0.0, "{report}");
        assert_clean(&report);
    }
}

#[test]
fn checks_are_answered_as_the_goods_are() {
    // Proves that checks change nothing and are all correct.
    let report = scenario("checks");
    assert!(report["checks_per_second"].as_f64().unwrap() > 0.0);
    assert_eq!(report["answers"].as_object().unwrap().len(), 0);
}

#[test]
fn a_sold_out_storm_is_refused_and_nothing_is_oversold() {
    // Proves that the scarce goods are sold before the measured time, and that most refusals are edge refusals.
    let report = scenario("sold-out");
    assert_eq!(report["reservations_per_second"].as_f64(), Some(0.0));
    assert!(report["edge_refusals"].as_u64().unwrap() > 0, "{report}");
}

#[test]
fn holds_end_and_retries_are_told_again() {
    // Proves that confirms and releases add up, that a retry gets the answer of its cart, and that all scenarios can
    // be mixed.
    for name in ["hold-churn", "retry-storm", "mixed"] {
        let report = scenario(name);
        assert!(report["reservations_per_second"].as_f64().unwrap() > 0.0, "{report}");
        let answers = report["answers_per_second"].as_f64().unwrap();
        assert!(answers > 1.5 * report["reservations_per_second"].as_f64().unwrap(), "{report}");
    }
}

#[test]
fn the_sale_sells_out_expires_and_audits() {
    // Proves the canonical sale: two stocks over shared goods, a hot SKU, every ending of a hold, checks, expiry.
    let report = report(&["--rate", "8000", "--seconds", "2", "--connections", "3", "--skus", "20"]);
    assert_clean(&report);
    assert_eq!((report["scenario"].as_str(), report["loop"].as_str()), (Some("sale"), Some("open")));
    for counted in ["reserved", "checks", "abandoned_holds"] {
        assert!(report[counted].as_u64().unwrap() > 0, "{counted} in {report}");
    }
    assert!(report["payment_answers"]["ok"].as_u64().unwrap() > 0);
    assert!(report["release_answers"]["ok"].as_u64().unwrap() > 0);
    let carts = report["reserved"].as_u64().unwrap() + report["refused"].as_u64().unwrap();
    assert_eq!(carts + report["checks"].as_u64().unwrap(), report["shoppers"].as_u64().unwrap());
    assert!(report["shoppers"].as_u64().unwrap().abs_diff(16_000) <= 3 * 256);
    assert_paging(&report);
    assert_eq!(report["memory"]["state"], "as_is");
}

#[test]
fn ceilings_tell_echoes_and_syncs() {
    // Proves that both ceilings are measured.
    let report = report(&[
        "ceilings",
        "--connections",
        "2",
        "--depth",
        "8",
        "--seconds",
        "0.2",
        "--warmup",
        "0s",
        "--blocks",
        "20",
    ]);
    assert!(report["echoes_per_second"].as_f64().unwrap() > 0.0);
    assert_eq!(report["synced_blocks"], 20);
    assert_paging(&report);
    assert!(report["synced_block_us"]["p50_us"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_chosen_directory_is_kept_and_used_again_by_nobody() {
    // Proves --data-dir and --keep, and that a non-empty directory is refused.
    let parent = tempfile::tempdir_in(Path::new(TOOL).parent().unwrap()).unwrap();
    let chosen = parent.path().join("data");
    let directory = chosen.to_str().unwrap();
    let uniform = [
        "uniform",
        "--connections",
        "1",
        "--depth",
        "4",
        "--skus",
        "3",
        "--seconds",
        "0.1",
        "--warmup",
        "0s",
    ];
    let arguments = [&uniform[..], &["--data-dir", directory, "--keep"]].concat();
    assert_clean(&report(&arguments));
    assert!(chosen.read_dir().unwrap().count() > 0);
    let again = run(&arguments);
    assert_eq!(again.status.code(), Some(2), "{}", String::from_utf8_lossy(&again.stderr));
}

#[test]
fn nothing_is_lost_under_kills() {
    // Proves the complete chaos run: kills, freezes, restarts, repeated commands, the audit of every recorded id, and
    // the check of the directory.
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let report = report(&[
        "chaos",
        "--kills",
        "4",
        "--seconds-between",
        "0.05..0.3",
        "--stop-seconds",
        "0.2",
        "--seed",
        "5",
        "--data-dir",
        data_dir.to_str().unwrap(),
    ]);
    for zero in ["lost_acknowledged", "oversold_units", "changed_answers", "unexplained_units"] {
        assert_eq!(report[zero], 0, "{zero} in {report}");
    }
    assert_eq!((&report["kills"], &report["damage"]), (&4.into(), &Value::Array(Vec::new())));
    assert!(report["acknowledged"].as_u64().unwrap() > 100, "{report}");
    assert_eq!(report["checked_ids"], report["acknowledged"], "every recorded id was asked again");
    assert!(report["recovered_ops_max"].as_u64().unwrap() > 100, "{report}");
    assert!(!data_dir.exists(), "a run without findings cleans up");
}

/// Runs chaos with power cuts. `None` where file systems cannot be mounted, which is printed.
fn cut_power(arguments: &[&str]) -> Option<Output> {
    let output = run(&[&["chaos", "--json", "--data-dir"], arguments].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(3) && errors.contains("power cuts are not possible here") {
        let missing = if errors.contains("cannot be run") { Missing::Program } else { Missing::Right };
        not_run(missing, errors.trim(), "power cuts");
        return None;
    }
    Some(output)
}

#[test]
fn nothing_is_lost_with_the_power() {
    // Proves the complete run with power cuts on both write paths: file systems are mounted, cut off, mounted again
    // and cleaned up, and everything that was answered is present.
    for path in ["log.write-path=direct", "log.write-path=fdatasync"] {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let rest = [data_dir.to_str().unwrap(), "--power-cuts", "3", "--stop-seconds", "0.2", "--set", path];
        let Some(output) = cut_power(&rest) else { return };
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{errors}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        for zero in
            ["lost_acknowledged", "oversold_units", "changed_answers", "unexplained_units", "abandoned"]
        {
            assert_eq!(report[zero], 0, "{zero} in {report}");
        }
        assert_eq!((&report["power_cuts"], &report["damage"]), (&3.into(), &Value::Array(Vec::new())));
        assert!(report["acknowledged"].as_u64().unwrap() > 50, "{report}");
        assert_eq!(report["checked_ids"], report["acknowledged"], "every recorded id was asked again");
        assert!(!data_dir.exists(), "a run without findings cleans up");
    }
}

#[test]
fn answers_before_the_sync_are_lost_with_the_power() {
    // Proves that the test above can fail: with syncs on a timer a power cut loses answers, and the run reports it.
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let rest = [data_dir.to_str().unwrap(), "--power-cuts", "2", "--seconds-between", "2..2.5"];
    // A new segment or a snapshot would sync as well.
    let interval =
        ["log.durability=interval", "log.interval-ms=1500", "log.segment-bytes=8388608", "snapshot.ops=0"];
    let interval: Vec<&str> = interval.iter().flat_map(|option| ["--set", option]).collect();
    let Some(output) = cut_power(&[&rest[..], &interval[..]].concat()) else { return };
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["lost_acknowledged"].as_u64().unwrap() > 0, "{report}");
}

#[test]
fn a_server_that_loses_everything_is_found_out() {
    // Proves that losing what the audit needs, here the SKUs themselves, counts as a violation and not as a failed
    // run.
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let rest = [data_dir.to_str().unwrap(), "--power-cuts", "1", "--stop-seconds", "0.1"];
    let never =
        ["log.durability=interval", "log.interval-ms=600000", "log.segment-bytes=8388608", "snapshot.ops=0"];
    let never: Vec<&str> = never.iter().flat_map(|option| ["--set", option]).collect();
    let Some(output) = cut_power(&[&rest[..], &never[..]].concat()) else { return };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("was answered, but a start recovered only up to op"), "{errors}");
}

/// Runs some kinds of bad peers briefly and checks what every kind must keep. Returns how many connections each kind
/// lost.
///
/// The documented 80 % holds for an optimized server on a machine of its own. Tests run in parallel and in
/// unoptimized builds, so `keep_percent` only distinguishes slow from stopped here.
fn visit(kinds: &[&str], keep_percent: &str) -> Vec<u64> {
    let load = ["--connections", "4", "--depth", "32", "--rounds", "1", "--seconds", "0.2", "--idle", "300"];
    let limits = ["--reservations", "50000", "--keep-percent", keep_percent, "--p99-ratio-max", "100"];
    let chosen: Vec<String> = kinds.iter().map(|kind| format!("--kind={}", kind.replace('_', "-"))).collect();
    let chosen: Vec<&str> = chosen.iter().map(String::as_str).collect();
    let report = report(&[&["bad-peers"], &load[..], &limits, &chosen].concat());
    assert_clean(&report);
    let visited = report["kinds"].as_array().unwrap();
    assert_eq!(visited.iter().map(|kind| kind["kind"].as_str().unwrap()).collect::<Vec<_>>(), kinds);
    assert_eq!((&report["bloated"], &report["unknown"]), (&Value::Array(Vec::new()), &0.into()));
    for kind in visited {
        assert_eq!(kind["alone"].as_array().unwrap().len(), 2, "{kind}");
        assert!(kind["with"][0].as_f64().unwrap() > 0.0, "healthy carts go on: {kind}");
        assert!(kind["grown_bytes"].as_u64().unwrap() <= kind["bound_bytes"].as_u64().unwrap());
        assert_paging(kind);
        assert_eq!(kind["memory"]["state"], "as_is");
    }
    visited.iter().map(|kind| kind["ended"].as_u64().unwrap()).collect()
}

#[test]
fn peers_that_do_not_read_or_do_not_end_harm_nobody() {
    // Proves the complete run with bad peers: these kinds are started and stopped, healthy carts are all answered and
    // audited, and memory stays within its bound. The checks that slow readers leave unread are hundreds of millions
    // of bytes. An unoptimized server is still writing them while carts are counted: it divides its time among 64
    // slow readers and 4 healthy connections.
    let ended = visit(&["mute", "half_hello", "idle", "crowd", "slow_reader", "endless"], "2");
    assert!(ended[3] > 0, "a crowd takes places from itself: {ended:?}");
}

#[test]
fn floods_and_questions_harm_nobody() {
    // Proves that none of these kinds stops sales. A server that answers each validation without a break keeps one
    // percent.
    let ended = visit(&["flood", "oversized", "garbage", "validations", "lists", "snapshots"], "10");
    assert!(ended[1] > 0 && ended[2] > 0, "broken frames end their connections: {ended:?}");
}

#[test]
fn what_cannot_run_says_so() {
    // Proves the exit codes of wrong arguments and of a server that is not there.
    assert_eq!(run(&["uniform", "--depth", "0"]).status.code(), Some(2));
    for wrong in [
        // A run that would do nothing, exceeds a limit, or starts too late.
        &["--memory-mib", "64"][..],
        &["--memory", "as-is", "--memory-mib", "64"],
        &["--memory", "touched", "--memory-mib", "4194304"],
        &["--memory", "touched", "--server", "127.0.0.1:7411"],
    ] {
        assert_eq!(run(&[&["uniform"], wrong].concat()).status.code(), Some(2), "{wrong:?}");
    }
    assert_eq!(run(&["chaos", "--seconds-between", "2..1"]).status.code(), Some(2));
    assert_eq!(run(&["--help"]).status.code(), Some(0));
    // A port that was free a moment ago and that no process listens on.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let output = run(&["uniform", "--server", &address]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot connect"));
}
