//! `stockhold order`: an order's life by its number, its history, and what the log, `why` and a replay say of it.

use super::harness::{Server, run};
use super::server::{salable, small_shop, text};
use serde_json::{Value, json};

fn show(server: &Server, number: &str) -> Value {
    server.ok(&["show", "order", number])
}

/// The code of a refused command.
fn refused(server: &Server, words: &[&str]) -> String {
    let called = server.call(words);
    assert_eq!(called.code, 1, "{words:?}: {} {}", called.document, called.stderr);
    text(&called.document, "code").to_owned()
}

/// The event and the reservation row of each booking in the history.
fn rows(order: &Value) -> Vec<(String, i64)> {
    let events = order["history"].as_array().unwrap().iter();
    let of_event = |event: &Value| -> Vec<(String, i64)> {
        let rows = event["rows"].as_array().unwrap().iter();
        rows.map(|row| (text(event, "event").to_owned(), text(row, "reservation").parse().unwrap())).collect()
    };
    events.flat_map(of_event).collect()
}

fn total(order: &Value, total: &str) -> String {
    text(&order["lines"][0], total).to_owned()
}

#[test]
fn an_order_lives_by_its_number() {
    // Proves the whole life of an order: what each event answers and changes, that a document counts once and a reversed one
    // never again, that the history sums to the open units after each step, and that all of it outlives the process.
    let server = small_shop();
    let sums = |server: &Server, open: &str| {
        let order = show(server, "1001");
        let sum: i64 = rows(&order).iter().map(|(_, quantity)| quantity).sum();
        assert_eq!(
            (total(&order, "open"), (-sum).to_string()),
            (open.to_owned(), open.to_owned()),
            "{order}"
        );
        order
    };
    let placed = ["order", "place", "1001", "--channel", "website/us", "--line", "A=6", "--owner", "7"];
    let held = server.ok(&[&placed[..], &["--ttl", "15m"]].concat());
    assert!(text(&held, "deadline").ends_with('Z'), "{held}");
    let order = sums(&server, "6");
    assert_eq!((text(&order["history"][0], "event"), text(&order, "state")), ("hold_placed", "open"));
    assert!(
        text(&server.ok(&["order", "extend", "1001", "--ttl", "20m"]), "deadline") > text(&held, "deadline")
    );
    assert_eq!(server.ok(&["order", "confirm", "1001"])["repeated"], false);
    assert_eq!(refused(&server, &["order", "confirm", "1001"]), "already_confirmed");
    sums(&server, "6");

    let ship = ["order", "ship", "1001", "--source", "east", "--line"];
    let document = |words: &[&'static str], line: &'static str, document: &'static str| {
        [&ship[..], words, &[line, "--document", document]].concat()
    };
    server.ok(&document(&[], "A=2", "S-1"));
    let again = server.ok(&document(&[], "A=2", "S-1"));
    assert_eq!((&again["repeated"], text(&again, "code")), (&json!(true), "ok"));
    assert_eq!(refused(&server, &document(&[], "A=3", "S-1")), "document_reused");
    sums(&server, "4");
    server.ok(&["order", "unship", "1001", "--source", "east", "--document", "S-1"]);
    assert_eq!(refused(&server, &document(&[], "A=2", "S-1")), "reversed");
    sums(&server, "6");
    server.ok(&document(&[], "A=2", "S-2"));
    assert_eq!(refused(&server, &[&ship[..], &["A=5"]].concat()), "more_than_open");
    assert_eq!(refused(&server, &[&ship[..], &["A=1@web", "--document", "S-2"]].concat()), "document_reused");

    server.ok(&["order", "invoice", "1001", "--line", "A=5", "--document", "I-1"]);
    let memo = ["order", "refund", "1001", "--line", "A=4", "--return-to-stock", "--document", "C-1"];
    server.ok(&memo);
    let order = sums(&server, "1");
    let totals = ["invoiced", "shipped", "refunded", "returned"].map(|name| total(&order, name));
    assert_eq!(totals, ["5", "2", "3", "1"], "three had not left, and one of those that had came back");
    assert_eq!(server.ok(&memo)["repeated"], true);
    assert_eq!(text(&server.ok(&["order", "cancel", "1001", "--line", "A=2"]), "code"), "partial");
    let order = sums(&server, "0");
    assert_eq!((text(&order, "state"), salable(&server, "A", "web")), ("settled", "9".to_owned()));
    let server = server.crash_and_restart();
    assert_eq!(show(&server, "1001"), order);
    let last = server.ok(&["show", "order", "1001", "--limit", "1"]);
    assert_eq!((&last["history"][0], last["history"].as_array().unwrap().len()), (&order["history"][6], 1));
}

#[test]
fn a_placement_takes_over_holds_and_may_fail() {
    // Proves what a second placement means, that a report of a failure gives units back, and that one that overtakes its
    // placement wins.
    let server = small_shop();
    let place = |number: &str, line: &str, more: &[&str]| {
        server.call(&[&["order", "place", number, "--stock", "web", "--line", line], more].concat())
    };
    assert_eq!(place("7", "A=4", &["--ttl", "15m"]).code, 0);
    assert_eq!(place("7", "A=10", &[]).code, 0, "its own hold is taken over");
    assert_eq!(salable(&server, "A", "web"), "0");
    let history = rows(&show(&server, "7"));
    let expected = [("hold_placed", -4), ("hold_replaced", 4), ("order_placed", -10)];
    assert_eq!(history, expected.map(|(event, quantity)| (event.to_owned(), quantity)));
    assert_eq!(place("7", "A=10", &[]).code, 0, "it is placed like this already");
    assert_eq!(text(&place("7", "A=9", &[]).document, "code"), "order_exists");
    let owned = ["--owner", "8"];
    assert_eq!(text(&place("7", "A=10", &owned).document, "code"), "owner_differs");
    server.ok(&["order", "edit", "7", "--line", "A=4"]);
    assert_eq!(salable(&server, "A", "web"), "6");
    server.ok(&["order", "compensate", "7", "--line", "A=1"]);
    server.ok(&["order", "compensate", "7", "--stock", "web", "--line", "A=-3"]);
    assert_eq!(refused(&server, &["order", "compensate", "7", "--line", "A=-9@web"]), "sold_out");
    assert_eq!(total(&show(&server, "7"), "compensated"), "2");
    server.ok(&["order", "cancel", "7"]);

    let placed = place("8", "A=2", &[]).document;
    let failed = ["order", "failed", "8", "--placement", text(&placed, "id")];
    server.ok(&failed);
    server.ok(&failed);
    assert_eq!(total(&show(&server, "8"), "cancelled"), "2");
    assert_eq!(place("8", "A=3", &[]).code, 0, "the number is free again");
    let ids = server.ok(&["id", "new", "--server-time"]);
    let id = ids["ids"][0].as_str().unwrap().to_owned();
    server.ok(&["order", "failed", "9", "--placement", &id]);
    let late = place("9", "A=1", &["--id", &id]);
    assert_eq!(text(&late.document, "code"), "place_failed");
    assert_eq!(text(&show_unknown(&server, "9"), "state"), "unknown");
    for action in [&["confirm"][..], &["cancel"], &["extend", "--ttl", "5m"]] {
        let words = [&["order", action[0], "9"], &action[1..]].concat();
        assert_eq!(refused(&server, &words), "unknown_order", "{words:?}");
    }
}

fn show_unknown(server: &Server, number: &str) -> Value {
    server.call(&["show", "order", number]).document
}

#[test]
fn the_log_tells_what_happened_to_an_order() {
    // Proves that dump and why print events with names, and that a restore and a replay bring an order back.
    let server = small_shop();
    server.ok(&["order", "place", "1001", "--stock", "web", "--line", "A=3"]);
    server.ok(&["mark", "set", "here"]);
    let shipped =
        server.ok(&["order", "ship", "1001", "--source", "east", "--line", "A=1@web", "--document", "S-1"]);
    server.ok(&["order", "refund", "1001", "--no-return", "--line", "A=1", "--returned", "A=1"]);
    server.ok(&["order", "cancel", "1001"]);
    server.ok(&["order", "place", "1002", "--stock", "web", "--line", "A=2"]);
    let (before, other) = (show(&server, "1001"), show(&server, "1002"));
    let why = server.ok(&["why", text(&shipped, "id")]);
    assert_eq!(text(&why, "command"), "order_event", "{why}");
    let line = json!({"sku": "A", "stock": "web", "quantity": "1"});
    assert_eq!((&why["body"]["action"], &why["body"]["lines"]), (&json!("ship"), &json!([line])));
    assert_eq!(text(&why["explained"][0]["stocks"][0], "promised"), "3", "as it was before");
    let cancelled = before["history"].as_array().unwrap().last().unwrap()["op"].as_u64().unwrap();
    let dump = run(&["log", "dump", &server.path("data"), "--from", &cancelled.to_string()]);
    let dumped = String::from_utf8_lossy(&dump.stdout).into_owned();
    assert!(dumped.contains("action cancel, order 1001"), "{dumped}");

    let (from, to) = (server.path("data"), server.path("restored"));
    let restored = Server::local(&["restore", "--from", &from, "--to-mark", "here", "--to-dir", &to]);
    assert_eq!(restored["undone"]["commands"], json!(4), "{restored}");
    let server = server.serve_instead("restored");
    assert_eq!(total(&show(&server, "1001"), "open"), "3");
    let replayed = server.ok(&["replay", &server.path("data/undone.jsonl")]);
    assert_eq!(replayed["as_before"], json!(4), "{replayed}");
    let after = show(&server, "1001");
    assert_eq!((&after["lines"], rows(&after)), (&before["lines"], rows(&before)));
    assert_eq!(show(&server, "1002")["lines"], other["lines"]);
}
