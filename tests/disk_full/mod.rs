//! A whole server process on a file system that is really full: what is refused, what continues, what is reported, and
//! that it recovers by itself when there is space again. `tests/failpoints` has failures of single calls; here no call
//! is made to fail.
//!
//! The tests mount small file systems, which requires root. Without it they print `NOT RUN` and prove nothing.

#![expect(clippy::unwrap_used, reason = "what is missing or cannot be started fails the test")]

mod process;
mod small_disk;

use std::time::Duration;

use process::{SEGMENT_BYTES, SMALL, Served, run_to_end};
use small_disk::{Kind, SmallDisk};
use stockhold_client::blocking::Client;
use stockhold_client::{Answer, CallError, Cart, Note, Reserved, line, units_of};
use stockhold_protocol::command::{SkuDefinition, SourceDefinition};
use stockhold_protocol::{Code, ReservationId};

/// Units of the one SKU.
const UNITS: u32 = 10_000;
/// More commands than fit into two segments, with one synced block for each.
const COMMANDS_MAX: usize = 200;

fn define_shop(client: &Client) {
    let source = SourceDefinition {
        code: "east".to_owned(),
        name: "East".to_owned(),
        enabled: true,
        country: "US".to_owned(),
        postcode: "1".to_owned(),
        ..SourceDefinition::default()
    };
    client.define_source(&source).unwrap().into_result().unwrap();
    client.define_stock("web").unwrap().into_result().unwrap();
    client.link("web", "east", 1).unwrap().into_result().unwrap();
    let sku = SkuDefinition { sku: "A".to_owned(), ..SkuDefinition::default() };
    client.define_sku(&sku).unwrap().into_result().unwrap();
    client.count("east", "A", units_of(UNITS), None, Note::default()).unwrap().into_result().unwrap();
}

fn hold(client: &Client) -> Result<Answer<Reserved>, CallError> {
    client.reserve(&Cart::from_stock("web").line("A", 1).hold_for(Duration::from_mins(30)))
}

/// The code of a refusal, which must not be recorded, so the id stays unused.
fn refused<T: std::fmt::Debug>(answer: Result<Answer<T>, CallError>) -> Code {
    match answer {
        Ok(Answer::Refused(refusal)) => {
            assert!(!refusal.outcome.recorded, "{refusal:?}");
            refusal.code()
        }
        other => panic!("not refused: {other:?}"),
    }
}

/// Holds units one by one until a hold is refused.
fn hold_until_refused(client: &Client) -> Vec<ReservationId> {
    let mut holds = Vec::new();
    loop {
        assert!(holds.len() < COMMANDS_MAX, "two segments hold fewer commands");
        match hold(client).unwrap() {
            Answer::Done(done) => holds.push(done.reservation),
            Answer::Refused(refusal) => {
                assert_eq!((refusal.code(), refusal.outcome.recorded), (Code::ReadOnly, false));
                return holds;
            }
        }
    }
}

/// Confirms holds one by one until that is refused too. Returns the number of confirmed holds.
fn confirm_until_refused(client: &Client, holds: &[ReservationId]) -> usize {
    for (confirmed, hold) in holds.iter().enumerate() {
        match client.confirm(*hold).unwrap() {
            Answer::Done(_) => {}
            Answer::Refused(refusal) => {
                assert_eq!((refusal.code(), refusal.outcome.recorded), (Code::ReadOnly, false));
                return confirmed;
            }
        }
    }
    panic!("the reserve is smaller than {} commands", holds.len());
}

/// Fills the disk under a selling server until only questions are answered.
fn run_into_the_full_disk(disk: &SmallDisk, server: &Served) -> u32 {
    let client = server.client();
    define_shop(&client);
    disk.fill();
    let holds = hold_until_refused(&client);
    let held = u32::try_from(holds.len()).unwrap();
    assert_eq!(client.status().unwrap().state, "read_only(disk_full)");
    assert_eq!(server.salable(), UNITS - held);

    // The reserve: commands that free space or complete promises continue, all others are refused.
    assert_eq!(refused(client.extend(holds[0], Duration::from_mins(40))), Code::ReadOnly);
    assert_eq!(refused(client.count("east", "A", units_of(5), None, Note::default())), Code::ReadOnly);
    client.confirm(holds[0]).unwrap().into_result().unwrap();
    client.ship(holds[0], "east", &[line("A", 1)]).unwrap().into_result().unwrap();
    client.release(holds[1]).unwrap().into_result().unwrap();
    assert_eq!(refused(hold(&client)), Code::ReadOnly);
    assert_eq!(server.salable(), UNITS - held + 1);

    // Until the reserve is full too.
    let confirmed = confirm_until_refused(&client, &holds[2..]);
    assert!(confirmed > 0, "the reserve takes more than three commands");
    assert_eq!(refused(client.release(holds[2])), Code::ReadOnly);
    assert_eq!(client.status().unwrap().state, "read_only(disk_full)");
    assert!(disk.left_bytes() < SEGMENT_BYTES, "the disk is really full");
    UNITS - held + 1
}

fn goes_on_by_itself(kind: Kind) {
    let Some(disk) = SmallDisk::mount(kind) else { return };
    let mut server = Served::format_and_start(&disk);
    let salable = run_into_the_full_disk(&disk, &server);
    assert_eq!(server.salable(), salable, "checks go on");
    assert!(server.log_lines().contains("no space for the next log segment"), "{}", server.log_lines());

    disk.free();
    let client = server.client();
    server.wait_until("a sale", || hold(&client).unwrap().is_done());
    assert_eq!(client.status().unwrap().state, "ok");
    assert!(server.log_lines().contains("there is space for log segments again"), "{}", server.log_lines());
    assert_eq!(server.salable(), salable - 1);

    server.kill();
    let mut server = Served::start(&disk);
    assert_eq!(server.salable(), salable - 1, "nothing that was answered is lost");
    assert_eq!(server.stop(), 0);
    assert_eq!(run_to_end(&["verify", &disk.data_dir()]).0, 0);
}

fn starts_again_when_there_is_space(kind: Kind) {
    let Some(disk) = SmallDisk::mount(kind) else { return };
    let mut server = Served::format_and_start(&disk);
    let salable = run_into_the_full_disk(&disk, &server);
    server.kill();

    let serve = ["serve", "--listen", "127.0.0.1:0", "--data-dir", &disk.data_dir()];
    let (code, said) = run_to_end(&[&serve, SMALL.as_slice()].concat());
    assert_eq!(code, 74, "{said}");
    assert!(said.contains("No space left on device"), "{said}");

    disk.free();
    let mut server = Served::start(&disk);
    assert_eq!(server.salable(), salable, "nothing that was answered is lost");
    let client = server.client();
    assert!(hold(&client).unwrap().is_done());
    assert_eq!(server.stop(), 0);
    assert_eq!(run_to_end(&["verify", &disk.data_dir()]).0, 0);
}

#[test]
fn a_server_on_a_full_disk_goes_on_by_itself() {
    // Proves on a full ext4 that writes are refused before one fails, that the reserve serves commands that free space
    // or complete promises, that checks always continue, that status and log report it, and that with space again
    // everything continues without a restart and without loss.
    goes_on_by_itself(Kind::Ext4);
}

#[test]
fn a_server_on_a_full_memory_disk_goes_on_by_itself() {
    // Proves the same on tmpfs, which frees space at once and has no reserved blocks.
    goes_on_by_itself(Kind::Tmpfs);
}

#[test]
fn a_start_on_a_full_disk_is_refused_and_harms_nothing() {
    // Proves that a server that was killed on a full disk does not start, reports why, and has lost nothing when there
    // is space again.
    starts_again_when_there_is_space(Kind::Ext4);
    starts_again_when_there_is_space(Kind::Tmpfs);
}
