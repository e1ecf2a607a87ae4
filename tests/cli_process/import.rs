//! `stockhold import` of files that other programs have written: no row is lost without a word.

use super::harness::{Called, Server};
use serde_json::json;

fn open() -> Server {
    let server = Server::start();
    server.ok(&["define", "source", "A", "--name", "A", "--country", "US", "--postcode", "1"]);
    server.ok(&["define", "stock", "web"]);
    server.ok(&["link", "--stock", "web", "--source", "A"]);
    server
}

fn import(server: &Server, bytes: &[u8], flags: &[&str]) -> Called {
    let path = server.path("rows.csv");
    std::fs::write(&path, bytes).expect("a file can be written");
    server.call(&[&["import", &path], flags].concat())
}

fn on_hand(server: &Server, sku: &str) -> String {
    server.ok(&["salable", sku, "--stock", "web"])["salable"][0]["salable"]
        .as_str()
        .expect("units")
        .to_owned()
}

#[test]
fn rows_are_found_whatever_ends_their_lines() {
    // Proves that new SKUs of each row are created and counted with CR, CRLF, LF and a mixture of them.
    for (number, ends) in [["\r"; 3], ["\r\n"; 3], ["\n"; 3], ["\r", "\n", "\r\n"]].into_iter().enumerate() {
        let server = open();
        let [first, second, third] = ends;
        let text =
            format!("source_code,sku,status,quantity{first}A,M1,1,1{second}A,M2,1,2{third}A,M3,1,3{first}");
        let called = import(&server, text.as_bytes(), &[]);
        let file = &called.document["files"][0];
        assert_eq!(called.code, 0, "{number}: {file}");
        assert_eq!(
            (&file["rows"], &file["created"], &file["skus_created"]),
            (&json!(3), &json!(3), &json!(3))
        );
        for (sku, units) in [("M1", "1"), ("M2", "2"), ("M3", "3")] {
            assert_eq!(on_hand(&server, sku), units, "{number}");
        }
    }
}

#[test]
fn a_file_in_which_one_row_hides_another_changes_nothing() {
    // Proves exit code 4, the line and the reason, with a dry run and without, and that no mark is set.
    let server = open();
    let header = "source_code,sku,status,quantity,name";
    let files: [(Vec<u8>, &str); 7] = [
        (
            format!("{header}\nA,M1,1,1,\"Monitor 24\"\"\nA,M2,1,2,x\nA,M3,1,3,y\"\n").into_bytes(),
            "line 2: the quote before `Monitor 24",
        ),
        (
            format!("{header}\nA,M1,1,1,\"24\" wide\"\n").into_bytes(),
            "line 2: the quoted field `24` ends before",
        ),
        (header.replace(',', ";").into_bytes(), "semicolons: separate them by commas"),
        (b"source_code,sku,status,quantity\nA,M\xfc,1,1\n".to_vec(), "line 2: byte 0xfc is not UTF-8"),
        ("\u{feff}sku".encode_utf16().flat_map(u16::to_le_bytes).collect(), "the file is UTF-16"),
        (b"source_code,sku,quantity,quantity\nA,M1,1,2\n".to_vec(), "occurs more than once"),
        (b"source_code,sku,quantity,note,,, note\nA,M1,1\n".to_vec(), "note\\\" occurs more than once"),
    ];
    for (bytes, part) in files {
        for flags in [&["--dry-run"][..], &["--dry-run", "--offline"], &[]] {
            let called = import(&server, &bytes, flags);
            assert_eq!(called.code, 4, "{} {}", called.document, called.stderr);
            assert!(called.stderr.contains(part), "{part}: {}", called.stderr);
        }
    }
    assert_eq!(server.ok(&["mark", "list"])["marks"], json!([]));
    assert_eq!(server.ok(&["list", "skus"])["skus"], json!([]));
}

#[test]
fn suspicious_rows_are_warned_of_and_refused_if_the_operator_is_strict() {
    // Proves the warnings with their lines, that the later of two rows counts, and that --strict changes nothing.
    let server = open();
    let rows = "source_code,sku,status,quantity\nA,M1,1,5\nA,M2,1,-3\nA,M1,1,7\n".as_bytes();
    let strict = import(&server, rows, &["--strict"]);
    assert_eq!(strict.code, 4, "{}", strict.stderr);
    assert!(strict.stderr.contains("line 4: warning: M1 in A is on line 2 too"), "{}", strict.stderr);
    assert_eq!(server.ok(&["list", "skus"])["skus"], json!([]));
    let called = import(&server, rows, &[]);
    let file = &called.document["files"][0];
    assert_eq!((called.code, &file["warnings_total"]), (0, &json!(2)), "{file}");
    let kinds: Vec<_> = file["warnings"].as_array().expect("a list").iter().map(|one| &one["kind"]).collect();
    assert_eq!(kinds, [&json!("negative_count"), &json!("repeated_row")]);
    assert_eq!(on_hand(&server, "M1"), "7");
}

#[test]
fn every_row_is_imported_or_refused() {
    // Proves that the rows of a SKU that the server refuses are refused one by one, and that rows before their catalog are
    // told what to import first.
    let server = open();
    let rows = "source_code,sku,status,quantity\nA,M1,1,5\nB,M1,1,5\nA,,1,1\nA,M2,2,1\nA,M3,1,x\n".as_bytes();
    let called = import(&server, rows, &[]);
    let file = &called.document["files"][0];
    assert_eq!(called.code, 4, "{file}");
    assert_eq!((&file["rows"], &file["created"], &file["errors_total"]), (&json!(5), &json!(1), &json!(4)));
    let path = server.path("rows.csv");
    let text = super::harness::run(&["import", &path, "--server", server.address()]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("import the catalog that defines the sources first"), "{text}");
}

#[test]
fn each_behavior_touches_the_listed_pairs_and_no_others() {
    // Proves what append, replace and delete do and how they count, dry or not, with known, new and unknown names; that a
    // deletion removes items and creates no SKU; and that promises of a deleted item are told.
    let before = "source_code,sku,status,quantity\nA,M1,1,5\nA,M2,1,2\nA,M3,1,3\n".as_bytes();
    let rows = "source_code,sku,status,quantity\nA,M1,1,5\nA,M2,1,9\nA,N1,1,4\nB,M1,1,1\n".as_bytes();
    let expected = [
        ("append", [1, 1, 1, 0, 1], ["5", "9", "3"]),
        ("add_update", [1, 1, 1, 0, 1], ["5", "9", "3"]),
        ("replace", [0, 3, 0, 0, 1], ["5", "9", "3"]),
        ("delete", [0, 0, 0, 3, 1], ["none", "none", "3"]),
    ];
    for (behavior, counts, left) in expected {
        let server = open();
        import(&server, before, &[]);
        server.ok(&["reserve", "--stock", "web", "--line", "M1=2"]);
        for flags in [&["--behavior", behavior, "--dry-run"][..], &["--behavior", behavior]] {
            let called = import(&server, rows, flags);
            let file = &called.document["files"][0];
            let told =
                ["created", "updated", "unchanged", "deleted", "refused"].map(|count| file[count].clone());
            assert_eq!((called.code, told), (4, counts.map(|count| json!(count))), "{flags:?} {file}");
            assert_eq!(file["shortfalls"], u64::from(behavior == "delete"), "{file}");
        }
        let on_hand = ["M1", "M2", "M3"].map(|sku| {
            let shown = server.ok(&["show", "sku", sku]);
            shown["items"][0]["on_hand"].as_str().unwrap_or("none").to_owned()
        });
        assert_eq!(on_hand, left, "{behavior}");
        let skus = server.ok(&["list", "skus"])["skus"].as_array().expect("a list").len();
        assert_eq!(skus, if behavior == "delete" { 3 } else { 4 });
    }
    let server = open();
    assert_eq!(import(&server, rows, &["--behavior", "merge"]).code, 2);
    // What was deleted is created again, and its version does not start anew.
    import(&server, before, &[]);
    import(&server, before, &["--behavior", "delete"]);
    assert_eq!(import(&server, before, &[]).document["files"][0]["created"], 3);
    let version = server.ok(&["show", "sku", "M1"])["items"][0]["version"].as_u64();
    assert_eq!(version, Some(2));
}

#[test]
fn new_skus_that_may_be_mistyped_are_warned_of_and_refused_if_the_operator_is_strict() {
    // Proves the warnings with lines, dry or not; that --strict and --create-skus no create nothing; that SKUs which exist, and
    // those that an earlier file of the call defines, are none of them; and that many are grouped by kind.
    let server = open();
    server.ok(&["define", "sku", "LAMP-BLUE"]);
    let rows = "source_code,sku,status,quantity\nA,LAMP-BLUE,1,1\nA,LAMP-BLU,1,1\nA,lamp-blue,1,1\nA,TABLE,1,1\nB,LAMP-BLUEE,1,1\n";
    let strict = import(&server, rows.as_bytes(), &["--strict"]);
    assert_eq!(strict.code, 4, "{}", strict.stderr);
    for part in [
        "line 3: warning: the new SKU \"LAMP-BLU\" is one character away from the SKU \"LAMP-BLUE\", which exists",
        "line 4: warning: the new SKU \"lamp-blue\" looks like the SKU \"LAMP-BLUE\"",
        "nothing was imported, because of --strict",
    ] {
        let told = strict.stderr.replace("\\\"", "\"");
        assert!(told.contains(part), "{part}: {told}");
    }
    let catalog = server.path("catalog.toml");
    std::fs::write(&catalog, "[[sku]]\nsku = \"LAMP-BLU\"\n[[sku]]\nsku = \"lamp-blue\"\n")
        .expect("a file can be written");
    let path = server.path("rows.csv");
    let known = server.call(&["import", &catalog, &path, "--strict", "--dry-run"]);
    assert_eq!(known.document["files"][1]["warnings_total"], 0, "{}", known.document);
    let none = import(&server, rows.as_bytes(), &["--strict", "--create-skus", "no"]);
    assert_eq!(none.document["files"][0]["warnings_total"], 0, "{}", none.document);
    assert_eq!(server.ok(&["list", "skus"])["skus"].as_array().expect("a list").len(), 1);
    for flags in [&["--dry-run"][..], &[]] {
        let file = import(&server, rows.as_bytes(), flags).document["files"][0].clone();
        assert_eq!(file["warnings_by_kind"], json!({"look_alike_sku": 1, "mistyped_sku": 1}), "{file}");
    }
    let row = |number: u32| format!("A,LAMP-BLUE{},1,1", char::from_u32(0x4e00 + number).expect("a letter"));
    let many: Vec<String> = (0..150).map(row).collect();
    let many = format!("source_code,sku,status,quantity\n{}\n", many.join("\n"));
    let strict = import(&server, many.as_bytes(), &["--strict"]);
    assert!(strict.stderr.contains("… and 50 more warnings: 50 mistyped_sku"), "{}", strict.stderr);
}

#[test]
fn rows_that_leave_promises_without_goods_are_warned_of() {
    // Proves with one stock, with two that share a source, and with an allowance, that a dry run foresees which rows the machine
    // reports, and that --strict refuses the file before its first change.
    let server = open();
    server.ok(&["define", "source", "B", "--name", "B", "--country", "US", "--postcode", "1"]);
    server.ok(&["define", "stock", "shop"]);
    server.ok(&["link", "--stock", "shop", "--source", "A"]);
    server.ok(&["link", "--stock", "shop", "--source", "B"]);
    let before = "source_code,sku,status,quantity\nA,M1,1,5\nA,M2,1,5\nB,M2,1,5\nA,M3,1,5\nA,M4,1,5\n";
    import(&server, before.as_bytes(), &[]);
    server.ok(&["settings", "--sku", "M3", "--backorders", "allow", "--min-qty=-2"]);
    for (stock, line) in [("web", "M1=3"), ("web", "M2=4"), ("shop", "M2=5"), ("web", "M3=5")] {
        server.ok(&["reserve", "--stock", stock, "--line", line]);
    }
    let rows = "source_code,sku,status,quantity\nA,M1,1,3\nA,M1,1,2\nA,M2,1,4\nB,M2,1,4\nA,M3,1,3\nA,M3,1,2\nA,M4,1,0\nA,M1,0,9\nA,M1,1,9\n";
    let expected = json!([3, 5, 7, 9]);
    let lines = |file: &serde_json::Value| {
        let warnings = file["warnings"].as_array().expect("a list").iter();
        let short = warnings.filter(|one| one["kind"] == "promises_without_goods");
        serde_json::Value::from(short.map(|one| one["line"].clone()).collect::<Vec<_>>())
    };
    let without_repeats =
        rows.replace("A,M1,1,3\n", "").replace("A,M3,1,3\n", "").replace("A,M1,0,9\nA,M1,1,9\n", "");
    for flags in [&["--strict"][..], &["--strict", "--dry-run"]] {
        let strict = import(&server, without_repeats.as_bytes(), flags);
        assert_eq!(strict.code, 4, "{}", strict.stderr);
        assert!(
            strict.stderr.contains("line 2: warning: M1 in A: promises are left without goods"),
            "{}",
            strict.stderr
        );
    }
    assert_eq!(server.ok(&["show", "sku", "M4"])["items"][0]["on_hand"], "5");
    for flags in [&["--dry-run"][..], &[]] {
        let called = import(&server, rows.as_bytes(), flags);
        let file = &called.document["files"][0];
        assert_eq!(
            (called.code, lines(file), &file["shortfalls"]),
            (0, expected.clone(), &json!(4)),
            "{flags:?} {file}"
        );
    }
}

#[test]
fn rows_before_the_catalog_that_defines_their_names_are_refused_with_the_right_order() {
    // Proves that nothing is imported, dry or not, and that the order does not matter for what the server has already.
    let server = Server::start();
    let (rows, catalog) = (server.path("rows.csv"), server.path("catalog.toml"));
    std::fs::write(&rows, "source_code,sku,status,quantity\nA,M1,1,5\n").expect("a file can be written");
    let toml =
        "[[source]]\ncode = \"A\"\nname = \"A\"\ncountry = \"US\"\npostcode = \"1\"\n[[sku]]\nsku = \"M1\"\n";
    std::fs::write(&catalog, toml).expect("a file can be written");
    for flags in [&["--dry-run"][..], &[]] {
        let called = server.call(&[&["import", &rows, &catalog], flags].concat());
        assert_eq!(called.code, 2, "{}", called.stderr);
        let told = called.stderr.replace("\\\"", "\"");
        assert!(told.contains("line 2 uses the source \"A\", which"), "{told}");
        assert!(told.contains(&format!("stockhold import {catalog} {rows}")), "{told}");
    }
    assert_eq!(server.ok(&["show", "sources"])["sources"], json!([]));
    server.ok(&["import", &catalog, &rows]);
    server.ok(&["import", &rows, &catalog]);
}
