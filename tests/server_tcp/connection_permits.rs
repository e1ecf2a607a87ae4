//! The limit of connections: an idle connection makes room, one with work never does, and whoever is turned away is told why.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use super::harness::{Peer, Shop, TestServer};
use stockhold::net::connection_permits::{LINGERING_MAX, LOCAL_CONNECTIONS_MAX};
use stockhold_client::blocking::Client;
use stockhold_client::{Answer, CallError, Cart, ConnectionError, PipelinedConnection, RetryPolicy};
use stockhold_protocol::codec::decode_cold;
use stockhold_protocol::frame::{self, FrameKind, Header};
use stockhold_protocol::handshake::Hello;

/// Connections of a server whose limit is one: all peers of these tests are on this machine.
const MOST: usize = 1 + LOCAL_CONNECTIONS_MAX;

fn one_place() -> TestServer {
    TestServer::start(|config| {
        config.limits.connections = 1;
        // What waits, waits for longer than any test, and what has ended is soon gone.
        config.limits.check_wait_ms = 600_000;
        config.limits.frame_ms = 600_000;
        config.limits.slow_reader_ms = 50;
        config.stop.grace_ms = 50;
    })
}

/// A connection that has work: a check that waits for an op that does not come.
fn busy(server: &TestServer) -> Peer {
    let mut peer = server.connect();
    put_to_work(&mut peer);
    peer
}

fn put_to_work(peer: &mut Peer) {
    let mut body = u64::MAX.to_le_bytes().to_vec();
    body.extend_from_slice(&[0; 8]);
    peer.send(FrameKind::Checks, 1, 0, &body);
    // The answer to a question behind it shows that the check was read.
    peer.send(FrameKind::Resolve, 0, 0, &0_u64.to_le_bytes());
    assert_eq!(peer.reply().header.kind, FrameKind::Resolved);
}

/// Lets busy connections come until they have all places.
fn fill_up(server: &TestServer, working: &mut Vec<Peer>) {
    while working.len() < MOST {
        let mut peer = seated(server);
        put_to_work(&mut peer);
        working.push(peer);
    }
}

/// Says hello; `None` when the server has closed the connection without a word.
fn newcomer(server: &TestServer) -> Option<(Peer, FrameKind)> {
    let (mut body, mut hello) = (Vec::new(), Vec::new());
    Hello::new("newcomer").encode(&mut body).unwrap();
    frame::append(Header::new(FrameKind::Hello, 0, 0), &body, &mut hello);
    let mut peer = Peer::mute(server.address());
    peer.stream.write_all(&hello).ok()?;
    let kind = peer.try_reply()?.header.kind;
    Some((peer, kind))
}

/// Comes again until there is a place.
fn seated(server: &TestServer) -> Peer {
    loop {
        if let Some((peer, FrameKind::Welcome)) = newcomer(server) {
            return peer;
        }
    }
}

/// The server's last frame says why it closes, and the stream ends without a reset.
fn expect_farewell(peer: &mut Peer, part: &str) {
    let reply = peer.reply();
    assert_eq!(reply.header.kind, FrameKind::Error);
    let sentence: String = decode_cold(&reply.body).unwrap();
    assert!(sentence.contains(part), "{sentence}");
    assert_eq!(peer.stream.read(&mut [0]).unwrap(), 0);
}

fn is_alive(peer: &mut Peer) -> bool {
    peer.stream.set_nonblocking(true).unwrap();
    let read = peer.stream.read(&mut [0]);
    peer.stream.set_nonblocking(false).unwrap();
    read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn idle_connections_lock_nobody_out() {
    // Proves that a crowd that says hello and takes all places makes room for everybody who comes, and that those who go are told why.
    let server = one_place();
    let mut crowd: Vec<_> = (0..MOST).map(|_| server.connect()).collect();
    for number in 1..=3 {
        let mut last = server.connect();
        assert_eq!(last.metric("connections_displaced"), number);
        assert_eq!(last.metric("connections_open"), i64::try_from(MOST).unwrap());
        crowd.push(last);
    }
    let mut told = 0;
    for peer in &mut crowd {
        peer.stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        if peer.stream.peek(&mut [0]).is_ok() {
            expect_farewell(peer, "idle for the longest, had to make room");
            told += 1;
        }
    }
    assert_eq!(told, 3);
}

#[test]
fn the_longest_idle_goes_and_none_that_has_work() {
    // Proves whom a newcomer displaces: of two idle connections the one that was idle for longer, never one with a question in flight
    // or a frame under way. When there is none, the newcomer is told so, and so are client crate and whoever counts.
    let server = one_place();
    let (mut longest, mut shorter) = (server.connect(), server.connect());
    let mut working: Vec<_> = (0..MOST - 3).map(|_| busy(&server)).collect();
    working.push(server.connect());
    working[MOST - 3].stream.write_all(&frame::MAGIC).unwrap();
    // The looks are 100 ms apart: for so long one must have been active after the other one was last.
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(300) {
        shorter.metric("connections_open");
    }
    working.push(busy(&server));
    expect_farewell(&mut longest, "had to make room");
    assert!(is_alive(&mut shorter));
    working.push(busy(&server));
    expect_farewell(&mut shorter, "had to make room");

    let full = "the server has its 17 connections already";
    let mut turned_away = Peer::mute(server.address());
    expect_farewell(&mut turned_away, full);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let refused = runtime.block_on(PipelinedConnection::connect(server.address(), "newcomer"));
    assert!(matches!(refused, Err(ConnectionError::Refused(why)) if why.contains(full)));

    assert!(working.iter_mut().all(is_alive));
    drop(working.pop());
    let mut last = seated(&server);
    assert!(last.metric("connections_refused") >= 2);
    assert_eq!(last.metric("connections_displaced"), 2);
}

#[test]
fn a_connection_that_never_says_hello_goes_before_those_that_did() {
    // Proves the order of mute and idle connections, and that one which has only just come is not displaced by the next.
    let server = TestServer::start(|config| {
        config.limits.connections = 1;
        config.limits.handshake_ms = 600_000;
    });
    let mut idle: Vec<_> = (0..MOST - 1).map(|_| server.connect()).collect();
    let mut mute = Peer::mute(server.address());
    // Newcomers displace idle ones while the mute one has only just come.
    let mut last = server.connect();
    assert!(is_alive(&mut mute));
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(1_300) {
        last.metric("connections_open");
    }
    let later = server.connect();
    expect_farewell(&mut mute, "had to make room");
    assert_eq!(idle.iter_mut().filter_map(|peer| is_alive(peer).then_some(())).count(), MOST - 2);
    drop(later);
}

#[test]
fn a_client_that_made_room_comes_again_with_its_next_call() {
    // Proves that a long-lived client whose connection was closed as idle needs no help: its next call is done, even when it may be
    // tried only once, because nothing was in flight.
    let server = one_place();
    let shop = Shop::open(&mut server.connect(), 1, 10);
    let builder = stockhold_client::Client::builder().connections(1).retry(RetryPolicy::never());
    let client = Client::connect_by(builder, server.address().to_string()).unwrap();
    let cart = Cart::from_stock(shop.stock).line(shop.skus[0], 1);
    assert!(matches!(client.reserve(&cart), Ok(Answer::Done(_))));
    // All places are taken by connections that have work, so the client has lost its own.
    let mut working = Vec::new();
    fill_up(&server, &mut working);
    drop(working.pop());
    drop(seated(&server));
    let again = client.reserve(&cart);
    assert!(matches!(again, Ok(Answer::Done(_))), "{again:?}");
    // While there is no place, the call says why.
    fill_up(&server, &mut working);
    let refused = client.reserve(&cart).unwrap_err();
    assert!(matches!(refused, CallError::NotDone { .. }), "{refused:?}");
    assert!(format!("{refused:?}").contains("17 connections already"), "{refused:?}");
}

#[test]
fn far_more_newcomers_than_may_linger_hold_up_nobody() {
    // Proves the bound on connections that wait for their peers to read the last word: who comes beyond it is closed at once.
    let server = one_place();
    let mut working: Vec<_> = (0..MOST).map(|_| busy(&server)).collect();
    let mut crowd: Vec<_> = (0..LINGERING_MAX + 50).map(|_| Peer::mute(server.address())).collect();
    for peer in &mut crowd {
        expect_farewell(peer, "connections already");
    }
    drop(working.pop());
    let mut last = seated(&server);
    assert!(last.metric("connections_refused") >= i64::try_from(crowd.len()).unwrap());
}
