//! Names and dense numbers: references by either, and the cache of numbers. The cache is valid for one log identity
//! and is emptied when a connection reaches another log.

use parking_lot::RwLock;
use std::collections::HashMap;
use std::fmt;
use stockhold_protocol::command::{SettingScope, Target};
use stockhold_protocol::frame::low_bits;
use stockhold_protocol::handshake::Welcome;
use stockhold_protocol::limits::{FRAME_BODY_BYTES_MAX, FRAME_COUNT_MAX, LINE_QUANTITY_MAX};
use stockhold_protocol::query::Name;
use stockhold_protocol::{
    BadField, ChannelId, Command, CommandId, Envelope, Line, Quantity, SkuId, SourceId, StockId,
};

/// The bytes of a length and of the number of a variant.
const LENGTH_BYTES: usize = 8;
const VARIANT_BYTES: usize = 4;

/// The maximum number of cached names. A full cache is emptied.
const NAMES_MAX: usize = 4_000_000;

/// Divides names into parts that fit into a frame each. A name that is too long for any frame is a part of its own.
pub(crate) fn frames_of(mut names: &[Name]) -> impl Iterator<Item = &[Name]> {
    std::iter::from_fn(move || {
        let mut bytes = LENGTH_BYTES;
        let fits = |name: &&Name| {
            bytes += name_bytes(name);
            bytes <= FRAME_BODY_BYTES_MAX
        };
        let count = names.iter().take(FRAME_COUNT_MAX).take_while(fits).count();
        let (part, rest) = names.split_at(count.max(1).min(names.len()));
        names = rest;
        (!part.is_empty()).then_some(part)
    })
}

/// The bytes of a name in a frame (PROTOCOL.md, "The bincode format").
fn name_bytes(name: &Name) -> usize {
    let text_bytes = |text: &str| LENGTH_BYTES + text.len();
    let texts = match name {
        Name::Sku(name) | Name::Stock(name) | Name::Source(name) => text_bytes(name),
        Name::Channel(channel_type, code) => text_bytes(channel_type) + text_bytes(code),
    };
    VARIANT_BYTES + texts
}

/// The log that dense numbers belong to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogIdentity {
    /// The UUID of the log.
    pub log_uuid: [u8; 16],
    /// The epoch of the log.
    pub epoch: u64,
    /// The low 16 bits of its name generation, which rises when a name is given to another thing.
    pub names: u16,
}

impl LogIdentity {
    pub(crate) const fn of(welcome: &Welcome) -> Self {
        Self { log_uuid: welcome.log_uuid, epoch: welcome.epoch, names: low_bits(welcome.name_generation) }
    }

    /// Whether both are of one epoch of one log, so that a number means the same thing.
    pub(crate) fn is_of_epoch_of(&self, other: &Self) -> bool {
        self.log_uuid == other.log_uuid && self.epoch == other.epoch
    }

    /// Whether the other one is of the same epoch, and names stand for other things since.
    pub(crate) fn is_older_than(&self, other: &Self) -> bool {
        // The generation only rises, so of 16 bits the half ahead is newer.
        self.is_of_epoch_of(other) && (1..1 << 15).contains(&other.names.wrapping_sub(self.names))
    }
}

macro_rules! reference {
    ($(#[$doc:meta])* $name:ident, $id:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $name<'a> {
            /// By its dense number, which is valid within one log identity.
            Id($id),
            /// By its name.
            Name(&'a str),
        }

        impl From<$id> for $name<'_> {
            fn from(id: $id) -> Self {
                Self::Id(id)
            }
        }

        impl<'a> From<&'a str> for $name<'a> {
            fn from(name: &'a str) -> Self {
                Self::Name(name)
            }
        }

        impl<'a> From<&'a String> for $name<'a> {
            fn from(name: &'a String) -> Self {
                Self::Name(name)
            }
        }
    };
}

reference!(
    /// A SKU.
    SkuRef,
    SkuId
);
reference!(
    /// A stock.
    StockRef,
    StockId
);
reference!(
    /// A source.
    SourceRef,
    SourceId
);

impl fmt::Display for SkuRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(number) => number.fmt(f),
            Self::Name(name) => write!(f, "\"{name}\""),
        }
    }
}

/// Where a cart is sold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TargetRef<'a> {
    /// A stock.
    Stock(StockRef<'a>),
    /// A channel by its dense number.
    Channel(ChannelId),
    /// A channel by type and code.
    ChannelName(&'a str, &'a str),
}

impl From<Target> for TargetRef<'_> {
    fn from(target: Target) -> Self {
        match target {
            Target::Stock(stock) => Self::Stock(StockRef::Id(stock)),
            Target::Channel(channel) => Self::Channel(channel),
        }
    }
}

/// The scope of a setting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScopeRef<'a> {
    /// Everything.
    Global,
    /// One SKU in all stocks.
    Sku(SkuRef<'a>),
    /// One SKU in one stock.
    SkuStock(SkuRef<'a>, StockRef<'a>),
}

/// A SKU and its quantity.
pub type CartLine<'a> = (SkuRef<'a>, Quantity);

/// The dense numbers of names under one log identity.
#[derive(Debug, Default)]
struct KnownNumbers {
    identity: Option<LogIdentity>,
    count: usize,
    skus: HashMap<Box<str>, u32>,
    stocks: HashMap<Box<str>, u32>,
    sources: HashMap<Box<str>, u32>,
    channels: HashMap<Box<str>, HashMap<Box<str>, u32>>,
}

impl KnownNumbers {
    fn insert(&mut self, name: &Name, number: u32) {
        if self.count >= NAMES_MAX {
            *self = Self { identity: self.identity, ..Self::default() };
        }
        self.count += 1;
        match name {
            Name::Sku(sku) => self.skus.insert(sku.as_str().into(), number),
            Name::Stock(stock) => self.stocks.insert(stock.as_str().into(), number),
            Name::Source(source) => self.sources.insert(source.as_str().into(), number),
            Name::Channel(kind, code) => {
                self.channels.entry(kind.as_str().into()).or_default().insert(code.as_str().into(), number)
            }
        };
    }
}

/// The cache of numbers, shared by all connections of a client.
#[derive(Debug, Default)]
pub(crate) struct NameCache(RwLock<KnownNumbers>);

impl NameCache {
    /// Called when a connection has reached this log, or its name generation. Numbers of another log or of older names are dropped.
    /// A connection that knows an older name generation changes nothing.
    pub(crate) fn on_connect(&self, identity: LogIdentity) {
        let mut known = self.0.write();
        let is_new = |known: LogIdentity| !known.is_of_epoch_of(&identity) || known.is_older_than(&identity);
        if known.identity.is_none_or(is_new) {
            *known = KnownNumbers { identity: Some(identity), ..KnownNumbers::default() };
        }
    }

    /// Called when the server has refused a command because names have changed.
    pub(crate) fn renew(&self, name_generation: u32) {
        if let Some(identity) = self.identity() {
            self.on_connect(LogIdentity { names: low_bits(name_generation), ..identity });
        }
    }

    pub(crate) fn identity(&self) -> Option<LogIdentity> {
        self.0.read().identity
    }

    /// Caches numbers that the server reported under `identity`, unless the log has changed since.
    pub(crate) fn learn(&self, identity: LogIdentity, names: &[Name], numbers: &[Option<u32>]) {
        let mut known = self.0.write();
        if known.identity == Some(identity) {
            for (name, number) in names.iter().zip(numbers) {
                if let Some(number) = number {
                    known.insert(name, *number);
                }
            }
        }
    }

    /// How many names are cached.
    pub(crate) fn len(&self) -> usize {
        self.0.read().count
    }

    /// Runs `build` with the cached numbers.
    pub(crate) fn with<T>(
        &self,
        id: CommandId,
        fresh: bool,
        build: impl FnOnce(&mut Numbers<'_>) -> T,
    ) -> (T, Built) {
        let known = self.0.read();
        let mut numbers = Numbers::new(&known, id, fresh);
        let result = build(&mut numbers);
        (result, numbers.built)
    }

    /// The name by which the command of `build` refers to a SKU. `None`: it does not, or by its number.
    pub(crate) fn name_of<T>(
        &self,
        sku: SkuId,
        build: impl FnOnce(&mut Numbers<'_>) -> T,
    ) -> Option<Box<str>> {
        let known = self.0.read();
        let mut numbers = Numbers { wanted: Some(sku), ..Numbers::new(&known, CommandId::NONE, false) };
        build(&mut numbers);
        numbers.found
    }
}

/// The result of `build`.
#[derive(Debug)]
pub(crate) struct Built {
    /// The record of the command, if it was encoded.
    pub(crate) record: Vec<u8>,
    /// Names whose numbers are not cached.
    pub(crate) missing: Vec<Name>,
    /// The identity under which numbers were looked up.
    pub(crate) identity: Option<LogIdentity>,
    /// Whether names were used.
    pub(crate) by_name: bool,
    /// Whether the caller gave dense numbers.
    pub(crate) by_number: bool,
    /// The first line whose quantity no cart may have: its SKU as the caller gave it, and the quantity.
    pub(crate) bad_line: Option<(String, Quantity)>,
}

/// Resolves references to numbers and collects the missing names.
#[derive(Debug)]
pub(crate) struct Numbers<'n> {
    known: &'n KnownNumbers,
    id: CommandId,
    fresh: bool,
    built: Built,
    /// The SKU whose name is looked for, and its name.
    wanted: Option<SkuId>,
    found: Option<Box<str>>,
}

impl<'n> Numbers<'n> {
    fn new(known: &'n KnownNumbers, id: CommandId, fresh: bool) -> Self {
        let built = Built {
            record: Vec::new(),
            missing: Vec::new(),
            identity: known.identity,
            by_name: false,
            by_number: false,
            bad_line: None,
        };
        Self { known, id, fresh, built, wanted: None, found: None }
    }

    fn number(&mut self, found: Option<u32>, name: impl FnOnce() -> Name) -> u32 {
        self.built.by_name = true;
        found.unwrap_or_else(|| {
            self.built.missing.push(name());
            u32::MAX
        })
    }

    pub(crate) fn sku(&mut self, sku: SkuRef<'_>) -> SkuId {
        match sku {
            SkuRef::Id(id) => {
                self.built.by_number = true;
                id
            }
            SkuRef::Name(name) => {
                let number = self.known.skus.get(name).copied();
                if number.is_some() && number == self.wanted.map(|sku| sku.0) {
                    self.found = Some(name.into());
                }
                SkuId(self.number(number, || Name::Sku(name.to_owned())))
            }
        }
    }

    pub(crate) fn stock(&mut self, stock: StockRef<'_>) -> StockId {
        match stock {
            StockRef::Id(id) => {
                self.built.by_number = true;
                id
            }
            StockRef::Name(name) => {
                StockId(self.number(self.known.stocks.get(name).copied(), || Name::Stock(name.to_owned())))
            }
        }
    }

    pub(crate) fn source(&mut self, source: SourceRef<'_>) -> SourceId {
        match source {
            SourceRef::Id(id) => {
                self.built.by_number = true;
                id
            }
            SourceRef::Name(name) => {
                SourceId(self.number(self.known.sources.get(name).copied(), || Name::Source(name.to_owned())))
            }
        }
    }

    pub(crate) fn target(&mut self, target: TargetRef<'_>) -> Target {
        match target {
            TargetRef::Stock(stock) => Target::Stock(self.stock(stock)),
            TargetRef::Channel(channel) => {
                self.built.by_number = true;
                Target::Channel(channel)
            }
            TargetRef::ChannelName(kind, code) => {
                let found = self.known.channels.get(kind).and_then(|codes| codes.get(code)).copied();
                let number = self.number(found, || Name::Channel(kind.to_owned(), code.to_owned()));
                Target::Channel(ChannelId(number))
            }
        }
    }

    pub(crate) fn scope(&mut self, scope: ScopeRef<'_>) -> SettingScope {
        match scope {
            ScopeRef::Global => SettingScope::Global,
            ScopeRef::Sku(sku) => SettingScope::Sku(self.sku(sku)),
            ScopeRef::SkuStock(sku, stock) => SettingScope::SkuStock(self.sku(sku), self.stock(stock)),
        }
    }

    pub(crate) fn lines(&mut self, lines: &[CartLine<'_>]) -> Vec<Line> {
        let is_bad = |(_, quantity): &&CartLine<'_>| !(1..=LINE_QUANTITY_MAX).contains(&quantity.raw());
        if let Some((sku, quantity)) = lines.iter().find(is_bad) {
            self.built.bad_line = Some((sku.to_string(), *quantity));
        }
        lines.iter().map(|(sku, quantity)| Line::new(self.sku(*sku), *quantity)).collect()
    }

    /// Records that the caller's command contains dense numbers of its own.
    pub(crate) const fn given_numbers(&mut self) {
        self.built.by_number = true;
    }

    /// Encodes the command, unless a name is missing.
    pub(crate) fn encode(&mut self, command: Command<'_>) -> Result<(), BadField> {
        if self.built.missing.is_empty() {
            let envelope = Envelope { fresh: self.fresh, ..Envelope::new(self.id, command) };
            envelope.encode(&mut self.built.record)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: LogIdentity = LogIdentity { log_uuid: [1; 16], epoch: 1, names: 0xFFFF };
    const TWO: LogIdentity = LogIdentity { log_uuid: [1; 16], epoch: 2, names: 0xFFFE };

    #[test]
    fn another_epoch_empties_the_cache() {
        // Proves that no number of an old epoch survives, not even one that is learned late.
        let cache = NameCache::default();
        let name = Name::Sku("BIKE".to_owned());
        cache.on_connect(ONE);
        cache.learn(ONE, std::slice::from_ref(&name), &[Some(5)]);
        cache.on_connect(ONE);
        assert_eq!(cache.len(), 1);
        cache.on_connect(TWO);
        assert_eq!((cache.len(), cache.identity()), (0, Some(TWO)));
        cache.learn(ONE, std::slice::from_ref(&name), &[Some(5)]);
        assert_eq!(cache.len(), 0);
    }

    #[test]
    fn frames_of_names_are_full_and_not_longer() {
        // Proves that the names of a frame are as many as fit, whatever their kinds and lengths, and that none is left out.
        let of = |name: &dyn Fn(usize) -> Name, count: usize| -> Vec<Name> { (0..count).map(name).collect() };
        let long = |at: usize| "n".repeat(200 + at % 56);
        let lists = [
            of(&|at| Name::Sku(at.to_string()), 20_000),
            of(&|at| Name::Sku(long(at)), 8_192),
            of(&|at| Name::Channel(long(at), long(at + 7)), 5_000),
            vec![Name::Sku("A".into()), Name::Stock("n".repeat(FRAME_BODY_BYTES_MAX)), Name::Sku("B".into())],
            vec![Name::Source("A".into())],
            Vec::new(),
        ];
        for (names, frames) in lists.iter().zip([3, 2, 3, 3, 1, 0]) {
            let parts: Vec<&[Name]> = frames_of(names).collect();
            assert_eq!(parts.len(), frames);
            assert_eq!(parts.concat(), *names);
            for pair in parts.windows(2).filter(|pair| name_bytes(&pair[0][0]) < FRAME_BODY_BYTES_MAX) {
                let with_next = [pair[0], &pair[1][..1]].concat();
                let bytes = |names: &[Name]| {
                    let mut bytes = Vec::new();
                    stockhold_protocol::codec::encode_cold(&names.to_vec(), &mut bytes).unwrap();
                    bytes.len()
                };
                assert!(bytes(pair[0]) <= FRAME_BODY_BYTES_MAX && pair[0].len() <= FRAME_COUNT_MAX);
                assert!(bytes(&with_next) > FRAME_BODY_BYTES_MAX || with_next.len() > FRAME_COUNT_MAX);
            }
        }
    }

    #[test]
    fn later_names_empty_the_cache_and_earlier_ones_do_not() {
        // Proves the order of name generations, of which 16 bits are known, across their end.
        let cache = NameCache::default();
        let name = Name::Sku("BIKE".to_owned());
        cache.on_connect(ONE);
        cache.learn(ONE, std::slice::from_ref(&name), &[Some(5)]);
        cache.on_connect(LogIdentity { names: 0xFFFE, ..ONE });
        assert_eq!((cache.len(), cache.identity()), (1, Some(ONE)), "heard late");
        cache.renew(0x2_0001);
        let later = LogIdentity { names: 1, ..ONE };
        assert_eq!((cache.len(), cache.identity()), (0, Some(later)));
        cache.learn(ONE, std::slice::from_ref(&name), &[Some(5)]);
        assert_eq!(cache.len(), 0, "a number of earlier names");
        cache.on_connect(ONE);
        assert_eq!(cache.identity(), Some(later));
    }

    #[test]
    fn what_is_missing_is_named_and_nothing_is_encoded() {
        // Proves that a command with an unresolved name is never encoded with a placeholder.
        let cache = NameCache::default();
        cache.on_connect(ONE);
        cache.learn(ONE, &[Name::Sku("A".to_owned())], &[Some(5)]);
        let id = CommandId::from_parts(1, 1);
        let build = |numbers: &mut Numbers<'_>| {
            let lines = numbers.lines(&[("A".into(), Quantity::MAX), ("B".into(), Quantity::MAX)]);
            numbers.encode(Command::Tick).map(|()| lines)
        };
        let (lines, built) = cache.with(id, true, build);
        assert_eq!(lines.unwrap()[0].sku, SkuId(5));
        assert_eq!(built.missing, [Name::Sku("B".to_owned())]);
        assert!(built.record.is_empty());
    }
}
