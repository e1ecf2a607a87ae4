//! The dry run of a restore: its figures equal those of the two states, counted here.

use super::super::crash_images::life::live_with;
use super::super::crash_images::world::small;
use stockhold::directory::ReadOnlyDirectory;
use stockhold::replica::{ReplicaError, Target};
use stockhold::restore::{dry_run, replica_at};
use stockhold::storage::memory::Survival;
use stockhold::storage::recording::RecordingStorage;
use stockhold_machine::Machine;
use stockhold_protocol::SkuId;
use stockhold_protocol::query::{PositionView, Query, QueryAnswer};

fn promised(machine: &Machine, sku: SkuId) -> (i64, i64) {
    let Some(QueryAnswer::Sku(Some(view))) = machine.query(&Query::Sku(sku)) else {
        panic!("{sku:?} is known")
    };
    let PositionView { confirmed, held, .. } = &view.positions[0];
    (confirmed.raw(), held.raw())
}

#[test]
fn a_dry_run_counts_what_is_between_two_states() {
    // Proves promises, reservations and commands between a target and the end, and that nothing is written.
    let disk = live_with(&RecordingStorage::new(), &small(), false).storage.crash_now(Survival::Everything);
    let moment = disk.moment();
    let from = ReadOnlyDirectory::open(disk.share_to_read()).unwrap();
    let end = replica_at(&from, Target::End, None, &mut |_| ()).unwrap().into_machine();
    for op in [0, 11, 60, 200, end.op() - 1, end.op()] {
        let then = replica_at(&from, Target::Op(op), None, &mut |_| ()).unwrap().into_machine();
        let (undone, machine) =
            dry_run(std::slice::from_ref(&from), Target::Op(op), None, &mut |_| ()).unwrap();
        assert_eq!((undone.target.0, undone.end.0, undone.ops()), (op, end.op(), end.op() - op));
        assert_eq!((undone.digest, machine.digest()), (then.digest(), end.digest()));
        for sku in (0..3).map(SkuId) {
            let change = undone.promises.iter().find(|change| change.sku == sku);
            let told =
                change.map(|one| ((one.then.confirmed, one.then.held), (one.now.confirmed, one.now.held)));
            let is_known = op >= 11;
            let counted = (if is_known { promised(&then, sku) } else { (0, 0) }, promised(&end, sku));
            if counted.0 == counted.1 {
                assert_eq!(told, None);
            } else {
                assert_eq!(told, Some(counted), "{sku:?} at op {op}");
            }
        }
        let commands: u64 = undone.commands.values().map(|tally| tally.accepted + tally.refused).sum();
        assert!(commands <= undone.ops());
        let new: u64 = undone
            .fates
            .iter()
            .filter(|((then, _), _)| then.is_none())
            .map(|(_, fate)| fate.reservations)
            .sum();
        let grown = end.stats().reservations.saturating_sub(then.stats().reservations);
        assert!(new >= grown, "{new} reservations are new, {grown} more are kept");
        assert_eq!(
            undone.catalog_changes,
            6_u64.saturating_sub(op),
            "the shop was opened with six definitions"
        );
    }
    assert!(matches!(
        dry_run(std::slice::from_ref(&from), Target::Op(end.op() + 1), None, &mut |_| ()),
        Err(ReplicaError::TargetTooLate { .. })
    ));
    assert_eq!(disk.moment(), moment, "nothing was written");
}
