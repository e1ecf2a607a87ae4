//! The lines of a CSV file, before anything is read from them. A file in which one line might be taken for another is
//! refused as a whole: a wrong encoding, another separator, a quote that does not end on its line.
//!
//! Lines are counted here without the parser of the rows, so the importer can prove that it has lost none.

use std::io::{self, BufRead, BufReader, Read};

/// The byte order mark that some programs write before UTF-8.
pub(super) const BYTE_ORDER_MARK: char = '\u{feff}';
/// The longest line in bytes.
const LINE_BYTES_MAX: usize = 1 << 20;

/// Why a file cannot be read as rows.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LineFault {
    /// The file is not UTF-8 but UTF-16.
    #[error("the file is UTF-16: save it as UTF-8, which spreadsheets call \"CSV UTF-8\"")]
    Utf16,
    /// A line is not UTF-8.
    #[error(
        "line {line}: byte {byte:#04x} is not UTF-8; the file may be Latin-1 or Windows-1252: save it as UTF-8, which spreadsheets call \"CSV UTF-8\""
    )]
    NotUtf8 {
        /// The line.
        line: u64,
        /// The first byte that is not.
        byte: u8,
    },
    /// A quoted field does not end on its line.
    #[error(
        "line {line}: the quote before `{text}` does not end on this line; a quote within a quoted field is written twice, as in \"Monitor 24\"\"\""
    )]
    OpenQuote {
        /// The line on which the quote begins.
        line: u64,
        /// What follows it.
        text: String,
    },
    /// A quoted field ends before its separator.
    #[error(
        "line {line}: the quoted field `{text}` ends before `{rest}`; a quote within a quoted field is written twice, as in \"Monitor 24\"\"\""
    )]
    EarlyQuote {
        /// The line.
        line: u64,
        /// The field.
        text: String,
        /// What follows it.
        rest: String,
    },
    /// Spaces are before a quote, so that it quotes nothing.
    #[error("line {line}: remove the spaces before the quote of `{text}`")]
    SpaceBeforeQuote {
        /// The line.
        line: u64,
        /// What follows the quote.
        text: String,
    },
    /// The columns are not separated by commas.
    #[error("line 1: the columns are separated by {name}: separate them by commas")]
    Separator {
        /// What separates them.
        name: &'static str,
    },
    /// A line is too long.
    #[error("line {line}: the line has more than {LINE_BYTES_MAX} bytes")]
    TooLong {
        /// The line.
        line: u64,
    },
}

/// Why the lines cannot be counted.
#[derive(Debug, thiserror::Error)]
pub enum LinesError {
    /// The file cannot be read.
    #[error("the list of source items cannot be read")]
    Disk(#[from] io::Error),
    /// It can be, but it is no list of rows.
    #[error("{0}; nothing was imported")]
    Fault(LineFault),
}

/// Counts the rows of a file: the lines that are not empty, without the header.
///
/// # Errors
/// [`LinesError`].
pub fn count_rows(input: impl Read) -> Result<u64, LinesError> {
    let mut input = BufReader::new(UnixLines::new(input));
    let (mut bytes, mut line, mut filled) = (Vec::new(), 0_u64, 0_u64);
    loop {
        bytes.clear();
        let most = u64::try_from(LINE_BYTES_MAX + 1).unwrap_or(u64::MAX);
        if input.by_ref().take(most).read_until(b'\n', &mut bytes)? == 0 {
            return Ok(filled.saturating_sub(1));
        }
        line += 1;
        if bytes.len() > LINE_BYTES_MAX {
            return Err(LinesError::Fault(LineFault::TooLong { line }));
        }
        check_line(line, bytes.strip_suffix(b"\n").unwrap_or(&bytes)).map_err(LinesError::Fault)?;
        filled += u64::from(bytes != b"\n");
    }
}

fn check_line(line: u64, bytes: &[u8]) -> Result<(), LineFault> {
    if line == 1 && (bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff])) {
        return Err(LineFault::Utf16);
    }
    let text = str::from_utf8(bytes).map_err(|error| LineFault::NotUtf8 {
        line,
        byte: bytes.get(error.valid_up_to()).copied().unwrap_or_default(),
    })?;
    if text.contains('\0') {
        return Err(LineFault::Utf16);
    }
    if line == 1 && !text.contains(',') {
        let separators = [(';', "semicolons"), ('\t', "tabs"), ('|', "vertical bars")];
        if let Some((_, name)) = separators.into_iter().find(|(separator, _)| text.contains(*separator)) {
            return Err(LineFault::Separator { name });
        }
    }
    let text = if line == 1 { text.trim_start_matches(BYTE_ORDER_MARK) } else { text };
    check_quotes(line, text)
}

/// Follows the quotes of a line from field to field.
fn check_quotes(line: u64, text: &str) -> Result<(), LineFault> {
    let mut rest = text;
    loop {
        let Some(quoted) = rest.strip_prefix('"') else {
            let (field, next) = rest.split_once(',').unwrap_or((rest, ""));
            if let Some(text) = field.trim_start().strip_prefix('"') {
                return Err(LineFault::SpaceBeforeQuote { line, text: beginning(text) });
            }
            if field.len() == rest.len() {
                return Ok(());
            }
            rest = next;
            continue;
        };
        let Some(end) = end_of_quoted(quoted) else {
            return Err(LineFault::OpenQuote { line, text: beginning(quoted) });
        };
        let (field, after) = quoted.split_at(end);
        let after = after.get(1..).unwrap_or_default();
        if after.is_empty() {
            return Ok(());
        }
        let Some(next) = after.strip_prefix(',') else {
            return Err(LineFault::EarlyQuote { line, text: beginning(field), rest: beginning(after) });
        };
        rest = next;
    }
}

/// The offset of the quote that ends a quoted field.
fn end_of_quoted(text: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.find('"')?;
        if text.get(at + 1..)?.starts_with('"') {
            from = at + 2;
        } else {
            return Some(at);
        }
    }
}

/// The beginning of a text, for a message.
fn beginning(text: &str) -> String {
    text.chars().take(24).collect()
}

/// Passes a file on with `\n` at the end of each line, whether it has `\n`, `\r\n` or `\r`, or nothing in the last line.
#[derive(Debug)]
pub(super) struct UnixLines<R> {
    input: R,
    after_return: bool,
    /// Whether the last byte passed on is none that ends a line.
    in_line: bool,
}

impl<R> UnixLines<R> {
    pub(super) const fn new(input: R) -> Self {
        Self { input, after_return: false, in_line: false }
    }
}

impl<R> UnixLines<R> {
    /// Ends the last line.
    fn end(&mut self, buffer: &mut [u8]) -> usize {
        let is_missing = std::mem::take(&mut self.in_line);
        buffer.first_mut().filter(|_| is_missing).map_or(0, |byte| {
            *byte = b'\n';
            1
        })
    }
}

impl<R: Read> Read for UnixLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.input.read(buffer)?;
            let mut kept = 0;
            for at in 0..read {
                let byte = buffer[at];
                if !(byte == b'\n' && self.after_return) {
                    buffer[kept] = if byte == b'\r' { b'\n' } else { byte };
                    kept += 1;
                }
                self.after_return = byte == b'\r';
            }
            if let Some(last) = kept.checked_sub(1) {
                self.in_line = buffer[last] != b'\n';
                return Ok(kept);
            }
            if read == 0 {
                return Ok(self.end(buffer));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &[u8]) -> String {
        count_rows(text).unwrap_err().to_string()
    }

    #[test]
    fn every_kind_of_line_end_is_one() {
        // Proves that CR, LF, CRLF and mixtures of them separate rows, also at the end of the reader's buffer, and that empty
        // lines are no rows.
        assert_eq!(count_rows(&b"a,b\r1,2\r3,4\r"[..]).unwrap(), 2);
        assert_eq!(count_rows(&b"a,b\r\n1,2\n3,4\r5,6"[..]).unwrap(), 3);
        assert_eq!(count_rows(&b"a,b\n\n\r\n1,2\r\r"[..]).unwrap(), 1);
        assert_eq!(count_rows(&b""[..]).unwrap(), 0);
        let mut bytes = Vec::new();
        let mut halves = UnixLines::new((&b"a\r"[..]).chain(&b"\nb\n\nc"[..]));
        halves.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"a\nb\n\nc\n");
    }

    #[test]
    fn a_quote_ends_where_its_field_ends() {
        // Proves that quotes which swallow a separator or a line are refused with the line on which they begin, and that
        // those which do not are accepted, in columns that nobody reads too.
        for good in [
            "a,\"b\"\n",
            "a,\"b,c\",d\n",
            "a,\"24\"\"\"\n",
            "a,Monitor 24\"\n",
            "\"\",\"\"\n",
            "a,\n",
            "\u{feff}\"a\",b\n",
        ] {
            assert_eq!(count_rows(good.as_bytes()).unwrap(), 0, "{good}");
        }
        assert!(
            fault(b"a,b\n1,\"Monitor 24\"\"\n2,3\n")
                .starts_with("line 2: the quote before `Monitor 24\"\"` does not end")
        );
        assert!(fault(b"a,b\n1,\"x\n2,3\n").starts_with("line 2: the quote before `x` does not end"));
        assert!(
            fault(b"a,b\n1,2\n\"24\" wide\",3\n")
                .starts_with("line 3: the quoted field `24` ends before ` wide\",3`")
        );
        assert!(fault(b"a,b\n1, \"2,3\"\n").starts_with("line 2: remove the spaces"));
    }

    #[test]
    fn what_is_no_csv_is_named_with_the_remedy() {
        // Proves the messages for encodings, separators and lines without an end.
        let utf16: Vec<u8> = "\u{feff}sku,b\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(fault(&utf16).contains("save it as UTF-8"));
        assert!(fault(&utf16[2..]).contains("UTF-16"));
        assert!(fault(b"sku,b\nM\xfcller,1\n").starts_with("line 2: byte 0xfc is not UTF-8"));
        assert!(fault(b"source_code;sku\n").contains("semicolons: separate them by commas"));
        assert!(fault(b"source_code\tsku\n").contains("tabs"));
        assert!(
            fault(&[b"a,b\n".to_vec(), vec![b'x'; LINE_BYTES_MAX + 1]].concat())
                .starts_with("line 2: the line has")
        );
    }
}
