//! The command line against a real server process: exit codes, JSON, import, export, crash and recovery.

use super::harness::{Server, code, run};
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) fn text<'a>(document: &'a Value, field: &str) -> &'a str {
    document[field].as_str().unwrap_or_default()
}

pub(super) fn salable(server: &Server, sku: &str, stock: &str) -> String {
    let document = server.ok(&["salable", sku, "--stock", stock]);
    document["salable"][0]["salable"].as_str().unwrap().to_owned()
}

/// A server with one warehouse, one stock, one channel and 10 units.
pub(super) fn small_shop() -> Server {
    let server = Server::start();
    server.ok(&["define", "source", "east", "--name", "East", "--country", "US", "--postcode", "1"]);
    server.ok(&["define", "stock", "web"]);
    server.ok(&["define", "sku", "A"]);
    server.ok(&["link", "--stock", "web", "--source", "east"]);
    server.ok(&["channel", "website/us", "--stock", "web"]);
    server.ok(&["count", "--source", "east", "--sku", "A", "--quantity", "10"]);
    server
}

#[test]
fn an_order_lives_through_the_command_line() {
    // Proves the path from a hold to a refund, and that each step changes what can be sold.
    let server = small_shop();
    let held = server.ok(&["reserve", "--channel", "website/us", "--line", "A=3", "--ttl", "15m"]);
    assert!(text(&held, "deadline").ends_with('Z'), "{held}");
    let id = text(&held, "id");
    assert_eq!(salable(&server, "A", "web"), "7");
    server.ok(&["extend", id, "--ttl", "20m"]);
    let grown = server.ok(&["replace", id, "--stock", "web", "--line", "A=4", "--ttl", "15m"]);
    let id = text(&grown, "id");
    server.ok(&["confirm", id]);
    server.ok(&["ship", id, "--source", "east", "--line", "A=2"]);
    assert_eq!(salable(&server, "A", "web"), "6");
    server.ok(&["refund", id, "--unshipped", "A=1", "--returned", "A=1@east"]);
    assert_eq!(salable(&server, "A", "web"), "8");
    let shown = server.ok(&["show", "reservation", id]);
    assert_eq!((text(&shown, "state"), text(&shown["lines"][0], "open")), ("confirmed", "1"));
    server.ok(&["unship", id, "--source", "east", "--line", "A=1"]);
    let shown = server.ok(&["show", "reservation", id]);
    assert_eq!((text(&shown["lines"][0], "open"), text(&shown["lines"][0], "shipped")), ("2", "1"));
    server.ok(&["amend", id, "--line", "A=5"]);
    assert_eq!(salable(&server, "A", "web"), "6");
    server.ok(&["amend", id, "--line", "A=2"]);
    server.ok(&["release", id]);
    server.ok(&["sell", "--stock", "web", "--source", "east", "--line", "A"]);
    server.ok(&["adjust", "--source", "east", "--sku", "A", "--delta", "-1.0"]);
    assert_eq!(salable(&server, "A", "web"), "8");
}

#[test]
fn things_are_renamed_through_the_command_line() {
    // Proves that what is renamed keeps its goods and promises, that both names mean it, in an import too, that a taken name is
    // refused, and that all of it outlives the process.
    let mut server = small_shop();
    let held = server.ok(&["reserve", "--channel", "website/us", "--line", "A=3", "--ttl", "15m"]);
    server.ok(&["rename", "sku", "A", "A-1"]);
    server.ok(&["rename", "stock", "web", "shop"]);
    server.ok(&["rename", "source", "east", "newark"]);
    server.ok(&["rename", "channel", "website/us", "store/usa"]);
    server.ok(&["define", "sku", "B"]);
    for _ in 0..2 {
        let taken = server.call(&["rename", "sku", "B", "A"]);
        assert_eq!((taken.code, text(&taken.document, "code")), (1, "name_taken"));
        assert_eq!(text(&taken.document["detail"], "rule"), "belongs to A-1");
        for (sku, stock) in [("A", "web"), ("A-1", "shop")] {
            assert_eq!(salable(&server, sku, stock), "7");
        }
        server = server.crash_and_restart();
    }
    let rows = server.path("rows.csv");
    std::fs::write(&rows, "source_code,sku,status,quantity\neast,A,1,20\nnewark,A-1,1,21\n").unwrap();
    let imported = server.ok(&["import", &rows]);
    let file = &imported["files"][0];
    assert_eq!((file["updated"].as_u64(), file["skus_created"].as_u64()), (Some(2), Some(0)), "{imported}");
    assert_eq!(salable(&server, "A-1", "shop"), "18");
    let id = text(&held, "id");
    server.ok(&["confirm", id]);
    server.ok(&["ship", id, "--source", "newark", "--line", "A-1=3"]);
    assert_eq!(text(&server.ok(&["show", "reservation", id])["lines"][0], "sku"), "A-1");
    server.ok(&["rename", "sku", "A-1", "A"]);
    assert_eq!(text(&server.ok(&["show", "sku", "A-1"]), "sku"), "A");
}

#[test]
fn rules_are_changed_through_the_command_line() {
    // Proves that settings, quotas, limits and transfers reach the machine and are shown.
    let server = small_shop();
    server.ok(&["settings", "--sku", "A", "--stock", "web", "--min-qty", "2"]);
    assert_eq!(salable(&server, "A", "web"), "8");
    server.ok(&["settings", "--sku", "A", "--stock", "web", "--unset", "min_qty"]);
    server.ok(&["quota", "--sku", "A", "--stock", "web", "--limit", "3"]);
    assert_eq!(salable(&server, "A", "web"), "3");
    server.ok(&["quota", "--sku", "A", "--stock", "web", "--lift"]);
    server.ok(&["configure", "--ttl-max", "1h"]);
    assert_eq!(server.ok(&["show", "configuration"])["ttl_max_ms"], 3_600_000);
    let long = server.call(&["reserve", "--stock", "web", "--line", "A", "--ttl", "2h"]);
    assert_eq!((long.code, text(&long.document, "code")), (2, "ttl_out_of_range"));
    server.ok(&["define", "source", "west", "--name", "West", "--country", "US", "--postcode", "2"]);
    server.ok(&["transfer", "--from", "east", "--to", "west", "--line", "A=4"]);
    assert_eq!(salable(&server, "A", "web"), "6");
    server.ok(&["unlink", "--stock", "web", "--source", "east"]);
    assert_eq!(server.ok(&["validate"])["sound"], true);
    assert!(server.ok(&["status"])["metrics"]["op_applied"].as_u64().unwrap() > 10);
}

#[test]
fn exit_codes_tell_what_happened() {
    // Proves each exit code that scripts rely on: 0, 1, 2, 3, 4 and 74.
    let server = small_shop();
    let refused = server.call(&["reserve", "--stock", "web", "--line", "A=11"]);
    assert_eq!((refused.code, text(&refused.document, "code")), (1, "sold_out"));
    assert_eq!(text(&refused.document["detail"], "available"), "10");
    assert_eq!(server.call(&["salable", "A", "--stock", "web", "--need", "11"]).code, 1);
    assert_eq!(server.call(&["show", "reservation", "019a0b3c-4d5e-7f60-8123-456789abcdef"]).code, 1);
    assert_eq!(server.call(&["reserve", "--stock", "wob", "--line", "A=1"]).code, 2);
    assert_eq!(server.call(&["reserve", "--stock", "web", "--line", "A=x"]).code, 2);
    assert_eq!(server.call(&["reserve", "--line", "A=1"]).code, 2);
    // No process listens on port 1 of this machine.
    let unreachable = run(&["--json", "--timeout", "50ms", "--server", "127.0.0.1:1", "status"]);
    assert_eq!(code(&unreachable), 3);
    let error: Value = serde_json::from_slice(&unreachable.stderr).unwrap();
    assert_eq!(error["exit_code"], 3);
    let rows = server.path("rows.csv");
    std::fs::write(&rows, "source_code,sku,status,quantity\nmoon,A,1,5\n").unwrap();
    let bad = server.call(&["import", &rows]);
    assert_eq!(bad.code, 4);
    assert_eq!(
        text(&bad.document["files"][0]["errors"][0], "message"),
        "Source code \"moon\" does not exists"
    );
    assert_eq!(bad.document["files"][0]["errors"][0]["line"], 2);
    std::os::unix::fs::symlink("/dev/full", server.path("stock.csv")).unwrap();
    assert_eq!(server.call(&["export", &server.path("stock.csv")]).code, 74);
}

#[test]
fn an_id_may_be_repeated_and_never_counts_twice() {
    // Proves that a repeated command is answered by its recorded outcome, and that a different body is refused.
    let server = small_shop();
    let first = server.ok(&["reserve", "--stock", "web", "--line", "A=4"]);
    let id = text(&first, "id");
    let again = server.ok(&["reserve", "--stock", "web", "--line", "A=4", "--id", id]);
    assert_eq!((&again["replayed"], &again["op"]), (&Value::Bool(true), &first["op"]));
    assert_eq!(salable(&server, "A", "web"), "6");
    let other = server.call(&["reserve", "--stock", "web", "--line", "A=5", "--id", id]);
    assert_eq!((other.code, text(&other.document, "code")), (2, "id_reused"));
}

#[test]
fn ids_are_made_for_scripts() {
    // Proves that ids are new, valid and in order, as text and as JSON, that one can be used for a reservation, and that they
    // can be made from the server's time.
    let server = small_shop();
    let printed = run(&["id", "new", "--count", "1000"]);
    assert_eq!(code(&printed), 0);
    let lines = String::from_utf8(printed.stdout).unwrap();
    let ids: Vec<&str> = lines.lines().collect();
    assert_eq!(ids.len(), 1_000);
    assert!(ids.is_sorted_by(|one, next| one < next), "each is new");
    assert!(ids.iter().all(|id| id.parse::<stockhold_protocol::CommandId>().is_ok()));
    let one = run(&["id", "new", "--json"]);
    let one: Value = serde_json::from_slice(&one.stdout).unwrap();
    assert_eq!(one["ids"], serde_json::json!([one["id"]]));
    for id in [one, server.ok(&["id", "new", "--server-time"])] {
        let id = text(&id, "id");
        let reserved = server.ok(&["reserve", "--stock", "web", "--line", "A=1", "--id", id]);
        assert_eq!((text(&reserved, "id"), &reserved["replayed"]), (id, &Value::Bool(false)));
        assert_eq!(server.ok(&["show", "reservation", id])["state"], "confirmed");
    }
    let no_server = ["--server", "127.0.0.1:1", "--timeout", "50ms"];
    assert_eq!(code(&run(&[&["id", "new", "--server-time"], &no_server[..]].concat())), 3);
    assert_eq!(code(&run(&["id", "new", "--count", "0"])), 2);
    assert_eq!(code(&run(&["id", "new", "--count", "1000001"])), 2);
}

#[test]
fn the_sample_merchant_is_imported_exported_and_imported_again() {
    // Proves that a repeated import changes nothing, and that an export can be imported by a new server.
    let server = Server::start();
    server.import_sample();
    let (rows, catalog) = (server.path("stock.csv"), server.path("catalog.toml"));
    server.ok(&["export", &rows]);
    server.ok(&["export", &catalog]);
    let exported = std::fs::read_to_string(&rows).unwrap();
    assert_eq!(exported.lines().count(), 11_409);
    server.import_sample();
    server.ok(&["export", &rows]);
    assert_eq!(std::fs::read_to_string(&rows).unwrap(), exported);
    let other = Server::start();
    other.ok(&["import", &catalog, &rows, "--create-skus", "no"]);
    for sku in ["BIKE-0001", "BIKE-0002", "BIKE-0003", "EBIKE-0001", "EBIKE-0002", "CABLE-0001", "PLAN-0001"]
    {
        let (here, there) = (server.ok(&["salable", sku]), other.ok(&["salable", sku]));
        assert_eq!(here["salable"], there["salable"], "{sku}");
    }
    let again = other.path("stock.csv");
    other.ok(&["export", &again]);
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(lines(&std::fs::read_to_string(&again).unwrap()), lines(&exported));
}

#[test]
fn what_was_answered_survives_a_crash() {
    // Proves that a SIGKILL loses nothing that was answered, and that the directory is sound afterwards.
    let server = small_shop();
    let held = server.ok(&["reserve", "--stock", "web", "--line", "A=3", "--ttl", "15m"]);
    server.ok(&["snapshot"]);
    let sold = server.ok(&["reserve", "--stock", "web", "--line", "A=2"]);
    let server = server.crash_and_restart();
    assert_eq!(server.ready["recovery"]["recovered_ops"], sold["op"]);
    assert_eq!(salable(&server, "A", "web"), "5");
    let confirmed = server.ok(&["confirm", text(&held, "id")]);
    let directory = server.crash();
    let data = directory.path().join("data").display().to_string();
    let verified = run(&["--json", "verify", &data]);
    assert_eq!(code(&verified), 0, "{}", String::from_utf8_lossy(&verified.stdout));
    let dumped = run(&["--json", "log", "dump", &data, "--from", "2", "--limit", "3"]);
    assert_eq!(code(&dumped), 0);
    let lines: Vec<Value> = String::from_utf8_lossy(&dumped.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        lines.iter().all(|line| text(line, "actor_kind") == "claimed" && !text(line, "actor").is_empty())
    );
    let lines: Vec<(u64, String)> =
        lines.iter().map(|line| (line["op"].as_u64().unwrap(), text(line, "kind").to_owned())).collect();
    let expected = [(2, "define_stock"), (3, "define_sku"), (4, "link")];
    assert_eq!(lines, expected.map(|(op, kind)| (op, kind.to_owned())));
    let in_snapshot = run(&["log", "skip", &data, "--op", "2", "--reason", "test"]);
    assert_eq!(code(&in_snapshot), 2, "an op inside a snapshot cannot be left out");
    let op = confirmed["op"].to_string();
    let skipped = run(&["--json", "log", "skip", &data, "--op", &op, "--reason", "test"]);
    assert_eq!(code(&skipped), 0, "{}", String::from_utf8_lossy(&skipped.stderr));
    assert_eq!(code(&run(&["verify", &data])), 0);
}

#[test]
fn a_failed_log_write_leaves_the_outcome_open_and_ends_the_process() {
    // Proves that a failed write poisons the log in real files: the command in flight and its retry get no answer,
    // checks are answered for some seconds, the process ends with 74, and after a restart everything acknowledged
    // exists and the rest is resolved by its id.
    let mut server = Server::start_limitable();
    server.ok(&["define", "source", "east", "--name", "East", "--country", "US", "--postcode", "1"]);
    server.ok(&["define", "stock", "web"]);
    server.ok(&["define", "sku", "A"]);
    server.ok(&["link", "--stock", "web", "--source", "east"]);
    server.ok(&["count", "--source", "east", "--sku", "A", "--quantity", "10"]);
    let sold = server.ok(&["reserve", "--stock", "web", "--line", "A=3"]);
    server.limit_file_size(4096);
    let open = ["reserve", "--stock", "web", "--line", "A=2", "--id", "019a0b3c-4d5e-7f60-8123-456789abcdef"];
    let lost = server.call(&[&open[..], &["--timeout", "1s"]].concat());
    assert_eq!(lost.code, 3, "{} {}", lost.document, lost.stderr);
    assert!(lost.stderr.contains("unknown"), "{}", lost.stderr);
    assert_eq!(salable(&server, "A", "web"), "7");
    let status = server.ok(&["status"]);
    assert_eq!(status["state"], "read_only(log_failed)");
    assert_eq!(server.wait().0, 74);
    let server = server.crash_and_restart();
    assert_eq!(server.ready["recovery"]["recovered_ops"], sold["op"]);
    assert_eq!(salable(&server, "A", "web"), "7");
}

#[test]
fn a_server_stops_in_good_order_when_asked() {
    // Proves that SIGTERM ends the process with exit code 0 and the log with an end frame, and that nothing is lost.
    let server = small_shop();
    let sold = server.ok(&["reserve", "--stock", "web", "--line", "A=2"]);
    let (ended, server) = server.stop_and_restart();
    assert_eq!(ended, 0);
    let recovery = &server.ready["recovery"];
    assert_eq!((&recovery["clean_stop"], &recovery["recovered_ops"]), (&Value::Bool(true), &sold["op"]));
}

#[test]
fn the_demo_keeps_every_promise() {
    // Proves that a sale with a crash in the middle passes the audit, and that the report has its numbers.
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("demo").display().to_string();
    let demo = run(&["demo", "--json", "--seconds", "1", "--data-dir", &data]);
    assert_eq!(code(&demo), 0, "{}", String::from_utf8_lossy(&demo.stderr));
    let report: Value = serde_json::from_slice(&demo.stdout).unwrap();
    for kept in ["oversold_units", "lost_acknowledged", "changed_answers"] {
        assert_eq!(report[kept], 0, "{report}");
    }
    for number in ["reserved", "refused", "reservations_per_second", "p50_us", "p99_us", "recovered_ops"] {
        assert!(report[number].as_u64().is_some_and(|number| number > 0), "{number}: {report}");
    }
    assert!(!std::path::Path::new(&data).exists(), "the demo left its data behind");
}

#[test]
fn starts_without_traffic_take_no_more_of_the_disk() {
    // Proves on real files that a server that is started and ended repeatedly, by a stop and by a kill, keeps the same
    // few segments and the same state. A server that runs for more than a second logs ticks while ids are remembered,
    // which may take a segment.
    let mut server = small_shop();
    let sold = server.ok(&["reserve", "--stock", "web", "--line", "A=2"]);
    let digest = server.ok(&["validate"])["digest"].clone();
    let (mut ticked, mut last_op) = (0, sold["op"].as_u64().unwrap());
    for run in 0..9 {
        let ended;
        (ended, server) =
            if run % 2 == 0 { server.stop_and_restart() } else { (0, server.crash_and_restart()) };
        assert_eq!(ended, 0);
        let op = server.ready["recovery"]["recovered_ops"].as_u64().unwrap();
        ticked += u64::from(op > last_op);
        last_op = op;
    }
    assert!(ticked < 9, "every start took more than a second");
    if ticked == 0 {
        assert_eq!(server.ok(&["validate"])["digest"], digest);
    }
    assert_eq!(server.ok(&["show", "reservation", sold["id"].as_str().unwrap()])["state"], "confirmed");
    let directory = server.crash();
    let files = std::fs::read_dir(directory.path().join("data")).unwrap().map(|entry| entry.unwrap());
    let segments = files.filter(|file| file.path().extension().is_some_and(|end| end == "segment"));
    let bytes: u64 = segments.map(|file| file.metadata().unwrap().len()).sum();
    assert!(bytes <= (3 + ticked) * 4_194_304, "what was sold, the segment in use, a spare: {bytes} bytes");
}

#[test]
fn a_full_server_says_so() {
    // Proves that a command without a free connection learns the reason, with an exit code of its own, and succeeds
    // when a connection is free. Proves that a server with too few open files accepts fewer connections and says so,
    // instead of failing to accept them.
    let mut shell = std::process::Command::new("sh");
    let few = 16 + 256 + 96 + 1;
    shell.args(["-c", &format!("ulimit -n {few}; exec \"$0\" \"$@\""), super::harness::PROGRAM]);
    let server = Server::start_by(shell);
    let status = server.ok(&["status"]);
    assert_eq!(status["metrics"]["connections_max"], 1, "{status}");
    let warnings = status["warnings"].to_string();
    assert!(warnings.contains(&format!("The system allows {few} open files")), "{warnings}");
    // Each begins a frame, so none of them is idle.
    let peers: Vec<_> = (0..17)
        .map(|_| {
            let mut peer = std::net::TcpStream::connect(server.address()).unwrap();
            std::io::Write::write_all(&mut peer, b"SH").unwrap();
            peer
        })
        .collect();
    // The timeout ends before the server cuts the peers.
    let refused = loop {
        let called = server.call(&["status", "--timeout", "1s"]);
        if called.code != 0 {
            break called;
        }
    };
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    let error: Value = serde_json::from_str(&refused.stderr).unwrap();
    let sentence = text(&error, "error");
    assert!(
        sentence.contains("the server refused the connection: the server has its 17 connections"),
        "{sentence}"
    );
    assert!(!sentence.contains("is it running"), "{sentence}");
    drop(peers);
    server.ok(&["status"]);

    // A peer that closes the connection without a frame is not reported as a server that is not running.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let closing = std::thread::spawn(move || {
        for stream in listener.incoming().take(2) {
            drop(stream);
        }
    });
    let cut_off = run(&["--json", "--timeout", "15ms", "--server", &address, "status"]);
    let error: Value = serde_json::from_slice(&cut_off.stderr).unwrap();
    let sentence = text(&error, "error");
    assert_eq!(code(&cut_off), 3, "{sentence}");
    assert!(sentence.contains("closed the connection; is it a Stockhold server"), "{sentence}");
    drop(std::net::TcpStream::connect(&address));
    closing.join().unwrap();
}
