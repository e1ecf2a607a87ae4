//! One connection without its socket: requests become output bytes, and input bytes become replies.
//!
//! The owner of the socket writes [`SansIoConnection::output`] and fills [`SansIoConnection::input_space`]. The
//! connection counts what is in flight and checks that every answer belongs to a request. It uses no clock and does
//! not retry.

use crate::command_batch::CommandBatch;
use crate::error::{ConnectionError, FrameLimit, SubmitError};
use crate::reply::{CellFrame, OutcomeFrame, Reply};
use std::collections::VecDeque;
use stockhold_protocol::codec::{Reader, decode_cold, encode_cold};
use stockhold_protocol::frame::{self, Frame, FrameKind, Header};
use stockhold_protocol::handshake::{ConnectionLimits, Hello, Versions, Welcome};
use stockhold_protocol::limits::{
    FRAME_BODY_BYTES_MAX, FRAME_HEADER_BYTES, NAME_BYTES_MAX, PROTOCOL_VERSION,
};
use stockhold_protocol::query::{Name, Query, QueryAnswer};
use stockhold_protocol::{BadField, SkuId, StockId};

/// The initial size of the input buffer. It grows up to one largest frame when a frame needs it.
const INPUT_BYTES: usize = 128 * 1024;
const INPUT_BYTES_MAX: usize = FRAME_BODY_BYTES_MAX + FRAME_HEADER_BYTES;
/// If less room than this is left at the end of the buffer, the unread bytes are moved to the front.
const INPUT_ROOM_BYTES: usize = 32 * 1024;

/// A request that waits for answers.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    kind: FrameKind,
    /// Entries of the request, which count as in flight.
    count: u16,
    /// Entries without an answer. 0 means that the request is complete.
    left: u16,
}

/// The protocol state of one connection. [`crate::PipelinedConnection`] adds the socket.
#[derive(Debug)]
pub struct SansIoConnection {
    limits: ConnectionLimits,
    /// The protocol version that was agreed on.
    version: u8,
    /// The low bits of the name generation by which dense numbers were resolved. Every command carries them.
    names: u16,
    /// The low bits of the name generation that the server told last.
    told_names: u16,
    output: Vec<u8>,
    written: usize,
    input: Vec<u8>,
    input_start: usize,
    input_end: usize,
    waiting: VecDeque<Waiting>,
    /// The request number of the front of `waiting`.
    first_request: u64,
    in_flight: u32,
    stopping: bool,
}

impl SansIoConnection {
    /// A connection whose first output is the hello.
    ///
    /// # Errors
    /// [`BadField`] when the client's name is longer than 255 bytes.
    pub fn new(client_name: &str) -> Result<Self, BadField> {
        if client_name.len() > NAME_BYTES_MAX {
            return Err(BadField::new("client", "must be at most 255 bytes"));
        }
        let mut connection = Self {
            limits: ConnectionLimits { in_flight_max: 0, ..ConnectionLimits::default() },
            version: PROTOCOL_VERSION,
            names: 0,
            told_names: 0,
            output: Vec::new(),
            written: 0,
            input: vec![0; INPUT_BYTES],
            input_start: 0,
            input_end: 0,
            waiting: VecDeque::new(),
            first_request: 1,
            in_flight: 0,
            stopping: false,
        };
        let start = frame::begin(&mut connection.output);
        Hello::new(client_name).encode(&mut connection.output)?;
        frame::finish(Header::new(FrameKind::Hello, 0, 0), start, &mut connection.output);
        Ok(connection)
    }

    /// The Welcome frame, once it has arrived. Nothing else may be submitted before.
    ///
    /// # Errors
    /// [`ConnectionError`] when the server refuses the connection or does not speak the protocol.
    pub fn welcome(&mut self) -> Result<Option<Welcome>, ConnectionError> {
        let Some((frame, used)) = frame::parse(self.unread(), FRAME_BODY_BYTES_MAX)? else { return Ok(None) };
        let kind = frame.header.kind;
        if kind == FrameKind::Error {
            return Err(ConnectionError::Refused(decode_cold(frame.body)?));
        }
        if kind == FrameKind::Goodbye {
            return Err(ConnectionError::ClosedInHandshake);
        }
        if kind != FrameKind::Welcome {
            return Err(stockhold_protocol::FrameError::Unexpected(kind.code()).into());
        }
        let welcome = Welcome::decode(frame.body)?;
        self.input_start += used;
        if !Versions::OWN.contains(welcome.version) {
            return Err(ConnectionError::Version(welcome.version));
        }
        self.limits = welcome.limits;
        self.version = welcome.version;
        self.told_names = frame::low_bits(welcome.name_generation);
        self.names = self.told_names;
        Ok(Some(welcome))
    }

    /// The low 16 bits of the name generation that the server reported last, in Welcome or with outcomes.
    #[must_use]
    pub const fn told_names(&self) -> u16 {
        self.told_names
    }

    /// The low 16 bits of the name generation that commands carry.
    #[must_use]
    pub const fn names(&self) -> u16 {
        self.names
    }

    /// Sets the low 16 bits of the name generation that commands carry from now on. At first it is that of Welcome. Call this
    /// after names were resolved again because the server reported another one.
    pub const fn know_names(&mut self, names: u16) {
        self.names = names;
    }

    /// The limits of the server for this connection.
    #[must_use]
    pub const fn limits(&self) -> ConnectionLimits {
        self.limits
    }

    /// How many commands, checks, names and queries wait for answers.
    #[must_use]
    pub const fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// How many more could be submitted now.
    #[must_use]
    pub const fn room(&self) -> u32 {
        if self.stopping { 0 } else { self.limits.in_flight_max.saturating_sub(self.in_flight) }
    }

    /// Whether the server has said Goodbye.
    #[must_use]
    pub const fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Appends a batch to the output as one frame and returns its request number. The batch may be cleared and reused
    /// at once.
    ///
    /// # Errors
    /// [`SubmitError`]; nothing was queued.
    pub fn submit(&mut self, batch: &CommandBatch) -> Result<u64, SubmitError> {
        self.submit_records(batch.bytes(), batch.len(), batch.deadline_ms())
    }

    pub(crate) fn submit_records(
        &mut self,
        records: &[u8],
        count: u16,
        deadline_ms: u32,
    ) -> Result<u64, SubmitError> {
        self.check_room(count, records.len())?;
        let header =
            Header { time: deadline_ms, names: self.names, ..self.header(FrameKind::Commands, count) };
        frame::append(header, records, &mut self.output);
        Ok(self.sent(header))
    }

    /// Queries the availability of each (SKU, stock). If `min_op` is not 0, the server first waits until it has
    /// applied that op, for at most `deadline_ms`.
    ///
    /// # Errors
    /// [`SubmitError`]; nothing was queued.
    pub fn submit_checks(
        &mut self,
        pairs: &[(SkuId, StockId)],
        min_op: u64,
        deadline_ms: u32,
    ) -> Result<u64, SubmitError> {
        let count = u16::try_from(pairs.len()).map_err(|_| self.too_many("checks", pairs.len()))?;
        self.check_room(count, 8 + pairs.len() * 8)?;
        let header = Header { time: deadline_ms, ..self.header(FrameKind::Checks, count) };
        let start = frame::begin(&mut self.output);
        self.output.extend_from_slice(&min_op.to_le_bytes());
        for (sku, stock) in pairs {
            self.output.extend_from_slice(&sku.0.to_le_bytes());
            self.output.extend_from_slice(&stock.0.to_le_bytes());
        }
        frame::finish(header, start, &mut self.output);
        Ok(self.sent(header))
    }

    /// Queries the dense numbers of names.
    ///
    /// # Errors
    /// [`SubmitError`]; nothing was queued.
    pub fn submit_resolve(&mut self, names: &[Name]) -> Result<u64, SubmitError> {
        let count = u16::try_from(names.len()).map_err(|_| self.too_many("names", names.len()))?;
        let mut body = Vec::new();
        encode_cold(&names.to_vec(), &mut body).map_err(|_| self.too_long(body.len()))?;
        self.submit_body(FrameKind::Resolve, count, &body)
    }

    /// Submits a query.
    ///
    /// # Errors
    /// [`SubmitError`]; nothing was queued.
    pub fn submit_query(&mut self, query: &Query) -> Result<u64, SubmitError> {
        let mut body = Vec::new();
        encode_cold(query, &mut body).map_err(|_| self.too_long(body.len()))?;
        self.submit_body(FrameKind::Query, 1, &body)
    }

    fn submit_body(&mut self, kind: FrameKind, count: u16, body: &[u8]) -> Result<u64, SubmitError> {
        self.check_room(count, body.len())?;
        let header = self.header(kind, if kind == FrameKind::Query { 0 } else { count });
        frame::append(header, body, &mut self.output);
        Ok(self.sent(Header { count, ..header }))
    }

    fn check_room(&self, count: u16, body_bytes: usize) -> Result<(), SubmitError> {
        let is_too_many = u32::from(count) > self.limits.frame_count_max;
        let is_too_long =
            u32::try_from(body_bytes).map_or(true, |bytes| bytes > self.limits.frame_body_bytes_max);
        if self.stopping {
            Err(SubmitError::Goodbye)
        } else if count == 0 {
            Err(SubmitError::Empty)
        } else if is_too_many {
            Err(self.too_many("entries", usize::from(count)))
        } else if is_too_long {
            Err(self.too_long(body_bytes))
        } else if u32::from(count) > self.room() {
            Err(SubmitError::InFlight { in_flight: self.in_flight, max: self.limits.in_flight_max })
        } else {
            Ok(())
        }
    }

    fn too_many(&self, what: &'static str, count: usize) -> SubmitError {
        let max = usize::try_from(self.limits.frame_count_max).unwrap_or(usize::MAX);
        SubmitError::TooLarge(FrameLimit::new(what, count, max))
    }

    fn too_long(&self, bytes: usize) -> SubmitError {
        let max = usize::try_from(self.limits.frame_body_bytes_max).unwrap_or(usize::MAX);
        SubmitError::TooLarge(FrameLimit::new("bytes", bytes, max))
    }

    /// The header of the next request.
    fn header(&self, kind: FrameKind, count: u16) -> Header {
        Header::new(kind, self.next_request(), count).in_version(self.version)
    }

    fn next_request(&self) -> u64 {
        self.first_request + u64::try_from(self.waiting.len()).unwrap_or(u64::MAX)
    }

    fn sent(&mut self, header: Header) -> u64 {
        self.in_flight += u32::from(header.count);
        self.waiting.push_back(Waiting { kind: header.kind, count: header.count, left: header.count });
        header.request
    }

    /// Bytes to be written.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        &self.output[self.written..]
    }

    /// Removes the first `count` bytes of [`Self::output`], which were written.
    pub fn advance_output(&mut self, count: usize) {
        self.written += count;
        assert!(self.written <= self.output.len(), "more was written than there was");
        if self.written == self.output.len() {
            self.output.clear();
            self.written = 0;
        }
    }

    /// The buffer for bytes from the server. It is never empty. Take all replies before calling it.
    pub fn input_space(&mut self) -> &mut [u8] {
        if self.input_start == self.input_end {
            (self.input_start, self.input_end) = (0, 0);
        }
        if self.input.len() - self.input_end < INPUT_ROOM_BYTES && self.input_start > 0 {
            self.input.copy_within(self.input_start..self.input_end, 0);
            self.input_end -= self.input_start;
            self.input_start = 0;
        }
        if self.input_end == self.input.len() {
            // The frame is longer than the buffer. `parse` has accepted its length, which is limited.
            self.input.resize((self.input.len() * 2).min(INPUT_BYTES_MAX), 0);
            assert!(self.input_end < self.input.len(), "replies must be taken before more input is read");
        }
        &mut self.input[self.input_end..]
    }

    /// Accepts `count` bytes that were put into [`Self::input_space`].
    pub fn advance_input(&mut self, count: usize) {
        self.input_end += count;
        assert!(self.input_end <= self.input.len(), "more was read than there was room");
    }

    fn unread(&self) -> &[u8] {
        &self.input[self.input_start..self.input_end]
    }

    /// The next complete reply, or `None` until more bytes are read. Outcomes are not decoded yet.
    ///
    /// # Errors
    /// [`ConnectionError`]: the connection can no longer be used.
    pub fn next_reply(&mut self) -> Result<Option<Reply<'_>>, ConnectionError> {
        let bytes = &self.input[self.input_start..self.input_end];
        let Some((frame, used)) = frame::parse(bytes, FRAME_BODY_BYTES_MAX)? else { return Ok(None) };
        self.input_start += used;
        frame.header.check_version(self.version)?;
        let Header { request, count, kind, names, .. } = frame.header;
        if kind == FrameKind::Outcomes {
            self.told_names = names;
        }
        match kind {
            FrameKind::Goodbye => self.stopping = true,
            FrameKind::Error => return Err(ConnectionError::ByServer(decode_cold(frame.body)?)),
            FrameKind::Outcomes | FrameKind::Cells | FrameKind::Resolved | FrameKind::Answer => {
                let mut expected = Expected {
                    waiting: &mut self.waiting,
                    first_request: &mut self.first_request,
                    in_flight: &mut self.in_flight,
                };
                let is_last = expected.answer(kind, request, count)?;
                return read_reply(frame, is_last).map(Some);
            }
            FrameKind::Hello
            | FrameKind::Welcome
            | FrameKind::Commands
            | FrameKind::Checks
            | FrameKind::Resolve
            | FrameKind::Query => return Err(stockhold_protocol::FrameError::Unexpected(kind.code()).into()),
        }
        Ok(Some(Reply::Goodbye))
    }
}

/// The bookkeeping of requests, separate from the buffers that a reply borrows.
struct Expected<'a> {
    waiting: &'a mut VecDeque<Waiting>,
    first_request: &'a mut u64,
    in_flight: &'a mut u32,
}

impl Expected<'_> {
    /// Counts an answer. Returns whether its request is complete.
    fn answer(&mut self, kind: FrameKind, request: u64, count: u16) -> Result<bool, ConnectionError> {
        let unexpected = ConnectionError::UnexpectedAnswer(request);
        let at = request.checked_sub(*self.first_request).and_then(|at| usize::try_from(at).ok());
        let Some(entry) = at.and_then(|at| self.waiting.get_mut(at)) else { return Err(unexpected) };
        let answered = match (entry.kind, kind) {
            (FrameKind::Commands, FrameKind::Outcomes) => count,
            // A check that is not answered by cells is answered by one outcome (`behind`).
            (FrameKind::Checks, FrameKind::Outcomes) if count == 1 => entry.count,
            (FrameKind::Checks, FrameKind::Cells) if count == entry.count => count,
            (FrameKind::Resolve, FrameKind::Resolved) | (FrameKind::Query, FrameKind::Answer) => entry.count,
            _ => return Err(unexpected),
        };
        if answered == 0 || answered > entry.left {
            return Err(unexpected);
        }
        entry.left -= answered;
        let is_last = entry.left == 0;
        *self.in_flight -= u32::from(answered);
        while self.waiting.front().is_some_and(|front| front.left == 0) {
            self.waiting.pop_front();
            *self.first_request += 1;
        }
        Ok(is_last)
    }
}

fn read_reply(frame: Frame<'_>, is_last: bool) -> Result<Reply<'_>, ConnectionError> {
    let Header { request, count, kind, time, .. } = frame.header;
    Ok(match kind {
        FrameKind::Cells => {
            let mut reader = Reader::new(frame.body);
            let op = reader.u64("cells.op")?;
            let cells = reader.take(usize::from(count) * 8, "cells")?;
            reader.finish()?;
            Reply::Cells(CellFrame { request, op, cells })
        }
        FrameKind::Resolved => Reply::Resolved { request, numbers: decode_cold(frame.body)? },
        FrameKind::Answer => Reply::Answer { request, answer: Box::new(QueryAnswer::decode(frame.body)?) },
        FrameKind::Outcomes
        | FrameKind::Hello
        | FrameKind::Welcome
        | FrameKind::Error
        | FrameKind::Commands
        | FrameKind::Checks
        | FrameKind::Resolve
        | FrameKind::Query
        | FrameKind::Goodbye => {
            Reply::Outcomes(OutcomeFrame { request, is_last, time_s: time, count, body: frame.body })
        }
    })
}
