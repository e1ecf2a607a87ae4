//! Events that threads report to the caller that waits for the server. Each kind of event is a flag, so there is no
//! queue that could grow or be full.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

/// The kinds of events, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A server thread has panicked (only where a panic does not abort at once).
    Panicked,
    /// The log cannot continue.
    LogFailed,
    /// A stop was requested.
    StopAsked,
}

const BY_URGENCY: [Event; 3] = [Event::Panicked, Event::LogFailed, Event::StopAsked];

/// The events of one server; clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct ServerEvents {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// One flag per entry of [`BY_URGENCY`].
    reported: Mutex<[bool; BY_URGENCY.len()]>,
    changed: Condvar,
}

impl ServerEvents {
    /// Reports an event. Reporting it again has no effect.
    pub(super) fn report(&self, event: Event) {
        let mut reported = self.shared.reported.lock();
        for (flag, known) in reported.iter_mut().zip(BY_URGENCY) {
            *flag |= known == event;
        }
        self.shared.changed.notify_all();
    }

    /// Waits for an event and returns the most urgent one. The event stays reported.
    pub(super) fn wait(&self) -> Event {
        let mut reported = self.shared.reported.lock();
        loop {
            let urgent = BY_URGENCY.into_iter().zip(*reported).find(|(_, reported)| *reported);
            if let Some((event, _)) = urgent {
                return event;
            }
            self.shared.changed.wait(&mut reported);
        }
    }

    /// Waits until a stop is requested, but not after `until`.
    pub(super) fn wait_for_stop(&self, until: Instant) {
        let is_asked = |reported: &[bool; 3]| {
            BY_URGENCY
                .into_iter()
                .zip(*reported)
                .any(|(event, reported)| reported && event == Event::StopAsked)
        };
        let mut reported = self.shared.reported.lock();
        while !is_asked(&reported) {
            if self.shared.changed.wait_until(&mut reported, until).timed_out() {
                return;
            }
        }
    }
}

/// Stops a server. It may be used from any thread and any number of times.
#[derive(Clone, Debug)]
pub struct Stopper {
    pub(super) events: ServerEvents,
}

impl Stopper {
    /// Requests a stop.
    pub fn stop(&self) {
        self.events.report(Event::StopAsked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_kept_once_and_the_most_urgent_comes_first() {
        // Proves that an event reported a thousand times takes no more memory, and that no number of stop requests
        // hides a failure.
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
