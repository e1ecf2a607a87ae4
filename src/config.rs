//! The configuration of a server process. Its layers are defaults, file, environment and flags, the later ones taking
//! precedence. It is checked before anything starts.
//!
//! Only the server process uses it. What the machine needs (sharing, limits of carts and holds, retention) is state,
//! which is set when a directory is formatted or by a logged `configure`.

mod layers;
mod listen;
mod options;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use listen::{ListenAddress, ListenAddressError};
pub use options::OPTIONS;

/// Values from flags by `section.key`, spelled as in the file.
pub type Overrides = BTreeMap<String, String>;

/// Why a configuration is invalid.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration file {path} cannot be read")]
    File {
        /// The file.
        path: PathBuf,
        /// The system error.
        source: std::io::Error,
    },
    /// The file is not TOML, or an option does not exist or has the wrong type.
    #[error("the configuration file {path} is invalid")]
    Toml {
        /// The file.
        path: PathBuf,
        /// The place and the reason.
        source: Box<toml::de::Error>,
    },
    /// An option does not exist.
    #[error("there is no option {option} (given by {origin})")]
    Unknown {
        /// The option as it was given.
        option: String,
        /// The environment or a flag.
        origin: &'static str,
    },
    /// A value has the wrong type.
    #[error("option {option} takes {expected}, not {value:?}")]
    Value {
        /// The option.
        option: String,
        /// What the option accepts.
        expected: &'static str,
        /// The value that was given.
        value: String,
    },
    /// The values are inconsistent.
    #[error("the configuration is invalid")]
    Merged(#[source] Box<toml::de::Error>),
    /// A value is outside its range.
    #[error("option {option} {rule}")]
    Range {
        /// The option.
        option: &'static str,
        /// The rule that the value violates.
        rule: &'static str,
    },
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WritePathChoice {
    /// Direct if the file system supports it, otherwise `fdatasync`.
    #[default]
    Auto,
    /// Direct; the start fails if the file system does not support it.
    Direct,
    /// Through the cache with `fdatasync`.
    Fdatasync,
}

/// When a command is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DurabilityChoice {
    /// After its batch was synced.
    #[default]
    Sync,
    /// Before its batch was synced. A crash of the computer may lose what was answered since the last sync.
    Interval,
}

/// The format of the server's own log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// Text for people.
    #[default]
    Text,
    /// JSON for programs.
    Json,
}

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = $default:expr,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    };
}

section! {
    /// The whole configuration. [`OPTIONS`] has the meaning, unit and minimum of each option.
    Config {
        /// See [`OPTIONS`].
        data_dir: PathBuf = PathBuf::from("data"),
        /// See [`OPTIONS`].
        listen: ListenAddress = SocketAddr::from(([127, 0, 0, 1], 7411)).into(),
        /// The log.
        log: LogSection = LogSection::default(),
        /// Queues between stages.
        queues: QueueSection = QueueSection::default(),
        /// The limits of connections.
        limits: LimitSection = LimitSection::default(),
        /// Snapshots.
        snapshot: SnapshotSection = SnapshotSection::default(),
        /// The archive.
        archive: ArchiveSection = ArchiveSection::default(),
        /// Marks.
        marks: MarkSection = MarkSection::default(),
        /// Recovery.
        recovery: RecoverySection = RecoverySection::default(),
        /// Threads.
        threads: ThreadSection = ThreadSection::default(),
        /// The server's own log.
        logging: LoggingSection = LoggingSection::default(),
        /// The clock.
        clock: ClockSection = ClockSection::default(),
        /// The shutdown.
        stop: StopSection = StopSection::default(),
    }
}

section! {
    /// The log.
    LogSection {
        /// See [`OPTIONS`].
        segment_bytes: u64 = crate::storage::layout::SEGMENT_BYTES_DEFAULT,
        /// See [`OPTIONS`].
        write_path: WritePathChoice = WritePathChoice::Auto,
        /// See [`OPTIONS`].
        durability: DurabilityChoice = DurabilityChoice::Sync,
        /// See [`OPTIONS`].
        interval_ms: u64 = 100,
        /// See [`OPTIONS`].
        batch_bytes: usize = crate::storage::layout::PAYLOAD_BYTES_MAX,
        /// See [`OPTIONS`].
        batch_ops: u32 = 16_384,
    }
}

section! {
    /// Queues between stages.
    QueueSection {
        /// See [`OPTIONS`].
        submissions: usize = 8_192,
        /// See [`OPTIONS`].
        commands: usize = 262_144,
        /// See [`OPTIONS`].
        bytes: usize = 64 << 20,
        /// See [`OPTIONS`].
        questions: usize = 1_024,
    }
}

section! {
    /// The limits of connections.
    LimitSection {
        /// See [`OPTIONS`].
        connections: usize = 4_096,
        /// See [`OPTIONS`].
        in_flight: u32 = 16_384,
        /// See [`OPTIONS`].
        questions_in_flight: u32 = 64,
        /// See [`OPTIONS`].
        outbox_bytes: usize = 4 << 20,
        /// See [`OPTIONS`].
        frame_body_bytes: usize = stockhold_protocol::limits::FRAME_BODY_BYTES_MAX,
        /// See [`OPTIONS`].
        handshake_ms: u64 = 5_000,
        /// See [`OPTIONS`].
        slow_reader_ms: u64 = 10_000,
        /// See [`OPTIONS`].
        frame_ms: u64 = 30_000,
        /// See [`OPTIONS`].
        buffer_bytes: usize = 1 << 30,
        /// See [`OPTIONS`].
        check_wait_ms: u64 = 10_000,
        /// See [`OPTIONS`].
        retry_after_ms: u32 = 10,
    }
}

section! {
    /// Recovery.
    RecoverySection {
        /// See [`OPTIONS`].
        validate_reservations: u64 = 1_000_000,
    }
}

section! {
    /// Snapshots.
    SnapshotSection {
        /// See [`OPTIONS`].
        ops: u64 = 0,
        /// See [`OPTIONS`].
        interval_seconds: u64 = 3_600,
        /// See [`OPTIONS`].
        log_bytes: u64 = 4 << 30,
        /// See [`OPTIONS`].
        at_stop: bool = false,
    }
}

section! {
    /// The archive.
    ArchiveSection {
        /// See [`OPTIONS`].
        url: String = String::new(),
        /// See [`OPTIONS`].
        interval_ms: u64 = 1_000,
        /// See [`OPTIONS`].
        timeout_ms: u64 = 60_000,
        /// See [`OPTIONS`].
        required: bool = false,
        /// See [`OPTIONS`].
        required_lag_ms: u64 = 60_000,
        /// See [`OPTIONS`].
        hold_bytes: u64 = 16 << 30,
        /// See [`OPTIONS`].
        keep_snapshots: u64 = 0,
        /// See [`OPTIONS`].
        keep_hours: u64 = 0,
        /// See [`OPTIONS`].
        budget_bytes: u64 = 0,
    }
}

section! {
    /// Marks.
    MarkSection {
        /// See [`OPTIONS`].
        keep_bytes: u64 = 4 << 30,
    }
}

section! {
    /// Threads.
    ThreadSection {
        /// See [`OPTIONS`].
        network: usize = 0,
    }
}

section! {
    /// The server's own log.
    LoggingSection {
        /// See [`OPTIONS`].
        level: String = "info".to_owned(),
        /// See [`OPTIONS`].
        format: LogFormat = LogFormat::Text,
    }
}

section! {
    /// The clock.
    ClockSection {
        /// See [`OPTIONS`].
        alarm_ms: u64 = 1_000,
    }
}

section! {
    /// The shutdown.
    StopSection {
        /// See [`OPTIONS`].
        grace_ms: u64 = 5_000,
        /// See [`OPTIONS`].
        checks_after_failure_ms: u64 = 5_000,
    }
}

impl Config {
    /// Checks every range.
    ///
    /// # Errors
    /// [`ConfigError::Range`] with the first option that violates its rule.
    pub fn check(&self) -> Result<(), ConfigError> {
        let rules = [
            (
                "log.segment-bytes",
                self.segment_fits(),
                "must be a multiple of 4096, at least batch-bytes + 16384 and at most 4 GiB",
            ),
            ("log.interval-ms", self.log.interval_ms >= 1, "must be at least 1"),
            (
                "log.batch-bytes",
                (crate::pipeline::batch::BATCH_BYTES_MIN..=crate::storage::layout::PAYLOAD_BYTES_MAX)
                    .contains(&self.log.batch_bytes),
                "must be between 66560 and 1048576",
            ),
            ("log.batch-ops", self.log.batch_ops >= 1, "must be at least 1"),
            (
                "queues.submissions",
                (1..=1 << 20).contains(&self.queues.submissions),
                "must be between 1 and 1048576",
            ),
            ("queues.commands", self.queues.commands >= 1, "must be at least 1"),
            (
                "queues.bytes",
                self.queues.bytes >= crate::pipeline::submission::SUBMISSION_BYTES_MAX,
                "must be at least 65536",
            ),
            (
                "queues.questions",
                (1..=1 << 20).contains(&self.queues.questions),
                "must be between 1 and 1048576",
            ),
            ("limits.connections", self.limits.connections >= 1, "must be at least 1"),
            ("limits.in-flight", self.limits.in_flight >= 1, "must be at least 1"),
            ("limits.questions-in-flight", self.limits.questions_in_flight >= 1, "must be at least 1"),
            ("limits.outbox-bytes", self.limits.outbox_bytes >= 65_536, "must be at least 65536"),
            (
                "limits.frame-body-bytes",
                (65_536..=stockhold_protocol::limits::FRAME_BODY_BYTES_MAX)
                    .contains(&self.limits.frame_body_bytes),
                "must be between 65536 and 1048576",
            ),
            ("limits.handshake-ms", self.limits.handshake_ms >= 10, "must be at least 10"),
            ("limits.slow-reader-ms", self.limits.slow_reader_ms >= 10, "must be at least 10"),
            ("limits.frame-ms", self.limits.frame_ms >= 10, "must be at least 10"),
            ("limits.buffer-bytes", self.limits.buffer_bytes >= 16 << 20, "must be at least 16777216"),
            ("archive.interval-ms", self.archive.interval_ms >= 10, "must be at least 10"),
            ("archive.timeout-ms", self.archive.timeout_ms >= 10, "must be at least 10"),
            ("archive.required", !self.archive.required || !self.archive.url.is_empty(), "needs archive.url"),
            (
                "archive.required-lag-ms",
                self.archive.required_lag_ms >= self.archive.interval_ms.saturating_mul(2),
                "must be at least twice archive.interval-ms",
            ),
            ("threads.network", self.threads.network <= 64, "must be at most 64"),
            ("clock.alarm-ms", self.clock.alarm_ms >= 1, "must be at least 1"),
        ];
        for (option, is_kept, rule) in rules {
            if !is_kept {
                return Err(ConfigError::Range { option, rule });
            }
        }
        Ok(())
    }

    fn segment_fits(&self) -> bool {
        self.log_options().is_valid()
    }

    /// The options of the log.
    #[must_use]
    pub fn log_options(&self) -> crate::wal::LogOptions {
        crate::wal::LogOptions {
            segment_bytes: self.log.segment_bytes,
            payload_bytes_max: self.log.batch_bytes.min(crate::storage::layout::PAYLOAD_BYTES_MAX),
            durability: match self.log.durability {
                DurabilityChoice::Sync => crate::wal::Durability::Every,
                DurabilityChoice::Interval => crate::wal::Durability::Interval,
            },
        }
    }
}
