//! Compares the digests that a log records with those of the machine that replays it. Every machine computes its digest
//! at the same ops (`Machine::end_batch`), so a difference means that the replay decided differently than the server
//! that wrote the log.

use std::collections::VecDeque;

use stockhold_machine::DigestPoint;
use stockhold_protocol::batch::BatchHeader;

/// The maximum number of computed digests that wait for the batch that records them. A writer has few batches in
/// flight, so it is never this far behind.
const WAITING_MAX: usize = 4_096;

/// The log records a digest that the replay did not compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the log records digest {logged:016x} as of op {op}, but the replay {}",
    replayed.map_or_else(|| "has no batch that ends there".to_owned(), |digest| format!("computed {digest:016x}"))
)]
pub struct Divergence {
    /// The op of the digest.
    pub op: u64,
    /// The digest in the log.
    pub logged: u64,
    /// The digest that the replay computed; `None` if none was due at that op.
    pub replayed: Option<u64>,
}

/// Compares digests during a replay.
#[derive(Debug)]
pub struct DigestComparison {
    /// Digests up to this op are unknown to the replay.
    known_from: u64,
    waiting: VecDeque<DigestPoint>,
    /// Nothing is compared before this epoch. An op was skipped by an operator, and earlier writers had not skipped it.
    compared_from_epoch: u64,
    compared: u64,
}

impl DigestComparison {
    /// A comparison for a replay that begins after `op`.
    #[must_use]
    pub fn after(op: u64) -> Self {
        Self { known_from: op, waiting: VecDeque::new(), compared_from_epoch: 0, compared: 0 }
    }

    /// The number of digests that were compared.
    #[must_use]
    pub fn compared(&self) -> u64 {
        self.compared
    }

    /// Compares the digest in the header of a batch of this epoch with the computed one.
    ///
    /// # Errors
    /// [`Divergence`] when the two differ.
    pub fn compare(&mut self, header: &BatchHeader, epoch: u64) -> Result<(), Divergence> {
        let (op, logged) = (header.digest_op, header.digest);
        if op <= self.known_from || epoch < self.compared_from_epoch {
            return Ok(());
        }
        while self.waiting.pop_front_if(|point| point.op < op).is_some() {}
        let replayed = self.waiting.front().filter(|point| point.op == op).map(|point| point.digest);
        if replayed != Some(logged) {
            return Err(Divergence { op, logged, replayed });
        }
        self.compared += 1;
        Ok(())
    }

    /// Keeps the digest at the end of a batch, if one is due there.
    pub fn push(&mut self, point: Option<DigestPoint>) {
        self.waiting.extend(point);
        if self.waiting.len() > WAITING_MAX
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.known_from = oldest.op;
        }
    }

    /// An operator has skipped an op in this epoch. Digests of earlier epochs belong to a state that contains the op,
    /// so they are not compared.
    pub fn skip_before_epoch(&mut self, since_epoch: u64) {
        self.compared_from_epoch = self.compared_from_epoch.max(since_epoch);
    }
}

#[cfg(test)]
mod tests {
    use stockhold_protocol::Timestamp;

    use super::*;

    fn header(session: u64, digest_op: u64, digest: u64) -> BatchHeader {
        BatchHeader {
            rules: 1,
            feature_level: 1,
            count: 1,
            writer: 1,
            session,
            number: 1,
            proposed: Timestamp(1),
            applied_op: 0,
            digest_op,
            digest,
        }
    }

    fn point(op: u64) -> DigestPoint {
        DigestPoint { op, digest: op * 10 }
    }

    #[test]
    fn a_different_digest_is_reported() {
        // Proves equal, different and missing digests, and that digests before the start are not compared.
        let mut digests = DigestComparison::after(100);
        assert_eq!(digests.compare(&header(1, 0, 0), 1), Ok(()));
        assert_eq!(digests.compare(&header(1, 100, 7), 1), Ok(()));
        for op in [110, 120, 130] {
            digests.push(Some(point(op)));
        }
        digests.push(None);
        assert_eq!(digests.compare(&header(1, 110, 1_100), 1), Ok(()));
        let other = Divergence { op: 120, logged: 1, replayed: Some(1_200) };
        assert_eq!(digests.compare(&header(1, 120, 1), 1), Err(other));
        let none = Divergence { op: 125, logged: 1, replayed: None };
        assert_eq!(digests.compare(&header(1, 125, 1), 1), Err(none));
        assert_eq!(digests.compared(), 1);
        assert!(none.to_string().contains("no batch that ends there"));
    }

    #[test]
    fn nothing_is_compared_before_the_epoch_of_a_skipped_op() {
        // Proves that an op can be skipped after it was applied, in any session, and that comparison resumes with the
        // epoch of the skip.
        let mut digests = DigestComparison::after(0);
        digests.skip_before_epoch(4);
        digests.push(Some(point(10)));
        assert_eq!(digests.compare(&header(4, 10, 1), 3), Ok(()));
        assert_eq!(digests.compare(&header(5, 10, 1), 3), Ok(()));
        assert!(digests.compare(&header(6, 10, 1), 4).is_err());
    }

    #[test]
    fn digests_that_the_log_never_records_are_dropped_in_order() {
        // Proves the bound: at the limit all digests are known, and beyond it the oldest is no longer compared.
        let mut digests = DigestComparison::after(0);
        let most = u64::try_from(WAITING_MAX).unwrap();
        for op in 1..=most {
            digests.push(Some(point(op)));
        }
        assert!(digests.compare(&header(1, 1, 1), 1).is_err());
        digests.push(Some(point(most + 1)));
        digests.push(Some(point(most + 2)));
        assert_eq!(digests.compare(&header(1, 1, 1), 1), Ok(()));
    }
}
