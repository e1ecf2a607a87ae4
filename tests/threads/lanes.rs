//! Batches go round and pieces of a snapshot are handed over without a standstill.

use loom::sync::Arc;
use loom::thread;

use super::bell::{Bell, Sleeper};
use super::checker::{check, is_caught};
use super::lane::Lane;
use super::primitives::ArrayQueue;

/// Sends numbers over a lane with so many things going round; who waits sleeps on its bell, as the stages do.
fn go_round(things: usize, numbers: u32, looks_again: bool) {
    let (applier_bell, applier) = Bell::new();
    let (sequencer_bell, sequencer) = Bell::new();
    let lane = Lane::new((0..things).map(|_| Box::new(0_u32)).collect(), applier_bell, sequencer_bell);
    let back = lane.clone();
    let applying = thread::spawn(move || {
        for number in 1..=numbers {
            let batch = loop {
                match back.take_filled() {
                    Some(batch) => break batch,
                    None => applier.sleep(1, || looks_again && !back.is_idle()),
                }
            };
            assert_eq!(*batch, number, "batches come in order");
            back.give_back(batch);
        }
    });
    for number in 1..=numbers {
        let mut batch = loop {
            match lane.take_empty() {
                Some(batch) => break batch,
                None => sequencer.sleep(1, || looks_again && lane.has_empty()),
            }
        };
        *batch = number;
        lane.commit(batch);
    }
    applying.join().unwrap();
}

#[test]
fn batches_go_round_without_a_standstill() {
    // Proves that log and applier never both sleep while a batch waits for one of them.
    check(|| go_round(1, 2, true));
}

#[test]
fn two_batches_go_round_although_only_the_first_to_come_back_rings() {
    // Proves that the log never sleeps while an empty batch lies there, though one that comes back to another wakes nobody.
    check(|| go_round(2, 3, true));
}

#[test]
fn a_lane_without_a_second_look_is_caught() {
    // Proves that the proof above can fail.
    assert!(is_caught("threads::lanes::a_lane_without_a_second_look_is_caught", || go_round(1, 2, false)));
}

/// The two ends of a snapshot: pieces one way, the result the other, a bell for each.
struct HandOff {
    pieces: ArrayQueue<u32>,
    results: ArrayQueue<u32>,
    keeper: Bell,
    applier: Bell,
}

/// Hands over two pieces through room for one, and waits for the result; the keeper rings after each piece, before or after the result.
fn hand_over(rings_after: bool) {
    let (keeper_bell, keeper) = Bell::new();
    let (applier_bell, applier) = Bell::new();
    let lane = Arc::new(HandOff {
        pieces: ArrayQueue::new(1),
        results: ArrayQueue::new(1),
        keeper: keeper_bell,
        applier: applier_bell,
    });
    let other = lane.clone();
    let keeping = thread::spawn(move || keep(&other, &keeper, rings_after));
    for piece in [1, 2] {
        while lane.pieces.push(piece).is_err() {
            applier.sleep(1, || !lane.pieces.is_full());
        }
        lane.keeper.ring();
    }
    let written = loop {
        match lane.results.pop() {
            Some(written) => break written,
            None => applier.sleep(1, || !lane.results.is_empty()),
        }
    };
    assert_eq!(written, 3, "a result comes after every piece");
    keeping.join().unwrap();
}

fn keep(lane: &HandOff, keeper: &Sleeper, rings_after: bool) {
    let mut written = 0;
    while written < 3 {
        match lane.pieces.pop() {
            Some(piece) => {
                written += piece;
                if !rings_after {
                    lane.applier.ring();
                }
                if written == 3 {
                    assert_eq!(lane.results.push(written), Ok(()));
                }
                if rings_after {
                    lane.applier.ring();
                }
            }
            None => keeper.sleep(1, || !lane.pieces.is_empty()),
        }
    }
}

#[test]
fn a_snapshot_is_handed_over_without_a_standstill() {
    // Proves that the applier learns of room and of the result, and the keeper of each piece, with no clock to help them.
    check(|| hand_over(true));
}

#[test]
fn a_keeper_that_rings_before_its_result_is_caught() {
    // Proves that the proof above can fail.
    assert!(is_caught("threads::lanes::a_keeper_that_rings_before_its_result_is_caught", || hand_over(
        false
    )));
}
