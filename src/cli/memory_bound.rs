//! A process of its own, with a bound on its memory, for work whose memory depends on a state: if that is too large, the
//! process ends alone.

use super::exit::{Exit, ExitWith, Failure};
use clap::Args;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

/// The variable by which the process that replays knows itself, and the place to read.
const CHILD_VARIABLE: &str = "STOCKHOLD_REPLAYS";
const BYTES_PER_MIB: u64 = 1 << 20;
/// The bound if none is given.
const MEMORY_MIB: u64 = 4_096;

/// A bound on memory.
#[derive(Args, Debug)]
pub(super) struct MemoryBound {
    /// The most memory that the replay may take, in MiB [default: 4096]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(16..=1 << 24))]
    pub(super) memory_mib: Option<u64>,
}

impl MemoryBound {
    /// Finds the place to read, and runs `work` on it in a process of its own.
    pub(super) fn in_child(
        &self,
        place: impl FnOnce() -> Result<String, Failure>,
        work: impl FnOnce(&str) -> Result<Exit, Failure>,
    ) -> Result<Exit, Failure> {
        let mib = self.memory_mib.unwrap_or(MEMORY_MIB);
        if let Ok(place) = std::env::var(CHILD_VARIABLE) {
            let bytes = Some(mib * BYTES_PER_MIB);
            let limit = Rlimit { current: bytes, maximum: bytes };
            setrlimit(Resource::As, limit).exit_with(Exit::Usage)?;
            return work(&place);
        }
        let program = std::env::current_exe().exit_with(Exit::Disk)?;
        let mut child = Command::new(program);
        child.args(std::env::args_os().skip(1)).env(CHILD_VARIABLE, place()?);
        exit_of(child.status().exit_with(Exit::Disk)?, mib)
    }
}

/// The exit code of the process that replayed. It has printed everything, unless it was killed.
fn exit_of(status: ExitStatus, mib: u64) -> Result<Exit, Failure> {
    let known = status.code().and_then(Exit::of_number);
    known.ok_or_else(|| {
        let how = status.signal().map_or_else(|| status.to_string(), |signal| format!("by signal {signal}"));
        Failure::usage(format!(
            "the process that replays the log was ended {how}; if it lacked memory, allow more than {mib} MiB with --memory-mib"
        ))
    })
}
