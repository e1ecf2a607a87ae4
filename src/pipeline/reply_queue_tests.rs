//! Tests of joined replies. They are not in `reply_queue`, because the model checker includes that file without its
//! tests.

use super::reply_queue::{AnsweredCounts, ReplyAddress, ReplyBuffer, ReplyQueues, ReplyWriter};
use stockhold_protocol::frame::{self, FrameKind, Header};
use stockhold_protocol::limits::FRAME_BODY_BYTES_MAX;

#[test]
fn replies_keep_their_bytes_when_buffers_are_joined() {
    // Proves that a second delivery before the first was taken moves the offsets, and that every reply still parses.
    let reply_queues = ReplyQueues::new(1);
    let mut replies = ReplyWriter::new(reply_queues.clone());
    for request in 0..3_u64 {
        let to = ReplyAddress { slot: 7, generation: 1, ..ReplyAddress::default() };
        let header = Header::new(FrameKind::Outcomes, request, 0);
        replies.frame(to, header, AnsweredCounts { commands: 2, ..AnsweredCounts::default() }, |out| {
            out.push(9);
        });
        replies.send();
    }
    let mut buffer = ReplyBuffer::default();
    reply_queues.take(0, &mut buffer);
    assert_eq!(buffer.replies.len(), 3);
    for (request, reply) in buffer.replies.iter().enumerate() {
        let (frame, used) =
            frame::parse(&buffer.bytes[reply.start..reply.end], FRAME_BODY_BYTES_MAX).unwrap().unwrap();
        assert_eq!(frame.header.request, u64::try_from(request).unwrap());
        assert_eq!((used, reply.commands, frame.body), (reply.end - reply.start, 2, &[9_u8][..]));
    }
}
