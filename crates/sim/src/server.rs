//! One server process: all stages of the real server, stepped by hand, and a table of connections, which replaces the
//! server's own table of sockets.

use std::sync::Arc;

use stockhold::assembly::{Assembly, Environment, assemble};
use stockhold::clock::ManualTimeSource;
use stockhold::config::Config;
use stockhold::error::StartError;
use stockhold::net::connection_permits::ConnectionPermit;
use stockhold::net::{ConnectionState, FlowControl, NetContext, PeerTimeout};
use stockhold::pipeline::reply_queue::{ReplyAddress, ReplyBuffer};
use stockhold::storage::recording::RecordingStorage;
use stockhold_protocol::FrameError;
use stockhold_protocol::frame::{self, FrameKind, Header};
use stockhold_protocol::limits::FRAME_BODY_BYTES_MAX;

use crate::violation::{CheckResult, ensure};

/// A frame that the server sends or a client receives.
#[derive(Clone, Debug)]
pub(crate) struct OwnedFrame {
    pub(crate) kind: FrameKind,
    pub(crate) request: u64,
    pub(crate) deadline_ms: u32,
    pub(crate) count: u16,
    /// The low bits of a name generation.
    pub(crate) names: u16,
    pub(crate) body: Vec<u8>,
}

/// An entry of the table. It may hold a connection.
#[derive(Debug)]
struct ConnectionEntry {
    generation: u32,
    /// The permit that the connection holds.
    permit: ConnectionPermit,
    state: Option<ConnectionState>,
    flow: FlowControl,
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
    fn flush(&mut self, context: &NetContext) {
        let Some(state) = &mut self.state else { return };
        state.submit_held_queries(context);
        let out = state.out();
        let count = out.len().min(SOCKET_BYTES.saturating_sub(self.socket.len()));
        self.socket.extend(out.drain(..count));
        self.flow.wrote(out.len(), context.limits.outbox_bytes, || context.clock.monotonic_ms());
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
    buffer: ReplyBuffer,
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
                let Header { kind, request, time: deadline_ms, count, names, .. } = frame.header;
                frames.push(OwnedFrame {
                    kind,
                    request,
                    deadline_ms,
                    count,
                    names,
                    body: frame.body.to_vec(),
                });
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
        "the server sends {} bytes that are not a frame: {error:?}",
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
        let environment = Environment { time, salt_seed, spawner: None };
        let assembly = assemble(disk.share(), config, 1, environment, |_| ())?;
        Ok(Self { assembly, entries: Vec::new(), buffer: ReplyBuffer::default() })
    }

    pub(crate) fn op(&self) -> u64 {
        self.assembly.applier.machine().op()
    }

    /// Adds a new connection, unless there are too many.
    pub(crate) fn connect(&mut self) -> Option<ConnectionKey> {
        let permit = self.assembly.context.admit(false)?;
        let free = self.entries.iter().position(|entry| entry.state.is_none());
        let index = free.unwrap_or_else(|| {
            let (input, socket) = (Vec::new(), Vec::new());
            self.entries.push(ConnectionEntry {
                generation: 0,
                permit,
                state: None,
                flow: FlowControl::new(0),
                input,
                socket,
            });
            self.entries.len() - 1
        });
        let now_ms = self.assembly.context.clock.monotonic_ms();
        let slot = u32::try_from(index).unwrap_or(u32::MAX);
        let entry = &mut self.entries[index];
        entry.permit = permit;
        let address = ReplyAddress { slot, generation: entry.generation, ..ReplyAddress::default() };
        entry.state = Some(ConnectionState::new(address));
        entry.flow = FlowControl::new(now_ms);
        entry.input.clear();
        entry.socket.clear();
        Some(ConnectionKey { slot, generation: entry.generation })
    }

    fn entry(&mut self, key: ConnectionKey) -> Option<&mut ConnectionEntry> {
        let entry = self.entries.get_mut(usize::try_from(key.slot).ok()?)?;
        (entry.generation == key.generation && entry.state.is_some()).then_some(entry)
    }

    /// Removes a connection. Letters to it are dropped from now on.
    pub(crate) fn close(&mut self, key: ConnectionKey) {
        if let Some(entry) = self.entry(key) {
            entry.state = None;
            entry.generation = entry.generation.wrapping_add(1);
            let permit = entry.permit;
            self.assembly.context.release(permit);
        }
    }

    /// Receives bytes of a client. Returns the frames that were read, and the frames that were sent at once.
    pub(crate) fn receive(
        &mut self,
        key: ConnectionKey,
        bytes: &[u8],
    ) -> CheckResult<(Vec<OwnedFrame>, Vec<OwnedFrame>)> {
        let context = self.assembly.context.clone();
        let Some(entry) = self.entry(key) else { return Ok((Vec::new(), Vec::new())) };
        let Some(state) = &mut entry.state else { return Ok((Vec::new(), Vec::new())) };
        entry.input.extend_from_slice(bytes);
        let before = state.out().len();
        let used = state.receive(&entry.input, &context);
        let answered = whole_frames(&state.out()[before..])?;
        let (received, ..) = frames_of(&entry.input[..used]);
        entry.input.drain(..used);
        entry.flow.read((used, entry.input.len()), state, || context.clock.monotonic_ms());
        entry.flush(&context);
        Ok((received, answered))
    }

    /// Whether the server reads from a connection now.
    pub(crate) fn may_read(&mut self, key: ConnectionKey) -> bool {
        self.entry(key)
            .is_some_and(|entry| entry.state.as_ref().is_some_and(|state| entry.flow.may_read(state)))
    }

    /// Checks the timeouts of all connections. Returns those that keep the server waiting too long, and whether they
    /// are to be cut.
    pub(crate) fn expire(&mut self) -> CheckResult<Vec<(ConnectionKey, bool)>> {
        let context = self.assembly.context.clone();
        let now_ms = context.clock.monotonic_ms();
        let mut late = Vec::new();
        for (slot, entry) in (0..).zip(&mut self.entries) {
            let Some(state) = &mut entry.state else { continue };
            let key = ConnectionKey { slot, generation: entry.generation };
            match entry.flow.check_timeouts(state, now_ms, &context.limits) {
                PeerTimeout::Waiting => {}
                PeerTimeout::Overdue(what) => {
                    state.refuse_overdue(what);
                    entry.flush(&context);
                    late.push((key, false));
                }
                PeerTimeout::Expired => {
                    let unsent = state.out().len();
                    let has_reason = unsent > context.limits.outbox_bytes || !state.is_reading();
                    ensure!(has_reason, "a connection with {unsent} unread bytes is cut");
                    late.push((key, true));
                }
            }
        }
        Ok(late)
    }

    /// Whether commands of a connection were lost, so that it must be closed.
    pub(crate) fn is_lost(&mut self, key: ConnectionKey) -> bool {
        self.entry(key).and_then(|entry| entry.state.as_ref()).is_some_and(ConnectionState::is_lost)
    }

    /// Delivers the replies to the connections.
    pub(crate) fn deliver(&mut self) -> CheckResult<Vec<Delivery>> {
        let mut buffer = std::mem::take(&mut self.buffer);
        self.assembly.reply_queues.take(0, &mut buffer);
        let mut delivered = Vec::new();
        for reply in &buffer.replies {
            let key = ConnectionKey { slot: reply.slot, generation: reply.generation };
            let bytes = &buffer.bytes[reply.start..reply.end];
            let mut frames = whole_frames(bytes)?;
            ensure!(frames.len() <= 1, "a reply is one frame or none");
            if let Some(state) = self.entry(key).and_then(|entry| entry.state.as_mut()) {
                state.deliver(reply, bytes);
                delivered.push(Delivery { key, frame: frames.pop(), lost: state.is_lost() });
            }
            let context = self.assembly.context.clone();
            let Some(entry) = self.entry(key) else { continue };
            entry.flush(&context);
            let unsent = entry.state.as_mut().map_or(0, |state| state.out().len());
            let most = context.limits.outbox_bytes.saturating_add(OVERHANG_BYTES);
            ensure!(unsent <= most, "{unsent} bytes are buffered for a client that does not read");
        }
        buffer.clear();
        self.buffer = buffer;
        Ok(delivered)
    }

    /// Takes up to `most` bytes to be sent. Returns whether the connection ends after them.
    pub(crate) fn send(&mut self, key: ConnectionKey, most: usize) -> (Vec<u8>, bool) {
        let context = self.assembly.context.clone();
        let Some(entry) = self.entry(key) else { return (Vec::new(), true) };
        let mut bytes = Vec::new();
        loop {
            entry.flush(&context);
            let count = entry.socket.len().min(most - bytes.len());
            if count == 0 {
                break;
            }
            bytes.extend(entry.socket.drain(..count));
        }
        let is_over = entry.state.as_ref().is_none_or(ConnectionState::is_over) && entry.socket.is_empty();
        (bytes, is_over)
    }
}
