//! Batches that do not come next are passed over, and batches that cannot belong to the log are refused. Neither stops
//! the program.

use stockhold::pipeline::apply::{ApplyError, BatchResult, PassedOver, apply_payload};
use stockhold_machine::config::{BATCH_RULES, WRITERS_MAX};
use stockhold_machine::{Genesis, Machine};
use stockhold_protocol::batch::{Actor, BatchHeader, batch_of_one_run};
use stockhold_protocol::limits::FEATURE_LEVEL;
use stockhold_protocol::{Code, Command, CommandId, Envelope, Outcome, Timestamp};

const POSITION: u64 = 1_000;
const FIRST: BatchHeader = BatchHeader {
    rules: BATCH_RULES,
    count: 2,
    writer: 7,
    session: 3,
    number: 1,
    proposed: Timestamp(1_000),
    feature_level: FEATURE_LEVEL,
    applied_op: 0,
    digest_op: 0,
    digest: 0,
};

/// Applies a batch of ticks; its position is far from the machine's op.
fn apply(machine: &mut Machine, header: BatchHeader) -> Result<(BatchResult, Vec<Outcome>), ApplyError> {
    let mut records = Vec::new();
    for _ in 0..header.count {
        Envelope::new(CommandId::NONE, Command::Tick).encode(&mut records).unwrap();
    }
    let payload = batch_of_one_run(&header, Actor::SERVER, &records);
    let mut outcomes = Vec::new();
    let place = (POSITION, header.count);
    let result =
        apply_payload(machine, place, &payload, |_| false, |_: &Machine, outcome| outcomes.push(outcome))?;
    Ok((result, outcomes))
}

/// Applies a batch that comes next.
fn take(machine: &mut Machine, header: BatchHeader) -> Vec<u64> {
    let (result, outcomes) = apply(machine, header).unwrap();
    assert!(matches!(result, BatchResult::Applied(applied) if applied.header == header), "{result:?}");
    assert!(outcomes.iter().all(|outcome| outcome.code == Code::Ok));
    outcomes.iter().map(|outcome| outcome.op).collect()
}

/// Applies a batch that is passed over: nothing may change.
fn pass_over(machine: &mut Machine, header: BatchHeader) -> PassedOver {
    let before = (machine.op(), machine.time(), machine.digest());
    let (result, outcomes) = apply(machine, header).unwrap();
    assert_eq!((machine.op(), machine.time(), machine.digest()), before, "{result:?} changed the machine");
    assert!(outcomes.is_empty(), "{result:?} gave {outcomes:?}");
    let BatchResult::PassedOver(reason) = result else { panic!("{header:?} was applied") };
    reason
}

#[test]
fn a_batch_that_does_not_come_next_is_passed_over_without_op_or_time() {
    // Proves that duplicates, older sessions, gaps and writers beyond the limit are four different reasons, that none
    // of them takes an op or time or changes the state, whatever time they propose, and that the next batch is applied.
    let mut machine = Machine::new(&Genesis::default());
    assert_eq!(take(&mut machine, FIRST), [1, 2]);
    assert_eq!(take(&mut machine, BatchHeader { session: 4, ..FIRST }), [3, 4]);
    let later = BatchHeader { proposed: Timestamp(2_000), ..FIRST };
    let reason = pass_over(&mut machine, BatchHeader { session: 4, ..later });
    assert_eq!(reason, PassedOver::Duplicate { writer: 7, session: 4, number: 1 });
    let reason = pass_over(&mut machine, BatchHeader { number: 2, ..later });
    assert_eq!(reason, PassedOver::OldSession { writer: 7, found: 3, known: 4 });
    let reason = pass_over(&mut machine, BatchHeader { session: 4, number: 3, ..later });
    assert_eq!(reason, PassedOver::Gap { writer: 7, found: 3, expected: 2 });
    let reason = pass_over(&mut machine, BatchHeader { writer: 8, number: 2, ..later });
    assert_eq!(reason, PassedOver::Gap { writer: 8, found: 2, expected: 1 });
    assert_eq!(take(&mut machine, BatchHeader { session: 4, number: 2, ..FIRST }), [5, 6]);

    for writer in 100..99 + u64::try_from(WRITERS_MAX).unwrap() {
        assert_eq!(take(&mut machine, BatchHeader { writer, ..FIRST }).len(), 2);
    }
    let reason = pass_over(&mut machine, BatchHeader { writer: 9, ..later });
    assert_eq!(reason, PassedOver::Writers { writer: 9 });
    assert!(reason.to_string().contains(&WRITERS_MAX.to_string()), "{reason}");
}

#[test]
fn a_batch_of_other_rules_a_later_level_or_another_count_is_an_error() {
    // Proves that a batch that cannot belong to this log is distinguished from one that is passed over, even if both
    // are true.
    const LATER: u32 = FEATURE_LEVEL + 1;
    let mut machine = Machine::new(&Genesis::default());
    take(&mut machine, FIRST);
    let before = (machine.op(), machine.digest());
    for rules in [0, BATCH_RULES - 1, BATCH_RULES + 1] {
        for number in [1, 2, 3] {
            let error = apply(&mut machine, BatchHeader { rules, number, ..FIRST }).unwrap_err();
            let ApplyError::Rules { position, found, .. } = error else { panic!("{error}") };
            assert_eq!((position, found), (POSITION, rules));
        }
    }
    for number in [1, 2, 3] {
        let later = BatchHeader { feature_level: LATER, number, ..FIRST };
        let error = apply(&mut machine, later).unwrap_err();
        assert!(matches!(error, ApplyError::FeatureLevel { position: POSITION, found: LATER }), "{error}");
    }
    let payload = |records: u32, number: u64| {
        let mut payload = Vec::new();
        for _ in 0..records {
            Envelope::new(CommandId::NONE, Command::Tick).encode(&mut payload).unwrap();
        }
        batch_of_one_run(&BatchHeader { number, ..FIRST }, Actor::SERVER, &payload)
    };
    for number in [1, 2, 3] {
        let error =
            apply_payload(&mut machine, (POSITION, 3), &payload(3, number), |_| false, |_: &Machine, _| ());
        let is_told = matches!(error, Err(ApplyError::Count { position: POSITION, found: 2, expected: 3 }));
        assert!(is_told, "{error:?}");
    }
    assert_eq!((machine.op(), machine.digest()), before);
    let torn = [payload(2, 1).as_slice(), &[9]].concat();
    for (found, payload) in [(1_u32, payload(1, 1)), (3, payload(3, 1)), (3, torn)] {
        let mut machine = Machine::new(&Genesis::default());
        let error = apply_payload(&mut machine, (POSITION, 2), &payload, |_| false, |_: &Machine, _| ());
        let is_told = matches!(error, Err(ApplyError::Count { found: told, .. }) if told == u64::from(found));
        assert!(is_told, "{found}: {error:?}");
    }
}
