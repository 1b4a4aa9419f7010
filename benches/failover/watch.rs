//! What the router's kernel says of its routes, with the moment at which it was heard.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::spawn;
use std::time::{Duration, Instant};

use crate::host::Host;
use crate::lab::ANYCAST_V4;

/// More than one event of one test leads to.
const LINES: usize = 1_000;
/// Whatever takes longer has failed.
const LIMIT: Duration = Duration::from_secs(120);

/// `ip monitor route` on a host.
pub(crate) struct Watch {
    monitor: Child,
    lines: Receiver<(Instant, String)>,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The anycast prefix is gone.
    Gone,
    /// It is there with this MED, which BIRD shows the kernel as a window one higher.
    Med(u32),
}

impl Change {
    fn is_said_by(self, line: &str) -> bool {
        match self {
            Self::Gone => line.starts_with(&format!("Deleted {ANYCAST_V4} ")),
            Self::Med(med) => {
                let sign = format!(" window {} ", med + 1);
                line.starts_with(&format!("{ANYCAST_V4} ")) && format!("{line} ").contains(&sign)
            }
        }
    }
}

impl Watch {
    /// Watches from now on.
    pub(crate) fn start(host: &Host) -> Self {
        let mut command = host.direct_command("ip");
        let command = command.args(["-o", "monitor", "route"]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut monitor = command.spawn().expect("ip runs");
        let output = BufReader::new(monitor.stdout.take().expect("it is piped"));
        let (sender, lines) = sync_channel(LINES);
        spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send((now(), line)).is_err() {
                    return;
                }
            }
        });
        let watch = Self { monitor, lines };
        watch.prove(host);
        watch
    }

    /// Waits until it hears of a route that is made for that: it takes a moment to begin.
    fn prove(&self, host: &Host) {
        for _ in 0..100 {
            host.sh("ip route add 203.0.113.1/32 dev lo && ip route del 203.0.113.1/32 dev lo").unwrap();
            if self.lines.recv_timeout(Duration::from_millis(100)).is_ok() {
                return;
            }
        }
        panic!("ip monitor says nothing");
    }

    /// How long after the beginning of `cause` the change came.
    pub(crate) fn time(&self, change: Change, cause: impl FnOnce()) -> Duration {
        while self.lines.try_recv().is_ok() {}
        let start = now();
        cause();
        loop {
            let (at, line) =
                self.lines.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("never seen: {change:?}"));
            if change.is_said_by(&line) {
                return at.saturating_duration_since(start);
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.monitor.kill();
        let _ = self.monitor.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "this is what measures")]
fn now() -> Instant {
    Instant::now()
}
