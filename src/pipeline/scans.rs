//! Scans of all reservations or of all low-stock configurations, for the lists that are asked for. The machine visits a bounded number of records at a time. One
//! scan runs at a time, and each answers one question.

use std::collections::VecDeque;

use stockhold_machine::{LowStockScan, Machine, ReservationScan};
use stockhold_protocol::query::{LowStockCursor, LowStockFilter, QueryAnswer, ReservationFilter};

use super::answers::send_answer;
use super::reply_queue::ReplyWriter;
use super::snapshots::Waiter;

/// The number of records per step, which takes 10 to 100 µs.
const RECORDS_PER_STEP: u32 = 1_024;
/// The maximum number of questions that wait for a scan.
const WAITING_MAX: usize = 256;

/// What one scan is to find: a filter, the place after which it continues, and a limit.
#[derive(Clone, Copy, Debug)]
pub enum Wanted {
    /// Reservations.
    Reservations(ReservationFilter, u64, u32),
    /// Source items that are low.
    LowStock(LowStockFilter, Option<LowStockCursor>, u32),
}

/// A scan in progress.
#[derive(Debug)]
enum Scan {
    Reservations(Box<ReservationScan>),
    LowStock(Box<LowStockScan>),
}

impl Scan {
    fn begin(machine: &Machine, wanted: Wanted) -> Self {
        match wanted {
            Wanted::Reservations(filter, after, limit) => {
                Self::Reservations(Box::new(machine.begin_reservation_scan(filter, after, limit)))
            }
            Wanted::LowStock(filter, after, limit) => {
                Self::LowStock(Box::new(machine.begin_low_stock_scan(filter, after, limit)))
            }
        }
    }

    fn step(&mut self, machine: &Machine) -> Option<QueryAnswer> {
        match self {
            Self::Reservations(scan) => {
                machine.reservation_scan_step(scan, RECORDS_PER_STEP).map(QueryAnswer::Reservations)
            }
            Self::LowStock(scan) => {
                machine.low_stock_scan_step(scan, RECORDS_PER_STEP).map(QueryAnswer::LowStock)
            }
        }
    }
}

/// The part of the applier that scans records.
#[derive(Debug, Default)]
pub struct ScanStage {
    running: Option<(Waiter, Scan)>,
    waiting: VecDeque<(Waiter, Wanted)>,
}

impl ScanStage {
    /// Requests a list. If too many wait, it is answered at once that there is none.
    pub fn request(&mut self, waiter: Waiter, wanted: Wanted, replies: &mut ReplyWriter) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back((waiter, wanted));
            return;
        }
        let sentence = match wanted {
            Wanted::Reservations(..) => "Too many lists of reservations are asked for; ask again later.",
            Wanted::LowStock(..) => "Too many low-stock reports are asked for; ask again later.",
        };
        let sentence = sentence.to_owned();
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
            self.running = next.map(|(waiter, wanted)| (waiter, Scan::begin(machine, wanted)));
        }
        let Some((waiter, scan)) = &mut self.running else { return };
        if let Some(answer) = scan.step(machine) {
            send_answer(replies, waiter.address, waiter.request, &answer);
            self.running = None;
        }
    }
}
