//! An allocator that counts what the relay's worker threads take and give back, each worker by itself, and nobody else.

use std::alloc::{GlobalAlloc, Layout, System};
use std::array;
use std::cell::Cell;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// More workers than the tests of one process start.
const WORKERS: usize = 16;
/// Sizes are told apart in steps of eight bytes up to this many; what is longer is a table.
const SMALL: usize = 512;

struct Worker {
    calls: AtomicU64,
    /// As asked for.
    bytes: AtomicI64,
    /// As the C library's allocator takes it: eight bytes before each block, in steps of 16, 32 at least.
    blocks: AtomicI64,
    by_size: [AtomicI64; SMALL / 8 + 1],
}

static COUNTS: [Worker; WORKERS] = [const {
    Worker {
        calls: AtomicU64::new(0),
        bytes: AtomicI64::new(0),
        blocks: AtomicI64::new(0),
        by_size: [const { AtomicI64::new(0) }; SMALL / 8 + 1],
    }
}; WORKERS];
static KNOWN: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static OWN: Cell<Option<usize>> = const { Cell::new(None) };
}

/// What a worker holds now, and how often it has asked so far.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) calls: u64,
    pub(crate) bytes: i64,
    pub(crate) blocks: i64,
    /// How many small blocks of each size; what is left of `bytes` is in tables.
    pub(crate) by_size: Vec<(usize, i64)>,
}

/// How many workers have been seen; the next to start has this number.
pub(crate) fn workers() -> usize {
    KNOWN.load(Relaxed)
}

pub(crate) fn held(worker: usize) -> Held {
    let counts = &COUNTS[worker];
    let sizes = counts.by_size.iter().enumerate().map(|(index, count)| (index * 8, count.load(Relaxed)));
    Held {
        calls: counts.calls.load(Relaxed),
        bytes: counts.bytes.load(Relaxed),
        blocks: counts.blocks.load(Relaxed),
        by_size: sizes.filter(|(_, count)| *count > 0).collect(),
    }
}

pub(crate) struct Counting;

// SAFETY: every call goes to the system's allocator with what the caller passed; counting touches static atomics and a
// thread-local value without a destructor, and allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(layout.size(), -1);
        count(size, 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(block, layout, size) }
    }
}

fn count(size: usize, sign: i64) {
    let Some(counts) = own().and_then(|own| COUNTS.get(own)) else { return };
    let signed = |size: usize| sign * i64::try_from(size).unwrap_or(0);
    if sign > 0 {
        counts.calls.fetch_add(1, Relaxed);
    }
    counts.bytes.fetch_add(signed(size), Relaxed);
    counts.blocks.fetch_add(signed((size + 8).next_multiple_of(16).max(32)), Relaxed);
    if let Some(same) = counts.by_size.get(size.div_ceil(8)) {
        same.fetch_add(sign, Relaxed);
    }
}

/// The number of the calling thread, if it is a worker.
fn own() -> Option<usize> {
    OWN.with(|own| {
        if own.get().is_none() && is_worker() {
            own.set(Some(KNOWN.fetch_add(1, Relaxed)));
        }
        own.get()
    })
}

/// By its name, which a thread gets before it does anything.
fn is_worker() -> bool {
    let mut name: [u8; 16] = array::from_fn(|_| 0);
    // SAFETY: the kernel writes at most the sixteen bytes of `name`.
    let failed = unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    failed == 0 && name.starts_with(b"tern-worker-")
}
