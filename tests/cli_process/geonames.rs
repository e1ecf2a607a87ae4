//! `import geonames`, and what a server answers with addresses.

use super::harness::{Server, code, run};
use serde_json::{Value, json};

/// Rows in the columns of GeoNames: country, postcode, place, region, …, latitude, longitude, accuracy.
fn rows(rows: &[(&str, &str, &str, &str, &str, &str)]) -> String {
    let row =
        |(country, postcode, place, region, latitude, longitude): &(&str, &str, &str, &str, &str, &str)| {
            format!("{country}\t{postcode}\t{place}\t{region}\t\t\t\t\t\t{latitude}\t{longitude}\t6\n")
        };
    rows.iter().map(row).collect()
}

fn write(server: &Server, name: &str, contents: &str) -> String {
    let path = server.path(name);
    std::fs::write(&path, contents).unwrap();
    path
}

/// Imports a file into the data directory of the server. Exit code and document.
fn import(server: &Server, file: &str, more: &[&str]) -> (i32, Value) {
    let data = server.path("data");
    let output = run(&[&["import", "geonames", file, "--data-dir", &data, "--json"], more].concat());
    (code(&output), serde_json::from_slice(&output.stdout).unwrap_or_default())
}

/// Two shops without coordinates and one with, with one lamp each.
fn shop() -> Server {
    let server = Server::start();
    server.ok(&["define", "stock", "web"]);
    server.ok(&["define", "sku", "LAMP"]);
    for (source, country, postcode, place) in [
        ("utrecht", "NL", "3511", &[][..]),
        ("gent", "BE", "9000", &[]),
        ("lille", "FR", "59000", &["--latitude", "50.63", "--longitude", "3.06", "--pickup"]),
    ] {
        let define =
            ["define", "source", source, "--name", source, "--country", country, "--postcode", postcode];
        server.ok(&[&define[..], place].concat());
        server.ok(&["link", "--stock", "web", "--source", source, "--priority", "1"]);
        server.ok(&["count", "--source", source, "--sku", "LAMP", "--quantity", "1"]);
    }
    server
}

/// The sources of a selection in their order.
fn order(server: &Server, address: &str) -> Vec<String> {
    let words =
        ["select-sources", "--stock", "web", "--line", "LAMP=3", "--algorithm", "distance", "--address"];
    let document = server.ok(&[&words[..], &[address]].concat());
    let items = document["items"].as_array().unwrap();
    items.iter().map(|item| item["source"].as_str().unwrap().to_owned()).collect()
}

const ROWS: &[(&str, &str, &str, &str, &str, &str)] = &[
    ("NL", "3511", "Utrecht", "Utrecht", "52.09", "5.12"),
    ("NL", "1011", "Amsterdam", "Noord-Holland", "52.37", "4.90"),
    ("BE", "9000", "Gent", "Vlaanderen", "51.05", "3.72"),
    ("BE", "8000", "Brugge", "Vlaanderen", "51.21", "3.22"),
];

#[test]
fn addresses_are_imported_and_answer_after_a_start() {
    // Proves that sources and destinations are found by their addresses, that an unknown destination leaves the order of
    // priorities, that a later import replaces the addresses of its country alone, and what pickup locations say.
    let server = shop();
    let file = write(&server, "rows.txt", &rows(ROWS));
    let (exit, imported) = import(&server, &file, &[]);
    assert_eq!((exit, &imported["rows"], &imported["malformed"]), (0, &json!(4), &json!(0)));
    assert_eq!(imported["countries"], json!([{"country": "BE", "rows": 2}, {"country": "NL", "rows": 2}]));
    assert_eq!(order(&server, "NL,1011"), ["utrecht", "gent", "lille"], "the server knows no addresses yet");
    let (_, server) = server.stop_and_restart();
    assert_eq!(order(&server, "BE,,brug"), ["gent", "lille", "utrecht"]);
    assert_eq!(order(&server, "NL,1011"), ["utrecht", "gent", "lille"]);
    assert_eq!(order(&server, "DE,1"), ["utrecht", "gent", "lille"]);
    let pickup = ["pickup-locations", "--stock", "web", "--radius-km", "75", "--address"];
    let found = server.ok(&[&pickup[..], &["BE,9000"]].concat());
    assert_eq!(found["locations"][0]["source"], "lille", "{found}");
    // Brugge is nearer to Lille than Gent is not, and a region means all its rows.
    assert_eq!(server.ok(&[&pickup[..], &["BE,,,Vlaanderen"]].concat())["matched"], 1);
    let unknown = server.call(&[&pickup[..], &["BE,1"]].concat());
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("no address of BE"), "{}", unknown.stderr);
    assert!(server.call(&[&pickup[..], &["DE,1"]].concat()).stderr.contains("import geonames"));
    let moved = write(&server, "moved.txt", &rows(&[("NL", "1011", "Amsterdam", "", "50.6", "3.0")]));
    assert_eq!(import(&server, &moved, &[]).0, 0);
    let names = std::fs::read_dir(server.path("data")).unwrap().map(|entry| entry.unwrap().file_name());
    let kept = names.filter(|name| name.to_str().unwrap().ends_with(".geonames")).count();
    assert_eq!(kept, 2, "the earlier file of the country is removed");
    let (_, server) = server.stop_and_restart();
    assert_eq!(order(&server, "NL,1011"), ["lille", "gent", "utrecht"]);
}

#[test]
fn malformed_rows_refuse_a_file() {
    // Proves that nothing is imported then, that the rows are named by their lines, the two flags, and a wrong directory.
    let server = shop();
    let file = write(&server, "rows.txt", &format!("{}NL\t1\n\n{}", rows(&ROWS[..1]), rows(&ROWS[1..])));
    let (exit, refused) = import(&server, &file, &[]);
    assert_eq!((exit, &refused["malformed"], &refused["rows"]), (4, &json!(1), &json!(5)));
    assert_eq!((&refused["malformed_rows"][0]["line"], &refused["data_dir"]), (&json!(2), &Value::Null));
    let (exit, dry) = import(&server, &file, &["--dry-run", "--skip-malformed"]);
    assert_eq!((exit, &dry["data_dir"]), (0, &Value::Null));
    assert_eq!(import(&server, &file, &["--skip-malformed"]).0, 0);
    // Without a directory, it is that of the server.
    assert_eq!(
        server.ok(&["import", "geonames", &file, "--skip-malformed"])["data_dir"],
        server.path("data")
    );
    let elsewhere =
        run(&["import", "geonames", &file, "--skip-malformed", "--data-dir", &server.path("none")]);
    assert_ne!(code(&elsewhere), 0);
    let missing =
        run(&["import", "geonames", &server.path("missing.txt"), "--data-dir", &server.path("data")]);
    assert_eq!(code(&missing), 2);
}

#[test]
fn addresses_are_in_backups_and_in_what_is_restored_from_them() {
    // Proves that a backup contains the latest file of each country, that a restore brings them back, and that `verify`
    // finds a damaged one.
    let server = shop();
    let file = write(&server, "rows.txt", &rows(ROWS));
    assert_eq!(import(&server, &file, &[]).0, 0);
    let (data, backup, again) = (server.path("data"), server.path("backup"), server.path("again"));
    Server::local(&["backup", "--data-dir", &data, "--to", &backup]);
    let fewer = write(&server, "fewer.txt", &rows(&ROWS[2..3]));
    assert_eq!(import(&server, &fewer, &[]).0, 0);
    Server::local(&["backup", "--data-dir", &data, "--to", &backup]);
    Server::local(&["restore", "--from", &backup, "--latest", "--to-dir", &again]);
    let addresses = |place: &str| {
        let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(place)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "geonames"))
            .map(|path| {
                (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap())
            })
            .collect();
        files.sort();
        files
    };
    assert_eq!(addresses(&data).len(), 2);
    assert_eq!(addresses(&data), addresses(&again));
    let (name, mut bytes) = addresses(&again).remove(0);
    bytes[30] ^= 1;
    std::fs::write(std::path::Path::new(&again).join(&name), bytes).unwrap();
    let found = run(&["verify", &again]);
    assert_eq!(code(&found), 4);
    assert!(String::from_utf8_lossy(&found.stdout).contains(&name));
}
