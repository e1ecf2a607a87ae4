//! The cost of reading a cell while the applier publishes: alone, and with one and two readers on other threads.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stockhold::published::Published;
use stockhold_machine::{CellChange, Changes, SkuChange};
use stockhold_protocol::{SkuId, StockId};

const SKUS: u32 = 1_000;
const STOCK: StockId = StockId(0);

fn changes(value: i64) -> Changes {
    let skus = (0..SKUS).map(|sku| SkuChange { sku: SkuId(sku), next_deadline_s: u32::MAX, cells: 1 });
    let cells = (0..SKUS).map(|sku| CellChange { sku: SkuId(sku), stock: STOCK, value, upper_bound: false });
    Changes { skus: skus.collect(), cells: cells.collect(), ..Changes::default() }
}

fn next(sku: u32) -> u32 {
    (sku + 7) % SKUS
}

fn alone(c: &mut Criterion) {
    let published = Published::default();
    published.publish(&changes(50_000), 1);
    let mut group = c.benchmark_group("published");
    group.throughput(Throughput::Elements(1));
    let mut sku = 0;
    group.bench_function("check", |b| {
        b.iter(|| {
            sku = next(sku);
            black_box(published.cell(SkuId(sku), STOCK))
        });
    });
    group.bench_function("check_with_deadline", |b| {
        b.iter(|| {
            sku = next(sku);
            black_box(published.dated_cell(SkuId(sku), STOCK))
        });
    });
    group.throughput(Throughput::Elements(u64::from(SKUS)));
    let batch = changes(40_000);
    group.bench_function("publish_1000_skus", |b| b.iter(|| published.publish(&batch, 2)));
    group.finish();
}

/// Reads while another thread publishes without a pause and `others` more threads read.
fn with_a_writer(c: &mut Criterion) {
    for others in [0, 1] {
        let published = Arc::new(Published::default());
        published.publish(&changes(50_000), 1);
        let ends = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for _ in 0..others {
            let (published, ends) = (published.clone(), ends.clone());
            threads.push(std::thread::spawn(move || {
                let mut sku = 0;
                while !ends.load(Ordering::Relaxed) {
                    sku = next(sku);
                    black_box(published.cell(SkuId(sku), STOCK));
                }
            }));
        }
        let (writer, writer_ends) = (published.clone(), ends.clone());
        threads.push(std::thread::spawn(move || {
            let (one, other) = (changes(40_000), changes(30_000));
            let mut op = 1;
            while !writer_ends.load(Ordering::Relaxed) {
                op += 1;
                writer.publish(if op % 2 == 0 { &one } else { &other }, op);
            }
        }));
        let mut group = c.benchmark_group("published");
        group.throughput(Throughput::Elements(1));
        let mut sku = 0;
        group.bench_function(format!("check_while_written_{}_readers", others + 1), |b| {
            b.iter(|| {
                sku = next(sku);
                black_box(published.cell(SkuId(sku), STOCK))
            });
        });
        group.finish();
        ends.store(true, Ordering::Relaxed);
        for thread in threads {
            assert!(thread.join().is_ok(), "a reader or the writer stopped");
        }
    }
}

criterion_group!(benches, alone, with_a_writer);
criterion_main!(benches);
