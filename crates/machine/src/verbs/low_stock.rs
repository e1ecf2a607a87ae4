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
    use stockhold_protocol::command::{SkuKind, SourceDefinition};
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
}
