//! Tests that validation finds each broken invariant, at once and in steps, and reports none while a sound
//! state changes.
#![expect(clippy::arithmetic_side_effects, reason = "a test counts to a few hundred")]

use crate::ledger::record::{Booking, LineState, NO_ORDER, Total, UnreservedRow};
use crate::machine::Machine;
use crate::moves::Plan;
use crate::{Configuration, Genesis};
use stockhold_protocol::command::{
    Count, LinkDefinition, Reserve, SkuDefinition, SkuKind, SourceDefinition, StockDefinition, Target,
};
use stockhold_protocol::{
    Command, CommandId, Envelope, Line, Lines, Quantity, SkuId, SourceId, StockId, Timestamp,
};

const START_MS: u64 = 1_763_800_000_000;
/// More reservations than one step checks.
const CARTS: u64 = 300;

/// A machine, and the number of commands that it was sent.
struct Shop {
    machine: Machine,
    ids: u64,
}

impl Shop {
    fn new() -> Self {
        let genesis = Genesis { configuration: Configuration::default(), formatted_at: Timestamp(START_MS) };
        let mut shop = Self { machine: Machine::new(&genesis), ids: 0 };
        let source = SourceDefinition {
            code: "east".to_owned(),
            name: "East".to_owned(),
            enabled: true,
            country: "US".to_owned(),
            postcode: "1".to_owned(),
            ..SourceDefinition::default()
        };
        shop.send(Command::DefineSource(Box::new(source)));
        shop.send(Command::DefineStock(StockDefinition { name: "web".to_owned() }));
        shop.send(Command::Link(LinkDefinition { stock: StockId(0), source: SourceId(0), priority: 1 }));
        for number in 0..40 {
            let sku = format!("SKU-{number}");
            shop.send(Command::DefineSku(SkuDefinition { sku, kind: SkuKind::Simple, decimals: false }));
            shop.send(Command::Count(Count {
                source: SourceId(0),
                sku: SkuId(number),
                quantity: Quantity::units(1_000).unwrap(),
                in_stock: None,
                reason: String::new(),
                reference: String::new(),
            }));
        }
        (0..CARTS).for_each(|_| shop.reserve());
        shop
    }

    fn send(&mut self, command: Command<'_>) {
        self.ids += 1;
        let id = CommandId::from_parts(START_MS + self.ids, u128::from(self.ids));
        let mut record = Vec::new();
        Envelope::new(id, command).encode(&mut record).unwrap();
        let outcome = self.machine.apply(Timestamp(START_MS + self.ids), &record);
        assert!(outcome.code.is_success(), "{outcome:?}");
    }

    /// A cart of two lines; every second one is held, and every third one belongs to one of ten orders.
    fn reserve(&mut self) {
        let first = u32::try_from(self.ids % 39).unwrap();
        let lines = [first, first + 1].map(|sku| Line::new(SkuId(sku), Quantity::units(1).unwrap()));
        let number = format!("order {}", self.ids % 10);
        let reference = if self.ids.is_multiple_of(3) { number.as_str() } else { "" };
        self.send(Command::Reserve(Reserve {
            target: Target::Stock(StockId(0)),
            lines: Lines::Slice(&lines),
            best_effort: false,
            ttl_ms: self.ids.is_multiple_of(2).then_some(60_000),
            owner: 0,
            reference,
        }));
    }

    /// The findings of a validation in steps of 7 records. `between` is called before each step.
    fn validate_in_steps(&mut self, mut between: impl FnMut(&mut Self)) -> Vec<String> {
        self.machine.begin_validation();
        for _ in 0..10_000 {
            between(self);
            if let Some(validation) = self.machine.validation_step(7) {
                return validation.violations;
            }
        }
        panic!("a validation ends");
    }
}

#[test]
fn a_sound_state_is_sound_while_it_changes() {
    // Proves that commands between the steps cause no findings, and that the result refers to the mark.
    let mut shop = Shop::new();
    let (op, digest) = (shop.machine.op(), shop.machine.digest());
    shop.machine.begin_validation();
    let validation = loop {
        shop.reserve();
        if let Some(validation) = shop.machine.validation_step(7) {
            break validation;
        }
    };
    assert_eq!(validation.violations, Vec::<String>::new());
    assert_eq!((validation.op, validation.digest), (op, digest));
    assert!(shop.machine.op() > op + 50, "commands went on meanwhile");
    assert_eq!(shop.machine.validate(), Vec::<String>::new());
}

/// Breaks a state; and a part of the finding that is expected.
type Tampering = (fn(&mut Machine), &'static str);

const TAMPERINGS: [Tampering; 8] = [
    // A position that counts more than is promised. The digest is correct, so only the comparison of
    // promises can detect it.
    (
        |machine| {
            let mut plan = Plan::default();
            plan.promise(5, 0, 10_000, 0, 0);
            machine.state_to_scan().execute(&plan);
        },
        "more than the stock counts",
    ),
    // Units that are promised without a reservation, and that no position has.
    (
        |machine| {
            let row = UnreservedRow { order: NO_ORDER, stock: 0, sku: 7, units: 10_000 };
            machine.state_to_scan().add_unreserved(row);
        },
        "more than the stock counts",
    ),
    // A hold without a reservation.
    (
        |machine| {
            let line =
                LineState { sku: 7, counts: true, granted: 10_000, open: 10_000, ..LineState::default() };
            machine.state_to_scan().attach_hold(0, u32::MAX - 1, &[line]);
        },
        "more than the stock counts",
    ),
    // Promises in the pool that no position has.
    (
        |machine| {
            let state = machine.state_to_scan();
            let at = state.find(9, 0).unwrap();
            let cluster = state.clusters.get_mut(at.cluster);
            let group = state.catalog.layout.group(cluster.group);
            cluster.pool.add_promise(group, 0, 10_000);
        },
        "differs from its source items",
    ),
    // An order that counts more units than its reservations promise.
    (
        |machine| {
            let state = machine.state_to_scan();
            let (order, _) = state.orders.iter().find(|(_, row)| row.is_kept()).unwrap();
            let line = state.order_lines_of(order)[0];
            let (stock, sku) = (line.stock, line.sku);
            let booking = Booking { stock, sku, total: Total::Ordered, units: 10_000, source: None };
            let mut plan = Plan::default();
            (plan.order, plan.bookings) = (Some(order), vec![booking]);
            state.execute(&plan);
        },
        "its reservations and rows have",
    ),
    // An order that is not found by its number.
    (
        |machine| {
            let state = machine.state_to_scan();
            let (order, row) = state.orders.iter().next().unwrap();
            let number = row.number().to_vec();
            state.order_book.remove(order, &number);
        },
        "is not in the index",
    ),
    // A record that changed without an update of the digest.
    (|machine| machine.state_to_scan().items.get_mut(3).version += 1, "running digest"),
    // A reservation that is not found by its id.
    (
        |machine| {
            let state = machine.state_to_scan();
            let (slot, _) = state.reservations.iter().nth(11).unwrap();
            state.unregister_id(slot);
            state.reservation_index.remove(0, 0, slot);
        },
        "is not in the index",
    ),
];

#[test]
fn each_broken_invariant_is_found_at_once_and_in_steps() {
    // Proves that every comparison can fail, at once and in steps, also while the broken SKU continues to
    // sell.
    for (tamper, expected) in TAMPERINGS {
        let mut shop = Shop::new();
        tamper(&mut shop.machine);
        let at_once = shop.machine.validate();
        assert!(at_once.iter().any(|finding| finding.contains(expected)), "{expected}: {at_once:?}");
        let in_steps = shop.validate_in_steps(|_| ());
        assert!(in_steps.iter().any(|finding| finding.contains(expected)), "{expected}: {in_steps:?}");
        let while_selling = shop.validate_in_steps(Shop::reserve);
        assert!(
            while_selling.iter().any(|finding| finding.contains(expected)),
            "{expected}: {while_selling:?}"
        );
    }
}

#[test]
fn a_change_of_structure_does_not_disturb_a_validation() {
    // Proves that the promises of clusters are counted as of the mark before the clusters are rebuilt.
    let mut shop = Shop::new();
    let mut steps = 0;
    let findings = shop.validate_in_steps(|shop| {
        steps += 1;
        if steps % 20 == 0 {
            let name = format!("shop-{steps}");
            shop.send(Command::DefineStock(StockDefinition { name }));
            let stock = StockId(u32::try_from(steps / 20).unwrap());
            shop.send(Command::Link(LinkDefinition { stock, source: SourceId(0), priority: 1 }));
            shop.reserve();
        }
    });
    assert_eq!(findings, Vec::<String>::new());
    assert!(steps > 40, "the structure changed while records were compared");
}
