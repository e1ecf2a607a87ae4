//! What a command decides: an answer or a refusal, before it is an outcome with an op. It decides nothing itself.

use stockhold_protocol::{Code, CommandId, Detail};

/// A decision that is not a plain yes.
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) value: u32,
    pub(crate) detail: Detail,
}

impl Refusal {
    pub(crate) const fn new(code: Code) -> Self {
        Self { code, value: 0, detail: Detail::None }
    }

    /// A refusal of the line at `index`.
    pub(crate) fn of_line(code: Code, index: usize) -> Self {
        Self { code, value: u32::try_from(index).unwrap_or(u32::MAX), detail: Detail::None }
    }

    pub(crate) fn with(mut self, detail: Detail) -> Self {
        self.detail = detail;
        self
    }

    pub(crate) fn field(error: &stockhold_protocol::BadField) -> Self {
        let detail = Detail::Field { field: error.field.to_owned(), rule: error.rule.to_owned() };
        Self { code: Code::BadField, value: 0, detail }
    }
}

/// What a command decided, before it is an outcome with an op.
pub(crate) type Decision = Result<Answer, Refusal>;

/// A command took effect.
pub(crate) struct Answer {
    pub(crate) code: Code,
    pub(crate) value: u32,
    pub(crate) detail: Detail,
}

impl Answer {
    pub(crate) const fn ok(value: u32) -> Self {
        Self { code: Code::Ok, value, detail: Detail::None }
    }

    pub(crate) fn with(mut self, detail: Detail) -> Self {
        self.detail = detail;
        self
    }
}

/// What a command that makes a reservation needs to know of itself.
#[derive(Clone, Copy)]
pub(crate) struct Ticket {
    pub(crate) op: u64,
    pub(crate) id: CommandId,
    pub(crate) fingerprint: u64,
}
