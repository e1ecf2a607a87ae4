//! `stockhold pickup-locations`.

use super::harness::Server;
use serde_json::{Value, json};

/// Four sources around a point, one of them closed for pickup, one disabled, one not linked, one without coordinates.
fn shop() -> Server {
    let server = Server::start();
    server.ok(&["define", "stock", "web"]);
    server.ok(&["channel", "website/de", "--stock", "web"]);
    for (source, latitude, city, flags) in [
        (
            "near",
            "52.5",
            "Berlin",
            &["--pickup", "--pickup-name", "Corner shop", "--pickup-description", "Ring twice"][..],
        ),
        ("far", "53.5", "Aachen", &["--pickup"]),
        ("closed", "52.5", "Berlin", &[]),
        ("off", "52.5", "Berlin", &["--pickup", "--disabled"]),
        ("nowhere", "0", "Berlin", &["--pickup"]),
        ("loose", "52.5", "Berlin", &["--pickup"]),
    ] {
        let define = ["define", "source", source, "--name", source, "--country", "DE", "--postcode", "1"];
        let place = ["--latitude", latitude, "--longitude", "13.4", "--city", city];
        server.ok(&[&define[..], &place, flags].concat());
        if source != "loose" {
            server.ok(&["link", "--stock", "web", "--source", source, "--priority", "1"]);
        }
    }
    server
}

fn found(server: &Server, more: &[&str]) -> Vec<String> {
    let words = [&["pickup-locations", "--near", "52.5,13.4"], more].concat();
    let document = server.ok(&words);
    let codes = document["locations"].as_array().unwrap();
    codes.iter().map(|one| one["source"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn pickup_locations_are_found_within_a_radius() {
    // Proves who is found, that the radius is inclusive in meters, the orders, the limit, and what is told of a location.
    let server = shop();
    let web = ["--stock", "web", "--radius-km"];
    assert_eq!(found(&server, &[&web[..], &["0"]].concat()), ["near"]);
    // One degree of a meridian is 111.226 km on this sphere.
    assert_eq!(found(&server, &[&web[..], &["111.226"]].concat()), ["near"]);
    assert_eq!(found(&server, &[&web[..], &["111.227"]].concat()), ["near", "far"]);
    let by_channel = ["--channel", "website/de", "--radius-km", "200"];
    assert_eq!(found(&server, &[&by_channel[..], &["--sort", "-distance"]].concat()), ["far", "near"]);
    assert_eq!(found(&server, &[&by_channel[..], &["--sort", "city"]].concat()), ["far", "near"]);
    assert_eq!(
        found(&server, &[&by_channel[..], &["--sort", "city", "--sort", "distance"]].concat()),
        ["near", "far"]
    );
    let page = server.ok(&[
        "pickup-locations",
        "--stock",
        "web",
        "--near",
        "52.5,13.4",
        "--radius-km",
        "200",
        "--limit",
        "1",
    ]);
    assert_eq!((&page["matched"], page["locations"].as_array().unwrap().len()), (&json!(2), 1));
    let first = &page["locations"][0];
    assert_eq!((&first["name"], &first["description"]), (&json!("Corner shop"), &json!("Ring twice")));
    assert_eq!((&first["distance_m"], &first["city"]), (&json!(0), &json!("Berlin")));
    let shown = server.ok(&["show", "source", "near"]);
    assert_eq!((&shown["pickup_name"], &shown["pickup"]), (&json!("Corner shop"), &Value::Bool(true)));
}

#[test]
fn a_wrong_search_is_refused() {
    // Proves the exit code for unknown names and for words that mean nothing.
    let server = shop();
    for line in [
        "pickup-locations --stock none --near 1,1 --radius-km 5",
        "pickup-locations --channel website/none --near 1,1 --radius-km 5",
        "pickup-locations --stock web --near 1,1 --radius-km five",
        "pickup-locations --stock web --near 1,1 --radius-km 5 --sort colour",
        "pickup-locations --stock web --radius-km 5",
        "pickup-locations --near 1,1 --radius-km 5",
    ] {
        let called = server.call(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(called.code, 2, "{line}: {}", called.stderr);
    }
}
