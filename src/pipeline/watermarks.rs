//! The progress of ops through the stages: proposed ≥ logged ≥ synced ≥ applied ≥ published. Each stage advances its
//! own watermark and asserts that it stays behind the stage before it.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::utils::CachePadded;

/// The last op that each stage has finished.
#[derive(Debug, Default)]
pub struct Watermarks {
    proposed: CachePadded<AtomicU64>,
    logged: CachePadded<AtomicU64>,
    synced: CachePadded<AtomicU64>,
    applied: CachePadded<AtomicU64>,
    published: CachePadded<AtomicU64>,
    /// The last op that survives a power cut. It is behind `synced` only if the configured durability allows answers
    /// before that.
    durable: CachePadded<AtomicU64>,
}

impl Watermarks {
    /// All watermarks at the last recovered op.
    #[must_use]
    pub fn at(op: u64) -> Self {
        let marks = Self::default();
        let all =
            [&marks.proposed, &marks.logged, &marks.synced, &marks.applied, &marks.published, &marks.durable];
        for mark in all {
            mark.store(op, Ordering::Release);
        }
        marks
    }

    fn advance(own: &AtomicU64, ahead: Option<&AtomicU64>, op: u64) {
        assert!(own.load(Ordering::Acquire) <= op, "a watermark never goes back");
        if let Some(ahead) = ahead {
            assert!(ahead.load(Ordering::Acquire) >= op, "a stage overtook the one before it");
        }
        own.store(op, Ordering::Release);
    }

    /// The sequencer offers ops up to this one to the log.
    pub fn propose(&self, op: u64) {
        Self::advance(&self.proposed, None, op);
    }

    /// The log did not accept a batch, which therefore had no effect.
    pub fn withdraw(&self, op: u64) {
        assert!(self.logged.load(Ordering::Acquire) <= op, "what is logged cannot be withdrawn");
        self.proposed.store(op, Ordering::Release);
    }

    /// The log has given positions up to this op.
    pub fn log(&self, op: u64) {
        Self::advance(&self.logged, Some(&self.proposed), op);
    }

    /// Everything up to this op is on the medium, or counts as such by the configured durability.
    pub fn sync(&self, op: u64) {
        Self::advance(&self.synced, Some(&self.logged), op);
    }

    /// Everything up to this op survives a power cut, whatever the configured durability.
    pub fn make_durable(&self, op: u64) {
        Self::advance(&self.durable, Some(&self.logged), op);
    }

    /// The last op that survives a power cut.
    #[must_use]
    pub fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// The machine has applied everything up to this op.
    pub fn apply(&self, op: u64) {
        Self::advance(&self.applied, Some(&self.synced), op);
    }

    /// Readers see everything up to this op.
    pub fn publish(&self, op: u64) {
        Self::advance(&self.published, Some(&self.applied), op);
    }

    /// The watermarks with their names, first to last.
    #[must_use]
    pub fn read(&self) -> [(&'static str, u64); 5] {
        // Read from the last to the first, so that a reader never sees a stage ahead of the one before it.
        let published = self.published.load(Ordering::Acquire);
        let applied = self.applied.load(Ordering::Acquire);
        let synced = self.synced.load(Ordering::Acquire);
        let logged = self.logged.load(Ordering::Acquire);
        let proposed = self.proposed.load(Ordering::Acquire);
        [
            ("op_proposed", proposed),
            ("op_logged", logged),
            ("op_synced", synced),
            ("op_applied", applied),
            ("op_published", published),
        ]
    }

    /// The last applied op.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_stage_overtakes_the_one_before_it() {
        // Proves that publishing an op that is not durable stops the program.
        let marks = Watermarks::at(5);
        marks.propose(9);
        marks.log(9);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| marks.apply(9)));
        assert!(result.is_err(), "op 9 was applied before it was synced");
        marks.sync(9);
        marks.apply(9);
        marks.publish(9);
        assert_eq!(marks.read()[4], ("op_published", 9));
    }
}
