//! Batches that cannot be of the log that they stand in: each is refused by what is wrong with it, and none stops the program.

use stockhold::pipeline::apply::{ApplyError, apply_payload};
use stockhold_machine::config::{BATCH_RULES, WRITERS_MAX};
use stockhold_machine::{Genesis, Machine};
use stockhold_protocol::batch::{Actor, BatchHeader, batch_of_one_run};
use stockhold_protocol::limits::FEATURE_LEVEL;
use stockhold_protocol::{Code, Command, CommandId, Envelope, Outcome, Timestamp};

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

/// Applies a batch of two ticks at the next op.
fn apply(machine: &mut Machine, header: BatchHeader) -> Result<Vec<Outcome>, ApplyError> {
    let mut records = Vec::new();
    for _ in 0..header.count {
        Envelope::new(CommandId::NONE, Command::Tick).encode(&mut records).unwrap();
    }
    let payload = batch_of_one_run(&header, Actor::SERVER, &records);
    let mut outcomes = Vec::new();
    let place = (machine.op() + 1, header.count);
    apply_payload(machine, place, &payload, |_| false, |outcome| outcomes.push(outcome))?;
    Ok(outcomes)
}

#[test]
fn a_batch_that_does_not_come_next_is_refused_by_what_is_wrong_with_it() {
    // Proves that older sessions, gaps, writers beyond the limit and other rules are four different errors, that none of them panics,
    // and that the machine is as it was.
    let mut machine = Machine::new(&Genesis::default());
    assert_eq!(apply(&mut machine, FIRST).unwrap().len(), 2);
    assert_eq!(apply(&mut machine, BatchHeader { session: 4, ..FIRST }).unwrap().len(), 2);
    let before = (machine.op(), machine.digest());
    let error = apply(&mut machine, BatchHeader { number: 2, ..FIRST }).unwrap_err();
    assert!(matches!(error, ApplyError::OldSession { op: 5, found: 3, known: 4 }), "{error}");
    let error = apply(&mut machine, BatchHeader { session: 4, number: 3, ..FIRST }).unwrap_err();
    assert!(matches!(error, ApplyError::Gap { op: 5, found: 3, expected: 2 }), "{error}");
    let error = apply(&mut machine, BatchHeader { writer: 8, number: 2, ..FIRST }).unwrap_err();
    assert!(matches!(error, ApplyError::Gap { op: 5, found: 2, expected: 1 }), "{error}");
    for rules in [0, BATCH_RULES - 1, BATCH_RULES + 1] {
        let next = BatchHeader { rules, session: 4, number: 2, ..FIRST };
        let error = apply(&mut machine, next).unwrap_err();
        assert!(matches!(error, ApplyError::Rules { op: 5, found, .. } if found == rules), "{error}");
    }
    let next = BatchHeader { feature_level: FEATURE_LEVEL + 1, session: 4, number: 2, ..FIRST };
    let error = apply(&mut machine, next).unwrap_err();
    assert!(matches!(error, ApplyError::FeatureLevel { op: 5, found: 2 }), "{error}");
    assert_eq!((machine.op(), machine.digest()), before);
    for writer in 100..99 + u64::try_from(WRITERS_MAX).unwrap() {
        assert_eq!(apply(&mut machine, BatchHeader { writer, ..FIRST }).unwrap().len(), 2);
    }
    let before = (machine.op(), machine.digest());
    let error = apply(&mut machine, BatchHeader { writer: 9, ..FIRST }).unwrap_err();
    assert!(matches!(error, ApplyError::Writers { .. }), "{error}");
    assert!(error.to_string().contains(&WRITERS_MAX.to_string()), "{error}");
    assert_eq!((machine.op(), machine.digest()), before);
}

#[test]
fn a_batch_that_was_applied_is_skipped_whole_with_an_outcome_for_each_op() {
    // Proves that whoever counts outcomes by ops finds one for each of a duplicate, which does nothing.
    let mut machine = Machine::new(&Genesis::default());
    let first = apply(&mut machine, FIRST).unwrap();
    assert!(first.iter().all(|outcome| outcome.code == Code::Ok));
    let again = apply(&mut machine, FIRST).unwrap();
    assert_eq!(
        again.iter().map(|outcome| (outcome.code, outcome.op)).collect::<Vec<_>>(),
        [(Code::Skipped, 3), (Code::Skipped, 4)]
    );
    assert_eq!(apply(&mut machine, BatchHeader { number: 2, ..FIRST }).unwrap().len(), 2);
}
