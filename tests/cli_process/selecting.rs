//! `stockhold select-sources`.

use super::harness::{Server, code, run};
use serde_json::{Value, json};

/// A stock of three shops and a warehouse, three of them with coordinates.
fn shop() -> Server {
    let server = Server::start();
    server.ok(&["define", "stock", "web"]);
    for (priority, (source, latitude)) in
        [("berlin", "52.5"), ("munich", "48.1"), ("nowhere", "0"), ("hamburg", "53.6")]
            .into_iter()
            .enumerate()
    {
        let place = ["--latitude", latitude, "--longitude", "11.0"];
        let define = ["define", "source", source, "--name", source, "--country", "DE", "--postcode", "1"];
        server.ok(&[&define[..], &place].concat());
        server.ok(&["link", "--stock", "web", "--source", source, "--priority", &(priority + 1).to_string()]);
    }
    for (sku, counts) in [("CUP", [2, 3, 9, 4]), ("POT", [1, 0, 0, 1])] {
        server.ok(&["define", "sku", sku]);
        for (source, count) in ["berlin", "munich", "nowhere", "hamburg"].into_iter().zip(counts) {
            let quantity = count.to_string();
            server.ok(&[
                "count",
                "--source",
                source,
                "--sku",
                sku,
                "--quantity",
                &quantity,
                "--in-stock",
                "true",
            ]);
        }
    }
    server
}

/// What is taken, as source, SKU and units, without the items of which nothing is taken.
fn taken(document: &Value) -> Vec<(&str, &str, &str)> {
    let items = document["items"].as_array().into_iter().flatten();
    let fields =
        items.map(|item| ["source", "sku", "take"].map(|name| item[name].as_str().unwrap_or_default()));
    fields.map(|[source, sku, take]| (source, sku, take)).filter(|(.., take)| *take != "0").collect()
}

#[test]
fn sources_are_selected_by_each_algorithm() {
    // Proves, through server and command line, the order of each algorithm, the choices of sources, and the exit codes.
    let server = shop();
    let select = |more: &[&str]| server.call(&[&["select-sources", "--stock", "web"], more].concat());
    let priority = select(&["--line", "CUP=4"]);
    assert_eq!((priority.code, &priority.document["shippable"]), (0, &json!(true)), "{}", priority.stderr);
    assert_eq!(taken(&priority.document), [("berlin", "CUP", "2"), ("munich", "CUP", "2")]);
    let near = select(&["--line", "CUP=4", "--algorithm", "distance", "--to", "53.0,11.0"]);
    assert_eq!(taken(&near.document), [("berlin", "CUP", "2"), ("hamburg", "CUP", "2")], "{}", near.stderr);
    assert_eq!(near.document["items"][0]["distance_m"], 55_597);
    let fewest = select(&["--line", "CUP=4", "--line", "POT=1", "--algorithm", "minimize-sources"]);
    assert_eq!(taken(&fewest.document), [("hamburg", "CUP", "4"), ("hamburg", "POT", "1")]);
    assert_eq!(fewest.document["minimal"], true);
    let without = select(&["--line", "CUP=4", "--exclude", "berlin", "--max-sources", "1"]);
    assert_eq!((without.code, taken(&without.document)), (1, vec![("munich", "CUP", "3")]));
    let ordered = select(&["--line", "CUP=5", "--source", "hamburg", "--source", "berlin"]);
    assert_eq!(taken(&ordered.document), [("hamburg", "CUP", "4"), ("berlin", "CUP", "1")]);
    let reserved = server.ok(&["reserve", "--stock", "web", "--line", "CUP=18"]);
    assert_eq!(select(&["--line", "CUP=4"]).code, 0, "promises have no source: {reserved}");
    server.ok(&[
        "define",
        "source",
        "berlin",
        "--name",
        "berlin",
        "--country",
        "DE",
        "--postcode",
        "1",
        "--disabled",
    ]);
    assert_eq!(taken(&select(&["--line", "CUP=4"]).document)[0].0, "munich");
}

#[test]
fn wrong_requests_are_refused_by_name() {
    // Proves that each wrong request is a usage error that says what is wrong.
    let server = shop();
    server.ok(&["define", "source", "other", "--name", "Other", "--country", "DE", "--postcode", "1"]);
    let select = ["select-sources", "--stock", "web", "--line"];
    for (more, reason) in [
        (&["MUG"][..], "there is no SKU \"MUG\""),
        (&["CUP", "--source", "mars"], "there is no source \"mars\""),
        (&["CUP", "--source", "other"], "source \"other\" is not linked to stock \"web\""),
        (&["CUP", "--source", "berlin", "--source", "berlin"], "source \"berlin\" is named twice"),
        (&["CUP", "--algorithm", "distance"], "--to <LAT,LON>"),
        (&["CUP", "--algorithm", "distance", "--to", "91,0"], "a latitude is within 90"),
        (&["CUP=0"], "must be"),
        (&["CUP", "--max-sources", "0"], "--max-sources"),
    ] {
        let words = [&select[..], more, &["--server", server.address()]].concat();
        let refused = run(&words);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(code(&refused), 2, "{words:?}: {said}");
        assert!(said.contains(reason), "{words:?} does not say {reason:?}: {said}");
    }
    let lines = vec!["--line=CUP=1"; 257];
    let refused = server.call(&[&["select-sources", "--stock", "web"], &lines[..]].concat());
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("1 to 256 lines, not 257"), "{}", refused.stderr);
    assert_eq!(server.call(&[&["select-sources", "--stock", "web"], &lines[..256]].concat()).code, 1);
}
