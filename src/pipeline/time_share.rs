//! Limits the applier's time for questions: bounded turns between batches, and at most a fifth of the time while
//! commands arrive. It has no clock; the caller passes the time.

/// A turn begins nothing new after this many microseconds. The work that it has begun may take as long again, so a turn
/// takes at most twice this time.
pub const TURN_US: u64 = 100;
/// After a turn, the applier is reserved for batches for this many times as long as the turn took. So questions get at
/// most a fifth of the time.
const PAUSE_FACTOR: u64 = 4;
/// The server counts as loaded for this many microseconds after a batch.
const LOADED_US: u64 = 10_000;

/// The share of the applier's time that questions get. All times are in microseconds of the monotonic clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeShare {
    /// The start of the current turn.
    turn: u64,
    /// Until when the applier is reserved for batches.
    paused_until: u64,
    /// Until when the server counts as loaded.
    loaded_until: u64,
}

impl TimeShare {
    /// Notes that a batch was applied.
    pub fn note_batch(&mut self, now_us: u64) {
        self.loaded_until = now_us.saturating_add(LOADED_US);
    }

    /// Whether a turn may begin now.
    #[must_use]
    pub const fn may_begin(&self, now_us: u64) -> bool {
        now_us >= self.paused_until || now_us >= self.loaded_until
    }

    /// Begins a turn.
    pub const fn begin(&mut self, now_us: u64) {
        self.turn = now_us;
    }

    /// Whether the turn has time for more work.
    #[must_use]
    pub const fn has_time(&self, now_us: u64) -> bool {
        now_us < self.turn.saturating_add(TURN_US)
    }

    /// Ends the turn and returns how long it took.
    pub const fn end(&mut self, now_us: u64) -> u64 {
        let took_us = now_us.saturating_sub(self.turn);
        self.paused_until = now_us.saturating_add(took_us.saturating_mul(PAUSE_FACTOR));
        took_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The share of turns whose last piece of work takes `last_us`, while a batch is applied each millisecond.
    fn share_percent(last_us: u64) -> u64 {
        let mut share = TimeShare::default();
        let (mut now_us, mut next_batch_us, mut spent_us) = (0, 0, 0);
        while now_us < 1_000_000 {
            if now_us >= next_batch_us {
                next_batch_us += 1_000;
                share.note_batch(now_us);
            }
            if share.may_begin(now_us) {
                share.begin(now_us);
                now_us += TURN_US - 1 + last_us;
                assert!(!share.has_time(now_us) || last_us == 0);
                spent_us += share.end(now_us);
            } else {
                now_us += 1;
            }
        }
        spent_us * 100 / now_us
    }

    #[test]
    fn a_loaded_server_gives_a_fifth_to_questions() {
        // Proves the bound even if the last work of a turn took long, and that questions do get their share.
        for last_us in [1, 50, 100, 5_000] {
            assert!((15..=20).contains(&share_percent(last_us)), "{last_us}: {} %", share_percent(last_us));
        }
    }

    #[test]
    fn an_idle_server_does_nothing_else() {
        // Proves that no turn is delayed while no commands arrive.
        let mut share = TimeShare::default();
        share.note_batch(0);
        share.begin(LOADED_US);
        assert_eq!(share.end(LOADED_US + 150), 150);
        assert!(share.may_begin(LOADED_US + 150));
    }
}
