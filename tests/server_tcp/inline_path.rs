//! The inline path: a network thread logs, applies and answers what it has read itself.

use super::batches::server_at;
use super::harness::{HANG, Shop, TestServer, cart, new_id, units};
use std::time::Instant;
use stockhold::pipeline::Stepped;
use stockhold_protocol::{Code, Command, Envelope, Line, Timestamp};

#[test]
fn a_single_connection_takes_the_inline_path() {
    // Proves that the inline path is used, that its commands are logged, and that a restart has them.
    let mut server = TestServer::start(|config| config.threads.network = 1);
    let mut peer = server.connect();
    let shop = Shop::open(&mut peer, 1, 1_000_000);
    let (before, op) = (peer.metric("inline_commits"), peer.metric("op_logged"));
    let mut reserves = 0;
    // Only a slow disk pauses the inline path here (`src/server/inline_path.rs`, where no time passes).
    let began = Instant::now();
    while peer.metric("inline_commits") == before {
        assert!(began.elapsed() < HANG, "{reserves} commands, and none took the inline path");
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
        let before = peer.metric("inline_commits");
        peer.cell(shop.skus[0], shop.stock);
        assert_eq!(peer.reserve(shop.stock, shop.skus[0], 1).code, Code::Ok);
        assert_eq!(
            peer.metric("inline_commits"),
            before,
            "the check pauses the inline path for the next command"
        );
    }
}

#[test]
fn two_network_threads_do_not_take_the_inline_path() {
    // Proves that a thread does not wait for the disk where it could serve other connections meanwhile.
    let server = TestServer::start(|config| config.threads.network = 2);
    let mut peer = server.connect();
    let shop = Shop::open(&mut peer, 1, 1_000);
    for _ in 0..20 {
        assert_eq!(peer.reserve(shop.stock, shop.skus[0], 1).code, Code::Ok);
    }
    assert_eq!(peer.metric("inline_commits"), 0);
}

#[test]
fn many_connections_on_the_inline_path_each_get_their_answer() {
    // Proves that commands of many connections are answered completely and counted exactly, whichever path they take;
    // some take the inline path.
    let server = TestServer::start(|config| config.threads.network = 1);
    let mut peers: Vec<_> = (0..48).map(|_| server.connect()).collect();
    let all = 1_000_000;
    let shop = Shop::open(&mut peers[0], 1, all);
    let lines = [Line::new(shop.skus[0], units(1))];
    let (mut left, mut rounds, began) = (all, 0, Instant::now());
    while rounds < 20 || peers[0].metric("inline_commits") == 0 {
        assert!(began.elapsed() < HANG, "{rounds} turns, and none took the inline path");
        let command = || Command::Reserve(cart(shop.stock, &lines));
        let requests: Vec<_> =
            peers.iter_mut().map(|peer| peer.send_commands(&[Envelope::new(new_id(), command())])).collect();
        for (peer, request) in peers.iter_mut().zip(requests) {
            assert_eq!(peer.outcomes(request, 1)[0].code, Code::Ok);
            left -= 1;
        }
        rounds += 1;
    }
    assert_eq!(peers[0].cell(shop.skus[0], shop.stock), units(left).raw());
    assert_eq!(peers[0].reserve(shop.stock, shop.skus[0], left).code, Code::Ok);
    assert_eq!(peers[0].reserve(shop.stock, shop.skus[0], 1).code, Code::SoldOut);
}

#[test]
fn a_sequencer_does_not_sleep_over_a_deadline_that_it_learns_of_late() {
    // Proves that a tick which becomes due before the log's thread would wake up is work for that thread, and that a
    // later one is not.
    let (mut assembly, start_ms) = server_at(800);
    while assembly.sequencer.step() == Stepped::Worked {}
    assert!(!assembly.sequencer.has_work(), "nothing is due");
    let second = start_ms / 1_000;
    let at = |second: u64| Some(Timestamp(second * 1_000));
    assembly.context.feedback.set_next_due(at(second + 2));
    assert!(!assembly.sequencer.has_work(), "it wakes before that by itself");
    assembly.context.feedback.set_next_due(at(second + 1));
    assert!(assembly.sequencer.has_work(), "it would sleep over a tick that is due in 200 ms");
    assert_eq!(assembly.sequencer.step(), Stepped::Idle { wait_ms: 200 });
    assert!(!assembly.sequencer.has_work(), "it knows now");
}
