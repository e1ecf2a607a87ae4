//! `stockhold import --dry-run`: what an import would change on the server.

use super::harness::{Server, run, sample};
use serde_json::{Value, json};

fn open() -> Server {
    let server = Server::start();
    server.ok(&["define", "source", "A", "--name", "A", "--country", "US", "--postcode", "1"]);
    server.ok(&["define", "stock", "web"]);
    server.ok(&["link", "--stock", "web", "--source", "A"]);
    server
}

fn file(server: &Server, name: &str, text: &str) -> String {
    let path = server.path(name);
    std::fs::write(&path, text).expect("a file can be written");
    path
}

/// The counts of a file's rows: created, updated, unchanged, deleted, refused, and SKUs created.
fn counts(file: &Value) -> [u64; 6] {
    ["created", "updated", "unchanged", "deleted", "refused", "skus_created"]
        .map(|count| file[count].as_u64().unwrap_or_else(|| panic!("{count} in {file}")))
}

#[test]
fn a_dry_run_tells_what_an_import_would_do_and_changes_nothing() {
    // Proves that a dry run and the import after it come to the same counts and errors, with unknown sources and SKUs, repeated
    // pairs and rows that equal what the server has, and that the dry run gives old and new quantities.
    let server = open();
    server.ok(&["define", "sku", "set", "--kind", "composite"]);
    let before =
        file(&server, "before.csv", "source_code,sku,status,quantity\nA,M1,1,5\nA,M2,1,2\nA,M3,1,3\n");
    server.ok(&["import", &before]);
    let marks = server.ok(&["mark", "list"]);
    let rows = file(
        &server,
        "rows.csv",
        "source_code,sku,status,quantity\nA,M1,1,7\nA,M2,1,2\nB,M1,1,1\nA,N1,1,4\nA,N1,1,6\nA,M3,0,3\nA,M2,2,1\nA,set,1,1\n",
    );
    let dry = server.call(&["import", &rows, "--dry-run"]);
    let report = &dry.document["files"][0];
    assert_eq!((dry.code, counts(report), &report["rows"]), (4, [1, 3, 1, 0, 3, 1], &json!(8)), "{report}");
    let item = |quantity: &str, in_stock: bool| json!({"quantity": quantity, "in_stock": in_stock});
    let changes = report["changes"].as_array().expect("a list");
    let told: Vec<Value> =
        changes.iter().map(|one| json!([one["line"], one["change"], one["old"], one["new"]])).collect();
    let expected = [
        json!([2, "updated", item("5", true), item("7", true)]),
        json!([5, "created", null, item("4", true)]),
        json!([6, "updated", item("4", true), item("6", true)]),
        json!([7, "updated", item("3", true), item("3", false)]),
    ];
    assert_eq!((told, &report["changes_total"]), (expected.to_vec(), &json!(4)));
    assert_eq!(server.ok(&["mark", "list"]), marks);
    assert_eq!(server.ok(&["show", "sku", "M1"])["items"][0]["on_hand"], "5");
    let text =
        String::from_utf8(run(&["import", &rows, "--dry-run", "--server", server.address()]).stdout).unwrap();
    for part in [
        "line 2: M1 in A: updated: 5 → 7\n",
        "line 5: N1 in A, a new SKU: created: 4\n",
        "line 7: M3 in A: updated: 3 → 3 (out of stock)\n",
        "dry run, nothing was changed: 8 rows: 1 source items created, 3 updated, 1 unchanged, 0 deleted, 3 refused; 1 SKUs",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let real = server.call(&["import", &rows]);
    let done = &real.document["files"][0];
    assert_eq!((real.code, counts(done)), (4, counts(report)), "{done}");
    assert_eq!(done["errors"], report["errors"]);
    let again = server.call(&["import", &rows]);
    // The rows of N1 contradict each other, so they change it each time.
    assert_eq!(counts(&again.document["files"][0]), [0, 2, 3, 0, 3, 0], "{}", again.document);
}

#[test]
fn a_dry_run_of_several_files_knows_what_the_earlier_ones_would_define() {
    // Proves that rows of a source and of SKUs that a catalog before them would define are no errors, that a catalog's changes
    // have their old and new values, and that both files are unchanged after they were imported.
    let server = open();
    let catalog = file(
        &server,
        "catalog.toml",
        "[[source]]\ncode = \"A\"\nname = \"Alpha\"\ncountry = \"US\"\npostcode = \"1\"\n\n[[source]]\ncode = \"B\"\nname = \"B\"\n\
         country = \"US\"\npostcode = \"2\"\n\n[[stock]]\nname = \"web\"\nsources = [\"B\", \"A\"]\nchannels = [\"website/us\"]\n\n\
         [[sku]]\nsku = \"M1\"\ndecimals = true\nsettings.min_qty = 2\nstocks.web.quota = 9\nstocks.moon.quota = 1\n",
    );
    let rows = file(&server, "rows.csv", "source_code,sku,status,quantity\nB,M1,1,7\nA,M1,1,1\n");
    let called = server.call(&["import", &catalog, &rows, "--dry-run", "--create-skus", "no"]);
    let files = &called.document["files"];
    assert_eq!((called.code, counts(&files[1])), (4, [2, 0, 0, 0, 0, 0]), "{files}");
    let kind = |created: u64, updated: u64, unchanged: u64, refused: u64| json!({"created": created, "updated": updated, "unchanged": unchanged, "refused": refused});
    assert_eq!(files[0]["sources"], kind(1, 1, 0, 0), "{files}");
    assert_eq!(files[0]["stocks"], kind(0, 0, 1, 0));
    assert_eq!(files[0]["links"], kind(1, 1, 0, 0));
    assert_eq!(files[0]["channels"], kind(1, 0, 0, 0));
    assert_eq!(files[0]["skus"], kind(1, 0, 0, 0));
    let first = &files[0]["changes"][0];
    assert_eq!(first["fields"], json!([{"field": "name", "old": "A", "new": "Alpha"}]), "{first}");
    assert_eq!((&first["line"], &first["thing"]), (&json!(1), &json!("source A")));
    assert_eq!(files[0]["errors"][0]["message"], "stock \"moon\" is neither in the file nor on the server");
    assert_eq!(server.ok(&["show", "sources"])["sources"].as_array().expect("a list").len(), 1);
    assert_eq!(server.call(&["import", &catalog, &rows]).code, 4);
    let called = server.call(&["import", &catalog, &rows, "--dry-run"]);
    let files = &called.document["files"];
    assert_eq!((&files[0]["changes"], &files[1]["changes"]), (&json!([]), &json!([])), "{files}");
}

#[test]
fn an_exported_catalog_would_change_nothing() {
    // Proves that every kind of entry is compared with what it was exported from.
    let server = Server::start();
    let catalog = sample("catalog.toml").display().to_string();
    let stock = sample("stock.csv").display().to_string();
    server.ok(&["import", &catalog, &stock]);
    let exported = ["all.toml", "all.json", "all.csv"].map(|name| server.path(name));
    for path in &exported {
        server.ok(&["export", path]);
        let dry = server.ok(&["import", path, "--dry-run"]);
        assert_eq!(dry["files"][0]["changes_total"], 0, "{path}: {}", dry["files"][0]["changes"]);
        assert_eq!(dry["files"][0]["errors_total"], 0);
    }
}

#[test]
fn a_dry_run_without_a_server_says_so_unless_it_was_asked_for() {
    // Proves the exit code and the advice, and that --offline reads the file, says what it did not do, and needs --dry-run.
    let directory = tempfile::tempdir().unwrap();
    let rows = directory.path().join("rows.csv").display().to_string();
    std::fs::write(&rows, "source_code,sku,status,quantity\nA,M1,1,7\nA,M1,5,1\n").unwrap();
    let nowhere = ["--server", "127.0.0.1:1", "--timeout", "50ms"];
    let dry = run(&[&["import", &rows, "--dry-run"], &nowhere[..]].concat());
    let complaint = String::from_utf8(dry.stderr).unwrap();
    assert_eq!(dry.status.code(), Some(3), "{complaint}");
    assert!(complaint.contains("--offline only checks the files"), "{complaint}");
    let offline = run(&[&["import", &rows, "--dry-run", "--offline"], &nowhere[..]].concat());
    let told = String::from_utf8(offline.stdout).unwrap();
    assert_eq!(offline.status.code(), Some(4), "{told}");
    assert!(told.contains("2 rows: 1 can be read, 1 are refused; only the file was checked"), "{told}");
    assert_eq!(run(&["import", &rows, "--offline"]).status.code(), Some(2));
}

#[test]
fn a_source_that_exists_needs_only_its_code() {
    // Proves that what a catalog omits of a source stays as it is, and that a new source without what it needs is refused, dry
    // or not, while the rest is imported.
    let server = Server::start();
    server.ok(&[
        "define",
        "source",
        "A",
        "--name",
        "A",
        "--country",
        "US",
        "--postcode",
        "1",
        "--city",
        "Rome",
        "--disabled",
    ]);
    let before = server.ok(&["show", "source", "A"]);
    let catalog = file(
        &server,
        "catalog.toml",
        "[[source]]\ncode = \"A\"\nstreet = \"Main\"\n\n[[source]]\ncode = \"B\"\nname = \"B\"\n\n[[stock]]\nname = \"web\"\nsources = [\"A\"]\n",
    );
    let message =
        "source \"B\" is not on the server yet, and to create it these are missing: country, postcode";
    for flags in [&["--dry-run"][..], &[]] {
        let called = server.call(&[&["import", &catalog], flags].concat());
        let errors = &called.document["files"][0]["errors"];
        assert_eq!(called.code, 4, "{errors}");
        assert_eq!(*errors, json!([{"line": 5, "field": "source[1]", "message": message}]));
    }
    let mut expected = before;
    expected["street"] = json!("Main");
    assert_eq!(server.ok(&["show", "source", "A"]), expected);
}

#[test]
fn a_long_file_comes_back_byte_by_byte_whatever_the_order_of_its_rows() {
    // Proves that an export has the bytes of the file that was imported, and that rows which are scattered over the catalog are
    // compared as well as those in its order. `scripts/imports.sh` does this with a million rows, for which all source items are
    // read at once.
    const ROWS: usize = 20_000;
    const STRIDE: usize = 17;
    let server = open();
    let row = |number: usize, add: usize| format!("A,SKU-{number:06},1,{}.0000\n", number % 1_000 + add);
    let text = |rows: &mut dyn Iterator<Item = String>| {
        format!("source_code,sku,status,quantity\n{}", rows.collect::<Vec<_>>().concat())
    };
    let rows = text(&mut (0..ROWS).map(|number| row(number, 0)));
    let path = file(&server, "rows.csv", &rows);
    server.ok(&["import", &path]);
    let exported = server.path("exported.csv");
    server.ok(&["export", &exported]);
    assert!(std::fs::read_to_string(&exported).unwrap() == rows, "the export differs from the import");
    let scattered = (0..STRIDE).flat_map(|first| (first..ROWS).step_by(STRIDE));
    let path = file(&server, "scattered.csv", &text(&mut scattered.map(|number| row(number, number % 2))));
    let expected = [0, 10_000, 10_000, 0, 0, 0];
    assert_eq!(counts(&server.ok(&["import", &path, "--dry-run"])["files"][0]), expected);
    assert_eq!(counts(&server.ok(&["import", &path])["files"][0]), expected);
    assert_eq!(counts(&server.ok(&["import", &path])["files"][0]), [0, 0, 20_000, 0, 0, 0]);
}
