//! Who may import whom (ARCHITECTURE.md, "Layers"), and what the pure rooms must not touch.
//!
//! Reads the sources, not the compiler's output: every path in code counts, whether imported or written out, also
//! by way of `super`, of a group or of another name. Comments and strings do not.

#[path = "architecture/source.rs"]
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use source::{Reference, Target, references};

struct Room {
    name: &'static str,
    layer: u8,
    /// The rooms it may use besides itself. All lie in layers below it, but for the few that are said below.
    uses: &'static [&'static str],
}

const fn room(layer: u8, name: &'static str, uses: &'static [&'static str]) -> Room {
    Room { name, layer, uses }
}

/// The table of layers. A room that is not in it may not exist.
const ROOMS: &[Room] = &[
    // Bytes and numbers.
    room(0, "wire", &[]),
    room(0, "time", &[]),
    // State machines: bytes in, actions out, time passed in.
    room(1, "route", &["wire", "time"]),
    room(1, "engine", &["wire", "time", "route"]),
    room(1, "quality", &["wire", "time"]),
    room(1, "announce", &["wire", "time"]),
    room(1, "region", &["wire", "time"]),
    // The kernel.
    room(2, "clock", &["time"]),
    room(2, "net", &["wire", "time", "clock"]),
    room(2, "xdp", &["wire", "time", "route", "clock"]),
    room(2, "metrics", &["wire", "time", "engine", "route", "quality", "announce", "region", "clock", "net"]),
    // A TURN client, for calls that a program makes by itself.
    room(2, "client", &["wire", "time", "route", "clock", "net"]),
    // What brings them together.
    room(
        3,
        "worker",
        &["wire", "time", "engine", "route", "quality", "region", "clock", "net", "xdp", "metrics"],
    ),
    // Drives `announce` with sockets, on threads of its own.
    room(
        3,
        "speaker",
        &["wire", "time", "engine", "route", "quality", "announce", "clock", "net", "metrics", "client"],
    ),
    room(3, "control", CONTROL),
    // The program.
    room(4, "config", PROGRAM),
    room(4, "cli", PROGRAM),
    room(4, "server", PROGRAM),
    room(4, "main", PROGRAM),
    room(4, "lib", PROGRAM),
];

/// Control hears of the configuration by settings of its own.
const CONTROL: &[&str] = &[
    "wire", "time", "engine", "route", "quality", "announce", "region", "clock", "net", "xdp", "metrics",
    "speaker",
];

const PROGRAM: &[&str] = &[
    "wire", "time", "engine", "route", "quality", "announce", "region", "clock", "net", "xdp", "metrics",
    "client", "worker", "speaker", "control", "config", "cli", "server",
];

/// Uses within a layer, or upward.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("engine", "route"),
    ("net", "clock"),
    ("xdp", "clock"),
    ("metrics", "clock"),
    // Whoever asks for a worker's pulse wakes it.
    ("metrics", "net"),
    ("client", "clock"),
    ("client", "net"),
    // What an operator asks of the announcer.
    ("control", "speaker"),
];

/// The last layer without sockets, clocks, threads, logs and settings.
const PURE: u8 = 1;

/// What pure rooms do not touch, not even in tests.
const IMPURE: &[&str] = &[
    "tokio",
    "mio",
    "quinn",
    "axum",
    "rustls",
    "dimpl",
    "socket2",
    "libc",
    "getrandom",
    "tracing",
    "tracing_subscriber",
    "log",
    "prometheus",
    "metrics",
    "toml",
    "serde",
    "clap",
    "arc_swap",
    "std::net::UdpSocket",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::ToSocketAddrs",
    "std::os",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::time::UNIX_EPOCH",
];

/// What only their tests may use.
const IMPURE_OUTSIDE_TESTS: &[&str] = &["std::thread", "std::fs", "std::env", "std::process", "std::io"];

const IMPURE_MACROS: &[&str] = &["include", "println", "eprintln", "print", "eprint", "dbg"];

/// The only files with unsafe code.
const UNSAFE: &[&str] = &["src/net/sys.rs", "src/net/sys/"];

/// Everything that is wrong with the file at `path`, "src/...".
fn violations(path: &str, text: &str) -> Vec<String> {
    let module = module_of(path);
    let Some(room) = module.first().and_then(|name| find_room(name)) else {
        return vec![format!("{path}: this room is not in the table of tests/architecture.rs")];
    };
    let is_root = matches!(room.name, "lib" | "main");
    let inside: &[String] = if is_root { &[] } else { &module };
    let is_test = path.ends_with("/tests.rs") || path.ends_with("_tests.rs") || path.contains("/tests/");
    let judge = |found: &Reference| {
        let problem = judge(path, room, found)?;
        Some(format!("{path}:{}: {problem}", found.line))
    };
    references(inside, text, is_test).iter().filter_map(judge).collect()
}

fn judge(path: &str, room: &Room, found: &Reference) -> Option<String> {
    let pure = room.layer <= PURE;
    match &found.target {
        Target::Internal(to) => judge_internal(room, to),
        Target::External(to) if pure => judge_external(room, to, found.in_test),
        Target::Macro(name) if pure => {
            let name = name.trim_start_matches("std::");
            let forbidden = IMPURE_MACROS.contains(&name) && !found.in_test;
            forbidden.then(|| format!("`{name}!` in the pure room `{}`", room.name))
        }
        Target::File(file) => {
            file.contains("..").then(|| format!("a module's file outside its folder: {file}"))
        }
        Target::Unsafe => {
            let allowed = UNSAFE.iter().any(|prefix| path.starts_with(prefix));
            (!allowed).then(|| "`unsafe` outside src/net/sys".to_owned())
        }
        Target::External(_) | Target::Macro(_) => None,
    }
}

fn judge_internal(room: &Room, to: &[String]) -> Option<String> {
    let is_root = matches!(room.name, "lib" | "main");
    match to.first().map(String::as_str) {
        Some(target) if target == room.name || room.uses.contains(&target) => None,
        Some(_) | None if is_root => None,
        None | Some("*") => Some(format!("`{}` takes the whole crate by a name of its own", room.name)),
        Some(target) => Some(format!("`{}` must not use `crate::{target}`", room.name)),
    }
}

fn judge_external(room: &Room, to: &[String], in_test: bool) -> Option<String> {
    let path = to.join("::").replacen("core::", "std::", 1);
    let module = path.strip_suffix("::*");
    let is_forbidden = |forbidden: &&&str| {
        let within =
            path.strip_prefix(**forbidden).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
        // `use std::net::*` brings sockets in as well.
        let swept = module.is_some_and(|module| forbidden.starts_with(&format!("{module}::")));
        within || swept
    };
    let more = if in_test { &[] } else { IMPURE_OUTSIDE_TESTS };
    let found = IMPURE.iter().find(is_forbidden).or_else(|| more.iter().find(is_forbidden))?;
    Some(format!("`{found}` in the pure room `{}`", room.name))
}

fn find_room(name: &str) -> Option<&'static Room> {
    ROOMS.iter().find(|room| room.name == name)
}

/// `src/engine/peer/mod.rs` and `src/engine/peer.rs` are `[engine, peer]`.
fn module_of(path: &str) -> Vec<String> {
    let stem = path.trim_start_matches("src/").trim_end_matches(".rs");
    let mut module: Vec<String> = stem.split('/').map(str::to_owned).collect();
    if module.len() > 1 && module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

#[test]
fn the_sources_keep_to_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files).unwrap();
    files.sort();
    assert!(files.len() > 20, "only {} files found", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let name = file.strip_prefix(root).unwrap().to_str().unwrap();
        wrong.extend(violations(name, &fs::read_to_string(&file).unwrap()));
    }
    assert!(wrong.is_empty(), "{} violations:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn imports_in_the_table_go_down_only() {
    for room in ROOMS.iter().filter(|room| room.layer < 4) {
        for target in room.uses {
            let below = find_room(target).unwrap().layer < room.layer;
            assert!(below || EXCEPTIONS.contains(&(room.name, target)), "{} uses {target}", room.name);
        }
    }
}

/// Each must be found, by itself.
const FORBIDDEN: &[(&str, &str)] = &[
    // Layers.
    ("src/wire/stun.rs", "use crate::engine::Input;"),
    ("src/wire/stun.rs", "use crate::time::Time;"),
    ("src/time.rs", "use crate::wire;"),
    ("src/time.rs", "use super::wire;"),
    ("src/engine/mod.rs", "use crate::net::udp::UdpSocket;"),
    ("src/engine/mod.rs", "use crate::{route::Client, worker::Settings};"),
    ("src/engine/mod.rs", "use crate::{route::{Client, FiveTuple}, time::{self, Time}, net::{self}};"),
    ("src/engine/mod.rs", "pub use crate::config as anything;"),
    ("src/engine/mod.rs", "pub(crate) use crate::quality::Flow;"),
    ("src/engine/peer.rs", "use super::super::config::Config;"),
    ("src/engine/peer.rs", "use super::super::{route, config::Config};"),
    ("src/engine/peer.rs", "use self::super::super::clock::Clock;"),
    ("src/engine/peer/special.rs", "fn f() { super::super::super::clock::now() }"),
    ("src/engine/peer.rs", "mod inner { use super::super::super::clock::Clock; }"),
    ("src/engine/peer.rs", "fn f(now: crate::clock::Clock) {}"),
    ("src/engine/peer.rs", "fn f() -> Vec<crate::worker::Thing> { Vec::new() }"),
    ("src/engine/peer.rs", "macro_rules! m { () => { $crate::net::send() } }"),
    ("src/engine/peer.rs", "fn f() { format!(\"{}\", crate::net::VERSION); }"),
    ("src/engine/peer.rs", "use super::super as root;"),
    ("src/engine/peer.rs", "use crate as root;"),
    ("src/engine/peer.rs", "use crate::*;"),
    ("src/engine/peer.rs", "use crate::{self as root};"),
    ("src/engine/peer.rs", "#[cfg(test)] mod tests { use crate::net::udp::UdpSocket; }"),
    ("src/route/table.rs", "use crate::engine::OwnerId;"),
    ("src/quality/mod.rs", "use crate::engine::OwnerId;"),
    ("src/net/udp.rs", "use crate::worker::Settings;"),
    ("src/net/udp.rs", "use crate::engine::OwnerId;"),
    ("src/clock.rs", "use crate::net::Poller;"),
    ("src/worker/mod.rs", "use crate::config::Config;"),
    ("src/worker/mod.rs", "use crate::server::Server;"),
    ("src/control/mod.rs", "use crate::server::Server;"),
    ("src/control/mod.rs", "use crate::config::Config;"),
    ("src/worker/mod.rs", "use crate::control::Page;"),
    ("src/shortcut.rs", "pub fn f() {}"),
    ("src/engine/mod.rs", "#[path = \"../net/udp.rs\"] mod udp;"),
    // Purity.
    ("src/engine/mod.rs", "use tokio::net::UdpSocket;"),
    ("src/engine/mod.rs", "use ::tokio;"),
    ("src/engine/mod.rs", "extern crate tokio;"),
    ("src/engine/mod.rs", "async fn f() { tokio::time::sleep(d).await }"),
    ("src/engine/mod.rs", "use std::net::UdpSocket;"),
    ("src/engine/mod.rs", "use std::net::{IpAddr, TcpStream};"),
    ("src/engine/mod.rs", "use std::{fmt, net::TcpListener};"),
    ("src/engine/mod.rs", "use std::net::*;"),
    ("src/engine/mod.rs", "use std::*;"),
    ("src/engine/mod.rs", "use std::net; fn f() { net::UdpSocket::bind(a); }"),
    ("src/engine/mod.rs", "use std as s; fn f() { s::net::UdpSocket::bind(a); }"),
    ("src/engine/mod.rs", "fn f() { clock::Instant::now(); } use std::time as clock;"),
    ("src/engine/mod.rs", "fn f() { let t = std::time::Instant::now(); }"),
    ("src/engine/mod.rs", "fn f() { let t = ::std::time::SystemTime::now(); }"),
    ("src/engine/mod.rs", "use core::net::UdpSocket;"),
    ("src/wire/stun.rs", "use std::time::Instant;"),
    ("src/wire/stun.rs", "use tracing::debug;"),
    ("src/wire/stun.rs", "fn f() { tracing::debug!(\"x\"); }"),
    ("src/route/mod.rs", "use prometheus::Counter;"),
    ("src/route/mod.rs", "use metrics::counter;"),
    ("src/route/mod.rs", "use serde::Deserialize;"),
    ("src/route/mod.rs", "use std::fs;"),
    ("src/route/mod.rs", "fn f() { std::thread::spawn(g); }"),
    ("src/route/mod.rs", "fn f() { println!(\"x\"); }"),
    ("src/route/mod.rs", "include!(\"other.rs\");"),
    ("src/engine/random.rs", "fn f() { getrandom::fill(&mut seed); }"),
    ("src/engine/random.rs", "#[cfg(test)] use std::time::Instant;"),
    ("src/engine/tests.rs", "use std::time::Instant;"),
    // A test's freedom ends with the test.
    ("src/engine/mod.rs", "#[cfg(test)] mod tests { fn f() {} } use std::thread;"),
    ("src/engine/mod.rs", "#[cfg(test)] mod tests; use std::thread;"),
    // Unsafe.
    ("src/engine/mod.rs", "fn f() { unsafe { g() } }"),
    ("src/worker/mod.rs", "unsafe impl Send for X {}"),
    ("src/net/udp.rs", "fn f() { unsafe { g() } }"),
    ("src/net/system.rs", "unsafe extern \"C\" { fn g(); }"),
    // What looks like the end of a literal or comment, and is not.
    ("src/engine/mod.rs", "/* a /* b */ c */ use crate::net;"),
    ("src/engine/mod.rs", "const A: &str = r#\"\"#; use crate::net;"),
    ("src/engine/mod.rs", "const A: char = '\"'; use crate::net; const B: char = '\"';"),
    ("src/engine/mod.rs", "const A: char = '\\''; use crate::net; fn f<'a>(x: &'a str) {}"),
    ("src/engine/mod.rs", "const A: &[u8] = b\"\\\"\"; use crate::net;"),
];

/// None of these may be found.
const ALLOWED: &[(&str, &str)] = &[
    ("src/engine/mod.rs", "use crate::route::{Client, Delta}; use crate::time::Now; use crate::wire::stun;"),
    (
        "src/engine/peer.rs",
        "use super::RelayAddress; use super::super::route::Client; use self::prefix::Prefix;",
    ),
    ("src/engine/peer.rs", "mod tests { use super::*; use super::super::Settings; }"),
    (
        "src/engine/mod.rs",
        "// use crate::net;\n/// See [`crate::worker`] and `unsafe`.\n/* tokio::net */ pub fn f() {}",
    ),
    ("src/engine/mod.rs", "//! [`crate::server`]\nconst A: &str = \"use crate::net; unsafe\";"),
    ("src/engine/mod.rs", "const A: &str = r##\"crate::net \"# crate::net\"##; const B: char = 'u';"),
    ("src/engine/mod.rs", "use std::net::{IpAddr, SocketAddr}; use std::time::Duration; use std::sync::Arc;"),
    ("src/engine/mod.rs", "use std::{fmt, net}; fn f(a: net::IpAddr) -> fmt::Result { Ok(()) }"),
    ("src/engine/mod.rs", "pub(crate) fn f() {} pub(super) fn g() {} pub(in crate::engine) fn h() {}"),
    ("src/engine/mod.rs", "#[cfg(test)] mod tests { use std::thread; fn f() { println!(\"x\"); } }"),
    ("src/engine/mod.rs", "#[cfg(test)] fn f() { std::fs::read(\"x\"); }"),
    ("src/engine/limits/quota_tests.rs", "use std::thread;"),
    ("src/engine/mod.rs", "fn f(settings: &Settings) { settings.metrics.tokio(); let log = 1; }"),
    ("src/engine/mod.rs", "fn f<'a>(x: &'a str) -> &'a str { x } const Q: u8 = b'\\'';"),
    ("src/engine/mod.rs", "#[expect(unsafe_code, reason = \"x\")] fn f() { if a != b {} }"),
    ("src/net/sys/epoll.rs", "use std::time::Duration; fn f() { unsafe { libc::close(1) }; }"),
    ("src/net/sys.rs", "unsafe fn f() {}"),
    ("src/net/tcp.rs", "use crate::clock::Clock; use crate::wire::framing; use std::net::TcpStream;"),
    ("src/worker/mod.rs", "use crate::{clock, engine::Engine, net, route, time::Time, wire};"),
    ("src/control/page.rs", "use crate::speaker::View; use tokio::net::TcpListener;"),
    ("src/server.rs", "use crate::worker; use crate::config::Config; use crate::control;"),
    ("src/lib.rs", "pub mod engine; pub use crate::server::Server;"),
    ("src/main.rs", "use tern::cli; fn main() { crate::run() }"),
];

#[test]
fn every_forbidden_snippet_is_found() {
    for (path, text) in FORBIDDEN {
        assert_eq!(violations(path, text).len(), 1, "{path}: {text}\n{:?}", violations(path, text));
    }
}

#[test]
fn no_allowed_snippet_is_found() {
    for (path, text) in ALLOWED {
        assert_eq!(violations(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}

#[test]
fn a_violation_is_named_with_file_line_and_rule() {
    let text = "//! Doc\n\nuse crate::route::Client;\nuse crate::{\n    time::Time,\n    net::udp,\n};\n";
    assert_eq!(
        violations("src/engine/mod.rs", text),
        ["src/engine/mod.rs:4: `engine` must not use `crate::net`"]
    );
    let text = "fn f() {\n    let x = \"two\n lines\";\n    std::time::Instant::now();\n}";
    assert_eq!(
        violations("src/wire/stun.rs", text),
        ["src/wire/stun.rs:4: `std::time::Instant` in the pure room `wire`"]
    );
}
