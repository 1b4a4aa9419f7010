//! What the system knows of this process, under the names that Prometheus' own clients use.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::clock::Clock;
use crate::metrics::{Family, Sums};
use crate::time::Time;

const DESCRIPTORS: &str = "/proc/self/fd";
/// How often descriptors are counted at most.
const COUNT_INTERVAL: Duration = Duration::from_secs(10);

static CPU: Family =
    Family::counter("process_cpu_seconds_total", &[], "Time that all threads have had a processor.");
static RESIDENT: Family =
    Family::gauge("process_resident_memory_bytes", &[], "Memory of the process that is in RAM.");
static VIRTUAL: Family = Family::gauge("process_virtual_memory_bytes", &[], "Address space of the process.");
static THREADS: Family = Family::gauge("process_threads", &[], "Threads of the process.");
static OPEN: Family = Family::gauge("process_open_fds", &[], "Open file descriptors.");
static MOST_OPEN: Family = Family::gauge("process_max_fds", &[], "File descriptors that there may be.");

pub(super) fn families() -> [&'static Family; 6] {
    [&CPU, &RESIDENT, &VIRTUAL, &THREADS, &OPEN, &MOST_OPEN]
}

/// Adds what the system says; what it does not say is left out.
pub(super) fn add(sums: &mut Sums) {
    let mut put = |family: &'static Family, value: Option<f64>| {
        if let Some(value) = value {
            sums.add(family, &[], value);
        }
    };
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bytes = |name| find(&status, name).map(|kibibytes| kibibytes * 1024.0);
    put(&CPU, cpu_seconds());
    put(&RESIDENT, bytes("VmRSS:"));
    put(&VIRTUAL, bytes("VmSize:"));
    put(&THREADS, find(&status, "Threads:"));
    put(&OPEN, open_descriptors());
    put(&MOST_OPEN, getrlimit(Resource::Nofile).current.map(super::sample::float));
}

#[expect(clippy::cast_precision_loss, reason = "seconds with a fraction")]
fn cpu_seconds() -> Option<f64> {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Some(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
}

/// The number behind a name in /proc/self/status.
fn find(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Linux says the number as the folder's size from 6.2 on. Before that it must be counted.
fn open_descriptors() -> Option<f64> {
    let open = match fs::metadata(DESCRIPTORS).ok()?.len() {
        0 => COUNT.get(Clock::new().now().time)?,
        open => open,
    };
    Some(super::sample::float(open))
}

/// Counting takes more than a microsecond each, which is a tenth of a second for a full relay: a thread of its own does it
/// now and then, and the last number stands meanwhile.
struct Count {
    /// None yet if 0.
    last: AtomicU64,
    /// When it is to be counted again, as [`Time::as_nanos`].
    due: AtomicU64,
}

static COUNT: Count = Count::new();

impl Count {
    const fn new() -> Self {
        Self { last: AtomicU64::new(0), due: AtomicU64::new(0) }
    }

    fn get(&'static self, now: Time) -> Option<u64> {
        let (due, next) = (self.due.load(Ordering::Relaxed), (now + COUNT_INTERVAL).as_nanos());
        // Of those who come at once one begins.
        if now.as_nanos() >= due
            && self.due.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            let thread = thread::Builder::new().name("tern-count".to_owned());
            // Without a thread the number stays what it was.
            drop(thread.spawn(|| self.last.store(count(), Ordering::Relaxed)));
        }
        Some(self.last.load(Ordering::Relaxed)).filter(|last| *last > 0)
    }
}

/// The folder's own descriptor, while it is read, is none.
fn count() -> u64 {
    let entries = fs::read_dir(DESCRIPTORS).map_or(0, Iterator::count);
    u64::try_from(entries).unwrap_or(u64::MAX).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_knows_this_process() {
        let status = "Name:\ttern\nVmSize:\t  2048 kB\nThreads:\t3\n";
        assert_eq!(
            (find(status, "VmSize:"), find(status, "Threads:"), find(status, "VmRSS:")),
            (Some(2048.0), Some(3.0), None)
        );
        assert!(cpu_seconds().unwrap() > 0.0);
        let before = open_descriptors();
        let files: Vec<_> = (0..50).map(|_| fs::File::open("/proc/self/status").unwrap()).collect();
        if let (Some(before), Some(after)) = (before, open_descriptors()) {
            assert!(after >= before + 20.0, "{before} {after}, other tests open and close as well");
        }
        drop(files);
    }

    #[test]
    fn an_older_kernel_has_them_counted_now_and_then_and_elsewhere() {
        static COUNT: Count = Count::new();
        let begin = Clock::new().now().time;
        let files: Vec<_> = (0..50).map(|_| fs::File::open("/proc/self/status").unwrap()).collect();
        let counted = || {
            (0..1000).find_map(|_| {
                thread::sleep(Duration::from_millis(10));
                COUNT.get(begin)
            })
        };
        assert_eq!(COUNT.get(begin).filter(|open| *open < 50), None);
        assert!(counted().unwrap() > 50);
        COUNT.last.store(0, Ordering::Relaxed);
        let soon = begin + COUNT_INTERVAL / 2;
        assert_eq!(COUNT.get(soon), None, "nothing is counted so soon");
        let _ = COUNT.get(begin + COUNT_INTERVAL);
        assert!(counted().unwrap() > 50);
        drop(files);
    }
}
