//! `call`: real peer connections of the `webrtc` crate, relayed on both sides, both ends in this process.
//!
//! An own runtime, because that stack brings one; nothing else here uses it. Before the first call, two sessions of this
//! program's own client try what a call needs, since the stack does not tell why it gets no relayed candidate.

mod end;
mod heard;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use webrtc::ice_transport::ice_server::RTCIceServer;
use webrtc::stats::StatsReportType;

use self::end::{End, FRAME, Shared, Why, micros};
use self::heard::Heard;
use crate::clock;
use crate::driver::Fleet;
use crate::failure::{Exit, Failure};
use crate::outcome::{Call, Count, DataChannel, Flow, Latency, Tick};
use crate::plan::{Pairing, Plan, Target, Transport};
use crate::progress::Progress;

/// Gathering, then connecting. The stack's own client gives up after eight seconds.
const LIMIT: Duration = Duration::from_secs(20);
/// Calls that are being set up at a time; each costs two DTLS handshakes.
const SETTING_UP: usize = 8;
/// For the last packets, and for the reports about them, which are sent once a second.
const SETTLE: Duration = Duration::from_millis(1_500);
const TICK: Duration = Duration::from_secs(1);

pub(super) fn run(plan: &Plan, progress: &Arc<Progress>, notes: &mut Vec<String>) -> Result<Call, Failure> {
    let target = plan.target()?;
    if target.transport != Transport::Udp || !target.address.is_ipv4() {
        return Err(Failure::usage(
            "the webrtc crate relays over UDP and IPv4 only; `call` needs such a --server (`steady` measures the others)",
        ));
    }
    let software = preflight(plan, target, progress)?;
    // Whoever was first has chosen; the same provider either way.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(plan.load.threads.max(2))
        .enable_all()
        .build()
        .map_err(|error| Failure::machine("cannot start threads for the calls", &error))?;
    let call = runtime.block_on(calls(plan, target, progress, notes))?;
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(Call { software, ..call })
}

/// What a call needs: two allocations that reach one another.
fn preflight(plan: &Plan, target: &Target, progress: &Arc<Progress>) -> Result<Option<String>, Failure> {
    progress.begin("trying the server", Duration::ZERO);
    let mut pair = plan.clone();
    pair.load.sessions = 2;
    pair.load.threads = 1;
    pair.load.pairing = Pairing::RelayToRelay;
    pair.load.churn = 0.0;
    let (fleet, setup) = Fleet::open(&pair, target, progress)?;
    fleet.close()?;
    Ok(setup.software)
}

async fn calls(
    plan: &Plan,
    target: &Target,
    progress: &Arc<Progress>,
    notes: &mut Vec<String>,
) -> Result<Call, Failure> {
    let shared = Arc::new(Shared {
        audio: Heard::new(&histogram()?),
        data: Heard::new(&histogram()?),
        messages: AtomicU64::new(0),
        frames: AtomicU64::new(0),
        is_over: AtomicBool::new(false),
    });
    let mut call = Call { calls: plan.load.sessions, ..Call::default() };
    let pairs = set_up(plan, target, progress, &shared, &mut call).await?;
    call.connected = pairs.len();
    let (began, ticks) = hold(plan, &pairs, progress, &shared).await;
    call.seconds = seconds(clock::now().since(began));
    call.ticks = ticks;
    tokio::time::sleep(SETTLE).await;
    sum_up(&mut call, &pairs, &shared, histogram()?).await;
    if call.connected < call.calls {
        notes.push(format!("{} of {} calls did not come about", call.calls - call.connected, call.calls));
    }
    for pair in pairs {
        // Whichever closes second may find its association gone with the first, which the crate calls an error.
        let _ = tokio::join!(pair.one.connection.close(), pair.other.connection.close());
    }
    Ok(call)
}

struct Pair {
    one: End,
    other: End,
}

/// Connects all calls, a few at a time. With none connected there is nothing to measure.
async fn set_up(
    plan: &Plan,
    target: &Target,
    progress: &Arc<Progress>,
    shared: &Arc<Shared>,
    call: &mut Call,
) -> Result<Vec<Pair>, Failure> {
    let wanted = plan.load.sessions;
    progress.begin(format!("setting up {wanted} calls"), plan.load.ramp);
    progress.sessions_wanted.store(number(wanted), Ordering::Relaxed);
    progress.sessions_ready.store(0, Ordering::Relaxed);
    let turn = Arc::new(Semaphore::new(SETTING_UP));
    let mut tasks = JoinSet::new();
    for index in 0..wanted {
        let (server, shared, turn) = (ice_server(target), Arc::clone(shared), Arc::clone(&turn));
        let delay = share_of(plan.load.ramp, index, wanted);
        tasks.spawn(async move {
            tokio::time::sleep(delay).await;
            // The semaphore is never closed; without a permit the call would only be set up earlier.
            let _permit = turn.acquire().await;
            let began = clock::now();
            connect(server, &shared).await.map(|pair| (pair, clock::now().since(began)))
        });
    }
    let (mut pairs, mut times) = (Vec::with_capacity(wanted), histogram()?);
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok(Ok((pair, nanos))) => {
                times.saturating_record(nanos / 1_000);
                pairs.push(pair);
                progress.sessions_ready.fetch_add(1, Ordering::Relaxed);
            }
            Ok(Err(why)) => fail(call, progress, explain(&why, target.address)),
            Err(error) => fail(call, progress, format!("the stack failed: {error}")),
        }
    }
    call.connect = latency(&times);
    match call.failures.first() {
        Some(failure) if pairs.is_empty() => {
            Err(Failure::new(Exit::Refused, format!("none of {wanted} calls came about: {}", failure.what)))
        }
        _ => Ok(pairs),
    }
}

fn fail(call: &mut Call, progress: &Progress, what: String) {
    progress.failures.fetch_add(1, Ordering::Relaxed);
    match call.failures.iter_mut().find(|known| known.what == what) {
        Some(known) => known.count += 1,
        None => call.failures.push(Count { code: 0, what, count: 1 }),
    }
}

/// One sentence, and what to look at.
fn explain(why: &Why, server: SocketAddr) -> String {
    match why {
        Why::NoRelay => format!(
            "no relay candidate from {server}, though two sessions of another client got theirs; look for a quota per \
             user or source on the server"
        ),
        Why::NotConnected => format!(
            "the ends got relay candidates but did not connect within {} s; look whether {server} may reach its own \
             relayed addresses",
            LIMIT.as_secs()
        ),
        Why::Stack(text) => format!("the webrtc crate says: {text}"),
    }
}

fn ice_server(target: &Target) -> RTCIceServer {
    RTCIceServer {
        urls: vec![format!("turn:{}?transport=udp", target.address)],
        username: target.credentials.user.clone(),
        credential: target.credentials.password.clone(),
    }
}

async fn connect(server: RTCIceServer, shared: &Arc<Shared>) -> Result<Pair, Why> {
    let mut one = End::new(server.clone(), shared).await?;
    let mut other = End::new(server, shared).await?;
    let result = negotiate(&mut one, &mut other).await;
    if let Err(why) = result {
        let _ = tokio::join!(one.connection.close(), other.connection.close());
        return Err(why);
    }
    Ok(Pair { one, other })
}

async fn negotiate(one: &mut End, other: &mut End) -> Result<(), Why> {
    let offer = one.connection.create_offer(None).await?;
    let gathered = one.connection.gathering_complete_promise().await;
    one.connection.set_local_description(offer).await?;
    one.gather(gathered, LIMIT).await?;
    let offer = one.connection.local_description().await.ok_or(Why::NoRelay)?;
    other.connection.set_remote_description(offer).await?;
    let answer = other.connection.create_answer(None).await?;
    let gathered = other.connection.gathering_complete_promise().await;
    other.connection.set_local_description(answer).await?;
    other.gather(gathered, LIMIT).await?;
    let answer = other.connection.local_description().await.ok_or(Why::NoRelay)?;
    one.connection.set_remote_description(answer).await?;
    one.wait_open(LIMIT).await?;
    other.wait_open(LIMIT).await
}

/// Lets all ends speak for the time asked for, and looks at them each second.
async fn hold(
    plan: &Plan,
    pairs: &[Pair],
    progress: &Arc<Progress>,
    shared: &Arc<Shared>,
) -> (clock::Nanos, Vec<Tick>) {
    progress.begin(format!("{} calls", pairs.len()), plan.load.duration);
    let began = clock::now();
    let ends = pairs.iter().flat_map(|pair| [&pair.one, &pair.other]);
    let mut speakers = Vec::with_capacity(pairs.len() * 4);
    for (index, end) in ends.enumerate() {
        // Calls do not begin in the same millisecond.
        let offset = share_of(FRAME, index, pairs.len() * 2);
        speakers.push(end.speak(plan.load.profile.size, offset, shared));
        speakers.push(end.write(offset, shared));
    }
    let mut ticks = Vec::new();
    let (mut sent, mut received) = (0, 0);
    let mut beat = tokio::time::interval(TICK);
    beat.tick().await;
    while clock::now().since(began) < nanos(plan.load.duration) && !progress.is_cancelled() {
        tokio::select! {
            _ = beat.tick() => {}
            () = tokio::time::sleep(plan.load.duration.saturating_sub(Duration::from_nanos(clock::now().since(began)))) => {}
        }
        let (frames, heard) = (shared.frames.load(Ordering::Relaxed), shared.audio.counts().received);
        let mut tick = Tick { sent: frames - sent, received: heard - received, ..Tick::default() };
        (sent, received) = (frames, heard);
        tick.at = seconds(clock::now().since(began));
        take_recent(shared, &mut tick);
        progress.sent.fetch_add(tick.sent, Ordering::Relaxed);
        progress.received.fetch_add(tick.received, Ordering::Relaxed);
        progress.highest_latency.fetch_max(whole(tick.max_us * 1e3), Ordering::Relaxed);
        ticks.push(tick);
    }
    shared.is_over.store(true, Ordering::Relaxed);
    for speaker in speakers {
        // A speaker that died has said less, which the counts show.
        let _ = speaker.await;
    }
    (began, ticks)
}

fn take_recent(shared: &Shared, tick: &mut Tick) {
    let mut counts = shared.audio.counts();
    tick.p50_us = float(counts.recent.value_at_quantile(0.5));
    tick.p99_us = float(counts.recent.value_at_quantile(0.99));
    tick.max_us = float(counts.recent.max());
    counts.recent.reset();
}

/// Asks every end for its own statistics.
async fn sum_up(call: &mut Call, pairs: &[Pair], shared: &Shared, mut round_trips: Histogram<u64>) {
    let mut audio = Flow::default();
    let mut jitters = Vec::with_capacity(pairs.len() * 2);
    for end in pairs.iter().flat_map(|pair| [&pair.one, &pair.other]) {
        for report in end.connection.get_stats().await.reports.into_values() {
            #[expect(clippy::wildcard_enum_match_arm, reason = "a dozen other reports do not matter here")]
            match report {
                StatsReportType::OutboundRTP(out) => audio.sent += out.packets_sent,
                StatsReportType::InboundRTP(inbound) => audio.received += inbound.packets_received,
                StatsReportType::RemoteInboundRTP(remote) => {
                    call.reported_lost += remote.packets_lost;
                    if let Some(millis) = remote.round_trip_time {
                        round_trips.saturating_record(whole(millis * 1e3));
                    }
                }
                _ => {}
            }
        }
        jitters.push(micros(end.jitter.0.load(Ordering::Relaxed)));
        audio.jitter_max_us = audio.jitter_max_us.max(micros(end.jitter.1.load(Ordering::Relaxed)));
    }
    let counts = shared.audio.counts();
    audio.bytes = counts.bytes;
    audio.corrupted = counts.corrupted;
    audio.latency = latency(&counts.latency);
    audio.lost = audio.sent.saturating_sub(audio.received);
    audio.loss = if audio.sent > 0 { float(audio.lost) / float(audio.sent) } else { 0.0 };
    audio.rate = if call.seconds > 0.0 { float(audio.received) / call.seconds } else { 0.0 };
    audio.jitter_us = crate::trend::median(&mut jitters).unwrap_or(0.0);
    drop(counts);
    call.audio = audio;
    call.round_trip = latency(&round_trips);
    let data = shared.data.counts();
    call.data = DataChannel {
        sent: shared.messages.load(Ordering::Relaxed),
        received: data.received,
        bytes: data.bytes,
        latency: latency(&data.latency),
    };
}

/// Latencies up to a minute, to three digits, in microseconds.
fn histogram() -> Result<Histogram<u64>, Failure> {
    Histogram::new_with_bounds(1, 60_000_000, 3)
        .map_err(|error| Failure::machine("cannot count latencies", &error))
}

fn latency(histogram: &Histogram<u64>) -> Latency {
    let at = |quantile: f64| float(histogram.value_at_quantile(quantile));
    let steps =
        [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999, 0.99999];
    if histogram.is_empty() {
        return Latency::default();
    }
    Latency {
        count: histogram.len(),
        min_us: float(histogram.min()),
        mean_us: histogram.mean(),
        p50_us: at(0.5),
        p90_us: at(0.9),
        p99_us: at(0.99),
        p999_us: at(0.999),
        max_us: float(histogram.max()),
        curve: steps.map(|quantile| (quantile, at(quantile))).to_vec(),
    }
}

/// The part of `whole` that `index` of `count` has to wait.
fn share_of(whole: Duration, index: usize, count: usize) -> Duration {
    let (index, count) = (u32::try_from(index).unwrap_or(u32::MAX), u32::try_from(count).unwrap_or(u32::MAX));
    whole.checked_div(count.max(1)).unwrap_or_default().saturating_mul(index)
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn seconds(nanos: u64) -> f64 {
    float(nanos) / 1e9
}

const fn float(value: u64) -> f64 {
    value as f64
}

fn whole(value: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, reason = "saturates; negative times do not occur")]
    let whole = value as u64;
    whole
}
