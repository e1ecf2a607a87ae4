//! The setup of a world: a formatted disk, a first start, and a shop with SKUs, stocks and sources.

use std::sync::Arc;

use stockhold::clock::ManualTimeSource;
use stockhold::directory::{Directory, EpochReason, FormatOptions};
use stockhold::snapshot::LogPoint;
use stockhold::storage::recording::RecordingStorage;
use stockhold_model::{
    CHANNELS, SKUS, SOURCES, STOCKS, Step, channel_assignment, first_stock, sku_definition,
    source_definition, stock_name, with_command,
};
use stockhold_protocol::command::StockDefinition;
use stockhold_protocol::frame::{self, FrameKind, Header};
use stockhold_protocol::handshake::Hello;
use stockhold_protocol::{Command, CommandId, Envelope};
use uuid::Uuid;

use crate::answer_checker::AnswerChecker;
use crate::client::Client;
use crate::client_commands::ClientCommands;
use crate::draw;
use crate::oracle::Oracle;
use crate::plan::{Plan, START_MS};
use crate::report::Counts;
use crate::rng::Rng;
use crate::server::ConnectionKey;
use crate::trace::Trace;
use crate::violation::{CheckResult, Violation, ensure, violation};
use crate::world::World;
use crate::{Options, finish};

/// Commands per frame while the outcome memory is filled: no more than any connection and any queue accepts.
const FILLING_COMMANDS: u16 = 4;
/// Enough frames to fill the outcome memory.
const FILLING_FRAMES_MAX: u64 = 600;

impl World {
    /// The world of a seed, before any fault.
    pub(crate) fn begin(seed: u64, options: Options) -> CheckResult<Self> {
        let mut rng = Rng::new(seed);
        let plan = Plan::draw(&mut rng);
        let genesis = plan.genesis();
        let mut trace = Trace::new(options.print);
        trace.note(format_args!("seed {seed}: {plan:?}"));
        let client = |rng: &mut Rng| Client::new(rng.signed(-800..800) * rng.weighted(&[(10, 1), (1, 900)]));
        let clients = (0..plan.clients).map(|_| client(&mut rng)).collect();
        let mut world = Self {
            disk: RecordingStorage::new(),
            time: Arc::new(ManualTimeSource::new(START_MS)),
            server: None,
            clients,
            commands: ClientCommands::default(),
            oracle: Oracle::new(genesis, plan.limits),
            answer_checker: AnswerChecker::default(),
            counts: Counts::default(),
            budget: options.ops,
            epoch: 1,
            watermarks: [0; 5],
            durable_op: 0,
            flipped_bits: Vec::new(),
            medium_mutant: options.medium_mutant,
            is_fault_free: true,
            is_full: false,
            was_power_cut: false,
            may_have_lost: false,
            true_ms: START_MS,
            rng,
            plan,
            trace,
        };
        world.format(seed)?;
        world.take_disk(world.disk.clone());
        world.first_start()?;
        world.define()?;
        world.fill_outcome_memory()?;
        world.open_shop()?;
        // If syncs are on a timer, the definitions must not be lost in the first power cut, because they would not be
        // repeated.
        world.time.advance_ms(world.plan.config.log.interval_ms + 1);
        world.true_ms += world.plan.config.log.interval_ms + 1;
        world.settle()?;
        world.is_fault_free = false;
        Ok(world)
    }

    fn format(&mut self, seed: u64) -> CheckResult {
        let options = FormatOptions {
            log_uuid: Uuid::from_u128(u128::from(seed) | 1 << 127),
            epoch: 1,
            reason: EpochReason::Format,
            base: LogPoint::default(),
            now_ms: START_MS,
            salt_seed: self.rng.any(),
            segment_bytes: self.plan.config.log.segment_bytes,
            genesis: self.plan.genesis().encode(),
        };
        Directory::format(self.disk.share(), options).map(drop).map_err(violation("formatting"))
    }

    /// Opens a separate connection for the setup.
    fn connect_merchant(&mut self) -> CheckResult<ConnectionKey> {
        let Some(key) = self.running()?.connect() else {
            return Err(Violation("the first connection is refused".to_owned()));
        };
        let mut body = Vec::new();
        Hello::new("merchant").encode(&mut body).map_err(violation("a hello"))?;
        let mut hello = Vec::new();
        frame::append(Header::new(FrameKind::Hello, 0, 0), &body, &mut hello);
        self.running()?.receive(key, &hello)?;
        Ok(key)
    }

    fn disconnect_merchant(&mut self, key: ConnectionKey) -> CheckResult {
        self.answer_checker.forget(key);
        self.running()?.close(key);
        Ok(())
    }

    /// Sends one frame of records and waits until everything is done.
    fn send_and_settle(
        &mut self,
        key: ConnectionKey,
        request: u64,
        (count, records): (u16, &[u8]),
    ) -> CheckResult {
        let mut bytes = Vec::new();
        frame::append(Header::new(FrameKind::Commands, request, count), records, &mut bytes);
        let server = self.running()?;
        let (received, answered) = server.receive(key, &bytes)?;
        let context = server.assembly.context.clone();
        self.answer_checker.received(key, (&received, &answered), &context, &self.oracle)?;
        self.settle()
    }

    /// Defines the SKUs, stocks, sources and channels of the model, one command after the other.
    fn define(&mut self) -> CheckResult {
        let key = self.connect_merchant()?;
        let sources = (0..SOURCES)
            .map(|source| (source, Command::DefineSource(Box::new(source_definition(source, true)))));
        let stocks = (0..STOCKS)
            .map(|stock| (stock, Command::DefineStock(StockDefinition { name: stock_name(stock) })));
        let skus = (0..SKUS).map(|sku| (sku, Command::DefineSku(sku_definition(sku))));
        let channels = (0..CHANNELS)
            .map(|channel| (channel, Command::Channel(channel_assignment(channel, first_stock(channel)))));
        for (request, (number, command)) in (1..).zip(sources.chain(stocks).chain(skus).chain(channels)) {
            let id = self.commands.next_id(START_MS);
            let mut record = Vec::new();
            Envelope::new(id, command).encode(&mut record).map_err(violation("a definition"))?;
            self.oracle.expect_definition(record.clone(), id, number);
            self.send_and_settle(key, request, (1, &record))?;
        }
        self.disconnect_merchant(key)
    }

    /// In a world with little outcome memory: fills it except for a few outcomes, with commands that change nothing.
    fn fill_outcome_memory(&mut self) -> CheckResult {
        if !self.plan.has_little_outcome_memory {
            return Ok(());
        }
        // The shop takes about half of it.
        let spare = self.rng.within(2_000..6_000);
        let key = self.connect_merchant()?;
        for request in 1..=FILLING_FRAMES_MAX {
            if self.oracle.model().outcome_room().is_none_or(|room| room < spare) {
                break;
            }
            let mut records = Vec::new();
            for _ in 0..FILLING_COMMANDS {
                let (id, step) = (self.commands.next_id(START_MS), Step::Quota(0, 0, None));
                let start = records.len();
                let mut encoded = Ok(());
                with_command(&step, CommandId::NONE, &mut |command| {
                    encoded = Envelope::new(id, command).encode(&mut records);
                });
                encoded.map_err(violation("a step that does not encode"))?;
                self.oracle.expect(records[start..].to_vec(), id, step, CommandId::NONE);
            }
            self.send_and_settle(key, request, (FILLING_COMMANDS, &records))?;
        }
        self.disconnect_merchant(key)
    }

    /// The clients create links and goods.
    fn open_shop(&mut self) -> CheckResult {
        let budget = std::mem::take(&mut self.budget);
        for step in draw::shop(&mut self.rng) {
            self.commands.begin(&mut self.rng, START_MS, &step, self.oracle.model())?;
        }
        for _ in 0..finish::TURNS_MAX {
            if self.commands.open().is_empty() {
                break;
            }
            self.turn()?;
        }
        ensure!(self.commands.open().is_empty(), "the shop is never set up");
        self.budget = budget;
        Ok(())
    }
}
