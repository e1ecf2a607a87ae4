//! Digests in the log: a replay that computes another state than the server that wrote the log is detected.

use std::collections::BTreeMap;

use super::life::live_with;
use super::world::{START_MS, World, format_disk, small};
use stockhold::directory::Directory;
use stockhold::recovery::{RecoveryError, recover};
use stockhold::replica::ReplicaError;
use stockhold::storage::memory::Survival;
use stockhold::storage::recording::RecordingStorage;
use stockhold::verify::{Fault, verify};
use stockhold::wal::{CommitLog, LogOptions, LogStart, LogWriter, ReadTo};
use stockhold_machine::config::BATCH_RULES;
use stockhold_protocol::batch::{Actor, Batch, BatchHeader, batch_of_one_run};
use stockhold_protocol::limits::FEATURE_LEVEL;
use stockhold_protocol::{Command, CommandId, Envelope, Timestamp};

#[test]
fn the_log_tells_digests_of_the_server_and_recovery_compares_them() {
    // Proves that batches record the digest that the server had at that op, often enough, and that a replay compares
    // all of them.
    let life = live_with(&RecordingStorage::new(), &small(), false);
    let image = life.storage.crash_now(Survival::Everything);
    let directory = Directory::open(image.share()).unwrap();
    let mut told = BTreeMap::new();
    let mut log = directory.read_log(1, ReadTo::End).unwrap();
    while let Some(frame) = log.next_frame().unwrap() {
        let header = Batch::decode(frame.payload).unwrap().header;
        if header.digest_op != 0 {
            assert!(header.digest_op <= header.applied_op);
            told.insert(header.digest_op, header.digest);
        }
    }
    let noted = told.iter().filter_map(|(op, digest)| life.digests.get(op).map(|noted| (digest, noted)));
    let equal = noted.map(|(digest, noted)| assert_eq!(digest, noted)).count();
    assert!(equal >= 3 && equal == told.len(), "{equal} digests of {} can be compared", told.len());
    let report = recover(&directory, |_| ()).unwrap().report;
    let replayed = told.keys().filter(|op| **op > report.snapshot_op().unwrap_or(0)).count();
    assert_eq!(report.digests_compared, u64::try_from(replayed).unwrap());
    assert!(replayed >= 3, "{report:?}");
}

/// Appends two batches of one tick each to the log of a stopped server. The second batch records this digest of the
/// first.
fn append_digest(disk: &RecordingStorage, digest: impl FnOnce(u64) -> u64) {
    let directory = Directory::open(disk.share()).unwrap();
    let recovered = recover(&directory, |_| ()).unwrap();
    let mut machine = recovered.machine;
    let manifest = directory.manifest();
    let start = LogStart { log_uuid: manifest.log_uuid, epoch: 1, now_ms: START_MS, salt_seed: 3 };
    let options = LogOptions::default();
    let (mut log, _preparer) = LogWriter::begin(&disk.share(), options, start, &recovered.end).unwrap();
    let mut record = Vec::new();
    Envelope::new(CommandId::NONE, Command::Tick).encode(&mut record).unwrap();
    // A second later, so that a digest is due.
    let proposed = Timestamp(machine.time().0 + 1_000);
    let header = BatchHeader {
        rules: BATCH_RULES,
        feature_level: FEATURE_LEVEL,
        count: 1,
        writer: 99,
        session: 1,
        number: 1,
        proposed,
        applied_op: machine.op(),
        digest_op: 0,
        digest: 0,
    };
    machine.begin_batch(&header);
    machine.apply(proposed, &record);
    let (digest_op, digest) = (machine.op(), digest(machine.digest()));
    let mut frame = log.frame_buffer();
    for header in [header, BatchHeader { number: 2, digest_op, digest, ..header }] {
        frame.clear();
        frame.extend_from_slice(&batch_of_one_run(&header, Actor::SERVER, &record));
        log.append(&mut frame, 1).unwrap();
    }
}

#[test]
fn a_log_that_was_decided_otherwise_is_refused_by_recovery_and_found_by_verify() {
    // Proves that an equal digest is accepted and a different one is not, and that both name the op and the digests.
    for is_equal in [true, false] {
        let disk = RecordingStorage::new();
        format_disk(&disk, &small());
        World::start(&disk, &small(), START_MS, 7).unwrap().stop();
        append_digest(&disk, |digest| if is_equal { digest } else { digest ^ 1 });
        let recovered = recover(&Directory::open(disk.share()).unwrap(), |_| ());
        let found = verify(&disk.share_to_read(), |_, _| ()).unwrap();
        if is_equal {
            assert_eq!(recovered.unwrap().report.digests_compared, 1);
            assert_eq!(found.findings.len(), 0, "{:?}", found.findings);
            continue;
        }
        let Err(RecoveryError::Replica(ReplicaError::Diverged(divergence))) =
            recovered.map(|recovered| recovered.report)
        else {
            panic!("another state was taken");
        };
        assert_eq!(divergence.replayed, Some(divergence.logged ^ 1));
        assert!(matches!(found.findings[..], [ref one, ..] if matches!(one.fault, Fault::Diverged(_))));
    }
}
