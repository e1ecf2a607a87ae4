//! `log truncate` on directories of real servers.

use super::harness::{Server, code, run};
use serde_json::{Value, json};
use std::path::Path;

fn truncate(arguments: &[&str]) -> (i32, Value, String) {
    let output = run(&[&["--json", "log", "truncate"], arguments].concat());
    let document = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (code(&output), document, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn digest(data: &str) -> Value {
    let verified = Server::local(&["verify", data]);
    assert_eq!(verified["sound"], true, "{verified}");
    json!([verified["op"], verified["digest"]])
}

#[test]
fn a_log_is_cut_and_what_was_removed_can_be_put_back() {
    // Proves the refusals, that a dry run changes nothing, the new epoch, and that the kept files are the old state.
    let server = Server::start();
    server.ok(&["define", "stock", "web"]);
    let kept = server.ok(&["define", "stock", "shop"])["op"].as_u64().unwrap();
    server.ok(&["snapshot"]);
    let last = server.ok(&["define", "stock", "wrong"])["op"].as_u64().unwrap();
    server.ok(&["snapshot"]);
    let (data, keep) = (server.path("data"), server.path("removed"));
    let at = kept.to_string();
    let cut = [data.as_str(), "--at", &at, "--keep-as", &keep];
    let (code, _, complaint) = truncate(&cut);
    assert!(code == 2 && complaint.contains("in use"), "{complaint}");
    let directory = server.crash();
    let before = digest(&data);
    for (op, words) in [(last, "the last one"), (last + 5, "after the end of the log")] {
        let (code, _, complaint) = truncate(&[&data, "--at", &op.to_string(), "--keep-as", &keep]);
        assert!(code == 2 && complaint.contains(words), "{complaint}");
    }
    let (code, _, complaint) = truncate(&[&data, "--at", &at, "--keep-as", &data]);
    assert!(code == 2 && complaint.contains("exists already"), "{complaint}");
    let (code, dry, complaint) = truncate(&[&cut[..], &["--dry-run"]].concat());
    assert_eq!((code, &dry["op"], &dry["dry_run"]), (0, &json!(kept), &json!(true)), "{complaint}");
    assert!(dry["files"].to_string().contains(&format!("{last:020}.snapshot")), "{dry}");
    assert!(!Path::new(&keep).exists());
    assert_eq!(digest(&data), before);

    let (code, done, complaint) = truncate(&cut);
    assert_eq!((code, &done["epoch"]), (0, &json!(2)), "{complaint}");
    assert_eq!(digest(&data)[0], json!(kept));
    let copy = directory.path().join("copy").display().to_string();
    assert!(std::process::Command::new("cp").args(["-r", &data, &copy]).status().unwrap().success());
    let server = Server::serve_again(directory);
    let stocks = server.ok(&["show", "stocks"]).to_string();
    assert!(stocks.contains("shop") && !stocks.contains("wrong"), "{stocks}");
    assert_eq!(server.ok(&["status"])["epoch"], 2);
    server.ok(&["define", "stock", "right"]);

    // As docs/cli.md says: the later segments go, and the kept files come back.
    let files = done["files"].as_array().unwrap();
    let first = files.iter().filter_map(Value::as_str).find(|name| name.ends_with(".segment")).unwrap();
    for file in std::fs::read_dir(&copy).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.ends_with(".segment") && name.as_str() >= first {
            std::fs::remove_file(path).unwrap();
        }
    }
    for file in std::fs::read_dir(&keep).unwrap() {
        let path = file.unwrap().path();
        std::fs::copy(&path, Path::new(&copy).join(path.file_name().unwrap())).unwrap();
    }
    assert_eq!(digest(&copy), before);
}

#[test]
fn a_server_starts_again_when_its_log_was_cut_before_the_damage() {
    // Proves the runbook: `log verify` names the damage, the server does not start, and does after the cut.
    let server = Server::start();
    server.import_sample();
    let data = server.path("data");
    let directory = server.crash();
    let keep = directory.path().join("removed").display().to_string();
    let dumped = run(&["--json", "log", "dump", &data, "--raw", "--from", "5000"]);
    let lines = String::from_utf8(dumped.stdout).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let place = |line: &Value| (line["segment"].as_u64().unwrap(), line["offset"].as_u64().unwrap());
    let first_of_next = lines.iter().find(|line| place(line) != place(&lines[0])).unwrap();
    let (segment, offset) = place(first_of_next);
    let last_kept = first_of_next["position"].as_u64().unwrap() - 1;
    let path = Path::new(&data).join(format!("{segment:016}.segment"));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[usize::try_from(offset).unwrap() + 200] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(code(&run(&["log", "verify", &data])), 4);
    assert_eq!(code(&run(&["serve", "--data-dir", &data, "--listen", "127.0.0.1:0"])), 4);
    let (code, _, complaint) = truncate(&[&data, "--at", &last_kept.to_string(), "--keep-as", &keep]);
    assert_eq!(code, 0, "{complaint}");
    let server = Server::serve_again(directory);
    assert_eq!(server.ready["recovery"]["recovered_ops"], last_kept, "{}", server.ready);
    let verified = Server::local(&["log", "verify", &data]);
    assert_eq!(verified["sound"], true, "{verified}");
}
