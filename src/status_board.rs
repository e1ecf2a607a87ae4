//! The part of the status that is not a metric of the running server: fixed values and warnings.

use parking_lot::Mutex;
use stockhold_protocol::query::Metric;

/// The maximum number of warnings. The oldest ones are dropped first.
const WARNINGS_MAX: usize = 32;

/// The fixed values and the warnings of a server.
#[derive(Debug)]
pub struct StatusBoard {
    /// The UUID of the log.
    pub log_uuid: [u8; 16],
    /// The epoch of the log.
    pub epoch: u64,
    /// The data directory.
    pub data_dir: String,
    /// When the server was started, in milliseconds of the monotonic clock.
    pub started_ms: u64,
    /// The length of a segment.
    pub segment_bytes: u64,
    /// When answered commands are durable.
    pub durability: String,
    /// Metrics that are fixed at the start: limits and the recovery report.
    pub fixed: Vec<Metric>,
    /// Warnings, oldest first.
    pub warnings: Mutex<Vec<String>>,
}

impl StatusBoard {
    /// Adds a warning. A repeated warning is kept once.
    pub fn warn(&self, sentence: String) {
        let mut warnings = self.warnings.lock();
        if warnings.contains(&sentence) {
            return;
        }
        if warnings.len() >= WARNINGS_MAX {
            warnings.remove(0);
        }
        warnings.push(sentence);
    }
}
