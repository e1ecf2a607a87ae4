//! The short way: a network thread that writes, applies and answers what it has read by itself.

use std::sync::Arc;

use crate::harness::{Shop, TestServer, cart, new_id, now_ms, units};
use stockhold::assembly::{Surroundings, assemble, format};
use stockhold::clock::ManualTimeSource;
use stockhold::config::Config;
use stockhold::pipeline::Stepped;
use stockhold::storage::recording::RecordingStorage;
use stockhold_machine::Genesis;
use stockhold_protocol::{Code, Command, Envelope, Line, Timestamp};

#[test]
fn a_lone_connection_is_served_the_short_way() {
    // Proves that the short way is taken at all, that what it answers is logged, and that a restart knows it.
    let mut server = TestServer::start(|config| config.threads.network = 1);
    let mut peer = server.connect();
    let shop = Shop::open(&mut peer, 1, 1_000_000);
    let (before, op) = (peer.metric("short_ways"), peer.metric("op_logged"));
    let mut reserves = 0;
    // A slow disk closes the short way for a while, and only that.
    while peer.metric("short_ways") == before {
        assert_eq!(peer.reserve(shop.stock, shop.skus[0], 1).code, Code::Ok);
        reserves += 1;
    }
    assert!(peer.metric("op_logged") >= op + reserves);
    server.restart();
    assert_eq!(server.connect().cell(shop.skus[0], shop.stock), units(1_000_000 - reserves).raw());
}

#[test]
fn who_checks_does_not_wait_for_the_disk() {
    // Proves that a thread which answers checks leaves the log to the log's thread.
    let server = TestServer::start(|config| config.threads.network = 1);
    let mut peer = server.connect();
    let shop = Shop::open(&mut peer, 1, 1_000);
    for _ in 0..20 {
        peer.cell(shop.skus[0], shop.stock);
        let before = peer.metric("short_ways");
        peer.cell(shop.skus[0], shop.stock);
        assert_eq!(peer.reserve(shop.stock, shop.skus[0], 1).code, Code::Ok);
        assert_eq!(peer.metric("short_ways"), before, "the check closes the short way for the next command");
    }
}

#[test]
fn with_two_network_threads_nobody_takes_the_short_way() {
    // Proves that a thread does not wait for the disk where others could be served meanwhile.
    let server = TestServer::start(|config| config.threads.network = 2);
    let mut peer = server.connect();
    let shop = Shop::open(&mut peer, 1, 1_000);
    for _ in 0..20 {
        assert_eq!(peer.reserve(shop.stock, shop.skus[0], 1).code, Code::Ok);
    }
    assert_eq!(peer.metric("short_ways"), 0);
}

#[test]
fn many_connections_on_the_short_way_get_each_their_answer() {
    // Proves that turns of many connections are answered whole and counted exactly, whichever way each of them takes.
    let server = TestServer::start(|config| config.threads.network = 1);
    let mut peers: Vec<_> = (0..48).map(|_| server.connect()).collect();
    let shop = Shop::open(&mut peers[0], 1, 48 * 20);
    let lines = [Line::new(shop.skus[0], units(1))];
    for _ in 0..20 {
        let command = || Command::Reserve(cart(shop.stock, &lines));
        let requests: Vec<_> =
            peers.iter_mut().map(|peer| peer.send_commands(&[Envelope::new(new_id(), command())])).collect();
        for (peer, request) in peers.iter_mut().zip(requests) {
            assert_eq!(peer.outcomes(request, 1)[0].code, Code::Ok);
        }
    }
    assert_eq!(peers[0].cell(shop.skus[0], shop.stock), 0);
    assert_eq!(peers[0].reserve(shop.stock, shop.skus[0], 1).code, Code::SoldOut);
    assert!(peers[0].metric("short_ways") > 0);
}

#[test]
fn who_steps_the_log_hears_of_a_deadline_that_its_thread_would_miss() {
    // Proves that the log's own thread is called when a tick is due before it would wake by itself, and not without need.
    let storage = RecordingStorage::new();
    let config = Config::default();
    let start_ms = now_ms() / 1_000 * 1_000 + 800;
    let genesis = Genesis { formatted_at: Timestamp(start_ms), ..Genesis::default() };
    format(storage.share(), &genesis, config.log.segment_bytes, uuid::Uuid::from_u128(1), 1).unwrap();
    let time = Arc::new(ManualTimeSource::new(start_ms));
    let surroundings = Surroundings { time, salt_seed: 1, helper: None };
    let mut assembly = assemble(storage.share(), &config, 1, surroundings, |_| ()).unwrap();
    while assembly.sequencer.step() == Stepped::Worked {}
    assert!(!assembly.sequencer.needs_its_thread(), "nothing is due");
    let second = u32::try_from(start_ms / 1_000).unwrap();
    assembly.gate.feedback.set_next_due(Some(second + 2));
    assert!(!assembly.sequencer.needs_its_thread(), "it wakes before that by itself");
    assembly.gate.feedback.set_next_due(Some(second + 1));
    assert!(assembly.sequencer.needs_its_thread(), "it would sleep over a tick that is due in 200 ms");
    let stepped = assembly.sequencer.step();
    assert_eq!(stepped, Stepped::Idle { wait_ms: 200 });
    assert!(!assembly.sequencer.needs_its_thread(), "it knows now");
}
