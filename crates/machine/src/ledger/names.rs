//! Names and the numbers that they mean: the name that a thing has now and, in their grace, its old names.
//!
//! A number always means the same thing, but a name may be given to another thing. Then the name generation
//! rises, so that a client cannot use the number that the name meant before.

use crate::ledger::state::State;
use stockhold_protocol::query::Name;

impl State {
    /// The number of the thing that has this name now.
    fn number_of(&self, name: &Name) -> Option<u32> {
        match name {
            Name::Sku(sku) => self.sku_of_name(sku),
            Name::Stock(stock) => self.catalog.stock_of_name(stock),
            Name::Source(code) => self.catalog.source_of_code(code),
            Name::Channel(channel_type, code) => self.catalog.channel_of_name(channel_type, code),
        }
    }

    /// The number that a name means: of the thing that has it now, or that had it and whose grace has not ended.
    pub(crate) fn resolve(&self, name: &Name) -> Option<u32> {
        self.number_of(name).or_else(|| self.catalog.old_names().in_grace(name, self.core.time))
    }

    /// The name that a thing has now. The thing is of the same kind as `like`.
    pub(crate) fn name_of(&self, like: &Name, number: u32) -> Option<Name> {
        let at = number as usize;
        match like {
            Name::Sku(_) => self.has_sku(number).then(|| Name::Sku(self.skus.get(number).name)),
            Name::Stock(_) => self.catalog.stocks.get(at).cloned().map(Name::Stock),
            Name::Source(_) => self.catalog.source(number).map(|source| Name::Source(source.code.clone())),
            Name::Channel(..) => {
                let channel = self.catalog.channels.get(at)?;
                Some(Name::Channel(channel.channel_type.clone(), channel.code.clone()))
            }
        }
    }

    /// Records that a thing has got a name that meant nothing. If the name once meant another thing, the name
    /// generation rises.
    pub(crate) fn give_name(&mut self, name: Name, number: u32) {
        if self.catalog.forget_old_name(&name).is_some_and(|old| old.number != number) {
            self.raise_name_generation();
        }
        self.changes.names.push((name, number));
    }

    /// Whoever asks for the commands in hand has resolved numbers by this generation.
    pub(crate) const fn know_names(&mut self, generation: u32) {
        self.names_known = generation;
        self.has_old_numbers = generation < self.core.name_generation;
    }

    pub(crate) const fn raise_name_generation(&mut self) {
        self.core.name_generation = self.core.name_generation.saturating_add(1);
        self.know_names(self.names_known);
    }

    /// Whether an old name is one that a machine can have: its thing exists, and no thing has the name now.
    pub(crate) fn is_sound_old_name(&self, op: u64) -> bool {
        self.catalog.old_names().get(op).is_some_and(|old| {
            op <= self.core.op
                && self.name_of(&old.name, old.number).is_some()
                && self.number_of(&old.name).is_none()
        })
    }
}
