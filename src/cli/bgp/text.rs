//! The same for people.

use std::fmt::Write as _;

use super::super::table::{age, or_dash, short, table};
use crate::control::admin::{Attributes, Check, Neighbor, Notification, Report, Route};
use crate::wire::bgp::Prefix;

/// The last changes that `why` tells of.
const TRANSITIONS: usize = 5;

/// The state of the relay in a line.
pub(crate) fn headline(report: &Report) -> String {
    let health = &report.health;
    let mut text = format!("relay {} for {}", health.state, age(health.for_seconds));
    if health.draining && health.state != "draining" {
        text.push_str(", to be drained");
    }
    let _ = match health.reasons.as_slice() {
        [] => Ok(()),
        [one] => write!(text, ": {one}"),
        [one, other] => write!(text, ": {one}; {other}"),
        [first, rest @ ..] => write!(text, ": {first}; and {} more reasons", rest.len()),
    };
    text
}

/// All that `tern bgp show` says.
pub(super) fn show(report: &Report) -> String {
    let mut text = format!("{}\n", headline(report));
    if report.neighbors.is_empty() {
        text.push_str(
            "no neighbors: nothing is announced; [[bgp.neighbor]] in the configuration adds them\n",
        );
        return text;
    }
    let _ = writeln!(text, "AS {}, router ID {}", report.asn, report.router_id);
    cache_lines(&mut text, report);
    let headings =
        ["Neighbor", "Address", "AS", "State", "Since", "Hold", "Received", "Announced", "Flaps", "BFD"];
    let rows: Vec<_> = report.neighbors.iter().map(session_row).collect();
    let _ = write!(text, "\n{}", table(&headings, &rows));
    for neighbor in &report.neighbors {
        let _ = write!(text, "\n{}", details(neighbor));
    }
    text
}

/// Those who are asked whether we may originate our prefixes.
fn cache_lines(text: &mut String, report: &Report) {
    for cache in &report.rpki {
        let failure = cache.last_failure.as_ref().map(|failure| format!("; {failure}")).unwrap_or_default();
        let _ = writeln!(
            text,
            "RPKI cache {}: {}, {} records{failure}",
            cache.address, cache.state, cache.records
        );
    }
}

fn session_row(neighbor: &Neighbor) -> Vec<String> {
    let established = neighbor.state == "established";
    let seconds = |seconds: Option<u64>| seconds.map(|seconds| format!("{seconds}s"));
    let received = neighbor.received.ipv4.saturating_add(neighbor.received.ipv6);
    vec![
        neighbor.name.clone(),
        neighbor.address.clone(),
        neighbor.asn.to_string(),
        neighbor.state.replace('_', " "),
        or_dash(neighbor.for_seconds.map(age)),
        or_dash(seconds(neighbor.hold_time_seconds).filter(|_| established)),
        or_dash(established.then(|| received.to_string())),
        format!("{} of {}", neighbor.announced, neighbor.routes.len()),
        neighbor.flaps.to_string(),
        or_dash(neighbor.bfd.as_ref().map(|bfd| bfd.state.replace('_', " "))),
    ]
}

fn details(neighbor: &Neighbor) -> String {
    let mut text = format!("{}\n", neighbor.name);
    if let (Some(local), Some(remote)) = (&neighbor.local, &neighbor.remote) {
        let id = neighbor.router_id.as_ref().map(|id| format!(", its router ID {id}")).unwrap_or_default();
        let _ = writeln!(text, "  {local} to {remote}{id}");
    }
    if !neighbor.families.is_empty() {
        let _ = writeln!(
            text,
            "  speaks {}; can {}",
            neighbor.families.join(" and "),
            list(&neighbor.capabilities)
        );
    }
    if let Some(halted) = &neighbor.halted {
        let _ = writeln!(text, "  nothing is tried: {halted}");
    }
    for route in &neighbor.routes {
        let _ = writeln!(text, "  {}", route_line(route));
    }
    let (withdrawn, ignored) = (neighbor.treated_as_withdraw, neighbor.discarded_attributes);
    if withdrawn > 0 || ignored > 0 {
        let _ = writeln!(
            text,
            "  errors in what it sent: {withdrawn} UPDATEs taken as withdrawals, {ignored} attributes ignored"
        );
    }
    if let Some(last) = &neighbor.last_notification {
        let _ = writeln!(text, "  {}", notification_line(last));
    }
    let ago = |seconds: Option<u64>| seconds.map(|seconds| format!(", {} ago", age(seconds)));
    if let Some(failure) = &neighbor.last_failure {
        let ago = ago(neighbor.last_failure_seconds).unwrap_or_default();
        let _ = writeln!(text, "  last failure{ago}: {failure}");
    }
    if let Some(cause) = &neighbor.failure_cause {
        let ago = ago(neighbor.failure_cause_seconds).unwrap_or_default();
        let _ = writeln!(text, "  before that{ago}: {cause}");
    }
    if let Some(milliseconds) = neighbor.next_attempt_milliseconds {
        let _ = writeln!(text, "  the next attempt is in {}", age(milliseconds.div_ceil(1_000)));
    }
    text
}

fn route_line(route: &Route) -> String {
    let why = route.why.first().map(|why| format!(": {why}")).unwrap_or_default();
    format!("{} {}{why}", route.prefix, route_words(route))
}

fn route_words(route: &Route) -> String {
    match (&route.attributes, &route.withheld) {
        (Some(_), Some(reason)) => format!("withheld: {reason}"),
        (Some(attributes), None) if route.announced => {
            format!("announced with {}", attribute_words(attributes))
        }
        (Some(attributes), None) => format!("to be announced with {}", attribute_words(attributes)),
        (None, _) => "not announced".to_owned(),
    }
}

fn attribute_words(attributes: &Attributes) -> String {
    let mut words = vec![attributes.med.map_or_else(|| "no MED".to_owned(), |med| format!("MED {med}"))];
    match attributes.prepend {
        0 => {}
        times => words.push(format!("prepended {times} more")),
    }
    if !attributes.communities.is_empty() {
        words.push(format!("communities {}", attributes.communities.join(" ")));
    }
    if !attributes.large_communities.is_empty() {
        words.push(format!("large communities {}", attributes.large_communities.join(" ")));
    }
    words.push(format!("next hop {}", attributes.next_hop));
    words.join(", ")
}

fn notification_line(last: &Notification) -> String {
    let Notification { direction, age_seconds, words, code, subcode, .. } = last;
    format!("last NOTIFICATION, {direction} {} ago: {words} ({code}/{subcode})", age(*age_seconds))
}

/// What each neighbour is told of `prefix`, or of all prefixes.
pub(crate) fn list_routes(report: &Report, prefix: Option<Prefix>) -> String {
    let mut text = String::new();
    for (neighbor, route) in routes(report, prefix) {
        let _ = writeln!(text, "{} to {}: {}", route.prefix, neighbor.name, route_words(route));
    }
    text
}

fn routes(report: &Report, prefix: Option<Prefix>) -> impl Iterator<Item = (&Neighbor, &Route)> {
    let wanted = prefix.map(|prefix| prefix.to_string());
    let all = report
        .neighbors
        .iter()
        .flat_map(|neighbor| neighbor.routes.iter().map(move |route| (neighbor, route)));
    all.filter(move |(_, route)| wanted.as_ref().is_none_or(|wanted| route.prefix == *wanted))
}

/// All that `tern bgp why` says.
pub(super) fn why(report: &Report, prefix: Option<Prefix>) -> String {
    let mut text = String::new();
    for (neighbor, route) in routes(report, prefix) {
        let _ = writeln!(text, "{} to {}: {}", route.prefix, neighbor.name, route_words(route));
        if route.attributes.is_some() && neighbor.state != "established" {
            let _ = writeln!(
                text,
                "  there is no session ({}){}",
                neighbor.state.replace('_', " "),
                absence(neighbor)
            );
        }
        for reason in &route.why {
            let _ = writeln!(text, "  {reason}");
        }
    }
    let health = &report.health;
    let _ = writeln!(text, "\n{}", headline(report));
    for reason in health.reasons.iter().skip(1).filter(|_| health.reasons.len() > 2) {
        let _ = writeln!(text, "  {reason}");
    }
    if !health.checks.is_empty() {
        let rows: Vec<_> = health.checks.iter().map(check_row).collect();
        let _ = write!(
            text,
            "\n{}",
            table(&["Check", "Status", "Weight", "Last", "In a row", "Ago", "Says"], &rows)
        );
        let (degraded, down) = (health.degraded_at, health.down_at);
        let _ = writeln!(text, "score {}: degraded from {degraded}, down from {down}\n", health.score);
    }
    for transition in health.transitions.iter().take(TRANSITIONS) {
        let reasons = transition.reasons.join("; ");
        let _ = writeln!(text, "{} {} to {}: {reasons}", transition.at, transition.from, transition.to);
    }
    text
}

/// Why there is no session.
fn absence(neighbor: &Neighbor) -> String {
    if let Some(halted) = &neighbor.halted {
        return format!(": {halted}");
    }
    let failure = neighbor.last_failure.as_ref().map(|failure| format!(": {failure}")).unwrap_or_default();
    let cause = neighbor.failure_cause.as_ref().map(|cause| format!("; before that: {cause}"));
    failure + &cause.unwrap_or_default()
}

fn check_row(check: &Check) -> Vec<String> {
    vec![
        check.name.clone(),
        check.status.clone(),
        check.weight.to_string(),
        or_dash(check.last.clone()),
        check.streak.to_string(),
        or_dash(check.age_milliseconds.map(|age| short(age.saturating_mul(1_000)))),
        check.detail.clone(),
    ]
}

fn list(words: &[String]) -> String {
    if words.is_empty() { "nothing more".to_owned() } else { words.join(", ") }
}
