//! Moves the bytes of one connection: one read, all whole frames of it, one write. The protocol itself is the state's.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;

use super::connection_permits::{ConnectionPermit, ConnectionPermits, Idleness};
use super::connection_state::ConnectionState;
use super::context::NetContext;
use super::flow_control::{FlowControl, PeerTimeout};
use crate::pipeline::reply_queue::Reply;

/// How much is read at once; a longer frame makes the buffer grow to its length.
const READ_BYTES: usize = 64 * 1024;
/// A buffer that grew beyond this is given back after use.
const BUFFER_BYTES_KEPT: usize = 256 * 1024;
/// For each so many bytes that were read at once, all others have a turn: connections are served alike by bytes, not by reads.
const TURN_BYTES: usize = 8 * 1024;
/// How long the last bytes of a closed connection may take to be read by the peer.
const LINGER: Duration = Duration::from_millis(500);
/// A connection that has not said hello for so long is mute. A younger one has only just come and does not give way to others.
const HELLO_GRACE_MS: u64 = 1_000;

/// One open connection; shared by its task and the desk of its thread.
#[derive(Debug)]
pub struct Connection {
    state: RefCell<ConnectionState>,
    writer: OwnedWriteHalf,
    /// Told when commands were taken: their thread's turn ends with a call for the log.
    turn: Rc<Notify>,
    /// Rings when the task must look again: room to read, an end, a blocked write.
    wake: Notify,
    is_blocked: Cell<bool>,
    is_dead: Cell<bool>,
    flow: Cell<FlowControl>,
    /// The permit that it has.
    permit: ConnectionPermit,
    /// Whether something was read or answered since the last look.
    is_active: Cell<bool>,
    /// Since when nothing was, by the looks.
    idle_since_ms: Cell<u64>,
    /// What the input buffer takes.
    input_bytes: Cell<usize>,
    outbox_bytes_max: usize,
}

impl Connection {
    /// A connection whose state has begun.
    #[must_use]
    pub fn new(
        state: ConnectionState,
        writer: OwnedWriteHalf,
        turn: Rc<Notify>,
        (permit, context): (ConnectionPermit, &NetContext),
    ) -> Self {
        let now_ms = context.clock.monotonic_ms();
        Self {
            state: RefCell::new(state),
            writer,
            turn,
            wake: Notify::new(),
            is_blocked: Cell::new(false),
            is_dead: Cell::new(false),
            flow: Cell::new(FlowControl::new(now_ms)),
            permit,
            is_active: Cell::new(false),
            idle_since_ms: Cell::new(now_ms),
            input_bytes: Cell::new(0),
            outbox_bytes_max: context.limits.outbox_bytes,
        }
    }

    /// Takes over an answer; [`Connection::push`] sends it.
    pub fn deliver(&self, reply: &Reply, frame: &[u8]) {
        self.is_active.set(true);
        self.state.borrow_mut().deliver(reply, frame);
    }

    /// Writes what can be written now, and wakes the connection's task if there is something for it to see. Never called by that task
    /// itself, which would wake itself for ever.
    pub fn push(&self, context: &NetContext) {
        let before = (self.flow.get().is_full(), self.is_blocked.get());
        self.flush(context);
        let mut flow = self.flow.get();
        let resumes = flow.resumes(&self.state.borrow());
        self.flow.set(flow);
        if resumes || before != (flow.is_full(), self.is_blocked.get()) || self.is_over() {
            self.wake.notify_one();
        }
    }

    fn flush(&self, context: &NetContext) {
        let mut state = self.state.borrow_mut();
        self.write(state.out(), context);
        // What is read makes room for answers to questions that were held back.
        state.submit_held_queries(context);
        let out = state.out();
        self.write(out, context);
        if out.is_empty() && out.capacity() > BUFFER_BYTES_KEPT {
            *out = Vec::new();
        }
        let mut flow = self.flow.get();
        flow.wrote(out.len(), self.outbox_bytes_max, || context.clock.monotonic_ms());
        self.flow.set(flow);
    }

    fn write(&self, out: &mut Vec<u8>, context: &NetContext) {
        while !out.is_empty() && !self.is_blocked.get() && !self.is_dead.get() {
            match self.writer.try_write(out) {
                Ok(written) => {
                    context.metrics.bytes_written.add_count(written);
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
    }

    /// Ends the connection if it has not said hello in time or does not end a frame, and cuts it if it leaves its answers, or the last
    /// of them, unread for too long.
    pub fn expire(&self, now_ms: u64, context: &NetContext) {
        if self.is_active.take() {
            self.idle_since_ms.set(now_ms);
        }
        let mut flow = self.flow.get();
        let timeout = flow.check_timeouts(&self.state.borrow(), now_ms, &context.limits);
        self.flow.set(flow);
        match timeout {
            PeerTimeout::Waiting => {}
            PeerTimeout::Overdue(what) => {
                self.state.borrow_mut().refuse_overdue(what);
                context.metrics.connections_cut.add(1);
                self.flush(context);
                self.wake.notify_one();
            }
            PeerTimeout::Expired if self.is_dead.get() => {}
            PeerTimeout::Expired => {
                context.metrics.connections_cut.add(1);
                self.cut();
            }
        }
    }

    /// The permit that it has.
    #[must_use]
    pub fn permit(&self) -> ConnectionPermit {
        self.permit
    }

    /// How idle it is; `None` while there is something to be done: commands or questions in flight, bytes to send, a frame under way,
    /// a hello that has just begun to be awaited.
    #[must_use]
    pub fn idleness(&self, now_ms: u64) -> Option<Idleness> {
        let (state, flow) = (self.state.borrow(), self.flow.get());
        let has_work = !state.is_idle() || !state.is_reading() || flow.is_in_frame();
        let awaits_hello = state.is_in_handshake();
        if has_work || self.is_dead.get() || (awaits_hello && now_ms < flow.opened_ms() + HELLO_GRACE_MS) {
            return None;
        }
        let since_ms = if self.is_active.get() { u64::MAX } else { self.idle_since_ms.get() };
        Some(Idleness { awaits_hello, since_ms })
    }

    /// Ends it to make room for another, and tells its peer why.
    pub fn evict(&self, context: &NetContext) {
        context.metrics.connections_displaced.add(1);
        self.state.borrow_mut().refuse_peer(&format!(
            "the server has its {} connections, and this one, idle for the longest, had to make room for another",
            context.permits.in_use()
        ));
        self.flush(context);
        self.wake.notify_one();
    }

    /// What its buffers take.
    #[must_use]
    pub fn buffer_bytes(&self) -> usize {
        self.state.borrow_mut().out().capacity() + self.input_bytes.get()
    }

    /// Ends the connection now.
    pub fn cut(&self) {
        self.is_dead.set(true);
        self.wake.notify_one();
    }

    /// Says that the server stops.
    pub fn send_goodbye(&self, context: &NetContext) {
        self.state.borrow_mut().send_goodbye();
        self.push(context);
        self.wake.notify_one();
    }

    fn may_read(&self) -> bool {
        self.flow.get().may_read(&self.state.borrow())
    }

    fn is_over(&self) -> bool {
        self.is_dead.get() || self.state.borrow().is_over()
    }

    fn receive(&self, input: &mut Vec<u8>, context: &NetContext) {
        self.is_active.set(true);
        let used = self.state.borrow_mut().receive(input, context);
        if !context.ingress.is_empty() {
            self.turn.notify_one();
        }
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
        self.input_bytes.set(input.capacity());
        let mut flow = self.flow.get();
        flow.read((used, input.len()), &self.state.borrow(), || context.clock.monotonic_ms());
        self.flow.set(flow);
    }
}

/// Serves one connection until it ends.
pub async fn serve(connection: &Connection, reader: &mut OwnedReadHalf, context: &NetContext) {
    let mut input = Vec::with_capacity(READ_BYTES);
    connection.input_bytes.set(input.capacity());
    while !connection.is_over() {
        let mut turns_of_others = 0;
        tokio::select! {
            read = reader.read_buf(&mut input), if connection.may_read() => match read {
                Ok(0) => connection.state.borrow_mut().peer_closed(),
                Ok(count) => {
                    context.metrics.bytes_read.add_count(count);
                    connection.receive(&mut input, context);
                    turns_of_others = count / TURN_BYTES;
                }
                Err(_) => connection.is_dead.set(true),
            },
            writable = connection.writer.writable(), if connection.is_blocked.get() => match writable {
                Ok(()) => connection.is_blocked.set(false),
                Err(_) => connection.is_dead.set(true),
            },
            () = connection.wake.notified() => {}
        }
        connection.flush(context);
        for _ in 0..turns_of_others {
            tokio::task::yield_now().await;
        }
    }
    if connection.state.borrow().is_lost() {
        context.metrics.connections_cut.add(1);
    }
}

/// Closes a socket so that the peer still gets the last bytes: a close with unread input would take them back.
pub async fn close(connection: Rc<Connection>, mut reader: OwnedReadHalf, permits: &ConnectionPermits) {
    if connection.is_dead.get() {
        return;
    }
    if let (Some(connection), Some(_lingering)) = (Rc::into_inner(connection), permits.linger()) {
        let mut writer = connection.writer;
        linger(&mut reader, &mut writer).await;
    }
}

/// Tells a peer that there is no permit for it, and closes.
pub async fn turn_away(stream: TcpStream, sentence: &str, permits: &ConnectionPermits) {
    let mut frame = Vec::new();
    ConnectionState::write_error(sentence, &mut frame);
    let (mut reader, mut writer) = stream.into_split();
    // The system takes so few bytes at once, unless the peer is gone already.
    let is_told = writer.try_write(&frame).is_ok();
    if let (true, Some(_lingering)) = (is_told, permits.linger()) {
        linger(&mut reader, &mut writer).await;
    }
}

async fn linger(reader: &mut OwnedReadHalf, writer: &mut OwnedWriteHalf) {
    let ended = tokio::time::timeout(LINGER, async {
        writer.shutdown().await?;
        let mut rest = [0; 1_024];
        while reader.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    });
    // Whatever comes of it, the socket is closed now.
    drop(ended.await);
}
