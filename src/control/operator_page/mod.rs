//! The operator page: what the admin API says, as HTML for people.
//!
//! The page knows nothing by itself. Each view asks the API within the process, as the caller who asks for the view, and
//! writes what it hears as a whole page; without JavaScript that is all there is. Modules of ours then keep the figures
//! current and send what an operator wants changed to the API, like any other client. Everything that comes from
//! elsewhere is escaped by the templates; nothing stands inline, and the policy admits nothing from other places.
//! Who may see it is up to whoever merges the routes: [`guarded`] needs the [`Caller`] of the API's gate.

mod announcements;
mod ask;
mod assets;
mod chart;
mod explain;
mod figures;
mod frame;
mod hour;
mod login;
mod overview;
mod quality;
mod sessions;
mod timeline;

#[cfg(test)]
mod tests;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, LOCATION, REFERRER_POLICY};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use maud::Markup;

use super::admin::Caller;
use ask::Api;

/// Scripts, styles and requests only from here; nothing else at all.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The views, but for that of one session.
const VIEWS: [&str; 6] = ["/", "/announcements", "/sessions", "/quality", "/timeline", "/explain"];
/// Bytes of a place that somebody is sent back to.
const PLACE_MAX: usize = 1024;

/// What anybody may have: the form to log in with, and the files of the page, which hold no secret.
pub(super) fn open<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let router = Router::new().route("/login", get(login::show));
    assets::add(router).layer(from_fn(protect))
}

/// The views. `api` answers what they ask, without a gate of its own.
pub(super) fn guarded<S: Clone + Send + Sync + 'static>(api: Router) -> Router<S> {
    let api = Api::new(api);
    Router::new()
        .route("/", get(overview::show))
        .route("/announcements", get(announcements::show))
        .route("/sessions", get(sessions::show))
        .route("/sessions/{id}", get(sessions::detail::show))
        .route("/quality", get(quality::show))
        .route("/timeline", get(timeline::show))
        .route("/explain", get(explain::show))
        .layer(from_fn(protect))
        .with_state(api)
}

/// Where the files are which anybody may have.
pub(super) fn files() -> impl Iterator<Item = &'static str> {
    assets::paths()
}

/// Whether `place` is a view of ours, and nothing else: somebody who follows it stays here.
pub(super) fn is_place(place: &str) -> bool {
    let path = place.split(['?', '#']).next().unwrap_or_default();
    let is_view = path.strip_prefix("/sessions/").map_or(VIEWS.contains(&path), |id| !id.contains('/'));
    is_view && place.len() <= PLACE_MAX && place.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

/// Where to log in: what came of the last attempt, and where to go from there.
pub(super) fn login_at(trouble: &str, next: Option<&str>) -> String {
    let next = next.filter(|next| *next != "/").unwrap_or_default();
    ask::query("/login", &[("trouble", trouble), ("next", next)])
}

/// Around the gate: somebody who opens a view and has not logged in is shown where, and comes back to it.
///
/// With a link from elsewhere a browser sends no cookie (SameSite=Strict), be he logged in or not. He gets a page that goes
/// to the same place from here; a request that comes from here says so, and is not sent round again.
pub(super) async fn send_to_login(request: Request, next: Next) -> Response {
    let place = request.uri().path_and_query().map(|place| place.as_str().to_owned());
    let place = place.filter(|place| request.method() == Method::GET && is_place(place));
    let site = request.headers().get("sec-fetch-site");
    let is_from_elsewhere = site.is_some_and(|site| site == "cross-site" || site == "same-site");
    let response = next.run(request).await;
    match place {
        Some(place) if response.status() == StatusCode::UNAUTHORIZED && is_from_elsewhere => {
            login::go_on(&place)
        }
        Some(place) if response.status() == StatusCode::UNAUTHORIZED => {
            (StatusCode::SEE_OTHER, [(LOCATION, login_at("", Some(&place)))]).into_response()
        }
        Some(_) | None => response,
    }
}

/// With `no-referrer` browsers would not say where a form comes from, and the gate asks.
async fn protect(request: Request, next: Next) -> Response {
    const RULES: [(HeaderName, &str); 3] =
        [(CONTENT_SECURITY_POLICY, POLICY), (REFERRER_POLICY, "same-origin"), (CACHE_CONTROL, "no-store")];
    let mut response = next.run(request).await;
    for (name, value) in RULES {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A whole page as an answer.
fn answer(page: Markup) -> Response {
    Html(page.into_string()).into_response()
}
