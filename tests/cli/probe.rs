//! `tern probe` against our own relay and against a server that is not ours, over every transport, and against what is
//! broken.

use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::skip::{Missing, need};
use crate::{Folder, Running, SECRET, code, err, free_port, out, output};

/// A relay that serves all transports on loopback.
struct Relay {
    folder: Folder,
    tls_port: u16,
    _running: Running,
}

impl Relay {
    /// Its ports are none that sockets of this machine get: those would be its own relayed addresses to it.
    fn start(more: &str) -> Self {
        let folder = Folder::new("");
        let tls_port = free_port();
        let made = output(&["certs", "dev", &folder.text("certs"), "--name", "127.0.0.1"]);
        assert_eq!(code(&made), 0, "{}", err(&made));
        let port = folder.port;
        let text = format!(
            "[server]\nworkers = 2\n[relay]\nports = \"61000-65535\"\n[[listener]]\naddress = \"127.0.0.1:{port}\"\ntransports = [\"udp\", \"tcp\"]\n\
             [[listener]]\naddress = \"127.0.0.1:{tls_port}\"\ntransports = [\"tls\", \"dtls\"]\n\
             certificate_file = \"certs/cert.pem\"\nkey_file = \"certs/key.pem\"\n\
             [[auth.shared_secret]]\nid = \"a\"\nsecret_file = \"rest.secret\"\n{more}"
        );
        folder.write("tern.toml", &text, 0o644);
        let mut running = Running::start(&["run", "--config", &folder.text("tern.toml")]);
        running.wait_for("the relay serves");
        Self { folder, tls_port, _running: running }
    }

    fn uris(&self) -> [String; 4] {
        let (port, tls) = (self.folder.port, self.tls_port);
        [
            format!("turn:127.0.0.1:{port}"),
            format!("turn:127.0.0.1:{port}?transport=tcp"),
            format!("turns:127.0.0.1:{tls}"),
            format!("turns:127.0.0.1:{tls}?transport=udp"),
        ]
    }

    fn probe(&self, uri: &str, more: &[&str]) -> (i32, Value) {
        let (secret, authority) = (self.folder.text("rest.secret"), self.folder.text("certs/ca.pem"));
        probe(uri, &[&["--secret-file", &secret, "--ca", &authority], more].concat())
    }
}

/// Two seconds of media, told as JSON.
fn probe(uri: &str, more: &[&str]) -> (i32, Value) {
    let ended = output(&[&["probe", uri, "--seconds", "2", "--json"], more].concat());
    let text = out(&ended);
    (code(&ended), serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{}", err(&ended))))
}

/// All came there and back, and nothing was counted twice.
fn assert_good((code, report): &(i32, Value)) {
    assert_eq!((*code, &report["ok"]), (0, &Value::Bool(true)), "{report:#}");
    let media = &report["media"];
    for way in ["out", "back"] {
        let count = |name: &str| media[way][name].as_u64().unwrap();
        assert_eq!((count("sent"), count("received"), count("lost")), (100, 100, 0), "{report:#}");
        assert!(media[way]["mos"].as_f64().unwrap() > 4.0, "{report:#}");
        assert!(media[way]["jitter_ms"].as_f64().unwrap() < 60.0, "{report:#}");
    }
    let trip = |name: &str| media[name].as_f64().unwrap();
    assert!(0.0 < trip("rtt_p50_ms") && trip("rtt_p50_ms") <= trip("rtt_p95_ms"), "{report:#}");
    assert!(trip("rtt_p95_ms") <= trip("rtt_max_ms"), "{report:#}");
    let steps: Vec<_> =
        report["steps"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap()).collect();
    assert_eq!((steps.first(), steps.last()), (Some(&"resolve"), Some(&"release")), "{steps:?}");
}

fn trouble(report: &Value) -> (&str, &str, &str) {
    let text = |name: &str| report["trouble"][name].as_str().unwrap();
    (text("step"), text("text"), text("remedy"))
}

#[test]
fn a_call_through_our_own_relay_is_good_over_every_transport() {
    let relay = Relay::start("");
    for (uri, transport) in relay.uris().iter().zip(["UDP", "TCP", "TLS", "DTLS"]) {
        let report = relay.probe(uri, &[]);
        assert_good(&report);
        assert_eq!((&report.1["transport"], &report.1["peer"]), (&transport.into(), &"allocation".into()));
    }
    let report = relay.probe(&relay.uris()[1], &["--indications"]);
    assert_good(&report);
    // People read the same.
    let secret = relay.folder.text("rest.secret");
    let shown = output(&["probe", &relay.uris()[0], "--seconds", "1", "--secret-file", &secret]);
    let text = out(&shown);
    assert_eq!(code(&shown), 0, "{text}");
    for part in ["ok      allocate", "relayed address 127.0.0.1:", "Round trip", "0.00 %", "and back"] {
        assert!(text.contains(part), "{part:?} is missing:\n{text}");
    }
}

#[test]
fn a_socket_is_the_peer_where_a_user_may_have_one_allocation_only() {
    let relay = Relay::start("[limits]\nmax_allocations_per_user = 1\n[peers]\nallow = [\"127.0.0.0/8\"]\n");
    let report = relay.probe(&relay.uris()[0], &[]);
    assert_good(&report);
    assert_eq!(report.1["peer"], "socket");
    assert!(report.1["notes"][0].as_str().unwrap().contains("486"), "{:#}", report.1);
    // Who insists on a second allocation hears why there is none.
    let (ended, report) = relay.probe(&relay.uris()[0], &["--peer", "allocation"]);
    let (step, text, remedy) = trouble(&report);
    assert_eq!((ended, step), (1, "peer"));
    assert!(text.contains("486") && remedy.contains("quota"), "{text}; {remedy}");
}

#[test]
fn each_failing_step_is_named_with_what_to_do() {
    let relay = Relay::start("");
    let [udp, tcp, tls, _] = relay.uris();
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap();
    let deaf = nobody.local_addr().unwrap();
    let silent = format!("turn:{deaf}");
    let closed = format!("turn:127.0.0.1:{}?transport=tcp", free_port());
    let unheard = format!("turn:127.0.0.1:{}", free_port());
    let plain_port = format!("turns:127.0.0.1:{}", relay.folder.port);
    let wrong: &[&str] = &["--username", "ann", "--credential", "wrong", "--timeout", "1"];
    let brief: &[&str] = &["--timeout", "1", "--username", "ann", "--credential", "a"];
    let (secret, quick) = (relay.folder.text("rest.secret"), ["--timeout", "1"]);
    let signed: &[&str] = &[&["--secret-file", &secret][..], &quick].concat();
    for (uri, arguments, step, text, remedy) in [
        (udp.as_str(), wrong, "allocate", "401", "user name and password"),
        (&tcp, wrong, "allocate", "401", "user name and password"),
        (&silent, brief, "allocate", "no answer", "firewall"),
        (&closed, brief, "connect", "refused", "listen on TCP"),
        (&unheard, brief, "allocate", "nobody listens", "listen on UDP"),
        (&tls, signed, "connect", "certificate", "--ca"),
        (&plain_port, signed, "connect", "", ""),
        ("turn:no-such-name.invalid", brief, "resolve", "is not known", "getent"),
        (&udp, &[signed, &["-6"]].concat(), "resolve", "no IPv6 address", "name"),
        (&udp, &[signed, &["--peer", "socket"]].concat(), "bind", "403", "[peers]"),
    ] {
        let (ended, report) = probe(uri, arguments);
        assert_eq!((ended, &report["ok"]), (1, &Value::Bool(false)), "{uri}");
        let said = trouble(&report);
        assert_eq!(said.0, step, "{uri}: {report:#}");
        assert!(said.1.contains(text) && said.2.contains(remedy), "{uri}: {report:#}");
    }
    let demanding = relay.probe(&udp, &["--min-mos", "4.9"]);
    assert_eq!((demanding.0, trouble(&demanding.1).0), (1, "media"));
    let usage = output(&["probe", "stun:relay.example"]);
    assert_eq!(code(&usage), 2);
}

/// A server of somebody else.
struct Coturn {
    child: Child,
    folder: Folder,
    tls_port: u16,
}

impl Coturn {
    fn start() -> Result<Self, Missing> {
        let folder = Folder::new("");
        let tls_port = free_port();
        let made = output(&["certs", "dev", &folder.text("certs"), "--name", "127.0.0.1"]);
        assert_eq!(code(&made), 0, "{}", err(&made));
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "turnserver", "-n", "--no-cli", "--log-file", "stdout"]);
        command.args([
            "-L",
            "127.0.0.1",
            "-E",
            "127.0.0.1",
            "--allow-loopback-peers",
            "--realm",
            "example.org",
        ]);
        command.args(["--use-auth-secret", "--static-auth-secret", SECRET]);
        command.args(["-p", &folder.port.to_string(), "--tls-listening-port", &tls_port.to_string()]);
        command.args(["--cert", &folder.text("certs/cert.pem"), "--pkey", &folder.text("certs/key.pem")]);
        command.args(["--pidfile", &folder.text("pid"), "--userdb", &folder.text("users.db")]);
        let spawned = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = spawned.map_err(|error| Missing(format!("setpriv: {error}")))?;
        let mut coturn = Self { child, folder, tls_port };
        for _ in 0..600 {
            if let Some(status) = coturn.child.try_wait().unwrap() {
                return Err(Missing(format!("coturn's turnserver ({status})")));
            }
            let up = |port| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
            if up(coturn.folder.port) && up(coturn.tls_port) {
                return Ok(coturn);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(Missing("a turnserver that listens within 30 s".to_owned()))
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_call_through_coturn_is_good_over_every_transport() {
    let coturn = need!(Coturn::start());
    let (port, tls) = (coturn.folder.port, coturn.tls_port);
    let (secret, authority) = (coturn.folder.text("rest.secret"), coturn.folder.text("certs/ca.pem"));
    for uri in [
        format!("turn:127.0.0.1:{port}"),
        format!("turn:127.0.0.1:{port}?transport=tcp"),
        format!("turns:127.0.0.1:{tls}"),
        format!("turns:127.0.0.1:{tls}?transport=udp"),
    ] {
        for more in [&[][..], &["--indications", "--peer", "socket"]] {
            let report = probe(&uri, &[&["--secret-file", &secret, "--ca", &authority], more].concat());
            assert_good(&report);
            assert!(report.1["software"].as_str().unwrap().contains("Coturn"), "{:#}", report.1);
        }
    }
}
