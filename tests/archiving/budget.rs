//! A budget that is spent: what is given up, and how the archive gets out of that state.

use std::sync::Arc;

use object_store::memory::InMemory;
use stockhold::archive::{ArchivePolicy, Retention, Store};
use stockhold::replica::Target;
use stockhold::verify::verify;

use super::continuous::{archived, buy, lag, policy, stage, start};
use super::{digest_at, store, view};

#[test]
fn an_archive_without_room_makes_some_with_the_next_snapshot() {
    // Proves that a spent budget stops the archive, that the next snapshot lets old ones go although it exceeds the budget,
    // that the archive has everything again, and that it never takes much more than its budget.
    for (snapshots, budget_bytes) in [(1, 300_000), (2, 700_000)] {
        let (disk, mut world) = start(&archived(|_| ()));
        let objects = Arc::new(InMemory::new());
        let retention = Retention { snapshots, age_ms: 0 };
        let mut stage =
            stage(&world, &disk, store(&objects), ArchivePolicy { retention, budget_bytes, ..policy() });
        let (mut spent, mut recovered) = (0, 0);
        for number in 1..=900 {
            buy(&mut world, number);
            if number % 100 == 99 {
                world.ask_for_snapshot();
                world.run();
            }
            if number % 10 == 0 {
                let was_behind = lag(&world).0 > 10;
                stage.step();
                let (behind, _) = lag(&world);
                spent += u32::from(behind > 0);
                if was_behind && behind == 0 {
                    recovered += 1;
                    let files = view(&objects, None);
                    assert_eq!(digest_at(files.clone(), Target::End), (world.op(), world.digest()));
                    assert!(verify(&files, |_, _| ()).unwrap().is_sound());
                    let told = world.assembly.archive.as_ref().unwrap().warning(world.op(), 0);
                    assert_eq!(told, None);
                }
                let all = Store::over(objects.clone(), "memory").unwrap().list().unwrap();
                let bytes: u64 = all.iter().map(|object| object.bytes).sum();
                assert!(bytes < 2 * budget_bytes, "{bytes} bytes for a budget of {budget_bytes}");
            }
        }
        assert!(
            spent > 10 && recovered > 2,
            "the budget was spent {spent} times, {recovered} times it had room again"
        );
    }
}
