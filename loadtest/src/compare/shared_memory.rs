//! The shared memory of a peer's processes. It is faulted in from outside, by reading it through the process that
//! created it. Reading an absent page makes the system create it, filled with zeros, for all processes; nothing in it
//! changes.

use crate::exit::Failure;
use anyhow::{Context as _, anyhow};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Bytes that are read at a time.
const PIECE_BYTES: usize = 1 << 20;

/// Faults in the anonymous shared memory of this process, completely or up to the first `most` bytes. Returns the
/// number of bytes.
pub(crate) fn fault_in(pid: u32, most: u64) -> Result<u64, Failure> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"));
    let maps = maps.context("cannot read the memory map of a peer")?;
    let memory = File::open(format!("/proc/{pid}/mem")).context("cannot open the memory of a peer")?;
    let (mut bytes, mut piece) = (0, vec![0; PIECE_BYTES]);
    for range in maps.lines().filter_map(shared) {
        let end = range.end.min(range.start.saturating_add(most - bytes));
        for at in (range.start..end).step_by(PIECE_BYTES) {
            let left = usize::try_from(end - at).unwrap_or(usize::MAX);
            let part = piece.get_mut(..left.min(PIECE_BYTES)).unwrap_or_default();
            memory.read_exact_at(part, at).context("cannot read the memory of a peer")?;
        }
        bytes += end - range.start;
    }
    if bytes == 0 {
        return Err(anyhow!("the peer has no shared memory to fault in").into());
    }
    Ok(bytes)
}

/// The address range of a line of a memory map, if it is writable, shared and anonymous memory.
fn shared(line: &str) -> Option<Range<u64>> {
    let mut words = line.split_ascii_whitespace();
    let (range, permissions) = (words.next()?, words.next()?);
    if permissions != "rw-s" || words.nth(3).is_none_or(|path| path != "/dev/zero") {
        return None;
    }
    let (from, to) = range.split_once('-')?;
    Some(u64::from_str_radix(from, 16).ok()?..u64::from_str_radix(to, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shared_memory_is_read() {
        // Proves that private memory, files and read-only memory are left alone.
        let line = "7f1000-7f3000 rw-s 00000000 00:01 1031                       /dev/zero (deleted)";
        assert_eq!(shared(line), Some(0x7f_1000..0x7f_3000));
        for other in [
            "7f1000-7f3000 rw-p 00000000 00:01 1031                       /dev/zero (deleted)",
            "7f1000-7f3000 r--s 00000000 00:01 1031                       /dev/zero (deleted)",
            "7f1000-7f3000 rw-s 00000000 fe:00 1031                       /var/lib/some.file",
            "7f1000-7f3000 rw-p 00000000 00:00 0 ",
        ] {
            assert_eq!(shared(other), None, "{other}");
        }
    }
}
