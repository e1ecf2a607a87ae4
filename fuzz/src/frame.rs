//! Frames and their contents. The first byte chooses: the input as it is, or a drawn body in a frame whose length and
//! checksums are repaired, so that the decoders behind the checksums are reached.

use super::draw::Draw;
use stockhold_protocol::codec::{ColdConfig, Reader, decode_cold, encode_cold};
use stockhold_protocol::command::record_length;
use stockhold_protocol::fields::{Tagged, Unknown, decode_fields, decode_fields_with, encode_fields};
use stockhold_protocol::frame::{Frame, FrameKind, Header, append, parse};
use stockhold_protocol::handshake::{Hello, Welcome};
use stockhold_protocol::limits::FRAME_BODY_BYTES_MAX;
use stockhold_protocol::query::{Name, Query, QueryAnswer};
use stockhold_protocol::{Envelope, Outcome};
use wincode::{SchemaRead, SchemaWrite};

/// Reads a stream of frames. Accepted frames are encoded to the same bytes, and are equal when they arrive in pieces
/// of any size.
pub fn run(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    let how = draw.byte();
    let piece = usize::from(draw.byte()) + 1;
    let mut stream = Vec::new();
    if how.is_multiple_of(2) {
        stream.extend_from_slice(draw.rest());
    } else {
        while !draw.is_empty() {
            let kind = FrameKind::ALL[draw.below(FrameKind::ALL.len())];
            let (request, time) = (u64::from(draw.byte()), u32::from(draw.word()));
            let header = Header { time, ..Header::new(kind, request, u16::from(draw.byte())) };
            let length = usize::from(draw.word()) % 1_024;
            append(header, draw.take(length), &mut stream);
        }
    }
    let whole = read(&stream, stream.len().max(1));
    assert!(whole == read(&stream, piece), "the same stream in other pieces gives other frames");
}

/// The frames of a stream that arrives in pieces, and whether it broke.
fn read(stream: &[u8], piece: usize) -> (Vec<(Header, Vec<u8>)>, bool) {
    let (mut frames, mut start) = (Vec::new(), 0);
    let ends = (1..).map(|pieces| pieces * piece).take_while(|end| *end < stream.len());
    for end in ends.chain([stream.len()]) {
        loop {
            match parse(&stream[start..end], FRAME_BODY_BYTES_MAX) {
                Ok(None) => break,
                Ok(Some((frame, used))) => {
                    check(&frame, &stream[start..start + used]);
                    frames.push((frame.header, frame.body.to_vec()));
                    start += used;
                }
                Err(_) => return (frames, true),
            }
        }
    }
    (frames, false)
}

fn check(frame: &Frame<'_>, bytes: &[u8]) {
    let mut again = Vec::new();
    append(frame.header, frame.body, &mut again);
    assert_eq!(again, bytes, "a frame has one writing");
    match frame.header.kind {
        FrameKind::Hello => fields::<Hello>(frame.body),
        FrameKind::Welcome => fields::<Welcome>(frame.body),
        FrameKind::Error => cold::<String>(frame.body),
        FrameKind::Commands => commands(frame.body),
        FrameKind::Outcomes => outcomes(frame.body),
        FrameKind::Resolve => cold::<Vec<Name>>(frame.body),
        FrameKind::Resolved => cold::<Vec<Option<u32>>>(frame.body),
        FrameKind::Query => cold::<Query>(frame.body),
        FrameKind::Answer => answer(frame.body),
        FrameKind::Checks | FrameKind::Cells | FrameKind::Goodbye => {}
    }
}

/// An accepted cold message has no other encoding.
fn cold<'de, T>(bytes: &'de [u8])
where
    T: SchemaRead<'de, ColdConfig, Dst = T> + SchemaWrite<ColdConfig, Src = T>,
{
    if let Ok(value) = decode_cold::<T>(bytes) {
        let mut again = Vec::new();
        encode_cold(&value, &mut again).expect("what was read can be written");
        assert_eq!(again, bytes);
    }
}

/// A message of tagged fields has one encoding, apart from the skipped optional fields.
fn fields<T: Tagged>(bytes: &[u8]) {
    if let Ok((value, kept)) = decode_fields_with(bytes, Unknown::Skip, T::get_fields) {
        let mut again = Vec::new();
        encode_fields(&value, &mut again).expect("what was read can be written");
        assert_eq!(again.len() + kept.len(), bytes.len());
        assert!(decode_fields::<T>(&again, Unknown::Refuse).is_ok());
    }
}

/// An accepted answer is encoded again, not longer, to an equal answer.
fn answer(bytes: &[u8]) {
    if let Ok(answer) = QueryAnswer::decode(bytes) {
        let mut again = Vec::new();
        answer.encode(&mut again).expect("what was read can be written");
        assert!(again.len() <= bytes.len());
        assert_eq!(QueryAnswer::decode(&again), Ok(answer));
    }
}

/// The records of a frame can be separated as long as their lengths are valid, whatever their contents.
fn commands(body: &[u8]) {
    let mut rest = body;
    while let Ok(length) = record_length(rest) {
        if Envelope::decode(&rest[..length]).is_ok() {
            assert!(Envelope::id_of(&rest[..length]).is_some());
        }
        rest = &rest[length..];
    }
}

fn outcomes(body: &[u8]) {
    let mut reader = Reader::new(body);
    while let Ok((index, outcome)) = Outcome::decode(&mut reader) {
        let mut again = Vec::new();
        outcome.encode(index, &mut again);
        assert_eq!(Outcome::decode(&mut Reader::new(&again)), Ok((index, outcome)));
    }
}
