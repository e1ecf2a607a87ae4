//! What a server says of itself, to people and to programs.

use super::harness::{PROGRAM, Server};
use std::process::{Command, Output};

/// What the program prints for people.
fn text(server: &Server, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } =
        Command::new(PROGRAM).args(["--server", server.address()]).args(arguments).output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

#[test]
fn the_summary_is_short_and_all_is_complete() {
    // Proves that a healthy server is described in about ten lines of at most 80 characters besides the path, that
    // `--all` has every metric, and that the document for programs is complete without it.
    let server = Server::start();
    server.import_sample();
    server.ok(&["snapshot"]);
    let summary = text(&server, &["status"]);
    let lines: Vec<&str> = summary.lines().collect();
    let warnings = lines.iter().filter(|line| line.starts_with("warning ")).count();
    assert_eq!(lines.len(), 9 + 2 * warnings, "{summary}");
    for (line, start) in lines.iter().zip(["health", "server", "data", "log", "load", "syncs", "memory"]) {
        assert!(line.starts_with(start), "{summary}");
        assert!(start == "data" || line.chars().count() <= 80, "{line}");
    }
    assert!(lines[1].contains(&format!("{}, stockhold ", server.address())), "{summary}");
    assert!(lines[2].contains("/data, ") && lines[2].contains(" free"), "{summary}");
    assert!(lines[7].contains(" ago at op "), "{summary}");
    assert_eq!(lines[8], "archive   none (archive.url)");

    let document = server.ok(&["status"]);
    let all = text(&server, &["status", "--all"]);
    let metrics = document["metrics"].as_object().unwrap();
    assert!(metrics.len() > 100, "{document}");
    for name in metrics.keys() {
        assert!(all.contains(&format!("\n{name} ")), "{name} is missing in\n{all}");
    }
    assert!(metrics["disk_free_bytes"].as_u64().unwrap() > 0);
    assert!(metrics["uptime_ms"].as_u64().unwrap() > 0);
    assert_eq!(metrics["snapshot_op"], metrics["op_applied"], "nothing came after the snapshot");
    assert_eq!(document["data_dir"], server.path("data").as_str());
}

#[test]
fn a_snapshot_keeps_its_age_over_a_restart() {
    // Proves that a server that starts from a snapshot knows when that was written.
    let server = Server::start();
    server.import_sample();
    server.ok(&["snapshot"]);
    let before = server.ok(&["status"])["metrics"].clone();
    let server = server.crash_and_restart();
    let after = server.ok(&["status"])["metrics"].clone();
    for name in ["snapshot_op", "snapshot_time_ms"] {
        assert!(
            before[name].as_u64().unwrap() > 0 && before[name] == after[name],
            "{name}: {before} {after}"
        );
    }
}
