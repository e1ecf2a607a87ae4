//! No wake-up is lost: a thread that sleeps while work exists or arrives is woken.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::checker::{check, is_caught};
use super::waker::{Sleeper, Waker};

/// Work that orders no memory by itself, so that only the waker makes it visible.
fn work() -> Arc<AtomicUsize> {
    Arc::new(AtomicUsize::new(0))
}

/// Sleeps until there is this much work.
fn sleep_until(sleeper: &Sleeper, work: &AtomicUsize, count: usize) {
    while work.load(Ordering::Relaxed) < count {
        sleeper.sleep(1, || work.load(Ordering::Relaxed) >= count);
    }
    assert!(!sleeper.is_asleep(), "what it says outside a sleep");
}

#[test]
fn no_wake_up_is_lost() {
    // Proves that work done before a wake-up is seen before or after the sleep, for one waking thread.
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
fn no_wake_up_is_lost_when_two_ring() {
    // Proves the same for two clones of one waker whose wake-ups may coincide.
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
    // Proves that one sleep leaves nothing that would swallow the wake-up of the next.
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
fn a_wake_up_before_the_work_is_caught() {
    // Proves that the proofs above can fail: a thread that wakes too early leaves the sleeper asleep.
    assert!(is_caught("threads::wakers::a_wake_up_before_the_work_is_caught", || {
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
fn a_sleeper_that_does_not_check_again_is_caught() {
    // Proves the same for a thread that does not check for work after setting its flag.
    assert!(is_caught("threads::wakers::a_sleeper_that_does_not_check_again_is_caught", || {
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
