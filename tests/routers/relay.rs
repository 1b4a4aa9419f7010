//! The relay under test: the real `tern` binary on a relay's host, told to announce the anycast prefixes to the router.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use serde_json::Value;
use tempfile::TempDir;

use crate::host::Host;
use crate::lab::{Lab, PREFIX_V4, PREFIX_V6, relay_v4, relay_v6, router_v4, router_v6};
use crate::process::{Running, leashed, run, wait_for};
use crate::router::{LIMIT, Peer, ROUTER_ASN};

/// The ASN of all relays: it does not fit into two octets.
pub(crate) const RELAY_ASN: u32 = 4_200_000_600;
/// What the neighbours are told when a relay stops.
pub(crate) const FAREWELL: &str = "the relay is put to bed";
/// Over which the relay serves clients.
pub(crate) const PORT: u16 = 3478;

/// What a relay is told. Both ends of a session are made of it.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// Which of the lab's relays it is.
    pub(crate) place: u8,
    pub(crate) asn: u32,
    /// The BGP identifier, if not its address.
    pub(crate) id: Option<&'static str>,
    /// The session runs over IPv6.
    pub(crate) over_v6: bool,
    /// Listens on port 179.
    pub(crate) listens: bool,
    /// Waits for the router to connect.
    pub(crate) passive: bool,
    /// In seconds.
    pub(crate) hold: u16,
    pub(crate) key: Option<&'static str>,
    /// BFD with three times so many milliseconds.
    pub(crate) bfd: Option<u16>,
    pub(crate) workers: u8,
    /// Further lines of the section `[announce]`.
    pub(crate) announce: String,
    /// Further lines of the neighbour.
    pub(crate) neighbor: String,
}

impl Setup {
    /// The relay at this place of the lab, over IPv4, connecting to the router.
    pub(crate) const fn at(place: u8) -> Self {
        Self {
            place,
            asn: RELAY_ASN,
            id: None,
            over_v6: false,
            listens: false,
            passive: false,
            hold: 9,
            key: None,
            bfd: None,
            workers: 1,
            announce: String::new(),
            neighbor: String::new(),
        }
    }

    /// Its end of the session.
    pub(crate) const fn address(&self) -> IpAddr {
        if self.over_v6 { IpAddr::V6(relay_v6(self.place)) } else { IpAddr::V4(relay_v4(self.place)) }
    }

    /// The router's end.
    pub(crate) const fn router(&self) -> IpAddr {
        if self.over_v6 { IpAddr::V6(router_v6(self.place)) } else { IpAddr::V4(router_v4(self.place)) }
    }

    /// The neighbour that the router has to be configured with: it waits, unless the relay does.
    pub(crate) fn peer(&self) -> Peer {
        Peer {
            local: self.router(),
            address: self.address(),
            asn: self.asn,
            key: self.key.map(str::to_owned),
            passive: !self.listens,
            hold: self.hold,
            bfd: self.bfd,
            further: "",
        }
    }

    fn configuration(&self, folder: &Path) -> String {
        let (v4, v6, asn) = (relay_v4(self.place), relay_v6(self.place), self.asn);
        let id = self.id.map_or_else(|| v4.to_string(), str::to_owned);
        let socket = folder.join("tern.sock");
        let sick = folder.join("sick");
        let workers = self.workers;
        let mut text = format!(
            "[log]\nlevel = \"debug\"\nformat = \"human\"\n\n[server]\nworkers = {workers}\n\n\
             [relay]\naddresses = [\"{v4}\", \"{v6}\"]\n\n\
             [peers]\nallow = [\"10.88.0.0/16\", \"fd88::/16\"]\n\n\
             [limits]\nanswer_rate = 0\n\n\
             [[auth.shared_secret]]\nid = \"one\"\nsecret_file = \"secret\"\n\n\
             [[listener]]\naddress = \"0.0.0.0:{PORT}\"\ntransports = [\"udp\", \"tcp\"]\n\n\
             [[listener]]\naddress = \"[::]:{PORT}\"\ntransports = [\"udp\", \"tcp\"]\n\n\
             [admin]\nsocket = {socket:?}\n\n\
             [health]\ninterval = \"200ms\"\nfast_interval = \"100ms\"\n\
             hold_up = \"0s\"\nhold_down = \"0s\"\ndamping = false\n\n\
             [[health.check]]\nname = \"switch\"\nfile = {sick:?}\npresent = false\n\n\
             [announce]\nprefixes = [\"{PREFIX_V4}\", \"{PREFIX_V6}\"]\n{}\n\n\
             [bgp]\nasn = {asn}\nrouter_id = \"{id}\"\nshutdown_text = \"{FAREWELL}\"\n",
            self.announce
        );
        if self.listens {
            let address = self.address();
            let bracketed = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
            writeln!(text, "listen = [\"{bracketed}:179\"]").unwrap();
        }
        text + &self.neighbor_section()
    }

    /// What travels over a session of the other family needs a next hop.
    fn neighbor_section(&self) -> String {
        let families = if self.over_v6 { "[\"ipv6\"]" } else { "[\"ipv4\", \"ipv6\"]" };
        let mut text = format!(
            "\n[[bgp.neighbor]]\nname = \"router\"\naddress = \"{}\"\nasn = {ROUTER_ASN}\nlocal_address = \"{}\"\n\
             passive = {}\nhold_time = \"{}s\"\nconnect_retry = \"1s\"\nfamilies = {families}\n\
             next_hop = [\"{}\"]\n{}\n",
            self.router(),
            self.address(),
            self.passive,
            self.hold,
            relay_v6(self.place),
            self.neighbor
        );
        if self.over_v6 {
            let prefixes = format!("prefixes = [\"{PREFIX_V6}\"]\n");
            text += &prefixes;
        }
        if self.key.is_some() {
            text += "password_file = \"bgp.key\"\n";
        }
        if let Some(interval) = self.bfd {
            writeln!(
                text,
                "bfd = {{ transmit = \"{interval}ms\", receive = \"{interval}ms\", multiplier = 3 }}"
            )
            .unwrap();
        }
        text
    }

    fn write(&self, folder: &Path) {
        fs::write(folder.join("tern.toml"), self.configuration(folder)).unwrap();
        write_secret(&folder.join("secret"), "a-secret-for-rest-credentials");
        if let Some(key) = self.key {
            write_secret(&folder.join("bgp.key"), key);
        }
    }
}

/// A relay, until it is dropped.
pub(crate) struct Relay<'a> {
    host: &'a Host,
    /// Gone after [`Self::stop`].
    process: Option<Running>,
    folder: TempDir,
    earlier: String,
}

impl<'a> Relay<'a> {
    /// Starts one and waits until it answers its operator.
    pub(crate) fn start(lab: &'a Lab, setup: &Setup) -> Self {
        let folder = TempDir::new().expect("a folder for the relay's files");
        setup.write(folder.path());
        let host = &lab.relays[usize::from(setup.place)];
        let mut relay = Self { host, process: None, folder, earlier: String::new() };
        relay.start_again();
        relay
    }

    /// Starts it again after [`Self::stop`].
    pub(crate) fn start_again(&mut self) {
        let mut command = self.host.direct_command(env!("CARGO_BIN_EXE_tern"));
        command.args(["run", "--config"]).arg(self.folder.path().join("tern.toml"));
        self.process = Some(Running::start(command, self.folder.path()));
        let ready = wait_for(LIMIT, || {
            let process = self.process.as_mut().unwrap();
            let status = process.status();
            assert!(status.is_none(), "the relay ended: {status:?}\n{}", process.output());
            UnixStream::connect(self.socket()).ok()
        });
        assert!(ready.is_some(), "the relay does not answer:\n{}", self.output());
    }

    /// Where it runs.
    pub(crate) const fn host(&self) -> &Host {
        self.host
    }

    fn process(&self) -> &Running {
        self.process.as_ref().expect("it runs")
    }

    /// Where its operator talks to it.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("tern.sock")
    }

    /// Gives it another configuration and has it read it.
    pub(crate) fn reload(&self, setup: &Setup) {
        setup.write(self.folder.path());
        self.process().signal("HUP");
    }

    /// Makes a check of the operator fail, or not.
    pub(crate) fn set_sick(&self, sick: bool) {
        let file = self.folder.path().join("sick");
        if sick { fs::write(file, "") } else { fs::remove_file(file) }.unwrap();
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        self.process().signal(name);
    }

    /// Ends it by a signal and waits for its end.
    pub(crate) fn stop(&mut self, signal: &str) -> ExitStatus {
        self.signal(signal);
        self.wait_for_end()
    }

    /// Waits for its end.
    pub(crate) fn wait_for_end(&mut self) -> ExitStatus {
        let process = self.process.take().expect("it runs");
        let (status, output) = process.finish(LIMIT);
        self.earlier += &output;
        status
    }

    /// What a subcommand says; it must succeed.
    pub(crate) fn operate(&self, arguments: &[&str]) -> String {
        let mut command = leashed(env!("CARGO_BIN_EXE_tern"));
        command.args(arguments).arg("--socket").arg(self.socket());
        let (status, output) = run(command, self.folder.path(), LIMIT);
        assert!(status.success(), "tern {arguments:?}: {status}\n{output}\n{}", self.output());
        output
    }

    /// `tern bgp show --json`, without the program in between.
    pub(crate) fn report(&self) -> Value {
        ask(&self.socket(), "GET", "/v1/bgp", "")
    }

    /// Does something by the admin API.
    pub(crate) fn post(&self, path: &str, body: &str) -> Value {
        ask(&self.socket(), "POST", path, body)
    }

    /// Waits until its report is as wanted.
    pub(crate) fn wait_for(&self, what: &str, good: impl Fn(&Value) -> bool) -> Value {
        let found = wait_for(LIMIT, || Some(self.report()).filter(&good));
        found.unwrap_or_else(|| panic!("not {what}: {:#}\n{}", self.report(), self.output()))
    }

    /// Waits until it says of the router what is wanted.
    pub(crate) fn wait_for_neighbor(&self, what: &str, good: impl Fn(&Value) -> bool) -> Value {
        self.wait_for(what, |report| good(&report["neighbors"][0]))["neighbors"][0].clone()
    }

    /// Everything it has said so far.
    pub(crate) fn output(&self) -> String {
        let now = self.process.as_ref().map(Running::output).unwrap_or_default();
        format!("{}{now}", self.earlier)
    }
}

impl Drop for Relay<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("---- the relay's output ----\n{}", self.output());
        }
    }
}

/// One request and its answer, which is not looked at beyond its success.
fn ask(socket: &Path, method: &str, path: &str, body: &str) -> Value {
    let mut stream = UnixStream::connect(socket).expect("the relay's admin socket");
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: tern\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer of HTTP");
    assert!(head.starts_with("HTTP/1.1 200"), "{method} {path}: {answer}");
    serde_json::from_str(body).expect("JSON")
}

/// Writes a file that only its owner may read: the relay warns of any other.
fn write_secret(path: &Path, text: &str) {
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
