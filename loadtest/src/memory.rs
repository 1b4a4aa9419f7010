//! Memory of a process and of the kernel, from `/proc`.

use crate::outcome::{KernelMemory, Memory, ProcessMemory};

/// What both hold now. A process that cannot be read gives none.
#[must_use]
pub fn read(pid: Option<u32>) -> Memory {
    let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let kernel = kernel(&file("/proc/meminfo"), &file("/proc/net/sockstat"));
    Memory { process: pid.and_then(process), kernel }
}

/// What a process holds; none if it is not there or not ours to read.
#[must_use]
pub fn process(pid: u32) -> Option<ProcessMemory> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    Some(ProcessMemory {
        resident: field(&text, "Rss")?,
        proportional: field(&text, "Pss")?,
        descriptors: u64::try_from(descriptors).unwrap_or(0),
    })
}

fn kernel(meminfo: &str, sockstat: &str) -> KernelMemory {
    let bytes = |key: &str| field(meminfo, key).unwrap_or(0);
    let others = ["PageTables", "SecPageTables", "KernelStack", "Percpu", "VmallocUsed"];
    KernelMemory {
        available: bytes("MemAvailable"),
        slab: bytes("Slab"),
        other: others.into_iter().map(bytes).sum(),
        udp_sockets: socket_field(sockstat, "UDP:", "inuse"),
        udp_pages: socket_field(sockstat, "UDP:", "mem"),
    }
}

/// Bytes that a line `key:  123 kB` gives.
fn field(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// The number behind `key` in the line of a protocol: `UDP: inuse 3 mem 1`.
fn socket_field(text: &str, protocol: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(protocol)).unwrap_or_default();
    let mut words = line.split_whitespace().skip_while(|word| *word != key);
    words.nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_summed() {
        let meminfo = "MemAvailable:   1000 kB\nSlab:            100 kB\nSReclaimable: 9 kB\nKernelStack: 5 kB\n\
                       PageTables: 6 kB\nPercpu: 7 kB\n";
        let sockstat = "sockets: used 20\nTCP: inuse 4 orphan 0 tw 0 alloc 5 mem 2\nUDP: inuse 3 mem 11\nUDPLITE: inuse 0\n";
        let kernel = kernel(meminfo, sockstat);
        assert_eq!(kernel.held(), (100 + 5 + 6 + 7) * 1024);
        assert_eq!((kernel.available, kernel.udp_sockets, kernel.udp_pages), (1_024_000, 3, 11));
    }

    #[test]
    fn what_is_not_there_counts_nothing() {
        assert_eq!(kernel("", ""), KernelMemory::default());
        assert_eq!(kernel("Slab: much kB\n", "UDP: inuse\n"), KernelMemory::default());
        assert_eq!(process(u32::MAX), None);
    }

    #[test]
    fn this_process_holds_memory() {
        let this = read(Some(std::process::id()));
        let process = this.process.unwrap();
        assert!(process.resident > 0 && process.proportional > 0 && process.descriptors > 2);
        assert!(this.kernel.available > 0 && this.kernel.slab > 0);
    }
}
