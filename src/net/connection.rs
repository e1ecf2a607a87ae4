//! Moves the bytes of one connection: one read, all whole frames of it, one write. The protocol itself is the session's.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;

use super::gate::Gate;
use super::session::Session;
use crate::pipeline::mailbox::Letter;

/// How much is read at once; a longer frame makes the buffer grow to its length.
const READ_BYTES: usize = 64 * 1024;
/// A buffer that grew beyond this is given back after use.
const BUFFER_BYTES_KEPT: usize = 256 * 1024;
/// How long the last bytes of a closed connection may take to be read by the peer.
const LINGER: Duration = Duration::from_millis(500);

/// One open connection; shared by its task and the desk of its thread.
#[derive(Debug)]
pub struct Connection {
    session: RefCell<Session>,
    writer: OwnedWriteHalf,
    /// Rings when the task must look again: room to read, an end, a blocked write.
    wake: Notify,
    is_blocked: Cell<bool>,
    is_dead: Cell<bool>,
    opened_ms: u64,
    full_since_ms: Cell<Option<u64>>,
    outbox_bytes_max: usize,
}

impl Connection {
    /// A connection whose session has begun.
    #[must_use]
    pub fn new(session: Session, writer: OwnedWriteHalf, gate: &Gate) -> Self {
        Self {
            session: RefCell::new(session),
            writer,
            wake: Notify::new(),
            is_blocked: Cell::new(false),
            is_dead: Cell::new(false),
            opened_ms: gate.clock.monotonic_ms(),
            full_since_ms: Cell::new(None),
            outbox_bytes_max: gate.limits.outbox_bytes,
        }
    }

    /// Takes over an answer; [`Connection::push`] sends it.
    pub fn deliver(&self, letter: &Letter, frame: &[u8]) {
        self.session.borrow_mut().deliver(letter, frame);
    }

    /// Writes what can be written now, and wakes the connection's task if there is something for it to see. Never called by that task
    /// itself, which would wake itself for ever.
    pub fn push(&self, gate: &Gate) {
        let before = (self.full_since_ms.get(), self.is_blocked.get());
        self.flush(gate);
        if before != (self.full_since_ms.get(), self.is_blocked.get()) || self.is_over() {
            self.wake.notify_one();
        }
    }

    fn flush(&self, gate: &Gate) {
        let mut session = self.session.borrow_mut();
        let out = session.out();
        let was_full = self.full_since_ms.get().is_some();
        while !out.is_empty() && !self.is_blocked.get() && !self.is_dead.get() {
            match self.writer.try_write(out) {
                Ok(written) => {
                    gate.metrics.bytes_written.add_count(written);
                    if written == out.len() {
                        out.clear();
                    } else {
                        out.drain(..written);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.is_blocked.set(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.is_dead.set(true),
            }
        }
        if out.is_empty() && out.capacity() > BUFFER_BYTES_KEPT {
            *out = Vec::new();
        }
        let is_full = out.len() > self.outbox_bytes_max;
        if is_full != was_full {
            self.full_since_ms.set(is_full.then(|| gate.clock.monotonic_ms()));
        }
    }

    /// Cuts the connection if it has not said hello in time, or left its answers unread for too long.
    pub fn expire(&self, now_ms: u64, gate: &Gate) {
        let is_mute = self.session.borrow().is_greeting()
            && now_ms.saturating_sub(self.opened_ms) > gate.limits.handshake_ms;
        let full_for_ms = self.full_since_ms.get().map_or(0, |since_ms| now_ms.saturating_sub(since_ms));
        if is_mute || full_for_ms > gate.limits.slow_reader_ms {
            gate.metrics.connections_cut.add(1);
            self.cut();
        }
    }

    /// Ends the connection now.
    pub fn cut(&self) {
        self.is_dead.set(true);
        self.wake.notify_one();
    }

    /// Says that the server stops.
    pub fn say_goodbye(&self, gate: &Gate) {
        self.session.borrow_mut().say_goodbye();
        self.push(gate);
        self.wake.notify_one();
    }

    fn may_read(&self) -> bool {
        self.full_since_ms.get().is_none() && self.session.borrow().is_reading()
    }

    fn is_over(&self) -> bool {
        self.is_dead.get() || self.session.borrow().is_over()
    }

    fn receive(&self, input: &mut Vec<u8>, gate: &Gate) {
        let used = self.session.borrow_mut().receive(input, gate);
        if used == input.len() {
            input.clear();
        } else {
            input.drain(..used);
        }
        if input.is_empty() && input.capacity() > BUFFER_BYTES_KEPT {
            *input = Vec::with_capacity(READ_BYTES);
        } else if input.len() == input.capacity() {
            input.reserve(input.len());
        }
    }
}

/// Serves one connection until it ends.
pub async fn serve(connection: &Connection, reader: &mut OwnedReadHalf, gate: &Gate) {
    let mut input = Vec::with_capacity(READ_BYTES);
    while !connection.is_over() {
        tokio::select! {
            read = reader.read_buf(&mut input), if connection.may_read() => match read {
                Ok(0) => connection.session.borrow_mut().hang_up(),
                Ok(count) => {
                    gate.metrics.bytes_read.add_count(count);
                    connection.receive(&mut input, gate);
                }
                Err(_) => connection.is_dead.set(true),
            },
            writable = connection.writer.writable(), if connection.is_blocked.get() => match writable {
                Ok(()) => connection.is_blocked.set(false),
                Err(_) => connection.is_dead.set(true),
            },
            () = connection.wake.notified() => {}
        }
        connection.flush(gate);
    }
    if connection.session.borrow().is_lost() {
        gate.metrics.connections_cut.add(1);
    }
}

/// Closes a socket so that the peer still gets the last bytes: a close with unread input would take them back.
pub async fn close(connection: Rc<Connection>, mut reader: OwnedReadHalf) {
    if connection.is_dead.get() {
        return;
    }
    if let Some(connection) = Rc::into_inner(connection) {
        let mut writer = connection.writer;
        let ended = tokio::time::timeout(LINGER, async {
            writer.shutdown().await?;
            let mut rest = [0; 1_024];
            while reader.read(&mut rest).await? > 0 {}
            io::Result::Ok(())
        });
        // Whatever comes of it, the socket is closed now.
        drop(ended.await);
    }
}
