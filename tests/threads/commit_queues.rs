//! Batches circulate and pieces of a snapshot are handed over without a deadlock.

use loom::sync::Arc;
use loom::thread;

use super::checker::{check, is_caught};
use super::commit_queue::CommitQueue;
use super::primitives::ArrayQueue;
use super::waker::{Sleeper, Waker};

/// Sends numbers through a queue with this many circulating values. A thread that waits sleeps on its waker, as the
/// stages do.
fn circulate(things: usize, numbers: u32, checks_again: bool) {
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
                    None => applier.sleep(1, || checks_again && !back.is_empty()),
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
                None => sequencer.sleep(1, || checks_again && commit_queue.has_free()),
            }
        };
        *batch = number;
        commit_queue.submit(batch);
    }
    applying.join().unwrap();
}

#[test]
fn batches_circulate_without_a_deadlock() {
    // Proves that log and applier never both sleep while a batch waits for one of them.
    check(|| circulate(1, 2, true));
}

#[test]
fn two_batches_circulate_although_only_the_first_recycled_one_wakes() {
    // Proves that the log never sleeps while a batch is free, although a recycled batch wakes it only if it is the only
    // free one.
    check(|| circulate(2, 3, true));
}

#[test]
fn a_queue_without_a_second_check_is_caught() {
    // Proves that the proof above can fail.
    assert!(is_caught("threads::commit_queues::a_queue_without_a_second_check_is_caught", || circulate(
        1, 2, false
    )));
}

/// Both sides of a snapshot: pieces one way, results the other way, and a waker for each.
struct HandOff {
    pieces: ArrayQueue<u32>,
    results: ArrayQueue<u32>,
    snapshotter: Waker,
    applier: Waker,
}

/// Hands over two pieces through a queue for one, and waits for the result. The snapshotter wakes the applier after
/// each piece, before or after the result.
fn hand_over(wakes_after: bool) {
    let (snapshotter_waker, snapshotter) = Waker::new();
    let (applier_waker, applier) = Waker::new();
    let commit_queue = Arc::new(HandOff {
        pieces: ArrayQueue::new(1),
        results: ArrayQueue::new(1),
        snapshotter: snapshotter_waker,
        applier: applier_waker,
    });
    let other = commit_queue.clone();
    let writing = thread::spawn(move || write_pieces(&other, &snapshotter, wakes_after));
    for piece in [1, 2] {
        while commit_queue.pieces.push(piece).is_err() {
            applier.sleep(1, || !commit_queue.pieces.is_full());
        }
        commit_queue.snapshotter.wake();
    }
    let written = loop {
        match commit_queue.results.pop() {
            Some(written) => break written,
            None => applier.sleep(1, || !commit_queue.results.is_empty()),
        }
    };
    assert_eq!(written, 3, "a result comes after every piece");
    writing.join().unwrap();
}

fn write_pieces(commit_queue: &HandOff, snapshotter: &Sleeper, wakes_after: bool) {
    let mut written = 0;
    while written < 3 {
        match commit_queue.pieces.pop() {
            Some(piece) => {
                written += piece;
                if !wakes_after {
                    commit_queue.applier.wake();
                }
                if written == 3 {
                    assert_eq!(commit_queue.results.push(written), Ok(()));
                }
                if wakes_after {
                    commit_queue.applier.wake();
                }
            }
            None => snapshotter.sleep(1, || !commit_queue.pieces.is_empty()),
        }
    }
}

#[test]
fn a_snapshot_is_handed_over_without_a_deadlock() {
    // Proves that the applier is woken for free space and for the result, and the snapshotter for each piece, without a
    // timeout.
    check(|| hand_over(true));
}

#[test]
fn a_snapshotter_that_wakes_before_its_result_is_caught() {
    // Proves that the proof above can fail.
    assert!(is_caught(
        "threads::commit_queues::a_snapshotter_that_wakes_before_its_result_is_caught",
        || { hand_over(false) }
    ));
}
