//! The mark that is set by itself before a change of many things, so that a restore can undo it.
//!
//! It is set just before the first command, so a change that turns out to be none leaves no mark.

use super::bulk::Bulk;
use super::exit::{Exit, Failure};
use super::questions::wrong_answer;
use super::report;
use super::server_connection::ServerConnection;
use stockhold_protocol::command::Mark;
use stockhold_protocol::{Code, Command, Detail, Timestamp};

/// How many names are tried when others set marks in the same second.
const NAMES_MAX: u32 = 100;

/// See the module.
#[derive(Debug)]
pub(super) struct AutomaticMark {
    is_wanted: bool,
    /// The part of its name that says why it is set.
    folder: &'static str,
    /// What is about to happen.
    occasion: &'static str,
    /// Its name and its op, once it is set.
    set: Option<(String, u64)>,
}

impl AutomaticMark {
    /// A mark before an occasion, such as `import`.
    pub(super) const fn before(occasion: &'static str) -> Self {
        Self { is_wanted: true, folder: occasion, occasion, set: None }
    }

    /// A mark before a command that changes many source items.
    pub(super) const fn before_bulk_change() -> Self {
        Self { is_wanted: true, folder: "bulk", occasion: "bulk change", set: None }
    }

    /// No mark.
    pub(super) const fn none() -> Self {
        Self { is_wanted: false, folder: "", occasion: "", set: None }
    }

    /// The name of the mark and its op, if it was set.
    pub(super) fn name_and_op(&self) -> Option<(&str, u64)> {
        self.set.as_ref().map(|(name, op)| (name.as_str(), *op))
    }

    /// Sets the mark, unless it is set already or not wanted. Its name is the time on this machine, with a suffix if the
    /// name is taken.
    pub(super) fn set(&mut self, server: &mut ServerConnection) -> Result<(), Failure> {
        if !self.is_wanted || self.set.is_some() {
            return Ok(());
        }
        let time = Timestamp(stockhold_client::wall_clock_ms()).to_rfc3339();
        let base = format!("{}{}/{time}", Mark::AUTOMATIC, self.folder);
        let later = (2..=NAMES_MAX).map(|number| format!("{base}-{number}"));
        for name in std::iter::once(base.clone()).chain(later) {
            if let Some(op) = self.try_name(server, &name)? {
                self.set = Some((name, op));
                return Ok(());
            }
        }
        Err(self.refused(&format!("{base} and the names that follow it are taken")))
    }

    /// Sets the mark with this name. Returns its op; `None` if the name is taken.
    fn try_name(&self, server: &mut ServerConnection, name: &str) -> Result<Option<u64>, Failure> {
        let mut bulk = Bulk::new();
        bulk.push(server, 0, Command::Mark(Mark::new(name)))?;
        bulk.drain(server)?;
        let Some((_, outcome)) = bulk.take_answers().pop() else { return Err(wrong_answer()) };
        if outcome.code.is_success() {
            return Ok(Some(outcome.op));
        }
        let reason = match (outcome.code, &outcome.detail) {
            (Code::NameTaken, _) => return Ok(None),
            (Code::LimitReached, Detail::Limit { value, .. }) => {
                format!(
                    "there are {value} marks and none of them makes room; drop one with `stockhold mark drop`"
                )
            }
            _ => report::sentence(server, &outcome),
        };
        Err(Failure { exit: report::exit_of(outcome.code), ..self.refused(&reason) })
    }

    fn refused(&self, reason: &str) -> Failure {
        let (occasion, reason) = (self.occasion, reason.trim_end_matches('.'));
        let error = anyhow::anyhow!(
            "no mark could be set before the {occasion}, so nothing was changed: {reason}. With --no-mark the {occasion} \
             goes on without one"
        );
        Failure { exit: Exit::Refused, error }
    }

    /// Adds to a failure how to undo what was changed before it.
    pub(super) fn explain(&self, failure: Failure) -> Failure {
        match self.name_and_op() {
            Some((name, op)) => {
                let sentence = format!(
                    "the {} has stopped; to undo it, restore to mark {name} (op {op})",
                    self.occasion
                );
                Failure { exit: failure.exit, error: failure.error.context(sentence) }
            }
            None => failure,
        }
    }
}
