//! The cost of the codec: a single-line reserve to its record and back, its fingerprint, an outcome to its record and
//! back. Each iteration handles one, so the figures are per operation.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use stockhold_protocol::codec::Reader;
use stockhold_protocol::command::{Reserve, Scratch, Target};
use stockhold_protocol::frame::{self, FrameKind, Header};
use stockhold_protocol::limits::FRAME_BODY_BYTES_MAX;
use stockhold_protocol::{
    Code, Command, CommandId, Envelope, Line, Lines, Outcome, Quantity, SkuId, StockId,
};

const NOW_MS: u64 = 1_800_000_000_000;

fn envelope(lines: &[Line]) -> Envelope<'_> {
    let reserve = Reserve {
        target: Target::Stock(StockId(1)),
        lines: Lines::Slice(lines),
        best_effort: false,
        ttl_ms: None,
        owner: 0,
        reference: "",
    };
    Envelope::new(CommandId::from_parts(NOW_MS, 77), Command::Reserve(reserve))
}

fn commands(c: &mut Criterion) {
    let lines = [Line::new(SkuId(7), Quantity::units(1).unwrap_or_default())];
    let mut record = Vec::new();
    let encoded = envelope(&lines).encode(&mut record);
    assert!(encoded.is_ok(), "the sample is a good command");
    let mut group = c.benchmark_group("codec");
    group.throughput(Throughput::Elements(1));
    group.bench_function("encode_reserve", |b| {
        let mut out = Vec::with_capacity(64);
        b.iter(|| {
            out.clear();
            black_box(envelope(&lines).encode(&mut out)).is_ok()
        });
    });
    group.bench_function("decode_reserve", |b| b.iter(|| Envelope::decode(black_box(&record)).is_ok()));
    group.bench_function("fingerprint_reserve", |b| {
        let mut scratch = Scratch::default();
        let envelope = envelope(&lines);
        b.iter(|| black_box(&envelope).command.fingerprint(&mut scratch));
    });
    group.finish();
}

fn outcomes(c: &mut Criterion) {
    let outcome = Outcome::new(Code::Ok, 0, 9);
    let mut bytes = Vec::new();
    outcome.encode(3, &mut bytes);
    let mut group = c.benchmark_group("codec");
    group.throughput(Throughput::Elements(1));
    group.bench_function("encode_outcome", |b| {
        let mut out = Vec::with_capacity(64);
        b.iter(|| {
            out.clear();
            black_box(&outcome).encode(3, &mut out);
        });
    });
    group.bench_function("decode_outcome", |b| {
        b.iter(|| Outcome::decode(&mut Reader::new(black_box(&bytes))).is_ok());
    });
    group.finish();
}

/// A frame of 128 carts is checked and split into records.
fn frames(c: &mut Criterion) {
    let lines = [Line::new(SkuId(7), Quantity::units(1).unwrap_or_default())];
    let mut body = Vec::new();
    for _ in 0..128 {
        assert!(envelope(&lines).encode(&mut body).is_ok(), "the sample is a good command");
    }
    let mut bytes = Vec::new();
    frame::append(Header::new(FrameKind::Commands, 1, 128), &body, &mut bytes);
    let mut group = c.benchmark_group("codec");
    group.throughput(Throughput::Elements(128));
    group.bench_function("parse_frame_of_128", |b| {
        b.iter(|| frame::parse(black_box(&bytes), FRAME_BODY_BYTES_MAX).is_ok());
    });
    group.finish();
}

criterion_group!(benches, commands, outcomes, frames);
criterion_main!(benches);
