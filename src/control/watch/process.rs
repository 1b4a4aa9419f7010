//! What the system knows of this process, under the names that Prometheus' own clients use.

use std::fs;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::metrics::{Family, Sums};

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

/// Linux says the number as the folder's size from 6.2 on. Counting a hundred thousand entries would cost more than the rest
/// of a scrape, so before that there is no number.
fn open_descriptors() -> Option<f64> {
    let open = fs::metadata("/proc/self/fd").ok()?.len();
    (open > 0).then(|| super::sample::float(open))
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
}
