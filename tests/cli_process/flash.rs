//! Flash sales: opening and closing times, and `freeze`.

use super::harness::{Called, Server};
use serde_json::Value;

fn shop() -> Server {
    let server = Server::start();
    for line in [
        "define source east --name East --country US --postcode 1",
        "define stock web",
        "define sku A",
        "define sku B",
        "link --stock web --source east",
        "channel website/us --stock web",
        "count --source east --sku A --quantity 5",
        "count --source east --sku B --quantity 3",
    ] {
        ok(&server, line);
    }
    server
}

fn ok(server: &Server, line: &str) -> Value {
    server.ok(&line.split(' ').collect::<Vec<_>>())
}

/// The document of a call that is refused.
fn refused(server: &Server, line: &str) -> Value {
    let called: Called = server.call(&line.split(' ').collect::<Vec<_>>());
    assert_eq!(called.code, 1, "{line}");
    called.document
}

fn listed(server: &Server, line: &str) -> Vec<String> {
    let skus = ok(server, line)["skus"].as_array().unwrap().clone();
    skus.iter().map(|sku| sku["sku"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_sale_opens_and_closes() {
    // Proves that times are set, shown, listed, explained, exported and removed, and what a refusal names.
    let server = shop();
    let times = "--opens-at 2099-11-27T08:00:00Z --closes-at 2099-11-27T12:00:00+02:00";
    ok(&server, &format!("settings --sku A --stock web {times}"));
    let answer = refused(&server, "reserve --stock web --line A=1");
    assert_eq!(answer["code"], "not_open");
    assert_eq!(answer["detail"]["opens_at"], "2099-11-27T08:00:00Z");
    assert_eq!(answer["detail"]["closes_at"], "2099-11-27T10:00:00Z");
    ok(&server, "reserve --stock web --line B=1");
    let shown = ok(&server, "show sku A");
    assert_eq!(shown["positions"][0]["settings"]["opens_at"], "2099-11-27T08:00:00Z");
    assert_eq!(shown["positions"][0]["salable"], "5");
    assert_eq!(listed(&server, "list skus --not-open"), ["A"]);
    let why = ok(&server, "explain A")["stocks"][0]["why"].to_string();
    assert!(why.contains("the sale opens at 2099-11-27T08:00:00Z"), "{why}");
    let file = server.path("catalog.json");
    ok(&server, &format!("export {file}"));
    let catalog = std::fs::read_to_string(&file).unwrap();
    assert!(catalog.contains("2099-11-27T10:00:00Z"), "{catalog}");
    let other = shop();
    ok(&other, &format!("import {file}"));
    assert_eq!(refused(&other, "reserve --stock web --line A=1")["code"], "not_open");
    ok(&server, "settings --sku A --stock web --opens-at none --closes-at none");
    ok(&server, "reserve --stock web --line A=1");
    ok(&server, "settings --sku A --closes-at 2020-01-01T00:00:00Z");
    ok(&server, "settings --sku A --stock web --unset closes_at --unset opens_at");
    assert_eq!(refused(&server, "reserve --stock web --line A=1")["code"], "not_open");
}

#[test]
fn what_is_frozen_is_shown_and_can_be_lifted() {
    // Proves a freeze of a SKU, of a stock and of a channel, how each is told, and that it survives a crash.
    let server = shop();
    ok(&server, "freeze --sku A");
    assert_eq!(refused(&server, "reserve --stock web --line A=1")["code"], "frozen");
    assert_eq!(listed(&server, "list skus --frozen"), ["A"]);
    ok(&server, "freeze --sku A --lift");
    ok(&server, "freeze --channel website/us");
    assert_eq!(refused(&server, "reserve --channel website/us --line A=1")["code"], "frozen");
    ok(&server, "reserve --stock web --line A=1");
    ok(&server, "freeze --stock web");
    let server = server.crash_and_restart();
    let answer = refused(&server, "reserve --stock web --line A=1");
    assert_eq!((&answer["code"], &answer["detail"]["field"]), (&"frozen".into(), &"target".into()));
    assert_eq!(listed(&server, "list skus --frozen"), ["A", "B"]);
    let stock = ok(&server, "show stocks")["stocks"][0].clone();
    assert_eq!((&stock["frozen"], &stock["frozen_channels"][0]), (&true.into(), &"website/us".into()));
    let why = ok(&server, "explain A")["stocks"][0]["why"].to_string();
    assert!(why.contains("web is frozen"), "{why}");
    ok(&server, "freeze --stock web --lift");
    ok(&server, "freeze --channel website/us --lift");
    ok(&server, "reserve --channel website/us --line A=1");
}
