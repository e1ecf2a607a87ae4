//! A real server over TCP at its limits: connections, commands in flight, frames, slow and silent peers, garbage,
//! deadlines, shutdown.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::harness::{Peer, Shop, TestServer, cart, decode_outcomes, new_id, units};
use stockhold_protocol::codec::decode_cold;
use stockhold_protocol::frame::{self, FrameKind, Header};
use stockhold_protocol::limits::FRAME_BODY_BYTES_MAX;
use stockhold_protocol::query::{CELL_NOT_ASSIGNED, Query, QueryAnswer};
use stockhold_protocol::{Code, Command, Detail, Envelope, Line, SkuId};

/// Expects a last frame with this error, then the close.
fn expect_error(peer: &mut Peer, part: &str) {
    let reply = peer.reply();
    assert_eq!(reply.header.kind, FrameKind::Error);
    let sentence: String = decode_cold(&reply.body).unwrap();
    assert!(sentence.contains(part), "{sentence}");
    assert!(peer.try_reply().is_none(), "the connection is closed after an error");
}

#[test]
fn a_frame_body_may_be_as_long_as_the_limit_and_no_byte_longer() {
    // Proves limit and limit + 1 of the frame, from the header alone.
    let server = TestServer::start(|config| config.limits.frame_body_bytes = 65_536);
    let mut peer = server.connect();
    let pairs: Vec<_> = (0..8_191).map(|sku| (SkuId(sku), stockhold_protocol::StockId(0))).collect();
    let reply = peer.checks(0, 0, &pairs);
    assert_eq!(reply.header.kind, FrameKind::Cells, "65,536 bytes are taken");
    let mut header = Vec::new();
    frame::append(Header::new(FrameKind::Checks, 1, 0), &vec![0; 65_537], &mut header);
    peer.stream.write_all(&header[..32]).unwrap();
    expect_error(&mut peer, "longer than the limit");
}

#[test]
fn a_bad_command_gets_its_own_answer_and_its_neighbours_theirs() {
    // Proves that a malformed command in a well-formed frame affects neither the frame nor the connection, and that a
    // client cannot send ticks.
    let server = TestServer::start(|_| ());
    let mut peer = server.connect();
    let shop = Shop::open(&mut peer, 1, 10);
    let lines = [Line::new(shop.skus[0], units(1))];
    let good = Envelope::new(new_id(), Command::Reserve(cart(shop.stock, &lines)));
    let mut body = Vec::new();
    good.encode(&mut body).unwrap();
    let bad_at = body.len();
    Envelope::new(new_id(), Command::Confirm(new_id().into())).encode(&mut body).unwrap();
    body[bad_at + 2] = 200;
    Envelope::new(stockhold_protocol::CommandId::NONE, Command::Tick).encode(&mut body).unwrap();
    let last = Envelope::new(new_id(), Command::Reserve(cart(shop.stock, &lines)));
    last.encode(&mut body).unwrap();
    let request = peer.send(FrameKind::Commands, 4, 0, &body);
    let outcomes = peer.outcomes(request, 4);
    let codes: Vec<_> = outcomes.iter().map(|outcome| outcome.code).collect();
    assert_eq!(codes, [Code::Ok, Code::BadField, Code::BadField, Code::Ok]);
    assert!(matches!(&outcomes[1].detail, Detail::Field { field, .. } if field == "kind"));
    assert_eq!(peer.reserve(shop.stock, shop.skus[0], 1).code, Code::Ok);
}

#[test]
fn commands_in_flight_are_limited_to_the_unit() {
    // Proves limit - 1, limit and limit + 1 in one frame: exactly the surplus is answered busy, with a delay.
    let server = TestServer::start(|config| config.limits.in_flight = 16);
    let mut peer = server.connect();
    assert_eq!(peer.welcome.as_ref().unwrap().limits.in_flight_max, 16);
    let shop = Shop::open(&mut peer, 1, 1_000);
    let lines = [Line::new(shop.skus[0], units(1))];
    for (count, busy) in [(15, 0), (16, 0), (17, 1)] {
        let carts: Vec<_> =
            (0..count).map(|_| Envelope::new(new_id(), Command::Reserve(cart(shop.stock, &lines)))).collect();
        let outcomes = peer.call(&carts);
        let refused: Vec<_> = outcomes.iter().filter(|outcome| outcome.code == Code::Busy).collect();
        assert_eq!(refused.len(), busy);
        assert!(refused.iter().all(|outcome| outcome.value > 0 && !outcome.recorded));
        assert!(outcomes.iter().take(16).all(|outcome| outcome.code == Code::Ok));
    }
}

#[test]
fn a_mute_connection_is_cut() {
    // Proves that an unfinished handshake does not hold its permit forever.
    let server = TestServer::start(|config| config.limits.handshake_ms = 50);
    let mut mute = Peer::without_hello(server.address());
    expect_error(&mut mute, "hello did not come in time");
    assert_eq!(server.connect().metric("connections_cut"), 1);
}

#[test]
fn a_peer_that_does_not_read_is_not_read_and_then_cut() {
    // Proves that unread answers are bounded: the server stops reading from a slow peer and cuts it, while others are
    // served.
    let server = TestServer::start(|config| {
        config.limits.outbox_bytes = 65_536;
        config.limits.slow_reader_ms = 100;
    });
    let mut slow = server.connect();
    let mut bytes = Vec::new();
    let mut body = 0_u64.to_le_bytes().to_vec();
    body.resize(8 + 8 * 8_000, 0);
    frame::append(Header::new(FrameKind::Checks, 1, 8_000), &body, &mut bytes);
    let mut sent = 0;
    let failed = loop {
        match slow.stream.write_all(&bytes) {
            Ok(()) => sent += bytes.len(),
            Err(error) => break error,
        }
        assert!(sent < 1 << 30, "the server reads and reads");
    };
    assert!(
        matches!(failed.kind(), std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe),
        "{failed}"
    );
    let mut other = server.connect();
    assert_eq!(other.metric("connections_cut"), 1);
}

#[test]
fn a_frame_that_does_not_end_is_cut() {
    // Proves that a peer cannot keep a buffer by sending a frame byte by byte, and that a peer that is slow between
    // frames is not cut.
    let server = TestServer::start(|config| config.limits.frame_ms = 150);
    let mut patient = server.connect();
    let shop = Shop::open(&mut patient, 1, 10);
    let mut endless = server.connect();
    let mut bytes = Vec::new();
    frame::append(Header::new(FrameKind::Commands, 1, 1), &vec![0; 100_000], &mut bytes);
    let began = std::time::Instant::now();
    let failed = bytes.iter().find_map(|byte| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        endless.stream.write_all(std::slice::from_ref(byte)).err()
    });
    assert!(failed.is_some(), "all bytes came, in {:?}", began.elapsed());
    assert!(began.elapsed() >= std::time::Duration::from_millis(150), "it has its time");
    assert_eq!(patient.reserve(shop.stock, shop.skus[0], 1).code, Code::Ok);
    assert_eq!(patient.metric("connections_cut"), 1);
}

#[test]
fn a_broken_peer_that_does_not_read_its_last_answers_is_cut() {
    // Proves that a closing connection cannot be kept open by leaving its answers unread: here more than the operating
    // system buffers and less than an outbox may hold, followed by garbage.
    let server = TestServer::start(|config| {
        config.limits.outbox_bytes = 64 << 20;
        config.limits.slow_reader_ms = 100;
    });
    let mut stubborn = server.connect();
    let mut bytes = Vec::new();
    let mut body = 0_u64.to_le_bytes().to_vec();
    body.resize(8 + 8 * 8_000, 0);
    frame::append(Header::new(FrameKind::Checks, 1, 8_000), &body, &mut bytes);
    for _ in 0..400 {
        stubborn.stream.write_all(&bytes).unwrap();
    }
    stubborn.stream.write_all(b"rubbish").unwrap();
    let mut other = server.connect();
    while other.metric("connections_open") > 1 {}
    assert_eq!((other.metric("connections_broken"), other.metric("connections_cut")), (1, 1));
}

#[test]
fn buffers_of_all_connections_together_are_bounded() {
    // Proves that peers which each keep to their limits cannot use up all memory together: those with the largest
    // buffers are cut, and an ordinary connection stays.
    let server = TestServer::start(|config| config.limits.buffer_bytes = 16 << 20);
    let mut healthy = server.connect();
    let shop = Shop::open(&mut healthy, 1, 1_000);
    let mut bytes = Vec::new();
    frame::append(Header::new(FrameKind::Commands, 1, 1), &vec![0; FRAME_BODY_BYTES_MAX], &mut bytes);
    // Forty frames of 1 MiB that lack their last byte.
    let mut hoarders: Vec<_> = (0..40).map(|_| server.connect()).collect();
    for hoarder in &mut hoarders {
        // A peer that was cut meanwhile gets an error here.
        drop(hoarder.stream.write_all(&bytes[..bytes.len() - 1]));
    }
    while healthy.metric("connections_cut") < 20 {
        assert_eq!(healthy.reserve(shop.stock, shop.skus[0], 1).code, Code::Ok);
    }
    assert!(healthy.metric("connections_open") >= 2, "no more are cut than must be");
}

#[test]
fn a_flood_on_one_connection_waits_for_its_turn() {
    // Proves that reading pauses when a connection has enough commands in flight, so that consecutive frames are never
    // refused and the queue is left to others. Without it, the limit in flight would answer some of these busy.
    let server = TestServer::start(|_| ());
    let mut flood = server.connect();
    let shop = Shop::open(&mut flood, 1, 1_000_000);
    let lines = [Line::new(shop.skus[0], units(1))];
    let frames: Vec<_> = (0..60)
        .map(|_| {
            let cart = || Envelope::new(new_id(), Command::Reserve(cart(shop.stock, &lines)));
            (0..1_000).map(|_| cart()).collect::<Vec<_>>()
        })
        .collect();
    let mut writer = flood.stream.try_clone().unwrap();
    let mut bytes = Vec::new();
    for (request, carts) in (1_000..).zip(&frames) {
        let mut body = Vec::new();
        for cart in carts {
            cart.encode(&mut body).unwrap();
        }
        frame::append(Header::new(FrameKind::Commands, request, 1_000), &body, &mut bytes);
    }
    let writing = std::thread::spawn(move || writer.write_all(&bytes).unwrap());
    let mut answered = 0;
    while answered < 60_000 {
        let reply = flood.reply();
        for (_, outcome) in decode_outcomes(&reply) {
            assert_eq!(outcome.code, Code::Ok);
            answered += 1;
        }
    }
    writing.join().unwrap();
    assert_eq!(flood.metric("commands_busy"), 0);
}

#[test]
fn a_check_waits_for_its_op_and_says_when_it_does_not_come() {
    // Proves min_op: reached at once, reached later, and not reached within the deadline.
    let server = TestServer::start(|_| ());
    let mut peer = server.connect();
    let shop = Shop::open(&mut peer, 1, 10);
    let pair = [(shop.skus[0], shop.stock)];
    let op = peer.reserve(shop.stock, shop.skus[0], 1).op;
    assert_eq!(peer.checks(op, 0, &pair).header.kind, FrameKind::Cells);

    let late = peer.checks(op + 1, 20, &pair);
    assert_eq!(late.header.kind, FrameKind::Outcomes);
    assert_eq!(decode_outcomes(&late)[0].1.code, Code::Behind);

    let address = server.address();
    let waiting = std::thread::spawn(move || Peer::connect(address).checks(op + 1, 20_000, &pair));
    let second = peer.reserve(shop.stock, shop.skus[0], 1);
    assert_eq!(second.op, op + 1);
    let reply = waiting.join().unwrap();
    assert_eq!(reply.header.kind, FrameKind::Cells);
    assert!(u64::from_le_bytes(*reply.body.first_chunk().unwrap()) > op);
    assert_eq!(peer.cell(SkuId(999), shop.stock), CELL_NOT_ASSIGNED);
}

#[test]
fn a_hold_expires_by_a_tick_when_nobody_sends_anything() {
    // Proves that the sequencer lets time pass by itself, so that readers see freed units soon after the deadline.
    let server = TestServer::start(|_| ());
    let mut peer = server.connect();
    let shop = Shop::open(&mut peer, 1, 1);
    let lines = [Line::new(shop.skus[0], units(1))];
    let mut hold = cart(shop.stock, &lines);
    hold.ttl_ms = Some(1_000);
    let held = peer.one(new_id(), Command::Reserve(hold));
    assert_eq!(held.code, Code::Ok);
    assert_eq!(peer.cell(shop.skus[0], shop.stock), 0);
    let reply = peer.checks(held.op + 1, 10_000, &[(shop.skus[0], shop.stock)]);
    assert_eq!(reply.header.kind, FrameKind::Cells, "a tick came");
    while peer.cell(shop.skus[0], shop.stock) == 0 {}
    assert!(peer.metric("ticks") >= 1);
}

#[test]
fn a_stop_answers_what_was_taken_and_says_goodbye() {
    // Proves that a clean stop loses no answer, and that the next start finds a clean end.
    let mut server = TestServer::start(|_| ());
    let mut peer = server.connect();
    let shop = Shop::open(&mut peer, 1, 1_000_000);
    let lines = [Line::new(shop.skus[0], units(1))];
    let carts: Vec<_> =
        (0..500).map(|_| Envelope::new(new_id(), Command::Reserve(cart(shop.stock, &lines)))).collect();
    let request = peer.send_commands(&carts);
    // One answer shows that the frame was accepted, so all of it is answered.
    let first = peer.reply();
    assert_eq!(first.header.request, request);
    let (stopper, address) = (server.running().stopper(), server.address());
    stopper.stop();
    server.stop();
    let mut answered = usize::from(first.header.count);
    let mut said_goodbye = false;
    while let Some(reply) = peer.try_reply() {
        if reply.header.kind == FrameKind::Outcomes {
            answered += usize::from(reply.header.count);
        } else {
            assert_eq!(reply.header.kind, FrameKind::Goodbye);
            said_goodbye = true;
        }
    }
    assert_eq!((answered, said_goodbye), (500, true));
    assert!(TcpStream::connect(address).is_err(), "it still accepts connections");
}

#[test]
fn a_snapshot_on_demand_is_what_the_next_start_begins_with() {
    // Proves a snapshot from the applier through the snapshotter to recovery, and its digest.
    let mut server = TestServer::start(|_| ());
    let mut peer = server.connect();
    let shop = Shop::open(&mut peer, 3, 10);
    peer.reserve(shop.stock, shop.skus[0], 4);
    let QueryAnswer::Snapshot(view) = peer.query(&Query::Snapshot) else { panic!("no snapshot") };
    let QueryAnswer::Snapshot(again) = peer.query(&Query::Snapshot) else { panic!("no snapshot") };
    assert_eq!(view, again, "nothing happened in between");
    assert_eq!(peer.reserve(shop.stock, shop.skus[1], 4).code, Code::Ok);
    drop(peer);
    server.restart();
    let report = server.running().report().clone();
    assert_eq!((report.snapshot_op(), report.replayed_ops), (Some(view.op), 1));
    let mut peer = server.connect();
    assert_eq!(peer.cell(shop.skus[0], shop.stock), units(6).raw());
    assert_eq!(peer.cell(shop.skus[1], shop.stock), units(6).raw());
}

#[test]
fn a_deadline_that_passes_before_the_log_leaves_the_id_unused() {
    // Proves that a frame whose deadline has passed is not logged. The shortest deadline may be met or not, but never
    // both.
    let server = TestServer::start(|_| ());
    let mut peer = server.connect();
    let shop = Shop::open(&mut peer, 1, 1_000);
    let lines = [Line::new(shop.skus[0], units(1))];
    let id = new_id();
    let request =
        peer.send_commands_within(&[Envelope::new(id, Command::Reserve(cart(shop.stock, &lines)))], 1);
    let first = peer.outcomes(request, 1).remove(0);
    let again = peer.one(id, Command::Reserve(cart(shop.stock, &lines)));
    if first.code == Code::Ok {
        assert!(again.replayed);
    } else {
        assert_eq!((first.code, first.recorded), (Code::DeadlinePassed, false));
        assert!(!again.replayed && again.code == Code::Ok);
    }
}

#[test]
fn a_peer_that_closes_its_side_still_gets_its_answers() {
    // Proves that a half-closed connection is served: what was sent before is answered.
    let server = TestServer::start(|_| ());
    let mut peer = server.connect();
    let shop = Shop::open(&mut peer, 1, 10);
    let lines = [Line::new(shop.skus[0], units(1))];
    let request = peer.send_commands(&[Envelope::new(new_id(), Command::Reserve(cart(shop.stock, &lines)))]);
    peer.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(peer.outcomes(request, 1)[0].code, Code::Ok);
    let mut rest = Vec::new();
    peer.stream.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty());
}
