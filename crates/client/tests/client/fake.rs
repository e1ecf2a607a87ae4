//! A scripted server: tests read what a client sent and write the answers, over streams in memory.

use std::sync::Arc;
use stockhold_client::Dialer;
use stockhold_client::protocol::codec::{decode_cold, encode_cold};
use stockhold_client::protocol::frame::{self, FrameKind, Header};
use stockhold_client::protocol::handshake::{ConnectionLimits, Hello, Welcome};
use stockhold_client::protocol::limits::PROTOCOL_VERSION;
use stockhold_client::protocol::query::Name;
use stockhold_client::protocol::{Code, Command, CommandId, Envelope, Outcome};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;

/// The capacity of one direction before the writer waits.
const PIPE_BYTES: usize = 1 << 16;

/// Connections that wait to be accepted.
pub(crate) type Accept = mpsc::UnboundedReceiver<DuplexStream>;

/// A dialer, and the receiver of its connections.
pub(crate) fn network() -> (Dialer, Accept) {
    let (arrived, accept) = mpsc::unbounded_channel();
    let dialer: Dialer = Arc::new(move || {
        let arrived = arrived.clone();
        Box::pin(async move {
            let (near, far) = tokio::io::duplex(PIPE_BYTES);
            arrived.send(far).map_err(|_| std::io::Error::from(std::io::ErrorKind::ConnectionRefused))?;
            Ok(Box::new(near) as Box<dyn stockhold_client::Stream>)
        })
    });
    (dialer, accept)
}

/// One frame that the client sent.
pub(crate) struct Sent {
    pub(crate) header: Header,
    pub(crate) body: Vec<u8>,
}

impl Sent {
    /// Id, fresh flag and record of each command.
    pub(crate) fn commands(&self) -> Vec<(CommandId, bool, Vec<u8>)> {
        assert_eq!(self.header.kind, FrameKind::Commands);
        let records = stockhold_client::protocol::batch::split_records(&self.body);
        let commands: Vec<_> = records
            .map(|record| {
                let record = record.unwrap();
                let envelope = Envelope::decode(record).unwrap();
                assert!(envelope.command != Command::Tick);
                (envelope.id, envelope.fresh, record.to_vec())
            })
            .collect();
        assert_eq!(commands.len(), usize::from(self.header.count));
        commands
    }

    pub(crate) fn names(&self) -> Vec<Name> {
        assert_eq!(self.header.kind, FrameKind::Resolve);
        decode_cold(&self.body).unwrap()
    }
}

/// The server's end of one connection.
pub(crate) struct Peer {
    stream: DuplexStream,
    read: Vec<u8>,
}

impl Peer {
    /// Accepts the next connection and performs the handshake as the log of `epoch`.
    pub(crate) async fn accept(accept: &mut Accept, epoch: u64) -> Self {
        Self::accept_with(accept, epoch, 16_384).await
    }

    /// Accepts the next connection and reads its Hello.
    pub(crate) async fn greet(accept: &mut Accept) -> Self {
        let stream = accept.recv().await.unwrap();
        let mut peer = Self { stream, read: Vec::new() };
        let hello = peer.next().await;
        assert_eq!(hello.header.kind, FrameKind::Hello);
        let hello = Hello::decode(&hello.body).unwrap();
        assert_eq!(hello.common_version(), Some(PROTOCOL_VERSION));
        peer
    }

    pub(crate) async fn accept_with(accept: &mut Accept, epoch: u64, in_flight_max: u32) -> Self {
        let mut peer = Self::greet(accept).await;
        let welcome = Welcome {
            log_uuid: [9; 16],
            epoch,
            op: 1,
            time_ms: 1_763_800_000_000,
            limits: ConnectionLimits { in_flight_max, ..ConnectionLimits::default() },
            server: "fake".to_owned(),
            ..Welcome::default()
        };
        let (mut body, mut out) = (Vec::new(), Vec::new());
        welcome.encode(&mut body).unwrap();
        frame::append(Header::new(FrameKind::Welcome, 0, 0), &body, &mut out);
        peer.write(&out).await;
        peer
    }

    /// The next frame of the client.
    pub(crate) async fn next(&mut self) -> Sent {
        loop {
            if let Some((frame, used)) = frame::parse(&self.read, 1 << 20).unwrap() {
                let sent = Sent { header: frame.header, body: frame.body.to_vec() };
                self.read.drain(..used);
                return sent;
            }
            let count = self.stream.read_buf(&mut self.read).await.unwrap();
            assert!(count > 0, "the client hung up");
        }
    }

    /// Whether the client has sent nothing more after all tasks are idle.
    pub(crate) async fn is_quiet(&mut self) -> bool {
        let rest = std::time::Duration::from_micros(1);
        tokio::time::timeout(rest, self.stream.read_buf(&mut self.read)).await.is_err()
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn outcomes(&mut self, request: u64, entries: &[(u16, Outcome)]) {
        self.write(&outcome_frame(request, entries)).await;
    }

    /// Answers all commands of a frame in the same way.
    pub(crate) async fn answer_all(&mut self, sent: &Sent, code: Code) {
        let entries: Vec<_> = (0..sent.header.count).map(|index| (index, Outcome::new(code, 0, 5))).collect();
        self.outcomes(sent.header.request, &entries).await;
    }

    pub(crate) async fn cold<T>(&mut self, kind: FrameKind, request: u64, count: u16, value: &T)
    where
        T: wincode::SchemaWrite<stockhold_client::protocol::codec::ColdConfig, Src = T>,
    {
        let (mut body, mut out) = (Vec::new(), Vec::new());
        encode_cold(value, &mut body).unwrap();
        frame::append(Header::new(kind, request, count), &body, &mut out);
        self.write(&out).await;
    }

    /// Answers a resolve with these numbers.
    pub(crate) async fn numbers(&mut self, sent: &Sent, numbers: &[Option<u32>]) {
        assert_eq!(sent.names().len(), numbers.len());
        self.cold(FrameKind::Resolved, sent.header.request, sent.header.count, &numbers.to_vec()).await;
    }

    pub(crate) async fn goodbye(&mut self) {
        let mut out = Vec::new();
        frame::append(Header::new(FrameKind::Goodbye, 0, 0), &[], &mut out);
        self.write(&out).await;
    }
}

pub(crate) fn outcome_frame(request: u64, entries: &[(u16, Outcome)]) -> Vec<u8> {
    let (mut body, mut out) = (Vec::new(), Vec::new());
    for (index, outcome) in entries {
        outcome.encode(*index, &mut body);
    }
    let count = u16::try_from(entries.len()).unwrap();
    frame::append(Header::new(FrameKind::Outcomes, request, count), &body, &mut out);
    out
}
