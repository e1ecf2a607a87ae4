//! The sans-I/O connection against hand-made server bytes: order, limits, split input, violations.

use stockhold_client::protocol::command::Target;
use stockhold_client::protocol::frame::{self, FrameKind, Header};
use stockhold_client::protocol::handshake::{ConnectionLimits, Welcome};
use stockhold_client::protocol::{Code, Line, Outcome, Quantity, SkuId, StockId};
use stockhold_client::{
    Availability, CommandBatch, ConnectionError, IdGenerator, Outcomes, Reply, SansIoConnection, SubmitError,
};

fn welcome_frame(in_flight_max: u32) -> Vec<u8> {
    let welcome = Welcome {
        log_uuid: [7; 16],
        time_ms: 1_763_800_000_000,
        limits: ConnectionLimits { in_flight_max, ..ConnectionLimits::default() },
        server: "test".to_owned(),
        ..Welcome::default()
    };
    let (mut body, mut out) = (Vec::new(), Vec::new());
    welcome.encode(&mut body).unwrap();
    frame::append(Header::new(FrameKind::Welcome, 0, 0), &body, &mut out);
    out
}

fn feed(pipeline: &mut SansIoConnection, bytes: &[u8]) {
    let space = pipeline.input_space();
    space[..bytes.len()].copy_from_slice(bytes);
    pipeline.advance_input(bytes.len());
}

fn open(in_flight_max: u32) -> SansIoConnection {
    let mut pipeline = SansIoConnection::new("test").unwrap();
    let hello = pipeline.output().len();
    pipeline.advance_output(hello);
    feed(&mut pipeline, &welcome_frame(in_flight_max));
    assert!(pipeline.welcome().unwrap().is_some());
    pipeline
}

fn batch(carts: u32) -> CommandBatch {
    let (mut batch, mut ids) = (CommandBatch::new(), IdGenerator::seeded(1));
    for cart in 0..carts {
        let line = Line::new(SkuId(cart), Quantity::units(1).unwrap());
        batch.push_reserve(ids.next_at(1), Target::Stock(StockId(0)), &[line], None).unwrap();
    }
    batch
}

fn outcomes(request: u64, entries: &[(u16, Code)]) -> Vec<u8> {
    let (mut body, mut out) = (Vec::new(), Vec::new());
    for (index, code) in entries {
        Outcome::new(*code, 0, u64::from(*index)).encode(*index, &mut body);
    }
    let count = u16::try_from(entries.len()).unwrap();
    frame::append(Header::new(FrameKind::Outcomes, request, count), &body, &mut out);
    out
}

fn take_all(
    pipeline: &mut SansIoConnection,
    into: &mut Outcomes,
) -> Result<Vec<(u64, bool)>, ConnectionError> {
    let mut seen = Vec::new();
    while let Some(reply) = pipeline.next_reply()? {
        if let Reply::Outcomes(frame) = reply {
            into.take(&frame)?;
            seen.push((frame.request, frame.is_last));
        }
    }
    Ok(seen)
}

#[test]
fn commands_carry_the_name_generation_of_the_welcome() {
    // Proves that a server can tell which name generation a client used: the low 16 bits, in Commands frames only.
    let mut pipeline = SansIoConnection::new("test").unwrap();
    let hello = pipeline.output().len();
    pipeline.advance_output(hello);
    let welcome = Welcome { name_generation: 0x0005_0403, ..Welcome::default() };
    let (mut body, mut out) = (Vec::new(), Vec::new());
    welcome.encode(&mut body).unwrap();
    frame::append(Header::new(FrameKind::Welcome, 0, 0), &body, &mut out);
    feed(&mut pipeline, &out);
    assert_eq!(pipeline.welcome().unwrap().unwrap(), welcome);
    pipeline.submit(&batch(1)).unwrap();
    pipeline.submit_checks(&[(SkuId(0), StockId(0))], 0, 0).unwrap();
    let (commands, used) = frame::parse(pipeline.output(), 1 << 20).unwrap().unwrap();
    assert_eq!((commands.header.kind, commands.header.names), (FrameKind::Commands, 0x0403));
    let (checks, _) = frame::parse(&pipeline.output()[used..], 1 << 20).unwrap().unwrap();
    assert_eq!((checks.header.kind, checks.header.names), (FrameKind::Checks, 0));
}

#[test]
fn a_version_that_is_not_spoken_ends_the_handshake() {
    // Proves that a version outside the client's range is refused by name.
    for version in [1, 3] {
        let mut pipeline = SansIoConnection::new("test").unwrap();
        let (mut body, mut out) = (Vec::new(), Vec::new());
        Welcome { version, ..Welcome::default() }.encode(&mut body).unwrap();
        frame::append(Header::new(FrameKind::Welcome, 0, 0), &body, &mut out);
        feed(&mut pipeline, &out);
        assert!(matches!(pipeline.welcome(), Err(ConnectionError::Version(got)) if got == version));
    }
}

#[test]
fn outcomes_come_in_parts_and_in_any_order() {
    // Proves that partial answers, reordered within a request and between requests, end in the right slots.
    let mut pipeline = open(1_000);
    let first = pipeline.submit(&batch(3)).unwrap();
    let second = pipeline.submit(&batch(2)).unwrap();
    assert_eq!(pipeline.in_flight(), 5);
    let mut results = Outcomes::new();
    results.reset(2);
    feed(&mut pipeline, &outcomes(second, &[(1, Code::SoldOut), (0, Code::Ok)]));
    assert_eq!(take_all(&mut pipeline, &mut results).unwrap(), [(second, true)]);
    assert_eq!(results.get(1).unwrap().code, Code::SoldOut);
    results.reset(3);
    feed(&mut pipeline, &outcomes(first, &[(2, Code::SoldOut)]));
    assert_eq!(take_all(&mut pipeline, &mut results).unwrap(), [(first, false)]);
    feed(&mut pipeline, &outcomes(first, &[(0, Code::Ok), (1, Code::Ok)]));
    assert_eq!(take_all(&mut pipeline, &mut results).unwrap(), [(first, true)]);
    assert_eq!(results.count_of(Code::Ok), 2);
    assert_eq!(pipeline.in_flight(), 0);
}

#[test]
fn every_cut_of_the_input_waits_for_the_rest() {
    // Proves that a frame may arrive in any two pieces, and a long stream byte by byte.
    let bytes = outcomes(1, &[(0, Code::Ok), (1, Code::Ok)]);
    for cut in 0..bytes.len() {
        let mut pipeline = open(10);
        pipeline.submit(&batch(2)).unwrap();
        feed(&mut pipeline, &bytes[..cut]);
        assert!(pipeline.next_reply().unwrap().is_none(), "a frame was seen at cut {cut}");
        feed(&mut pipeline, &bytes[cut..]);
        assert!(matches!(pipeline.next_reply(), Ok(Some(Reply::Outcomes(_)))));
    }
    let mut pipeline = open(10);
    for request in 1..=20_000 {
        pipeline.submit(&batch(1)).unwrap();
        for byte in outcomes(request, &[(0, Code::Ok)]).chunks(17) {
            assert!(pipeline.next_reply().unwrap().is_none());
            feed(&mut pipeline, byte);
        }
        assert!(pipeline.next_reply().unwrap().is_some());
    }
    assert_eq!(pipeline.in_flight(), 0);
}

#[test]
fn the_in_flight_limit_is_kept() {
    // Proves the in-flight limit of commands, one below, at and one above, and that an answer makes room again.
    let mut pipeline = open(4);
    pipeline.submit(&batch(3)).unwrap();
    assert_eq!(pipeline.submit(&batch(2)), Err(SubmitError::InFlight { in_flight: 3, max: 4 }));
    pipeline.submit(&batch(1)).unwrap();
    assert_eq!(pipeline.submit(&batch(1)), Err(SubmitError::InFlight { in_flight: 4, max: 4 }));
    feed(&mut pipeline, &outcomes(1, &[(0, Code::Ok)]));
    assert!(pipeline.next_reply().unwrap().is_some());
    assert_eq!(pipeline.room(), 1);
    assert_eq!(pipeline.submit(&CommandBatch::new()), Err(SubmitError::Empty));
}

#[test]
fn answers_that_nobody_asked_for_end_the_connection() {
    // Proves that the server cannot answer twice, too much, with the wrong kind, or an unknown request.
    let lies: [Vec<u8>; 5] = [
        outcomes(0, &[(0, Code::Ok)]),
        outcomes(2, &[(0, Code::Ok)]),
        outcomes(1, &[(0, Code::Ok), (1, Code::Ok), (1, Code::Ok)]),
        outcomes(1, &[]),
        {
            let mut out = Vec::new();
            frame::append(Header::new(FrameKind::Cells, 1, 2), &[0; 24], &mut out);
            out
        },
    ];
    for lie in lies {
        let mut pipeline = open(10);
        pipeline.submit(&batch(2)).unwrap();
        feed(&mut pipeline, &lie);
        assert!(matches!(pipeline.next_reply(), Err(ConnectionError::UnexpectedAnswer(_))), "{lie:?} passed");
    }
    let mut pipeline = open(10);
    pipeline.submit(&batch(2)).unwrap();
    feed(&mut pipeline, &outcomes(1, &[(1, Code::Ok), (1, Code::Ok)]));
    let mut results = Outcomes::new();
    results.reset(2);
    assert!(matches!(take_all(&mut pipeline, &mut results), Err(ConnectionError::UnexpectedAnswer(1))));
}

#[test]
fn cells_come_back_in_order() {
    // Proves that checks are answered by position, with both special cells, or by one outcome.
    let mut pipeline = open(10);
    let pairs = [(SkuId(1), StockId(1)), (SkuId(2), StockId(1)), (SkuId(3), StockId(1))];
    let request = pipeline.submit_checks(&pairs, 5, 100).unwrap();
    let (mut body, mut bytes) = (77_u64.to_le_bytes().to_vec(), Vec::new());
    for cell in [i64::MIN, i64::MAX, 50_000] {
        body.extend_from_slice(&i64::to_le_bytes(cell));
    }
    frame::append(Header::new(FrameKind::Cells, request, 3), &body, &mut bytes);
    feed(&mut pipeline, &bytes);
    let Some(Reply::Cells(cells)) = pipeline.next_reply().unwrap() else { panic!("no cells") };
    assert_eq!(cells.op, 77);
    let read: Vec<_> = cells.iter().collect::<Result<_, _>>().unwrap();
    let five = Availability::Salable(Quantity::units(5).unwrap());
    assert_eq!(read, [Availability::NotAssigned, Availability::Unlimited, five]);
    let request = pipeline.submit_checks(&pairs, 99, 100).unwrap();
    feed(&mut pipeline, &outcomes(request, &[(0, Code::Behind)]));
    let Some(Reply::Outcomes(frame)) = pipeline.next_reply().unwrap() else { panic!("no outcome") };
    assert!(frame.is_last);
    assert_eq!(pipeline.in_flight(), 0);
}

#[test]
fn goodbye_lets_answers_come_and_takes_nothing_new() {
    // Proves the drain: what was sent is still answered, and new requests are refused before they are sent.
    let mut pipeline = open(10);
    let request = pipeline.submit(&batch(1)).unwrap();
    let mut bytes = Vec::new();
    frame::append(Header::new(FrameKind::Goodbye, 0, 0), &[], &mut bytes);
    bytes.extend(outcomes(request, &[(0, Code::Ok)]));
    feed(&mut pipeline, &bytes);
    assert!(matches!(pipeline.next_reply(), Ok(Some(Reply::Goodbye))));
    assert_eq!(pipeline.submit(&batch(1)), Err(SubmitError::Goodbye));
    assert!(matches!(pipeline.next_reply(), Ok(Some(Reply::Outcomes(_)))));
}
