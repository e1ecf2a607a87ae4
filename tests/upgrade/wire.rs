//! The wire: each release serves the other one in the version that both support, and refuses what it does not know.

use super::programs::{Program, next, present};
use super::relay::Relay;
use stockhold_client::{Availability, Client};
use stockhold_protocol::handshake::Versions;
use stockhold_protocol::limits::{FEATURE_LEVEL, PROTOCOL_VERSION, PROTOCOL_VERSION_MIN};
use stockhold_protocol::{Code, Quantity};

const PRESENT: Versions = Versions::OWN;
const NEXT: Versions = Versions { min: PROTOCOL_VERSION_MIN, max: PROTOCOL_VERSION + 1 };

/// Uses an order and the commands of a merchant with a server of any release.
fn use_everything(program: &Program, address: &str) {
    program.open_shop(address);
    let held = program.ok(address, &["reserve", "--channel", "website/us", "--line", "A=3", "--ttl", "15m"]);
    let id = held["id"].as_str().unwrap();
    program.ok(address, &["extend", id, "--ttl", "20m"]);
    let grown = program.ok(address, &["replace", id, "--stock", "web", "--line", "A=4", "--ttl", "15m"]);
    let id = grown["id"].as_str().unwrap();
    program.ok(address, &["confirm", id]);
    program.ok(address, &["ship", id, "--source", "east", "--line", "A=2"]);
    program.ok(address, &["refund", id, "--unshipped", "A=1", "--returned", "A=1@east"]);
    program.ok(address, &["release", id]);
    program.ok(address, &["sell", "--stock", "web", "--source", "east", "--line", "A"]);
    program.ok(address, &["adjust", "--source", "east", "--sku", "A", "--delta", "-1.0"]);
    program.ok(address, &["settings", "--sku", "A", "--stock", "web", "--min-qty", "2"]);
    program.ok(address, &["quota", "--sku", "A", "--stock", "web", "--limit", "3"]);
    program.ok(address, &["configure", "--ttl-max", "1h"]);
    program.ok(address, &["mark", "set", "opened"]);
    assert_eq!(program.ok(address, &["mark", "list"])["marks"][0]["name"], "opened");
    program.ok(address, &["mark", "drop", "opened"]);
    let salable = program.ok(address, &["salable", "A", "--stock", "web"]);
    assert_eq!(salable["salable"][0]["salable"], "3", "{salable}");
    let sold_out = program.call(address, &["reserve", "--stock", "web", "--line", "A=9"]);
    assert_eq!((sold_out.code, sold_out.text("code")), (1, "sold_out"), "{sold_out:?}");
    assert_eq!(program.ok(address, &["show", "reservation", id])["state"], "shipped");
    let shown = program.ok(address, &["show", "sku", "A"]);
    assert_eq!(shown["positions"][0]["settings"]["min_qty"], "2", "{shown}");
    assert_eq!(program.ok(address, &["show", "configuration"])["ttl_max_ms"], 3_600_000);
    program.ok(address, &["show", "sources"]);
    program.ok(address, &["show", "stocks"]);
    program.ok(address, &["snapshot"]);
    program.ok(address, &["clock"]);
    program.ok(address, &["status"]);
    assert_eq!(program.ok(address, &["validate"])["sound"], true);
}

#[test]
fn a_command_line_of_this_release_talks_to_a_later_server() {
    // Proves that all of it works in the version of this release, that unknown fields of answers are ignored, and that
    // a refusal with an unknown code is a refusal.
    let server = next().serve(next().format());
    let relay = Relay::to(&server.address);
    use_everything(present(), &relay.address);
    next().ok(&server.address, &["settings", "--sku", "A", "--lead-days", "3"]);
    next().ok(&server.address, &["mark", "set", "closed", "--note", "the doors are shut"]);
    let told = |program: &Program, address| {
        program.ok(address, &["show", "sku", "A"])["positions"][0]["settings"].clone()
    };
    let (here, there) = (told(present(), &relay.address), told(next(), &server.address));
    assert_eq!((here.get("lead_days"), &there["lead_days"]), (None, &3.into()));
    assert_eq!(here["min_qty"], there["min_qty"]);
    let refused = present().call(&relay.address, &["mark", "set", "closed"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert_eq!((refused.text("code"), &refused.document["success"]), ("unknown_refusal", &false.into()));
    let id = refused.text("id");
    let again = present().call(&relay.address, &["mark", "set", "closed", "--id", id]);
    assert_eq!((again.code, &again.document["replayed"]), (1, &true.into()), "{again:?}");
    relay.check(PROTOCOL_VERSION, PRESENT, NEXT);
}

#[test]
fn a_client_of_this_release_talks_to_a_later_server() {
    // Proves the same of the client crate, whose types must not turn a refusal into an answer.
    let server = next().serve(next().format());
    next().open_shop(&server.address);
    next().ok(&server.address, &["settings", "--sku", "A", "--lead-days", "3"]);
    next().ok(&server.address, &["mark", "set", "closed", "--note", "the doors are shut"]);
    let relay = Relay::to(&server.address);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(talk_to_a_later_server(&relay.address));
    relay.check(PROTOCOL_VERSION, PRESENT, NEXT);
}

async fn talk_to_a_later_server(address: &str) {
    let client = Client::connect(address).await.unwrap();
    let welcome = client.welcome();
    assert_eq!((welcome.version, welcome.version_max), (PROTOCOL_VERSION, PROTOCOL_VERSION + 1));
    assert_eq!(welcome.feature_level, FEATURE_LEVEL + 1);
    let refusal = client.mark("closed").await.unwrap().into_result().unwrap_err();
    assert_eq!((refusal.code(), refusal.outcome.recorded), (Code::UnknownRefusal, true), "{refusal:?}");
    assert!(client.mark("another").await.unwrap().into_result().is_ok());
    let sku = client.sku("A").await.unwrap().unwrap();
    assert_eq!(sku.positions[0].settings.min_sale_qty, Quantity::units(1).unwrap());
    let salable = client.check("A", "web").await.unwrap();
    assert_eq!(salable, Availability::Salable(Quantity::units(10).unwrap()));
}

#[test]
fn a_later_command_line_talks_to_a_server_of_this_release() {
    // Proves that all of it works in the version of this release, except what this server does not know: that is
    // refused as a whole and by name, and its id stays unused.
    let server = present().serve(present().format());
    let relay = Relay::to(&server.address);
    use_everything(next(), &relay.address);
    let before = next().ok(&relay.address, &["show", "sku", "A"])["positions"].clone();
    let unknown: [&[&str]; 2] = [
        &["mark", "set", "closed", "--note", "the doors are shut"],
        &["settings", "--sku", "A", "--stock", "web", "--min-qty", "1", "--lead-days", "3"],
    ];
    let known: [&[&str]; 2] =
        [&["mark", "set", "closed"], &["settings", "--sku", "A", "--stock", "web", "--min-qty", "0"]];
    for (unknown, known) in unknown.into_iter().zip(known) {
        let refused = next().call(&relay.address, unknown);
        assert_eq!((refused.code, refused.text("code")), (2, "bad_field"), "{refused:?}");
        assert_eq!(refused.document["recorded"], false, "{refused:?}");
        assert!(refused.document["detail"].to_string().contains("field.number"), "{refused:?}");
        assert_eq!(next().ok(&relay.address, &["show", "sku", "A"])["positions"], before);
        let done = next().ok(&relay.address, &[known, &["--id", refused.text("id")]].concat());
        assert_eq!(done["replayed"], false, "{done}");
    }
    relay.check(PROTOCOL_VERSION, NEXT, PRESENT);
}

#[test]
fn the_later_release_speaks_its_own_version_to_itself() {
    // Proves that the two agree on an earlier version when they talk to this release.
    let server = next().serve(next().format());
    let relay = Relay::to(&server.address);
    use_everything(next(), &relay.address);
    relay.check(PROTOCOL_VERSION + 1, NEXT, NEXT);
}
