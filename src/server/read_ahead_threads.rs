//! The threads that read ahead during recovery. They end with recovery.

use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;

use crate::replica::ReadAheadSpawner;

/// One thread for each log or snapshot that is read. Clones share the same threads.
#[derive(Clone, Default)]
pub(super) struct ReadAheadThreads {
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl ReadAheadThreads {
    /// Takes the threads, to join them.
    pub(super) fn take(&self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut *self.threads.lock())
    }
}

impl ReadAheadSpawner for ReadAheadThreads {
    fn spawn(&self, work: Box<dyn FnOnce() + Send>) {
        self.threads.lock().push(std::thread::spawn(work));
    }
}
