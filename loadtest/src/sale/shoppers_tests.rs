//! The open loop against a server that this file simulates, in virtual time: nothing here sleeps or reads a clock.

use super::*;
use crate::pace::Pace;
use crate::schedule::{GROUP_MAX, Part};
use std::sync::Arc;
use stockhold_client::{Reply, SansIoConnection};
use stockhold_protocol::frame::{self, FrameKind, Header};
use stockhold_protocol::handshake::Welcome;
use stockhold_protocol::limits::FRAME_BODY_BYTES_MAX;
use stockhold_protocol::{Code, Outcome};
use stockhold_workload::{CartGenerator, CartMix};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

/// One connection and the server at its other end.
struct World {
    pipeline: SansIoConnection,
    shoppers: Shoppers,
    record: SaleRecord,
    ledger: Ledger,
    /// The requests that the server has read and not answered.
    unanswered: Vec<(FrameKind, u64, u16)>,
    op: u64,
}

impl World {
    fn new(mix: CartMix, rate: u32, duration: Duration) -> Self {
        let mut pipeline = SansIoConnection::new("test").unwrap();
        let welcome = Welcome {
            log_uuid: [1; 16],
            time_ms: 1_763_800_000_000,
            server: "test".to_owned(),
            ..Welcome::default()
        };
        let mut bytes = Vec::new();
        let start = frame::begin(&mut bytes);
        welcome.encode(&mut bytes).unwrap();
        frame::finish(Header::new(FrameKind::Welcome, 0, 0), start, &mut bytes);
        give(&mut pipeline, &bytes);
        assert!(pipeline.welcome().unwrap().is_some());
        let hello = pipeline.output().len();
        pipeline.advance_output(hello);
        let part = Part { connections: 1, index: 0, unit: 1, group_max: GROUP_MAX };
        let schedule = Schedule::new(Arc::new(Pace::steady(rate, duration)), part);
        let mixes = ShopperMix { before: None, source: CartGenerator::new(mix, 1) };
        let shoppers = Shoppers::new(mixes, schedule, IdGenerator::seeded(1), duration);
        let (record, ledger) = (SaleRecord::over(duration).unwrap(), Ledger::new(1_000_000));
        Self { pipeline, shoppers, record, ledger, unanswered: Vec::new(), op: 0 }
    }

    /// Sends what is due and lets the server read it.
    fn send(&mut self, now_ns: u64) {
        let room = self.pipeline.room();
        self.shoppers.gather(now_ns, 1_000, room, &mut self.record).unwrap();
        if let Some(batch) = self.shoppers.batch() {
            let request = self.pipeline.submit(batch).unwrap();
            self.shoppers.batch_sent(request);
        }
        if !self.shoppers.pairs().is_empty() {
            let request = self.pipeline.submit_checks(self.shoppers.pairs(), 0, 0).unwrap();
            self.shoppers.pairs_sent(request);
        }
        let mut rest = self.pipeline.output();
        let written = rest.len();
        while let Some((frame, used)) = frame::parse(rest, FRAME_BODY_BYTES_MAX).unwrap() {
            self.unanswered.push((frame.header.kind, frame.header.request, frame.header.count));
            rest = &rest[used..];
        }
        self.pipeline.advance_output(written);
    }

    /// Lets the server answer everything.
    fn answer(&mut self, now_ns: u64) {
        for (kind, request, count) in std::mem::take(&mut self.unanswered) {
            let mut bytes = Vec::new();
            let start = frame::begin(&mut bytes);
            let kind = if kind == FrameKind::Checks {
                bytes.extend_from_slice(&vec![0; 8 + 8 * usize::from(count)]);
                FrameKind::Cells
            } else {
                for index in 0..count {
                    self.op += 1;
                    Outcome::new(Code::Ok, 60, self.op).encode(index, &mut bytes);
                }
                FrameKind::Outcomes
            };
            frame::finish(Header::new(kind, request, count), start, &mut bytes);
            give(&mut self.pipeline, &bytes);
            while let Some(reply) = self.pipeline.next_reply().unwrap() {
                match reply {
                    Reply::Outcomes(frame) => {
                        let (record, ledger) = (&mut self.record, &mut self.ledger);
                        self.shoppers.take_outcomes(&frame, now_ns, record, ledger).unwrap();
                    }
                    Reply::Cells(frame) => {
                        self.shoppers.take_check(frame.request, now_ns, &mut self.record).unwrap();
                    }
                    Reply::Resolved { .. } | Reply::Answer { .. } | Reply::Goodbye => panic!("not asked for"),
                }
            }
        }
    }

    /// Runs to the end in steps of one millisecond. The server answers nothing during `stall`.
    fn run(&mut self, stall: std::ops::Range<u64>) {
        let mut now_ns = 0;
        while self.shoppers.next_ns().is_some() || self.pipeline.in_flight() > 0 {
            self.send(now_ns);
            if !stall.contains(&now_ns) {
                self.answer(now_ns);
            }
            now_ns += MS;
            assert!(now_ns < 20 * SECOND, "the sale does not end");
        }
    }
}

fn give(pipeline: &mut SansIoConnection, bytes: &[u8]) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let space = pipeline.input_space();
        let count = space.len().min(rest.len());
        space[..count].copy_from_slice(&rest[..count]);
        pipeline.advance_input(count);
        rest = &rest[count..];
    }
}

fn orders() -> CartMix {
    CartMix::plain(vec![StockId(0)], (0..10).map(SkuId).collect())
}

fn holds() -> CartMix {
    CartMix { ttl_ms: Some(60_000), check_percent: 25, ..orders() }
}

#[test]
fn a_stall_shows_in_the_latency_of_everybody_who_was_due() {
    // Proves that there is no coordinated omission: during one second of silence at 1,000 per second a thousand carts
    // waited, half of them more than half a second. A closed loop would have sent none of them.
    let mut world = World::new(orders(), 1_000, Duration::from_secs(4));
    world.run(SECOND..2 * SECOND);
    let latencies = &world.record.cart_latency;
    assert_eq!((latencies.count(), world.record.shoppers), (4_000, 4_000));
    assert!(latencies.max() >= 990 * MS, "{}", latencies.max());
    let waited = latencies.quantile(0.875);
    assert!((400 * MS..600 * MS).contains(&waited), "an eighth waited for more than half a second: {waited}");
    assert!(latencies.quantile(0.74) <= 2 * MS, "the others did not wait");
}

#[test]
fn a_stall_beyond_the_limit_in_flight_is_made_up_for_and_counted() {
    // Proves that an operation that could not be sent keeps its due time, and that the rate is then reported as not
    // kept.
    let mut world = World::new(orders(), 40_000, Duration::from_secs(2));
    world.run(SECOND..3 * SECOND);
    let record = &world.record;
    assert_eq!((record.shoppers, record.cart_latency.count()), (80_000, 80_000));
    assert!(record.shoppers_in_time < 65_000, "{}", record.shoppers_in_time);
    assert!(record.cart_latency.max() >= 1_900 * MS);
}

#[test]
fn holds_are_paid_for_released_or_left() {
    // Proves that every granted hold has one ending, and that the ledger has all of it.
    let mut world = World::new(holds(), 2_000, Duration::from_secs(1));
    world.run(0..0);
    let record = &world.record;
    assert_eq!(record.carts.total() + record.check_latency.count(), record.shoppers);
    assert_eq!(record.carts.total(), record.payments.total() + record.releases.total() + record.abandoned);
    assert!(record.payments.total() > record.releases.total() && record.abandoned > 0);
    assert!(record.payment_latency.max() <= 2 * MS, "a payment is due when its shopper has thought");
    let tally = world.ledger.tally();
    assert_eq!(tally.granted, record.carts.total());
    assert_eq!(tally.changed, record.payments.total() + record.releases.total());
}

#[test]
fn what_a_broken_connection_leaves_open_is_in_doubt() {
    // Proves that no unanswered command is forgotten: it is repeated before the audit.
    let mut world = World::new(orders(), 1_000, Duration::from_secs(1));
    world.send(0);
    world.answer(0);
    world.send(10 * MS);
    let sent = u64::from(world.pipeline.in_flight());
    assert!(sent > 0);
    assert_eq!(world.shoppers.record_unanswered(&mut world.ledger), sent);
    assert_eq!(u64::try_from(world.ledger.take_unknown().len()).unwrap(), sent);
}
