//! The client without `async`, for programs that have no runtime of their own.
//!
//! All clones of a handle share one runtime. It runs on the calling thread while a call waits, and does not run
//! between calls. Do not use this client inside an async task: use [`crate::Client`] there.

use crate::answer::Settled;
use crate::client::ClientBuilder;
use crate::command_batch::CommandBatch;
use crate::error::{CallError, ConnectionError};
use crate::reply::Outcomes;
use std::sync::Arc;
use std::time::Duration;
use stockhold_protocol::CommandId;
use stockhold_protocol::command::Command;
use tokio::runtime::{Builder, Runtime};

/// The same calls as [`crate::Client`]. Each one returns when it is settled.
///
/// ```no_run
/// use stockhold_client::{Cart, blocking::Client};
///
/// # fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::connect("127.0.0.1:7411")?;
/// let reserved = client.reserve(&Cart::from_stock("web-us").line("BIKE-0001", 1))?.into_result()?;
/// client.release(reserved.reservation)?.into_result()?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    client: crate::Client,
    runtime: Arc<CallRuntime>,
}

/// A runtime that does not wait for its own threads when it is dropped. Dropping a [`Runtime`] would wait for a name
/// that is still being resolved, long after the call that needed it has ended.
#[derive(Debug)]
struct CallRuntime(Option<Runtime>);

impl CallRuntime {
    fn new() -> std::io::Result<Self> {
        Ok(Self(Some(Builder::new_current_thread().enable_all().build()?)))
    }

    fn block_on<T>(&self, call: impl Future<Output = T>) -> T {
        let Some(runtime) = &self.0 else { unreachable!("only `drop` takes the runtime") };
        runtime.block_on(call)
    }
}

impl Drop for CallRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Defines the blocking forms of calls. Each list is next to its calls.
macro_rules! blocking_calls {
    ($($(#[$doc:meta])* fn $name:ident $(<$life:lifetime>)? ($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        impl $crate::blocking::Client {
            $($(#[$doc])*
            ///
            /// # Errors
            /// [`CallError`] when there is no answer.
            pub fn $name$(<$life>)?(&self, $($argument: $type),*) -> Result<$answer, CallError> {
                self.wait(self.inner().$name($($argument),*))
            })*
        }
    };
}
pub(crate) use blocking_calls;

blocking_calls! {
    /// See [`crate::Client::execute`].
    fn execute(command: &Command<'_>) -> Settled;
    /// See [`crate::Client::send_batch`].
    fn send_batch(batch: &mut CommandBatch) -> Outcomes;
}

impl Client {
    /// Runs a call on the calling thread until it is settled.
    pub(crate) fn wait<T>(&self, call: impl Future<Output = T>) -> T {
        self.runtime.block_on(call)
    }

    /// Connects over TCP to `host:port` with the defaults of [`ClientBuilder`].
    ///
    /// # Errors
    /// [`ConnectionError`] when the server cannot be reached or does not speak the protocol.
    pub fn connect(address: impl Into<String>) -> Result<Self, ConnectionError> {
        Self::connect_by(crate::Client::builder(), address)
    }

    /// Connects with the options of a builder.
    ///
    /// # Errors
    /// [`ConnectionError`] when the server cannot be reached or does not speak the protocol.
    pub fn connect_by(builder: ClientBuilder, address: impl Into<String>) -> Result<Self, ConnectionError> {
        let runtime = CallRuntime::new()?;
        let client = runtime.block_on(builder.connect(address))?;
        Ok(Self { client, runtime: Arc::new(runtime) })
    }

    /// The async handle underneath, for calls that have no blocking form.
    #[must_use]
    pub const fn inner(&self) -> &crate::Client {
        &self.client
    }

    /// See [`crate::Client::with_deadline`].
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        self.with(self.client.with_deadline(deadline))
    }

    /// See [`crate::Client::retry`].
    #[must_use]
    pub fn retry(&self, id: CommandId) -> Self {
        self.with(self.client.retry(id))
    }

    /// See [`crate::Client::first_try`].
    #[must_use]
    pub fn first_try(&self, id: CommandId) -> Self {
        self.with(self.client.first_try(id))
    }

    /// See [`crate::Client::not_before`].
    #[must_use]
    pub fn not_before(&self, op: u64) -> Self {
        self.with(self.client.not_before(op))
    }

    /// See [`crate::Client::new_id`].
    #[must_use]
    pub fn new_id(&self) -> CommandId {
        self.client.new_id()
    }

    fn with(&self, client: crate::Client) -> Self {
        Self { client, runtime: Arc::clone(&self.runtime) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn dropping_a_client_does_not_wait_for_a_name_that_is_being_resolved() {
        // Proves that a thread of the runtime that is still at work does not hold up its end.
        let runtime = CallRuntime::new().unwrap();
        let (release, released) = mpsc::channel::<()>();
        let (begin, begun) = mpsc::channel();
        runtime.block_on(async {
            drop(tokio::task::spawn_blocking(move || {
                begin.send(()).unwrap();
                released.recv().ok();
            }));
        });
        begun.recv().unwrap();
        drop(runtime);
        // The thread still waits, so the runtime has not waited for it.
        assert!(release.send(()).is_ok());
    }
}
