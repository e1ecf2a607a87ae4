//! Names through the command line: the longest SKUs, and what is left of old names.

use super::harness::{Server, run};
use super::server::{salable, small_shop, text};

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
    let refused = run(&["import", &catalog, "--dry-run"]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains(&format!("catalog.toml:5: sku[1].sku: {RULE}")), "{told}");
    assert_eq!(salable(&server, "A", "web"), "5", "the other row was imported");
}
