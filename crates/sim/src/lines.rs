//! The network of a world, and what clients do on it: bytes move in any portions, requests go out, answers are taken home.

use stockhold_model::{SKUS, STOCKS};
use stockhold_protocol::codec::encode_cold;
use stockhold_protocol::command::{FLAG_FRESH, FLAGS_OFFSET};
use stockhold_protocol::frame::FrameKind;
use stockhold_protocol::handshake::Welcome;
use stockhold_protocol::query::{Answer, Name, Query};
use stockhold_protocol::{Code, SkuId};

use crate::client::{Asked, Client};
use crate::draw;
use crate::judge::outcomes_of;
use crate::server::Said;
use crate::violation::{Checked, Violation, broken, ensure};
use crate::world::World;

/// What a server reads at once.
const READ_BYTES: usize = 64 << 10;
/// Cells that who does not read asks for: a few such answers fill any outbox.
const MANY_CELLS: std::ops::Range<u64> = 500..4_000;
/// Errands that one frame carries at most.
const FRAME_ERRANDS_MAX: u64 = 24;

/// What a client does next.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Commands,
    Checks,
    Names,
    Query,
    Spoil,
}

const DEEDS: [(u64, Deed); 5] =
    [(800, Deed::Commands), (90, Deed::Checks), (15, Deed::Names), (90, Deed::Query), (5, Deed::Spoil)];

impl World {
    /// Some bytes of some client reach the server.
    pub(crate) fn carry_to_server(&mut self) -> Checked {
        let client = self.rng.place(self.clients.len());
        let Some(line) = &mut self.clients[client].line else { return Ok(()) };
        if line.to_server.is_empty() {
            return Ok(());
        }
        let (chair, waiting) = (line.chair, line.to_server.len());
        if !self.running()?.may_read(chair) {
            self.counts.count("reads put off");
            return Ok(());
        }
        let count = portion(&mut self.rng, waiting).min(READ_BYTES);
        let Some(line) = &mut self.clients[client].line else { return Ok(()) };
        let bytes: Vec<u8> = line.to_server.drain(..count).collect();
        let server = self.running()?;
        let (heard, said) = server.receive(chair, &bytes)?;
        if server.is_lost(chair) {
            ensure!(server.assembly.gate.ingress.is_closed(), "commands are lost, although they are taken");
            self.counts.count("connections lost with the log");
            self.cut(client);
        } else if !heard.is_empty() {
            let gate = server.assembly.gate.clone();
            self.judge.received(chair, (&heard, &said), &gate, &self.witness)?;
            self.trace.note(format_args!(
                "client {client}: the server read {} frames and said {} at once",
                heard.len(),
                said.len()
            ));
        }
        Ok(())
    }

    /// Some bytes of the server reach some client.
    pub(crate) fn carry_to_client(&mut self) -> Checked {
        let client = self.rng.place(self.clients.len());
        if self.clients[client].is_slow && !self.is_calm {
            return Ok(());
        }
        let most = if self.rng.chance(600) { usize::MAX } else { self.rng.place(200) + 1 };
        self.carry(client, most)
    }

    /// Up to `most` bytes that wait at the server reach a client.
    pub(crate) fn carry(&mut self, client: usize, most: usize) -> Checked {
        let Some(chair) = self.clients[client].line.as_ref().map(|line| line.chair) else { return Ok(()) };
        let (bytes, is_over) = self.running()?.send(chair, most);
        for said in self.clients[client].hear(&bytes)? {
            self.client_hears(client, &said)?;
        }
        if is_over {
            self.cut(client);
        }
        Ok(())
    }

    /// The server looks which connections keep it waiting too long.
    pub(crate) fn expire_lines(&mut self) -> Checked {
        for (chair, is_cut) in self.running()?.expire()? {
            let is_his = |client: &Client| client.line.as_ref().is_some_and(|line| line.chair == chair);
            let Some(client) = self.clients.iter().position(is_his) else { continue };
            self.trace.note(format_args!("client {client}: keeps the server waiting, cut {is_cut}"));
            if is_cut {
                self.counts.count("slow readers cut");
                self.cut(client);
            } else {
                self.counts.count("peers overdue");
                // The server has told it so, and reads nothing more.
                self.clients[client].line.iter_mut().for_each(|line| line.is_spoilt = true);
            }
        }
        Ok(())
    }

    /// The mail reaches the connections.
    pub(crate) fn deliver(&mut self) -> Checked {
        let server = self.running()?;
        let gate = server.assembly.gate.clone();
        let delivered = server.deliver()?;
        for one in &delivered {
            if let Some(said) = &one.said {
                self.judge.delivered(one.chair, said, &gate, &mut self.witness)?;
            }
        }
        for one in delivered.iter().filter(|one| one.lost) {
            let has_failed = self.running()?.assembly.sequencer.failure().is_some();
            ensure!(has_failed, "commands are lost, although the log has not failed");
            let is_his = |client: &Client| client.line.as_ref().is_some_and(|line| line.chair == one.chair);
            if let Some(client) = self.clients.iter().position(is_his) {
                self.counts.count("connections lost with the log");
                self.cut(client);
            }
        }
        Ok(())
    }

    /// A connection ends, for both sides.
    pub(crate) fn cut(&mut self, client: usize) {
        let Some(chair) = self.clients[client].hang_up() else { return };
        self.judge.forget(chair);
        if let Some(server) = &mut self.server {
            server.close(chair);
        }
        self.trace.note(format_args!("client {client}: the connection is gone"));
    }

    fn client_hears(&mut self, client: usize, said: &Said) -> Checked {
        match said.kind {
            FrameKind::Welcome => {
                let welcome = Welcome::decode(&said.body).map_err(broken("a welcome"))?;
                ensure!(welcome.epoch == self.epoch, "a welcome of epoch {}", welcome.epoch);
                if let Some(line) = &mut self.clients[client].line {
                    line.is_open = true;
                }
            }
            FrameKind::Outcomes => self.hear_outcomes(client, said)?,
            FrameKind::Error => {
                let is_spoilt = self.clients[client].line.as_ref().is_some_and(|line| line.is_spoilt);
                ensure!(is_spoilt, "a client in good order got an error frame");
                self.counts.count("error frames");
                return Ok(());
            }
            FrameKind::Goodbye => return Ok(()),
            FrameKind::Answer => {
                let answer = Answer::decode(&said.body).map_err(broken("an answer"))?;
                if matches!(answer, Answer::Snapshot(_)) {
                    self.counts.count("snapshots answered");
                }
            }
            FrameKind::Cells | FrameKind::Resolved => {}
            FrameKind::Hello
            | FrameKind::Commands
            | FrameKind::Checks
            | FrameKind::Resolve
            | FrameKind::Query => {
                return Err(Violation(format!("the server sent a frame of kind {:?}", said.kind)));
            }
        }
        if said.kind != FrameKind::Outcomes {
            let asked = self.clients[client].asked.remove(&said.request);
            ensure!(asked.is_some(), "an answer to request {}, which was answered before", said.request);
        }
        Ok(())
    }

    fn hear_outcomes(&mut self, client: usize, said: &Said) -> Checked {
        let asked = &mut self.clients[client].asked;
        let Some(Asked::Commands(errands)) = asked.get_mut(&said.request) else {
            let was_check = matches!(asked.remove(&said.request), Some(Asked::Checks));
            ensure!(was_check, "outcomes of request {}, which had none", said.request);
            self.counts.count("checks turned away");
            return Ok(());
        };
        let mut ended = 0;
        for (index, outcome) in outcomes_of(said)? {
            let errand = errands.get_mut(usize::from(index)).and_then(Option::take);
            let Some(errand) = errand else {
                return Err(Violation(format!("a client is told twice: {outcome:?}")));
            };
            ended += u64::from(self.errands.hear(errand, &outcome)?);
            if matches!(outcome.code, Code::SoldOut) && !outcome.recorded {
                *self.counts.events.entry("edge refusals").or_default() += 1;
            }
        }
        if errands.iter().all(Option::is_none) {
            asked.remove(&said.request);
        }
        self.trace.note(format_args!("client {client}: {} outcomes, {ended} ends", said.count));
        Ok(())
    }

    /// A client does something.
    pub(crate) fn client_acts(&mut self) -> Checked {
        let client = self.rng.place(self.clients.len());
        if self.rng.chance(self.plan.moods) {
            self.clients[client].is_slow = !self.clients[client].is_slow;
        }
        let Some(line) = &self.clients[client].line else {
            return self.connect(client);
        };
        if !line.is_open || line.is_spoilt {
            return Ok(());
        }
        match self.rng.weighted(&DEEDS) {
            Deed::Commands => self.send_errands(client),
            Deed::Checks => {
                self.send_checks(client);
                Ok(())
            }
            Deed::Names => {
                let names = vec![Name::Sku(stockhold_model::sku_name(0)), Name::Stock("nowhere".to_owned())];
                let mut body = Vec::new();
                encode_cold(&names, &mut body).map_err(broken("names"))?;
                self.clients[client].ask(FrameKind::Resolve, Asked::Names, (0, 2), &body);
                Ok(())
            }
            Deed::Query => self.send_query(client),
            Deed::Spoil => {
                if let Some(line) = self.clients[client].line.as_mut().filter(|_| !self.is_calm) {
                    line.to_server.extend_from_slice(b"GET / HTTP/1.1\r\n\r\n and then some");
                    line.is_spoilt = true;
                    self.counts.count("spoilt streams");
                }
                Ok(())
            }
        }
    }

    fn connect(&mut self, client: usize) -> Checked {
        match self.running()?.connect() {
            Some(chair) => {
                self.clients[client].connect(chair)?;
                self.trace.note(format_args!("client {client}: connects"));
            }
            None => self.counts.count("connections refused"),
        }
        Ok(())
    }

    /// A frame of commands: new ones, some again, some again although their end is known, some under an id that was used.
    fn send_errands(&mut self, client: usize) -> Checked {
        let count =
            if self.rng.chance(60) { self.rng.within(8..FRAME_ERRANDS_MAX) } else { self.rng.within(1..6) };
        let mut places = Vec::new();
        for _ in 0..count {
            if let Some(place) = self.choose_errand(client)? {
                places.push(place);
            }
        }
        if places.is_empty() {
            return Ok(());
        }
        let mut body = Vec::new();
        for place in &places {
            let (record, id, step, named) = self.errands.meaning(*place);
            self.witness.expect(record.clone(), id, step, named);
            let is_first = self.errands.send(*place);
            let start = body.len();
            body.extend_from_slice(&record);
            if is_first && self.rng.chance(700) {
                body[start + FLAGS_OFFSET] |= FLAG_FRESH;
            }
        }
        let deadline_ms = if !self.is_calm && self.rng.chance(60) { self.rng.small(1..40) } else { 0 };
        let count = u16::try_from(places.len()).unwrap_or(u16::MAX);
        let asked = Asked::Commands(places.into_iter().map(Some).collect());
        self.clients[client].ask(FrameKind::Commands, asked, (deadline_ms, count), &body);
        Ok(())
    }

    fn choose_errand(&mut self, client: usize) -> Checked<Option<usize>> {
        let open = self.errands.open();
        let kind = self.rng.weighted(&[(62, 0), (25, 1), (10, 2), (3, 3)]);
        if kind == 0 && self.budget > 0 {
            self.budget -= 1;
            let step = draw::step(&mut self.rng, self.plan.limits.ttl_max_ms);
            let now_ms = self.client_ms(client);
            return self.errands.begin(&mut self.rng, now_ms, &step, self.witness.model()).map(Some);
        }
        if kind <= 1 || self.is_calm {
            return Ok((!open.is_empty()).then(|| open[self.rng.place(open.len())]));
        }
        if self.errands.count() == 0 {
            return Ok(None);
        }
        let place = self.rng.place(self.errands.count());
        if kind == 3 && self.budget > 0 {
            self.counts.count("ids used twice");
            return self.errands.twist(place).map(Some);
        }
        Ok(Some(place))
    }

    fn send_checks(&mut self, client: usize) {
        let op = self.witness.op();
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
        self.clients[client].ask(FrameKind::Checks, Asked::Checks, (deadline_ms, count), &body);
    }

    fn send_query(&mut self, client: usize) -> Checked {
        let query = match self.rng.weighted(&[(4, 0), (1, 1), (1, 2), (1, 3), (2, 4)]) {
            0 => Query::Snapshot,
            1 => Query::Validate,
            2 => Query::Status,
            3 => Query::Sku(SkuId(self.rng.small(0..SKUS))),
            _ if self.errands.count() > 0 => {
                let place = self.rng.place(self.errands.count());
                Query::Reservation(self.errands.get(place).id.to_bytes())
            }
            _ => Query::Configuration,
        };
        let mut body = Vec::new();
        encode_cold(&query, &mut body).map_err(broken("a query"))?;
        self.clients[client].ask(FrameKind::Query, Asked::Query, (0, 0), &body);
        Ok(())
    }
}

/// How many of so many bytes move: often all, often a few.
fn portion(rng: &mut crate::rng::Rng, length: usize) -> usize {
    match rng.below(4) {
        0 => (rng.place(40) + 1).min(length),
        1 => rng.place(length) + 1,
        _ => length,
    }
}
