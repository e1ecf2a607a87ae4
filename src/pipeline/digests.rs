//! Compares the digests that a log tells with those of the machine that replays it. Every machine that applies the log computes
//! its digest at the same ops (`Machine::end_batch`), so a difference means that one of the two decided otherwise than the other.

use std::collections::VecDeque;

use stockhold_machine::DigestPoint;
use stockhold_protocol::batch::BatchHeader;

/// Digests that wait for a batch that tells of them. A writer is never so many behind: it has few batches under way.
const WAITING_MAX: usize = 4_096;

/// The log tells another digest than that of the machine that has replayed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the log tells digest {logged:016x} as of op {op}, the replay {}",
    replayed.map_or_else(|| "has no batch that ends there".to_owned(), |digest| format!("came to {digest:016x}"))
)]
pub struct Divergence {
    /// The op as of which.
    pub op: u64,
    /// The digest of the server that wrote the log.
    pub logged: u64,
    /// The digest of this replay; `None`: no digest is due at that op.
    pub replayed: Option<u64>,
}

/// See the module.
#[derive(Debug)]
pub struct DigestComparison {
    /// Digests as of ops up to this one are not known.
    known_from: u64,
    waiting: VecDeque<DigestPoint>,
    /// Nothing is compared before this epoch: an op was left out by order, which those who wrote until then had not left out.
    compared_from_epoch: u64,
    compared: u64,
}

impl DigestComparison {
    /// The trail of a replay that begins after `op`.
    #[must_use]
    pub fn after(op: u64) -> Self {
        Self { known_from: op, waiting: VecDeque::new(), compared_from_epoch: 0, compared: 0 }
    }

    /// How many digests were compared.
    #[must_use]
    pub fn compared(&self) -> u64 {
        self.compared
    }

    /// Compares what a batch of this epoch tells with what was computed before it.
    ///
    /// # Errors
    /// [`Divergence`] when they differ.
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

    /// Remembers the digest at the end of a batch, if one is due there.
    pub fn push(&mut self, point: Option<DigestPoint>) {
        self.waiting.extend(point);
        if self.waiting.len() > WAITING_MAX
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.known_from = oldest.op;
        }
    }

    /// An op was left out, since this epoch: what was told before it is of a state that has the op.
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
    fn a_digest_that_differs_is_told() {
        // Proves equal, different and missing digests, and that those before the start are not looked for.
        let mut trail = DigestComparison::after(100);
        assert_eq!(trail.compare(&header(1, 0, 0), 1), Ok(()));
        assert_eq!(trail.compare(&header(1, 100, 7), 1), Ok(()));
        for op in [110, 120, 130] {
            trail.push(Some(point(op)));
        }
        trail.push(None);
        assert_eq!(trail.compare(&header(1, 110, 1_100), 1), Ok(()));
        let other = Divergence { op: 120, logged: 1, replayed: Some(1_200) };
        assert_eq!(trail.compare(&header(1, 120, 1), 1), Err(other));
        let none = Divergence { op: 125, logged: 1, replayed: None };
        assert_eq!(trail.compare(&header(1, 125, 1), 1), Err(none));
        assert_eq!(trail.compared(), 1);
        assert!(none.to_string().contains("no batch that ends there"));
    }

    #[test]
    fn nothing_is_compared_before_the_epoch_in_which_an_op_was_left_out() {
        // Proves that skipping an op which had been applied, in whatever session, does not make the directory unusable, and that the epoch of the
        // skip counts.
        let mut trail = DigestComparison::after(0);
        trail.skip_before_epoch(4);
        trail.push(Some(point(10)));
        assert_eq!(trail.compare(&header(4, 10, 1), 3), Ok(()));
        assert_eq!(trail.compare(&header(5, 10, 1), 3), Ok(()));
        assert!(trail.compare(&header(6, 10, 1), 4).is_err());
    }

    #[test]
    fn digests_that_nobody_tells_of_are_forgotten_in_order() {
        // Proves the bound: at the limit all are known, behind it the oldest is not asked for any more.
        let mut trail = DigestComparison::after(0);
        let most = u64::try_from(WAITING_MAX).unwrap();
        for op in 1..=most {
            trail.push(Some(point(op)));
        }
        assert!(trail.compare(&header(1, 1, 1), 1).is_err());
        trail.push(Some(point(most + 1)));
        trail.push(Some(point(most + 2)));
        assert_eq!(trail.compare(&header(1, 1, 1), 1), Ok(()));
    }
}
