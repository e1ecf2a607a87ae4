//! What the operating system tells of processes and of the machine: CPU time, steal, memory. Linux only; elsewhere zeros are told.

use crate::ratio;
use serde::Serialize;
use std::fs;
use std::time::Duration;

/// Readings at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    client_cpu: Duration,
    server_cpu: Duration,
    steal: Duration,
}

/// What a stretch of time cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// CPU time of this process.
    pub(crate) client_cpu: Duration,
    /// CPU time of the server's process and of its children; zero if that is not known.
    pub(crate) server_cpu: Duration,
    /// Time that the hypervisor took from this machine, summed over the cores.
    pub(crate) steal: Duration,
}

/// The machine, for a report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct MachineFacts {
    /// Cores that this process may use.
    pub(crate) cores: usize,
    /// The processor's name.
    pub(crate) processor: String,
    /// Time that the hypervisor took, as a percentage of one core: 200 at most on two cores.
    pub(crate) steal_percent: f64,
}

impl Reading {
    /// Reads now.
    pub(crate) fn take(server_pid: Option<u32>) -> Self {
        Self {
            client_cpu: cpu_of(std::process::id()).unwrap_or_default(),
            server_cpu: server_pid.map(cpu_of_family).unwrap_or_default(),
            steal: steal().unwrap_or_default(),
        }
    }

    /// What has passed since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Cost {
        Cost {
            client_cpu: self.client_cpu.saturating_sub(earlier.client_cpu),
            server_cpu: self.server_cpu.saturating_sub(earlier.server_cpu),
            steal: self.steal.saturating_sub(earlier.steal),
        }
    }
}

impl MachineFacts {
    pub(crate) fn new(steal: Duration, span: Duration) -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            processor: processor().unwrap_or_default(),
            steal_percent: ratio::percent(steal, span),
        }
    }
}

/// User and system time of all threads of a process.
fn cpu_of(pid: u32) -> Option<Duration> {
    cpu_of_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The same of a process and of those that it has started itself and that still live.
fn cpu_of_family(pid: u32) -> Duration {
    let stats = fs::read_dir("/proc").into_iter().flatten().flatten();
    stats
        .filter_map(|process| {
            let member: u32 = process.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(process.path().join("stat")).ok()?;
            (member == pid || parent_of_stat(&stat) == Some(pid)).then(|| cpu_of_stat(&stat))?
        })
        .sum()
}

/// What follows the name. The name, in the second field, may hold blanks and parentheses; what follows the last one is regular.
fn fields_of_stat(stat: &str) -> Option<impl Iterator<Item = &str>> {
    Some(stat.rsplit_once(") ")?.1.split_ascii_whitespace())
}

fn parent_of_stat(stat: &str) -> Option<u32> {
    fields_of_stat(stat)?.nth(1)?.parse().ok()
}

fn cpu_of_stat(stat: &str) -> Option<Duration> {
    let mut fields = fields_of_stat(stat)?.skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(ticks(user + system))
}

fn steal() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().next()?.split_ascii_whitespace().nth(8)?.parse().ok().map(ticks)
}

fn ticks(count: u64) -> Duration {
    Duration::from_nanos(count.saturating_mul(1_000_000_000 / rustix::param::clock_ticks_per_second().max(1)))
}

fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Memory that a process occupies, in bytes.
pub(crate) fn resident_bytes(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_behind_any_name() {
        // Proves that blanks and parentheses in a process name do not shift the fields.
        let stat = "12 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0 20 0 1 0 5 6 7";
        assert_eq!(cpu_of_stat(stat), Some(ticks(42)));
        assert_eq!(parent_of_stat(stat), Some(1));
        assert_eq!(cpu_of_stat("12 (cut off"), None);
    }
}
