//! What threads tell the one who waits for the server. Each kind of events is remembered once, however often it is told: there is no
//! queue that could grow or be full.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

/// What can be told, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A thread of ours has panicked (only where a panic does not abort at once).
    Panicked,
    /// The log cannot go on.
    LogFailed,
    /// Somebody asked for a stop.
    StopAsked,
}

const BY_URGENCY: [Event; 3] = [Event::Panicked, Event::LogFailed, Event::StopAsked];

/// Shared by those who tell and the one who waits.
#[derive(Clone, Debug, Default)]
pub(super) struct ServerEvents {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// By the permits of [`BY_URGENCY`].
    told: Mutex<[bool; BY_URGENCY.len()]>,
    changed: Condvar,
}

impl ServerEvents {
    /// Tells; a second time changes nothing.
    pub(super) fn report(&self, event: Event) {
        let mut told = self.shared.told.lock();
        for (told, known) in told.iter_mut().zip(BY_URGENCY) {
            *told |= known == event;
        }
        self.shared.changed.notify_all();
    }

    /// Waits for events and answers the most urgent; it stays told.
    pub(super) fn wait(&self) -> Event {
        let mut told = self.shared.told.lock();
        loop {
            let urgent = BY_URGENCY.into_iter().zip(*told).find(|(_, told)| *told);
            if let Some((event, _)) = urgent {
                return event;
            }
            self.shared.changed.wait(&mut told);
        }
    }

    /// Waits until a stop is asked for, at most until then.
    pub(super) fn wait_for_stop(&self, until: Instant) {
        let is_asked = |told: &[bool; 3]| {
            BY_URGENCY.into_iter().zip(*told).any(|(event, told)| told && event == Event::StopAsked)
        };
        let mut told = self.shared.told.lock();
        while !is_asked(&told) {
            if self.shared.changed.wait_until(&mut told, until).timed_out() {
                return;
            }
        }
    }
}

/// Asks a server to stop; may be used from any thread, any number of times.
#[derive(Clone, Debug)]
pub struct Stopper {
    pub(super) events: ServerEvents,
}

impl Stopper {
    /// Asks.
    pub fn stop(&self) {
        self.events.report(Event::StopAsked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_is_remembered_once_and_the_most_urgent_comes_first() {
        // Proves that what is told a thousand times takes no more room, and that no number of requests to stop hides a failure.
        let events = ServerEvents::default();
        for _ in 0..1_000 {
            events.report(Event::StopAsked);
        }
        assert_eq!(events.wait(), Event::StopAsked);
        events.wait_for_stop(Instant::now());
        events.report(Event::LogFailed);
        assert_eq!(events.wait(), Event::LogFailed);
        events.report(Event::Panicked);
        assert_eq!(events.wait(), Event::Panicked);
    }
}
