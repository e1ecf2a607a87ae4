//! Events of orders and placements: which fields each of them needs and refuses, and when two events are the same.
#![expect(clippy::unwrap_used, reason = "these are tests; a failed step must stop them")]

use stockhold_protocol::command::OrderAction::{
    Cancel, Compensate, Confirm, Edit, Extend, Invoice, Refund, Ship, Unship,
};
use stockhold_protocol::command::{
    EventLine, OrderAction, OrderEvent, PlaceFailed, Placement, Reserve, Scratch, Target,
};
use stockhold_protocol::limits::{EVENT_LINES_MAX, LINE_QUANTITY_MAX, REFERENCE_BYTES_MAX};
use stockhold_protocol::{
    BadField, Command, CommandId, Envelope, Line, Lines, Quantity, ReservationId, SkuId, SourceId, StockId,
};

fn raw(raw: i64) -> Quantity {
    Quantity::from_raw(raw).unwrap()
}

fn id() -> CommandId {
    CommandId::from_parts(1_763_800_000_123, 1)
}

fn line(raw_quantity: i64) -> EventLine {
    EventLine { sku: SkuId(7), stock: None, quantity: raw(raw_quantity), is_returned: false }
}

/// The smallest valid event of an action.
fn event(action: OrderAction) -> OrderEvent {
    let has_lines = !matches!(action, Confirm | Extend | Cancel);
    OrderEvent {
        order: "100".into(),
        action,
        document: String::new(),
        source: matches!(action, Ship | Unship).then_some(SourceId(3)),
        lines: if has_lines { vec![line(10_000)] } else { Vec::new() },
        forced: false,
        ttl_ms: (action == Extend).then_some(60_000),
    }
}

fn through(command: Command<'_>) -> Result<(), BadField> {
    let mut bytes = Vec::new();
    let envelope = Envelope::new(id(), command);
    envelope.encode(&mut bytes)?;
    assert_eq!(Envelope::decode(&bytes), Ok(envelope));
    Ok(())
}

fn send(event: OrderEvent) -> Result<(), &'static str> {
    through(Command::OrderEvent(Box::new(event))).map_err(|error| error.field)
}

#[test]
fn each_action_has_its_fields_and_no_others() {
    // Proves the table of PROTOCOL.md, field by field, for every action.
    for action in OrderAction::ALL.iter().copied() {
        let valid = || event(action);
        assert_eq!(send(valid()), Ok(()), "{action:?}");
        let expected = |is_allowed: bool, field| if is_allowed { Ok(()) } else { Err(field) };
        let name = action.name();
        let sourced = OrderEvent { source: Some(SourceId(3)), ..valid() };
        assert_eq!(send(sourced), expected(matches!(action, Ship | Unship | Refund), "source"), "{name}");
        let unsourced = OrderEvent { source: None, ..valid() };
        assert_eq!(send(unsourced), expected(!matches!(action, Ship | Unship), "source"), "{name}");
        let documented = OrderEvent { document: "D-1".into(), ..valid() };
        let may_have_document = !matches!(action, Confirm | Extend | Compensate | Edit);
        assert_eq!(send(documented), expected(may_have_document, "document"), "{name}");
        let forced = OrderEvent { forced: true, ..valid() };
        assert_eq!(send(forced), expected(matches!(action, Ship | Compensate), "forced"), "{name}");
        let timed = OrderEvent { ttl_ms: Some(1), ..valid() };
        assert_eq!(send(timed), expected(action == Extend, "ttl_ms"), "{name}");
        let untimed = OrderEvent { ttl_ms: None, ..valid() };
        assert_eq!(send(untimed), expected(action != Extend, "ttl_ms"), "{name}");
        let lined = OrderEvent { lines: vec![line(1)], ..valid() };
        assert_eq!(send(lined), expected(!matches!(action, Confirm | Extend), "lines"), "{name}");
        let unlined = OrderEvent { lines: Vec::new(), ..valid() };
        assert_eq!(send(unlined), expected(matches!(action, Confirm | Extend | Cancel), "lines"), "{name}");
    }
    let all_of_it = OrderEvent { document: "S-1".into(), lines: Vec::new(), ..event(Unship) };
    assert_eq!(send(all_of_it), Ok(()), "an unship of a document needs no lines");
}

#[test]
fn each_action_has_its_quantities() {
    // Proves which signs are possible, and the bound of a quantity.
    for action in [Cancel, Ship, Invoice, Refund, Compensate, Edit, Unship] {
        let with = |raw| send(OrderEvent { lines: vec![line(raw)], ..event(action) });
        let refused = Err("lines.quantity");
        assert_eq!(with(0), if action == Edit { Ok(()) } else { refused }, "{action:?}");
        assert_eq!(with(-1), if action == Compensate { Ok(()) } else { refused }, "{action:?}");
        assert_eq!(with(LINE_QUANTITY_MAX), Ok(()), "{action:?}");
        assert_eq!(with(LINE_QUANTITY_MAX + 1), refused, "{action:?}");
        let returned = EventLine { is_returned: true, ..line(1) };
        let returned = send(OrderEvent { lines: vec![returned], ..event(action) });
        let expected = if action == Refund { Ok(()) } else { Err("lines.is_returned") };
        assert_eq!(returned, expected, "{action:?}");
    }
    let below = send(OrderEvent { lines: vec![line(-LINE_QUANTITY_MAX - 1)], ..event(Compensate) });
    assert_eq!(below, Err("lines.quantity"));
}

#[test]
fn numbers_documents_and_lines_have_limits() {
    // Proves the behaviour at and above each limit.
    let long = "n".repeat(REFERENCE_BYTES_MAX);
    let longer = "n".repeat(REFERENCE_BYTES_MAX + 1);
    assert_eq!(send(OrderEvent { order: long.clone(), document: long.clone(), ..event(Ship) }), Ok(()));
    assert_eq!(send(OrderEvent { order: longer.clone(), ..event(Ship) }), Err("order"));
    assert_eq!(send(OrderEvent { order: String::new(), ..event(Ship) }), Err("order"));
    assert_eq!(send(OrderEvent { document: longer.clone(), ..event(Ship) }), Err("document"));
    let lines = |count: usize| OrderEvent { lines: vec![line(1); count], ..event(Ship) };
    assert_eq!(send(lines(EVENT_LINES_MAX)), Ok(()));
    assert_eq!(send(lines(EVENT_LINES_MAX + 1)), Err("lines"));
    let failed = |order: String| {
        let failure = PlaceFailed { order, placement: ReservationId(id()) };
        through(Command::PlaceFailed(failure)).map_err(|error| error.field)
    };
    assert_eq!((failed(long), failed(longer), failed(String::new())), (Ok(()), Err("order"), Err("order")));
}

#[test]
fn a_placement_names_its_order_and_is_all_or_nothing() {
    // Proves what a placement refuses of the fields of a reserve.
    let lines = [Line::new(SkuId(7), raw(10_000))];
    let place = |reference, best_effort| {
        let (target, lines) = (Target::Stock(StockId(1)), Lines::Slice(&lines));
        let cart = Reserve { target, lines, best_effort, ttl_ms: None, owner: 0, reference };
        through(Command::OrderPlaced(Placement(cart))).map_err(|error| error.field)
    };
    assert_eq!(place("100", false), Ok(()));
    assert_eq!(place("", false), Err("reference"));
    assert_eq!(place("100", true), Err("best_effort"));
}

#[test]
fn an_event_is_the_same_if_its_sums_are() {
    // Proves that order and splitting of lines make no other event, and that each field does.
    let fingerprint =
        |event: OrderEvent| Command::OrderEvent(Box::new(event)).fingerprint(&mut Scratch::default());
    let other_sku = EventLine { sku: SkuId(9), ..line(5) };
    let returned = EventLine { is_returned: true, ..line(2) };
    let one = OrderEvent { lines: vec![line(10), other_sku, returned], ..event(Refund) };
    let two = OrderEvent { lines: vec![returned, line(4), other_sku, line(6)], ..event(Refund) };
    assert_eq!(fingerprint(one.clone()), fingerprint(two));
    let of_stock = EventLine { stock: Some(StockId(1)), ..line(10) };
    for other in [
        OrderEvent { order: "101".into(), ..one.clone() },
        OrderEvent { action: Invoice, lines: vec![line(10)], ..one.clone() },
        OrderEvent { document: "D".into(), ..one.clone() },
        OrderEvent { source: Some(SourceId(3)), ..one.clone() },
        OrderEvent { lines: vec![line(12), other_sku], ..one.clone() },
        OrderEvent { lines: vec![of_stock, other_sku, returned], ..one.clone() },
    ] {
        assert_ne!(fingerprint(other.clone()), fingerprint(one.clone()), "{other:?}");
    }
}
