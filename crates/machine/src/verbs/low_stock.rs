//! The rules of low-stock configurations. Reads only; `moves` executes what is decided.

use crate::decision::Refusal;
use crate::ledger::record::{INHERITED, NotifyRow};
use crate::ledger::state::State;
use crate::moves::Definition;
use stockhold_protocol::Quantity;
use stockhold_protocol::command::Notify;

impl State {
    /// Decides on a configuration, of at most `most`.
    pub(crate) fn check_notify(&self, notify: Notify, most: u32) -> Result<Definition, Refusal> {
        self.require_sku(notify.sku)?;
        if self.catalog.source(notify.source.0).is_none() {
            return Err(Refusal::unknown("source"));
        }
        let (sku, source) = (notify.sku.0, notify.source.0);
        if !notify.is_set {
            return Ok(Definition::NoNotify { sku, source });
        }
        if self.notifies.len() >= most && self.notify_of(sku, source).is_none() {
            return Err(Refusal::limit("low-stock configurations", most));
        }
        let threshold = notify.threshold.map_or(INHERITED, Quantity::raw);
        Ok(Definition::Notify(NotifyRow { sku, source, threshold }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Genesis;
    use crate::ledger::record::ItemRow;
    use crate::moves::ItemPlan;
    use stockhold_protocol::command::{SkuKind, SourceDefinition, TransferMany};
    use stockhold_protocol::{Code, SkuId, SourceId};

    #[test]
    fn there_are_no_more_configurations_than_allowed() {
        // Proves the limit one below and at it: a new configuration is refused at it, and a change is not.
        let mut state = State::new(&Genesis::default());
        state.define(Definition::Source { known: None, definition: SourceDefinition::default() });
        for name in ["A", "B", "C"] {
            let name = name.to_owned();
            state.define(Definition::NewSku { name, kind: SkuKind::Simple, decimals: false });
        }
        let notify = |sku, is_set| Notify { sku: SkuId(sku), source: SourceId(0), is_set, threshold: None };
        let mut decide = |notify| match state.check_notify(notify, 2) {
            Ok(definition) => {
                state.define(definition);
                Code::Ok
            }
            Err(refusal) => refusal.code,
        };
        assert_eq!(decide(notify(0, true)), Code::Ok);
        assert_eq!(decide(notify(1, true)), Code::Ok);
        assert_eq!(decide(notify(2, true)), Code::LimitReached);
        assert_eq!(decide(notify(1, true)), Code::Ok);
        assert_eq!(decide(notify(0, false)), Code::Ok);
        assert_eq!(decide(notify(2, true)), Code::Ok);
    }
    #[test]
    fn a_transfer_makes_no_more_configurations_than_allowed() {
        // Proves the limit one below and at it: a copy is refused at it, and a configuration that moves is not.
        let mut state = State::new(&Genesis::default());
        for code in ["A1", "A2"] {
            let definition = SourceDefinition { code: code.into(), ..SourceDefinition::default() };
            state.define(Definition::Source { known: None, definition });
        }
        state.define(Definition::NewSku { name: "A".into(), kind: SkuKind::Simple, decimals: false });
        state.add_items(0, &[ItemRow::new(0, 0)]);
        state.define(Definition::Notify(NotifyRow { sku: 0, source: 0, threshold: INHERITED }));
        let decide = |unassign, most| {
            let (from, to, skus) = (SourceId(0), SourceId(1), vec![SkuId(0)]);
            let transfer = TransferMany { from, to, skus, unassign, forced: false, reason: String::new() };
            let answer = state.plan_transfer_many(&transfer, most, &mut ItemPlan::default());
            answer.map_or_else(|refusal| refusal.code, |answer| answer.code)
        };
        assert_eq!(decide(false, 2), Code::Ok);
        assert_eq!(decide(false, 1), Code::LimitReached);
        assert_eq!(decide(true, 1), Code::Ok);
    }
}
