//! Failures of the log itself: nothing more is written, commands in flight stay unknown, checks continue for a while,
//! the exit code is 74, and the next start has everything that was answered.

use stockhold::config::DurabilityChoice;
use stockhold::server::Exit;
use stockhold::storage::{Action, WritePath};
use stockhold_client::CallError;

use super::failing::{Failpoint, Failure};
use super::shop::{Shop, UNITS, buy, log_lines};

/// The number of carts of a frame that takes several blocks.
const CARTS: u16 = 400;

#[test]
fn a_failed_log_write_is_never_answered_and_ends_the_server() {
    // Proves, for both write paths and each kind of failure, that the frame in flight is unknown until it is repeated
    // after the start, that it then takes effect once, whether it had reached the medium or not, and that nothing
    // acknowledged is lost.
    let failures = [Failure::Error, Failure::NoSpace, Failure::Short, Failure::ErrorAfter];
    for (wanted, failure) in [WritePath::Direct, WritePath::Fdatasync]
        .into_iter()
        .flat_map(|wanted| failures.map(|failure| (wanted, failure)))
    {
        let case = format!("{wanted:?} {failure:?}");
        let mut shop = Shop::open(wanted, |_| ());
        let client = shop.client();
        let answered = buy(&client).unwrap().into_result().unwrap();
        let mut frame = shop.frame(&client, CARTS);
        shop.arm(Failpoint { action: Action::Write, word: ".segment", failure });
        match shop.hasty_client().send_batch(&mut frame) {
            Err(CallError::Unknown { id }) => assert_eq!(Some(id), frame.ids().next(), "{case}"),
            other => panic!("{case}: {other:?}"),
        }
        assert_eq!(shop.salable(), UNITS - 1, "{case}: checks go on, and show what is durable");
        assert_eq!(shop.wait(), Exit::LogFailed, "{case}");
        assert!(log_lines().contains("THE LOG HAS FAILED"), "{case}: {}", log_lines());
        assert_eq!(shop.points.hits(), 1, "{case}: nothing is tried again");
        shop.points.disarm();

        shop.start().unwrap();
        let reached = failure == Failure::ErrorAfter;
        let recovered = answered.outcome.op + if reached { u64::from(CARTS) } else { 0 };
        assert_eq!(shop.recovered_ops(), recovered, "{case}");
        assert_eq!(shop.running().report().torn_tail, failure == Failure::Short, "{case}");
        let again = shop.client().send_batch(&mut frame).unwrap();
        assert!(
            again.iter().all(|outcome| outcome.replayed == reached && outcome.code.is_success()),
            "{case}"
        );
        assert_eq!(shop.salable(), UNITS - 1 - u32::from(CARTS), "{case}: each cart counts once");
        assert!(shop.client().reservation(answered.reservation).unwrap().is_some(), "{case}");
        assert_eq!(shop.stop(), Exit::Clean, "{case}");
    }
}

#[test]
fn a_failed_sync_ends_the_server_too() {
    // Proves the sync of `durability = interval`: the next interval sync fails, and a start begins a new epoch.
    let interval = |config: &mut stockhold::config::Config| {
        config.log.durability = DurabilityChoice::Interval;
        config.log.interval_ms = 20;
    };
    let mut shop = Shop::open(WritePath::Fdatasync, interval);
    let epoch = shop.running().identity().1;
    shop.arm(Failpoint::error(Action::Sync, ".segment"));
    buy(&shop.client()).unwrap().into_result().unwrap();
    assert_eq!(shop.wait(), Exit::LogFailed);
    assert!(log_lines().contains("THE LOG HAS FAILED"), "{}", log_lines());
    shop.points.disarm();
    shop.start().unwrap();
    assert!(shop.running().identity().1 > epoch, "what was answered may be gone, so the epoch is another");
    assert_eq!(shop.stop(), Exit::Clean);
}

#[test]
fn a_failed_rotation_ends_the_server() {
    // Proves the write that opens the next segment, which fails like any other write of the log.
    let mut shop = Shop::open(WritePath::Direct, |config| {
        config.log.batch_bytes = 66_560;
        config.log.segment_bytes = 131_072;
    });
    let client = shop.hasty_client();
    let mut answered = 0;
    // With blocks of 4 KiB the segment is full within thirty commands, and the failing write is that of the spare's
    // opening block.
    shop.wait_for_spare();
    shop.arm(Failpoint::error(Action::Write, "0000000000000002.segment.tmp"));
    while let Ok(done) = buy(&client) {
        answered = done.into_result().unwrap().outcome.op;
        assert!(answered < 100, "the segment must be full by now");
    }
    assert_eq!(shop.wait(), Exit::LogFailed);
    shop.points.disarm();
    shop.start().unwrap();
    assert_eq!(shop.recovered_ops(), answered);
    assert_eq!(shop.stop(), Exit::Clean);
}
