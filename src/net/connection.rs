//! Moves the bytes of one connection: one read, all whole frames in it, one write. [`ConnectionState`] implements the
//! protocol.

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

/// The size of one read. The buffer grows to the length of a longer frame.
const READ_BYTES: usize = 64 * 1024;
/// A buffer that has grown beyond this size is freed after use.
const BUFFER_BYTES_KEPT: usize = 256 * 1024;
/// A task yields once for each so many bytes that it has read at once, so that connections share the thread by bytes
/// and not by reads.
const TURN_BYTES: usize = 8 * 1024;
/// How long the server waits for the peer to read the last bytes of a closed connection.
const LINGER: Duration = Duration::from_millis(500);
/// A connection that has not sent its hello within this time may be evicted. A younger one may not.
const HELLO_GRACE_MS: u64 = 1_000;

/// One open connection, shared by its task and by the connection table of its thread.
#[derive(Debug)]
pub struct Connection {
    state: RefCell<ConnectionState>,
    writer: OwnedWriteHalf,
    /// Notified when commands were received. The thread then hands them to the log.
    turn: Rc<Notify>,
    /// Notified when the task must check its state: it may read again, it must end, or a write is blocked.
    wake: Notify,
    is_blocked: Cell<bool>,
    is_dead: Cell<bool>,
    flow: Cell<FlowControl>,
    /// The permit that the connection holds.
    permit: ConnectionPermit,
    /// Whether anything was read or answered since the last sweep.
    is_active: Cell<bool>,
    /// Since when the connection has been idle, as observed by sweeps.
    idle_since_ms: Cell<u64>,
    /// The capacity of the input buffer.
    input_bytes: Cell<usize>,
    outbox_bytes_max: usize,
}

impl Connection {
    /// Creates the connection for a new state.
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

    /// Queues an answer; [`Connection::push`] sends it.
    pub fn deliver(&self, reply: &Reply, frame: &[u8]) {
        self.is_active.set(true);
        self.state.borrow_mut().deliver(reply, frame);
    }

    /// Writes what can be written now, and wakes the connection's task if its state has changed. The task itself must
    /// not call this, because it would wake itself forever.
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
        // Bytes that the peer has read free space for the answers to held queries.
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

    /// Checks the timeouts. The connection ends if its hello or the end of a frame is overdue, and it is cut if the
    /// peer has left its answers unread for too long.
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

    /// The permit that the connection holds.
    #[must_use]
    pub fn permit(&self) -> ConnectionPermit {
        self.permit
    }

    /// How idle the connection is. `None` while it has work: commands or questions in flight, bytes to send, an
    /// incomplete frame, or a hello that is not late yet.
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

    /// Ends the connection to free its permit for another one, and tells the peer why.
    pub fn evict(&self, context: &NetContext) {
        context.metrics.connections_displaced.add(1);
        self.state.borrow_mut().refuse_peer(&format!(
            "the server has its {} connections, and this one, idle for the longest, was closed to make room for another",
            context.permits.in_use()
        ));
        self.flush(context);
        self.wake.notify_one();
    }

    /// The memory that its buffers take.
    #[must_use]
    pub fn buffer_bytes(&self) -> usize {
        self.state.borrow_mut().out().capacity() + self.input_bytes.get()
    }

    /// Cuts the connection without sending anything more.
    pub fn cut(&self) {
        self.is_dead.set(true);
        self.wake.notify_one();
    }

    /// Tells the peer that the server stops.
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

/// Closes a socket gracefully: the peer still receives the last bytes, which a close with unread input would discard.
pub async fn close(connection: Rc<Connection>, mut reader: OwnedReadHalf, permits: &ConnectionPermits) {
    if connection.is_dead.get() {
        return;
    }
    if let (Some(connection), Some(_lingering)) = (Rc::into_inner(connection), permits.linger()) {
        let mut writer = connection.writer;
        linger(&mut reader, &mut writer).await;
    }
}

/// Tells a peer that the server has no free connection, and closes the socket.
pub async fn turn_away(stream: TcpStream, sentence: &str, permits: &ConnectionPermits) {
    let mut frame = Vec::new();
    ConnectionState::write_error(sentence, &mut frame);
    let (mut reader, mut writer) = stream.into_split();
    // The kernel buffers so few bytes at once, unless the peer has already gone.
    let is_sent = writer.try_write(&frame).is_ok();
    if let (true, Some(_lingering)) = (is_sent, permits.linger()) {
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
    // The socket is closed now, whether the peer has read everything or not.
    drop(ended.await);
}
