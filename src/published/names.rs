//! Maps names to numbers, for connections that resolve names without asking the machine. The machine's own names
//! decide; these are a copy.

use dashmap::DashMap;
use stockhold_protocol::query::Name;

/// All names that the applied state knows.
#[derive(Debug, Default)]
pub struct Names {
    skus: DashMap<Box<str>, u32>,
    stocks: DashMap<Box<str>, u32>,
    sources: DashMap<Box<str>, u32>,
    channels: DashMap<Box<str>, u32>,
}

/// The key of a channel. It begins with the length of the type, so that two channels never have the same key.
fn channel_key(channel_type: &str, code: &str) -> String {
    format!("{}:{channel_type}/{code}", channel_type.len())
}

impl Names {
    /// Adds a name.
    pub fn insert(&self, name: &Name, number: u32) {
        match name {
            Name::Sku(sku) => self.skus.insert(sku.as_str().into(), number),
            Name::Stock(stock) => self.stocks.insert(stock.as_str().into(), number),
            Name::Source(source) => self.sources.insert(source.as_str().into(), number),
            Name::Channel(channel_type, code) => {
                self.channels.insert(channel_key(channel_type, code).into(), number)
            }
        };
    }

    /// Forgets a name that stands for nothing any more.
    pub fn remove(&self, name: &Name) {
        match name {
            Name::Sku(sku) => self.skus.remove(sku.as_str()),
            Name::Stock(stock) => self.stocks.remove(stock.as_str()),
            Name::Source(source) => self.sources.remove(source.as_str()),
            Name::Channel(channel_type, code) => {
                self.channels.remove(channel_key(channel_type, code).as_str())
            }
        };
    }

    /// The number of a name.
    #[must_use]
    pub fn resolve(&self, name: &Name) -> Option<u32> {
        match name {
            Name::Sku(sku) => self.skus.get(sku.as_str()).map(|number| *number),
            Name::Stock(stock) => self.stocks.get(stock.as_str()).map(|number| *number),
            Name::Source(source) => self.sources.get(source.as_str()).map(|number| *number),
            Name::Channel(channel_type, code) => {
                self.channels.get(channel_key(channel_type, code).as_str()).map(|number| *number)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_different_kinds_and_odd_channels_stay_apart() {
        // Proves that the same text is another name under another kind, or split elsewhere.
        let names = Names::default();
        names.insert(&Name::Sku("A".into()), 1);
        names.insert(&Name::Stock("A".into()), 2);
        names.insert(&Name::Channel("a/b".into(), "c".into()), 3);
        names.insert(&Name::Channel("a".into(), "b/c".into()), 4);
        assert_eq!(names.resolve(&Name::Sku("A".into())), Some(1));
        assert_eq!(names.resolve(&Name::Stock("A".into())), Some(2));
        assert_eq!(names.resolve(&Name::Source("A".into())), None);
        assert_eq!(names.resolve(&Name::Channel("a/b".into(), "c".into())), Some(3));
        assert_eq!(names.resolve(&Name::Channel("a".into(), "b/c".into())), Some(4));
        names.remove(&Name::Sku("A".into()));
        names.remove(&Name::Channel("a".into(), "b/c".into()));
        assert_eq!(names.resolve(&Name::Sku("A".into())), None);
        assert_eq!(names.resolve(&Name::Stock("A".into())), Some(2));
        assert_eq!(names.resolve(&Name::Channel("a/b".into(), "c".into())), Some(3));
        assert_eq!(names.resolve(&Name::Channel("a".into(), "b/c".into())), None);
    }
}
