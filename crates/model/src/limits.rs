//! The configuration of the machine in the model: ranges, changes, and the memory that outcomes use.

use crate::decide::{Answer, Decision, GENERATION_MS, plain};
use crate::events::rows::is_of_rows;
use crate::state::Model;
use std::sync::Arc;
use stockhold_protocol::command::{Configure, Sharing};
use stockhold_protocol::{Code, CommandId, Detail, Outcome};

/// The accounted size of a recorded outcome, without its detail.
const OUTCOME_BYTES: u64 = 32;
/// The accounted size of a detail beyond its own bytes: its length, and the value that is stored with it.
const DETAIL_HEAD_BYTES: u64 = 2 + 4;
/// The memory that must be free before anything new is recorded.
const OUTCOME_RESERVE_BYTES: u64 = 8_192;
/// How long a client should wait when the outcome memory is full.
const BUSY_RETRY_MS: u32 = 1_000;
const DAY_MS: u64 = 24 * 3_600_000;

/// The configuration of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Shortest TTL in milliseconds.
    pub ttl_min_ms: u64,
    /// Longest TTL in milliseconds.
    pub ttl_max_ms: u64,
    /// Longest time from first reserve to deadline in milliseconds.
    pub ttl_total_ms: u64,
    /// Maximum number of lines of a cart.
    pub lines_max: u32,
    /// How long records of expired and closed reservations are kept, in milliseconds.
    pub window_ms: u64,
    /// How long outcomes are kept, in milliseconds of client time, if there is memory.
    pub retention_ms: u64,
    /// How long outcomes are kept at least.
    pub retention_min_ms: u64,
    /// The memory for outcomes, in bytes.
    pub outcome_bytes: u64,
    /// Maximum number of reservations whose records are kept.
    pub reservations_max: u64,
    /// A gap between two ops that is longer than this does not count against holds and ids.
    pub gap_max_ms: u64,
    /// How far a start may follow the wall clock. No rule of the model uses it.
    pub clock_jump_max_ms: u64,
    /// How long a name that was given up is kept for what was renamed.
    pub name_grace_ms: u64,
    /// How long a settled order is kept after its last change.
    pub order_retention_ms: u64,
    /// How long it is kept at least when there are too many orders.
    pub order_retention_min_ms: u64,
    /// Maximum number of orders.
    pub orders_max: u64,
}

impl Limits {
    /// The default configuration of a new directory.
    pub const DEFAULT: Self = Self {
        ttl_min_ms: 1_000,
        ttl_max_ms: DAY_MS,
        ttl_total_ms: 2 * DAY_MS,
        lines_max: 256,
        window_ms: DAY_MS,
        retention_ms: 900_000,
        retention_min_ms: 60_000,
        outcome_bytes: 4 << 30,
        reservations_max: 50_000_000,
        gap_max_ms: 5_000,
        clock_jump_max_ms: 7 * DAY_MS,
        name_grace_ms: DAY_MS,
        order_retention_ms: 90 * DAY_MS,
        order_retention_min_ms: 7 * DAY_MS,
        orders_max: 50_000_000,
    };

    /// The limits after a change, or the first rule that the change violates.
    fn changed(mut self, change: &Configure) -> Result<Self, (&'static str, &'static str)> {
        let set = |limit: &mut u64, to: Option<u64>| *limit = to.unwrap_or(*limit);
        set(&mut self.ttl_min_ms, change.ttl_min_ms);
        set(&mut self.ttl_max_ms, change.ttl_max_ms);
        set(&mut self.ttl_total_ms, change.ttl_total_max_ms);
        self.lines_max = change.lines_max.unwrap_or(self.lines_max);
        set(&mut self.window_ms, change.late_confirm_window_ms);
        set(&mut self.retention_ms, change.id_retention_ms);
        set(&mut self.retention_min_ms, change.id_retention_min_ms);
        set(&mut self.outcome_bytes, change.outcome_bytes_max);
        set(&mut self.reservations_max, change.reservations_max);
        set(&mut self.gap_max_ms, change.gap_max_ms);
        set(&mut self.clock_jump_max_ms, change.clock_jump_max_ms);
        set(&mut self.name_grace_ms, change.name_grace_ms);
        set(&mut self.order_retention_ms, change.order_retention_ms);
        set(&mut self.order_retention_min_ms, change.order_retention_min_ms);
        set(&mut self.orders_max, change.orders_max);
        self.broken_rule().map_or(Ok(self), Err)
    }

    fn broken_rule(&self) -> Option<(&'static str, &'static str)> {
        if self.ttl_min_ms == 0 {
            return Some(("ttl_min_ms", "must be at least 1"));
        }
        if self.ttl_max_ms < self.ttl_min_ms {
            return Some(("ttl_max_ms", "must not be below ttl_min_ms"));
        }
        if self.ttl_max_ms > u64::from(u32::MAX) {
            return Some(("ttl_max_ms", "must fit 32 bits (49 days)"));
        }
        if self.ttl_total_ms < self.ttl_max_ms {
            return Some(("ttl_total_max_ms", "must not be below ttl_max_ms"));
        }
        if self.ttl_total_ms > 30 * DAY_MS {
            return Some(("ttl_total_max_ms", "must be at most 30 days"));
        }
        if self.lines_max == 0 || self.lines_max > 256 {
            return Some(("lines_max", "must be between 1 and 256"));
        }
        if self.window_ms < 1_000 {
            return Some(("late_confirm_window_ms", "must be at least 1,000"));
        }
        if self.window_ms > 30 * DAY_MS {
            return Some(("late_confirm_window_ms", "must be at most 30 days"));
        }
        self.broken_rule_of_memory()
    }

    fn broken_rule_of_memory(&self) -> Option<(&'static str, &'static str)> {
        if self.retention_min_ms < 60_000 {
            return Some(("id_retention_min_ms", "must be at least 60,000"));
        }
        if self.retention_ms < self.retention_min_ms {
            return Some(("id_retention_ms", "must not be below the minimum"));
        }
        if self.retention_ms > DAY_MS {
            return Some(("id_retention_ms", "must be at most 24 hours"));
        }
        if self.outcome_bytes < 65_536 {
            return Some(("outcome_bytes_max", "must be at least 64 KiB"));
        }
        if self.reservations_max == 0 {
            return Some(("reservations_max", "must be at least 1"));
        }
        if self.reservations_max > 2_000_000_000 {
            return Some(("reservations_max", "must be at most 2,000,000,000"));
        }
        if self.gap_max_ms < 2_000 || self.gap_max_ms > 30 * DAY_MS {
            return Some(("gap_max_ms", "must be between 2,000 and 30 days"));
        }
        if self.clock_jump_max_ms < 60_000 {
            return Some(("clock_jump_max_ms", "must be at least 60,000"));
        }
        if self.clock_jump_max_ms > 30 * DAY_MS {
            return Some(("clock_jump_max_ms", "must be at most 30 days"));
        }
        if self.name_grace_ms < self.retention_ms {
            return Some(("name_grace_ms", "must not be below the retention of ids"));
        }
        if self.name_grace_ms > 30 * DAY_MS {
            return Some(("name_grace_ms", "must be at most 30 days"));
        }
        self.broken_rule_of_orders()
    }

    fn broken_rule_of_orders(&self) -> Option<(&'static str, &'static str)> {
        if self.order_retention_min_ms < 1_000 {
            return Some(("order_retention_min_ms", "must be at least 1,000"));
        }
        if self.order_retention_ms < self.order_retention_min_ms {
            return Some(("order_retention_ms", "must not be below the minimum"));
        }
        if self.order_retention_ms > 3_650 * DAY_MS {
            return Some(("order_retention_ms", "must be at most 3,650 days"));
        }
        if self.orders_max == 0 {
            return Some(("orders_max", "must be at least 1"));
        }
        (self.orders_max > 2_000_000_000).then_some(("orders_max", "must be at most 2,000,000,000"))
    }
}

/// What is kept of a recorded command.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) body: Arc<str>,
    pub(crate) outcome: Arc<Outcome>,
    /// Its accounted size.
    bytes: u64,
}

impl Recorded {
    pub(crate) fn new(body: Arc<str>, outcome: Arc<Outcome>) -> Self {
        let details = if outcome.detail == Detail::None {
            0
        } else {
            let mut bytes = Vec::new();
            outcome.detail.encode(&mut bytes);
            DETAIL_HEAD_BYTES + u64::try_from(bytes.len()).expect("short")
        };
        Self { body, outcome, bytes: OUTCOME_BYTES + details }
    }
}

impl Model {
    /// The current configuration.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Forgets outcomes that are old enough. When memory is short, it also forgets younger ones, down to the minimum.
    pub(crate) fn raise_horizon(&mut self) {
        self.forget_gaps();
        let hold_ms = self.hold_ms();
        let first_kept =
            |retention_ms: u64| self.op_time_at(hold_ms.saturating_sub(retention_ms)) / GENERATION_MS;
        let least = first_kept(self.limits.retention_min_ms);
        self.horizon = self.horizon.max(first_kept(self.limits.retention_ms));
        while self.is_memory_full() {
            let oldest = self.kept().map(|(id, _)| id.client_time_ms() / GENERATION_MS).min();
            match oldest.filter(|oldest| *oldest < least) {
                Some(oldest) => self.horizon = oldest + 1,
                None => return,
            }
        }
    }

    /// Outcomes that are still kept.
    fn kept(&self) -> impl Iterator<Item = (&CommandId, &Recorded)> {
        self.recorded.iter().filter(|(id, _)| !self.is_below_horizon(**id))
    }

    /// Bytes left for new outcomes. `None`: nothing new can be recorded.
    #[must_use]
    pub fn outcome_room(&self) -> Option<u64> {
        let bytes: u64 = self.kept().map(|(_, one)| one.bytes).sum();
        self.limits.outcome_bytes.checked_sub(bytes + OUTCOME_RESERVE_BYTES)
    }

    pub(crate) fn is_memory_full(&self) -> bool {
        self.outcome_room().is_none()
    }

    /// Refuses a cart with too many lines, or any further cart at the limit of reservations.
    pub(crate) fn check_limits(&self, lines: usize) -> Result<(), Answer> {
        if lines > usize::try_from(self.limits.lines_max).expect("small") {
            let rule = format!("must hold at most {} entries (lines_max)", self.limits.lines_max);
            return Err(bad_field("lines", &rule));
        }
        let is_counted = |id: &&CommandId| self.known(**id).is_some() && !is_of_rows(**id);
        let known = self.reservations.keys().filter(is_counted).count();
        let most = self.limits.reservations_max;
        if u64::try_from(known).expect("small") >= most {
            return Err((
                Code::LimitReached,
                0,
                Detail::Limit { name: "reservations_max".into(), value: most },
            ));
        }
        Ok(())
    }

    /// Changes whether stocks that share sources limit each other.
    pub(crate) fn share(&mut self, independent: bool) -> Result<(), Answer> {
        if independent != self.independent && self.unattributed.values().any(|units| *units < 0) {
            let rule = "must stay independent while more units were given back without an order than were promised so";
            let (field, rule) = ("sharing".to_owned(), rule.to_owned());
            return Err((Code::WouldBreakPromises, 0, Detail::Field { field, rule }));
        }
        self.independent = independent;
        Ok(())
    }

    pub(crate) fn configure(&mut self, change: &Configure) -> Decision {
        let changed = self.limits.changed(change).map_err(|(field, rule)| bad_field(field, rule))?;
        if let Some(sharing) = change.sharing {
            self.share(sharing == Sharing::Independent)?;
        }
        self.limits = changed;
        Ok(plain(Code::Ok))
    }
}

pub(crate) fn busy() -> Answer {
    (Code::Busy, BUSY_RETRY_MS, Detail::None)
}

pub(crate) fn bad_field(field: &str, rule: &str) -> Answer {
    (Code::BadField, 0, Detail::Field { field: field.to_owned(), rule: rule.to_owned() })
}
