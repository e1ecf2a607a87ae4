//! Typed answers. Everything that the server decided is data: what was done, or why it was refused; the
//! plain [`Outcome`] stays within reach.

use std::fmt;
use stockhold_protocol::command::Kind;
use stockhold_protocol::outcome::GrantedLine;
use stockhold_protocol::{
    ChannelId, Code, CommandId, Deadline, Detail, Outcome, Quantity, ReservationId, SkuId, SourceId, StockId,
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

    /// For callers to whom a refusal is an error.
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

/// Why a command was refused. It changed nothing; the same id answers the same again if `recorded`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The command's id.
    pub id: CommandId,
    /// What was asked for.
    pub kind: Kind,
    /// The whole answer; `value` is the index of the refused line where one line is the reason.
    pub outcome: Outcome,
}

impl Refusal {
    /// The reason.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.outcome.code
    }

    /// What could still have been had of the refused line.
    #[must_use]
    pub const fn available(&self) -> Option<(SkuId, Quantity)> {
        if let Detail::Available { sku, available } = self.outcome.detail {
            Some((sku, available))
        } else {
            None
        }
    }

    /// The SKU that is the reason, where the server names one.
    #[must_use]
    pub const fn sku(&self) -> Option<SkuId> {
        match self.outcome.detail {
            Detail::Available { sku, .. } | Detail::Bound { sku, .. } | Detail::Sku(sku) => Some(sku),
            Detail::None
            | Detail::Granted { .. }
            | Detail::Backordered(_)
            | Detail::Sources(_)
            | Detail::Shortfall(_)
            | Detail::Item { .. }
            | Detail::Field { .. }
            | Detail::Range { .. }
            | Detail::Limit { .. } => None,
        }
    }

    /// The bound that refuses a quantity, and the quantity: the fewest or the most of a line, its increment, what is open,
    /// what lies at the source, as the code says.
    #[must_use]
    pub const fn bound(&self) -> Option<(Quantity, Quantity)> {
        if let Detail::Bound { bound, value, .. } = self.outcome.detail { Some((bound, value)) } else { None }
    }

    /// The limit on the number of things that is reached: its name and its value.
    #[must_use]
    pub fn limit(&self) -> Option<(&str, u64)> {
        if let Detail::Limit { name, value } = &self.outcome.detail { Some((name, *value)) } else { None }
    }

    /// Sources that would do instead.
    #[must_use]
    pub fn sources(&self) -> &[SourceId] {
        if let Detail::Sources(sources) = &self.outcome.detail { sources } else { &[] }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was refused ({}): {}", self.kind.name(), self.code().name(), self.code().sentence())?;
        match &self.outcome.detail {
            Detail::Field { field, rule } => write!(f, " {field} {rule}."),
            Detail::Available { sku, available } => {
                write!(f, " {available} of SKU {sku} could still be promised.")
            }
            Detail::Bound { sku, bound, value } => {
                write!(f, " SKU {sku}: the bound is {bound}, asked for was {value}.")
            }
            Detail::Range { min, max, value } => {
                write!(f, " What lies between {min} and {max} is accepted, asked for was {value}.")
            }
            Detail::Limit { name, value } => write!(f, " The limit of {name} is {value}."),
            Detail::Sku(sku) => write!(f, " SKU {sku}."),
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

/// A command and what was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The command's id.
    pub id: CommandId,
    /// What was asked for.
    pub kind: Kind,
    /// The answer.
    pub outcome: Outcome,
}

impl Settled {
    pub(crate) fn answer<T>(self, done: impl FnOnce(Self) -> T) -> Answer<T> {
        if self.outcome.code.is_success() {
            Answer::Done(done(self))
        } else {
            Answer::Refused(Refusal { id: self.id, kind: self.kind, outcome: self.outcome })
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
            | Detail::Sku(_) => Quantity::ZERO,
        }
    }
}

/// Units are promised (reserve, replace).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// The reservation: the id of the command that made it.
    pub reservation: ReservationId,
    /// When the hold ends, which is no wall-clock time: [`ServerClock::shown`](crate::ServerClock::shown) makes one of it.
    /// `None`: born confirmed.
    pub deadline: Option<Deadline>,
    /// What was granted, line by line, where the server says so (best effort, replace); `None`: all that
    /// was asked for.
    pub granted: Option<Vec<GrantedLine>>,
    /// Units promised beyond what there is, covered by allowances.
    pub backordered: Quantity,
    /// The whole answer.
    pub outcome: Outcome,
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
            | Detail::Sku(_) => (None, Quantity::ZERO),
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

/// A hold became an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// The hold had expired, but its units still fitted.
    pub late: bool,
    /// The whole answer.
    pub outcome: Outcome,
}

impl From<Settled> for Confirmed {
    fn from(settled: Settled) -> Self {
        Self { late: settled.outcome.code == Code::ConfirmedLate, outcome: settled.outcome }
    }
}

/// A hold's deadline moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extended {
    /// The deadline in force; see [`Reserved::deadline`].
    pub deadline: Option<Deadline>,
    /// The whole answer.
    pub outcome: Outcome,
}

impl From<Settled> for Extended {
    fn from(settled: Settled) -> Self {
        Self { deadline: settled.deadline(), outcome: settled.outcome }
    }
}

/// Goods left a source (ship, sell).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shipped {
    /// The reservation whose goods left; a sale makes its own.
    pub reservation: ReservationId,
    /// Units that are promised and missing now; only a forced shipment can leave any.
    pub shortfall: Quantity,
    /// The whole answer.
    pub outcome: Outcome,
}

impl Shipped {
    pub(crate) fn of(reservation: ReservationId, settled: Settled) -> Self {
        Self { reservation, shortfall: settled.shortfall(), outcome: settled.outcome }
    }
}

/// A fact about a source item was noted (count, adjust).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// What lies at the source now, where the server says so.
    pub on_hand: Option<Quantity>,
    /// The item's version.
    pub version: u32,
    /// Units that are promised and missing, allowances included.
    pub shortfall: Quantity,
    /// The whole answer.
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
            | Detail::Sku(_) => (None, 0),
        };
        Self { on_hand, version, shortfall, outcome: settled.outcome }
    }
}

/// Something has a name and a number now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defined<I> {
    /// Its dense number.
    pub number: I,
    /// The whole answer.
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

/// Done, and there is no more to say than the outcome does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Units that are promised and missing now, for facts that may leave some.
    pub shortfall: Quantity,
    /// The whole answer.
    pub outcome: Outcome,
}

impl From<Settled> for Done {
    fn from(settled: Settled) -> Self {
        Self { shortfall: settled.shortfall(), outcome: settled.outcome }
    }
}
