//! `log dump`: names, times, outcomes, ranges and filters.

use super::harness::{Server, code, run};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// The documents that a dump prints.
fn dumped(arguments: &[&str]) -> Vec<Value> {
    let dumped = run(&[&["--json", "log", "dump"], arguments].concat());
    assert_eq!(code(&dumped), 0, "{}", String::from_utf8_lossy(&dumped.stderr));
    let lines = String::from_utf8(dumped.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn kinds(documents: &[Value]) -> Vec<&str> {
    documents.iter().map(|document| document["kind"].as_str().unwrap()).collect()
}

/// A server with a stock, a channel and two SKUs; a reservation through the channel; a renamed SKU; a refusal.
fn sold() -> (Server, Value) {
    let server = Server::start();
    for line in [
        "define source east --name East --country US --postcode 1",
        "define stock web",
        "define sku BIKE",
        "define sku BELL",
        "link --stock web --source east",
        "channel website/eu --stock web",
        "count --source east --sku BIKE --quantity 3.5 --reason inventory",
    ] {
        server.ok(&line.split(' ').collect::<Vec<_>>());
    }
    let sold = server.ok(&["reserve", "--channel", "website/eu", "--line", "BIKE=2", "--reference", "A-1"]);
    server.ok(&["rename", "sku", "BIKE", "CYCLE"]);
    server.ok(&["snapshot"]);
    assert_eq!(server.call(&["reserve", "--stock", "web", "--line", "CYCLE=0.5"]).code, 1);
    (server, sold)
}

#[test]
fn a_dump_has_the_names_of_each_moment_and_the_outcomes() {
    // Proves the documents of a dump: the name at the time of each command, units, times, and decisions by replay.
    let (server, sold) = sold();
    let data = server.path("data");
    let all = dumped(&[&data]);
    let find = |kind: &str, at: usize| all.iter().filter(|one| one["kind"] == kind).nth(at).unwrap();
    let (first, second) = (find("reserve", 0), find("reserve", 1));
    assert_eq!(first["op"], sold["op"]);
    assert_eq!(first["id"], sold["id"]);
    assert_eq!(first["outcome"], "ok");
    assert_eq!(first["stock"], "web");
    assert_eq!(first["body"]["target"]["channel"]["code"], "eu");
    assert_eq!(first["body"]["lines"][0], serde_json::json!({"sku": "BIKE", "quantity": "2"}));
    assert!(first["time"].as_str().unwrap().starts_with("20"), "{first}");
    assert_eq!(second["outcome"], "below_min_sale");
    assert_eq!(second["accepted"], false);
    assert_eq!(second["body"]["lines"][0]["sku"], "CYCLE");
    let rename = find("rename", 0);
    assert_eq!(
        (&rename["body"]["from"]["sku"], &rename["body"]["to"]["sku"]),
        (&"BIKE".into(), &"CYCLE".into())
    );
    assert_eq!(find("count", 0)["body"]["quantity"], "3.5");
    let ops: Vec<u64> = all.iter().map(|one| one["op"].as_u64().unwrap()).collect();
    assert_eq!(ops, (1..=ops.len() as u64).collect::<Vec<_>>(), "every op once, from the first");
    let text = String::from_utf8(run(&["log", "dump", &data, "--kind", "count"]).stdout).unwrap();
    assert!(text.contains("quantity 3.5, reason inventory, sku BIKE, source east  → ok"), "{text}");
}

#[test]
fn a_dump_is_narrowed_by_range_and_by_names() {
    // Proves every filter, that values of one filter are alternatives, and the ends of the range.
    let (server, sold) = sold();
    let data = server.path("data");
    let with = |flags: &str| dumped(&[&[data.as_str()], &flags.split(' ').collect::<Vec<_>>()[..]].concat());
    assert_eq!(kinds(&with("--sku BIKE")), ["define_sku", "count", "reserve", "rename"]);
    assert_eq!(kinds(&with("--sku BIKE --kind count --kind rename")), ["count", "rename"]);
    assert_eq!(kinds(&with("--stock web --kind reserve")), ["reserve", "reserve"]);
    assert_eq!(kinds(&with("--source east")), ["define_source", "link", "count"]);
    assert_eq!(with("--reference A-1")[0]["op"], sold["op"]);
    assert_eq!(kinds(&with(&format!("--reservation {}", sold["id"].as_str().unwrap()))), ["reserve"]);
    assert!(with("--actor nobody").is_empty());
    let op = sold["op"].as_u64().unwrap();
    let range = with(&format!("--from {op} --to {}", op + 1));
    assert_eq!(kinds(&range), ["reserve", "rename"]);
    assert_eq!(with(&format!("--from {op} --limit 1")).len(), 1);
    let time = range[0]["time"].as_str().unwrap().to_owned();
    let since = with(&format!("--from {time}"));
    assert!(since[0]["op"].as_u64().unwrap() <= op && since.iter().any(|one| one["op"] == op), "{since:?}");
    let end = with("--limit 1000").last().unwrap()["op"].as_u64().unwrap();
    let beyond = run(&["log", "dump", &data, "--from", &(end + 1_000).to_string()]);
    assert_eq!(code(&beyond), 2);
    let told = String::from_utf8_lossy(&beyond.stderr).into_owned();
    assert!(told.contains("there is no such op yet: the log ends at op "), "{told}");
    // The server may have logged ticks since.
    assert!(with(&format!("--to {}", end + 1_000)).len() as u64 >= end);
    for wrong in ["--from x", "--from -2", "--to 2026-13-01T00:00:00Z", "--follow --to 5", "--raw --sku A"] {
        let refused = run(&[&["log", "dump", &data], &wrong.split(' ').collect::<Vec<_>>()[..]].concat());
        assert_eq!(code(&refused), 2, "{wrong}");
    }
}

#[test]
fn raw_records_need_no_replay() {
    // Proves that a log without any state to replay it from can still be read: snapshots are gone, and the first segment.
    let (server, _) = sold();
    let directory = server.crash();
    let data = directory.path().join("data");
    let raw = dumped(&[&data.display().to_string(), "--raw"]);
    assert_eq!(raw[0]["position"], 1);
    let count = raw.iter().find(|one| one["kind"] == "count").unwrap();
    assert_eq!(count["body"]["sku"], "#0", "{count}");
    assert_eq!(count["body"]["quantity"], "3.5");
    assert!(count["segment"].is_u64() && count["offset"].is_u64(), "{count}");
}

#[test]
fn a_dump_follows_a_running_server() {
    // Proves that --follow prints what is sold after it has come to the end.
    let (server, _) = sold();
    let data = server.path("data");
    let mut follower = Command::new(env!("CARGO_BIN_EXE_stockhold"))
        .args(["--json", "log", "dump", &data, "--follow", "--kind", "adjust"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    for delta in ["1", "2"] {
        let adjusted = server.ok(&["adjust", "--source", "east", "--sku", "CYCLE", "--delta", delta]);
        let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!((&line["op"], &line["body"]["delta"]), (&adjusted["op"], &delta.into()));
    }
    follower.kill().unwrap();
    follower.wait().unwrap();
}
