//! One TCP or TLS connection of a client: what was read and not yet served, what is queued for a slow reader, how far its
//! introduction has come. Knows no engine and no other connection; the worker moves it around whole.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use super::watch::Watch;
use crate::net::poll::Interest;
use crate::net::queue::{Flushed, OutQueue, Overflow};
use crate::net::tcp::TcpStream;
use crate::net::tls::TlsStream;
use crate::route::Client;
use crate::time::Time;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// A PROXY header must come first.
    Proxy,
    /// Its first byte tells TLS from plain STUN.
    Hello,
    /// Messages.
    Open,
    /// One pipe with this peer connection (RFC 6062 section 5.4).
    Spliced(u64),
    /// What is queued is written, then it closes.
    Closing,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) tcp: TcpStream,
    pub(super) tls: Option<Box<TlsStream>>,
    pub(super) stage: Stage,
    pub(super) client: Client,
    /// DSCP and ECN that the connection came with.
    pub(super) tos: u8,
    /// Under which address it counts among those without an allocation, while it does.
    pub(super) counted: Option<IpAddr>,
    /// The beginning of a message whose end has not come.
    pub(super) input: Vec<u8>,
    pub(super) out: OutQueue,
    /// Media that the queue had dropped at the last look.
    dropped: u64,
    pub(super) watch: Watch,
    pub(super) since: Time,
    /// The last whole message.
    pub(super) active: Time,
    /// There was a whole message.
    pub(super) greeted: bool,
    /// In the list of those to be flushed at the end of the turn.
    pub(super) dirty: bool,
    /// The client sends nothing more.
    pub(super) ended: bool,
    /// It was told that nothing more comes.
    pub(super) shut: bool,
    /// A proxy stands between: the connection is the proxy's.
    pub(super) proxied: bool,
    /// The last write found the system's buffer full.
    pub(super) blocked: bool,
}

impl Stream {
    pub(super) fn new(tcp: TcpStream, stage: Stage, client: Client, queue_bytes: usize, now: Time) -> Self {
        // Where the system cannot tell, it is ordinary traffic.
        let tos = tcp.received_tos().unwrap_or(0);
        Self {
            tcp,
            tls: None,
            stage,
            client,
            tos,
            counted: None,
            input: Vec::new(),
            out: OutQueue::new(queue_bytes),
            dropped: 0,
            watch: Watch::default(),
            since: now,
            active: now,
            greeted: false,
            dirty: false,
            ended: false,
            shut: false,
            proxied: false,
            blocked: false,
        }
    }

    /// Queues a message that must arrive.
    pub(super) fn push_control(&mut self, frame: &[u8]) -> Result<(), Overflow> {
        self.out.push_control(frame)
    }

    /// Writes what is queued as far as the system takes it.
    ///
    /// # Errors
    /// The connection is gone.
    pub(super) fn flush(&mut self, now: Time) -> io::Result<Flushed> {
        let flushed = match &mut self.tls {
            None => self.out.flush(now, |slices| self.tcp.write(slices)),
            Some(tls) => flush_tls(tls, &self.tcp, &mut self.out, now),
        };
        self.blocked = matches!(flushed, Ok(Flushed::Blocked));
        flushed
    }

    /// How long the way to the client is, as the system has measured it. The way to a proxy is not the client's.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        if self.proxied { None } else { self.tcp.round_trip() }
    }

    /// Media dropped since this was asked last.
    pub(super) fn fresh_drops(&mut self) -> u64 {
        let dropped = self.out.dropped();
        let total = dropped.late.saturating_add(dropped.full);
        total.saturating_sub(std::mem::replace(&mut self.dropped, total))
    }

    /// Writes bytes of a pipe, past the queue, which must be empty. Returns how many were taken.
    ///
    /// # Errors
    /// The connection is gone.
    pub(super) fn write_piped(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let slices = [io::IoSlice::new(bytes)];
        let written = match &mut self.tls {
            None => self.tcp.write(&slices),
            Some(tls) => tls.write(&slices),
        };
        match written {
            Ok(count) => Ok(count),
            Err(error) if is_transient(&error) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Tells the client that nothing more comes, once everything has been written.
    pub(super) fn shut_write(&mut self, now: Time) {
        if let Some(tls) = &mut self.tls
            && !self.shut
        {
            tls.close();
        }
        self.shut = true;
        if matches!(self.flush(now), Ok(Flushed::All)) {
            // It may have closed meanwhile: then there is nobody to tell.
            drop(self.tcp.shutdown_write());
        }
    }

    /// What to ask the poller for; `room` is whether what is read can be kept.
    pub(super) fn wanted(&self, room: bool) -> Option<Interest> {
        let read = room && !self.ended && self.stage != Stage::Closing;
        let interest = Interest { read, write: self.blocked };
        (interest != Interest::NONE).then_some(interest)
    }
}

/// Encrypted bytes that wait go first; then plaintext, as much as the session takes at a time.
fn flush_tls(tls: &mut TlsStream, tcp: &TcpStream, out: &mut OutQueue, now: Time) -> io::Result<Flushed> {
    loop {
        if !tls.write_to(|slices| tcp.write(slices))? {
            out.expire(now);
            return Ok(Flushed::Blocked);
        }
        if out.is_empty() || !tls.is_established() {
            return Ok(Flushed::All);
        }
        // One record per message: turnutils_uclient takes what one record brings for one message.
        let flushed = out.flush(now, |slices| tls.write(slices.get(..1).unwrap_or(slices)))?;
        if flushed == Flushed::Blocked && !tls.wants_write() {
            return Ok(Flushed::All);
        }
    }
}

/// Whether the same call may do later.
pub(super) fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
