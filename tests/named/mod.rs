//! Commands with names: every command survives the way to a document and back.

#[path = "../../crates/protocol/tests/arbitrary/mod.rs"]
mod arbitrary;

use arbitrary::{catalog, draft};
use proptest::prelude::*;
use stockhold::named::{NamedCommand, NamedError};
use stockhold_machine::{Genesis, Machine};
use stockhold_protocol::command::{Amend, Command, EventLine, Kind, OrderAction, OrderEvent, Unship};
use stockhold_protocol::query::Name;
use stockhold_protocol::{CommandId, Envelope, Quantity, ReservationId, SkuId, SourceId, StockId};

fn id() -> CommandId {
    CommandId::from_parts(1_763_800_000_123, 9)
}

fn record(command: &Command<'_>) -> Vec<u8> {
    let mut record = Vec::new();
    Envelope::new(id(), command.clone()).encode(&mut record).unwrap();
    record
}

/// The number in `#7`, the name of a thing that the machine does not know.
fn number(name: &Name) -> Option<u32> {
    let text = match name {
        Name::Sku(text) | Name::Stock(text) | Name::Source(text) | Name::Channel(_, text) => text,
    };
    text.strip_prefix('#')?.parse().ok()
}

/// Checks that a command comes back from its document, byte for byte.
fn check(command: &Command<'_>) {
    // This machine knows no names, so each number stands in the document as `#7`.
    let machine = Machine::new(&Genesis::default());
    let named = NamedCommand::of(&machine, command);
    let document = serde_json::to_string(&named).unwrap();
    let kind = serde_json::from_str::<serde_json::Value>(&document).unwrap()["kind"].clone();
    assert_eq!(kind, command.kind().name());
    let read: NamedCommand = serde_json::from_str(&document).unwrap();
    let mut made = Vec::new();
    if command.is_of_servers() {
        return;
    }
    read.put_record(id(), &mut number, &mut made).unwrap_or_else(|error| panic!("{error}: {document}"));
    assert_eq!(made, record(command), "{document}");
}

proptest! {
    #[test]
    fn a_cart_and_what_follows_it_come_back(draft in draft()) {
        for command in draft.commands() {
            check(&command);
        }
        let reservation = ReservationId(id());
        let lines = draft.lines.clone();
        check(&Command::Amend(Amend { reservation, lines: lines.clone() }));
        check(&Command::Unship(Unship { reservation, source: SourceId(3), lines }));
    }

    #[test]
    fn a_command_of_a_merchant_comes_back(command in catalog()) {
        check(&command);
    }
}

#[test]
fn every_kind_is_a_kind_of_named_commands() {
    // Proves that no kind of command is missing, by the names that a reader of documents knows.
    for kind in Kind::ALL {
        let document = serde_json::json!({"kind": kind.name(), "body": {"no such field": 1}});
        let error = serde_json::from_value::<NamedCommand>(document).unwrap_err().to_string();
        assert!(!error.contains("unknown variant"), "{}: {error}", kind.name());
    }
}

#[test]
fn an_event_of_an_order_reads_as_people_write_it() {
    // Proves the names of fields and actions, and that an action that does not exist is named.
    let text = r#"{"kind":"order_event","body":{"order":"1001","action":"refund","document":"C-1","source":"east",
        "lines":[{"sku":"BIKE","stock":"web","quantity":"2","is_returned":true}]}}"#;
    let command: NamedCommand = serde_json::from_str(text).unwrap();
    let mut out = Vec::new();
    command.put_record(id(), &mut |_| Some(4), &mut out).unwrap();
    let line = EventLine {
        sku: SkuId(4),
        stock: Some(StockId(4)),
        quantity: Quantity::units(2).unwrap(),
        is_returned: true,
    };
    let event = OrderEvent {
        order: "1001".to_owned(),
        action: OrderAction::Refund,
        document: "C-1".to_owned(),
        source: Some(SourceId(4)),
        lines: vec![line],
        forced: false,
        ttl_ms: None,
    };
    assert_eq!(out, record(&Command::OrderEvent(Box::new(event))));
    let wrong = text.replace("refund", "return");
    let error = serde_json::from_str::<NamedCommand>(&wrong).unwrap_err().to_string();
    assert!(error.contains("an event of an order has no action \"return\""), "{error}");
}

#[test]
fn a_name_that_nothing_has_is_told() {
    // Proves that the record is not made, and what a person reads.
    let command: NamedCommand =
        serde_json::from_str(r#"{"kind":"count","body":{"source":"east","sku":"BIKE","quantity":"3.5"}}"#)
            .unwrap();
    let mut out = vec![7];
    let mut only_source = |name: &Name| matches!(name, Name::Source(_)).then_some(1);
    let error = command.put_record(id(), &mut only_source, &mut out).unwrap_err();
    assert_eq!(error, NamedError::UnknownName(Name::Sku("BIKE".to_owned())));
    assert_eq!(error.to_string(), "there is no SKU \"BIKE\"");
    assert_eq!(out, [7]);
    let wrong = r#"{"kind":"count","body":{"source":"east","sku":"BIKE","quantity":"3.5","sku_count":1}}"#;
    let error = serde_json::from_str::<NamedCommand>(wrong).unwrap_err().to_string();
    assert!(error.contains("unknown field `sku_count`"), "{error}");
}
