//! Names: what they stand for, what readers are told of them, and what becomes of them when things are renamed.

use super::script::Script;
use std::collections::BTreeMap;
use stockhold_machine::config::OLD_NAMES_MAX;
use stockhold_machine::table::record_hash;
use stockhold_machine::{Changes, Genesis, LoadError, Machine, Progress, Section};
use stockhold_protocol::batch::{Rights, Run};
use stockhold_protocol::command::{Count, Rename, SkuDefinition, StockDefinition};
use stockhold_protocol::query::Name;
use stockhold_protocol::{
    Code, Command, CommandId, Detail, Envelope, Outcome, Quantity, SkuId, SourceId, Timestamp,
};

/// What readers know who were told every change.
#[derive(Default)]
struct Readers {
    numbers: BTreeMap<Name, u32>,
    changes: Changes,
}

impl Readers {
    /// Takes over what has changed. Then readers who are told everything at once know the same.
    fn follow(&mut self, script: &mut Script) {
        script.machines.plain.take_changes(&mut self.changes);
        for name in &self.changes.ended_names {
            assert!(self.numbers.remove(name).is_some(), "{name:?} was never told");
        }
        self.numbers.extend(self.changes.names.iter().cloned());
        let mut all = Changes::default();
        script.machines.plain.all_changes(&mut all);
        assert_eq!(self.numbers, all.names.into_iter().collect());
        for (name, number) in &self.numbers {
            assert_eq!(script.machines.plain.resolve(name), Some(*number), "{name:?}");
        }
    }
}

#[test]
fn readers_are_told_every_name_once() {
    // Proves that readers resolve names as the machine does, and that a second definition is none of a name.
    let (mut script, mut readers) = (Script::new(), Readers::default());
    script.go("
        source A1        -> ok number=0
        source A2        -> ok number=1
        stock WEB        -> ok number=0
        sku BIKE         -> ok number=0
        channel site:eu WEB -> ok number=0
        ");
    readers.follow(&mut script);
    assert_eq!(readers.numbers.len(), 5);
    script.go("
        source A2 off    -> ok
        stock WEB        -> ok number=0
        sku BIKE decimals -> ok number=0
        sku bike         -> ok number=1
        channel site:eu WEB -> ok number=0
        ");
    readers.follow(&mut script);
    assert_eq!(readers.numbers.len(), 6, "case matters");
}

const DAY_MS: u64 = 24 * 3_600_000;

fn sku(name: &str) -> Name {
    Name::Sku(name.into())
}

fn stock(name: &str) -> Name {
    Name::Stock(name.into())
}

fn source(code: &str) -> Name {
    Name::Source(code.into())
}

fn channel(code: &str) -> Name {
    Name::Channel("site".into(), code.into())
}

fn record(id: CommandId, command: Command<'_>) -> Vec<u8> {
    let mut record = Vec::new();
    Envelope::new(id, command).encode(&mut record).unwrap();
    record
}

/// A scenario, what its readers know, and ids for what it renames.
struct Shop {
    script: Script,
    readers: Readers,
    ids: u128,
}

impl Shop {
    fn open(text: &str) -> Self {
        let (script, readers) = (Script::new(), Readers::default());
        let mut shop = Self { script, readers, ids: 0 };
        shop.go(text);
        shop
    }

    fn go(&mut self, text: &str) {
        self.script.go(text);
        self.readers.follow(&mut self.script);
    }

    fn resolve(&self, name: &Name) -> Option<u32> {
        let number = self.script.machines.plain.resolve(name);
        assert_eq!(self.readers.numbers.get(name), number.as_ref(), "{name:?}");
        number
    }

    fn rename_number(&mut self, number: u32, to: &Name) -> Outcome {
        self.ids += 1;
        let id = CommandId::from_parts(self.script.machines.now.0, self.ids);
        let rename = Command::Rename(Rename { number, to: to.clone() });
        let outcome = self.script.machines.apply(&record(id, rename));
        self.readers.follow(&mut self.script);
        outcome
    }

    fn rename(&mut self, from: &Name, to: &Name) -> Outcome {
        let number = self.resolve(from).unwrap();
        self.rename_number(number, to)
    }

    fn generation(&self) -> u32 {
        self.script.machines.plain.name_generation()
    }
}

const SHOP: &str = "
    source A1
    source A2
    stock WEB
    stock POS
    channel site:eu WEB
    channel site:us POS
    link WEB A1
    sku BIKE
    sku CAR
    count A1 BIKE 10
    reserve r1 WEB 2xBIKE
    reserve r2 @site:eu 1xBIKE ttl=90s
";

#[test]
fn what_is_renamed_stays_what_it_is_and_is_found_by_both_names() {
    // Proves for each kind that number, goods, promises and state stay, that commands by either name mean it until the grace ends,
    // and that the old name stands for nothing from then on.
    let mut shop = Shop::open(SHOP);
    let names = [
        (sku("BIKE"), sku("BIKE-1")),
        (stock("WEB"), stock("WEB-1")),
        (source("A1"), source("A1-1")),
        (channel("eu"), Name::Channel("web".into(), "europe".into())),
    ];
    for (old, new) in &names {
        let number = shop.resolve(old);
        let outcome = shop.rename(old, new);
        assert_eq!((outcome.code, outcome.value, outcome.recorded), (Code::Ok, 0, true));
        assert_eq!((shop.resolve(old), shop.resolve(new)), (number, number));
    }
    shop.go("
        state r1            -> confirmed 2xBIKE-1
        state r2            -> held 1xBIKE-1
        salable WEB BIKE    -> 7
        salable WEB-1 BIKE-1 -> 7
        reserve r3 @web:europe 1xBIKE
        ship r1 A1-1 2xBIKE-1
        count A1 BIKE 20    -> ok short=0
        sku CAR-1           -> ok number=2
        salable WEB BIKE    -> 18
        time +23h
        mark here
        salable WEB BIKE    -> 19
        time +59m
        source A2
        salable WEB BIKE    -> 19
        time +60s
        source A2
        salable WEB-1 BIKE-1 -> 19
        confirm r3          -> already_confirmed
        ");
    for (old, new) in &names {
        assert_eq!(shop.resolve(old), None, "{old:?}");
        assert!(shop.resolve(new).is_some(), "{new:?}");
    }
    assert_eq!(shop.generation(), 0, "nothing got another thing's name");
}

#[test]
fn a_definition_by_an_old_name_changes_what_had_it_and_leaves_it_its_name() {
    // Proves it for each kind in the grace, and that after it the same definition makes a new thing and raises the name generation.
    let mut shop = Shop::open(SHOP);
    for (old, new) in [
        (sku("BIKE"), sku("BIKE-1")),
        (stock("WEB"), stock("WEB-1")),
        (source("A1"), source("A1-1")),
        (channel("eu"), channel("europe")),
    ] {
        assert_eq!(shop.rename(&old, &new).code, Code::Ok);
    }
    shop.go("
        sku BIKE decimals   -> ok number=0
        reserve r3 WEB 1.5xBIKE-1
        stock WEB           -> ok number=0
        source A1 off       -> ok value=0 short=4.5
        source A1           -> ok value=0
        channel site:eu POS -> ok number=0
        reserve r4 @site:europe 1xBIKE -> not_assigned
        salable WEB-1 BIKE-1 -> 5.5
        time +24h
        ");
    assert_eq!(shop.generation(), 0);
    shop.go("
        sku BIKE            -> ok number=2
        stock WEB           -> ok number=2
        source A1 name=new  -> ok value=2
        channel site:eu POS -> ok number=2
        salable WEB-1 BIKE-1 -> 6.5
        salable WEB BIKE    -> not_assigned
        ");
    assert_eq!(shop.generation(), 4);
    assert_eq!(shop.resolve(&sku("BIKE-1")), Some(0));
}

#[test]
fn a_name_in_use_or_in_its_grace_is_given_to_nothing_else() {
    // Proves the refusals, which are recorded but for an unknown number, and who may have a name again.
    let mut shop = Shop::open(SHOP);
    let taken = |outcome: &Outcome, by: &str| {
        let detail = Detail::Field { field: "to".into(), rule: format!("belongs to {by}") };
        assert_eq!((outcome.code, outcome.recorded, &outcome.detail), (Code::NameTaken, true, &detail));
    };
    taken(&shop.rename(&sku("CAR"), &sku("BIKE")), "BIKE");
    taken(&shop.rename(&channel("us"), &channel("eu")), "site/eu");
    assert_eq!(shop.rename(&sku("BIKE"), &sku("BIKE-1")).code, Code::Ok);
    taken(&shop.rename(&sku("CAR"), &sku("BIKE")), "BIKE-1");
    assert_eq!(
        shop.rename(&stock("WEB"), &stock("BIKE")).code,
        Code::Ok,
        "the name of another kind of thing"
    );
    assert_eq!(shop.rename(&sku("BIKE-1"), &sku("BIKE-1")).code, Code::Ok, "its own name");
    assert_eq!(shop.rename(&sku("BIKE-1"), &sku("BIKE-2")).code, Code::Ok);
    assert_eq!(shop.rename(&sku("BIKE-2"), &sku("BIKE")).code, Code::Ok, "back to a name that it had");
    taken(&shop.rename(&sku("CAR"), &sku("BIKE-1")), "BIKE");
    for unknown in [sku("X"), stock("X"), source("X"), channel("X")] {
        let outcome = shop.rename_number(7, &unknown);
        let detail = Detail::Field { field: "number".into(), rule: "is not a known name".into() };
        assert_eq!((outcome.code, outcome.recorded, outcome.detail), (Code::UnknownName, false, detail));
    }
    shop.go("time +24h");
    shop.go("sku VAN");
    assert_eq!(shop.generation(), 0, "everything has got what it had");
    assert_eq!(shop.rename(&sku("CAR"), &sku("BIKE-1")).code, Code::Ok, "after the grace");
    assert_eq!(shop.generation(), 1);
    assert_eq!(shop.rename(&sku("BIKE"), &sku("BIKE-2")).code, Code::Ok, "its own old name after the grace");
    assert_eq!(shop.generation(), 1);
}

#[test]
fn the_grace_is_that_of_the_moment_of_renaming() {
    // Proves that the grace is measured in the time of ops, gaps included, to the millisecond, and not changed afterwards.
    let mut shop = Shop::open(SHOP);
    shop.go("configure name_grace=15m gap=5s");
    assert_eq!(shop.rename(&sku("BIKE"), &sku("BIKE-1")).code, Code::Ok);
    shop.go("configure name_grace=24h");
    shop.go("time +899999ms");
    shop.go("mark here");
    assert_eq!(shop.resolve(&sku("BIKE")), Some(0));
    shop.go("time +1ms");
    shop.go("mark there");
    assert_eq!(shop.resolve(&sku("BIKE")), None);
    shop.go("configure name_grace=14m -> bad_field field=name_grace_ms");
}

/// A machine by itself, with stock WEB, source 0 and SKUs.
struct Plain {
    machine: Machine,
    now: Timestamp,
    ids: u128,
}

impl Plain {
    fn new(skus: &[&str]) -> Self {
        let now = Timestamp(1_763_800_000_000);
        let machine = Machine::new(&Genesis { formatted_at: now, ..Genesis::default() });
        let mut plain = Self { machine, now, ids: 0 };
        for name in skus {
            plain.define(name);
        }
        plain
    }

    fn new_id(&mut self) -> CommandId {
        self.ids += 1;
        CommandId::from_parts(self.now.0, self.ids)
    }

    fn send(&mut self, command: Command<'_>) -> Outcome {
        let id = self.new_id();
        self.machine.apply(self.now, &record(id, command))
    }

    fn define(&mut self, name: &str) -> Outcome {
        self.send(Command::DefineSku(SkuDefinition { sku: name.into(), ..SkuDefinition::default() }))
    }

    fn rename(&mut self, number: u32, to: &str) -> Outcome {
        self.send(Command::Rename(Rename { number, to: sku(to) }))
    }

    fn run_of(&mut self, name_generation: u32) {
        self.machine.begin_run(&Run {
            actor: 0,
            introduces: None,
            rights: Rights::ALL,
            name_generation,
            records: 1,
        });
    }
}

fn count_of(number: u32) -> Command<'static> {
    Command::Count(Count {
        source: SourceId(0),
        sku: SkuId(number),
        quantity: Quantity::MAX,
        in_stock: None,
        reason: String::new(),
        reference: String::new(),
    })
}

#[test]
fn numbers_from_before_a_name_was_given_away_are_refused() {
    // Proves that the generation rises within a run and binds the rest of it, that the refusal leaves the id unused, and that commands
    // without numbers go on.
    let mut plain = Plain::new(&["BIKE", "CAR"]);
    plain.run_of(0);
    assert_eq!(plain.rename(0, "BIKE-1").code, Code::Ok);
    plain.now.0 += DAY_MS;
    let id = plain.new_id();
    let counting = record(id, count_of(0));
    assert_eq!(plain.machine.apply(plain.now, &counting).code, Code::UnknownName, "there is no source");
    assert_eq!((plain.define("BIKE").code, plain.machine.name_generation()), (Code::Ok, 1));
    let refused = plain.machine.apply(plain.now, &counting);
    assert_eq!((refused.code, refused.value, refused.recorded), (Code::NamesChanged, 1, false));
    assert_eq!(refused.detail, Detail::None);
    let renamed = plain.rename(1, "VAN");
    assert_eq!((renamed.code, renamed.value), (Code::NamesChanged, 1));
    assert_eq!(plain.define("VAN").code, Code::Ok);
    let stock = StockDefinition { name: "WEB".into() };
    assert_eq!(plain.send(Command::DefineStock(stock)).code, Code::Ok);
    let confirmed = plain.send(Command::Confirm(stockhold_protocol::ReservationId(id)));
    assert_eq!(confirmed.code, Code::UnknownReservation);
    assert_eq!(plain.rename(1, "VAN-1").code, Code::NamesChanged);
    plain.run_of(1);
    assert_eq!(plain.machine.apply(plain.now, &counting).code, Code::UnknownName);
    assert_eq!(plain.rename(1, "VAN-1").code, Code::Ok);
    plain.run_of(7);
    assert_eq!(plain.rename(1, "VAN-2").code, Code::Ok, "nobody is ahead of the machine");
}

#[test]
fn a_repeated_command_is_answered_whatever_names_have_changed() {
    // Proves that what was answered under an id is answered again under an older name generation.
    let mut plain = Plain::new(&["BIKE"]);
    assert_eq!(plain.send(Command::Configure(Box::new(short_grace()))).code, Code::Ok);
    assert_eq!(plain.rename(0, "BIKE-1").code, Code::Ok);
    plain.now.0 += 60_000;
    let id = plain.new_id();
    let renaming = record(id, Command::Rename(Rename { number: 0, to: sku("BIKE-2") }));
    assert_eq!(plain.machine.apply(plain.now, &renaming).code, Code::Ok);
    assert_eq!((plain.define("BIKE").code, plain.machine.name_generation()), (Code::Ok, 1));
    plain.run_of(0);
    let again = plain.machine.apply(plain.now, &renaming);
    assert_eq!((again.code, again.replayed), (Code::Ok, true));
    assert_eq!(plain.rename(0, "BIKE-3").code, Code::NamesChanged);
}

fn short_grace() -> stockhold_protocol::command::Configure {
    stockhold_protocol::command::Configure {
        id_retention_ms: Some(60_000),
        name_grace_ms: Some(60_000),
        ..Default::default()
    }
}

#[test]
fn old_names_are_bounded() {
    // Proves the answer one below, at and above the limit while all are in their grace, that a thing may still go back to its old
    // name there, and that afterwards the oldest makes room and is no trap for those who know its number.
    let mut plain = Plain::new(&["N-0", "OTHER"]);
    for number in 1..=OLD_NAMES_MAX {
        assert_eq!(plain.rename(0, &format!("N-{number}")).code, Code::Ok, "{number}");
    }
    let full = plain.rename(0, "ONE-MORE");
    let limit = Detail::Limit { name: "old names".into(), value: OLD_NAMES_MAX.try_into().unwrap() };
    assert_eq!((full.code, full.recorded, full.detail), (Code::LimitReached, true, limit));
    assert_eq!(plain.rename(0, "N-7").code, Code::Ok, "one name comes, one goes");
    assert_eq!(plain.rename(1, "OTHER-1").code, Code::LimitReached);
    assert_eq!(plain.machine.name_generation(), 0);
    assert_eq!(plain.machine.validate(), Vec::<String>::new());
    plain.now.0 += DAY_MS;
    assert_eq!(plain.rename(1, "OTHER-1").code, Code::Ok);
    assert_eq!(plain.machine.name_generation(), 1, "N-0 is forgotten, and so are those who knew its number");
    assert_eq!((plain.define("N-0").code, plain.machine.name_generation()), (Code::Ok, 1));
    assert_eq!((plain.define("N-1").code, plain.machine.name_generation()), (Code::Ok, 2), "N-1 is known");
}

#[test]
fn an_old_name_that_no_machine_keeps_is_refused() {
    // Proves that a snapshot cannot bring an old name of nothing, one that something has, or one of an op to come.
    let mut plain = Plain::new(&["BIKE", "CAR"]);
    assert_eq!(plain.rename(0, "BIKE-1").code, Code::Ok);
    let mut frames = Vec::new();
    let mark = plain.machine.begin_snapshot();
    let mut sink = |section, records, bytes: &[u8]| frames.push((section, records, bytes.to_vec()));
    while plain.machine.snapshot_step(1_000, &mut sink) == Progress::More {}
    let load = |change: &dyn Fn(&mut Vec<u8>)| {
        let (mut loader, mut mark) = (Machine::loader(), mark);
        for (section, records, bytes) in &frames {
            let mut bytes = bytes.clone();
            if *section == Section::OldName.number() {
                let hash = |bytes: &[u8]| record_hash(Section::OldName as u8, bytes);
                mark.digest = mark.digest.wrapping_sub(hash(&bytes));
                change(&mut bytes);
                mark.digest = mark.digest.wrapping_add(hash(&bytes));
            }
            loader.section(*section, *records, &bytes)?;
        }
        loader.finish(&mark).map(|machine| machine.digest())
    };
    // Length, then each field with a head of six bytes: op, name (variant, length, text), number, end of the grace.
    let (op_at, name_at) = (4 + 6, 4 + 6 + 8 + 6 + 4 + 8);
    let number_at = name_at + 4 + 6;
    assert_eq!(load(&|_| ()), Ok(plain.machine.digest()));
    let dangling = Err(LoadError::Dangling(Section::OldName));
    assert_eq!(load(&|bytes| bytes[number_at] = 9), dangling);
    assert_eq!(load(&|bytes| bytes[op_at] = 200), dangling);
    assert_eq!(
        load(&|bytes| {
            // "CAR" is one letter shorter than "BIKE".
            bytes.splice(name_at..name_at + 4, *b"CAR");
            bytes[name_at - 8] -= 1;
            bytes[name_at - 16] -= 1;
            bytes[0] -= 1;
        }),
        dangling
    );
    assert!(matches!(load(&|bytes| bytes[op_at] = 0), Err(LoadError::Record(Section::OldName, ..))));
}
