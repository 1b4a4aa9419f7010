//! Binding the listeners: every worker gets a socket of its own for each, and the kernel spreads the clients.

use std::io;
use std::net::SocketAddr;

use super::StartError;
use crate::net::tcp::{TcpListener, TcpOptions};
use crate::net::udp::{UdpOptions, UdpSocket};
use crate::route::Transport;
use crate::worker::ListenerSettings;

/// Where the system chooses the port, UDP and TCP may not find the same one free at once.
const ATTEMPTS: usize = 16;
/// Bytes of receive and send buffer of a listener: all clients of a worker share it.
pub const LISTENER_BUFFER: usize = 4 * 1024 * 1024;

/// One listener's sockets, one of each kind per worker.
#[derive(Debug, Default)]
pub(super) struct Bound {
    pub(super) udp: Vec<UdpSocket>,
    pub(super) tcp: Vec<TcpListener>,
}

/// The buffers of a UDP listener's sockets: those of all workers are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerBuffers {
    /// Where it listens.
    pub address: SocketAddr,
    /// Bytes that each buffer was to have.
    pub asked: usize,
    /// Bytes that it has for what arrives.
    pub receive: usize,
    /// Bytes that it has for what leaves.
    pub send: usize,
}

impl ListenerBuffers {
    /// Whether the system has granted less (`net.core.rmem_max`, `net.core.wmem_max`).
    #[must_use]
    pub const fn are_cut(&self) -> bool {
        self.receive < self.asked || self.send < self.asked
    }
}

/// What the system has granted.
pub(super) fn buffers(bound: &[Bound]) -> Vec<ListenerBuffers> {
    let granted = |udp: &UdpSocket| {
        // Linux reports twice what a program can use: its own bookkeeping is in it.
        let (receive, send) = (udp.receive_buffer().ok()? / 2, udp.send_buffer().ok()? / 2);
        Some(ListenerBuffers { address: udp.local_addr(), asked: LISTENER_BUFFER, receive, send })
    };
    bound.iter().filter_map(|bound| granted(bound.udp.first()?)).collect()
}

/// Binds everything, or says what cannot be had.
///
/// `timestamps` is whether the kernel is to say when datagrams came.
pub(super) fn bind_all(
    listeners: &[ListenerSettings],
    workers: u8,
    timestamps: bool,
) -> Result<Vec<Bound>, StartError> {
    listeners.iter().map(|listener| bind_listener(listener, workers, timestamps)).collect()
}

fn bind_listener(listener: &ListenerSettings, workers: u8, timestamps: bool) -> Result<Bound, StartError> {
    let mut attempts = if listener.address.port() == 0 { ATTEMPTS } else { 1 };
    loop {
        attempts = attempts.saturating_sub(1);
        match try_bind(listener, workers, timestamps) {
            Err(StartError::Listen { source, .. })
                if attempts > 0 && source.kind() == io::ErrorKind::AddrInUse => {}
            outcome => return outcome,
        }
    }
}

fn try_bind(listener: &ListenerSettings, workers: u8, timestamps: bool) -> Result<Bound, StartError> {
    let mut bound = Bound::default();
    let mut address = listener.address;
    let datagrams = listener.speaks(Transport::Udp) || listener.speaks(Transport::Dtls);
    let streams = listener.speaks(Transport::Tcp) || listener.speaks(Transport::Tls);
    if datagrams {
        let options = UdpOptions {
            reuse_port: true,
            receive_buffer: Some(LISTENER_BUFFER),
            send_buffer: Some(LISTENER_BUFFER),
            timestamps,
        };
        probe(address, "UDP", |address| UdpSocket::bind_listener(address, &UdpOptions::default()).map(drop))?;
        for _ in 0..workers {
            let udp =
                UdpSocket::bind_listener(address, &options).map_err(|error| refuse(address, "UDP", error))?;
            address.set_port(udp.local_addr().port());
            bound.udp.push(udp);
        }
    }
    if streams {
        let options = TcpOptions { reuse_port: true, ..TcpOptions::default() };
        probe(address, "TCP", |address| TcpListener::bind(address, &TcpOptions::default()).map(drop))?;
        for _ in 0..workers {
            let tcp = TcpListener::bind(address, &options).map_err(|error| refuse(address, "TCP", error))?;
            address.set_port(tcp.local_addr().port());
            bound.tcp.push(tcp);
        }
    }
    Ok(bound)
}

/// Sockets that share a port would also share it with another relay of the same user, silently, and each would get
/// half of the clients. One that shares with nobody finds that out.
fn probe(
    address: SocketAddr,
    transport: &'static str,
    bind: impl Fn(SocketAddr) -> io::Result<()>,
) -> Result<(), StartError> {
    if address.port() == 0 {
        return Ok(());
    }
    bind(address).map_err(|error| refuse(address, transport, error))
}

/// Why `address` cannot be had, and what to do about it.
pub(crate) fn refuse(address: SocketAddr, transport: &'static str, source: io::Error) -> StartError {
    let kind = source.kind();
    let remedy = if kind == io::ErrorKind::AddrInUse {
        let (option, port) = (if transport == "UDP" { 'u' } else { 't' }, address.port());
        format!(
            "another program has it (`ss -l{option}np 'sport = :{port}'` shows which); stop that or choose another port"
        )
    } else if kind == io::ErrorKind::PermissionDenied {
        "ports below 1024 need the capability CAP_NET_BIND_SERVICE (in a systemd unit \
         AmbientCapabilities=CAP_NET_BIND_SERVICE), or choose a higher port"
            .to_owned()
    } else if kind == io::ErrorKind::AddrNotAvailable {
        "this machine has no such address; `ip address` shows those it has".to_owned()
    } else {
        source.to_string()
    };
    StartError::Listen { address, transport, remedy, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_granted_is_told() {
        let listener = ListenerSettings::new("127.0.0.1:0".parse().unwrap(), &[Transport::Udp]);
        let told = buffers(&bind_all(&[listener], 2, true).unwrap());
        assert_eq!((told.len(), told[0].asked), (1, LISTENER_BUFFER));
        assert!(told[0].receive > 0 && told[0].receive <= LISTENER_BUFFER);
        let whole = ListenerBuffers { receive: 5, send: 5, asked: 5, ..told[0] };
        assert!(!whole.are_cut());
        assert!(ListenerBuffers { receive: 4, ..whole }.are_cut());
        assert!(ListenerBuffers { send: 4, ..whole }.are_cut());
    }

    #[test]
    fn a_taken_address_is_told_apart_from_a_missing_one() {
        let text =
            |kind: io::ErrorKind| refuse("192.0.2.1:3478".parse().unwrap(), "UDP", kind.into()).to_string();
        assert!(
            text(io::ErrorKind::AddrInUse)
                .starts_with("cannot listen on 192.0.2.1:3478 (UDP): another program")
        );
        assert!(text(io::ErrorKind::PermissionDenied).contains("CAP_NET_BIND_SERVICE"));
        assert!(text(io::ErrorKind::AddrNotAvailable).contains("no such address"));
        assert!(
            refuse("192.0.2.1:3478".parse().unwrap(), "UDP", io::ErrorKind::AddrNotAvailable.into())
                .is_configuration()
        );
    }
}
