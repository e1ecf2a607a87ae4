//! The small catalog: sources, stocks, links and channels with their names, and the layout that follows
//! from the links. SKUs are many and stand elsewhere.
//!
//! Numbers are places in these lists, given out in log order and never reused.

use crate::record::{Overrides, Section};
use crate::sharing::{GroupTooLarge, Layout, Sharing};
use crate::table::record_hash;
use std::collections::BTreeMap;
use stockhold_protocol::codec::encode_cold;
use stockhold_protocol::command::SourceDefinition;
use wincode::{SchemaRead, SchemaWrite};

/// One link; its id is the order in which it was made and survives a change of priority.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub(crate) struct LinkRow {
    pub(crate) id: u64,
    pub(crate) stock: u32,
    pub(crate) source: u32,
    pub(crate) priority: u16,
}

/// One channel.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub(crate) struct ChannelRow {
    pub(crate) channel_type: String,
    pub(crate) code: String,
    pub(crate) stock: u32,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Catalog {
    pub(crate) sources: Vec<SourceDefinition>,
    source_by_code: BTreeMap<String, u32>,
    source_by_name: BTreeMap<String, u32>,
    pub(crate) stocks: Vec<String>,
    stock_by_name: BTreeMap<String, u32>,
    pub(crate) channels: Vec<ChannelRow>,
    channel_by_name: BTreeMap<(String, String), u32>,
    /// By (stock, source).
    pub(crate) links: BTreeMap<(u32, u32), LinkRow>,
    pub(crate) links_made: u64,
    /// The outermost level of settings.
    pub(crate) global: Overrides,
    pub(crate) layout: Layout,
}

/// The number of a name that is put at the end of a list.
fn next_number<T>(list: &[T]) -> u32 {
    u32::try_from(list.len()).unwrap_or(u32::MAX)
}

impl Catalog {
    pub(crate) fn new() -> Self {
        let Ok(layout) = Layout::build([], [], Sharing::Exact) else {
            unreachable!("a layout of nothing exceeds no limit")
        };
        Self {
            sources: Vec::new(),
            source_by_code: BTreeMap::new(),
            source_by_name: BTreeMap::new(),
            stocks: Vec::new(),
            stock_by_name: BTreeMap::new(),
            channels: Vec::new(),
            channel_by_name: BTreeMap::new(),
            links: BTreeMap::new(),
            links_made: 0,
            global: Overrides::default(),
            layout,
        }
    }

    pub(crate) fn source_of_code(&self, code: &str) -> Option<u32> {
        self.source_by_code.get(code).copied()
    }

    pub(crate) fn source_of_name(&self, name: &str) -> Option<u32> {
        self.source_by_name.get(name).copied()
    }

    pub(crate) fn stock_of_name(&self, name: &str) -> Option<u32> {
        self.stock_by_name.get(name).copied()
    }

    pub(crate) fn channel_of_name(&self, channel_type: &str, code: &str) -> Option<u32> {
        self.channel_by_name.get(&(channel_type.to_owned(), code.to_owned())).copied()
    }

    pub(crate) fn source(&self, source: u32) -> Option<&SourceDefinition> {
        self.sources.get(source as usize)
    }

    pub(crate) fn has_stock(&self, stock: u32) -> bool {
        (stock as usize) < self.stocks.len()
    }

    /// Puts a source at the end, or in the place of the one with this number.
    pub(crate) fn set_source(&mut self, number: Option<u32>, definition: SourceDefinition) -> u32 {
        let number = number.unwrap_or_else(|| next_number(&self.sources));
        if let Some(old) = self.sources.get(number as usize) {
            self.source_by_name.remove(&old.name);
        }
        self.source_by_code.insert(definition.code.clone(), number);
        self.source_by_name.insert(definition.name.clone(), number);
        match self.sources.get_mut(number as usize) {
            Some(place) => *place = definition,
            None => self.sources.push(definition),
        }
        number
    }

    pub(crate) fn add_stock(&mut self, name: String) -> u32 {
        let number = next_number(&self.stocks);
        self.stock_by_name.insert(name.clone(), number);
        self.stocks.push(name);
        number
    }

    /// Puts a channel at the end, or moves the one of this name.
    pub(crate) fn set_channel(&mut self, row: ChannelRow) -> u32 {
        let name = (row.channel_type.clone(), row.code.clone());
        if let Some(number) = self.channel_by_name.get(&name).copied() {
            self.channels[number as usize] = row;
            return number;
        }
        let number = next_number(&self.channels);
        self.channel_by_name.insert(name, number);
        self.channels.push(row);
        number
    }

    /// The layout that the present stocks and these links make.
    pub(crate) fn layout_with<'a>(
        &self,
        links: impl Iterator<Item = &'a (u32, u32)>,
        sharing: Sharing,
    ) -> Result<Layout, GroupTooLarge> {
        Layout::build(0..next_number(&self.stocks), links.copied(), sharing)
    }

    /// The links of a stock by (priority, link id): the order in which sources are looked at.
    pub(crate) fn links_of(&self, stock: u32) -> Vec<LinkRow> {
        let range = self.links.range((stock, 0)..=(stock, u32::MAX));
        let mut links: Vec<LinkRow> = range.map(|(_, link)| *link).collect();
        links.sort_unstable_by_key(|link| (link.priority, link.id));
        links
    }

    /// Walks all records with their sections and bytes: for snapshots and for the digest.
    pub(crate) fn records(&self, visit: &mut dyn FnMut(Section, &[u8])) {
        let mut bytes = Vec::new();
        let mut emit =
            |section: Section, encoded: Result<(), stockhold_protocol::BadField>, bytes: &mut Vec<u8>| {
                assert!(encoded.is_ok(), "catalog records are bounded and always encode");
                visit(section, bytes);
                bytes.clear();
            };
        for source in &self.sources {
            let encoded = encode_cold(source, &mut bytes);
            emit(Section::Source, encoded, &mut bytes);
        }
        for stock in &self.stocks {
            let encoded = encode_cold(stock, &mut bytes);
            emit(Section::Stock, encoded, &mut bytes);
        }
        for link in self.links.values() {
            let encoded = encode_cold(link, &mut bytes);
            emit(Section::Link, encoded, &mut bytes);
        }
        for channel in &self.channels {
            let encoded = encode_cold(channel, &mut bytes);
            emit(Section::Channel, encoded, &mut bytes);
        }
    }

    /// The sum of the hashes of all records; each hash covers the record's place in its list too.
    pub(crate) fn hash(&self) -> u64 {
        let (mut sum, mut at, mut scratch) = (0_u64, 0_u64, Vec::new());
        self.records(&mut |section, bytes| {
            scratch.clear();
            scratch.extend_from_slice(&at.to_le_bytes());
            scratch.extend_from_slice(bytes);
            at = at.wrapping_add(1);
            sum = sum.wrapping_add(record_hash(section as u8, &scratch));
        });
        sum
    }
}
