//! Names on a whole server: what connections resolve, what frames tell, and what a name that was given to another thing refuses.

use super::world::{START_MS, World, format_disk, id, small};
use stockhold::storage::recording::RecordingStorage;
use stockhold_protocol::command::{
    Configure, Count, LinkDefinition, Rename, Reserve, SkuDefinition, SourceDefinition, StockDefinition,
    Target,
};
use stockhold_protocol::query::Name;
use stockhold_protocol::{Code, Command, Envelope, Line, Lines, Outcome, Quantity, SkuId, SourceId, StockId};

const GRACE_MS: u64 = 60_000;

fn sku(name: &str) -> Name {
    Name::Sku(name.into())
}

/// A reserve of one unit that was never sent before.
fn reserve(world: &mut World, number: u64, sku: u32) -> Outcome {
    let lines = [Line::new(SkuId(sku), Quantity::units(1).unwrap())];
    let (target, lines) = (Target::Stock(StockId(0)), Lines::Slice(&lines));
    let reserve = Reserve { target, lines, best_effort: false, ttl_ms: None, owner: 0, reference: "" };
    world.call(&[Envelope::fresh(id(START_MS + GRACE_MS, number), Command::Reserve(reserve))]).remove(0)
}

/// A shop with a bike that is sold out.
fn open_shop(world: &mut World) {
    let source = SourceDefinition {
        code: "A1".into(),
        name: "A1".into(),
        enabled: true,
        country: "DE".into(),
        postcode: "1".into(),
        ..SourceDefinition::default()
    };
    let grace = Configure {
        id_retention_ms: Some(GRACE_MS),
        name_grace_ms: Some(GRACE_MS),
        gap_max_ms: Some(10 * GRACE_MS),
        ..Configure::default()
    };
    world.done(1, Command::DefineSource(Box::new(source)));
    world.done(2, Command::DefineStock(StockDefinition { name: "WEB".into() }));
    world.done(3, Command::DefineSku(SkuDefinition { sku: "BIKE".into(), ..SkuDefinition::default() }));
    world.done(4, Command::Link(LinkDefinition { stock: StockId(0), source: SourceId(0), priority: 1 }));
    world.done(5, Command::Configure(Box::new(grace)));
    world.done(
        6,
        Command::Count(Count {
            source: SourceId(0),
            sku: SkuId(0),
            quantity: Quantity::ZERO,
            in_stock: None,
            reason: String::new(),
            reference: String::new(),
        }),
    );
}

#[test]
fn a_name_that_is_given_to_another_thing_refuses_its_old_number() {
    // Proves the way of names through the server: both resolve in the grace and one after it, outcomes and Welcome tell the generation,
    // a number of an older one is neither applied nor refused at the edge, and all of it outlives a restart.
    let storage = RecordingStorage::new();
    format_disk(&storage, &small());
    let mut world = World::start(&storage, &small(), START_MS, 1).unwrap();
    open_shop(&mut world);
    let names = [sku("BIKE"), sku("BIKE-1"), sku("CAR")];
    world.done(7, Command::Rename(Rename { number: 0, to: sku("BIKE-1") }));
    assert_eq!(world.resolve(&names), [Some(0), Some(0), None]);
    world.reconnect();
    assert_eq!(world.welcome().name_generation, 0);
    world.time.advance_ms(GRACE_MS);
    world.run();
    let define =
        |name: &str| Command::DefineSku(SkuDefinition { sku: name.into(), ..SkuDefinition::default() });
    let late = |number: u64| id(START_MS + GRACE_MS, number);
    assert_eq!(world.call(&[Envelope::new(late(8), define("CAR"))])[0].value, 1);
    assert_eq!(world.resolve(&names), [None, Some(0), Some(1)]);
    assert_eq!(world.told_names, 0);
    let refused = reserve(&mut world, 9, 0);
    assert_eq!((refused.code, refused.recorded), (Code::SoldOut, false), "an edge refusal");

    assert_eq!(world.call(&[Envelope::new(late(10), define("BIKE"))])[0].value, 2);
    assert_eq!(world.told_names, 1);
    assert_eq!(world.resolve(&names), [Some(2), Some(0), Some(1)]);
    let op = world.op();
    let refused = reserve(&mut world, 11, 0);
    assert_eq!((refused.code, refused.value, refused.recorded), (Code::NamesChanged, 1, false));
    assert_eq!(world.op(), op + 1, "it was decided when it was applied");
    world.names = world.told_names;
    let refused = reserve(&mut world, 11, 0);
    assert_eq!((refused.code, refused.recorded), (Code::SoldOut, false), "the id is unused");
    assert_eq!(world.op(), op + 1);
    let digest = world.digest();
    world.stop();

    let mut world = World::start(&storage, &small(), START_MS + 2 * GRACE_MS, 2).unwrap();
    assert_eq!((world.digest(), world.welcome().name_generation), (digest, 1));
    assert_eq!(world.resolve(&names), [Some(2), Some(0), Some(1)]);
    assert_eq!(reserve(&mut world, 12, 0).code, Code::NamesChanged);
}
