//! Whole configurations: what is refused with which words, what wins over what, and that the documentation says
//! what the code does.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::control::admin::{Role, Token};
use crate::engine::auth::FleetKey;
use crate::time::UnixTime;
use crate::worker::{DscpMap, DscpPolicy};

/// A folder with a configuration and what it names.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(text: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("tern.toml", text, 0o644);
        folder.write("good.secret", "0123456789abcdef0123456789abcdef\n", 0o600);
        folder.write("short.secret", "0123456789\n", 0o600);
        folder.write("empty.secret", "\n", 0o600);
        folder.write("open.secret", "0123456789abcdef", 0o644);
        folder.write("users", "alice:tern:zz\n", 0o600);
        folder
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load_with(&self, env: &[(&str, &str)], set: &[&str]) -> Result<Loaded, Problems> {
        load(&Sources {
            development: None,
            file: Some(self.path("tern.toml")),
            env: env.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            set: set.iter().map(|text| (*text).into()).collect(),
        })
    }

    /// The problems, with the folder's name left out.
    fn problems(&self) -> String {
        let problems = match self.load_with(&[], &[]) {
            Ok(loaded) => loaded.warnings,
            Err(problems) => problems,
        };
        problems.to_string().replace(&format!("{}/", self.0.path().display()), "")
    }
}

/// A good configuration, and one more line or two at its end.
fn with(more: &str) -> String {
    format!(
        "[[auth.shared_secret]]\nid = \"a\"\nsecret_file = \"good.secret\"\n\
         [[listener]]\naddress = \"192.0.2.1:3478\"\n{more}"
    )
}

#[test]
fn a_small_configuration_is_good() {
    let folder = Folder::new(&with(""));
    let loaded = folder.load_with(&[], &[]).unwrap();
    assert!(loaded.warnings.is_empty());
    assert_eq!(loaded.config.relay_addresses()[0].bind.to_string(), "192.0.2.1");
    assert!(loaded.secrets.credentials.secrets.by_id("a").is_some());
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    // `with` has five lines: what is added begins on the sixth.
    let cases: &[(&str, &str)] = &[
        (
            "workers = 3",
            "tern.toml:6:1: error: unknown key `workers` in [listener]; known are: address, alternate_domain, alternate_servers, certificate_file, dscp, key_file, proxy_protocol_from, realm, redirect, stream_dscp, transports",
        ),
        ("realmm = \"x\"", "tern.toml:6:1: error: unknown key `realmm` in [listener]; did you mean `realm`?"),
        (
            "[limit]\nx = 1",
            "tern.toml:6:2: error: unknown key `limit` at the top level; did you mean `limits`?",
        ),
        (
            "[limits]\n  max_lifetim = \"1h\"",
            "tern.toml:7:3: error: unknown key `max_lifetim` in [limits]; did you mean `max_lifetime`?",
        ),
        (
            "[limits]\nmax_lifetime = \"soon\"",
            "tern.toml:7:16: error: limits.max_lifetime: expected a length of time such as \"90s\", \"10m\" or \"1h\", found \"soon\"",
        ),
        (
            "[limits]\nmax_lifetime = \"1m\"",
            "tern.toml:7:16: error: limits.max_lifetime: 1m is less than default_lifetime, 10m",
        ),
        (
            "[limits]\nmax_allocations = \"many\"",
            "tern.toml:7:19: error: limits.max_allocations: expected a number from 0 to 4294967295, found \"many\"",
        ),
        (
            "[limits]\nbandwidth_per_user = 20",
            "tern.toml:7:22: error: limits.bandwidth_per_user: expected a bit rate of at least 8 kbit/s, such as \"512 kbit/s\" or \"20 Mbit/s\", found 20",
        ),
        (
            "[server]\nworkers = 65",
            "tern.toml:7:11: error: server.workers: expected a number from 0 to 64, found 65",
        ),
        (
            "[server]\nworkers = -1",
            "tern.toml:7:11: error: server.workers: expected a number from 0 to 64, found -1",
        ),
        (
            "[relay]\nports = \"1-2-3\"",
            "tern.toml:7:9: error: relay.ports: expected a range of ports from low to high, such as \"49152-65535\", found \"1-2-3\"",
        ),
        (
            "[relay]\nports = \"3000-4000\"",
            "tern.toml:7:9: error: relay.ports: 3000-4000 covers the listener on 192.0.2.1:3478; choose a range without port 3478",
        ),
        (
            "[relay]\nports = \"50000-50009\"",
            "tern.toml:7:9: warning: relay.ports: 50000-50009 has few ports: that is how many calls there can be per address",
        ),
        (
            "[relay]\naddresses = [\"192.0.2.1\", \"192.0.2.1\"]",
            "tern.toml:7:13: error: relay.addresses: 192.0.2.1 is there twice",
        ),
        (
            "[relay]\naddresses = [\"192.0.2.1\", 5]",
            "tern.toml:7:27: error: relay.addresses: expected an address such as \"192.0.2.1\", or { bind = \"10.0.0.5\", external = \"192.0.2.1\" } behind a 1:1 NAT, found 5",
        ),
        ("[relay]\ntcp = 1", "tern.toml:7:7: error: relay.tcp: expected true or false, found 1"),
        (
            "[[listener]]\naddress = \"0.0.0.0:3478\"\n[relay]\naddresses = \"192.0.2.1\"",
            "tern.toml:7:11: error: listener.address: 0.0.0.0:3478 overlaps the listener on 192.0.2.1:3478 (tern.toml:5:11): both want its UDP socket; give one another port, or put all transports into one [[listener]]",
        ),
        (
            "[[listener]]\naddress = \"0.0.0.0:3479\"",
            "tern.toml: error: relay.addresses: is missing: with a listener on every address, say which one relayed addresses are taken from",
        ),
        (
            "[[listener]]\naddress = \"0.0.0.0\"",
            "tern.toml:7:11: error: listener.address: expected an address with a port, such as \"192.0.2.1:3478\" or \"[2001:db8::1]:3478\", found \"0.0.0.0\"",
        ),
        (
            "[[listener]]\nrealm = \"x\"",
            "tern.toml:6:1: error: listener.address is missing: expected an address with a port, such as \"192.0.2.1:3478\" or \"[2001:db8::1]:3478\"",
        ),
        (
            "[[listener]]\naddress = \"192.0.2.1:5349\"\ntransports = [\"tls\"]",
            "tern.toml:8:14: error: listener.transports: tls and dtls need certificate_file and key_file; `tern certs dev` makes a pair for development",
        ),
        (
            "transports = [\"udp\", \"quic\"]",
            "tern.toml:6:22: error: listener.transports: expected a transport: \"udp\", \"tcp\", \"tls\" or \"dtls\", found \"quic\"",
        ),
        (
            "transports = []",
            "tern.toml:6:14: error: listener.transports: expected at least one of \"udp\", \"tcp\", \"tls\", \"dtls\"",
        ),
        (
            "redirect = \"always\"",
            "tern.toml:6:12: error: listener.redirect: \"always\" needs alternate_servers to send the clients to",
        ),
        (
            "certificate_file = \"cert.pem\"",
            "tern.toml:6:20: error: listener.certificate_file: key_file is missing: the private key of this certificate",
        ),
        ("[auth]\nusers_file = \"users\"", "users:1:1: error: "),
        (
            "[auth]\nusers_file = \"nobody\"",
            "tern.toml:7:14: error: nobody cannot be read: No such file or directory (os error 2)",
        ),
        (
            "[auth]\nnonce_lifetime = \"1s\"",
            "tern.toml:7:18: error: auth.nonce_lifetime: expected from 1m to 1d",
        ),
        (
            "[[auth.shared_secret]]\nid = \"b\"\nsecret_file = \"short.secret\"",
            "tern.toml:8:15: error: short.secret has 10 bytes, but at least 16 are needed; `openssl rand -hex 32` makes good ones",
        ),
        (
            "[[auth.shared_secret]]\nid = \"b\"\nsecret_file = \"empty.secret\"",
            "tern.toml:8:15: error: empty.secret is empty, but at least 16 are needed; `openssl rand -hex 32` makes good ones",
        ),
        (
            "[[auth.shared_secret]]\nid = \"b\"\nsecret_file = \"open.secret\"",
            "tern.toml:8:15: warning: open.secret can be read by every user of this machine; `chmod o-rwx open.secret`",
        ),
        (
            "[[auth.shared_secret]]\nid = \"b\"\nsecret = \"hunter2\"",
            "tern.toml:6:1: error: auth.shared_secret.secret_file is missing: expected the path of a file\ntern.toml:8:1: error: unknown key `secret` in [auth.shared_secret]; did you mean `secret_file`?",
        ),
        (
            "[auth.oauth_key]\nid = \"b\"",
            "tern.toml:6:1: error: expected [[auth.oauth_key]] with two brackets: there can be several",
        ),
        (
            "[[auth.oauth_key]]\nid = \"b\"\nkey_file = \"k\"\nnot_before = 2026-07-02T00:00:00Z\nnot_after = 2026-07-01T00:00:00Z",
            "tern.toml:6:1: error: auth.oauth_key: needs auth.oauth_server_name, the name that tokens are issued for\n\
             tern.toml:10:13: error: auth.oauth_key.not_after: lies before not_before: it would never be accepted",
        ),
        (
            "[peers]\nallow = [\"10.0.0.0/33\"]",
            "tern.toml:7:10: error: peers.allow: expected an address or a range of addresses such as \"10.0.0.0/8\", found \"10.0.0.0/33\"",
        ),
        (
            "[media]\ndscp = 64",
            "tern.toml:7:8: error: media.dscp: expected \"copy\", a DSCP (0 to 63, or a name such as \"EF\" or \"AF41\"), or a table such as { EF = \"AF41\", default = \"copy\" }, found 64",
        ),
        (
            "[media]\ndscp = { EF = 34, 64 = 0, AF41 = \"gold\" }",
            "tern.toml:7:19: error: media.dscp.64: expected \"default\" or a DSCP: a name such as \"EF\" or \"AF41\", or a number from 0 to 63 before the =\n\
             tern.toml:7:34: error: media.dscp.AF41: expected \"copy\" or a DSCP: a name such as \"EF\" or \"AF41\", or a number from 0 to 63; found \"gold\"",
        ),
        (
            "[nat_discovery]\naddresses = [\"192.0.2.1\"]",
            "tern.toml:7:13: error: nat_discovery.addresses: expected two addresses: RFC 5780 answers from either",
        ),
        (
            "[nat_discovery]\naddresses = [\"192.0.2.1\", \"0.0.0.0\"]",
            "tern.toml:7:13: error: nat_discovery.addresses: expected two addresses of this machine, not a wildcard",
        ),
        (
            "[[listener]]\naddress = \"0.0.0.0:3479\"\n[relay]\naddresses = [\"192.0.2.1\"]\n[nat_discovery]\naddresses = [\"192.0.2.1\", \"192.0.2.2\"]",
            "tern.toml:7:11: error: listener.address: with [nat_discovery] on port 3479, name the addresses one by one instead of 0.0.0.0",
        ),
        (
            "transports = [\"dtls\"]\ncertificate_file = \"c\"\nkey_file = \"k\"\n[nat_discovery]\naddresses = [\"192.0.2.1\", \"192.0.2.2\"]",
            "tern.toml:5:11: error: listener.transports: [nat_discovery] on 192.0.2.1:3478 needs \"udp\" among them\n\
             tern.toml:7:20: error: certificate chain c: No such file or directory (os error 2); check the path and that the relay's user may read it",
        ),
        (
            "transports = [\"tcp\"]\n[nat_discovery]\naddresses = [\"192.0.2.1\", \"192.0.2.2\"]\nports = [3478, 50000]",
            "tern.toml:9:9: error: nat_discovery.ports: 50000 is among relay.ports (49152-65535) on 192.0.2.1; choose another",
        ),
        (
            "[metrics]\naddress = \"127.0.0.1\"",
            "tern.toml:7:11: error: metrics.address: expected an address with a port, such as \"192.0.2.1:3478\" or \"[2001:db8::1]:3478\", found \"127.0.0.1\"",
        ),
        (
            "[metrics]\naddress = \"0.0.0.0:3478\"",
            "tern.toml:7:11: error: metrics.address: 0.0.0.0:3478 overlaps the listener on 192.0.2.1:3478 (tern.toml:5:11): both want its TCP socket; choose another port",
        ),
        (
            "[log]\nlevel = \"loud\"",
            "tern.toml:7:9: error: log.level: expected a level: \"error\", \"warn\", \"info\", \"debug\" or \"trace\", found \"loud\"",
        ),
        (
            "[quality]\njitter_buffer = \"50ms\"",
            "tern.toml:7:17: error: quality.jitter_buffer: expected \"40ms\", \"60ms\", \"100ms\" or \"200ms\", found \"50ms\"",
        ),
        (
            "[quality]\nexpected_dscp = \"AF44\"",
            "tern.toml:7:17: error: quality.expected_dscp: expected a DSCP: a name such as \"EF\" or \"AF41\", or a number from 0 to 63, found \"AF44\"",
        ),
        ("[quality]\nhistory = \"2h\"", "tern.toml:7:11: error: quality.history: expected at most 1h"),
        (
            "[quality]\nrecords = true",
            "tern.toml:7:11: error: quality.records: expected \"log\", \"off\" or the path of a file, found true",
        ),
        (
            "[[quality.codec]]\npayload_type = 109",
            "tern.toml:6:1: error: quality.codec.name is missing: expected text in quotes",
        ),
        (
            "[[quality.codec]]\npayload_type = 72\nname = \"opus\"",
            "tern.toml:7:16: error: quality.codec.payload_type: 64 to 95 look like RTCP on a shared port (RFC 5761): no WebRTC client uses them",
        ),
        (
            "[[quality.codec]]\npayload_type = 109\nname = \"opsu\"",
            "tern.toml:6:1: error: quality.codec.media: is missing, and no codec \"opsu\" is known; did you mean `opus`? Else say what it carries: \"audio\", \"video\" or \"other\"",
        ),
        (
            "[[quality.codec]]\npayload_type = 109\nname = \"Opus\"",
            "tern.toml:8:8: error: quality.codec.name: expected 1 to 32 of a-z, 0-9, dot, dash and underscore, such as \"opus\"",
        ),
        (
            "[[quality.codec]]\npayload_type = 9\nname = \"g722\"\nie = 13",
            "tern.toml:6:1: error: quality.codec.model: is missing: a rating needs model, ie and bpl, all three",
        ),
        (
            "[[quality.codec]]\npayload_type = 9\nname = \"opus\"\nbpl = 0",
            "tern.toml:9:7: error: quality.codec.bpl: expected a number from 0.1 to 100, found 0",
        ),
        (
            "[[quality.codec]]\npayload_type = 96\nname = \"vp8\"\nmodel = \"g107\"\nie = 1\nbpl = 4.5",
            "tern.toml:6:1: error: quality.codec.media: only audio can be rated: leave out model, ie and bpl",
        ),
        (
            "[[quality.codec]]\npayload_type = 109\nname = \"opus\"\n[[quality.codec]]\npayload_type = 109\nname = \"pcmu\"",
            "tern.toml:6:1: error: quality.codec: payload_type 109 stands twice",
        ),
        (
            "[[quality.codec]]\npayload_type = 109\nname = \"opus\"\nframe = \"2s\"",
            "tern.toml:9:9: error: quality.codec.frame: expected at most 200ms",
        ),
        (
            "[admin]\ngroup = \"nobody-has-this\"",
            "tern.toml:7:9: error: admin.group: expected the name of a group in /etc/group, or its number, found \"nobody-has-this\"",
        ),
        (
            "[announce]\nprefixes = [\"10.99.0.1/24\"]",
            "tern.toml:7:13: error: announce.prefixes: expected a prefix without bits beyond its length, such as \"10.99.0.1/32\" or \"2001:db8::/48\", found \"10.99.0.1/24\"",
        ),
        (
            "[announce.healthy]\nmed = -1\n[announce.degraded]\ncommunities = [\"65536:1\"]",
            "tern.toml:7:7: error: announce.healthy.med: expected a number from 0 to 4294967295, or \"none\", found -1\n\
             tern.toml:9:16: error: announce.degraded.communities: expected a community such as \"64512:100\", or \"graceful-shutdown\", \"no-export\" or \"no-advertise\", found \"65536:1\"",
        ),
        (
            "[announce.drained]\nmed = 1",
            "tern.toml:6:11: error: unknown key `drained` in [announce]; did you mean `draining`?",
        ),
        (
            "[[bgp.neighbor]]\naddress = \"192.0.2.9\"\nasn = 64600",
            "tern.toml:6:3: error: bgp.asn: is missing: the number of our autonomous system, such as 64512; one for all relays\n\
             tern.toml:6:3: error: bgp.router_id: is missing: an IPv4 address that is this relay's alone, such as its own\n\
             tern.toml:7:11: warning: bgp.neighbor: 192.0.2.9 is told of no prefix; list some in announce.prefixes, and their families in families",
        ),
        (
            "[health]\ndown_at = 0",
            "tern.toml:7:11: error: health.down_at: expected a number from 1 to 65535, found 0",
        ),
        (
            "[health.load]\nbusy = 0\nfree = 1",
            "tern.toml:7:8: error: health.load.busy: expected a number from 1 to 100, found 0\n\
             tern.toml:8:1: error: unknown key `free` in [health.load]; known are: busy, enabled, fall, fast_interval, interval, rise, timeout, weight",
        ),
        (
            "[health.quality]\nmos = 3",
            "tern.toml:7:7: error: health.quality.mos: expected one of the limits of G.109: 2.58, 3.1, 3.6, 4.03 or 4.34, found 3",
        ),
        (
            "[[health.check]]\nname = \"x\"\ncommand = \"check\"",
            "tern.toml:8:11: error: health.check.command: expected the whole path of a program first, such as [\"/usr/local/bin/check\", \"-v\"]",
        ),
        (
            "[[health.check]]\nname = \"x\"",
            "tern.toml:6:1: error: health.check.command: expected either command = [\"/path\", \"argument\"] or file = \"/path\"",
        ),
        (
            "[[health.check]]\nname = \"workers\"\nfile = \"/y\"",
            "tern.toml:7:8: error: health.check.name: \"workers\" is the name of a check that the relay brings along; choose another",
        ),
        (
            "[announce]\nprefixes = [\"192.0.2.1/24\"]\n[bgp]\nasn = 64512\nrouter_id = \"192.0.2.1\"\n[[bgp.neighbor]]\naddress = \"192.0.2.9\"\nasn = 64600\nprefixes = [\"192.0.2.0/24\"]",
            "tern.toml:7:13: error: announce.prefixes: expected a prefix without bits beyond its length, such as \"10.99.0.1/32\" or \"2001:db8::/48\", found \"192.0.2.1/24\"",
        ),
        (
            "[rpki]\ncaches = [\"rpki.example.org\"]",
            "tern.toml:7:10: error: rpki.caches: expected a host and a port such as \"rpki.example.org:3323\" or \"[2001:db8::1]:3323\", found \"rpki.example.org\"",
        ),
        (
            "[bgp]\nlisten = [\"0.0.0.0:3478\"]",
            "tern.toml:7:10: error: bgp.listen: 0.0.0.0:3478 overlaps the listener on 192.0.2.1:3478 (tern.toml:5:11): both want its TCP socket; choose another port",
        ),
        (
            "[streams]\nidle_timeout = \"0s\"",
            "tern.toml:7:16: error: streams.idle_timeout: expected more than zero",
        ),
    ];
    for (more, expected) in cases {
        let found = Folder::new(&with(more)).problems();
        if expected.ends_with(": ") {
            assert!(found.starts_with(expected), "{more}\n{found}");
        } else {
            assert_eq!(&found, expected, "{more}");
        }
    }
}

/// What is wrong with a neighbor that has `more`.
fn neighbor_problems(more: &str) -> String {
    let text = with(&format!(
        "[announce]\nprefixes = [\"192.0.2.1/32\"]\n[bgp]\nasn = 64512\nrouter_id = \"192.0.2.1\"\n\
         [[bgp.neighbor]]\naddress = \"192.0.2.9\"\nasn = 64600\n{more}"
    ));
    let folder = Folder::new(&text);
    folder.write("long.password", &"x".repeat(81), 0o600);
    folder.write("spaced.password", "correct horse\n", 0o600);
    folder.problems()
}

#[test]
fn what_is_wrong_with_a_neighbor_is_said_with_its_place() {
    assert_eq!(neighbor_problems(""), "");
    // What is added begins on line 14; the address stands on 12.
    let cases: &[(&str, &str)] = &[
        (
            "hold_time = \"2s\"",
            "tern.toml:14:13: error: bgp.neighbor.hold_time: expected 3s to 65535s in whole seconds, or 0s for none",
        ),
        (
            "send_hold = \"30s\"",
            "tern.toml:14:13: error: bgp.neighbor.send_hold: expected more than hold_time, which is 1m, and at most 1d",
        ),
        (
            "gtsm = 1\nttl = 64",
            "tern.toml:15:7: error: bgp.neighbor.ttl: leave it out: with gtsm it is 255 at both ends",
        ),
        (
            "local_address = \"2001:db8::1\"",
            "tern.toml:14:17: error: bgp.neighbor.local_address: 2001:db8::1 is of another family than 192.0.2.9",
        ),
        (
            "passive = true",
            "tern.toml:8:1: error: bgp.listen: is missing: a passive neighbor connects to us, such as to \"0.0.0.0:179\"",
        ),
        (
            "password_file = \"long.password\"",
            "tern.toml:14:17: error: long.password holds no password of a BGP session: expected 1 to 80 printable ASCII characters",
        ),
        (
            "password_file = \"spaced.password\"",
            "tern.toml:14:17: error: spaced.password holds no password of a BGP session: expected 1 to 80 printable ASCII characters",
        ),
        (
            "password_file = \"empty.secret\"",
            "tern.toml:14:17: error: empty.secret is empty: write the password into it that the router has for this session, or leave password_file out if it has none",
        ),
        // One mistake is told once, whatever is missing for it.
        (
            "prefixes = [\"192.0.2.1/24\"]",
            "tern.toml:14:13: error: bgp.neighbor.prefixes: expected a prefix without bits beyond its length, such as \"10.99.0.1/32\" or \"2001:db8::/48\", found \"192.0.2.1/24\"",
        ),
        (
            "families = [\"ipv5\"]",
            "tern.toml:14:13: error: bgp.neighbor.families: expected \"ipv4\" or \"ipv6\", found \"ipv5\"",
        ),
        (
            "prefixes = [\"192.0.2.2/32\"]",
            "tern.toml:7:12: warning: announce.prefix: 192.0.2.1/32 is announced to nobody; no neighbor has ipv4 among its families and this prefix among its prefixes\n\
             tern.toml:12:11: error: bgp.neighbor.prefixes: 192.0.2.2/32 is not among announce.prefixes\n\
             tern.toml:12:11: warning: bgp.neighbor: 192.0.2.9 is told of no prefix; list some in announce.prefixes, and their families in families",
        ),
        (
            "[[bgp.neighbor]]\naddress = \"192.0.2.9\"\nname = \"b\"\nasn = 64512",
            "tern.toml:15:11: error: bgp.neighbor.asn: 64512 is our own number: the session would be an internal one, which would carry no MED between regions; give the relays a number of their own\n\
             tern.toml:15:11: error: bgp.neighbor.address: 192.0.2.9 is there twice",
        ),
        (
            "[[bgp.neighbor]]\naddress = \"2001:db8::9\"\nasn = 64600\nfamilies = [\"ipv4\"]",
            "tern.toml:15:11: error: bgp.neighbor.next_hop: 192.0.2.1/32 goes over a session of the other family, to 2001:db8::9, and no next_hop says where its packets shall go; write an ipv4 address of this relay",
        ),
        (
            "bfd = { transmit = \"1ms\", multiplyer = 3 }",
            "tern.toml:14:20: error: bgp.neighbor.bfd.transmit: expected from 10ms to 1m\n\
             tern.toml:14:27: error: unknown key `multiplyer` in [bgp.neighbor.bfd]; did you mean `multiplier`?",
        ),
        (
            "graceful_restart = \"15s\"",
            "tern.toml:14:20: warning: bgp.neighbor.graceful_restart: the routes of a relay that has died stay that long, and so do lost calls",
        ),
        (
            "next_hop = [\"192.0.2.7\", \"2001:db8::7\"]",
            "tern.toml:14:12: warning: bgp.neighbor.next_hop: 2001:db8::7 is used for nothing: 192.0.2.9 is not told of an ipv6 prefix",
        ),
        (
            "[bgp.neighbor.draining]\nnext_hop = \"2001:db8::7\"",
            "tern.toml:15:12: warning: bgp.neighbor.draining.next_hop: 2001:db8::7 is used for nothing: 192.0.2.9 is not told of an ipv6 prefix",
        ),
        (
            "[announce.degraded]\nnext_hop = \"2001:db8::7\"",
            "tern.toml:15:12: warning: announce.degraded.next_hop: 2001:db8::7 is used for nothing: no neighbor is told of an ipv6 prefix",
        ),
        (
            "[[announce.prefix]]\nprefix = \"192.0.2.0/31\"\nnext_hop = \"2001:db8::7\"",
            "tern.toml:16:12: warning: announce.prefix.next_hop: 2001:db8::7 is used for nothing: 192.0.2.0/31 is not an ipv6 prefix",
        ),
        ("[[announce.prefix]]\nprefix = \"192.0.2.0/31\"\nnext_hop = \"192.0.2.7\"", ""),
        (
            "role_strict = true",
            "tern.toml:14:15: error: bgp.neighbor.role_strict: needs role: the neighbor's is judged by ours",
        ),
    ];
    for (more, expected) in cases {
        assert_eq!(&neighbor_problems(more), expected, "{more}");
    }
}

#[test]
fn a_neighbor_stands_above_a_prefix_and_a_prefix_above_all() {
    use crate::announce::policy::NextHop;

    let more = "[announce.healthy]\nmed = 1\nprepend = 1\nnext_hop = [\"192.0.2.1\", \"2001:db8::1\"]\n\
                [announce.draining]\nannounce = false\n\
                [[announce.prefix]]\nprefix = \"192.0.2.1/32\"\nnext_hop = \"192.0.2.2\"\n\
                [announce.prefix.healthy]\nmed = 2\ncommunities = [\"64512:2\"]\n\
                [[announce.prefix]]\nprefix = \"2001:db8::1/128\"\n\
                [bgp]\nasn = 64512\nrouter_id = \"192.0.2.1\"\n\
                [[bgp.neighbor]]\nname = \"a\"\naddress = \"192.0.2.9\"\nasn = 64600\n\
                [bgp.neighbor.healthy]\nmed = \"none\"\n\
                [bgp.neighbor.draining]\nannounce = true\n\
                [[bgp.neighbor]]\nname = \"b\"\naddress = \"192.0.2.10\"\nasn = 64600\nfamilies = [\"ipv4\", \"ipv6\"]\n";
    let config = Folder::new(&with(more)).load_with(&[], &["announce.takeover.med=5"]).unwrap_err();
    // On every rung but one the IPv6 prefix would go out without a next hop.
    assert!(
        config.to_string().contains("2001:db8::1/128 goes over a session of the other family, to b"),
        "{config}"
    );
    let more = more.replace(
        "families = [\"ipv4\", \"ipv6\"]",
        "next_hop = [\"2001:db8::2\"]\nfamilies = [\"ipv4\", \"ipv6\"]",
    );
    let config = Folder::new(&with(&more)).load_with(&[], &["announce.takeover.med=5"]).unwrap().config;
    let settings = config.bgp_settings();
    let [first, second] = settings.neighbors.as_slice() else { panic!("{settings:?}") };
    let [to_first] = first.exports.as_slice() else { panic!("{first:?}") };
    let healthy = to_first.ladder.healthy.as_ref().unwrap();
    assert_eq!((healthy.med, healthy.prepend), (None, 1));
    assert_eq!(healthy.communities[0].to_string(), "64512:2");
    assert_eq!(healthy.next_hop, NextHop::Address("192.0.2.2".parse().unwrap()));
    assert_eq!(to_first.ladder.takeover.as_ref().unwrap().med, Some(5));
    let draining = to_first.ladder.draining.as_ref().unwrap();
    assert_eq!((draining.med, draining.communities[0].to_string().as_str()), (Some(40_800), "65535:0"));
    let [v4, v6] = second.exports.as_slice() else { panic!("{second:?}") };
    assert_eq!(v4.ladder.healthy.as_ref().unwrap().med, Some(2));
    assert_eq!(v4.ladder.draining, None);
    let healthy = v6.ladder.healthy.as_ref().unwrap();
    assert_eq!((healthy.med, healthy.next_hop), (Some(1), NextHop::Address("2001:db8::2".parse().unwrap())));
}

#[test]
fn a_mistake_in_the_notation_has_its_place_too() {
    let found = Folder::new("[server\nworkers = 1\n").problems();
    assert!(found.starts_with("tern.toml:1:8: error: "), "{found}");
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let text = "[server]\nworkers = 99\n[limits]\nmax_channels = 0\nx = 1\n";
    let found = Folder::new(text).problems();
    assert_eq!(found.lines().filter(|line| line.contains(": error: ")).count(), 5, "{found}");
    assert!(found.contains("listener: there is none: add [[listener]]"), "{found}");
    assert!(found.contains("auth: nobody could authenticate"), "{found}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let problems =
        load(&Sources { file: Some("/nowhere/tern.toml".into()), ..Sources::default() }).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "/nowhere/tern.toml: error: cannot be read: No such file or directory (os error 2)"
    );
}

#[test]
fn the_command_line_wins_over_the_environment_over_the_file_over_the_default() {
    let folder = Folder::new(&with("[limits]\nmax_channels = 2\nmax_permissions = 2\nmax_connections = 2\n"));
    let env =
        [("TERN__LIMITS__MAX_PERMISSIONS", "3"), ("TERN__LIMITS__MAX_CONNECTIONS", "3"), ("PATH", "/bin")];
    let limits = folder.load_with(&env, &["limits.max_connections=4"]).unwrap().config.limits;
    assert_eq!(limits.max_allocations_per_user, Limits::default().max_allocations_per_user);
    assert_eq!((limits.max_channels, limits.max_permissions, limits.max_connections), (2, 3, 4));
}

#[test]
fn the_environment_reaches_every_kind_of_value() {
    let folder = Folder::new(&with(""));
    let env = [
        ("TERN__RELAY__TCP", "false"),
        ("TERN__RELAY__ADDRESSES", "192.0.2.8, 192.0.2.9"),
        ("TERN__PEERS__ALLOW", "[\"10.0.0.0/8\"]"),
        ("TERN__LISTENER__0__REALM", "12345"),
        ("TERN__LISTENER__1__ADDRESS", "192.0.2.1:3480"),
        ("TERN__LIMITS__BANDWIDTH_PER_USER", "5 Mbit/s"),
        ("TERN__AUTH__SHARED_SECRET__0__NOT_AFTER", "2100-01-01T00:00:00Z"),
    ];
    let config = folder.load_with(&env, &[]).unwrap().config;
    assert!(!config.relay.tcp);
    assert_eq!(config.relay.addresses.len(), 2);
    assert_eq!(config.peers.allow[0].to_string(), "10.0.0.0/8");
    assert_eq!(config.listener[0].realm.as_deref(), Some("12345"));
    assert_eq!(config.listener[1].address.to_string(), "192.0.2.1:3480");
    assert_eq!(config.limits.bandwidth_per_user, Some(BitRate(5_000_000)));
    assert_eq!(config.auth.shared_secret[0].not_after, Some(Moment(UnixTime(4_102_444_800))));
}

#[test]
fn mistakes_outside_the_file_name_the_variable_and_the_argument() {
    let folder = Folder::new(&with(""));
    let env = [("TERN__LIMITS__MAX_CHANEL", "3"), ("TERN__LISTENER__7__REALM", "x")];
    let problems = folder.load_with(&env, &["server.workers=lots", "nonsense"]).unwrap_err().to_string();
    assert_eq!(
        problems,
        "environment TERN__LIMITS__MAX_CHANEL: error: unknown key `max_chanel` in [limits]; did you mean `max_channels`?\n\
         environment TERN__LISTENER__7__REALM: error: expected a number from 0 to 1 (the next free one) in place of `7`\n\
         argument --set nonsense: error: expected SECTION.KEY=VALUE, such as limits.max_allocations=1000\n\
         argument --set server.workers=lots: error: server.workers: expected a number from 0 to 64, found \"lots\""
    );
}

#[test]
fn secrets_that_systemd_has_loaded_come_first() {
    let folder = Folder::new(&with("").replace("good.secret", "loaded"));
    let loaded = tempfile::tempdir().unwrap();
    let path = loaded.path().join("loaded");
    std::fs::write(&path, "0123456789abcdef").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
    assert!(folder.load_with(&[], &[]).is_err());
    let directory = loaded.path().display().to_string();
    assert!(folder.load_with(&[("CREDENTIALS_DIRECTORY", &directory)], &[]).is_ok());
}

#[test]
fn the_effective_configuration_reads_back_as_itself() {
    let more = "realm = \"r\"\ndscp = { 46 = 34 }\n[relay]\naddresses = [\"192.0.2.1\", { bind = \"10.0.0.1\", external = \"192.0.2.2\" }]\n\
                [limits]\nbandwidth_per_user = \"3 Mbit/s\"\n[media]\ndscp = 46\n\
                stream_dscp = { ef = \"copy\", 34 = \"AF42\", default = 0 }\n[nat_discovery]\n\
                addresses = [\"192.0.2.1\", \"192.0.2.3\"]\n[peers]\nallow = [\"10.0.0.0/8\"]\n[quality]\nrecords = \"calls\"\n\
                expected_dscp = 46\n[[quality.codec]]\npayload_type = 109\nname = \"opus\"\nie = 8\n[[quality.codec]]\n\
                payload_type = 100\nname = \"own\"\nmedia = \"other\"\n[announce]\nprefixes = [\"192.0.2.1/32\"]\n\
                on_down = \"last-resort\"\n[[announce.prefix]]\nprefix = \"10.0.0.0/24\"\nnext_hop = \"10.0.0.1\"\n\
                [announce.prefix.healthy]\nmed = \"none\"\n[health]\nrise = 5\ndamping = { reuse = 900 }\n[health.load]\n\
                busy = 80\n[[health.check]]\nname = \"x\"\nfile = \"/y\"\n[[health.hook]]\ncommand = [\"/z\"]\n[bgp]\n\
                asn = 64512\nrouter_id = \"10.0.0.1\"\n[[bgp.neighbor]]\naddress = \"10.0.0.2\"\nasn = 64600\nbfd = true\n\
                role = \"customer\"\ngtsm = 2\n[bgp.neighbor.degraded]\ncommunities = [\"no-export\"]\n[admin]\nsocket = \"off\"\n\
                group = 0\n[rpki]\ncaches = [\"[::1]:3323\"]";
    let folder = Folder::new(&with(more));
    let first = folder.load_with(&[], &[]).unwrap().config;
    folder.write("tern.toml", &first.to_toml(), 0o644);
    let second = folder.load_with(&[], &[]).unwrap().config;
    assert_eq!(diff(&first, &second), []);
    assert_eq!(first.to_toml(), second.to_toml());
}

fn example() -> &'static str {
    include_str!("../../tern.example.toml")
}

fn example_folder(text: &str) -> Folder {
    let folder = Folder::new(text);
    folder.write("rest-2026-07.secret", "0123456789abcdef0123456789abcdef", 0o600);
    folder
}

#[test]
fn the_example_is_good() {
    let loaded = example_folder(example()).load_with(&[], &[]).unwrap();
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
}

/// Lines of the example that show a key and its default.
fn is_default_line(line: &str) -> bool {
    line.starts_with('#') && line.get(1..2).is_some_and(|c| c != " " && c != "[") && line.contains(" = ")
}

#[test]
fn every_default_in_the_example_is_that_of_the_code() {
    // Keys without a default, and sections that are not there by default.
    const EXAMPLES_ONLY: &[&str] = &[
        "software",
        "realm = \"example.org\"",
        "alternate_domain",
        "address",
        "transports = [\"tls\"",
        "certificate_file",
        "key_file",
        "users_file",
        "oauth_server_name",
        "not_before",
        "not_after",
        "id",
        "algorithm",
        "bandwidth_per",
        "ports = [3478",
        "expected_dscp",
        "payload_type",
        "name",
        "media = ",
        "role",
        "clock_rate",
        "model",
        "basis",
        "ie",
        "bpl",
        "frame",
        "lookahead",
        "sessions =",
        "bandwidth = ",
        "packets =",
        "prefixes",
        "prefix =",
        "next_hop",
        "announce = false",
        "per_second",
        "command",
        "file",
        "present",
        "timeout = \"10s\"",
        "asn",
        "router_id",
        "port = ",
        "local_address",
        "password_file",
        "passive",
        "shutdown = ",
        "hold_time",
        "connect_retry",
        "send_hold",
        "user_timeout",
        "ttl",
        "gtsm",
        "families",
        "max_prefixes",
        "graceful_restart",
        "bfd = ",
        "caches",
        "origin",
        "group",
        "viewers",
        "listen = [\"",
        "client_ca_file",
        "token_file",
    ];
    let plain = example_folder(example()).load_with(&[], &[]).unwrap().config;
    let spelled: Vec<&str> = example()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(text) if is_default_line(line) && !EXAMPLES_ONLY.iter().any(|key| text.starts_with(key)) => {
                text
            }
            Some(_) | None => line,
        })
        .collect();
    let spelled = example_folder(&spelled.join("\n")).load_with(&[], &[]).unwrap().config;
    assert_eq!(diff(&plain, &spelled), []);
}

/// Its neighbor, checks and prefixes are comments, and must be good all the same.
#[test]
fn what_the_example_says_of_announcements_is_good() {
    let lines = example().lines().map(|line| match line.strip_prefix('#') {
        Some(text) if text.starts_with("gtsm") => line,
        Some(text) if is_default_line(line) || text.starts_with('[') => text,
        Some(_) | None => line,
    });
    let all: Vec<_> = lines.collect();
    let begin = all.iter().position(|line| *line == "[announce]").unwrap();
    let end = all.iter().position(|line| line.starts_with("# Where operators ask")).unwrap();
    let folder = Folder::new(&with(&all[begin..end].join("\n")));
    folder.write("bgp-cloud-a.password", "correct-horse\r\n", 0o600);
    let loaded = folder.load_with(&[], &[]).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.config.bgp.neighbor.len(), 1);
    assert_eq!(loaded.config.announce.prefix.len(), 2);
    assert_eq!(loaded.secrets.passwords[0], Some(Password(Box::from(*b"correct-horse"))));
}

#[test]
fn the_example_has_every_key() {
    fn keys(value: &serde_json::Value, into: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(map) => {
                for (key, value) in map {
                    into.push(key.clone());
                    keys(value, into);
                }
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| keys(item, into)),
            serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Number(_)
            | serde_json::Value::String(_) => {}
        }
    }
    let config = example_folder(example()).load_with(&[], &[]).unwrap().config;
    let mut all = Vec::new();
    keys(&serde_json::to_value(config).unwrap(), &mut all);
    for key in all {
        let is_there = example().lines().any(|line| {
            let line = line
                .trim_start_matches('#')
                .trim_start_matches('[')
                .trim_start_matches("auth.")
                .trim_start_matches("quality.")
                .trim_start_matches("announce.")
                .trim_start_matches("health.");
            line.strip_prefix(key.as_str()).is_some_and(|rest| rest.starts_with([' ', ']']))
                || line.contains(&format!(" {key} = "))
        });
        assert!(is_there, "{key} is not in tern.example.toml");
    }
}

#[test]
fn settings_follow_the_configuration() {
    let more = "proxy_protocol_from = [\"10.0.0.0/8\"]\n[limits]\nbandwidth_per_allocation = \"8 Mbit/s\"\n[nat_discovery]\n\
                addresses = [\"192.0.2.1\", { bind = \"10.0.0.9\", external = \"192.0.2.9\" }]\nports = [3478, 3500]";
    let loaded = Folder::new(&with(more)).load_with(&[], &[]).unwrap();
    let process = Process {
        nonce_key: FleetKey::derive(b"of a test"),
        seed: 1,
        addresses: Vec::new(),
        protected: Vec::new(),
        probe: Probe::default(),
    };
    let settings = loaded.config.settings(loaded.secrets, &process).unwrap();
    let addresses: Vec<_> = settings.worker.listeners.iter().map(|l| l.address.to_string()).collect();
    assert_eq!(addresses, ["192.0.2.1:3478", "192.0.2.1:3500", "10.0.0.9:3478", "10.0.0.9:3500"]);
    assert!(settings.worker.listeners[0].expects_proxy_header("10.1.1.1".parse().unwrap()));
    assert_eq!(settings.engine.listeners.len(), 4);
    let discovery = settings.engine.nat_discovery.unwrap();
    assert_eq!(discovery.sockets[1][1].0, 3);
    assert_eq!(discovery.addresses[1][1].to_string(), "192.0.2.9:3500");
    assert_eq!(settings.engine.limits.session_bandwidth.map(|rate| rate.bytes_per_second()), Some(1_000_000));
    assert_eq!(settings.engine.limits.quotas.per_user, Some(100));
    assert!(settings.workers >= 1);
}

fn quality(text: &str) -> Quality {
    Folder::new(&with(text)).load_with(&[], &[]).unwrap().config.quality
}

#[test]
fn a_codec_is_filled_in_from_what_is_known_of_its_name() {
    use crate::quality::codec::{Basis, Codec, Model};

    let quality = quality(
        "[[quality.codec]]\npayload_type = 109\nname = \"opus\"\n\
         [[quality.codec]]\npayload_type = 111\nname = \"opus\"\nframe = \"60ms\"\nbpl = 12\n\
         [[quality.codec]]\npayload_type = 9\nname = \"g722\"\nmodel = \"g107.1\"\nie = 13\nbpl = 5.5\n\
         [[quality.codec]]\npayload_type = 127\nname = \"red\"\nmedia = \"video\"\nclock_rate = 90000",
    );
    let codecs = quality.settings().unwrap().codecs;
    assert_eq!(codecs.codec(109), Codec::known("opus").as_ref());
    let opus = codecs.codec(111).unwrap();
    assert_eq!((opus.frame.as_millis(), opus.lookahead.as_micros()), (60, 6_500));
    let figures = opus.impairment.unwrap();
    assert_eq!((figures.basis, figures.ie, figures.bpl), (Basis::Proxy, 10.2, 12.0));
    let figures = codecs.codec(9).unwrap().impairment.unwrap();
    assert_eq!((figures.model, figures.basis, figures.ie), (Model::Wideband, Basis::Proxy, 13.0));
    let red = codecs.codec(127).unwrap();
    assert_eq!((red.role.name(), red.clock_rate, red.impairment), ("redundant", Some(90_000), None));
    assert!(red.frame.is_zero());
}

#[test]
fn figures_that_somebody_changed_are_no_longer_those_of_the_itu() {
    let basis = |more: &str| {
        let text = format!("[[quality.codec]]\npayload_type = 0\nname = \"pcmu\"\n{more}");
        quality(&text).codec[0].impairment.unwrap().basis.name()
    };
    assert_eq!(basis(""), "itu");
    assert_eq!(basis("frame = \"30ms\""), "itu");
    assert_eq!(basis("bpl = 4.3"), "proxy");
    assert_eq!(basis("bpl = 4.3\nbasis = \"itu\""), "itu");
}

#[test]
fn sessions_are_told_what_the_configuration_says() {
    let text = "[quality]\njitter_buffer = \"100ms\"\nexpected_dscp = \"EF\"\nhistory = \"10m\"";
    let settings = quality(text).settings().unwrap();
    assert_eq!(
        (settings.jitter_buffer.name(), settings.expected_dscp, settings.history),
        ("100ms", Some(46), 60)
    );
    assert_eq!(Quality::default().settings(), Some(crate::quality::Settings::default()));
    assert_eq!(quality("[quality]\nenabled = false").settings(), None);
    assert_eq!(quality("[quality]\nrecords = \"calls\"").records, Records::File("calls".into()));
}

#[test]
fn a_listener_may_mark_packets_its_own_way() {
    let more = "dscp = { EF = \"AF41\" }\n[media]\ndscp = \"ef\"\nstream_dscp = { default = 0, ef = \"copy\", 10 = \"LE\" }";
    let config = Folder::new(&with(more)).load_with(&[], &[]).unwrap().config;
    assert_eq!(config.media.dscp, DscpPolicy::Fixed(46));
    assert_eq!(config.media.stream_dscp, DscpPolicy::Map(DscpMap::new(Some(0), [(46, 46), (10, 1)])));
    assert_eq!(config.listener[0].dscp, Some(DscpPolicy::Map(DscpMap::new(None, [(46, 34)]))));
    assert_eq!(config.listener[0].stream_dscp, None);
}

#[test]
fn relative_paths_start_from_the_configuration() {
    let config = Config { base: "/etc/tern".into(), ..Config::default() };
    assert_eq!(config.resolve(Path::new("a.secret")), Path::new("/etc/tern/a.secret"));
    assert_eq!(config.resolve(Path::new("/run/a.secret")), Path::new("/run/a.secret"));
}

#[test]
fn whoever_may_ask_by_tcp_is_read_from_files() {
    let folder = Folder::new(&with(
        "[admin]\nlisten = \"127.0.0.1:9480\"\n[[admin.token]]\nid = \"a\"\nrole = \"viewer\"\ntoken_file = \"t\"\n",
    ));
    folder.write("t", &"x".repeat(31), 0o600);
    assert!(folder.problems().contains("at least 32"), "{}", folder.problems());
    folder.write("t", &format!("{}\n", "x".repeat(32)), 0o600);
    let loaded = folder.load_with(&[], &[]).unwrap_or_else(|problems| panic!("{problems}"));
    let expected = Token::new("a", Role::Viewer, "x".repeat(32).as_bytes());
    assert_eq!(loaded.secrets.tokens, [expected]);
    for (more, problem) in [
        ("[admin]\nlisten = \"192.0.2.1:9480\"", "with TLS only"),
        ("[admin]\nlisten = \"127.0.0.1:9480\"", "nobody could ask there"),
        ("[admin]\nlisten = \"127.0.0.1:0\"", "needs a port"),
        ("[admin]\n[[admin.client]]\nname = \"OU=a\"\nrole = \"viewer\"", "needs client_ca_file"),
        ("[admin]\n[[admin.client]]\nname = \"somebody\"\nrole = \"viewer\"", "expected one of OU="),
        ("[admin]\n[[admin.client]]\nname = \"OU=a\"\nrole = \"root\"", "expected a role"),
        ("[admin]\ncertificate_file = \"c\"", "belong together"),
        ("[admin]\nlisten = \"127.0.0.1:9478\"\n[metrics]\naddress = \"127.0.0.1:9478\"", "that of metrics"),
    ] {
        let found = Folder::new(&with(more)).problems();
        assert!(found.contains(problem), "{more}: {found}");
    }
}
