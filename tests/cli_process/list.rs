//! `list`: every list with its filters, limits and cursors.

use super::harness::{Server, code, run};
use serde_json::{Value, json};

/// Three SKUs: A is sold out, B is low, C is missing; two stocks that share a source; a channel; reservations of two owners.
fn shop() -> Server {
    let server = Server::start();
    for line in [
        "define source east --name East --country US --postcode 1",
        "define stock web",
        "define stock shop",
        "link --stock web --source east",
        "link --stock shop --source east",
        "channel website/eu --stock web",
        "define sku A",
        "define sku B",
        "define sku C",
        "count --source east --sku A --quantity 3",
        "count --source east --sku B --quantity 5",
        "count --source east --sku C --quantity 9",
        "settings --sku B --notify-stock-qty 6",
        "reserve --stock web --line A=3 --owner 7 --ttl 10m",
        "reserve --stock shop --line C=4 --owner 8",
        "reserve --stock web --line C=2 --owner 7",
        "count --source east --sku C --quantity 1",
        "snapshot",
    ] {
        server.ok(&line.split(' ').collect::<Vec<_>>());
    }
    server
}

fn listed(server: &Server, line: &str) -> Value {
    server.ok(&line.split(' ').collect::<Vec<_>>())
}

fn names<'a>(document: &'a Value, list: &str, field: &str) -> Vec<&'a str> {
    document[list].as_array().unwrap().iter().map(|one| one[field].as_str().unwrap()).collect()
}

#[test]
fn reservations_are_listed_by_what_they_have() {
    // Proves each filter, the order, the limit and the cursor.
    let server = shop();
    let count = |line: &str| listed(&server, line)["matched"].as_u64().unwrap();
    assert_eq!(count("list reservations"), 3);
    assert_eq!(count("list reservations --sku C"), 2);
    assert_eq!(count("list reservations --stock web"), 2);
    assert_eq!(count("list reservations --owner 8"), 1);
    assert_eq!(count("list reservations --state held"), 1);
    assert_eq!(count("list reservations --state held --state confirmed"), 3);
    assert_eq!(count("list reservations --older-than 1h"), 0);
    let first = listed(&server, "list reservations --limit 2");
    let ops: Vec<u64> =
        first["reservations"].as_array().unwrap().iter().map(|one| one["op"].as_u64().unwrap()).collect();
    assert!(ops.len() == 2 && ops[0] < ops[1] && first["cursor"] == ops[1], "{first}");
    let rest = listed(&server, &format!("list reservations --limit 2 --cursor {}", ops[1]));
    assert_eq!((rest["reservations"].as_array().unwrap().len(), &rest["cursor"]), (1, &Value::Null));
    assert_eq!(server.call(&["list", "reservations", "--sku", "NONE"]).code, 2);
}

#[test]
fn orders_are_listed_and_shown() {
    // Proves the totals of one order, the filters of the list, the limit and the cursor, and the counts of both.
    let server = shop();
    let call = |line: &str| listed(&server, line);
    let first =
        call("reserve --stock shop --line B=2 --owner 7 --reference 100")["id"].as_str().unwrap().to_owned();
    call("reserve --stock shop --line B=1 --owner 7 --ttl 10m --reference 100");
    call("sell --stock shop --source east --line B=1 --reference 101");
    call(&format!("ship {first} --source east --line B=1"));
    let order = call("show order 100");
    assert_eq!(
        (&order["state"], &order["owner"], &order["open_lines"]),
        (&json!("open"), &json!(7), &json!(1))
    );
    let line = &order["lines"][0];
    assert_eq!((&line["sku"], &line["stock"]), (&json!("B"), &json!("shop")));
    assert_eq!((&line["ordered"], &line["shipped"], &line["open"]), (&json!("3"), &json!("1"), &json!("2")));
    assert_eq!(
        (order["reservations"].as_array().unwrap().len(), &order["reservations"][0]),
        (2, &json!(first))
    );
    let all = call("list orders");
    assert_eq!((&all["total"], &all["unsettled"], &all["cursor"]), (&json!(2), &json!(1), &Value::Null));
    assert_eq!(names(&all, "orders", "number"), ["100", "101"]);
    assert_eq!(names(&call("list orders --unsettled"), "orders", "number"), ["100"]);
    assert_eq!(names(&call("list orders --owner 0"), "orders", "number"), ["101"]);
    let page = call("list orders --limit 1");
    let rest = call(&format!("list orders --limit 1 --cursor {}", page["cursor"]));
    assert_eq!(
        (names(&page, "orders", "number"), names(&rest, "orders", "number")),
        (vec!["100"], vec!["101"])
    );
    assert_eq!(server.call(&["show", "order", "102"]).code, 1);
    assert_eq!(server.call(&["reserve", "--stock", "shop", "--line", "B=1", "--reference", "100"]).code, 1);
    let metrics = call("status")["metrics"].clone();
    assert_eq!((&metrics["machine_orders"], &metrics["machine_orders_unsettled"]), (&json!(2), &json!(1)));
}

#[test]
fn skus_are_listed_by_what_is_wrong_with_them() {
    // Proves each condition, alone and with a stock, the limit and the cursor.
    let server = shop();
    let skus = |line: &str| {
        let document = listed(&server, line);
        names(&document, "skus", "sku").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(skus("list skus"), ["A", "B", "C"]);
    assert_eq!(skus("list skus --sold-out"), ["A", "C"]);
    assert_eq!(skus("list skus --below-threshold"), ["B"]);
    assert_eq!(skus("list skus --shortfall"), ["C"]);
    assert_eq!(skus("list skus --sold-out --shortfall --stock shop"), ["C"]);
    let first = listed(&server, "list skus --limit 2");
    assert_eq!((names(&first, "skus", "sku"), &first["cursor"]), (vec!["A", "B"], &json!("B")));
    assert_eq!(skus("list skus --cursor B"), ["C"]);
    assert_eq!(listed(&server, "list skus --limit 3")["cursor"], Value::Null);
    let c = listed(&server, "list skus --shortfall")["skus"][0].clone();
    assert_eq!(
        (&c["on_hand"], &c["promised"], &c["shortfall"]),
        (&json!("1"), &json!("6"), &json!("5")),
        "{c}"
    );
}

#[test]
fn places_and_files_are_listed() {
    // Proves the lists without filters, and that files are listed from a directory and from its backup.
    let server = shop();
    assert_eq!(names(&listed(&server, "list sources"), "sources", "code"), ["east"]);
    assert_eq!(names(&listed(&server, "list stocks"), "stocks", "name"), ["web", "shop"]);
    let channels = listed(&server, "list channels");
    assert_eq!(channels["channels"][0]["stock"], "web");
    assert_eq!(listed(&server, "list marks"), json!({"marks": []}));
    let data = server.path("data");
    let backup = server.path("backup");
    Server::local(&["backup", "--data-dir", &data, "--to", &backup]);
    for place in [&data, &backup] {
        let snapshots = Server::local(&["list", "snapshots", place]);
        assert!(snapshots["snapshots"][0]["op"].as_u64() > Some(0), "{snapshots}");
        let segments = Server::local(&["list", "segments", place]);
        assert_eq!(segments["segments"][0]["first_position"], 1, "{segments}");
    }
    let refused = run(&["list", "snapshots", &data, "--server", "127.0.0.1:1"]);
    assert_eq!(code(&refused), 2);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("listed from the place that is named"));
}
