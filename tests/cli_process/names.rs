//! Names through the command line: the longest SKUs, and what is left of old names.

use super::harness::{Server, run};
use super::server::{salable, small_shop, text};
use serde_json::{Value, json};
use std::path::Path;
use stockhold::storage::layout::FORMAT_VERSION;
use stockhold_machine::RULES_VERSION;

/// A SKU of 64 characters with four bytes each.
fn long_sku() -> String {
    "𠮷😀".repeat(32)
}

#[test]
fn a_sku_of_64_long_characters_goes_everywhere() {
    // Proves that the longest SKU is defined, sold, listed, exported, imported, renamed and kept over a snapshot and a crash.
    let server = small_shop();
    let sku = long_sku();
    assert_eq!((sku.chars().count(), sku.len()), (64, 256));
    server.ok(&["define", "sku", &sku]);
    server.ok(&["count", "--source", "east", "--sku", &sku, "--quantity", "10"]);
    server.ok(&["reserve", "--stock", "web", "--line", &format!("{sku}=3")]);
    server.ok(&["snapshot"]);
    let reserved = server.ok(&["reserve", "--stock", "web", "--line", &format!("{sku}=2")]);
    let server = server.crash_and_restart();
    assert_eq!(salable(&server, &sku, "web"), "5");
    assert_eq!(text(&server.ok(&["show", "sku", &sku]), "sku"), sku);
    let shown = server.ok(&["show", "reservation", text(&reserved, "id")]);
    assert_eq!(text(&shown["lines"][0], "sku"), sku);

    let (rows, catalog) = (server.path("stock.csv"), server.path("catalog.json"));
    server.ok(&["export", &rows]);
    server.ok(&["export", &catalog]);
    let other = Server::start();
    let imported = other.ok(&["import", &catalog, &rows, "--create-skus", "no"]);
    assert_eq!(imported["files"][1]["created"], 2, "{imported}");
    assert_eq!(salable(&other, &sku, "web"), "10");

    let renamed = sku.replace('𠮷', "é");
    other.ok(&["rename", "sku", &sku, &renamed]);
    other.ok(&["snapshot"]);
    let other = other.crash_and_restart();
    for name in [&sku, &renamed] {
        assert_eq!(salable(&other, name, "web"), "10");
    }
    assert_eq!(text(&other.ok(&["show", "sku", &sku]), "sku"), renamed);
    assert_eq!(other.ok(&["validate"])["sound"], true);
}

#[test]
fn a_sku_of_65_characters_is_refused_by_its_limit() {
    // Proves that the refusal names the limit wherever a SKU is given, and with its line in both kinds of files.
    const RULE: &str = "must be at most 64 characters";
    let server = small_shop();
    let sku = "x".repeat(65);
    for command in [&["define", "sku", &sku][..], &["rename", "sku", "A", &sku]] {
        let refused = server.call(command);
        assert_eq!(refused.code, 2, "{command:?}");
        assert!(refused.stderr.contains(RULE), "{}", refused.stderr);
    }
    let (rows, catalog) = (server.path("rows.csv"), server.path("catalog.toml"));
    std::fs::write(&rows, format!("source_code,sku,status,quantity\neast,A,1,5\neast,{sku},1,5\n")).unwrap();
    let refused = server.call(&["import", &rows]);
    let error = &refused.document["files"][0]["errors"][0];
    assert_eq!((refused.code, error["line"].as_u64()), (4, Some(3)));
    assert!(text(error, "message").contains(RULE), "{error}");
    std::fs::write(&catalog, format!("[[sku]]\nsku = \"A\"\n\n[[sku]]\nsku = \"{sku}\"\n")).unwrap();
    let refused = run(&["import", &catalog, "--dry-run", "--offline"]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains(&format!("catalog.toml:5: sku[1].sku: {RULE}")), "{told}");
    assert_eq!(salable(&server, "A", "web"), "5", "the other row was imported");
}

/// The first file's warnings of names: line, field, old name, present name. A grace ends as it is said in the message.
fn warnings(imported: &Value) -> Vec<Value> {
    let file = &imported["files"][0];
    let warnings = file["warnings"].as_array().unwrap();
    assert_eq!(file["warnings_total"].as_u64(), u64::try_from(warnings.len()).ok());
    // The rows of these files repeat each other on purpose.
    let of_names = warnings.iter().filter(|warning| warning["kind"] != "repeated_row");
    for warning in of_names.clone() {
        let (message, until) = (text(warning, "message"), text(warning, "until"));
        assert!(message.contains(&format!(" it until {until}")), "{message}");
        assert_eq!(message.ends_with(" and is free now"), warning["in_grace"] == false, "{message}");
    }
    let told = |one: &Value| json!([one["line"], one["field"], one["old_name"], one["present_name"]]);
    of_names.map(told).collect()
}

#[test]
fn an_import_warns_of_names_that_things_had() {
    // Proves that both kinds of files are imported with a warning for each old name, once and with its line, whatever the kind of
    // the thing, and that no other name is warned of.
    let server = small_shop();
    server.ok(&["define", "sku", "B"]);
    let (rows, catalog) = (server.path("rows.csv"), server.path("catalog.toml"));
    let lines = "source_code,sku,status,quantity\nnewark,B,1,1\neast,A,1,20\neast,A,1,21\nnewark,A-1,1,22\n";
    std::fs::write(&rows, lines).unwrap();
    let toml = "[[source]]\ncode = \"east\"\nname = \"East\"\ncountry = \"US\"\npostcode = \"1\"\n\n[[stock]]\nname = \"web\"\n\
                sources = [\n  \"newark\",\n]\nchannels = [\"website/us\", \"website/eu\"]\n\n[[sku]]\nsku = \"B\"\n\n[[sku]]\n\
                sku = \"A\"\nstocks.shop.quota = \"7\"\n";
    std::fs::write(&catalog, toml).unwrap();
    for (kind, old, new) in [
        ("sku", "A", "A-1"),
        ("source", "east", "newark"),
        ("stock", "web", "shop"),
        ("channel", "website/us", "store/usa"),
    ] {
        server.ok(&["rename", kind, old, new]);
    }
    let imported = server.ok(&["import", &rows]);
    let nothing = Value::Null;
    assert_eq!(warnings(&imported), [json!([3, nothing, "east", "newark"]), json!([3, nothing, "A", "A-1"])]);
    assert_eq!(imported["files"][0]["errors_total"], 0);
    assert_eq!(salable(&server, "A-1", "shop"), "22");
    let imported = server.ok(&["import", &catalog]);
    let expected = [
        json!([2, "source[0].code", "east", "newark"]),
        json!([8, "stock[0].name", "web", "shop"]),
        json!([12, "stock[0].channels[0]", "website/us", "store/usa"]),
        json!([18, "sku[1].sku", "A", "A-1"]),
    ];
    assert_eq!(warnings(&imported), expected);
    assert_eq!(salable(&server, "A-1", "shop"), "7");
    let plain = run(&["--server", server.address(), "import", &rows]);
    let told = String::from_utf8_lossy(&plain.stdout).into_owned();
    assert!(
        told.contains("rows.csv: line 3: warning: SKU \"A\" is now called \"A-1\"; the old name means it")
    );
    let offline = Server::local(&["import", &rows, "--dry-run", "--offline"]);
    assert_eq!(warnings(&offline), [nothing; 0]);
    let dry = server.ok(&["import", &rows, "--dry-run"]);
    assert_eq!(warnings(&dry).len(), 2, "{dry}");
    server.ok(&["rename", "source", "newark", "east"]);
    let imported = server.ok(&["import", &rows]);
    assert_eq!(
        warnings(&imported)[0],
        json!([2, Value::Null, "newark", "east"]),
        "a name that is an old one now"
    );
}

#[test]
fn an_import_warns_of_old_names_whose_grace_has_ended() {
    // Proves on a directory of last year that the warning says so, that the definition makes another thing, and that there is no
    // warning after that.
    let versions = format!("tests/golden_directories/v{FORMAT_VERSION}-rules{RULES_VERSION}/stopped");
    let mut server = Server::start_on(&Path::new(env!("CARGO_MANIFEST_DIR")).join(versions));
    let catalog = server.path("catalog.json");
    std::fs::write(&catalog, "{\n\"stocks\": [\n{\"name\": \"shop\"}\n]}").unwrap();
    let imported = server.ok(&["import", &catalog]);
    let old_name = [json!([3, "stock[0].name", "shop", "store"])];
    assert_eq!(warnings(&imported), old_name);
    let warning = &imported["files"][0]["warnings"][0];
    assert_eq!(warning["in_grace"], true, "no time has passed for the server");
    assert!(text(warning, "until") > "2026", "it is shown as the wall clock will show it: {warning}");
    server.ok(&["clock", "accept"]);
    server = server.stop_and_restart().1;
    let imported = server.ok(&["import", &catalog]);
    assert_eq!(warnings(&imported), old_name);
    let warning = &imported["files"][0]["warnings"][0];
    assert_eq!((&warning["in_grace"], &text(warning, "until")[..5]), (&json!(false), "2025-"));
    let stocks = server.ok(&["show", "stocks"]);
    assert!(stocks.to_string().contains("\"shop\"") && stocks.to_string().contains("\"store\""), "{stocks}");
    assert_eq!(warnings(&server.ok(&["import", &catalog])), [Value::Null; 0]);
}
