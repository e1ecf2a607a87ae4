//! Takes connections and deals them out to the network threads in turn. A few long-lived connections spread evenly that way, which
//! hashing by the kernel would not promise. It spawns nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc::Sender;

use super::gate::Gate;

/// Pause after the system refused to give a connection (no file descriptors, say).
const REFUSED_PAUSE: Duration = Duration::from_millis(50);

/// Accepts until the future is dropped.
pub async fn accept(listener: &TcpListener, gate: &Arc<Gate>, threads: &[Sender<std::net::TcpStream>]) {
    let mut turn = 0;
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(REFUSED_PAUSE).await;
                continue;
            }
        };
        if !gate.enter() {
            continue;
        }
        let handed_over = match stream.set_nodelay(true).and_then(|()| stream.into_std()) {
            Ok(stream) => threads[turn % threads.len()].send(stream).await.is_ok(),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be set up");
                false
            }
        };
        if !handed_over {
            gate.leave();
        }
        turn = turn.wrapping_add(1);
    }
}
