//! SIGTERM and SIGINT request a clean stop of the server. They may arrive any number of times.

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use super::events::Stopper;
use crate::error::StartError;

/// The name of the thread.
const NAME: &str = "signals";

/// Listens for both signals from now on, until the process ends.
///
/// # Errors
/// [`StartError::Thread`] when the signals cannot be listened for.
pub fn stop_on_signals(stopper: Stopper) -> Result<(), StartError> {
    let failed = |source| StartError::Thread { name: NAME, source };
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let (mut terminate, mut interrupt) = {
        // Listening begins before this function returns, so that no signal is missed.
        let _context = runtime.enter();
        (signal(SignalKind::terminate()).map_err(failed)?, signal(SignalKind::interrupt()).map_err(failed)?)
    };
    let listen = async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            stopper.stop();
        }
    };
    let builder = std::thread::Builder::new().name(NAME.to_owned());
    // The thread runs until the process ends.
    builder.spawn(move || runtime.block_on(listen)).map(drop).map_err(failed)
}
