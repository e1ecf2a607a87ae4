//! How far a verification is.

/// How far it is.
pub(super) struct Meter<'a> {
    /// Bytes of segments done.
    pub(super) log: u64,
    /// Bytes of snapshots done.
    pub(super) snapshots: u64,
    pub(super) all: u64,
    pub(super) tell: &'a mut dyn FnMut(u64, u64),
}

impl Meter<'_> {
    pub(super) fn show(&mut self) {
        (self.tell)((self.log + self.snapshots).min(self.all), self.all);
    }

    pub(super) fn done(&mut self) {
        (self.tell)(self.all, self.all);
    }
}
