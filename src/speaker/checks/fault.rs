//! Why a test call did not go as it should.

use std::io;
use std::net::IpAddr;

use crate::announce::health::{Report, Verdict};
use crate::client::Broken;

/// What is wrong, in words, and how much that matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) verdict: Verdict,
    pub(super) text: String,
}

impl Fault {
    pub(super) fn new(verdict: Verdict, text: impl Into<String>) -> Self {
        Self { verdict, text: text.into() }
    }

    /// The call cannot be made.
    pub(super) fn bad(text: impl Into<String>) -> Self {
        Self::new(Verdict::Bad, text)
    }

    /// What the system said of a socket that was to be bound to `ip`, or connected to it.
    pub(super) fn of_socket(ip: IpAddr, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::AddrNotAvailable {
            let bits = if ip.is_ipv4() { 32 } else { 128 };
            return Self::bad(format!(
                "{ip} is not an address of this machine; add it: ip address add {ip}/{bits} dev lo"
            ));
        }
        if error.kind() == io::ErrorKind::ConnectionRefused {
            return Self::bad("connection refused: nobody listens there");
        }
        Self::bad(format!("the socket failed: {error}"))
    }

    /// Of the way to `ip`.
    pub(super) fn of_carrier(ip: IpAddr, broken: &Broken) -> Self {
        match broken {
            Broken::Open(error) => Self::of_socket(ip, error),
            other @ (Broken::Unreachable
            | Broken::Datagram(_)
            | Broken::Stream(_)
            | Broken::Closed
            | Broken::SessionClosed
            | Broken::NoFrame
            | Broken::Tls(_)
            | Broken::Dtls(_)) => Self::bad(other.to_string()),
        }
    }

    /// As a report. The check's name says what it is about.
    pub(super) fn report(self) -> Report {
        Report::new(self.verdict, self.text)
    }
}
