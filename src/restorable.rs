//! To which states the data directory of a running server and its archive lead back, and how much is kept for marks; for
//! `status` and the trimmer. All are atomics.

use std::sync::atomic::{AtomicU64, Ordering};

use stockhold_machine::Machine;
use stockhold_protocol::command::Mark;
use stockhold_protocol::query::Metric;

use crate::directory::MarkPoint;
use crate::metrics::metric;
use crate::warning::Warning;

/// The name of the metric with the oldest op to which the data directory can be restored.
pub const RESTORABLE_FROM_OP: &str = "restorable_from_op";
/// The name of the metric with the oldest op to which the archive can be restored.
pub const ARCHIVE_RESTORABLE_FROM_OP: &str = "archive_restorable_from_op";
/// The maximum number of marks that a warning names.
const NAMES_MAX: usize = 5;

/// See the module.
#[derive(Debug)]
pub struct Restorable {
    /// The oldest op to which the data directory can be restored.
    from_op: AtomicU64,
    /// The length of the files that are kept only for marks.
    kept_bytes: AtomicU64,
    kept_bytes_max: u64,
}

impl Restorable {
    /// As the data directory is at a start.
    #[must_use]
    pub fn new(from_op: u64, kept_bytes: u64, kept_bytes_max: u64) -> Self {
        Self { from_op: from_op.into(), kept_bytes: kept_bytes.into(), kept_bytes_max }
    }

    /// The maximum length of the files that are kept only for marks.
    #[must_use]
    pub fn kept_bytes_max(&self) -> u64 {
        self.kept_bytes_max
    }

    /// Old files were removed.
    pub fn trimmed(&self, from_op: u64, kept_bytes: u64) {
        self.from_op.store(from_op, Ordering::Relaxed);
        self.kept_bytes.store(kept_bytes, Ordering::Relaxed);
    }

    /// The names of the marks to which no restore is possible any more.
    fn lost<'a>(
        &self,
        archive_from: Option<u64>,
        marks: impl Iterator<Item = (u64, &'a str)>,
    ) -> Vec<&'a str> {
        let from_op = self.from_op.load(Ordering::Relaxed).min(archive_from.unwrap_or(u64::MAX));
        marks.take_while(|(op, _)| *op < from_op).map(|(_, name)| name).collect()
    }

    /// Adds the metrics, and returns the warning for the operator if marks that people have named are lost. The marks
    /// come oldest first.
    pub fn render<'a>(
        &self,
        archive_from: Option<u64>,
        marks: impl Iterator<Item = (u64, &'a str)>,
        out: &mut Vec<Metric>,
    ) -> Option<String> {
        let lost = self.lost(archive_from, marks);
        let count = |names: usize| u64::try_from(names).unwrap_or(u64::MAX);
        out.push(metric(RESTORABLE_FROM_OP, "op", self.from_op.load(Ordering::Relaxed)));
        out.extend(archive_from.map(|op| metric(ARCHIVE_RESTORABLE_FROM_OP, "op", op)));
        out.push(metric("marks_kept_bytes", "bytes", self.kept_bytes.load(Ordering::Relaxed)));
        out.push(metric("marks_kept_bytes_max", "bytes", self.kept_bytes_max));
        out.push(metric("marks_lost", "marks", count(lost.len())));
        let named: Vec<&str> = lost.into_iter().filter(|name| !name.starts_with(Mark::AUTOMATIC)).collect();
        let shown: Vec<String> = named.iter().take(NAMES_MAX).map(|name| format!("{name:?}")).collect();
        let more = match named.len().saturating_sub(NAMES_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        (!named.is_empty()).then(|| {
            Warning::MarksLost.about(format!(
                "No restore from here to these marks is possible any more: {}{more}.",
                shown.join(", ")
            ))
        })
    }
}

/// The marks of a state.
#[must_use]
pub fn mark_points(machine: &Machine) -> Vec<MarkPoint> {
    let is_automatic = |name: &str| name.starts_with(Mark::AUTOMATIC);
    machine.marks().map(|(op, name)| MarkPoint { op, is_automatic: is_automatic(name) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_before_all_that_is_kept_are_lost() {
        // Proves that a mark at the oldest state is not lost, that the archive counts, and that the warning names only what
        // people have named, and not without end.
        let restorable = Restorable::new(10, 4_096, 1 << 20);
        let marks = |ops: &'static [(u64, &'static str)]| ops.iter().copied();
        let told = |archive, ops| {
            let mut metrics = Vec::new();
            let warning = restorable.render(archive, marks(ops), &mut metrics);
            let lost = metrics.iter().find(|metric| metric.name == "marks_lost").map(|metric| metric.value);
            (lost, warning.unwrap_or_default())
        };
        assert_eq!(told(None, &[(10, "a"), (11, "b")]), (Some(0), String::new()));
        assert_eq!(told(None, &[(9, "auto/import/x"), (11, "b")]), (Some(1), String::new()));
        let (lost, warning) = told(None, &[(3, "a"), (4, "auto/x"), (9, "b"), (10, "c")]);
        assert!(lost == Some(3) && warning.contains("more: \"a\", \"b\"."), "{lost:?} {warning}");
        let (lost, warning) = told(Some(9), &[(3, "a"), (9, "b")]);
        assert!(lost == Some(1) && warning.contains("more: \"a\"."), "{lost:?} {warning}");
        let (_, warning) =
            told(None, &[(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e"), (6, "f"), (7, "g")]);
        assert!(warning.contains("\"e\" and 2 more."), "{warning}");
        restorable.trimmed(20, 0);
        assert_eq!(told(None, &[(19, "auto/x")]).0, Some(1));
    }
}
