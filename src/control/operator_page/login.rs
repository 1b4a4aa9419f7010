//! The form to log in with. A token is asked for once; from then on the browser has a cookie that no script can read.

use axum::http::Uri;
use axum::response::Response;
use maud::{DOCTYPE, html};

use super::frame::head;

/// `GET /login`: `?failed` and `?wait` say what came of the last attempt.
pub(super) async fn show(uri: Uri) -> Response {
    let trouble = match uri.query() {
        Some("failed") => Some("This token is not known."),
        Some("wait") => Some("Too many wrong tokens came from your address. Wait a minute, then try again."),
        Some(_) | None => None,
    };
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
