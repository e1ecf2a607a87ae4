//! A client: one connection at a time with several requests in flight. It forgets its requests when the connection
//! ends. Bytes in transit stay here until the world moves them. The world decides what the client requests.

use std::collections::BTreeMap;

use stockhold_protocol::frame::{self, FrameKind, Header};
use stockhold_protocol::handshake::Hello;

use crate::server::{ConnectionKey, OwnedFrame, frames_of};
use crate::violation::{CheckResult, ensure, violation};

/// What a request asks for.
#[derive(Clone, Debug)]
pub(crate) enum PendingRequest {
    Hello,
    /// Commands by index; `None` once the outcome has arrived.
    Commands(Vec<Option<usize>>),
    Checks,
    Query,
    Names,
}

/// The client's side of a connection.
#[derive(Debug)]
pub(crate) struct ClientConnection {
    pub(crate) key: ConnectionKey,
    /// Bytes on their way to the server.
    pub(crate) to_server: Vec<u8>,
    arrived: Vec<u8>,
    pub(crate) is_open: bool,
    /// The client has sent garbage, or the server has refused it; the server reads nothing more.
    pub(crate) is_broken: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Client {
    pub(crate) connection: Option<ClientConnection>,
    /// Whether it sends without reading.
    pub(crate) is_slow: bool,
    /// The offset of its clock.
    pub(crate) skew_ms: i64,
    last_request: u64,
    /// The low bits of the last name generation that the server reported.
    pub(crate) names: u16,
    pub(crate) pending: BTreeMap<u64, PendingRequest>,
}

impl Client {
    /// A client whose clock is off by `skew_ms`.
    pub(crate) fn new(skew_ms: i64) -> Self {
        Self { skew_ms, ..Self::default() }
    }

    /// Opens a connection and sends a Hello.
    pub(crate) fn connect(&mut self, key: ConnectionKey) -> CheckResult {
        let (to_server, arrived) = (Vec::new(), Vec::new());
        self.connection =
            Some(ClientConnection { key, to_server, arrived, is_open: false, is_broken: false });
        let mut body = Vec::new();
        Hello::new("sim").encode(&mut body).map_err(violation("a hello that does not encode"))?;
        self.ask(FrameKind::Hello, PendingRequest::Hello, (0, 0), &body);
        Ok(())
    }

    /// Sends a request.
    pub(crate) fn ask(
        &mut self,
        kind: FrameKind,
        pending: PendingRequest,
        (deadline_ms, count): (u32, u16),
        body: &[u8],
    ) {
        let Some(connection) = &mut self.connection else { return };
        self.last_request += 1;
        let names = if kind == FrameKind::Commands { self.names } else { 0 };
        let header = Header { time: deadline_ms, names, ..Header::new(kind, self.last_request, count) };
        frame::append(header, body, &mut connection.to_server);
        self.pending.insert(self.last_request, pending);
    }

    /// Ends the connection and drops all its requests.
    pub(crate) fn disconnect(&mut self) -> Option<ConnectionKey> {
        self.pending.clear();
        self.connection.take().map(|connection| connection.key)
    }

    /// Receives bytes and returns the complete frames.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> CheckResult<Vec<OwnedFrame>> {
        let Some(connection) = &mut self.connection else { return Ok(Vec::new()) };
        connection.arrived.extend_from_slice(bytes);
        let (frames, used, error) = frames_of(&connection.arrived);
        ensure!(error.is_none(), "a client reads bytes that are not a frame: {error:?}");
        connection.arrived.drain(..used);
        Ok(frames)
    }
}
