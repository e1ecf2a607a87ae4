//! The comparison as a user runs it. Where a peer is not installed, only what it says about that can be proved.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

const TOOL: &str = env!("CARGO_BIN_EXE_stockhold-loadtest");

fn compare(peer: &str, path: Option<&str>) -> Output {
    // PostgreSQL runs under an account of its own, to which the folder of this clone may be closed.
    let everybody = std::fs::Permissions::from_mode(0o755);
    let folder = tempfile::Builder::new().permissions(everybody).tempdir().unwrap();
    let mut command = Command::new(TOOL);
    command.args(["compare", "--peers", peer, "--quick", "--skus", "100", "--json", "--data-dir"]);
    command.arg(folder.path());
    if let Some(path) = path {
        command.env("PATH", path);
    }
    command.output().unwrap()
}

fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
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
    assert!(report["steal_percent"].as_f64().unwrap() >= 0.0);
    for sample in report["samples"].as_array().unwrap() {
        // A short sample with 65,536 carts in flight may end before the first of them is answered.
        assert!(sample["reservations_per_second"].as_f64().unwrap() >= 0.0, "{sample}");
        assert!(sample["steal_percent"].is_number() && sample["p99_us"].is_number(), "{sample}");
    }
    report
}

fn assert_ratios(report: &Value, setting: &str) {
    for role in ["deep", "single"] {
        assert!(report["ratios"][role][setting].as_f64().unwrap() > 0.0, "{role} {setting} in {report}");
    }
    assert!(report["peers"][setting]["settings"].is_string());
}

#[test]
fn redis_is_measured_in_the_same_run() {
    // Proves the whole way with Redis: start, script, pipelined load, adding up, ratios. Without Redis, the way out.
    let output = compare("redis", None);
    if !is_installed("redis-server") {
        assert_eq!(output.status.code(), Some(3));
        return;
    }
    let report = report(&output);
    assert_eq!(report["samples"].as_array().unwrap().len(), 10, "{report}");
    for setting in ["redis_everysec", "redis_always"] {
        assert_ratios(&report, setting);
        assert!(report["peers"][setting]["version"].as_str().unwrap().contains("Redis"));
    }
}

#[test]
fn postgres_is_measured_in_the_same_run() {
    // Proves the whole way with PostgreSQL: a cluster of its own, frames in one statement, one hot SKU, adding up, ratios.
    let output = compare("postgres", None);
    if !is_installed("postgres") && output.status.code() == Some(3) {
        assert!(String::from_utf8_lossy(&output.stderr).contains("scripts/install-peers.sh"));
        return;
    }
    let report = report(&output);
    for setting in ["postgres", "postgres_hot"] {
        assert_ratios(&report, setting);
        assert!(report["peers"][setting]["version"].as_str().unwrap().contains("PostgreSQL"));
    }
}

#[test]
fn a_missing_peer_is_told_before_anything_starts() {
    // Proves the exit code and the sentence that name the way out.
    let output = compare("redis", Some("/nowhere"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{errors}");
    assert!(errors.contains("redis-server is not installed") && errors.contains("scripts/install-peers.sh"));
    assert!(output.stdout.is_empty());
}
