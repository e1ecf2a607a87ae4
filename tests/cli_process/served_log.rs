//! Commands that read the log of a running server without being told where it is.

use super::harness::{PROGRAM, Server, code};
use std::process::{Command, Output};

/// Runs a command with the address of the server, and no place.
fn at(server: &Server, words: &[&str]) -> Output {
    Command::new(PROGRAM)
        .args(words)
        .args(["--server", server.address()])
        .output()
        .expect("the program can be started")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A server with two ops of interest.
fn sold() -> (Server, String) {
    let server = Server::start();
    server.ok(&["define", "source", "east", "--name", "East", "--country", "US", "--postcode", "1"]);
    server.ok(&["define", "stock", "web"]);
    server.ok(&["define", "sku", "A"]);
    server.ok(&["link", "--stock", "web", "--source", "east"]);
    server.ok(&["count", "--source", "east", "--sku", "A", "--quantity", "5"]);
    let reserved = server.ok(&["reserve", "--stock", "web", "--line", "A=2"]);
    let id = reserved["id"].as_str().expect("an id").to_owned();
    (server, id)
}

#[test]
fn the_log_of_a_running_server_is_found_by_its_address() {
    // Proves that every command that reads a log finds that of the server, and says what it says with the directory.
    let (server, id) = sold();
    let (data, archive) = (server.path("data"), server.path("archive"));
    for words in [
        &["log", "dump", "--kind", "reserve"][..],
        // Ticks may follow while the test runs.
        &["log", "dump", "--raw", "--limit", "7"],
        &["list", "segments"],
        &["list", "snapshots", "--json"],
    ] {
        let found = at(&server, words);
        assert_eq!(code(&found), 0, "{words:?}: {found:?}");
        let mut named = words.to_vec();
        named.insert(2, &data);
        assert_eq!(text(&found), text(&super::harness::run(&named)), "{words:?}");
    }
    assert!(text(&at(&server, &["log", "dump", "--kind", "reserve"])).contains(&id));
    let why = at(&server, &["why", &id]);
    assert_eq!(code(&why), 0, "{why:?}");
    assert!(text(&why).contains(&id), "{why:?}");
    let past = at(&server, &["explain", "A", "--at", "5", "--json"]);
    assert_eq!(code(&past), 0, "{past:?}");
    let backup = at(&server, &["backup", "--to", &archive]);
    assert_eq!(code(&backup), 0, "{backup:?}");
    assert_eq!(code(&super::harness::run(&["backup", "verify", &archive])), 0);
}

#[test]
fn a_directory_that_is_not_that_of_the_server_is_not_read() {
    // Proves that a directory at the same path with another log, and one that is not there, are refused by name, with
    // what to do.
    let (server, id) = sold();
    let data = server.path("data");
    let away = format!("{data}-away");
    std::fs::rename(&data, &away).unwrap();
    for is_there in [false, true] {
        if is_there {
            assert_eq!(code(&super::harness::run(&["format", &data])), 0);
        }
        for words in [&["log", "dump"][..], &["why", &id], &["backup", "--to", &server.path("archive")]] {
            let refused = at(&server, words);
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert_eq!(code(&refused), 2, "{words:?}: {said}");
            assert!(said.contains(&data) && said.contains("cannot be read here"), "{words:?}: {said}");
            assert!(said.contains("the server's archive"), "{words:?}: {said}");
        }
    }
    assert!(!std::path::Path::new(&server.path("archive")).exists(), "a refused backup makes no archive");
}
