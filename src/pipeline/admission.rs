//! Selects the commands that may still be logged while the disk is nearly full. It does not measure the space itself.

use stockhold_protocol::batch::split_records;
use stockhold_protocol::command::{Kind, Role};

use super::reply_queue::AnsweredCounts;
use super::submission::Submission;

/// Which commands may be logged with the space that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    All,
    FreeingOnly,
    None,
}

/// Copies the commands that may be logged to `kept`. Returns the indexes of the refused ones and the counts that their
/// answer settles.
pub(super) fn split(
    submission: &Submission,
    admission: Admission,
    kept: &mut Submission,
) -> (Vec<u16>, AnsweredCounts) {
    let mut refused = Vec::new();
    let mut answered = AnsweredCounts::default();
    for (index, record) in submission.indexes.iter().zip(split_records(&submission.records)) {
        let Ok(record) = record else { break };
        let kind = record.get(2).copied().and_then(Kind::from_code);
        let is_freeing = kind.is_some_and(frees_or_finishes);
        if is_freeing && admission == Admission::FreeingOnly {
            kept.push(*index, record, true);
        } else {
            answered.commands += 1;
            refused.push(*index);
        }
    }
    // The submission counts its commands that are not plain reserves. Those that are not kept belong to the refused
    // ones.
    answered.others = submission.others - kept.others;
    (refused, answered)
}

/// Whether a command frees space or completes a promise. These commands and the clock commands continue in the reserve
/// of the disk.
const fn frees_or_finishes(kind: Kind) -> bool {
    // What only a dropped mark needed is trimmed.
    if matches!(kind, Kind::Unmark) {
        return true;
    }
    match kind.role() {
        Role::Settle | Role::Clock | Role::Server => true,
        Role::Promise | Role::Goods | Role::Catalog | Role::Operator => false,
    }
}
