//! What idle allocations cost.

use serde::Serialize;

use super::Setup;

/// Memory per allocation, each with one permission and one channel.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Idle {
    /// How opening them went.
    pub setup: Setup,
    /// How many stood when memory was read.
    pub allocations: usize,
    /// Before the first.
    pub before: Memory,
    /// With all of them.
    pub after: Memory,
    /// Bytes of the server's process per allocation; none when its PID is not known.
    pub process_bytes: Option<f64>,
    /// Bytes of the kernel per allocation: what its tables grew by. All that happens on this machine is in it.
    pub kernel_bytes: Option<f64>,
    /// Both.
    pub total_bytes: Option<f64>,
    /// Bytes per allocation by which the machine's available memory shrank: an upper bound of the total that another
    /// way of counting gives.
    pub available_bytes: Option<f64>,
}

/// Memory at one moment, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// The server's process.
    pub process: Option<ProcessMemory>,
    /// The kernel; of this machine, which is the server's if its PID is known.
    pub kernel: KernelMemory,
}

/// Memory of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProcessMemory {
    /// Resident pages.
    pub resident: u64,
    /// Resident pages, shared ones by their share.
    pub proportional: u64,
    /// Open descriptors.
    pub descriptors: u64,
}

/// Memory of the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KernelMemory {
    /// What programs could still have.
    pub available: u64,
    /// Objects: sockets, files, entries of directories, tables of epoll.
    pub slab: u64,
    /// Page tables, stacks, per-processor and vmalloc memory.
    pub other: u64,
    /// Open UDP sockets, all programs'.
    pub udp_sockets: u64,
    /// Pages that UDP's queues hold.
    pub udp_pages: u64,
}

impl KernelMemory {
    /// What the kernel's tables hold.
    #[must_use]
    pub const fn held(&self) -> u64 {
        self.slab.saturating_add(self.other)
    }
}
