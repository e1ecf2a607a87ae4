//! Runs one scenario a fixed number of times to count instructions: `scripts/instructions.sh` runs it under
//! callgrind, which counts only inside [`measured`]. Instruction counts are reproducible, unlike durations,
//! so they can guard the cost of an operation.
//!
//! They do not measure speed: memory stalls and system calls are not counted.
#![expect(clippy::print_stderr, reason = "a command line program reports wrong arguments on stderr")]
#![expect(dead_code, reason = "the timed benches use more of the fixture")]

mod fixture;

use std::hint::black_box;
use std::process::ExitCode;

use fixture::{BATCH, Fixture};
use stockhold_protocol::command::record_length;
use stockhold_protocol::{Envelope, Outcome, Quantity};

/// Batches before counting begins, so that tables have grown and memory is mapped.
const WARM_UP: u32 = 24;
/// Batches that are counted.
const COUNTED: u32 = 16;

/// Everything inside is counted. The function must not be inlined, because callgrind finds it by its name.
#[inline(never)]
fn measured(work: &mut dyn FnMut()) {
    work();
}

fn nested(shops: u32) -> impl Fn(u32) -> Vec<u32> {
    move |stock| if stock == 0 { (0..shops).collect() } else { vec![stock - 1] }
}

fn granted(mut fixture: Fixture, lines: u32, ttl_ms: Option<u32>, mut pick: impl FnMut(u32) -> (u32, u32)) {
    let mut draw = draws();
    for round in 0..WARM_UP + COUNTED {
        fixture.fill(lines, ttl_ms, &mut || pick(draw()));
        if round < WARM_UP {
            fixture.apply_batch();
        } else {
            measured(&mut || fixture.apply_batch());
        }
    }
}

fn refused(mut fixture: Fixture) {
    let mut draw = draws();
    for round in 0..WARM_UP + COUNTED {
        fixture.fill(1, None, &mut || (draw() % 1_000, 0));
        if round < WARM_UP {
            fixture.refuse_batch();
        } else {
            measured(&mut || fixture.refuse_batch());
        }
    }
}

fn decoded(mut fixture: Fixture) {
    fixture.fill(1, None, &mut || (7, 0));
    for _ in 0..COUNTED {
        measured(&mut || {
            let mut rest = fixture.records();
            while !rest.is_empty() {
                let Ok(length) = record_length(rest) else { return };
                let (record, tail) = rest.split_at(length);
                assert!(black_box(Envelope::decode(record)).is_ok(), "the fixture encodes valid records");
                rest = tail;
            }
        });
    }
}

fn answered() {
    let outcome = Outcome::new(stockhold_protocol::Code::Ok, 0, 9);
    let mut bytes = Vec::with_capacity(64 * 1024);
    for _ in 0..COUNTED {
        measured(&mut || {
            bytes.clear();
            for index in 0..BATCH {
                black_box(&outcome).encode(u16::try_from(index).unwrap_or(0), &mut bytes);
            }
        });
    }
}

/// Pseudo-random numbers, the same in every run.
fn draws() -> impl FnMut() -> u32 {
    let mut seed = 1_u64;
    move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(seed >> 34).unwrap_or(0)
    }
}

fn run(scenario: &str) -> bool {
    let own = |stock: u32| vec![stock];
    let plain = || Fixture::new(1, own, 1, 1_000, Quantity::MAX);
    match scenario {
        "apply_uniform" => granted(plain(), 1, None, |draw| (draw % 1_000, 0)),
        "apply_hot" => granted(plain(), 1, None, |_| (7, 0)),
        "apply_holds" => granted(plain(), 1, Some(900_000), |draw| (draw % 1_000, 0)),
        "apply_orders" => granted(plain().with_orders(), 1, None, |draw| (draw % 1_000, 0)),
        "apply_order_holds" => {
            granted(plain().with_orders(), 1, Some(900_000), |draw| (draw % 1_000, 0));
        }
        "apply_three_lines" => granted(plain(), 3, None, |draw| (draw % 1_000, 0)),
        "apply_shared_by_4" => {
            let fixture = Fixture::new(4, |stock| vec![0, stock + 1], 5, 100, Quantity::MAX);
            granted(fixture, 1, None, |draw| (draw % 100, draw / 100 % 4));
        }
        "apply_web_and_50_shops" => {
            granted(Fixture::new(51, nested(50), 50, 20, Quantity::MAX), 1, None, |draw| {
                (draw % 20, draw / 20 % 51)
            });
        }
        "apply_web_and_200_shops" => {
            granted(Fixture::new(201, nested(200), 200, 8, Quantity::MAX), 1, None, |draw| {
                (draw % 8, draw / 8 % 201)
            });
        }
        "apply_sold_out" => refused(Fixture::new(1, own, 1, 1_000, Quantity::ZERO)),
        "decode_reserve" => decoded(plain()),
        "encode_outcome" => answered(),
        _ => return false,
    }
    true
}

fn main() -> ExitCode {
    // `cargo bench` passes `--bench`; the scenario is the argument without dashes.
    match std::env::args().skip(1).find(|argument| !argument.starts_with("--")) {
        Some(scenario) if run(&scenario) => ExitCode::SUCCESS,
        Some(_) => {
            eprintln!("There is no such scenario; scripts/instructions.sh lists them.");
            ExitCode::from(2)
        }
        None => ExitCode::SUCCESS,
    }
}
