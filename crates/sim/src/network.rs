//! The simulated network and the actions of clients: bytes move in portions of any size, requests are sent, and
//! answers are received.

use stockhold_model::{SKUS, STOCKS};
use stockhold_protocol::codec::encode_cold;
use stockhold_protocol::command::{FLAG_FRESH, FLAGS_OFFSET};
use stockhold_protocol::frame::{FrameKind, low_bits};
use stockhold_protocol::handshake::Welcome;
use stockhold_protocol::query::{Name, Query, QueryAnswer};
use stockhold_protocol::{Code, SkuId};

use crate::answer_checker::outcomes_of;
use crate::client::{Client, PendingRequest};
use crate::draw;
use crate::server::OwnedFrame;
use crate::violation::{CheckResult, Violation, ensure, violation};
use crate::world::World;

/// How much a server reads at once.
const READ_BYTES: usize = 64 << 10;
/// Cells that a client requests without reading the answers. A few such answers fill any outbox.
const MANY_CELLS: std::ops::Range<u64> = 500..4_000;
/// Most commands of one frame.
const FRAME_COMMANDS_MAX: u64 = 24;

/// The next action of a client.
#[derive(Clone, Copy, Debug)]
enum ClientAction {
    Commands,
    Checks,
    Names,
    Query,
    Garbage,
}

const CLIENT_ACTIONS: [(u64, ClientAction); 5] = [
    (800, ClientAction::Commands),
    (90, ClientAction::Checks),
    (15, ClientAction::Names),
    (90, ClientAction::Query),
    (5, ClientAction::Garbage),
];

impl World {
    /// Moves some bytes of a client to the server.
    pub(crate) fn carry_to_server(&mut self) -> CheckResult {
        let client = self.rng.index(self.clients.len());
        let Some(connection) = &mut self.clients[client].connection else { return Ok(()) };
        if connection.to_server.is_empty() {
            return Ok(());
        }
        let (key, waiting) = (connection.key, connection.to_server.len());
        if !self.running()?.may_read(key) {
            self.counts.count("reads postponed");
            return Ok(());
        }
        let count = portion(&mut self.rng, waiting).min(READ_BYTES);
        let Some(connection) = &mut self.clients[client].connection else { return Ok(()) };
        let bytes: Vec<u8> = connection.to_server.drain(..count).collect();
        let server = self.running()?;
        let (received, answered) = server.receive(key, &bytes)?;
        if server.is_lost(key) {
            ensure!(
                server.assembly.context.ingress.is_closed(),
                "commands are lost although the ingress queue is open"
            );
            self.counts.count("connections lost with the log");
            self.cut(client);
        } else if !received.is_empty() {
            let context = server.assembly.context.clone();
            self.answer_checker.received(key, (&received, &answered), &context, &self.oracle)?;
            self.trace.note(format_args!(
                "client {client}: the server read {} frames and answered {} at once",
                received.len(),
                answered.len()
            ));
        }
        Ok(())
    }

    /// Moves some bytes of the server to a client.
    pub(crate) fn carry_to_client(&mut self) -> CheckResult {
        let client = self.rng.index(self.clients.len());
        if self.clients[client].is_slow && !self.is_fault_free {
            return Ok(());
        }
        let most = if self.rng.chance(600) { usize::MAX } else { self.rng.index(200) + 1 };
        self.carry(client, most)
    }

    /// Moves up to `most` bytes from the server to a client.
    pub(crate) fn carry(&mut self, client: usize, most: usize) -> CheckResult {
        let Some(key) = self.clients[client].connection.as_ref().map(|connection| connection.key) else {
            return Ok(());
        };
        let (bytes, is_over) = self.running()?.send(key, most);
        for frame in self.clients[client].receive(&bytes)? {
            self.receive_frame(client, &frame)?;
        }
        if is_over {
            self.cut(client);
        }
        Ok(())
    }

    /// Ends connections that keep the server waiting too long.
    pub(crate) fn expire_connections(&mut self) -> CheckResult {
        for (key, is_cut) in self.running()?.expire()? {
            let is_owner =
                |client: &Client| client.connection.as_ref().is_some_and(|connection| connection.key == key);
            let Some(client) = self.clients.iter().position(is_owner) else { continue };
            self.trace.note(format_args!("client {client}: timed out, cut {is_cut}"));
            if is_cut {
                self.counts.count("slow readers cut");
                self.cut(client);
            } else {
                self.counts.count("peers overdue");
                // The server has sent an error frame and reads nothing more.
                self.clients[client].connection.iter_mut().for_each(|connection| connection.is_broken = true);
            }
        }
        Ok(())
    }

    /// Delivers the replies to the connections.
    pub(crate) fn deliver(&mut self) -> CheckResult {
        let server = self.running()?;
        let context = server.assembly.context.clone();
        let delivered = server.deliver()?;
        for one in &delivered {
            if let Some(frame) = &one.frame {
                self.answer_checker.delivered(one.key, frame, &context, &mut self.oracle)?;
            }
        }
        for one in delivered.iter().filter(|one| one.lost) {
            let has_failed = self.running()?.assembly.sequencer.failure().is_some();
            ensure!(has_failed, "commands are lost, although the log has not failed");
            let is_owner = |client: &Client| {
                client.connection.as_ref().is_some_and(|connection| connection.key == one.key)
            };
            if let Some(client) = self.clients.iter().position(is_owner) {
                self.counts.count("connections lost with the log");
                self.cut(client);
            }
        }
        Ok(())
    }

    /// Ends a connection on both sides.
    pub(crate) fn cut(&mut self, client: usize) {
        let Some(key) = self.clients[client].disconnect() else { return };
        self.answer_checker.forget(key);
        if let Some(server) = &mut self.server {
            server.close(key);
        }
        self.trace.note(format_args!("client {client}: the connection is gone"));
    }

    fn receive_frame(&mut self, client: usize, frame: &OwnedFrame) -> CheckResult {
        match frame.kind {
            FrameKind::Welcome => {
                let welcome = Welcome::decode(&frame.body).map_err(violation("a welcome"))?;
                ensure!(welcome.epoch == self.epoch, "a welcome of epoch {}", welcome.epoch);
                self.clients[client].names = low_bits(welcome.name_generation);
                if let Some(connection) = &mut self.clients[client].connection {
                    connection.is_open = true;
                }
            }
            FrameKind::Outcomes => {
                self.clients[client].names = frame.names;
                self.receive_outcomes(client, frame)?;
            }
            FrameKind::Error => {
                let is_broken =
                    self.clients[client].connection.as_ref().is_some_and(|connection| connection.is_broken);
                ensure!(is_broken, "a well-behaved client got an error frame");
                self.counts.count("error frames");
                return Ok(());
            }
            FrameKind::Goodbye => return Ok(()),
            FrameKind::Answer => {
                let answer = QueryAnswer::decode(&frame.body).map_err(violation("an answer"))?;
                if matches!(answer, QueryAnswer::Snapshot(_)) {
                    self.counts.count("snapshots answered");
                }
            }
            FrameKind::Cells | FrameKind::Resolved => {}
            FrameKind::Hello
            | FrameKind::Commands
            | FrameKind::Checks
            | FrameKind::Resolve
            | FrameKind::Query => {
                return Err(Violation(format!("the server sent a frame of kind {:?}", frame.kind)));
            }
        }
        if frame.kind != FrameKind::Outcomes {
            let pending = self.clients[client].pending.remove(&frame.request);
            ensure!(pending.is_some(), "an answer to request {}, which was already answered", frame.request);
        }
        Ok(())
    }

    fn receive_outcomes(&mut self, client: usize, frame: &OwnedFrame) -> CheckResult {
        let pending = &mut self.clients[client].pending;
        let Some(PendingRequest::Commands(commands)) = pending.get_mut(&frame.request) else {
            let was_check = matches!(pending.remove(&frame.request), Some(PendingRequest::Checks));
            ensure!(was_check, "outcomes of request {}, which had none", frame.request);
            self.counts.count("checks refused");
            return Ok(());
        };
        let mut ended = 0;
        for (index, outcome) in outcomes_of(frame)? {
            let command = commands.get_mut(usize::from(index)).and_then(Option::take);
            let Some(command) = command else {
                return Err(Violation(format!("a command was answered twice: {outcome:?}")));
            };
            ended += u64::from(self.commands.receive(command, &outcome)?);
            if matches!(outcome.code, Code::SoldOut) && !outcome.recorded {
                *self.counts.events.entry("edge refusals").or_default() += 1;
            }
        }
        if commands.iter().all(Option::is_none) {
            pending.remove(&frame.request);
        }
        self.trace.note(format_args!("client {client}: {} outcomes, {ended} ends", frame.count));
        Ok(())
    }

    /// Lets a client do something.
    pub(crate) fn client_acts(&mut self) -> CheckResult {
        let client = self.rng.index(self.clients.len());
        if self.rng.chance(self.plan.reader_changes) {
            self.clients[client].is_slow = !self.clients[client].is_slow;
        }
        let Some(connection) = &self.clients[client].connection else {
            return self.connect(client);
        };
        if !connection.is_open || connection.is_broken {
            return Ok(());
        }
        match self.rng.weighted(&CLIENT_ACTIONS) {
            ClientAction::Commands => self.send_commands(client),
            ClientAction::Checks => {
                self.send_checks(client);
                Ok(())
            }
            ClientAction::Names => {
                let names = vec![Name::Sku(stockhold_model::sku_name(0)), Name::Stock("nowhere".to_owned())];
                let mut body = Vec::new();
                encode_cold(&names, &mut body).map_err(violation("names"))?;
                self.clients[client].ask(FrameKind::Resolve, PendingRequest::Names, (0, 2), &body);
                Ok(())
            }
            ClientAction::Query => self.send_query(client),
            ClientAction::Garbage => {
                if let Some(connection) =
                    self.clients[client].connection.as_mut().filter(|_| !self.is_fault_free)
                {
                    connection.to_server.extend_from_slice(b"GET / HTTP/1.1\r\n\r\n and then some");
                    connection.is_broken = true;
                    self.counts.count("garbage streams");
                }
                Ok(())
            }
        }
    }

    fn connect(&mut self, client: usize) -> CheckResult {
        match self.running()?.connect() {
            Some(key) => {
                self.clients[client].connect(key)?;
                self.trace.note(format_args!("client {client}: connects"));
            }
            None => self.counts.count("connections refused"),
        }
        Ok(())
    }

    /// Sends a frame of commands: new ones, retries with and without a known outcome, and some that reuse an id.
    fn send_commands(&mut self, client: usize) -> CheckResult {
        let count =
            if self.rng.chance(60) { self.rng.within(8..FRAME_COMMANDS_MAX) } else { self.rng.within(1..6) };
        let mut indexes = Vec::new();
        for _ in 0..count {
            if let Some(index) = self.choose_command(client)? {
                indexes.push(index);
            }
        }
        if indexes.is_empty() {
            return Ok(());
        }
        let mut body = Vec::new();
        for index in &indexes {
            let (record, id, step, named) = self.commands.expectation(*index);
            self.oracle.expect(record.clone(), id, step, named);
            let is_first = self.commands.send(*index);
            let start = body.len();
            body.extend_from_slice(&record);
            if is_first && self.rng.chance(700) {
                body[start + FLAGS_OFFSET] |= FLAG_FRESH;
            }
        }
        let deadline_ms = if !self.is_fault_free && self.rng.chance(60) { self.rng.small(1..40) } else { 0 };
        let count = u16::try_from(indexes.len()).unwrap_or(u16::MAX);
        let pending = PendingRequest::Commands(indexes.into_iter().map(Some).collect());
        self.clients[client].ask(FrameKind::Commands, pending, (deadline_ms, count), &body);
        Ok(())
    }

    fn choose_command(&mut self, client: usize) -> CheckResult<Option<usize>> {
        let open = self.commands.open();
        let kind = self.rng.weighted(&[(62, 0), (25, 1), (10, 2), (3, 3)]);
        if kind == 0 && self.budget > 0 {
            self.budget -= 1;
            let now_ms = self.client_ms(client);
            let step = draw::step(&mut self.rng, self.plan.limits.ttl_max_ms, now_ms);
            return self.commands.begin(&mut self.rng, now_ms, &step, self.oracle.model()).map(Some);
        }
        if kind <= 1 || self.is_fault_free {
            return Ok((!open.is_empty()).then(|| open[self.rng.index(open.len())]));
        }
        if self.commands.count() == 0 {
            return Ok(None);
        }
        let index = self.rng.index(self.commands.count());
        if kind == 3 && self.budget > 0 {
            self.counts.count("ids used twice");
            return self.commands.reuse_id(index).map(Some);
        }
        Ok(Some(index))
    }

    fn send_checks(&mut self, client: usize) {
        let op = self.oracle.op();
        let min_op = if self.rng.chance(300) { op + self.rng.below(6) } else { 0 };
        let is_slow = self.clients[client].is_slow;
        let pairs = if is_slow { self.rng.within(MANY_CELLS) } else { self.rng.within(1..6) };
        let mut body = min_op.to_le_bytes().to_vec();
        for _ in 0..pairs {
            body.extend_from_slice(&self.rng.small(0..SKUS).to_le_bytes());
            body.extend_from_slice(&self.rng.small(0..STOCKS).to_le_bytes());
        }
        let deadline_ms = if self.rng.chance(300) { self.rng.small(1..100) } else { 0 };
        let count = u16::try_from(pairs).unwrap_or(u16::MAX);
        self.clients[client].ask(FrameKind::Checks, PendingRequest::Checks, (deadline_ms, count), &body);
    }

    fn send_query(&mut self, client: usize) -> CheckResult {
        let query = match self.rng.weighted(&[(4, 0), (1, 1), (1, 2), (1, 3), (2, 4)]) {
            0 => Query::Snapshot,
            1 => Query::Validate,
            2 => Query::Status,
            3 => Query::Sku(SkuId(self.rng.small(0..SKUS))),
            _ if self.commands.count() > 0 => {
                let index = self.rng.index(self.commands.count());
                Query::Reservation(self.commands.get(index).id.to_bytes())
            }
            _ => Query::Configuration,
        };
        let mut body = Vec::new();
        encode_cold(&query, &mut body).map_err(violation("a query"))?;
        self.clients[client].ask(FrameKind::Query, PendingRequest::Query, (0, 0), &body);
        Ok(())
    }
}

/// How many of `length` bytes move: often all, often a few.
fn portion(rng: &mut crate::rng::Rng, length: usize) -> usize {
    match rng.below(4) {
        0 => (rng.index(40) + 1).min(length),
        1 => rng.index(length) + 1,
        _ => length,
    }
}
