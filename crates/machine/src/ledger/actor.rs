//! Who asked: the names that commands came under, each interned as a small number that records can hold.
//!
//! A name that its connection only claims and the same name that a token proves are two actors. Not for rights: what a
//! connection may do comes with each run of a batch.

use crate::config::ACTORS_MAX;
use std::collections::BTreeMap;
use stockhold_protocol::batch::{Actor, ActorKind};

/// The server itself: it lets time pass and begins epochs.
pub(crate) const SERVER: u16 = 0;
/// All actors together that came when there were [`ACTORS_MAX`] already.
pub(crate) const OTHER: u16 = u16::MAX;

const _: () =
    assert!(ACTORS_MAX < OTHER as usize, "numbers from 1 on are given out below that of all others");

/// The actors that have numbers, which are given out from 1 on in log order.
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

    /// The number of an actor. A new one gets the next number while there are fewer than `most`.
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

    /// The actor of a number; none for [`OTHER`].
    pub(crate) fn get(&self, number: u16) -> Option<Actor<'_>> {
        let Some(at) = usize::from(number).checked_sub(1) else { return Some(Actor::SERVER) };
        self.names.get(at).map(|(kind, name)| Actor { kind: *kind, name })
    }

    /// Whether a record may hold this number.
    pub(crate) fn has(&self, number: u16) -> bool {
        number == OTHER || usize::from(number) <= self.names.len()
    }

    /// The numbers that were given out.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u16> {
        1..self.next_number()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_name_is_never_that_of_a_token() {
        // Proves that the two kinds of names have numbers of their own.
        let mut actors = Actors::default();
        let claimed = Actor { kind: ActorKind::Claimed, name: "shop" };
        let proved = Actor { kind: ActorKind::Proved, name: "shop" };
        assert_eq!([claimed, proved, claimed].map(|actor| actors.intern(actor, 9)), [1, 2, 1]);
        assert_eq!([actors.get(1), actors.get(2)], [Some(claimed), Some(proved)]);
    }

    #[test]
    fn beyond_the_most_all_are_others() {
        // Proves the answer at the limit - 1, the limit and the limit + 1, and that known ones go on to be known.
        let mut actors = Actors::default();
        let mut number = |name: &str| actors.intern(Actor { kind: ActorKind::Claimed, name }, 2);
        assert_eq!(["a", "b", "c", "d", "a"].map(&mut number), [1, 2, OTHER, OTHER, 1]);
        assert_eq!([actors.get(OTHER), actors.get(SERVER)], [None, Some(Actor::SERVER)]);
        assert!(actors.has(2) && actors.has(OTHER) && actors.has(SERVER) && !actors.has(3));
    }
}
