//! Looking ahead over a catalog that is too large for it to be left out: it must change nothing, whatever the records are.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use stockhold_machine::{AHEAD, Changes, Genesis, Machine};
use stockhold_protocol::command::{
    Command, Count, Envelope, LinkDefinition, Reserve, SkuDefinition, SourceDefinition, StockDefinition,
    Target,
};
use stockhold_protocol::{Code, CommandId, Line, Lines, Quantity, SkuId, SourceId, StockId, Timestamp};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
/// Beyond what a machine takes for small.
const SKUS: u32 = 9_000;

struct Shop {
    machine: Machine,
    next: u128,
}

impl Shop {
    fn record(&mut self, command: Command<'_>) -> Vec<u8> {
        self.next += 1;
        let mut record = Vec::new();
        Envelope::new(CommandId::from_parts(NOW.0, self.next), command).encode(&mut record).unwrap();
        record
    }

    fn done(&mut self, command: Command<'_>) {
        let record = self.record(command);
        let outcome = self.machine.apply(NOW, &record);
        assert!(outcome.code.is_success(), "{outcome:?}");
    }

    /// Every other SKU lies somewhere, so that some have no cluster.
    fn open() -> Self {
        let genesis = Genesis { formatted_at: NOW, ..Genesis::default() };
        let mut shop = Self { machine: Machine::new(&genesis), next: 0 };
        let source = SourceDefinition {
            code: "a".into(),
            name: "A".into(),
            enabled: true,
            country: "NL".into(),
            postcode: "1".into(),
            ..SourceDefinition::default()
        };
        shop.done(Command::DefineSource(Box::new(source)));
        shop.done(Command::DefineStock(StockDefinition { name: "web".into() }));
        shop.done(Command::Link(LinkDefinition { stock: StockId(0), source: SourceId(0), priority: 1 }));
        for number in 0..SKUS {
            shop.done(Command::DefineSku(SkuDefinition {
                sku: format!("S{number}"),
                ..SkuDefinition::default()
            }));
            if number % 2 == 0 {
                let (quantity, reason, reference) =
                    (Quantity::units(5).unwrap(), String::new(), String::new());
                let (source, sku) = (SourceId(0), SkuId(number));
                shop.done(Command::Count(Count { source, sku, quantity, in_stock: None, reason, reference }));
            }
        }
        shop
    }

    fn cart(&mut self, sku: u32) -> Vec<u8> {
        let lines = [Line::new(SkuId(sku), Quantity::units(1).unwrap())];
        self.record(Command::Reserve(Reserve {
            target: Target::Stock(StockId(0)),
            lines: Lines::Slice(&lines),
            best_effort: false,
            ttl_ms: None,
            owner: 0,
            reference: "",
        }))
    }
}

#[test]
fn looking_ahead_changes_neither_digest_nor_answers() {
    // Proves that carts on SKUs with goods, without any, and with numbers that nobody has, are looked at and decided as without looking.
    let (mut looking, mut plain) = (Shop::open(), Shop::open());
    for round in 0..200_u32 {
        let skus: Vec<u32> = (0_u32..).take(AHEAD).map(|at| (round * 97 + at * 613) % (SKUS + 50)).collect();
        let records: Vec<Vec<u8>> = skus.iter().map(|sku| looking.cart(*sku)).collect();
        looking.machine.prefetch(records.iter().map(Vec::as_slice));
        for (record, sku) in records.iter().zip(skus) {
            let outcome = looking.machine.apply(NOW, record);
            assert_eq!(plain.machine.apply(NOW, record), outcome);
            assert!(sku < SKUS || outcome.code == Code::UnknownName, "{sku}: {outcome:?}");
        }
        assert_eq!(looking.machine.digest(), plain.machine.digest());
    }
    let (mut changes, mut others) = (Changes::default(), Changes::default());
    looking.machine.take_changes(&mut changes);
    plain.machine.take_changes(&mut others);
    assert_eq!((changes.skus, changes.cells), (others.skus, others.cells));
    assert_eq!(looking.machine.validate(), Vec::<String>::new());
}

#[test]
fn whatever_the_bytes_are_they_can_be_looked_at() {
    // Proves that records which are cut off, empty, drawn or of other kinds, and more of them than are looked at, harm nothing.
    let mut shop = Shop::open();
    let digest = shop.machine.digest();
    let whole = shop.cart(2);
    let mut seed = 7_u64;
    let mut drawn = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed.to_le_bytes()
    };
    let mut records: Vec<Vec<u8>> = (0..=whole.len()).map(|length| whole[..length].to_vec()).collect();
    records.extend((0..2_000).map(|_| (0..6).flat_map(|_| drawn()).collect::<Vec<u8>>()));
    for some in records.chunks(AHEAD + 3) {
        shop.machine.prefetch(some.iter().map(Vec::as_slice));
    }
    assert_eq!(shop.machine.digest(), digest);
}
