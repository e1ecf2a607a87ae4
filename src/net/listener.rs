//! Accepts connections and distributes them to the network threads in turn. This spreads a few long-lived connections
//! evenly, which hashing by the kernel would not. When all permits are in use, the listener evicts an idle connection.
//! It starts no task.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until};

use super::connection_permits::ConnectionPermit;
use super::context::NetContext;

/// The pause after the system could not accept a connection, for example for lack of file descriptors.
const REFUSED_PAUSE: Duration = Duration::from_millis(50);
/// The server log reports refused, evicted and failed connections at most once in this interval.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// A request of the listener to a network thread.
#[derive(Debug)]
pub enum ThreadRequest {
    /// Serve this connection.
    Serve(std::net::TcpStream, ConnectionPermit),
    /// Evict the idlest connection and report whether there was one.
    EvictIdle {
        /// Whether the eviction is for a peer on this machine.
        is_local: bool,
        /// Receives the result.
        done: oneshot::Sender<bool>,
    },
}

/// What the server log has not reported yet.
#[derive(Debug)]
struct LimitReport {
    turned_away: u64,
    displaced: u64,
    failed: u64,
    last: String,
    not_before: Instant,
}

impl LimitReport {
    fn is_any(&self) -> bool {
        self.turned_away + self.displaced + self.failed > 0
    }

    fn log(&mut self) {
        let Self { turned_away, displaced, failed, last, .. } = self;
        tracing::warn!(turned_away, displaced, failed, last, "connections are at their limit");
        *self = Self { not_before: Instant::now() + REPORT_INTERVAL, ..Self::default() };
    }
}

impl Default for LimitReport {
    fn default() -> Self {
        let last = String::new();
        Self { turned_away: 0, displaced: 0, failed: 0, last, not_before: Instant::now() }
    }
}

/// Accepts connections of all listeners until the future is dropped. A connection without a permit is passed to `turn_away` with the
/// reason.
pub async fn accept(
    listeners: &[TcpListener],
    context: &Arc<NetContext>,
    threads: &[Sender<ThreadRequest>],
    turn_away: impl Fn(TcpStream, String),
) {
    let mut turn = 0;
    let mut report = LimitReport::default();
    loop {
        let accepted = tokio::select! {
            accepted = accept_any(listeners, turn) => accepted,
            () = sleep_until(report.not_before), if report.is_any() => {
                report.log();
                continue;
            }
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                note_failure(context, &mut report, &error);
                sleep(REFUSED_PAUSE).await;
                continue;
            }
        };
        let Some(permit) = acquire_permit(context, threads, is_local(peer), &mut report).await else {
            let most = context.permits.limit(is_local(peer));
            context.metrics.connections_refused.add(1);
            report.turned_away += 1;
            report.last = format!("{peer} found no free connection");
            turn_away(
                stream,
                format!(
                    "the server has its {most} connections already and none of them is idle; try again later"
                ),
            );
            continue;
        };
        let handed_over = match stream.set_nodelay(true).and_then(|()| stream.into_std()) {
            Ok(stream) => {
                threads[turn % threads.len()].send(ThreadRequest::Serve(stream, permit)).await.is_ok()
            }
            Err(error) => {
                note_failure(context, &mut report, &error);
                false
            }
        };
        if !handed_over {
            context.release(permit);
        }
        turn = turn.wrapping_add(1);
    }
}

/// Accepts a connection of any listener. `first` is looked at first, so that a busy one does not keep out the others.
async fn accept_any(listeners: &[TcpListener], first: usize) -> io::Result<(TcpStream, SocketAddr)> {
    poll_fn(|context| {
        for at in 0..listeners.len() {
            let listener = &listeners[first.wrapping_add(at) % listeners.len()];
            if let Poll::Ready(accepted) = listener.poll_accept(context) {
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    })
    .await
}

fn note_failure(context: &NetContext, report: &mut LimitReport, error: &io::Error) {
    context.metrics.connections_failed.add(1);
    report.failed += 1;
    report.last = error.to_string();
}

/// Whether a peer is on this machine.
fn is_local(peer: SocketAddr) -> bool {
    peer.ip().to_canonical().is_loopback()
}

/// Acquires a free permit, or that of the idlest connection.
async fn acquire_permit(
    context: &NetContext,
    threads: &[Sender<ThreadRequest>],
    is_local: bool,
    report: &mut LimitReport,
) -> Option<ConnectionPermit> {
    if let Some(permit) = context.admit(is_local) {
        return Some(permit);
    }
    for thread in context.permits.threads_by_idleness() {
        let (done, answer) = oneshot::channel();
        let is_asked = threads[thread].send(ThreadRequest::EvictIdle { is_local, done }).await.is_ok();
        if is_asked && answer.await.unwrap_or(false) {
            report.displaced += 1;
            report.last = String::from("an idle connection was evicted");
            // Only the listener acquires permits, so the permit is still free.
            return context.admit(is_local);
        }
    }
    None
}
