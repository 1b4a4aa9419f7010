//! What a process and this machine spend, from `/proc`.

use std::fs;
use std::path::Path;

use crate::outcome::ServerCpu;

/// Nanoseconds of one tick of `/proc/*/stat`: user space always sees 100 per second.
const TICK: u64 = 10_000_000;

/// A reading; two of them make a [`ServerCpu`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    process: u64,
    user: u64,
    system: u64,
    softirq: u64,
    /// Resident bytes.
    pub resident: u64,
}

/// Reads the counters of a process and of the machine; none when the process is gone or cannot be seen.
#[must_use]
pub fn sample(pid: u32) -> Option<Sample> {
    let folder = format!("/proc/{pid}");
    let folder = Path::new(&folder);
    let (user, system) = user_and_system(&fs::read_to_string(folder.join("stat")).ok()?)?;
    Some(Sample {
        process: schedstat_of_all_threads(folder)?,
        user,
        system,
        softirq: softirq(&fs::read_to_string("/proc/stat").ok()?)?,
        resident: resident(&fs::read_to_string(folder.join("status")).ok()?).unwrap_or(0),
    })
}

impl Sample {
    /// Processors' worth of time since an earlier reading, `nanos` ago.
    #[must_use]
    pub fn busy_since(&self, earlier: &Self, nanos: u64) -> f64 {
        self.process.saturating_sub(earlier.process) as f64 / nanos.max(1) as f64
    }

    /// What was spent since an earlier reading, `nanos` ago, while `packets` were relayed.
    #[must_use]
    pub fn since(&self, earlier: &Self, nanos: u64, packets: u64) -> ServerCpu {
        let process_ns = self.process.saturating_sub(earlier.process);
        let softirq_ns = self.softirq.saturating_sub(earlier.softirq);
        let per_packet = |nanos: u64| if packets == 0 { 0.0 } else { nanos as f64 / packets as f64 };
        ServerCpu {
            process_ns,
            user_ns: self.user.saturating_sub(earlier.user),
            system_ns: self.system.saturating_sub(earlier.system),
            softirq_ns,
            packets,
            ns_per_packet: per_packet(process_ns),
            ns_per_packet_with_softirq: per_packet(process_ns + softirq_ns),
            busy: self.busy_since(earlier, nanos),
            resident: self.resident,
        }
    }
}

/// Nanoseconds on a processor, of the threads that live. A thread that ends between two readings takes its share with
/// it; servers keep their threads.
fn schedstat_of_all_threads(folder: &Path) -> Option<u64> {
    let mut total = 0u64;
    for task in fs::read_dir(folder.join("task")).ok()?.flatten() {
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        total += text.split(' ').next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0);
    }
    Some(total)
}

/// `utime` and `stime`: the fourteenth and fifteenth field. The second, the name, may hold spaces and parentheses.
fn user_and_system(stat: &str) -> Option<(u64, u64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some((next()? * TICK, next()? * TICK))
}

/// Time of all processors in soft interrupts: the seventh figure of the first line.
fn softirq(stat: &str) -> Option<u64> {
    let figure = stat.lines().next()?.split_ascii_whitespace().nth(7)?;
    Some(figure.parse::<u64>().ok()? * TICK)
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_tables_are_read() {
        let stat = "77 (a) b) S 1 77 77 0 -1 4194560 5 0 0 0 12 34 0 0 20 0 1 0 100 1000 10";
        assert_eq!(user_and_system(stat), Some((120_000_000, 340_000_000)));
        assert_eq!(softirq("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 1"), Some(70_000_000));
        assert_eq!(resident("Name:\tx\nVmRSS:\t   1234 kB\n"), Some(1234 * 1024));
        assert_eq!((user_and_system(""), softirq(""), resident("")), (None, None, None));
    }

    #[test]
    fn this_process_can_be_seen_and_nobody_cannot() {
        assert!(sample(std::process::id()).unwrap().resident > 0);
        assert_eq!(sample(u32::MAX), None);
    }

    #[test]
    fn nothing_relayed_costs_nothing_per_packet() {
        let (before, after) =
            (Sample::default(), Sample { process: 10_000, softirq: 2_000, ..Sample::default() });
        let cpu = after.since(&before, 100_000, 10);
        assert_eq!((cpu.ns_per_packet, cpu.ns_per_packet_with_softirq, cpu.busy), (1000.0, 1200.0, 0.1));
        assert_eq!(after.since(&before, 100_000, 0).ns_per_packet, 0.0);
    }
}
