//! Hosts of a test: network namespaces that exist only as long as their test, and the wires between them.
//!
//! Each host is a namespace without a name, held by one process; it goes, with everything that runs in it, when that
//! process ends, and the process ends with its test, however the test ends.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::fd::AsFd as _;
use std::process::{Child, Command, Stdio};
use std::thread::scope;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::process::{find_program, leashed, wait_for};
use crate::skip::Missing;

/// One namespace of network, processes and mounts.
pub(crate) struct Host {
    holder: Child,
    /// Its first process, as seen from outside.
    pid: u32,
}

impl Host {
    /// Makes one with nothing but a loopback interface, or says what is missing.
    pub(crate) fn start() -> Result<Self, Missing> {
        // The first process of the namespace waits on a pipe from the test: either of the two ends with the other.
        const INIT: &str = "read -r pid rest </proc/self/stat && mount -t proc proc /proc \
            && ip link set lo up && echo $pid && exec cat";
        for program in ["ip", "unshare", "nsenter", "setpriv"] {
            find_program(program).ok_or_else(|| Missing(format!("the program {program}")))?;
        }
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
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = leashed("nsenter");
        command.arg(format!("--target={}", self.pid)).args(["--net", "--pid", "--mount"]);
        command.args(["setpriv", "--pdeathsig", "KILL", program]);
        command
    }

    /// Like [`Self::command`], but the child's process is the program itself, so that it can be signalled.
    pub(crate) fn direct_command(&self, program: &str) -> Command {
        let mut command = leashed("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.pid)).arg(program);
        command
    }

    /// Runs a script that sets up the host's network.
    pub(crate) fn sh(&self, script: &str) -> Result<(), Missing> {
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

    /// What a script on this host prints.
    pub(crate) fn output(&self, script: &str) -> String {
        let output = self.direct_command("sh").args(["-ec", script]).output().expect("nsenter runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// How many TCP connections from or to a port are in this state, as `ss` names it.
    pub(crate) fn connections(&self, state: &str, port: u16) -> usize {
        let script = format!("ss -Htn state {state} '( sport = :{port} or dport = :{port} )'");
        self.output(&script).lines().count()
    }

    /// Lays a wire from the interface `here` to the interface `there` of another host. Both ends are down.
    pub(crate) fn wire(&self, here: &str, other: &Self, there: &str) -> Result<(), Missing> {
        self.sh(&format!("ip link add {here} type veth peer name {there} netns {}", other.pid))
    }

    /// Waits until the kernel marks an interface as running, a moment after it was set up: libnice, for one, does not see
    /// it before.
    pub(crate) fn wait_until_up(&self, interface: &str) -> Result<(), Missing> {
        let up = || self.sh(&format!("ip link show {interface} | grep -q 'state UP'")).ok();
        wait_for(Duration::from_secs(30), up).ok_or_else(|| Missing("a veth pair that comes up".into()))
    }

    /// Does something on this host: sockets and threads that are made there stay there.
    pub(crate) fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(format!("/proc/{}/ns/net", self.pid)).unwrap();
        let enter = move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            work()
        };
        scope(|scope| scope.spawn(enter).join().expect("what is done there succeeds"))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
