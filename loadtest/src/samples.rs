//! A sample of recorded answers, spread evenly over a run of any length in bounded memory. The audit repeats these
//! ids.

use stockhold_protocol::{Code, CommandId};

/// Maximum number of answers in one sample.
const SAMPLES_MAX: usize = 4_096;

/// One answered cart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sample {
    pub(crate) id: CommandId,
    /// The position of its first SKU in the catalog.
    pub(crate) sku: u32,
    /// The number of its lines.
    pub(crate) lines: u32,
    /// Its TTL.
    pub(crate) ttl_ms: Option<u32>,
    pub(crate) code: Code,
    pub(crate) value: u32,
    pub(crate) op: u64,
}

/// Every n-th answer. When the sample is full, n doubles and every second answer is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Samples {
    kept: Vec<Sample>,
    stride: u32,
    until_next: u32,
}

impl Default for Samples {
    fn default() -> Self {
        Self { kept: Vec::new(), stride: 1, until_next: 1 }
    }
}

impl Samples {
    /// Whether the next answer should be kept.
    pub(crate) const fn wants_next(&mut self) -> bool {
        self.until_next -= 1;
        if self.until_next > 0 {
            return false;
        }
        self.until_next = self.stride;
        true
    }

    pub(crate) fn keep(&mut self, sample: Sample) {
        if self.kept.len() >= SAMPLES_MAX {
            self.thin();
        }
        self.kept.push(sample);
    }

    fn thin(&mut self) {
        let mut is_kept = true;
        self.kept.retain(|_| {
            is_kept = !is_kept;
            !is_kept
        });
        self.stride = self.stride.saturating_mul(2);
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.kept.extend(other.kept);
        while self.kept.len() > SAMPLES_MAX {
            self.thin();
        }
    }

    pub(crate) fn all(&self) -> &[Sample] {
        &self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(op: u64) -> Sample {
        Sample {
            id: CommandId::from_parts(op, 0),
            sku: 0,
            lines: 1,
            ttl_ms: None,
            code: Code::Ok,
            value: 0,
            op,
        }
    }

    #[test]
    fn a_long_run_is_sampled_evenly_in_bounded_memory() {
        // Proves the bound, and that the first and the last quarter of a run are sampled equally.
        let mut samples = Samples::default();
        for op in 0..1_000_000 {
            if samples.wants_next() {
                samples.keep(sample(op));
            }
        }
        let kept = samples.all();
        assert!((SAMPLES_MAX / 2..=SAMPLES_MAX).contains(&kept.len()), "{}", kept.len());
        let early = kept.iter().filter(|sample| sample.op < 250_000).count();
        let late = kept.iter().filter(|sample| sample.op >= 750_000).count();
        assert!(early.abs_diff(late) <= 2, "{early} {late}");
        let mut merged = samples.clone();
        merged.merge(samples);
        assert!(merged.all().len() <= SAMPLES_MAX);
    }
}
