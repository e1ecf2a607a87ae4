//! Mail that is joined. It stands beside the mailbox, which the model checker includes without its tests.

use super::mailbox::{Address, Answered, Drafts, Mail, Mailboxes};
use stockhold_protocol::frame::{self, FrameKind, Header};
use stockhold_protocol::limits::FRAME_BODY_BYTES_MAX;

#[test]
fn letters_keep_their_bytes_when_mail_is_joined() {
    // Proves that a second delivery before the first was taken moves offsets, and that every letter still parses.
    let mailboxes = Mailboxes::new(1);
    let mut drafts = Drafts::new(mailboxes.clone());
    for request in 0..3_u64 {
        let to = Address { slot: 7, generation: 1, ..Address::default() };
        let header = Header::new(FrameKind::Outcomes, request, 0);
        drafts.frame(to, header, Answered { commands: 2, ..Answered::default() }, |out| out.push(9));
        drafts.send();
    }
    let mut mail = Mail::default();
    mailboxes.take(0, &mut mail);
    assert_eq!(mail.letters.len(), 3);
    for (request, letter) in mail.letters.iter().enumerate() {
        let (frame, used) =
            frame::parse(&mail.bytes[letter.start..letter.end], FRAME_BODY_BYTES_MAX).unwrap().unwrap();
        assert_eq!(frame.header.request, u64::try_from(request).unwrap());
        assert_eq!((used, letter.commands, frame.body), (letter.end - letter.start, 2, &[9_u8][..]));
    }
}
