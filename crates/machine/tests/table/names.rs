//! Names: what they stand for, and what readers are told of them.

use super::script::Script;
use std::collections::BTreeMap;
use stockhold_machine::Changes;
use stockhold_protocol::query::Name;

/// What readers know who were told every change.
#[derive(Default)]
struct Readers {
    numbers: BTreeMap<Name, u32>,
    changes: Changes,
}

impl Readers {
    /// Takes over what has changed. Then readers who are told everything at once know the same.
    fn follow(&mut self, script: &mut Script) {
        script.machines.plain.take_changes(&mut self.changes);
        for name in &self.changes.ended_names {
            assert!(self.numbers.remove(name).is_some(), "{name:?} was never told");
        }
        self.numbers.extend(self.changes.names.iter().cloned());
        let mut all = Changes::default();
        script.machines.plain.all_changes(&mut all);
        assert_eq!(self.numbers, all.names.into_iter().collect());
        for (name, number) in &self.numbers {
            assert_eq!(script.machines.plain.resolve(name), Some(*number), "{name:?}");
        }
    }
}

#[test]
fn readers_are_told_every_name_once() {
    // Proves that readers resolve names as the machine does, and that a second definition is none of a name.
    let (mut script, mut readers) = (Script::new(), Readers::default());
    script.go("
        source A1        -> ok number=0
        source A2        -> ok number=1
        stock WEB        -> ok number=0
        sku BIKE         -> ok number=0
        channel site:eu WEB -> ok number=0
        ");
    readers.follow(&mut script);
    assert_eq!(readers.numbers.len(), 5);
    script.go("
        source A2 off    -> ok
        stock WEB        -> ok number=0
        sku BIKE decimals -> ok number=0
        sku bike         -> ok number=1
        channel site:eu WEB -> ok number=0
        ");
    readers.follow(&mut script);
    assert_eq!(readers.numbers.len(), 6, "case matters");
}
