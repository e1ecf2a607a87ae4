//! Failures before a server accepts connections: it does not start, reports why, changes nothing, and starts when the
//! medium is intact again.

use stockhold::server::Exit;
use stockhold::storage::{Action, WritePath};

use super::failing::{Failpoint, Failure};
use super::shop::{Shop, buy, chain, wait_until};

#[test]
fn a_start_that_cannot_read_or_sync_is_refused_and_loses_nothing() {
    // Proves the exit code and the message for every call that a start relies on, and that the next start has every op.
    let table = [
        (Failpoint::error(Action::Lock, "LOCK"), "cannot lock LOCK"),
        (Failpoint::error(Action::Open, "MANIFEST"), "cannot open MANIFEST"),
        (Failpoint::error(Action::Read, "MANIFEST"), "cannot read MANIFEST"),
        (Failpoint::error(Action::List, ""), "cannot list"),
        (Failpoint::error(Action::Remove, "left-behind.tmp"), "cannot remove left-behind.tmp"),
        (Failpoint::error(Action::Open, ".snapshot"), "cannot open"),
        (Failpoint::error(Action::Read, ".snapshot"), "cannot read"),
        (Failpoint::error(Action::Open, ".segment"), "cannot open"),
        (Failpoint::error(Action::Read, ".segment"), "cannot read"),
        (Failpoint::error(Action::Sync, ".segment"), "cannot sync"),
        (Failpoint::error(Action::SyncDirectory, ""), "cannot sync the directory"),
        (Failpoint::error(Action::Write, ".segment"), "cannot write"),
    ];
    let mut shop = Shop::open(WritePath::Direct, |_| ());
    buy(&shop.client()).unwrap().into_result().unwrap();
    shop.client().snapshot().unwrap();
    let mut last = buy(&shop.client()).unwrap().into_result().unwrap().outcome.op;
    // A start writes to a file that already has the name of a segment only if the run before left a spare.
    wait_until("a spare", || shop.segments() == 2);
    assert_eq!(shop.stop(), Exit::Clean);
    for (bought, (failpoint, sentence)) in (2..).zip(table) {
        std::fs::write(shop.path("left-behind.tmp"), b"unfinished").unwrap();
        shop.arm(failpoint);
        let refused = shop.start().expect_err("the start relies on it");
        let text = chain(&refused);
        assert!(text.contains(sentence), "{failpoint:?}: {text}");
        assert!(text.contains("os error 5"), "{failpoint:?}: {text}");
        assert_eq!(refused.exit_code(), 74, "{failpoint:?}: {text}");
        shop.points.disarm();
        shop.start().unwrap();
        assert_eq!(shop.recovered_ops(), last, "{failpoint:?}");
        assert_eq!(shop.salable(), super::shop::UNITS - bought);
        // A run that logs something, so that the next start begins a further segment.
        last = buy(&shop.client()).unwrap().into_result().unwrap().outcome.op;
        let segments = usize::try_from(bought).unwrap() + 1;
        wait_until("a spare", || shop.segments() == segments);
        assert_eq!(shop.stop(), Exit::Clean);
    }
    assert_eq!(shop.points.hits(), 12, "every failpoint was met once and ended the start");
}

#[test]
fn a_start_that_cannot_take_the_place_of_a_blank_segment_is_refused_and_loses_nothing() {
    // Proves each step of replacing the segment in which the previous run logged nothing.
    let table = [
        (Failpoint::error(Action::Rename, ".segment"), "cannot rename"),
        (Failpoint::error(Action::SyncDirectory, ""), "cannot sync the directory"),
        (Failpoint::error(Action::Open, ".tmp"), "cannot open recycled-"),
        (Failpoint::error(Action::Write, ".tmp"), "cannot write"),
        (Failpoint::error(Action::Sync, ".tmp"), "cannot sync"),
        (Failpoint::error(Action::Rename, ".tmp"), "cannot rename recycled-"),
    ];
    let mut shop = Shop::open(WritePath::Direct, |_| ());
    let last = buy(&shop.client()).unwrap().into_result().unwrap().outcome.op;
    assert_eq!(shop.stop(), Exit::Clean);
    for (failpoint, sentence) in table {
        shop.start().unwrap();
        wait_until("a spare", || shop.segments() == 3);
        assert_eq!(shop.stop(), Exit::Clean);
        shop.arm(failpoint);
        let refused = shop.start().expect_err("the start relies on it");
        let text = chain(&refused);
        assert!(text.contains(sentence), "{failpoint:?}: {text}");
        assert_eq!(refused.exit_code(), 74, "{failpoint:?}: {text}");
        shop.points.disarm();
        shop.start().unwrap();
        assert_eq!(shop.recovered_ops(), last, "{failpoint:?}");
        assert_eq!(shop.stop(), Exit::Clean);
    }
    assert_eq!(shop.points.hits(), 6, "every failpoint was met once and ended the start");
}

#[test]
fn a_start_that_cannot_make_a_segment_is_refused() {
    // Proves each step of preparing the first segment of a run. Another segment length makes the previous run's spare
    // useless.
    let table = [
        (Action::Create, Failure::Error, "cannot create"),
        (Action::Create, Failure::NoSpace, "no space left to create"),
        (Action::Write, Failure::Short, "bytes were written to"),
        (Action::Write, Failure::NoSpace, "no space left to write"),
        (Action::Sync, Failure::Error, "cannot sync"),
        (Action::Rename, Failure::Error, "cannot rename"),
        (Action::SyncDirectory, Failure::Error, "cannot sync the directory"),
    ];
    let mut shop = Shop::open(WritePath::Direct, |_| ());
    let last = buy(&shop.client()).unwrap().into_result().unwrap().outcome.op;
    assert_eq!(shop.stop(), Exit::Clean);
    for (action, failure, sentence) in table {
        shop.config.log.segment_bytes += 4_096;
        // An unfinished segment has a temporary name; the directory has none.
        let word = if action == Action::SyncDirectory { "" } else { ".segment.tmp" };
        shop.arm(Failpoint { action, word, failure });
        let refused = shop.start().expect_err("the start relies on it");
        let text = chain(&refused);
        assert!(text.contains(sentence), "{action:?} {failure:?}: {text}");
        assert_eq!(refused.exit_code(), 74, "{text}");
        shop.points.disarm();
        shop.start().unwrap();
        assert_eq!(shop.recovered_ops(), last, "{action:?} {failure:?}");
        assert_eq!(shop.stop(), Exit::Clean);
    }
}

#[test]
fn a_format_that_was_cut_off_can_be_done_again() {
    // Proves that a failure at any step of formatting is reported, and that the directory is not half formatted
    // afterwards.
    let table = [
        (Action::Lock, ""),
        (Action::Create, ".segment.tmp"),
        (Action::Write, ".segment.tmp"),
        (Action::Sync, ".segment.tmp"),
        (Action::Rename, ".segment.tmp"),
        (Action::SyncDirectory, ""),
        (Action::Create, "MANIFEST.tmp"),
        (Action::Write, "MANIFEST.tmp"),
        (Action::Sync, "MANIFEST.tmp"),
        (Action::Rename, "MANIFEST.tmp"),
    ];
    for (action, word) in table {
        let mut shop = Shop::bare(WritePath::Direct, |_| ());
        shop.arm(Failpoint::error(action, word));
        let refused = shop.format().expect_err("formatting relies on it");
        assert_eq!(refused.exit_code(), 74, "{action:?} {word}: {}", chain(&refused));
        shop.points.disarm();
        let unformatted = shop.start().expect_err("there is no manifest");
        assert_eq!(unformatted.exit_code(), 2, "{action:?} {word}: {}", chain(&unformatted));
        assert!(chain(&unformatted).contains("stockhold format"), "{}", chain(&unformatted));
        shop.format().unwrap();
        shop.start().unwrap();
        assert_eq!(shop.stop(), Exit::Clean);
    }
}
