//! Ids of mutations (`UUIDv7`), strictly increasing within one generator.
//!
//! The ids are not secrets. Their random bits only keep the ids of different clients apart.

use std::time::{SystemTime, UNIX_EPOCH};
use stockhold_protocol::CommandId;

/// Random bits of an id: all but time, version and variant.
const RANDOM_BITS: u32 = 74;
const RANDOM_MASK: u128 = (1 << RANDOM_BITS) - 1;
/// The largest random step between two ids of one millisecond, as a power of two.
const STEP_BITS: u32 = 32;

/// Generates ids for one thread. An id costs some nanoseconds and no system call other than reading the clock.
#[derive(Debug)]
pub struct IdGenerator {
    random: fastrand::Rng,
    last_ms: u64,
    last_random: u128,
}

impl IdGenerator {
    /// A generator that is seeded with the operating system's randomness.
    #[must_use]
    pub fn new() -> Self {
        // `Rng::new` seeds from the standard library's hash keys, which come from the operating system.
        Self::from_generator(fastrand::Rng::new())
    }

    /// A generator that always makes the same ids, for tests and generated loads.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::from_generator(fastrand::Rng::with_seed(seed))
    }

    const fn from_generator(random: fastrand::Rng) -> Self {
        Self { random, last_ms: 0, last_random: 0 }
    }

    /// A new id with the time of this machine's wall clock. Prefer [`next_at`](Self::next_at) with the time of the
    /// [`ServerClock`](crate::ServerClock): a wall clock may be wrong, and ids must be close to the server's time.
    #[must_use]
    pub fn next_id(&mut self) -> CommandId {
        self.next_at(wall_clock_ms())
    }

    /// A new id made at `now_ms` (milliseconds since the Unix epoch). Command batches use it to read the clock only
    /// once. The id is larger than every earlier id, even when the clock went back.
    #[must_use]
    pub fn next_at(&mut self, now_ms: u64) -> CommandId {
        if now_ms > self.last_ms {
            self.last_ms = now_ms;
            // The top bit stays free, so that one millisecond has room for more ids than can be made in it.
            self.last_random = self.random.u128(..) & (RANDOM_MASK >> 1);
        } else {
            self.last_random += 1 + (self.random.u128(..) & ((1 << STEP_BITS) - 1));
            if self.last_random > RANDOM_MASK {
                self.last_ms += 1;
                self.last_random = self.random.u128(..) & (RANDOM_MASK >> 1);
            }
        }
        CommandId::from_parts(self.last_ms, spread(self.last_random))
    }
}

impl Default for IdGenerator {
    fn default() -> Self {
        Self::new()
    }
}

/// Spreads 74 bits around the variant bits of a UUID: 12 above the 64-bit boundary, 62 below.
const fn spread(random: u128) -> u128 {
    let low = random & ((1 << 62) - 1);
    ((random >> 62) << 64) | low
}

/// The system's clock in milliseconds since the Unix epoch.
#[must_use]
pub fn wall_clock_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_increase_even_when_the_clock_goes_back() {
        // Proves that the ids of one generator increase strictly, are valid, and carry the time of the clock.
        let mut source = IdGenerator::seeded(1);
        let mut last = source.next_at(1_000);
        assert_eq!(last.client_time_ms(), 1_000);
        for now_ms in [1_000, 1_000, 999, 5, 1_001, 1_001, 1_000, 2_000] {
            let id = source.next_at(now_ms);
            assert!(id > last, "{id} is not after {last}");
            assert_eq!(CommandId::new(id.value()), Ok(id));
            last = id;
        }
        assert_eq!(last.client_time_ms(), 2_000);
    }

    #[test]
    fn a_full_millisecond_moves_to_the_next() {
        // Proves that running out of random bits cannot repeat or reorder ids.
        let mut source = IdGenerator::seeded(2);
        let before = source.next_at(7);
        source.last_random = RANDOM_MASK;
        let after = source.next_at(7);
        assert!(after > before);
        assert_eq!(after.client_time_ms(), 8);
    }

    #[test]
    fn two_sources_do_not_meet() {
        // Proves that generators are seeded independently.
        let (mut one, mut other) = (IdGenerator::new(), IdGenerator::new());
        for _ in 0..1_000 {
            assert_ne!(one.next_at(1), other.next_at(1));
        }
    }
}
