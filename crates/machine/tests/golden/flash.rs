//! The part of the golden log about the rules of a flash sale.

use super::generator::Generator;
use stockhold_protocol::command::{Change, Freeze, FreezeScope, SettingScope, SettingsChange};
use stockhold_protocol::{ChannelId, Command, SkuId, StockId, Timestamp};

impl Generator {
    /// A sale of lamps that opens later, is frozen, and goes on.
    pub(super) fn flash_sale(&mut self) -> Vec<Vec<u8>> {
        let scope = SettingScope::SkuStock(SkuId(4), StockId(4));
        let opens_at = Change::Set(Timestamp::MAX);
        let closes_at = Change::Set(Timestamp(0));
        let mut records = Vec::new();
        for change in [
            SettingsChange { opens_at, closes_at, ..SettingsChange::at(scope) },
            SettingsChange {
                opens_at: Change::Unset,
                frozen: Change::Set(true),
                ..SettingsChange::at(scope)
            },
            SettingsChange { frozen: Change::Set(false), ..SettingsChange::at(scope) },
        ] {
            records.push(self.record(Command::Settings(Box::new(change))));
            records.push(self.lamps(1, None));
        }
        let stock = FreezeScope::Stock(StockId(4));
        let channel = FreezeScope::Channel(ChannelId(0));
        for (scope, frozen) in [(stock, true), (channel, true), (stock, false)] {
            records.push(self.record(Command::Freeze(Freeze { scope, frozen })));
            records.push(self.lamps(1, None));
        }
        records
    }
}
