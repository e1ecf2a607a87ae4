//! Misbehaving peers, each kind in its own way, until they are stopped. They reconnect when they are disconnected.
//! They measure nothing.

use super::queries;
use clap::ValueEnum;
use crc_fast::{CrcAlgorithm, checksum};
use serde::Serialize;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use stockhold_client::{CommandBatch, IdGenerator, units_of, wall_clock_ms};
use stockhold_protocol::command::Target;
use stockhold_protocol::frame::{self, FrameKind, Header};
use stockhold_protocol::handshake::Hello;
use stockhold_protocol::limits::{FRAME_BODY_BYTES_MAX, FRAME_HEADER_BYTES};
use stockhold_protocol::{Line, SkuId, StockId};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::Notify;

/// Peers that send nothing, or too little, before the handshake.
const MUTE_PEERS: u32 = 500;
/// Peers that do not read.
const SLOW_READERS: u32 = 64;
/// Peers that begin a frame and never complete it.
const ENDLESS_PEERS: u32 = 128;
/// Peers that send invalid or oversized frames.
const BROKEN_PEERS: u32 = 16;
/// Peers that send queries without end.
const ASKERS: u32 = 16;
/// Carts in one frame of a flood.
const FLOOD_CARTS: u16 = 1_000;
/// Pairs in one check of a slow reader. The answer is as long as the request, about 64 KiB.
const CHECK_PAIRS: u16 = 8_000;
/// The receive buffer of the operating system for a slow reader.
const RECEIVE_BYTES: u32 = 8 * 1024;
/// The pause after a disconnection, and between single bytes.
const PAUSE: Duration = Duration::from_millis(20);
/// How often a peer that cannot write checks whether it is stopped.
const POLL: Duration = Duration::from_millis(50);
/// How often a waiting peer checks it, in addition to being notified. Thousands of peers must not disturb the
/// measurement.
const IDLE_POLL: Duration = Duration::from_secs(1);
/// A peer is stuck when it could not write for this many polls.
const STUCK_POLLS: u32 = 16;

/// A kind of misbehaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Connections that never send a Hello.
    Mute,
    /// Connections that send half of a Hello.
    HalfHello,
    /// Connections that send a Hello and nothing more.
    Idle,
    /// The same, but more of them than the server accepts: they displace each other.
    Crowd,
    /// Connections that send checks and never read an answer.
    SlowReader,
    /// One connection that sends commands as fast as it can.
    Flood,
    /// Frames whose header announces more than the maximum length.
    Oversized,
    /// Frames that send most of their bytes and then continue byte by byte.
    Endless,
    /// Bytes that are not a frame.
    Garbage,
    /// Connections that keep as many validations in flight as they may.
    Validations,
    /// The same with lists of SKUs, sources and stocks.
    Lists,
    /// The same with snapshots.
    Snapshots,
}

impl Kind {
    /// How many connections of this kind there are at once.
    pub(crate) const fn peers(self, idle: u32) -> u32 {
        match self {
            Self::Mute | Self::HalfHello => MUTE_PEERS,
            Self::Idle | Self::Crowd => idle,
            Self::SlowReader => SLOW_READERS,
            Self::Flood => 1,
            Self::Endless => ENDLESS_PEERS,
            Self::Oversized | Self::Garbage => BROKEN_PEERS,
            Self::Validations | Self::Lists | Self::Snapshots => ASKERS,
        }
    }
}

/// State that the peers of one measurement share.
#[derive(Debug, Default)]
pub(crate) struct SharedPeerState {
    is_over: AtomicBool,
    stop: Notify,
    /// Peers that have reached their state for the first time.
    pub(crate) settled: AtomicU64,
    /// Connections that the server has ended.
    pub(crate) cut: AtomicU64,
    /// Bytes that the peers have sent.
    pub(crate) sent_bytes: AtomicU64,
    /// Queries that the server has answered.
    pub(crate) answers: AtomicU64,
}

impl SharedPeerState {
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

/// Running peers, on a thread of their own.
#[derive(Debug)]
pub(crate) struct Peers {
    pub(crate) state: Arc<SharedPeerState>,
    thread: JoinHandle<Result<(), anyhow::Error>>,
}

/// The server that the peers connect to, and what they use there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerTarget {
    pub(crate) address: SocketAddr,
    pub(crate) stock: StockId,
    /// The SKU that a flood buys. No other client does.
    pub(crate) sku: SkuId,
}

impl Peers {
    /// Starts the peers.
    pub(crate) fn start(kind: Kind, count: u32, target: PeerTarget) -> io::Result<Self> {
        let state = Arc::new(SharedPeerState::default());
        let shared = Arc::clone(&state);
        let body = move || {
            let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
            let flood: Arc<[u8]> = flood_carts(target)?.into();
            let mut tasks = Vec::new();
            for _ in 0..count {
                let peer = misbehave(kind, target.address, Arc::clone(&flood), Arc::clone(&shared));
                tasks.push(runtime.spawn_local(peer));
            }
            runtime.block_on(async {
                for task in tasks {
                    task.await?;
                }
                Ok(())
            })
        };
        let thread = std::thread::Builder::new().name("bad peers".to_owned()).spawn(body)?;
        Ok(Self { state, thread })
    }

    /// Stops the peers.
    pub(crate) fn stop(self) -> Result<(), anyhow::Error> {
        self.state.is_over.store(true, Ordering::Relaxed);
        self.state.stop.notify_waiters();
        self.thread.join().map_err(|_| anyhow::anyhow!("the thread of the bad peers has panicked"))?
    }
}

/// Runs one peer. It reconnects when it is disconnected.
async fn misbehave(kind: Kind, address: SocketAddr, flood: Arc<[u8]>, state: Arc<SharedPeerState>) {
    let mut is_settled = false;
    while !state.is_over() {
        let mut settle = || {
            if !std::mem::replace(&mut is_settled, true) {
                state.settled.fetch_add(1, Ordering::Relaxed);
            }
        };
        let ended = async {
            let mut stream = connect(kind, address).await?;
            match kind {
                Kind::Mute => settle(),
                Kind::HalfHello => {
                    let hello = hello()?;
                    stream.write_all(&hello[..hello.len() / 2]).await?;
                    settle();
                }
                Kind::Idle | Kind::Crowd => {
                    shake_hands(&mut stream).await?;
                    settle();
                }
                Kind::SlowReader => {
                    shake_hands(&mut stream).await?;
                    return ask_and_never_read(&mut stream, &state, settle).await;
                }
                Kind::Flood => {
                    shake_hands(&mut stream).await?;
                    settle();
                    return flood_with(stream, &flood, &state).await;
                }
                Kind::Endless => {
                    shake_hands(&mut stream).await?;
                    return never_end(&mut stream, &state, settle).await;
                }
                Kind::Oversized => {
                    shake_hands(&mut stream).await?;
                    settle();
                    stream.write_all(&oversized()?).await?;
                }
                Kind::Validations | Kind::Lists | Kind::Snapshots => {
                    shake_hands(&mut stream).await?;
                    settle();
                    return queries::ask(stream, kind, &state).await;
                }
                Kind::Garbage => {
                    settle();
                    stream.write_all(b"GET /stock HTTP/1.1\r\nHost: shop\r\n\r\n").await?;
                }
            }
            wait_for_the_end(&mut stream, &state).await
        };
        // It was disconnected or stopped.
        if ended.await.is_err() && !state.is_over() {
            state.cut.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn connect(kind: Kind, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if kind == Kind::SlowReader {
        // A small receive buffer keeps the data in the server instead of in the operating system.
        socket.set_recv_buffer_size(RECEIVE_BYTES)?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn hello() -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    Hello::new("a bad peer").encode(&mut body).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    frame::append(Header::new(FrameKind::Hello, 0, 0), &body, &mut bytes);
    Ok(bytes)
}

async fn shake_hands(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(&hello()?).await?;
    let mut welcome = [0; 512];
    match stream.read(&mut welcome).await? {
        0 => Err(io::ErrorKind::ConnectionReset.into()),
        _ => Ok(()),
    }
}

/// Reads until the server closes, which is an error, or until the peer is stopped.
async fn wait_for_the_end(stream: &mut TcpStream, state: &SharedPeerState) -> io::Result<()> {
    let mut bytes = [0; 512];
    while !state.is_over() {
        tokio::select! {
            read = stream.read(&mut bytes) => if read? == 0 {
                return Err(io::ErrorKind::ConnectionReset.into());
            },
            () = state.stop.notified() => {}
            () = tokio::time::sleep(IDLE_POLL) => {}
        }
    }
    Ok(())
}

/// Writes all bytes unless the peer is stopped.
async fn write_all(
    stream: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
    state: &SharedPeerState,
    mut is_stuck: impl FnMut(),
) -> io::Result<()> {
    let mut left = bytes;
    let mut polls = 0;
    while !left.is_empty() && !state.is_over() {
        if let Ok(written) = tokio::time::timeout(POLL, stream.write(left)).await {
            let written = written?;
            left = &left[written..];
            state.sent_bytes.fetch_add(u64::try_from(written).unwrap_or(0), Ordering::Relaxed);
            polls = 0;
        } else {
            polls += 1;
            if polls == STUCK_POLLS {
                is_stuck();
            }
        }
    }
    Ok(())
}

async fn ask_and_never_read(
    stream: &mut TcpStream,
    state: &SharedPeerState,
    mut is_stuck: impl FnMut(),
) -> io::Result<()> {
    let mut body = 0_u64.to_le_bytes().to_vec();
    body.resize(body.len() + usize::from(CHECK_PAIRS) * 8, 0);
    let mut check = Vec::new();
    frame::append(Header::new(FrameKind::Checks, 1, CHECK_PAIRS), &body, &mut check);
    while !state.is_over() {
        write_all(stream, &check, state, &mut is_stuck).await?;
    }
    Ok(())
}

/// Sends the same carts repeatedly and reads the answers as fast as they arrive.
async fn flood_with(stream: TcpStream, carts: &[u8], state: &Arc<SharedPeerState>) -> io::Result<()> {
    let (mut reader, mut writer) = stream.into_split();
    let reading_state = Arc::clone(state);
    let reading = tokio::task::spawn_local(async move {
        let mut bytes = vec![0; 1 << 20];
        while !reading_state.is_over() {
            if let Ok(Ok(0) | Err(_)) = tokio::time::timeout(POLL, reader.read(&mut bytes)).await {
                return;
            }
        }
    });
    let (mut written, mut bytes) = (Ok(()), Vec::new());
    for request in 1.. {
        if state.is_over() || written.is_err() {
            break;
        }
        bytes.clear();
        frame::append(Header::new(FrameKind::Commands, request, FLOOD_CARTS), carts, &mut bytes);
        written = write_all(&mut writer, &bytes, state, || ()).await;
    }
    drop(writer);
    drop(reading.await);
    written
}

/// The commands of a flood. They are valid and the same each time, so that the server decides them repeatedly.
fn flood_carts(target: PeerTarget) -> Result<Vec<u8>, anyhow::Error> {
    let (mut ids, mut batch) = (IdGenerator::new(), CommandBatch::new());
    let now_ms = wall_clock_ms();
    for _ in 0..FLOOD_CARTS {
        let lines = [Line::new(target.sku, units_of(1))];
        batch.push_reserve(ids.next_at(now_ms), Target::Stock(target.stock), &lines, None)?;
    }
    batch.mark_retry();
    Ok(batch.bytes().to_vec())
}

/// Sends a frame of full length: all but its last bytes at once, the rest one byte at a time.
async fn never_end(
    stream: &mut TcpStream,
    state: &SharedPeerState,
    mut settle: impl FnMut(),
) -> io::Result<()> {
    let mut bytes = Vec::new();
    frame::append(Header::new(FrameKind::Commands, 1, 1), &vec![0; FRAME_BODY_BYTES_MAX], &mut bytes);
    let most = bytes.len() - 64 * 1024;
    write_all(stream, &bytes[..most], state, || ()).await?;
    settle();
    for byte in &bytes[most..] {
        if state.is_over() {
            break;
        }
        write_all(stream, std::slice::from_ref(byte), state, || ()).await?;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// The header of a frame that is longer than the limit, with a valid checksum.
fn oversized() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    frame::append(Header::new(FrameKind::Commands, 1, 1), &[], &mut bytes);
    let length = u32::try_from(FRAME_BODY_BYTES_MAX + 1).map_err(io::Error::other)?;
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    let sum = checksum(CrcAlgorithm::Crc32Iscsi, &bytes[..FRAME_HEADER_BYTES - 4]);
    bytes[FRAME_HEADER_BYTES - 4..]
        .copy_from_slice(&u32::try_from(sum).map_err(io::Error::other)?.to_le_bytes());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stockhold_protocol::FrameError;

    #[test]
    fn an_oversized_frame_is_refused_for_its_length_alone() {
        // Proves that only the length is wrong: the checksum of the header is valid.
        let bytes = oversized().unwrap();
        let parsed = frame::parse(&bytes, FRAME_BODY_BYTES_MAX);
        assert!(matches!(parsed, Err(FrameError::TooLong { .. })), "{parsed:?}");
    }

    #[test]
    fn a_flood_is_made_of_whole_frames() {
        // Proves that the flood is valid, so that the server cannot refuse it with an error.
        let target =
            PeerTarget { address: SocketAddr::from(([127, 0, 0, 1], 1)), stock: StockId(0), sku: SkuId(0) };
        let mut bytes = Vec::new();
        let header = Header::new(FrameKind::Commands, 1, FLOOD_CARTS);
        frame::append(header, &flood_carts(target).unwrap(), &mut bytes);
        let (frame, used) = frame::parse(&bytes, FRAME_BODY_BYTES_MAX).unwrap().unwrap();
        assert_eq!((frame.header.count, used), (FLOOD_CARTS, bytes.len()));
    }
}
