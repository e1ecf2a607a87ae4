//! The configuration of the machine: limits and modes that `apply` reads. All of it is state. It is set
//! when a directory is formatted or by a logged `configure`, never by options of the process.

use std::fmt;
use stockhold_protocol::command::{Configure, Sharing};
use stockhold_protocol::fields::{Unknown, decode_fields_with, encode_fields_with, first_field};
use stockhold_protocol::limits::LINES_MAX;
use stockhold_protocol::query::ConfigurationView;
use stockhold_protocol::{BadField, Timestamp, tagged};

/// The version of the rules that this program executes. It is stored in the state, in the genesis and in
/// each batch. A directory of another version is refused by name, because replaying it would decide
/// differently than its server did.
pub const RULES_VERSION: u32 = 3;
/// The version of the rules as it is stored in a batch.
pub const BATCH_RULES: u16 = {
    let [low, high, rest @ ..] = RULES_VERSION.to_le_bytes();
    assert!(rest[0] == 0 && rest[1] == 0, "a batch has two bytes for the version of its rules");
    u16::from_le_bytes([low, high])
};
/// The most sources.
pub const SOURCES_MAX: u32 = 16_384;
/// The most stocks.
pub const STOCKS_MAX: u32 = 16_384;
/// The most sales channels.
pub const CHANNELS_MAX: u32 = 65_536;
/// The most SKUs.
pub const SKUS_MAX: u32 = 16_000_000;
/// The most links between stocks and sources.
pub const LINKS_MAX: usize = 262_144;
/// The most low-stock configurations.
pub const NOTIFIES_MAX: u32 = 4_194_304;
/// The most marks. A further one removes the oldest automatic one; if there is none, it is refused.
pub const MARKS_MAX: usize = 1_024;
/// The most old names that are kept, in their grace or after it. A further one removes the oldest one whose grace has ended. If all
/// are in their grace, a rename is refused.
pub const OLD_NAMES_MAX: usize = 65_536;
/// The most actors that have a number of their own. All others share one number, `other`.
pub const ACTORS_MAX: usize = 4_096;
/// The most writers. A further one is refused.
pub const WRITERS_MAX: usize = 64;
/// How far the client's time in an id may be ahead of op time, in milliseconds.
pub const ID_AHEAD_MAX_MS: u64 = 5 * 60 * 1_000;
/// The period of client time that one generation of outcomes covers, in milliseconds.
pub const GENERATION_MS: u64 = 15_000;
/// The shortest minimum retention of outcomes, in milliseconds.
pub const ID_RETENTION_FLOOR_MS: u64 = 60_000;
/// The longest retention of outcomes, in milliseconds: 24 hours, which bounds the number of generations.
pub const ID_RETENTION_CEILING_MS: u64 = 24 * 3_600_000;
/// The least value of `gap_max_ms`, in milliseconds. It must exceed the second between two ticks.
pub const GAP_FLOOR_MS: u64 = 2_000;
/// The least value of `clock_jump_max_ms`, in milliseconds.
pub const CLOCK_JUMP_FLOOR_MS: u64 = 60_000;
/// The longest period that settled orders may be kept, in milliseconds: ten years.
pub const ORDER_SPAN_MAX_MS: u64 = 3_650 * 24 * 3_600_000;
/// The most reservations of an order whose records are kept.
pub const ORDER_RESERVATIONS_MAX: usize = 1_024;
/// The most lines of an order: its SKUs in stocks, and the lines of its holds.
pub const ORDER_LINES_MAX: usize = 1_024;
/// The longest period that a limit of holds and records may be set to, in milliseconds: 30 days.
pub const SPAN_MAX_MS: u64 = 30 * 24 * 3_600_000;

/// The configuration. Default values: TTLs from 1 s to 24 h, at most 48 h in total, 256 lines, late
/// confirmation for 24 h, outcomes for 15 min (never less than 60 s) in 4 GiB.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Configuration {
    /// Whether promises of stocks that share sources limit each other. Default: exact.
    pub sharing: Sharing,
    /// The shortest TTL in milliseconds. Default 1,000; at least 1.
    pub ttl_min_ms: u64,
    /// The longest TTL in milliseconds. Default 86,400,000.
    pub ttl_max_ms: u64,
    /// The longest time from the first reserve to the deadline, in milliseconds. Default 172,800,000.
    pub ttl_total_max_ms: u64,
    /// The most lines of a cart, 1..=256. Default 256.
    pub lines_max: u32,
    /// How long records of expired and closed reservations are kept, in milliseconds. Default 86,400,000;
    /// at least 1,000.
    pub late_confirm_window_ms: u64,
    /// Target retention of outcomes in milliseconds. Default 900,000.
    pub id_retention_ms: u64,
    /// Minimum retention of outcomes in milliseconds. Default and least value 60,000.
    pub id_retention_min_ms: u64,
    /// Memory for outcomes in bytes. Default 4 GiB; at least 64 KiB.
    pub outcome_bytes_max: u64,
    /// The most reservations whose records are kept. Default 50,000,000.
    pub reservations_max: u64,
    /// The longest time between two ops that counts as hold time, in milliseconds. A longer one is a gap.
    /// Default 5,000; 2,000 to 30 days.
    pub gap_max_ms: u64,
    /// How far a starting server may follow the wall clock, in milliseconds. Default 604,800,000; at least
    /// 60,000.
    pub clock_jump_max_ms: u64,
    /// How long a name that was given up is kept for what was renamed, in milliseconds of op time. Default 86,400,000; at
    /// least the retention of ids.
    pub name_grace_ms: u64,
    /// How long an order is kept after its last change when it is settled, in milliseconds of op time. Default 90 days.
    pub order_retention_ms: u64,
    /// How long it is kept at least when there are too many orders, in milliseconds of op time. Default 7 days.
    pub order_retention_min_ms: u64,
    /// The most orders. At the limit, the oldest settled one makes room. Default 50,000,000.
    pub orders_max: u64,
}

tagged!(Configuration {
    1 sharing value,
    2 ttl_min_ms value,
    3 ttl_max_ms value,
    4 ttl_total_max_ms value,
    5 lines_max value,
    6 late_confirm_window_ms value,
    7 id_retention_ms value,
    8 id_retention_min_ms value,
    9 outcome_bytes_max value,
    10 reservations_max value,
    11 gap_max_ms value,
    12 clock_jump_max_ms value,
    13 name_grace_ms value,
    14 order_retention_ms value,
    15 order_retention_min_ms value,
    16 orders_max value,
});

impl Default for Configuration {
    fn default() -> Self {
        Self {
            sharing: Sharing::Exact,
            ttl_min_ms: 1_000,
            ttl_max_ms: 86_400_000,
            ttl_total_max_ms: 172_800_000,
            lines_max: 256,
            late_confirm_window_ms: 86_400_000,
            id_retention_ms: 900_000,
            id_retention_min_ms: ID_RETENTION_FLOOR_MS,
            outcome_bytes_max: 4 << 30,
            reservations_max: 50_000_000,
            gap_max_ms: 5_000,
            clock_jump_max_ms: 7 * 86_400_000,
            name_grace_ms: 86_400_000,
            order_retention_ms: 90 * 86_400_000,
            order_retention_min_ms: 7 * 86_400_000,
            orders_max: 50_000_000,
        }
    }
}

impl Configuration {
    /// The configuration after a change.
    ///
    /// # Errors
    /// [`BadField`] names the field that is out of range.
    pub fn changed(&self, change: &Configure) -> Result<Self, BadField> {
        let next = Self {
            sharing: change.sharing.unwrap_or(self.sharing),
            ttl_min_ms: change.ttl_min_ms.unwrap_or(self.ttl_min_ms),
            ttl_max_ms: change.ttl_max_ms.unwrap_or(self.ttl_max_ms),
            ttl_total_max_ms: change.ttl_total_max_ms.unwrap_or(self.ttl_total_max_ms),
            lines_max: change.lines_max.unwrap_or(self.lines_max),
            late_confirm_window_ms: change.late_confirm_window_ms.unwrap_or(self.late_confirm_window_ms),
            id_retention_ms: change.id_retention_ms.unwrap_or(self.id_retention_ms),
            id_retention_min_ms: change.id_retention_min_ms.unwrap_or(self.id_retention_min_ms),
            outcome_bytes_max: change.outcome_bytes_max.unwrap_or(self.outcome_bytes_max),
            reservations_max: change.reservations_max.unwrap_or(self.reservations_max),
            gap_max_ms: change.gap_max_ms.unwrap_or(self.gap_max_ms),
            clock_jump_max_ms: change.clock_jump_max_ms.unwrap_or(self.clock_jump_max_ms),
            name_grace_ms: change.name_grace_ms.unwrap_or(self.name_grace_ms),
            order_retention_ms: change.order_retention_ms.unwrap_or(self.order_retention_ms),
            order_retention_min_ms: change.order_retention_min_ms.unwrap_or(self.order_retention_min_ms),
            orders_max: change.orders_max.unwrap_or(self.orders_max),
        };
        next.check()?;
        Ok(next)
    }

    /// Checks every range and the relations between fields.
    ///
    /// # Errors
    /// [`BadField`] names the first field that breaks a rule.
    pub fn check(&self) -> Result<(), BadField> {
        let lines_fit = usize::try_from(self.lines_max).is_ok_and(|lines| (1..=LINES_MAX).contains(&lines));
        let rules = [
            (self.ttl_min_ms >= 1, "ttl_min_ms", "must be at least 1"),
            (self.ttl_max_ms >= self.ttl_min_ms, "ttl_max_ms", "must not be below ttl_min_ms"),
            (u32::try_from(self.ttl_max_ms).is_ok(), "ttl_max_ms", "must fit 32 bits (49 days)"),
            (self.ttl_total_max_ms >= self.ttl_max_ms, "ttl_total_max_ms", "must not be below ttl_max_ms"),
            (self.ttl_total_max_ms <= SPAN_MAX_MS, "ttl_total_max_ms", "must be at most 30 days"),
            (lines_fit, "lines_max", "must be between 1 and 256"),
            (self.late_confirm_window_ms >= 1_000, "late_confirm_window_ms", "must be at least 1,000"),
            (self.late_confirm_window_ms <= SPAN_MAX_MS, "late_confirm_window_ms", "must be at most 30 days"),
            (
                self.id_retention_min_ms >= ID_RETENTION_FLOOR_MS,
                "id_retention_min_ms",
                "must be at least 60,000",
            ),
            (
                self.id_retention_ms >= self.id_retention_min_ms,
                "id_retention_ms",
                "must not be below the minimum",
            ),
            (self.id_retention_ms <= ID_RETENTION_CEILING_MS, "id_retention_ms", "must be at most 24 hours"),
            (self.outcome_bytes_max >= 64 << 10, "outcome_bytes_max", "must be at least 64 KiB"),
            (self.reservations_max >= 1, "reservations_max", "must be at least 1"),
            (self.reservations_max <= 2_000_000_000, "reservations_max", "must be at most 2,000,000,000"),
            (
                (GAP_FLOOR_MS..=SPAN_MAX_MS).contains(&self.gap_max_ms),
                "gap_max_ms",
                "must be between 2,000 and 30 days",
            ),
            (self.clock_jump_max_ms >= CLOCK_JUMP_FLOOR_MS, "clock_jump_max_ms", "must be at least 60,000"),
            (self.clock_jump_max_ms <= SPAN_MAX_MS, "clock_jump_max_ms", "must be at most 30 days"),
            (
                self.name_grace_ms >= self.id_retention_ms,
                "name_grace_ms",
                "must not be below the retention of ids",
            ),
            (self.name_grace_ms <= SPAN_MAX_MS, "name_grace_ms", "must be at most 30 days"),
            (self.order_retention_min_ms >= 1_000, "order_retention_min_ms", "must be at least 1,000"),
            (
                self.order_retention_ms >= self.order_retention_min_ms,
                "order_retention_ms",
                "must not be below the minimum",
            ),
            (
                self.order_retention_ms <= ORDER_SPAN_MAX_MS,
                "order_retention_ms",
                "must be at most 3,650 days",
            ),
            (self.orders_max >= 1, "orders_max", "must be at least 1"),
            (self.orders_max <= 2_000_000_000, "orders_max", "must be at most 2,000,000,000"),
        ];
        match rules.into_iter().find(|(holds, _, _)| !holds) {
            Some((_, field, rule)) => Err(BadField::new(field, rule)),
            None => Ok(()),
        }
    }

    /// The configuration as an answer.
    #[must_use]
    pub const fn view(&self) -> ConfigurationView {
        ConfigurationView {
            sharing: self.sharing,
            ttl_min_ms: self.ttl_min_ms,
            ttl_max_ms: self.ttl_max_ms,
            ttl_total_max_ms: self.ttl_total_max_ms,
            lines_max: self.lines_max,
            late_confirm_window_ms: self.late_confirm_window_ms,
            id_retention_ms: self.id_retention_ms,
            id_retention_min_ms: self.id_retention_min_ms,
            outcome_bytes_max: self.outcome_bytes_max,
            reservations_max: self.reservations_max,
            gap_max_ms: self.gap_max_ms,
            clock_jump_max_ms: self.clock_jump_max_ms,
            name_grace_ms: self.name_grace_ms,
            order_retention_ms: self.order_retention_ms,
            order_retention_min_ms: self.order_retention_min_ms,
            orders_max: self.orders_max,
        }
    }
}

/// The initial state of a directory, which is set when it is formatted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Genesis {
    /// The configuration.
    pub configuration: Configuration,
    /// The time when it was formatted, which is the time of op 0.
    pub formatted_at: Timestamp,
}

/// Why a genesis cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GenesisError {
    /// The directory was formatted under rules that this program does not execute.
    Rules {
        /// Their version.
        found: u32,
    },
    /// The bytes are not a genesis, or a value breaks a rule.
    Field(BadField),
}

impl fmt::Display for GenesisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rules { found } => write!(
                f,
                "the first op was decided by rules version {found}, this program executes version {RULES_VERSION}"
            ),
            Self::Field(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for GenesisError {}

impl From<BadField> for GenesisError {
    fn from(error: BadField) -> Self {
        Self::Field(error)
    }
}

impl Genesis {
    /// The bytes that are stored in the directory's manifest: tagged fields, of which the version of the
    /// rules is the first.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let encoded = encode_fields_with(&mut out, |fields| {
            fields.value(1, &RULES_VERSION)?;
            fields.nested(2, &self.configuration)?;
            fields.value(3, &self.formatted_at)
        });
        assert!(encoded.is_ok(), "fixed-width fields always encode");
        out
    }

    /// Reads the bytes from the manifest.
    ///
    /// # Errors
    /// [`GenesisError`] if they are not a genesis, if a value breaks a rule, or if they are of other rules.
    pub fn decode(bytes: &[u8]) -> Result<Self, GenesisError> {
        let found = first_field(bytes, |fields| fields.value(1, "genesis.rules_version"))?;
        if found != RULES_VERSION {
            return Err(GenesisError::Rules { found });
        }
        let (genesis, _) = decode_fields_with(bytes, Unknown::Keep, |fields| {
            let _: u32 = fields.value(1, "genesis.rules_version")?;
            let configuration = fields.nested(2, "genesis.configuration")?;
            Ok(Self { configuration, formatted_at: fields.value(3, "genesis.formatted_at")? })
        })?;
        genesis.configuration.check()?;
        Ok(genesis)
    }
}
