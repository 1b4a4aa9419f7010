//! The socket of whoever started the process and wants to know how it is: sd_notify(3), without its library.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::clock::Clock;

/// A manager that does not read holds nobody up for longer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Tells a service manager what the relay does.
#[derive(Debug)]
pub(super) struct Notices {
    socket: UnixDatagram,
    manager: SocketAddr,
    /// It was told that the relay serves. Before that, the end of a reload must not say so.
    is_ready: AtomicBool,
}

impl Notices {
    /// To the socket that `NOTIFY_SOCKET` names: a path, or behind an `@` a name of the abstract namespace.
    pub(super) fn open(address: &OsStr) -> io::Result<Self> {
        let manager = match address.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(address)?,
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    "neither a path nor an abstract name",
                ));
            }
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { socket, manager, is_ready: AtomicBool::new(false) })
    }

    /// The relay has shown that it can carry calls.
    pub(super) fn ready(&self) {
        self.is_ready.store(true, Ordering::Relaxed);
        self.tell("READY=1");
    }

    /// The configuration is read again from here on.
    pub(super) fn reloading(&self) {
        if self.is_ready.load(Ordering::Relaxed) {
            self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", Clock::kernel_micros()));
        }
    }

    /// It has been read, whatever came of it.
    pub(super) fn reloaded(&self) {
        if self.is_ready.load(Ordering::Relaxed) {
            self.tell("READY=1");
        }
    }

    /// The relay ends.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=what is announced is withdrawn, and calls are served meanwhile");
    }

    /// The relay lives.
    pub(super) fn beat(&self) {
        self.tell("WATCHDOG=1");
    }

    /// The relay lives, and is not ready for so long at least.
    pub(super) fn needs(&self, time: Duration) {
        self.tell(&format!("EXTEND_TIMEOUT_USEC={}", time.as_micros()));
    }

    /// How the relay is, in one line for people.
    pub(super) fn status(&self, text: &str) {
        let line: String = text.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).collect();
        self.tell(&format!("STATUS={line}"));
    }

    fn tell(&self, text: &str) {
        if let Err(error) = self.socket.send_to_addr(text.as_bytes(), &self.manager) {
            tracing::warn!(%error, notice = text, "the service manager does not hear of the relay");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(manager: &UnixDatagram) -> String {
        let mut text = [0; 1024];
        manager.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let length = manager.recv(&mut text).unwrap();
        String::from_utf8(text[..length].to_vec()).unwrap()
    }

    #[test]
    fn the_end_of_a_reload_does_not_say_that_a_relay_serves_that_does_not_yet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notices = Notices::open(path.as_os_str()).unwrap();
        notices.reloading();
        notices.reloaded();
        notices.beat();
        assert_eq!(heard(&manager), "WATCHDOG=1");
        notices.ready();
        notices.reloading();
        notices.reloaded();
        assert_eq!(heard(&manager), "READY=1");
        let reloading = heard(&manager);
        let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(time.parse::<u64>().unwrap() > 0);
        assert_eq!(heard(&manager), "READY=1");
    }

    #[test]
    fn a_status_is_one_line() {
        let name = format!("tern-notices-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let notices = Notices::open(OsStr::new(&format!("@{name}"))).unwrap();
        notices.status("bad\nREADY=1");
        assert_eq!(heard(&manager), "STATUS=bad READY=1");
    }

    #[test]
    fn what_is_no_socket_is_refused() {
        assert!(Notices::open(OsStr::new("vsock:2:1234")).is_err());
        assert!(Notices::open(OsStr::new("")).is_err());
    }
}
