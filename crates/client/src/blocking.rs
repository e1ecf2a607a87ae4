//! The client without `async`, for programs that have no runtime of their own.
//!
//! All clones of a handle share one runtime. It runs on the calling thread while a call waits, and does not run
//! between calls. Do not use this client inside an async task: use [`crate::Client`] there.

use crate::answer::{Answer, Confirmed, Defined, Done, Extended, Noted, Reserved, Settled, Shipped};
use crate::cart::Cart;
use crate::client::ClientBuilder;
use crate::command_batch::CommandBatch;
use crate::commands::RefundLine;
use crate::error::{CallError, ConnectionError};
use crate::merchant::Note;
use crate::names::{CartLine, ScopeRef, SkuRef, SourceRef, StockRef};
use crate::queries::CheckResults;
use crate::reply::{Availability, Outcomes};
use std::sync::Arc;
use std::time::Duration;
use stockhold_protocol::command::{Command, Configure, SettingsChange, SkuDefinition, SourceDefinition};
use stockhold_protocol::query::{
    Answer as QueryAnswer, ConfigurationView, Name, Query, ReservationView, SkuView, SnapshotView,
    SourceView, Status, StockView, Validation,
};
use stockhold_protocol::{ChannelId, CommandId, Quantity, ReservationId, SkuId, SourceId, StockId};
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
    runtime: Arc<Runtime>,
}

macro_rules! blocking_calls {
    ($($(#[$doc:meta])* fn $name:ident $(<$life:lifetime>)? ($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        impl Client {
            $($(#[$doc])*
            ///
            /// # Errors
            /// [`CallError`] when there is no answer.
            pub fn $name$(<$life>)?(&self, $($argument: $type),*) -> Result<$answer, CallError> {
                self.runtime.block_on(self.client.$name($($argument),*))
            })*
        }
    };
}

blocking_calls! {
    /// See [`crate::Client::reserve`].
    fn reserve(cart: &Cart<'_>) -> Answer<Reserved>;
    /// See [`crate::Client::replace`].
    fn replace(old: ReservationId, cart: &Cart<'_>) -> Answer<Reserved>;
    /// See [`crate::Client::confirm`].
    fn confirm(reservation: ReservationId) -> Answer<Confirmed>;
    /// See [`crate::Client::release`].
    fn release(reservation: ReservationId) -> Answer<Done>;
    /// See [`crate::Client::release_lines`].
    fn release_lines(reservation: ReservationId, lines: &[CartLine<'_>]) -> Answer<Done>;
    /// See [`crate::Client::extend`].
    fn extend(reservation: ReservationId, ttl: Duration) -> Answer<Extended>;
    /// See [`crate::Client::ship`].
    fn ship<'a>(reservation: ReservationId, source: impl Into<SourceRef<'a>>, lines: &[CartLine<'_>]) -> Answer<Shipped>;
    /// See [`crate::Client::ship_forced`].
    fn ship_forced<'a>(reservation: ReservationId, source: impl Into<SourceRef<'a>>, lines: &[CartLine<'_>]) -> Answer<Shipped>;
    /// See [`crate::Client::unship`].
    fn unship<'a>(reservation: ReservationId, source: impl Into<SourceRef<'a>>, lines: &[CartLine<'_>]) -> Answer<Done>;
    /// See [`crate::Client::amend`].
    fn amend(reservation: ReservationId, lines: &[CartLine<'_>]) -> Answer<Done>;
    /// See [`crate::Client::sell`].
    fn sell<'a>(cart: &Cart<'_>, source: impl Into<SourceRef<'a>>) -> Answer<Shipped>;
    /// See [`crate::Client::sell_forced`].
    fn sell_forced<'a>(cart: &Cart<'_>, source: impl Into<SourceRef<'a>>) -> Answer<Shipped>;
    /// See [`crate::Client::refund`].
    fn refund(reservation: ReservationId, parts: &[RefundLine<'_>]) -> Answer<Done>;
    /// See [`crate::Client::execute`].
    fn execute(command: &Command<'_>) -> Settled;
    /// See [`crate::Client::count`].
    fn count<'a>(source: impl Into<SourceRef<'a>>, sku: impl Into<SkuRef<'a>>, quantity: Quantity, in_stock: Option<bool>, note: Note<'_>) -> Answer<Noted>;
    /// See [`crate::Client::adjust`].
    fn adjust<'a>(source: impl Into<SourceRef<'a>>, sku: impl Into<SkuRef<'a>>, delta: Quantity, note: Note<'_>) -> Answer<Noted>;
    /// See [`crate::Client::transfer`].
    fn transfer<'a>(from: impl Into<SourceRef<'a>>, to: impl Into<SourceRef<'a>>, lines: &[CartLine<'_>], reason: &str) -> Answer<Done>;
    /// See [`crate::Client::define_source`].
    fn define_source(source: &SourceDefinition) -> Answer<Defined<SourceId>>;
    /// See [`crate::Client::define_stock`].
    fn define_stock(name: &str) -> Answer<Defined<StockId>>;
    /// See [`crate::Client::define_sku`].
    fn define_sku(sku: &SkuDefinition) -> Answer<Defined<SkuId>>;
    /// See [`crate::Client::link`].
    fn link<'a>(stock: impl Into<StockRef<'a>>, source: impl Into<SourceRef<'a>>, priority: u16) -> Answer<Done>;
    /// See [`crate::Client::unlink`].
    fn unlink<'a>(stock: impl Into<StockRef<'a>>, source: impl Into<SourceRef<'a>>) -> Answer<Done>;
    /// See [`crate::Client::channel`].
    fn channel<'a>(channel_type: &str, code: &str, stock: impl Into<StockRef<'a>>) -> Answer<Defined<ChannelId>>;
    /// See [`crate::Client::settings`].
    fn settings(scope: ScopeRef<'_>, change: &SettingsChange) -> Answer<Done>;
    /// See [`crate::Client::quota`].
    fn quota<'a>(sku: impl Into<SkuRef<'a>>, stock: impl Into<StockRef<'a>>, limit: Option<Quantity>) -> Answer<Done>;
    /// See [`crate::Client::configure`].
    fn configure(configure: &Configure) -> Answer<Done>;
    /// See [`crate::Client::mark`].
    fn mark(name: &str) -> Answer<Done>;
    /// See [`crate::Client::activate_rules`].
    fn activate_rules(rules_version: u32) -> Answer<Done>;
    /// See [`crate::Client::send_batch`].
    fn send_batch(batch: &mut CommandBatch) -> Outcomes;
    /// See [`crate::Client::check`].
    fn check<'a>(sku: impl Into<SkuRef<'a>>, stock: impl Into<StockRef<'a>>) -> Availability;
    /// See [`crate::Client::check_many`].
    fn check_many(pairs: &[(SkuRef<'_>, StockRef<'_>)]) -> CheckResults;
    /// See [`crate::Client::resolve`].
    fn resolve(names: &[Name]) -> Vec<Option<u32>>;
    /// See [`crate::Client::query`].
    fn query(query: Query) -> QueryAnswer;
    /// See [`crate::Client::status`].
    fn status() -> Status;
    /// See [`crate::Client::reservation`].
    fn reservation(reservation: ReservationId) -> Option<ReservationView>;
    /// See [`crate::Client::sku`].
    fn sku<'a>(sku: impl Into<SkuRef<'a>>) -> Option<SkuView>;
    /// See [`crate::Client::skus`].
    fn skus(after: Option<SkuId>, limit: u32) -> Vec<SkuView>;
    /// See [`crate::Client::sources`].
    fn sources(after: Option<SourceId>, limit: u32) -> Vec<SourceView>;
    /// See [`crate::Client::stocks`].
    fn stocks(after: Option<StockId>, limit: u32) -> Vec<StockView>;
    /// See [`crate::Client::configuration`].
    fn configuration() -> ConfigurationView;
    /// See [`crate::Client::validate`].
    fn validate() -> Validation;
    /// See [`crate::Client::snapshot`].
    fn snapshot() -> SnapshotView;
}

impl Client {
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
        let runtime = Builder::new_current_thread().enable_all().build()?;
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
