//! The thread that archives, and its end.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::events::ServerEvents;
use super::threads::spawn;
use crate::archive::{ArchiveStage, Store};
use crate::error::StartError;

/// The thread that archives.
#[derive(Debug)]
pub(super) struct ArchiveThread {
    pub(super) thread: JoinHandle<()>,
    stop: Sender<()>,
    store: Arc<Store>,
}

impl ArchiveThread {
    /// Starts to archive. When the server has ended, archiving the end of its log may take as long as `grace`.
    pub(super) fn spawn(
        stage: ArchiveStage,
        grace: Duration,
        events: &ServerEvents,
    ) -> Result<Self, StartError> {
        let store = stage.store();
        let (stop, stopped) = bounded(1);
        let thread = spawn("archive", events, move || run(stage, &stopped, grace))?;
        Ok(Self { thread, stop, store })
    }

    /// Gives up a long upload, because the server stops.
    pub(super) fn interrupt(&self) {
        self.store.interrupt_after(Duration::ZERO);
    }

    /// Lets the thread archive the end of the log, and end. Returns the thread.
    pub(super) fn finish(self) -> JoinHandle<()> {
        // A receiver that is gone belongs to a thread that has ended already.
        self.stop.send(()).ok();
        self.thread
    }
}

/// Archives until the server has ended, and the end of the log then.
fn run(mut stage: ArchiveStage, stopped: &Receiver<()>, grace: Duration) {
    loop {
        let wait_ms = stage.step();
        match stopped.recv_timeout(Duration::from_millis(wait_ms)) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    stage.finish(grace);
}
