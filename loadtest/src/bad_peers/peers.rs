//! Peers that misbehave, each kind in its own way, for as long as they are wanted. They come again when they are cut off. None of them
//! measures or judges anything.

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

/// Peers that say nothing, or too little, before the handshake.
const MUTE_PEERS: u32 = 500;
/// Peers that do not read.
const SLOW_READERS: u32 = 64;
/// Peers that begin a frame and do not end it.
const ENDLESS_PEERS: u32 = 128;
/// Peers that send what is no frame, or too long a one.
const BROKEN_PEERS: u32 = 16;
/// Peers that ask without end.
const ASKERS: u32 = 16;
/// Carts in one frame of a flood.
const FLOOD_CARTS: u16 = 1_000;
/// Pairs in one check of a slow reader: the answer is as long as the question, some 64 KiB.
const CHECK_PAIRS: u16 = 8_000;
/// What the operating system keeps for a slow reader.
const RECEIVE_BYTES: u32 = 8 * 1024;
/// The pause of a peer that was cut off, and of one that goes on byte by byte.
const PAUSE: Duration = Duration::from_millis(20);
/// How often a peer that cannot write looks whether it is still wanted.
const POLL: Duration = Duration::from_millis(50);
/// How often one that only waits does, beside being told: thousands of them must not take the time that is measured.
const IDLE_POLL: Duration = Duration::from_secs(1);
/// A peer that could not write for so many looks is stuck.
const STUCK_POLLS: u32 = 16;

/// A way to misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Connections that never say hello.
    Mute,
    /// Connections that say half of a hello.
    HalfHello,
    /// Connections that say hello and nothing more.
    Idle,
    /// The same, and more of them than the server has places: they take one from each other.
    Crowd,
    /// Connections that ask and never read an answer.
    SlowReader,
    /// One connection that sends commands as fast as it can.
    Flood,
    /// Frames that say they are longer than any frame may be.
    Oversized,
    /// Frames that begin, hold most of their bytes, and go on byte by byte.
    Endless,
    /// Bytes that are no frame.
    Garbage,
    /// Connections that keep as many validations in flight as they may.
    Validations,
    /// Connections that do so with lists of SKUs, sources and stocks.
    Lists,
    /// Connections that do so with snapshots.
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

/// What the peers of one stretch share.
#[derive(Debug, Default)]
pub(crate) struct SharedPeerState {
    is_over: AtomicBool,
    stop: Notify,
    /// Peers that have got as far as they wanted for the first time.
    pub(crate) settled: AtomicU64,
    /// Connections that the server has ended.
    pub(crate) cut: AtomicU64,
    /// Bytes that the peers have sent.
    pub(crate) sent_bytes: AtomicU64,
    /// Questions that the server has answered.
    pub(crate) answers: AtomicU64,
}

impl SharedPeerState {
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

/// Peers at work on a thread of their own.
#[derive(Debug)]
pub(crate) struct Peers {
    pub(crate) state: Arc<SharedPeerState>,
    thread: JoinHandle<Result<(), anyhow::Error>>,
}

/// Whom the peers pester, and with what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerTarget {
    pub(crate) address: SocketAddr,
    pub(crate) stock: StockId,
    /// What a flood buys; nobody else does.
    pub(crate) sku: SkuId,
}

impl Peers {
    /// Lets peers come.
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

    /// Sends them away.
    pub(crate) fn stop(self) -> Result<(), anyhow::Error> {
        self.state.is_over.store(true, Ordering::Relaxed);
        self.state.stop.notify_waiters();
        self.thread.join().map_err(|_| anyhow::anyhow!("the thread of the bad peers has panicked"))?
    }
}

/// One peer: it comes again when it is cut off.
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
        // However it ended: it was cut off, or is not wanted any more.
        if ended.await.is_err() && !state.is_over() {
            state.cut.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn connect(kind: Kind, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if kind == Kind::SlowReader {
        // What the operating system would keep for it is not the server's business.
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

/// Reads until the server closes, which is an error, or the peer is not wanted any more.
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

/// Writes all bytes unless the peer is not wanted any more.
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

/// Sends the same carts again and again, and reads the answers as fast as they come.
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

/// The commands of a flood: valid, and the same each time, so that the server decides them again and again.
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

/// A frame of full length, all but its last bytes at once, the rest one at a time.
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

/// The header of a frame that is longer than any may be, with a right checksum.
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
        // Proves that the peer tests what it says: the checksum of the header is right and only the length is wrong.
        let bytes = oversized().unwrap();
        let parsed = frame::parse(&bytes, FRAME_BODY_BYTES_MAX);
        assert!(matches!(parsed, Err(FrameError::TooLong { .. })), "{parsed:?}");
    }

    #[test]
    fn a_flood_is_made_of_whole_frames() {
        // Proves that what floods is valid, so that the server cannot get rid of it by an error.
        let target =
            PeerTarget { address: SocketAddr::from(([127, 0, 0, 1], 1)), stock: StockId(0), sku: SkuId(0) };
        let mut bytes = Vec::new();
        let header = Header::new(FrameKind::Commands, 1, FLOOD_CARTS);
        frame::append(header, &flood_carts(target).unwrap(), &mut bytes);
        let (frame, used) = frame::parse(&bytes, FRAME_BODY_BYTES_MAX).unwrap().unwrap();
        assert_eq!((frame.header.count, used), (FLOOD_CARTS, bytes.len()));
    }
}
