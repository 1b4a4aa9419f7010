//! What stands around every view: the relay's name and state, the ways to the other views, and the dialogs.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::ask::{Api, Trouble, Viewer};
use super::figures::{count, moment};
use crate::control::admin::{Role, Status};

/// Path, name in the way, title.
const VIEWS: [(&str, &str, &str); 6] = [
    ("/", "Overview", "Can this relay take calls?"),
    ("/announcements", "Announcements", "What is announced, and why"),
    ("/sessions", "Sessions", "Sessions"),
    ("/quality", "Quality", "Quality by network and class"),
    ("/timeline", "Timeline", "What has happened"),
    ("/explain", "Explain a call", "Explain a call"),
];

/// What all views show.
pub(super) struct Frame {
    viewer: Viewer,
    pub(super) status: Result<Status, Trouble>,
    view: &'static str,
}

impl Frame {
    /// For the view at `view`.
    pub(super) async fn new(api: &Api, viewer: Viewer, view: &'static str) -> Self {
        let status = api.get(&viewer, "/v1/status").await;
        Self { viewer, status, view }
    }

    pub(super) fn viewer(&self) -> &Viewer {
        &self.viewer
    }

    pub(super) fn is_operator(&self) -> bool {
        self.viewer.caller.role == Role::Operator
    }

    fn name(&self) -> &str {
        self.status.as_ref().map_or("", |status| status.name.as_str())
    }

    /// The page of a view, or what kept it from being made.
    pub(super) fn page(&self, content: Result<Markup, Trouble>) -> Response {
        let (code, content) = match content {
            Ok(content) => (StatusCode::OK, content),
            Err(trouble) => (trouble.status, cannot(&trouble)),
        };
        let (_, short, title) =
            VIEWS.iter().find(|(path, ..)| *path == self.view).copied().unwrap_or_default();
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                (head(&format!("{short} – {}", self.name())))
                body data-view=(self.view) data-who=(self.viewer.caller.who) data-role=(self.viewer.caller.role.name())
                    data-csrf=[self.viewer.caller.csrf.as_deref()] data-relay=(self.name()) {
                    a.skip href="#main" { "Skip to content" }
                    (self.top())
                    main #main tabindex="-1" {
                        h1 { (title) }
                        noscript { p.hint { "Without JavaScript this page shows one moment: load it again for another. Changes need JavaScript, or " code { "tern" } " on the command line." } }
                        p.error.notice #old role="alert" hidden {}
                        p #result role="status" {}
                        (content)
                    }
                    footer { p { "All times are UTC. " span #freshness {} } }
                    (self.dialogs())
                }
            }
        };
        (code, super::answer(page)).into_response()
    }

    fn top(&self) -> Markup {
        html! {
            header {
                div.top {
                    p.brand {
                        a href="/" { "Tern" } " "
                        strong { (self.name()) }
                    }
                    div #standing data-part { (self.standing()) }
                    div.who {
                        span { (self.viewer.caller.who) " (" (self.viewer.caller.role.name()) ")" }
                        @if self.viewer.caller.csrf.is_some() {
                            button.plain type="button" #log-out hidden { "Log out" }
                        }
                    }
                }
                nav aria-label="Views" {
                    ul {
                        @for (path, name, _) in VIEWS {
                            li { a href=(path) aria-current=[(path == self.view).then_some("page")] { (name) } }
                        }
                    }
                }
            }
        }
    }

    /// The state, and the way to change it.
    fn standing(&self) -> Markup {
        let Ok(status) = &self.status else {
            return html! { span.state.unknown { "state unknown" } };
        };
        html! {
            span.state.(state_class(&status.state)) { (status.state) }
            @if status.draining.is_some() && status.state != "draining" { span.state.fair { "draining" } }
            @if self.is_operator() {
                @if status.draining.is_some() {
                    button type="button" data-open="undrain" hidden { "End the drain" }
                } @else {
                    button.danger type="button" data-open="drain" hidden { "Drain…" }
                }
            }
        }
    }

    fn dialogs(&self) -> Markup {
        if !self.is_operator() {
            return html! {};
        }
        html! {
            dialog #drain aria-labelledby="drain-title" {
                form method="dialog" data-action="drain" {
                    h2 #drain-title { "Drain this relay?" }
                    p {
                        "It takes itself out of service: nothing new should come, calls that are here go on until they end. "
                        strong { span #drain-calls data-path="sessions.total" data-form="count" { (self.status.as_ref().map_or_else(|_| "–".to_owned(), |status| count(status.sessions.total))) } " sessions" }
                        " are on it now."
                    }
                    div #partner data-part { (self.partner()) }
                    label for="drain-name" { "Type the relay's name, " code { (self.name()) } ", to confirm" }
                    input #drain-name name="name" required autocomplete="off" spellcheck="false" autocapitalize="off";
                    div.pair {
                        div {
                            label for="drain-deadline" { "Wait at most (minutes)" }
                            input #drain-deadline name="deadline" type="number" min="1" max="10080" value="120" required;
                        }
                        div {
                            label for="drain-left" { "Empty when so few are left" }
                            input #drain-left name="left" type="number" min="0" value="0" required;
                        }
                    }
                    label.check hidden #drain-force-label { input type="checkbox" name="force"; " Drain although nobody else can take the calls" }
                    p.error role="alert" {}
                    div.buttons {
                        button type="button" data-close { "Cancel" }
                        button.danger type="submit" { "Drain" }
                    }
                }
            }
            dialog #undrain aria-labelledby="undrain-title" {
                form method="dialog" data-action="undrain" {
                    h2 #undrain-title { "Take calls again?" }
                    p { "The relay is announced again as its health allows." }
                    p.error role="alert" {}
                    div.buttons {
                        button type="button" data-close { "Cancel" }
                        button type="submit" { "End the drain" }
                    }
                }
            }
        }
    }

    fn partner(&self) -> Markup {
        html! {
            p.hint {
                "This relay belongs to no mesh, so it does not know whether another one has room for these calls. Look at the others before you go on."
                @if let Ok(status) = &self.status {
                    @if status.announced.is_empty() { " It announces nothing: load balancers see the drain at " code { "/readyz" } "." }
                    @else { " Announced now: " (status.announced.join(", ")) "." }
                }
            }
        }
    }
}

/// What every page begins with.
pub(super) fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (title) " – Tern" }
            link rel="stylesheet" href="/assets/page.css";
            link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
            script type="module" src="/assets/page.js" {}
        }
    }
}

/// Instead of what cannot be shown.
pub(super) fn cannot(trouble: &Trouble) -> Markup {
    html! { p.error.notice #trouble role="alert" { "This cannot be shown: " (trouble) "." } }
}

/// Which colour a state has. The word says the same.
pub(super) fn state_class(state: &str) -> &'static str {
    match state {
        "healthy" | "established" | "up" | "good" | "ready" => "good",
        "degraded" | "draining" | "takeover" | "poor" | "open_sent" | "open_confirm" | "init" => "fair",
        "down" | "bad" | "idle" | "connect" | "active" | "admin_down" => "bad",
        _ => "unknown",
    }
}

/// A moment, for people and for programs.
pub(super) fn time(at: &str) -> Markup {
    html! { time datetime=(at) { (moment(at)) } }
}
