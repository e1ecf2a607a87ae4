//! No space for the next segment: the server notices it before a write fails, keeps the reserve for commands that free
//! space or complete promises, and recovers by itself.

use std::time::Duration;

use stockhold::server::Exit;
use stockhold::storage::{Action, WritePath};
use stockhold_client::{Answer, CallError, Cart, NotDone};
use stockhold_protocol::Code;

use super::failing::{Failpoint, Failure};
use super::shop::{Shop, UNITS, buy, refused, wait_until};

const NO_SEGMENT: Failpoint =
    Failpoint { action: Action::Create, word: ".segment.tmp", failure: Failure::NoSpace };

#[test]
fn a_full_disk_is_met_early_and_passes_by_itself() {
    // Proves the whole sequence: the reserve accepts commands that free space or complete promises and refuses the rest
    // unrecorded; after it is used up only checks are answered; with space again everything continues without a restart
    // and without loss.
    let mut shop = Shop::open(WritePath::Direct, |config| {
        config.log.batch_bytes = 66_560;
        config.log.segment_bytes = 131_072;
    });
    let client = shop.client();
    let hold = |units| Cart::from_stock("web").line("A", units).hold_for(Duration::from_mins(5));
    let mut holds = Vec::new();
    client.mark("before").unwrap().into_result().unwrap();
    shop.arm(NO_SEGMENT);
    // The existing spare is used up first. The server decides which answer is the first refusal.
    let first_refusal = loop {
        match client.reserve(&hold(1)).unwrap() {
            Answer::Done(done) => holds.push(done.reservation),
            Answer::Refused(refusal) => break refusal,
        }
        assert!(holds.len() < 200, "two segments hold fewer commands");
    };
    assert_eq!((first_refusal.code(), first_refusal.outcome.recorded), (Code::ReadOnly, false));
    assert_eq!(shop.state(), "read_only(disk_full)");
    let promised = u32::try_from(holds.len()).unwrap();

    // The reserve accepts commands that free space or complete promises.
    assert_eq!(refused(client.extend(holds[0], Duration::from_mins(9))), Code::ReadOnly);
    assert_eq!(refused(client.mark("after")), Code::ReadOnly);
    client.unmark("before").unwrap().into_result().unwrap();
    client.confirm(holds[0]).unwrap().into_result().unwrap();
    client.release(holds[1]).unwrap().into_result().unwrap();
    client.ship(holds[0], "east", &[stockhold_client::line("A", 1)]).unwrap().into_result().unwrap();
    let salable = UNITS - promised + 1;
    assert_eq!(shop.salable(), salable);

    // After the reserve is used up, only checks are answered.
    let mut left = holds[2..].iter();
    let mut confirmed = 0;
    let code = loop {
        match client.confirm(*left.next().expect("the reserve is smaller than this")).unwrap() {
            Answer::Done(_) => confirmed += 1,
            Answer::Refused(refusal) => break refusal.code(),
        }
    };
    assert_eq!(code, Code::ReadOnly);
    assert!(confirmed > 0);
    assert_eq!(refused(client.release(holds[0])), Code::ReadOnly);
    assert_eq!(shop.salable(), salable, "checks go on");

    shop.points.disarm();
    wait_until("space again", || shop.state() == "ok" || buy(&client).is_ok_and(|answer| answer.is_done()));
    wait_until("a sale", || buy(&client).unwrap().is_done());
    let salable = shop.salable();
    assert_eq!(shop.stop(), Exit::Clean);
    shop.start().unwrap();
    assert_eq!(shop.salable(), salable, "nothing that was answered is lost");
    assert_eq!(shop.stop(), Exit::Clean);
}

#[test]
fn a_half_made_segment_gives_its_space_back() {
    // Proves that running out of space in the middle of a segment leaves no file that keeps the space, and that a file
    // that cannot be removed ends the server cleanly instead of aborting it.
    let mut shop = Shop::open(WritePath::Direct, |_| ());
    shop.wait_for_spare();
    assert_eq!(shop.stop(), Exit::Clean);
    shop.arm(Failpoint { action: Action::Write, word: ".segment.tmp", failure: Failure::NoSpace });
    shop.start().unwrap();
    wait_until("a lack of space", || shop.points.hits() > 0);
    wait_until("a swept directory", || shop.files(".tmp").is_empty());
    shop.points.disarm();
    shop.wait_for_spare();
    assert_eq!(shop.stop(), Exit::Clean);

    shop.arm(NO_SEGMENT);
    shop.arm(Failpoint::error(Action::Remove, ".segment.tmp"));
    shop.start().unwrap();
    assert_eq!(shop.wait(), Exit::LogFailed);
    shop.points.disarm();
    shop.start().unwrap();
    assert_eq!(shop.stop(), Exit::Clean);
}

#[test]
fn a_call_in_need_of_space_ends_in_time() {
    // Proves that no client waits for the disk: a command is refused at once, not after its deadline.
    let mut shop = Shop::open(WritePath::Direct, |_| ());
    shop.wait_for_spare();
    assert_eq!(shop.stop(), Exit::Clean);
    shop.config.log.segment_bytes += 4_096;
    shop.start().unwrap();
    shop.wait_for_spare();
    assert_eq!(shop.stop(), Exit::Clean);
    shop.arm(NO_SEGMENT);
    shop.start().unwrap();
    wait_until("a lack of space", || shop.points.hits() > 0);
    match buy(&shop.client()) {
        Ok(Answer::Refused(refusal)) => assert_eq!(refusal.code(), Code::ReadOnly),
        Err(CallError::NotDone { why: NotDone::Busy, .. }) => panic!("a full disk is no busy server"),
        other => panic!("{other:?}"),
    }
    shop.points.disarm();
    assert_eq!(shop.stop(), Exit::Clean);
}

#[test]
fn a_used_segment_that_finds_no_space_gives_its_own_back() {
    // Proves the same for a recycled file of a trimmed segment, because copy-on-write file systems need space to write
    // it.
    let mut shop = Shop::open(WritePath::Direct, |config| {
        config.log.batch_bytes = 66_560;
        config.log.segment_bytes = 131_072;
    });
    let client = shop.client();
    shop.arm(Failpoint { action: Action::Write, word: "0000000000000001.tmp", failure: Failure::NoSpace });
    wait_until("the segment's second use", || {
        let is_sold = buy(&client).unwrap().is_done();
        client.snapshot().unwrap();
        assert!(is_sold || shop.points.hits() > 0, "only a lack of space refuses");
        shop.points.hits() > 0
    });
    wait_until("a swept directory", || shop.files("recycled-0000000000000001").is_empty());
    wait_until("a sale", || buy(&client).unwrap().is_done());
    assert_eq!(shop.points.hits(), 1);
    assert_eq!(shop.stop(), Exit::Clean);
}
