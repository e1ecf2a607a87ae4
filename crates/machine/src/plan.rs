//! The plan of a cart's line: where it stands and what it will get. It is made in `cart` and executed in `grant`.

use crate::record::LineState;
use crate::state::At;

/// What one line of a cart will get.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planned {
    pub(crate) at: At,
    pub(crate) sku: u32,
    pub(crate) granted: i64,
    pub(crate) counts: bool,
    /// The quota that it takes from; 0 = none.
    pub(crate) quota_number: u32,
    /// Units that lean on an allowance.
    pub(crate) backordered: i64,
}

impl Planned {
    /// The line of a reservation that this becomes.
    pub(crate) const fn granted_line(&self) -> LineState {
        LineState {
            sku: self.sku,
            quota_number: if self.counts { self.quota_number } else { 0 },
            counts: self.counts,
            granted: self.granted,
            open: self.granted,
            shipped: 0,
            returned: 0,
        }
    }
}
