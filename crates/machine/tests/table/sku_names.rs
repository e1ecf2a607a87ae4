//! The names of SKUs in memory: bytes per name, names that get longer and shorter, and snapshots meanwhile.

use stockhold_machine::{Genesis, Machine, Progress, Section};
use stockhold_protocol::command::{Rename, SkuDefinition};
use stockhold_protocol::limits::{SKU_BYTES_MAX, SKU_CHARACTERS_MAX};
use stockhold_protocol::query::{Name, Query, QueryAnswer};
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
            Some(QueryAnswer::Sku(Some(view))) => view.sku,
            other => panic!("{other:?}"),
        }
    }

    /// The bytes of records and indexes, without the counted ones of outcomes.
    fn bytes(&self) -> u64 {
        let stats = self.machine.stats();
        stats.memory_bytes - stats.outcome_bytes
    }
}

/// A name of this many bytes that begins with a number.
fn name(number: u32, bytes: usize) -> String {
    let start = format!("{number:07}");
    let filled = bytes - start.len();
    let name = start + &"😀".repeat(filled / 4) + &"x".repeat(filled % 4);
    assert!(name.len() == bytes && name.chars().count() <= SKU_CHARACTERS_MAX);
    name
}

#[test]
fn a_name_takes_the_memory_of_its_length() {
    // Proves the bytes per SKU in a large catalog, with names of usual lengths and the longest ones.
    for (bytes, most) in [(8, 64), (20, 64), (21, 96), (48, 96), (49, 128), (76, 128), (223, 320)] {
        let mut shop = Shop::new();
        (0..100_000).for_each(|number| shop.define(name(number, bytes)));
        let per_sku = shop.bytes() / 100_000;
        assert!(per_sku <= most, "{per_sku} with names of {bytes} bytes");
    }
}

#[test]
fn names_of_every_length_are_found() {
    // Proves that names of 1 to 256 bytes are kept apart from those that differ only at the end, and are found again.
    let mut shop = Shop::new();
    let names: Vec<String> = (1..=SKU_BYTES_MAX)
        .flat_map(|bytes| {
            let start = "😀".repeat((bytes - 1) / 4) + &"x".repeat((bytes - 1) % 4);
            ["a", "b"].map(|end| start.clone() + end)
        })
        .filter(|name| name.chars().count() <= SKU_CHARACTERS_MAX)
        .chain(["😀".repeat(SKU_CHARACTERS_MAX)])
        .collect();
    assert_eq!(names.iter().map(String::len).max(), Some(SKU_BYTES_MAX));
    for name in &names {
        shop.define(name.clone());
    }
    for (number, name) in (0..).zip(&names) {
        assert_eq!(shop.machine.resolve(&Name::Sku(name.clone())), Some(number));
        assert_eq!(shop.name(number), *name);
        assert_eq!(shop.machine.resolve(&Name::Sku(name.clone() + "a")), None);
    }
    assert_eq!(shop.machine.validate(), Vec::<String>::new());
}

#[test]
fn a_snapshot_has_the_names_of_its_mark() {
    // Proves that names which are replaced while a snapshot is written are in it, in the order of their numbers,
    // and that they take no memory after it.
    const SKUS: u32 = 300;
    let (mut shop, mut twin) = (Shop::new(), Shop::new());
    for number in 0..SKUS {
        shop.define(name(number, 100));
        twin.define(name(number, 100));
    }
    for round in 1..=6 {
        let names: Vec<String> = (0..SKUS).map(|number| shop.name(number)).collect();
        let (mut loader, mark) = (Machine::loader(), shop.machine.begin_snapshot());
        let mut number = 0;
        let mut rename = |shop: &mut Shop, most: u32| {
            for at in number..SKUS.min(number + most) {
                let bytes = if round % 2 == 0 { 100 } else { 200 };
                shop.rename(at, name(at + round * SKUS, bytes));
                twin.rename(at, name(at + round * SKUS, bytes));
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
    let difference = shop.bytes().abs_diff(twin.bytes());
    assert!(difference <= 64 * 1024, "{difference} bytes");
}

#[test]
fn a_name_that_is_replaced_is_freed() {
    // Proves that a long-lived machine does not grow with the number of renames.
    const RENAMES: u32 = 20_000;
    let mut shop = Shop::new();
    shop.define(name(0, 200));
    let before = shop.bytes();
    (1..=RENAMES).for_each(|number| shop.rename(0, name(number % 2, 200)));
    let grown = (shop.bytes() - before) / u64::from(RENAMES);
    assert!(grown < 100, "{grown} bytes for each rename, of which a name would be 224");
}
