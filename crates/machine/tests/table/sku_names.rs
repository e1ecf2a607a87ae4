//! The names of SKUs in snapshots that are written while names change.

use stockhold_machine::{Genesis, Machine, Progress, Section};
use stockhold_protocol::command::{Rename, SkuDefinition};
use stockhold_protocol::query::{Answer, Name, Query};
use stockhold_protocol::{Code, Command, CommandId, Envelope, SkuId, Timestamp};

struct Shop {
    machine: Machine,
    now: Timestamp,
    ids: u128,
}

impl Shop {
    fn new() -> Self {
        let now = Timestamp(1_763_800_000_000);
        Self { machine: Machine::new(&Genesis { formatted_at: now, ..Genesis::default() }), now, ids: 0 }
    }

    fn send(&mut self, command: Command<'_>) -> Code {
        self.ids += 1;
        let mut record = Vec::new();
        Envelope::new(CommandId::from_parts(self.now.0, self.ids), command).encode(&mut record).unwrap();
        self.machine.apply(self.now, &record).code
    }

    fn define(&mut self, sku: String) {
        assert_eq!(
            self.send(Command::DefineSku(SkuDefinition { sku, ..SkuDefinition::default() })),
            Code::Ok
        );
    }

    fn rename(&mut self, number: u32, to: String) {
        assert_eq!(self.send(Command::Rename(Rename { number, to: Name::Sku(to) })), Code::Ok);
    }

    fn name(&self, number: u32) -> String {
        match self.machine.query(&Query::Sku(SkuId(number))) {
            Some(Answer::Sku(Some(view))) => view.sku,
            other => panic!("{other:?}"),
        }
    }
}

/// A name of this many bytes that begins with a number.
fn name(number: u32, bytes: usize) -> String {
    let start = format!("{number:07}");
    let filled = bytes - start.len();
    start + &"x".repeat(filled)
}

#[test]
fn a_snapshot_has_the_names_of_its_mark() {
    // Proves that names which are replaced while a snapshot is written are in it, in the order of their numbers.
    const SKUS: u32 = 300;
    let mut shop = Shop::new();
    (0..SKUS).for_each(|number| shop.define(name(number, 20)));
    for round in 1..=6 {
        let names: Vec<String> = (0..SKUS).map(|number| shop.name(number)).collect();
        let (mut loader, mark) = (Machine::loader(), shop.machine.begin_snapshot());
        let mut number = 0;
        let mut rename = |shop: &mut Shop, most: u32| {
            for at in number..SKUS.min(number + most) {
                let bytes = if round % 2 == 0 { 20 } else { 60 };
                shop.rename(at, name(at + round * SKUS, bytes));
            }
            number = SKUS.min(number + most);
        };
        let mut sink = |section, records, bytes: &[u8]| {
            assert_eq!(
                loader.section(section, records, bytes),
                Ok(()),
                "{:?}",
                Section::from_number(section)
            );
        };
        while shop.machine.snapshot_step(20, &mut sink) == Progress::More {
            rename(&mut shop, 30);
        }
        rename(&mut shop, SKUS);
        let loaded = Shop { machine: loader.finish(&mark).unwrap(), ..Shop::new() };
        for (number, name) in (0..).zip(names) {
            assert_eq!(loaded.name(number), name);
        }
        assert_eq!(shop.machine.validate(), Vec::<String>::new());
    }
}
