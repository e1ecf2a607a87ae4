//! State that the fault injector and the shoppers share across threads: the server's address, whether the run is
//! finished, and the last acknowledged op.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use stockhold_client::{Dialer, Stream};
use tokio::net::TcpStream;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct SharedState {
    /// `None` while no server accepts connections.
    address: Mutex<Option<SocketAddr>>,
    over: AtomicBool,
    acknowledged_op: AtomicU64,
}

impl SharedState {
    /// The server accepts connections at this address.
    pub(crate) fn set_address(&self, address: SocketAddr) {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
    }

    /// The server is gone. Each process uses another port, so that no other process can have taken the old one.
    pub(crate) fn clear_address(&self) {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells shoppers to finish what they have begun.
    pub(crate) fn finish(&self) {
        self.over.store(true, Ordering::Release);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Records an op that an answer contained. It is durable.
    pub(crate) fn acknowledge(&self, op: u64) {
        self.acknowledged_op.fetch_max(op, Ordering::AcqRel);
    }

    pub(crate) fn acknowledged_op(&self) -> u64 {
        self.acknowledged_op.load(Ordering::Acquire)
    }

    /// A dialer that connects to the current address of the server.
    pub(crate) fn dialer(self: &Arc<Self>) -> Dialer {
        let state = Arc::clone(self);
        Arc::new(move || {
            let state = Arc::clone(&state);
            Box::pin(async move {
                let address = state.address().ok_or(std::io::ErrorKind::ConnectionRefused)?;
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream) as Box<dyn Stream>)
            })
        })
    }
}
