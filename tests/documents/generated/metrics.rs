//! docs/metrics.md: every family of `/metrics`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tern::control::watch::{CapacityLimits, Sources, Standing, Watch, WatchSettings};
use tern::engine::Room;
use tern::metrics::{Exposition, Family, More, Source, Sums};
use tern::server::port_families;
use tern::time::UnixTime;

use super::markdown::{code, head, link, table};

/// Groups with what their families begin with; the first that fits counts.
const GROUPS: [(&str, &[&str]); 7] = [
    (
        "State of the relay",
        &["tern_ready", "tern_draining", "tern_alerts", "tern_certificate", "tern_health"],
    ),
    ("Room that is left", &["tern_ports", "tern_capacity", "tern_headroom"]),
    (
        "Calls and clients",
        &[
            "tern_allocation",
            "tern_self_test_",
            "tern_authentications",
            "tern_challenges",
            "tern_requests_",
            "tern_stream_",
            "tern_dtls_",
            "tern_peer_",
            "tern_pipe_",
            "tern_leases",
        ],
    ),
    (
        "Packets and what became of them",
        &[
            "tern_packets",
            "tern_bytes",
            "tern_dropped_",
            "tern_datagram",
            "tern_merged",
            "tern_shortcut",
            "tern_copied",
            "tern_remarked",
            "tern_unheard",
            "tern_left_out",
        ],
    ),
    ("Quality of calls", &["tern_rtp_", "tern_rtcp_", "tern_media_"]),
    ("Announcements", &["tern_announcer", "tern_bgp", "tern_bfd", "tern_rpki"]),
    ("Workers and the process", &["tern_worker", "tern_mailbox", "tern_build", "process_"]),
];

/// Labels with as many values have a line of their own.
const FEW: usize = 6;
/// Their values are of the machine, the calls or the build.
const OPEN: [&str; 4] = ["worker", "version", "codec", "dscp"];

/// Families without samples.
struct Named(Vec<&'static Family>);

impl More for Named {
    fn families(&self) -> Vec<&'static Family> {
        self.0.clone()
    }

    fn add(&self, _sums: &mut Sums) {}
}

/// Everything that a relay may show.
fn exposition() -> Exposition {
    let workers = vec![Source { counters: Arc::default(), alive: Arc::new(AtomicBool::new(true)) }];
    let sources = Sources {
        workers: workers.clone(),
        certificates: Vec::new(),
        room: Arc::new(|| Room { ports: 1, free_ports: 1, allocations: None, held: 0 }),
        announcer: Arc::new(|| Standing::Absent),
        calls: Arc::new(Vec::new),
        leaving_dscp: Arc::new(Some),
    };
    let limits = CapacityLimits { sessions: Some(1), bits_per_second: Some(1), packets_per_second: Some(1) };
    let watch = Watch::new(sources, WatchSettings { limits, ..WatchSettings::default() });
    let ports = Named(port_families().to_vec());
    Exposition::with(workers, UnixTime(0), vec![Arc::new(ports), watch]).unwrap()
}

/// The values of every family's labels, as far as there is a sample of each from the beginning.
fn values(page: &str) -> BTreeMap<(String, String), BTreeSet<String>> {
    let mut values = BTreeMap::<_, BTreeSet<_>>::new();
    for (name, labels) in page.lines().filter_map(|line| line.split_once('}')?.0.split_once('{')) {
        for (label, value) in labels.split(',').filter_map(|pair| pair.split_once("=\"")) {
            let known = values.entry((name.to_owned(), label.to_owned())).or_default();
            known.insert(value.trim_end_matches('"').to_owned());
        }
    }
    values
}

pub(super) fn document() -> String {
    let exposition = exposition();
    let values = values(&exposition.text().unwrap());
    let mut groups: [Vec<&Family>; GROUPS.len()] = Default::default();
    for &family in exposition.families() {
        let fits =
            |(_, starts): &(&str, &[&str])| starts.iter().any(|start| family.name().starts_with(start));
        let group =
            GROUPS.iter().position(fits).unwrap_or_else(|| panic!("{} is of no group", family.name()));
        groups[group].push(family);
    }
    let mut out = head("Metrics", "the families that `/metrics` is made of");
    out += "Where the page is served says `metrics.address` (see [the configuration](configuration.md#metrics)). Counters \
            grow from the start of the process, names end in their unit, and no label is made by a client. A histogram has \
            the series `_bucket`, `_sum` and `_count`. What is missing on a page has not happened yet, or is not \
            configured: neighbours, checks, caches.\n\n";
    for (title, _) in GROUPS {
        let _ = writeln!(out, "- {}", link(title, title));
    }
    out.push('\n');
    for ((title, _), families) in GROUPS.iter().zip(groups) {
        let _ = writeln!(out, "## {title}\n");
        let (mut rows, mut long) = (Vec::new(), BTreeMap::<_, Vec<_>>::new());
        for family in families {
            let labels = family.labels().iter().map(|label| {
                let key = (family.name().to_owned(), (*label).to_owned());
                match values.get(&key).filter(|_| !OPEN.contains(label)) {
                    Some(values) if values.len() <= FEW => {
                        let values: Vec<_> = values.iter().cloned().collect();
                        format!("{}: {}", code(label), values.join(", "))
                    }
                    Some(values) => {
                        long.entry((*label, values.clone())).or_default().push(code(family.name()));
                        code(label)
                    }
                    None => code(label),
                }
            });
            let labels: Vec<_> = labels.collect();
            rows.push([
                code(family.name()),
                family.kind().to_owned(),
                labels.join("; "),
                family.help().replace('<', "&lt;"),
            ]);
        }
        out += &table(["Family", "Type", "Labels", "Meaning"], &rows);
        for ((label, values), families) in long {
            let values: Vec<_> = values.iter().map(|value| code(value)).collect();
            let _ = writeln!(out, "`{label}` of {}: {}.\n", families.join(", "), values.join(", "));
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}
