//! The state of memory before a measurement. A page fault costs a guest ten microseconds more if its host has taken
//! the page back, and about one and a half if the page was used a moment ago. A server that faults in millions of
//! pages therefore depends on the state of memory. On request it is made the same for every run: all memory faulted
//! in before the start, or all memory cold.

use crate::exit::Failure;
use crate::ratio;
use crate::system;
use anyhow::anyhow;
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Memory that is always left to the rest of the machine.
const RESERVE_BYTES: u64 = 1 << 30;
/// The size of held blocks. The allocator takes them from the system and returns them one by one.
const BLOCK_BYTES: usize = 64 << 20;
/// The size of the pieces in which a server's memory is faulted in: small enough to come from the heap that is kept.
const PIECE_BYTES: usize = 1 << 20;
const PAGE_BYTES: usize = 4_096;
/// A page is cold when it takes this many times as long as one that was freed a moment ago.
const COLD_TIMES: u32 = 3;
/// After this many cold blocks in a row, the rest of memory counts as cold.
const COLD_BLOCKS: u32 = 4;
/// How often the time of a recently freed page is measured. The shortest counts.
const FREED_TRIES: u32 = 3;
/// Settings for glibc: one heap for all threads that returns nothing to the system, so that faulted-in memory is
/// kept.
const TUNABLES: &str =
    "glibc.malloc.arena_max=1:glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=1099511627776";
const TUNABLES_NAME: &str = "GLIBC_TUNABLES";
/// The default of what is faulted in or left free, in MiB.
const NEEDED_MIB: u32 = 3_072;

/// The requested state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum MemoryState {
    /// Nothing is done: the server gets whatever memory is free.
    AsIs,
    /// The server faults in --memory-mib before it starts, so that its page faults are not measured.
    Touched,
    /// Recently used memory is held by this tool, so that the server gets pages that the host has to find first.
    Cold,
}

/// Options of the memory state.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct MemoryArguments {
    /// Bring the server's memory into a known state first. With as-is, it gets whatever is free.
    ///
    /// touched: the server process takes --memory-mib, writes to every page and returns them to its own heap, which
    /// keeps them (glibc: one heap for all threads, nothing returned to the system). It serves from that memory; what
    /// it needs beyond shows as minor page faults. A peer of `compare` does the closest equivalent: Redis fills and
    /// empties itself, PostgreSQL has its shared buffers faulted in.
    ///
    /// cold: this tool takes free memory block by block until four blocks in a row take three times as long per page
    /// as memory that was freed a moment ago, and holds it until the server has ended. It stops when --memory-mib and
    /// 1 GiB are left. If no memory is cold by then, the report says so: the host makes no difference, or no memory
    /// was left.
    #[arg(long, value_enum, value_name = "STATE", default_value = "as-is", help_heading = "Memory")]
    pub(crate) memory: MemoryState,
    /// The memory that the server may need, in MiB: this much is faulted in (touched) or left free (cold). A
    /// reservation takes about 128 bytes. Default: 3072.
    #[arg(long, value_name = "N", help_heading = "Memory", requires = "memory")]
    #[arg(value_parser = clap::value_parser!(u32).range(64..=4_194_304))]
    pub(crate) memory_mib: Option<u32>,
}

/// What was done, for a report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct MemoryFacts {
    /// `as_is`, `touched` or `cold`.
    state: &'static str,
    /// Memory that was faulted in before the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    touched_mib: Option<u64>,
    #[serde(flatten)]
    held: Option<HeldFacts>,
}

/// The memory that was held, and why it was enough.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
struct HeldFacts {
    held_mib: u64,
    /// The time of a page that was freed a moment before.
    freed_page_us: f64,
    /// The time of a page of the last block, which the server's pages will also take.
    fresh_page_us: f64,
    /// Whether that counts as cold.
    is_cold: bool,
}

/// The prepared memory. What is held is released when it is dropped.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) facts: MemoryFacts,
    /// How much the server must fault in before it starts.
    pub(crate) touch_mib: Option<u32>,
    _held: Held,
}

/// Blocks that are kept from other processes.
#[derive(Default)]
struct Held(Vec<Vec<u8>>);

impl std::fmt::Debug for Held {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} blocks", self.0.len())
    }
}

impl MemoryArguments {
    /// Prepares memory for one start of a server.
    pub(crate) fn prepare(self) -> Result<Prepared, Failure> {
        let mib = self.memory_mib.unwrap_or(NEEDED_MIB);
        let needed = u64::from(mib) << 20;
        match self.memory {
            MemoryState::AsIs if self.memory_mib.is_some() => {
                Err(Failure::usage("--memory-mib requires --memory touched or --memory cold"))
            }
            MemoryState::AsIs => {
                Ok(Prepared { facts: MemoryFacts::as_is(), touch_mib: None, _held: Held::default() })
            }
            MemoryState::Touched => {
                left_beside(needed, 0)?;
                let facts = MemoryFacts::touched(u64::from(mib));
                Ok(Prepared { facts, touch_mib: Some(mib), _held: Held::default() })
            }
            MemoryState::Cold => {
                let (held, facts) = hold_until_cold(|block| left_beside(needed, block))?;
                let facts = MemoryFacts { state: "cold", touched_mib: None, held: Some(facts) };
                Ok(Prepared { facts, touch_mib: None, _held: Held(held) })
            }
        }
    }
}

impl Prepared {
    /// The environment that makes a process keep what it has faulted in.
    pub(crate) fn environment(&self) -> Option<(&'static str, String)> {
        self.touch_mib.map(|_| (TUNABLES_NAME, tunables(std::env::var(TUNABLES_NAME).ok().as_deref())))
    }

    /// The facts about a peer that has faulted in this much itself, or nothing.
    pub(crate) fn facts_of(&self, touched_mib: Option<u64>) -> MemoryFacts {
        match (self.touch_mib, touched_mib) {
            (Some(_), Some(mib)) => MemoryFacts::touched(mib),
            (Some(_), None) => MemoryFacts::as_is(),
            (None, _) => self.facts.clone(),
        }
    }

    /// Checks that a server has kept the memory that it was told to fault in.
    pub(crate) fn check(&self, resident: Option<u64>) -> Result<(), Failure> {
        let wanted = u64::from(self.touch_mib.unwrap_or(0)) << 20;
        match resident {
            Some(resident) if resident < wanted => Err(anyhow!(
                "--memory touched: the server kept {} MiB of the {} MiB that it touched; this requires glibc",
                resident >> 20,
                wanted >> 20
            )
            .into()),
            Some(_) | None => Ok(()),
        }
    }
}

/// The previous options followed by ours. Of two contradicting ones, the last counts.
fn tunables(before: Option<&str>) -> String {
    before
        .filter(|before| !before.is_empty())
        .map_or_else(|| TUNABLES.to_owned(), |before| format!("{before}:{TUNABLES}"))
}

/// Checks that `needed`, `more` and the reserve are available.
fn left_beside(needed: u64, more: u64) -> Result<(), Failure> {
    let available = system::available_bytes().unwrap_or(0);
    if is_enough(available, needed, more) {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "--memory-mib: {} MiB and a reserve of 1 GiB are more than the {} MiB that are available",
        needed >> 20,
        available >> 20
    )))
}

const fn is_enough(available: u64, needed: u64, more: u64) -> bool {
    available >= needed.saturating_add(more).saturating_add(RESERVE_BYTES)
}

/// Takes memory until what is left is cold, or until `may_take` refuses another block.
fn hold_until_cold(
    may_take: impl Fn(u64) -> Result<(), Failure>,
) -> Result<(Vec<Vec<u8>>, HeldFacts), Failure> {
    let block = u64::try_from(BLOCK_BYTES).unwrap_or(u64::MAX);
    may_take(block)?;
    let freed = freed_block_time();
    let (mut held, mut last, mut in_a_row) = (Vec::new(), Duration::ZERO, 0);
    while in_a_row < COLD_BLOCKS && may_take(block).is_ok() {
        let (memory, time) = touch(BLOCK_BYTES);
        held.push(memory);
        in_a_row = if is_cold(time, freed) { in_a_row + 1 } else { 0 };
        last = time;
    }
    let pages = u64::try_from(BLOCK_BYTES / PAGE_BYTES).unwrap_or(1);
    let facts = HeldFacts {
        held_mib: u64::try_from(held.len() * (BLOCK_BYTES >> 20))?,
        freed_page_us: ratio::us_each(freed, pages),
        fresh_page_us: ratio::us_each(last, pages),
        is_cold: in_a_row >= COLD_BLOCKS,
    };
    Ok((held, facts))
}

fn is_cold(time: Duration, freed: Duration) -> bool {
    time >= freed * COLD_TIMES
}

/// The time of a block that was returned to the system a moment ago.
fn freed_block_time() -> Duration {
    drop(touch(BLOCK_BYTES));
    (0..FREED_TRIES).map(|_| touch(BLOCK_BYTES).1).min().unwrap_or_default()
}

/// Takes memory and writes to each of its pages.
fn touch(bytes: usize) -> (Vec<u8>, Duration) {
    let began = Instant::now();
    let mut memory = vec![0_u8; bytes];
    for page in memory.chunks_mut(PAGE_BYTES) {
        if let Some(byte) = page.first_mut() {
            *byte = 1;
        }
    }
    black_box(&mut memory);
    (memory, began.elapsed())
}

/// Faults this much into the heap of this process and returns it to the heap.
pub(crate) fn fault_in(mib: u32) {
    // The list is allocated first. Behind the pieces it would keep them from being merged.
    let mut pieces = Vec::with_capacity(usize::try_from(mib).unwrap_or(0));
    pieces.extend((0..mib).map(|_| touch(PIECE_BYTES).0));
}

impl MemoryFacts {
    /// A peer has faulted in this much.
    pub(crate) const fn touched(mib: u64) -> Self {
        Self { state: "touched", touched_mib: Some(mib), held: None }
    }

    /// Nothing was done.
    pub(crate) const fn as_is() -> Self {
        Self { state: "as_is", touched_mib: None, held: None }
    }

    /// Whether memory is resident before anything needs it.
    pub(crate) const fn is_touched(&self) -> bool {
        self.touched_mib.is_some()
    }

    /// The state only, for people.
    pub(crate) fn state_text(&self) -> String {
        match (self.touched_mib, &self.held) {
            (Some(mib), _) => format!("{mib} MiB touched"),
            (None, Some(held)) if held.is_cold => "cold".to_owned(),
            (None, Some(_)) => "NOT COLD".to_owned(),
            (None, None) => "as is".to_owned(),
        }
    }

    /// The text for people.
    pub(crate) fn text(&self) -> String {
        if let Some(mib) = self.touched_mib {
            return format!("touched: {mib} MiB were faulted in before the start");
        }
        let Some(held) = &self.held else {
            return "as is: runs are comparable only with --memory touched or cold".to_owned();
        };
        let HeldFacts { held_mib, freed_page_us, fresh_page_us, is_cold } = held;
        let verdict = if *is_cold { "cold" } else { "NOT COLD, although all permitted memory was taken" };
        format!(
            "{verdict}: {held_mib} MiB are held, a page took {fresh_page_us:.1} µs then, one just freed {freed_page_us:.1} µs"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn holding_ends_where_it_must() {
        // Proves the bound: no block is taken beyond the limit, whatever pages cost, and without room for one block
        // there is no measurement.
        let left = Cell::new(3_u32);
        let may_take = |_| match left.get() {
            0 => Err(Failure::usage("no more")),
            blocks => {
                left.set(blocks - 1);
                Ok(())
            }
        };
        let (held, facts) = hold_until_cold(may_take).unwrap();
        assert_eq!((held.len(), facts.held_mib), (2, 128), "one look is for the first measurement");
        assert!(!facts.is_cold, "two blocks are not enough to tell");
        assert!(facts.fresh_page_us > 0.0 && facts.freed_page_us > 0.0, "{facts:?}");
        assert!(hold_until_cold(|_| Err(Failure::usage("none"))).is_err());
    }

    #[test]
    fn what_the_server_needs_is_left() {
        // Proves the limit to the byte: the requested memory, the current block and the reserve; and that no sum
        // overflows.
        let (needed, block) = (512 << 20, 64 << 20);
        let all = needed + block + RESERVE_BYTES;
        assert!(is_enough(all, needed, block) && !is_enough(all - 1, needed, block));
        assert!(!is_enough(all, needed + 1, block) && !is_enough(all, needed, block + 1));
        assert!(!is_enough(all, u64::MAX, block));
    }

    #[test]
    fn a_peer_is_told_as_what_it_did() {
        // Proves that a peer that faulted nothing in is not called touched, and that one that did has its own figure.
        let prepared =
            Prepared { facts: MemoryFacts::touched(64), touch_mib: Some(64), _held: Held::default() };
        assert_eq!(prepared.facts_of(Some(7)).touched_mib, Some(7));
        assert_eq!(prepared.facts_of(None).state, "as_is");
        prepared.check(Some(64 << 20)).unwrap();
        assert!(prepared.check(Some((64 << 20) - 1)).is_err(), "memory that was given back is found out");
    }

    #[test]
    fn a_page_is_cold_by_its_ratio() {
        // Proves the rule at its limit. It does not depend on absolute times of one machine.
        let freed = Duration::from_nanos(1_500);
        assert!(is_cold(Duration::from_nanos(4_500), freed) && !is_cold(Duration::from_nanos(4_499), freed));
    }

    #[test]
    fn more_than_there_is_is_refused() {
        // Proves that nothing is taken when the reserve would be touched, and that the message contains the option
        // and the figures.
        let arguments = |memory| MemoryArguments { memory, memory_mib: Some(4_194_304) };
        for memory in [MemoryState::Touched, MemoryState::Cold] {
            let failure = arguments(memory).prepare().unwrap_err();
            assert_eq!(failure.exit, crate::exit::Exit::Usage);
            assert!(failure.text().contains("--memory-mib: 4194304 MiB"), "{}", failure.text());
        }
        let failure = arguments(MemoryState::AsIs).prepare().unwrap_err();
        assert_eq!(failure.exit, crate::exit::Exit::Usage, "it would do nothing");
    }

    #[test]
    fn options_of_the_user_stay() {
        // Proves that the user's own glibc settings are kept, and that ours win in a conflict.
        assert_eq!(tunables(None), TUNABLES);
        assert_eq!(tunables(Some("")), TUNABLES);
        assert_eq!(tunables(Some("glibc.malloc.check=3")), format!("glibc.malloc.check=3:{TUNABLES}"));
    }

    #[test]
    fn every_state_is_told() {
        // Proves that a report shows the state of memory, and says when no cold memory was found.
        let held = HeldFacts { held_mib: 64, freed_page_us: 1.5, fresh_page_us: 11.5, is_cold: true };
        let cold = |held| MemoryFacts { state: "cold", touched_mib: None, held: Some(held) };
        for (facts, words) in [
            (MemoryFacts::as_is(), "as is"),
            (MemoryFacts::touched(5), "touched: 5 MiB"),
            (cold(held), "cold: 64 MiB are held, a page took 11.5 µs then, one just freed 1.5 µs"),
            (cold(HeldFacts { is_cold: false, ..held }), "NOT COLD"),
        ] {
            assert!(facts.text().starts_with(words), "{}", facts.text());
        }
    }
}
