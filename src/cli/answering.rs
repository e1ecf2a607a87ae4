//! Whoever answers questions: a running server, or a machine that replayed a log up to a moment of the past. What prints the
//! answers is the same for both.

use super::exit::Failure;
use super::questions::{unknown_name, wrong_answer};
use super::server_connection::ServerConnection;
use stockhold_machine::Machine;
use stockhold_protocol::SkuId;
use stockhold_protocol::query::{Name, Query, QueryAnswer};

/// The records that one step of a scan visits. Nobody else waits for the machine.
const RECORDS_PER_STEP: u32 = 65_536;

/// Answers questions about one state.
pub(super) trait Answering {
    /// Asks one query.
    fn query(&mut self, query: &Query) -> Result<QueryAnswer, Failure>;

    /// The number of a name.
    fn number(&mut self, name: &Name) -> Result<u32, Failure>;

    /// The name of a SKU by its number.
    fn sku_name(&mut self, sku: SkuId) -> Result<String, Failure> {
        let QueryAnswer::Sku(view) = self.query(&Query::Sku(sku))? else { return Err(wrong_answer()) };
        Ok(view.map_or_else(|| format!("#{sku}"), |view| view.sku))
    }
}

impl Answering for ServerConnection {
    fn query(&mut self, query: &Query) -> Result<QueryAnswer, Failure> {
        ServerConnection::query(self, query)
    }

    fn number(&mut self, name: &Name) -> Result<u32, Failure> {
        self.one(name)
    }

    fn sku_name(&mut self, sku: SkuId) -> Result<String, Failure> {
        ServerConnection::sku_name(self, sku)
    }
}

impl Answering for &Machine {
    fn query(&mut self, query: &Query) -> Result<QueryAnswer, Failure> {
        if let Query::Reservations { filter, after, limit } = query {
            let mut scan = self.begin_reservation_scan(*filter, *after, *limit);
            loop {
                if let Some(view) = self.reservation_scan_step(&mut scan, RECORDS_PER_STEP) {
                    return Ok(QueryAnswer::Reservations(view));
                }
            }
        }
        Machine::query(self, query).ok_or_else(wrong_answer)
    }

    fn number(&mut self, name: &Name) -> Result<u32, Failure> {
        self.resolve(name).ok_or_else(|| unknown_name(name))
    }
}
