//! coturn's test programs: every way of its `turnutils_uclient` through the relay, without the loss of one message.
//!
//! Left out is `-J`: uclient seals a session key of 20 bytes into its access tokens and signs with the first 16 of them,
//! where RFC 7635 section 4.1.1 has the whole key for HMAC-SHA1.
//!
//! Without `-c`, uclient asks for a pair of ports (EVEN-PORT) and takes the second by its RESERVATION-TOKEN.

use std::process::Command;
use std::time::Duration;

use crate::lab::{Family, Lab, RELAY_V4_SECOND};
use crate::process::{Running, run};
use crate::relay::{Login, PASSWORD, Relay, SECRET, Setup, USER};
use crate::skip::{Missing, need};

/// uclient ends by itself some seconds after its last message; a loaded machine stretches that.
const LIMIT: Duration = Duration::from_secs(180);
/// Of each client.
const MESSAGES: u64 = 100;
const CLIENTS: u64 = 4;

/// What uclient says at its end.
#[derive(Debug, PartialEq, Eq)]
struct Tally {
    sent: u64,
    received: u64,
    lost: u64,
    dropped: u64,
}

impl Tally {
    fn read(output: &str) -> Option<Self> {
        Some(Self {
            sent: last_number(output, "tot_send_msgs=")?,
            received: last_number(output, "tot_recv_msgs=")?,
            lost: last_number(output, "Total lost packets ")?,
            dropped: last_number(output, "total send dropped ")?,
        })
    }
}

impl Tally {
    /// Every message of every client has come back.
    fn assert_complete(&self) {
        assert_eq!((self.lost, self.dropped), (0, 0), "{self:?}");
        assert_eq!(self.received, self.sent, "{self:?}");
        assert!(self.sent >= CLIENTS * MESSAGES, "{self:?}");
    }
}

/// The number after the last occurrence of `label`.
fn last_number(output: &str, label: &str) -> Option<u64> {
    let (_, rest) = output.rsplit_once(label)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// A relay, and a peer that sends everything back.
struct Stage {
    _peer: Running,
    relay: Relay,
    lab: Lab,
}

impl Stage {
    fn new(login: Login) -> Result<Self, Missing> {
        let lab = Lab::new()?;
        let relay = Relay::start(&lab, Setup { login, legacy_channels: true, ..Setup::default() });
        let mut peer = lab.on_clients("turnutils_peer")?;
        for family in [Family::V4, Family::V6] {
            peer.args(["-L", &family.client().to_string()]);
        }
        let peer = Running::start(peer, relay.folder());
        Ok(Self { _peer: peer, relay, lab })
    }
}

/// One run of uclient.
#[derive(Clone, Copy)]
struct Run<'a> {
    /// The family in which clients reach the relay.
    client: Family,
    /// The family of the relayed address and of the peer.
    peer: Family,
    login: Login,
    arguments: &'a [&'a str],
}

impl<'a> Run<'a> {
    const fn of(arguments: &'a [&'a str]) -> Self {
        Self { client: Family::V4, peer: Family::V4, login: Login::Password, arguments }
    }

    /// Runs it against a relay of its own and returns what it counted.
    fn go(self) -> Result<Tally, Missing> {
        self.go_on(&Stage::new(self.login)?)
    }

    /// The same, against this relay.
    fn go_on(self, stage: &Stage) -> Result<Tally, Missing> {
        let mut client = stage.lab.on_clients("turnutils_uclient")?;
        client.args(["-m", &CLIENTS.to_string(), "-n", &MESSAGES.to_string(), "-z", "5"]);
        client.args(["-e", &self.peer.client().to_string(), "-u", USER]).args(self.arguments);
        match self.login {
            Login::Password => client.args(["-w", PASSWORD]),
            Login::Rest => client.args(["-W", SECRET]),
        };
        client.arg(self.client.relay().to_string());
        let (status, output) = run(client, stage.relay.folder(), LIMIT);
        println!("{output}");
        assert!(status.success(), "uclient ended with {status}");
        Ok(Tally::read(&output).expect("uclient counts at its end"))
    }

    /// Runs it; every message of every client must have come back.
    fn loses_nothing(self) {
        need!(self.go()).assert_complete();
    }
}

macro_rules! loses_nothing {
    ($($(#[$comment:meta])* $name:ident: $arguments:expr $(, $field:ident = $value:expr)*;)*) => {$(
        $(#[$comment])*
        #[test]
        fn $name() {
            Run { $($field: $value,)* ..Run::of(&$arguments) }.loses_nothing();
        }
    )*};
}

loses_nothing! {
    udp_with_channels: [];
    udp_with_send_indications: ["-s"];
    tcp_with_channels: ["-t"];
    tcp_with_send_indications: ["-t", "-s"];
    tls_with_channels: ["-t", "-S"];
    dtls_with_channels: ["-S"];
    dtls_with_send_indications: ["-S", "-s"];
    relay_to_relay_over_udp: ["-y"];
    relay_to_relay_over_tls: ["-y", "-t", "-S"];
    /// RFC 6062.
    tcp_relays: ["-T"];
    tcp_relays_over_tls: ["-T", "-S"];
    ipv6_throughout: ["-x"], client = Family::V6, peer = Family::V6;
    ipv6_over_tls: ["-x", "-t", "-S"], client = Family::V6, peer = Family::V6;
    ipv6_over_dtls: ["-x", "-S"], client = Family::V6, peer = Family::V6;
    ipv4_client_with_ipv6_relay: ["-x"], peer = Family::V6;
    ipv6_client_with_ipv4_relay: ["-X"], client = Family::V6;
    /// ADDITIONAL-ADDRESS-FAMILY.
    dual_allocation: ["-Z"];
    /// Channel data padded over UDP too.
    padded_channel_data: ["-D"];
    odd_lengths_over_tcp: ["-t", "-l", "173"];
    payloads_near_the_largest: ["-l", "1300"];
    without_a_port_pair: ["-c"];
    dont_fragment: ["-g"];
    /// RFC 8016.
    mobility: ["-M"];
    extra_requests: ["-G"];
    rest_credentials: [], login = Login::Rest;
    rest_credentials_over_tls: ["-t", "-S"], login = Login::Rest;
}

/// Clients that vanish lose what is on its way to them, more of it on a busy machine, so theirs is not counted. The
/// relay serves those that come after them.
fn survives_disconnects(arguments: &[&str]) {
    let stage = need!(Stage::new(Login::Password));
    // They all vanish once more than five of them have sent within a millisecond: four clients never would.
    let tally = need!(Run::of(&[&["-B", "-m", "20", "-z", "1"], arguments].concat()).go_on(&stage));
    assert!(tally.sent < 20 * MESSAGES, "nobody vanished: {tally:?}");
    need!(Run::of(arguments).go_on(&stage)).assert_complete();
}

#[test]
fn random_disconnects_over_udp() {
    survives_disconnects(&[]);
}

#[test]
fn random_disconnects_over_tcp() {
    survives_disconnects(&["-t"]);
}

/// Runs one of coturn's small programs on the clients' host against `setup`.
fn tool(setup: Setup, name: &str, with: impl FnOnce(&mut Command)) -> Result<String, Missing> {
    let lab = Lab::new()?;
    let relay = Relay::start(&lab, setup);
    let mut command = lab.on_clients(name)?;
    with(&mut command);
    let (status, output) = run(command, relay.folder(), LIMIT);
    println!("{output}");
    assert!(status.success(), "{name} ended with {status}");
    Ok(output)
}

fn stunclient(family: Family) {
    let client = family.client().to_string();
    let output = need!(tool(Setup::default(), "turnutils_stunclient", |command| {
        command.args(["-L", &client, &family.relay().to_string()]);
    }));
    // coturn puts the port behind a colon, in IPv6 too.
    assert!(output.contains(&format!("reflexive addr: {client}:")), "{output}");
}

#[test]
fn stunclient_learns_its_ipv4_address() {
    stunclient(Family::V4);
}

#[test]
fn stunclient_learns_its_ipv6_address() {
    stunclient(Family::V6);
}

/// RFC 5780, with PADDING.
#[test]
fn natdiscovery_finds_no_nat_and_no_filter() {
    let setup = Setup { nat_discovery: true, ..Setup::default() };
    let (relay, client) = (Family::V4.relay().to_string(), Family::V4.client().to_string());
    let output = need!(tool(setup, "turnutils_natdiscovery", |command| {
        command.args(["-m", "-f", "-P", "-L", &client, &relay]);
    }));
    assert!(output.contains(&format!("Other addr: : {RELAY_V4_SECOND}:3479")), "{output}");
    assert!(output.contains("No NAT! (Endpoint Independent Mapping)"), "{output}");
    assert!(output.contains("NAT with Endpoint Independent Filtering!"), "{output}");
}
