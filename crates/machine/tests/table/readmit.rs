//! Commands that a restore has undone, executed again: when it is allowed, once at most, and under their own ids.

use super::script::{Script, run};
use stockhold_protocol::command::{EpochStart, Readmit, Release, Reserve, Target};
use stockhold_protocol::query::{Query, QueryAnswer};
use stockhold_protocol::{
    Code, Command, CommandId, Detail, Envelope, Line, Lines, Outcome, Quantity, SkuId, StockId,
};

fn record(id: CommandId, command: Command<'_>) -> Vec<u8> {
    let mut record = Vec::new();
    Envelope::new(id, command).encode(&mut record).unwrap();
    record
}

fn reserve(lines: &[Line]) -> Command<'_> {
    let target = Target::Stock(StockId(0));
    let lines = Lines::Slice(lines);
    Command::Reserve(Reserve { target, lines, best_effort: false, ttl_ms: None, owner: 0, reference: "" })
}

fn units(units: i64) -> [Line; 1] {
    [Line::new(SkuId(0), Quantity::from_raw(units * 10_000).unwrap())]
}

/// Ten units of one SKU, and an epoch that began after op `base`.
struct Restored {
    script: Script,
    base: u64,
}

impl Restored {
    fn new(restored: bool) -> Self {
        let mut script = run("
            source east -> ok
            stock web -> ok
            sku A -> ok
            link web east 1 -> ok
            count east A 10 -> ok
            time +2h
        ");
        let base = script.machines.plain.op();
        let start = EpochStart { epoch: 7, restored };
        let begun = script.machines.apply(&record(CommandId::NONE, Command::BeginEpoch(start)));
        assert_eq!(begun.code, Code::Ok);
        Self { script, base }
    }

    /// An id of `ago` before now.
    fn id(&self, ago_ms: u64, number: u128) -> CommandId {
        CommandId::from_parts(self.script.machines.now.0 - ago_ms, number)
    }

    fn readmit(&mut self, epoch: u64, op: u64, id: CommandId, inner: &[u8]) -> Outcome {
        let readmit = Readmit { epoch, op, actor: "shop".into(), record: inner.to_vec() };
        self.script.machines.apply(&record(id, Command::Readmit(readmit)))
    }

    fn range(outcome: &Outcome) -> (Code, u64) {
        let Detail::Range { min, .. } = outcome.detail else { panic!("{outcome:?}") };
        assert!(!outcome.recorded);
        (outcome.code, min)
    }
}

#[test]
fn an_undone_command_is_executed_once_however_old_its_id_is() {
    // Proves that an id below the horizon executes, that its reservation is found by its id and belongs to the actor of then,
    // that the second time nothing happens, and that the refusal says where to go on.
    let mut restored = Restored::new(true);
    let (id, lines) = (restored.id(3_600_000, 1), units(3));
    let alone = record(id, reserve(&lines));
    assert_eq!(restored.script.machines.apply(&alone).code, Code::IdTooOld);
    let op = restored.base + 5;
    let first = restored.readmit(7, op, id, &alone);
    assert_eq!((first.code, first.recorded, first.replayed), (Code::Ok, false, false));
    let again = restored.readmit(7, op, id, &alone);
    assert_eq!((again.code, again.replayed), (Code::Ok, true), "its reservation is kept and answers");
    // Nothing is kept of the outcome of a release with an old id, so its op alone shows that it was executed.
    let release_id = restored.id(3_600_000, 2);
    let release = record(
        release_id,
        Command::Release(Release { reservation: id.into(), lines: Lines::Slice(&units(1)) }),
    );
    assert_eq!(restored.readmit(7, op + 3, release_id, &release).code, Code::Ok);
    for late in [op + 3, op + 2] {
        let refused = restored.readmit(7, late, release_id, &release);
        assert_eq!(Restored::range(&refused), (Code::AlreadyReadmitted, op + 4));
    }
    let kept = restored.script.machines.apply(&alone);
    assert_eq!((kept.code, kept.replayed), (Code::Ok, true), "the shopper's own retry gets the answer");
    let machine = &restored.script.machines.plain;
    let Some(QueryAnswer::Reservation(Some(view))) = machine.query(&Query::Reservation(id.to_bytes())) else {
        panic!("the reservation is unknown");
    };
    assert_eq!((view.actor.as_str(), view.lines[0].open), ("shop", units(2)[0].quantity));
    assert_eq!(machine.cell(SkuId(0), StockId(0)), 80_000);
    assert_eq!(machine.validate(), Vec::<String>::new());
}

#[test]
fn a_young_id_is_recorded_as_if_it_had_been_sent_by_itself() {
    // Proves that a retry of the client and a readmit of the same command are one command, in both orders.
    let mut restored = Restored::new(true);
    let (sent, undone, lines) = (restored.id(1_000, 1), restored.id(1_000, 2), units(2));
    let (sent_record, undone_record) = (record(sent, reserve(&lines)), record(undone, reserve(&lines)));
    assert_eq!(restored.script.machines.apply(&sent_record).code, Code::Ok);
    let op = restored.base + 1;
    let known = restored.readmit(7, op, sent, &sent_record);
    assert_eq!((known.code, known.replayed), (Code::Ok, true));
    let fresh = restored.readmit(7, op + 1, undone, &undone_record);
    assert_eq!((fresh.code, fresh.replayed, fresh.recorded), (Code::Ok, false, true));
    let retried = restored.script.machines.apply(&undone_record);
    assert_eq!((retried.code, retried.replayed), (Code::Ok, true));
    assert_eq!(restored.script.machines.plain.cell(SkuId(0), StockId(0)), 60_000);
    let refused = record(restored.id(1_000, 3), reserve(&units(7)));
    let sold_out = restored.readmit(7, op + 2, restored.id(1_000, 3), &refused);
    assert_eq!((sold_out.code, sold_out.recorded), (Code::SoldOut, true), "decided anew");
}

#[test]
fn only_the_epoch_of_the_restore_takes_undone_commands() {
    // Proves every refusal: another epoch, an epoch without a restore, ops that were kept, and foreign ids.
    let (lines, other) = (units(1), CommandId::from_parts(1_763_800_000_000, 99));
    let mut plain = Restored::new(false);
    let id = plain.id(1_000, 1);
    let inner = record(id, reserve(&lines));
    let op = plain.base + 1;
    assert_eq!(Restored::range(&plain.readmit(7, op, id, &inner)), (Code::NotRestored, 7));
    let mut restored = Restored::new(true);
    assert_eq!(Restored::range(&restored.readmit(6, op, id, &inner)), (Code::NotRestored, 7));
    assert_eq!(Restored::range(&restored.readmit(7, op - 1, id, &inner)), (Code::AlreadyReadmitted, op));
    let foreign = restored.readmit(7, op, other, &inner);
    assert_eq!(foreign.code, Code::BadField);
    assert_eq!(restored.readmit(7, op, id, &inner).code, Code::Ok);
    let start = EpochStart { epoch: 8, restored: false };
    restored.script.machines.apply(&record(CommandId::NONE, Command::BeginEpoch(start)));
    let id = restored.id(1_000, 2);
    let inner = record(id, reserve(&lines));
    assert_eq!(Restored::range(&restored.readmit(8, op + 1, id, &inner)), (Code::NotRestored, 8));
}
