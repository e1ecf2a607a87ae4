//! What one reservation costs the machine: time passes, the id is looked up, the cart is planned, executed
//! and recorded. Each iteration applies a batch of 1,024 carts with new ids, then takes the changes, as the
//! applier does.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use stockhold_machine::{Changes, Genesis, Machine};
use stockhold_protocol::command::{Command, Count, Envelope, LinkDefinition, SkuDefinition};
use stockhold_protocol::command::{Reserve, SourceDefinition, StockDefinition, Target};
use stockhold_protocol::{CommandId, Line, Lines, Quantity, SkuId, SourceId, StockId, Timestamp};

const NOW_MS: u64 = 1_800_000_000_000;
const BATCH: u32 = 1_024;

/// A machine with its own ids, so that every command is new.
struct World {
    machine: Machine,
    changes: Changes,
    next: u128,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl World {
    fn new(stocks: u32, sources_of: impl Fn(u32) -> Vec<u32>, sources: u32, skus: u32) -> Self {
        let genesis = Genesis { formatted_at: Timestamp(NOW_MS), ..Genesis::default() };
        let mut world = Self {
            machine: Machine::new(&genesis),
            changes: Changes::default(),
            next: 1,
            bytes: Vec::new(),
            ends: Vec::new(),
        };
        for source in 0..sources {
            world.define(&Command::DefineSource(Box::new(SourceDefinition {
                code: format!("source-{source}"),
                name: format!("Source {source}"),
                enabled: true,
                country: "US".into(),
                postcode: "10001".into(),
                ..SourceDefinition::default()
            })));
        }
        for stock in 0..stocks {
            world.define(&Command::DefineStock(StockDefinition { name: format!("stock-{stock}") }));
        }
        for stock in 0..stocks {
            for source in sources_of(stock) {
                let link = LinkDefinition { stock: StockId(stock), source: SourceId(source), priority: 1 };
                world.define(&Command::Link(link));
            }
        }
        for sku in 0..skus {
            world.define(&Command::DefineSku(SkuDefinition {
                sku: format!("SKU-{sku}"),
                ..SkuDefinition::default()
            }));
            for source in 0..sources {
                world.define(&Command::Count(Count {
                    source: SourceId(source),
                    sku: SkuId(sku),
                    quantity: Quantity::MAX,
                    in_stock: None,
                    reason: String::new(),
                    reference: String::new(),
                }));
            }
        }
        world
    }

    fn id(&mut self) -> CommandId {
        self.next += 1;
        // A Weyl sequence spreads the random bits as a client's generator does.
        CommandId::from_parts(NOW_MS, self.next.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835))
    }

    fn define(&mut self, command: &Command<'_>) {
        let id = self.id();
        let mut record = Vec::new();
        let encoded = Envelope::new(id, command.clone()).encode(&mut record);
        assert!(encoded.is_ok(), "{encoded:?}");
        let outcome = self.machine.apply(Timestamp(NOW_MS), &record);
        assert!(outcome.code.is_success(), "{command:?}: {outcome:?}");
    }

    fn fill(&mut self, lines: u32, ttl_ms: Option<u32>, pick: &mut dyn FnMut() -> (u32, u32)) {
        self.bytes.clear();
        self.ends.clear();
        for _ in 0..BATCH {
            let id = self.id();
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
                reference: "",
            };
            let encoded = Envelope::new(id, Command::Reserve(reserve)).encode(&mut self.bytes);
            assert!(encoded.is_ok(), "{encoded:?}");
            self.ends.push(self.bytes.len());
        }
    }

    fn apply_batch(&mut self) {
        let mut start = 0;
        for end in &self.ends {
            let outcome = self.machine.apply(Timestamp(NOW_MS), &self.bytes[start..*end]);
            assert!(outcome.code.is_success(), "{outcome:?}");
            start = *end;
        }
        self.machine.take_changes(&mut self.changes);
    }
}

fn bench(
    c: &mut Criterion,
    name: &str,
    mut world: World,
    lines: u32,
    ttl_ms: Option<u32>,
    mut pick: impl FnMut(u64) -> (u32, u32),
) {
    let mut group = c.benchmark_group("apply");
    group.throughput(Throughput::Elements(u64::from(BATCH)));
    group.sample_size(20);
    let mut seed = 1_u64;
    let mut draw = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        pick(seed >> 33)
    };
    let cell = std::cell::RefCell::new(&mut world);
    group.bench_function(name, |b| {
        b.iter_batched(
            || cell.borrow_mut().fill(lines, ttl_ms, &mut draw),
            |()| cell.borrow_mut().apply_batch(),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn small(number: u64) -> u32 {
    u32::try_from(number & 0x7FFF_FFFF).unwrap_or(0)
}

fn apply(c: &mut Criterion) {
    let own = |stock: u32| vec![stock];
    bench(c, "uniform", World::new(1, own, 1, 1_000), 1, None, |r| (small(r) % 1_000, 0));
    bench(c, "hot", World::new(1, own, 1, 1_000), 1, None, |_| (7, 0));
    bench(c, "holds", World::new(1, own, 1, 1_000), 1, Some(900_000), |r| (small(r) % 1_000, 0));
    bench(c, "three_lines", World::new(1, own, 1, 1_000), 3, None, |r| (small(r) % 1_000, 0));
    bench(c, "shared_by_4", World::new(4, |stock| vec![0, stock + 1], 5, 100), 1, None, |r| {
        (small(r) % 100, small(r >> 8) % 4)
    });
    let nested = |stock: u32| if stock == 0 { (0..50).collect() } else { vec![stock - 1] };
    bench(c, "web_and_50_shops", World::new(51, nested, 50, 20), 1, None, |r| {
        (small(r) % 20, small(r >> 8) % 51)
    });
}

criterion_group!(benches, apply);
criterion_main!(benches);
