//! A flash sale as its clients see it: seeded carts, a ledger of everything that the server acknowledged, and an
//! audit that trusts only the ledger.
//!
//! The demonstration and the load tool share this crate. It does not drive load: its users decide when to send what
//! over how many connections. It uses no server state beyond what any client may query.
//!
//! Reading order: [`carts`], [`ledger`], [`facts`], [`shortfall`], [`timeline`], [`audit`].
#![forbid(unsafe_code)]

pub mod audit;
pub mod carts;
pub mod facts;
pub mod ledger;
pub mod shortfall;
pub mod timeline;

pub use audit::{Audit, AuditError, AuditPlan, hold_time_ms};
pub use carts::{CartEnding, CartGenerator, CartMix, Popularity, Step};
pub use facts::{Allowance, FactsError, SkuFacts, StockFacts};
pub use ledger::{Ledger, Tally};
