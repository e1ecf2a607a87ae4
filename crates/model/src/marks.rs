//! Marks: names of moments, in the order in which they were set.

use crate::decide::{Decision, plain};
use crate::state::Model;
use stockhold_protocol::{Code, Detail, Timestamp};

/// The most marks.
const MARKS_MAX: usize = 1_024;

/// A mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The op that set it.
    pub op: u64,
    /// Its name.
    pub name: String,
    /// The time of that op.
    pub time_ms: u64,
}

/// All marks, and what is needed to name their times.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    set: Vec<Mark>,
    /// Wall clock minus op time.
    wall_offset_ms: i64,
}

fn field(code: Code, rule: String) -> Decision {
    Err((code, 0, Detail::Field { field: "name".to_owned(), rule }))
}

impl Model {
    /// All marks, the oldest first.
    #[must_use]
    pub fn marks(&self) -> &[Mark] {
        &self.marks.set
    }

    /// Wall clock minus op time, as the server has logged it.
    #[must_use]
    pub fn wall_offset_ms(&self) -> i64 {
        self.marks.wall_offset_ms
    }

    /// The server logs that the wall clock is so far ahead of op time.
    pub fn set_wall_offset(&mut self, offset_ms: i64) {
        self.marks.wall_offset_ms = offset_ms;
    }

    pub(crate) fn mark(&mut self, name: &str) -> Decision {
        if let Some(known) = self.marks.set.iter().find(|mark| mark.name == name) {
            let shown = Timestamp(known.time_ms.saturating_add_signed(self.marks.wall_offset_ms));
            let rule = format!("belongs to the mark of op {}, set at {}", known.op, shown.to_rfc3339());
            return field(Code::NameTaken, rule);
        }
        if self.marks.set.len() >= MARKS_MAX {
            let Some(oldest) = self.marks.set.iter().position(|mark| mark.name.starts_with("auto/")) else {
                let limit = Detail::Limit { name: "marks".to_owned(), value: 1_024 };
                return Err((Code::LimitReached, 0, limit));
            };
            self.marks.set.remove(oldest);
        }
        self.marks.set.push(Mark { op: self.op, name: name.to_owned(), time_ms: self.now_ms });
        Ok(plain(Code::Ok))
    }

    pub(crate) fn unmark(&mut self, name: &str) -> Decision {
        let Some(known) = self.marks.set.iter().position(|mark| mark.name == name) else {
            return field(Code::UnknownName, "is not a known name".to_owned());
        };
        self.marks.set.remove(known);
        Ok(plain(Code::Ok))
    }
}
