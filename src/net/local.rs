//! What the kernel knows of this machine: who is at the other end of a local (unix) socket, which the control plane asks once
//! per connection, and whether somebody keeps the clock right.

use std::io;
use std::os::fd::AsFd;

use super::sys;

/// The groups of the process that connected `socket`, besides its first one, as they were when it connected.
///
/// # Errors
/// A socket that is no connected local socket.
pub fn peer_groups(socket: &impl AsFd) -> io::Result<Vec<u32>> {
    sys::option::peer_groups(socket.as_fd())
}

/// Whether somebody sets this machine's clock, as far as the kernel knows.
///
/// # Errors
/// The kernel does not say.
pub fn clock_is_synchronised() -> io::Result<bool> {
    sys::clock::is_synchronised()
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn the_groups_of_a_peer_are_those_of_its_process() {
        let (one, _other) = UnixStream::pair().unwrap();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap();
        let mut expected: Vec<u32> = line.split_whitespace().map(|group| group.parse().unwrap()).collect();
        let mut found = peer_groups(&one).unwrap();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected);
    }

    #[test]
    fn other_sockets_have_none() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(peer_groups(&socket).map_or(true, |groups| groups.is_empty()));
    }
}
