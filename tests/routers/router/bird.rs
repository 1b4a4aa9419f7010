//! BIRD 2. It is asked over its control socket.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::{Daemon, LIMIT, Route, Setup};
use crate::host::Host;
use crate::process::{Running, find_program, wait_for};
use crate::skip::Missing;

/// A BIRD, not yet started or running.
pub(crate) struct Bird {
    process: Option<Running>,
    socket: PathBuf,
    earlier: String,
    /// The addresses of its neighbours, which it calls relay0 and so on.
    peers: Vec<IpAddr>,
}

impl Bird {
    pub(crate) fn new() -> Result<Self, Missing> {
        find_program("bird").ok_or_else(|| Missing("the program bird (Debian's bird2)".into()))?;
        Ok(Self { process: None, socket: PathBuf::new(), earlier: String::new(), peers: Vec::new() })
    }

    /// Runs one on any host with any configuration.
    pub(crate) fn run(&mut self, host: &Host, folder: &Path, name: &str, configuration: &str) {
        let file = folder.join(format!("{name}.conf"));
        std::fs::write(&file, configuration).unwrap();
        self.socket = folder.join(format!("{name}.ctl"));
        let mut command = host.direct_command("bird");
        command.arg("-f").arg("-c").arg(&file).arg("-s").arg(&self.socket);
        self.process = Some(Running::start(command, folder));
        let ready = wait_for(LIMIT, || UnixStream::connect(&self.socket).ok());
        assert!(ready.is_some(), "BIRD does not start:\n{}", self.output());
    }

    /// What it answers to a command, line by line, without the numbers in front.
    pub(crate) fn ask(&self, command: &str) -> Vec<String> {
        let mut socket = UnixStream::connect(&self.socket).expect("BIRD listens");
        writeln!(socket, "{command}").unwrap();
        let mut lines = Vec::new();
        for line in BufReader::new(socket).lines().skip(1) {
            let Ok(line) = line else { break };
            // "1007-text" goes on, "0000 text" is the last, " text" belongs to the line before.
            let number = line.len() >= 5 && line.as_bytes()[..4].iter().all(u8::is_ascii_digit);
            let last = number && line.as_bytes()[4] == b' ';
            lines.push(if number { line[5..].to_owned() } else { line });
            if last {
                break;
            }
        }
        lines
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) {
        self.process.as_ref().expect("it runs").signal(signal);
    }

    /// Waits for its end.
    pub(crate) fn wait_for_end(&mut self) {
        if let Some(process) = self.process.take() {
            self.earlier += &process.finish(LIMIT).1;
        }
    }

    fn name(&self, peer: IpAddr) -> String {
        let place = self.peers.iter().position(|address| *address == peer).expect("a neighbour");
        format!("relay{place}")
    }
}

impl Daemon for Bird {
    fn start(&mut self, host: &Host, folder: &Path, setup: &Setup) {
        self.peers = setup.peers.iter().map(|peer| peer.address).collect();
        self.run(host, folder, "bird", &configuration(setup));
    }

    fn signal(&self, _: &Host, signal: &str) {
        Self::signal(self, signal);
    }

    fn reap(&mut self, _: &Host) {
        self.wait_for_end();
    }

    fn routes(&self, _: &Host, prefix: &str) -> Vec<Route> {
        parse_routes(&self.ask(&format!("show route all for {prefix}")), prefix)
    }

    fn is_established(&self, _: &Host, peer: IpAddr) -> bool {
        let lines = self.ask(&format!("show protocols {}", self.name(peer)));
        lines.iter().any(|line| line.trim_end().ends_with("Established"))
    }

    fn is_bfd_up(&self, _: &Host, peer: IpAddr) -> bool {
        let peer = peer.to_string();
        let lines = self.ask("show bfd sessions");
        lines
            .iter()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .any(|words| words.first() == Some(&peer.as_str()) && words.get(2) == Some(&"Up"))
    }

    fn output(&self) -> String {
        let now = self.process.as_ref().map(Running::output).unwrap_or_default();
        format!("{}{now}", self.earlier)
    }
}

/// Routes are installed into the kernel with the MED where TCP's window would stand, so that its change can be seen there,
/// unless several ways are to be used at a time. (Of its metric BIRD would leave the route with the old one behind.)
fn configuration(setup: &Setup) -> String {
    let several = setup.peers.len() > 1;
    let sign = if several { "" } else { "if defined(bgp_med) then krt_window = bgp_med + 1; " };
    let mut text = format!(
        "log stderr all;\nrouter id {};\nprotocol device {{ scan time 60; }}\n\
         protocol bfd {{ }}\n",
        setup.id
    );
    for family in ["ipv4", "ipv6"] {
        write!(
            text,
            "protocol kernel {{ merge paths {several}; {family} {{ import none; export filter {{\n\
             if source = RTS_BGP then {{ {sign}accept; }} reject; }}; }}; }}\n"
        )
        .unwrap();
    }
    for prefix in &setup.exports {
        writeln!(text, "protocol static {{ ipv4; route {prefix} blackhole; }}").unwrap();
    }
    for (place, peer) in setup.peers.iter().enumerate() {
        writeln!(text, "protocol bgp relay{place} {{").unwrap();
        writeln!(text, "  local {} as {}; neighbor {} as {};", peer.local, setup.asn, peer.address, peer.asn)
            .unwrap();
        writeln!(text, "  connect delay time 1; connect retry time 1; error wait time 1, 2;").unwrap();
        writeln!(text, "  hold time {}; passive {};", peer.hold, peer.passive).unwrap();
        if let Some(key) = &peer.key {
            writeln!(text, "  password \"{key}\";").unwrap();
        }
        if let Some(interval) = peer.bfd {
            writeln!(
                text,
                "  bfd {{ min rx interval {interval} ms; min tx interval {interval} ms; multiplier 3; }};"
            )
            .unwrap();
        }
        writeln!(text, "  {}", peer.further).unwrap();
        let families: &[&str] = if peer.address.is_ipv4() { &["ipv4", "ipv6"] } else { &["ipv6"] };
        for family in families {
            writeln!(text, "  {family} {{ import all; export where source = RTS_STATIC; }};").unwrap();
        }
        text += "}\n";
    }
    text.replace("true", "on").replace("false", "off")
}

/// Reads what `show route all` says.
fn parse_routes(lines: &[String], prefix: &str) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    let mut here = false;
    for line in lines {
        if line.contains(" unicast [") {
            // Further ways to the same prefix leave it out; a shorter prefix that covers ours is none of them.
            let first = line.split_whitespace().next().unwrap_or_default();
            here = first == prefix || (here && line.starts_with(' '));
            if here {
                routes.push(Route::default());
            }
        }
        let (true, Some(route)) = (here, routes.last_mut()) else { continue };
        let Some((name, value)) = line.trim().split_once(": ") else { continue };
        let pairs = || value.trim_matches(['(', ')']).split(") (").map(|pair| pair.replace([',', ' '], ":"));
        match name {
            "BGP.med" => route.med = value.parse().ok(),
            "BGP.as_path" => route.path = value.split_whitespace().map(|asn| asn.parse().unwrap()).collect(),
            "BGP.next_hop" => route.next_hop = value.split_whitespace().next().unwrap_or_default().to_owned(),
            "BGP.community" => route.communities = pairs().collect(),
            "BGP.large_community" => route.large = pairs().map(|text| text.replace("::", ":")).collect(),
            _ => {}
        }
    }
    routes
}
