//! The reasons for closing a connection: every row of PROTOCOL.md's table, the message that the peer receives, and that
//! no other connection is affected.

use std::io::Write;

use super::harness::{Peer, Shop, TestServer, cart, new_id, units};
use crc_fast::{CrcAlgorithm, checksum};
use stockhold_protocol::codec::{decode_cold, encode_cold};
use stockhold_protocol::command::{KeyHash, Mark};
use stockhold_protocol::frame::{self, FrameKind, Header};
use stockhold_protocol::handshake::{Hello, Welcome};
use stockhold_protocol::limits::{HANDSHAKE_VERSION, PROTOCOL_VERSION, PROTOCOL_VERSION_MIN};
use stockhold_protocol::query::Query;
use stockhold_protocol::{Code, Command, Detail, Envelope, Line};

/// Expects a last frame with this error, then the close.
fn expect_error(peer: &mut Peer, part: &str) {
    let reply = peer.reply();
    assert_eq!(reply.header.kind, FrameKind::Error);
    let sentence: String = decode_cold(&reply.body).unwrap();
    assert!(sentence.contains(part), "expected {part:?}, got {sentence:?}");
    assert!(peer.try_reply().is_none(), "the connection is closed after an error");
}

/// A frame with valid checksums whose header bytes were changed.
fn changed(kind: FrameKind, count: u16, body: &[u8], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::append(Header::new(kind, 1, count), body, &mut bytes);
    change(&mut bytes[..28]);
    let sum = u32::try_from(checksum(CrcAlgorithm::Crc32Iscsi, &bytes[..28])).unwrap();
    bytes[28..32].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn plain(kind: FrameKind, count: u16, body: &[u8]) -> Vec<u8> {
    changed(kind, count, body, |_| ())
}

fn cold<T>(value: &T) -> Vec<u8>
where
    T: wincode::SchemaWrite<stockhold_protocol::codec::ColdConfig, Src = T>,
{
    let mut body = Vec::new();
    encode_cold(value, &mut body).unwrap();
    body
}

fn hello(hello: &Hello) -> Vec<u8> {
    let mut body = Vec::new();
    hello.encode(&mut body).unwrap();
    body
}

fn command() -> Vec<u8> {
    let mut body = Vec::new();
    Envelope::new(new_id(), Command::Confirm(new_id().into())).encode(&mut body).unwrap();
    body
}

/// The frames of a peer before its hello, and the errors.
fn before_hello() -> Vec<(Vec<u8>, &'static str)> {
    let good = hello(&Hello::new("test"));
    let future = hello(&Hello { version_min: 7, version_max: 9, ..Hello::new("future") });
    let past = hello(&Hello { version_min: 1, version_max: 1, ..Hello::new("past") });
    let long_name = hello(&Hello::new(&"x".repeat(256)));
    vec![
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), "magic"),
        (
            changed(FrameKind::Hello, 0, &good, |header| header[2] = 1),
            "version 1 is not supported; this side speaks version 2",
        ),
        (
            changed(FrameKind::Hello, 0, &good, |header| header[2] = 3),
            "version 3 is not supported; this side speaks version 2",
        ),
        (plain(FrameKind::Hello, 0, &future), "protocol versions 7 to 9; this server speaks version 2"),
        (plain(FrameKind::Hello, 0, &past), "protocol version 1; this server speaks version 2"),
        (plain(FrameKind::Hello, 0, &long_name), "255 bytes"),
        (plain(FrameKind::Hello, 0, &good[1..]), "a hello that cannot be read"),
        (plain(FrameKind::Hello, 1, &good), "its count is 0"),
        (
            plain(FrameKind::Commands, 1, &command()),
            "kind 4 is not expected here; a connection begins with a Hello",
        ),
        (plain(FrameKind::Goodbye, 0, &[]), "kind 12 is not expected"),
    ]
}

/// The frames of a peer on an open connection, and the errors.
fn after_hello() -> Vec<(Vec<u8>, &'static str)> {
    let checks = 0_u64.to_le_bytes();
    let pair = [checks.as_slice(), &[0; 8]].concat();
    let flipped = |at: usize| {
        let mut bytes = plain(FrameKind::Checks, 0, &checks);
        bytes[at] ^= 1;
        bytes
    };
    let without_number = |kind, count, body: &[u8]| changed(kind, count, body, |header| header[8] = 0);
    let mut rows = vec![
        (flipped(28), "header's checksum"),
        (flipped(33), "body's checksum"),
        (changed(FrameKind::Checks, 0, &checks, |header| header[3] = 99), "kind 99 is unknown"),
        (plain(FrameKind::Hello, 0, &hello(&Hello::new("again"))), "kind 1 is not expected"),
        (
            changed(FrameKind::Commands, 1, &[], |header| {
                header[4..8].copy_from_slice(&1_048_577_u32.to_le_bytes());
            }),
            "1048577 bytes is longer than the limit of 1048576",
        ),
        (plain(FrameKind::Checks, 8_193, &checks), "8193 entries, more than the limit of 8192"),
        (
            changed(FrameKind::Checks, 0, &checks, |header| header[22] = 1),
            "reserved header bytes are not zero",
        ),
        (
            changed(FrameKind::Checks, 0, &checks, |header| header[23] = 1),
            "reserved header bytes are not zero",
        ),
        (plain(FrameKind::Commands, 1, &[9, 0, 1]), "shorter than its header"),
        (plain(FrameKind::Commands, 1, &[255, 255, 1]), "longer than what is left"),
        (plain(FrameKind::Commands, 1, &command()[..25]), "longer than what is left"),
        (plain(FrameKind::Commands, 2, &command()), "as many command records as it counts"),
        (plain(FrameKind::Commands, 0, &[]), "at least one command"),
        (plain(FrameKind::Checks, 1, &checks), "as many pairs"),
        (plain(FrameKind::Checks, 1, &pair[..12]), "as many pairs"),
        (plain(FrameKind::Checks, 0, &checks[..7]), "a check without its op"),
        (plain(FrameKind::Resolve, 1, &0_u64.to_le_bytes()), "as many names as it counts"),
        (plain(FrameKind::Resolve, 1, &[1; 5]), "names that can be read"),
        (plain(FrameKind::Query, 1, &cold(&Query::Status)), "its count is 0"),
        (without_number(FrameKind::Commands, 1, &command()), "request number 0"),
        (without_number(FrameKind::Checks, 0, &checks), "request number 0"),
        (without_number(FrameKind::Resolve, 0, &0_u64.to_le_bytes()), "request number 0"),
        (without_number(FrameKind::Query, 0, &cold(&Query::Status)), "request number 0"),
    ];
    for (kind, sentence) in [
        (FrameKind::Welcome, "kind 2 is not expected"),
        (FrameKind::Outcomes, "kind 5 is not expected"),
        (FrameKind::Cells, "kind 7 is not expected"),
        (FrameKind::Resolved, "kind 9 is not expected"),
        (FrameKind::Answer, "kind 11 is not expected"),
        (FrameKind::Goodbye, "kind 12 is not expected"),
    ] {
        rows.push((plain(kind, 0, &[]), sentence));
    }
    rows
}

#[test]
fn every_broken_stream_gets_one_error_and_a_close_and_harms_nobody_else() {
    // Proves each row of the table from the bytes alone: one Error frame that names the fault, the close, and that
    // other connections continue. `limits` tests the row of timeouts.
    let server = TestServer::start(|_| ());
    let mut healthy = server.connect();
    let shop = Shop::open(&mut healthy, 1, 1_000);
    let (before, after) = (before_hello(), after_hello());
    let mut broken = 0;
    for (bytes, sentence) in before {
        let mut peer = Peer::without_hello(server.address());
        peer.stream.write_all(&bytes).unwrap();
        expect_error(&mut peer, sentence);
        // A peer of another version has violated nothing.
        broken += i64::from(!sentence.contains("this server speaks"));
    }
    for (bytes, sentence) in after {
        let mut peer = server.connect();
        peer.stream.write_all(&bytes).unwrap();
        expect_error(&mut peer, sentence);
        broken += 1;
        assert_eq!(healthy.reserve(shop.stock, shop.skus[0], 1).code, Code::Ok, "{sentence}");
    }
    assert_eq!(healthy.metric("connections_broken"), broken);
}

#[test]
fn a_number_that_is_in_use_closes_and_one_that_is_answered_may_come_again() {
    // Proves when a request number is free: not while a check waits or commands of it are unanswered in the same
    // stream, and again after the last answer.
    let server = TestServer::start(|config| {
        config.limits.check_wait_ms = 600_000;
        // The stop does not wait for the check in flight.
        config.stop.grace_ms = 100;
    });
    let mut peer = server.connect();
    for _ in 0..3 {
        for (kind, count, body) in
            [(FrameKind::Commands, 1, command()), (FrameKind::Query, 0, cold(&Query::Status))]
        {
            peer.stream.write_all(&plain(kind, count, &body)).unwrap();
            assert_eq!(peer.reply().header.request, 1);
        }
    }
    let waiting = [u64::MAX.to_le_bytes().as_slice(), &[0; 8]].concat();
    peer.stream.write_all(&plain(FrameKind::Checks, 1, &waiting)).unwrap();
    peer.stream.write_all(&plain(FrameKind::Resolve, 0, &0_u64.to_le_bytes())).unwrap();
    let reply = peer.reply();
    assert_eq!(reply.header.kind, FrameKind::Error);
    let sentence: String = decode_cold(&reply.body).unwrap();
    assert!(sentence.contains("request number 1 is in use"), "{sentence}");

    // Twice in one write: the first is in flight when the second is read.
    let mut twice = server.connect();
    let both =
        [plain(FrameKind::Commands, 1, &command()), plain(FrameKind::Commands, 1, &command())].concat();
    twice.stream.write_all(&both).unwrap();
    let kinds = [twice.reply().header.kind, twice.reply().header.kind];
    assert!(
        kinds.contains(&FrameKind::Error) && kinds.contains(&FrameKind::Outcomes),
        "what was taken is answered: {kinds:?}"
    );
    assert!(twice.try_reply().is_none());
}

#[test]
fn a_deadline_where_none_is_heeded_changes_nothing() {
    // Proves that hello, names and queries are answered whatever deadline their header has.
    let server = TestServer::start(|_| ());
    let mut peer = Peer::without_hello(server.address());
    let late = |header: &mut [u8]| header[16] = 1;
    let rows = [
        (
            FrameKind::Hello,
            hello(&Hello { capabilities: u64::MAX, ..Hello::new("test") }),
            FrameKind::Welcome,
        ),
        (FrameKind::Resolve, 0_u64.to_le_bytes().to_vec(), FrameKind::Resolved),
        (FrameKind::Query, cold(&Query::Status), FrameKind::Answer),
    ];
    for (kind, body, expected) in rows {
        peer.stream.write_all(&changed(kind, 0, &body, late)).unwrap();
        assert_eq!(peer.reply().header.kind, expected);
    }
}

#[test]
fn the_longest_records_that_cannot_be_obeyed_are_answered_one_by_one() {
    // Proves that a record may use all 16 bits of its length: as many as fit into a frame are answered, those around
    // them are executed, and the connection continues.
    let server = TestServer::start(|_| ());
    let mut peer = server.connect();
    let shop = Shop::open(&mut peer, 1, 1_000);
    let lines = [Line::new(shop.skus[0], units(1))];
    let mut good = Vec::new();
    Envelope::new(new_id(), Command::Reserve(cart(shop.stock, &lines))).encode(&mut good).unwrap();
    let mut long = Vec::new();
    Envelope::new(new_id(), Command::Mark(Mark::new("long"))).encode(&mut long).unwrap();
    // A field that this version does not know fills the rest.
    long.extend_from_slice(&[9, 0]);
    let value = 65_535 - long.len() - 4;
    long.extend_from_slice(&u32::try_from(value).unwrap().to_le_bytes());
    long.resize(65_535, 7);
    long[..2].fill(255);
    let body = [&long.repeat(15)[..], &good].concat();
    let request = peer.send(FrameKind::Commands, 16, 0, &body);
    let outcomes = peer.outcomes(request, 16);
    for outcome in &outcomes[..15] {
        assert_eq!(outcome.code, Code::BadField);
        assert!(matches!(&outcome.detail, Detail::Field { field, .. } if field == "field.number"));
    }
    assert_eq!(outcomes[15].code, Code::Ok);
}

#[test]
fn a_key_from_a_client_is_a_bad_field_and_is_not_logged() {
    // Proves that only servers set keys: a plain cart and a cold command with a key are refused without taking an op.
    let server = TestServer::start(|_| ());
    let mut peer = server.connect();
    let shop = Shop::open(&mut peer, 1, 1_000);
    let lines = [Line::new(shop.skus[0], units(1))];
    let before = peer.reserve(shop.stock, shop.skus[0], 1).op;
    let key = Some(KeyHash(&[7; 16]));
    for command in [Command::Reserve(cart(shop.stock, &lines)), Command::Mark(Mark::new("keyed"))] {
        let outcome = peer.call(&[Envelope { key, ..Envelope::fresh(new_id(), command) }]).remove(0);
        assert_eq!((outcome.code, outcome.recorded), (Code::BadField, false));
        assert!(matches!(&outcome.detail, Detail::Field { field, .. } if field == "key"), "{outcome:?}");
    }
    assert_eq!(peer.reserve(shop.stock, shop.skus[0], 1).op, before + 1);
}

#[test]
fn a_token_and_a_name_generation_are_carried_and_change_nothing() {
    // Proves that a server of this release accepts a hello with a token and commands with any name generation, and that
    // its own generation is 0.
    let server = TestServer::start(|_| ());
    let mut peer = Peer::without_hello(server.address());
    let token = [&1_024_u64.to_le_bytes()[..], &[b't'; 1_024]].concat();
    let mut body = hello(&Hello::new("with a token"));
    body.extend_from_slice(&[5, 0x80]);
    body.extend_from_slice(&1_032_u32.to_le_bytes());
    body.extend_from_slice(&token);
    peer.stream.write_all(&plain(FrameKind::Hello, 0, &body)).unwrap();
    let reply = peer.reply();
    assert_eq!(reply.header.kind, FrameKind::Welcome);
    let welcome = Welcome::decode(&reply.body).unwrap();
    assert_eq!((welcome.version, welcome.version_min, welcome.version_max), (2, 2, 2));
    assert_eq!((welcome.feature_level, welcome.name_generation, welcome.capabilities), (1, 0, 0));
    let commands = changed(FrameKind::Commands, 1, &command(), |header| header[22..24].fill(0xFF));
    peer.stream.write_all(&commands).unwrap();
    let reply = peer.reply();
    assert_eq!((reply.header.kind, reply.header.version, reply.header.names), (FrameKind::Outcomes, 2, 0));
}

#[test]
fn every_version_that_is_spoken_is_spoken_to_the_end() {
    // Proves that each kind of answer, from the connection and from the stages, has the agreed version, and that a
    // frame of another version closes the connection.
    let server = TestServer::start(|_| ());
    let frame = |kind, count, version, request, body: &[u8]| {
        let mut bytes = Vec::new();
        frame::append(Header::new(kind, request, count).in_version(version), body, &mut bytes);
        bytes
    };
    let pair = [0; 16];
    let bad = [&[20, 0][..], &[99; 18]].concat();
    let behind = [&u64::MAX.to_le_bytes()[..], &[0; 8]].concat();
    for version in PROTOCOL_VERSION_MIN..=PROTOCOL_VERSION {
        let greet = || {
            let mut peer = Peer::without_hello(server.address());
            let body = hello(&Hello { version_min: 1, version_max: version, ..Hello::new("of one version") });
            peer.stream.write_all(&plain(FrameKind::Hello, 0, &body)).unwrap();
            let reply = peer.reply();
            assert_eq!((reply.header.kind, reply.header.version), (FrameKind::Welcome, HANDSHAKE_VERSION));
            assert_eq!(Welcome::decode(&reply.body).unwrap().version, version);
            peer
        };
        let mut peer = greet();
        let late = Header { time: 1, ..Header::new(FrameKind::Checks, 7, 1) }.in_version(version);
        let mut behind_frame = Vec::new();
        frame::append(late, &behind, &mut behind_frame);
        for (bytes, kind) in [
            (frame(FrameKind::Commands, 1, version, 1, &command()), FrameKind::Outcomes),
            (frame(FrameKind::Commands, 1, version, 2, &bad), FrameKind::Outcomes),
            (frame(FrameKind::Checks, 1, version, 3, &pair), FrameKind::Cells),
            (frame(FrameKind::Resolve, 0, version, 4, &[0; 8]), FrameKind::Resolved),
            (frame(FrameKind::Query, 0, version, 5, &cold(&Query::Status)), FrameKind::Answer),
            (frame(FrameKind::Query, 0, version, 6, &[255; 4]), FrameKind::Answer),
            (behind_frame, FrameKind::Outcomes),
        ] {
            peer.stream.write_all(&bytes).unwrap();
            let reply = peer.reply();
            assert_eq!((reply.header.kind, reply.header.version), (kind, version));
        }
        for other in (PROTOCOL_VERSION_MIN..=PROTOCOL_VERSION).filter(|other| *other != version) {
            let mut peer = greet();
            peer.stream.write_all(&frame(FrameKind::Checks, 1, other, 1, &pair)).unwrap();
            expect_error(&mut peer, &format!("frame version {other} is not version {version}"));
        }
    }
}

#[test]
fn a_peer_that_says_error_is_let_go_without_a_word() {
    // Proves that an Error frame of a client ends the connection and is not answered by another one.
    let server = TestServer::start(|_| ());
    let mut peer = server.connect();
    peer.stream.write_all(&plain(FrameKind::Error, 0, &cold(&"you are wrong".to_owned()))).unwrap();
    assert!(peer.try_reply().is_none());
    assert_eq!(server.connect().metric("connections_broken"), 0);
}
