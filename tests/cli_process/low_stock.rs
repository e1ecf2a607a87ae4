//! `notify`, `show notify` and `list low-stock`.

use super::harness::Server;
use serde_json::{Value, json};

fn shop() -> Server {
    let server = Server::start();
    for line in [
        "define source east --name East --country US --postcode 1",
        "define source west --name West --country US --postcode 1",
        "define sku A",
        "define sku B",
        "count --source east --sku A --quantity 5",
        "count --source east --sku B --quantity 3",
        "count --source west --sku A --quantity 4",
        "count --source west --sku B --quantity 0",
        "settings --notify-stock-qty 2",
    ] {
        server.ok(&line.split(' ').collect::<Vec<_>>());
    }
    server
}

fn call(server: &Server, line: &str) -> Value {
    server.ok(&line.split(' ').collect::<Vec<_>>())
}

/// The report as source, SKU and quantity.
fn low(server: &Server, line: &str) -> Vec<String> {
    let items = call(server, line)["items"].as_array().unwrap().clone();
    let text = |item: &Value, field: &str| item[field].as_str().unwrap().to_owned();
    let row = |item: &Value| ["source", "sku", "on_hand"].map(|field| text(item, field)).join(" ");
    items.iter().map(row).collect()
}

#[test]
fn low_items_are_listed_by_their_configurations() {
    // Proves what is listed and in which order, each filter, limit and cursor, the inherited threshold, the removal, and
    // that all of it survives a snapshot and a crash.
    let server = shop();
    assert_eq!(low(&server, "list low-stock"), Vec::<String>::new());
    for line in [
        "notify --sku A --source east --below 5.0001",
        "notify --sku B --source east --below 3",
        "notify --sku A --source west --below 10",
        "notify --sku B --source west --below 10",
    ] {
        call(&server, line);
    }
    // B at the east is not below 3, and there is none at the west.
    assert_eq!(low(&server, "list low-stock"), ["west A 4", "east A 5"]);
    assert_eq!(low(&server, "list low-stock --source east"), ["east A 5"]);
    assert_eq!(low(&server, "list low-stock --sku B"), Vec::<String>::new());
    let first = call(&server, "list low-stock --limit 1");
    assert_eq!(first["matched"], 2);
    let next = format!("list low-stock --limit 1 --cursor {}", first["cursor"].as_str().unwrap());
    assert_eq!(
        (low(&server, &next), &call(&server, &next)["cursor"]),
        (vec!["east A 5".to_owned()], &Value::Null)
    );
    let shown =
        |sku: &str, source: &str| call(&server, &format!("show notify --sku {sku} --source {source}"));
    assert_eq!(shown("A", "east")["notify_stock_qty"], "5.0001");
    call(&server, "notify --sku B --source east --default");
    assert_eq!((&shown("B", "east")["set"], &shown("B", "east")["own"]), (&json!(true), &Value::Null));
    assert_eq!(shown("B", "east")["notify_stock_qty"], "2");
    call(&server, "settings --sku B --notify-stock-qty 4");
    assert_eq!(low(&server, "list low-stock"), ["east B 3", "west A 4", "east A 5"]);
    call(&server, "notify --sku A --source west --remove");
    assert_eq!(
        (&shown("A", "west")["set"], &shown("A", "west")["notify_stock_qty"]),
        (&json!(false), &json!("2"))
    );
    call(&server, "snapshot");
    call(&server, "define source east --name East --country US --postcode 1 --disabled");
    let server = server.crash_and_restart();
    assert_eq!(low(&server, "list low-stock"), Vec::<String>::new());
    call(&server, "define source east --name East --country US --postcode 1");
    assert_eq!(low(&server, "list low-stock"), ["east B 3", "east A 5"]);
    let item = &call(&server, "show sku A")["items"][0];
    assert_eq!((&item["notify_is_set"], &item["notify_stock_qty"]), (&json!(true), &json!("5.0001")));
    let dump = call(&server, "validate");
    assert_eq!(dump["violations"], json!([]), "{dump}");
}

#[test]
fn a_wrong_configuration_is_refused() {
    // Proves the exit code for unknown names and for flags that do not fit.
    let server = shop();
    for line in [
        "notify --sku NONE --source east --default",
        "notify --sku A --source none --default",
        "notify --sku A --source east",
        "notify --sku A --source east --below -1",
        "notify --sku A --source east --below 1 --remove",
        "show notify --sku A --source none",
        "list low-stock --cursor 1",
    ] {
        let called = server.call(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(called.code, 2, "{line}: {}", called.stderr);
    }
}
