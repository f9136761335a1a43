//! What a process has used: processor time and memory, as Linux counts them in /proc.

use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// Ticks of `/proc/PID/stat` in a second; Linux has shown this many to programs for as long as it has been portable.
const TICKS: u64 = 100;

/// Processor time that a process with all its threads, also ended ones, has used: its own code's and the kernel's on its behalf.
/// Counted in hundredths of a second, so what is measured has to take some seconds. Its children are not counted.
pub fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
    // The second field is a name in parentheses, which may hold anything; utime and stime are the 14th and 15th.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest).context("a line without a name")?;
    let mut ticks = fields.split_ascii_whitespace().skip(11).map(str::parse::<u64>);
    let (user, system) = (ticks.next().context("no utime")??, ticks.next().context("no stime")??);
    Ok(Duration::from_millis((user + system) * 1000 / TICKS))
}

/// Processor time of the calling thread, to the nanosecond.
pub fn thread_cpu() -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")
        .context("/proc/thread-self/schedstat cannot be read")?;
    let spent = stat.split_ascii_whitespace().next().context("an empty schedstat")?;
    Ok(Duration::from_nanos(spent.parse()?))
}

/// The most memory that a process has had in RAM at once, in bytes, since it began or since [`forget_peak`].
pub fn peak_memory(pid: u32) -> anyhow::Result<u64> {
    status(pid, "VmHWM:")
}

/// The memory that a process has in RAM now, in bytes.
pub fn memory(pid: u32) -> anyhow::Result<u64> {
    status(pid, "VmRSS:")
}

/// Lets [`peak_memory`] begin anew.
pub fn forget_peak(pid: u32) -> anyhow::Result<()> {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").context("the peak cannot be forgotten")
}

fn status(pid: u32, name: &str) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes = line.and_then(|line| line.split_ascii_whitespace().next());
    Ok(kibibytes.with_context(|| format!("{path} has no {name}"))?.parse::<u64>()? * 1024)
}

/// The machine that a bench ran on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name; empty when it is not told.
    pub processor: String,
    /// How many processors a program may use.
    pub cores: usize,
    /// Bytes of RAM; 0 when it is not told.
    pub memory: u64,
    /// The load of the last minute when the bench began: how many programs wanted a processor; 0 when it is not told.
    pub load: f64,
}

impl Machine {
    /// This one, now.
    pub fn this() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let after = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.trim_start_matches([':', ' ', '\t']).trim().to_owned()
        };
        let memory = after(&read("/proc/meminfo"), "MemTotal");
        let load = read("/proc/loadavg");
        Self {
            processor: after(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory: memory.trim_end_matches(" kB").parse::<u64>().unwrap_or_default() * 1024,
            load: load.split_ascii_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{cpu, memory, peak_memory, thread_cpu};

    #[test]
    fn this_process_uses_time_and_memory() -> anyhow::Result<()> {
        let this = std::process::id();
        let (process, thread) = (cpu(this)?, thread_cpu()?);
        let mut sum = 0_u64;
        while cpu(this)? == process {
            sum = (0..10_000_u64).fold(sum, |sum, number| std::hint::black_box(sum ^ number));
        }
        assert!(thread_cpu()? > thread);
        assert!(peak_memory(this)? >= memory(this)?);
        assert!(memory(this)? > 0);
        Ok(())
    }
}
