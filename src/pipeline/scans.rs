//! Scans of all reservations for the lists that are asked for. The machine visits a bounded number of records at a time. One
//! scan runs at a time, and each answers one question.

use std::collections::VecDeque;

use stockhold_machine::{Machine, ReservationScan};
use stockhold_protocol::query::{QueryAnswer, ReservationFilter};

use super::answers::send_answer;
use super::reply_queue::ReplyWriter;
use super::snapshots::Waiter;

/// The number of records per step, which takes 10 to 100 µs.
const RECORDS_PER_STEP: u32 = 1_024;
/// The maximum number of questions that wait for a scan.
const WAITING_MAX: usize = 256;

/// What one scan is to find.
#[derive(Debug)]
struct Request {
    waiter: Waiter,
    filter: ReservationFilter,
    after: u64,
    limit: u32,
}

/// The part of the applier that scans reservations.
#[derive(Debug, Default)]
pub struct ScanStage {
    running: Option<(Waiter, Box<ReservationScan>)>,
    waiting: VecDeque<Request>,
}

impl ScanStage {
    /// Requests a list. If too many wait, it is answered at once that there is none.
    pub fn request(
        &mut self,
        waiter: Waiter,
        (filter, after, limit): (ReservationFilter, u64, u32),
        replies: &mut ReplyWriter,
    ) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(Request { waiter, filter, after, limit });
            return;
        }
        let sentence = "Too many lists of reservations are asked for; ask again later.".to_owned();
        send_answer(replies, waiter.address, waiter.request, &QueryAnswer::Failed(sentence));
    }

    /// Whether a request waits for an answer.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.running.is_some() || !self.waiting.is_empty()
    }

    /// Does a bounded amount of work.
    pub fn step(&mut self, machine: &Machine, replies: &mut ReplyWriter) {
        if self.running.is_none() {
            let next = self.waiting.pop_front();
            self.running = next.map(|Request { waiter, filter, after, limit }| {
                (waiter, Box::new(machine.begin_reservation_scan(filter, after, limit)))
            });
        }
        let Some((waiter, scan)) = &mut self.running else { return };
        if let Some(view) = machine.reservation_scan_step(scan, RECORDS_PER_STEP) {
            let answer = QueryAnswer::Reservations(view);
            send_answer(replies, waiter.address, waiter.request, &answer);
            self.running = None;
        }
    }
}
