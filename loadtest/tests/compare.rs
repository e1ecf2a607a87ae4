//! The comparison as a user runs it. If a peer is not installed, a test prints `NOT RUN`; in the gate it fails.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

#[path = "../../tests/not_run/mod.rs"]
mod not_run;

use not_run::{Missing, not_run};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

const TOOL: &str = env!("CARGO_BIN_EXE_stockhold-loadtest");

/// Faulted in before each sample by every store that can.
const TOUCHED: [&str; 4] = ["--memory", "touched", "--memory-mib", "64"];

/// Compares with a peer. `None` if it is not installed, which is printed.
fn compare(peer: &str, more: &[&str]) -> Option<Output> {
    // PostgreSQL runs under an account of its own, which may not have access to the directory of this clone.
    let everybody = std::fs::Permissions::from_mode(0o755);
    let folder = tempfile::Builder::new().permissions(everybody).tempdir().unwrap();
    let mut command = Command::new(TOOL);
    command.args(["compare", "--peers", peer, "--quick", "--skus", "100", "--json", "--data-dir"]);
    command.arg(folder.path()).args(more);
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(3) && errors.contains("is not installed") {
        assert!(errors.contains("scripts/install-peers.sh"), "the message names the script: {errors}");
        assert!(output.stdout.is_empty(), "nothing was started");
        not_run(Missing::Program, errors.trim(), peer);
        return None;
    }
    Some(output)
}

/// The report, with everything that every report has.
fn report(output: &Output) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((report["scenario"].as_str(), report["loop"].as_str()), (Some("compare"), Some("closed")));
    for ceiling in ["echo_deep", "echo_single", "synced_block_p50_us"] {
        assert!(report["ceilings"][ceiling].as_f64().unwrap() > 0.0, "{ceiling}");
    }
    assert!(report["steal_percent"].is_number());
    for sample in report["samples"].as_array().unwrap() {
        let figure = |name: &str| sample[name].as_f64().unwrap();
        // The measured time of a quick sample may end before the first of many carts is answered. The sample itself
        // does not.
        assert!(figure("granted") >= figure("depth") && figure("depth") >= 1.0, "{sample}");
        let has_answers = figure("reservations_per_second") > 0.0;
        assert_eq!((figure("p50_us") > 0.0, figure("max_us") > 0.0), (has_answers, has_answers), "{sample}");
        assert!(figure("p50_us") <= figure("p99_us") && figure("p99_us") <= figure("max_us"), "{sample}");
        assert!(sample["steal_percent"].is_number(), "{sample}");
        assert!(sample["server_minor_faults"].is_u64(), "{sample}");
        assert!(sample["server_system_percent"].is_number(), "{sample}");
        assert!(sample["server_resident_growth_bytes"].is_i64(), "{sample}");
        assert!(sample["memory"]["state"].is_string(), "{sample}");
    }
    report
}

/// Every store has touched the requested memory. Nothing is reported for the echo server, which keeps nothing.
fn assert_touched(report: &Value) {
    for sample in report["samples"].as_array().unwrap() {
        let memory = &sample["memory"];
        if sample["subject"] == "echo" {
            assert_eq!(memory["state"], "as_is", "{sample}");
        } else {
            assert_eq!(
                (&memory["state"], &memory["touched_mib"]),
                (&"touched".into(), &64.into()),
                "{sample}"
            );
        }
    }
}

fn assert_ratios(report: &Value, setting: &str) {
    for role in ["deep", "single"] {
        assert!(report["ratios"][role][setting].as_f64().unwrap() > 0.0, "{role} {setting} in {report}");
    }
    assert!(report["peers"][setting]["settings"].is_string());
}

#[test]
fn redis_is_measured_in_the_same_run() {
    // Proves the complete run with Redis: start, script, pipelined load, sums, ratios.
    let Some(output) = compare("redis", &[]) else { return };
    let report = report(&output);
    assert_eq!(report["samples"].as_array().unwrap().len(), 10, "{report}");
    for setting in ["redis_everysec", "redis_always"] {
        assert_ratios(&report, setting);
        assert!(report["peers"][setting]["version"].as_str().unwrap().contains("Redis"));
    }
    assert!(report["samples"].as_array().unwrap().iter().all(|sample| sample["memory"]["state"] == "as_is"));
}

#[test]
fn redis_and_stockhold_serve_from_memory_that_was_touched() {
    // Proves that both take the requested memory before the sample and keep it. The tool fails if a process holds
    // less.
    let Some(output) = compare("redis", &TOUCHED) else { return };
    assert_touched(&report(&output));
}

#[test]
fn postgres_is_measured_in_the_same_run() {
    // Proves the complete run with PostgreSQL: its own cluster, frames in one statement, one hot SKU, sums, ratios;
    // and that memory shared by its processes is touched from outside.
    let Some(output) = compare("postgres", &TOUCHED) else { return };
    let report = report(&output);
    for setting in ["postgres", "postgres_hot"] {
        assert_ratios(&report, setting);
        assert!(report["peers"][setting]["version"].as_str().unwrap().contains("PostgreSQL"));
    }
    assert_touched(&report);
}

#[test]
fn a_missing_peer_is_told_and_fails_the_gate() {
    // Proves that the test of a missing peer prints NOT RUN through the test runner, and that it fails in the gate.
    let test_of_redis = |gate: &str| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "redis_is_measured_in_the_same_run"])
            .env("PATH", "/nowhere")
            .env("STOCKHOLD_GATE", gate)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    };
    for (gate, passes) in [("", true), ("0", true), ("1", false)] {
        let (passed, said) = test_of_redis(gate);
        assert_eq!(passed, passes, "STOCKHOLD_GATE={gate}: {said}");
        assert!(said.contains("1 test"), "the test has its name: {said}");
        assert!(said.contains("NOT RUN") && said.contains("redis-server is not installed"), "{said}");
        assert!(said.contains("NOTHING IS PROVED about redis"), "{said}");
    }
}
