//! SIGTERM and SIGINT ask the server to stop in good order. They do nothing else, and may come any number of times.

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use super::events::Stopper;
use crate::error::StartError;

/// The thread's name.
const NAME: &str = "signals";

/// Listens for both signals from now on, as long as the process lives.
///
/// # Errors
/// [`StartError::Thread`] when they cannot be listened for.
pub fn stop_on_signals(stopper: Stopper) -> Result<(), StartError> {
    let failed = |source| StartError::Thread { name: NAME, source };
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let (mut terminate, mut interrupt) = {
        // Listening begins before this returns, so that no signal falls between.
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
    // The thread ends with the process.
    builder.spawn(move || runtime.block_on(listen)).map(drop).map_err(failed)
}
