//! What a connection asks a server: queries, checks and the numbers of names. It changes nothing, so it may be repeated.

use super::exit::{Exit, Failure};
use super::parse::ChannelName;
use super::server_connection::{Asked, ServerConnection};
use anyhow::anyhow;
use stockhold_client::{ConnectionError, Reply};
use stockhold_protocol::query::{Name, Query, QueryAnswer};
use stockhold_protocol::{ChannelId, Code, SkuId, SourceId, StockId};

/// The maximum number of names in a frame.
const NAMES_PER_FRAME: usize = 1_000;
/// The maximum number of checks in a frame.
const CHECKS_PER_FRAME: usize = 4_096;

impl ServerConnection {
    /// Asks one query.
    pub(super) fn query(&mut self, query: &Query) -> Result<QueryAnswer, Failure> {
        let answer = self.query_or_why_not(query)?;
        if let QueryAnswer::Failed(sentence) = answer {
            return Err(Failure { exit: Exit::Unreachable, error: anyhow!(sentence) });
        }
        Ok(answer)
    }

    /// Asks one query that the server may refuse to answer.
    pub(super) fn query_or_why_not(&mut self, query: &Query) -> Result<QueryAnswer, Failure> {
        self.ask(async |connection, _| {
            connection.submit_query(query).map_err(|_| ConnectionError::Closed)?;
            loop {
                connection.turn().await?;
                while let Some(reply) = connection.next_reply()? {
                    if let Reply::Answer { answer, .. } = reply {
                        return Ok(Asked::Answered(*answer));
                    }
                }
            }
        })
    }

    /// The salable quantity of each pair, and the op of these values.
    pub(super) fn check(
        &mut self,
        pairs: &[(SkuId, StockId)],
        min_op: u64,
    ) -> Result<(u64, Vec<i64>), Failure> {
        let (mut last_op, mut cells) = (0, Vec::with_capacity(pairs.len()));
        for chunk in pairs.chunks(CHECKS_PER_FRAME) {
            let (op, mut some) = self.ask(async |connection, left_ms| {
                connection.submit_checks(chunk, min_op, left_ms).map_err(|_| ConnectionError::Closed)?;
                while connection.in_flight() > 0 {
                    connection.turn().await?;
                    while let Some(reply) = connection.next_reply()? {
                        match reply {
                            Reply::Cells(frame) => {
                                return Ok(Asked::Answered((frame.op, frame.raw().collect::<Vec<_>>())));
                            }
                            // It is busy, or it has not reached the op within the time that it waits.
                            Reply::Outcomes(frame) => {
                                let first = frame.iter().next().transpose()?;
                                let (code, after_ms) = first.map_or((Code::Behind, 0), |(_, outcome)| {
                                    (outcome.code, if outcome.code == Code::Busy { outcome.value } else { 0 })
                                });
                                return Ok(Asked::NotYet { code, after_ms });
                            }
                            Reply::Resolved { .. } | Reply::Answer { .. } | Reply::Goodbye => {}
                        }
                    }
                }
                Err(ConnectionError::Closed)
            })?;
            last_op = op;
            cells.append(&mut some);
        }
        Ok((last_op, cells))
    }

    /// The numbers of names; `None` for an unknown name.
    pub(super) fn resolve(&mut self, names: &[Name]) -> Result<Vec<Option<u32>>, Failure> {
        let mut numbers = Vec::with_capacity(names.len());
        for chunk in names.chunks(NAMES_PER_FRAME) {
            let mut some = self.ask(async |connection, _| {
                connection.submit_resolve(chunk).map_err(|_| ConnectionError::Closed)?;
                loop {
                    connection.turn().await?;
                    while let Some(reply) = connection.next_reply()? {
                        if let Reply::Resolved { numbers, .. } = reply {
                            return Ok(Asked::Answered(numbers));
                        }
                    }
                }
            })?;
            numbers.append(&mut some);
        }
        for (name, number) in names.iter().zip(&numbers) {
            if let (Name::Sku(sku), Some(number)) = (name, number) {
                self.sku_names.insert(SkuId(*number), sku.clone());
            }
        }
        Ok(numbers)
    }

    /// The number of one name.
    pub(super) fn one(&mut self, name: &Name) -> Result<u32, Failure> {
        let numbers = self.resolve(std::slice::from_ref(name))?;
        numbers.first().copied().flatten().ok_or_else(|| unknown_name(name))
    }

    /// The number of a SKU.
    pub(super) fn sku(&mut self, sku: &str) -> Result<SkuId, Failure> {
        self.one(&Name::Sku(sku.to_owned())).map(SkuId)
    }

    /// The number of a stock.
    pub(super) fn stock(&mut self, name: &str) -> Result<StockId, Failure> {
        self.one(&Name::Stock(name.to_owned())).map(StockId)
    }

    /// The number of a source.
    pub(super) fn source(&mut self, code: &str) -> Result<SourceId, Failure> {
        self.one(&Name::Source(code.to_owned())).map(SourceId)
    }

    /// The number of a channel.
    pub(super) fn channel(&mut self, channel: &ChannelName) -> Result<ChannelId, Failure> {
        self.one(&Name::Channel(channel.kind.clone(), channel.code.clone())).map(ChannelId)
    }

    /// The name of a SKU by its number.
    pub(super) fn sku_name(&mut self, sku: SkuId) -> Result<String, Failure> {
        if let Some(name) = self.sku_names.get(&sku) {
            return Ok(name.clone());
        }
        let QueryAnswer::Sku(view) = self.query(&Query::Sku(sku))? else { return Err(wrong_answer()) };
        let name = view.map_or_else(|| format!("#{sku}"), |view| view.sku);
        self.sku_names.insert(sku, name.clone());
        Ok(name)
    }
}

/// The failure for an unknown name.
pub(super) fn unknown_name(name: &Name) -> Failure {
    Failure::usage(match name {
        Name::Sku(sku) => format!("there is no SKU \"{sku}\""),
        Name::Stock(stock) => format!("there is no stock \"{stock}\""),
        Name::Source(code) => format!("there is no source \"{code}\""),
        Name::Channel(kind, code) => format!("there is no channel \"{kind}/{code}\""),
    })
}

/// The failure for an answer of the wrong kind. The peer is not a valid server.
pub(super) fn wrong_answer() -> Failure {
    Failure { exit: Exit::Unreachable, error: anyhow!("the server gave an answer of the wrong kind") }
}
