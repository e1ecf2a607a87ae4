//! The progress of a verification.

/// Reports the progress of a verification.
pub(super) struct Meter<'a> {
    /// The bytes of segments done.
    pub(super) log: u64,
    /// The bytes of snapshots done.
    pub(super) snapshots: u64,
    pub(super) all: u64,
    pub(super) report: &'a mut dyn FnMut(u64, u64),
}

impl Meter<'_> {
    pub(super) fn show(&mut self) {
        (self.report)((self.log + self.snapshots).min(self.all), self.all);
    }

    pub(super) fn done(&mut self) {
        (self.report)(self.all, self.all);
    }
}
