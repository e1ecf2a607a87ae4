//! The memory of orders: a bound for each, and many that lapse and end at one moment.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use stockhold_machine::config::SPAN_MAX_MS;
use stockhold_machine::table::Progress;
use stockhold_machine::{Configuration, Genesis, Machine};
use stockhold_protocol::command::{
    Count, LinkDefinition, Reserve, Sell, SkuDefinition, SourceDefinition, StockDefinition, Target,
};
use stockhold_protocol::{
    Code, Command, CommandId, Envelope, Line, Lines, Quantity, SkuId, SourceId, StockId, Timestamp,
};

const START_MS: u64 = 1_763_800_000_000;
const ORDERS: u128 = 1 << 16;

struct Shop {
    machine: Machine,
    now: Timestamp,
    sent: u128,
}

impl Shop {
    fn new() -> Self {
        let now = Timestamp(START_MS);
        // The test lets hours pass without a tick.
        let configuration = Configuration { gap_max_ms: SPAN_MAX_MS, ..Configuration::default() };
        let mut shop =
            Self { machine: Machine::new(&Genesis { configuration, formatted_at: now }), now, sent: 0 };
        shop.send(Command::DefineSource(Box::new(SourceDefinition {
            code: "east".into(),
            name: "East".into(),
            country: "US".into(),
            postcode: "1".into(),
            enabled: true,
            ..SourceDefinition::default()
        })));
        shop.send(Command::DefineStock(StockDefinition { name: "web".into() }));
        shop.send(Command::DefineSku(SkuDefinition { sku: "A".into(), ..SkuDefinition::default() }));
        shop.send(Command::Link(LinkDefinition { stock: StockId(0), source: SourceId(0), priority: 1 }));
        let (reason, reference) = (String::new(), String::new());
        let (source, sku, quantity) = (SourceId(0), SkuId(0), Quantity::units(1 << 20).unwrap());
        shop.send(Command::Count(Count { source, sku, quantity, in_stock: None, reason, reference }));
        shop
    }

    fn send(&mut self, command: Command<'_>) {
        self.sent += 1;
        let id = CommandId::from_parts(
            self.now.0,
            self.sent.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835),
        );
        let mut record = Vec::new();
        Envelope::new(id, command).encode(&mut record).unwrap();
        assert_eq!(self.machine.apply(self.now, &record).code, Code::Ok);
    }

    /// Bytes of orders, and of the reservations with their notes.
    fn bytes_of(&self) -> u64 {
        self.machine.stats().order_bytes
    }
}

fn lines() -> [Line; 1] {
    [Line::new(SkuId(0), Quantity::units(1).unwrap())]
}

#[test]
fn an_order_of_one_line_takes_at_most_192_bytes() {
    // Proves the bound of docs/performance.md for settled orders, and that it holds for open ones too.
    for is_sold in [true, false] {
        let mut shop = Shop::new();
        for number in 0..ORDERS {
            let (target, lines, owner, reference) =
                (Target::Stock(StockId(0)), lines(), 0, format!("1{number:08}"));
            let (lines, reference) = (Lines::Slice(&lines), reference.as_str());
            if is_sold {
                let (source, forced) = (SourceId(0), false);
                shop.send(Command::Sell(Sell { target, source, lines, forced, owner, reference }));
            } else {
                let (best_effort, ttl_ms) = (false, None);
                shop.send(Command::Reserve(Reserve { target, lines, best_effort, ttl_ms, owner, reference }));
            }
        }
        let stats = shop.machine.stats();
        assert_eq!(u128::from(stats.orders), ORDERS);
        assert_eq!(u128::from(stats.orders_unsettled), if is_sold { 0 } else { ORDERS });
        let each = shop.bytes_of() / stats.orders;
        assert!((160..=192).contains(&each), "an order takes {each} bytes");
    }
}

#[test]
fn many_orders_lapse_and_end_at_one_moment() {
    // Proves that the counts are exact in the op in which all orders lapse, and in the one in which all end, before any of
    // them is erased; and that their memory is used again.
    let mut shop = Shop::new();
    let mut bytes = 0;
    for round in 0..2 {
        for number in 0..ORDERS {
            let (target, lines, reference) =
                (Target::Stock(StockId(0)), lines(), format!("{round}-{number}"));
            let (lines, reference) = (Lines::Slice(&lines), reference.as_str());
            let (best_effort, ttl_ms, owner) = (false, Some(60_000), 0);
            shop.send(Command::Reserve(Reserve { target, lines, best_effort, ttl_ms, owner, reference }));
        }
        let counts = |shop: &Shop| (shop.machine.stats().orders, shop.machine.stats().orders_unsettled);
        let all = u64::try_from(ORDERS).unwrap();
        assert_eq!(counts(&shop), (all, all));
        shop.now.0 += 60_000;
        shop.machine.skip(shop.now);
        assert_eq!(counts(&shop), (all, 0));
        shop.now.0 += 86_400_000;
        shop.machine.skip(shop.now);
        assert_eq!(counts(&shop), (0, 0));
        assert_eq!(shop.machine.validate(), Vec::<String>::new());
        while shop.machine.prepare_snapshot(1_000) == Progress::More {}
        assert!(round == 0 || shop.bytes_of() <= bytes, "the memory of ended orders is used again");
        bytes = shop.bytes_of();
    }
}
