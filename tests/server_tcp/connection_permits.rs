//! The limit of connections: an idle connection is evicted for a new one, one with work never is, and a refused peer
//! learns the reason.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use super::harness::{Peer, Shop, TestServer};
use stockhold::net::connection_permits::{LINGERING_MAX, LOCAL_CONNECTIONS_MAX};
use stockhold_client::blocking::Client;
use stockhold_client::{Answer, CallError, Cart, ConnectionError, PipelinedConnection, RetryPolicy};
use stockhold_protocol::codec::decode_cold;
use stockhold_protocol::frame::{self, FrameKind, Header};
use stockhold_protocol::handshake::Hello;

/// The number of connections of a server with limit one. All peers of these tests are on this machine.
const MOST: usize = 1 + LOCAL_CONNECTIONS_MAX;

fn one_permit() -> TestServer {
    TestServer::start(|config| {
        config.limits.connections = 1;
        // Waiting questions wait for longer than any test, and closed connections are gone soon.
        config.limits.check_wait_ms = 600_000;
        config.limits.frame_ms = 600_000;
        config.limits.slow_reader_ms = 50;
        config.stop.grace_ms = 50;
    })
}

/// A connection that has work: a check that waits for an op that is never reached.
fn busy(server: &TestServer) -> Peer {
    let mut peer = server.connect();
    put_to_work(&mut peer);
    peer
}

fn put_to_work(peer: &mut Peer) {
    let mut body = u64::MAX.to_le_bytes().to_vec();
    body.extend_from_slice(&[0; 8]);
    peer.send(FrameKind::Checks, 1, 0, &body);
    // The answer to a later question shows that the check was read.
    peer.send(FrameKind::Resolve, 0, 0, &0_u64.to_le_bytes());
    assert_eq!(peer.reply().header.kind, FrameKind::Resolved);
}

/// Opens busy connections until all permits are in use.
fn fill_up(server: &TestServer, working: &mut Vec<Peer>) {
    while working.len() < MOST {
        let mut peer = connect_when_free(server);
        put_to_work(&mut peer);
        working.push(peer);
    }
}

/// Sends a hello; `None` when the server has closed the connection without a frame.
fn try_connect(server: &TestServer) -> Option<(Peer, FrameKind)> {
    let (mut body, mut hello) = (Vec::new(), Vec::new());
    Hello::new("newcomer").encode(&mut body).unwrap();
    frame::append(Header::new(FrameKind::Hello, 0, 0), &body, &mut hello);
    let mut peer = Peer::without_hello(server.address());
    peer.stream.write_all(&hello).ok()?;
    let kind = peer.try_reply()?.header.kind;
    Some((peer, kind))
}

/// Retries until a connection is accepted.
fn connect_when_free(server: &TestServer) -> Peer {
    loop {
        if let Some((peer, FrameKind::Welcome)) = try_connect(server) {
            return peer;
        }
    }
}

/// Expects a last frame with the reason for the close, then the end of the stream without a reset.
fn expect_last_error(peer: &mut Peer, part: &str) {
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
    // Proves that idle connections that hold all permits are evicted for every new one, and that the evicted ones learn
    // the reason.
    let server = one_permit();
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
            expect_last_error(peer, "idle for the longest, was closed to make room");
            told += 1;
        }
    }
    assert_eq!(told, 3);
}

#[test]
fn the_longest_idle_is_evicted_and_none_that_has_work() {
    // Proves which connection is evicted: of two idle connections the one that was idle for longer, never one with a
    // question in flight or with an incomplete frame. If there is none, the new peer, the client crate and the metrics
    // report it.
    let server = one_permit();
    let (mut longest, mut shorter) = (server.connect(), server.connect());
    let mut working: Vec<_> = (0..MOST - 3).map(|_| busy(&server)).collect();
    working.push(server.connect());
    working[MOST - 3].stream.write_all(&frame::MAGIC).unwrap();
    // Sweeps are 100 ms apart, so one connection must have been active for that long after the other one was last.
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(300) {
        shorter.metric("connections_open");
    }
    working.push(busy(&server));
    expect_last_error(&mut longest, "was closed to make room");
    assert!(is_alive(&mut shorter));
    working.push(busy(&server));
    expect_last_error(&mut shorter, "was closed to make room");

    let full = "the server has its 17 connections already";
    let mut turned_away = Peer::without_hello(server.address());
    expect_last_error(&mut turned_away, full);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let refused = runtime.block_on(PipelinedConnection::connect(server.address(), "newcomer"));
    assert!(matches!(refused, Err(ConnectionError::Refused(why)) if why.contains(full)));

    assert!(working.iter_mut().all(is_alive));
    drop(working.pop());
    let mut last = connect_when_free(&server);
    assert!(last.metric("connections_refused") >= 2);
    assert_eq!(last.metric("connections_displaced"), 2);
}

#[test]
fn a_connection_that_never_says_hello_goes_before_those_that_did() {
    // Proves the order of connections without a hello and idle ones, and that a new connection is not evicted by the
    // next one.
    let server = TestServer::start(|config| {
        config.limits.connections = 1;
        config.limits.handshake_ms = 600_000;
    });
    let mut idle: Vec<_> = (0..MOST - 1).map(|_| server.connect()).collect();
    let mut silent = Peer::without_hello(server.address());
    // New connections evict idle ones while the one without a hello is still young.
    let mut last = server.connect();
    assert!(is_alive(&mut silent));
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(1_300) {
        last.metric("connections_open");
    }
    let later = server.connect();
    expect_last_error(&mut silent, "was closed to make room");
    assert_eq!(idle.iter_mut().filter_map(|peer| is_alive(peer).then_some(())).count(), MOST - 2);
    drop(later);
}

#[test]
fn a_client_that_made_room_comes_again_with_its_next_call() {
    // Proves that a long-lived client recovers by itself after its idle connection was closed: its next call succeeds
    // even with a single attempt, because nothing was in flight.
    let server = one_permit();
    let shop = Shop::open(&mut server.connect(), 1, 10);
    let builder = stockhold_client::Client::builder().connections(1).retry(RetryPolicy::never());
    let client = Client::connect_by(builder, server.address().to_string()).unwrap();
    let cart = Cart::from_stock(shop.stock).line(shop.skus[0], 1);
    assert!(matches!(client.reserve(&cart), Ok(Answer::Done(_))));
    // Connections with work hold all permits, so the client has lost its own.
    let mut working = Vec::new();
    fill_up(&server, &mut working);
    drop(working.pop());
    drop(connect_when_free(&server));
    let again = client.reserve(&cart);
    assert!(matches!(again, Ok(Answer::Done(_))), "{again:?}");
    // While no permit is free, the call reports the reason.
    fill_up(&server, &mut working);
    let refused = client.reserve(&cart).unwrap_err();
    assert!(matches!(refused, CallError::NotDone { .. }), "{refused:?}");
    assert!(format!("{refused:?}").contains("17 connections already"), "{refused:?}");
}

#[test]
fn more_new_connections_than_may_linger_delay_no_other() {
    // Proves the bound on connections that wait for their peers to read the last bytes: any further ones are closed at
    // once.
    let server = one_permit();
    let mut working: Vec<_> = (0..MOST).map(|_| busy(&server)).collect();
    let mut crowd: Vec<_> = (0..LINGERING_MAX + 50).map(|_| Peer::without_hello(server.address())).collect();
    for peer in &mut crowd {
        expect_last_error(peer, "connections already");
    }
    drop(working.pop());
    let mut last = connect_when_free(&server);
    assert!(last.metric("connections_refused") >= i64::try_from(crowd.len()).unwrap());
}
