//! Limits the number of open connections. The permits count the shared connections, those reserved for peers on this
//! machine, and closed connections that still linger. They also keep how long the idlest connection of each network
//! thread has been idle. This module closes nothing.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Connections reserved for peers on this machine, in addition to `limits.connections`, so that an operator can connect
/// to a full server.
pub const LOCAL_CONNECTIONS_MAX: usize = 16;
/// The maximum number of closed connections that wait for their peers to read the last bytes. Any further ones are
/// closed at once.
pub const LINGERING_MAX: usize = 256;

/// The kind of permit that a connection holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionPermit {
    /// A permit that any peer may get.
    Shared,
    /// One of the [`LOCAL_CONNECTIONS_MAX`] permits for peers on this machine.
    Local,
}

/// The counters of all permits.
#[derive(Debug)]
pub struct ConnectionPermits {
    shared_max: usize,
    shared: AtomicUsize,
    local: AtomicUsize,
    lingering: AtomicUsize,
    /// For each network thread, the lowest [`Idleness::rank`] at its last sweep.
    idlest: Box<[AtomicU64]>,
}

/// How idle a connection is. The connection with the lowest rank is evicted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idleness {
    /// It has not sent its hello, although it has had time to.
    pub awaits_hello: bool,
    /// When it became idle, as observed by the sweeps of its thread, in milliseconds of the monotonic clock; `u64::MAX`
    /// if it has become idle since the last sweep.
    pub since_ms: u64,
}

impl Idleness {
    /// Connections without a hello rank before others, and connections that have been idle for longer before those that
    /// have not.
    #[must_use]
    pub const fn rank(self) -> u64 {
        const LATER: u64 = 1 << 63;
        let since_ms = if self.since_ms < LATER { self.since_ms } else { LATER - 1 };
        if self.awaits_hello { since_ms } else { LATER | since_ms }
    }
}

/// Permission to wait for a peer to read its last bytes. Dropping it releases the permission.
#[derive(Debug)]
pub struct LingerPermit<'a>(&'a AtomicUsize);

impl Drop for LingerPermit<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl ConnectionPermits {
    /// Creates the permits for `shared_max` connections on `threads` network threads.
    #[must_use]
    pub fn new(shared_max: usize, threads: usize) -> Self {
        Self {
            shared_max,
            shared: AtomicUsize::new(0),
            local: AtomicUsize::new(0),
            lingering: AtomicUsize::new(0),
            idlest: (0..threads).map(|_| AtomicU64::new(u64::MAX)).collect(),
        }
    }

    /// Acquires a permit, if one is free for such a peer.
    #[must_use]
    pub fn acquire(&self, is_local: bool) -> Option<ConnectionPermit> {
        if acquire_one(&self.shared, self.shared_max) {
            Some(ConnectionPermit::Shared)
        } else if is_local && acquire_one(&self.local, LOCAL_CONNECTIONS_MAX) {
            Some(ConnectionPermit::Local)
        } else {
            None
        }
    }

    /// Releases a permit.
    pub fn release(&self, permit: ConnectionPermit) {
        let before = match permit {
            ConnectionPermit::Shared => self.shared.fetch_sub(1, Ordering::AcqRel),
            ConnectionPermit::Local => self.local.fetch_sub(1, Ordering::AcqRel),
        };
        assert!(before > 0, "a released permit was acquired before");
    }

    /// The number of permits in use.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.shared.load(Ordering::Relaxed) + self.local.load(Ordering::Relaxed)
    }

    /// The number of permits for such a peer.
    #[must_use]
    pub const fn limit(&self, is_local: bool) -> usize {
        if is_local { self.shared_max.saturating_add(LOCAL_CONNECTIONS_MAX) } else { self.shared_max }
    }

    /// Acquires permission to linger, unless [`LINGERING_MAX`] connections already do.
    #[must_use]
    pub fn linger(&self) -> Option<LingerPermit<'_>> {
        acquire_one(&self.lingering, LINGERING_MAX).then(|| LingerPermit(&self.lingering))
    }

    /// Records how long the idlest connection of a network thread has been idle; `None` if it has no idle connection.
    pub fn report_idlest(&self, thread: usize, idlest: Option<Idleness>) {
        self.idlest[thread].store(idlest.map_or(u64::MAX, Idleness::rank), Ordering::Relaxed);
    }

    /// The network threads, the one with the idlest connection first.
    #[must_use]
    pub fn threads_by_idleness(&self) -> Vec<usize> {
        let mut threads: Vec<usize> = (0..self.idlest.len()).collect();
        threads.sort_by_cached_key(|thread| self.idlest[*thread].load(Ordering::Relaxed));
        threads
    }
}

fn acquire_one(count: &AtomicUsize, most: usize) -> bool {
    count
        .fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| (taken < most).then_some(taken + 1))
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_permits_are_for_peers_on_this_machine() {
        // Proves both limits at limit - 1, limit and limit + 1, and that a released permit returns to its kind.
        let permits = ConnectionPermits::new(2, 1);
        assert_eq!([permits.acquire(false), permits.acquire(true)], [Some(ConnectionPermit::Shared); 2]);
        assert_eq!(permits.acquire(false), None);
        for _ in 0..LOCAL_CONNECTIONS_MAX {
            assert_eq!(permits.acquire(true), Some(ConnectionPermit::Local));
        }
        assert_eq!((permits.acquire(true), permits.in_use()), (None, permits.limit(true)));
        permits.release(ConnectionPermit::Local);
        assert_eq!((permits.acquire(false), permits.acquire(true)), (None, Some(ConnectionPermit::Local)));
        permits.release(ConnectionPermit::Shared);
        assert_eq!(
            (permits.acquire(false), permits.in_use()),
            (Some(ConnectionPermit::Shared), 2 + LOCAL_CONNECTIONS_MAX)
        );
    }

    #[test]
    fn lingering_is_bounded() {
        // Proves the limit on lingering connections, and that the end of one lets another linger.
        let permits = ConnectionPermits::new(1, 1);
        let mut lingering: Vec<_> = (0..LINGERING_MAX).map(|_| permits.linger().unwrap()).collect();
        assert!(permits.linger().is_none());
        lingering.pop();
        assert!(permits.linger().is_some());
    }

    #[test]
    fn connections_without_a_hello_are_evicted_first_and_then_the_longest_idle() {
        // Proves the order of eviction, within a thread and between threads.
        let of = |awaits_hello, since_ms| Idleness { awaits_hello, since_ms }.rank();
        assert!(of(true, 900) < of(false, 1) && of(false, 1) < of(false, 2) && of(true, 1) < of(true, 2));
        assert!(of(true, u64::MAX) < of(false, 0) && of(false, 7) < of(false, u64::MAX));
        let permits = ConnectionPermits::new(1, 3);
        permits.report_idlest(0, Some(Idleness { awaits_hello: false, since_ms: 7 }));
        permits.report_idlest(2, Some(Idleness { awaits_hello: true, since_ms: 9 }));
        assert_eq!(permits.threads_by_idleness(), [2, 0, 1]);
    }
}
