//! Messages in DTLS records, one each.

use std::io::{self, ErrorKind};
use std::net::UdpSocket;
use std::os::fd::{AsFd, BorrowedFd};

use dimpl::{Dtls, Output};
use tern::clock::Clock;

use super::secure::Security;
use super::{Sent, receive_datagram, send_datagram};
use crate::clock::{self, Nanos};

/// Room for any record.
const SCRATCH: usize = 16 * 1024 + 512;

/// One client's session.
pub(super) struct DtlsLink {
    socket: UdpSocket,
    dtls: Dtls,
    clock: Clock,
    security: Security,
    host: String,
    /// Sent when the handshake is complete.
    waiting: Vec<Vec<u8>>,
    is_connected: bool,
    deadline: Option<Nanos>,
    /// The record on its way in or out.
    scratch: Vec<u8>,
}

impl DtlsLink {
    pub(super) fn open(socket: UdpSocket, security: &Security, host: &str) -> io::Result<Self> {
        let clock = Clock::new();
        let mut dtls = security.dtls(clock.instant(clock.now().time))?;
        dtls.set_active(true);
        let mut link = Self {
            socket,
            dtls,
            clock,
            security: security.clone(),
            host: host.to_owned(),
            waiting: Vec::new(),
            is_connected: false,
            deadline: None,
            scratch: vec![0; SCRATCH],
        };
        link.tick()?;
        Ok(link)
    }

    pub(super) fn send(&mut self, message: &[u8]) -> io::Result<Sent> {
        if !self.is_connected {
            self.waiting.push(message.to_vec());
            return Ok(Sent::Yes);
        }
        self.dtls.send_application_data(message).map_err(|error| broken(&error))?;
        self.flush(&mut [])?;
        Ok(Sent::Yes)
    }

    pub(super) fn receive(&mut self, space: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            let Some(length) = receive_datagram(&self.socket, &mut self.scratch)? else { return Ok(None) };
            let bytes = self.scratch.get(..length).unwrap_or_default();
            let now = self.clock.instant(self.clock.now().time);
            self.dtls.handle_timeout(now).map_err(|error| broken(&error))?;
            self.dtls.handle_packet(bytes).map_err(|error| broken(&error))?;
            if let Some(length) = self.flush(space)? {
                return Ok(Some(length));
            }
        }
    }

    pub(super) const fn deadline(&self) -> Option<Nanos> {
        self.deadline
    }

    pub(super) fn tick(&mut self) -> io::Result<()> {
        let now = self.clock.instant(self.clock.now().time);
        self.dtls.handle_timeout(now).map_err(|error| broken(&error))?;
        self.flush(&mut []).map(drop)
    }

    /// Does what the session wants done; the length of a message that it has put into `space`. Servers send one message in
    /// a record and one record in a datagram.
    fn flush(&mut self, space: &mut [u8]) -> io::Result<Option<usize>> {
        let mut found = None;
        loop {
            match self.dtls.poll_output(&mut self.scratch) {
                Output::Packet(bytes) => drop(send_datagram(&self.socket, bytes)?),
                Output::ApplicationData(bytes) => {
                    if let Some(space) = space.get_mut(..bytes.len()) {
                        space.copy_from_slice(bytes);
                        found = Some(bytes.len());
                    }
                }
                Output::Connected => {
                    self.is_connected = true;
                    for message in std::mem::take(&mut self.waiting) {
                        self.dtls.send_application_data(&message).map_err(|error| broken(&error))?;
                    }
                }
                Output::PeerCert(certificate) => self.security.check(certificate, &self.host)?,
                Output::CloseNotify => {
                    return Err(io::Error::new(
                        ErrorKind::UnexpectedEof,
                        "the server has closed the session",
                    ));
                }
                Output::Timeout(instant) => {
                    let now = self.clock.instant(self.clock.now().time);
                    let left = instant.saturating_duration_since(now);
                    self.deadline = (!self.is_connected).then(|| clock::now().after(left).plus(1));
                    return Ok(found);
                }
                // The scratch is longer than any record, and what later versions may say concerns others.
                Output::BufferTooSmall { .. } | Output::KeyingMaterial(..) | _ => {}
            }
        }
    }
}

impl AsFd for DtlsLink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl std::fmt::Debug for DtlsLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DtlsLink").field("is_connected", &self.is_connected).finish_non_exhaustive()
    }
}

fn broken(error: &dimpl::Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("DTLS: {error}"))
}
