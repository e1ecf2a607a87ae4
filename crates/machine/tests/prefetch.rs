//! Prefetching with a catalog that is large enough for it to be used. It must change nothing, whatever the
//! records are.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use stockhold_machine::{Changes, Genesis, Machine, PREFETCH_WIDTH};
use stockhold_protocol::command::{
    Command, Count, Envelope, LinkDefinition, Reserve, SkuDefinition, SourceDefinition, StockDefinition,
    Target,
};
use stockhold_protocol::{Code, CommandId, Line, Lines, Quantity, SkuId, SourceId, StockId, Timestamp};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
/// More SKUs than the limit up to which prefetching is skipped.
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

    fn apply(&mut self, command: Command<'_>) {
        let record = self.record(command);
        let outcome = self.machine.apply(NOW, &record);
        assert!(outcome.code.is_success(), "{outcome:?}");
    }

    /// Every other SKU has a source item, so that some have no cluster.
    fn new() -> Self {
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
        shop.apply(Command::DefineSource(Box::new(source)));
        shop.apply(Command::DefineStock(StockDefinition { name: "web".into() }));
        shop.apply(Command::Link(LinkDefinition { stock: StockId(0), source: SourceId(0), priority: 1 }));
        for number in 0..SKUS {
            shop.apply(Command::DefineSku(SkuDefinition {
                sku: format!("S{number}"),
                ..SkuDefinition::default()
            }));
            if number % 2 == 0 {
                let (quantity, reason, reference) =
                    (Quantity::units(5).unwrap(), String::new(), String::new());
                let (source, sku) = (SourceId(0), SkuId(number));
                shop.apply(Command::Count(Count {
                    source,
                    sku,
                    quantity,
                    in_stock: None,
                    reason,
                    reference,
                }));
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
fn prefetching_changes_neither_digest_nor_answers() {
    // Proves that prefetching does not affect carts on SKUs with goods, SKUs without goods, and numbers
    // without a SKU.
    let (mut prefetching, mut plain) = (Shop::new(), Shop::new());
    for round in 0..200_u32 {
        let skus: Vec<u32> =
            (0_u32..).take(PREFETCH_WIDTH).map(|at| (round * 97 + at * 613) % (SKUS + 50)).collect();
        let records: Vec<Vec<u8>> = skus.iter().map(|sku| prefetching.cart(*sku)).collect();
        prefetching.machine.prefetch(records.iter().map(Vec::as_slice));
        for (record, sku) in records.iter().zip(skus) {
            let outcome = prefetching.machine.apply(NOW, record);
            assert_eq!(plain.machine.apply(NOW, record), outcome);
            assert!(sku < SKUS || outcome.code == Code::UnknownName, "{sku}: {outcome:?}");
        }
        assert_eq!(prefetching.machine.digest(), plain.machine.digest());
    }
    let (mut changes, mut others) = (Changes::default(), Changes::default());
    prefetching.machine.take_changes(&mut changes);
    plain.machine.take_changes(&mut others);
    assert_eq!((changes.skus, changes.cells), (others.skus, others.cells));
    assert_eq!(prefetching.machine.validate(), Vec::<String>::new());
}

#[test]
fn any_bytes_can_be_prefetched() {
    // Proves that prefetching accepts records that are cut off, empty, random or of other kinds, and more
    // records than its width.
    let mut shop = Shop::new();
    let digest = shop.machine.digest();
    let whole = shop.cart(2);
    let mut seed = 7_u64;
    let mut drawn = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed.to_le_bytes()
    };
    let mut records: Vec<Vec<u8>> = (0..=whole.len()).map(|length| whole[..length].to_vec()).collect();
    records.extend((0..2_000).map(|_| (0..6).flat_map(|_| drawn()).collect::<Vec<u8>>()));
    for chunk in records.chunks(PREFETCH_WIDTH + 3) {
        shop.machine.prefetch(chunk.iter().map(Vec::as_slice));
    }
    assert_eq!(shop.machine.digest(), digest);
}
