//! Batches go round and pieces of a snapshot are handed over without a standstill.

use loom::sync::Arc;
use loom::thread;

use super::checker::{check, is_caught};
use super::commit_queue::CommitQueue;
use super::primitives::ArrayQueue;
use super::waker::{Sleeper, Waker};

/// Sends numbers over a commit_queue with so many things going round; who waits sleeps on its waker, as the stages do.
fn go_round(things: usize, numbers: u32, looks_again: bool) {
    let (applier_waker, applier) = Waker::new();
    let (sequencer_waker, sequencer) = Waker::new();
    let commit_queue =
        CommitQueue::new((0..things).map(|_| Box::new(0_u32)).collect(), applier_waker, sequencer_waker);
    let back = commit_queue.clone();
    let applying = thread::spawn(move || {
        for number in 1..=numbers {
            let batch = loop {
                match back.take_committed() {
                    Some(batch) => break batch,
                    None => applier.sleep(1, || looks_again && !back.is_empty()),
                }
            };
            assert_eq!(*batch, number, "batches come in order");
            back.recycle(batch);
        }
    });
    for number in 1..=numbers {
        let mut batch = loop {
            match commit_queue.take_free() {
                Some(batch) => break batch,
                None => sequencer.sleep(1, || looks_again && commit_queue.has_free()),
            }
        };
        *batch = number;
        commit_queue.submit(batch);
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
    assert!(is_caught("threads::commit_queues::a_lane_without_a_second_look_is_caught", || go_round(
        1, 2, false
    )));
}

/// The two ends of a snapshot: pieces one way, the result the other, a waker for each.
struct HandOff {
    pieces: ArrayQueue<u32>,
    results: ArrayQueue<u32>,
    keeper: Waker,
    applier: Waker,
}

/// Hands over two pieces through room for one, and waits for the result; the keeper rings after each piece, before or after the result.
fn hand_over(rings_after: bool) {
    let (snapshotter_waker, keeper) = Waker::new();
    let (applier_waker, applier) = Waker::new();
    let commit_queue = Arc::new(HandOff {
        pieces: ArrayQueue::new(1),
        results: ArrayQueue::new(1),
        keeper: snapshotter_waker,
        applier: applier_waker,
    });
    let other = commit_queue.clone();
    let keeping = thread::spawn(move || keep(&other, &keeper, rings_after));
    for piece in [1, 2] {
        while commit_queue.pieces.push(piece).is_err() {
            applier.sleep(1, || !commit_queue.pieces.is_full());
        }
        commit_queue.keeper.wake();
    }
    let written = loop {
        match commit_queue.results.pop() {
            Some(written) => break written,
            None => applier.sleep(1, || !commit_queue.results.is_empty()),
        }
    };
    assert_eq!(written, 3, "a result comes after every piece");
    keeping.join().unwrap();
}

fn keep(commit_queue: &HandOff, keeper: &Sleeper, rings_after: bool) {
    let mut written = 0;
    while written < 3 {
        match commit_queue.pieces.pop() {
            Some(piece) => {
                written += piece;
                if !rings_after {
                    commit_queue.applier.wake();
                }
                if written == 3 {
                    assert_eq!(commit_queue.results.push(written), Ok(()));
                }
                if rings_after {
                    commit_queue.applier.wake();
                }
            }
            None => keeper.sleep(1, || !commit_queue.pieces.is_empty()),
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
    assert!(is_caught("threads::commit_queues::a_keeper_that_rings_before_its_result_is_caught", || {
        hand_over(false)
    }));
}
