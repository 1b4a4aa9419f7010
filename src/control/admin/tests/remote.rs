//! Callers by TCP: tokens, browsers, certificates, and those who pretend.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use serde_json::{Value, json};

use super::Stub;
use crate::control::Hosts;
use crate::control::admin::{
    Access, Client, Desk, Operations, Parts, Peer, RemotePeer, Role, Shown, Tls, Token, serve_remote,
};
use crate::net::certs::CertStore;

pub(super) const VIEWER: &str = "the viewer's secret, long enough";
pub(super) const OPERATOR: &str = "the operator's secret, long enough";

struct Remote {
    address: SocketAddr,
    stub: Arc<Stub>,
    desk: Desk,
}

struct Answer {
    status: u16,
    head: String,
    body: Value,
}

impl Answer {
    fn of(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_lowercase(), body: serde_json::from_str(body).unwrap_or_default() }
    }

    fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    fn cookie(&self) -> String {
        let line = self.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        line.to_owned()
    }
}

pub(super) fn access() -> Access {
    let token = |id: &str, role, text: &str| Token::new(id, role, text.as_bytes());
    Access {
        tokens: vec![token("desk", Role::Viewer, VIEWER), token("shift", Role::Operator, OPERATOR)],
        clients: vec![Client { name: "OU=operators".into(), role: Role::Operator }],
        hosts: Hosts { names: vec!["relay.example.org".into()], addresses: Vec::new() },
        ..Access::with_group(None)
    }
}

impl Remote {
    fn start(tls: Option<Arc<Tls>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stub = Arc::<Stub>::default();
        let operations: Arc<dyn Operations> = Arc::clone(&stub) as Arc<dyn Operations>;
        let desk = Desk::new(Parts::new(access(), operations));
        let serving = desk.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { serve_remote(listener, tls, &serving).unwrap().await });
        });
        Self { address, stub, desk }
    }

    fn ask(&self, line: &str, headers: &[&str], body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(self.request(line, headers, body).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        Answer::of(&answer)
    }

    fn request(&self, line: &str, headers: &[&str], body: &str) -> String {
        let host = format!("Host: {}", self.address);
        let host =
            if headers.iter().any(|header| header.starts_with("Host:")) { None } else { Some(host.as_str()) };
        let headers: Vec<_> = headers.iter().copied().chain(host).collect();
        let (headers, length) = (headers.join("\r\n"), body.len());
        format!("{line} HTTP/1.1\r\n{headers}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
    }

    fn log_in(&self, token: &str) -> Answer {
        self.ask("POST /login", &["Content-Type: application/json"], &json!({ "token": token }).to_string())
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.stub.told.lock().unwrap())
    }
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

#[test]
fn without_a_token_there_is_nothing_but_the_probes() {
    let remote = Remote::start(None);
    for line in ["GET /v1/health", "GET /v1/audit", "GET /v1/me", "POST /v1/drain", "POST /logout"] {
        let answer = remote.ask(line, &[], "");
        assert_eq!((answer.status, answer.code()), (401, "unauthorized"), "{line}");
        assert!(answer.head.contains("www-authenticate: bearer"), "{}", answer.head);
    }
    for wrong in [bearer("wrong"), bearer(""), "Authorization: Basic eDp5".into(), "Cookie: tern=x".into()] {
        assert_eq!(remote.ask("POST /v1/drain", &[&wrong], "").status, 401, "{wrong}");
    }
    assert_eq!(remote.ask("GET /livez", &[], "").status, 200);
    assert_eq!(remote.ask("GET /readyz", &[], "").status, 200);
    assert!(remote.told().is_empty());
}

#[test]
fn a_viewer_reads_and_an_operator_changes() {
    let remote = Remote::start(None);
    assert_eq!(remote.ask("GET /v1/health", &[&bearer(VIEWER)], "").status, 200);
    for line in ["POST /v1/drain", "POST /v1/bgp/withdraw", "POST /v1/bgp/why", "POST /v1/debug/hang"] {
        let answer = remote.ask(line, &[&bearer(VIEWER)], "");
        assert_eq!((answer.status, answer.code()), (403, "forbidden"), "{line}");
    }
    assert!(remote.told().is_empty());
    let drained = remote.ask("POST /v1/drain", &[&bearer(OPERATOR)], "");
    assert_eq!((drained.status, remote.told()), (200, vec!["drain true".to_owned()]));
    let log = remote.ask("GET /v1/audit", &[&bearer(VIEWER)], "").body;
    let whose: Vec<_> = log["entries"].as_array().unwrap().iter().map(|entry| &entry["who"]).collect();
    assert_eq!(whose, ["token desk", "token desk", "token desk", "token desk", "token shift"]);
    assert!(log["entries"][0]["from"].as_str().unwrap().starts_with("127.0.0.1:"));
}

#[test]
fn a_reload_takes_a_token_and_its_sessions_back() {
    let remote = Remote::start(None);
    let cookie = remote.fresh_cookie(VIEWER);
    assert_eq!(remote.ask("GET /v1/health", &[&cookie], "").status, 200);
    let mut less = access();
    less.tokens.remove(0);
    remote.desk.set_access(less);
    assert_eq!(remote.ask("GET /v1/health", &[&cookie], "").status, 401);
    assert_eq!(remote.ask("GET /v1/health", &[&bearer(VIEWER)], "").status, 401);
}

#[test]
fn a_name_that_is_not_ours_is_turned_away_whatever_is_shown() {
    let remote = Remote::start(None);
    for host in ["evil.example", "evil.example:80", "192.0.2.7", ""] {
        for line in ["GET /v1/health", "POST /v1/drain", "GET /livez", "POST /login", "GET /"] {
            let answer = remote.ask(line, &[&format!("Host: {host}"), &bearer(OPERATOR)], "");
            assert_eq!((answer.status, answer.code()), (421, "misdirected"), "{host} {line}");
        }
    }
    assert!(remote.told().is_empty());
    // Load balancers may speak HTTP/1.0; browsers never do.
    for (line, status) in [("GET /livez", "200"), ("GET /readyz", "200"), ("GET /v1/health", "421")] {
        let mut stream = TcpStream::connect(remote.address).unwrap();
        write!(stream, "{line} HTTP/1.0\r\n{}\r\n\r\n", bearer(OPERATOR)).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer.split(' ').nth(1), Some(status), "{line}: {answer}");
    }
    let named = remote.ask("GET /v1/health", &["Host: Relay.example.org:9480", &bearer(VIEWER)], "");
    assert_eq!(named.status, 200);
}

#[test]
fn with_a_cookie_only_the_page_itself_changes_something() {
    let remote = Remote::start(None);
    let login = remote.log_in(OPERATOR);
    assert_eq!((login.status, &login.body["role"]), (200, &json!("operator")));
    let cookie = login.cookie();
    for part in ["; path=/", "; httponly", "; samesite=strict"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("secure"), "there is no TLS: {cookie}");
    // The answer was read in lower case; what the browser keeps is not.
    let cookie = remote.fresh_cookie(OPERATOR);
    let csrf = remote.ask("GET /v1/me", &[&cookie], "").body["csrf"].as_str().unwrap().to_owned();
    let (right, own) = (format!("X-Tern-Csrf: {csrf}"), format!("Origin: http://{}", remote.address));
    for (headers, status) in [
        (vec![cookie.as_str()], 403),
        (vec![&cookie, &own], 403),
        (vec![&cookie, &right], 403),
        (vec![&cookie, &right, "Origin: http://evil.example"], 403),
        (vec![&cookie, &right, "Origin: null"], 403),
        (vec![&cookie, "X-Tern-Csrf: x", &own], 403),
        (vec![&cookie, "X-Tern-Csrf:", &own], 403),
        (vec![&cookie, &right, &own, "Sec-Fetch-Site: same-site"], 403),
        (vec![&cookie, &right, &own.replace("http:", "ftp:")], 403),
        (vec![&cookie, &right, &own], 200),
    ] {
        let answer = remote.ask("POST /v1/drain", &headers, "");
        assert_eq!(answer.status, status, "{headers:?}");
        assert!(status == 200 || answer.code() == "forged");
    }
    assert_eq!(remote.told(), ["drain true"]);
    assert_eq!(remote.ask("POST /logout", &[&cookie, &own], "").status, 403);
    let out = remote.ask("POST /logout", &[&cookie, &right, &own], "");
    assert!(out.status == 200 && out.cookie().contains("max-age=0"), "{}", out.head);
    assert_eq!(remote.ask("GET /v1/me", &[&cookie], "").status, 401);
}

impl Remote {
    fn fresh_cookie(&self, token: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let body = format!("token={}", token.replace(' ', "+").replace('\'', "%27").replace(',', "%2C"));
        let form = ["Content-Type: application/x-www-form-urlencoded"];
        stream.write_all(self.request("POST /login", &form, &body).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 303") && answer.contains("location: /\r\n"), "{answer}");
        let line = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        format!("Cookie: other=1; {}", line.split(';').next().unwrap())
    }
}

#[test]
fn a_page_elsewhere_changes_nothing_whatever_its_visitor_shows() {
    let remote = Remote::start(None);
    let foreign = "Origin: https://evil.example";
    assert_eq!(remote.ask("POST /v1/drain", &[&bearer(OPERATOR), foreign], "").code(), "forged");
    let login = remote.ask("POST /login", &[foreign], &json!({ "token": OPERATOR }).to_string());
    assert_eq!(login.code(), "forged");
    assert!(!login.head.contains("set-cookie") && remote.told().is_empty());
}

#[test]
fn whoever_guesses_tokens_is_kept_waiting_and_whoever_has_one_is_not() {
    let remote = Remote::start(None);
    for _ in 0..10 {
        assert_eq!(remote.log_in("wrong").status, 401);
    }
    let late = remote.log_in("wrong");
    assert_eq!((late.status, late.code()), (429, "too_many_attempts"));
    assert!(late.head.contains("retry-after: "), "{}", late.head);
    assert_eq!(remote.ask("GET /v1/health", &[&bearer("wrong")], "").status, 429);
    assert_eq!(remote.ask("GET /v1/health", &[&bearer(OPERATOR)], "").status, 200);
    assert_eq!(remote.log_in(OPERATOR).status, 200);
    let log = remote.ask("GET /v1/audit", &[&bearer(VIEWER)], "").body;
    let told: Vec<_> = log["entries"].as_array().unwrap().iter().map(|entry| &entry["outcome"]).collect();
    let first = json!("a wrong token was shown");
    let last = json!("many wrong tokens were shown; no more are listened to for a while");
    assert_eq!(told, [&first, &last, &json!("done")], "{log}");
}

#[test]
fn what_a_proxy_says_of_itself_hides_no_cookie() {
    let remote = Remote::start(None);
    let cookie = remote.fresh_cookie(VIEWER);
    assert_eq!(remote.ask("GET /v1/health", &["Authorization: Basic eDp5", &cookie], "").status, 200);
}

#[test]
fn relays_behind_one_name_have_cookies_of_their_own() {
    let remote = Remote::start(None);
    let cookie_of = |host: &str| {
        let body = json!({ "token": VIEWER }).to_string();
        let answer = remote.ask("POST /login", &[host], &body).cookie();
        answer.split('=').next().unwrap().to_owned()
    };
    assert_eq!(cookie_of("Host: localhost:9480"), "tern-9480");
    assert_eq!(cookie_of("Host: localhost:9481"), "tern-9481");
    assert_eq!(cookie_of("Host: localhost"), "tern-80");
}

#[test]
fn what_is_turned_away_is_in_the_audit_log() {
    let remote = Remote::start(None);
    let (viewer, cookie) = (bearer(VIEWER), remote.fresh_cookie(OPERATOR));
    assert_eq!(remote.ask("POST /v1/drain", &[&viewer], "").status, 403);
    assert_eq!(remote.ask("POST /v1/drain", &[&cookie], "").status, 403);
    assert_eq!(remote.ask("POST /v1/drain", &["Origin: http://evil.example"], "").status, 403);
    assert_eq!(remote.ask("POST /v1/drain", &[&bearer(OPERATOR)], &"x".repeat(20_000)).status, 413);
    assert_eq!(remote.ask("POST /v1/drain", &[&bearer(OPERATOR)], "nonsense").status, 400);
    let keyed = [bearer(OPERATOR), "Idempotency-Key: a".to_owned()];
    let keyed: Vec<_> = keyed.iter().map(String::as_str).collect();
    assert_eq!(remote.ask("POST /v1/undrain", &keyed, "").status, 200);
    assert_eq!(remote.ask("POST /v1/undrain", &keyed, "{}").status, 422);
    let log = remote.ask("GET /v1/audit", &[&viewer], "").body;
    let told: Vec<_> = log["entries"].as_array().unwrap().iter().skip(1).collect();
    let told: Vec<_> =
        told.iter().map(|one| (one["who"].as_str().unwrap(), one["status"].as_u64().unwrap())).collect();
    let shift = "token shift";
    let expected = [
        ("token desk", 403),
        (shift, 403),
        ("nobody", 403),
        (shift, 413),
        (shift, 400),
        (shift, 200),
        (shift, 422),
    ];
    assert_eq!(told, expected, "{log}");
}

#[test]
fn what_nobody_of_ours_has_refused_is_refused_in_json_too() {
    let remote = Remote::start(None);
    let viewer = bearer(VIEWER);
    for (line, status) in
        [("GET /v1/sessions/%ff", 400), ("GET /v1/audit?after=%ff", 400), ("GET /v1/%ff", 404)]
    {
        let answer = remote.ask(line, &[&viewer], "");
        assert_eq!(answer.status, status, "{line}: {}", answer.head);
        assert!(answer.head.contains("content-type: application/json"), "{line}: {}", answer.head);
        assert!(answer.body["error"]["text"].as_str().is_some_and(|text| !text.is_empty()), "{line}");
    }
    let long = remote.ask("POST /login", &[], &json!({ "token": "x".repeat(5000) }).to_string());
    assert_eq!((long.status, long.code()), (413, "too_large"));
}

#[test]
fn whoever_logs_in_goes_on_to_where_he_wanted_and_to_no_other_place() {
    let remote = Remote::start(None);
    let log_in = |token: &str, next: &str| {
        let body =
            format!("token={}&next={next}", token.replace(' ', "+").replace('\'', "%27").replace(',', "%2C"));
        let answer = remote.ask("POST /login", &["Content-Type: application/x-www-form-urlencoded"], &body);
        assert_eq!(answer.status, 303, "{}", answer.head);
        answer.head.lines().find_map(|line| line.strip_prefix("location: ").map(ToOwned::to_owned)).unwrap()
    };
    assert_eq!(log_in(VIEWER, "%2Fsessions%3Fsort%3Dmos"), "/sessions?sort=mos");
    assert_eq!(log_in(VIEWER, "%2Fsessions%2F0-2a"), "/sessions/0-2a");
    for elsewhere in [
        "",
        "%2F%2Fevil.example",
        "https%3A%2F%2Fevil.example",
        "%2F%5Cevil.example",
        "evil",
        "%2Fv1%2Fstatus",
        "%2Fsessions%2F..%2Fv1",
        "%2Fsessions%0d%0aSet-Cookie%3A+a%3Db",
        "%2Flogin",
    ] {
        assert_eq!(log_in(VIEWER, elsewhere), "/", "{elsewhere}");
    }
    assert_eq!(
        log_in("wrong", "%2Fquality"),
        "/login?trouble=failed&next=%2fquality",
        "the head is in lower case"
    );
    assert_eq!(log_in("wrong", "%2F%2Fevil.example"), "/login?trouble=failed");
}

#[test]
fn a_link_from_elsewhere_leads_to_the_view_and_not_to_the_form() {
    let remote = Remote::start(None);
    let cookie = remote.fresh_cookie(VIEWER);
    let get = |headers: &[&str]| {
        let mut stream = TcpStream::connect(remote.address).unwrap();
        stream.write_all(remote.request("GET /timeline?severity=warning", headers, "").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    // A browser keeps the cookie to itself with the first request, and sends it with the second.
    let first = get(&["Sec-Fetch-Site: cross-site"]);
    assert!(
        first.starts_with("HTTP/1.1 200") && first.contains(r#"content="0; url=/timeline?severity=warning""#),
        "{first}"
    );
    assert!(get(&["Sec-Fetch-Site: same-origin", &cookie]).starts_with("HTTP/1.1 200"));
    let form = get(&["Sec-Fetch-Site: same-origin"]);
    assert!(form.starts_with("HTTP/1.1 303"), "{form}");
    assert!(form.contains("location: /login?next=%2Ftimeline%3Fseverity%3Dwarning\r\n"), "{form}");
    assert!(remote.ask("GET /v1/status", &["Sec-Fetch-Site: cross-site"], "").status == 401);
}

#[test]
fn a_session_grows_idle_though_its_page_reads_on_unless_it_only_reads() {
    let remote = Remote::start(None);
    let gate = &remote.desk.gate;
    let peer = Peer::Remote(RemotePeer {
        address: "192.0.2.1:1".parse().unwrap(),
        is_tls: false,
        shown: Shown::default(),
    });
    let Peer::Remote(by) = &peer else { unreachable!() };
    let reads_on = |token: &str| {
        let mut headers = axum::http::HeaderMap::new();
        let (_, cookie) = gate.log_in(by, &headers, token.as_bytes()).unwrap();
        headers.insert("cookie", cookie.split(';').next().unwrap().parse().unwrap());
        let before = gate.idle_since(&headers);
        std::thread::sleep(std::time::Duration::from_millis(5));
        assert!(gate.still_admits(&peer, &headers));
        gate.idle_since(&headers) > before
    };
    assert!(!reads_on(OPERATOR) && reads_on(VIEWER));
}

/// An authority, and what it has signed for `name` of the organisational unit.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn sign(&self, name: &str, unit: &str) -> (CertificateDer<'static>, KeyPair) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.distinguished_name.push(DnType::OrganizationalUnitName, unit);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().der().clone(), key)
    }
}

fn ask_with_certificate(
    remote: &Remote,
    ours: &Authority,
    shown: Option<(CertificateDer<'static>, KeyPair)>,
    line: &str,
    headers: &[&str],
) -> Option<Answer> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ours.0.der().clone()).unwrap();
    let builder =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
    let config = match shown {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
            builder.with_client_auth_cert(vec![certificate], key).unwrap()
        }
    };
    let name = ServerName::try_from("relay.example.org").unwrap();
    let connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = rustls::StreamOwned::new(connection, TcpStream::connect(remote.address).unwrap());
    let headers: Vec<_> = headers.iter().copied().chain(["Host: relay.example.org"]).collect();
    let request = remote.request(line, &headers, "");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    // The end of the connection comes without a word.
    let _ = stream.read_to_end(&mut answer);
    (!answer.is_empty()).then(|| Answer::of(&String::from_utf8(answer).unwrap()))
}

fn pem(bytes: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

/// A relay with a certificate of `ours`, where clients may show one of those in the file at `path`.
fn encrypted(ours: &Authority, path: &std::path::Path) -> (Remote, Arc<Tls>) {
    let (chain, key) = ours.sign("relay.example.org", "relays");
    let store = CertStore::from_pem(pem(&chain).as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    let tls = Tls::load(store, Some(path.to_owned())).unwrap();
    (Remote::start(Some(Arc::clone(&tls))), tls)
}

#[test]
fn a_certificate_has_the_role_of_its_names() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, ours.0.pem()).unwrap();
    let (remote, _tls) = encrypted(&ours, &path);
    let ask = |shown, line| ask_with_certificate(&remote, &ours, shown, line, &[]);

    let drained = ask(Some(ours.sign("alice", "operators")), "POST /v1/drain").unwrap();
    assert_eq!((drained.status, remote.told()), (200, vec!["drain true".to_owned()]));
    let log = ask(Some(ours.sign("alice", "operators")), "GET /v1/audit").unwrap().body;
    let who = log["entries"][0]["who"].as_str().unwrap();
    assert!(who.starts_with("certificate CN=alice (OU=operators, serial "), "{who}");
    assert_eq!(ask(Some(ours.sign("bob", "cooks")), "POST /v1/drain").unwrap().status, 401);
    assert_eq!(ask(None, "GET /v1/health").unwrap().status, 401);
    let forged = ask(Some(theirs.sign("alice", "operators")), "POST /v1/drain");
    assert!(forged.is_none_or(|answer| answer.status == 401));
    assert!(remote.told().is_empty());
    assert_eq!(ask(None, "GET /livez").unwrap().status, 200);
    // What is left of a session that has ended hides nobody's certificate.
    let stale = ["Cookie: __Host-tern-443=AAAA"];
    let shown = Some(ours.sign("alice", "operators"));
    assert_eq!(ask_with_certificate(&remote, &ours, shown, "GET /v1/health", &stale).unwrap().status, 200);
}

#[test]
fn an_authority_that_is_taken_back_vouches_for_nobody_any_more() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, ours.0.pem()).unwrap();
    let (remote, tls) = encrypted(&ours, &path);
    let ask = |by: &Authority| {
        ask_with_certificate(&remote, &ours, Some(by.sign("alice", "operators")), "GET /v1/health", &[])
    };
    assert_eq!(tls.reload_if_changed(), Ok(false));
    std::fs::write(&path, "nonsense").unwrap();
    assert!(tls.reload_if_changed().is_err());
    assert_eq!(tls.reload_if_changed(), Ok(false), "it is told once");
    assert_eq!(ask(&ours).unwrap().status, 200, "what cannot be used changes nothing");
    std::fs::write(&path, theirs.0.pem()).unwrap();
    assert_eq!(tls.reload_if_changed(), Ok(true));
    assert!(ask(&ours).is_none_or(|answer| answer.status == 401));
    assert_eq!(ask(&theirs).unwrap().status, 200);
}

#[test]
fn whoever_was_known_by_an_authority_is_not_after_it() {
    let count = Arc::default();
    let shown = Shown::to(&count);
    shown.set(shown.count(), crate::control::admin::Holder::default());
    assert!(shown.holder().is_some() && !shown.is_over());
    count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    assert!(shown.holder().is_none() && shown.is_over());
}

#[test]
fn under_tls_the_cookie_is_for_tls_alone() {
    let stub: Arc<dyn Operations> = Arc::<Stub>::default();
    let desk = Desk::new(Parts::new(access(), stub));
    let peer = RemotePeer { address: "192.0.2.1:1".parse().unwrap(), is_tls: true, shown: Shown::default() };
    let mut headers = axum::http::HeaderMap::new();
    headers.insert("host", "relay.example.org:9480".parse().unwrap());
    let (_, cookie) = desk.gate.log_in(&peer, &headers, OPERATOR.as_bytes()).unwrap();
    assert!(cookie.starts_with("__Host-tern-9480=") && cookie.contains("; Secure"), "{cookie}");
    // What an unencrypted page of the same name asks for is not asked for here.
    headers.insert("origin", "http://relay.example.org:9480".parse().unwrap());
    assert!(desk.gate.log_in(&peer, &headers, OPERATOR.as_bytes()).is_err());
    headers.insert("origin", "https://relay.example.org:9480".parse().unwrap());
    assert!(desk.gate.log_in(&peer, &headers, OPERATOR.as_bytes()).is_ok());
}
