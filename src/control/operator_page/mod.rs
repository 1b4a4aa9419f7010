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

/// Around the gate: somebody who opens a view and has not logged in is shown where.
pub(super) async fn send_to_login(request: Request, next: Next) -> Response {
    let reads = request.method() == Method::GET;
    let response = next.run(request).await;
    if reads && response.status() == StatusCode::UNAUTHORIZED {
        return (StatusCode::SEE_OTHER, [(LOCATION, "/login")]).into_response();
    }
    response
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
