//! Names: the present names of things, their old names, and how often a name was given to another thing.

use crate::decide::{Answer, Decision, plain};
use crate::state::Model;
use crate::step::{
    CHANNELS, SKUS, SOURCES, STOCKS, Step, channel_assignment, sku_name, source_definition, stock_name,
};
use std::collections::BTreeMap;
use stockhold_protocol::query::Name;
use stockhold_protocol::{Code, Detail};

/// All names of the model.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    present: BTreeMap<Name, u32>,
    /// Old names with the number of their thing and the end of their grace.
    old: BTreeMap<Name, (u32, u64)>,
    generation: u32,
    /// The generation by which the client of the next commands resolved its numbers.
    known: u32,
}

impl Names {
    /// The names with which everything is defined.
    pub(crate) fn defined() -> Self {
        let sources = (0..SOURCES).map(|number| (source_name(number), number));
        let stocks = (0..STOCKS).map(|number| (Name::Stock(stock_name(number)), number));
        let channels = (0..CHANNELS).map(|number| (channel_name(number), number));
        let skus = (0..SKUS).map(|number| (Name::Sku(sku_name(number)), number));
        let present = sources.chain(stocks).chain(channels).chain(skus).collect();
        Self { present, old: BTreeMap::new(), generation: 0, known: u32::MAX }
    }

    fn name_of(&self, like: &Name, number: u32) -> Option<&Name> {
        let is_alike = |name: &Name| std::mem::discriminant(name) == std::mem::discriminant(like);
        self.present.iter().find(|(name, of)| **of == number && is_alike(name)).map(|(name, _)| name)
    }

    fn give(&mut self, name: Name, number: u32) {
        if self.old.remove(&name).is_some_and(|(had_it, _)| had_it != number) {
            self.generation += 1;
        }
        self.present.insert(name, number);
    }
}

fn source_name(source: u32) -> Name {
    Name::Source(source_definition(source, true).code)
}

fn channel_name(channel: u32) -> Name {
    let assignment = channel_assignment(channel, 0);
    Name::Channel(assignment.channel_type, assignment.code)
}

fn text(name: &Name) -> String {
    match name {
        Name::Sku(name) | Name::Stock(name) | Name::Source(name) => name.clone(),
        Name::Channel(channel_type, code) => format!("{channel_type}/{code}"),
    }
}

fn field(code: Code, field: &str, rule: String) -> Answer {
    (code, 0, Detail::Field { field: field.to_owned(), rule })
}

impl Model {
    /// Sets the name generation by which the client of the next commands resolved its numbers.
    pub fn know_names(&mut self, generation: u32) {
        self.names.known = generation;
    }

    /// How often a name was given to another thing.
    #[must_use]
    pub fn name_generation(&self) -> u32 {
        self.names.generation
    }

    /// The number of the thing that has a name, or had it and is still in its grace.
    #[must_use]
    pub fn resolve(&self, name: &Name) -> Option<u32> {
        let had_it = self.names.old.get(name).filter(|(_, until_ms)| self.now_ms < *until_ms);
        self.names.present.get(name).copied().or(had_it.map(|(number, _)| *number))
    }

    /// The names that things had and that nothing has got since: their number, the present name of that, and when their grace ends.
    #[must_use]
    pub fn old_names(&self) -> BTreeMap<Name, (u32, Name, u64)> {
        let view = |(name, (number, until_ms)): (&Name, &(u32, u64))| {
            let present = self.names.name_of(name, *number).expect("everything has a name").clone();
            (name.clone(), (*number, present, *until_ms))
        };
        self.names.old.iter().map(view).collect()
    }

    /// Whether a step contains numbers that were resolved before a name was given to another thing.
    pub(crate) fn has_old_numbers(&self, step: &Step) -> bool {
        let has_numbers = !matches!(
            step,
            Step::Confirm(_)
                | Step::Extend(..)
                | Step::PlaceFailed(..)
                | Step::Enable(..)
                | Step::Sharing(_)
                | Step::Configure(_)
                | Step::Mark(_)
                | Step::Unmark(_)
                | Step::Tick
        );
        has_numbers && self.names.known < self.names.generation
    }

    pub(crate) fn rename(&mut self, number: u32, to: &Name) -> Decision {
        let Some(old) = self.names.name_of(to, number).cloned() else {
            return Err(field(Code::UnknownName, "number", "is not a known name".to_owned()));
        };
        if old == *to {
            return Ok(plain(Code::Ok));
        }
        if let Some(owner) = self.resolve(to).filter(|owner| *owner != number) {
            let owner = self.names.name_of(to, owner).map(text).unwrap_or_default();
            return Err(field(Code::NameTaken, "to", format!("belongs to {owner}")));
        }
        self.names.present.remove(&old);
        self.names.old.insert(old, (number, self.now_ms + self.limits.name_grace_ms));
        self.names.give(to.clone(), number);
        Ok(plain(Code::Ok))
    }

    /// Defines a source by its first code. Its display name never changes, so no other source can get it.
    pub(crate) fn define_source(&mut self, source: u32, enabled: bool) -> Decision {
        let code = source_name(source);
        if self.resolve(&code) == Some(source) {
            return Ok(self.enable(source, enabled));
        }
        let owner = self.names.name_of(&code, source).map(text).unwrap_or_default();
        Err(field(Code::NameTaken, "name", format!("belongs to source {owner}")))
    }

    /// Assigns a channel by its first name. If the name means nothing any more, a new channel gets it.
    pub(crate) fn assign_channel(&mut self, channel: u32, stock: u32) -> Answer {
        let name = channel_name(channel);
        let number = self.resolve(&name).unwrap_or_else(|| {
            let number = u32::try_from(self.channels.len()).expect("few");
            self.channels.push(stock);
            self.names.give(name, number);
            number
        });
        self.channels[number as usize] = stock;
        (Code::Ok, number, Detail::None)
    }
}
