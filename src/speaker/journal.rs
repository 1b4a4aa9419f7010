//! The announcer's events as lines of the log: a constant text, and what it is about as fields.

use crate::announce::{Event, Level};

/// Names that are fields of their own, since one looks for them; whatever else an event says is in `about`.
const OWN: [&str; 4] = ["neighbor", "prefix", "state", "reason"];

pub(super) fn write(event: &Event) {
    let field =
        |name: &str| event.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value.as_str());
    let [neighbor, prefix, state, reason] = OWN.map(field);
    let about = rest(event);
    let (about, text) = ((!about.is_empty()).then_some(about.as_str()), event.text);
    match event.level {
        Level::Debug => tracing::debug!(neighbor, prefix, state, reason, about, "{text}"),
        Level::Info => tracing::info!(neighbor, prefix, state, reason, about, "{text}"),
        Level::Warn => tracing::warn!(neighbor, prefix, state, reason, about, "{text}"),
    }
}

fn rest(event: &Event) -> String {
    let rest = event.fields.iter().filter(|(name, _)| !OWN.contains(name));
    rest.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_field_of_its_own_is_told_together() {
        let event = Event::info("x").with("neighbor", "gw-a").with("asn", 64_512).with("hold", "60s");
        assert_eq!(rest(&event), "asn=64512 hold=60s");
    }
}
