//! A relay in this process, and clients of it that say what is needed and are gone: their allocations stay.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tern::clock::Clock;
use tern::engine::auth::{
    Authenticator, Credential, Credentials, FleetKey, NonceKeys, Secrets, SharedSecret, issue,
};
use tern::engine::limits::{Pace, PrefixLengths, PrefixLimiter, Quotas};
use tern::engine::peer::{PeerPolicy, PeerSettings};
use tern::engine::{self, RelayAddress, RelaySettings};
use tern::route::Transport;
use tern::server::{Server, ServerSettings};
use tern::time::UnixTime;
use tern::wire::stun::{AttributeType, Class, Message, Method, TransactionId, Writer, long_term_key_md5};
use tern::worker::{ListenerSettings, WorkerSettings};

use crate::counting;

const REALM: &str = "example.org";
const SECRET: &[u8] = b"the secret of this test, and of nothing else";
const UDP: u8 = 17;
pub(crate) const CHANNEL: u16 = 0x4000;

/// A relay on loopback addresses of its own: the ports of the others stay free.
pub(crate) struct Relay {
    pub(crate) server: Server,
    address: SocketAddr,
    /// Its first worker, for [`counting::held`].
    worker: usize,
}

impl Relay {
    pub(crate) fn start() -> Self {
        Self::with(1, 1)
    }

    pub(crate) fn with(workers: u8, addresses: u8) -> Self {
        static ONE_BY_ONE: Mutex<u8> = Mutex::new(1);
        let mut count = ONE_BY_ONE.lock().unwrap();
        let [.., low] = std::process::id().to_be_bytes();
        let ips: Vec<IpAddr> =
            (*count..*count + addresses).map(|third| Ipv4Addr::new(127, 201, third, low).into()).collect();
        *count += addresses;
        let worker = counting::workers();
        let server = Server::start(settings(workers, &ips)).unwrap();
        assert_eq!(
            counting::workers(),
            worker + usize::from(workers),
            "a worker is known by its first block"
        );
        let address = server.addresses()[0].address;
        Self { server, address, worker }
    }

    pub(crate) fn held(&self) -> counting::Held {
        counting::held(self.worker)
    }
}

fn settings(workers: u8, ips: &[IpAddr]) -> ServerSettings {
    let addresses: Vec<RelayAddress> =
        ips.iter().map(|ip| RelayAddress { bind: *ip, external: *ip }).collect();
    let ports = 20_000..=60_000;
    let secrets = Secrets::new(vec![SharedSecret::new("test", SECRET).unwrap()]).unwrap();
    let credentials = Credentials { secrets, ..Credentials::default() };
    let nonces = NonceKeys::new(1, [FleetKey::derive(b"a fleet key of thirty-two bytes..")]).unwrap();
    let limiter = |seed| {
        let pace = Pace::new(1_000_000, Duration::from_secs(1), 1_000_000);
        PrefixLimiter::new(pace, PrefixLengths::default(), 1024, seed)
    };
    let listener = engine::ListenerSettings {
        realm: REALM.to_owned(),
        alternates: Vec::new(),
        redirect: engine::Redirect::WhenFull,
        alternate_domain: None,
    };
    let engine = engine::Settings {
        workers,
        listeners: vec![listener],
        auth: Authenticator::new(nonces, credentials),
        peers: PeerPolicy::new(&PeerSettings {
            relays: addresses.clone(),
            ports: ports.clone(),
            own: Vec::new(),
            protected: Vec::new(),
            probes: Vec::new(),
            allow: Vec::new(),
            deny: Vec::new(),
            development: true,
        }),
        limits: engine::Limits {
            quotas: Quotas::default(),
            answers: limiter(1),
            allocations: limiter(2),
            session_bandwidth: None,
            user_bandwidth: None,
        },
        relay: RelaySettings {
            addresses,
            ports,
            default_family: engine::DefaultFamily::Client,
            tcp: false,
            legacy_channels: false,
        },
        lifetimes: engine::Lifetimes::default(),
        session: engine::SessionLimits::default(),
        mobility: false,
        nat_discovery: None,
        software: None,
    };
    let listeners = vec![ListenerSettings::new(SocketAddr::new(ips[0], 0), &[Transport::Udp])];
    let worker = WorkerSettings { listeners, ..WorkerSettings::default() };
    ServerSettings { workers, worker, engine: Arc::new(engine) }
}

/// One client, whose user nobody else is.
pub(crate) struct Caller {
    pub(crate) socket: UdpSocket,
    pub(crate) relayed: SocketAddr,
    credential: Credential,
    nonce: Vec<u8>,
    last: u8,
}

impl Caller {
    /// Gets an allocation.
    pub(crate) fn allocate(relay: &Relay, number: usize) -> Self {
        // An address of its own: no port is given to two clients one after the other.
        let [.., top, high, low] = number.to_be_bytes();
        let socket = UdpSocket::bind((Ipv4Addr::new(127, 202 + top, high, low), 0)).unwrap();
        socket.connect(relay.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let UnixTime(now) = Clock::new().now().unix;
        let secret = SharedSecret::new("test", SECRET).unwrap();
        let credential = issue(&secret, &format!("call-{number}"), UnixTime(now + 86_400));
        let mut caller = Self { socket, relayed: relay.address, credential, nonce: Vec::new(), last: 0 };
        let fill = |writer: &mut Writer<'_>| {
            writer.requested_transport(UDP);
        };
        let challenge = caller.ask(Method::ALLOCATE, fill);
        caller.nonce = Message::parse(&challenge).unwrap().nonce().unwrap().to_vec();
        let allocated = caller.ask(Method::ALLOCATE, fill);
        let allocated = success(&allocated);
        caller.relayed = allocated.xor_address(AttributeType::XOR_RELAYED_ADDRESS).unwrap().unwrap();
        caller
    }

    pub(crate) fn permit(&mut self, peer: IpAddr) {
        let permitted = self.ask(Method::CREATE_PERMISSION, |writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, SocketAddr::new(peer, 0));
        });
        success(&permitted);
    }

    /// Binds a channel, which permits its peer.
    pub(crate) fn bind(&mut self, channel: u16, peer: SocketAddr) {
        let bound = self.ask(Method::CHANNEL_BIND, |writer| {
            writer.channel_number(channel).xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        });
        success(&bound);
    }

    pub(crate) fn refresh(&mut self) {
        success(&self.ask(Method::REFRESH, |writer| {
            writer.u32(AttributeType::LIFETIME, 600);
        }));
    }

    fn ask(&mut self, method: Method, fill: impl Fn(&mut Writer<'_>)) -> Vec<u8> {
        self.last += 1;
        let mut request = Vec::new();
        let mut writer = Writer::new(&mut request, Class::Request, method, TransactionId([self.last; 12]));
        fill(&mut writer);
        if !self.nonce.is_empty() {
            let Credential { username, password } = &self.credential;
            writer.attribute(AttributeType::USERNAME, username.as_bytes());
            writer.attribute(AttributeType::REALM, REALM.as_bytes());
            writer.attribute(AttributeType::NONCE, &self.nonce);
            writer.integrity(&long_term_key_md5(username.as_bytes(), REALM.as_bytes(), password.as_bytes()));
        }
        let mut buffer = [0; 1500];
        for _ in 0..20 {
            self.socket.send(&request).unwrap();
            if let Ok(length) = self.socket.recv(&mut buffer) {
                return buffer[..length].to_vec();
            }
        }
        panic!("no answer to {method:?}");
    }
}

fn success(bytes: &[u8]) -> Message<'_> {
    let message = Message::parse(bytes).unwrap();
    assert_eq!(message.class(), Class::Success, "{:?}", message.error_code());
    message
}

/// A peer on the relay's own address.
pub(crate) fn peer(relay: &Relay) -> UdpSocket {
    let socket = UdpSocket::bind((relay.address.ip(), 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket
}
