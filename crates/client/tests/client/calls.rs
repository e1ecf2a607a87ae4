//! Calls of many tasks against a scripted server, in paused time: coalescing, retries under the same id, deadlines,
//! limits, broken connections.

use crate::fake::{Accept, Peer, network, outcome_frame};
use std::time::Duration;
use stockhold_client::protocol::command::Target;
use stockhold_client::protocol::frame::{self, FrameKind, Header};
use stockhold_client::protocol::{Code, Line, Outcome, Quantity, ReservationId, SkuId, StockId};
use stockhold_client::{Answer, CallError, Cart, Client, CommandBatch, NotDone, RetryPolicy};
use tokio::time::Instant;

fn cart(sku: u32) -> Cart<'static> {
    Cart::from_stock(StockId(1)).line(SkuId(sku), 1)
}

/// A client with one connection, and the server's end of it.
async fn open(in_flight_max: u32) -> (Client, Peer, Accept) {
    let (dialer, mut accept) = network();
    let builder = Client::builder().connections(1).in_flight_max(in_flight_max);
    let (client, peer) = tokio::join!(builder.connect_with(dialer), Peer::accept(&mut accept, 1));
    (client.unwrap(), peer, accept)
}

#[tokio::test(start_paused = true)]
async fn calls_of_many_tasks_share_a_frame_and_each_gets_its_own_answer() {
    // Proves coalescing, and that partial outcomes in any order reach the task that asked.
    let (client, mut peer, _accept) = open(100).await;
    let calls: Vec<_> = (0..50)
        .map(|sku| {
            let client = client.clone();
            tokio::spawn(async move { client.reserve(&cart(sku)).await.unwrap() })
        })
        .collect();
    let sent = peer.next().await;
    assert_eq!(sent.header.count, 50);
    assert!((1..=5_000).contains(&sent.header.time));
    let commands = sent.commands();
    assert!(commands.iter().all(|(_, fresh, _)| *fresh));
    let later: Vec<_> = (0..25).rev().map(|at| (at, Outcome::new(Code::Ok, 0, u64::from(at)))).collect();
    let first: Vec<_> = (25..50).map(|at| (at, Outcome::new(Code::SoldOut, 0, u64::from(at)))).collect();
    let mut bytes = outcome_frame(sent.header.request, &first);
    bytes.extend(outcome_frame(sent.header.request, &later));
    for byte in bytes.chunks(7) {
        peer.write(byte).await;
    }
    for (at, call) in calls.into_iter().enumerate() {
        match call.await.unwrap() {
            Answer::Done(reserved) => {
                assert!(at < 25);
                assert_eq!(reserved.reservation, ReservationId(commands[at].0));
            }
            Answer::Refused(refusal) => {
                assert!(at >= 25);
                assert_eq!((refusal.code(), refusal.id), (Code::SoldOut, commands[at].0));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_later_server_answers_is_no_yes_and_breaks_nothing() {
    // Proves how codes and details that this client does not know are handled, in each range. No call reports a
    // success, an effect that is not understood is not a refusal either, and the connection goes on.
    let (client, mut peer, _accept) = open(100).await;
    for (code, detail) in [(30, false), (31, false), (100, false), (200, false), (33, true), (0, true)] {
        let caller = client.clone();
        let call = tokio::spawn(async move { caller.reserve(&cart(3)).await });
        let sent = peer.next().await;
        let (mut body, mut out) = (Vec::new(), Vec::new());
        Outcome::new(Code::Ok, 0, 9).encode(0, &mut body);
        body[2] = code;
        if detail {
            // Flag bit 2, and a detail of an unknown variant.
            body[3] |= 1 << 2;
            body.extend_from_slice(&[6, 0, 77, 0, 0, 0, 1, 2]);
        }
        frame::append(Header::new(FrameKind::Outcomes, sent.header.request, 1), &body, &mut out);
        peer.write(&out).await;
        let id = sent.commands().remove(0).0;
        match (code, call.await.unwrap()) {
            (0, Ok(answer)) => assert!(answer.is_done()),
            (30 | 31, Err(CallError::UnknownEffect { id: told })) => assert_eq!(told, id),
            (33, Ok(Answer::Refused(refusal))) => assert_eq!(refusal.code(), Code::NoSourceInStock),
            (100, Ok(Answer::Refused(refusal))) => assert_eq!(refusal.code(), Code::UnknownRefusal),
            (200, Ok(Answer::Refused(refusal))) => assert_eq!(refusal.code(), Code::UnknownAnswer),
            (_, other) => panic!("code {code} became {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn busy_is_tried_again_with_the_same_id_after_the_time_asked_for() {
    // Proves that the client waits as long as a busy server asks, and that id and body stay the same.
    let (client, mut peer, _accept) = open(100).await;
    let begun = Instant::now();
    let call = tokio::spawn(async move { client.reserve(&cart(3)).await.unwrap() });
    let first = peer.next().await;
    peer.outcomes(first.header.request, &[(0, Outcome::new(Code::Busy, 40, 1))]).await;
    let second = peer.next().await;
    assert!(begun.elapsed() >= Duration::from_millis(40));
    let (before, after) = (first.commands().remove(0), second.commands().remove(0));
    assert_eq!(before.0, after.0);
    assert_eq!((before.1, after.1), (true, false));
    assert_eq!(before.2[4..], after.2[4..]);
    peer.answer_all(&second, Code::Ok).await;
    assert!(call.await.unwrap().is_done());
}

#[tokio::test(start_paused = true)]
async fn a_connection_cut_inside_a_frame_is_retried_with_the_same_id() {
    // Proves that a partial answer is not an answer, and that the retry goes over a new connection.
    let (client, mut peer, mut accept) = open(100).await;
    let call = tokio::spawn(async move { client.confirm(ReservationId::default()).await.unwrap() });
    let sent = peer.next().await;
    let answer = outcome_frame(sent.header.request, &[(0, Outcome::new(Code::Ok, 0, 1))]);
    peer.write(&answer[..answer.len() - 1]).await;
    drop(peer);
    let mut peer = Peer::accept(&mut accept, 1).await;
    let again = peer.next().await;
    assert_eq!(again.commands()[0].0, sent.commands()[0].0);
    assert!(!again.commands()[0].1);
    let replayed = Outcome { replayed: true, ..Outcome::new(Code::Ok, 0, 1) };
    peer.outcomes(again.header.request, &[(0, replayed)]).await;
    assert!(call.await.unwrap().done().unwrap().outcome.replayed);
}

#[tokio::test(start_paused = true)]
async fn after_the_deadline_the_outcome_is_unknown_and_the_id_can_be_retried() {
    // Proves that a silent server costs one deadline, that the error names the id, and that `retry` uses it.
    let (client, mut peer, _accept) = open(100).await;
    let hurried = client.with_deadline(Duration::from_millis(300));
    let begun = Instant::now();
    let cart = cart(1);
    let (result, sent) = tokio::join!(hurried.reserve(&cart), peer.next());
    assert!(begun.elapsed() < Duration::from_millis(310));
    let Err(CallError::Unknown { id }) = result else { panic!("{result:?}") };
    assert_eq!(id, sent.commands()[0].0);
    let retried = client.retry(id);
    let (answer, ()) = tokio::join!(retried.reserve(&cart), async {
        let again = peer.next().await;
        let (before, after) = (sent.commands().remove(0), again.commands().remove(0));
        assert_eq!((after.0, after.1), (id, false));
        assert_eq!(before.2[4..], after.2[4..]);
        // The late answer to the first request matches no call and does no harm.
        peer.answer_all(&sent, Code::Ok).await;
        peer.answer_all(&again, Code::Ok).await;
    });
    assert_eq!(answer.unwrap().done().unwrap().reservation, ReservationId(id));
}

#[tokio::test(start_paused = true)]
async fn busy_until_the_deadline_means_that_nothing_happened() {
    // Proves that an outcome is reported as unknown only when it is, also after many tries.
    let (client, mut peer, _accept) = open(100).await;
    let hurried = client.with_deadline(Duration::from_millis(100));
    let call = tokio::spawn(async move { hurried.reserve(&cart(1)).await });
    let mut tries = 0;
    while !call.is_finished() {
        let Ok(sent) = tokio::time::timeout(Duration::from_millis(200), peer.next()).await else { break };
        tries += 1;
        peer.outcomes(sent.header.request, &[(0, Outcome::new(Code::Busy, 5, 1))]).await;
    }
    assert!(tries > 2, "only {tries} tries were made");
    let result = call.await.unwrap();
    assert!(matches!(result, Err(CallError::NotDone { why: NotDone::Busy, .. })), "{result:?}");
}

#[tokio::test(start_paused = true)]
async fn busy_after_a_lost_try_is_still_unknown() {
    // Proves that a later `busy` does not hide that an earlier try may have taken effect.
    let (client, mut peer, mut accept) = open(100).await;
    let hurried = client.with_deadline(Duration::from_millis(100));
    let call = tokio::spawn(async move { hurried.reserve(&cart(1)).await });
    peer.next().await;
    drop(peer);
    let mut peer = Peer::accept(&mut accept, 1).await;
    let again = peer.next().await;
    peer.outcomes(again.header.request, &[(0, Outcome::new(Code::Busy, 1_000, 1))]).await;
    assert!(matches!(call.await.unwrap(), Err(CallError::Unknown { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_gone_is_named_and_nothing_is_claimed() {
    // Proves that a command that was never sent is reported as not done, with the reason.
    let (client, peer, accept) = open(100).await;
    drop((peer, accept));
    // Paused time advances only when no task can run: by then the client has seen the end of its connection.
    // Otherwise the command would have gone to that connection, and its outcome would be unknown.
    tokio::time::sleep(Duration::from_millis(1)).await;
    let result = client.with_deadline(Duration::from_millis(50)).reserve(&cart(1)).await;
    let Err(CallError::NotDone { why: NotDone::Unreachable(error), .. }) = result else {
        panic!("{result:?}")
    };
    assert!(matches!(*error, stockhold_client::ConnectionError::Io(_)));
}

#[tokio::test(start_paused = true)]
async fn the_in_flight_limit_holds_calls_back_and_an_answer_lets_the_next_go() {
    // Proves the client's own in-flight limit, at the limit and one above.
    let (client, mut peer, _accept) = open(2).await;
    let calls: Vec<_> = (0..3)
        .map(|sku| {
            let client = client.clone();
            tokio::spawn(async move { client.reserve(&cart(sku)).await.unwrap() })
        })
        .collect();
    let sent = peer.next().await;
    assert_eq!(sent.header.count, 2);
    assert!(peer.is_quiet().await);
    peer.outcomes(sent.header.request, &[(1, Outcome::new(Code::Ok, 0, 1))]).await;
    let third = peer.next().await;
    assert_eq!(third.header.count, 1);
    peer.outcomes(sent.header.request, &[(0, Outcome::new(Code::Ok, 0, 1))]).await;
    peer.answer_all(&third, Code::Ok).await;
    for call in calls {
        assert!(call.await.unwrap().is_done());
    }
}

#[tokio::test(start_paused = true)]
async fn the_servers_in_flight_limit_cuts_frames() {
    // Proves that a connection never has more in flight than its server allows, and that the rest follows.
    let (dialer, mut accept) = network();
    let builder = Client::builder().connections(1);
    let (client, mut peer) = tokio::join!(builder.connect_with(dialer), Peer::accept_with(&mut accept, 1, 3));
    let client = client.unwrap();
    let calls: Vec<_> = (0..5)
        .map(|sku| {
            let client = client.clone();
            tokio::spawn(async move { client.reserve(&cart(sku)).await.unwrap() })
        })
        .collect();
    let sent = peer.next().await;
    assert_eq!(sent.header.count, 3);
    assert!(peer.is_quiet().await);
    peer.answer_all(&sent, Code::Ok).await;
    let rest = peer.next().await;
    assert_eq!(rest.header.count, 2);
    peer.answer_all(&rest, Code::Ok).await;
    for call in calls {
        assert!(call.await.unwrap().is_done());
    }
}

#[tokio::test(start_paused = true)]
async fn goodbye_finishes_what_was_sent_and_moves_the_rest() {
    // Proves the drain of a stopping server: answers still arrive, new calls use the next connection.
    let (client, mut peer, mut accept) = open(100).await;
    let first = tokio::spawn({
        let client = client.clone();
        async move { client.reserve(&cart(1)).await.unwrap() }
    });
    let sent = peer.next().await;
    peer.goodbye().await;
    tokio::task::yield_now().await;
    let second = tokio::spawn(async move { client.reserve(&cart(2)).await.unwrap() });
    assert!(peer.is_quiet().await);
    peer.answer_all(&sent, Code::Ok).await;
    assert!(first.await.unwrap().is_done());
    drop(peer);
    let mut peer = Peer::accept(&mut accept, 1).await;
    let sent = peer.next().await;
    peer.answer_all(&sent, Code::Ok).await;
    assert!(second.await.unwrap().is_done());
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_given_up_and_the_call_goes_on_over_another() {
    // Proves that a half-open connection is detected and does not block calls for ever.
    let (dialer, mut accept) = network();
    let builder =
        Client::builder().connections(1).stall(Duration::from_secs(1)).deadline(Duration::from_mins(1));
    let (client, mut dead) = tokio::join!(builder.connect_with(dialer), Peer::accept(&mut accept, 1));
    let client = client.unwrap();
    let call = tokio::spawn(async move { client.reserve(&cart(1)).await.unwrap() });
    let sent = dead.next().await;
    let mut peer = Peer::accept(&mut accept, 1).await;
    let again = peer.next().await;
    assert_eq!(again.commands()[0].0, sent.commands()[0].0);
    peer.answer_all(&again, Code::Ok).await;
    assert!(call.await.unwrap().is_done());
}

fn batch_of(client: &Client, carts: u32) -> CommandBatch {
    let mut batch = CommandBatch::new();
    for sku in 0..carts {
        let line = Line::new(SkuId(sku), Quantity::units(1).unwrap());
        batch.push_reserve(client.new_id(), Target::Stock(StockId(1)), &[line], None).unwrap();
    }
    batch
}

#[tokio::test(start_paused = true)]
async fn a_batch_retries_only_what_found_the_server_busy() {
    // Proves that decided carts are not sent again, and that all outcomes end at their own index.
    let (client, mut peer, _accept) = open(100).await;
    let mut batch = batch_of(&client, 4);
    let ids: Vec<_> = batch.ids().collect();
    let (outcomes, ()) = tokio::join!(client.send_batch(&mut batch), async {
        let sent = peer.next().await;
        let codes = [Code::Ok, Code::Busy, Code::SoldOut, Code::Busy];
        let entries: Vec<_> =
            (0..).zip(codes).map(|(at, code)| (at, Outcome::new(code, 7, u64::from(at)))).collect();
        peer.outcomes(sent.header.request, &entries).await;
        let again = peer.next().await;
        let commands = again.commands();
        let resent: Vec<_> = commands.iter().map(|(id, fresh, _)| (*id, *fresh)).collect();
        assert_eq!(resent, [(ids[1], false), (ids[3], false)]);
        peer.outcomes(again.header.request, &[(1, Outcome::new(Code::Ok, 0, 33))]).await;
        peer.outcomes(again.header.request, &[(0, Outcome::new(Code::Ok, 0, 11))]).await;
    });
    let outcomes = outcomes.unwrap();
    let read: Vec<_> = outcomes.iter().map(|outcome| (outcome.code, outcome.op)).collect();
    assert_eq!(read, [(Code::Ok, 0), (Code::Ok, 11), (Code::SoldOut, 2), (Code::Ok, 33)]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_batch_is_unknown_and_can_be_sent_again_as_it_is() {
    // Proves that no command of a batch is forgotten, and that the second sending is marked as a retry.
    let (client, mut peer, mut accept) = open(100).await;
    let mut batch = batch_of(&client, 2);
    let hurried = client.with_deadline(Duration::from_millis(20));
    let first = batch.ids().next().unwrap();
    let (result, sent) = tokio::join!(hurried.send_batch(&mut batch), peer.next());
    assert!(matches!(result, Err(CallError::Unknown { id }) if id == first));
    drop(peer);
    let (outcomes, again) = tokio::join!(client.send_batch(&mut batch), async {
        let mut peer = Peer::accept(&mut accept, 1).await;
        let again = peer.next().await;
        peer.answer_all(&again, Code::Ok).await;
        again
    });
    assert_eq!(outcomes.unwrap().count_of(Code::Ok), 2);
    for (before, after) in sent.commands().iter().zip(again.commands()) {
        assert_eq!((before.0, before.1), (after.0, true));
        assert!(!after.1);
    }
}

#[tokio::test(start_paused = true)]
async fn one_try_means_one_try() {
    // Proves that retries can be switched off.
    let (dialer, mut accept) = network();
    let builder = Client::builder().connections(1).retry(RetryPolicy::never());
    let (client, mut peer) = tokio::join!(builder.connect_with(dialer), Peer::accept(&mut accept, 1));
    let client = client.unwrap();
    let wanted = cart(1);
    let (result, ()) = tokio::join!(client.reserve(&wanted), async {
        let sent = peer.next().await;
        peer.outcomes(sent.header.request, &[(0, Outcome::new(Code::Busy, 0, 1))]).await;
    });
    assert!(matches!(result, Err(CallError::NotDone { why: NotDone::Busy, .. })));
    assert!(peer.is_quiet().await);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_closed_while_idle_costs_no_call_anything() {
    // Proves that a client whose idle connection the server has closed with a reason makes the next call on a new
    // connection, under a fresh id and in one try: nothing was in flight, so no outcome is unknown. A server that
    // closes again at once is reported.
    let (dialer, mut accept) = network();
    let builder = Client::builder().connections(1).retry(RetryPolicy::never());
    let (client, peer) = tokio::join!(builder.connect_with(dialer), Peer::accept(&mut accept, 1));
    let (client, mut peer) = (client.unwrap(), peer);
    for _ in 0..3 {
        peer.cold(FrameKind::Error, 0, 0, &"room is needed".to_owned()).await;
        drop(peer);
        let caller = client.clone();
        let call = tokio::spawn(async move { caller.reserve(&cart(3)).await });
        peer = Peer::accept(&mut accept, 1).await;
        let sent = peer.next().await;
        assert!(sent.commands()[0].1, "the id is fresh: it was sent nowhere before");
        peer.answer_all(&sent, Code::Ok).await;
        assert!(call.await.unwrap().unwrap().is_done());
    }
    drop(peer);
    let call = tokio::spawn(async move { client.reserve(&cart(3)).await });
    for _ in 0..2 {
        let mut peer = Peer::accept(&mut accept, 1).await;
        peer.cold(FrameKind::Error, 0, 0, &"room is needed".to_owned()).await;
    }
    let failed = call.await.unwrap();
    assert!(matches!(failed, Err(CallError::NotDone { .. } | CallError::Unknown { .. })), "{failed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_handshake_tells_the_reason_and_one_that_is_cut_off_says_so() {
    // Proves what a caller learns of a server that answers a Hello with an Error frame, and of one that only closes.
    for reason in [Some("the server has its 4096 connections already"), None] {
        let (dialer, mut accept) = network();
        let connecting = tokio::spawn(Client::builder().connect_with(dialer));
        let mut peer = Peer::greet(&mut accept).await;
        if let Some(reason) = reason {
            peer.cold(FrameKind::Error, 0, 0, &reason.to_owned()).await;
        }
        drop(peer);
        let error = connecting.await.unwrap().unwrap_err();
        let expected = reason.map_or_else(
            || "the connection was closed before the server answered the Hello".to_owned(),
            |reason| format!("the server refused the connection: {reason}"),
        );
        assert_eq!(error.to_string(), expected);
    }
}
