//! The ends of a probe's call: the clients with their ways to the server, a socket if that is the peer, and the waiting for
//! all of them.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};

use super::trouble::Trouble;
use crate::client::{Ask, Broken, Carrier, Exchange, Login, Reply, Route, Tools};
use crate::clock::Clock;
use crate::net::poll::{Events, Interest, Poller};
use crate::net::tls::TlsConnector;
use crate::route::Transport;
use crate::time::Time;
use crate::wire::stun::AttributeType;

/// The first wait for an answer over datagrams; doubled each time (RFC 8489 section 6.2.1).
const RESEND: Duration = Duration::from_millis(500);
const EVENTS: usize = 16;
const SOCKET: u64 = u64::MAX;
const DATAGRAM_MAX: usize = 2048;

/// Whose certificates are taken.
#[derive(Clone, Debug)]
pub(super) enum Trust {
    System,
    File(Vec<u8>),
    Anyone,
}

/// Where the server is.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) transport: Transport,
    pub(super) name: ServerName<'static>,
}

/// A client's place in the stage, or the socket that is the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Client(usize),
    Socket,
}

/// What came, for whom, and when.
pub(super) struct Arrival {
    pub(super) end: End,
    pub(super) bytes: Vec<u8>,
    pub(super) at: Time,
}

/// What an answer had in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) mapped: Option<SocketAddr>,
    pub(super) relayed: Option<SocketAddr>,
    pub(super) software: Option<String>,
}

pub(super) struct Stage {
    clock: Clock,
    poller: Poller,
    events: Events,
    tools: Tools,
    server: Server,
    login: Login,
    patience: Duration,
    clients: Vec<Client>,
    socket: Option<UdpSocket>,
}

struct Client {
    carrier: Carrier,
    exchange: Exchange,
    interest: Interest,
    has_allocation: bool,
}

impl Stage {
    pub(super) fn new(
        server: Server,
        login: Login,
        trust: &Trust,
        patience: Duration,
    ) -> Result<Self, Trouble> {
        let failed = |text: String| {
            Trouble::new("start", text, "this machine's crypto library or its limits are at fault")
        };
        let tools = Tools::new(connector(trust)?).map_err(|error| failed(error.to_string()))?;
        let poller = Poller::new().map_err(|error| failed(error.to_string()))?;
        Ok(Self {
            clock: Clock::new(),
            poller,
            events: Events::with_capacity(EVENTS),
            tools,
            server,
            login,
            patience,
            clients: Vec::new(),
            socket: None,
        })
    }

    pub(super) fn now(&self) -> Time {
        self.clock.now().time
    }

    pub(super) const fn server(&self) -> &Server {
        &self.server
    }

    /// A new client, connected to the server.
    pub(super) fn connect(&mut self) -> Result<usize, Trouble> {
        let Server { address, transport, name } = self.server.clone();
        let route = Route { transport, local: unspecified(address), server: address, name };
        let now = self.now();
        let carrier = Carrier::open(&self.tools, route, now, self.patience);
        let carrier = carrier.map_err(|broken| self.trouble("connect", &broken))?;
        let mut transaction = [0; 12];
        // Without randomness another client's answers could be taken for ours, and that is all.
        let _ = getrandom::fill(&mut transaction);
        let place = self.clients.len();
        let interest = carrier.interest();
        let token = u64::try_from(place).unwrap_or(0);
        self.poller
            .add(&carrier, token, interest)
            .map_err(|error| self.trouble("connect", &Broken::Open(error)))?;
        let exchange = Exchange::new(self.login.clone(), None, transaction);
        self.clients.push(Client { carrier, exchange, interest, has_allocation: false });
        let until = now + self.patience;
        while !self.clients.get(place).is_some_and(|client| client.carrier.is_ready()) {
            self.give_up_after("connect", until)?;
            self.wait("connect", until)?;
        }
        Ok(place)
    }

    /// Opens the socket that is to be the peer.
    pub(super) fn open_socket(&mut self) -> Result<&UdpSocket, Trouble> {
        let failed = |error: std::io::Error| {
            Trouble::new("peer", format!("the socket failed: {error}"), "look at this machine's limits")
        };
        let socket = UdpSocket::bind(unspecified(self.server.address)).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        self.poller.add(&socket, SOCKET, Interest::READ).map_err(failed)?;
        Ok(self.socket.insert(socket))
    }

    /// Asks the server, again and again, until it answers.
    pub(super) fn ask(&mut self, step: &'static str, place: usize, ask: Ask) -> Result<Answer, Trouble> {
        let peer = match ask {
            Ask::Permit(peer) | Ask::Bind(_, peer) => Some(peer),
            Ask::Binding | Ask::Allocate(_) | Ask::Refresh(_) => None,
        };
        if let Some(client) = self.clients.get_mut(place) {
            client.exchange.ask(ask);
        }
        let until = self.now() + self.patience;
        let mut resend = RESEND;
        let mut again = self.send_request(step, place)? + resend;
        loop {
            self.give_up_after(step, until)?;
            if !self.server.transport.is_stream() && self.now() >= again {
                resend *= 2;
                again = self.send_request(step, place)? + resend;
            }
            let wake = if self.server.transport.is_stream() { until } else { until.min(again) };
            for arrival in self.wait(step, wake)? {
                let Some(client) = self.clients.get_mut(place).filter(|_| arrival.end == End::Client(place))
                else {
                    continue;
                };
                match client.exchange.receive(&arrival.bytes) {
                    Reply::Other => {}
                    Reply::Again => again = self.send_request(step, place)? + resend,
                    Reply::Success(message) => {
                        let address = |kind| message.xor_address(kind).ok().flatten();
                        let software = message.find(AttributeType::SOFTWARE);
                        let answer = Answer {
                            mapped: address(AttributeType::XOR_MAPPED_ADDRESS),
                            relayed: address(AttributeType::XOR_RELAYED_ADDRESS),
                            software: software
                                .map(|name| String::from_utf8_lossy(name).trim_end_matches('\0').to_owned()),
                        };
                        match ask {
                            Ask::Allocate(_) => client.has_allocation = true,
                            Ask::Refresh(0) => client.has_allocation = false,
                            Ask::Binding | Ask::Permit(_) | Ask::Bind(..) | Ask::Refresh(_) => {}
                        }
                        return Ok(answer);
                    }
                    Reply::Refused(refusal) => return Err(Trouble::refused(step, &refusal, peer)),
                    Reply::Broken(how) => {
                        let remedy = "the server breaks the protocol, or somebody else answers in its place";
                        return Err(Trouble::new(step, format!("its answer {how}"), remedy));
                    }
                }
            }
        }
    }

    /// Whether the server challenges: without that, anybody may use it.
    pub(super) fn is_signing(&self, place: usize) -> bool {
        self.clients.get(place).is_some_and(|client| client.exchange.is_signing())
    }

    /// Ends the allocations, as far as the server still answers.
    pub(super) fn release(&mut self) -> Result<(), Trouble> {
        let mut result = Ok(());
        for place in 0..self.clients.len() {
            if self.clients.get(place).is_some_and(|client| client.has_allocation) {
                result = result.and(self.ask("release", place, Ask::Refresh(0)).map(drop));
            }
        }
        result
    }

    /// Ends the connections.
    pub(super) fn close(mut self) {
        let now = self.now();
        for client in self.clients {
            client.carrier.close(&mut self.tools, now);
        }
    }

    /// Sends media.
    pub(super) fn send(&mut self, end: End, to: SocketAddr, bytes: &[u8]) -> Result<(), Trouble> {
        match end {
            End::Client(place) => {
                let now = self.now();
                let Some(client) = self.clients.get_mut(place) else { return Ok(()) };
                let sent = client.carrier.send(&mut self.tools, now, bytes);
                sent.map_err(|broken| self.trouble("media", &broken))
            }
            End::Socket => {
                // What this machine cannot send counts as lost.
                if let Some(socket) = &self.socket {
                    drop(socket.send_to(bytes, to));
                }
                Ok(())
            }
        }
    }

    /// What comes until then, or sooner: whatever there is first.
    pub(super) fn wait(&mut self, step: &'static str, until: Time) -> Result<Vec<Arrival>, Trouble> {
        self.watch();
        let deadlines = self.clients.iter().filter_map(|client| client.carrier.deadline());
        let wake = deadlines.fold(until, Time::min);
        let timeout = wake.since(self.now());
        let waited = self.poller.wait(&mut self.events, Some(timeout));
        waited.map_err(|error| self.trouble(step, &Broken::Datagram(error)))?;
        let at = self.now();
        let mut arrivals = Vec::new();
        let tokens: Vec<u64> = self.events.iter().map(|event| event.token).collect();
        for token in tokens {
            if token == SOCKET {
                self.receive_socket(at, &mut arrivals);
            } else {
                let place = usize::try_from(token).unwrap_or(usize::MAX);
                let received = self.receive(place, at, &mut arrivals);
                received.map_err(|broken| self.trouble(step, &broken))?;
            }
        }
        for client in &mut self.clients {
            if client.carrier.deadline().is_some_and(|deadline| deadline <= at) {
                let expired = client.carrier.expire(&mut self.tools, at);
                expired.map_err(|broken| {
                    Trouble::of_way(step, self.server.address, self.server.transport, &broken)
                })?;
            }
        }
        Ok(arrivals)
    }

    fn receive(&mut self, place: usize, at: Time, arrivals: &mut Vec<Arrival>) -> Result<(), Broken> {
        let Some(client) = self.clients.get_mut(place) else { return Ok(()) };
        let mut frames = Vec::new();
        let result = client.carrier.receive(&mut self.tools, at, &mut frames);
        let end = End::Client(place);
        arrivals.extend(frames.into_iter().map(|bytes| Arrival { end, bytes, at }));
        result
    }

    fn receive_socket(&self, at: Time, arrivals: &mut Vec<Arrival>) {
        let Some(socket) = &self.socket else { return };
        let mut scratch = [0; DATAGRAM_MAX];
        while let Ok((length, _)) = socket.recv_from(&mut scratch) {
            let bytes = scratch.get(..length).unwrap_or_default().to_vec();
            arrivals.push(Arrival { end: End::Socket, bytes, at });
        }
    }

    fn send_request(&mut self, step: &'static str, place: usize) -> Result<Time, Trouble> {
        let now = self.now();
        let Some(client) = self.clients.get_mut(place) else { return Ok(now) };
        let sent = client.carrier.send(&mut self.tools, now, client.exchange.waiting());
        sent.map_err(|broken| self.trouble(step, &broken))?;
        Ok(now)
    }

    fn watch(&mut self) {
        for (token, client) in (0u64..).zip(&mut self.clients) {
            let interest = client.carrier.interest();
            if interest != client.interest && self.poller.modify(&client.carrier, token, interest).is_ok() {
                client.interest = interest;
            }
        }
    }

    fn give_up_after(&self, step: &'static str, until: Time) -> Result<(), Trouble> {
        if self.now() < until {
            return Ok(());
        }
        Err(Trouble::silence(step, self.server.address, self.server.transport, self.patience.as_secs()))
    }

    fn trouble(&self, step: &'static str, broken: &Broken) -> Trouble {
        Trouble::of_way(step, self.server.address, self.server.transport, broken)
    }
}

fn unspecified(like: SocketAddr) -> SocketAddr {
    if like.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() }
}

fn connector(trust: &Trust) -> Result<TlsConnector, Trouble> {
    let failed = |text: String| Trouble::new("start", text, "give PEM certificates of authorities with --ca");
    let made = match trust {
        Trust::Anyone => TlsConnector::trusting_all(),
        Trust::System => TlsConnector::trusting(rustls_native_certs::load_native_certs().certs),
        Trust::File(pem) => {
            let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
            TlsConnector::trusting(read.map_err(|error| failed(format!("--ca cannot be read: {error}")))?)
        }
    };
    made.map_err(|error| failed(error.to_string()))
}
