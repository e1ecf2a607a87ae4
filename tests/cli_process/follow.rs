//! `stockhold follow` as an operator uses it: a standby follows the archive of a server that is lost, and takes over.

use super::harness::{PROGRAM, Server, code, run};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A follower; killed when dropped.
struct Follower(Child);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Follows until the standby has this op.
fn follow_to(from: &str, standby: &str, op: u64) -> Value {
    let mut child = Command::new(PROGRAM)
        .args(["follow", "--json", "--from", from, "--data-dir", standby, "--interval-ms", "50"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it can be started");
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let _follower = Follower(child);
    for line in lines {
        let line: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        if line["op"].as_u64() >= Some(op) {
            return line;
        }
    }
    panic!("the follower ended before op {op}");
}

fn reserve(server: &Server) -> Value {
    server.ok(&["reserve", "--stock", "web", "--line", "S1=1"])
}

fn op_of(document: &Value) -> u64 {
    document["op"].as_u64().expect("an op")
}

#[test]
fn a_standby_follows_a_server_and_takes_its_place() {
    // Proves that the standby reaches each op that was archived, also after it was killed and after a snapshot, that it is not
    // promoted while the server sells or only lives, and that it then serves every order in a new epoch.
    let options = ["--set", "archive.url={}/archive", "--set", "archive.interval-ms=50"];
    let server = Server::start_with(&options);
    server.ok(&["define", "source", "east", "--name", "East", "--country", "US", "--postcode", "1"]);
    server.ok(&["define", "stock", "web"]);
    server.ok(&["link", "--stock", "web", "--source", "east"]);
    let path = server.path("rows.csv");
    std::fs::write(&path, "source_code,sku,status,quantity\neast,S1,1,1000\n")
        .expect("a file can be written");
    server.ok(&["import", &path]);
    let (archive, standby) = (server.path("archive"), server.path("standby"));
    let mut orders = vec![reserve(&server)];
    let began = std::time::Instant::now();
    while !std::path::Path::new(&archive).is_dir() {
        assert!(began.elapsed().as_secs() < 20, "nothing is archived");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    for round in 0..3 {
        orders.push(reserve(&server));
        let line = follow_to(&archive, &standby, op_of(orders.last().expect("an order")));
        assert!(line["lag_ms"].as_u64().expect("a lag") < 20_000, "{line}");
        if round == 1 {
            server.ok(&["snapshot"]);
        }
    }
    let promote = ["follow", "--json", "--from", &archive, "--data-dir", &standby, "--promote", "--watch-ms"];
    let refused = std::thread::scope(|scope| {
        let promoting = scope.spawn(|| run(&[&promote[..], &["1500"]].concat()));
        while !promoting.is_finished() {
            orders.push(reserve(&server));
        }
        promoting.join().expect("it ends")
    });
    let message = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(code(&refused), 2, "{message}");
    assert!(message.contains("a server lives that writes to the archive"), "{message}");
    // A server that sells nothing writes nothing but that it lives.
    let idle = run(&[&promote[..], &["2500"]].concat());
    assert_eq!(code(&idle), 2, "{}", String::from_utf8_lossy(&idle.stderr));
    let last = reserve(&server);
    let line = follow_to(&archive, &standby, op_of(&last));
    orders.push(last);
    let epoch = server.ok(&["status"])["epoch"].clone();

    let lost = server.lose_directory();
    let promoted = run(&[&promote[..], &["200"]].concat());
    assert_eq!(code(&promoted), 0, "{}", String::from_utf8_lossy(&promoted.stderr));
    let output = String::from_utf8_lossy(&promoted.stdout).into_owned();
    let restored: Value = serde_json::from_str(output.lines().last().expect("a line")).expect("JSON");
    assert!(op_of(&restored) >= op_of(&line), "{restored} {line}");
    let again = run(&[&promote[..], &["200"]].concat());
    assert_eq!(code(&again), 2, "it is a data directory now");
    std::fs::rename(&standby, lost.path("data")).expect("a directory can be renamed");
    let server = lost.serve();
    assert_ne!(server.ok(&["status"])["epoch"], epoch);
    for order in &orders {
        let shown = server.ok(&["show", "reservation", order["id"].as_str().expect("an id")]);
        assert_eq!(shown["state"], "confirmed", "{shown}");
    }
    assert_eq!(server.ok(&["validate"])["violations"], serde_json::json!([]));
}
