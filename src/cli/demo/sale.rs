//! The shoppers of the demo. They send whole frames of carts over a few connections, and wait for each answer before
//! the next frame.
//!
//! Every answer goes into the ledger. Commands in flight when the server was killed go into the ledger as unknown, and
//! the audit repeats them with their ids.

use std::time::{Duration, Instant};
use stockhold_client::{
    CommandBatch, ConnectionError, IdGenerator, Outcomes, PipelinedConnection, PushError, Reply, SubmitError,
    wall_clock_ms,
};
use stockhold_protocol::command::{Command, Kind, Release, Reserve};
use stockhold_protocol::{BadField, CommandId, Envelope, Lines};
use stockhold_workload::{CartEnding, CartGenerator, CartMix, Ledger, Step};

/// The number of the shoppers' connections.
pub(super) const CONNECTIONS: usize = 8;
/// The number of new carts in a frame.
pub(super) const FRAME_CARTS: usize = 64;
/// The maximum number of reservations that the ledger keeps for the audit.
const LEDGER_MAX: usize = 3_000_000;
/// The maximum number of latencies that are kept, one per frame.
const LATENCIES_MAX: usize = 4_000_000;
/// The client name in the server's log.
const CLIENT_NAME: &str = "stockhold-demo";
/// The timeout for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Why a sale cannot continue.
#[derive(Debug, thiserror::Error)]
pub(super) enum SaleError {
    /// A connection broke while the server was running.
    #[error("a shopper lost the connection")]
    Connection(#[from] ConnectionError),
    /// A frame was not accepted.
    #[error("a shopper's frame was not accepted")]
    Submit(#[from] SubmitError),
    /// A cart cannot be encoded.
    #[error("a shopper's cart cannot be encoded")]
    Push(#[from] PushError),
    /// A sent cart cannot be decoded.
    #[error("a shopper's cart cannot be decoded")]
    Record(#[from] BadField),
    /// An answer did not arrive in time.
    #[error("the server did not answer a shopper within {ANSWER_MAX:?}")]
    Silence,
}

/// One connection with at most one frame in flight.
struct ShopperConnection {
    connection: PipelinedConnection,
    batch: CommandBatch,
    outcomes: Outcomes,
    sent: Instant,
}

/// Counts that the ledger does not contain.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// The number of edge refusals, which are not recorded.
    pub(super) edge_refusals: u64,
    /// The number of `busy` answers.
    pub(super) busy: u64,
    pub(super) confirmed: u64,
    pub(super) released: u64,
    /// How long carts were sent.
    pub(super) selling: Duration,
    /// The microseconds from sending a frame to its last outcome.
    latencies_us: Vec<u64>,
}

impl Counts {
    /// The latency that `percent` of the frames did not exceed.
    pub(super) fn percentile_us(&mut self, percent: usize) -> u64 {
        self.latencies_us.sort_unstable();
        let at = (self.latencies_us.len() * percent / 100).min(self.latencies_us.len().saturating_sub(1));
        self.latencies_us.get(at).copied().unwrap_or(0)
    }
}

/// A sale in progress.
pub(super) struct Sale {
    pub(super) ledger: Ledger,
    pub(super) counts: Counts,
    carts: CartGenerator,
    ids: IdGenerator,
    shoppers: Vec<ShopperConnection>,
    /// The next steps of holds that were granted.
    endings: Vec<(CommandId, CartEnding)>,
}

impl Sale {
    pub(super) fn new(mix: CartMix, seed: u64) -> Self {
        Self {
            ledger: Ledger::new(LEDGER_MAX),
            counts: Counts::default(),
            carts: CartGenerator::new(mix, seed),
            ids: IdGenerator::new(),
            shoppers: Vec::new(),
            endings: Vec::new(),
        }
    }

    /// Connects all shoppers.
    pub(super) async fn open(&mut self, address: &str) -> Result<(), SaleError> {
        self.shoppers.clear();
        for _ in 0..CONNECTIONS {
            let connection = PipelinedConnection::connect(address, CLIENT_NAME).await?;
            let (batch, outcomes) = (CommandBatch::new(), Outcomes::new());
            self.shoppers.push(ShopperConnection { connection, batch, outcomes, sent: Instant::now() });
        }
        Ok(())
    }

    /// Sells for this time. At the end every connection has a frame in flight.
    pub(super) async fn sell(
        &mut self,
        span: Duration,
        mut each_round: impl FnMut(Duration, u64),
    ) -> Result<(), SaleError> {
        let begun = Instant::now();
        let mut shoppers = std::mem::take(&mut self.shoppers);
        for shopper in &mut shoppers {
            self.submit(shopper)?;
        }
        while begun.elapsed() < span {
            for shopper in &mut shoppers {
                receive(shopper).await?;
                self.note(shopper)?;
                self.submit(shopper)?;
            }
            each_round(begun.elapsed(), self.ledger.tally().granted);
        }
        self.counts.selling += begun.elapsed();
        self.shoppers = shoppers;
        Ok(())
    }

    /// Receives the answers in flight from a running server.
    pub(super) async fn finish(&mut self) -> Result<(), SaleError> {
        for mut shopper in std::mem::take(&mut self.shoppers) {
            receive(&mut shopper).await?;
            self.note(&mut shopper)?;
        }
        Ok(())
    }

    /// Receives the remaining answers of a killed server. The other commands become unknown. Returns their number.
    pub(super) async fn record_unanswered(&mut self) -> Result<u64, SaleError> {
        let mut unanswered = 0;
        for mut shopper in std::mem::take(&mut self.shoppers) {
            // The connection is broken. Answers that arrived before are valid.
            drop(receive(&mut shopper).await);
            for (record, index) in shopper.batch.records().zip(0..) {
                if let Some(outcome) = shopper.outcomes.get(index) {
                    self.ledger.note_record(record, outcome)?;
                } else {
                    self.ledger.note_unknown(record);
                    unanswered += 1;
                }
            }
        }
        Ok(unanswered)
    }

    /// Fills a frame with the next steps of earlier holds and with new carts, and sends it.
    fn submit(&mut self, shopper: &mut ShopperConnection) -> Result<(), SaleError> {
        shopper.batch.clear();
        let now_ms = wall_clock_ms();
        let due = self.endings.len().saturating_sub(FRAME_CARTS);
        for (reservation, ending) in self.endings.drain(due..) {
            let command = match ending {
                CartEnding::Confirm => Command::Confirm(reservation.into()),
                CartEnding::Release => {
                    Command::Release(Release { reservation: reservation.into(), lines: Lines::NONE })
                }
                CartEnding::Abandon => continue,
            };
            shopper.batch.push(&Envelope::fresh(self.ids.next_at(now_ms), command))?;
        }
        for _ in 0..FRAME_CARTS {
            let Step::Cart { target, lines, ttl_ms } = self.carts.next_step() else { continue };
            let lines = Lines::Slice(lines);
            let reserve = Reserve { target, lines, best_effort: false, ttl_ms, owner: 0, reference: "" };
            let command = Command::Reserve(reserve);
            shopper.batch.push(&Envelope::fresh(self.ids.next_at(now_ms), command))?;
        }
        shopper.outcomes.reset(shopper.batch.len());
        shopper.connection.submit(&shopper.batch)?;
        shopper.sent = Instant::now();
        Ok(())
    }

    /// Records the answers to a frame.
    fn note(&mut self, shopper: &mut ShopperConnection) -> Result<(), SaleError> {
        if self.counts.latencies_us.len() < LATENCIES_MAX {
            let took = shopper.sent.elapsed().as_micros();
            self.counts.latencies_us.push(u64::try_from(took).unwrap_or(u64::MAX));
        }
        for (record, index) in shopper.batch.records().zip(0..) {
            let Some(outcome) = shopper.outcomes.get(index) else {
                return Err(ConnectionError::Closed.into());
            };
            let envelope = Envelope::decode(record)?;
            self.ledger.note(&envelope, outcome);
            let kind = envelope.command.kind();
            let success = outcome.code.is_success();
            if success && kind == Kind::Reserve {
                self.endings.push((envelope.id, self.carts.next_ending()));
            } else if success {
                self.counts.confirmed += u64::from(kind == Kind::Confirm);
                self.counts.released += u64::from(kind == Kind::Release);
            } else if !outcome.recorded {
                let decided = outcome.code.is_recordable();
                self.counts.edge_refusals += u64::from(decided);
                self.counts.busy += u64::from(!decided);
            }
        }
        // The frame is answered and must not become unknown later.
        shopper.batch.clear();
        Ok(())
    }
}

/// Waits for all outcomes of a frame.
async fn receive(shopper: &mut ShopperConnection) -> Result<(), SaleError> {
    while shopper.connection.in_flight() > 0 {
        let turned = tokio::time::timeout(ANSWER_MAX, shopper.connection.turn());
        turned.await.map_err(|_| SaleError::Silence)??;
        while let Some(reply) = shopper.connection.next_reply()? {
            if let Reply::Outcomes(frame) = reply {
                shopper.outcomes.take(&frame)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sorted_frames() {
        // Proves that the slowest frames are found, and that no frames mean no latency.
        let mut counts = Counts { latencies_us: (1..=200).rev().collect(), ..Counts::default() };
        assert_eq!(counts.percentile_us(50), 101);
        assert_eq!(counts.percentile_us(99), 199);
        assert_eq!(counts.percentile_us(100), 200);
        assert_eq!(Counts::default().percentile_us(99), 0);
    }
}
