//! The subjects of a comparison: which stores are measured, and with which connections and depths.

use super::arguments::Peer;
use serde::Serialize;

/// The shape of Stockhold in the deep role.
const DEEP: Shape = Shape { connections: 64, depth: 128 };
/// The shape of all stores in the single role.
const SINGLE: Shape = Shape { connections: 64, depth: 1 };
/// The shapes of peers in the deep role. The best one counts.
const DEEP_OF_PEERS: [Shape; 3] =
    [Shape { connections: 64, depth: 16 }, DEEP, Shape { connections: 512, depth: 128 }];
/// PostgreSQL is fastest with fewer connections, so it gets an additional shape.
const FEW: Shape = Shape { connections: 8, depth: 128 };
/// A quick run omits shapes with more connections.
const QUICK_CONNECTIONS_MAX: u32 = 64;

/// A number of connections, and of carts in flight on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Shape {
    pub(crate) connections: u32,
    pub(crate) depth: u16,
}

/// The role of a sample in the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Many carts in flight on each connection.
    Deep,
    /// One cart in flight on each connection.
    Single,
}

/// A store and its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    Stockhold,
    /// Stockhold with one SKU.
    StockholdHot,
    RedisEverysec,
    RedisAlways,
    Postgres,
    /// PostgreSQL with one SKU.
    PostgresHot,
    /// The ceiling: our own frames, without decisions.
    Echo,
}

/// One measurement of each round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) setting: Setting,
    pub(crate) role: Role,
    pub(crate) shape: Shape,
}

impl Role {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Deep => "deep",
            Self::Single => "single",
        }
    }
}

impl Setting {
    /// The name in the report.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Stockhold => "stockhold",
            Self::StockholdHot => "stockhold_hot",
            Self::RedisEverysec => "redis_everysec",
            Self::RedisAlways => "redis_always",
            Self::Postgres => "postgres",
            Self::PostgresHot => "postgres_hot",
            Self::Echo => "echo",
        }
    }

    /// The durability of an answer.
    pub(crate) const fn durability(self) -> &'static str {
        match self {
            Self::Stockhold | Self::StockholdHot | Self::RedisAlways | Self::Postgres | Self::PostgresHot => {
                "synced before the answer"
            }
            Self::RedisEverysec => "weaker: a crash of the machine loses up to about a second of answers",
            Self::Echo => "none: it decides and writes nothing",
        }
    }

    /// The setting of Stockhold that a peer is compared with.
    pub(crate) const fn rival(self) -> Option<Self> {
        match self {
            Self::RedisEverysec | Self::RedisAlways | Self::Postgres => Some(Self::Stockhold),
            Self::PostgresHot => Some(Self::StockholdHot),
            Self::Stockhold | Self::StockholdHot | Self::Echo => None,
        }
    }

    /// The number of SKUs to choose from, given the requested number.
    pub(crate) const fn skus(self, asked: u32) -> u32 {
        match self {
            Self::StockholdHot | Self::PostgresHot => 1,
            Self::Stockhold | Self::RedisEverysec | Self::RedisAlways | Self::Postgres | Self::Echo => asked,
        }
    }

    /// The shapes in which it is measured.
    fn shapes(self, role: Role, is_quick: bool) -> Vec<Shape> {
        let mut shapes = match (role, self) {
            (Role::Single, _) => vec![SINGLE],
            (Role::Deep, Self::Stockhold | Self::StockholdHot | Self::Echo) => vec![DEEP],
            (Role::Deep, Self::RedisEverysec | Self::RedisAlways) => DEEP_OF_PEERS.to_vec(),
            (Role::Deep, Self::Postgres | Self::PostgresHot) => [&[FEW], DEEP_OF_PEERS.as_slice()].concat(),
        };
        shapes.retain(|shape| !is_quick || shape.connections <= QUICK_CONNECTIONS_MAX);
        shapes
    }

    const fn settings_of(peer: Peer) -> &'static [Self] {
        match peer {
            Peer::Redis => &[Self::RedisEverysec, Self::RedisAlways],
            Peer::Postgres => &[Self::Postgres, Self::PostgresHot],
        }
    }
}

/// The settings of the peers that are measured.
pub(crate) fn settings(peers: &[Peer]) -> Vec<Setting> {
    peers.iter().flat_map(|peer| Setting::settings_of(*peer)).copied().collect()
}

/// The measurements of one round, in order: first the deep role, then the single one. Subjects that are compared are
/// adjacent.
pub(crate) fn subjects(peers: &[Peer], is_quick: bool) -> Vec<Subject> {
    let settings = settings(peers);
    let mut rivals: Vec<Setting> = settings.iter().filter_map(|setting| setting.rival()).collect();
    rivals.dedup();
    let mut subjects = Vec::new();
    for role in [Role::Deep, Role::Single] {
        let all_shapes = |setting: Setting| {
            let shapes = setting.shapes(role, is_quick).into_iter();
            shapes.map(move |shape| Subject { setting, role, shape })
        };
        for rival in &rivals {
            let compared = settings.iter().filter(|setting| setting.rival() == Some(*rival));
            subjects.extend([rival].into_iter().chain(compared).copied().flat_map(all_shapes));
        }
        subjects.extend(all_shapes(Setting::Echo));
    }
    subjects
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_measured_beside_their_rival() {
        // Proves the reported shapes: 64 × 128 against a peer's shapes, 64 × 1 against 64 × 1, and both ceilings.
        let subjects = subjects(&[Peer::Redis, Peer::Postgres], false);
        let shapes = |setting, role| -> Vec<(u32, u16)> {
            let of = subjects.iter().filter(|subject| subject.setting == setting && subject.role == role);
            of.map(|subject| (subject.shape.connections, subject.shape.depth)).collect()
        };
        let many = [(64, 16), (64, 128), (512, 128)];
        let cases: [(Setting, &[(u32, u16)]); 7] = [
            (Setting::Stockhold, &[(64, 128)]),
            (Setting::StockholdHot, &[(64, 128)]),
            (Setting::Echo, &[(64, 128)]),
            (Setting::RedisEverysec, &many),
            (Setting::RedisAlways, &many),
            (Setting::Postgres, &[&[(8, 128)], many.as_slice()].concat()),
            (Setting::PostgresHot, &[&[(8, 128)], many.as_slice()].concat()),
        ];
        for (setting, deep) in cases {
            assert_eq!(shapes(setting, Role::Deep), deep, "{setting:?}");
            assert_eq!(shapes(setting, Role::Single), [(64, 1)], "{setting:?}");
            let is_there = setting.rival().is_none_or(|rival| !shapes(rival, Role::Deep).is_empty());
            assert!(is_there, "{setting:?} has no setting to be compared with");
        }
    }
}
