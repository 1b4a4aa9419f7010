//! What every request passes: whose it is, whether he may, and whether his browser was tricked into it.
//!
//! By TCP the Host header must name this machine (421): a web site that had its own name point here is turned away before
//! anything else. Then a caller is found by a bearer token, a browser's cookie or a client's certificate; on the socket,
//! by what the kernel says. Whoever comes with a cookie proves with each change that the page sent it: the header
//! X-Tern-Csrf and the page's own Origin.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, HOST, HeaderName, ORIGIN, REFERRER_POLICY,
    RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::access::Access;
use super::answer::refuse;
use super::browsers::Browsers;
use super::caller::{Caller, Peer, RemotePeer};
use super::failures::Failures;
use super::report::Role;
use crate::clock::Clock;

/// What the page sends along with a change.
const CSRF: HeaderName = HeaderName::from_static("x-tern-csrf");

/// Who may ask, and who has.
#[derive(Debug)]
pub(super) struct Gate {
    access: ArcSwap<Access>,
    browsers: Mutex<Browsers>,
    failures: Mutex<Failures>,
    clock: Clock,
}

/// Why somebody is turned away.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Denial {
    /// Nobody has said who he is, or it is not so.
    Unknown(&'static str),
    /// A process that is not admitted.
    Stranger,
    /// The role does not reach.
    Role,
    /// A page of another origin, or none that we have sent.
    Forged(&'static str),
    /// Too many wrong secrets.
    Wait(Duration),
}

impl Gate {
    pub(super) fn new(access: Access) -> Self {
        Self {
            access: ArcSwap::from_pointee(access),
            browsers: Mutex::default(),
            failures: Mutex::default(),
            clock: Clock::new(),
        }
    }

    pub(super) fn set(&self, access: Access) {
        self.access.store(Arc::new(access));
    }

    /// Who asks, if he may.
    fn identify(
        &self,
        peer: &Peer,
        headers: &HeaderMap,
        changes: bool,
        needs: Role,
    ) -> Result<Caller, Denial> {
        let caller = match peer {
            Peer::Local(local) => self.access.load().local(local).ok_or(Denial::Stranger)?,
            Peer::Remote(remote) => self.remote(remote, headers, changes)?,
        };
        if caller.role < needs {
            return Err(Denial::Role);
        }
        Ok(Caller { from: peer.to_string(), ..caller })
    }

    fn remote(&self, peer: &RemotePeer, headers: &HeaderMap, changes: bool) -> Result<Caller, Denial> {
        if changes {
            refuse_foreign(headers)?;
        }
        if let Some(value) = headers.get(AUTHORIZATION) {
            return self.bearer(peer.address.ip(), value);
        }
        if let Some(id) = cookie(headers, peer.is_tls) {
            return self.browser(id, headers, changes);
        }
        let names = peer.names.get().map(Vec::as_slice).unwrap_or_default();
        let by_certificate = self.access.load().certificate(names);
        by_certificate.ok_or(Denial::Unknown("show a token (Authorization: Bearer …) or log in"))
    }

    fn bearer(&self, source: IpAddr, value: &HeaderValue) -> Result<Caller, Denial> {
        let token = value
            .as_bytes()
            .split_at_checked(7)
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "));
        let token = token.map(|(_, token)| token).unwrap_or_default();
        self.admit(source, token).map(|(caller, _)| caller)
    }

    /// The holder of a token, and its hash. Wrong ones are counted.
    fn admit(&self, source: IpAddr, text: &[u8]) -> Result<(Caller, [u8; 32]), Denial> {
        let now = self.clock.now().time;
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.sweep(now);
        if let Some(wait) = failures.wait(now, source) {
            return Err(Denial::Wait(wait));
        }
        if let Some(token) = self.access.load().token(text) {
            return Ok((token.caller(), token.hash()));
        }
        failures.note(now, source);
        drop(failures);
        tracing::info!(%source, "audit: a wrong token was shown");
        Err(Denial::Unknown("this token is not known"))
    }

    fn browser(&self, id: &str, headers: &HeaderMap, changes: bool) -> Result<Caller, Denial> {
        let found = self.browsers().find(self.clock.now().time, id);
        let (hash, csrf) = found.ok_or(Denial::Unknown("the session has ended; log in again"))?;
        // The token may be gone since, or have another role.
        let access = self.access.load();
        let token = access.token_of(&hash).ok_or(Denial::Unknown("the session has ended; log in again"))?;
        if changes {
            let shown = headers.get(CSRF).map(HeaderValue::as_bytes).unwrap_or_default();
            if !headers.contains_key(ORIGIN) || !bool::from(shown.ct_eq(csrf.as_bytes())) {
                return Err(Denial::Forged("a change needs the X-Tern-Csrf of the page that asks for it"));
            }
        }
        Ok(Caller { csrf: Some(csrf), ..token.caller() })
    }

    /// Whether somebody who reads along may still read.
    pub(super) fn still_admits(&self, peer: &Peer, headers: &HeaderMap) -> bool {
        self.identify(peer, headers, false, Role::Viewer).is_ok()
    }

    /// Opens a session for the holder of a token. What is returned is the cookie.
    pub(super) fn log_in(
        &self,
        peer: &RemotePeer,
        headers: &HeaderMap,
        token: &[u8],
    ) -> Result<(Caller, String), Denial> {
        refuse_foreign(headers)?;
        let (caller, hash) = self.admit(peer.address.ip(), token)?;
        let opened = self.browsers().open(self.clock.now().time, hash);
        let opened = opened.ok_or(Denial::Unknown("the system has no random numbers"))?;
        let caller = Caller { from: peer.address.to_string(), ..caller };
        Ok((caller, set_cookie(&opened.id, peer.is_tls, "")))
    }

    /// Ends the session that a request belongs to. What is returned takes the cookie back.
    pub(super) fn log_out(&self, peer: &Peer, headers: &HeaderMap) -> String {
        let is_tls = matches!(peer, Peer::Remote(remote) if remote.is_tls);
        if let Some(id) = cookie(headers, is_tls) {
            self.browsers().close(id);
        }
        set_cookie("", is_tls, "; Max-Age=0")
    }

    async fn pass(&self, peer: &Peer, mut request: Request, next: Next, needs: Role) -> Response {
        let changes = !request.method().is_safe();
        match self.identify(peer, request.headers(), changes, needs) {
            Ok(caller) => {
                request.extensions_mut().insert(caller);
                next.run(request).await
            }
            Err(denial) => denial.into_response(),
        }
    }

    fn browsers(&self) -> MutexGuard<'_, Browsers> {
        self.browsers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Turns away what was sent to another machine's name, and sets what every answer has.
pub(super) async fn check_host(
    State(gate): State<Arc<Gate>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let is_known = match &peer {
        Peer::Local(_) => true,
        Peer::Remote(_) => host.is_some_and(|host| gate.access.load().hosts.know(host)),
    };
    let mut response = if is_known {
        next.run(request).await
    } else {
        let text = "this relay is not called that; admin.names is what it may be called";
        refuse(StatusCode::MISDIRECTED_REQUEST, "misdirected", text)
    };
    protect(response.headers_mut());
    response
}

fn protect(headers: &mut HeaderMap) {
    const RULES: [(HeaderName, &str); 4] = [
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in RULES {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// Lets callers through who may, and says who they are.
pub(super) async fn guard(
    State(gate): State<Arc<Gate>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let needs = if request.method().is_safe() { Role::Viewer } else { Role::Operator };
    gate.pass(&peer, request, next, needs).await
}

/// The same for what changes nothing but the caller's own session.
pub(super) async fn guard_own(
    State(gate): State<Arc<Gate>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    gate.pass(&peer, request, next, Role::Viewer).await
}

/// A browser says which page sends a change; it must be ours.
fn refuse_foreign(headers: &HeaderMap) -> Result<(), Denial> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let site = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, site)| site);
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    match (site, host) {
        (Some(site), Some(host)) if site.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(Denial::Forged("a page of another origin asks for a change")),
    }
}

/// The prefix has browsers see to it that no other machine and no unencrypted page sets it.
const fn cookie_name(is_tls: bool) -> &'static str {
    if is_tls { "__Host-tern" } else { "tern" }
}

fn cookie(headers: &HeaderMap, is_tls: bool) -> Option<&str> {
    let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == cookie_name(is_tls)).map(|(_, value)| value)
}

fn set_cookie(id: &str, is_tls: bool, more: &str) -> String {
    let secure = if is_tls { "; Secure" } else { "" };
    format!("{}={id}; Path=/; HttpOnly; SameSite=Strict{secure}{more}", cookie_name(is_tls))
}

impl IntoResponse for Denial {
    fn into_response(self) -> Response {
        match self {
            Self::Unknown(text) => {
                let answer = refuse(StatusCode::UNAUTHORIZED, "unauthorized", text);
                ([(WWW_AUTHENTICATE, "Bearer realm=\"tern\"")], answer).into_response()
            }
            Self::Stranger => refuse(
                StatusCode::FORBIDDEN,
                "forbidden",
                "only root, the relay's own user and the members of admin.group may do this; those of admin.viewers may read",
            ),
            Self::Role => {
                refuse(StatusCode::FORBIDDEN, "forbidden", "a viewer reads; this takes an operator")
            }
            Self::Forged(text) => refuse(StatusCode::FORBIDDEN, "forged", text),
            Self::Wait(time) => {
                let text = "too many wrong tokens came from there; wait";
                let answer = refuse(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", text);
                ([(RETRY_AFTER, (time.as_secs() + 1).to_string())], answer).into_response()
            }
        }
    }
}
