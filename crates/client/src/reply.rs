//! Replies on a pipelined connection: frames of outcomes, cells, names and answers, decoded in place.

use crate::error::ConnectionError;
use stockhold_protocol::codec::Reader;
use stockhold_protocol::query::{CELL_NOT_ASSIGNED, CELL_UNLIMITED, QueryAnswer};
use stockhold_protocol::{BadField, Code, Outcome, Quantity};

/// One frame from the server. Its request number is the one that `submit` returned.
#[derive(Debug)]
pub enum Reply<'a> {
    /// Outcomes of commands. Several frames may answer one request, with its commands in any order.
    Outcomes(OutcomeFrame<'a>),
    /// Availability, in the order of the checks.
    Cells(CellFrame<'a>),
    /// Dense numbers, in the order of the names. `None`: the name is unknown.
    Resolved {
        /// The request number.
        request: u64,
        /// The numbers.
        numbers: Vec<Option<u32>>,
    },
    /// The answer to a query.
    Answer {
        /// The request number.
        request: u64,
        /// The answer.
        answer: Box<QueryAnswer>,
    },
    /// The server is stopping. It still answers what it has read and reads nothing new.
    Goodbye,
}

/// Some or all outcomes of one request.
#[derive(Clone, Copy, Debug)]
pub struct OutcomeFrame<'a> {
    /// The request number.
    pub request: u64,
    /// Whether this frame completes the request.
    pub is_last: bool,
    /// The server's time in whole seconds when the commands took effect. 0: not reported.
    pub time_s: u32,
    pub(crate) count: u16,
    pub(crate) body: &'a [u8],
}

impl<'a> OutcomeFrame<'a> {
    /// How many outcomes the frame holds.
    #[must_use]
    pub const fn len(&self) -> u16 {
        self.count
    }

    /// Whether the frame holds no outcomes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Each outcome with the index of its command in the request. Decoding allocates only when the detail is a list
    /// or a text. A code that this program does not know is decoded as one of [`Code::STAND_INS`].
    pub fn iter(&self) -> impl Iterator<Item = Result<(u16, Outcome), ConnectionError>> + use<'a> {
        let mut reader = Reader::new(self.body);
        let mut left = self.count;
        std::iter::from_fn(move || {
            if left == 0 {
                let rest = std::mem::replace(&mut reader, Reader::new(&[]));
                return rest.finish().err().map(|error| Err(error.into()));
            }
            let next = Outcome::decode_of_peer(&mut reader).map_err(ConnectionError::from);
            left = if next.is_ok() { left - 1 } else { 0 };
            if next.is_err() {
                reader = Reader::new(&[]);
            }
            Some(next)
        })
    }
}

/// The availability of one SKU in one stock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Availability {
    /// This quantity can still be promised. Zero or less means nothing.
    Salable(Quantity),
    /// Any quantity is accepted.
    Unlimited,
    /// The SKU is not assigned to the stock, or one of the two is unknown.
    NotAssigned,
}

impl Availability {
    /// Decodes a cell.
    ///
    /// # Errors
    /// [`BadField`] when the cell is neither a quantity nor one of the two special values.
    pub fn from_cell(cell: i64) -> Result<Self, BadField> {
        match cell {
            CELL_UNLIMITED => Ok(Self::Unlimited),
            CELL_NOT_ASSIGNED => Ok(Self::NotAssigned),
            raw => Quantity::from_raw(raw).map(Self::Salable),
        }
    }

    /// Whether a cart of `quantity` would have been granted.
    #[must_use]
    pub fn covers(self, quantity: Quantity) -> bool {
        match self {
            Self::Salable(salable) => quantity <= salable,
            Self::Unlimited => true,
            Self::NotAssigned => false,
        }
    }
}

/// The cells that answer one Checks request.
#[derive(Clone, Copy, Debug)]
pub struct CellFrame<'a> {
    /// The request number.
    pub request: u64,
    /// The op as of which the cells were read.
    pub op: u64,
    pub(crate) cells: &'a [u8],
}

impl<'a> CellFrame<'a> {
    /// How many cells there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.cells.len() / 8
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The raw cells, in the order of the checks.
    pub fn raw(&self) -> impl Iterator<Item = i64> + use<'a> {
        let (cells, _) = self.cells.as_chunks::<8>();
        cells.iter().map(|cell| i64::from_le_bytes(*cell))
    }

    /// The decoded cells, in the order of the checks.
    pub fn iter(&self) -> impl Iterator<Item = Result<Availability, BadField>> + use<'a> {
        self.raw().map(Availability::from_cell)
    }
}

/// The outcomes of one command batch by the index of their commands. The buffer is reused for the next batch.
#[derive(Clone, Debug, Default)]
pub struct Outcomes {
    slots: Vec<Option<Outcome>>,
}

impl Outcomes {
    /// No outcomes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Clears the outcomes and makes room for `count` of them. The memory is reused.
    pub fn reset(&mut self, count: u16) {
        self.slots.clear();
        self.slots.resize_with(usize::from(count), || None);
    }

    /// Adds the outcomes of one frame.
    ///
    /// # Errors
    /// [`ConnectionError`] when the frame cannot be decoded or answers a command twice.
    pub fn take(&mut self, frame: &OutcomeFrame<'_>) -> Result<(), ConnectionError> {
        for entry in frame.iter() {
            let (index, outcome) = entry?;
            let slot = self.slots.get_mut(usize::from(index)).filter(|slot| slot.is_none());
            *slot.ok_or(ConnectionError::UnexpectedAnswer(frame.request))? = Some(outcome);
        }
        Ok(())
    }

    /// The outcome of the command at `index`, if it has arrived.
    #[must_use]
    pub fn get(&self, index: u16) -> Option<&Outcome> {
        self.slots.get(usize::from(index)).and_then(Option::as_ref)
    }

    /// How many commands there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The outcomes in the order of their commands, without the missing ones.
    pub fn iter(&self) -> impl Iterator<Item = &Outcome> {
        self.slots.iter().filter_map(Option::as_ref)
    }

    /// How many outcomes have this code.
    #[must_use]
    pub fn count_of(&self, code: Code) -> usize {
        self.iter().filter(|outcome| outcome.code == code).count()
    }

    pub(crate) fn put(&mut self, index: u16, outcome: Outcome) {
        if let Some(slot) = self.slots.get_mut(usize::from(index)) {
            *slot = Some(outcome);
        }
    }
}
