//! The result of a command before it becomes an outcome with an op: an answer or a refusal. No decisions
//! are made here.

use stockhold_protocol::{Code, CommandId, Detail};

/// The refusal of a command.
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

/// The result of a command.
pub(crate) type Decision = Result<Answer, Refusal>;

/// The answer of a command that took effect.
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

/// What identifies a command that makes a reservation: its op, its id and its fingerprint.
#[derive(Clone, Copy)]
pub(crate) struct Ticket {
    pub(crate) op: u64,
    pub(crate) id: CommandId,
    pub(crate) fingerprint: u64,
}
