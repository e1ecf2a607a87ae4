//! Assigning, removing and moving many SKUs at once through the command line.

use super::harness::Server;
use super::server::text;
use serde_json::Value;

/// The source item of a SKU as `ON_HAND in|out`, or `none`.
fn item(server: &Server, sku: &str, source: &str) -> String {
    let shown = server.ok(&["show", "sku", sku]);
    let items = shown["items"].as_array().unwrap();
    let found = items.iter().find(|item| item["source"] == source);
    found.map_or("none".to_owned(), |item| {
        format!("{} {}", text(item, "on_hand"), if item["in_stock"] == true { "in" } else { "out" })
    })
}

fn shop() -> Server {
    let server = Server::start();
    for code in ["east", "west"] {
        server.ok(&["define", "source", code, "--name", code, "--country", "US", "--postcode", "1"]);
    }
    server.ok(&["define", "stock", "web"]);
    server.ok(&["link", "--stock", "web", "--source", "east"]);
    for sku in ["A", "B"] {
        server.ok(&["define", "sku", sku]);
    }
    server.ok(&["define", "sku", "SET", "--kind", "composite"]);
    server
}

fn marks(server: &Server) -> Vec<Value> {
    server.ok(&["mark", "list"])["marks"].as_array().unwrap().clone()
}

#[test]
fn many_source_items_are_changed_in_one_step() {
    // Proves each command, its counters, the lists from a file and from standard input, and what a refusal lists.
    let server = shop();
    let done = server.ok(&["assign", "--sku", "A", "--sku", "SET", "--source", "east", "--source", "west"]);
    assert_eq!((text(&done, "made"), text(&done, "code")), ("2", "ok"));
    assert_eq!(item(&server, "A", "west"), "0 out");
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, contents: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, contents).unwrap();
        path.display().to_string()
    };
    let counted = file("counted.txt", "\u{feff}A=10\r\n\r\nB=-2@west\nB=4@east\n");
    let done = server.ok(&["count-many", "--source", "east", "--lines-from", &counted, "--in-stock", "true"]);
    assert_eq!(text(&done["detail"], "shortfall"), "0");
    assert_eq!([item(&server, "A", "east"), item(&server, "B", "west")], ["10 in", "-2 in"]);
    server.ok(&["reserve", "--stock", "web", "--line", "A=3", "--line", "B=1"]);

    let lines = ["transfer-lines", "--from", "east", "--to", "west", "--line", "A=8", "--line", "B=5"];
    let refused = server.call(&lines);
    assert_eq!((refused.code, text(&refused.document, "code")), (1, "not_enough_at_source"));
    let offenders = refused.document["detail"]["offenders"].as_array().unwrap();
    assert_eq!(offenders.len(), 1);
    assert_eq!((text(&offenders[0], "sku"), text(&offenders[0], "bound")), ("B", "4"));
    let refused = server.call(&["transfer-lines", "--from", "east", "--to", "west", "--line", "A=8"]);
    assert_eq!(text(&refused.document, "code"), "needed_elsewhere");
    server.ok(&["transfer-lines", "--from", "east", "--to", "west", "--line", "A=7"]);
    assert_eq!([item(&server, "A", "east"), item(&server, "A", "west")], ["3 in", "7 in"]);

    let all = file("all.txt", "A\nB\nNOVEL\n");
    let unknown = server.call(&["unassign", "--skus-from", &all, "--source", "west"]);
    assert_eq!(unknown.code, 2);
    let done = server.ok(&["unassign", "--skus-from", &all, "--source", "west", "--skip-unknown"]);
    assert_eq!((text(&done, "removed"), &done["skipped"]["skus"][0]), ("2", &"NOVEL".into()));
    let moved = ["transfer-many", "--from", "east", "--to", "west", "--sku", "A", "--unassign"];
    assert_eq!(text(&server.call(&moved).document, "code"), "needed_elsewhere");
    let done = server.ok(&[&moved[..], &["--forced"]].concat());
    assert_eq!((text(&done, "moved"), text(&done["detail"], "shortfall")), ("1", "3"));
    assert_eq!([item(&server, "A", "east"), item(&server, "A", "west")], ["none", "3 in"]);
    assert_eq!(server.ok(&["validate"])["sound"], true);
}

#[test]
fn a_mark_is_set_before_a_bulk_change() {
    // Proves that it is named and reported with its op, that it can be left off, and that what is wrong on the command
    // line sets none.
    let server = shop();
    let done = server.ok(&["assign", "--sku", "A", "--source", "east"]);
    let name = text(&done, "mark").to_owned();
    assert!(name.starts_with("auto/bulk/2"), "{name}");
    assert_eq!(done["mark_op"].as_u64().unwrap() + 1, done["op"].as_u64().unwrap());
    let quiet = server.ok(&["assign", "--sku", "B", "--source", "east", "--no-mark"]);
    assert_eq!(quiet["mark"], Value::Null);
    let counts = ["count-many", "--line", "A=1@east", "--line", "A=2@east"];
    assert_eq!(server.call(&counts).code, 2);
    assert_eq!(server.call(&["count-many", "--line", "A=1"]).code, 2);
    assert_eq!(server.call(&["transfer-many", "--from", "east", "--to", "east", "--sku", "A"]).code, 2);
    assert_eq!(server.call(&["assign", "--source", "east"]).code, 2);
    let marks = marks(&server);
    assert_eq!(marks.iter().map(|mark| text(mark, "name")).collect::<Vec<_>>(), [name.as_str()]);
}
