//! Takes connections and deals them out to the network threads in turn. A few long-lived connections spread evenly that way, which
//! hashing by the kernel would not promise. When all places are taken it asks for that of an idle connection. It spawns nothing.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until};

use super::gate::Gate;
use super::places::Place;

/// Pause after the system refused to give a connection (no file descriptors, say).
const REFUSED_PAUSE: Duration = Duration::from_millis(50);
/// The log tells of connections that were turned away, closed to make room or not accepted at most once in so long.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// What the listener asks of a network thread.
#[derive(Debug)]
pub enum Errand {
    /// To serve a connection.
    Serve(std::net::TcpStream, Place),
    /// To close its idlest connection, for a peer on this machine or for any, and to say whether it had one.
    MakeRoom {
        /// Whether the peer is on this machine.
        is_local: bool,
        /// Where to say it.
        done: oneshot::Sender<bool>,
    },
}

/// What the log has not been told yet.
#[derive(Debug)]
struct Untold {
    turned_away: u64,
    displaced: u64,
    failed: u64,
    last: String,
    not_before: Instant,
}

impl Untold {
    fn is_any(&self) -> bool {
        self.turned_away + self.displaced + self.failed > 0
    }

    fn tell(&mut self) {
        let Self { turned_away, displaced, failed, last, .. } = self;
        tracing::warn!(turned_away, displaced, failed, last, "connections are at their limit");
        *self = Self { not_before: Instant::now() + TELL_EVERY, ..Self::default() };
    }
}

impl Default for Untold {
    fn default() -> Self {
        let last = String::new();
        Self { turned_away: 0, displaced: 0, failed: 0, last, not_before: Instant::now() }
    }
}

/// Accepts until the future is dropped. Who gets no place is handed to `turn_away` with the reason.
pub async fn accept(
    listener: &TcpListener,
    gate: &Arc<Gate>,
    threads: &[Sender<Errand>],
    turn_away: impl Fn(TcpStream, String),
) {
    let mut turn = 0;
    let mut untold = Untold::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = sleep_until(untold.not_before), if untold.is_any() => {
                untold.tell();
                continue;
            }
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                note_failure(gate, &mut untold, &error);
                sleep(REFUSED_PAUSE).await;
                continue;
            }
        };
        let Some(place) = find_place(gate, threads, is_local(peer), &mut untold).await else {
            let most = gate.places.most(is_local(peer));
            gate.metrics.connections_refused.add(1);
            untold.turned_away += 1;
            untold.last = format!("{peer} found no place");
            turn_away(
                stream,
                format!(
                    "the server has its {most} connections already and none of them is idle; try again later"
                ),
            );
            continue;
        };
        let handed_over = match stream.set_nodelay(true).and_then(|()| stream.into_std()) {
            Ok(stream) => threads[turn % threads.len()].send(Errand::Serve(stream, place)).await.is_ok(),
            Err(error) => {
                note_failure(gate, &mut untold, &error);
                false
            }
        };
        if !handed_over {
            gate.leave(place);
        }
        turn = turn.wrapping_add(1);
    }
}

fn note_failure(gate: &Gate, untold: &mut Untold, error: &io::Error) {
    gate.metrics.connections_failed.add(1);
    untold.failed += 1;
    untold.last = error.to_string();
}

/// Whether a peer is on this machine.
fn is_local(peer: SocketAddr) -> bool {
    peer.ip().to_canonical().is_loopback()
}

/// A free place, or that of the idlest connection.
async fn find_place(
    gate: &Gate,
    threads: &[Sender<Errand>],
    is_local: bool,
    untold: &mut Untold,
) -> Option<Place> {
    if let Some(place) = gate.enter(is_local) {
        return Some(place);
    }
    for thread in gate.places.threads_by_idleness() {
        let (done, answer) = oneshot::channel();
        let is_asked = threads[thread].send(Errand::MakeRoom { is_local, done }).await.is_ok();
        if is_asked && answer.await.unwrap_or(false) {
            untold.displaced += 1;
            untold.last = String::from("an idle connection made room");
            // Nobody but the listener takes places, so it is still free.
            return gate.enter(is_local);
        }
    }
    None
}
