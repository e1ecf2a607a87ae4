//! A real server over TCP: one sale from the first connection to the restart, races for the last unit, and retries.

use super::harness::{Shop, TestServer, cart, new_id, units};
use stockhold_protocol::command::Release;
use stockhold_protocol::line::Lines;
use stockhold_protocol::query::{Name, Query, QueryAnswer};
use stockhold_protocol::{Code, Command, Envelope, Line, Outcome, ReservationId};

#[test]
fn a_sale_survives_a_restart() {
    // Proves the basic path: define, resolve, reserve, log, apply, answer, stop, recover, and the same answer to the
    // same id.
    let mut server = TestServer::start(|_| ());
    let mut peer = server.connect();
    let shop = Shop::open(&mut peer, 2, 10);
    let names = [Name::Sku("SKU-1".into()), Name::Stock("web".into()), Name::Sku("SKU-9".into())];
    assert_eq!(peer.resolve(&names), vec![Some(shop.skus[1].0), Some(shop.stock.0), None]);

    let id = new_id();
    let lines = [Line::new(shop.skus[0], units(7))];
    let first = peer.one(id, Command::Reserve(cart(shop.stock, &lines)));
    assert_eq!((first.code, first.replayed, first.recorded), (Code::Ok, false, true));
    assert_eq!(peer.cell(shop.skus[0], shop.stock), units(3).raw());
    assert_eq!(peer.reserve(shop.stock, shop.skus[0], 4).code, Code::SoldOut);
    drop(peer);
    server.restart();

    assert!(server.running().report().clean_stop);
    let mut peer = server.connect();
    let QueryAnswer::Validation(validation) = peer.query(&Query::Validate) else { panic!("no validation") };
    assert_eq!(validation.violations, Vec::<String>::new());
    assert_eq!(validation.digest, server.running().report().digest);
    assert_eq!(peer.cell(shop.skus[0], shop.stock), units(3).raw());
    let again = peer.one(id, Command::Reserve(cart(shop.stock, &lines)));
    assert_eq!(again, Outcome { replayed: true, ..first });
}

#[test]
fn two_connections_race_for_the_last_units_and_none_is_sold_twice() {
    // Proves that however two connections interleave, exactly the existing units are granted.
    let server = TestServer::start(|_| ());
    let shop = Shop::open(&mut server.connect(), 1, 500);
    let granted: usize = std::thread::scope(|scope| {
        let buyers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut peer = server.connect();
                    let lines = [Line::new(shop.skus[0], units(1))];
                    let mut granted = 0;
                    for _ in 0..10 {
                        let carts: Vec<_> = (0..20)
                            .map(|_| Envelope::new(new_id(), Command::Reserve(cart(shop.stock, &lines))))
                            .collect();
                        let outcomes = peer.call(&carts);
                        assert!(
                            outcomes.iter().all(|outcome| matches!(outcome.code, Code::Ok | Code::SoldOut))
                        );
                        granted += outcomes.iter().filter(|outcome| outcome.code == Code::Ok).count();
                    }
                    granted
                })
            })
            .collect();
        buyers.into_iter().map(|buyer| buyer.join().unwrap()).sum()
    });
    assert_eq!(granted, 500);
    assert_eq!(server.connect().cell(shop.skus[0], shop.stock), 0);
}

#[test]
fn a_storm_of_retries_executes_each_id_once() {
    // Proves that the same id over many connections at once is granted once, and that all get the same outcome.
    let server = TestServer::start(|_| ());
    let shop = Shop::open(&mut server.connect(), 1, 1_000);
    let ids: Vec<_> = (0..50).map(|_| new_id()).collect();
    let lines = [Line::new(shop.skus[0], units(2))];
    let answers: Vec<Vec<Outcome>> = std::thread::scope(|scope| {
        let storm: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let carts: Vec<_> = ids
                        .iter()
                        .map(|id| Envelope::new(*id, Command::Reserve(cart(shop.stock, &lines))))
                        .collect();
                    server.connect().call(&carts)
                })
            })
            .collect();
        storm.into_iter().map(|peer| peer.join().unwrap()).collect()
    });
    for at in 0..ids.len() {
        let first = answers.iter().filter(|answers| !answers[at].replayed).count();
        assert_eq!(first, 1, "executed once");
        let op = answers[0][at].op;
        assert!(answers.iter().all(|answers| answers[at].op == op && answers[at].code == Code::Ok));
    }
    assert_eq!(server.connect().cell(shop.skus[0], shop.stock), units(900).raw());
}

#[test]
fn a_release_is_seen_by_the_next_reserve_of_the_same_connection() {
    // Proves that an edge refusal is never given while the connection's own release is in flight.
    let server = TestServer::start(|_| ());
    let mut peer = server.connect();
    let shop = Shop::open(&mut peer, 1, 1);
    let lines = [Line::new(shop.skus[0], units(1))];
    for _ in 0..50 {
        let held = new_id();
        assert_eq!(peer.one(held, Command::Reserve(cart(shop.stock, &lines))).code, Code::Ok);
        let release = Command::Release(Release { reservation: ReservationId(held), lines: Lines::NONE });
        let mut fresh = Envelope::new(new_id(), Command::Reserve(cart(shop.stock, &lines)));
        fresh.fresh = true;
        let outcomes = peer.call(&[Envelope::new(new_id(), release.clone()), fresh.clone()]);
        assert_eq!((outcomes[0].code, outcomes[1].code), (Code::Ok, Code::Ok));
        let back = Command::Release(Release { reservation: ReservationId(fresh.id), lines: Lines::NONE });
        peer.done(back);
    }
    assert_eq!(peer.metric("edge_refusals"), 0);
}

#[test]
fn a_fresh_reserve_of_a_sold_out_sku_is_refused_at_the_edge_and_leaves_its_id_unused() {
    // Proves that a rush is refused before the log, unrecorded, and that the same id may be granted later.
    let server = TestServer::start(|_| ());
    let mut peer = server.connect();
    let shop = Shop::open(&mut peer, 1, 1);
    let held = new_id();
    let lines = [Line::new(shop.skus[0], units(1))];
    assert_eq!(peer.one(held, Command::Reserve(cart(shop.stock, &lines))).code, Code::Ok);
    let op = peer.metric("op_logged");
    let mut fresh = Envelope::new(new_id(), Command::Reserve(cart(shop.stock, &lines)));
    fresh.fresh = true;
    let refused = peer.call(&[fresh.clone()]).remove(0);
    assert_eq!((refused.code, refused.recorded, refused.replayed), (Code::SoldOut, false, false));
    assert_eq!((peer.metric("edge_refusals"), peer.metric("op_logged")), (1, op));
    peer.done(Command::Release(Release { reservation: ReservationId(held), lines: Lines::NONE }));
    fresh.fresh = false;
    let granted = peer.call(&[fresh]).remove(0);
    assert_eq!((granted.code, granted.replayed), (Code::Ok, false));
}
