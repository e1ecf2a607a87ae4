//! No ring is lost: who sleeps with work there, or work on its way, is woken.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::checker::{check, is_caught};
use super::waker::{Sleeper, Waker};

/// Work in a form that orders nothing by itself, so that only the waker can make it seen.
fn work() -> Arc<AtomicUsize> {
    Arc::new(AtomicUsize::new(0))
}

/// Sleeps until so much work is there.
fn sleep_until(sleeper: &Sleeper, work: &AtomicUsize, count: usize) {
    while work.load(Ordering::Relaxed) < count {
        sleeper.sleep(1, || work.load(Ordering::Relaxed) >= count);
    }
    assert!(!sleeper.is_asleep(), "what it says outside a sleep");
}

#[test]
fn no_ring_is_lost() {
    // Proves that work that was put there before a ring is seen before or after the sleep, never neither, for one who rings.
    check(|| {
        let (waker, sleeper) = Waker::new();
        let work = work();
        let seen = work.clone();
        let other = thread::spawn(move || {
            work.fetch_add(1, Ordering::Relaxed);
            waker.wake();
        });
        sleep_until(&sleeper, &seen, 1);
        other.join().unwrap();
    });
}

#[test]
fn no_ring_is_lost_when_two_ring() {
    // Proves the same when a ring may fall upon another: two clones of one waker, one of which wakes the sleeper.
    check(|| {
        let (waker, sleeper) = Waker::new();
        let work = work();
        let others = [waker.clone(), waker].map(|waker| {
            let work = work.clone();
            thread::spawn(move || {
                work.fetch_add(1, Ordering::Relaxed);
                waker.wake();
            })
        });
        sleep_until(&sleeper, &work, 2);
        for other in others {
            other.join().unwrap();
        }
    });
}

#[test]
fn a_sleeper_is_woken_again_and_again() {
    // Proves that nothing of one sleep is left over that would swallow the ring of the next.
    check(|| {
        let (waker, sleeper) = Waker::new();
        let work = work();
        let seen = work.clone();
        let other = thread::spawn(move || {
            for _ in 0..2 {
                work.fetch_add(1, Ordering::Relaxed);
                waker.wake();
            }
        });
        sleep_until(&sleeper, &seen, 1);
        sleep_until(&sleeper, &seen, 2);
        other.join().unwrap();
    });
}

#[test]
fn a_ring_before_the_work_is_caught() {
    // Proves that the proofs above can fail: who rings too early leaves a sleeper behind.
    assert!(is_caught("threads::wakers::a_ring_before_the_work_is_caught", || {
        let (waker, sleeper) = Waker::new();
        let work = work();
        let seen = work.clone();
        let other = thread::spawn(move || {
            waker.wake();
            work.fetch_add(1, Ordering::Relaxed);
        });
        sleep_until(&sleeper, &seen, 1);
        other.join().unwrap();
    }));
}

#[test]
fn a_sleeper_that_does_not_look_again_is_caught() {
    // Proves the same for who does not look for work after having said that it sleeps.
    assert!(is_caught("threads::wakers::a_sleeper_that_does_not_look_again_is_caught", || {
        let (waker, sleeper) = Waker::new();
        let work = work();
        let seen = work.clone();
        let other = thread::spawn(move || {
            work.fetch_add(1, Ordering::Relaxed);
            waker.wake();
        });
        while seen.load(Ordering::Relaxed) < 1 {
            sleeper.sleep(1, || false);
        }
        other.join().unwrap();
    }));
}
