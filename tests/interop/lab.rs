//! Two hosts on one wire: network namespaces that exist only as long as their test.
//!
//! Several clients leave loopback addresses out (libnice, libjuice, browsers in part), and nothing here may collide
//! with another test's ports. Each host is a namespace without a name, held by one process; it goes, with everything
//! that runs in it, when that process ends, and the process ends with its test, however the test ends.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd as _;
use std::process::{Child, Command, Stdio};
use std::thread::scope;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::process::{find_program, leashed, wait_for};
use crate::skip::Missing;

/// The relay's first address.
pub(crate) const RELAY_V4: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// Its second, for NAT discovery.
pub(crate) const RELAY_V4_SECOND: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 11);
/// Its IPv6 address.
pub(crate) const RELAY_V6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1);
/// Where clients and peers are.
pub(crate) const CLIENT_V4: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// The same in IPv6.
pub(crate) const CLIENT_V6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2);

/// The address family of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    /// The relay, to its clients.
    pub(crate) const fn relay(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(RELAY_V4),
            Self::V6 => IpAddr::V6(RELAY_V6),
        }
    }

    /// The other host.
    pub(crate) const fn client(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(CLIENT_V4),
            Self::V6 => IpAddr::V6(CLIENT_V6),
        }
    }
}

/// An address as a URL's host.
pub(crate) fn url_host(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

/// One namespace of network, processes and mounts.
struct Host {
    holder: Child,
    /// Its first process, as seen from outside.
    pid: u32,
}

impl Host {
    fn start() -> Result<Self, Missing> {
        // The first process of the namespace waits on a pipe from the test: either of the two ends with the other.
        const INIT: &str = "read -r pid rest </proc/self/stat && mount -t proc proc /proc \
            && ip link set lo up && echo $pid && exec cat";
        let mut command = leashed("unshare");
        command.args(["--net", "--pid", "--mount", "--fork", "--kill-child=KILL", "sh", "-c", INIT]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut holder = command.spawn().map_err(|error| Missing(format!("setpriv or unshare: {error}")))?;
        let mut line = String::new();
        let stdout = holder.stdout.take().expect("it is piped");
        // A closed pipe reads as an empty line, which is no number.
        let _ = BufReader::new(stdout).read_line(&mut line);
        match line.trim().parse() {
            Ok(pid) => Ok(Self { holder, pid }),
            Err(_) => {
                let _ = holder.kill();
                let _ = holder.wait();
                Err(Missing("the privilege to make network namespaces (run as root)".into()))
            }
        }
    }

    /// A command on this host. It sees only the host's processes and dies with it.
    fn command(&self, program: &str) -> Command {
        let mut command = leashed("nsenter");
        command.arg(format!("--target={}", self.pid)).args(["--net", "--pid", "--mount"]);
        command.args(["setpriv", "--pdeathsig", "KILL", program]);
        command
    }

    /// Like [`Self::command`], but the child's process is the program itself, so that it can be signalled.
    fn direct_command(&self, program: &str) -> Command {
        let mut command = leashed("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.pid)).arg(program);
        command
    }

    fn sh(&self, script: &str) -> Result<(), Missing> {
        let output = self.direct_command("sh").args(["-ec", script]).output();
        match output {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stderr);
                Err(Missing(format!("veth between namespaces: {}", text.trim())))
            }
            Err(error) => Err(Missing(format!("nsenter: {error}"))),
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// A relay's host and a clients' host with a wire between them.
pub(crate) struct Lab {
    relay: Host,
    clients: Host,
}

impl Lab {
    /// Makes both hosts, or says what is missing.
    pub(crate) fn new() -> Result<Self, Missing> {
        for program in ["ip", "unshare", "nsenter", "setpriv"] {
            find_program(program).ok_or_else(|| Missing(format!("the program {program}")))?;
        }
        let lab = Self { relay: Host::start()?, clients: Host::start()? };
        lab.relay.sh(&format!("ip link add lan0 type veth peer name lan0 netns {}", lab.clients.pid))?;
        lab.relay.sh(&format!(
            "ip addr add {RELAY_V4}/24 dev lan0; ip addr add {RELAY_V4_SECOND}/24 dev lan0;
             ip addr add {RELAY_V6}/64 dev lan0 nodad; ip link set lan0 up"
        ))?;
        // Clients take the address of the default route for their own.
        lab.clients.sh(&format!(
            "ip addr add {CLIENT_V4}/24 dev lan0; ip addr add {CLIENT_V6}/64 dev lan0 nodad; ip link set lan0 up;
             ip route add default via {RELAY_V4}; ip route add default via {RELAY_V6}"
        ))?;
        // The kernel marks an interface as running a moment later; before, libnice does not see it.
        for host in [&lab.relay, &lab.clients] {
            let up = || host.sh("ip link show lan0 | grep -q 'state UP'").ok();
            wait_for(Duration::from_secs(30), up)
                .ok_or_else(|| Missing("a veth pair that comes up".into()))?;
        }
        Ok(lab)
    }

    /// A command on the relay's host, whose process is the program itself.
    pub(crate) fn on_relay(&self, program: &str) -> Command {
        self.relay.direct_command(program)
    }

    /// Does something on the clients' host: sockets and threads that are made there stay there.
    pub(crate) fn among_clients<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(format!("/proc/{}/ns/net", self.clients.pid)).unwrap();
        let enter = move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            work()
        };
        scope(|scope| scope.spawn(enter).join().expect("what is done there succeeds"))
    }

    /// A command on the clients' host, or the name of the program that is missing.
    pub(crate) fn on_clients(&self, program: &str) -> Result<Command, Missing> {
        find_program(program).ok_or_else(|| Missing(format!("the program {program}")))?;
        Ok(self.clients.command(program))
    }
}
