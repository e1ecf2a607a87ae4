//! The threads that read ahead while a server starts. Not for anything that lives longer than the start.

use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;

use crate::recovery::ReadAheadSpawner;

/// One thread for each log or snapshot that is read; clones begin and take the same threads.
#[derive(Clone, Default)]
pub(super) struct ReadAheadThreads {
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl ReadAheadThreads {
    /// The threads, to be joined.
    pub(super) fn take(&self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut *self.threads.lock())
    }
}

impl ReadAheadSpawner for ReadAheadThreads {
    fn spawn(&self, work: Box<dyn FnOnce() + Send>) {
        self.threads.lock().push(std::thread::spawn(work));
    }
}
