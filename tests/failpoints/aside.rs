//! Failures outside the log: snapshots, trimming, spare segments. Proves that the server continues to answer, what it
//! reports, and how it ends.

use stockhold::server::Exit;
use stockhold::storage::{Action, WritePath};
use stockhold_client::CallError;

use super::failing::{Failpoint, Failure};
use super::shop::{Shop, UNITS, buy, clear_log_lines, log_lines, wait_until};

#[test]
fn a_failed_snapshot_is_reported_and_loses_nothing() {
    // Proves every step of a snapshot: the client that requested it is told, the server continues to sell, no file is
    // left, the next snapshot succeeds, and a start does not need the failed one.
    let steps = [
        (Action::Create, Failure::Error),
        (Action::Create, Failure::NoSpace),
        (Action::Write, Failure::Error),
        (Action::Write, Failure::NoSpace),
        (Action::Sync, Failure::Error),
        (Action::Open, Failure::Error),
        (Action::Read, Failure::Error),
        (Action::Rename, Failure::Error),
    ];
    let mut shop = Shop::open(WritePath::Direct, |_| ());
    let client = shop.client();
    let mut sold = 0;
    let mut failed = 0;
    for (action, failure) in steps {
        let case = format!("{action:?} {failure:?}");
        clear_log_lines();
        buy(&client).unwrap().into_result().unwrap();
        shop.arm(Failpoint { action, word: ".snapshot.tmp", failure });
        match client.snapshot() {
            Err(CallError::Failed(sentence)) => {
                assert!(sentence.starts_with("The snapshot failed"), "{case}");
            }
            other => panic!("{case}: {other:?}"),
        }
        failed += 1;
        assert!(log_lines().contains("a snapshot failed; the log is kept"), "{case}: {}", log_lines());
        assert_eq!(shop.metric("snapshots_failed"), failed, "{case}");
        assert_eq!(shop.files(".snapshot.tmp"), Vec::<String>::new(), "{case}: it keeps no space");
        buy(&client).unwrap().into_result().unwrap();
        sold += 2;
        assert_eq!((shop.state().as_str(), shop.salable()), ("ok", UNITS - sold), "{case}");
        shop.points.disarm();
        client.snapshot().unwrap();
    }
    assert_eq!(shop.stop(), Exit::Clean);
    shop.start().unwrap();
    assert_eq!(shop.salable(), UNITS - sold);
    assert_eq!(shop.stop(), Exit::Clean);
}

#[test]
fn old_files_that_cannot_be_removed_are_a_warning() {
    // Proves that a failed trim affects nothing else: the snapshot exists, the server continues, and the files are
    // removed later.
    let mut shop = Shop::open(WritePath::Direct, |config| {
        config.log.batch_bytes = 66_560;
        config.log.segment_bytes = 131_072;
    });
    let client = shop.client();
    let snapshot = |sales: u32| {
        for _ in 0..sales {
            buy(&client).unwrap().into_result().unwrap();
        }
        client.snapshot().unwrap()
    };
    snapshot(60);
    snapshot(60);
    for failpoint in
        [Failpoint::error(Action::Remove, ".snapshot"), Failpoint::error(Action::Rename, ".segment")]
    {
        clear_log_lines();
        shop.arm(failpoint);
        snapshot(1);
        assert!(log_lines().contains("old files could not be removed"), "{failpoint:?}: {}", log_lines());
        assert_eq!(shop.state(), "ok", "{failpoint:?}");
        shop.points.disarm();
        let before = shop.files(".snapshot").len();
        snapshot(60);
        assert!(shop.files(".snapshot").len() <= before, "{failpoint:?}: they go with the next");
    }
    assert_eq!(shop.files(".snapshot").len(), 2);
    assert_eq!(shop.stop(), Exit::Clean);
}

#[test]
fn a_server_that_can_make_no_segment_ends_in_good_order_while_it_still_can() {
    // Proves each step of preparing a spare: the failure is reported, what is answered meanwhile is kept, the exit code
    // is 74, and the next start on an intact medium has everything.
    let steps = [Action::Create, Action::Write, Action::Sync, Action::Rename, Action::SyncDirectory];
    for action in steps {
        let mut shop = Shop::bare(WritePath::Direct, |_| ());
        shop.format().unwrap();
        // Without space the preparer waits, so that the later failure is its own call and not one of the start.
        shop.arm(Failpoint { action: Action::Create, word: ".segment.tmp", failure: Failure::NoSpace });
        shop.start().unwrap();
        wait_until("a lack of space", || shop.points.hits() > 0);
        let word = if action == Action::SyncDirectory { "" } else { ".segment.tmp" };
        shop.points.arm_only(Failpoint::error(action, word));
        wait_until("the failure", || log_lines().contains("no more log segments can be prepared"));
        let client = shop.client();
        let last = client.define_stock("web").unwrap().into_result().unwrap().outcome.op;
        let warnings = client.status().unwrap().warnings;
        assert!(
            warnings.iter().any(|text| text.contains("No more log segments")),
            "{action:?}: {warnings:?}"
        );
        assert_eq!(shop.wait(), Exit::LogFailed, "{action:?}");
        assert!(log_lines().contains("the log was ended cleanly"), "{action:?}: {}", log_lines());
        shop.points.disarm();
        shop.start().unwrap();
        assert!(shop.running().report().clean_stop, "{action:?}");
        assert_eq!(shop.recovered_ops(), last, "{action:?}");
        assert_eq!(shop.stop(), Exit::Clean);
    }
}
