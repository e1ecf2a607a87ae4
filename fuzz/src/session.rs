//! One connection to a whole server on one thread with a disk in memory: any stream of bytes, in pieces. The first
//! byte says whether the stream is used as it is or made into frames with valid lengths and checksums, and whether a
//! valid handshake precedes it.

use super::draw::Draw;
use super::history::{self, START_MS};
use std::sync::{Arc, LazyLock};
use stockhold::assembly::{Assembly, Environment, assemble, format};
use stockhold::clock::ManualTimeSource;
use stockhold::config::Config;
use stockhold::net::ConnectionState;
use stockhold::pipeline::Stepped;
use stockhold::pipeline::reply_queue::{ReplyAddress, ReplyBuffer};
use stockhold::storage::memory::Survival;
use stockhold::storage::recording::RecordingStorage;
use stockhold_protocol::frame::{FrameKind, Header, append, parse};
use stockhold_protocol::handshake::Hello;
use stockhold_protocol::limits::FRAME_BODY_BYTES_MAX;
use uuid::Uuid;

/// Maximum number of rounds until a server is idle.
const ROUNDS_MAX: u32 = 10_000;

/// Longer than any check waits.
const CHECK_WAIT_MS: u64 = 3_600_000;

/// A formatted disk on which the shop of the history is defined.
static DISK: LazyLock<RecordingStorage> = LazyLock::new(|| {
    let disk = RecordingStorage::new();
    disk.forget_history();
    drop(
        format(disk.share(), &history::genesis(), small().log.segment_bytes, Uuid::from_u128(1), 1)
            .expect("empty"),
    );
    let mut stream = greeting();
    commands(&history::shop(), &mut stream);
    let mut server = Server::start(&disk);
    server.send(&stream, stream.len());
    server.check();
    drop(server);
    disk
});

/// Small buffers, because a server is assembled for each input.
fn small() -> Config {
    let mut config = Config::default();
    config.log.batch_bytes = 66_560;
    config.log.segment_bytes = 98_304;
    config.limits.in_flight = 200;
    config
}

fn greeting() -> Vec<u8> {
    let (mut body, mut stream) = (Vec::new(), Vec::new());
    Hello::new("drawn").encode(&mut body).expect("a greeting of our own");
    append(Header::new(FrameKind::Hello, 1, 0), &body, &mut stream);
    stream
}

fn commands(records: &[Vec<u8>], stream: &mut Vec<u8>) {
    let count = u16::try_from(records.len()).expect("few");
    append(Header::new(FrameKind::Commands, 2, count), &records.concat(), stream);
}

struct Server {
    time: Arc<ManualTimeSource>,
    assembly: Assembly,
    session: ConnectionState,
    pending: Vec<u8>,
}

impl Server {
    fn start(disk: &RecordingStorage) -> Self {
        let time = Arc::new(ManualTimeSource::new(START_MS));
        let environment = Environment { time: time.clone(), salt_seed: 2, spawner: None };
        let assembly = assemble(disk.share(), &small(), 1, environment, |_| ()).expect("a sound disk");
        Self { time, assembly, session: ConnectionState::new(ReplyAddress::default()), pending: Vec::new() }
    }

    /// Sends a stream in pieces. An incomplete frame waits for the next piece, as in a connection's buffer.
    fn send(&mut self, stream: &[u8], piece: usize) {
        for piece in stream.chunks(piece.max(1)) {
            self.pending.extend_from_slice(piece);
            let used = self.session.receive(&self.pending, &self.assembly.context);
            self.pending.drain(..used);
            self.rest();
        }
    }

    /// Steps every stage until none has anything to do.
    fn rest(&mut self) {
        let mut rounds = 0;
        loop {
            let mut has_worked = self.assembly.sequencer.step() == Stepped::Worked;
            has_worked |= self.assembly.applier.step().expect("a log of our own") == Stepped::Worked;
            has_worked |= self.assembly.snapshotter.step() == Stepped::Worked;
            let prepared = self.assembly.preparer.step(START_MS).expect("memory does not fail");
            has_worked |= prepared != stockhold::wal::Progress::Idle;
            let mut buffer = ReplyBuffer::default();
            self.assembly.reply_queues.take(0, &mut buffer);
            for reply in &buffer.replies {
                self.session.deliver(reply, &buffer.bytes[reply.start..reply.end]);
                self.session.submit_held_queries(&self.assembly.context);
            }
            if !has_worked {
                break;
            }
            rounds += 1;
            assert!(rounds < ROUNDS_MAX, "the server does not become idle");
        }
    }

    /// Checks that the output is a stream of frames, that every request was answered, and that the machine is sound.
    fn check(&mut self) {
        // Checks that wait for an op time out.
        self.time.advance_ms(CHECK_WAIT_MS);
        self.rest();
        let out = std::mem::take(self.session.out());
        let mut rest = out.as_slice();
        while let Some((_, used)) = parse(rest, FRAME_BODY_BYTES_MAX).expect("a server writes frames") {
            rest = &rest[used..];
        }
        assert!(rest.is_empty(), "half a frame was sent");
        self.session.peer_closed();
        assert!(self.session.is_over(), "an answer is due, and nothing works on it");
        let violations = self.assembly.applier.machine().validate();
        assert!(violations.is_empty(), "{violations:?}");
    }
}

/// Sends the bytes to a server.
pub fn run(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    let how = draw.byte();
    let piece = (usize::from(draw.byte()) + 1) * 8;
    let mut stream = if how & 2 == 0 { greeting() } else { Vec::new() };
    if how & 1 == 0 {
        frames(&mut draw, &mut stream);
    } else {
        stream.extend_from_slice(draw.rest());
    }
    let mut server = Server::start(&DISK.crash_now(Survival::Everything));
    server.send(&stream, piece);
    server.check();
}

/// Frames with valid headers. Records of commands get their real length.
fn frames(draw: &mut Draw<'_>, stream: &mut Vec<u8>) {
    while !draw.is_empty() {
        let kind = FrameKind::ALL[draw.below(FrameKind::ALL.len())];
        let entries = draw.below(6);
        let mut header = Header::new(kind, u64::from(draw.byte()), u16::try_from(entries).expect("few"));
        if kind == FrameKind::Commands {
            let records: Vec<Vec<u8>> = (0..entries).map(|_| record(draw)).collect();
            append(header, &records.concat(), stream);
        } else {
            header.time = u32::from(draw.byte());
            let length = draw.below(256);
            append(header, draw.take(length), stream);
        }
    }
}

fn record(draw: &mut Draw<'_>) -> Vec<u8> {
    let length = draw.below(256);
    let mut record = draw.take(length).to_vec();
    if let (Ok(length), true) = (u16::try_from(record.len()), record.len() >= 2) {
        record[..2].copy_from_slice(&length.to_le_bytes());
    }
    record
}
