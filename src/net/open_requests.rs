//! The request numbers of one connection that are not fully answered yet. Their number is bounded by the commands and
//! questions in flight.

use std::collections::VecDeque;

/// The open requests of one connection. Clients mostly count upwards and are mostly answered in order, so both ends are
/// the common case.
#[derive(Debug, Default)]
pub(super) struct OpenRequests {
    /// In ascending order of number.
    open: VecDeque<OpenRequest>,
}

#[derive(Clone, Copy, Debug)]
struct OpenRequest {
    number: u64,
    /// The number of answers that are still to come; at least one.
    left: u32,
}

impl OpenRequests {
    /// Whether the request still waits for answers.
    pub(super) fn contains(&self, number: u64) -> bool {
        self.open.back().is_some_and(|last| number <= last.number) && self.find(number).is_ok()
    }

    /// Adds `answers` to the answers that the request waits for.
    pub(super) fn add(&mut self, number: u64, answers: u32) {
        if self.open.back().is_none_or(|last| number > last.number) {
            self.open.push_back(OpenRequest { number, left: answers });
            return;
        }
        match self.find(number) {
            Ok(at) => self.open[at].left += answers,
            Err(at) => self.open.insert(at, OpenRequest { number, left: answers }),
        }
    }

    /// Notes that the request has received `answers` answers.
    pub(super) fn answered(&mut self, number: u64, answers: u32) {
        let is_first = self.open.front().is_some_and(|first| first.number == number);
        let found = if is_first { Ok(0) } else { self.find(number) };
        let Ok(at) = found else { panic!("an answer to request {number}, which waits for none") };
        let left = self.open[at].left;
        assert!(left >= answers, "more answers than the request waits for");
        if left == answers {
            self.open.remove(at);
        } else {
            self.open[at].left = left - answers;
        }
    }

    fn find(&self, number: u64) -> Result<usize, usize> {
        self.open.binary_search_by_key(&number, |open| open.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_in_use_until_its_last_answer_in_any_order() {
        // Proves that ascending, descending and repeated numbers are kept apart, and that answers may come in any order
        // and in parts.
        let mut requests = OpenRequests::default();
        let numbers = [5, 6, 7, 2, u64::MAX, 1];
        for number in numbers {
            assert!(!requests.contains(number));
            requests.add(number, 2);
            requests.add(number, 1);
            assert!(requests.contains(number));
        }
        for number in [6, u64::MAX, 5, 1, 7, 2] {
            requests.answered(number, 1);
            assert!(requests.contains(number));
            requests.answered(number, 2);
            assert!(!requests.contains(number));
            requests.add(number, 1);
            requests.answered(number, 1);
        }
        assert!(requests.open.is_empty(), "an answered request takes no space");
    }
}
