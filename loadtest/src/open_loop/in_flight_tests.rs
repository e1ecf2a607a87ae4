//! The rounds of an open loop against a server that this file simulates, in virtual time: nothing here sleeps or
//! reads a clock.

use super::*;
use crate::closed::round::{PreparedFrame, RoundBuilder};
use crate::closed::scenario::Scenario;
use crate::pace::Pace;
use crate::schedule::Part;
use crate::series::Series;
use std::sync::Arc;
use stockhold_client::{Reply, SansIoConnection};
use stockhold_protocol::frame::{self, FrameKind, Header};
use stockhold_protocol::handshake::Welcome;
use stockhold_protocol::limits::FRAME_BODY_BYTES_MAX;
use stockhold_protocol::{Code, Outcome};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

/// The server's time.
const NOW_MS: u64 = 1_763_800_000_000;

/// One connection and the server at its other end.
struct World {
    pipeline: SansIoConnection,
    in_flight: InFlight,
    builder: RoundBuilder,
    catalog: TestCatalog,
    tally: Tally,
    unanswered: Vec<(FrameKind, u64, u16)>,
    op: u64,
    /// Every how many commands the server answers `busy`.
    busy_every: u64,
}

impl World {
    /// One second of warm-up, then `seconds` of measured time.
    fn new(scenario: Scenario, rate: u32, depth: u16, seconds: u64) -> Self {
        let mut catalog = TestCatalog::imaginary(10);
        catalog.salable = vec![0; 10];
        let span = Duration::from_secs(seconds);
        let pace = Arc::new(Pace::steady(rate, span + Duration::from_secs(1)));
        let part = Part { connections: 1, index: 0, unit: scenario.unit(), group_max: u64::from(depth) };
        let measured = MeasuredSpan { from_ns: SECOND, to_ns: (1 + seconds) * SECOND };
        let mut tally = Tally::new(10).unwrap();
        tally.series = Series::over(span).unwrap();
        Self {
            pipeline: welcomed(),
            in_flight: InFlight::new(Schedule::new(pace, part), depth, measured),
            builder: RoundBuilder::new(scenario, &catalog, 1),
            catalog,
            tally,
            unanswered: Vec::new(),
            op: 0,
            busy_every: u64::MAX,
        }
    }

    /// Sends what is due and lets the server read it.
    fn send(&mut self, now_ns: u64) {
        let count = self.in_flight.gather(now_ns);
        if count > 0 {
            let round = &mut self.in_flight.next.round;
            let ready = self.builder.begin(&self.catalog, &mut self.tally, (count, NOW_MS), round).unwrap();
            let request = submit(&mut self.pipeline, &ready);
            self.in_flight.sent(request, now_ns, &mut self.tally);
        }
        self.read();
    }

    fn read(&mut self) {
        let mut rest = self.pipeline.output();
        let written = rest.len();
        while let Some((frame, used)) = frame::parse(rest, FRAME_BODY_BYTES_MAX).unwrap() {
            self.unanswered.push((frame.header.kind, frame.header.request, frame.header.count));
            rest = &rest[used..];
        }
        self.pipeline.advance_output(written);
    }

    /// Lets the server answer everything that it has read.
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
                    let is_busy = self.op.is_multiple_of(self.busy_every);
                    let code = if is_busy { Code::Busy } else { Code::Ok };
                    Outcome::new(code, 60, self.op).encode(index, &mut bytes);
                }
                FrameKind::Outcomes
            };
            frame::finish(Header::new(kind, request, count), start, &mut bytes);
            give(&mut self.pipeline, &bytes);
            self.take(now_ns);
        }
    }

    fn take(&mut self, now_ns: u64) {
        while let Some(reply) = self.pipeline.next_reply().unwrap() {
            let (in_flight, catalog, tally) = (&mut self.in_flight, &self.catalog, &mut self.tally);
            let complete = match reply {
                Reply::Outcomes(frame) => in_flight.take(&frame, now_ns, catalog, tally).unwrap(),
                Reply::Cells(frame) => in_flight.take_cells(&frame, now_ns, catalog, tally, true).unwrap(),
                Reply::Resolved { .. } | Reply::Answer { .. } | Reply::Goodbye => panic!("not asked for"),
            };
            let Some(at) = complete else { continue };
            if let Some(ready) = self.builder.go_on(NOW_MS, self.in_flight.round(at).unwrap()).unwrap() {
                let request = submit(&mut self.pipeline, &ready);
                self.in_flight.continues(at, request, now_ns);
            } else {
                self.in_flight.complete(at);
            }
        }
        self.read();
    }

    /// Runs to the end in steps of one millisecond. The server answers nothing during `stall`.
    fn run(&mut self, stall: std::ops::Range<u64>) {
        let mut now_ns = 0;
        while self.in_flight.next_ns().is_some() || self.pipeline.in_flight() > 0 {
            self.send(now_ns);
            if !stall.contains(&now_ns) {
                self.answer(now_ns);
            }
            now_ns += MS;
            assert!(now_ns < 20 * SECOND, "the load does not end");
        }
    }
}

fn submit(pipeline: &mut SansIoConnection, ready: &PreparedFrame<'_>) -> u64 {
    match ready {
        PreparedFrame::Commands(batch) => pipeline.submit(batch).unwrap(),
        PreparedFrame::Checks(pairs) => pipeline.submit_checks(pairs, 0, 0).unwrap(),
    }
}

fn welcomed() -> SansIoConnection {
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
    pipeline
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

#[test]
fn a_stall_shows_in_the_latency_of_everybody_who_was_due() {
    // Proves that there is no coordinated omission: of 4,000 operations that were due in four seconds, a thousand
    // waited during a second of silence, although the depth allowed only 64 of them to be sent. The sender's own
    // lateness is reported too.
    let mut world = World::new(Scenario::UNIFORM, 1_000, 64, 4);
    world.run(2 * SECOND..3 * SECOND);
    let Tally { latencies, open, .. } = &world.tally;
    assert_eq!((latencies.count(), open.operations, open.unsent), (4_000, 4_000, 0));
    assert!(latencies.max() >= 990 * MS, "{}", latencies.max());
    let waited = latencies.quantile(0.875);
    assert!((400 * MS..600 * MS).contains(&waited), "an eighth waited for more than half a second: {waited}");
    assert!(latencies.quantile(0.74) <= 2 * MS, "the others did not wait");
    let lag = &open.send_lag;
    assert!(lag.count() == 4_000 && lag.max() >= 900 * MS, "936 could not be sent: {}", lag.max());
    assert!(lag.quantile(0.74) <= 2 * MS);
    let points = world.tally.series.points(Duration::from_secs(4), None);
    assert!(points[12].latency.is_none() && points[12].per_second.abs() < 1e-9, "silence: {:?}", points[12]);
    // The 64 that were in flight and, a millisecond later, those that the freed room allowed.
    assert!(points[20].latency.unwrap().p999_us > 900_000.0, "and then the wait: {:?}", points[20]);
}

#[test]
fn no_more_is_in_flight_than_the_depth() {
    // Proves the limit with groups that share a frame and commands that come in pairs.
    for (scenario, depth) in [
        (Scenario::UNIFORM, 10),
        (Scenario::RETRY_STORM, 11),
        (Scenario::CHECKS, 10),
        (Scenario::HOLD_CHURN, 10),
    ] {
        let mut world = World::new(scenario, 5_000, depth, 1);
        for step in 0..3_000 {
            world.send(step * MS);
            assert!(world.pipeline.in_flight() <= u32::from(depth), "{}", scenario.name);
            if step % 7 == 0 {
                world.answer(step * MS);
                assert!(world.pipeline.in_flight() <= u32::from(depth), "{}", scenario.name);
            }
        }
        assert!(world.tally.open.operations > 500, "{}: {}", scenario.name, world.tally.open.operations);
    }
}

#[test]
fn what_follows_by_itself_is_no_part_of_the_rate() {
    // Proves that confirms and releases have a latency and do not count as operations, and that a pair counts as two.
    let mut churn = World::new(Scenario::HOLD_CHURN, 1_000, 64, 2);
    churn.run(0..0);
    assert_eq!((churn.tally.open.operations, churn.tally.latencies.count()), (2_000, 4_000));
    let mut pairs = World::new(Scenario::RETRY_STORM, 1_000, 64, 2);
    pairs.run(0..0);
    assert_eq!((pairs.tally.open.operations, pairs.tally.latencies.count()), (2_000, 2_000));
    let mut checks = World::new(Scenario::CHECKS, 1_000, 64, 2);
    checks.run(0..0);
    assert_eq!((checks.tally.open.operations, checks.tally.wrong_checks), (2_000, 0));
}

#[test]
fn who_is_turned_away_is_answered_and_not_served() {
    // Proves that `busy` answers do not count towards the rate. They still have a code and a latency.
    let mut world = World::new(Scenario::UNIFORM, 1_000, 64, 2);
    world.busy_every = 4;
    world.run(0..0);
    let Tally { open, latencies, measured, .. } = &world.tally;
    assert_eq!((open.operations, latencies.count()), (1_500, 2_000));
    assert_eq!((measured.of(Code::Busy), measured.of(Code::Ok)), (500, 1_500));
}

#[test]
fn what_is_given_up_is_counted_with_its_wait() {
    // Proves that a load that cannot be sent at all still appears in the report.
    let mut world = World::new(Scenario::UNIFORM, 1_000, 64, 1);
    world.send(0);
    world.send(5 * SECOND);
    assert_eq!(world.in_flight.unanswered(), 64);
    world.in_flight.give_up(5 * SECOND, &mut world.tally);
    let Tally { open, latencies, .. } = &world.tally;
    assert_eq!((open.unsent, latencies.count(), world.in_flight.next_ns()), (1_000, 1_000, None));
    assert!((3_990 * MS..=4_010 * MS).contains(&latencies.max()), "{}", latencies.max());
}
