//! The cost of a list is bounded, and reading all pages returns every entry.

use super::machines::{START_S, without_gaps};
use stockhold_machine::{Genesis, Machine};
use stockhold_protocol::command::{
    ChannelAssignment, LinkDefinition, SkuDefinition, SourceDefinition, StockDefinition,
};
use stockhold_protocol::query::{Answer, LIST_MAX, Query};
use stockhold_protocol::{Command, CommandId, Envelope, SourceId, StockId, Timestamp};

/// A machine with many entries, some of which are expensive.
struct Merchant {
    machine: Machine,
    ids: u64,
}

impl Merchant {
    fn new() -> Self {
        let genesis = Genesis { formatted_at: Timestamp(START_S * 1_000), configuration: without_gaps() };
        Self { machine: Machine::new(&genesis), ids: 0 }
    }

    fn send(&mut self, command: Command<'_>) {
        self.ids += 1;
        let id = CommandId::from_parts(START_S * 1_000, u128::from(self.ids));
        let mut record = Vec::new();
        Envelope::new(id, command).encode(&mut record).unwrap();
        let outcome = self.machine.apply(Timestamp(START_S * 1_000), &record);
        assert!(outcome.code.is_success(), "{outcome:?}");
    }
}

/// Reads all pages of a list as PROTOCOL.md describes, and returns the length of each page.
fn read_all(
    machine: &Machine,
    ask: impl Fn(Option<u32>) -> Query,
    numbers: impl Fn(Answer) -> Vec<u32>,
) -> Vec<usize> {
    let mut pages = Vec::new();
    let mut all = Vec::new();
    loop {
        let page = numbers(machine.query(&ask(all.last().copied())).expect("the machine answers lists"));
        if page.is_empty() {
            assert_eq!(all, (0..u32::try_from(all.len()).unwrap()).collect::<Vec<_>>());
            return pages;
        }
        pages.push(page.len());
        all.extend(page);
    }
}

#[test]
fn pages_of_cheap_entries_are_as_long_as_asked() {
    // Proves that the bound on cost does not shorten ordinary lists.
    let mut merchant = Merchant::new();
    for number in 0..700 {
        let sku = SkuDefinition { sku: format!("SKU-{number}"), ..SkuDefinition::default() };
        merchant.send(Command::DefineSku(sku));
    }
    let pages = read_all(
        &merchant.machine,
        |after| Query::Skus { after: after.map(stockhold_protocol::SkuId), limit: LIST_MAX },
        |answer| {
            let Answer::Skus(views) = answer else { panic!("{answer:?}") };
            views.iter().map(|view| view.id.0).collect()
        },
    );
    assert_eq!(pages, [700]);
}

#[test]
fn pages_of_expensive_entries_are_short_and_complete() {
    // Proves that a page ends when its cost reaches the limit, contains at least one entry, and that the
    // next page continues after it.
    let mut merchant = Merchant::new();
    for number in 0..40 {
        let source = SourceDefinition {
            code: format!("source-{number}"),
            name: format!("Source {number}"),
            country: "US".to_owned(),
            postcode: "1".to_owned(),
            description: "d".repeat(1_024),
            region: "r".repeat(1_024),
            city: "c".repeat(1_024),
            street: "s".repeat(1_024),
            ..SourceDefinition::default()
        };
        merchant.send(Command::DefineSource(Box::new(source)));
        merchant.send(Command::DefineStock(StockDefinition { name: format!("stock-{number}") }));
        let (stock, source) = (StockId(number), SourceId(number));
        merchant.send(Command::Link(LinkDefinition { stock, source, priority: 1 }));
    }
    for number in 0..2_000 {
        merchant.send(Command::Channel(ChannelAssignment {
            channel_type: "website".to_owned(),
            code: format!("{number}-{}", "x".repeat(200)),
            stock: StockId(number % 2),
        }));
    }
    let sources = read_all(
        &merchant.machine,
        |after| Query::Sources { after: after.map(SourceId), limit: LIST_MAX },
        |answer| {
            let Answer::Sources(views) = answer else { panic!("{answer:?}") };
            views.iter().map(|view| view.id.0).collect()
        },
    );
    // 4 KiB of text cost 65 records each.
    assert_eq!(sources, [16, 16, 8]);
    let stocks = read_all(
        &merchant.machine,
        |after| Query::Stocks { after: after.map(StockId), limit: LIST_MAX },
        |answer| {
            let Answer::Stocks(views) = answer else { panic!("{answer:?}") };
            views.iter().map(|view| view.id.0).collect()
        },
    );
    // Each of the first two contains a thousand channels. For the others two thousand channels are
    // searched.
    assert_eq!((stocks[0], stocks[1]), (1, 1));
    assert_eq!(stocks.iter().sum::<usize>(), 40);
    assert!(stocks.len() > 5, "{stocks:?}");
}
