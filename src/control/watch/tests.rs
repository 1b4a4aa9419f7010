use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::control::admin::Resource;
use crate::metrics::{Counters, Exposition, More, Path};

/// A relay of so many workers, of whose ports so many of a hundred are free.
struct Rig {
    workers: Vec<Source>,
    free_ports: Arc<std::sync::atomic::AtomicUsize>,
    standing: Arc<Mutex<Standing>>,
    watch: Arc<Watch>,
}

impl Rig {
    fn new(workers: usize) -> Self {
        let worker =
            || Source { counters: Arc::<Counters>::default(), alive: Arc::new(AtomicBool::new(true)) };
        let workers: Vec<_> = std::iter::repeat_with(worker).take(workers).collect();
        let free_ports = Arc::new(100.into());
        let standing: Arc<Mutex<Standing>> = Arc::default();
        let (free, stands) = (Arc::clone(&free_ports), Arc::clone(&standing));
        let room = move || {
            let free_ports = std::sync::atomic::AtomicUsize::load(&free, Ordering::Relaxed);
            engine::Room { ports: 100, free_ports, allocations: None, held: 0 }
        };
        let sources = Sources {
            workers: workers.clone(),
            certificates: Vec::new(),
            room: Arc::new(room),
            announcer: Arc::new(move || lock(&stands).clone()),
            calls: Arc::new(Vec::new),
            leaving_dscp: Arc::new(Some),
        };
        let watch = Watch::new(sources, WatchSettings::default());
        Self { workers, free_ports, standing, watch }
    }

    /// So many seconds later.
    fn after(&self, seconds: u64) {
        let now = self.watch.clock.now().after(Duration::from_secs(seconds));
        self.watch.look(now);
    }

    fn texts(&self) -> Vec<String> {
        self.watch.events(0, 100).events.into_iter().map(|event| event.text).collect()
    }
}

#[test]
fn a_relay_that_is_well_is_ready_and_says_what_it_does() {
    let rig = Rig::new(2);
    for worker in &rig.workers {
        worker.counters.pass(Path::FromClient, 125);
    }
    rig.after(1);
    let status = rig.watch.status(Role::Viewer);
    assert_eq!((status.ready, status.state.as_str(), status.alerts.len()), (true, "healthy", 0));
    assert!(
        status.rates.packets_per_second > 1.0 && status.rates.packets_per_second < 3.0,
        "{:?}",
        status.rates
    );
    assert_eq!(status.capacity.binds, Some(Resource::Ports));
    assert_eq!((status.draining, status.role), (None, Role::Viewer));
    assert_eq!(rig.texts(), ["the relay has started"]);
}

#[test]
fn a_dead_worker_is_an_event_an_alert_and_no_readiness() {
    let rig = Rig::new(2);
    rig.workers[1].alive.store(false, Ordering::Release);
    rig.after(1);
    rig.after(2);
    assert_eq!(rig.watch.not_ready(), ["worker 1 has died"]);
    let status = rig.watch.status(Role::Operator);
    assert_eq!((status.state.as_str(), status.alerts[0].name.as_str()), ("degraded", "worker"));
    assert_eq!(rig.texts(), ["the relay has started", "a worker has died and its calls are lost", "alert"]);
}

#[test]
fn a_drain_is_seen_at_once_and_done_when_few_sessions_are_left() {
    let rig = Rig::new(1);
    let order = DrainOrder { since: UnixTime(0), deadline: Some(UnixTime(60)), min_sessions: 0 };
    rig.watch.set_drain(Some(order));
    assert_eq!(rig.watch.status(Role::Operator).state, "draining");
    assert_eq!(rig.watch.not_ready(), ["it is being emptied"]);
    let drain = rig.watch.status(Role::Operator).draining.unwrap();
    assert_eq!((drain.done, drain.deadline.as_deref()), (true, Some("1970-01-01T00:01:00Z")));
    rig.after(1);
    assert_eq!(rig.watch.status(Role::Operator).state, "draining");
    rig.watch.set_drain(None);
    assert_eq!(rig.watch.status(Role::Operator).state, "healthy");
    assert!(rig.watch.not_ready().is_empty());
}

#[test]
fn a_relay_without_room_is_not_ready_until_there_is_clearly_room_again() {
    let rig = Rig::new(1);
    let ready = |free: usize, second| {
        rig.free_ports.store(free, Ordering::Relaxed);
        rig.after(second);
        rig.watch.not_ready()
    };
    assert!(ready(6, 1).is_empty());
    assert_eq!(ready(5, 2), ["5 % of its ports are free"]);
    assert_eq!(ready(7, 3), ["7 % of its ports are free"]);
    assert!(ready(8, 4).is_empty());
    assert!(ready(6, 5).is_empty());
}

#[test]
fn an_announcer_that_does_not_answer_is_told_of() {
    let rig = Rig::new(1);
    *lock(&rig.standing) = Standing::Silent("the announcer has ended".to_owned());
    for second in 1..=11 {
        rig.after(second);
    }
    assert_eq!(rig.watch.not_ready(), ["nothing is known of its health: the announcer has ended"]);
    assert_eq!(rig.watch.alerts()[0].name, "announced");
    assert_eq!(rig.watch.status(Role::Viewer).state, "down");
}

#[test]
fn a_relay_that_will_announce_is_not_ready_until_its_health_is_known() {
    use crate::announce::bgp::SessionState;
    use crate::announce::health::State;
    let rig = Rig::new(1);
    *lock(&rig.standing) = Standing::Awaited;
    let unknown = ["its health is not known yet"];
    rig.after(1);
    assert_eq!(rig.watch.not_ready(), unknown);
    let mut view = sessions::tests::view(SessionState::Established, 1, 0);
    (view.announce.health.state, view.announce.health.is_known) = (State::Down, false);
    view.announce.health.reasons = vec!["`ports` is not yet checked".to_owned()];
    let seen = |view: &View| Standing::Seen {
        settings: announce::Settings::default(),
        view: Box::new(view.clone()),
    };
    *lock(&rig.standing) = seen(&view);
    for second in 2..=20 {
        rig.after(second);
        assert_eq!(rig.watch.not_ready(), unknown);
        assert_eq!(rig.watch.alerts(), [], "down for want of knowledge is no alert");
    }
    view.announce.health.is_known = true;
    *lock(&rig.standing) = seen(&view);
    rig.after(21);
    assert_eq!(rig.watch.alerts()[0].name, "health");
    assert_eq!(rig.watch.not_ready(), ["it is down: `ports` is not yet checked"]);
}

#[test]
fn a_busy_worker_warns_and_turns_no_call_away() {
    let rig = Rig::new(1);
    for second in 1..=20 {
        rig.workers[0].counters.pass(Path::FromClient, 125);
        rig.workers[0].counters.busy.add(1_000_000_000);
        rig.after(second);
    }
    let capacity = rig.watch.capacity();
    let free = capacity.packets_per_second.free_share.unwrap();
    assert!(free < 0.05, "{capacity:?}");
    assert!(rig.watch.not_ready().is_empty());
    assert_eq!(rig.watch.alerts()[0].severity, AlertSeverity::Warning);
}

#[test]
fn an_announcer_that_is_busy_for_a_moment_stands_as_it_did() {
    use crate::announce::bgp::SessionState;
    let rig = Rig::new(1);
    let view = Box::new(sessions::tests::view(SessionState::Established, 1, 0));
    *lock(&rig.standing) = Standing::Seen { settings: announce::Settings::default(), view };
    rig.after(1);
    *lock(&rig.standing) = Standing::Silent("it is busy".to_owned());
    for second in 2..=4 {
        rig.after(second);
        assert!(rig.watch.not_ready().is_empty());
    }
    rig.after(5);
    assert_eq!(rig.watch.not_ready(), ["nothing is known of its health: it is busy"]);
}

#[test]
fn the_past_is_kept_for_charts() {
    let rig = Rig::new(1);
    let packets = |count: usize| (0..count).for_each(|_| rig.workers[0].counters.pass(Path::FromPeer, 100));
    packets(1_000);
    for second in 1..=25 {
        rig.after(second);
    }
    let history = rig.watch.history();
    assert_eq!((history.step_seconds, history.points.len()), (10, 3));
    let rate = history.points[1].packets_per_second;
    assert!((90.0..=100.0).contains(&rate), "1000 in ten seconds are not {rate}");
    assert!(history.points[2].packets_per_second == 0.0 && history.points[2].ready);
    assert_eq!(history.points[2].free_share, rig.watch.capacity().ports.free_share);
}

#[test]
fn whoever_waits_for_looks_is_woken() {
    let rig = Rig::new(1);
    let mut looks = rig.watch.looks();
    looks.mark_unchanged();
    rig.after(1);
    assert!(looks.has_changed().unwrap());
}

#[test]
fn the_page_of_metrics_says_what_the_last_look_has_found() {
    let rig = Rig::new(1);
    rig.after(1);
    let page = |rig: &Rig| {
        let more: Vec<Arc<dyn More>> = vec![Arc::clone(&rig.watch) as Arc<dyn More>];
        Exposition::with(rig.workers.clone(), UnixTime(7), more).unwrap().text().unwrap()
    };
    let calm = page(&rig);
    for line in [
        "tern_ready 1",
        "tern_draining 0",
        "tern_headroom_ratio{resource=\"ports\"} 1",
        "tern_capacity_limit{resource=\"ports\"} 100",
        "tern_alerts{severity=\"critical\"} 0",
        "# TYPE process_cpu_seconds_total counter",
    ] {
        assert!(calm.lines().any(|found| found == line), "{line} is not in\n{calm}");
    }
    assert!(!calm.contains("tern_bgp") && !calm.contains("tern_health_state"), "{calm}");
    rig.watch.set_drain(Some(DrainOrder { since: UnixTime(0), deadline: None, min_sessions: 0 }));
    assert!(page(&rig).contains("\ntern_ready 0\n"));
}

#[test]
fn the_page_of_metrics_tells_neighbours_apart() {
    use crate::announce::bgp::SessionState;
    let rig = Rig::new(1);
    let view = Box::new(sessions::tests::view(SessionState::Established, 3, 2));
    *lock(&rig.standing) = Standing::Seen { settings: announce::Settings::default(), view };
    rig.after(1);
    let more: Vec<Arc<dyn More>> = vec![Arc::clone(&rig.watch) as Arc<dyn More>];
    let page = Exposition::with(Vec::new(), UnixTime(7), more).unwrap().text().unwrap();
    for line in [
        "tern_announcer_up 1",
        "tern_health_state{state=\"healthy\"} 1",
        "tern_health_state{state=\"down\"} 0",
        "tern_bgp_session_up{neighbor=\"north\"} 1",
        "tern_bgp_session_flaps_total{neighbor=\"north\"} 2",
        "tern_bgp_prefix_announced{neighbor=\"north\",prefix=\"10.99.0.1/32\"} 1",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }
    assert_eq!(rig.watch.status(Role::Viewer).announced, ["10.99.0.1/32"]);
}

#[tokio::test]
async fn it_looks_by_itself_until_it_is_dropped() {
    let rig = Rig::new(1);
    let mut looks = rig.watch.looks();
    looks.mark_unchanged();
    tokio::select! {
        () = Arc::clone(&rig.watch).run() => {}
        changed = looks.changed() => changed.unwrap(),
    }
}
