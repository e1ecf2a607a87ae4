//! The commands of the golden log that change many source items.

use stockhold_protocol::command::{Assign, CountLine, CountMany, TransferLines, TransferMany, Unassign};
use stockhold_protocol::{Command, Line, Quantity, SkuId, SourceId};

/// A command of the kind that `kind` selects.
pub(crate) fn bulk_command(kind: u32, source: u32, lines: &[Line], quantity: Quantity) -> Command<'static> {
    let (from, to) = (SourceId(source), SourceId((source + 1) % 5));
    let mut skus: Vec<SkuId> = lines.iter().map(|line| line.sku).collect();
    skus.dedup();
    let (forced, reason) = (quantity.raw() % 20_000 == 0, "season".to_owned());
    match kind {
        0 => {
            skus.sort_unstable();
            skus.dedup();
            let counted = |sku: &SkuId| CountLine {
                sku: *sku,
                source: from,
                quantity,
                in_stock: forced.then_some(false),
            };
            let lines = skus.iter().map(counted).collect();
            Command::CountMany(Box::new(CountMany { lines, reason, reference: "INV-7".into() }))
        }
        1 => Command::Assign(Box::new(Assign { skus, sources: vec![from, to], reason })),
        2 => Command::Unassign(Box::new(Unassign { skus, sources: vec![from, to], forced, reason })),
        3 => {
            let unassign = quantity.raw() % 30_000 == 0;
            Command::TransferMany(Box::new(TransferMany { from, to, skus, unassign, forced, reason }))
        }
        _ => Command::TransferLines(Box::new(TransferLines {
            from,
            to,
            lines: lines.to_vec(),
            forced,
            reason,
        })),
    }
}
