//! Browsers: a token once, a cookie from then on.

use std::time::Duration;

use axum::Extension;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::header::{CONTENT_TYPE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use super::answer::{bad_request, json_response, refuse};
use super::caller::{Caller, Peer};
use super::gate::Denial;
use super::routes::Desk;
use crate::control::operator_page;

/// Bytes of what somebody may say before he has said who he is, and how long that may take.
const BODY_MAX: usize = 4 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);

/// What the body of `POST /login` says.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    /// One of those of the configuration.
    token: String,
}

/// `POST /login`: JSON is answered with JSON, a form with a redirection.
pub(super) async fn log_in(
    State(desk): State<Desk>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Ok(Ok(body)) = timeout(PATIENCE, to_bytes(body, BODY_MAX)).await else {
        let text = "expected a token, at once and in at most 4096 bytes";
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text);
    };
    let Ok(body) = str::from_utf8(&body) else { return bad_request("the body is no text in UTF-8") };
    let Peer::Remote(remote) = &peer else {
        return refuse(StatusCode::CONFLICT, "pointless", "on the socket there is nothing to log in to");
    };
    let is_form = headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    let token = if is_form {
        form_value(body, "token")
    } else {
        serde_json::from_str::<Login>(body).ok().map(|login| login.token)
    };
    let Some(token) = token else { return bad_request("expected {\"token\": \"…\"}, or a form with it") };
    let next = form_value(body, "next").filter(|_| is_form);
    let next = next.as_deref().filter(|next| operator_page::is_place(next));
    match desk.gate.log_in(remote, &headers, token.trim().as_bytes()) {
        Ok((caller, cookie)) => {
            desk.changes.audit.pass(&caller, "/login");
            if is_form {
                let place = next.unwrap_or("/").to_owned();
                return (StatusCode::SEE_OTHER, [(SET_COOKIE, cookie), (LOCATION, place)]).into_response();
            }
            let answer =
                json_response(StatusCode::OK, &json!({ "who": caller.who, "role": caller.role.name() }));
            ([(SET_COOKIE, cookie)], answer).into_response()
        }
        Err(Denial::Unknown(_)) if is_form => see_other(operator_page::login_at("failed", next)),
        Err(Denial::Wait(_)) if is_form => see_other(operator_page::login_at("wait", next)),
        Err(denial) => denial.into_response(),
    }
}

/// `POST /logout`.
pub(super) async fn log_out(
    State(desk): State<Desk>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Response {
    let cookie = desk.gate.log_out(&peer, &headers);
    desk.changes.audit.pass(&caller, "/logout");
    ([(SET_COOKIE, cookie)], json_response(StatusCode::OK, &json!({}))).into_response()
}

fn see_other(place: String) -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, place)]).into_response()
}

/// The first value of `name` in a form.
fn form_value(body: &str, name: &str) -> Option<String> {
    let value = body.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?.1;
    let mut out = Vec::with_capacity(value.len());
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_browsers_write_it() {
        assert_eq!(form_value("a=b&token=x%2Fy%3d+z&token=2", "token").as_deref(), Some("x/y= z"));
        for broken in ["", "token", "tokens=1", "token=%", "token=%2", "token=%zz", "token=%ff"] {
            assert_eq!(form_value(broken, "token"), None, "{broken}");
        }
    }
}
