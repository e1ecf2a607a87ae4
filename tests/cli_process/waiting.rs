//! How long commands wait for a server that is down, silent, frozen or not there yet: as long as `--timeout` says.

use super::harness::{PROGRAM, Server, code, run, sample};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use stockhold_protocol::frame::{self, FrameKind, Header};
use stockhold_protocol::handshake::Welcome;

const ID: &str = "019a0b3c-4d5e-7f60-8123-456789abcdef";
/// The timeout of each command, and its flag.
const TIMEOUT: Duration = Duration::from_millis(1_200);
const FLAG: &str = "1200ms";
/// What a start and an end of a process may take on a busy machine. It is less than one attempt to connect may take.
const SLACK: Duration = Duration::from_millis(3_500);

/// Every command that names an order.
const OF_ORDERS: [&str; 11] = [
    "order place 1001 --stock web --line A=1",
    "order confirm 1001",
    "order extend 1001 --ttl 5m",
    "order cancel 1001",
    "order ship 1001 --source east --line A=1",
    "order invoice 1001 --line A=1",
    "order refund 1001 --line A=1 --no-return",
    "order compensate 1001 --line A=1",
    "order edit 1001 --line A=1",
    "order unship 1001 --source east --document S-1",
    "order failed 1001 --placement 019a0b3c-4d5e-7f60-8123-456789abcdef",
];

/// Every list of a server.
const LISTS: &[&str] = &[
    "list reservations --sku A --state held",
    "list orders --unsettled",
    "list skus --sold-out",
    "list low-stock",
    "pickup-locations --stock web --near 1,1 --radius-km 5",
    "list sources",
    "list stocks",
    "list channels",
    "list marks",
];

/// The commands that change many source items.
const STOCK_WORK: &[&str] = &[
    "count-many --source east --line A=1",
    "assign --sku A --source east",
    "unassign --sku A --source east",
    "transfer-many --from east --to west --sku A",
    "transfer-lines --from east --to west --line A=1",
];

/// Every command that contacts a server, with arguments that are right.
pub(super) fn server_commands() -> Vec<Vec<String>> {
    let (catalog, rows) = (sample("catalog.toml"), sample("stock.csv"));
    let lines = [
        "reserve --stock web --line A=1",
        &format!("confirm {ID}"),
        &format!("release {ID}"),
        &format!("extend {ID} --ttl 5m"),
        &format!("replace {ID} --stock web --line A=1"),
        &format!("ship {ID} --source east --line A=1"),
        &format!("unship {ID} --source east --line A=1"),
        &format!("amend {ID} --line A=1"),
        "sell --stock web --source east --line A=1",
        &format!("refund {ID} --unshipped A=1"),
        "count --source east --sku A --quantity 1",
        "adjust --source east --sku A --delta 1",
        "transfer --from east --to west --line A=1",
        "define source east --name East --country US --postcode 1",
        "define stock web",
        "define sku A",
        "link --stock web --source east",
        "unlink --stock web --source east",
        "channel website/us --stock web",
        "rename sku A B",
        "rename stock web shop",
        "rename source east west",
        "rename channel website/us website/usa",
        "settings --min-qty 1",
        "quota --sku A --stock web --lift",
        "notify --sku A --source a --default",
        "configure --ttl-max 1h",
        "mark set now",
        "mark list",
        "mark drop now",
        "activate-rules 3",
        &format!("import {}", rows.display()),
        &format!("import {}", catalog.display()),
        &format!("import geonames {} --skip-malformed", rows.display()),
        "export --as csv",
        "export --as toml",
        "salable A",
        "select-sources --stock web --line A=1",
        &format!("show reservation {ID}"),
        "show sku A",
        "explain A",
        "explain A --at 9",
        &format!("why {ID}"),
        "log dump",
        "list segments",
        "list snapshots",
        "backup --to nowhere",
        "show order 100000123",
        "show source east",
        "show sources",
        "show stocks",
        "show configuration",
        "show notify --sku A --source a",
        concat!("replay ", env!("CARGO_MANIFEST_DIR"), "/tests/cli_process/undone.jsonl"),
        concat!("replay ", env!("CARGO_MANIFEST_DIR"), "/tests/cli_process/undone.jsonl --dry-run"),
        "status",
        "clock",
        "clock accept",
        "validate",
        "snapshot",
    ];
    let lines = lines.iter().chain(&OF_ORDERS).chain(LISTS).chain(STOCK_WORK);
    lines.map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}

/// Runs all commands at the same time against a peer, and checks how long each waits and how it ends.
fn check_all(address: SocketAddr) {
    let address = address.to_string();
    std::thread::scope(|scope| {
        for command in server_commands() {
            let address = &address;
            scope.spawn(move || {
                let words: Vec<&str> = command.iter().map(String::as_str).collect();
                let begun = Instant::now();
                let output = run(&[&["--json", "--timeout", FLAG, "--server", address], &words[..]].concat());
                let took = begun.elapsed();
                let error = String::from_utf8_lossy(&output.stderr).into_owned();
                assert_eq!(code(&output), 3, "{command:?}: {error}");
                assert!(took >= TIMEOUT, "{command:?} gave up after {took:?}: {error}");
                assert!(took < TIMEOUT + SLACK, "{command:?} took {took:?}: {error}");
            });
        }
    });
}

/// An address at which nothing listens.
fn unused_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn every_command_waits_as_long_as_it_was_told_for_a_server_that_is_down() {
    // Proves that refused connections are tried again until the timeout.
    check_all(unused_address());
}

#[test]
fn every_command_waits_no_longer_for_a_peer_that_says_nothing() {
    // Proves that the timeout covers the handshake: the system accepts the connections, and nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    check_all(silent.local_addr().unwrap());
}

#[test]
fn every_command_waits_no_longer_for_a_server_that_falls_silent() {
    // Proves that the timeout covers answers after a handshake: the peer greets, reads, and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            std::thread::spawn(move || greet_and_fall_silent(stream));
        }
    });
    check_all(address);
}

fn greet_and_fall_silent(mut stream: TcpStream) {
    let (mut body, mut bytes) = (Vec::new(), Vec::new());
    let welcome = Welcome { log_uuid: [9; 16], epoch: 1, op: 1, ..Welcome::default() };
    welcome.encode(&mut body).unwrap();
    frame::append(Header::new(FrameKind::Welcome, 0, 0), &body, &mut bytes);
    // The peer may have ended.
    stream.write_all(&bytes).ok();
    let mut ignored = [0; 4_096];
    while stream.read(&mut ignored).is_ok_and(|count| count > 0) {}
}

#[test]
fn a_command_meets_a_server_that_starts_later() {
    // Proves that a command that is started before its server succeeds, and that a person is told what it waits for.
    let address = unused_address().to_string();
    let mut early = Command::new(PROGRAM)
        .args(["--server", &address, "--timeout", "60s", "status"])
        .env_remove("STOCKHOLD_SERVER")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = String::new();
    BufReader::new(early.stderr.take().unwrap()).read_line(&mut told).unwrap();
    assert_eq!(told, format!("waiting for a server at {address}, at most 60s in all (--timeout)\n"));
    let _server = Server::start_at(&address);
    let Output { status, stdout, .. } = early.wait_with_output().unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(String::from_utf8_lossy(&stdout).contains("durability sync"));
}

#[test]
fn a_check_waits_for_its_op_until_the_timeout() {
    // Proves that the server's own limit of waiting does not end a check that was told to wait longer.
    let server = Server::start_with(&["--set", "limits.check-wait-ms=50"]);
    server.ok(&["define", "stock", "web"]);
    server.ok(&["define", "sku", "A"]);
    let begun = Instant::now();
    let behind = server.call(&["--timeout", FLAG, "salable", "A", "--stock", "web", "--min-op", "99"]);
    assert_eq!(behind.code, 3, "{}", behind.stderr);
    assert!(behind.stderr.contains("has not reached the op"), "{}", behind.stderr);
    assert!((TIMEOUT..TIMEOUT + SLACK).contains(&begun.elapsed()), "{:?}", begun.elapsed());
}
