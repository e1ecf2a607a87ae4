//! A machine under load for benches: a catalog, carts with new ids, and batches of them.
//!
//! It is not for tests: it only checks that the carts are granted.

use std::hint::black_box;

use stockhold_machine::config::BATCH_RULES;
use stockhold_machine::{BatchVerdict, Changes, Genesis, Machine};
use stockhold_protocol::batch::BatchHeader;
use stockhold_protocol::command::{
    Command, Count, Envelope, LinkDefinition, Reserve, SkuDefinition, SourceDefinition, StockDefinition,
    Target,
};
use stockhold_protocol::limits::FEATURE_LEVEL;
use stockhold_protocol::{CommandId, Line, Lines, Quantity, SkuId, SourceId, StockId, Timestamp};

pub(crate) const NOW_MS: u64 = 1_800_000_000_000;
pub(crate) const BATCH: u32 = 1_024;

/// A machine with a generator of ids, so that every command is new.
pub(crate) struct Fixture {
    machine: Machine,
    changes: Changes,
    batch: BatchHeader,
    next: u128,
    /// Whether each cart names an order of its own.
    names_orders: bool,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// The records that made the catalog.
    definitions: Vec<Vec<u8>>,
}

/// The genesis of the machine.
pub(crate) fn genesis() -> Genesis {
    Genesis { formatted_at: Timestamp(NOW_MS), ..Genesis::default() }
}

impl Fixture {
    /// A machine with stocks that have the sources of `sources_of`, and SKUs with `on_hand` at every
    /// source.
    pub(crate) fn new(
        stocks: u32,
        sources_of: impl Fn(u32) -> Vec<u32>,
        sources: u32,
        skus: u32,
        on_hand: Quantity,
    ) -> Self {
        let mut fixture = Self {
            machine: Machine::new(&genesis()),
            changes: Changes::default(),
            batch: BatchHeader {
                rules: BATCH_RULES,
                feature_level: FEATURE_LEVEL,
                count: BATCH,
                writer: 1,
                session: 1,
                number: 0,
                proposed: Timestamp(NOW_MS),
                applied_op: 0,
                digest_op: 0,
                digest: 0,
            },
            next: 1,
            names_orders: false,
            bytes: Vec::new(),
            ends: Vec::new(),
            definitions: Vec::new(),
        };
        for source in 0..sources {
            fixture.define(&Command::DefineSource(Box::new(SourceDefinition {
                code: format!("source-{source}"),
                name: format!("Source {source}"),
                enabled: true,
                country: "US".into(),
                postcode: "10001".into(),
                ..SourceDefinition::default()
            })));
        }
        for stock in 0..stocks {
            fixture.define(&Command::DefineStock(StockDefinition { name: format!("stock-{stock}") }));
        }
        for stock in 0..stocks {
            for source in sources_of(stock) {
                let link = LinkDefinition { stock: StockId(stock), source: SourceId(source), priority: 1 };
                fixture.define(&Command::Link(link));
            }
        }
        for sku in 0..skus {
            fixture.define(&Command::DefineSku(SkuDefinition {
                sku: format!("SKU-{sku}"),
                ..SkuDefinition::default()
            }));
            for source in 0..sources {
                fixture.define(&Command::Count(Count {
                    source: SourceId(source),
                    sku: SkuId(sku),
                    quantity: on_hand,
                    in_stock: None,
                    reason: String::new(),
                    reference: String::new(),
                }));
            }
        }
        fixture
    }

    /// The same, but each cart names an order of its own.
    pub(crate) fn with_orders(mut self) -> Self {
        self.names_orders = true;
        self
    }

    fn id(&mut self) -> CommandId {
        self.next += 1;
        // A Weyl sequence distributes the random bits as the generator of a client does.
        CommandId::from_parts(NOW_MS, self.next.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835))
    }

    fn define(&mut self, command: &Command<'_>) {
        let id = self.id();
        let mut record = Vec::new();
        let encoded = Envelope::new(id, command.clone()).encode(&mut record);
        assert!(encoded.is_ok(), "{encoded:?}");
        let outcome = self.machine.apply(Timestamp(NOW_MS), &record);
        assert!(outcome.code.is_success(), "{command:?}: {outcome:?}");
        self.definitions.push(record);
    }

    /// Makes a batch of carts; `pick` chooses SKU and stock.
    pub(crate) fn fill(&mut self, lines: u32, ttl_ms: Option<u32>, pick: &mut dyn FnMut() -> (u32, u32)) {
        self.bytes.clear();
        self.ends.clear();
        for _ in 0..BATCH {
            let id = self.id();
            let reference = if self.names_orders { format!("{:09}", self.next) } else { String::new() };
            let mut cart = Vec::new();
            let mut stock = 0;
            for _ in 0..lines {
                let (sku, of) = pick();
                stock = of;
                cart.push(Line::new(SkuId(sku), Quantity::units(1).unwrap_or_default()));
            }
            let reserve = Reserve {
                target: Target::Stock(StockId(stock)),
                lines: Lines::Slice(&cart),
                best_effort: false,
                ttl_ms,
                owner: 0,
                reference: &reference,
            };
            let encoded = Envelope::new(id, Command::Reserve(reserve)).encode(&mut self.bytes);
            assert!(encoded.is_ok(), "{encoded:?}");
            self.ends.push(self.bytes.len());
        }
    }

    /// Applies the batch as the applier does, and takes the changes.
    pub(crate) fn apply_batch(&mut self) {
        self.apply_all(true);
    }

    /// Like [`Fixture::apply_batch`], for carts that are all refused.
    pub(crate) fn refuse_batch(&mut self) {
        self.apply_all(false);
    }

    fn apply_all(&mut self, is_granted: bool) {
        self.batch.number += 1;
        assert!(self.machine.begin_batch(&self.batch) == BatchVerdict::Apply, "each batch comes next");
        let mut start = 0;
        for end in &self.ends {
            let outcome = self.machine.apply(Timestamp(NOW_MS), &self.bytes[start..*end]);
            assert!(outcome.code.is_success() == is_granted, "{outcome:?}");
            start = *end;
        }
        black_box(self.machine.end_batch());
        self.machine.take_changes(&mut self.changes);
    }

    /// The records that made the catalog.
    pub(crate) fn definitions(&self) -> &[Vec<u8>] {
        &self.definitions
    }

    /// The machine.
    pub(crate) fn machine(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// The records of the batch, concatenated.
    pub(crate) fn records(&self) -> &[u8] {
        &self.bytes
    }
}
