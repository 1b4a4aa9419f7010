//! From sources to a checked configuration.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::problem::{Place, Problems};
use super::reader::Section;
use super::{
    Admin, Alerts, Announce, Auth, Bfd, Bgp, Capacity, Config, Dtls, Health, Limits, Listener, Log, Media,
    Metrics, NatDiscovery, Peers, Quality, Relay, Rpki, Secrets, Server, Streams, secrets, tree,
};
use crate::engine::auth::SharedSecret;
use crate::worker::Certificate;

/// Where values come from, the weakest first.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The development mode.
    pub development: Option<Arc<Development>>,
    /// The file.
    pub file: Option<PathBuf>,
    /// Environment variables; only those that begin with `TERN__` count.
    pub env: Vec<(String, String)>,
    /// `section.key=value` of the command line.
    pub set: Vec<String>,
}

impl Sources {
    /// The file, and this process's environment.
    #[must_use]
    pub fn new(file: Option<PathBuf>, set: Vec<String>) -> Self {
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        Self {
            development: None,
            file,
            env: std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect(),
            set,
        }
    }
}

/// What the development mode brings along: made on the spot, never written to a file.
#[derive(Debug)]
pub struct Development {
    /// Its defaults, as a file would have them.
    pub defaults: String,
    /// The shared secret.
    pub secret: SharedSecret,
    /// For TLS and DTLS listeners that name no certificate.
    pub certificate: Certificate,
    /// What the operator page is opened with.
    pub token: String,
}

/// A configuration that can be used, and what somebody should look at nevertheless.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What its files hold.
    pub secrets: Secrets,
    /// Only warnings.
    pub warnings: Problems,
}

/// Reads and checks a configuration. Files it names are looked at, secrets too, but nothing is opened for
/// longer and no socket is bound.
///
/// # Errors
///
/// Everything that is wrong, in the order of the file.
pub fn load(sources: &Sources) -> Result<Loaded, Problems> {
    let mut problems = Problems::default();
    let mut root = match &sources.development {
        Some(development) => tree::parse(&"development".into(), &development.defaults, &mut problems),
        None => tree::Node::empty_table(Place::Default),
    };
    if let Some(path) = &sources.file {
        tree::overlay(&mut root, read_file(path, &mut problems)?);
    }
    tree::apply_env(&mut root, sources.env.iter().cloned(), &mut problems);
    for assignment in &sources.set {
        tree::apply_flag(&mut root, assignment, &mut problems);
    }
    let problems = RefCell::new(problems);
    let mut config = read(Section::root(&root, &problems), sources.development.is_some());
    let mut problems = problems.into_inner();
    config.base = sources.file.as_deref().and_then(Path::parent).map(PathBuf::from).unwrap_or_default();
    config.cores = super::settings::cores();
    config.development.clone_from(&sources.development);
    config.credentials_directory =
        sources.env.iter().find(|(name, _)| name == "CREDENTIALS_DIRECTORY").map(|(_, value)| value.into());
    config.check(&mut problems);
    let secrets = secrets::read(&config, &mut problems);
    problems.sort();
    if problems.has_errors() { Err(problems) } else { Ok(Loaded { config, secrets, warnings: problems }) }
}

fn read_file(path: &Path, problems: &mut Problems) -> Result<tree::Node, Problems> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let file: Arc<str> = path.display().to_string().into();
            Ok(tree::parse(&file, &text, problems))
        }
        Err(error) => {
            problems.error(&Place::whole(path), format!("cannot be read: {error}"));
            Err(std::mem::take(problems))
        }
    }
}

fn read(mut root: Section<'_>, development: bool) -> Config {
    let mut relay = root.section("relay");
    let config = Config {
        server: Server::read(root.section("server")),
        listener: root.sections("listener").into_iter().filter_map(Listener::read).collect(),
        relay: Relay::read(&mut relay),
        auth: Auth::read(root.section("auth")),
        limits: Limits::read(root.section("limits")),
        capacity: Capacity::read(root.section("capacity")),
        alerts: Alerts::read(root.section("alerts")),
        peers: Peers::read(root.section("peers")),
        nat_discovery: NatDiscovery::read(root.section("nat_discovery")),
        media: Media::read(root.section("media")),
        streams: Streams::read(root.section("streams")),
        dtls: Dtls::read(root.section("dtls")),
        quality: Quality::read(root.section("quality")),
        announce: Announce::read(root.section("announce")),
        health: Health::read(root.section("health")),
        bgp: Bgp::read(root.section("bgp")),
        bfd: Bfd::read(root.section("bfd")),
        rpki: Rpki::read(root.section("rpki")),
        admin: Admin::read(root.section("admin")),
        metrics: Metrics::read(root.section("metrics")),
        log: Log::read(root.section("log")),
        base: PathBuf::new(),
        credentials_directory: None,
        cores: 0,
        development: None,
    };
    check_relay(&relay, &config);
    relay.finish();
    if config.listener.is_empty() && !root.is_written_key("listener") {
        root.error("listener", "there is none: add [[listener]] with address = \"0.0.0.0:3478\"");
    }
    if config.auth.is_empty() && !development {
        root.error(
            "auth",
            "nobody could authenticate: add [[auth.shared_secret]], auth.users_file or [[auth.oauth_key]]",
        );
    }
    root.finish();
    config
}

/// What the relayed addresses must be in view of the listeners.
fn check_relay(section: &Section<'_>, config: &Config) {
    let relay = &config.relay;
    if relay.addresses.is_empty()
        && config.listener.iter().any(|listener| listener.address.ip().is_unspecified())
    {
        section.error(
            "addresses",
            "is missing: with a listener on every address, say which one relayed addresses are taken from",
        );
    }
    for (index, address) in relay.addresses.iter().enumerate() {
        let (bind, external) = (address.0.bind, address.0.external);
        if bind.is_unspecified()
            || bind.is_multicast()
            || external.is_unspecified()
            || external.is_multicast()
        {
            section.error("addresses", format!("{bind} is not an address that peers can send to"));
        }
        if relay
            .addresses
            .iter()
            .take(index)
            .any(|other| other.0.bind == bind || other.0.external == external)
        {
            section.error("addresses", format!("{bind} is there twice"));
        }
    }
    for listener in &config.listener {
        let (ip, port) = (listener.address.ip(), listener.address.port());
        let same = ip.is_unspecified()
            || relay.addresses.is_empty()
            || relay.addresses.iter().any(|address| address.0.bind == ip);
        if same && (relay.ports.first..=relay.ports.last).contains(&port) {
            section.error(
                "ports",
                format!(
                    "{} covers the listener on {}; choose a range without port {port}",
                    relay.ports, listener.address
                ),
            );
        }
    }
    if relay.ports.last - relay.ports.first < 99 {
        section.warn(
            "ports",
            format!("{} has few ports: that is how many calls there can be per address", relay.ports),
        );
    }
}
