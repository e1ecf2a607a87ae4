//! Counters of the operating system for processes and the machine: CPU time, steal, memory. They are read on Linux
//! only; elsewhere they are zero.

use crate::ratio;
use serde::Serialize;
use std::fs;
use std::time::Duration;

/// Readings at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    client_cpu: Duration,
    /// `None` if the server's process is unknown.
    server: Option<Family>,
    steal: Duration,
}

/// Counters of a process and of its live children.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Family {
    /// CPU time in user mode and in the kernel.
    cpu: Duration,
    /// CPU time in the kernel.
    system: Duration,
    /// Page faults without disk access.
    minor_faults: u64,
    /// Their own memory, plus the largest shared memory that one of them sees, because they share it with one
    /// another.
    resident_bytes: u64,
}

/// The cost of a period.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// CPU time of this process.
    pub(crate) client_cpu: Duration,
    /// CPU time of the server's process and its children. Zero if it is unknown.
    pub(crate) server_cpu: Duration,
    /// The cost of the server's memory. `None` if its process is unknown.
    pub(crate) paging: Option<Paging>,
    /// Steal: time that the hypervisor took from this machine, summed over the cores.
    pub(crate) steal: Duration,
}

/// The cost of the server's memory in a period. A page fault takes up to eight times as long if the host has to find
/// the page first. Runs that differ in these figures therefore compare memory, not the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Paging {
    pub(crate) minor_faults: u64,
    /// CPU time in the kernel, for faults and everything else.
    pub(crate) system: Duration,
    /// Negative if memory was returned.
    pub(crate) resident_growth_bytes: i64,
}

/// The same for a report.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub(crate) struct PagingFacts {
    #[serde(rename = "server_minor_faults")]
    pub(crate) minor_faults: u64,
    /// Time in the kernel, in percent of one core.
    #[serde(rename = "server_system_percent")]
    pub(crate) system_percent: f64,
    #[serde(rename = "server_resident_growth_bytes")]
    pub(crate) resident_growth_bytes: i64,
}

/// The machine, for a report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct MachineFacts {
    /// Cores that this process may use.
    pub(crate) cores: usize,
    /// The processor's name.
    pub(crate) processor: String,
    /// Steal, as a percentage of one core: 200 at most on two cores.
    pub(crate) steal_percent: f64,
}

impl Reading {
    /// Reads the counters now.
    pub(crate) fn take(server_pid: Option<u32>) -> Self {
        Self {
            client_cpu: cpu_of(std::process::id()).unwrap_or_default(),
            server: server_pid.map(family),
            steal: steal().unwrap_or_default(),
        }
    }

    /// The difference since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Cost {
        let server = self.server.zip(earlier.server);
        Cost {
            client_cpu: self.client_cpu.saturating_sub(earlier.client_cpu),
            server_cpu: server.map(|(now, then)| now.cpu.saturating_sub(then.cpu)).unwrap_or_default(),
            paging: server.map(|(now, then)| now.paging_since(then)),
            steal: self.steal.saturating_sub(earlier.steal),
        }
    }
}

impl Family {
    fn paging_since(self, earlier: Self) -> Paging {
        let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        Paging {
            minor_faults: self.minor_faults.saturating_sub(earlier.minor_faults),
            system: self.system.saturating_sub(earlier.system),
            resident_growth_bytes: bytes(self.resident_bytes) - bytes(earlier.resident_bytes),
        }
    }
}

impl Paging {
    pub(crate) fn facts(self, span: Duration) -> PagingFacts {
        PagingFacts {
            minor_faults: self.minor_faults,
            system_percent: ratio::percent(self.system, span),
            resident_growth_bytes: self.resident_growth_bytes,
        }
    }
}

impl PagingFacts {
    /// The text for people.
    pub(crate) fn text(&self) -> String {
        let Self { minor_faults, system_percent, resident_growth_bytes } = self;
        format!(
            "{minor_faults} minor page faults, {system_percent:.0} % of one core in the kernel, resident memory {:+} MiB",
            resident_growth_bytes / (1 << 20)
        )
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
    Some(Stat::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?.cpu())
}

/// The counters of a process and of its children.
fn family(pid: u32) -> Family {
    let (mut all, mut shared_max) = (Family::default(), 0);
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(member) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let stat = fs::read_to_string(process.path().join("stat")).ok();
        let Some(stat) = stat.as_deref().and_then(Stat::parse) else { continue };
        if member != pid && stat.parent != pid {
            continue;
        }
        all.cpu += stat.cpu();
        all.system += stat.system;
        all.minor_faults += stat.minor_faults;
        let status = fs::read_to_string(process.path().join("status")).unwrap_or_default();
        let bytes = |name| bytes_of_status(&status, name).unwrap_or(0);
        all.resident_bytes += bytes("RssAnon:");
        shared_max = shared_max.max(bytes("RssFile:") + bytes("RssShmem:"));
    }
    all.resident_bytes += shared_max;
    all
}

/// The fields of `/proc/PID/stat` that are needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Stat {
    parent: u32,
    minor_faults: u64,
    user: Duration,
    system: Duration,
}

impl Stat {
    /// The name, in the second field, may contain blanks and parentheses. The part after the last one is regular.
    fn parse(stat: &str) -> Option<Self> {
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split_ascii_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            minor_faults: number(7)?,
            user: ticks(number(11)?),
            system: ticks(number(12)?),
        })
    }

    fn cpu(&self) -> Duration {
        self.user + self.system
    }
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

/// Resident memory of a process, in bytes.
pub(crate) fn resident_bytes(pid: u32) -> Option<u64> {
    bytes_of_status(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmRSS:")
}

/// Available memory in bytes, within the limit of this process's control group.
pub(crate) fn available_bytes() -> Option<u64> {
    let available = bytes_of_status(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")?;
    Some(available.min(left_in_group().unwrap_or(u64::MAX)))
}

fn left_in_group() -> Option<u64> {
    let group = fs::read_to_string("/proc/self/cgroup").ok()?;
    let folder = format!("/sys/fs/cgroup{}", group.lines().find_map(|line| line.strip_prefix("0::"))?);
    let number = |name| fs::read_to_string(format!("{folder}/{name}")).ok()?.trim().parse::<u64>().ok();
    Some(number("memory.max")?.saturating_sub(number("memory.current")?))
}

/// A value of `/proc/PID/status` or `/proc/meminfo`, which use KiB.
fn bytes_of_status(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::{Command, Stdio};

    #[test]
    fn counters_are_read_behind_any_name() {
        // Proves that blanks and parentheses in a process name do not shift the fields, and that each counter is its own field.
        let stat = "12 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0 20 0 1 0 5 6 7";
        let expected = Stat { parent: 1, minor_faults: 7, user: ticks(30), system: ticks(12) };
        assert_eq!(Stat::parse(stat), Some(expected));
        assert_eq!(expected.cpu(), ticks(42));
        assert_eq!(Stat::parse("12 (cut off"), None);
        assert_eq!(Stat::parse("12 (cut off) S 1 2 3"), None);
    }

    #[test]
    fn kibibytes_are_read_by_name() {
        // Proves the unit, and that a name is matched at the beginning of its line.
        let status = "Name:\tRssAnon: 5 kB\nVmRSS:\t    2048 kB\nRssAnon:\t    1024 kB\n";
        assert_eq!(bytes_of_status(status, "VmRSS:"), Some(2 << 20));
        assert_eq!(bytes_of_status(status, "RssAnon:"), Some(1 << 20));
        assert_eq!(bytes_of_status(status, "RssShmem:"), None);
    }

    #[test]
    fn memory_that_is_touched_shows() {
        // Proves that faults and growth belong to the given process: a shell takes 32 MiB between two readings of it.
        let script = "read go; text=$(head -c 33554432 /dev/zero | tr '\\0' x); echo done; read end";
        let mut shell = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (pid, stdin) = (Some(shell.id()), shell.stdin.as_mut().unwrap());
        let before = Reading::take(pid);
        stdin.write_all(b"\n").unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let paging = Reading::take(pid).since(before).paging.unwrap();
        stdin.write_all(b"\n").unwrap();
        shell.wait().unwrap();
        assert_eq!(line, "done\n");
        assert!(paging.resident_growth_bytes >= 24 << 20, "{paging:?}");
        assert!(paging.minor_faults >= 16, "{paging:?}");
        assert_eq!(
            Reading::take(None).since(Reading::take(None)).paging,
            None,
            "an unknown process has no figures"
        );
    }
}
