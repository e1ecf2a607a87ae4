//! One server process: all stages of the real server, stepped by hand, and a table of connections, which replaces the
//! server's own table of sockets.

use std::sync::Arc;

use stockhold::assembly::{Assembly, Surroundings, assemble};
use stockhold::clock::ManualTimeSource;
use stockhold::config::Config;
use stockhold::error::StartError;
use stockhold::net::places::Place;
use stockhold::net::{Gate, Pace, Patience, Session};
use stockhold::pipeline::mailbox::{Address, Mail};
use stockhold::storage::recording::RecordingStorage;
use stockhold_protocol::FrameError;
use stockhold_protocol::frame::{self, FrameKind};
use stockhold_protocol::limits::FRAME_BODY_BYTES_MAX;

use crate::violation::{CheckResult, ensure};

/// A frame that the server sends or a client receives.
#[derive(Clone, Debug)]
pub(crate) struct OwnedFrame {
    pub(crate) kind: FrameKind,
    pub(crate) request: u64,
    pub(crate) deadline_ms: u32,
    pub(crate) count: u16,
    pub(crate) body: Vec<u8>,
}

/// An entry of the table. It may hold a connection.
#[derive(Debug)]
struct ConnectionEntry {
    generation: u32,
    /// The place that the connection occupies at the gate.
    taken: Place,
    session: Option<Session>,
    pace: Pace,
    input: Vec<u8>,
    /// Bytes that the system has accepted and the peer has not read.
    socket: Vec<u8>,
}

/// How many bytes the system accepts for a connection before the peer reads them.
const SOCKET_BYTES: usize = 6_000;
/// How far an outbox may exceed its limit: answers to what is in flight, and to the frames that were read at once.
const OVERHANG_BYTES: usize = 192 << 10;

impl ConnectionEntry {
    /// Writes to the system as much as it accepts.
    fn flush(&mut self, gate: &Gate) {
        let Some(session) = &mut self.session else { return };
        session.ask_held(gate);
        let out = session.out();
        let count = out.len().min(SOCKET_BYTES.saturating_sub(self.socket.len()));
        self.socket.extend(out.drain(..count));
        self.pace.wrote(out.len(), gate.limits.outbox_bytes, || gate.clock.monotonic_ms());
    }
}

/// The key of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnectionKey {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// What one delivery brought to a connection.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) key: ConnectionKey,
    pub(crate) frame: Option<OwnedFrame>,
    pub(crate) lost: bool,
}

/// See the module.
pub(crate) struct Server {
    pub(crate) assembly: Assembly,
    entries: Vec<ConnectionEntry>,
    mail: Mail,
}

/// Parses all complete frames at the start of `bytes`. Returns the frames, their length, and the error that stops the
/// stream, if any.
pub(crate) fn frames_of(bytes: &[u8]) -> (Vec<OwnedFrame>, usize, Option<FrameError>) {
    let mut frames = Vec::new();
    let mut used = 0;
    loop {
        match frame::parse(&bytes[used..], FRAME_BODY_BYTES_MAX) {
            Ok(Some((frame, length))) => {
                used += length;
                let header = frame.header;
                let (kind, request, deadline_ms, count) =
                    (header.kind, header.request, header.time, header.count);
                frames.push(OwnedFrame { kind, request, deadline_ms, count, body: frame.body.to_vec() });
            }
            Ok(None) => return (frames, used, None),
            Err(error) => return (frames, used, Some(error)),
        }
    }
}

/// Parses frames that must be complete.
fn whole_frames(bytes: &[u8]) -> CheckResult<Vec<OwnedFrame>> {
    let (frames, used, error) = frames_of(bytes);
    ensure!(
        used == bytes.len(),
        "the server sends {} bytes that are no frame: {error:?}",
        bytes.len() - used
    );
    Ok(frames)
}

impl Server {
    pub(crate) fn start(
        disk: &RecordingStorage,
        config: &Config,
        time: Arc<ManualTimeSource>,
        salt_seed: u64,
    ) -> Result<Self, StartError> {
        let surroundings = Surroundings { time, salt_seed, helper: None };
        let assembly = assemble(disk.share(), config, 1, surroundings, |_| ())?;
        Ok(Self { assembly, entries: Vec::new(), mail: Mail::default() })
    }

    pub(crate) fn op(&self) -> u64 {
        self.assembly.applier.machine().op()
    }

    /// Adds a new connection, unless there are too many.
    pub(crate) fn connect(&mut self) -> Option<ConnectionKey> {
        let taken = self.assembly.gate.enter(false)?;
        let free = self.entries.iter().position(|entry| entry.session.is_none());
        let index = free.unwrap_or_else(|| {
            let (input, socket) = (Vec::new(), Vec::new());
            self.entries.push(ConnectionEntry {
                generation: 0,
                taken,
                session: None,
                pace: Pace::new(0),
                input,
                socket,
            });
            self.entries.len() - 1
        });
        let now_ms = self.assembly.gate.clock.monotonic_ms();
        let slot = u32::try_from(index).unwrap_or(u32::MAX);
        let entry = &mut self.entries[index];
        entry.taken = taken;
        let address = Address { slot, generation: entry.generation, ..Address::default() };
        entry.session = Some(Session::new(address));
        entry.pace = Pace::new(now_ms);
        entry.input.clear();
        entry.socket.clear();
        Some(ConnectionKey { slot, generation: entry.generation })
    }

    fn entry(&mut self, key: ConnectionKey) -> Option<&mut ConnectionEntry> {
        let entry = self.entries.get_mut(usize::try_from(key.slot).ok()?)?;
        (entry.generation == key.generation && entry.session.is_some()).then_some(entry)
    }

    /// Removes a connection. Letters to it are dropped from now on.
    pub(crate) fn close(&mut self, key: ConnectionKey) {
        if let Some(entry) = self.entry(key) {
            entry.session = None;
            entry.generation = entry.generation.wrapping_add(1);
            let taken = entry.taken;
            self.assembly.gate.leave(taken);
        }
    }

    /// Receives bytes of a client. Returns the frames that were read, and the frames that were sent at once.
    pub(crate) fn receive(
        &mut self,
        key: ConnectionKey,
        bytes: &[u8],
    ) -> CheckResult<(Vec<OwnedFrame>, Vec<OwnedFrame>)> {
        let gate = self.assembly.gate.clone();
        let Some(entry) = self.entry(key) else { return Ok((Vec::new(), Vec::new())) };
        let Some(session) = &mut entry.session else { return Ok((Vec::new(), Vec::new())) };
        entry.input.extend_from_slice(bytes);
        let before = session.out().len();
        let used = session.receive(&entry.input, &gate);
        let answered = whole_frames(&session.out()[before..])?;
        let (received, ..) = frames_of(&entry.input[..used]);
        entry.input.drain(..used);
        entry.pace.read((used, entry.input.len()), session, || gate.clock.monotonic_ms());
        entry.flush(&gate);
        Ok((received, answered))
    }

    /// Whether the server reads from a connection now.
    pub(crate) fn may_read(&mut self, key: ConnectionKey) -> bool {
        self.entry(key)
            .is_some_and(|entry| entry.session.as_ref().is_some_and(|session| entry.pace.may_read(session)))
    }

    /// Checks the timeouts of all connections. Returns those that keep the server waiting too long, and whether they
    /// are to be cut.
    pub(crate) fn expire(&mut self) -> CheckResult<Vec<(ConnectionKey, bool)>> {
        let gate = self.assembly.gate.clone();
        let now_ms = gate.clock.monotonic_ms();
        let mut late = Vec::new();
        for (slot, entry) in (0..).zip(&mut self.entries) {
            let Some(session) = &mut entry.session else { continue };
            let key = ConnectionKey { slot, generation: entry.generation };
            match entry.pace.patience(session, now_ms, &gate.limits) {
                Patience::Lasts => {}
                Patience::Overdue(what) => {
                    session.refuse_overdue(what);
                    entry.flush(&gate);
                    late.push((key, false));
                }
                Patience::Ended => {
                    let unsent = session.out().len();
                    let has_reason = unsent > gate.limits.outbox_bytes || !session.is_reading();
                    ensure!(has_reason, "a connection is cut that has {unsent} bytes to read");
                    late.push((key, true));
                }
            }
        }
        Ok(late)
    }

    /// Whether commands of a connection were lost, so that it must be closed.
    pub(crate) fn is_lost(&mut self, key: ConnectionKey) -> bool {
        self.entry(key).and_then(|entry| entry.session.as_ref()).is_some_and(Session::is_lost)
    }

    /// Delivers the mail to the connections.
    pub(crate) fn deliver(&mut self) -> CheckResult<Vec<Delivery>> {
        let mut mail = std::mem::take(&mut self.mail);
        self.assembly.mailboxes.take(0, &mut mail);
        let mut delivered = Vec::new();
        for letter in &mail.letters {
            let key = ConnectionKey { slot: letter.slot, generation: letter.generation };
            let bytes = &mail.bytes[letter.start..letter.end];
            let mut frames = whole_frames(bytes)?;
            ensure!(frames.len() <= 1, "a letter is one frame or none");
            if let Some(session) = self.entry(key).and_then(|entry| entry.session.as_mut()) {
                session.deliver(letter, bytes);
                delivered.push(Delivery { key, frame: frames.pop(), lost: session.is_lost() });
            }
            let gate = self.assembly.gate.clone();
            let Some(entry) = self.entry(key) else { continue };
            entry.flush(&gate);
            let unsent = entry.session.as_mut().map_or(0, |session| session.out().len());
            let most = gate.limits.outbox_bytes.saturating_add(OVERHANG_BYTES);
            ensure!(unsent <= most, "{unsent} bytes wait for a client that does not read");
        }
        mail.clear();
        self.mail = mail;
        Ok(delivered)
    }

    /// Takes up to `most` bytes to be sent. Returns whether the connection ends after them.
    pub(crate) fn send(&mut self, key: ConnectionKey, most: usize) -> (Vec<u8>, bool) {
        let gate = self.assembly.gate.clone();
        let Some(entry) = self.entry(key) else { return (Vec::new(), true) };
        let mut bytes = Vec::new();
        loop {
            entry.flush(&gate);
            let count = entry.socket.len().min(most - bytes.len());
            if count == 0 {
                break;
            }
            bytes.extend(entry.socket.drain(..count));
        }
        let is_over = entry.session.as_ref().is_none_or(Session::is_over) && entry.socket.is_empty();
        (bytes, is_over)
    }
}
