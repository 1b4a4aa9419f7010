//! docs/api.md: every route of the admin API, and what is in its bodies.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::markdown::{code, head, link, prose, table};

/// What is not there.
static NOTHING: Value = Value::Null;

fn get<'v>(value: &'v Value, path: &[&str]) -> &'v Value {
    path.iter().fold(value, |value, key| value.get(key).unwrap_or(&NOTHING))
}

fn text<'v>(value: &'v Value, path: &[&str]) -> &'v str {
    get(value, path).as_str().unwrap_or_default()
}

fn fields<'v>(value: &'v Value, path: &[&str]) -> impl Iterator<Item = (&'v String, &'v Value)> {
    get(value, path).as_object().into_iter().flatten()
}

fn items<'v>(value: &'v Value, path: &[&str]) -> impl Iterator<Item = &'v Value> {
    get(value, path).as_array().into_iter().flatten()
}

struct Route<'v> {
    method: String,
    path: &'v str,
    operation: &'v Value,
}

impl Route<'_> {
    fn title(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Who may ask; the gate goes by the method.
    fn role(&self) -> &'static str {
        let security = get(self.operation, &["security"]).as_array();
        let is_open =
            security.is_some_and(|all| all.iter().all(|one| one.as_object().is_none_or(Map::is_empty)));
        match (is_open, self.method.as_str(), self.path) {
            (true, _, _) => "anybody",
            (_, "GET", _) | (_, _, "/logout") => "viewer",
            _ => "operator",
        }
    }
}

pub(super) fn document() -> String {
    let document: Value = serde_json::from_str(tern::control::admin::openapi_text()).unwrap();
    let mut groups = BTreeMap::<&str, Vec<Route<'_>>>::new();
    for (path, methods) in fields(&document, &["paths"]) {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let tag = items(operation, &["tags"]).next().and_then(Value::as_str).unwrap_or("other");
            groups.entry(tag).or_default().push(Route { method: method.to_uppercase(), path, operation });
        }
    }
    let mut out = head("Admin API", "the OpenAPI document that the relay answers at `/openapi.json`");
    let _ = writeln!(out, "{}\n", prose(text(&document, &["info", "description"]), &[]));
    out += "It is served on the admin socket and, where `admin.listen` says so, by TCP (see \
            [the configuration](configuration.md#admin)). By TCP a caller shows a token (`Authorization: Bearer …`), a \
            client's certificate, or the cookie that `/login` sets; changes with a cookie need `X-Tern-Csrf`, which \
            `/v1/me` says. An operator may do whatever a viewer may.\n\n";
    let routes: Vec<_> = groups.values().flatten().collect();
    let rows: Vec<_> = routes
        .iter()
        .map(|route| {
            let what = prose(text(route.operation, &["summary"]), &[]);
            [link(&code(&route.title()), &route.title()), route.role().to_owned(), what]
        })
        .collect();
    out += &table(["Route", "Role", "What it does"], &rows);
    for (tag, routes) in &groups {
        let _ = writeln!(out, "## Routes: {tag}\n");
        routes.iter().for_each(|route| describe(route, &mut out));
    }
    let _ = writeln!(out, "## Schemas\n\nFields that need not be there are marked with `?`.\n");
    for (name, schema) in fields(&document, &["components", "schemas"]) {
        schema_section(name, schema, &mut out);
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn describe(route: &Route<'_>, out: &mut String) {
    let operation = route.operation;
    let _ = writeln!(out, "### {}\n", route.title());
    for paragraph in [text(operation, &["summary"]), text(operation, &["description"])] {
        if !paragraph.is_empty() {
            let _ = writeln!(out, "{}\n", prose(paragraph, &[]));
        }
    }
    let _ = writeln!(out, "Role: {}.\n", route.role());
    let parameters = items(operation, &["parameters"]).map(|parameter| {
        let required = get(parameter, &["required"]).as_bool() == Some(true);
        [
            code(&optional(text(parameter, &["name"]), required)),
            text(parameter, &["in"]).to_owned(),
            kind(get(parameter, &["schema"])),
            prose(text(parameter, &["description"]), &[]),
        ]
    });
    *out += &table(["Parameter", "In", "Type", "Meaning"], &parameters.collect::<Vec<_>>());
    let body = get(operation, &["requestBody"]);
    if !body.is_null() {
        let said = prose(text(body, &["description"]), &[]);
        let _ = writeln!(out, "Body: {}. {said}", content(body));
        out.truncate(out.trim_end().len());
        out.push_str("\n\n");
    }
    let answers = fields(operation, &["responses"])
        .map(|(status, answer)| [code(status), content(answer), prose(text(answer, &["description"]), &[])]);
    *out += &table(["Answer", "Body", "Meaning"], &answers.collect::<Vec<_>>());
}

fn optional(name: &str, required: bool) -> String {
    if required { name.to_owned() } else { format!("{name}?") }
}

/// What a body holds.
fn content(body: &Value) -> String {
    let bodies = fields(body, &["content"]).map(|(media, body)| {
        let schema = get(body, &["schema"]);
        match (schema.is_null(), media.as_str()) {
            (false, "application/json") => kind(schema),
            (false, media) => format!("{} ({})", kind(schema), code(media)),
            (true, media) => code(media),
        }
    });
    bodies.collect::<Vec<_>>().join(", ")
}

/// A schema in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = text(schema, &["$ref"]).rsplit('/').next().filter(|name| !name.is_empty()) {
        return link(name, name);
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        let parts: Vec<_> = items(schema, &[key]).map(kind).collect();
        if !parts.is_empty() {
            return parts.join(if key == "allOf" { " and " } else { " or " });
        }
    }
    let words: Vec<_> = items(schema, &["enum"]).map(|word| code(&word.to_string())).collect();
    if !words.is_empty() {
        return words.join(", ");
    }
    let said = get(schema, &["type"]);
    let one = std::slice::from_ref(said);
    let types = said.as_array().map_or(one, Vec::as_slice).iter().filter_map(Value::as_str);
    let named = types.map(|kind_name| match kind_name {
        "array" => format!("list of {}", kind(get(schema, &["items"]))),
        "object" if get(schema, &["additionalProperties"]).is_object() => {
            format!("map of {}", kind(get(schema, &["additionalProperties"])))
        }
        "object" if fields(schema, &["properties"]).next().is_some() => {
            let inner = fields(schema, &["properties"]);
            let inner: Vec<_> =
                inner.map(|(name, schema)| format!("{}: {}", code(name), kind(schema))).collect();
            format!("object ({})", inner.join(", "))
        }
        other => other.to_owned(),
    });
    let named: Vec<_> = named.collect();
    if named.is_empty() { "anything".to_owned() } else { named.join(" or ") }
}

fn schema_section(name: &str, schema: &Value, out: &mut String) {
    let _ = writeln!(out, "### {name}\n");
    let said = text(schema, &["description"]);
    if !said.is_empty() {
        let _ = writeln!(out, "{}\n", prose(said, &[]));
    }
    let mut rows = Vec::new();
    let parts: Vec<&Value> = items(schema, &["allOf"]).collect();
    for part in [schema].into_iter().chain(parts) {
        let required: Vec<_> = items(part, &["required"]).filter_map(Value::as_str).collect();
        for (field, schema) in fields(part, &["properties"]) {
            let field_name = optional(field, required.contains(&field.as_str()));
            rows.push([code(&field_name), kind(schema), prose(text(schema, &["description"]), &[])]);
        }
        let inherited = text(part, &["$ref"]).rsplit('/').next().filter(|name| !name.is_empty());
        if let Some(name) = inherited {
            let _ = writeln!(out, "Everything of {}, and:\n", link(name, name));
        }
    }
    if rows.is_empty() {
        let _ = writeln!(out, "{}.\n", kind(schema));
    }
    *out += &table(["Field", "Type", "Meaning"], &rows);
}
