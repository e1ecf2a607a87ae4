//! `stockhold explain`: the figures behind what a stock can promise, now and at a moment of the past.

use super::harness::{Server, code, run};
use serde_json::{Value, json};

/// A web shop that sells from two warehouses, one of which a point of sale uses too.
fn shop() -> Server {
    let server = Server::start();
    for source in ["east", "west"] {
        server.ok(&["define", "source", source, "--name", source, "--country", "US", "--postcode", "1"]);
    }
    server.ok(&["define", "stock", "web"]);
    server.ok(&["define", "stock", "pos"]);
    server.ok(&["define", "sku", "BIKE"]);
    server.ok(&["link", "--stock", "web", "--source", "east"]);
    server.ok(&["link", "--stock", "web", "--source", "west"]);
    server.ok(&["link", "--stock", "pos", "--source", "west"]);
    server.ok(&["count", "--source", "east", "--sku", "BIKE", "--quantity", "2"]);
    server.ok(&["count", "--source", "west", "--sku", "BIKE", "--quantity", "10"]);
    server
}

fn op(document: &Value) -> u64 {
    document["op"].as_u64().expect("an op")
}

/// What the program says of the past, in JSON.
fn past(server: &Server, arguments: &[&str]) -> (i32, Value) {
    let data = server.path("data");
    let output = run(&[arguments, &["--data-dir", &data, "--json"]].concat());
    let bytes = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
    (code(&output), serde_json::from_slice(bytes).unwrap_or_else(|_| panic!("{output:?}")))
}

#[test]
fn an_explanation_says_what_salable_says_and_why() {
    // Proves the figures, the words, the reservations with their cursor, and that the result is that of `salable`.
    let server = shop();
    let first = server.ok(&["reserve", "--stock", "web", "--line", "BIKE=3", "--owner", "7"]);
    let second = server.ok(&["reserve", "--stock", "web", "--line", "BIKE=1", "--ttl", "10m"]);
    server.ok(&["reserve", "--stock", "pos", "--line", "BIKE=6"]);
    server.ok(&["settings", "--sku", "BIKE", "--stock", "web", "--min-qty", "1"]);
    let explained = server.ok(&["explain", "BIKE", "--stock", "web"]);
    let web = &explained["stocks"][0];
    let salable = server.ok(&["salable", "BIKE", "--stock", "web"]);
    assert_eq!(web["salable"], salable["salable"][0]["salable"], "{web}");
    assert_eq!((&web["goods"], &web["promised"], &web["left"]), (&json!("12"), &json!("10"), &json!("2")));
    assert_eq!((&web["kept_back"], &web["salable"]), (&json!("1"), &json!("1")));
    assert_eq!(
        web["why"],
        json!([
            "web shares east, west with pos: together they can promise the goods of these sources once",
            "goods 12 - promised 10 = 2 left to web",
            "threshold: 1 are kept back from sale (min_qty)",
            "salable: 1",
        ])
    );
    let page = &web["reservations"];
    assert_eq!(
        (&page["matched"], &page["promised"], &page["cursor"]),
        (&json!(2), &json!("4"), &json!(null))
    );
    let ids: Vec<&Value> = page["reservations"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, [&first["id"], &second["id"]], "the oldest first");
    let one = server.ok(&["explain", "BIKE", "--stock", "web", "--limit", "1"]);
    let cursor = one["stocks"][0]["reservations"]["cursor"].as_u64().expect("more follow");
    assert_eq!(cursor, op(&first));
    let rest = server.ok(&["explain", "BIKE", "--stock", "web", "--cursor", &cursor.to_string()]);
    assert_eq!(rest["stocks"][0]["reservations"]["reservations"][0]["id"], second["id"]);
    let both = server.ok(&["explain", "BIKE", "--limit", "0"]);
    assert_eq!(both["stocks_total"], 2);
    assert_eq!(both["stocks"][0]["reservations"], json!(null));
    assert_eq!(server.call(&["explain", "CAR"]).code, 2);
}

#[test]
fn the_past_is_explained_as_it_was_explained_then() {
    // Proves that a replay beside the running server gives the same document, byte for byte, for each moment, that a moment
    // outside the log is refused with its range, and that no server is asked.
    let server = shop();
    let mut then = Vec::new();
    for units in ["BIKE=3", "BIKE=4", "BIKE=2"] {
        let made = server.ok(&["reserve", "--stock", "web", "--line", units]);
        let explained = server.ok(&["explain", "BIKE"]);
        assert_eq!(op(&explained["stocks"][0]), op(&made), "nothing happened in between");
        then.push((op(&made), explained));
    }
    server.ok(&["count", "--source", "west", "--sku", "BIKE", "--quantity", "0"]);
    for (op, explained) in &then {
        let (status, again) = past(&server, &["explain", "BIKE", "--at", &op.to_string()]);
        assert_eq!((status, &again), (0, explained));
    }
    let (status, now) = past(&server, &["explain", "BIKE"]);
    assert_eq!(
        (status, &now["stocks"][0]["salable"]),
        (0, &server.ok(&["explain", "BIKE"])["stocks"][0]["salable"])
    );
    let (status, refused) = past(&server, &["explain", "BIKE", "--at", "999999"]);
    assert_eq!(status, 2, "{refused}");
    assert!(refused["error"].as_str().unwrap().contains("the last op is"), "{refused}");
    let (status, refused) = past(&server, &["explain", "BIKE", "--at", "9", "--server", "localhost:1"]);
    assert_eq!(status, 2, "{refused}");
    let nowhere =
        run(&["explain", "BIKE", "--at", "9", "--server", "localhost:1", "--timeout", "100ms", "--json"]);
    assert_eq!(code(&nowhere), 3, "the server is asked where its log is: {nowhere:?}");
}

#[test]
fn a_replay_that_needs_too_much_memory_ends_alone() {
    // Proves that the bound on memory holds, and that the program says what to do.
    let server = shop();
    let data = server.path("data");
    let output = run(&["explain", "BIKE", "--at", "9", "--memory-mib", "16", "--data-dir", &data]);
    assert_eq!(code(&output), 2, "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("allow more than 16 MiB"), "{output:?}");
    let dry = ["restore", "--from", &data, "--to-op", "9", "--dry-run", "--memory-mib", "16"];
    let output = run(&dry);
    assert_eq!(code(&output), 2, "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("allow more than 16 MiB"), "{output:?}");
    let written = ["restore", "--from", &data, "--to-dir", &server.path("new"), "--memory-mib", "16"];
    assert!(String::from_utf8_lossy(&run(&written).stderr).contains("add --dry-run"));
    server.ok(&["explain", "BIKE"]);
}

#[test]
fn a_decision_is_told_with_the_figures_just_before_it() {
    // Proves it for a grant in part, for a whole one and for a command on a reservation: the explanation is the one of the op before,
    // and the outcome is the one that the client got. An id that the log does not have is said to be missing.
    let server = shop();
    let held = server.ok(&["reserve", "--stock", "web", "--line", "BIKE=9", "--ttl", "10m"]);
    let before = server.ok(&["explain", "BIKE", "--stock", "web"]);
    let partial =
        server.call(&["reserve", "--stock", "web", "--line", "BIKE=4", "--best-effort", "--line", "BIKE=4"]);
    let confirmed = server.ok(&["confirm", held["id"].as_str().unwrap()]);
    let counted = server.ok(&["count", "--source", "west", "--sku", "BIKE", "--quantity", "0"]);

    let (status, why) = past(&server, &["why", partial.document["id"].as_str().unwrap()]);
    assert_eq!(
        (status, &why["op"], &why["command"]),
        (0, &partial.document["op"], &json!("reserve")),
        "{why}"
    );
    assert_eq!(why["explained"], json!([before]));
    assert_eq!(why["outcome"], partial.document);
    let line = json!({"sku": "BIKE", "quantity": "4"});
    assert_eq!(why["body"]["lines"], json!([line, line]), "the lines as they were sent");

    let (status, why) = past(&server, &["why", held["id"].as_str().unwrap()]);
    assert_eq!((status, &why["outcome"]), (0, &held));
    assert_eq!(why["explained"][0]["stocks"][0]["salable"], "12");

    let (status, why) = past(&server, &["why", confirmed["id"].as_str().unwrap()]);
    assert_eq!((status, &why["outcome"]["code"]), (0, &json!("ok")));
    assert_eq!(why["explained"][0]["stocks"][0]["promised_by"][0]["held"], "9");

    let (_, why) = past(&server, &["why", counted["id"].as_str().unwrap()]);
    assert_eq!(why["explained"][0]["stocks_total"], 2, "a count matters for all stocks of the SKU");

    let (status, missing) = past(&server, &["why", "019a0b3c-4d5e-7f60-8123-456789abcdef"]);
    assert_eq!((status, &missing["found"]), (1, &json!(false)));
    let text = run(&["why", held["id"].as_str().unwrap(), "--data-dir", &server.path("data")]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("BIKE in web: 12 salable"), "{text}");
}

/// What the program prints for people.
fn printed(server: &Server, arguments: &[&str]) -> String {
    let output = run(&[arguments, &["--server", server.address()]].concat());
    assert_eq!(code(&output), 0, "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_page_for_operators_calculates_what_explain_says() {
    // Proves that the commands of docs/operations.md, "Why is this out of stock?", print what the page says they print, and
    // that the figures of its calculation by hand are those of the program.
    let page = include_str!("../../docs/operations.md");
    let section = page.split("## Why is this out of stock?\n").nth(1).expect("the page has the section");
    let section = section.split("\n## ").next().expect("the section ends");
    let server = Server::start();
    server.import_sample();
    let reserves = section.lines().filter_map(|line| line.strip_prefix("$ stockhold reserve "));
    let made = reserves.inspect(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        server.ok(&[&["reserve"], &words[..]].concat());
    });
    assert_eq!(made.count(), 4);
    let web = printed(&server, &["explain", "BIKE-0002", "--stock", "web-eu", "--limit", "0"]);
    let (_, told) = web.split_once("\n\n").expect("a first line with the op and the time");
    assert!(section.contains(told.trim_end()), "the page does not have:\n{told}");
    let market = printed(&server, &["explain", "BIKE-0002", "--stock", "marketplace", "--limit", "0"]);
    let (_, told) = market.rsplit_once("\n\n").expect("a last paragraph");
    assert!(section.contains(told.trim_end()), "the page does not have:\n{told}");

    let (goods, promised, kept_back) = (40 + 40 + 5 + 5 + 5, 35 + 20 + 2 + 35, 3);
    let salable = |stock: &str| server.ok(&["salable", "BIKE-0002", "--stock", stock])["salable"][0].clone();
    assert_eq!(salable("web-eu")["salable"], (goods - promised - kept_back).to_string());
    assert_eq!(salable("marketplace")["salable"], (goods - promised).min(40 - 35).to_string());
}
