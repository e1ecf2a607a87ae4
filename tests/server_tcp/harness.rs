//! A server on its own directory, and a peer that sends raw frames, so that the tests see every byte on the wire.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use stockhold::config::Config;
use stockhold::server::{Exit, RunningServer, format_directory, start};
use stockhold_machine::Genesis;
use stockhold_protocol::codec::{Reader, decode_cold, encode_cold};
use stockhold_protocol::command::{
    Change, Count, LinkDefinition, Reserve, SettingScope, SettingsChange, SkuDefinition, SourceDefinition,
    StockDefinition, Target,
};
use stockhold_protocol::frame::{self, FrameKind, Header};
use stockhold_protocol::handshake::{Hello, Welcome};
use stockhold_protocol::limits::FRAME_BODY_BYTES_MAX;
use stockhold_protocol::line::Lines;
use stockhold_protocol::query::{Name, Query, QueryAnswer};
use stockhold_protocol::{
    Code, Command, CommandId, Envelope, Line, Outcome, Quantity, SkuId, SourceId, StockId, Timestamp,
};

/// The timeout of the tests. Only a hang takes this long.
pub(crate) const HANG: Duration = Duration::from_secs(30);

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// The wall clock, because ids contain the client's time.
pub(crate) fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A new id.
pub(crate) fn new_id() -> CommandId {
    let number = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    CommandId::from_parts(now_ms(), u128::from(number) | u128::from(std::process::id()) << 64)
}

pub(crate) fn units(units: i64) -> Quantity {
    Quantity::units(units).unwrap()
}

/// A server and its directory.
pub(crate) struct TestServer {
    _directory: tempfile::TempDir,
    pub(crate) config: Config,
    running: Option<RunningServer>,
}

impl TestServer {
    /// Formats a directory and starts a server on it.
    pub(crate) fn start(change: impl FnOnce(&mut Config)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config { data_dir: directory.path().to_owned(), ..Config::default() };
        config.listen = SocketAddr::from(([127, 0, 0, 1], 0)).into();
        config.log.segment_bytes = 4 << 20;
        change(&mut config);
        let genesis = Genesis { formatted_at: Timestamp(now_ms()), ..Genesis::default() };
        format_directory(&config, &genesis).unwrap();
        let running = Some(start(&config, |_| ()).unwrap());
        Self { _directory: directory, config, running }
    }

    pub(crate) fn running(&self) -> &RunningServer {
        self.running.as_ref().unwrap()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.running().address()
    }

    pub(crate) fn connect(&self) -> Peer {
        Peer::connect(self.address())
    }

    pub(crate) fn stop(&mut self) {
        assert_eq!(self.running.take().unwrap().stop(), Exit::Clean);
    }

    /// Stops the server cleanly and starts it again.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.running = Some(start(&self.config, |_| ()).unwrap());
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Some(running) = self.running.take()
            && !std::thread::panicking()
        {
            assert_eq!(running.stop(), Exit::Clean);
        }
    }
}

/// One answer frame.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) header: Header,
    pub(crate) body: Vec<u8>,
}

/// A connection with raw frames.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    input: Vec<u8>,
    request: u64,
    pub(crate) welcome: Option<Welcome>,
}

impl Peer {
    /// A connection without a hello.
    pub(crate) fn without_hello(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(HANG)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, input: Vec::new(), request: 0, welcome: None }
    }

    pub(crate) fn connect(address: SocketAddr) -> Self {
        let mut peer = Self::without_hello(address);
        let mut body = Vec::new();
        Hello::new("test").encode(&mut body).unwrap();
        peer.send(FrameKind::Hello, 0, 0, &body);
        let reply = peer.reply();
        assert_eq!(reply.header.kind, FrameKind::Welcome);
        peer.welcome = Some(Welcome::decode(&reply.body).unwrap());
        peer
    }

    pub(crate) fn send(&mut self, kind: FrameKind, count: u16, deadline_ms: u32, body: &[u8]) -> u64 {
        self.request += 1;
        let mut out = Vec::new();
        frame::append(Header { time: deadline_ms, ..Header::new(kind, self.request, count) }, body, &mut out);
        self.stream.write_all(&out).unwrap();
        self.request
    }

    /// The next frame, or `None` when the server has closed the connection.
    pub(crate) fn try_reply(&mut self) -> Option<Reply> {
        loop {
            if let Some((frame, used)) = frame::parse(&self.input, FRAME_BODY_BYTES_MAX).unwrap() {
                let reply = Reply { header: frame.header, body: frame.body.to_vec() };
                self.input.drain(..used);
                return Some(reply);
            }
            let mut piece = [0; 8_192];
            match self.stream.read(&mut piece) {
                Ok(0) => return None,
                Ok(count) => self.input.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no answer: {error}"),
            }
        }
    }

    pub(crate) fn reply(&mut self) -> Reply {
        self.try_reply().expect("the server closed the connection")
    }

    pub(crate) fn send_commands(&mut self, commands: &[Envelope<'_>]) -> u64 {
        self.send_commands_within(commands, 0)
    }

    pub(crate) fn send_commands_within(&mut self, commands: &[Envelope<'_>], deadline_ms: u32) -> u64 {
        let mut body = Vec::new();
        for command in commands {
            command.encode(&mut body).unwrap();
        }
        self.send(FrameKind::Commands, u16::try_from(commands.len()).unwrap(), deadline_ms, &body)
    }

    /// All outcomes of one request, in as many frames as they come.
    pub(crate) fn outcomes(&mut self, request: u64, count: usize) -> Vec<Outcome> {
        let mut outcomes = BTreeMap::new();
        while outcomes.len() < count {
            let reply = self.reply();
            assert_eq!((reply.header.kind, reply.header.request), (FrameKind::Outcomes, request));
            for (index, outcome) in decode_outcomes(&reply) {
                assert!(outcomes.insert(index, outcome).is_none(), "two outcomes of one command");
            }
        }
        outcomes.into_values().collect()
    }

    pub(crate) fn call(&mut self, commands: &[Envelope<'_>]) -> Vec<Outcome> {
        let request = self.send_commands(commands);
        self.outcomes(request, commands.len())
    }

    pub(crate) fn one(&mut self, id: CommandId, command: Command<'_>) -> Outcome {
        self.call(&[Envelope::new(id, command)]).remove(0)
    }

    /// Executes a command that must succeed. Returns the outcome's value.
    pub(crate) fn done(&mut self, command: Command<'_>) -> u32 {
        let outcome = self.one(new_id(), command);
        assert_eq!(outcome.code, Code::Ok, "{outcome:?}");
        outcome.value
    }

    pub(crate) fn reserve(&mut self, stock: StockId, sku: SkuId, quantity: i64) -> Outcome {
        let lines = [Line::new(sku, units(quantity))];
        self.one(new_id(), Command::Reserve(cart(stock, &lines)))
    }

    pub(crate) fn checks(&mut self, min_op: u64, deadline_ms: u32, pairs: &[(SkuId, StockId)]) -> Reply {
        let mut body = min_op.to_le_bytes().to_vec();
        for (sku, stock) in pairs {
            body.extend_from_slice(&sku.0.to_le_bytes());
            body.extend_from_slice(&stock.0.to_le_bytes());
        }
        self.send(FrameKind::Checks, u16::try_from(pairs.len()).unwrap(), deadline_ms, &body);
        self.reply()
    }

    /// One cell, in ten-thousandths.
    pub(crate) fn cell(&mut self, sku: SkuId, stock: StockId) -> i64 {
        let reply = self.checks(0, 0, &[(sku, stock)]);
        assert_eq!(reply.header.kind, FrameKind::Cells);
        i64::from_le_bytes(*reply.body[8..].first_chunk().unwrap())
    }

    pub(crate) fn resolve(&mut self, names: &[Name]) -> Vec<Option<u32>> {
        let mut body = Vec::new();
        encode_cold(&names.to_vec(), &mut body).unwrap();
        self.send(FrameKind::Resolve, u16::try_from(names.len()).unwrap(), 0, &body);
        let reply = self.reply();
        assert_eq!(reply.header.kind, FrameKind::Resolved);
        decode_cold(&reply.body).unwrap()
    }

    pub(crate) fn query(&mut self, query: &Query) -> QueryAnswer {
        let mut body = Vec::new();
        encode_cold(query, &mut body).unwrap();
        self.send(FrameKind::Query, 0, 0, &body);
        let reply = self.reply();
        assert_eq!(reply.header.kind, FrameKind::Answer);
        QueryAnswer::decode(&reply.body).unwrap()
    }

    pub(crate) fn metric(&mut self, name: &str) -> i64 {
        let QueryAnswer::Status(status) = self.query(&Query::Status) else { panic!("no status") };
        status.metrics.iter().find(|metric| metric.name == name).expect("there is such a metric").value
    }
}

/// The outcomes of one frame.
pub(crate) fn decode_outcomes(reply: &Reply) -> Vec<(u16, Outcome)> {
    let mut reader = Reader::new(&reply.body);
    let outcomes: Vec<_> = (0..reply.header.count).map(|_| Outcome::decode(&mut reader).unwrap()).collect();
    reader.finish().unwrap();
    outcomes
}

pub(crate) fn cart(stock: StockId, lines: &[Line]) -> Reserve<'_> {
    Reserve {
        target: Target::Stock(stock),
        lines: Lines::Slice(lines),
        best_effort: false,
        ttl_ms: None,
        owner: 0,
        reference: "",
    }
}

/// One shop: a source, a stock, and SKUs with this many units each.
pub(crate) struct Shop {
    pub(crate) stock: StockId,
    pub(crate) skus: Vec<SkuId>,
}

impl Shop {
    pub(crate) fn open(peer: &mut Peer, skus: usize, each: i64) -> Self {
        let source = SourceDefinition {
            code: "warehouse".into(),
            name: "Warehouse".into(),
            enabled: true,
            country: "NL".into(),
            postcode: "1000".into(),
            ..SourceDefinition::default()
        };
        let source = SourceId(peer.done(Command::DefineSource(Box::new(source))));
        let stock = StockId(peer.done(Command::DefineStock(StockDefinition { name: "web".into() })));
        peer.done(Command::Link(LinkDefinition { stock, source, priority: 1 }));
        let mut settings = SettingsChange::at(SettingScope::Global);
        settings.max_sale_qty = Change::Set(Quantity::ZERO);
        peer.done(Command::Settings(Box::new(settings)));
        let skus = (0..skus)
            .map(|number| {
                let definition = SkuDefinition { sku: format!("SKU-{number}"), ..SkuDefinition::default() };
                let sku = SkuId(peer.done(Command::DefineSku(definition)));
                let quantity = units(each);
                let (reason, reference) = (String::new(), String::new());
                peer.done(Command::Count(Count { source, sku, quantity, in_stock: None, reason, reference }));
                sku
            })
            .collect();
        Self { stock, skus }
    }
}
