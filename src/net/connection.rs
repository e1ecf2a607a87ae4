//! Moves the bytes of one connection: one read, all whole frames of it, one write. The protocol itself is the session's.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;

use super::gate::Gate;
use super::pace::{Pace, Patience};
use super::places::{Idleness, Place, Places};
use super::session::Session;
use crate::pipeline::mailbox::Letter;

/// How much is read at once; a longer frame makes the buffer grow to its length.
const READ_BYTES: usize = 64 * 1024;
/// A buffer that grew beyond this is given back after use.
const BUFFER_BYTES_KEPT: usize = 256 * 1024;
/// For each so many bytes that were read at once, all others have a turn: connections are served alike by bytes, not by reads.
const TURN_BYTES: usize = 8 * 1024;
/// How long the last bytes of a closed connection may take to be read by the peer.
const LINGER: Duration = Duration::from_millis(500);
/// A connection that has not said hello for so long is mute. A younger one has only just come and does not give way to others.
const MUTE_MS: u64 = 1_000;

/// One open connection; shared by its task and the desk of its thread.
#[derive(Debug)]
pub struct Connection {
    session: RefCell<Session>,
    writer: OwnedWriteHalf,
    /// Told when commands were taken: their thread's turn ends with a call for the log.
    turn: Rc<Notify>,
    /// Rings when the task must look again: room to read, an end, a blocked write.
    wake: Notify,
    is_blocked: Cell<bool>,
    is_dead: Cell<bool>,
    pace: Cell<Pace>,
    /// The place that it has.
    place: Place,
    /// Whether something was read or answered since the last look.
    is_active: Cell<bool>,
    /// Since when nothing was, by the looks.
    idle_since_ms: Cell<u64>,
    /// What the input buffer takes.
    input_bytes: Cell<usize>,
    outbox_bytes_max: usize,
}

impl Connection {
    /// A connection whose session has begun.
    #[must_use]
    pub fn new(
        session: Session,
        writer: OwnedWriteHalf,
        turn: Rc<Notify>,
        (place, gate): (Place, &Gate),
    ) -> Self {
        let now_ms = gate.clock.monotonic_ms();
        Self {
            session: RefCell::new(session),
            writer,
            turn,
            wake: Notify::new(),
            is_blocked: Cell::new(false),
            is_dead: Cell::new(false),
            pace: Cell::new(Pace::new(now_ms)),
            place,
            is_active: Cell::new(false),
            idle_since_ms: Cell::new(now_ms),
            input_bytes: Cell::new(0),
            outbox_bytes_max: gate.limits.outbox_bytes,
        }
    }

    /// Takes over an answer; [`Connection::push`] sends it.
    pub fn deliver(&self, letter: &Letter, frame: &[u8]) {
        self.is_active.set(true);
        self.session.borrow_mut().deliver(letter, frame);
    }

    /// Writes what can be written now, and wakes the connection's task if there is something for it to see. Never called by that task
    /// itself, which would wake itself for ever.
    pub fn push(&self, gate: &Gate) {
        let before = (self.pace.get().is_full(), self.is_blocked.get());
        self.flush(gate);
        let mut pace = self.pace.get();
        let resumes = pace.resumes(&self.session.borrow());
        self.pace.set(pace);
        if resumes || before != (pace.is_full(), self.is_blocked.get()) || self.is_over() {
            self.wake.notify_one();
        }
    }

    fn flush(&self, gate: &Gate) {
        let mut session = self.session.borrow_mut();
        self.write(session.out(), gate);
        // What is read makes room for answers to questions that were held back.
        session.ask_held(gate);
        let out = session.out();
        self.write(out, gate);
        if out.is_empty() && out.capacity() > BUFFER_BYTES_KEPT {
            *out = Vec::new();
        }
        let mut pace = self.pace.get();
        pace.wrote(out.len(), self.outbox_bytes_max, || gate.clock.monotonic_ms());
        self.pace.set(pace);
    }

    fn write(&self, out: &mut Vec<u8>, gate: &Gate) {
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
    }

    /// Ends the connection if it has not said hello in time or does not end a frame, and cuts it if it leaves its answers, or the last
    /// of them, unread for too long.
    pub fn expire(&self, now_ms: u64, gate: &Gate) {
        if self.is_active.take() {
            self.idle_since_ms.set(now_ms);
        }
        let mut pace = self.pace.get();
        let patience = pace.patience(&self.session.borrow(), now_ms, &gate.limits);
        self.pace.set(pace);
        match patience {
            Patience::Lasts => {}
            Patience::Overdue(what) => {
                self.session.borrow_mut().refuse_overdue(what);
                gate.metrics.connections_cut.add(1);
                self.flush(gate);
                self.wake.notify_one();
            }
            Patience::Ended if self.is_dead.get() => {}
            Patience::Ended => {
                gate.metrics.connections_cut.add(1);
                self.cut();
            }
        }
    }

    /// The place that it has.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    /// How idle it is; `None` while there is something to be done: commands or questions in flight, bytes to send, a frame under way,
    /// a hello that has just begun to be awaited.
    #[must_use]
    pub fn idleness(&self, now_ms: u64) -> Option<Idleness> {
        let (session, pace) = (self.session.borrow(), self.pace.get());
        let has_work = !session.is_idle() || !session.is_reading() || pace.is_in_frame();
        let is_mute = session.is_greeting();
        if has_work || self.is_dead.get() || (is_mute && now_ms < pace.opened_ms() + MUTE_MS) {
            return None;
        }
        let since_ms = if self.is_active.get() { u64::MAX } else { self.idle_since_ms.get() };
        Some(Idleness { is_mute, since_ms })
    }

    /// Ends it to make room for another, and tells its peer why.
    pub fn displace(&self, gate: &Gate) {
        gate.metrics.connections_displaced.add(1);
        self.session.borrow_mut().refuse_peer(&format!(
            "the server has its {} connections, and this one, idle for the longest, had to make room for another",
            gate.places.taken()
        ));
        self.flush(gate);
        self.wake.notify_one();
    }

    /// What its buffers take.
    #[must_use]
    pub fn buffer_bytes(&self) -> usize {
        self.session.borrow_mut().out().capacity() + self.input_bytes.get()
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
        self.pace.get().may_read(&self.session.borrow())
    }

    fn is_over(&self) -> bool {
        self.is_dead.get() || self.session.borrow().is_over()
    }

    fn receive(&self, input: &mut Vec<u8>, gate: &Gate) {
        self.is_active.set(true);
        let used = self.session.borrow_mut().receive(input, gate);
        if !gate.ingress.is_empty() {
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
        let mut pace = self.pace.get();
        pace.read((used, input.len()), &self.session.borrow(), || gate.clock.monotonic_ms());
        self.pace.set(pace);
    }
}

/// Serves one connection until it ends.
pub async fn serve(connection: &Connection, reader: &mut OwnedReadHalf, gate: &Gate) {
    let mut input = Vec::with_capacity(READ_BYTES);
    connection.input_bytes.set(input.capacity());
    while !connection.is_over() {
        let mut turns_of_others = 0;
        tokio::select! {
            read = reader.read_buf(&mut input), if connection.may_read() => match read {
                Ok(0) => connection.session.borrow_mut().hang_up(),
                Ok(count) => {
                    gate.metrics.bytes_read.add_count(count);
                    connection.receive(&mut input, gate);
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
        connection.flush(gate);
        for _ in 0..turns_of_others {
            tokio::task::yield_now().await;
        }
    }
    if connection.session.borrow().is_lost() {
        gate.metrics.connections_cut.add(1);
    }
}

/// Closes a socket so that the peer still gets the last bytes: a close with unread input would take them back.
pub async fn close(connection: Rc<Connection>, mut reader: OwnedReadHalf, places: &Places) {
    if connection.is_dead.get() {
        return;
    }
    if let (Some(connection), Some(_lingering)) = (Rc::into_inner(connection), places.linger()) {
        let mut writer = connection.writer;
        linger(&mut reader, &mut writer).await;
    }
}

/// Tells a peer that there is no place for it, and closes.
pub async fn turn_away(stream: TcpStream, sentence: &str, places: &Places) {
    let mut frame = Vec::new();
    Session::write_error(sentence, &mut frame);
    let (mut reader, mut writer) = stream.into_split();
    // The system takes so few bytes at once, unless the peer is gone already.
    let is_told = writer.try_write(&frame).is_ok();
    if let (true, Some(_lingering)) = (is_told, places.linger()) {
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
