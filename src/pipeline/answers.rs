//! Encodes answers as frames: the outcomes of a batch and the answers to queries.

use stockhold_protocol::frame::{FrameKind, Header};
use stockhold_protocol::limits::{DETAIL_BYTES_MAX, FRAME_BODY_BYTES_MAX, FRAME_HEADER_BYTES};
use stockhold_protocol::query::QueryAnswer;
use stockhold_protocol::{Outcome, Timestamp};

use super::reply_queue::{AnsweredCounts, ReplyAddress, ReplyWriter};
use super::submission::Submission;

/// A frame of outcomes ends at this length, so that the longest outcome still fits.
const OUTCOMES_BYTES_MAX: usize = FRAME_BODY_BYTES_MAX - DETAIL_BYTES_MAX - 64;
/// The counts that the answer to one query settles.
const ONE_QUERY: AnsweredCounts = AnsweredCounts { commands: 0, others: 0, queries: 1, checks: 0 };

/// Sends the answer to a query, or an error if it is too long for a frame.
pub(super) fn send_answer(
    replies: &mut ReplyWriter,
    address: ReplyAddress,
    request: u64,
    answer: &QueryAnswer,
) {
    let mut body = Vec::new();
    let encoded = answer.encode(&mut body);
    if encoded.is_err() || body.len() > FRAME_BODY_BYTES_MAX - FRAME_HEADER_BYTES {
        body.clear();
        let failed =
            QueryAnswer::Failed("The answer is longer than a frame; ask for fewer entries.".to_owned());
        let encoded = failed.encode(&mut body);
        assert!(encoded.is_ok(), "a sentence fits a frame");
    }
    replies.frame(address, Header::new(FrameKind::Answer, request, 0), ONE_QUERY, |out| {
        out.extend_from_slice(&body);
    });
}

/// Encodes the outcomes of a batch as frames, one submission after the other.
pub(super) struct OutcomeWriter<'a> {
    submissions: std::slice::Iter<'a, Box<Submission>>,
    replies: &'a mut ReplyWriter,
    /// The op time of the batch.
    time: Timestamp,
    current: Option<&'a Submission>,
    /// The index of the next record in the current submission.
    at: usize,
    /// The start of the open frame and the number of outcomes in it.
    frame: Option<(usize, u16)>,
}

impl<'a> OutcomeWriter<'a> {
    pub(super) fn new(
        submissions: &'a [Box<Submission>],
        replies: &'a mut ReplyWriter,
        time: Timestamp,
    ) -> Self {
        let mut submissions = submissions.iter();
        let current = submissions.next().map(Box::as_ref);
        Self { submissions, replies, time, current, at: 0, frame: None }
    }

    pub(super) fn push(&mut self, outcome: &Outcome, name_generation: u32) {
        // Commands that the sequencer adds are last in the batch and have no submission. Their outcomes are not sent.
        let Some(submission) = self.current else { return };
        let buffer = self.replies.of(submission.address);
        let (start, count) = self.frame.take().unwrap_or_else(|| (buffer.begin(), 0));
        outcome.encode(submission.indexes[self.at], &mut buffer.bytes);
        self.at += 1;
        let count = count + 1;
        let is_last = self.at == submission.indexes.len();
        if !is_last && buffer.bytes.len() - start <= OUTCOMES_BYTES_MAX {
            self.frame = Some((start, count));
            return;
        }
        let others = if is_last { submission.others } else { 0 };
        let answered = AnsweredCounts { commands: u32::from(count), others, ..AnsweredCounts::default() };
        buffer.seal(
            start,
            Header::outcomes(submission.request, count, self.time, name_generation),
            submission.address,
            answered,
        );
        if is_last {
            self.current = self.submissions.next().map(Box::as_ref);
            self.at = 0;
        }
    }

    pub(super) fn finish(self) {
        assert!(self.current.is_none() && self.frame.is_none(), "every command of a batch is answered");
    }
}
