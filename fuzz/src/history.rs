//! A short history that the disk targets damage: a shop, reservations in all states, and the batches that made them.

use stockhold_machine::config::BATCH_RULES;
use stockhold_machine::{BatchVerdict, Genesis, Machine};
use stockhold_protocol::batch::{Actor, ActorKind, Batch, BatchHeader, batch_of_one_run};
use stockhold_protocol::command::{
    ChannelAssignment, Count, LinkDefinition, Mark, QuotaChange, Release, Reserve, SettingScope,
    SettingsChange, Ship, SkuDefinition, SourceDefinition, StockDefinition, Target,
};
use stockhold_protocol::limits::FEATURE_LEVEL;
use stockhold_protocol::line::Lines;
use stockhold_protocol::{
    Code, Command, CommandId, Envelope, Line, Quantity, ReservationId, SkuId, SourceId, StockId, Timestamp,
};

/// When it begins.
pub const START_MS: u64 = 1_763_800_000_000;

/// The genesis of the machine of this history.
#[must_use]
pub fn genesis() -> Genesis {
    Genesis { formatted_at: Timestamp(START_MS), ..Genesis::default() }
}

/// An id that differs by `number`.
#[must_use]
pub fn id(number: u64) -> CommandId {
    CommandId::from_parts(START_MS, u128::from(number))
}

/// The record of a command under the id of this number.
#[must_use]
pub fn record(number: u64, command: Command<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    Envelope::new(id(number), command).encode(&mut bytes).expect("a command of our own is encoded");
    bytes
}

/// A whole quantity.
#[must_use]
pub fn units(count: i64) -> Quantity {
    Quantity::units(count).expect("a small number")
}

/// A plain cart on stock 0.
#[must_use]
pub fn cart(lines: &[Line]) -> Reserve<'_> {
    Reserve {
        target: Target::Stock(StockId(0)),
        lines: Lines::Slice(lines),
        best_effort: false,
        ttl_ms: None,
        owner: 0,
        reference: "",
    }
}

/// Defines two sources, two stocks that share one of them, and three SKUs.
#[must_use]
pub fn shop() -> Vec<Vec<u8>> {
    let mut commands = Vec::new();
    for code in ["a", "b"] {
        let (name, country, postcode) = (code.to_owned(), "NL".to_owned(), "1".to_owned());
        let code = code.to_owned();
        commands.push(Command::DefineSource(Box::new(SourceDefinition {
            code,
            name,
            enabled: true,
            country,
            postcode,
            ..SourceDefinition::default()
        })));
    }
    for name in ["web", "shop"] {
        commands.push(Command::DefineStock(StockDefinition { name: name.to_owned() }));
    }
    for (stock, source) in [(0, 0), (1, 0), (1, 1)] {
        let (stock, source) = (StockId(stock), SourceId(source));
        commands.push(Command::Link(LinkDefinition { stock, source, priority: 1 }));
    }
    let (channel_type, code, stock) = ("website".to_owned(), "base".to_owned(), StockId(0));
    commands.push(Command::Channel(ChannelAssignment { channel_type, code, stock }));
    for number in 0..3 {
        let sku = format!("S{number}");
        commands.push(Command::DefineSku(SkuDefinition {
            sku,
            decimals: number == 2,
            ..SkuDefinition::default()
        }));
        for source in [SourceId(0), SourceId(1)] {
            let (sku, quantity) = (SkuId(number), units(20));
            let (in_stock, reason, reference) = (None, String::new(), String::new());
            commands.push(Command::Count(Count { source, sku, quantity, in_stock, reason, reference }));
        }
    }
    commands.push(Command::Quota(QuotaChange { sku: SkuId(1), stock: StockId(1), limit: Some(units(9)) }));
    let mut settings = SettingsChange::at(SettingScope::SkuStock(SkuId(0), StockId(0)));
    settings.min_qty = stockhold_protocol::command::Change::Set(units(1));
    commands.push(Command::Settings(Box::new(settings)));
    commands.push(Command::Mark(Mark::new("opened")));
    (1..).zip(commands).map(|(number, command)| record(number, command)).collect()
}

/// What happened in the shop. Reservation numbers are the numbers of their ids.
#[must_use]
pub fn sale() -> Vec<Vec<u8>> {
    let one = [Line::new(SkuId(0), units(1))];
    let two = [Line::new(SkuId(0), units(2)), Line::new(SkuId(2), units(3))];
    let many = [Line::new(SkuId(1), units(60))];
    let reference = "order 7";
    let reserve = Command::Reserve;
    let best = Reserve { best_effort: true, target: Target::Stock(StockId(1)), ..cart(&many) };
    let named = |number| ReservationId(id(number));
    let (lines, source) = (Lines::Slice(&one), SourceId(0));
    let commands = [
        (101, reserve(cart(&two))),
        (102, reserve(Reserve { ttl_ms: Some(900_000), owner: 7, reference, ..cart(&one) })),
        (103, reserve(Reserve { ttl_ms: Some(1_000), ..cart(&two) })),
        (104, reserve(best)),
        (105, reserve(cart(&many))),
        (106, Command::Ship(Ship { reservation: named(101), source, lines, forced: false })),
        (107, Command::Release(Release { reservation: named(104), lines: Lines::NONE })),
        (108, Command::Confirm(named(102))),
        (109, reserve(Reserve { ttl_ms: Some(600_000), ..cart(&two) })),
    ];
    commands.into_iter().map(|(number, command)| record(number, command)).collect()
}

/// The actor of all commands.
const ACTOR: Actor<'static> = Actor { kind: ActorKind::Claimed, name: "shop" };

/// A history that is logged batch by batch.
#[derive(Debug)]
pub struct History {
    /// The machine.
    pub machine: Machine,
    number: u64,
}

impl History {
    /// Before the first command.
    #[must_use]
    pub fn new() -> Self {
        Self { machine: Machine::new(&genesis()), number: 0 }
    }

    /// Applies records as one batch; all must succeed. Returns the payload of the batch.
    pub fn apply_batch(&mut self, records: &[Vec<u8>], session: u64) -> Vec<u8> {
        self.number = if session == 1 { self.number + 1 } else { 1 };
        let header = BatchHeader {
            rules: BATCH_RULES,
            count: u32::try_from(records.len()).expect("few records"),
            writer: 1,
            session,
            number: self.number,
            proposed: Timestamp(START_MS + 1_000 * self.number),
            feature_level: FEATURE_LEVEL,
            applied_op: self.machine.op(),
            digest_op: self.machine.op(),
            digest: self.machine.digest(),
        };
        let payload = batch_of_one_run(&header, ACTOR, &records.concat());
        let batch = Batch::decode(&payload).expect("a batch of our own");
        assert_eq!(self.machine.begin_batch(&header), BatchVerdict::Apply);
        for entry in batch.entries() {
            let entry = entry.expect("a record of our own");
            if let Some(run) = &entry.run {
                self.machine.begin_run(run);
            }
            let outcome = self.machine.apply(header.proposed, entry.record);
            assert!(matches!(outcome.code, Code::Ok | Code::Partial | Code::SoldOut), "{outcome:?}");
        }
        payload
    }
}
