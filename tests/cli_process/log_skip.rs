//! `log skip` and `log skips` on directories of real servers.

use super::harness::{Server, code, run};
use serde_json::{Value, json};
use std::path::Path;

/// A server with ten units of one SKU.
fn shop() -> Server {
    let server = Server::start();
    server.ok(&["define", "source", "east", "--name", "East", "--country", "US", "--postcode", "1"]);
    server.ok(&["define", "stock", "web"]);
    server.ok(&["define", "sku", "A"]);
    server.ok(&["link", "--stock", "web", "--source", "east"]);
    server.ok(&["count", "--source", "east", "--sku", "A", "--quantity", "10"]);
    server
}

fn salable(server: &Server) -> Value {
    server.ok(&["salable", "A", "--stock", "web"])["salable"][0]["salable"].clone()
}

/// The exit code, the document, and the complaint.
fn log(arguments: &[&str]) -> (i32, Value, String) {
    let output = run(&[&["--json", "log"], arguments].concat());
    let document = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (code(&output), document, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn snapshots(data: &str) -> Vec<String> {
    let names = std::fs::read_dir(data).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.contains(".snapshot")).collect();
    names.sort();
    names
}

#[test]
fn an_op_is_shown_before_it_is_skipped_and_that_is_taken_back_until_the_next_start() {
    // Proves names and outcome in a dry run, that an op which nothing shows to be acknowledged is skipped, that this is
    // listed everywhere, and that it is taken back to the byte before the next start, and never after it.
    let server = shop();
    server.ok(&["reserve", "--stock", "web", "--line", "A=3"]);
    let last = server.ok(&["reserve", "--stock", "web", "--line", "A=2", "--reference", "order 7"]);
    let op = last["op"].to_string();
    let directory = server.crash();
    let data = directory.path().join("data").display().to_string();
    let manifest = || std::fs::read(Path::new(&data).join("MANIFEST")).unwrap();
    let before = manifest();

    let (code, shown, complaint) = log(&["skip", &data, "--op", &op, "--dry-run"]);
    assert_eq!(code, 0, "{complaint}");
    assert_eq!((&shown["dry_run"], &shown["acknowledged"]), (&json!(true), &Value::Null), "{shown}");
    assert_eq!((&shown["command"]["kind"], &shown["command"]["id"]), (&json!("reserve"), &last["id"]));
    let body = shown["command"]["body"].to_string();
    assert!(body.contains("web") && body.contains("\"A\"") && body.contains("order 7"), "{body}");
    assert_eq!(shown["outcome"]["code"], "ok", "{shown}");
    let text = String::from_utf8(run(&["log", "skip", &data, "--op", &op, "--dry-run"]).stdout).unwrap();
    assert!(text.contains("its outcome: ok") && text.contains("nothing was changed"), "{text}");
    assert_eq!(manifest(), before);

    let (code, ..) = log(&["skip", &data, "--op", &op]);
    assert_eq!(code, 2, "a reason is needed");
    let (code, ..) = log(&["skip", &data, "--op", &op, "--reason", " "]);
    assert_eq!(code, 2, "a reason is a text");
    let (code, _, complaint) = log(&["skip", &data, "--op", "9999", "--reason", "x"]);
    assert_eq!(code, 2, "{complaint}");
    assert_eq!(manifest(), before);

    let skip = ["skip", &data, "--op", &op, "--reason", "it stops the server"];
    let (code, skipped, complaint) = log(&skip);
    assert_eq!((code, &skipped["epoch"]), (0, &json!(2)), "{complaint}");
    let listed = |in_force: bool| {
        let (_, listed, _) = log(&["skips", &data]);
        let skip = &listed["skips"][0];
        assert_eq!((&skip["in_force"], &skip["reason"]), (&json!(in_force), &json!("it stops the server")));
        assert_eq!(skip["op"].to_string(), op);
    };
    listed(false);
    let (code, _, complaint) = log(&skip);
    assert!(code == 2 && complaint.contains("skipped already"), "{complaint}");
    let (code, ..) = log(&["skip", &data, "--undo", &op]);
    assert_eq!((code, manifest() == before), (0, true));
    assert_eq!(log(&["skips", &data]).1, json!({"skips": []}));
    assert_eq!(log(&["skip", &data, "--undo", &op]).0, 2);

    assert_eq!(log(&skip).0, 0);
    let server = Server::serve_again(directory);
    assert_eq!(salable(&server), "7", "three of ten are promised");
    listed(true);
    let status = server.ok(&["status"]);
    assert!(status["warnings"].to_string().contains(&format!("operator: {op}; the last reason: it stops")));
    assert_eq!(status["metrics"]["skipped_ops"], 1);
    let directory = server.crash();
    let (code, _, complaint) = log(&["skip", &data, "--undo", &op]);
    assert!(code == 2 && complaint.contains("a server has started since"), "{complaint}");
    let verified = Server::local(&["verify", &data]);
    assert!(verified["notes"].to_string().contains("it stops the server"), "{verified}");
    drop(directory);
}

#[test]
fn an_acknowledged_op_is_skipped_only_when_that_is_said() {
    // Proves both signs of an acknowledgement, that the snapshots which contain the op are set aside, and that they come back.
    let server = shop();
    let sold = server.ok(&["reserve", "--stock", "web", "--line", "A=3"]);
    server.ok(&["reserve", "--stock", "web", "--line", "A=2"]);
    let op = sold["op"].to_string();
    let (server, data) = {
        let directory = server.crash();
        let data = directory.path().join("data").display().to_string();
        let (code, _, complaint) = log(&["skip", &data, "--op", &op, "--reason", "x"]);
        assert!(code == 2 && complaint.contains("was logged when op"), "{complaint}");
        assert!(complaint.contains("--acknowledged"), "{complaint}");
        (Server::serve_again(directory), data)
    };
    server.ok(&["snapshot"]);
    let directory = server.crash();
    let before = snapshots(&data);
    assert_eq!(before.len(), 1);
    let skip = ["skip", &data, "--op", &op, "--reason", "x"];
    let (code, _, complaint) = log(&skip);
    assert!(code == 2 && complaint.contains("contains its effects"), "{complaint}");
    let (code, skipped, complaint) = log(&[&skip[..], &["--acknowledged"]].concat());
    assert_eq!(code, 0, "{complaint}");
    assert_eq!(skipped["snapshots_set_aside"].as_array().unwrap().len(), 1, "{skipped}");
    assert!(snapshots(&data)[0].ends_with(&format!(".contains-skipped-{op}")));
    assert_eq!(log(&["skip", &data, "--undo", &op]).0, 0);
    assert_eq!(snapshots(&data), before);
    assert_eq!(log(&[&skip[..], &["--acknowledged"]].concat()).0, 0);
    let server = Server::serve_again(directory);
    assert_eq!(salable(&server), "8", "two of ten are promised");
    let directory = server.crash();
    let verified = Server::local(&["verify", &data]);
    assert_eq!(verified["sound"], true, "{verified}");
    drop(directory);
}
