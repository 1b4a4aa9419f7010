use super::*;
use crate::control::admin::Room;

fn judged(facts: &Facts) -> Vec<(&'static str, Option<String>, Level)> {
    let found = judge(facts, &Thresholds::default());
    for finding in &found {
        assert!(!finding.text.is_empty() && finding.remedy.len() > 20, "{finding:?}");
    }
    found.into_iter().map(|finding| (finding.name, finding.subject, finding.level)).collect()
}

fn of(name: &'static str, subject: &str, level: Level) -> Vec<(&'static str, Option<String>, Level)> {
    let subject = (!subject.is_empty()).then(|| subject.to_owned());
    vec![(name, subject, level)]
}

#[test]
fn a_quiet_relay_has_nothing_to_say() {
    assert_eq!(judged(&Facts::default()), []);
}

#[test]
fn a_room_that_gets_narrow_is_told_by_name() {
    let with = |free: f64| {
        let room = Room { used: 80.0, limit: Some(100.0), free_share: Some(free), basis: Basis::Configured };
        let capacity = Capacity { ports: room, ..Capacity::default() };
        judged(&Facts { capacity, ..Facts::default() })
    };
    assert_eq!(with(0.05), of("capacity", "ports", CRITICAL));
    assert_eq!(with(0.20), of("capacity", "ports", WARNING));
    assert_eq!(with(0.24), of("capacity", "ports", Level::Near));
    assert_eq!(with(0.26), []);
    let room = Room { used: 80.0, limit: Some(80.0), free_share: Some(0.0), basis: Basis::Measured };
    let capacity = Capacity { packets_per_second: room, ..Capacity::default() };
    let estimate = judged(&Facts { capacity, ..Facts::default() });
    assert_eq!(
        estimate,
        of("capacity", "packets", WARNING),
        "what one busy worker makes others seem to have"
    );
}

#[test]
fn each_leg_is_judged_by_itself_and_only_with_enough_calls() {
    let poor = LegQuality { poor_share: Some(0.15), ..LegQuality::default() };
    let quality = QualitySummary { peer: poor, ..QualitySummary::default() };
    let mut facts = Facts { quality, ..Facts::default() };
    facts.rated_seconds.peer = 199.0;
    assert_eq!(judged(&facts), []);
    facts.rated_seconds.peer = 200.0;
    assert_eq!(judged(&facts), of("quality", "peer", WARNING));
    facts.quality.peer.poor_share = Some(0.2);
    assert_eq!(judged(&facts), of("quality", "peer", CRITICAL));
    facts.quality.peer.poor_share = Some(0.08);
    assert_eq!(judged(&facts), of("quality", "peer", Level::Near));
    facts.quality.peer.poor_share = Some(0.07);
    assert_eq!(judged(&facts), []);
}

#[test]
fn a_path_is_judged_by_the_worse_of_round_trip_and_jitter() {
    let quality = |rtt, jitter| {
        let client = LegQuality { rtt_ms: Some(rtt), jitter_ms: Some(jitter), ..LegQuality::default() };
        let quality = QualitySummary { client, ..QualitySummary::default() };
        let facts = Facts { quality, rated_seconds: Legs { client: 600.0, peer: 0.0 }, ..Facts::default() };
        judge(&facts, &Thresholds::default())
            .into_iter()
            .map(|found| (found.level, found.text))
            .collect::<Vec<_>>()
    };
    assert_eq!(quality(100.0, 5.0), []);
    assert_eq!(
        quality(300.0, 5.0),
        [(WARNING, "the mean round trip on the clients' side is 300 ms".to_owned())]
    );
    assert_eq!(
        quality(310.0, 70.0),
        [(CRITICAL, "the mean jitter on the clients' side is 70 ms".to_owned())]
    );
}

#[test]
fn calls_that_do_not_come_to_pass_are_told_of_with_enough_attempts() {
    let facts = Facts { opened: 19, refused: 0, ..Facts::default() };
    let lacking = Facts { refused: 1, lacking: 1, ..facts.clone() };
    assert_eq!(judged(&lacking), of("connect", "refused", CRITICAL));
    let unlucky = Facts { refused: 1_000, lacking: 20, ..facts.clone() };
    assert_eq!(judged(&unlucky), of("connect", "refused", WARNING), "a client beyond its own limits");
    assert_eq!(judged(&Facts { opened: 18, refused: 1, ..facts.clone() }), []);
    assert_eq!(judged(&Facts { opened: 97, refused: 2, ..facts }), of("connect", "refused", WARNING));
    let guessed = Facts { opened: 10, failed_logins: 1_000, ..Facts::default() };
    assert_eq!(judged(&guessed), of("connect", "authentication", WARNING));
}

#[test]
fn a_dead_worker_and_a_certificate_are_told_of_at_once() {
    let certificate =
        |days_left, is_valid| CertificateFact { name: "edge.pem".to_owned(), days_left, is_valid };
    let facts = Facts { dead_workers: vec![1], ..Facts::default() };
    assert_eq!(judged(&facts), of("worker", "1", CRITICAL));
    for (days_left, is_valid, level) in
        [(13, true, WARNING), (2, true, CRITICAL), (-1, false, CRITICAL), (90, false, CRITICAL)]
    {
        let facts = Facts { certificates: vec![certificate(days_left, is_valid)], ..Facts::default() };
        assert_eq!(judged(&facts), of("certificate", "edge.pem", level));
    }
    let facts = Facts { certificates: vec![certificate(14, true)], ..Facts::default() };
    assert_eq!(judged(&facts), []);
}

#[test]
fn a_lost_neighbour_is_bad_and_the_last_one_worse() {
    let session = |neighbor: &str, is_up: bool| SessionState {
        kind: SessionKind::Bgp,
        neighbor: neighbor.to_owned(),
        is_up,
        is_wanted: true,
        down_for: Duration::from_secs(30),
        flaps: 0,
        why: Some("hold timer expired".to_owned()),
    };
    let facts = |sessions| Facts { sessions, ..Facts::default() };
    assert_eq!(judged(&facts(vec![session("a", false), session("b", true)])), of("bgp", "a", WARNING));
    let both = judged(&facts(vec![session("a", false), session("b", false)]));
    assert_eq!(both.iter().map(|found| found.2).collect::<Vec<_>>(), [CRITICAL, CRITICAL]);
    let unwanted = SessionState { is_wanted: false, ..session("a", false) };
    assert_eq!(judged(&facts(vec![unwanted])), []);
    let fresh = SessionState { down_for: Duration::from_secs(29), ..session("a", false) };
    assert_eq!(judged(&facts(vec![fresh])), []);
    let flapping = SessionState { flaps: 3, kind: SessionKind::Bfd, ..session("a", true) };
    assert_eq!(judged(&facts(vec![flapping])), of("bfd", "a flaps", WARNING));
}

#[test]
fn prefixes_that_nobody_is_told_of_are_told_of_here() {
    let announcer =
        AnnouncerFacts { is_known: true, state: "healthy", configured: 2, ..AnnouncerFacts::default() };
    let facts = |announcer: &AnnouncerFacts| Facts { announcer: Some(announcer.clone()), ..Facts::default() };
    assert_eq!(judged(&facts(&announcer)), of("announced", "", CRITICAL));
    let fresh = AnnouncerFacts { is_known: false, state: "down", ..announcer.clone() };
    assert_eq!(judged(&facts(&fresh)), [], "nobody has looked yet");
    let drained = Facts { is_draining: true, ..facts(&announcer) };
    assert_eq!(judged(&drained), [], "that is what draining is for");
    let announced = AnnouncerFacts { announced: 1, ..announcer };
    assert_eq!(judged(&facts(&announced)), []);
    let degraded = AnnouncerFacts { state: "degraded", ..announced.clone() };
    assert_eq!(judged(&facts(&degraded)), of("health", "", WARNING));
    let alone = AnnouncerFacts { others: Some(0), ..degraded };
    assert_eq!(judged(&facts(&alone)), of("health", "", CRITICAL));
    let silent = AnnouncerFacts { silence: Some("it has ended".to_owned()), ..announced };
    assert_eq!(judged(&facts(&silent)), of("announced", "", CRITICAL));
}
