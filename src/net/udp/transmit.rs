//! Handing messages to the kernel: what goes, what is tried again, what is given up.

use std::io;
use std::os::fd::AsFd;

use super::outgoing::{Memory, Message};
use super::{SendStats, UdpSocket};
use crate::net::sys::message;

/// How many trains go in pieces after one was refused, before the next is tried.
const PATIENCE: u32 = 4096;

/// What this machine and the ways out of it have shown of cutting trains (UDP_SEGMENT).
///
/// A kernel or a device may not do it at all, and a datagram that must be fragmented goes by itself. Either is
/// remembered for all sockets, and forgotten after a while: routes change.
#[derive(Debug)]
pub(super) struct Trains {
    /// The longest datagrams that may be coupled.
    longest: usize,
    /// How many more times that is believed.
    believed: u32,
}

impl Trains {
    pub(super) const fn new() -> Self {
        Self { longest: usize::MAX, believed: 0 }
    }

    /// Whether datagrams of this length may be coupled.
    pub(super) const fn admit(&mut self, length: usize) -> bool {
        if length <= self.longest {
            return true;
        }
        self.believed = self.believed.saturating_sub(1);
        if self.believed == 0 {
            *self = Self::new();
        }
        false
    }

    fn refused(&mut self, length: usize, error: &io::Error) {
        self.longest = if is_too_long(error) { self.longest.min(length.saturating_sub(1)) } else { 0 };
        self.believed = PATIENCE;
    }
}

/// Sends messages through one socket, in order. `strict` if they may not be fragmented.
pub(super) fn transmit(
    socket: &UdpSocket,
    mut messages: &[Message],
    memory: Memory<'_>,
    strict: bool,
    trains: &mut Trains,
    stats: &mut SendStats,
) {
    let mut retried = false;
    while let Some(first) = messages.first() {
        let outgoing = messages.iter().map(|message| message.outgoing(memory));
        stats.calls += 1;
        let done = match message::send(socket.as_fd(), outgoing) {
            Ok(0) => 1,
            Ok(count) => {
                stats.note_sent(messages.get(..count).unwrap_or(messages));
                count
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                stats.full += count_datagrams(messages);
                return;
            }
            // With the error queue on, an ICMP error of an earlier datagram fails the next call once. So
            // every error is given a second chance before it is believed; but a datagram that is too long to
            // go unfragmented would be reported twice.
            Err(error) if !(retried || strict && is_too_long(&error)) => {
                retried = true;
                continue;
            }
            Err(error) if first.datagrams() > 1 && is_about_trains(&error) => {
                trains.refused(first.segment, &error);
                let parts: Vec<Message> = first.uncouple().collect();
                transmit(socket, &parts, memory, strict, trains, stats);
                1
            }
            Err(error) => {
                stats.count(&error, first.datagrams() as u64);
                if is_too_long(&error) {
                    socket.note_refused(first.header().destination);
                }
                1
            }
        };
        retried = false;
        messages = messages.get(done..).unwrap_or(&[]);
    }
}

pub(super) fn count_datagrams(messages: &[Message]) -> u64 {
    messages.iter().map(|message| message.datagrams() as u64).sum()
}

fn is_too_long(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EMSGSIZE)
}

/// What kernels say when a train does not fit the way out, or the device does not do it, or they never heard of it.
fn is_about_trains(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EMSGSIZE | libc::EINVAL | libc::EIO | libc::EOPNOTSUPP | libc::ENOPROTOOPT)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuse(trains: &mut Trains, length: usize, errno: i32) {
        trains.refused(length, &io::Error::from_raw_os_error(errno));
    }

    #[test]
    fn too_long_concerns_the_long_ones_and_is_forgotten() {
        let mut trains = Trains::new();
        assert!(trains.admit(65_000));
        refuse(&mut trains, 1_400, libc::EMSGSIZE);
        refuse(&mut trains, 1_500, libc::EMSGSIZE);
        assert!(trains.admit(1_399));
        let refused = (0..10_000).take_while(|_| !trains.admit(1_400)).count();
        assert_eq!(refused, PATIENCE as usize);
    }

    #[test]
    fn any_other_refusal_concerns_all() {
        for errno in [libc::EIO, libc::EINVAL] {
            let mut trains = Trains::new();
            refuse(&mut trains, 1_400, errno);
            assert!(!trains.admit(1));
        }
    }
}
