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

#[test]
fn top_prints_one_frame() {
    // Proves that a frame of a running server has what clients did in the interval, that the screen says what it needs,
    // and that refusals, connections and SKUs are told to programs too.
    let server = Server::start();
    server.import_sample();
    let sold = server.ok(&["reserve", "--stock", "web-us", "--line", "BIKE-0001=1"]);
    assert_eq!(sold["success"], true, "{sold}");
    let refused = server.call(&["reserve", "--stock", "web-us", "--line", "BIKE-0001=99999"]);
    assert_eq!(refused.code, 1, "{}", refused.document);
    let frame = text(&server, &["top", "--once", "--interval", "100ms"]);
    assert_eq!(frame.lines().count(), 24, "{frame}");
    assert!(frame.lines().all(|line| line.chars().count() <= 80), "{frame}");
    for part in [
        "Throughput",
        "Latency",
        "log write",
        "State",
        "snapshot",
        "Hot SKUs",
        "Connections",
        "stockhold-cli",
    ] {
        assert!(frame.contains(part), "{part} is missing in\n{frame}");
    }
    let status = server.ok(&["status"]);
    let first = |list: &str| status[list][0]["name"].as_str().unwrap_or_default().to_owned();
    assert!(first("clients").starts_with("stockhold-cli/"), "{status}");
    assert!(!first("wanted").is_empty(), "{status}");
    assert!(first("refusals") == "sold_out" || first("sold_out") == "BIKE-0001", "{status}");

    let down = Command::new(PROGRAM)
        .args(["--server", "127.0.0.1:1", "top", "--once", "--timeout", "30ms"])
        .output()
        .unwrap();
    assert_eq!(down.status.code(), Some(3), "{down:?}");
    let piped = Command::new(PROGRAM).args(["--server", server.address(), "top"]).output().unwrap();
    assert_eq!(piped.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&piped.stderr).contains("top --once"), "{piped:?}");
    let json = server.call(&["top", "--once"]);
    assert_eq!(json.code, 2);
    assert!(json.stderr.contains("status --json"), "{}", json.stderr);
}

#[test]
fn every_metric_is_explained_to_operators() {
    // Proves that docs/operations.md has each metric of a server with an archive and a snapshot, and no other one in its
    // tables of metrics.
    let server = Server::start_with(&["--set", "archive.url={}/archive"]);
    server.import_sample();
    server.ok(&["snapshot"]);
    let status = server.ok(&["status"]);
    let names: Vec<&str> = status["metrics"].as_object().unwrap().keys().map(String::as_str).collect();
    let base = |name: &str| {
        let ends = ["_p50", "_p999", "_p99", "_max"];
        let end = ends.iter().find_map(|end| name.strip_suffix(end));
        end.filter(|base| names.contains(&format!("{base}_p50").as_str())).unwrap_or(name).to_owned()
    };
    let told: std::collections::BTreeSet<String> = names.iter().map(|name| base(name)).collect();
    let page = include_str!("../../docs/operations.md");
    let part = page.split("\n## ").find(|part| part.starts_with("Metrics and alarms\n")).unwrap();
    let rows =
        part.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.split(" | ").next());
    let explained: std::collections::BTreeSet<String> =
        rows.flat_map(|names| names.split('`').skip(1).step_by(2)).map(str::to_owned).collect();
    assert_eq!(explained, told);
}
