//! Golden files: the bytes of every frame kind, command, outcome shape, query and answer.
//!
//! A changed byte is another protocol. `STOCKHOLD_GOLDEN=write cargo test -p stockhold-protocol-tests golden`
//! rewrites the files; such a change needs a new `PROTOCOL_VERSION`.
#![expect(clippy::unwrap_used, reason = "these are tests; a failed step must stop them")]

use crate::samples;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use stockhold_protocol::codec::{Reader, decode_cold, encode_cold};
use stockhold_protocol::command::Kind;
use stockhold_protocol::fields::{Tagged, encode_fields};
use stockhold_protocol::frame::{FrameKind, Header, append, parse};
use stockhold_protocol::handshake::{Hello, Welcome};
use stockhold_protocol::limits::FRAME_BODY_BYTES_MAX;
use stockhold_protocol::query::{CELL_NOT_ASSIGNED, CELL_UNLIMITED, Name, Query, QueryAnswer};
use stockhold_protocol::{Command, Envelope, Outcome};
use wincode::{SchemaRead, SchemaWrite};

/// The version of the files: frames of this version, of a server of this feature level. Later programs read and write
/// them as well.
const VERSION: u8 = 2;
const FEATURE_LEVEL: u32 = 1;

type Config = stockhold_protocol::codec::ColdConfig;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../golden")
}

fn cold<T: SchemaWrite<Config, Src = T>>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_cold(value, &mut bytes).unwrap();
    bytes
}

fn fields<T: Tagged>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_fields(value, &mut bytes).unwrap();
    bytes
}

fn answer(answer: &QueryAnswer) -> Vec<u8> {
    let mut bytes = Vec::new();
    answer.encode(&mut bytes).unwrap();
    bytes
}

fn again<'de, T>(bytes: &'de [u8]) -> Vec<u8>
where
    T: SchemaRead<'de, Config, Dst = T> + SchemaWrite<Config, Src = T>,
{
    cold(&decode_cold::<T>(bytes).unwrap())
}

fn frame_body(kind: FrameKind) -> (Vec<u8>, u16) {
    let pairs = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    match kind {
        FrameKind::Hello => {
            let hello = Hello { version_min: VERSION, version_max: VERSION, ..Hello::new("golden") };
            (fields(&hello), 0)
        }
        FrameKind::Welcome => {
            let welcome = Welcome {
                version: VERSION,
                version_min: VERSION,
                version_max: VERSION,
                feature_level: FEATURE_LEVEL,
                log_uuid: [0xAB; 16],
                epoch: 3,
                rules_version: 1,
                op: 77,
                time_ms: 1_763_800_000_000,
                shown_offset_ms: 0,
                server: "stockhold 0.1.0".into(),
                ..Welcome::default()
            };
            (fields(&welcome), 0)
        }
        FrameKind::Error => (cold(&"the frame body's checksum does not match its bytes".to_owned()), 0),
        FrameKind::Commands => {
            let records: Vec<Vec<u8>> =
                samples::commands().into_iter().take(3).map(|(_, record)| record).collect();
            (records.concat(), 3)
        }
        FrameKind::Outcomes => {
            let mut body = Vec::new();
            for (index, (_, outcome)) in (0..).zip(samples::outcomes()) {
                outcome.encode(index, &mut body);
            }
            (body, u16::try_from(samples::outcomes().len()).unwrap())
        }
        FrameKind::Checks => ([77_u64.to_le_bytes().to_vec(), pairs(&[7, 1, 9, 1])].concat(), 2),
        FrameKind::Cells => {
            let cells = [15_000, CELL_NOT_ASSIGNED, CELL_UNLIMITED, -20_000];
            let cells: Vec<u8> = cells.into_iter().flat_map(i64::to_le_bytes).collect();
            ([78_u64.to_le_bytes().to_vec(), cells].concat(), 4)
        }
        FrameKind::Resolve => {
            let channel = Name::Channel("website".into(), "us".into());
            let names = [
                Name::Sku("BIKE-0001".into()),
                Name::Stock("web-us".into()),
                Name::Source("x".into()),
                channel,
            ];
            (cold(&names.to_vec()), 4)
        }
        FrameKind::Resolved => (cold(&vec![Some(7_u32), Some(1), None, Some(2)]), 4),
        FrameKind::Query => (cold(&samples::queries()[1].1), 0),
        FrameKind::Answer => (answer(&samples::answers()[1].1), 0),
        FrameKind::Goodbye => (Vec::new(), 0),
    }
}

fn frame(kind: FrameKind) -> Vec<u8> {
    let (body, count) = frame_body(kind);
    let mut out = Vec::new();
    let names = if matches!(kind, FrameKind::Commands | FrameKind::Outcomes) { 0x0A0B } else { 0 };
    let header = Header { time: 250, names, ..Header::new(kind, 0x0102_0304_0506_0708, count) };
    append(header.in_version(VERSION), &body, &mut out);
    out
}

/// Every golden file: its name and the bytes that this program writes.
fn cases() -> Vec<(String, Vec<u8>)> {
    let mut cases = samples::commands();
    cases.extend(FrameKind::ALL.map(|kind| (format!("frame_{kind:?}").to_lowercase(), frame(kind))));
    for (name, outcome) in samples::outcomes() {
        let mut bytes = Vec::new();
        outcome.encode(9, &mut bytes);
        cases.push((format!("outcome_{name}"), bytes));
    }
    cases.extend(samples::queries().iter().map(|(name, query)| (format!("query_{name}"), cold(query))));
    cases.extend(
        samples::answers().iter().map(|(name, answer)| (format!("answer_{name}"), self::answer(answer))),
    );
    cases
}

/// Decodes a golden file and encodes it again, by the family in its name.
fn decoded_and_encoded(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match name.split_once('_').unwrap().0 {
        "command" => Envelope::decode(bytes).unwrap().encode(&mut out).unwrap(),
        "outcome" => {
            let mut reader = Reader::new(bytes);
            let (index, outcome) = Outcome::decode(&mut reader).unwrap();
            reader.finish().unwrap();
            outcome.encode(index, &mut out);
        }
        "query" => out = again::<Query>(bytes),
        "answer" => QueryAnswer::decode(bytes).unwrap().encode(&mut out).unwrap(),
        "frame" => {
            let (frame, used) = parse(bytes, FRAME_BODY_BYTES_MAX).unwrap().unwrap();
            assert_eq!(used, bytes.len());
            append(frame.header, frame.body, &mut out);
        }
        other => panic!("{other} is no family of golden files"),
    }
    out
}

#[test]
fn every_golden_file_is_what_is_written_and_read_today() {
    // Proves that neither writer nor reader has changed a byte since the files were made.
    let is_asked = std::env::var_os("STOCKHOLD_GOLDEN").is_some_and(|value| value == "write");
    // The stand-in for a later release writes none.
    let write = is_asked && !cfg!(feature = "next-release");
    for (name, bytes) in cases() {
        let path = folder().join(format!("{name}.bin"));
        if write {
            fs::write(&path, &bytes).unwrap();
        }
        let golden = fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(bytes, golden, "{name} is written differently");
        assert_eq!(decoded_and_encoded(&name, &golden), golden, "{name} is read differently");
    }
}

#[test]
fn no_golden_file_is_left_over() {
    // Proves that every file is checked: a file without a case would prove nothing.
    let names: BTreeSet<String> = cases().into_iter().map(|(name, _)| format!("{name}.bin")).collect();
    assert_eq!(names.len(), cases().len(), "two cases share a name");
    let files: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(files, names);
}

#[test]
fn every_command_kind_has_a_golden_file() {
    // Proves that a new kind cannot be forgotten here.
    let records = samples::commands();
    let kinds: BTreeSet<u8> = records.iter().map(|(_, record)| record[2]).collect();
    assert_eq!(kinds, Kind::ALL.iter().map(|kind| kind.code()).collect());
    let tick = Envelope::decode(&records.iter().find(|(name, _)| name == "command_tick").unwrap().1)
        .unwrap()
        .command;
    assert_eq!(tick, Command::Tick);
}
