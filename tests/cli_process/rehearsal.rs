//! The rehearsal of docs/operations.md: a sale, a bad import, more orders; then the import is undone, and the orders after it
//! are put back.

use super::harness::{Server, code, run};
use serde_json::{Value, json};
use stockhold_client::Cart;
use stockhold_client::blocking::Client;
use stockhold_protocol::ReservationId;

/// SKUs of the shop.
const SKUS: usize = 600;
/// SKUs that the bad import sets to 0.
const SPOILED: usize = 500;
/// Units of each SKU.
const UNITS: usize = 100;
/// Orders before the import, and after it.
const ORDERS: usize = 40;

fn json_of(arguments: &[&str]) -> (i32, Value) {
    let output = run(arguments);
    let bytes = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
    (code(&output), serde_json::from_slice(bytes).expect("a JSON document"))
}

fn import(server: &Server, skus: usize, units: usize) -> Value {
    let rows: Vec<String> = (0..skus).map(|sku| format!("east,S{sku},1,{units}")).collect();
    let path = server.path("rows.csv");
    std::fs::write(&path, format!("source_code,sku,status,quantity\n{}\n", rows.join("\n"))).unwrap();
    server.ok(&["import", &path])
}

/// A server with one stock and one source.
fn open(skus: usize, units: usize) -> Server {
    let server = Server::start();
    server.ok(&["define", "source", "east", "--name", "East", "--country", "US", "--postcode", "1"]);
    server.ok(&["define", "stock", "web"]);
    server.ok(&["link", "--stock", "web", "--source", "east"]);
    import(&server, skus, units);
    server
}

fn shop(server: &Server) -> Client {
    Client::connect_by(stockhold_client::Client::builder().name("shop"), server.address()).unwrap()
}

fn order(client: &Client, sku: usize, units: u32) -> ReservationId {
    let sku = format!("S{sku}");
    let cart = Cart::from_stock("web").line(&sku, units);
    client.reserve(&cart).unwrap().into_result().unwrap().reservation
}

/// The open units of a reservation; 0 if it is unknown or closed.
fn open_units(server: &Server, id: ReservationId) -> u64 {
    let called = server.call(&["show", "reservation", &id.to_string()]);
    let lines = called.document["lines"].as_array().cloned().unwrap_or_default();
    lines.iter().map(|line| line["open"].as_str().unwrap().parse::<u64>().unwrap()).sum()
}

fn salable(server: &Server, sku: usize) -> String {
    let document = server.ok(&["salable", &format!("S{sku}"), "--stock", "web"]);
    document["salable"][0]["salable"].as_str().unwrap().to_owned()
}

#[test]
fn a_bad_import_is_undone_and_the_orders_after_it_are_put_back() {
    // Proves the whole rehearsal: restored to the automatic mark, the digest of the dry run is the one of the restore; a dry run of the
    // replay says what the replay does; every order exists once, with its id; the import does not; a second replay does nothing.
    let server = open(SKUS, UNITS);
    let client = shop(&server);
    let before: Vec<_> = (0..ORDERS).map(|sku| order(&client, sku, 2)).collect();
    let imported = import(&server, SPOILED, 0);
    let mark = imported["mark"].as_str().unwrap().to_owned();
    let after: Vec<_> = (0..ORDERS).map(|at| order(&client, SPOILED + at, 3)).collect();
    client.release(before[0]).unwrap().into_result().unwrap();
    client.release(after[0]).unwrap().into_result().unwrap();
    assert_eq!((salable(&server, 1).as_str(), salable(&server, SPOILED + 1).as_str()), ("-2", "97"));
    drop(client);

    let (from, to) = (server.path("data"), server.path("restored"));
    let target = ["restore", "--from", &from, "--to-mark", &mark, "--json"];
    let (status, dry) = json_of(&[&target[..], &["--dry-run"]].concat());
    assert_eq!((status, &dry["bulk_changes"][0]["kinds"]["count"]), (0, &json!(SPOILED)), "{dry}");
    let (status, restored) = json_of(&[&target[..], &["--to-dir", &to]].concat());
    assert_eq!((status, &restored["digest"]), (0, &dry["digest"]), "{restored}");
    let file = restored["undone"]["file"].as_str().unwrap().to_owned();
    assert_eq!(restored["undone"]["ended_by"], Value::Null);
    let undone = std::fs::read_to_string(&file).unwrap();
    assert!(
        undone.contains(r#""sku":"S500""#) && !undone.contains(r#""kind":"tick""#),
        "names, and no ticks"
    );

    // The import had the name of the command line, the orders that of the shop.
    let chosen = ["replay", &file, "--not", "kind=count", "--not", "kind=mark", "--json"];
    let (status, planned) = json_of(&[&chosen[..], &["--dry-run", "--data-dir", &to]].concat());
    let orders = u64::try_from(ORDERS + 2).unwrap();
    assert_eq!(
        (status, &planned["as_before"], &planned["different"]),
        (0, &json!(orders), &json!(0)),
        "{planned}"
    );
    assert_eq!(planned["left_out"], json!(SPOILED), "{planned}");
    let server = server.serve_instead("restored");
    assert_eq!(salable(&server, SPOILED + 1), "100", "the dry run changed nothing");
    let file = server.path("data/undone.jsonl");
    let chosen = ["replay", &file, "--not", "kind=count", "--not", "kind=mark"];
    let replayed = server.ok(&chosen);
    assert_eq!((&replayed["as_before"], &replayed["already"]), (&json!(orders), &json!(0)), "{replayed}");
    let again = server.ok(&chosen);
    assert_eq!((&again["as_before"], &again["already"]), (&json!(0), &json!(orders)), "{again}");

    for (at, id) in (0..).zip(before.iter().skip(1)) {
        assert_eq!(open_units(&server, *id), 2, "order {at} before the import");
    }
    for (at, id) in (0..).zip(after.iter().skip(1)) {
        assert_eq!(open_units(&server, *id), 3, "order {at} after the import");
    }
    assert_eq!((open_units(&server, before[0]), open_units(&server, after[0])), (0, 0));
    let expected = |sku: usize| match sku {
        1..ORDERS => "98",
        sku if sku > SPOILED && sku < SPOILED + ORDERS => "97",
        _ => "100",
    };
    for sku in [0, 1, ORDERS - 1, ORDERS, SPOILED - 1, SPOILED, SPOILED + 1, SPOILED + ORDERS - 1, SKUS - 1] {
        assert_eq!(salable(&server, sku), expected(sku), "S{sku}");
    }
    assert_eq!(server.ok(&["validate"])["violations"], json!([]));
    let shown = server.ok(&["show", "reservation", &after[1].to_string()]);
    assert_eq!(shown["actor"], "shop", "{shown}");
}

#[test]
fn a_replay_says_what_is_decided_differently_and_what_is_impossible() {
    // Proves the lists: units that another order has taken since, and a SKU whose definition was not chosen; and the refusals of a
    // wrong epoch, a wrong line, and flags that contradict each other.
    let server = open(1, 10);
    server.ok(&["mark", "set", "here"]);
    server.ok(&["define", "sku", "NEW"]);
    server.ok(&["count", "--source", "east", "--sku", "NEW", "--quantity", "5"]);
    let order = server.ok(&["reserve", "--stock", "web", "--line", "S0=8"]);
    let (from, to) = (server.path("data"), server.path("restored"));
    let (status, restored) =
        json_of(&["restore", "--from", &from, "--to-mark", "here", "--to-dir", &to, "--json"]);
    assert_eq!((status, &restored["undone"]["commands"]), (0, &json!(3)), "{restored}");
    let data = server.path("data");
    let undone = format!("{to}/undone.jsonl");
    let known = server.ok(&["replay", &undone]);
    assert_eq!(known["already"], 3, "a server that was not restored has done it all: {known}");
    let other = open(1, 10);
    let foreign = other.call(&["replay", &undone, "--only", "kind=reserve"]);
    assert_eq!(foreign.code, 2, "{}", foreign.stderr);
    assert!(foreign.stderr.contains("began epoch 2, but the log is in epoch 1"), "{}", foreign.stderr);
    let server = server.serve_instead("restored");
    let file = format!("{data}/undone.jsonl");
    server.ok(&["reserve", "--stock", "web", "--line", "S0=8"]);
    let replayed = server.call(&["replay", &file, "--not", "kind=define_sku"]);
    assert_eq!(replayed.code, 1, "{}", replayed.document);
    let document = &replayed.document;
    assert_eq!(
        (&document["different"], &document["impossible"], &document["left_out"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(document["differences"][0]["id"], order["id"]);
    assert_eq!(
        (&document["differences"][0]["then"], &document["differences"][0]["now"]),
        (&json!("ok"), &json!("sold_out"))
    );
    assert_eq!(document["impossibilities"][0]["reason"], "there is no SKU \"NEW\"");
    std::fs::write(server.path("bad.jsonl"), "{\"epoch\":2}\n").unwrap();
    let named = Server::local(&["replay", &file, "--dry-run", "--data-dir", &data]);
    let found = server.ok(&["replay", &file, "--dry-run"]);
    assert_eq!(found, named, "the log of the server is found");
    for (arguments, status) in [
        (vec!["replay", &file, "--data-dir", &data], 2),
        (vec!["replay", &file, "--only", "colour=red"], 2),
        (vec!["replay", "no such file"], 2),
        (vec!["replay", &server.path("bad.jsonl")], 4),
    ] {
        let refused = server.call(&arguments);
        assert_eq!(refused.code, status, "{arguments:?}: {}", refused.stderr);
    }
}
