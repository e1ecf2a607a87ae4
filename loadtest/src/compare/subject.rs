//! Who is measured, and in which shape. It says what there is to compare, not how it is run.

use super::arguments::Peer;
use serde::Serialize;

/// The shape in which Stockhold is measured deep.
const DEEP: Shape = Shape { connections: 64, depth: 128 };
/// The shape in which everybody is measured with one cart in flight.
const SINGLE: Shape = Shape { connections: 64, depth: 1 };
/// A peer is measured deep in all of these, and its best counts.
const DEEP_OF_PEERS: [Shape; 3] =
    [Shape { connections: 64, depth: 16 }, DEEP, Shape { connections: 512, depth: 128 }];

/// Connections, and carts in flight on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Shape {
    pub(crate) connections: u32,
    pub(crate) depth: u16,
}

/// What a sample is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Many carts in flight on each connection.
    Deep,
    /// One.
    Single,
}

/// A store and its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    Stockhold,
    RedisEverysec,
    RedisAlways,
    /// The ceiling: our own frames, and nothing decided.
    Echo,
}

/// One thing to measure in each round.
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
    /// Its name in the report.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Stockhold => "stockhold",
            Self::RedisEverysec => "redis_everysec",
            Self::RedisAlways => "redis_always",
            Self::Echo => "echo",
        }
    }

    /// What an answer is worth.
    pub(crate) const fn durability(self) -> &'static str {
        match self {
            Self::Stockhold | Self::RedisAlways => "synced before the answer",
            Self::RedisEverysec => "weaker: a crash of the machine forgets up to about a second of answers",
            Self::Echo => "none: nothing is decided or written",
        }
    }

    /// What a peer's figures are held against: Stockhold with the same carts.
    pub(crate) const fn rival(self) -> Option<Self> {
        match self {
            Self::RedisEverysec | Self::RedisAlways => Some(Self::Stockhold),
            Self::Stockhold | Self::Echo => None,
        }
    }

    const fn settings_of(peer: Peer) -> &'static [Self] {
        match peer {
            Peer::Redis => &[Self::RedisEverysec, Self::RedisAlways],
        }
    }
}

/// The settings of peers that are measured.
pub(crate) fn settings(peers: &[Peer]) -> Vec<Setting> {
    peers.iter().flat_map(|peer| Setting::settings_of(*peer)).copied().collect()
}

/// What one round measures, in order: first everything deep, then everything with one cart in flight.
pub(crate) fn subjects(peers: &[Peer]) -> Vec<Subject> {
    let settings = settings(peers);
    let mut rivals: Vec<Setting> = settings.iter().filter_map(|setting| setting.rival()).collect();
    rivals.dedup();
    let mut subjects = Vec::new();
    for role in [Role::Deep, Role::Single] {
        let (ours, theirs): (Shape, &[Shape]) = match role {
            Role::Deep => (DEEP, &DEEP_OF_PEERS),
            Role::Single => (SINGLE, &[SINGLE]),
        };
        for rival in &rivals {
            subjects.push(Subject { setting: *rival, role, shape: ours });
            for setting in settings.iter().filter(|setting| setting.rival() == Some(*rival)) {
                subjects.extend(theirs.iter().map(|shape| Subject {
                    setting: *setting,
                    role,
                    shape: *shape,
                }));
            }
        }
        subjects.push(Subject { setting: Setting::Echo, role, shape: ours });
    }
    subjects
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_measured_beside_their_rival() {
        // Proves the shapes that the report promises: 64 × 128 against three shapes, 64 × 1 against 64 × 1, and both ceilings.
        let subjects = subjects(&[Peer::Redis]);
        let shapes = |setting, role| -> Vec<(u32, u16)> {
            let of = subjects.iter().filter(|subject| subject.setting == setting && subject.role == role);
            of.map(|subject| (subject.shape.connections, subject.shape.depth)).collect()
        };
        for setting in [Setting::RedisEverysec, Setting::RedisAlways] {
            assert_eq!(shapes(setting, Role::Deep), [(64, 16), (64, 128), (512, 128)]);
            assert_eq!(shapes(setting, Role::Single), [(64, 1)]);
        }
        for setting in [Setting::Stockhold, Setting::Echo] {
            assert_eq!(shapes(setting, Role::Deep), [(64, 128)]);
            assert_eq!(shapes(setting, Role::Single), [(64, 1)]);
        }
    }
}
