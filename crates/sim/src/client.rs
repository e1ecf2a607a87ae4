//! A client: one connection at a time, several requests in flight on it, and no memory of a request once its connection is gone.
//! Bytes between it and the server lie here until the world moves them. What it asks is the world's choice.

use std::collections::BTreeMap;

use stockhold_protocol::frame::{self, FrameKind, Header};
use stockhold_protocol::handshake::Hello;

use crate::server::{Chair, Said, frames_of};
use crate::violation::{Checked, broken, ensure};

/// What a request asked.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    Hello,
    /// Errands by index, those whose outcome has come as `None`.
    Commands(Vec<Option<usize>>),
    Checks,
    Query,
    Names,
}

/// A connection as the client has it.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) chair: Chair,
    /// Bytes under way.
    pub(crate) to_server: Vec<u8>,
    arrived: Vec<u8>,
    pub(crate) is_open: bool,
    /// The client has sent what no frame is.
    pub(crate) is_spoilt: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Client {
    pub(crate) line: Option<Line>,
    /// It sends and does not read.
    pub(crate) is_slow: bool,
    /// How far its clock is off.
    pub(crate) skew_ms: i64,
    last_request: u64,
    pub(crate) asked: BTreeMap<u64, Asked>,
}

impl Client {
    /// A client whose clock is off by so much.
    pub(crate) fn new(skew_ms: i64) -> Self {
        Self { skew_ms, ..Self::default() }
    }

    /// Sits down and says hello.
    pub(crate) fn connect(&mut self, chair: Chair) -> Checked {
        let (to_server, arrived) = (Vec::new(), Vec::new());
        self.line = Some(Line { chair, to_server, arrived, is_open: false, is_spoilt: false });
        let mut body = Vec::new();
        Hello::new("sim").encode(&mut body).map_err(broken("a hello that does not encode"))?;
        self.ask(FrameKind::Hello, Asked::Hello, (0, 0), &body);
        Ok(())
    }

    /// Sends a request.
    pub(crate) fn ask(
        &mut self,
        kind: FrameKind,
        asked: Asked,
        (deadline_ms, count): (u32, u16),
        body: &[u8],
    ) {
        let Some(line) = &mut self.line else { return };
        self.last_request += 1;
        let header = Header { time: deadline_ms, ..Header::new(kind, self.last_request, count) };
        frame::append(header, body, &mut line.to_server);
        self.asked.insert(self.last_request, asked);
    }

    /// The connection is gone, and with it all that was asked.
    pub(crate) fn hang_up(&mut self) -> Option<Chair> {
        self.asked.clear();
        self.line.take().map(|line| line.chair)
    }

    /// Bytes arrive; answers the whole frames.
    pub(crate) fn hear(&mut self, bytes: &[u8]) -> Checked<Vec<Said>> {
        let Some(line) = &mut self.line else { return Ok(Vec::new()) };
        line.arrived.extend_from_slice(bytes);
        let (frames, used, error) = frames_of(&line.arrived);
        ensure!(error.is_none(), "a client reads bytes that are no frame: {error:?}");
        line.arrived.drain(..used);
        Ok(frames)
    }
}
