//! How much of the applier's time goes to questions: a bounded turn between two batches, and no more than a fifth of the time while
//! commands come. It has no clock; who steps the applier says what time it is.

/// A turn begins nothing new after so many microseconds. What it has begun may take as long again, so a turn takes at most twice that.
pub const TURN_US: u64 = 100;
/// After a turn the applier belongs to batches for this many times as long as the turn took: questions get a fifth at most.
const PAUSE_FACTOR: u64 = 4;
/// The server counts as loaded for so many microseconds after a batch.
const LOADED_US: u64 = 10_000;

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeShare {
    /// When the turn in hand began, in microseconds of the monotonic clock, as all times here.
    turn: u64,
    /// Until when the applier belongs to batches.
    paused_until: u64,
    /// Until when the server counts as loaded.
    loaded_until: u64,
}

impl TimeShare {
    /// A batch was applied.
    pub fn note_batch(&mut self, now_us: u64) {
        self.loaded_until = now_us.saturating_add(LOADED_US);
    }

    /// Whether a turn may begin now.
    #[must_use]
    pub const fn may_begin(&self, now_us: u64) -> bool {
        now_us >= self.paused_until || now_us >= self.loaded_until
    }

    /// A turn begins.
    pub const fn begin(&mut self, now_us: u64) {
        self.turn = now_us;
    }

    /// Whether the turn has time for something more.
    #[must_use]
    pub const fn has_time(&self, now_us: u64) -> bool {
        now_us < self.turn.saturating_add(TURN_US)
    }

    /// The turn ends; answers how long it took.
    pub const fn end(&mut self, now_us: u64) -> u64 {
        let took_us = now_us.saturating_sub(self.turn);
        self.paused_until = now_us.saturating_add(took_us.saturating_mul(PAUSE_FACTOR));
        took_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The share of the time that turns get whose last piece of work takes `last_us`, while a batch is applied each millisecond.
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
        // Proves the bound, also when the last thing that a turn began took long; and that questions do get their share.
        for last_us in [1, 50, 100, 5_000] {
            assert!((15..=20).contains(&share_percent(last_us)), "{last_us}: {} %", share_percent(last_us));
        }
    }

    #[test]
    fn an_idle_server_does_nothing_else() {
        // Proves that nobody waits for a rest when no commands come.
        let mut share = TimeShare::default();
        share.note_batch(0);
        share.begin(LOADED_US);
        assert_eq!(share.end(LOADED_US + 150), 150);
        assert!(share.may_begin(LOADED_US + 150));
    }
}
