//! Point-of-sale sales: reserved, confirmed and shipped at once.

use crate::decide::{Answer, Decision, PlannedLine, amount, merged, unknown};
use crate::lifecycle::Departure;
use crate::orders::order_of_sale;
use crate::state::{Line, Model, Reservation, Shipment, Stage};
use crate::step::{SKUS, SOURCES, Wanted};
use std::collections::BTreeMap;
use std::sync::Arc;
use stockhold_protocol::command::Target;
use stockhold_protocol::{Code, CommandId, Detail, Outcome};

impl Model {
    pub(crate) fn sell(
        &mut self,
        id: CommandId,
        target: Target,
        source: u32,
        lines: &Wanted,
        forced: bool,
    ) -> Decision {
        let stock = if forced {
            self.stock_of(target).ok_or(unknown("target", 0))?
        } else {
            self.stock_to_promise(target)?
        };
        if source >= SOURCES {
            return Err(unknown("source", 0));
        }
        self.check_limits(lines.len())?;
        let number = order_of_sale(lines);
        self.check_order(number, 0)?;
        let asked = merged(lines);
        let planned = if forced {
            self.plan_forced(stock, &asked)?
        } else {
            self.plan((stock, false), &asked, false, &[])?
        };
        let departures: Vec<_> = (0..)
            .zip(&planned)
            .filter(|(_, line)| line.counts)
            .map(|(index, line)| Departure { index, sku: line.sku, units: line.granted, promised: 0 })
            .collect();
        self.check_departures(&departures, source, stock, forced)?;
        let mut lines = Vec::new();
        for line in &planned {
            let quota = if line.counts { line.quota } else { 0 };
            if line.counts {
                self.move_item(line.sku, source, -line.granted);
            }
            lines.push(Line {
                sku: line.sku,
                counts: line.counts,
                quota,
                granted: line.granted,
                open: 0,
                shipments: vec![Shipment {
                    of: (source, quota, line.counts),
                    units: line.granted,
                    beyond: 0,
                }],
                returned: 0,
                spent: BTreeMap::from([(quota, line.granted)]),
            });
        }
        let end_s = Self::round_up(self.hold_ms() + self.limits.window_ms);
        let outcome = Arc::new(Outcome::new(Code::Ok, 0, 0));
        let (stage, body, origin_ms) = (Stage::Shipped, "".into(), self.hold_ms());
        let made = Reservation {
            stock,
            owner: 0,
            origin_ms,
            deadline_s: 0,
            end_s,
            stage,
            lines,
            is_hold: false,
            order: None,
            body,
            outcome,
        };
        self.reservations.insert(id, made);
        self.join_order(id, number, 0);
        let counted = planned.iter().filter(|line| line.counts);
        let short = counted.map(|line| self.total_shortfall(line.sku)).sum();
        Ok((Code::Ok, 0, if forced { Detail::Shortfall(amount(short)) } else { Detail::None }))
    }

    pub(crate) fn plan_forced(&self, stock: u32, lines: &[(u32, i64)]) -> Result<Vec<PlannedLine>, Answer> {
        let plan = |(index, (sku, granted)): (usize, &(u32, i64))| {
            if *sku >= SKUS {
                return Err(unknown("lines", index));
            }
            let counts = self.settings(*sku, stock).manage_stock;
            Ok(PlannedLine {
                sku: *sku,
                granted: *granted,
                counts,
                quota: self.quota(*sku, stock),
                backordered: 0,
            })
        };
        lines.iter().enumerate().map(plan).collect()
    }
}
