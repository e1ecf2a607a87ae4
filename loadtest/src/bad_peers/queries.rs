//! Peers that send queries without end: each keeps as many queries in flight as a connection may, and reads every
//! answer. They measure nothing.

use super::peers::{Kind, SharedPeerState};
use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;
use stockhold_protocol::codec::encode_cold;
use stockhold_protocol::frame::{self, FrameKind, Header};
use stockhold_protocol::limits::FRAME_BODY_BYTES_MAX;
use stockhold_protocol::query::{LIST_MAX, Query};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Queries that a connection may have in flight, by default.
const IN_FLIGHT: u64 = 64;
/// How often a peer without answers checks whether it is stopped.
const POLL: Duration = Duration::from_millis(50);
/// How much is read at once.
const READ_BYTES: usize = 256 * 1024;

/// The queries of one kind, in turn.
fn query(kind: Kind, number: u64) -> Query {
    match (kind, number % 3) {
        (Kind::Validations, _) => Query::Validate,
        (Kind::Snapshots, _) => Query::Snapshot,
        (_, 0) => Query::Sources { after: None, limit: LIST_MAX },
        (_, 1) => Query::Stocks { after: None, limit: LIST_MAX },
        _ => Query::Skus { after: None, limit: LIST_MAX },
    }
}

fn append(kind: Kind, number: u64, out: &mut Vec<u8>) -> io::Result<()> {
    let mut body = Vec::new();
    encode_cold(&query(kind, number), &mut body).map_err(io::Error::other)?;
    frame::append(Header::new(FrameKind::Query, number, 0), &body, out);
    Ok(())
}

/// Sends queries until the peer is stopped.
pub(super) async fn ask(mut stream: TcpStream, kind: Kind, state: &SharedPeerState) -> io::Result<()> {
    let mut out = Vec::new();
    let mut asked = 0;
    let mut owed = IN_FLIGHT;
    let mut input = Vec::with_capacity(READ_BYTES);
    while !state.is_over() {
        for _ in 0..owed {
            asked += 1;
            append(kind, asked, &mut out)?;
        }
        stream.write_all(&out).await?;
        state.sent_bytes.fetch_add(u64::try_from(out.len()).unwrap_or(0), Ordering::Relaxed);
        out.clear();
        match tokio::time::timeout(POLL, stream.read_buf(&mut input)).await {
            Ok(Ok(0)) => return Err(io::ErrorKind::ConnectionReset.into()),
            Ok(read) => read?,
            Err(_) => 0,
        };
        owed = 0;
        let mut used = 0;
        while let Some((_, length)) =
            frame::parse(&input[used..], FRAME_BODY_BYTES_MAX).map_err(io::Error::other)?
        {
            used += length;
            owed += 1;
        }
        input.drain(..used);
        state.answers.fetch_add(owed, Ordering::Relaxed);
    }
    Ok(())
}
