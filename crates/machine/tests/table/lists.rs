//! The cost of a list is bounded, and reading all pages returns every entry.

use super::machines::{START_S, without_gaps};
use stockhold_machine::{Genesis, Machine};
use stockhold_protocol::command::{
    ChannelAssignment, Configure, LinkDefinition, Rename, SkuDefinition, SourceDefinition, StockDefinition,
};
use stockhold_protocol::query::{LIST_MAX, Name, OldNameView, Query, QueryAnswer};
use stockhold_protocol::{Command, CommandId, Envelope, SourceId, StockId, Timestamp};

/// A machine with many entries, some of which are expensive.
pub(super) struct Merchant {
    pub(super) machine: Machine,
    now_ms: u64,
    ids: u64,
}

impl Merchant {
    pub(super) fn new() -> Self {
        let genesis = Genesis { formatted_at: Timestamp(START_S * 1_000), configuration: without_gaps() };
        Self { machine: Machine::new(&genesis), now_ms: START_S * 1_000, ids: 0 }
    }

    pub(super) fn send(&mut self, command: Command<'_>) {
        self.ids += 1;
        let id = CommandId::from_parts(self.now_ms, u128::from(self.ids));
        let mut record = Vec::new();
        Envelope::new(id, command).encode(&mut record).unwrap();
        let outcome = self.machine.apply(Timestamp(self.now_ms), &record);
        assert!(outcome.code.is_success(), "{outcome:?}");
    }
}

/// Reads all pages of a list as PROTOCOL.md describes, and returns the length of each page.
fn read_all(
    machine: &Machine,
    ask: impl Fn(Option<u32>) -> Query,
    numbers: impl Fn(QueryAnswer) -> Vec<u32>,
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
            let QueryAnswer::Skus(views) = answer else { panic!("{answer:?}") };
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
            let QueryAnswer::Sources(views) = answer else { panic!("{answer:?}") };
            views.iter().map(|view| view.id.0).collect()
        },
    );
    // 4 KiB of text cost 65 records each.
    assert_eq!(sources, [16, 16, 8]);
    let stocks = read_all(
        &merchant.machine,
        |after| Query::Stocks { after: after.map(StockId), limit: LIST_MAX },
        |answer| {
            let QueryAnswer::Stocks(views) = answer else { panic!("{answer:?}") };
            views.iter().map(|view| view.id.0).collect()
        },
    );
    // Each of the first two contains a thousand channels. For the others two thousand channels are
    // searched.
    assert_eq!((stocks[0], stocks[1]), (1, 1));
    assert_eq!(stocks.iter().sum::<usize>(), 40);
    assert!(stocks.len() > 5, "{stocks:?}");
}

const GRACE_MS: u64 = 60_000;

/// A merchant who has defined these SKUs and keeps old names for a minute.
fn merchant_of(skus: &[&str]) -> Merchant {
    let mut merchant = Merchant::new();
    let (id_retention_ms, name_grace_ms) = (Some(GRACE_MS), Some(GRACE_MS));
    merchant.send(Command::Configure(Box::new(Configure {
        id_retention_ms,
        name_grace_ms,
        ..Default::default()
    })));
    for sku in skus {
        merchant.define(sku);
    }
    merchant
}

impl Merchant {
    fn define(&mut self, sku: &str) {
        self.send(Command::DefineSku(SkuDefinition { sku: sku.into(), ..SkuDefinition::default() }));
    }

    fn rename(&mut self, number: u32, to: &str) {
        self.send(Command::Rename(Rename { number, to: Name::Sku(to.into()) }));
    }

    fn old_names(&self, after: Option<u64>, limit: u32) -> Vec<OldNameView> {
        match self.machine.query(&Query::OldNames { after, limit }) {
            Some(QueryAnswer::OldNames(views)) => views,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn old_names_are_listed_until_something_gets_them() {
    // Proves what the list tells of a name, also after its grace, and which names are not in it.
    let mut merchant = merchant_of(&["BIKE", "CAR"]);
    assert_eq!(merchant.old_names(None, LIST_MAX), []);
    merchant.rename(0, "BIKE-1");
    let bike = OldNameView {
        op: merchant.machine.op(),
        name: Name::Sku("BIKE".into()),
        number: 0,
        present: Name::Sku("BIKE-1".into()),
        until_ms: START_S * 1_000 + GRACE_MS,
    };
    assert_eq!(merchant.old_names(None, LIST_MAX), std::slice::from_ref(&bike));
    merchant.now_ms += GRACE_MS;
    merchant.rename(0, "BIKE-2");
    merchant.rename(1, "CAR-1");
    let bike = OldNameView { present: Name::Sku("BIKE-2".into()), ..bike };
    let listed = merchant.old_names(None, LIST_MAX);
    assert_eq!((listed.len(), &listed[0]), (3, &bike));
    assert_eq!(merchant.old_names(None, 0), [bike]);
    assert_eq!(merchant.old_names(Some(listed[0].op), 1), listed[1..2]);
    assert_eq!(merchant.old_names(Some(listed[1].op), 9), listed[2..]);
    assert_eq!(merchant.old_names(Some(listed[2].op), 9), []);
    merchant.define("BIKE");
    merchant.rename(1, "CAR");
    let names: Vec<Name> = merchant.old_names(None, 9).into_iter().map(|view| view.name).collect();
    assert_eq!(names, ["BIKE-1", "CAR-1"].map(|name| Name::Sku(name.into())));
}

#[test]
fn pages_of_old_names_are_bounded_by_their_text() {
    // Proves that a page of the longest names is short, and that all pages together have each name once.
    let long = |number: u32| format!("{number:04}") + &"😀".repeat(60);
    let mut merchant = merchant_of(&[&long(0)]);
    for number in 1..=500 {
        merchant.rename(0, &long(number));
    }
    let (mut pages, mut all) = (Vec::new(), Vec::new());
    loop {
        let page = merchant.old_names(all.last().map(|view: &OldNameView| view.op), LIST_MAX);
        if page.is_empty() {
            break;
        }
        pages.push(page.len());
        all.extend(page);
    }
    // 488 bytes of text cost eight records.
    assert_eq!(pages, [125, 125, 125, 125]);
    assert!((0..500).zip(&all).all(|(number, view)| view.name == Name::Sku(long(number))));
}
