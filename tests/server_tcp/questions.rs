//! Questions in flight: bounded per connection, answered under load, and no obstacle to sales.

use stockhold_protocol::codec::encode_cold;
use stockhold_protocol::frame::FrameKind;
use stockhold_protocol::query::{Query, QueryAnswer, ReservationFilter};
use stockhold_protocol::{Code, SkuId};

use super::harness::{Peer, Shop, TestServer};

/// The default limit of waiting questions per connection.
const IN_FLIGHT_MAX: usize = 64;

fn ask(peer: &mut Peer, query: &Query) -> u64 {
    let mut body = Vec::new();
    encode_cold(query, &mut body).unwrap();
    peer.send(FrameKind::Query, 0, 0, &body)
}

fn answer(peer: &mut Peer) -> (u64, QueryAnswer) {
    let reply = peer.reply();
    assert_eq!(reply.header.kind, FrameKind::Answer);
    (reply.header.request, QueryAnswer::decode(&reply.body).unwrap())
}

#[test]
fn a_question_of_a_later_release_gets_an_answer_of_its_own() {
    // Proves that an unknown query and one with unknown fields are answered `failed`, and that the connection
    // continues.
    let server = TestServer::start(|_| ());
    let mut peer = server.connect();
    for body in [&[10, 0, 0, 0][..], &[255, 255, 255, 255, 1], &[0, 0, 0, 0, 1], &[]] {
        let sent = peer.send(FrameKind::Query, 0, 0, body);
        let (request, failed) = answer(&mut peer);
        assert_eq!(request, sent);
        assert!(matches!(failed, QueryAnswer::Failed(_)), "{failed:?}");
    }
    assert!(matches!(peer.query(&Query::Status), QueryAnswer::Status(_)));
}

#[test]
fn as_many_questions_as_allowed_are_answered_and_one_more_is_refused() {
    // Proves limit and limit + 1: refused questions are answered at once, and the others get their answers. The stop
    // does not wait for the checks in flight.
    let server = TestServer::start(|config| config.stop.grace_ms = 100);
    let mut merchant = server.connect();
    let shop = Shop::open(&mut merchant, 20, 1_000);
    // A check that waits for an op that is never reached holds the questions back.
    let mut peer = server.connect();
    let mut body = u64::MAX.to_le_bytes().to_vec();
    body.extend_from_slice(&shop.skus[0].0.to_le_bytes());
    body.extend_from_slice(&shop.stock.0.to_le_bytes());
    let checks: Vec<u64> =
        (0..IN_FLIGHT_MAX).map(|_| peer.send(FrameKind::Checks, 1, 60_000, &body)).collect();
    let one_more = ask(&mut peer, &Query::Configuration);
    let (request, refused) = answer(&mut peer);
    assert_eq!(request, one_more);
    assert!(
        matches!(&refused, QueryAnswer::Failed(text) if text.contains("Too many questions")),
        "{refused:?}"
    );
    assert_eq!(checks.len(), IN_FLIGHT_MAX);
    let mut other = server.connect();
    let mut asked: Vec<u64> =
        (0..IN_FLIGHT_MAX).map(|_| ask(&mut other, &Query::Skus { after: None, limit: 1_000 })).collect();
    let mut answered: Vec<u64> = (0..IN_FLIGHT_MAX)
        .map(|_| {
            let (request, answer) = answer(&mut other);
            assert!(matches!(&answer, QueryAnswer::Skus(views) if views.len() == 20), "{answer:?}");
            request
        })
        .collect();
    asked.sort_unstable();
    answered.sort_unstable();
    assert_eq!(answered, asked, "each question is answered once");
}

#[test]
fn reservations_are_listed_while_sales_go_on() {
    // Proves that a scan of more records than a turn visits is answered with the oldest ones, that commands are applied
    // meanwhile, and that each of many lists that are asked for together is answered.
    let server = TestServer::start(|_| ());
    let mut seller = server.connect();
    let shop = Shop::open(&mut seller, 2, 1_000_000);
    for cart in 0..20_000 {
        let sku = shop.skus[usize::from(cart % 10 != 0)];
        assert_eq!(seller.reserve(shop.stock, sku, 1).code, Code::Ok);
    }
    let filter =
        ReservationFilter { sku: Some(shop.skus[0]), is_promised: true, ..ReservationFilter::default() };
    let mut peer = server.connect();
    let mut after = 0;
    let asked: Vec<u64> = (0..IN_FLIGHT_MAX)
        .map(|_| ask(&mut peer, &Query::Reservations { filter, after, limit: 3 }))
        .collect();
    let mut answered = Vec::new();
    for _ in &asked {
        assert_eq!(seller.reserve(shop.stock, shop.skus[1], 1).code, Code::Ok);
        let (request, QueryAnswer::Reservations(view)) = answer(&mut peer) else { panic!("a list") };
        answered.push(request);
        assert_eq!((view.matched, view.promised.raw()), (2_000, 20_000_000));
        assert_eq!(view.reservations.len(), 3);
        after = view.reservations[2].op;
    }
    answered.sort_unstable();
    assert_eq!(answered, asked);
    let QueryAnswer::Reservations(next) = peer.query(&Query::Reservations { filter, after, limit: 3 }) else {
        panic!("a list")
    };
    assert_eq!(next.matched, 1_997);
    assert!(next.reservations[0].op > after);
}

#[test]
fn validations_and_snapshots_take_turns_while_sales_go_on() {
    // Proves that both kinds are answered while both are asked continuously, that many requests share one run, and that
    // the machine is validated as of one op while others are applied.
    let server = TestServer::start(|_| ());
    let mut seller = server.connect();
    let shop = Shop::open(&mut seller, 50, 1_000_000);
    // Enough records that a run takes several turns, in which the next one may be requested.
    for cart in 0..4_000 {
        assert_eq!(seller.reserve(shop.stock, shop.skus[cart % shop.skus.len()], 1).code, Code::Ok);
    }
    let mut peer = server.connect();
    let mut expected = std::collections::BTreeMap::new();
    for _ in 0..IN_FLIGHT_MAX / 2 {
        expected.insert(ask(&mut peer, &Query::Validate), "validation");
        expected.insert(ask(&mut peer, &Query::Snapshot), "snapshot");
    }
    let mut ops = std::collections::BTreeSet::new();
    while !expected.is_empty() {
        for sku in &shop.skus {
            assert_eq!(seller.reserve(shop.stock, *sku, 1).code, Code::Ok);
        }
        for _ in 0..expected.len().min(4) {
            let (request, answer) = answer(&mut peer);
            let kind = if let QueryAnswer::Validation(validation) = answer {
                assert_eq!(validation.violations, Vec::<String>::new());
                ops.insert(validation.op);
                "validation"
            } else {
                assert!(matches!(answer, QueryAnswer::Snapshot(_)), "{answer:?}");
                "snapshot"
            };
            assert_eq!(expected.remove(&request), Some(kind));
        }
    }
    assert!(ops.len() < IN_FLIGHT_MAX / 2, "those who ask together share a run: {ops:?}");
    assert!(seller.metric("question_turn_us_p50") > 0);
    assert_eq!(seller.cell(SkuId(0), shop.stock) % 10_000, 0);
}
