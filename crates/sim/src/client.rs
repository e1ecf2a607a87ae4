//! A client: one connection at a time, several requests in flight on it, and no memory of a request once its connection is gone.
//! Bytes between it and the server lie here until the world moves them. What it asks is the world's choice.

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

/// A connection as the client has it.
#[derive(Debug)]
pub(crate) struct ClientConnection {
    pub(crate) key: ConnectionKey,
    /// Bytes under way.
    pub(crate) to_server: Vec<u8>,
    arrived: Vec<u8>,
    pub(crate) is_open: bool,
    /// The client has sent what no frame is.
    pub(crate) is_broken: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Client {
    pub(crate) connection: Option<ClientConnection>,
    /// It sends and does not read.
    pub(crate) is_slow: bool,
    /// How far its clock is off.
    pub(crate) skew_ms: i64,
    last_request: u64,
    pub(crate) pending: BTreeMap<u64, PendingRequest>,
}

impl Client {
    /// A client whose clock is off by so much.
    pub(crate) fn new(skew_ms: i64) -> Self {
        Self { skew_ms, ..Self::default() }
    }

    /// Sits down and says hello.
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
        let header = Header { time: deadline_ms, ..Header::new(kind, self.last_request, count) };
        frame::append(header, body, &mut connection.to_server);
        self.pending.insert(self.last_request, pending);
    }

    /// The connection is gone, and with it all its requests.
    pub(crate) fn disconnect(&mut self) -> Option<ConnectionKey> {
        self.pending.clear();
        self.connection.take().map(|connection| connection.key)
    }

    /// Bytes arrive; answers the whole frames.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> CheckResult<Vec<OwnedFrame>> {
        let Some(connection) = &mut self.connection else { return Ok(Vec::new()) };
        connection.arrived.extend_from_slice(bytes);
        let (frames, used, error) = frames_of(&connection.arrived);
        ensure!(error.is_none(), "a client reads bytes that are no frame: {error:?}");
        connection.arrived.drain(..used);
        Ok(frames)
    }
}
