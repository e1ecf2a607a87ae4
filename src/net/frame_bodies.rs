//! Encodes the bodies of frames to send and checks the bodies of received frames. It holds no state.

use stockhold_protocol::codec::{Reader, encode_cold};
use stockhold_protocol::command::record_length;
use stockhold_protocol::frame::{self, Frame, Header};
use stockhold_protocol::handshake::Welcome;
use stockhold_protocol::query::QueryAnswer;
use stockhold_protocol::{BadField, FrameError, SkuId, StockId};

/// Appends a frame. Everything that the server sends is bounded and always encodes.
fn add(header: Header, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>) -> Result<(), BadField>) {
    let start = frame::begin(out);
    let encoded = body(out);
    assert!(encoded.is_ok(), "everything that the server sends is bounded and always encodes");
    frame::finish(header, start, out);
}

/// Appends the answer to a hello.
pub(super) fn welcome(header: Header, welcome: &Welcome, out: &mut Vec<u8>) {
    add(header, out, |out| welcome.encode(out));
}

/// Appends the answer to a query.
pub(super) fn answer(header: Header, answer: &QueryAnswer, out: &mut Vec<u8>) {
    add(header, out, |out| answer.encode(out));
}

/// Appends a frame whose body is one bincode value.
pub(super) fn cold<T>(header: Header, value: &T, out: &mut Vec<u8>)
where
    T: wincode::SchemaWrite<stockhold_protocol::codec::ColdConfig, Src = T>,
{
    add(header, out, |out| encode_cold(value, out));
}

/// Checks the lengths of all records first, because a frame is accepted as a whole or not at all.
pub(super) fn check_records(frame: &Frame<'_>) -> Result<(), FrameError> {
    let mut rest = frame.body;
    let mut count = 0_u32;
    while !rest.is_empty() {
        rest = &rest[record_length(rest)?..];
        count += 1;
    }
    if count != u32::from(frame.header.count) {
        return Err(FrameError::Body("as many command records as it counts"));
    }
    if count == 0 {
        // An empty frame has no answer, so a peer that waits for one would wait forever.
        return Err(FrameError::Body("at least one command record"));
    }
    Ok(())
}

/// The header of a frame without entries must count zero.
pub(super) fn check_without_entries(frame: &Frame<'_>) -> Result<(), FrameError> {
    if frame.header.count == 0 { Ok(()) } else { Err(FrameError::Body("no entries, so its count is 0")) }
}

pub(super) fn unpack_pair(pair: [u8; 8]) -> (SkuId, StockId) {
    let mut reader = Reader::new(&pair);
    let sku = reader.u32("checks.sku").unwrap_or(u32::MAX);
    let stock = reader.u32("checks.stock").unwrap_or(u32::MAX);
    (SkuId(sku), StockId(stock))
}
