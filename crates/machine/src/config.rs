//! What the machine is configured with: limits and modes that `apply` reads. All of it is state, set when a
//! directory is formatted or by a logged `configure`, never by the process.

use std::fmt;
use stockhold_protocol::command::{Configure, Sharing};
use stockhold_protocol::fields::{Unknown, decode_fields_with, encode_fields_with, first_field};
use stockhold_protocol::limits::LINES_MAX;
use stockhold_protocol::query::ConfigurationView;
use stockhold_protocol::{BadField, Timestamp, tagged};

/// The rules that this program executes. They stand in the state, in the genesis and in each batch; a directory of
/// others is refused by name, because replaying it would decide otherwise than its server did.
pub const RULES_VERSION: u32 = 3;
/// The same, as a batch tells it.
pub const BATCH_RULES: u16 = {
    let [low, high, rest @ ..] = RULES_VERSION.to_le_bytes();
    assert!(rest[0] == 0 && rest[1] == 0, "a batch has two bytes for the version of its rules");
    u16::from_le_bytes([low, high])
};
/// Most sources.
pub const SOURCES_MAX: u32 = 16_384;
/// Most stocks.
pub const STOCKS_MAX: u32 = 16_384;
/// Most sales channels.
pub const CHANNELS_MAX: u32 = 65_536;
/// Most SKUs.
pub const SKUS_MAX: u32 = 16_000_000;
/// Most links of a stock with a source.
pub const LINKS_MAX: usize = 262_144;
/// Most marks that are remembered; the oldest goes first.
pub const MARKS_MAX: usize = 1_024;
/// Most actors that have a number of their own; further ones are one actor together, `other`.
pub const ACTORS_MAX: usize = 4_096;
/// Most writers that are remembered; a further one is refused.
pub const WRITERS_MAX: usize = 64;
/// How far the client's time in an id may lie ahead of the op's, in milliseconds.
pub const ID_AHEAD_MAX_MS: u64 = 5 * 60 * 1_000;
/// The span of client time that one generation of outcomes covers, in milliseconds.
pub const GENERATION_MS: u64 = 15_000;
/// The shortest minimum retention of outcomes, in milliseconds.
pub const ID_RETENTION_FLOOR_MS: u64 = 60_000;
/// The longest retention of outcomes, in milliseconds: 24 hours, so that generations stay few.
pub const ID_RETENTION_CEILING_MS: u64 = 24 * 3_600_000;
/// The shortest gap that may be told from the pause between two ticks, which come each second, in milliseconds.
pub const GAP_FLOOR_MS: u64 = 2_000;
/// The least that a start may be allowed to follow the wall clock, in milliseconds.
pub const CLOCK_JUMP_FLOOR_MS: u64 = 60_000;
/// The longest time that any limit of holds and records may be set to, in milliseconds: 30 days.
pub const SPAN_MAX_MS: u64 = 30 * 24 * 3_600_000;

/// The machine's configuration. Defaults and ranges are those of the design: TTL 1 s … 24 h, 48 h in all,
/// 256 lines, 24 h of late confirmation, 15 min of ids (never below 60 s), 4 GiB of outcomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Configuration {
    /// Whether promises of stocks that share sources limit each other. Default: exact.
    pub sharing: Sharing,
    /// Shortest TTL in milliseconds. Default 1,000; at least 1.
    pub ttl_min_ms: u64,
    /// Longest TTL in milliseconds. Default 86,400,000.
    pub ttl_max_ms: u64,
    /// Longest time from first reserve to deadline in milliseconds. Default 172,800,000.
    pub ttl_total_max_ms: u64,
    /// Most lines of a cart, 1..=256. Default 256.
    pub lines_max: u32,
    /// How long records of expired and closed reservations are kept, in milliseconds. Default 86,400,000;
    /// at least 1,000.
    pub late_confirm_window_ms: u64,
    /// Target retention of outcomes in milliseconds. Default 900,000.
    pub id_retention_ms: u64,
    /// Least retention of outcomes in milliseconds. Default and minimum 60,000.
    pub id_retention_min_ms: u64,
    /// Memory for outcomes in bytes. Default 4 GiB; at least 64 KiB.
    pub outcome_bytes_max: u64,
    /// Most reservations whose records are kept. Default 50,000,000.
    pub reservations_max: u64,
    /// A longer time between two ops does not count against holds and ids, in milliseconds. Default 5,000; 2,000 to 30 days.
    pub gap_max_ms: u64,
    /// How far a start may follow the wall clock, in milliseconds. Default 604,800,000; at least 60,000.
    pub clock_jump_max_ms: u64,
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
        }
    }
}

impl Configuration {
    /// The configuration after a change.
    ///
    /// # Errors
    /// [`BadField`] names the field that leaves its range.
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
        }
    }
}

/// What a new directory is formatted with: the state before the first op.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Genesis {
    /// The configuration.
    pub configuration: Configuration,
    /// When it was formatted: the time of op 0.
    pub formatted_at: Timestamp,
}

/// Why a directory cannot begin with its genesis.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GenesisError {
    /// The first op was decided by other rules than this program executes.
    Rules {
        /// Their version.
        found: u32,
    },
    /// The bytes are no genesis, or break a rule.
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
    /// The bytes that stand in the directory's manifest: tagged fields, of which the version of the rules is the first.
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

    /// Reads the manifest's bytes.
    ///
    /// # Errors
    /// [`GenesisError`] when they are not a genesis, break a rule, or are of other rules.
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
