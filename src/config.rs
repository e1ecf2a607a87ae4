//! The configuration of a server process: defaults < file < environment < flags, checked before anything starts.
//!
//! It reaches the shell only. What the machine reads (sharing, limits of carts and holds, retention) is state, set when a directory is
//! formatted or by a logged `configure`, and has no place here.

mod layers;
mod options;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use options::OPTIONS;

/// `section.key` → value, as given by flags; the same spelling as in the file.
pub type Overrides = BTreeMap<String, String>;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration file {path} cannot be read")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no TOML, or an option has the wrong type or does not exist.
    #[error("the configuration file {path} is wrong")]
    Toml {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// An option does not exist.
    #[error("there is no option {option} (given by {origin})")]
    Unknown {
        /// As it was given.
        option: String,
        /// The environment or a flag.
        origin: &'static str,
    },
    /// A value has the wrong form.
    #[error("option {option} takes {expected}, not {value:?}")]
    Value {
        /// The option.
        option: String,
        /// What it takes.
        expected: &'static str,
        /// What was given.
        value: String,
    },
    /// The values together cannot be taken.
    #[error("the configuration is wrong")]
    Merged(#[source] Box<toml::de::Error>),
    /// A value is outside its range.
    #[error("option {option} {rule}")]
    Range {
        /// The option.
        option: &'static str,
        /// The rule that it breaks.
        rule: &'static str,
    },
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WritePathChoice {
    /// Direct where the file system can, else with fdatasync.
    #[default]
    Auto,
    /// Direct, or the start fails.
    Direct,
    /// Through the cache with fdatasync.
    Fdatasync,
}

/// When an answer leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DurabilityChoice {
    /// After a sync that covers it.
    #[default]
    Sync,
    /// Before it: a crash of the machine may lose what was answered since the last interval.
    Interval,
}

/// The form of the server's own log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines.
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
    /// Everything. Each option's meaning, default, minimum and unit stand in [`OPTIONS`].
    Config {
        /// See [`OPTIONS`].
        data_dir: PathBuf = PathBuf::from("data"),
        /// See [`OPTIONS`].
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 7411)),
        /// The log.
        log: LogSection = LogSection::default(),
        /// Queues between stages.
        queues: QueueSection = QueueSection::default(),
        /// What connections may do.
        limits: LimitSection = LimitSection::default(),
        /// Snapshots.
        snapshot: SnapshotSection = SnapshotSection::default(),
        /// Starting.
        recovery: RecoverySection = RecoverySection::default(),
        /// Threads.
        threads: ThreadSection = ThreadSection::default(),
        /// The server's own log lines.
        logging: LoggingSection = LoggingSection::default(),
        /// The clock.
        clock: ClockSection = ClockSection::default(),
        /// Stopping.
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
    /// What connections may do.
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
    /// Starting.
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
    /// Threads.
    ThreadSection {
        /// See [`OPTIONS`].
        network: usize = 0,
    }
}

section! {
    /// The server's own log lines.
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
    /// Stopping.
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
    /// [`ConfigError::Range`] names the first option that breaks its rule.
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
                "must lie between 66560 and 1048576",
            ),
            ("log.batch-ops", self.log.batch_ops >= 1, "must be at least 1"),
            (
                "queues.submissions",
                (1..=1 << 20).contains(&self.queues.submissions),
                "must lie between 1 and 1048576",
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
                "must lie between 1 and 1048576",
            ),
            ("limits.connections", self.limits.connections >= 1, "must be at least 1"),
            ("limits.in-flight", self.limits.in_flight >= 1, "must be at least 1"),
            ("limits.questions-in-flight", self.limits.questions_in_flight >= 1, "must be at least 1"),
            ("limits.outbox-bytes", self.limits.outbox_bytes >= 65_536, "must be at least 65536"),
            (
                "limits.frame-body-bytes",
                (65_536..=stockhold_protocol::limits::FRAME_BODY_BYTES_MAX)
                    .contains(&self.limits.frame_body_bytes),
                "must lie between 65536 and 1048576",
            ),
            ("limits.handshake-ms", self.limits.handshake_ms >= 10, "must be at least 10"),
            ("limits.slow-reader-ms", self.limits.slow_reader_ms >= 10, "must be at least 10"),
            ("limits.frame-ms", self.limits.frame_ms >= 10, "must be at least 10"),
            ("limits.buffer-bytes", self.limits.buffer_bytes >= 16 << 20, "must be at least 16777216"),
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

    /// How the log is to be written.
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
