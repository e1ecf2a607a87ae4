//! What `status` tells besides the metrics: what does not change while the server runs, and the warnings.

use parking_lot::Mutex;
use stockhold_protocol::query::Metric;

/// Most warnings that are kept; older ones go first.
const WARNINGS_MAX: usize = 32;

/// What does not change while the server runs, and the warnings.
#[derive(Debug)]
pub struct StatusBoard {
    /// The log's identity.
    pub log_uuid: [u8; 16],
    /// The log's epoch.
    pub epoch: u64,
    /// How answers are made durable.
    pub durability: String,
    /// Numbers that are fixed at the start: limits and the recovery report.
    pub fixed: Vec<Metric>,
    /// Warnings, oldest first.
    pub warnings: Mutex<Vec<String>>,
}

impl StatusBoard {
    /// Adds a warning; the same sentence is kept once.
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
