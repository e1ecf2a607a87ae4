//! The calls that change nothing: checks, names and queries. All of them may be repeated.

use crate::blocking::blocking_calls;
use crate::call::Tries;
use crate::client::Client;
use crate::error::{CallError, FrameLimit, NotDone};
use crate::job::{Request, Response};
use crate::names::{Numbers, SkuRef, StockRef};
use crate::reply::Availability;
use stockhold_protocol::limits::FRAME_COUNT_MAX;
use stockhold_protocol::query::{
    ConfigurationView, ExplainView, InconsistenciesView, LowStockCursor, LowStockFilter, LowStockView,
    MarkView, Name, NotifyView, OldNameView, OrderFilter, OrderHistoryView, OrderView, OrdersView,
    PickupRequest, PickupView, Query, QueryAnswer, ReservationFilter, ReservationView, ReservationsView,
    SkuView, SnapshotView, SourceView, SourcingRequest, SourcingView, Status, StockView, Validation,
};
use stockhold_protocol::{CommandId, ReservationId, SkuId, SourceId, StockId};

/// The answers of several checks. Each cell is read separately, so the cells may not belong to one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckResults {
    /// The op as of which the cells were read.
    pub op: u64,
    /// The cells in the order of the checks.
    pub cells: Vec<Availability>,
}

/// The maximum number of names or checks of one call. The caller splits longer lists.
const MANY_MAX: usize = FRAME_COUNT_MAX;

fn too_many(what: &'static str, count: usize) -> CallError {
    CallError::NotAnswered(NotDone::TooLarge(FrameLimit::new(what, count, MANY_MAX)))
}

macro_rules! expect_answer {
    ($client:expr, $query:expr, $variant:ident) => {
        match $client.query($query).await? {
            QueryAnswer::$variant(value) => Ok(value),
            QueryAnswer::Failed(why) => Err(CallError::Failed(why)),
            _ => Err(CallError::other_answer()),
        }
    };
}

blocking_calls! {
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
    /// See [`crate::Client::reservations`].
    fn reservations(filter: ReservationFilter, after: u64, limit: u32) -> ReservationsView;
    /// See [`crate::Client::order`].
    fn order(number: &str) -> Option<OrderView>;
    /// See [`crate::Client::order_history`].
    fn order_history(number: &str, after: u32, limit: u32) -> Option<OrderHistoryView>;
    /// See [`crate::Client::orders`].
    fn orders(filter: OrderFilter, after: u64, limit: u32) -> OrdersView;
    /// See [`crate::Client::notify_configuration`].
    fn notify_configuration(sku: SkuId, source: SourceId) -> Option<NotifyView>;
    /// See [`crate::Client::inconsistencies`].
    fn inconsistencies(is_final: Option<bool>, after: u64, limit: u32) -> InconsistenciesView;
    /// See [`crate::Client::low_stock`].
    fn low_stock(filter: LowStockFilter, after: Option<LowStockCursor>, limit: u32) -> LowStockView;
    /// See [`crate::Client::sku`].
    fn sku<'a>(sku: impl Into<SkuRef<'a>>) -> Option<SkuView>;
    /// See [`crate::Client::sourcing`].
    fn sourcing(request: &SourcingRequest) -> SourcingView;
    /// See [`crate::Client::pickup_locations`].
    fn pickup_locations(request: &PickupRequest) -> PickupView;
    /// See [`crate::Client::explain`].
    fn explain(sku: SkuId, stock: StockId) -> Option<ExplainView>;
    /// See [`crate::Client::skus`].
    fn skus(after: Option<SkuId>, limit: u32) -> Vec<SkuView>;
    /// See [`crate::Client::sources`].
    fn sources(after: Option<SourceId>, limit: u32) -> Vec<SourceView>;
    /// See [`crate::Client::stocks`].
    fn stocks(after: Option<StockId>, limit: u32) -> Vec<StockView>;
    /// See [`crate::Client::old_names`].
    fn old_names(after: Option<u64>, limit: u32) -> Vec<OldNameView>;
    /// See [`crate::Client::marks`].
    fn marks(after: Option<u64>, limit: u32) -> Vec<MarkView>;
    /// See [`crate::Client::configuration`].
    fn configuration() -> ConfigurationView;
    /// See [`crate::Client::validate`].
    fn validate() -> Validation;
    /// See [`crate::Client::snapshot`].
    fn snapshot() -> SnapshotView;
}

impl Client {
    /// How much of a SKU a stock can still promise. An unknown number is answered [`Availability::NotAssigned`]; an
    /// unknown name is the error [`CallError::UnknownName`].
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn check<'a>(
        &self,
        sku: impl Into<SkuRef<'a>>,
        stock: impl Into<StockRef<'a>>,
    ) -> Result<Availability, CallError> {
        let checked = self.check_many(&[(sku.into(), stock.into())]).await?;
        checked.cells.first().copied().ok_or_else(CallError::other_answer)
    }

    /// How much can still be promised of each (SKU, stock), at most 8,192 of them.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer; [`CallError::Behind`] when the server does not reach the op of
    /// [`Client::not_before`] before the deadline.
    pub async fn check_many(&self, pairs: &[(SkuRef<'_>, StockRef<'_>)]) -> Result<CheckResults, CallError> {
        if pairs.is_empty() || pairs.len() > MANY_MAX {
            return Err(too_many("checks", pairs.len()));
        }
        let mut tries = Tries::new(self.call.deadline);
        let number = |numbers: &mut Numbers<'_>| -> Vec<(SkuId, StockId)> {
            pairs.iter().map(|(sku, stock)| (numbers.sku(*sku), numbers.stock(*stock))).collect()
        };
        let mut behind_at = None;
        loop {
            let (numbered, built) = self.shared.names.with(CommandId::NONE, false, number);
            if !built.missing.is_empty() {
                self.resolve_missing(built.missing, &mut tries).await?;
                continue;
            }
            let min_op = self.call.min_op;
            let request = || (Request::Checks { pairs: numbered.clone(), min_op }, built.identity);
            match self.ask(request, &mut tries).await {
                Ok(Response::Cells { op, cells }) => {
                    let cells = cells.into_iter().map(Availability::from_cell).collect::<Result<_, _>>();
                    return Ok(CheckResults { op, cells: cells? });
                }
                // The server waits for a limited time. The deadline of the call may be later.
                Ok(Response::NoCells(outcome)) => {
                    behind_at = Some(outcome.op);
                    if tries.pause(&self.shared, 0).await.is_err() {
                        return Err(CallError::Behind { op: outcome.op, min_op });
                    }
                }
                Err(CallError::NotAnswered(why)) => {
                    let not_answered = CallError::NotAnswered(why);
                    return Err(behind_at.map_or(not_answered, |op| CallError::Behind { op, min_op }));
                }
                // Names can be resolved again; numbers that the caller gave cannot.
                Err(CallError::EpochChanged { .. }) if !built.by_number => {
                    if tries.pause(&self.shared, 0).await.is_err() {
                        return Err(tries.not_answered());
                    }
                }
                Err(error) => return Err(error),
                Ok(_) => return Err(CallError::other_answer()),
            }
        }
    }

    /// The dense numbers of at most 8,192 names, in the order of the names. `None`: the name is unknown. Known names
    /// are cached for later calls.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn resolve(&self, names: &[Name]) -> Result<Vec<Option<u32>>, CallError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        if names.len() > MANY_MAX {
            return Err(too_many("names", names.len()));
        }
        self.resolve_all(names, &mut Tries::new(self.call.deadline)).await
    }

    /// Sends any query.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn query(&self, query: Query) -> Result<QueryAnswer, CallError> {
        let mut tries = Tries::new(self.call.deadline);
        let finished = self.ask(|| (Request::Query(query.clone()), None), &mut tries).await?;
        if let Response::Answer(answer) = finished { Ok(*answer) } else { Err(CallError::other_answer()) }
    }

    /// The status of the server.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn status(&self) -> Result<Status, CallError> {
        expect_answer!(self, Query::Status, Status)
    }

    /// One reservation. `None`: it is unknown or no longer kept.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn reservation(
        &self,
        reservation: ReservationId,
    ) -> Result<Option<ReservationView>, CallError> {
        expect_answer!(self, Query::Reservation(reservation.0.to_bytes()), Reservation)
    }

    /// At most `limit` reservations (1..=1000) that match and were made after the op `after`, the oldest first. The server
    /// scans all records, which takes up to a second for millions of them.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn reservations(
        &self,
        filter: ReservationFilter,
        after: u64,
        limit: u32,
    ) -> Result<ReservationsView, CallError> {
        expect_answer!(self, Query::Reservations { filter, after, limit }, Reservations)
    }

    /// One order by its number: its totals and its reservations. `None`: it is unknown or no longer kept.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn order(&self, number: &str) -> Result<Option<OrderView>, CallError> {
        expect_answer!(self, Query::Order(number.to_owned()), Order)
    }

    /// At most `limit` events of an order (1..=1000), after the first `after` of them. `None`: the order is unknown or no longer
    /// kept.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn order_history(
        &self,
        number: &str,
        after: u32,
        limit: u32,
    ) -> Result<Option<OrderHistoryView>, CallError> {
        expect_answer!(self, Query::OrderHistory { number: number.to_owned(), after, limit }, OrderHistory)
    }

    /// At most `limit` orders (1..=1000) that match, from the cursor `after` on; 0 is the first. The answer has the next
    /// cursor. It may have no orders although more follow.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn orders(&self, filter: OrderFilter, after: u64, limit: u32) -> Result<OrdersView, CallError> {
        expect_answer!(self, Query::Orders { filter, after, limit }, Orders)
    }

    /// The low-stock configuration of a SKU at a source. `None`: one of them is unknown.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn notify_configuration(
        &self,
        sku: SkuId,
        source: SourceId,
    ) -> Result<Option<NotifyView>, CallError> {
        expect_answer!(self, Query::Notify { sku, source }, Notify)
    }

    /// The lines of at most `limit` orders (1..=1000) of which other units are open than the shop expects; only of orders in a
    /// final state, or only of others. `after` is 0, or `next` of the last answer.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn inconsistencies(
        &self,
        is_final: Option<bool>,
        after: u64,
        limit: u32,
    ) -> Result<InconsistenciesView, CallError> {
        expect_answer!(self, Query::Inconsistencies { is_final, after, limit }, Inconsistencies)
    }

    /// At most `limit` source items (1..=1000) that are low and come after `after`, the lowest first. The server scans all
    /// low-stock configurations.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn low_stock(
        &self,
        filter: LowStockFilter,
        after: Option<LowStockCursor>,
        limit: u32,
    ) -> Result<LowStockView, CallError> {
        expect_answer!(self, Query::LowStock { filter, after, limit }, LowStock)
    }

    /// One SKU with its source items and its state in every stock. `None`: it is unknown.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn sku<'a>(&self, sku: impl Into<SkuRef<'a>>) -> Result<Option<SkuView>, CallError> {
        let number = match sku.into() {
            SkuRef::Id(id) => id,
            SkuRef::Name(name) => match self.resolve(&[Name::Sku(name.to_owned())]).await?.first() {
                Some(Some(number)) => SkuId(*number),
                Some(None) | None => return Ok(None),
            },
        };
        expect_answer!(self, Query::Sku(number), Sku)
    }

    /// Why a stock can promise so much of a SKU, and no more. `None`: the SKU or the stock is unknown.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn explain(&self, sku: SkuId, stock: StockId) -> Result<Option<ExplainView>, CallError> {
        expect_answer!(self, Query::Explain { sku, stock }, Explain)
    }

    /// From which sources the units of a cart would be shipped. Nothing is promised.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer, or the request is refused.
    pub async fn sourcing(&self, request: &SourcingRequest) -> Result<SourcingView, CallError> {
        expect_answer!(self, Query::Sourcing(Box::new(request.clone())), Sourcing)
    }

    /// The sources of a stock within a radius at which shoppers may collect goods.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer, or the request is refused.
    pub async fn pickup_locations(&self, request: &PickupRequest) -> Result<PickupView, CallError> {
        expect_answer!(self, Query::PickupLocations(Box::new(request.clone())), PickupLocations)
    }

    /// At most `limit` SKUs after `after` (1..=1000).
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn skus(&self, after: Option<SkuId>, limit: u32) -> Result<Vec<SkuView>, CallError> {
        expect_answer!(self, Query::Skus { after, limit }, Skus)
    }

    /// At most `limit` sources after `after` (1..=1000).
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn sources(&self, after: Option<SourceId>, limit: u32) -> Result<Vec<SourceView>, CallError> {
        expect_answer!(self, Query::Sources { after, limit }, Sources)
    }

    /// At most `limit` stocks after `after` (1..=1000), with their links and channels.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn stocks(&self, after: Option<StockId>, limit: u32) -> Result<Vec<StockView>, CallError> {
        expect_answer!(self, Query::Stocks { after, limit }, Stocks)
    }

    /// At most `limit` old names after that of op `after` (1..=1000).
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn old_names(&self, after: Option<u64>, limit: u32) -> Result<Vec<OldNameView>, CallError> {
        expect_answer!(self, Query::OldNames { after, limit }, OldNames)
    }

    /// At most `limit` marks (1..=1000) after the one that the op `after` set, the oldest first.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn marks(&self, after: Option<u64>, limit: u32) -> Result<Vec<MarkView>, CallError> {
        expect_answer!(self, Query::Marks { after, limit }, Marks)
    }

    /// The machine's current configuration.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn configuration(&self) -> Result<ConfigurationView, CallError> {
        expect_answer!(self, Query::Configuration, Configuration)
    }

    /// Checks all invariants of the machine. This is slow on large states, so give it a long deadline.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn validate(&self) -> Result<Validation, CallError> {
        expect_answer!(self, Query::Validate, Validation)
    }

    /// Writes a snapshot now. The answer comes when it is verified on disk, so give it a long deadline.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn snapshot(&self) -> Result<SnapshotView, CallError> {
        expect_answer!(self, Query::Snapshot, Snapshot)
    }
}
