//! The demo's shoppers: whole frames of carts over a few connections, each answered before the next.
//!
//! Everything that is answered goes into the ledger; what was in flight when the server died goes there as
//! a doubt, to be asked again under its own id.

use std::time::{Duration, Instant};
use stockhold_client::{
    CommandBatch, ConnectionError, IdGenerator, Outcomes, PipelinedConnection, PushError, Reply, SubmitError,
    wall_clock_ms,
};
use stockhold_protocol::command::{Command, Kind, Release, Reserve};
use stockhold_protocol::{BadField, CommandId, Envelope, Lines};
use stockhold_workload::{CartEnding, CartGenerator, CartMix, Ledger, Step};

/// Connections of the shoppers.
pub(super) const LANES: usize = 8;
/// New carts in one frame.
pub(super) const FRAME_CARTS: usize = 64;
/// Most reservations that the ledger keeps for the audit.
const LEDGER_MAX: usize = 3_000_000;
/// Most latencies that are kept; one for each frame.
const LATENCIES_MAX: usize = 4_000_000;
/// The name under which the server's log sees the shoppers.
const CLIENT_NAME: &str = "stockhold-demo";
/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Why a sale cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum SaleError {
    /// A connection broke when none should.
    #[error("a shopper lost the connection")]
    Connection(#[from] ConnectionError),
    /// A frame was not taken.
    #[error("a shopper's frame was not taken")]
    Submit(#[from] SubmitError),
    /// A cart cannot be sent.
    #[error("a shopper's cart cannot be sent")]
    Push(#[from] PushError),
    /// A sent cart cannot be read back.
    #[error("a shopper's cart cannot be read back")]
    Record(#[from] BadField),
    /// An answer did not come.
    #[error("the server did not answer a shopper within {ANSWER_MAX:?}")]
    Silence,
}

/// One connection with at most one frame in flight.
struct Lane {
    connection: PipelinedConnection,
    batch: CommandBatch,
    outcomes: Outcomes,
    sent: Instant,
}

/// What came out besides the ledger.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Refusals from the published cells: given, not recorded.
    pub(super) edge_refusals: u64,
    /// Answers that ask to come again.
    pub(super) busy: u64,
    pub(super) confirmed: u64,
    pub(super) released: u64,
    /// How long carts were sent.
    pub(super) selling: Duration,
    /// Microseconds from a frame's submit to its last outcome.
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
    lanes: Vec<Lane>,
    /// What becomes of holds that were granted.
    endings: Vec<(CommandId, CartEnding)>,
}

impl Sale {
    pub(super) fn new(mix: CartMix, seed: u64) -> Self {
        Self {
            ledger: Ledger::new(LEDGER_MAX),
            counts: Counts::default(),
            carts: CartGenerator::new(mix, seed),
            ids: IdGenerator::new(),
            lanes: Vec::new(),
            endings: Vec::new(),
        }
    }

    /// Connects all shoppers.
    pub(super) async fn open(&mut self, address: &str) -> Result<(), SaleError> {
        self.lanes.clear();
        for _ in 0..LANES {
            let connection = PipelinedConnection::connect(address, CLIENT_NAME).await?;
            let (batch, outcomes) = (CommandBatch::new(), Outcomes::new());
            self.lanes.push(Lane { connection, batch, outcomes, sent: Instant::now() });
        }
        Ok(())
    }

    /// Sells for so long. At the end every lane has a frame in flight.
    pub(super) async fn sell(
        &mut self,
        span: Duration,
        mut each_round: impl FnMut(Duration, u64),
    ) -> Result<(), SaleError> {
        let begun = Instant::now();
        let mut lanes = std::mem::take(&mut self.lanes);
        for lane in &mut lanes {
            self.submit(lane)?;
        }
        while begun.elapsed() < span {
            for lane in &mut lanes {
                receive(lane).await?;
                self.note(lane)?;
                self.submit(lane)?;
            }
            each_round(begun.elapsed(), self.ledger.tally().granted);
        }
        self.counts.selling += begun.elapsed();
        self.lanes = lanes;
        Ok(())
    }

    /// Takes what is still in flight, from a server that lives.
    pub(super) async fn finish(&mut self) -> Result<(), SaleError> {
        for mut lane in std::mem::take(&mut self.lanes) {
            receive(&mut lane).await?;
            self.note(&mut lane)?;
        }
        Ok(())
    }

    /// Takes what still comes from a server that is dead; the rest is doubted. Tells how many doubts.
    pub(super) async fn lose(&mut self) -> Result<u64, SaleError> {
        let mut doubts = 0;
        for mut lane in std::mem::take(&mut self.lanes) {
            // The connection is broken; the answers that had come before are good.
            drop(receive(&mut lane).await);
            for (record, index) in lane.batch.records().zip(0..) {
                if let Some(outcome) = lane.outcomes.get(index) {
                    self.ledger.note_record(record, outcome)?;
                } else {
                    self.ledger.note_unknown(record);
                    doubts += 1;
                }
            }
        }
        Ok(doubts)
    }

    /// Fills a lane's frame with what became of earlier holds and with new carts, and sends it.
    fn submit(&mut self, lane: &mut Lane) -> Result<(), SaleError> {
        lane.batch.clear();
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
            lane.batch.push(&Envelope::fresh(self.ids.next_at(now_ms), command))?;
        }
        for _ in 0..FRAME_CARTS {
            let Step::Cart { target, lines, ttl_ms } = self.carts.next_step() else { continue };
            let lines = Lines::Slice(lines);
            let reserve = Reserve { target, lines, best_effort: false, ttl_ms, owner: 0, reference: "" };
            let command = Command::Reserve(reserve);
            lane.batch.push(&Envelope::fresh(self.ids.next_at(now_ms), command))?;
        }
        lane.outcomes.reset(lane.batch.len());
        lane.connection.submit(&lane.batch)?;
        lane.sent = Instant::now();
        Ok(())
    }

    /// Notes the answers to a lane's frame.
    fn note(&mut self, lane: &mut Lane) -> Result<(), SaleError> {
        if self.counts.latencies_us.len() < LATENCIES_MAX {
            let took = lane.sent.elapsed().as_micros();
            self.counts.latencies_us.push(u64::try_from(took).unwrap_or(u64::MAX));
        }
        for (record, index) in lane.batch.records().zip(0..) {
            let Some(outcome) = lane.outcomes.get(index) else { return Err(ConnectionError::Closed.into()) };
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
        // The frame is settled; it must not be doubted later.
        lane.batch.clear();
        Ok(())
    }
}

/// Waits for all outcomes of a lane's frame.
async fn receive(lane: &mut Lane) -> Result<(), SaleError> {
    while lane.connection.in_flight() > 0 {
        let turned = tokio::time::timeout(ANSWER_MAX, lane.connection.turn());
        turned.await.map_err(|_| SaleError::Silence)??;
        while let Some(reply) = lane.connection.next_reply()? {
            if let Reply::Outcomes(frame) = reply {
                lane.outcomes.take(&frame)?;
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
