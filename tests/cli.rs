//! The real binary: exit codes, messages, credentials, certificates, signals.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "cli/doctor.rs"]
mod doctor;
#[path = "cli/probe.rs"]
mod probe;
#[path = "cli/remote.rs"]
mod remote;
#[path = "support/skip.rs"]
mod skip;

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use skip::{Missing, need};
use tempfile::TempDir;
use tern::config::{Sources, load};
use tern::time::UnixTime;

fn tern(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tern"));
    command.args(args).env_remove("CREDENTIALS_DIRECTORY").stdin(Stdio::null());
    // This machine's own relay, if it has one, keeps its socket.
    command.env("TERN__ADMIN__SOCKET", "off");
    command
}

/// Ends a command that ought to end by itself, should it not.
fn output(args: &[&str]) -> Output {
    let mut bounded = Command::new("timeout");
    bounded
        .args(["60", env!("CARGO_BIN_EXE_tern")])
        .args(args)
        .env_remove("CREDENTIALS_DIRECTORY")
        .env("TERN__ADMIN__SOCKET", "off")
        .stdin(Stdio::null());
    bounded.output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A folder with a good configuration on a free port.
struct Folder {
    dir: TempDir,
    port: u16,
}

const SECRET: &str = "0123456789abcdef0123456789abcdef";

impl Folder {
    fn new(more: &str) -> Self {
        let folder = Self { dir: tempfile::tempdir().unwrap(), port: free_port() };
        folder.write("rest.secret", SECRET, 0o600);
        folder.configure(more);
        folder
    }

    fn configure(&self, more: &str) {
        let port = self.port;
        let text = format!(
            "[[listener]]\naddress = \"127.0.0.1:{port}\"\n[[auth.shared_secret]]\nid = \"a\"\nsecret_file = \"rest.secret\"\n\
             [server]\nworkers = 1\n{more}"
        );
        self.write("tern.toml", &text, 0o644);
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        std::fs::write(self.path(name), text).unwrap();
        std::fs::set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

/// A port below the relay's range that was free a moment ago, for UDP and TCP, on loopback.
fn free_port() -> u16 {
    let start = 20_000 + u16::try_from(std::process::id() % 20_000).unwrap();
    static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);
    loop {
        let port = start + NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let address = ("127.0.0.1", port);
        if UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok() {
            return port;
        }
    }
}

/// A running relay, ended with the test.
struct Running {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
}

impl Running {
    fn start(args: &[&str]) -> Self {
        Self::spawn(&mut tern(args))
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log }
    }

    /// Reads the log until a line contains `text`.
    fn wait_for(&mut self, text: &str) -> String {
        let seen = self.wait_until(text);
        seen.lines().last().unwrap_or_default().to_owned()
    }

    /// The same, and all the lines before it too.
    fn wait_until(&mut self, text: &str) -> String {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.log.read_line(&mut line).unwrap(), 0, "the log ended without {text:?}:\n{seen}");
            seen.push_str(&line);
            if line.contains(text) {
                return seen;
            }
        }
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    fn end(&mut self) -> (Option<i32>, String) {
        self.signal("-TERM");
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let mut relay = Running::start(&["run", "--dev", "--json"]);
    relay.wait_for("the relay serves");
    // Three times as many lines as the pipe holds, or somewhat fewer: signals that come together are one.
    for _ in 0..1_500 {
        relay.signal("-USR1");
    }
    relay.signal("-TERM");
    assert_eq!(relay.child.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    relay.log.read_to_string(&mut rest).unwrap();
    assert!(rest.matches("a signal wants checks at once").count() > 100, "too few lines to block anything");
}

#[test]
fn help_and_version_are_no_errors_and_nonsense_is_usage() {
    let help = output(&["--help"]);
    assert_eq!(code(&help), 0);
    for line in ["78  the configuration is wrong", "69  the relay to talk to is not running", "75  busy"] {
        assert!(out(&help).contains(line), "{}", out(&help));
    }
    let version = output(&["--version"]);
    assert_eq!((code(&version), out(&version)), (0, format!("tern {}\n", env!("CARGO_PKG_VERSION"))));
    for args in [&["nonsense"] as &[&str], &["run"], &["run", "--config", "x", "--json"], &["credentials"]] {
        assert_eq!(code(&output(args)), 2, "{args:?}");
    }
}

#[test]
fn check_says_what_is_wrong_and_exits_with_78() {
    let folder = Folder::new("[limits]\nmax_chanels = 4\n");
    let path = folder.text("tern.toml");
    let failed = output(&["check", "--config", &path]);
    assert_eq!(code(&failed), 78);
    assert_eq!(
        err(&failed),
        format!("{path}:9:1: error: unknown key `max_chanels` in [limits]; did you mean `max_channels`?\n")
    );
    let failed = output(&["check", "--config", &path, "--json"]);
    let report: Value = serde_json::from_str(&out(&failed)).unwrap();
    assert_eq!(
        (code(&failed), &report["ok"], &report["problems"][0]["line"]),
        (78, &false.into(), &9.into())
    );
    assert_eq!(code(&output(&["run", "--config", &path])), 78);
    assert_eq!(code(&output(&["check", "--config", "/nowhere/tern.toml"])), 78);
}

#[test]
fn check_shows_what_would_hold() {
    let folder = Folder::new("");
    let path = folder.text("tern.toml");
    let good = output(&["check", "--config", &path]);
    assert_eq!((code(&good), out(&good)), (0, format!("{path}: ok\n")));
    let effective = tern(&["check", "--config", &path, "--effective", "--set", "limits.max_channels=7"])
        .env("TERN__RELAY__LEGACY_CHANNELS", "true")
        .output()
        .unwrap();
    assert!(out(&effective).contains("max_channels = 7\n"), "{}", out(&effective));
    assert!(out(&effective).contains("legacy_channels = true\n"));
    let effective = output(&["check", "--config", &path, "--effective", "--json"]);
    let report: Value = serde_json::from_str(&out(&effective)).unwrap();
    assert_eq!(report["effective"]["limits"]["default_lifetime"], "10m");
}

#[test]
fn an_unreadable_secret_is_named() {
    let folder = Folder::new("");
    std::fs::remove_file(folder.path("rest.secret")).unwrap();
    let failed = output(&["run", "--config", &folder.text("tern.toml")]);
    assert_eq!(code(&failed), 78);
    let (file, secret) = (folder.text("tern.toml"), folder.text("rest.secret"));
    let expected =
        format!("{file}:5:15: error: {secret} cannot be read: No such file or directory (os error 2)\n");
    assert_eq!(err(&failed), expected);
}

#[test]
fn a_credential_is_verified_by_the_secret_it_was_made_under() {
    let folder = Folder::new("");
    let path = folder.text("tern.toml");
    let args = ["credentials", "new", "--config", &path, "--user", "alice", "--lifetime", "2h", "--json"];
    let made = output(
        &[&args[..], &["--url", "turn:192.0.2.1:3478", "--url", "turns:relay.example.org:5349"]].concat(),
    );
    assert_eq!(code(&made), 0, "{}", err(&made));
    let json: Value = serde_json::from_str(&out(&made)).unwrap();
    let server = &json["iceServers"][0];
    assert_eq!(server["urls"][1], "turns:relay.example.org:5349");
    let (name, password) = (server["username"].as_str().unwrap(), server["credential"].as_str().unwrap());
    assert!(name.ends_with(":alice"));

    let good = output(&["credentials", "verify", "--config", &path, name, password]);
    assert_eq!((code(&good), out(&good)), (0, "ok: made under the shared secret \"a\"\n".into()));
    let good =
        output(&["credentials", "verify", "--secret-file", &folder.text("rest.secret"), name, password]);
    assert_eq!(code(&good), 0, "{}", err(&good));
    let wrong = output(&["credentials", "verify", "--config", &path, "--json", name, "wrong"]);
    let report: Value = serde_json::from_str(&out(&wrong)).unwrap();
    assert_eq!((code(&wrong), &report["ok"]), (1, &false.into()));
    let old = output(&["credentials", "verify", "--config", &path, "1000:alice", password]);
    assert!(code(&old) == 1 && err(&old).contains("expired"), "{}", err(&old));
}

#[test]
fn a_password_becomes_a_line_of_the_users_file() {
    let folder = Folder::new("");
    let mut child = tern(&["credentials", "new", "--password", "--user", "alice", "--realm", "example.org"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"correct horse\n").unwrap();
    let line = out(&child.wait_with_output().unwrap());
    assert!(line.starts_with("alice:example.org:"), "{line}");
    assert!(!line.contains("correct horse"));
    folder.write("users", &line, 0o600);
    folder.configure("[auth]\nusers_file = \"users\"\nrealm = \"example.org\"\n");
    let checked = output(&["check", "--config", &folder.text("tern.toml")]);
    assert_eq!((code(&checked), err(&checked)), (0, String::new()));
}

/// A terminal is what `script` (util-linux) makes for its child.
#[test]
fn a_password_typed_on_a_terminal_does_not_show() {
    let version = Command::new("script").arg("--version").output();
    need!(version.map_err(|error| Missing(format!("the program script: {error}"))));
    let line = format!("{} credentials new --password --user alice", env!("CARGO_BIN_EXE_tern"));
    let mut script = Command::new("timeout");
    script.args(["60", "script", "--quiet", "--return", "--command", &line, "/dev/null"]);
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut keyboard, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut shown = Vec::new();
    while !shown.ends_with(b"Password: ") {
        let mut byte = [0];
        assert_eq!(screen.read(&mut byte).unwrap(), 1, "no prompt: {}", String::from_utf8_lossy(&shown));
        shown.push(byte[0]);
    }
    keyboard.write_all(b"correct horse\n").unwrap();
    screen.read_to_end(&mut shown).unwrap();
    assert!(child.wait().unwrap().success());
    let shown = String::from_utf8(shown).unwrap();
    assert!(shown.starts_with("Password: \r\nalice:tern:"), "{shown:?}");
}

#[test]
fn a_development_certificate_is_not_overwritten_and_its_key_is_private() {
    let folder = Folder::new("");
    let certs = folder.text("certs");
    let made = output(&["certs", "dev", &certs, "--name", "relay.example.org", "--name", "192.0.2.1"]);
    assert_eq!(code(&made), 0, "{}", err(&made));
    let mode = std::fs::metadata(folder.path("certs/key.pem")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = std::fs::read(folder.path("certs/cert.pem")).unwrap();
    let again = output(&["certs", "dev", &certs]);
    assert!(code(&again) == 1 && err(&again).contains("--force overwrites it"), "{}", err(&again));
    assert_eq!(std::fs::read(folder.path("certs/cert.pem")).unwrap(), before);
    assert_eq!(code(&output(&["certs", "dev", &certs, "--force"])), 0);
    assert_ne!(std::fs::read(folder.path("certs/cert.pem")).unwrap(), before);
    folder.configure(
        "[[listener]]\naddress = \"127.0.0.1:1023\"\ntransports = [\"tls\", \"dtls\"]\n\
         certificate_file = \"certs/cert.pem\"\nkey_file = \"certs/key.pem\"\n",
    );
    let checked = output(&["check", "--config", &folder.text("tern.toml")]);
    assert_eq!((code(&checked), err(&checked)), (0, String::new()));
}

#[test]
fn completions_and_manual_pages_are_printed() {
    for shell in ["bash", "zsh", "fish"] {
        let script = output(&["completions", shell]);
        assert!(code(&script) == 0 && out(&script).contains("credentials"), "{shell}");
    }
    assert!(out(&output(&["man"])).contains(".TH tern"));
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(code(&output(&["man", &dir.path().display().to_string()])), 0);
    assert!(dir.path().join("tern-run.1").exists());
}

#[test]
fn an_address_in_use_is_said() {
    let folder = Folder::new("");
    let _taken = UdpSocket::bind(("127.0.0.1", folder.port)).unwrap();
    let failed = output(&["run", "--config", &folder.text("tern.toml")]);
    assert_eq!(code(&failed), 1);
    assert!(
        err(&failed).contains(&format!("cannot listen on 127.0.0.1:{}", folder.port)),
        "{}",
        err(&failed)
    );
}

#[test]
fn metrics_are_served_where_the_configuration_says_so() {
    let at = format!("127.0.0.1:{}", free_port());
    let folder = Folder::new(&format!("[metrics]\naddress = \"{at}\"\n"));
    let mut relay = Running::start(&["run", "--config", &folder.text("tern.toml")]);
    relay.wait_for("the relay serves");
    let page = get(&at, "/metrics");
    assert!(page.contains("\ntern_allocations{"), "{page}");
    let failed = output(&["run", "--config", &folder.text("tern.toml")]);
    assert!(
        err(&failed).contains(&format!("cannot listen on {at} (TCP): another program")),
        "{}",
        err(&failed)
    );
    assert_eq!((code(&failed), relay.end().0), (1, Some(0)));
}

#[test]
fn a_signal_ends_the_relay_cleanly() {
    let folder = Folder::new("");
    let mut relay = Running::start(&["run", "--config", &folder.text("tern.toml")]);
    relay.wait_for("the relay serves");
    let (exit, rest) = relay.end();
    assert_eq!(exit, Some(0));
    assert!(rest.contains("the relay stops"), "{rest}");
    // The port is free again.
    UdpSocket::bind(("127.0.0.1", folder.port)).unwrap();
}

/// A relay that was started with these limits of open files; what its log says first about them, if anything.
fn run_limited(folder: &Folder, soft: u32, hard: u32) -> Running {
    let script =
        format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec {} \"$@\"", env!("CARGO_BIN_EXE_tern"));
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh", "run", "--config", &folder.text("tern.toml")]);
    command.env("TERN__ADMIN__SOCKET", "off");
    Running::spawn(command.env_remove("CREDENTIALS_DIRECTORY").stdin(Stdio::null()))
}

#[test]
fn the_limit_of_open_files_is_raised_and_a_low_one_is_told() {
    let folder = Folder::new("");
    for (hard, ports, is_low) in [(2_048, "49152-65535", true), (2_048, "50000-50999", false)] {
        folder.configure(&format!("[relay]\nports = \"{ports}\"\n"));
        let mut relay = run_limited(&folder, 256, hard);
        if is_low {
            let line: Value = serde_json::from_str(&relay.wait_for("limit of open files")).unwrap();
            assert_eq!((&line["level"], &line["limit"]), (&"WARN".into(), &hard.into()));
            assert!(line["needed"].as_u64().unwrap() > 16_384, "{line}");
            assert!(line["message"].as_str().unwrap().contains("LimitNOFILE="), "{line}");
        }
        let seen = relay.wait_until("the relay serves");
        assert!(!seen.contains("limit of open files"), "{seen}");
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", relay.child.id())).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let numbers: Vec<&str> = line.split_whitespace().skip(3).take(2).collect();
        assert_eq!(numbers, [hard.to_string(), hard.to_string()]);
        assert_eq!(relay.end().0, Some(0));
    }
}

#[test]
fn a_hang_up_opens_the_file_of_records_anew() {
    let folder = Folder::new("[quality]\nrecords = \"calls.json\"\n");
    let mut relay = Running::start(&["run", "--config", &folder.text("tern.toml")]);
    relay.wait_for("the relay serves");
    std::fs::rename(folder.path("calls.json"), folder.path("calls.1.json")).unwrap();
    relay.signal("-HUP");
    relay.wait_for("configuration reloaded");
    assert!(folder.path("calls.json").exists());
    folder.configure("[quality]\nrecords = \"nowhere/calls.json\"\n");
    relay.signal("-HUP");
    let line: Value = serde_json::from_str(&relay.wait_for("records go on where they went")).unwrap();
    assert!(line["reason"].as_str().unwrap().contains("nowhere/calls.json"), "{line}");
    assert_eq!(relay.end().0, Some(0));
    let failed = output(&["run", "--config", &folder.text("tern.toml")]);
    assert!(
        code(&failed) == 1 && err(&failed).contains("quality.records: cannot write to"),
        "{}",
        err(&failed)
    );
}

#[test]
fn a_hang_up_reloads_and_a_broken_file_changes_nothing() {
    let folder = Folder::new("");
    let mut relay = Running::start(&["run", "--config", &folder.text("tern.toml")]);
    relay.wait_for("the relay serves");
    folder.configure("relay_id = 9\n[limits]\nmax_channels = 9\n");
    relay.signal("-HUP");
    let line: Value = serde_json::from_str(&relay.wait_for("configuration reloaded")).unwrap();
    assert_eq!(line["applied"], "limits.max_channels");
    let line: Value = serde_json::from_str(&relay.wait_for("needs_restart")).unwrap();
    assert_eq!(line["needs_restart"], "server.relay_id");
    folder.configure("[limits]\nmax_channels = 0\n");
    relay.signal("-HUP");
    let line = relay.wait_for("limits.max_channels");
    assert!(line.contains("expected a number from 1 to"), "{line}");
    relay.wait_for("goes on with the one it has");
    folder.configure("[limits]\nmax_channels = 10\n");
    relay.signal("-HUP");
    relay.wait_for("configuration reloaded; ");
    relay.signal("-HUP");
    let line: Value = serde_json::from_str(&relay.wait_for("configuration reloaded")).unwrap();
    assert!(line["message"].as_str().unwrap().contains("nothing changed"), "{line}");
    assert_eq!(line.get("applied"), None);
    assert_eq!(relay.end().0, Some(0));
}

#[test]
fn operators_reach_a_running_relay_and_their_orders_outlive_a_reload() {
    let folder = Folder::new("");
    let (socket, router) = (folder.text("tern.sock"), free_port());
    let more = format!(
        "[announce]\nprefixes = [\"127.0.0.1/32\"]\n[health.self_test]\nenabled = false\n\
         [bgp]\nasn = 64512\nrouter_id = \"10.0.0.5\"\n[[bgp.neighbor]]\nname = \"north\"\naddress = \"127.0.0.1\"\n\
         port = {router}\nasn = 64600\n"
    );
    folder.configure(&more);
    // The socket is named on the command line, which stands above the environment.
    let (path, setting) = (folder.text("tern.toml"), format!("admin.socket={socket}"));
    let run = ["run", "--config", &path, "--set", &setting];
    let mut relay = Running::start(&run);
    relay.wait_for("the relay serves");
    let ask = |args: &[&str]| {
        let asked = output(&[args, &["--json", "--socket", &socket]].concat());
        assert_eq!(code(&asked), 0, "{}{}", out(&asked), err(&asked));
        serde_json::from_str::<Value>(&out(&asked)).unwrap()
    };
    let told = |report: &Value| report["neighbors"][0]["routes"][0]["attributes"]["med"].as_u64();
    let mut report = ask(&["bgp", "why", "--now"]);
    for _ in 0..500 {
        if report["health"]["state"] == "healthy" {
            break;
        }
        report = ask(&["bgp", "why", "--now"]);
    }
    assert_eq!((told(&report), &report["neighbors"][0]["name"]), (Some(10_200), &"north".into()));
    let report = ask(&["drain"])["report"].clone();
    assert_eq!((told(&report), &report["health"]["state"]), (Some(40_800), &"draining".into()));
    assert_eq!(told(&ask(&["bgp", "withdraw", "127.0.0.1/32"])), None);
    folder.configure(&format!("{more}[limits]\nmax_channels = 9\n"));
    relay.signal("-HUP");
    relay.wait_for("configuration reloaded");
    let report = ask(&["undrain"])["report"].clone();
    assert_eq!((told(&report), &report["health"]["draining"]), (None, &false.into()));
    assert!(ask(&["bgp", "announce"])["neighbors"][0]["routes"][0]["attributes"].is_object());
    let second = output(&[&run as &[&str], &["--set", "listener.0.address=127.0.0.1:9"]].concat());
    assert!(code(&second) == 1 && err(&second).contains("another relay answers on"), "{}", err(&second));
    assert_eq!(relay.end().0, Some(0));
    assert!(!folder.path("tern.sock").exists());
    let nobody = output(&["bgp", "show", "--socket", &socket]);
    assert_eq!(code(&nobody), 69, "{}", err(&nobody));
}

fn get(host: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_development_relay_tells_how_to_reach_it() {
    let mut relay = Running::start(&["run", "--dev", "--json"]);
    let mut line = String::new();
    BufReader::new(relay.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let told: Value = serde_json::from_str(&line).unwrap();
    let servers = told["iceServers"].as_array().unwrap();
    assert!(servers[0]["urls"][0].as_str().unwrap().starts_with("stun:"), "{told}");
    let urls: Vec<&str> =
        servers[1]["urls"].as_array().unwrap().iter().map(|url| url.as_str().unwrap()).collect();
    assert!(urls.iter().any(|url| url.ends_with("?transport=udp")), "{urls:?}");
    assert!(urls.iter().any(|url| url.ends_with("?transport=tcp")), "{urls:?}");
    assert!(told["turns"][0].as_str().unwrap().starts_with("turns:"), "{told}");

    let page = told["page"].as_str().unwrap();
    let host = page.trim_start_matches("http://").trim_end_matches('/');
    let answer = get(host, "/ice-servers.json");
    let body: Value = serde_json::from_str(answer.split("\r\n\r\n").last().unwrap()).unwrap();
    assert_eq!(body[1]["urls"], servers[1]["urls"]);

    let metrics = told["metrics"].as_str().unwrap();
    let host = metrics.trim_start_matches("http://").trim_end_matches("/metrics");
    assert!(get(host, "/metrics").contains("\ntern_worker_up{worker=\"0\"} 1\n"));
    assert_eq!(relay.end().0, Some(0));
}

#[test]
fn a_credential_of_the_command_line_is_one_of_the_library() {
    let folder = Folder::new("");
    let path = folder.text("tern.toml");
    let made = out(&output(&["credentials", "new", "--config", &path, "--user", "bob"]));
    let value = |name: &str| {
        let line = made.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches(": ").to_owned()
    };
    let sources = Sources { file: Some(folder.path("tern.toml")), ..Sources::default() };
    let secrets = load(&sources).unwrap().secrets.credentials.secrets;
    assert_eq!(secrets.verify(UnixTime(0), &value("username"), &value("password")), Ok("a"));
}
