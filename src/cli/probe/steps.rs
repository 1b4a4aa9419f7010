//! The steps of a probe, in order. The first that fails ends it, and is what the report names.

use std::net::SocketAddr;
use std::time::Duration;

use super::PeerKind;
use super::bearer::{Bearer, CHANNEL};
use super::media::{self, Parties, round};
use super::report::{Report, Step};
use super::stage::{Answer, End, Server, Stage, Trust};
use super::target::Target;
use super::trouble::{Trouble, word};
use crate::client::{Ask, Login};
use crate::clock::Clock;
use crate::time::Time;

/// What is to be done.
pub(super) struct Plan {
    pub(super) target: Target,
    /// IPv6 if true.
    pub(super) family: Option<bool>,
    pub(super) login: Login,
    pub(super) trust: Trust,
    pub(super) duration: Duration,
    pub(super) patience: Duration,
    pub(super) peer: PeerKind,
    pub(super) indications: bool,
}

/// Makes the call.
pub(super) fn probe(plan: &Plan) -> Report {
    let transport = word(plan.target.transport);
    let mut report = Report { uri: plan.target.uri.clone(), transport, ..Report::default() };
    if let Err(trouble) = begin(plan, &mut report) {
        report.trouble = Some(trouble);
    }
    report.ok = report.trouble.is_none();
    report
}

fn begin(plan: &Plan, report: &mut Report) -> Result<(), Trouble> {
    let clock = Clock::new();
    let started = clock.now().time;
    let address = plan.target.resolve(plan.family)?;
    report.server = Some(address);
    report.note_step("resolve", clock.now().time.since(started), address.to_string());
    let transport = plan.target.transport;
    let server = Server { address, transport, name: plan.target.name(address.ip()) };
    let mut stage = Stage::new(server, plan.login.clone(), &plan.trust, plan.patience)?;
    let result = call(plan, report, &mut stage);
    let started = stage.now();
    match stage.release() {
        Ok(()) if result.is_ok() => {
            report.note_step(
                "release",
                stage.now().since(started),
                "the server has ended what it relayed".to_owned(),
            );
        }
        Err(trouble) if result.is_ok() => report.notes.push(format!("not released: {}", trouble.text)),
        Ok(()) | Err(_) => {}
    }
    stage.close();
    result
}

fn call(plan: &Plan, report: &mut Report, stage: &mut Stage) -> Result<(), Trouble> {
    let near = connect(report, stage)?;
    let (answer, relayed) = allocate(report, stage, "allocate", near)?;
    report.relayed = Some(relayed);
    report.mapped = answer.mapped;
    report.software = answer.software.clone();
    if !stage.is_signing(near) {
        report.notes.push("the server asked for no password: anybody may relay through it".to_owned());
    }
    let bearer = if plan.indications { Bearer::Indication } else { Bearer::Channel };
    let (far, far_address) = find_peer(plan, report, stage, near, &answer)?;
    permit(report, stage, bearer, "bind", near, far_address)?;
    if let End::Client(place) = far {
        permit(report, stage, bearer, "bind back", place, relayed)?;
    } else {
        // A NAT before this machine lets in what comes from where something was sent to.
        stage.send(far, relayed, b"tern probe")?;
    }
    let parties = Parties { near: (End::Client(near), far_address), far: (far, relayed), bearer };
    let media = media::exchange(stage, &parties, plan.duration)?;
    let (out, back) = (media.out.received, media.back.received);
    report.media = Some(media);
    silent(out, back, far, far_address, relayed)
}

fn connect(report: &mut Report, stage: &mut Stage) -> Result<usize, Trouble> {
    let started = stage.now();
    let place = stage.connect()?;
    let transport = stage.server().transport;
    let detail =
        if transport == crate::route::Transport::Udp { "nothing is sent yet" } else { "handshake complete" };
    report.note_step("connect", stage.now().since(started), format!("{}, {detail}", word(transport)));
    Ok(place)
}

fn allocate(
    report: &mut Report,
    stage: &mut Stage,
    step: &'static str,
    place: usize,
) -> Result<(Answer, SocketAddr), Trouble> {
    let started = stage.now();
    let answer = stage.ask(step, place, Ask::Allocate(None))?;
    let relayed = answer.relayed.ok_or_else(|| {
        Trouble::new(step, "its answer has no relayed address", "the server breaks the protocol")
    })?;
    let seen = answer.mapped.map_or_else(String::new, |mapped| format!(", for us at {mapped}"));
    report.note_step(step, stage.now().since(started), format!("relayed address {relayed}{seen}"));
    Ok((answer, relayed))
}

/// Who sends back, and the address it is reached at.
fn find_peer(
    plan: &Plan,
    report: &mut Report,
    stage: &mut Stage,
    near: usize,
    first: &Answer,
) -> Result<(End, SocketAddr), Trouble> {
    if plan.peer != PeerKind::Socket {
        match second(report, stage) {
            Ok(found) => {
                report.peer = Some("allocation");
                return Ok(found);
            }
            // A quota of one allocation for each user is no fault of the server.
            Err(trouble) if plan.peer == PeerKind::Auto && trouble.code.is_some() => {
                report.notes.push(format!(
                    "no second allocation ({}), so a socket of this machine is the peer",
                    trouble.text
                ));
            }
            Err(trouble) => return Err(trouble),
        }
    }
    report.peer = Some("socket");
    socket(report, stage, near, first)
}

fn second(report: &mut Report, stage: &mut Stage) -> Result<(End, SocketAddr), Trouble> {
    let place = stage.connect()?;
    let (_, relayed) = allocate(report, stage, "peer", place)?;
    Ok((End::Client(place), relayed))
}

/// The server sees this machine's address, and may see another port than the socket has: behind a NAT that changes ports
/// nothing comes back.
fn socket(
    report: &mut Report,
    stage: &mut Stage,
    near: usize,
    first: &Answer,
) -> Result<(End, SocketAddr), Trouble> {
    let started: Time = stage.now();
    let failed =
        |error: std::io::Error| Trouble::new("peer", error.to_string(), "look at this machine's limits");
    let port = stage.open_socket()?.local_addr().map_err(failed)?.port();
    let mapped = match first.mapped {
        Some(mapped) => mapped,
        None => stage.ask("peer", near, Ask::Binding)?.mapped.ok_or_else(|| {
            Trouble::new(
                "peer",
                "the server does not say which address it sees",
                "probe with --peer allocation",
            )
        })?,
    };
    let address = SocketAddr::new(mapped.ip(), port);
    report.note_step("peer", stage.now().since(started), format!("a socket at {address}"));
    Ok((End::Socket, address))
}

fn permit(
    report: &mut Report,
    stage: &mut Stage,
    bearer: Bearer,
    step: &'static str,
    place: usize,
    peer: SocketAddr,
) -> Result<(), Trouble> {
    let started = stage.now();
    let (ask, what) = match bearer {
        Bearer::Channel => (Ask::Bind(CHANNEL, peer), "channel"),
        Bearer::Indication => (Ask::Permit(peer), "permission"),
    };
    stage.ask(step, place, ask)?;
    report.note_step(step, stage.now().since(started), format!("{what} to {peer}"));
    Ok(())
}

/// Whether media came at all.
fn silent(out: u64, back: u64, far: End, peer: SocketAddr, relayed: SocketAddr) -> Result<(), Trouble> {
    if back > 0 {
        return Ok(());
    }
    let (text, from, to) = if out > 0 {
        ("media came to the peer, and none came back", peer, relayed)
    } else {
        ("no media came to the peer", relayed, peer)
    };
    let remedy = match far {
        End::Client(_) => format!(
            "the server relays and does not reach its own relayed addresses: does its firewall let UDP from {from} to {to} through? \
             Behind a 1:1 NAT the machine must reach its own outside address; with --peer socket this machine is the peer"
        ),
        End::Socket => format!(
            "does every firewall on the way let UDP from {from} to {to} through (the server's relay ports, and this machine's NAT)?"
        ),
    };
    Err(Trouble::new("media", text, remedy))
}

impl Report {
    fn note_step(&mut self, name: &'static str, took: Duration, detail: String) {
        self.steps.push(Step { name, milliseconds: round(took.as_secs_f64() * 1_000.0), detail });
    }
}
