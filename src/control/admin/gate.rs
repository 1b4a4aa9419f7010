//! What every request passes: whose it is, whether he may, and whether his browser was tricked into it.
//!
//! Nothing is open but what [`demand`] names: a route that is added is closed. By TCP the Host header must name this
//! machine (421): a web site that had its own name point here is turned away before anything else. Then a caller is
//! found by a bearer token, a browser's cookie or a client's certificate; on the socket, by what the kernel says. Whoever
//! comes with a cookie proves with each change that the page sent it: the header X-Tern-Csrf and the page's own Origin.
//! Changes that are turned away here are in the audit log.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, COOKIE, HOST, HeaderName, ORIGIN,
    REFERRER_POLICY, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::access::Access;
use super::answer::refuse;
use super::audit::{Asked, Audit};
use super::browsers::Browsers;
use super::caller::{Caller, Peer, RemotePeer};
use super::failures::{self, Failures};
use super::report::Role;
use crate::clock::Clock;
use crate::control::connections::Admission;
use crate::control::operator_page;

/// What the page sends along with a change.
const CSRF: HeaderName = HeaderName::from_static("x-tern-csrf");
/// What a browser says of the page that a request comes from.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// What a browser wants an answer for: "document" if somebody goes to a page.
const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

const ENDED: &str = "the session has ended; log in again";

/// Who may ask, and who has.
#[derive(Debug)]
pub(super) struct Gate {
    access: ArcSwap<Access>,
    browsers: Mutex<Browsers>,
    failures: Mutex<Failures>,
    audit: Arc<Audit>,
    clock: Clock,
}

/// Why somebody is turned away.
#[derive(Debug)]
pub(super) enum Denial {
    /// Nobody has said who he is, or it is not so.
    Unknown(&'static str),
    /// A process that is not admitted.
    Stranger(String),
    /// The role does not reach.
    Role(Caller),
    /// A page of another origin, or none that we have sent. Who it was in whose browser, if that is known.
    Forged(&'static str, Option<Caller>),
    /// Too many wrong secrets.
    Wait(Duration),
}

/// The role that a request takes; none if it is open to anybody.
fn demand(method: &Method, path: &str) -> Option<Role> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let is_open = match path {
        "/livez" | "/readyz" => reads,
        "/login" => reads || *method == Method::POST,
        _ => reads && operator_page::files().any(|file| file == path),
    };
    match path {
        _ if is_open => None,
        // What changes nothing but the caller's own session.
        "/logout" => Some(Role::Viewer),
        _ if method.is_safe() => Some(Role::Viewer),
        _ => Some(Role::Operator),
    }
}

impl Gate {
    pub(super) fn new(access: Access, audit: Arc<Audit>) -> Self {
        Self {
            access: ArcSwap::from_pointee(access),
            browsers: Mutex::default(),
            failures: Mutex::default(),
            audit,
            clock: Clock::new(),
        }
    }

    pub(super) fn set(&self, access: Access) {
        self.access.store(Arc::new(access));
    }

    /// Who asks. `is_use` says whether a person does, and not a page by itself.
    fn identify(
        &self,
        peer: &Peer,
        headers: &HeaderMap,
        changes: bool,
        is_use: bool,
    ) -> Result<Caller, Denial> {
        let caller = match peer {
            Peer::Local(local) => {
                let caller = self.access.load().local(local);
                caller.ok_or_else(|| Denial::Stranger(local.to_string()))?
            }
            Peer::Remote(remote) => self.remote(remote, headers, changes, is_use)?,
        };
        Ok(Caller { from: peer.to_string(), ..caller })
    }

    fn remote(
        &self,
        peer: &RemotePeer,
        headers: &HeaderMap,
        changes: bool,
        is_use: bool,
    ) -> Result<Caller, Denial> {
        let foreign = if changes { refuse_foreign(peer, headers) } else { Ok(()) };
        if let Some(token) = bearer(headers) {
            foreign?;
            return self.admit(peer, token).map(|(caller, _)| caller);
        }
        let id = cookie(headers, peer.is_tls);
        let by_cookie = id.as_deref().and_then(|id| self.browser(id, is_use || changes));
        if let Some(caller) = by_cookie {
            let from = || Some(Caller { from: peer.address.to_string(), ..caller.clone() });
            foreign.map_err(|denial| denial.of(from()))?;
            if changes && !is_from_page(&caller, headers) {
                let text = "a change needs the X-Tern-Csrf of the page that asks for it";
                return Err(Denial::Forged(text, from()));
            }
            return Ok(caller);
        }
        foreign?;
        let by_certificate = peer.shown.holder().and_then(|holder| self.access.load().certificate(holder));
        by_certificate.ok_or(Denial::Unknown(match id {
            Some(_) => ENDED,
            None => "show a token (Authorization: Bearer …) or log in",
        }))
    }

    /// The holder of a token, and its hash. A right one is never kept waiting for wrong ones of others; those who guess
    /// are, since each guess costs time and a line of the log. A token is too long to be guessed either way.
    fn admit(&self, peer: &RemotePeer, text: &[u8]) -> Result<(Caller, [u8; 32]), Denial> {
        if let Some(token) = self.access.load().token(text) {
            return Ok((token.caller(), token.hash()));
        }
        let now = self.clock.now().time;
        let noted = self.failures().note(now, peer.address.ip());
        let tell =
            |outcome| self.audit.refuse("nobody", "", &peer.address.to_string(), &Asked::default(), outcome);
        match noted {
            Some((count, left)) if count > failures::MOST => return Err(Denial::Wait(left)),
            Some((1, _)) => tell("a wrong token was shown"),
            Some((failures::MOST, _)) => {
                tell("many wrong tokens were shown; no more are listened to for a while")
            }
            Some(_) | None => {}
        }
        Err(Denial::Unknown("this token is not known"))
    }

    /// Whose session it is. The token may be gone since, or have another role.
    fn browser(&self, id: &str, is_use: bool) -> Option<Caller> {
        let now = self.clock.now().time;
        let mut browsers = self.browsers();
        let (hash, csrf) = browsers.find(now, id)?;
        let access = self.access.load();
        let token = access.token_of(&hash)?;
        // A page on the wall reads for ever; one that changes things must have somebody before it.
        if is_use || token.role == Role::Viewer {
            browsers.touch(now, id);
        }
        Some(Caller { csrf: Some(csrf), ..token.caller() })
    }

    /// Whether somebody who reads along may still read.
    pub(super) fn still_admits(&self, peer: &Peer, headers: &HeaderMap) -> bool {
        self.identify(peer, headers, false, false).is_ok()
    }

    /// Opens a session for the holder of a token. What is returned is the cookie.
    pub(super) fn log_in(
        &self,
        peer: &RemotePeer,
        headers: &HeaderMap,
        token: &[u8],
    ) -> Result<(Caller, String), Denial> {
        refuse_foreign(peer, headers)?;
        let (caller, hash) = self.admit(peer, token)?;
        let opened = self.browsers().open(self.clock.now().time, hash);
        let opened = opened.ok_or(Denial::Unknown("the system has no random numbers"))?;
        let caller = Caller { from: peer.address.to_string(), ..caller };
        Ok((caller, set_cookie(headers, &opened.id, peer.is_tls, "")))
    }

    /// Ends the session that a request belongs to. What is returned takes the cookie back.
    pub(super) fn log_out(&self, peer: &Peer, headers: &HeaderMap) -> String {
        let is_tls = matches!(peer, Peer::Remote(remote) if remote.is_tls);
        if let Some(id) = cookie(headers, is_tls) {
            self.browsers().close(&id);
        }
        set_cookie(headers, "", is_tls, "; Max-Age=0")
    }

    /// When somebody was last seen to use the session that these headers belong to.
    #[cfg(test)]
    pub(super) fn idle_since(&self, headers: &HeaderMap) -> Option<crate::time::Time> {
        self.browsers().used(&cookie(headers, false)?)
    }

    async fn pass(&self, peer: &Peer, mut request: Request, next: Next, needs: Role) -> Response {
        let changes = !request.method().is_safe();
        let found = self.identify(peer, request.headers(), changes, goes_there(request.headers()));
        let denial = match found {
            Ok(caller) if caller.role >= needs => {
                if let Some(admission) = request.extensions().get::<Admission>() {
                    admission.grant();
                }
                request.extensions_mut().insert(caller);
                return next.run(request).await;
            }
            Ok(caller) => Denial::Role(caller),
            Err(denial) => denial,
        };
        if changes {
            self.note(peer, &request, &denial);
        }
        let mut response = denial.into_response();
        if matches!(peer, Peer::Remote(remote) if remote.shown.is_over()) {
            // A new handshake says who it is.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Wrong tokens are noted where they are shown; that nobody shows one is not worth a line.
    fn note(&self, peer: &Peer, request: &Request, denial: &Denial) {
        let (who, role) = match denial {
            Denial::Role(caller) | Denial::Forged(_, Some(caller)) => {
                (caller.who.as_str(), caller.role.name())
            }
            Denial::Forged(_, None) => ("nobody", ""),
            Denial::Stranger(who) => (who.as_str(), ""),
            Denial::Unknown(_) | Denial::Wait(_) => return,
        };
        let asked = Asked { method: request.method().as_str(), path: request.uri().path(), status: 403 };
        self.audit.refuse(who, role, &peer.to_string(), &asked, denial.text());
    }

    fn browsers(&self) -> MutexGuard<'_, Browsers> {
        self.browsers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Turns away what was sent to another machine's name, and sets what every answer has.
pub(super) async fn check_host(
    State(gate): State<Arc<Gate>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let host = request.headers().get(HOST);
    let is_known = match (&peer, host) {
        (Peer::Local(_), _) => true,
        // Load balancers of old speak HTTP/1.0. A browser always says whom it means.
        (Peer::Remote(_), None) => matches!(request.uri().path(), "/livez" | "/readyz"),
        (Peer::Remote(_), Some(host)) => host.to_str().is_ok_and(|host| gate.access.load().hosts.know(host)),
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

/// Lets callers through who may, and says who they are. It stands before everything.
pub(super) async fn guard(
    State(gate): State<Arc<Gate>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    match demand(request.method(), request.uri().path()) {
        Some(needs) => gate.pass(&peer, request, next, needs).await,
        None => next.run(request).await,
    }
}

/// A browser says which page sends a change; it must be ours.
fn refuse_foreign(peer: &RemotePeer, headers: &HeaderMap) -> Result<(), Denial> {
    const TEXT: &str = "a page of another origin asks for a change";
    let says = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default());
    if says(FETCH_SITE).is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return Err(Denial::Forged(TEXT, None));
    }
    let Some(origin) = says(ORIGIN) else { return Ok(()) };
    let is_ours = match (origin.split_once("://"), says(HOST)) {
        // Without TLS here, there may be some before us.
        (Some((scheme, site)), Some(host)) => {
            (scheme == "https" || scheme == "http" && !peer.is_tls) && site.eq_ignore_ascii_case(host)
        }
        _ => false,
    };
    if is_ours { Ok(()) } else { Err(Denial::Forged(TEXT, None)) }
}

/// Whether a change comes with what only the page knows.
fn is_from_page(caller: &Caller, headers: &HeaderMap) -> bool {
    let shown = headers.get(CSRF).map(HeaderValue::as_bytes).unwrap_or_default();
    let csrf = caller.csrf.as_deref().unwrap_or_default();
    !csrf.is_empty() && headers.contains_key(ORIGIN) && bool::from(shown.ct_eq(csrf.as_bytes()))
}

/// Whether somebody goes to a page. What a page asks for by itself says that it is for no document; a browser that says
/// nothing of the kind is given the benefit of the doubt.
fn goes_there(headers: &HeaderMap) -> bool {
    headers.get(FETCH_DEST).is_none_or(|wants| wants == "document")
}

/// The token that is shown. Other ways to say who one is, as proxies and browsers may send them, are none of ours.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get_all(AUTHORIZATION).iter().find_map(|value| {
        let (scheme, token) = value.as_bytes().split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
    })
}

/// Cookies do not tell ports apart, and two relays may be behind one name: each has the port in its cookie's, as the
/// browser knows it. The prefix has browsers see to it that no other machine and no unencrypted page sets it.
fn cookie_name(headers: &HeaderMap, is_tls: bool) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let port = host.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    let port = port.unwrap_or(if is_tls { 443 } else { 80 });
    format!("{}tern-{port}", if is_tls { "__Host-" } else { "" })
}

fn cookie(headers: &HeaderMap, is_tls: bool) -> Option<String> {
    let ours = cookie_name(headers, is_tls);
    let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == ours).map(|(_, value)| value.to_owned())
}

fn set_cookie(headers: &HeaderMap, id: &str, is_tls: bool, more: &str) -> String {
    let secure = if is_tls { "; Secure" } else { "" };
    format!("{}={id}; Path=/; HttpOnly; SameSite=Strict{secure}{more}", cookie_name(headers, is_tls))
}

impl Denial {
    /// The same, in somebody's browser.
    fn of(self, caller: Option<Caller>) -> Self {
        match self {
            Self::Forged(text, _) => Self::Forged(text, caller),
            other @ (Self::Unknown(_) | Self::Stranger(_) | Self::Role(_) | Self::Wait(_)) => other,
        }
    }

    const fn text(&self) -> &'static str {
        match self {
            Self::Unknown(text) | Self::Forged(text, _) => text,
            Self::Stranger(_) => {
                "only root, the relay's own user and the members of admin.group may do this; those of admin.viewers may read"
            }
            Self::Role(_) => "a viewer reads; this takes an operator",
            Self::Wait(_) => "too many wrong tokens came from there; wait",
        }
    }
}

impl IntoResponse for Denial {
    fn into_response(self) -> Response {
        let text = self.text();
        match self {
            Self::Unknown(_) => {
                let answer = refuse(StatusCode::UNAUTHORIZED, "unauthorized", text);
                ([(WWW_AUTHENTICATE, "Bearer realm=\"tern\"")], answer).into_response()
            }
            Self::Stranger(_) | Self::Role(_) => refuse(StatusCode::FORBIDDEN, "forbidden", text),
            Self::Forged(..) => refuse(StatusCode::FORBIDDEN, "forged", text),
            Self::Wait(time) => {
                let answer = refuse(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", text);
                ([(RETRY_AFTER, (time.as_secs() + 1).to_string())], answer).into_response()
            }
        }
    }
}
