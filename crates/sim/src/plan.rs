//! The parameters of a world: the number of clients, limits, and fault rates. They are drawn once at the beginning,
//! so that worlds differ from each other.

use stockhold::config::{Config, DurabilityChoice};
use stockhold_machine::{Configuration, Genesis};
use stockhold_model::Limits;
use stockhold_protocol::Timestamp;

use crate::rng::Rng;

/// The time at which every world begins.
pub(crate) const START_MS: u64 = 1_763_800_000_000;

/// Fault rates, each per million turns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    pub(crate) process_ends: u64,
    pub(crate) power_fails: u64,
    pub(crate) power_fails_within: u64,
    pub(crate) clean_stop: u64,
    pub(crate) disk_fails: u64,
    pub(crate) disk_fills: u64,
    pub(crate) connection_cut: u64,
    pub(crate) clock_steps: u64,
    pub(crate) long_pause: u64,
    pub(crate) burst: u64,
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) clients: usize,
    pub(crate) config: Config,
    pub(crate) limits: Limits,
    /// Whether there is little memory for outcomes, which is nearly full from the beginning.
    pub(crate) has_little_outcome_memory: bool,
    pub(crate) rates: Rates,
    /// How often a client starts or stops reading its answers, per thousand actions.
    pub(crate) reader_changes: u64,
    /// How often a start is disturbed by a fault, per thousand.
    pub(crate) start_faults: u64,
}

impl Plan {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let has_little_outcome_memory = rng.chance(100);
        let ttl_max_ms = rng.weighted(&[(1, 120_000), (3, 3_600_000)]);
        let limits = Limits {
            window_ms: rng.weighted(&[(1, 1_000), (2, 60_000), (2, 600_000)]),
            ttl_max_ms,
            ttl_total_ms: if rng.chance(400) { ttl_max_ms } else { 5_400_000 },
            retention_ms: rng.weighted(&[(3, 60_000), (2, 300_000)]),
            gap_max_ms: rng.weighted(&[(1, 2_000), (2, 5_000), (3, 2_592_000_000)]),
            name_grace_ms: rng.weighted(&[(3, 300_000), (1, 86_400_000)]),
            order_retention_ms: rng.weighted(&[(2, 60_000), (1, 86_400_000)]),
            order_retention_min_ms: rng.weighted(&[(1, 1_000), (1, 30_000)]),
            outcome_bytes: if has_little_outcome_memory { 65_536 } else { Limits::DEFAULT.outcome_bytes },
            ..Limits::DEFAULT
        };
        let severity = rng.weighted(&[(1, 0), (3, 1), (2, 3)]);
        let mut often = |per_million: u64| severity * per_million * rng.within(0..3);
        let rates = Rates {
            process_ends: often(250),
            power_fails: often(300),
            power_fails_within: often(400),
            clean_stop: often(100),
            disk_fails: often(250),
            disk_fills: often(250),
            connection_cut: often(3_000),
            clock_steps: often(600),
            long_pause: 1_000 + often(600),
            burst: often(1_000),
        };
        Self {
            clients: rng.index(5) + 1,
            config: config(rng),
            limits,
            reader_changes: rng.weighted(&[(3, 0), (1, 10), (1, 40)]),
            has_little_outcome_memory,
            rates,
            start_faults: if severity == 0 { 0 } else { rng.weighted(&[(1, 0), (2, 300), (1, 700)]) },
        }
    }

    pub(crate) fn is_interval(&self) -> bool {
        self.config.log.durability == DurabilityChoice::Interval
    }

    pub(crate) fn genesis(&self) -> Genesis {
        let configuration = Configuration {
            ttl_max_ms: self.limits.ttl_max_ms,
            ttl_total_max_ms: self.limits.ttl_total_ms,
            late_confirm_window_ms: self.limits.window_ms,
            id_retention_ms: self.limits.retention_ms,
            outcome_bytes_max: self.limits.outcome_bytes,
            gap_max_ms: self.limits.gap_max_ms,
            name_grace_ms: self.limits.name_grace_ms,
            order_retention_ms: self.limits.order_retention_ms,
            order_retention_min_ms: self.limits.order_retention_min_ms,
            ..Configuration::default()
        };
        Genesis { configuration, formatted_at: Timestamp(START_MS) }
    }
}

/// Small segments and small queues, so that limits are reached and a short run goes through many files.
fn config(rng: &mut Rng) -> Config {
    let mut config = Config::default();
    config.log.batch_bytes = 66_560;
    config.log.segment_bytes = rng.weighted(&[(3, 81_920), (1, 98_304), (1, 196_608)]);
    config.log.batch_ops = rng.weighted(&[(1, 1), (2, 4), (3, 64)]);
    if rng.chance(120) {
        config.log.durability = DurabilityChoice::Interval;
        config.log.interval_ms = rng.within(1..400);
    }
    config.queues.submissions = rng.weighted(&[(1, 2), (2, 6), (3, 64)]);
    config.queues.commands = rng.weighted(&[(1, 8), (2, 24), (3, 512)]);
    config.queues.questions = rng.weighted(&[(1, 1), (2, 16)]);
    config.limits.connections = rng.weighted(&[(1, 2), (4, 64)]);
    config.limits.in_flight = rng.small(4..40);
    config.limits.questions_in_flight = rng.small(1..4);
    config.limits.outbox_bytes = rng.weighted(&[(4, 65_536), (1, 4 << 20)]);
    config.limits.slow_reader_ms = rng.weighted(&[(1, 50), (2, 2_000), (1, 10_000)]);
    config.limits.check_wait_ms = rng.within(1..2_000);
    config.snapshot.ops = rng.weighted(&[(2, 25), (3, 60), (1, 300), (1, 0)]);
    config.snapshot.interval_seconds = 0;
    config
}
