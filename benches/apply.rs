//! The cost of one reservation in the machine: time passes, the id is looked up, the cart is planned, executed and
//! recorded. Each iteration applies a batch of 1,024 carts with new ids, then takes the changes, as the applier does.
#![expect(dead_code, reason = "the instruction counts use more of the fixture")]

#[path = "../crates/machine/benches/fixture.rs"]
mod fixture;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fixture::{BATCH, Fixture};
use stockhold_protocol::Quantity;

fn bench(
    c: &mut Criterion,
    name: &str,
    mut fixture: Fixture,
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
    let cell = std::cell::RefCell::new(&mut fixture);
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

/// Carts that are refused because nothing is left.
fn sold_out(c: &mut Criterion) {
    let mut group = c.benchmark_group("apply");
    group.throughput(Throughput::Elements(u64::from(BATCH)));
    group.sample_size(20);
    let fixture = std::cell::RefCell::new(Fixture::new(1, |stock| vec![stock], 1, 1_000, Quantity::ZERO));
    let mut next = 0_u32;
    let mut pick = move || {
        next = next.wrapping_add(7);
        (next % 1_000, 0)
    };
    group.bench_function("sold_out", |b| {
        b.iter_batched(
            || fixture.borrow_mut().fill(1, None, &mut pick),
            |()| fixture.borrow_mut().refuse_batch(),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// A draw that favours few SKUs, as shoppers do: the n-th has a share of about 1/n.
fn zipf(draw: u64) -> u32 {
    let bits = small(draw >> 3) % 10;
    // Each power of two of ranks gets the same share.
    let span = 1_u32 << bits;
    (span - 1 + small(draw >> 13) % span).min(999)
}

fn apply(c: &mut Criterion) {
    let own = |stock: u32| vec![stock];
    bench(c, "uniform", Fixture::new(1, own, 1, 1_000, Quantity::MAX), 1, None, |r| (small(r) % 1_000, 0));
    bench(c, "hot", Fixture::new(1, own, 1, 1_000, Quantity::MAX), 1, None, |_| (7, 0));
    bench(c, "zipf", Fixture::new(1, own, 1, 1_000, Quantity::MAX), 1, None, |r| (zipf(r), 0));
    bench(c, "holds", Fixture::new(1, own, 1, 1_000, Quantity::MAX), 1, Some(900_000), |r| {
        (small(r) % 1_000, 0)
    });
    bench(c, "three_lines", Fixture::new(1, own, 1, 1_000, Quantity::MAX), 3, None, |r| {
        (small(r) % 1_000, 0)
    });
    bench(
        c,
        "shared_by_4",
        Fixture::new(4, |stock| vec![0, stock + 1], 5, 100, Quantity::MAX),
        1,
        None,
        |r| (small(r) % 100, small(r >> 8) % 4),
    );
    let nested = |stock: u32| if stock == 0 { (0..50).collect() } else { vec![stock - 1] };
    sold_out(c);
    bench(c, "web_and_50_shops", Fixture::new(51, nested, 50, 20, Quantity::MAX), 1, None, |r| {
        (small(r) % 20, small(r >> 8) % 51)
    });
    let nested = |stock: u32| if stock == 0 { (0..200).collect() } else { vec![stock - 1] };
    bench(c, "web_and_200_shops", Fixture::new(201, nested, 200, 8, Quantity::MAX), 1, None, |r| {
        (small(r) % 8, small(r >> 8) % 201)
    });
}

criterion_group!(benches, apply);
criterion_main!(benches);
