//! The files of the page, embedded: a style sheet and ES modules of ours, for anybody.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;

const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Path, kind and content.
pub(super) const FILES: [(&str, &str, &str); 7] = [
    ("/assets/page.css", STYLE, include_str!("assets/page.css")),
    ("/assets/page.js", SCRIPT, include_str!("assets/page.js")),
    ("/assets/live.js", SCRIPT, include_str!("assets/live.js")),
    ("/assets/figures.js", SCRIPT, include_str!("assets/figures.js")),
    ("/assets/parts.js", SCRIPT, include_str!("assets/parts.js")),
    ("/assets/table.js", SCRIPT, include_str!("assets/table.js")),
    ("/assets/actions.js", SCRIPT, include_str!("assets/actions.js")),
];

const ICON: &str = include_str!("assets/icon.svg");

const ICON_PATH: &str = "/assets/icon.svg";

/// Where all of them are.
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(path, ..)| *path).chain([ICON_PATH])
}

pub(super) fn add<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    let router = FILES.into_iter().fold(router, |router, (path, kind, content)| {
        router.route(path, get(move || async move { ([(CONTENT_TYPE, kind)], content) }))
    });
    router.route(ICON_PATH, get(|| async { ([(CONTENT_TYPE, "image/svg+xml")], ICON) }))
}
