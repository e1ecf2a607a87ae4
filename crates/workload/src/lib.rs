//! A flash sale as its clients see it: seeded carts, a ledger of everything that the server acknowledged,
//! and an audit that believes the ledger and nothing else.
//!
//! Shared by the demonstration and the load tool. It is *not* a driver of load: when to send what, over how
//! many connections, is for its users. It looks at no state of the server beside what any client may ask.
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
