//! The connection for everything besides the measurement: setup, status queries, and audits. It is blocking and has a
//! time limit on every exchange. The measurement uses connections of its own.

use anyhow::{Context as _, anyhow};
use std::net::SocketAddr;
use std::time::Duration;
use stockhold_client::{CommandBatch, IdGenerator, Outcomes, PipelinedConnection, Reply};
use stockhold_protocol::handshake::Welcome;
use stockhold_protocol::query::{Query, QueryAnswer, Status};
use stockhold_protocol::{Command, Envelope, Outcome, SkuId, StockId};
use tokio::runtime::{Builder, Runtime};

/// How long one exchange may take.
const EXCHANGE_MAX: Duration = Duration::from_mins(1);
/// Commands or checks in one frame: well below every limit of the protocol.
const FRAME_MAX: usize = 1_000;

/// A blocking connection.
#[derive(Debug)]
pub(crate) struct ControlConnection {
    runtime: Runtime,
    connection: PipelinedConnection,
    ids: IdGenerator,
    batch: CommandBatch,
    outcomes: Outcomes,
    /// The highest op of a recorded outcome.
    recorded_op: u64,
}

impl ControlConnection {
    pub(crate) fn connect(address: SocketAddr) -> Result<Self, anyhow::Error> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let connecting = PipelinedConnection::connect(address, "stockhold-loadtest");
        let connection =
            runtime.block_on(connecting).with_context(|| format!("cannot connect to {address}"))?;
        let (ids, batch, outcomes) = (IdGenerator::new(), CommandBatch::new(), Outcomes::new());
        Ok(Self { runtime, connection, ids, batch, outcomes, recorded_op: 0 })
    }

    pub(crate) const fn welcome(&self) -> &Welcome {
        self.connection.welcome()
    }

    /// The highest op of a recorded outcome on this connection.
    pub(crate) const fn recorded_op(&self) -> u64 {
        self.recorded_op
    }

    /// Sends commands under new ids. The outcomes are in the same order.
    pub(crate) fn commands<'a>(
        &mut self,
        commands: impl IntoIterator<Item = Command<'a>>,
    ) -> Result<Vec<Outcome>, anyhow::Error> {
        let now_ms = self.connection.server_clock().now_ms();
        let mut all = Vec::new();
        let mut commands = commands.into_iter().peekable();
        while commands.peek().is_some() {
            self.batch.clear();
            for command in commands.by_ref().take(FRAME_MAX) {
                let id = self.ids.next_at(now_ms);
                self.batch.push(&Envelope::fresh(id, command))?;
            }
            self.send(&mut all)?;
        }
        Ok(all)
    }

    /// Sends commands again under ids that were used before.
    pub(crate) fn resend<'a>(
        &mut self,
        envelopes: impl IntoIterator<Item = Envelope<'a>>,
    ) -> Result<Vec<Outcome>, anyhow::Error> {
        let mut all = Vec::new();
        let mut envelopes = envelopes.into_iter().peekable();
        while envelopes.peek().is_some() {
            self.batch.clear();
            for envelope in envelopes.by_ref().take(FRAME_MAX) {
                self.batch.push(&Envelope { fresh: false, ..envelope })?;
            }
            self.send(&mut all)?;
        }
        Ok(all)
    }

    fn send(&mut self, all: &mut Vec<Outcome>) -> Result<(), anyhow::Error> {
        let sending = self.connection.send(&self.batch, &mut self.outcomes);
        self.runtime
            .block_on(async { tokio::time::timeout(EXCHANGE_MAX, sending).await })
            .context("no answer")??;
        if self.outcomes.iter().count() != usize::from(self.batch.len()) {
            return Err(anyhow!("some commands were not answered"));
        }
        let recorded = self.outcomes.iter().filter(|outcome| outcome.recorded);
        self.recorded_op = recorded.map(|outcome| outcome.op).fold(self.recorded_op, u64::max);
        all.extend(self.outcomes.iter().cloned());
        Ok(())
    }

    /// The raw cells of SKUs in a stock, at `min_op` or later.
    pub(crate) fn cells(
        &mut self,
        stock: StockId,
        skus: &[SkuId],
        min_op: u64,
    ) -> Result<Vec<i64>, anyhow::Error> {
        let mut cells = Vec::with_capacity(skus.len());
        for part in skus.chunks(FRAME_MAX) {
            let pairs: Vec<(SkuId, StockId)> = part.iter().map(|sku| (*sku, stock)).collect();
            self.connection.submit_checks(&pairs, min_op, 0)?;
            self.exchange(|reply| {
                if let Reply::Cells(frame) = reply {
                    cells.extend(frame.raw());
                }
            })?;
        }
        if cells.len() != skus.len() {
            return Err(anyhow!("the server did not answer every check"));
        }
        Ok(cells)
    }

    /// Sends a query.
    pub(crate) fn query(&mut self, query: &Query) -> Result<QueryAnswer, anyhow::Error> {
        self.connection.submit_query(query)?;
        let mut answered = None;
        self.exchange(|reply| {
            if let Reply::Answer { answer, .. } = reply {
                answered = Some(*answer);
            }
        })?;
        answered.ok_or_else(|| anyhow!("the server did not answer a query"))
    }

    pub(crate) fn status(&mut self) -> Result<Status, anyhow::Error> {
        let answer = self.query(&Query::Status)?;
        let QueryAnswer::Status(status) = answer else {
            return Err(anyhow!("the server answered {answer:?} to a status query"));
        };
        Ok(status)
    }

    /// Exchanges bytes until nothing is in flight.
    fn exchange(&mut self, mut take: impl FnMut(Reply<'_>)) -> Result<(), anyhow::Error> {
        let connection = &mut self.connection;
        let exchanging = async {
            while connection.in_flight() > 0 {
                connection.turn().await?;
                while let Some(reply) = connection.next_reply()? {
                    take(reply);
                }
            }
            Ok::<(), anyhow::Error>(())
        };
        self.runtime
            .block_on(async { tokio::time::timeout(EXCHANGE_MAX, exchanging).await })
            .context("no answer")?
    }
}
