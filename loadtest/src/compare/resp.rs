//! The part of Redis' protocol (RESP 2) that the comparison needs: commands out, single replies in. `redis` gives the
//! commands their meaning.

/// The longest accepted line of a reply. No status or error is as long.
const LINE_BYTES_MAX: usize = 65_536;
/// The longest accepted string of a reply.
const BULK_BYTES_MAX: usize = 1 << 20;
const LINE_END: &[u8] = b"\r\n";

/// One reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reply<'a> {
    /// A status, such as OK.
    Simple(&'a [u8]),
    /// An error.
    Error(&'a [u8]),
    Integer(i64),
    /// A string of bytes, or none.
    Bulk(Option<&'a [u8]>),
}

/// Bytes that are not a reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("a reply begins with byte {0:#04x}")]
    Kind(u8),
    #[error("a reply contains an invalid number")]
    Number,
    #[error("a reply is longer than the limit of {0} bytes")]
    TooLong(usize),
    #[error("a string in a reply has a wrong length")]
    Unterminated,
}

/// Appends the head of a command of this many words.
pub(crate) fn begin(words: usize, output: &mut Vec<u8>) {
    output.push(b'*');
    output.extend_from_slice(words.to_string().as_bytes());
    output.extend_from_slice(LINE_END);
}

/// Appends one word of a command, which may contain any bytes.
pub(crate) fn word(bytes: &[u8], output: &mut Vec<u8>) {
    output.push(b'$');
    output.extend_from_slice(bytes.len().to_string().as_bytes());
    output.extend_from_slice(LINE_END);
    output.extend_from_slice(bytes);
    output.extend_from_slice(LINE_END);
}

/// Appends a whole command.
pub(crate) fn command(words: &[&[u8]], output: &mut Vec<u8>) {
    begin(words.len(), output);
    for bytes in words {
        word(bytes, output);
    }
}

/// The first reply in `input` and its length. `None` while it is incomplete.
pub(crate) fn parse(input: &[u8]) -> Result<Option<(Reply<'_>, usize)>, Malformed> {
    let Some((kind, rest)) = input.split_first() else { return Ok(None) };
    let Some(line) = line(rest)? else { return Ok(None) };
    let taken = 1 + line.len() + LINE_END.len();
    match kind {
        b'+' => Ok(Some((Reply::Simple(line), taken))),
        b'-' => Ok(Some((Reply::Error(line), taken))),
        b':' => Ok(Some((Reply::Integer(number(line)?), taken))),
        b'$' => bulk(input, taken, number(line)?),
        other => Err(Malformed::Kind(*other)),
    }
}

fn bulk(input: &[u8], from: usize, length: i64) -> Result<Option<(Reply<'_>, usize)>, Malformed> {
    if length == -1 {
        return Ok(Some((Reply::Bulk(None), from)));
    }
    let length = usize::try_from(length).map_err(|_| Malformed::Number)?;
    if length > BULK_BYTES_MAX {
        return Err(Malformed::TooLong(BULK_BYTES_MAX));
    }
    let to = from + length;
    let Some(end) = input.get(to..to + LINE_END.len()) else { return Ok(None) };
    if end != LINE_END {
        return Err(Malformed::Unterminated);
    }
    Ok(Some((Reply::Bulk(input.get(from..to)), to + LINE_END.len())))
}

/// The bytes before the end of the line.
fn line(input: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    let searched = input.get(..LINE_BYTES_MAX).unwrap_or(input);
    match searched.windows(LINE_END.len()).position(|pair| pair == LINE_END) {
        Some(at) => Ok(input.get(..at)),
        None if input.len() > LINE_BYTES_MAX => Err(Malformed::TooLong(LINE_BYTES_MAX)),
        None => Ok(None),
    }
}

fn number(line: &[u8]) -> Result<i64, Malformed> {
    std::str::from_utf8(line).ok().and_then(|text| text.parse().ok()).ok_or(Malformed::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_counted_words() {
        // Proves the bytes of a command, and that a word may contain any byte.
        let mut output = Vec::new();
        command(&[b"SET", b"r:\r\n\0", b""], &mut output);
        assert_eq!(output, b"*3\r\n$3\r\nSET\r\n$5\r\nr:\r\n\0\r\n$0\r\n\r\n");
    }

    #[test]
    fn every_kind_of_reply_is_read() {
        // Proves each kind of reply, and that the bytes after it are left alone.
        let cases: [(&[u8], Reply<'_>); 7] = [
            (b"+OK\r\n", Reply::Simple(b"OK")),
            (b"-ERR no such key\r\n", Reply::Error(b"ERR no such key")),
            (b":1\r\n", Reply::Integer(1)),
            (b":-7\r\n", Reply::Integer(-7)),
            (b"$-1\r\n", Reply::Bulk(None)),
            (b"$0\r\n\r\n", Reply::Bulk(Some(b""))),
            (b"$4\r\na\r\nb\r\n", Reply::Bulk(Some(b"a\r\nb"))),
        ];
        for (bytes, reply) in cases {
            let followed = [bytes, b":2\r\n"].concat();
            assert_eq!(parse(&followed), Ok(Some((reply, bytes.len()))), "{}", bytes.escape_ascii());
            for cut in 0..bytes.len() {
                assert_eq!(parse(&bytes[..cut]), Ok(None), "{} cut at {cut}", bytes.escape_ascii());
            }
        }
    }

    #[test]
    fn bytes_that_are_no_reply_are_named() {
        // Proves that invalid bytes are an error, and not an incomplete reply.
        let cases: [(&[u8], Malformed); 6] = [
            (b"!5\r\n", Malformed::Kind(b'!')),
            (b":one\r\n", Malformed::Number),
            (b"$-2\r\n", Malformed::Number),
            (b":99999999999999999999\r\n", Malformed::Number),
            (b"$1\r\nabc", Malformed::Unterminated),
            (b"$1048577\r\n", Malformed::TooLong(BULK_BYTES_MAX)),
        ];
        for (bytes, malformed) in cases {
            assert_eq!(parse(bytes), Err(malformed), "{}", bytes.escape_ascii());
        }
        assert_eq!(parse(&vec![b'+'; LINE_BYTES_MAX + 1]), Ok(None));
        assert_eq!(parse(&vec![b'+'; LINE_BYTES_MAX + 2]), Err(Malformed::TooLong(LINE_BYTES_MAX)));
    }
}
