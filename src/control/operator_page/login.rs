//! The form to log in with. A token is asked for once; from then on the browser has a cookie that no script can read.

use axum::extract::Query;
use axum::http::Uri;
use axum::response::Response;
use maud::{DOCTYPE, html};
use serde::Deserialize;

use super::frame::head;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    trouble: String,
    next: String,
}

/// `GET /login`: says what came of the last attempt, and where to go from there.
pub(super) async fn show(uri: Uri) -> Response {
    let Query(asked) = Query::<Asked>::try_from_uri(&uri).unwrap_or_default();
    let trouble = match asked.trouble.as_str() {
        "failed" => Some("This token is not known."),
        "wait" => Some("Too many wrong tokens came from your address. Wait a minute, then try again."),
        _ => None,
    };
    let next = Some(asked.next).filter(|next| super::is_place(next));
    super::answer(html! {
        (DOCTYPE)
        html lang="en" {
            (head("Log in"))
            body.login {
                main #main {
                    h1 { "Tern " span { "operator page" } }
                    form method="post" action="/login" {
                        @if let Some(trouble) = trouble { p.error #refusal role="alert" { (trouble) } }
                        // For the browser's memory of passwords; a token says whose it is.
                        @if let Some(next) = &next { input name="next" type="hidden" value=(next); }
                        input name="username" type="text" autocomplete="username" value="tern" hidden;
                        label for="token" { "Token" }
                        input #token name="token" type="password" autocomplete="current-password" required
                            autofocus aria-describedby="hint" aria-invalid=[trouble.map(|_| "true")];
                        p.hint #hint { "One of those that " code { "[[admin.token]]" } " names in the relay's configuration." }
                        button type="submit" { "Log in" }
                    }
                }
            }
        }
    })
}

/// A page that goes to `place`: seen from there, somebody comes from here.
pub(super) fn go_on(place: &str) -> Response {
    super::answer(html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { "Tern" }
                meta http-equiv="refresh" content=(format!("0; url={place}"));
            }
            body { p { a href=(place) { "Go on" } } }
        }
    })
}
