//! Actors: the names under which commands arrive. Each is interned as a small number, which records can
//! store.
//!
//! A name that a connection only claims and the same name proved by a token are two actors. This module is
//! not about rights: the rights of a connection come with each run of a batch.

use crate::config::ACTORS_MAX;
use std::collections::BTreeMap;
use stockhold_protocol::batch::{Actor, ActorKind};

/// The server itself. It sends ticks and begins epochs.
pub(crate) const SERVER: u16 = 0;
/// The number that is shared by all actors that arrived when [`ACTORS_MAX`] actors had numbers already.
pub(crate) const OTHER: u16 = u16::MAX;

const _: () = assert!(ACTORS_MAX < OTHER as usize, "the numbers of actors are less than OTHER");

/// The actors that have numbers. Numbers are assigned in log order from 1 on.
#[derive(Debug, Default)]
pub(crate) struct Actors {
    names: Vec<(ActorKind, Box<str>)>,
    claimed: BTreeMap<Box<str>, u16>,
    proved: BTreeMap<Box<str>, u16>,
}

impl Actors {
    pub(crate) const fn len(&self) -> usize {
        self.names.len()
    }

    /// The number that the next new actor gets.
    pub(crate) fn next_number(&self) -> u16 {
        u16::try_from(self.names.len().saturating_add(1)).unwrap_or(OTHER)
    }

    /// The number of an actor. A new actor gets the next number while there are fewer than `most`.
    pub(super) fn intern(&mut self, actor: Actor<'_>, most: usize) -> u16 {
        let next = self.next_number();
        let numbers = match actor.kind {
            ActorKind::Server => return SERVER,
            ActorKind::Claimed => &mut self.claimed,
            ActorKind::Proved => &mut self.proved,
        };
        if let Some(number) = numbers.get(actor.name) {
            return *number;
        }
        if self.names.len() >= most || next == OTHER {
            return OTHER;
        }
        numbers.insert(actor.name.into(), next);
        self.names.push((actor.kind, actor.name.into()));
        next
    }

    /// The actor with this number; `None` for [`OTHER`].
    pub(crate) fn get(&self, number: u16) -> Option<Actor<'_>> {
        let Some(at) = usize::from(number).checked_sub(1) else { return Some(Actor::SERVER) };
        self.names.get(at).map(|(kind, name)| Actor { kind: *kind, name })
    }

    /// Whether a record may contain this number.
    pub(crate) fn has(&self, number: u16) -> bool {
        number == OTHER || usize::from(number) <= self.names.len()
    }

    /// The numbers that were assigned.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u16> {
        1..self.next_number()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_name_and_a_proved_name_are_two_actors() {
        // Proves that the same name has a different number for each kind.
        let mut actors = Actors::default();
        let claimed = Actor { kind: ActorKind::Claimed, name: "shop" };
        let proved = Actor { kind: ActorKind::Proved, name: "shop" };
        assert_eq!([claimed, proved, claimed].map(|actor| actors.intern(actor, 9)), [1, 2, 1]);
        assert_eq!([actors.get(1), actors.get(2)], [Some(claimed), Some(proved)]);
    }

    #[test]
    fn actors_beyond_the_limit_share_one_number() {
        // Proves the numbers at limit - 1, limit and limit + 1, and that known actors keep their numbers.
        let mut actors = Actors::default();
        let mut number = |name: &str| actors.intern(Actor { kind: ActorKind::Claimed, name }, 2);
        assert_eq!(["a", "b", "c", "d", "a"].map(&mut number), [1, 2, OTHER, OTHER, 1]);
        assert_eq!([actors.get(OTHER), actors.get(SERVER)], [None, Some(Actor::SERVER)]);
        assert!(actors.has(2) && actors.has(OTHER) && actors.has(SERVER) && !actors.has(3));
    }
}
