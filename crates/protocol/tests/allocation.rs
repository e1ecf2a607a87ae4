//! The cost of a false length: memory is requested only in step with the bytes that are present.
//!
//! The allocator of this test program counts, so the test has a program of its own.
#![expect(clippy::unwrap_used, reason = "these are tests; a failed step must stop them")]
#![expect(unsafe_code, reason = "a counting allocator cannot be written without; it only forwards")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use stockhold_protocol::codec::decode_cold;
use stockhold_protocol::command::Transfer;
use stockhold_protocol::handshake::Hello;
use stockhold_protocol::limits::COMMAND_BYTES_MAX;
use stockhold_protocol::query::{Name, QueryAnswer};
use stockhold_protocol::{Command, CommandId, Detail, Envelope, Line, Quantity, SkuId, SourceId};

/// The largest single request since it was cleared.
static LARGEST: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: every call is forwarded unchanged to the system's allocator, whose contract is the same.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's guarantees are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's guarantees are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The largest request that `action` makes.
fn largest(action: impl FnOnce()) -> usize {
    LARGEST.store(0, Ordering::Relaxed);
    action();
    LARGEST.load(Ordering::Relaxed)
}

fn transfer() -> (Vec<u8>, usize) {
    let lines = vec![Line::new(SkuId(7), Quantity::units(1).unwrap())];
    let command =
        Command::Transfer(Transfer { from: SourceId(1), to: SourceId(2), lines, reason: String::new() });
    let mut record = Vec::new();
    Envelope::new(CommandId::from_parts(1, 1), command).encode(&mut record).unwrap();
    // The header is followed by two sources of 10 bytes each, then the number and the length of the field with the
    // lines.
    (record, 20 + 10 + 10 + 6)
}

#[test]
fn a_lying_length_costs_no_memory() {
    // Proves that neither an absurd nor a merely large length in a few bytes makes the reader allocate.
    let (record, at) = transfer();
    for length in [2, 341, 1_025, 1 << 16, 1 << 20, u64::from(u32::MAX), u64::MAX / 16, u64::MAX] {
        let mut lying = record.clone();
        lying[at..at + 8].copy_from_slice(&length.to_le_bytes());
        let cost = largest(|| assert!(Envelope::decode(&lying).is_err(), "{length} was believed"));
        assert!(cost <= COMMAND_BYTES_MAX, "{length} lines in a record of {} bytes cost {cost}", lying.len());
    }
    // The control: space for elements of unknown width is allocated in advance, within a bound, and the allocator
    // sees it.
    let lying = (1_u64 << 16).to_le_bytes();
    assert!(largest(|| assert!(decode_cold::<Vec<Name>>(&lying).is_err())) > COMMAND_BYTES_MAX);
    for length in [1, 1 << 20, 1 << 32, u64::MAX] {
        let bytes = u64::to_le_bytes(length);
        // A name with a false length, and a field with a false length.
        let mut hello = Vec::new();
        Hello::new("").encode(&mut hello).unwrap();
        let at = hello.len() - 8;
        hello[at..].copy_from_slice(&bytes);
        let field = [&[1, 0][..], &bytes[..4], &[2]].concat();
        // A list with a false length of an element, and a text with one.
        let answer = [&[3, 0, 0, 0][..], &bytes[..4]].concat();
        let failed = [&[9, 0, 0, 0][..], &bytes].concat();
        let cost = largest(|| {
            assert!(Hello::decode(&hello).is_err());
            assert!(Hello::decode(&field).is_err());
            assert!(QueryAnswer::decode(&failed).is_err());
            assert!(decode_cold::<Vec<Name>>(&bytes).is_err());
            assert!(QueryAnswer::decode(&answer).is_err());
            assert!(Detail::decode(&[&[4, 0, 0, 0][..], &bytes].concat()).is_err());
        });
        assert!(cost <= 4 << 20, "a length of {length} cost {cost} bytes at once");
    }
}
