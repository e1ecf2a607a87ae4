//! `append-reservations`, `order state` and `list inconsistencies`.

use super::harness::Server;
use serde_json::{Value, json};

fn call(server: &Server, line: &str) -> Value {
    server.ok(&line.split(' ').collect::<Vec<_>>())
}

fn shop() -> Server {
    let server = Server::start();
    for line in [
        "define source east --name East --country US --postcode 1",
        "define stock web",
        "link --stock web --source east",
        "define sku A",
        "count --source east --sku A --quantity 10",
    ] {
        call(&server, line);
    }
    server
}

#[test]
fn rows_are_appended_and_shown() {
    // Proves rows of flags and of a file, what they leave salable, the history that they become, and how rows are refused.
    let server = shop();
    let placed =
        call(&server, "append-reservations --stock web --row A=-4 --order 1001 --event order_placed");
    assert_eq!((&placed["code"], &placed["appended"]), (&json!("ok"), &json!("1")));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rows.json").display().to_string();
    let rows = json!([
        {"order": "1001", "event": "shipment_created", "stock": "web", "sku": "A", "quantity": "1"},
        {"event": "manual_compensation", "stock": "web", "sku": "A", "quantity": "-2.5"},
    ]);
    std::fs::write(&file, rows.to_string()).unwrap();
    assert_eq!(server.ok(&["append-reservations", "--rows-from", &file])["appended"], "2");
    let salable = call(&server, "salable A --stock web");
    assert_eq!(salable["salable"][0]["salable"], "4.5");
    let shown = call(&server, "show order 1001");
    assert_eq!((&shown["lines"][0]["open"], &shown["lines"][0]["shipped"]), (&json!("3"), &json!("1")));
    assert_eq!(call(&server, "show sku A")["positions"][0]["unattributed"], "2.5");
    std::fs::write(&file, r#"[{"event": "sold", "stock": "web", "sku": "A", "quantity": "1"}]"#).unwrap();
    for (line, exit, part) in [
        (format!("append-reservations --rows-from {file}"), 2, "a row of reservations has no event"),
        ("append-reservations --row A=-1".to_owned(), 2, "name its stock"),
        ("append-reservations --stock web --row B=-1".to_owned(), 2, "there is no SKU"),
        (
            "append-reservations --stock web --row A=-1 --event sold".to_owned(),
            2,
            "must be one of order_placed",
        ),
        ("append-reservations --stock web --row A=9".to_owned(), 1, "more_than_open"),
        ("append-reservations --stock web --row A=-9".to_owned(), 1, "sold_out"),
    ] {
        let failed = server.call(&line.split(' ').collect::<Vec<_>>());
        let text = format!("{}{}", failed.document, failed.stderr);
        assert_eq!(failed.code, exit, "{line}: {text}");
        assert!(text.contains(part), "{line}: {text}");
    }
    let unknown = server.call(
        &"append-reservations --uncatalogued --stock web --row B=-1 --order 7".split(' ').collect::<Vec<_>>(),
    );
    // It is defined, but with exact sharing no promise of it fits.
    assert_eq!(unknown.document["code"], "no_source_in_stock");
    assert_eq!(call(&server, "show sku B")["kind"], "uncatalogued");
}

#[test]
fn the_shops_word_is_compared() {
    // Proves the list, its filter, and that the command which it suggests settles the order.
    let server = shop();
    call(&server, "order place 1001 --stock web --line A=3");
    let none = call(&server, "list inconsistencies");
    assert_eq!(none["inconsistencies"], json!([]));
    call(&server, "order state 1001 canceled");
    assert_eq!(call(&server, "show order 1001")["reported_state"], "canceled");
    let listed = call(&server, "list inconsistencies --complete");
    let item = &listed["inconsistencies"][0];
    assert_eq!(
        (&item["order"], &item["quantity"], &item["final"]),
        (&json!("1001"), &json!("-3"), &json!(true))
    );
    assert_eq!(call(&server, "list inconsistencies --incomplete")["inconsistencies"], json!([]));
    call(&server, item["settle"].as_str().unwrap());
    assert_eq!(call(&server, "list inconsistencies")["inconsistencies"], json!([]));
    assert_eq!(call(&server, "salable A --stock web")["salable"][0]["salable"], "10");
    call(&server, "order state 1001 processing --stock web --expected A=1");
    assert_eq!(call(&server, "list inconsistencies")["inconsistencies"][0]["quantity"], "1");
    call(&server, "order state 1001 closed --nothing-open");
    assert_eq!(call(&server, "list inconsistencies")["inconsistencies"], json!([]));
}
