//! A shop with one source, one stock and a few SKUs, for tests of orders.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use stockhold_machine::config::SPAN_MAX_MS;
use stockhold_machine::{Configuration, Genesis, Machine, Progress};
use stockhold_protocol::command::{
    Count, EventLine, LinkDefinition, OrderAction, OrderEvent, Placement, Reserve, SkuDefinition, SkuKind,
    SourceDefinition, StockDefinition, Target,
};
use stockhold_protocol::query::{LIST_MAX, OrderEventView, OrderView, Query, QueryAnswer};
use stockhold_protocol::{
    Code, Command, CommandId, Envelope, Line, Lines, Outcome, Quantity, SkuId, SourceId, StockId, Timestamp,
};

const START_MS: u64 = 1_763_800_000_000;
/// SKUs of the shop. The last one is virtual.
pub(crate) const SKUS: u32 = 4;

pub(crate) struct Shop {
    pub(crate) machine: Machine,
    pub(crate) now: Timestamp,
    sent: u128,
}

impl Shop {
    pub(crate) fn new() -> Self {
        let now = Timestamp(START_MS);
        // Tests let hours pass without a tick.
        let configuration = Configuration { gap_max_ms: SPAN_MAX_MS, ..Configuration::default() };
        let mut shop =
            Self { machine: Machine::new(&Genesis { configuration, formatted_at: now }), now, sent: 0 };
        shop.succeed(Command::DefineSource(Box::new(SourceDefinition {
            code: "east".into(),
            name: "East".into(),
            country: "US".into(),
            postcode: "1".into(),
            enabled: true,
            ..SourceDefinition::default()
        })));
        shop.succeed(Command::DefineStock(StockDefinition { name: "web".into() }));
        shop.succeed(Command::Link(LinkDefinition { stock: StockId(0), source: SourceId(0), priority: 1 }));
        for sku in 0..SKUS {
            let kind = if sku + 1 == SKUS { SkuKind::Virtual } else { SkuKind::Simple };
            shop.succeed(Command::DefineSku(SkuDefinition { sku: format!("S{sku}"), kind, decimals: false }));
            let (reason, reference) = (String::new(), String::new());
            let (source, sku, quantity) = (SourceId(0), SkuId(sku), units(1 << 20));
            shop.succeed(Command::Count(Count { source, sku, quantity, in_stock: None, reason, reference }));
        }
        shop
    }

    /// An id that was not used before.
    pub(crate) fn next_id(&mut self) -> CommandId {
        self.sent += 1;
        let random = self.sent.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        CommandId::from_parts(self.now.0, random)
    }

    pub(crate) fn send_as(&mut self, id: CommandId, command: Command<'_>) -> Outcome {
        let mut record = Vec::new();
        Envelope::new(id, command).encode(&mut record).unwrap();
        self.machine.apply(self.now, &record)
    }

    pub(crate) fn send(&mut self, command: Command<'_>) -> Outcome {
        let id = self.next_id();
        self.send_as(id, command)
    }

    pub(crate) fn succeed(&mut self, command: Command<'_>) {
        assert_eq!(self.send(command).code, Code::Ok);
    }

    /// Places an order. Returns the id of the command and its outcome.
    pub(crate) fn place(&mut self, order: &str, lines: &[Line], ttl_ms: Option<u32>) -> (CommandId, Outcome) {
        let id = self.next_id();
        (id, self.place_as(id, order, lines, ttl_ms))
    }

    pub(crate) fn place_as(
        &mut self,
        id: CommandId,
        order: &str,
        lines: &[Line],
        ttl_ms: Option<u32>,
    ) -> Outcome {
        let (target, lines) = (Target::Stock(StockId(0)), Lines::Slice(lines));
        let (best_effort, owner, reference) = (false, 0, order);
        let cart = Reserve { target, lines, best_effort, ttl_ms, owner, reference };
        self.send_as(id, Command::OrderPlaced(Placement(cart)))
    }

    /// Goes on with what a snapshot of the shop loads.
    pub(crate) fn reload(&mut self) {
        let (mark, mut loader) = (self.machine.begin_snapshot(), Machine::loader());
        let mut sink = |section: u16, records: u32, bytes: &[u8]| {
            assert_eq!(loader.section(section, records, bytes), Ok(()));
        };
        while self.machine.snapshot_step(1_000, &mut sink) != Progress::Done {}
        self.machine = loader.finish(&mark).unwrap();
    }

    pub(crate) fn order(&self, number: &str) -> OrderView {
        let Some(QueryAnswer::Order(Some(view))) = self.machine.query(&Query::Order(number.into())) else {
            panic!("there is no order {number}");
        };
        view
    }

    pub(crate) fn history(&self, number: &str) -> Vec<OrderEventView> {
        let query = Query::OrderHistory { number: number.into(), after: 0, limit: LIST_MAX };
        let Some(QueryAnswer::OrderHistory(Some(history))) = self.machine.query(&query) else {
            panic!("there is no order {number}");
        };
        history.events
    }

    /// Units on hand of a SKU.
    pub(crate) fn on_hand(&self, sku: u32) -> Quantity {
        let Some(QueryAnswer::Sku(Some(view))) = self.machine.query(&Query::Sku(SkuId(sku))) else {
            panic!("there is no SKU {sku}");
        };
        view.items[0].on_hand
    }
}

pub(crate) fn units(count: i64) -> Quantity {
    Quantity::units(count).unwrap()
}

pub(crate) fn line(sku: u32, count: i64) -> Line {
    Line::new(SkuId(sku), units(count))
}

/// An event with lines of (SKU, units).
pub(crate) fn event(order: &str, action: OrderAction, lines: &[(u32, i64)]) -> OrderEvent {
    let line = |(sku, count): &(u32, i64)| EventLine {
        sku: SkuId(*sku),
        stock: None,
        quantity: units(*count),
        is_returned: false,
    };
    OrderEvent {
        order: order.into(),
        action,
        document: String::new(),
        source: None,
        lines: lines.iter().map(line).collect(),
        forced: false,
        ttl_ms: None,
    }
}
