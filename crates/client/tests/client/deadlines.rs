//! Calls and connects that use the time they were given: they end neither earlier nor later. Time is virtual.

use super::fake::{Peer, network};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use stockhold_client::protocol::frame::FrameKind;
use stockhold_client::protocol::{Code, Outcome, ReservationId, SkuId, StockId};
use stockhold_client::{
    Availability, CallError, Client, ConnectionError, Dialer, NotDone, RetryPolicy, Stream,
};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);
/// Timers have a resolution of a millisecond.
const TICK: Duration = Duration::from_millis(2);

/// Whether the time since `begun` is `expected`.
fn took(begun: Instant, expected: Duration) -> bool {
    (expected..=expected + TICK).contains(&begun.elapsed())
}

/// A dialer whose connections are refused until `ready`, and then go to `dialer`.
fn refusing_until(ready: Instant, dialer: Dialer) -> (Dialer, Arc<AtomicU32>) {
    let refused = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&refused);
    let dialer: Dialer = Arc::new(move || {
        if Instant::now() < ready {
            counted.fetch_add(1, Ordering::Relaxed);
            return Box::pin(async { Err(ErrorKind::ConnectionRefused.into()) });
        }
        dialer()
    });
    (dialer, refused)
}

#[tokio::test(start_paused = true)]
async fn a_client_can_wait_for_a_server_that_starts_later() {
    // Proves that `connect_within` tries again until the server is there, and that a client without it tries once.
    let (real, mut accept) = network();
    let begun = Instant::now();
    let (dialer, refused) = refusing_until(begun + 10 * SECOND, real);
    let once = Client::builder().connect_with(Arc::clone(&dialer)).await;
    assert!(matches!(once, Err(ConnectionError::Io(_))));
    assert_eq!(refused.load(Ordering::Relaxed), 1);
    let builder = Client::builder().connect_within(30 * SECOND);
    let (client, _peer) = tokio::join!(builder.connect_with(dialer), Peer::accept(&mut accept, 1));
    client.unwrap();
    assert!((10 * SECOND..11 * SECOND).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert!(refused.load(Ordering::Relaxed) > 10, "the server was not waited for with pauses");
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_server_ends_with_the_last_error_at_its_time() {
    // Proves the end for a server that is down, and for one that accepts connections and says nothing, whether the time
    // is shorter or longer than one attempt may take.
    for time in [SECOND / 4, 2 * SECOND, 17 * SECOND] {
        let begun = Instant::now();
        let (dialer, _) = refusing_until(begun + 600 * SECOND, network().0);
        let error = Client::builder().connect_within(time).connect_with(dialer).await.unwrap_err();
        assert!(matches!(&error, ConnectionError::Io(e) if e.kind() == ErrorKind::ConnectionRefused));
        assert!(took(begun, time), "{:?} of {time:?}", begun.elapsed());

        let begun = Instant::now();
        let (dialer, _accept) = network();
        let error = Client::builder().connect_within(time).connect_with(dialer).await.unwrap_err();
        assert!(matches!(error, ConnectionError::HandshakeTimeout(_)), "{error:?}");
        assert!(took(begun, time), "{:?} of {time:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_of_another_protocol_is_not_waited_for() {
    // Proves that no time is spent on a peer that will not become a server.
    let begun = Instant::now();
    let dialer: Dialer = Arc::new(|| {
        Box::pin(async {
            let answer: &[u8] = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
            let stream = canned(answer);
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    });
    let error = Client::builder().connect_within(30 * SECOND).connect_with(dialer).await.unwrap_err();
    assert!(matches!(error, ConnectionError::Frame(_)), "{error:?}");
    assert!(begun.elapsed() < TICK);
}

/// A stream from which these bytes are read, and to which anything may be written.
fn canned(bytes: &'static [u8]) -> impl Stream {
    tokio::io::join(bytes, tokio::io::sink())
}

#[tokio::test(start_paused = true)]
async fn a_call_is_tried_until_its_deadline() {
    // Proves that neither a server that is gone nor a busy one ends a call before its deadline, however long that is, and
    // that a limit of tries does.
    let (dialer, mut accept) = network();
    let builder = Client::builder().connections(1).deadline(120 * SECOND);
    let (client, peer) = tokio::join!(builder.connect_with(dialer), Peer::accept(&mut accept, 1));
    let client = client.unwrap();
    drop((peer, accept));
    tokio::time::sleep(TICK).await;
    let begun = Instant::now();
    let result = client.confirm(ReservationId::default()).await;
    assert!(matches!(result, Err(CallError::NotDone { why: NotDone::Unreachable(_), .. })), "{result:?}");
    assert!(took(begun, 120 * SECOND), "{:?}", begun.elapsed());
    let begun = Instant::now();
    assert!(matches!(client.status().await, Err(CallError::NotAnswered(NotDone::Unreachable(_)))));
    assert!(took(begun, 120 * SECOND), "{:?}", begun.elapsed());

    let (dialer, mut accept) = network();
    let builder = Client::builder().connections(1).deadline(60 * SECOND);
    let (client, mut peer) = tokio::join!(builder.connect_with(dialer), Peer::accept(&mut accept, 1));
    let busy = tokio::spawn(async move {
        loop {
            let sent = peer.next().await;
            peer.outcomes(sent.header.request, &[(0, Outcome::new(Code::Busy, 10, 1))]).await;
        }
    });
    let begun = Instant::now();
    let result = client.unwrap().confirm(ReservationId::default()).await;
    assert!(matches!(result, Err(CallError::NotDone { why: NotDone::Busy, .. })), "{result:?}");
    assert!(took(begun, 60 * SECOND), "{:?}", begun.elapsed());
    busy.abort();
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_tries_ends_a_call_before_its_deadline() {
    // Proves that a caller can still ask for a fixed number of tries.
    let (dialer, mut accept) = network();
    let retry = RetryPolicy { tries_max: 3, ..RetryPolicy::default() };
    let builder = Client::builder().connections(1).retry(retry).deadline(60 * SECOND);
    let (client, peer) = tokio::join!(builder.connect_with(dialer), Peer::accept(&mut accept, 1));
    drop((peer, accept));
    tokio::time::sleep(TICK).await;
    let begun = Instant::now();
    assert!(client.unwrap().confirm(ReservationId::default()).await.is_err());
    assert!(begun.elapsed() < SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_check_waits_for_its_op_until_the_deadline() {
    // Proves that a server that waits for less time than the caller is asked again, and that the last answer is `behind`.
    let (dialer, mut accept) = network();
    let builder = Client::builder().connections(1).deadline(15 * SECOND);
    let (client, mut peer) = tokio::join!(builder.connect_with(dialer), Peer::accept(&mut accept, 1));
    let client = client.unwrap().not_before(7);
    let answering = tokio::spawn(async move {
        loop {
            let sent = peer.next().await;
            assert_eq!(sent.header.kind, FrameKind::Checks);
            tokio::time::sleep(10 * SECOND).await;
            peer.outcomes(sent.header.request, &[(0, Outcome::new(Code::Behind, 0, 5))]).await;
        }
    });
    let begun = Instant::now();
    let behind: Result<Availability, CallError> = client.check(SkuId(1), StockId(1)).await;
    assert!(matches!(behind, Err(CallError::Behind { op: 5, min_op: 7 })), "{behind:?}");
    assert!(took(begun, 15 * SECOND), "{:?}", begun.elapsed());
    answering.abort();
}
