//! The protocol of one connection as a state machine without I/O: it takes bytes in, gives bytes out and submits
//! commands. A malformed command in a well-formed frame gets its own typed answer and the connection goes on. A
//! malformed stream gets one error frame and the connection ends.

use std::collections::VecDeque;

use stockhold_protocol::codec::decode_cold;
use stockhold_protocol::command::record_length;
use stockhold_protocol::frame::{self, Frame, FrameKind, Header};
use stockhold_protocol::handshake::{Hello, Versions};
use stockhold_protocol::query::{Name, Query, QueryAnswer};
use stockhold_protocol::{Code, Detail, FrameError, Outcome};

use super::classify::{Disposition, classify};
use super::context::NetContext;
use super::frame_bodies::{answer, check_records, check_without_entries, cold, unpack_pair, welcome};
use super::open_requests::OpenRequests;
use crate::pipeline::ingress::SubmitError;
use crate::pipeline::reply_queue::{Reply, ReplyAddress};
use crate::pipeline::{Origin, Question, QuestionKind, Submission};
use crate::tallies::OpenClient;

/// The phase of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The hello has not arrived yet.
    Handshake,
    /// The connection is open.
    Open,
    /// Nothing more is read. Pending answers are still sent.
    Closing,
}

/// The protocol state of one connection.
#[derive(Debug)]
pub struct ConnectionState {
    address: ReplyAddress,
    /// The name that the client gave in its hello.
    origin: Origin,
    /// Counts the connection by that name.
    client: Option<OpenClient>,
    stage: Phase,
    in_flight: u32,
    others_in_flight: u32,
    /// Queries that were passed to the applier.
    queries_asked: u32,
    /// Queries that wait here until the applier may get them.
    queries_held: VecDeque<(u64, Query)>,
    /// Checks that were passed to the applier.
    checks_asked: u32,
    /// The request numbers in flight.
    requests: OpenRequests,
    is_lost: bool,
    /// Bytes to send.
    out: Vec<u8>,
    /// Outcomes of the current frame that did not need the log.
    local: LocalOutcomes,
}

/// Outcomes that do not need the log: bad fields, edge refusals and busy.
#[derive(Debug, Default)]
struct LocalOutcomes {
    bytes: Vec<u8>,
    count: u16,
}

impl LocalOutcomes {
    fn push(&mut self, index: u16, outcome: &Outcome) {
        outcome.encode(index, &mut self.bytes);
        self.count += 1;
    }
}

/// How many queries of one connection the applier gets at a time. The others are held here.
const QUERIES_ASKED_MAX: u32 = 4;
const TOO_MANY_QUERIES: &str = "Too many questions wait for answers; ask again later.";

/// Outcomes that did not need the log are sent as soon as they reach this size.
const LOCAL_BYTES_MAX: usize = 256 * 1024;

impl ConnectionState {
    /// The state of a connection that has not sent anything yet.
    #[must_use]
    pub fn new(address: ReplyAddress) -> Self {
        Self {
            address,
            origin: Origin::default(),
            client: None,
            stage: Phase::Handshake,
            in_flight: 0,
            others_in_flight: 0,
            queries_asked: 0,
            queries_held: VecDeque::new(),
            checks_asked: 0,
            requests: OpenRequests::default(),
            is_lost: false,
            out: Vec::new(),
            local: LocalOutcomes::default(),
        }
    }

    /// Processes all whole frames at the start of `input`. Returns the number of bytes that they took.
    pub fn receive(&mut self, input: &[u8], context: &NetContext) -> usize {
        let mut used = 0;
        while self.stage != Phase::Closing && used < input.len() {
            let result = match frame::parse(&input[used..], context.limits.frame_body_bytes) {
                Ok(None) => break,
                Ok(Some((frame, length))) => {
                    used += length;
                    self.on_frame(&frame, context)
                }
                Err(error) => Err(error),
            };
            if let Err(error) = result {
                context.metrics.connections_broken.add(1);
                self.refuse_peer(&error.to_string());
            }
        }
        used
    }

    /// Queues an answer for sending. The caller then calls [`ConnectionState::submit_held_queries`].
    pub fn deliver(&mut self, reply: &Reply, frame: &[u8]) {
        assert!(
            self.in_flight >= reply.commands && self.others_in_flight >= reply.others,
            "no more answers arrive than are in flight"
        );
        self.in_flight -= reply.commands;
        self.others_in_flight -= reply.others;
        self.queries_asked -= reply.queries;
        self.checks_asked -= reply.checks;
        if !reply.lost {
            self.requests.answered(reply.request, reply.commands + reply.queries + reply.checks);
        }
        self.is_lost |= reply.lost;
        self.out.extend_from_slice(frame);
    }

    /// Announces that the server stops. Nothing more is read, but everything that was read is still answered.
    pub fn send_goodbye(&mut self) {
        if self.stage == Phase::Open {
            frame::append(self.header(FrameKind::Goodbye, 0, 0), &[], &mut self.out);
        }
        self.stage = Phase::Closing;
    }

    /// Notes that the peer has closed its side and sends nothing more.
    pub fn peer_closed(&mut self) {
        self.stage = Phase::Closing;
    }

    /// Bytes to send.
    pub fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Commands that wait for answers.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Whether nothing is in flight and nothing is to be sent.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.questions_in_flight() == 0 && self.out.is_empty()
    }

    /// Whether the hello has not arrived yet.
    #[must_use]
    pub fn is_in_handshake(&self) -> bool {
        self.stage == Phase::Handshake
    }

    /// Whether more may be read.
    #[must_use]
    pub fn is_reading(&self) -> bool {
        self.stage != Phase::Closing
    }

    /// Whether the connection has ended: nothing more is read and no answer is pending.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_lost || (self.stage == Phase::Closing && self.is_idle())
    }

    /// Whether commands of this connection were lost, so that it must be cut at once.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// The header of an answer in the protocol version of this connection.
    fn header(&self, kind: FrameKind, request: u64, count: u16) -> Header {
        Header::new(kind, request, count).in_version(self.address.version)
    }

    fn on_frame(&mut self, frame: &Frame<'_>, context: &NetContext) -> Result<(), FrameError> {
        if self.stage == Phase::Open {
            frame.header.check_version(self.address.version)?;
        }
        match (self.stage, frame.header.kind) {
            (Phase::Handshake, FrameKind::Hello) => self.on_hello(frame, context),
            (Phase::Open, FrameKind::Commands) => self.on_commands(frame, context),
            (Phase::Open, FrameKind::Checks) => self.on_checks(frame, context),
            (Phase::Open, FrameKind::Resolve) => self.on_resolve(frame, context),
            (Phase::Open, FrameKind::Query) => self.on_query(frame, context),
            (Phase::Handshake | Phase::Open, FrameKind::Error) => {
                // The peer has reported an error of ours and closes. No answer is expected.
                self.peer_closed();
                Ok(())
            }
            (Phase::Handshake | Phase::Open | Phase::Closing, kind) => {
                Err(FrameError::Unexpected(kind.code()))
            }
        }
    }

    /// Request number 0, or a number in use by another request, would give the peer answers that it cannot match.
    fn check_request(&self, header: &Header) -> Result<(), FrameError> {
        match header.request {
            0 => Err(FrameError::RequestZero),
            number if self.requests.contains(number) => Err(FrameError::RequestInUse(number)),
            _ => Ok(()),
        }
    }

    /// Sends an Error frame and reads nothing more.
    pub fn refuse_peer(&mut self, sentence: &str) {
        Self::write_error(sentence, &mut self.out);
        self.stage = Phase::Closing;
    }

    /// Appends an Error frame.
    pub fn write_error(sentence: &str, out: &mut Vec<u8>) {
        cold(Header::new(FrameKind::Error, 0, 0), &sentence.to_owned(), out);
    }

    /// Tells the peer what is overdue and reads nothing more.
    pub fn refuse_overdue(&mut self, what: &str) {
        self.refuse_peer(&format!("{what} did not come in time"));
    }

    fn on_hello(&mut self, frame: &Frame<'_>, context: &NetContext) -> Result<(), FrameError> {
        check_without_entries(frame)?;
        let hello = Hello::decode(frame.body).map_err(|_| FrameError::Body("a hello that cannot be read"))?;
        if hello.client.len() > stockhold_protocol::limits::NAME_BYTES_MAX {
            return Err(FrameError::Body("a client's name of at most 255 bytes"));
        }
        let Some(version) = hello.common_version() else {
            let (theirs, ours) = (hello.versions(), Versions::OWN);
            self.refuse_peer(&format!("the client speaks protocol {theirs}; this server speaks {ours}"));
            return Ok(());
        };
        self.address.version = version;
        welcome(
            Header::new(FrameKind::Welcome, frame.header.request, 0),
            &context.welcome(version),
            &mut self.out,
        );
        self.origin = Origin::claimed(&hello.client);
        self.client = Some(OpenClient::count(&context.metrics.tallies.clients, &hello.client));
        self.stage = Phase::Open;
        Ok(())
    }

    fn on_commands(&mut self, frame: &Frame<'_>, context: &NetContext) -> Result<(), FrameError> {
        self.check_request(&frame.header)?;
        check_records(frame)?;
        context.metrics.commands_received.add(u64::from(frame.header.count));
        let until_ms = match frame.header.time {
            0 => u64::MAX,
            ms => context.clock.monotonic_ms().saturating_add(u64::from(ms)),
        };
        let request = frame.header.request;
        let present_names = context.feedback.name_generation();
        let names = frame.header.name_generation(present_names);
        let mut submission = context.ingress.blank();
        submission.reset(self.address, request, until_ms);
        submission.set_origin(&self.origin, names);
        let mut rest = frame.body;
        let mut others = 0;
        let (mut edge_refusals, mut sold_out) = (0, None);
        for index in 0..frame.header.count {
            let (record, tail) = rest.split_at(record_length(rest)?);
            rest = tail;
            if self.in_flight + submission.count >= context.limits.in_flight {
                context.metrics.commands_busy.add(1);
                self.local.push(index, &busy(context));
                continue;
            }
            let others_in_flight = self.others_in_flight + others;
            match classify(record, others_in_flight, names == present_names, context) {
                Disposition::Answer(outcome) => {
                    if let Detail::Available { sku, .. } = &outcome.detail
                        && outcome.code == Code::SoldOut
                    {
                        edge_refusals += 1;
                        sold_out = Some(*sku);
                    }
                    self.local.push(index, &outcome);
                    if self.local.bytes.len() > LOCAL_BYTES_MAX {
                        self.flush_local(request, context);
                    }
                }
                Disposition::Submit { is_other } => {
                    if !submission.has_room(record.len()) {
                        self.submit(&mut submission, context);
                        submission.reset(self.address, request, until_ms);
                        submission.set_origin(&self.origin, names);
                        others = 0;
                    }
                    others += u32::from(is_other);
                    submission.push(index, record, is_other);
                }
            }
        }
        context.metrics.edge_refusals.add(edge_refusals);
        if let Some(sku) = sold_out {
            context.metrics.tallies.sold_out.count(sku);
        }
        self.submit(&mut submission, context);
        context.ingress.recycle(submission);
        self.flush_local(request, context);
        Ok(())
    }

    /// Submits the commands to the log, or answers them `busy`. An empty submission replaces the given one.
    fn submit(&mut self, submission: &mut Box<Submission>, context: &NetContext) {
        if submission.is_empty() {
            return;
        }
        let (answered, request) = (submission.answered(), submission.request);
        match context.ingress.submit(std::mem::replace(submission, context.ingress.blank())) {
            Ok(()) => {
                self.requests.add(request, answered.commands);
                self.in_flight += answered.commands;
                self.others_in_flight += answered.others;
            }
            Err((refused, SubmitError::Busy)) => {
                context.metrics.commands_busy.add(u64::from(refused.count));
                for index in &refused.indexes {
                    self.local.push(*index, &busy(context));
                }
                context.ingress.recycle(refused);
            }
            Err((refused, SubmitError::Closed)) => {
                // The log has ended, and it may hold an earlier attempt with the same id whose answer was never sent.
                // So no answer would be true, least of all that nothing happened. The connection is cut and the outcome
                // stays unknown.
                self.is_lost = true;
                context.ingress.recycle(refused);
            }
        }
    }

    fn flush_local(&mut self, request: u64, context: &NetContext) {
        if self.local.count > 0 {
            let (now, names) = (context.clock.propose_now(), context.feedback.name_generation());
            let header = Header::outcomes(request, self.local.count, now, names);
            frame::append(header.in_version(self.address.version), &self.local.bytes, &mut self.out);
            self.local.bytes.clear();
            self.local.count = 0;
        }
    }

    fn on_checks(&mut self, frame: &Frame<'_>, context: &NetContext) -> Result<(), FrameError> {
        self.check_request(&frame.header)?;
        let (head, pairs) =
            frame.body.split_first_chunk::<8>().ok_or(FrameError::Body("a check without its op"))?;
        let min_op = u64::from_le_bytes(*head);
        let (pairs, left_over) = pairs.as_chunks::<8>();
        if !left_over.is_empty() || pairs.len() != usize::from(frame.header.count) {
            return Err(FrameError::Body("as many pairs of SKU and stock as it counts"));
        }
        let count = u64::from(frame.header.count);
        let start = frame::begin(&mut self.out);
        // The op is read before the cells, so that the cells are as of this op or a later one.
        let op = context.published.op();
        self.out.extend_from_slice(&op.to_le_bytes());
        let mut is_exact = op >= min_op;
        for pair in pairs {
            let (sku, stock) = unpack_pair(*pair);
            let cell = context.published.cell(sku, stock);
            is_exact &= !cell.upper_bound;
            self.out.extend_from_slice(&cell.value.to_le_bytes());
        }
        if is_exact {
            let header = self.header(FrameKind::Cells, frame.header.request, frame.header.count);
            frame::finish(header, start, &mut self.out);
            context.metrics.checks_answered.add(count);
            return Ok(());
        }
        self.out.truncate(start);
        context.metrics.checks_asked.add(count);
        let wait_ms = match frame.header.time {
            0 => context.limits.check_wait_ms,
            ms => u64::from(ms).min(context.limits.check_wait_ms),
        };
        let until_ms = context.clock.monotonic_ms().saturating_add(wait_ms);
        let pairs = pairs.iter().copied().map(unpack_pair).collect();
        let request = frame.header.request;
        let question = Question {
            address: self.address,
            request,
            kind: QuestionKind::Checks { min_op, until_ms, pairs },
        };
        if self.questions_in_flight() < context.limits.questions && context.questions.submit(question).is_ok()
        {
            self.checks_asked += 1;
            self.requests.add(request, 1);
        } else {
            self.local.push(0, &busy(context));
            self.flush_local(request, context);
        }
        Ok(())
    }

    fn on_resolve(&mut self, frame: &Frame<'_>, context: &NetContext) -> Result<(), FrameError> {
        self.check_request(&frame.header)?;
        let names: Vec<Name> =
            decode_cold(frame.body).map_err(|_| FrameError::Body("names that can be read"))?;
        if names.len() != usize::from(frame.header.count) {
            return Err(FrameError::Body("as many names as it counts"));
        }
        let numbers: Vec<Option<u32>> =
            names.iter().map(|name| context.published.names().resolve(name)).collect();
        context.metrics.names_resolved.add_count(names.len());
        let header = self.header(FrameKind::Resolved, frame.header.request, frame.header.count);
        cold(header, &numbers, &mut self.out);
        Ok(())
    }

    fn on_query(&mut self, frame: &Frame<'_>, context: &NetContext) -> Result<(), FrameError> {
        self.check_request(&frame.header)?;
        check_without_entries(frame)?;
        let request = frame.header.request;
        let failure = match decode_cold::<Query>(frame.body) {
            Err(error) => error.to_string(),
            Ok(query) if self.questions_in_flight() < context.limits.questions => {
                self.queries_held.push_back((request, query));
                self.requests.add(request, 1);
                self.submit_held_queries(context);
                return Ok(());
            }
            Ok(_) => TOO_MANY_QUERIES.to_owned(),
        };
        context.metrics.queries_busy.add(1);
        self.fail_query(request, failure);
        Ok(())
    }

    /// Passes held queries to the applier, a few at a time, and only when the peer has read most of its earlier
    /// answers. So the memory for answers grows with the number of connections and not with the number of questions.
    pub fn submit_held_queries(&mut self, context: &NetContext) {
        while self.queries_asked < QUERIES_ASKED_MAX && self.out.len() <= context.limits.outbox_bytes {
            let Some((request, query)) = self.queries_held.pop_front() else { return };
            let question = Question { address: self.address, request, kind: QuestionKind::Query(query) };
            if context.questions.submit(question).is_ok() {
                self.queries_asked += 1;
            } else {
                context.metrics.queries_busy.add(1);
                self.requests.answered(request, 1);
                self.fail_query(request, TOO_MANY_QUERIES.to_owned());
            }
        }
    }

    fn fail_query(&mut self, request: u64, sentence: String) {
        answer(self.header(FrameKind::Answer, request, 0), &QueryAnswer::Failed(sentence), &mut self.out);
    }

    fn questions_in_flight(&self) -> u32 {
        let held = u32::try_from(self.queries_held.len()).unwrap_or(u32::MAX);
        held.saturating_add(self.queries_asked).saturating_add(self.checks_asked)
    }
}

fn busy(context: &NetContext) -> Outcome {
    Outcome::new(Code::Busy, context.limits.retry_after_ms, context.published.op())
}
