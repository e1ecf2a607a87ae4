//! Typed answers. A decision of the server is data: it reports what was done, or why the command was refused. Each
//! type also holds the plain [`Outcome`].

use std::fmt;
use stockhold_protocol::command::Kind;
use stockhold_protocol::outcome::GrantedLine;
use stockhold_protocol::{
    ChannelId, Code, CommandId, Deadline, Detail, Offender, Outcome, Quantity, ReservationId, SkuId,
    SourceId, StockId,
};

/// What the server decided about one command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Answer<T> {
    /// It took effect.
    Done(T),
    /// It was refused and changed nothing.
    Refused(Refusal),
}

impl<T> Answer<T> {
    /// What was done, or `None`.
    pub fn done(self) -> Option<T> {
        match self {
            Self::Done(value) => Some(value),
            Self::Refused(_) => None,
        }
    }

    /// Whether it took effect.
    pub const fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }

    /// Converts a refusal into an error.
    ///
    /// # Errors
    /// The [`Refusal`].
    pub fn into_result(self) -> Result<T, Refusal> {
        match self {
            Self::Done(value) => Ok(value),
            Self::Refused(refusal) => Err(refusal),
        }
    }
}

/// Why a command was refused. The command changed nothing. If `recorded` is set, a retry under the same id gets the
/// same refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The command's id.
    pub id: CommandId,
    /// The kind of the command.
    pub kind: Kind,
    /// The whole outcome. If one line is the reason, `value` is its index.
    pub outcome: Outcome,
    /// The name of the SKU that is the reason, if the call used names.
    pub sku_name: Option<Box<str>>,
}

impl Refusal {
    /// The code of the refusal.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.outcome.code
    }

    /// How much of the refused line was available, and its SKU.
    #[must_use]
    pub const fn available(&self) -> Option<(SkuId, Quantity)> {
        if let Detail::Available { sku, available } = self.outcome.detail {
            Some((sku, available))
        } else {
            None
        }
    }

    /// The number of the SKU that caused the refusal, if the server names one.
    #[must_use]
    pub const fn sku(&self) -> Option<SkuId> {
        sku_of(&self.outcome)
    }

    /// The bound that the quantity violates, and the quantity. The code says which bound it is: the minimum or
    /// maximum of a line, its increment, the open units, or the quantity at the source.
    #[must_use]
    pub const fn bound(&self) -> Option<(Quantity, Quantity)> {
        if let Detail::Bound { bound, value, .. } = self.outcome.detail { Some((bound, value)) } else { None }
    }

    /// The name and value of the limit that is reached, if the code is about the number of things.
    #[must_use]
    pub fn limit(&self) -> Option<(&str, u64)> {
        if let Detail::Limit { name, value } = &self.outcome.detail { Some((name, *value)) } else { None }
    }

    /// The source items that let a bulk command be refused: how many they are, and the first of them.
    #[must_use]
    pub fn offenders(&self) -> (u32, &[Offender]) {
        if let Detail::Offenders { count, first } = &self.outcome.detail { (*count, first) } else { (0, &[]) }
    }

    /// Sources that could ship instead.
    #[must_use]
    pub fn sources(&self) -> &[SourceId] {
        if let Detail::Sources(sources) = &self.outcome.detail { sources } else { &[] }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was refused ({}): {}", self.kind.name(), self.code().name(), self.code().sentence())?;
        let name = |sku: &SkuId| match &self.sku_name {
            Some(name) => format!("\"{name}\""),
            None => sku.to_string(),
        };
        match &self.outcome.detail {
            Detail::Field { field, rule } => write!(f, " {field} {rule}."),
            Detail::Available { sku, available } => {
                write!(f, " {available} of SKU {} could still be promised.", name(sku))
            }
            Detail::Bound { sku, bound, value } => {
                write!(f, " SKU {}: the bound is {bound}, requested was {value}.", name(sku))
            }
            Detail::Range { min, max, value } => {
                // Ranges are of times, but for that of the versions of the rules.
                let unit = if self.code() == Code::NotSupported { "" } else { " ms" };
                if max < min {
                    write!(f, " No value is accepted any more, requested was {value}{unit}.")
                } else {
                    write!(f, " Accepted is {min} to {max}{unit}, requested was {value}{unit}.")
                }
            }
            Detail::Limit { name, value } => write!(f, " The limit of {name} is {value}."),
            Detail::Sku(sku) => write!(f, " SKU {}.", name(sku)),
            Detail::Offenders { count, first } => {
                write!(f, " Source items that are the reason: {count}.")?;
                match first.first() {
                    Some(Offender { sku, source, .. }) => {
                        write!(f, " The first is SKU {sku} at source {source}.")
                    }
                    None => Ok(()),
                }
            }
            Detail::None
            | Detail::Granted { .. }
            | Detail::Backordered(_)
            | Detail::Sources(_)
            | Detail::Shortfall(_)
            | Detail::Item { .. } => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}

/// The SKU that caused a refusal, if the server names one.
pub(crate) const fn sku_of(outcome: &Outcome) -> Option<SkuId> {
    match outcome.detail {
        Detail::Available { sku, .. } | Detail::Bound { sku, .. } | Detail::Sku(sku) => Some(sku),
        Detail::None
        | Detail::Granted { .. }
        | Detail::Backordered(_)
        | Detail::Sources(_)
        | Detail::Shortfall(_)
        | Detail::Item { .. }
        | Detail::Field { .. }
        | Detail::Range { .. }
        | Detail::Limit { .. }
        | Detail::Offenders { .. } => None,
    }
}

/// A command and its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The command's id.
    pub id: CommandId,
    /// The kind of the command.
    pub kind: Kind,
    /// The outcome.
    pub outcome: Outcome,
    /// The name of the SKU that is the reason of a refusal, if the call used names.
    pub sku_name: Option<Box<str>>,
}

impl Settled {
    pub(crate) fn answer<T>(self, done: impl FnOnce(Self) -> T) -> Answer<T> {
        if self.outcome.code.is_success() {
            Answer::Done(done(self))
        } else {
            let Self { id, kind, outcome, sku_name } = self;
            Answer::Refused(Refusal { id, kind, outcome, sku_name })
        }
    }

    fn deadline(&self) -> Option<Deadline> {
        Some(Deadline(self.outcome.value)).filter(|deadline| *deadline != Deadline::NONE)
    }

    fn shortfall(&self) -> Quantity {
        match self.outcome.detail {
            Detail::Shortfall(shortfall) | Detail::Item { shortfall, .. } => shortfall,
            Detail::None
            | Detail::Granted { .. }
            | Detail::Backordered(_)
            | Detail::Available { .. }
            | Detail::Sources(_)
            | Detail::Field { .. }
            | Detail::Bound { .. }
            | Detail::Range { .. }
            | Detail::Limit { .. }
            | Detail::Sku(_)
            | Detail::Offenders { .. } => Quantity::ZERO,
        }
    }
}

/// The result of a reserve or a replace: units are promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// The reservation. Its id is the id of the command that made it.
    pub reservation: ReservationId,
    /// When the hold ends, in hold time, which is not wall-clock time.
    /// [`ServerClock::shown`](crate::ServerClock::shown) converts it. `None`: the reservation was confirmed from the
    /// start.
    pub deadline: Option<Deadline>,
    /// The granted quantities, line by line, if the server reports them (best effort, replace). `None`: everything
    /// that was asked for.
    pub granted: Option<Vec<GrantedLine>>,
    /// Units promised beyond the goods on hand, covered by allowances.
    pub backordered: Quantity,
    /// The whole outcome.
    pub outcome: Outcome,
}

/// The result of a placement of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Whether the order was placed like this before, so that nothing happened now. Then no reservation has the id of
    /// this call.
    pub is_repeated: bool,
    /// What was reserved, as by a reserve.
    pub reserved: Reserved,
}

impl From<Settled> for Placed {
    fn from(settled: Settled) -> Self {
        // A deadline is always later than the first second of 1970.
        let is_repeated = settled.outcome.value == 1;
        let reserved = Reserved::from(settled);
        let deadline = reserved.deadline.filter(|_| !is_repeated);
        Self { is_repeated, reserved: Reserved { deadline, ..reserved } }
    }
}

impl From<Settled> for Reserved {
    fn from(settled: Settled) -> Self {
        let (granted, backordered) = match &settled.outcome.detail {
            Detail::Granted { lines, backordered } => (Some(lines.clone()), *backordered),
            Detail::Backordered(backordered) => (None, *backordered),
            Detail::None
            | Detail::Available { .. }
            | Detail::Sources(_)
            | Detail::Shortfall(_)
            | Detail::Item { .. }
            | Detail::Field { .. }
            | Detail::Bound { .. }
            | Detail::Range { .. }
            | Detail::Limit { .. }
            | Detail::Sku(_)
            | Detail::Offenders { .. } => (None, Quantity::ZERO),
        };
        Self {
            reservation: settled.id.into(),
            deadline: settled.deadline(),
            granted,
            backordered,
            outcome: settled.outcome,
        }
    }
}

/// The result of a confirm: a hold became an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// The hold had expired, but its units were still available.
    pub late: bool,
    /// The whole outcome.
    pub outcome: Outcome,
}

impl From<Settled> for Confirmed {
    fn from(settled: Settled) -> Self {
        Self { late: settled.outcome.code == Code::ConfirmedLate, outcome: settled.outcome }
    }
}

/// The result of an extend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extended {
    /// The deadline that is now in force; see [`Reserved::deadline`].
    pub deadline: Option<Deadline>,
    /// The whole outcome.
    pub outcome: Outcome,
}

impl From<Settled> for Extended {
    fn from(settled: Settled) -> Self {
        Self { deadline: settled.deadline(), outcome: settled.outcome }
    }
}

/// The result of a ship or a sell: goods left a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shipped {
    /// The reservation whose goods left. A sale makes a reservation of its own.
    pub reservation: ReservationId,
    /// Units that are promised and missing after the command. Only a forced command can leave any.
    pub shortfall: Quantity,
    /// The whole outcome.
    pub outcome: Outcome,
}

impl Shipped {
    pub(crate) fn of(reservation: ReservationId, settled: Settled) -> Self {
        Self { reservation, shortfall: settled.shortfall(), outcome: settled.outcome }
    }
}

/// The result of a count or an adjust: a fact about a source item was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// The quantity at the source after the command, if the server reports it.
    pub on_hand: Option<Quantity>,
    /// The version of the source item.
    pub version: u32,
    /// Units that are promised and missing, allowances included.
    pub shortfall: Quantity,
    /// The whole outcome.
    pub outcome: Outcome,
}

impl From<Settled> for Noted {
    fn from(settled: Settled) -> Self {
        let shortfall = settled.shortfall();
        let (on_hand, version) = match settled.outcome.detail {
            Detail::Item { on_hand, version, .. } => (Some(on_hand), version),
            Detail::None
            | Detail::Granted { .. }
            | Detail::Backordered(_)
            | Detail::Available { .. }
            | Detail::Sources(_)
            | Detail::Shortfall(_)
            | Detail::Field { .. }
            | Detail::Bound { .. }
            | Detail::Range { .. }
            | Detail::Limit { .. }
            | Detail::Sku(_)
            | Detail::Offenders { .. } => (None, 0),
        };
        Self { on_hand, version, shortfall, outcome: settled.outcome }
    }
}

/// The result of a definition: a name has a dense number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defined<I> {
    /// The dense number.
    pub number: I,
    /// The whole outcome.
    pub outcome: Outcome,
}

macro_rules! defined {
    ($($id:ident),*) => {
        $(impl From<Settled> for Defined<$id> {
            fn from(settled: Settled) -> Self {
                Self { number: $id(settled.outcome.value), outcome: settled.outcome }
            }
        })*
    };
}

defined!(SkuId, StockId, SourceId, ChannelId);

/// The result of an event of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderChanged {
    /// The order had the document already, so nothing happened now.
    pub is_repeated: bool,
    /// Less was done than the lines say: of a cancel, an invoice or a forced compensation as much as was possible.
    pub is_partial: bool,
    /// Units that are promised and missing after the event. Only events that record facts can leave any.
    pub shortfall: Quantity,
    /// The whole outcome.
    pub outcome: Outcome,
}

impl From<Settled> for OrderChanged {
    fn from(settled: Settled) -> Self {
        Self {
            is_repeated: settled.outcome.value != 0,
            is_partial: settled.outcome.code == Code::Partial,
            shortfall: settled.shortfall(),
            outcome: settled.outcome,
        }
    }
}

/// The result of a command that has no more to report than its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Units that are promised and missing after the command. Only commands that record facts can leave any.
    pub shortfall: Quantity,
    /// The whole outcome.
    pub outcome: Outcome,
}

impl From<Settled> for Done {
    fn from(settled: Settled) -> Self {
        Self { shortfall: settled.shortfall(), outcome: settled.outcome }
    }
}

/// The result of appended rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// How many rows had an effect.
    pub count: u32,
    /// The whole outcome.
    pub outcome: Outcome,
}

impl From<Settled> for Appended {
    fn from(settled: Settled) -> Self {
        Self { count: settled.outcome.value, outcome: settled.outcome }
    }
}

/// The result of an assign, an unassign or a transfer of all units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// How many source items were made or removed, or of how many SKUs the units were moved.
    pub count: u32,
    /// Units that are promised and missing after a forced command.
    pub shortfall: Quantity,
    /// The whole outcome.
    pub outcome: Outcome,
}

impl From<Settled> for Changed {
    fn from(settled: Settled) -> Self {
        Self { count: settled.outcome.value, shortfall: settled.shortfall(), outcome: settled.outcome }
    }
}
