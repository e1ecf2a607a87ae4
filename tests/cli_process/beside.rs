//! `verify` and `log dump` beside a running server, and on copies of its directory.

use super::harness::{Server, code, run};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use stockhold_client::Cart;
use stockhold_client::blocking::Client;

/// The number of rounds, each with a verify, a dump and a copy.
const ROUNDS: usize = 6;
/// The maximum number of copies. A copy whose last segment was written during the copy may have a gap and is refused as
/// damaged; then another copy is made.
const COPIES_MAX: usize = 5;

/// Ends the sale, also when the test fails.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn verified(directory: &str) -> (i32, Value) {
    let output = run(&["--json", "verify", directory]);
    (code(&output), serde_json::from_slice(&output.stdout).unwrap())
}

/// Copies the existing files, newest segments first and snapshots last.
fn copy(from: &Path, to: &Path) {
    fs::remove_dir_all(to).ok();
    fs::create_dir(to).unwrap();
    let mut names: Vec<_> = fs::read_dir(from).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    for name in names.iter().rev() {
        // Files that were trimmed meanwhile are not copied.
        fs::copy(from.join(name), to.join(name)).ok();
    }
}

#[test]
fn a_directory_is_verified_and_dumped_beside_its_server_at_work() {
    // Proves, with real processes, that appends, snapshots and trims of a running server are not reported as damage, in
    // its directory and in copies; that each read reaches a later end of the log; and that the server is not disturbed.
    let server = Server::start();
    server.ok(&["define", "source", "east", "--name", "East", "--country", "US", "--postcode", "1"]);
    server.ok(&["define", "stock", "web"]);
    server.ok(&["define", "sku", "A"]);
    server.ok(&["link", "--stock", "web", "--source", "east"]);
    server.ok(&["count", "--source", "east", "--sku", "A", "--quantity", "1000000"]);
    let (data, copied) = (server.path("data"), server.path("copy"));
    let stops = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let seller = scope.spawn(|| {
            let client = Client::connect(server.address()).unwrap();
            let mut sold = 0;
            while !stops.load(Ordering::Relaxed) {
                assert!(client.reserve(&Cart::from_stock("web").line("A", 1)).unwrap().is_done());
                sold += 1;
            }
            sold
        });
        let ending = Ending(&stops);
        let mut last_op = 0;
        for round in 0..ROUNDS {
            if round % 2 == 1 {
                server.ok(&["snapshot"]);
            }
            let (exit, document) = verified(&data);
            assert_eq!(exit, 0, "{document}");
            let op = document["op"].as_u64().unwrap();
            assert!(op > last_op, "the log does not grow: {document}");
            last_op = op;
            let dumped = run(&["--json", "log", "dump", &data]);
            assert_eq!(code(&dumped), 0, "{}", String::from_utf8_lossy(&dumped.stderr));
            let lines = String::from_utf8(dumped.stdout).unwrap();
            let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
            assert!(last["op"].as_u64().unwrap() >= last_op, "the dump ends too early: {last}");
            let mut copies = (0..COPIES_MAX).map(|_| {
                copy(Path::new(&data), Path::new(&copied));
                verified(&copied)
            });
            let found = copies.find(|(exit, _)| *exit == 0);
            assert!(found.is_some_and(|(_, document)| document["op"].as_u64().unwrap() >= last_op));
        }
        drop(ending);
        assert!(seller.join().unwrap() > 0);
    });
    assert_eq!(server.ok(&["status"])["state"], "ok");
    assert_eq!(server.ok(&["validate"])["sound"], true);
}
