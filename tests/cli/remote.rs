//! The commands that ask a running relay, on a relay with real calls: those of `tern probe`.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Output, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::Value;

use crate::{Folder, Running, code, err, out, output, tern};

/// A relay with an admin socket.
struct Relay {
    folder: Folder,
    socket: String,
    running: Running,
}

impl Relay {
    fn start() -> Self {
        let folder = Folder::new("");
        let socket = folder.text("admin.sock");
        let running = run(&folder, &socket);
        let relay = Self { folder, socket, running };
        relay.wait_for_its_socket();
        relay
    }

    /// The same once more, as somebody else a second later.
    fn start_again(&mut self) {
        self.running.end();
        std::thread::sleep(Duration::from_millis(1100));
        self.running = run(&self.folder, &self.socket);
        self.wait_for_its_socket();
    }

    fn wait_for_its_socket(&self) {
        self.wait_for("the admin socket", |relay| code(&relay.ask(&["log", "level"])) == 0);
    }

    fn ask(&self, args: &[&str]) -> Output {
        output(&[args, &["--socket", &self.socket]].concat())
    }

    /// What succeeds, as text.
    fn text(&self, args: &[&str]) -> String {
        let ended = self.ask(args);
        assert_eq!(code(&ended), 0, "{args:?}: {}{}", out(&ended), err(&ended));
        out(&ended)
    }

    fn json(&self, args: &[&str]) -> Value {
        let text = self.text(&[args, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{args:?}: {error}: {text}"))
    }

    /// Two allocations, and media between them, until it is dropped.
    fn call(&self) -> Call {
        let uri = format!("turn:127.0.0.1:{}", self.folder.port);
        let secret = self.folder.text("rest.secret");
        let mut command = tern(&["probe", &uri, "--secret-file", &secret, "--seconds", "120", "--json"]);
        let call = Call(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        // The status is that of the last look.
        self.wait_for("two sessions", |relay| {
            relay.sessions().len() == 2 && relay.json(&["status"])["sessions"]["total"] == 2
        });
        call
    }

    fn sessions(&self) -> Vec<Value> {
        self.json(&["sessions", "list"])["sessions"].as_array().unwrap().clone()
    }

    fn wait_for(&self, what: &str, is_there: impl Fn(&Self) -> bool) {
        for _ in 0..300 {
            if is_there(self) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("never came: {what}");
    }
}

fn run(folder: &Folder, socket: &str) -> Running {
    let mut command = tern(&["run", "--config", &folder.text("tern.toml")]);
    let mut running = Running::spawn(command.env("TERN__ADMIN__SOCKET", socket));
    running.wait_for("the relay serves");
    running
}

struct Call(Child);

impl Drop for Call {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn calls_are_listed_shown_explained_and_ended() {
    let relay = Relay::start();
    let _call = relay.call();
    let sessions = relay.sessions();
    let id = sessions[0]["id"].as_str().unwrap();
    let client = sessions[0]["client"].as_str().unwrap();
    for list in
        [relay.text(&["sessions", "list"]), relay.text(&["sessions", "list", "probe", "--sort", "bytes"])]
    {
        assert!(list.contains(id) && list.contains(client) && list.contains("2 of 2 sessions"), "{list}");
    }
    assert!(relay.text(&["sessions", "list", "nobody"]).starts_with("none of 2 sessions"));
    assert_eq!(relay.json(&["sessions", "list", "--page-size", "1", "--page", "2"])["page"], 2);
    let shown = relay.text(&["sessions", "show", id]);
    assert!(shown.contains(client) && shown.contains("1 permissions, 1 channels"), "{shown}");
    assert_eq!(relay.json(&["sessions", "show", id])["session"]["id"], id);
    relay.wait_for("both in the status", |relay| relay.json(&["status"])["sessions"]["total"] == 2);

    assert_eq!(relay.text(&["sessions", "kill", id]), format!("{id} has ended\n"));
    relay.wait_for("one session", |relay| relay.sessions().len() == 1);
    for command in ["show", "kill"] {
        assert_eq!(code(&relay.ask(&["sessions", command, id])), 1);
    }
    for arguments in [&["explain", "probe"][..], &["explain", "--session", id]] {
        relay.wait_for("its end in the journal", |relay| relay.text(arguments).contains("operator"));
        let told = relay.text(arguments);
        assert!(told.contains(client) && told.contains(id), "{told}");
    }
    assert_eq!(relay.json(&["explain", "probe"])["sessions"].as_array().unwrap().len(), 1);
    assert!(relay.text(&["explain", "nobody"]).starts_with("nothing is known"));
    assert_eq!(code(&relay.ask(&["explain"])), 2);
}

#[test]
fn draining_waits_for_the_last_call_or_the_deadline() {
    let relay = Relay::start();
    let call = relay.call();
    let late = relay.ask(&["drain", "--deadline", "1s"]);
    assert_eq!(code(&late), 75, "{}{}", out(&late), err(&late));
    assert!(err(&late).contains("2 sessions are left"), "{}", err(&late));
    let status = relay.text(&["status"]);
    assert!(status.contains("takes calls   NO") && status.contains("2 sessions left, 0 may be"), "{status}");
    assert_eq!(relay.json(&["drain", "--min-sessions", "2"])["draining"]["done"], true);
    let ids: Vec<_> =
        relay.sessions().iter().map(|session| session["id"].as_str().unwrap().to_owned()).collect();
    drop(call);
    relay.text(&[&["sessions", "kill"][..], &ids.iter().map(String::as_str).collect::<Vec<_>>()].concat());
    assert!(relay.text(&["drain", "--deadline", "60s"]).contains("empty: 0 sessions are left"));
    assert_eq!(code(&relay.ask(&["drain", "--name", "another"])), 1);
    relay.text(&["undrain"]);
    relay
        .wait_for("that it takes calls again", |relay| relay.text(&["status"]).contains("takes calls   yes"));
}

#[test]
fn a_reload_is_tried_taken_back_and_kept() {
    let relay = Relay::start();
    relay.folder.configure("[limits]\nmax_allocations = 7\n");
    assert!(relay.text(&["reload", "--dry-run"]).starts_with("would be applied: limits.max_allocations\n"));
    let told = relay.text(&["reload", "--confirm-within", "10m"]);
    assert!(
        told.contains("applied: limits.max_allocations\n") && told.contains("tern reload confirm"),
        "{told}"
    );
    assert!(relay.text(&["reload", "status"]).starts_with("a reload waits to be confirmed until"));
    assert!(relay.text(&["reload", "undo"]).contains("last: undone"));
    assert_eq!(code(&relay.ask(&["reload", "confirm"])), 1, "nothing waits any more");
    relay.text(&["reload", "--confirm-within", "10m"]);
    assert!(relay.text(&["reload", "confirm"]).contains("last: confirmed"));
    relay.folder.configure("[limits]\nmax_alocations = 7\n");
    let wrong = relay.ask(&["reload"]);
    assert_eq!(code(&wrong), 1);
    assert!(err(&wrong).contains("max_allocations"), "{}", err(&wrong));
}

#[test]
fn the_log_is_changed_and_reads_go_on_while_somebody_watches() {
    let relay = Relay::start();
    assert_eq!(relay.text(&["log", "level"]), "info\n");
    assert_eq!(relay.text(&["log", "level", "debug"]), "debug (the configuration says info)\n");
    assert_eq!(relay.json(&["log", "level"])["level"], "debug");
    assert!(relay.text(&["top"]).contains("Calls by mos"), "once, where there is no terminal");
    assert!(relay.json(&["alerts"])["alerts"].is_array());
    assert!(relay.json(&["events"])["events"].as_array().is_some_and(|events| !events.is_empty()));
    let mut command = tern(&["status", "--json", "--watch", "200ms", "--socket", &relay.socket]);
    let mut watching = Call(command.stdout(Stdio::piped()).spawn().unwrap());
    let lines = BufReader::new(watching.0.stdout.take().unwrap()).lines();
    let names: Vec<_> = lines
        .take(3)
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()["name"].clone())
        .collect();
    assert!(names.len() == 3 && names.iter().all(|name| *name == names[0]), "{names:?}");
}

#[test]
fn a_relay_that_is_not_there_is_unreachable() {
    for command in
        [&["status"][..], &["sessions", "list"], &["top"], &["reload"], &["events"], &["status", "--watch"]]
    {
        let ended = output(&[command, &["--socket", "/nonexistent/tern.sock"]].concat());
        assert_eq!(code(&ended), 69, "{command:?}");
    }
}

#[test]
fn who_follows_events_hears_all_of_a_relay_that_is_started_again() {
    let mut relay = Relay::start();
    let mut command = tern(&["events", "--watch", "--json", "--socket", &relay.socket]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut follower = Call(child);
    let lines = BufReader::new(follower.0.stdout.take().unwrap());
    let mut events = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap())
        .map(|event| (event["number"].as_u64().unwrap(), event["text"].as_str().unwrap().to_owned()));
    let begins = (1, "the relay has started".to_owned());
    assert_eq!(events.next().unwrap(), begins);
    relay.text(&["drain", "--deadline", "10s"]);
    relay.text(&["undrain"]);
    events.find(|(_, text)| text.contains("takes calls as before")).unwrap();
    relay.start_again();
    // It is asked for by the numbers of the first relay.
    for _ in 0..3 {
        relay.text(&["drain", "--deadline", "10s"]);
        relay.text(&["undrain"]);
    }
    assert_eq!(events.next().unwrap(), begins);
    assert_eq!(events.next().unwrap().0, 2);
}

/// A way to a relay that lets so many connections through and keeps all others waiting.
fn stall(path: &str, behind: &str, lets_through: usize) -> Receiver<usize> {
    let listener = UnixListener::bind(path).unwrap();
    let (told, seen) = sync_channel(64);
    let behind = behind.to_owned();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for (number, client) in (1..).zip(listener.incoming()) {
            let client = client.unwrap();
            if number > lets_through {
                kept.push(client);
            } else {
                let server = UnixStream::connect(&behind).unwrap();
                let ways = [(client.try_clone(), server.try_clone()), (Ok(server), Ok(client))];
                for (from, to) in ways {
                    let (mut from, mut to) = (from.unwrap(), to.unwrap());
                    std::thread::spawn(move || drop(std::io::copy(&mut from, &mut to)));
                }
            }
            if told.send(number).is_err() {
                return;
            }
        }
    });
    seen
}

#[test]
fn a_relay_that_hangs_keeps_nobody_in_top() {
    let relay = Relay::start();
    let path = relay.folder.text("stalled.sock");
    let seen = stall(&path, &relay.socket, 2);
    let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&keyboard).unwrap();
    unlockpt(&keyboard).unwrap();
    let name = ptsname(&keyboard, Vec::new()).unwrap().into_string().unwrap();
    let terminal = || File::options().read(true).write(true).open(&name).unwrap();
    let mut command = tern(&["top", "--socket", &path]);
    let child = command.stdin(terminal()).stdout(terminal()).stderr(Stdio::null()).spawn().unwrap();
    let mut top = Call(child);
    let mut keyboard = File::from(keyboard);
    let mut screen = keyboard.try_clone().unwrap();
    std::thread::spawn(move || std::io::copy(&mut screen, &mut std::io::sink()));
    while seen.recv_timeout(Duration::from_secs(30)).unwrap() <= 2 {}
    keyboard.write_all(b"q").unwrap();
    // A question is given up after thirty seconds.
    let ended = (0..200).find_map(|_| {
        std::thread::sleep(Duration::from_millis(100));
        top.0.try_wait().unwrap()
    });
    assert!(ended.expect("it waits for the relay").success());
}
