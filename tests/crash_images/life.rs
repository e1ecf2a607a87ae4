//! Crash images of a whole run of the pipeline. At every moment of the disk's history, whatever the crash leaves of the
//! unsynced data, the server starts, has a state that existed before, and returns every acknowledged outcome again.

use std::collections::BTreeMap;

use super::world::{START_MS, World, format_disk, id, small};
use stockhold::config::Config;
use stockhold::storage::memory::{Survival, scramble};
use stockhold::storage::recording::{Fault, Mutant, RecordingStorage};
use stockhold::verify::verify;
use stockhold_protocol::command::{
    Count, LinkDefinition, Release, Reserve, SkuDefinition, SourceDefinition, StockDefinition, Target,
};
use stockhold_protocol::line::Lines;
use stockhold_protocol::{
    Code, Command, CommandId, Envelope, Line, Outcome, Quantity, ReservationId, SkuId, SourceId, StockId,
};

const STOCK: StockId = StockId(0);
const SKUS: u32 = 3;
pub(crate) const ROUNDS: u64 = 70;
pub(crate) const PER_ROUND: u64 = 5;

/// What was acknowledged, and at which moment of the disk's history.
pub(crate) struct Acknowledged {
    moment: usize,
    id: CommandId,
    pub(crate) number: u64,
    pub(crate) outcome: Outcome,
}

/// A run: what was acknowledged, and the digest after each op that ended a batch.
pub(crate) struct Life {
    pub(crate) storage: RecordingStorage,
    pub(crate) ledger: Vec<Acknowledged>,
    pub(crate) digests: BTreeMap<u64, u64>,
}

pub(crate) fn time_of(number: u64) -> u64 {
    START_MS + number * 10
}

/// The sale's command of this number, always the same.
pub(crate) fn with_command<T>(number: u64, then: impl FnOnce(Envelope<'_>) -> T) -> T {
    let draw = scramble(number);
    let sku = SkuId(u32::try_from(draw % u64::from(SKUS)).unwrap());
    let quantity = Quantity::units(1 + i64::try_from((draw >> 8) % 3).unwrap()).unwrap();
    let lines = [Line::new(sku, quantity)];
    let command = match draw >> 16 & 7 {
        0 if number > 10 => {
            let reservation = ReservationId(id(time_of(number - 10), number - 10));
            Command::Release(Release { reservation, lines: Lines::NONE })
        }
        1 if number > 10 => Command::Confirm(ReservationId(id(time_of(number - 7), number - 7))),
        hold => Command::Reserve(Reserve {
            target: Target::Stock(STOCK),
            lines: Lines::Slice(&lines),
            best_effort: false,
            ttl_ms: (hold < 5).then_some(2_000),
            owner: 0,
            reference: "",
        }),
    };
    then(Envelope::new(id(time_of(number), number), command))
}

pub(crate) fn open_shop(world: &mut World) {
    let source = SourceDefinition {
        code: "a".into(),
        name: "A".into(),
        enabled: true,
        country: "NL".into(),
        postcode: "1".into(),
        ..SourceDefinition::default()
    };
    world.done(1_000_001, Command::DefineSource(Box::new(source)));
    world.done(1_000_002, Command::DefineStock(StockDefinition { name: "web".into() }));
    world.done(1_000_003, Command::Link(LinkDefinition { stock: STOCK, source: SourceId(0), priority: 1 }));
    for number in 0..SKUS {
        let definition = SkuDefinition { sku: format!("S{number}"), ..SkuDefinition::default() };
        let sku = SkuId(world.done(1_000_010 + u64::from(number), Command::DefineSku(definition)));
        let count = Count {
            source: SourceId(0),
            sku,
            quantity: Quantity::units(120).unwrap(),
            in_stock: None,
            reason: String::new(),
            reference: String::new(),
        };
        world.done(1_000_020 + u64::from(number), Command::Count(count));
    }
}

fn live(storage: &RecordingStorage) -> Life {
    live_with(storage, &small(), true)
}

/// A run with this configuration, with snapshots or without.
pub(crate) fn live_with(storage: &RecordingStorage, config: &Config, snapshots: bool) -> Life {
    format_disk(storage, config);
    let mut world = World::start(storage, config, START_MS, 7).unwrap();
    let mut life = Life { storage: storage.clone(), ledger: Vec::new(), digests: BTreeMap::new() };
    life.digests.insert(0, world.digest());
    let mut note = |world: &World| life.digests.insert(world.op(), world.digest());
    open_shop(&mut world);
    note(&world);
    for round in 0..ROUNDS {
        world.time.advance_ms(PER_ROUND * 10);
        let mut requests = Vec::new();
        for number in round * PER_ROUND + 1..=(round + 1) * PER_ROUND {
            requests.push((number, with_command(number, |command| world.hand_in(&[command]))));
        }
        if snapshots && round % 20 == 15 {
            world.ask_for_snapshot();
        }
        while world.step() {
            note(&world);
        }
        note(&world);
        for (number, request) in requests {
            let outcome = world.outcomes(request, 1).expect("answered").remove(0);
            let moment = storage.moment();
            life.ledger.push(Acknowledged { moment, id: id(time_of(number), number), number, outcome });
        }
    }
    life
}

/// Verifies the image, starts a server on it and compares it with everything that was acknowledged up to `moment`.
fn check(life: &Life, image: &RecordingStorage, moment: usize) -> Result<(), String> {
    let verification = verify(&image.share_to_read(), |_, _| ()).map_err(|error| format!("{error:?}"))?;
    if !verification.is_sound() {
        return Err(format!("verify finds {:?}", verification.findings));
    }
    let now_ms = time_of(ROUNDS * PER_ROUND);
    let mut world =
        World::start(image, &small(), now_ms, 99).map_err(|error| format!("{error}: {error:?}"))?;
    if verification.state != Some((world.op(), world.digest())) {
        return Err(format!("verify came to {:?}, the server to op {}", verification.state, world.op()));
    }
    let expected = life.digests.get(&world.op());
    if expected != Some(&world.digest()) {
        return Err(format!("the state at op {} is none that the server went through", world.op()));
    }
    for known in life.ledger.iter().filter(|known| known.moment <= moment) {
        let again = with_command(known.number, |command| {
            assert_eq!(command.id, known.id);
            world.call(&[command]).remove(0)
        });
        let expected = Outcome { replayed: known.outcome.recorded, ..known.outcome.clone() };
        if known.outcome.recorded && again != expected {
            return Err(format!("command {}: acknowledged {:?}, now {again:?}", known.number, known.outcome));
        }
    }
    Ok(())
}

/// The moments to check: spread over the whole history, odd and even, so that both halves of a durable write occur.
fn moments(storage: &RecordingStorage, first: usize, count: usize) -> Vec<usize> {
    let all = storage.moment();
    (0..count)
        .map(|at| first + (all - first) * at / count + at % 2)
        .filter(|moment| *moment <= all)
        .chain([all])
        .collect()
}

/// The first moment at which the directory is formatted and a server has started.
fn first_moment(life: &Life) -> usize {
    life.ledger.first().expect("something was acknowledged").moment
}

#[test]
fn every_crash_gives_back_what_was_acknowledged() {
    // Proves durability of every acknowledged outcome, recovery of a state that existed, and that trimming loses
    // nothing.
    let life = live(&RecordingStorage::new());
    assert!(life.ledger.iter().any(|known| known.outcome.code == Code::Ok));
    assert!(life.ledger.iter().any(|known| known.outcome.code == Code::SoldOut));
    let files = life.storage.share().list().unwrap();
    assert_eq!(
        files.iter().filter(|file| file.name.ends_with(".snapshot")).count(),
        2,
        "snapshots were taken and trimmed"
    );
    assert!(life.storage.contents("0000000000000001.segment").is_none(), "the log was trimmed");
    for moment in first_moment(&life)..=life.storage.moment() {
        let drawn = Survival::Drawn(scramble(u64::try_from(moment).unwrap()));
        for survival in [Survival::Nothing, Survival::Everything, drawn] {
            let image = life.storage.crash_at(moment, survival);
            check(&life, &image, moment)
                .unwrap_or_else(|error| panic!("moment {moment}, {survival:?}: {error}"));
        }
    }
}

#[test]
fn a_crash_during_recovery_loses_nothing_either() {
    // Proves that the first steps of a start may be interrupted at any moment, twice.
    let life = live(&RecordingStorage::new());
    for moment in moments(&life.storage, first_moment(&life), 6) {
        let image = life.storage.crash_at(moment, Survival::Drawn(5));
        let now_ms = time_of(ROUNDS * PER_ROUND);
        drop(World::start(&image, &small(), now_ms, 3).unwrap());
        for again in moments(&image, 0, 6) {
            let second = image.crash_at(again, Survival::Drawn(scramble(u64::try_from(again).unwrap())));
            check(&life, &second, moment)
                .unwrap_or_else(|error| panic!("moment {moment}, then {again}: {error}"));
        }
    }
}

#[test]
fn a_server_that_forgets_to_sync_is_caught() {
    // Proves that the checks above can fail: if durable writes are not durable, some image loses an acknowledged
    // outcome.
    let storage = RecordingStorage::new();
    storage.set_mutant(Mutant::SkipDurableWrite);
    let life = live(&storage);
    let caught = moments(&life.storage, first_moment(&life), 10).into_iter().any(|moment| {
        let image = life.storage.crash_at(moment, Survival::Nothing);
        check(&life, &image, moment).is_err()
    });
    assert!(caught, "nobody noticed that nothing was synced");
}

#[test]
fn a_failed_log_write_loses_the_commands_in_flight_and_nothing_else() {
    // Proves that a failed write poisons the log: its batch is not answered, the connection is cut, and a restart keeps
    // the rest.
    for fault in [Fault::FailWrite(1), Fault::ShortWrite(1), Fault::FailSync(1)] {
        let storage = RecordingStorage::new();
        let config = small();
        format_disk(&storage, &config);
        let mut world = World::start(&storage, &config, START_MS, 7).unwrap();
        open_shop(&mut world);
        let kept = with_command(1, |command| world.call(&[command]).remove(0));
        world.run();
        storage.inject(fault);
        let request = with_command(2, |command| world.hand_in(&[command]));
        world.run();
        assert!(world.is_lost(), "{fault:?}: the connection must be cut");
        assert_eq!(world.outcomes(request, 1), None, "{fault:?}: an answer without a durable write");
        assert!(world.assembly.sequencer.failure().is_some());
        world.reconnect();
        let again = with_command(2, |command| world.hand_in(&[command]));
        assert!(world.is_lost(), "{fault:?}: nobody may say that the command did not happen");
        assert_eq!(world.outcomes(again, 1), None);
        drop(world);
        let image = storage.crash_now(Survival::Nothing);
        let mut world = World::start(&image, &config, START_MS, 8).unwrap();
        let again = with_command(1, |command| world.call(&[command]).remove(0));
        assert_eq!(again, Outcome { replayed: true, ..kept });
    }
}

#[test]
fn one_log_gives_one_state_under_any_process_configuration() {
    // Proves that the machine depends on nothing of the process, and that the same commands at the same times write the
    // same bytes.
    let (one, other) = (live(&RecordingStorage::new()), live(&RecordingStorage::new()));
    assert_eq!(one.digests, other.digests);
    let image = one.storage.crash_now(Survival::Everything);
    let segments = |storage: &RecordingStorage| -> Vec<Option<Vec<u8>>> {
        let files = storage.share().list().unwrap();
        let names = files.into_iter().map(|file| file.name).filter(|name| name.ends_with(".segment"));
        names.map(|name| storage.contents(&name)).collect()
    };
    assert!(segments(&image).len() > 2, "the life went through several segments");
    assert_eq!(segments(&image), segments(&other.storage.crash_now(Survival::Everything)));
    let mut config = small();
    config.log.batch_ops = 1;
    config.log.segment_bytes = 1 << 20;
    config.queues.commands = 7;
    let world = World::start(&image, &config, time_of(1_000_000), 5).unwrap();
    assert_eq!(Some((&world.op(), &world.digest())), one.digests.last_key_value());
}

#[test]
fn a_clean_stop_is_distinguished_from_a_crash() {
    // Proves that the end frame is written and found, and that its absence is reported.
    for stops in [true, false] {
        let storage = RecordingStorage::new();
        format_disk(&storage, &small());
        let mut world = World::start(&storage, &small(), START_MS, 7).unwrap();
        open_shop(&mut world);
        let digest = world.digest();
        if stops {
            world.stop();
        }
        let image = storage.crash_now(Survival::Nothing);
        let world = World::start(&image, &small(), START_MS, 8).unwrap();
        assert_eq!((world.assembly.report.clean_stop, world.digest()), (stops, digest));
    }
}

#[test]
fn a_full_disk_takes_what_frees_goes_on_with_checks_and_recovers_by_itself() {
    // Proves the reserve: reserves are refused while releases still pass, nothing is recorded, and freed space restores
    // normal operation.
    let storage = RecordingStorage::new();
    format_disk(&storage, &small());
    let mut world = World::start(&storage, &small(), START_MS, 7).unwrap();
    open_shop(&mut world);
    let lines = [Line::new(SkuId(0), Quantity::units(1).unwrap())];
    let cart = Command::Reserve(Reserve {
        target: Target::Stock(STOCK),
        lines: Lines::Slice(&lines),
        best_effort: false,
        ttl_ms: None,
        owner: 0,
        reference: "",
    });
    let envelope =
        |number: u64, command: &Command<'static>| Envelope::new(id(START_MS, number), command.clone());
    let cart = |number: u64| Envelope::new(id(START_MS, number), cart.clone());
    assert_eq!(world.call(&[cart(1)])[0].code, Code::Ok);
    // There is no space for another segment from now on.
    storage.set_capacity(Some(0));
    let refused = (2..200)
        .find(|number| world.call(&[cart(*number)])[0].code == Code::ReadOnly)
        .expect("the disk is full");
    let release =
        Command::Release(Release { reservation: ReservationId(id(START_MS, 1)), lines: Lines::NONE });
    let outcomes = world.call(&[cart(refused), envelope(5_000, &release), cart(refused + 1)]);
    let codes: Vec<_> = outcomes.iter().map(|outcome| (outcome.code, outcome.recorded)).collect();
    assert_eq!(codes, [(Code::ReadOnly, false), (Code::Ok, true), (Code::ReadOnly, false)]);
    assert!(world.assembly.sequencer.failure().is_none(), "running out of space is no failure");
    // After the rest of the reserve is used up, nothing is accepted.
    let full =
        (6_000..6_200).find(|number| world.call(&[envelope(*number, &release)])[0].code == Code::ReadOnly);
    assert!(full.is_some(), "the reserve has an end");
    storage.set_capacity(None);
    world.run();
    let granted = world.call(&[cart(refused)]).remove(0);
    assert_eq!((granted.code, granted.replayed), (Code::Ok, false), "the id was left unused");
    let digest = world.digest();
    let image = storage.crash_now(Survival::Nothing);
    assert_eq!(World::start(&image, &small(), START_MS, 8).unwrap().digest(), digest);
}

#[test]
fn a_connection_is_idle_only_when_all_its_commands_are_answered() {
    // Proves that no connection with a command anywhere between socket and disk counts as idle, at any step of any
    // stage.
    let storage = RecordingStorage::new();
    format_disk(&storage, &small());
    let mut world = World::start(&storage, &small(), START_MS, 7).unwrap();
    open_shop(&mut world);
    assert!(world.is_idle());
    for number in 1..=30 {
        let request = with_command(number, |command| world.hand_in(&[command]));
        while world.outcomes(request, 1).is_none() {
            assert!(!world.is_idle(), "command {number} is in flight");
            world.step();
        }
        assert!(world.is_idle());
    }
}
