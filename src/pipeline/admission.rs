//! What may still be logged when the disk fills up. It does not know how full the disk is.

use stockhold_protocol::batch::split_records;
use stockhold_protocol::command::{Kind, Role};

use super::reply_queue::AnsweredCounts;
use super::submission::Submission;

/// Which commands the space on the disk allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    All,
    FreeingOnly,
    None,
}

/// Copies what may be logged to `kept`; tells the indexes of the rest, and what an answer to them answers.
pub(super) fn part(
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
    // Which of the refused were plain reserves was counted when they came; the rest of that count is theirs.
    answered.others = submission.others - kept.others;
    (refused, answered)
}

/// Whether a command gives room back or finishes what was promised: these go on while the disk's reserve lasts, and so does time.
const fn frees_or_finishes(kind: Kind) -> bool {
    match kind.role() {
        Role::Settle | Role::Clock | Role::Server => true,
        Role::Promise | Role::Goods | Role::Catalog | Role::Operator => false,
    }
}
