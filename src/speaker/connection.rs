//! One TCP connection: how far it has come, and what the kernel has not taken yet.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::IpAddr;

use crate::net::poll::Interest;
use crate::net::tcp::TcpStream;
use crate::time::Time;

/// Bytes that may wait for a neighbour that does not read. The announcer sends no more routes long before.
pub(super) const OUTPUT_MAX: usize = 1024 * 1024;

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The kernel is at it.
    Connecting { until: Time },
    /// It stands.
    Open,
    /// Nothing more is said on it but what waits; then the other end's farewell is awaited, so that no reset overtakes
    /// our last words.
    Closing { until: Time },
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) stage: Stage,
    /// Whose it is.
    pub(super) remote: IpAddr,
    output: VecDeque<u8>,
    /// The other end was told that nothing more comes.
    is_shut: bool,
}

impl Connection {
    pub(super) const fn new(stream: TcpStream, stage: Stage, remote: IpAddr) -> Self {
        Self { stream, stage, remote, output: VecDeque::new(), is_shut: false }
    }

    /// Bytes that the kernel has not taken.
    pub(super) fn waiting(&self) -> usize {
        self.output.len()
    }

    /// Puts bytes at the end of what waits; false if that is too much.
    pub(super) fn push(&mut self, bytes: &[u8]) -> bool {
        self.output.extend(bytes);
        self.output.len() <= OUTPUT_MAX
    }

    /// Writes what the kernel takes, and ends our direction when all is written and nothing more comes.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            let (first, second) = self.output.as_slices();
            match self.stream.write(&[IoSlice::new(first), IoSlice::new(second)]) {
                Ok(0) => break,
                Ok(written) => drop(self.output.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if self.output.is_empty() && matches!(self.stage, Stage::Closing { .. }) && !self.is_shut {
            self.is_shut = true;
            self.stream.shutdown_write()?;
        }
        Ok(())
    }

    /// What the poller has to be asked for.
    pub(super) fn interest(&self) -> Interest {
        match self.stage {
            Stage::Connecting { .. } => Interest::WRITE,
            Stage::Open | Stage::Closing { .. } => Interest { read: true, write: !self.output.is_empty() },
        }
    }

    /// Whether nothing but its last words is said on it.
    pub(super) const fn is_closing(&self) -> bool {
        matches!(self.stage, Stage::Closing { .. })
    }

    /// When it is given up.
    pub(super) const fn until(&self) -> Option<Time> {
        match self.stage {
            Stage::Connecting { until } | Stage::Closing { until } => Some(until),
            Stage::Open => None,
        }
    }
}
