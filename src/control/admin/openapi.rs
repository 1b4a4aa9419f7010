//! The document that describes the API (OpenAPI 3.1), made of the types that its answers are made of.

use std::sync::OnceLock;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{ErrorReport, Readiness, explain, operations, routes, sessions, stream, watched};

/// The document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tern",
        description = "What operators ask of a relay, and tell it. Whoever reads is a viewer, whoever changes something an operator. A change under an Idempotency-Key is done once. Times are RFC 3339, lengths of time have their unit in the name, fields are added and never change their meaning."
    ),
    paths(
        live, ready, log_in, log_out, document,
        routes::me, routes::audit,
        watched::status, watched::capacity, watched::alerts, watched::history, watched::quality, watched::events,
        stream::stream,
        explain::explain, sessions::list, sessions::show, sessions::end,
        routes::health, routes::bgp, routes::why, routes::why_now, routes::announce, routes::withdraw, routes::bfd,
        operations::drain, operations::undrain, operations::reload_state, operations::reload, operations::confirm,
        operations::undo, operations::log, operations::set_log, operations::credentials, operations::verify,
    ),
    components(schemas(
        sessions::TransportWord, sessions::FamilyWord, sessions::SortWord, sessions::OrderWord
    )),
    modifiers(&Schemes),
    security(("token" = []), ("browser" = []))
)]
struct Document;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
        let cookie =
            ApiKeyValue::with_description("tern", "Set by /login; changes need X-Tern-Csrf as well.");
        components.add_security_scheme("browser", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    }
}

/// Whether the relay lives: its control plane turns, and so does a worker.
#[utoipa::path(get, path = "/livez", tag = "probes", security(()),
    responses((status = 200, description = "It does."), (status = 503, body = ErrorReport)))]
#[expect(dead_code, reason = "only its description is used")]
fn live() {}

/// Whether new calls are welcome.
#[utoipa::path(get, path = "/readyz", tag = "probes", security(()),
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
#[expect(dead_code, reason = "only its description is used")]
fn ready() {}

/// Opens a session for a browser: JSON is answered with JSON, a form with a redirection.
#[utoipa::path(post, path = "/login", tag = "callers", security(()), request_body = super::login::Login,
    responses((status = 200, description = "A cookie is set."), (status = 303, description = "The same, for a form."),
        (status = "4XX", body = ErrorReport)))]
#[expect(dead_code, reason = "only its description is used")]
fn log_in() {}

/// Ends the caller's session.
#[utoipa::path(post, path = "/logout", tag = "callers",
    responses((status = 200, description = "The cookie is taken back."), (status = "4XX", body = ErrorReport)))]
#[expect(dead_code, reason = "only its description is used")]
fn log_out() {}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "probes", responses((status = 200, content_type = "application/json")))]
pub(super) async fn document() -> Response {
    ([(CONTENT_TYPE, "application/json")], openapi_text()).into_response()
}

/// The document as `/openapi.json` answers it; it is made once.
#[must_use]
pub fn openapi_text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| Document::openapi().to_json().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn every_route_stands_in_the_document_and_the_other_way_round() {
        let document: Value = serde_json::from_str(openapi_text()).unwrap();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        let mut described = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys() {
                described.insert((method.clone(), path.clone()));
            }
        }
        let open = [("get", "/livez"), ("get", "/readyz"), ("post", "/login"), ("post", "/logout")];
        let routes: BTreeSet<_> = routes::TABLE
            .iter()
            .chain(&open)
            .map(|(method, path)| ((*method).to_owned(), (*path).to_owned()))
            .collect();
        assert_eq!(described, routes);
    }

    #[test]
    fn every_type_that_it_names_is_in_it() {
        let document: Value = serde_json::from_str(openapi_text()).unwrap();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let mut rest = openapi_text();
        let mut named = 0;
        while let Some(at) = rest.find("\"#/components/schemas/") {
            rest = &rest[at + 22..];
            let name = &rest[..rest.find('"').unwrap()];
            assert!(schemas.contains_key(name), "{name}");
            named += 1;
        }
        assert!(named > 20, "{named}");
    }
}
