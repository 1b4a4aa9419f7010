//! What the kernel says of the system's clock.

use std::io;

/// Whether somebody keeps it right, as far as the kernel knows.
pub(in crate::net) fn is_synchronised() -> io::Result<bool> {
    // SAFETY: the structure is made of integers, for all of which zero is a value; without modes nothing is changed.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes into `state` during the call only.
    let result = unsafe { libc::adjtimex(&raw mut state) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result != libc::TIME_ERROR) }
}
