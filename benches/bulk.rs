//! The pause of the applier for the largest command that changes many source items: apply, and the changes for readers.
//! `cargo bench -p stockhold-bench --bench bulk`. Each figure is the median and the longest of several runs.
#![expect(clippy::print_stdout, clippy::expect_used, reason = "a command line program for developers")]

use std::hint::black_box;
use std::time::{Duration, Instant};
use stockhold_machine::config::BATCH_RULES;
use stockhold_machine::{Changes, Genesis, Machine};
use stockhold_protocol::batch::BatchHeader;
use stockhold_protocol::command::{
    Assign, CountLine, CountMany, LinkDefinition, Reserve, SkuDefinition, SourceDefinition, StockDefinition,
    Target, TransferLines, TransferMany, Unassign,
};
use stockhold_protocol::limits::{BULK_LINES_MAX, BULK_PAIRS_MAX, FEATURE_LEVEL};
use stockhold_protocol::{
    Code, Command, CommandId, Envelope, Line, Lines, Quantity, SkuId, SourceId, StockId, Timestamp,
};

const NOW_MS: u64 = 1_800_000_000_000;
const ROUNDS: usize = 21;

struct Bench {
    machine: Machine,
    changes: Changes,
    batch: u64,
    next: u128,
}

impl Bench {
    /// Stocks that are linked to sources, and SKUs without source items.
    fn new(sources: u32, stocks: &[Vec<u32>], skus: u32) -> Self {
        let machine = Machine::new(&Genesis { formatted_at: Timestamp(NOW_MS), ..Genesis::default() });
        let mut bench = Self { machine, changes: Changes::default(), batch: 0, next: 1 };
        for source in 0..sources {
            bench.run(&Command::DefineSource(Box::new(SourceDefinition {
                code: format!("s{source}"),
                name: format!("s{source}"),
                enabled: true,
                country: "US".into(),
                postcode: "1".into(),
                ..SourceDefinition::default()
            })));
        }
        for stock in 0..u32::try_from(stocks.len()).expect("few") {
            bench.run(&Command::DefineStock(StockDefinition { name: format!("t{stock}") }));
        }
        for (stock, sources) in (0..).zip(stocks) {
            for source in sources {
                let link = LinkDefinition { stock: StockId(stock), source: SourceId(*source), priority: 1 };
                bench.run(&Command::Link(link));
            }
        }
        for sku in 0..skus {
            bench.run(&Command::DefineSku(SkuDefinition { sku: format!("k{sku}"), ..Default::default() }));
        }
        bench
    }

    /// Executes a command as a batch of its own, with the changes for readers. The decoding of the record is included.
    fn run(&mut self, command: &Command<'_>) -> Duration {
        let mut record = Vec::new();
        let id = CommandId::from_parts(NOW_MS, self.next);
        self.next += 1;
        Envelope::new(id, command.clone()).encode(&mut record).expect("it is within the limits");
        self.batch += 1;
        let header = BatchHeader {
            rules: BATCH_RULES,
            feature_level: FEATURE_LEVEL,
            count: 1,
            writer: 1,
            session: 1,
            number: self.batch,
            proposed: Timestamp(NOW_MS),
            applied_op: 0,
            digest_op: 0,
            digest: 0,
        };
        self.machine.begin_batch(&header);
        let begun = Instant::now();
        let outcome = self.machine.apply(Timestamp(NOW_MS), black_box(&record));
        self.machine.end_batch();
        self.machine.take_changes(&mut self.changes);
        let taken = begun.elapsed();
        assert!(outcome.code == Code::Ok, "{:?} {:?}", command.kind(), outcome.code);
        taken
    }

    fn count_all(&mut self, skus: u32, source: u32, units: i64) {
        for first in (0..skus).step_by(BULK_LINES_MAX) {
            let end = skus.min(first + u32::try_from(BULK_LINES_MAX).expect("small"));
            self.run(&count_many(first..end, source, units));
        }
    }

    fn promise_all(&mut self, skus: u32, stock: u32) {
        for sku in 0..skus {
            let lines = [Line::new(SkuId(sku), units(1))];
            self.run(&Command::Reserve(Reserve {
                target: Target::Stock(StockId(stock)),
                lines: Lines::Slice(&lines),
                best_effort: false,
                ttl_ms: None,
                owner: 0,
                reference: "",
            }));
        }
    }
}

fn units(units: i64) -> Quantity {
    Quantity::units(units).expect("small")
}

fn skus(count: u32) -> Vec<SkuId> {
    (0..count).map(SkuId).collect()
}

fn sources(first: u32, count: u32) -> Vec<SourceId> {
    (first..first + count).map(SourceId).collect()
}

fn count_many(skus: std::ops::Range<u32>, source: u32, quantity: i64) -> Command<'static> {
    let line = |sku| CountLine {
        sku: SkuId(sku),
        source: SourceId(source),
        quantity: units(quantity),
        in_stock: None,
    };
    Command::CountMany(Box::new(CountMany {
        lines: skus.map(line).collect(),
        reason: String::new(),
        reference: String::new(),
    }))
}

fn assign(skus: Vec<SkuId>, sources: Vec<SourceId>) -> Command<'static> {
    Command::Assign(Box::new(Assign { skus, sources, reason: String::new() }))
}

fn unassign(skus: Vec<SkuId>, sources: Vec<SourceId>) -> Command<'static> {
    Command::Unassign(Box::new(Unassign { skus, sources, forced: false, reason: String::new() }))
}

fn transfer_many(skus: Vec<SkuId>, from: u32, to: u32) -> Command<'static> {
    let (from, to, reason) = (SourceId(from), SourceId(to), String::new());
    Command::TransferMany(Box::new(TransferMany { from, to, skus, unassign: false, forced: false, reason }))
}

fn transfer_lines(count: u32, from: u32, to: u32) -> Command<'static> {
    let lines = (0..count).map(|sku| Line::new(SkuId(sku), units(1))).collect();
    let (from, to, reason) = (SourceId(from), SourceId(to), String::new());
    Command::TransferLines(Box::new(TransferLines { from, to, lines, forced: false, reason }))
}

/// Runs two commands in turn, each of which undoes the other, and prints both.
fn pair(bench: &mut Bench, names: [&str; 2], commands: &[Command<'static>; 2]) {
    let mut taken = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (one, taken) in commands.iter().zip(&mut taken) {
            taken.push(bench.run(one));
        }
    }
    for (name, mut taken) in names.into_iter().zip(taken) {
        taken.sort_unstable();
        let (median, longest) = (taken[ROUNDS / 2].as_micros(), taken[ROUNDS - 1].as_micros());
        println!("{name:64} median {median:6} µs, longest {longest:6} µs");
    }
}

fn lines(bench: &mut Bench, name: &str) {
    let count = u32::try_from(BULK_LINES_MAX).expect("small");
    bench.count_all(count, 0, 100);
    bench.count_all(count, 1, 100);
    let there = transfer_lines(count, 0, 1);
    let back = transfer_lines(count, 1, 0);
    pair(
        bench,
        [&format!("transfer_lines, 2,048, {name}"), &format!("transfer_lines back, {name}")],
        &[there, back],
    );
    pair(
        bench,
        [&format!("count_many, 2,048, {name}"), &format!("count_many again, {name}")],
        &[count_many(0..count, 0, 90), count_many(0..count, 0, 100)],
    );
}

fn main() {
    let pairs = u32::try_from(BULK_PAIRS_MAX).expect("small");
    let web_and_shop = [vec![0], vec![0, 1]];
    let mut bench = Bench::new(3, &web_and_shop, pairs);
    let all = || skus(pairs);
    bench.count_all(pairs, 0, 100);
    pair(
        &mut bench,
        ["assign, 10,000 SKUs at 1 source", "unassign, 10,000 SKUs at 1 source"],
        &[assign(all(), sources(1, 1)), unassign(all(), sources(1, 1))],
    );
    pair(
        &mut bench,
        ["assign, 5,000 SKUs at 2 sources", "unassign, 5,000 SKUs at 2 sources"],
        &[assign(skus(5_000), sources(1, 2)), unassign(skus(5_000), sources(1, 2))],
    );
    bench.count_all(pairs, 1, 100);
    let transfers = [transfer_many(all(), 0, 1), transfer_many(all(), 1, 0)];
    let names = ["transfer_many, 10,000 SKUs, no promises", "transfer_many back"];
    pair(&mut bench, names, &transfers);
    lines(&mut bench, "no promises");
    bench.count_all(pairs, 0, 100);
    bench.count_all(pairs, 1, 100);
    bench.promise_all(pairs, 1);
    let names = ["transfer_many, 10,000 SKUs, all promised", "transfer_many back, all promised"];
    pair(&mut bench, names, &transfers);
    lines(&mut bench, "all promised");

    let mut bench = Bench::new(pairs, &[vec![0]], 1);
    pair(
        &mut bench,
        ["assign, 1 SKU at 10,000 sources", "unassign, 1 SKU at 10,000 sources"],
        &[assign(skus(1), sources(0, pairs)), unassign(skus(1), sources(0, pairs))],
    );
    let own: Vec<Vec<u32>> = (0..2_000).map(|stock| vec![stock]).collect();
    let mut bench = Bench::new(2_000, &own, 5);
    pair(
        &mut bench,
        [
            "assign, 5 SKUs at 2,000 sources of a stock each",
            "unassign, 5 SKUs at 2,000 sources of a stock each",
        ],
        &[assign(skus(5), sources(0, 2_000)), unassign(skus(5), sources(0, 2_000))],
    );
    let nested: Vec<Vec<u32>> =
        std::iter::once((0..200).collect()).chain((0..200).map(|shop| vec![shop])).collect();
    let mut bench = Bench::new(200, &nested, 50);
    pair(
        &mut bench,
        [
            "assign, 50 SKUs at 200 shops below a web stock",
            "unassign, 50 SKUs at 200 shops below a web stock",
        ],
        &[assign(skus(50), sources(0, 200)), unassign(skus(50), sources(0, 200))],
    );
    // No nesting and more than six different stocks: what is left is a flow.
    let ring: Vec<Vec<u32>> = (0..8).map(|stock| vec![stock, (stock + 1) % 8]).collect();
    let mut bench = Bench::new(8, &ring, pairs);
    bench.count_all(pairs, 0, 100);
    bench.count_all(pairs, 1, 100);
    bench.promise_all(pairs, 0);
    let names =
        ["transfer_many, 10,000 SKUs, promised, 8 stocks in a ring (flow)", "transfer_many back, flow"];
    pair(&mut bench, names, &transfers);
}
