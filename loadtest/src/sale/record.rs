//! The record of a sale: latencies from the due time on, and answers by kind.

use crate::series::Series;
use crate::tally::{Answers, Latencies};
use std::time::Duration;
use stockhold_protocol::{Code, Outcome};

/// The kind of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CommandKind {
    /// A cart.
    Cart,
    /// A payment: the hold is confirmed.
    Payment,
    /// The shopper empties the cart: the hold is released.
    Release,
}

/// All counters of a sale.
#[derive(Debug)]
pub(crate) struct SaleRecord {
    /// Latencies of carts, from the due time to the answer.
    pub(crate) cart_latency: Latencies,
    pub(crate) payment_latency: Latencies,
    pub(crate) check_latency: Latencies,
    pub(crate) carts: Answers,
    pub(crate) payments: Answers,
    pub(crate) releases: Answers,
    /// Carts that were refused without being recorded.
    pub(crate) edge_refusals: u64,
    /// Holds that were neither paid for nor released.
    pub(crate) abandoned: u64,
    /// How long after its due time a shopper was sent.
    pub(crate) send_lag: Latencies,
    /// Answers over the time in which shoppers arrive.
    pub(crate) series: Series,
    /// The length of that time.
    pub(crate) span: Duration,
    /// Carts and checks answered within it, without those answered `busy`.
    pub(crate) answered_in_time: u64,
    /// When a cart was first refused as sold out.
    pub(crate) sold_out_ns: Option<u64>,
    /// Shoppers that were sent.
    pub(crate) shoppers: u64,
    /// Shoppers that were sent at most half a second after the end.
    pub(crate) shoppers_in_time: u64,
    /// When the last cart was answered.
    pub(crate) last_answer_ns: u64,
    /// The latest deadline of a hold, in seconds since the Unix epoch.
    pub(crate) deadline_max_s: u32,
    /// The highest op of an answer.
    pub(crate) last_op: u64,
    /// Why connections broke.
    pub(crate) broken: Vec<String>,
    /// Commands that were never answered.
    pub(crate) unknown: u64,
}

impl SaleRecord {
    /// The record of a sale whose shoppers arrive during `span`.
    pub(crate) fn over(span: Duration) -> Result<Self, anyhow::Error> {
        Ok(Self {
            cart_latency: Latencies::new()?,
            payment_latency: Latencies::new()?,
            check_latency: Latencies::new()?,
            carts: Answers::default(),
            payments: Answers::default(),
            releases: Answers::default(),
            edge_refusals: 0,
            abandoned: 0,
            send_lag: Latencies::new()?,
            series: Series::over(span)?,
            span,
            answered_in_time: 0,
            sold_out_ns: None,
            shoppers: 0,
            shoppers_in_time: 0,
            last_answer_ns: 0,
            deadline_max_s: 0,
            last_op: 0,
            broken: Vec::new(),
            unknown: 0,
        })
    }

    /// Counts shoppers that were sent together.
    pub(crate) fn sent(&mut self, due_ns: u64, now_ns: u64, count: u64) {
        self.shoppers += count;
        self.send_lag.record(Duration::from_nanos(now_ns.saturating_sub(due_ns)), count);
    }

    /// Counts the answer to a check that was due at `due_ns`.
    pub(crate) fn looked(&mut self, due_ns: u64, now_ns: u64) {
        let latency = self.answer(due_ns, now_ns);
        self.check_latency.record(latency, 1);
        self.in_time(now_ns);
    }

    /// Counts an answer over time. Returns its latency.
    fn answer(&mut self, due_ns: u64, now_ns: u64) -> Duration {
        let latency = Duration::from_nanos(now_ns.saturating_sub(due_ns));
        self.series.record(Duration::from_nanos(now_ns), latency, 1);
        latency
    }

    fn in_time(&mut self, now_ns: u64) {
        self.answered_in_time += u64::from(Duration::from_nanos(now_ns) <= self.span);
    }

    /// Counts the answer to a command that was due at `due_ns`.
    pub(crate) fn answered(&mut self, asked: CommandKind, outcome: &Outcome, due_ns: u64, now_ns: u64) {
        let latency = self.answer(due_ns, now_ns);
        self.last_op = self.last_op.max(outcome.op);
        match asked {
            CommandKind::Cart => {
                self.carts.count(outcome.code);
                self.cart_latency.record(latency, 1);
                // A cart that was answered `busy` had no effect.
                if outcome.code.is_recordable() {
                    self.in_time(now_ns);
                }
                if outcome.code == Code::SoldOut {
                    self.sold_out_ns.get_or_insert(now_ns);
                }
                self.edge_refusals += u64::from(outcome.code == Code::SoldOut && !outcome.recorded);
                self.last_answer_ns = self.last_answer_ns.max(now_ns);
                if outcome.code.is_success() {
                    self.deadline_max_s = self.deadline_max_s.max(outcome.value);
                }
            }
            CommandKind::Payment => {
                self.payments.count(outcome.code);
                self.payment_latency.record(latency, 1);
            }
            CommandKind::Release => {
                self.releases.count(outcome.code);
                self.payment_latency.record(latency, 1);
            }
        }
    }
}
