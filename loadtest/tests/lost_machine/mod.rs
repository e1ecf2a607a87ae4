//! The scenario `lost-machine`.

use super::{report, run};
use serde_json::Value;

#[test]
fn a_lost_machine_loses_no_more_than_one_interval_and_one_upload() {
    // Proves that what the archive has is complete, and that only what was answered within the bound is missing.
    let arguments = ["lost-machine", "--seconds", "2", "--interval-ms", "200", "--upload-ms", "5000"];
    let report = report(&arguments);
    assert!(report["answered"].as_u64().unwrap() > 1_000, "{report}");
    assert!(report["restored_op"].as_u64().unwrap() > 1_000, "{report}");
    assert_eq!((&report["lost_in_archive"], &report["violations"]), (&0.into(), &Value::Array(Vec::new())));
    assert!(report["missing"].as_u64() < report["answered"].as_u64(), "{report}");
}

#[test]
fn an_archive_that_is_further_behind_is_found_out() {
    // Proves that the scenario can fail: here the server archives once, at its start.
    let output = run(&[
        "lost-machine",
        "--json",
        "--seconds",
        "2",
        "--interval-ms",
        "100",
        "--upload-ms",
        "100",
        "--set",
        "archive.interval-ms=600000",
        "--set",
        "archive.required-lag-ms=1200000",
    ]);
    let text = String::from_utf8(output.stdout).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert!(report["missing_ms"].as_u64().unwrap() > 1_000, "{report}");
    assert_eq!(report["lost_in_archive"], 0);
}
