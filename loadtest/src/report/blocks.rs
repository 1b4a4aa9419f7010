//! A result as tables: what text, Markdown and the page with charts have in common. Pure.

mod compare;

use super::number::Unit;
use super::table::Table;
use crate::outcome::{
    Call, Ceiling, Count, Flow, Generator, Idle, Knee, Latency, Measured, Memory, Method, Outcome, ServerCpu,
    Setup, Soak, Steady, Storm, Window,
};

/// All tables, the most telling first.
pub(super) fn tables(outcome: &Outcome) -> Vec<Table> {
    let mut tables = result(&outcome.result);
    tables.push(method(&outcome.method));
    let machine = &outcome.machine;
    tables.push(Table::pairs(
        "Machine",
        vec![
            ("processor", format!("{}, {} cores", machine.processor, machine.cores)),
            ("memory", bytes(machine.memory)),
            ("system", machine.system.clone()),
            ("tern-loadtest", outcome.version.clone()),
        ],
    ));
    tables
}

/// The heading of a page.
pub(super) fn title(outcome: &Outcome) -> String {
    let names: Vec<&str> = outcome.method.servers.iter().map(|server| server.name.as_str()).collect();
    format!("{}: {}", mode(&outcome.result), names.join(", "))
}

/// The mode's name, as on the command line.
pub(crate) const fn mode(measured: &Measured) -> &'static str {
    match measured {
        Measured::Steady(_) => "steady",
        Measured::Knee(_) => "knee",
        Measured::Storm(_) => "storm",
        Measured::Idle(_) => "idle",
        Measured::Soak(_) => "soak",
        Measured::Call(_) => "call",
        Measured::Compare(_) => "compare",
    }
}

fn result(measured: &Measured) -> Vec<Table> {
    match measured {
        Measured::Steady(steady) => self::steady(steady),
        Measured::Knee(knee) => self::knee(knee),
        Measured::Storm(storm) => self::storm(storm),
        Measured::Idle(idle) => self::idle(idle),
        Measured::Soak(soak) => self::soak(soak),
        Measured::Call(call) => self::call(call),
        Measured::Compare(compare) => compare::tables(compare),
    }
}

fn steady(steady: &Steady) -> Vec<Table> {
    let mut tables = window(&steady.window);
    tables.push(setup(&steady.setup));
    tables.extend(steady.ceiling.as_ref().map(ceiling));
    tables
}

fn knee(knee: &Knee) -> Vec<Table> {
    let end = if knee.found { "the server's limit" } else { "the end of the search, not the server's limit" };
    let mut tables = vec![Table::pairs(
        "Knee",
        vec![
            ("highest rate", Unit::PerSecond.show(knee.rate)),
            ("loss allowed", Unit::Share.show(knee.allowed_loss)),
            ("which is", end.to_owned()),
        ],
    )];
    tables.extend(window(&knee.window));
    let rows = knee.steps.iter().map(|step| {
        vec![
            Unit::PerSecond.show(step.rate),
            Unit::PerSecond.show(step.arrived),
            Unit::Share.show(step.loss),
            Unit::Micros.show(step.p99_us),
            or_dash(step.ns_per_packet.map(|ns| Unit::Nanos.show(ns))),
            if step.limited { "generator" } else { "" }.to_owned(),
        ]
    });
    let header = ["asked for", "arrived", "loss", "p99", "server CPU/packet", "limited by"];
    tables.push(Table::columns("Rates that were tried", &header, rows.collect()));
    tables.push(setup(&knee.setup));
    tables.extend(knee.ceiling.as_ref().map(ceiling));
    tables
}

fn storm(storm: &Storm) -> Vec<Table> {
    let mut tables = vec![
        Table::pairs(
            "Storm",
            vec![
                ("cycles per second", Unit::Plain.show(storm.rate)),
                ("cycles", storm.cycles.to_string()),
                ("in", Unit::Seconds.show(storm.seconds)),
                ("in flight", storm.in_flight.to_string()),
                ("requests", storm.requests.to_string()),
                ("sent again", storm.retransmissions.to_string()),
            ],
        ),
        latencies("Latency of a cycle", &[("", &storm.latency)]),
    ];
    tables.extend(failures(&storm.failures));
    tables.extend(storm.cpu.as_ref().map(|cpu| server(cpu, "cycle")));
    tables.push(generator(&storm.generator));
    tables
}

fn idle(idle: &Idle) -> Vec<Table> {
    let each = |value: Option<f64>| or_dash(value.map(|bytes| format!("{bytes:.0} B")));
    let memory = |name: &str, figure: fn(&Memory) -> Option<u64>, show: fn(u64) -> String| {
        let cell = |memory| or_dash(figure(memory).map(show));
        vec![name.to_owned(), cell(&idle.before), cell(&idle.after)]
    };
    vec![
        Table::pairs(
            "Memory per allocation",
            vec![
                ("process", each(idle.process_bytes)),
                ("kernel", each(idle.kernel_bytes)),
                ("together", each(idle.total_bytes)),
                ("by available memory", each(idle.available_bytes)),
                ("allocations", idle.allocations.to_string()),
            ],
        ),
        Table::columns(
            "Memory",
            &["", "before", "after"],
            vec![
                memory("process, resident", |memory| Some(memory.process?.resident), bytes),
                memory("process, proportional", |memory| Some(memory.process?.proportional), bytes),
                memory(
                    "process, descriptors",
                    |memory| Some(memory.process?.descriptors),
                    |count| count.to_string(),
                ),
                memory("kernel, slab", |memory| Some(memory.kernel.slab), bytes),
                memory("kernel, other", |memory| Some(memory.kernel.other), bytes),
                memory("UDP sockets", |memory| Some(memory.kernel.udp_sockets), |count| count.to_string()),
                memory("available", |memory| Some(memory.kernel.available), bytes),
            ],
        ),
        setup(&idle.setup),
    ]
}

fn soak(soak: &Soak) -> Vec<Table> {
    let rows = soak.drifts.iter().map(|drift| {
        let show = |value| unit(&drift.unit).show(value);
        let chance = if drift.probability < 0.001 {
            "< 0.001".to_owned()
        } else {
            format!("{:.3}", drift.probability)
        };
        vec![
            drift.figure.clone(),
            show(drift.first),
            show(drift.last),
            show(drift.per_hour),
            Unit::Share.show(drift.growth),
            chance,
            if drift.exceeded { "grows" } else { "" }.to_owned(),
        ]
    });
    let header = ["", "begin", "end", "per hour", "growth", "by chance", ""];
    let mut tables = vec![Table::columns("Drift", &header, rows.collect())];
    let sum = |figure: fn(&crate::outcome::Sample) -> u64| soak.samples.iter().map(figure).sum::<u64>();
    let (sent, lost) = (sum(|sample| sample.sent), sum(|sample| sample.lost));
    tables.push(Table::pairs(
        "Soak",
        vec![
            ("time", Unit::Seconds.show(soak.seconds)),
            ("windows", soak.samples.len().to_string()),
            ("packets sent", sent.to_string()),
            ("lost", format!("{lost} ({})", Unit::Share.show(ratio(lost, sent)))),
            ("corrupted", sum(|sample| sample.corrupted).to_string()),
        ],
    ));
    tables.push(latencies(
        "Latency in the worst window",
        &ways(&soak.whole).map(|(name, flow)| (name, &flow.latency)),
    ));
    tables.extend(failures(&soak.whole.failures));
    tables.push(setup(&soak.setup));
    tables
}

fn call(call: &Call) -> Vec<Table> {
    let mut tables = vec![Table::pairs(
        "Calls",
        vec![
            ("connected", format!("{} of {}", call.connected, call.calls)),
            ("media flowed for", Unit::Seconds.show(call.seconds)),
            ("reported lost by receivers", call.reported_lost.to_string()),
            ("data channel messages", format!("{} of {}", call.data.received, call.data.sent)),
        ],
    )];
    tables.extend(failures(&call.failures));
    tables.push(flows(&[("audio", &call.audio)]));
    tables.push(latencies(
        "Latency",
        &[
            ("audio", &call.audio.latency),
            ("data channel", &call.data.latency),
            ("RTCP round trip", &call.round_trip),
            ("connecting", &call.connect),
        ],
    ));
    tables.extend(call.cpu.as_ref().map(|cpu| server(cpu, "packet")));
    tables.extend(
        call.software.clone().map(|software| Table::pairs("Server", vec![("calls itself", software)])),
    );
    tables
}

fn window(window: &Window) -> Vec<Table> {
    let both = ways(window);
    let mut tables =
        vec![flows(&both), latencies("Latency", &both.map(|(name, flow)| (name, &flow.latency)))];
    tables.extend(failures(&window.failures));
    tables.extend(window.cpu.as_ref().map(|cpu| server(cpu, "packet")));
    tables.push(generator(&window.generator));
    tables
}

const fn ways(window: &Window) -> [(&'static str, &Flow); 2] {
    [("client to peer", &window.up), ("peer to client", &window.down)]
}

/// Directions that carried nothing are left out.
fn flows(flows: &[(&str, &Flow)]) -> Table {
    let flows: Vec<_> = flows.iter().filter(|(_, flow)| flow.sent > 0).collect();
    let row = |name: &str, figure: &dyn Fn(&Flow) -> String| {
        let mut row = vec![name.to_owned()];
        row.extend(flows.iter().map(|(_, flow)| figure(flow)));
        row
    };
    let rows = vec![
        row("sent", &|flow| flow.sent.to_string()),
        row("received", &|flow| flow.received.to_string()),
        row("lost", &|flow| flow.lost.to_string()),
        row("loss", &|flow| Unit::Share.show(flow.loss)),
        row("twice", &|flow| flow.duplicated.to_string()),
        row("out of order", &|flow| flow.reordered.to_string()),
        row("corrupted", &|flow| flow.corrupted.to_string()),
        row("arrived", &|flow| Unit::PerSecond.show(flow.rate)),
        row("jitter, median", &|flow| Unit::Micros.show(flow.jitter_us)),
        row("jitter, highest", &|flow| Unit::Micros.show(flow.jitter_max_us)),
    ];
    let mut header = vec![""];
    header.extend(flows.iter().map(|(name, _)| *name));
    Table::columns("Packets", &header, rows)
}

/// Distributions of nothing are left out.
fn latencies(title: &str, latencies: &[(&str, &Latency)]) -> Table {
    let rows = latencies.iter().filter(|(_, latency)| latency.count > 0).map(|(name, latency)| {
        let mut row = vec![(*name).to_owned()];
        let figures =
            [latency.min_us, latency.p50_us, latency.p90_us, latency.p99_us, latency.p999_us, latency.max_us];
        row.extend(figures.map(|micros| Unit::Micros.show(micros)));
        row
    });
    Table::columns(title, &["", "lowest", "p50", "p90", "p99", "p99.9", "highest"], rows.collect())
}

fn failures(failures: &[Count]) -> Option<Table> {
    if failures.is_empty() {
        return None;
    }
    let rows = failures.iter().map(|failure| {
        let code = if failure.code == 0 { String::new() } else { format!(" ({})", failure.code) };
        vec![format!("{}{code}", failure.what), failure.count.to_string()]
    });
    Some(Table { title: "Failed".to_owned(), header: Vec::new(), rows: rows.collect() })
}

fn server(cpu: &ServerCpu, per: &str) -> Table {
    let softirq = ratio(cpu.softirq_ns, cpu.packets);
    let rows = [
        (format!("process, per {per}"), Unit::Nanos.show(cpu.ns_per_packet)),
        (format!("machine's soft interrupts, per {per}"), Unit::Nanos.show(softirq)),
        (format!("together, per {per}"), Unit::Nanos.show(cpu.ns_per_packet_with_softirq)),
        (
            "user and system".to_owned(),
            format!(
                "{} and {}",
                Unit::Nanos.show(float(cpu.user_ns)),
                Unit::Nanos.show(float(cpu.system_ns))
            ),
        ),
        ("processors busy".to_owned(), format!("{:.2}", cpu.busy)),
        ("resident memory".to_owned(), bytes(cpu.resident)),
    ];
    let rows = rows.into_iter().map(|(name, value)| vec![name, value]).collect();
    Table { title: "Server's CPU".to_owned(), header: Vec::new(), rows }
}

fn generator(generator: &Generator) -> Table {
    let mut pairs = vec![
        ("processors busy", format!("{:.2}", generator.busy)),
        ("late, p99", Unit::Micros.show(generator.lateness.p99_us)),
        ("late, highest", Unit::Micros.show(generator.lateness.max_us)),
        ("was the limit", if generator.limited { "perhaps: see the notes" } else { "no" }.to_owned()),
    ];
    for (name, count) in [
        ("not taken by the kernel", generator.refused),
        ("given up as too late", generator.skipped),
        ("lost in own buffers", generator.overflowed),
    ] {
        if count > 0 {
            pairs.push((name, count.to_string()));
        }
    }
    Table::pairs("Generator", pairs)
}

fn ceiling(ceiling: &Ceiling) -> Table {
    Table::pairs(
        "Generator's ceiling, against a bare reflector",
        vec![
            ("rate", Unit::PerSecond.show(ceiling.rate)),
            ("per packet", Unit::Nanos.show(ceiling.generator_ns_per_packet)),
            ("loss there", Unit::Share.show(ceiling.loss)),
        ],
    )
}

fn setup(setup: &Setup) -> Table {
    if setup.sessions == 0 {
        return Table::default();
    }
    let mut pairs = vec![
        ("sessions", setup.sessions.to_string()),
        ("opened in", Unit::Seconds.show(setup.seconds)),
        ("one takes, median", Unit::Micros.show(setup.latency.p50_us)),
        ("one takes, p99", Unit::Micros.show(setup.latency.p99_us)),
        ("requests sent again", setup.retransmissions.to_string()),
    ];
    pairs.extend(setup.software.clone().map(|software| ("server calls itself", software)));
    Table::pairs("Sessions", pairs)
}

fn method(method: &Method) -> Table {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for server in &method.servers {
        let pid = server.pid.map_or_else(String::new, |pid| format!(", PID {pid}"));
        let software = server.software.as_ref().map_or_else(String::new, |software| format!(", {software}"));
        let place = format!("{}, {} over {}{pid}{software}", server.name, server.address, server.transport);
        rows.push(vec!["server".to_owned(), place]);
    }
    let burst = if method.burst > 1 { format!(" in bursts of {}", method.burst) } else { String::new() };
    let partner = if method.relay_to_relay { "each other's relayed addresses" } else { "a peer" };
    let pairs = [
        ("sessions", format!("{}, to {partner}, by {}", method.sessions, method.carriage)),
        (
            "media",
            format!(
                "{}: {} bytes, {} packets/s of a flow{burst}, {}",
                method.profile,
                method.packet_bytes,
                super::number::digits(method.flow_rate),
                method.direction
            ),
        ),
        ("window", Unit::Seconds.show(method.seconds)),
        ("generator threads", method.threads.to_string()),
    ];
    rows.extend(pairs.into_iter().map(|(name, value)| vec![name.to_owned(), value]));
    if method.churn > 0.0 {
        rows.push(vec!["leave and come".to_owned(), Unit::PerSecond.show(method.churn)]);
    }
    Table { title: "Method".to_owned(), header: Vec::new(), rows }
}

/// The unit by the name that results carry.
pub(super) fn unit(name: &str) -> Unit {
    match name {
        "us" => Unit::Micros,
        "ns" => Unit::Nanos,
        "B" => Unit::Bytes,
        "share" => Unit::Share,
        "/s" => Unit::PerSecond,
        _ => Unit::Plain,
    }
}

fn bytes(count: u64) -> String {
    Unit::Bytes.show(float(count))
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "–".to_owned())
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { float(part) / float(whole) }
}

const fn float(value: u64) -> f64 {
    value as f64
}
