//! The real pipeline on one thread and a recorded disk: what was acknowledged, and what each crash image still has of
//! it.

use std::collections::BTreeMap;
use std::sync::Arc;

use stockhold::assembly::{Assembly, Environment, assemble, format};
use stockhold::clock::ManualTimeSource;
use stockhold::config::Config;
use stockhold::error::StartError;
use stockhold::net::ConnectionState;
use stockhold::pipeline::Stepped;
use stockhold::pipeline::reply_queue::{ReplyAddress, ReplyBuffer};
use stockhold::storage::recording::RecordingStorage;
use stockhold_machine::Genesis;
use stockhold_protocol::codec::{Reader, decode_cold, encode_cold};
use stockhold_protocol::frame::{self, FrameKind, Header};
use stockhold_protocol::handshake::{Hello, Welcome};
use stockhold_protocol::limits::FRAME_BODY_BYTES_MAX;
use stockhold_protocol::query::{Name, Query};
use stockhold_protocol::{Code, Command, CommandId, Envelope, Outcome, Timestamp};
use uuid::Uuid;

/// The wall clock at the beginning.
pub(crate) const START_MS: u64 = 1_763_800_000_000;
/// The UUID of the log.
pub(crate) const LOG: Uuid = Uuid::from_u128(0x6f1c_2a70_5b0e_4c1d_9f3a_7d22_41c8_e0b5);

/// The maximum number of steps until a server has nothing to do.
const STEPS_MAX: u32 = 100_000;

/// A configuration with small segments, so that a short run uses several.
pub(crate) fn small() -> Config {
    let mut config = Config::default();
    config.log.batch_bytes = 66_560;
    config.log.segment_bytes = 98_304;
    config
}

/// A new log on `storage`.
pub(crate) fn format_disk(storage: &RecordingStorage, config: &Config) {
    let genesis = Genesis { formatted_at: Timestamp(START_MS), ..Genesis::default() };
    format(storage.share(), &genesis, config.log.segment_bytes, LOG, 1).unwrap();
}

/// A server that is stepped by hand.
pub(crate) struct World {
    pub(crate) assembly: Assembly,
    pub(crate) time: Arc<ManualTimeSource>,
    connection: ConnectionState,
    request: u64,
    answers: BTreeMap<(u64, u16), Outcome>,
    welcome: Option<Welcome>,
    /// The low bits of the name generation that commands say.
    pub(crate) names: u16,
    /// Those that the last frame of outcomes has told.
    pub(crate) told_names: u16,
    resolved: Vec<Option<u32>>,
}

impl World {
    pub(crate) fn start(
        storage: &RecordingStorage,
        config: &Config,
        now_ms: u64,
        salt_seed: u64,
    ) -> Result<Self, StartError> {
        let time = Arc::new(ManualTimeSource::new(now_ms));
        let environment = Environment { time: time.clone(), salt_seed, spawner: None };
        let assembly = assemble(storage.share(), config, 1, environment, |_| ())?;
        let connection = ConnectionState::new(ReplyAddress::default());
        let mut world = Self {
            assembly,
            time,
            connection,
            request: 0,
            answers: BTreeMap::new(),
            welcome: None,
            names: 0,
            told_names: 0,
            resolved: Vec::new(),
        };
        world.reconnect();
        Ok(world)
    }

    /// Opens a new connection. Request numbers continue.
    pub(crate) fn reconnect(&mut self) {
        self.connection = ConnectionState::new(ReplyAddress::default());
        let mut hello = Vec::new();
        Hello::new("world").encode(&mut hello).unwrap();
        self.send(FrameKind::Hello, 0, &hello);
    }

    fn send(&mut self, kind: FrameKind, count: u16, body: &[u8]) -> u64 {
        self.request += 1;
        let mut bytes = Vec::new();
        let names = if kind == FrameKind::Commands { self.names } else { 0 };
        frame::append(Header { names, ..Header::new(kind, self.request, count) }, body, &mut bytes);
        let used = self.connection.receive(&bytes, &self.assembly.context);
        assert_eq!(used, bytes.len());
        self.collect();
        self.request
    }

    /// Submits commands without stepping any stage.
    pub(crate) fn hand_in(&mut self, commands: &[Envelope<'_>]) -> u64 {
        let mut body = Vec::new();
        for command in commands {
            command.encode(&mut body).unwrap();
        }
        self.send(FrameKind::Commands, u16::try_from(commands.len()).unwrap(), &body)
    }

    /// The numbers of names.
    pub(crate) fn resolve(&mut self, names: &[Name]) -> Vec<Option<u32>> {
        let mut body = Vec::new();
        encode_cold(&names.to_vec(), &mut body).unwrap();
        self.send(FrameKind::Resolve, u16::try_from(names.len()).unwrap(), &body);
        std::mem::take(&mut self.resolved)
    }

    /// Requests a snapshot.
    pub(crate) fn ask_for_snapshot(&mut self) {
        let mut body = Vec::new();
        encode_cold(&Query::Snapshot, &mut body).unwrap();
        self.send(FrameKind::Query, 0, &body);
    }

    /// Steps every stage once. Returns whether any did something.
    pub(crate) fn step(&mut self) -> bool {
        let mut has_worked = self.assembly.sequencer.step() == Stepped::Worked;
        has_worked |= self.assembly.applier.step().unwrap() == Stepped::Worked;
        has_worked |= self.assembly.snapshotter.step() == Stepped::Worked;
        has_worked |= matches!(
            self.assembly.preparer.step(START_MS),
            Ok(stockhold::wal::Progress::Working | stockhold::wal::Progress::Ready)
        );
        let mut mail = ReplyBuffer::default();
        self.assembly.reply_queues.take(0, &mut mail);
        for letter in &mail.replies {
            self.connection.deliver(letter, &mail.bytes[letter.start..letter.end]);
            self.connection.submit_held_queries(&self.assembly.context);
        }
        self.collect();
        has_worked
    }

    /// Steps until there is nothing left to do.
    pub(crate) fn run(&mut self) {
        let mut steps = 0;
        while self.step() {
            steps += 1;
            assert!(steps < STEPS_MAX, "the server does not come to rest");
        }
    }

    /// Whether the connection learned that its commands are lost.
    pub(crate) fn is_lost(&self) -> bool {
        self.connection.is_lost()
    }

    /// Whether the connection has nothing in flight and nothing to send, so that it could be evicted.
    pub(crate) fn is_idle(&self) -> bool {
        self.connection.is_idle()
    }

    fn collect(&mut self) {
        let out = std::mem::take(self.connection.out());
        let mut rest = out.as_slice();
        while let Some((frame, used)) = frame::parse(rest, FRAME_BODY_BYTES_MAX).unwrap() {
            assert_ne!(frame.header.kind, FrameKind::Error, "{:?}", String::from_utf8_lossy(frame.body));
            if frame.header.kind == FrameKind::Welcome {
                self.welcome = Some(Welcome::decode(frame.body).unwrap());
            }
            if frame.header.kind == FrameKind::Resolved {
                self.resolved = decode_cold(frame.body).unwrap();
            }
            if frame.header.kind == FrameKind::Outcomes {
                self.told_names = frame.header.names;
                let mut reader = Reader::new(frame.body);
                for _ in 0..frame.header.count {
                    let (index, outcome) = Outcome::decode(&mut reader).unwrap();
                    let before = self.answers.insert((frame.header.request, index), outcome);
                    assert_eq!(before, None, "two outcomes of one command");
                }
            }
            rest = &rest[used..];
        }
        assert!(rest.is_empty());
    }

    /// The answer to the current connection's hello.
    pub(crate) fn welcome(&self) -> &Welcome {
        self.welcome.as_ref().expect("the connection is welcomed")
    }

    /// The outcomes of a request, if all have arrived.
    pub(crate) fn outcomes(&self, request: u64, count: usize) -> Option<Vec<Outcome>> {
        let outcomes: Vec<_> =
            self.answers.range((request, 0)..=(request, u16::MAX)).map(|(_, o)| o.clone()).collect();
        (outcomes.len() == count).then_some(outcomes)
    }

    pub(crate) fn call(&mut self, commands: &[Envelope<'_>]) -> Vec<Outcome> {
        let request = self.hand_in(commands);
        self.run();
        self.outcomes(request, commands.len()).expect("every command is answered")
    }

    pub(crate) fn done(&mut self, number: u64, command: Command<'_>) -> u32 {
        let outcome = self.call(&[Envelope::new(id(START_MS, number), command)]).remove(0);
        assert_eq!(outcome.code, Code::Ok, "{outcome:?}");
        outcome.value
    }

    pub(crate) fn digest(&self) -> u64 {
        self.assembly.applier.machine().digest()
    }

    pub(crate) fn op(&self) -> u64 {
        self.assembly.applier.machine().op()
    }

    /// Ends the log as a clean stop does.
    pub(crate) fn stop(mut self) {
        self.run();
        self.assembly.sequencer.into_log().finish().unwrap();
    }
}

pub(crate) fn id(time_ms: u64, number: u64) -> CommandId {
    CommandId::from_parts(time_ms, u128::from(number))
}
