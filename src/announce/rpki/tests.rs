//! A client and caches whose every word the test writes.

use super::*;
use crate::announce::{Event, Level, Target};
use crate::wire::rtr::{self, ErrorCode, Pdu};

const OURS: &str = "192.0.2.0/24";
const ORIGIN: Asn = Asn(64500);
const START: Time = Time::from_secs(1000);

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("cache-{number}:323")).collect()
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn pdu(version: u8, kind: u8, head: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(8 + body.len()).unwrap();
    [&[version, kind][..], &head.to_be_bytes(), &length.to_be_bytes(), body].concat()
}

fn response(session: u16) -> Vec<u8> {
    pdu(1, 3, session, &[])
}

fn notify(session: u16, serial: u32) -> Vec<u8> {
    pdu(1, 0, session, &serial.to_be_bytes())
}

fn error(version: u8, code: u16) -> Vec<u8> {
    pdu(version, 10, code, &[0; 8])
}

fn record(announced: bool, text: &str, longest: u8, origin: u32) -> Vec<u8> {
    let prefix = prefix(text);
    let (kind, octets) = match prefix.address() {
        std::net::IpAddr::V4(address) => (4, address.octets().to_vec()),
        std::net::IpAddr::V6(address) => (6, address.octets().to_vec()),
    };
    let head = [u8::from(announced), prefix.bits(), longest, 0];
    pdu(1, kind, 0, &[&head[..], &octets, &origin.to_be_bytes()].concat())
}

fn end(session: u16, serial: u32) -> Vec<u8> {
    let words = [serial, 3600, 600, 7200].map(u32::to_be_bytes);
    pdu(1, 7, session, words.as_flattened())
}

struct Rig {
    client: Client,
    now: Now,
    /// What the client has asked for since the last look.
    actions: Vec<Action>,
}

impl Rig {
    fn new(caches: usize) -> Self {
        let client = Client::new(&names(caches), &[prefix(OURS)], 1);
        let mut rig = Self { client, now: Now { time: START, unix: UnixTime(1000) }, actions: Vec::new() };
        rig.tell(Input::Tick);
        rig
    }

    fn tell(&mut self, input: Input<'_>) {
        self.client.handle(self.now, input);
        self.collect();
    }

    fn collect(&mut self) {
        self.actions.extend(std::iter::from_fn(|| self.client.poll()));
    }

    /// Goes from deadline to deadline.
    fn run(&mut self, time: Duration) {
        let end = self.now.time + time;
        while let Some(next) = self.client.deadline().filter(|next| *next <= end) {
            assert!(next >= self.now.time, "a deadline in the past is never done with");
            self.now = self.now.after(next.since(self.now.time));
            self.tell(Input::Tick);
        }
        self.now = self.now.after(end.since(self.now.time));
    }

    fn connects(&mut self) -> Vec<(ConnectionId, u8)> {
        let mut found = Vec::new();
        self.actions.retain(|action| {
            let Action::Connect { connection, target: Target::Rtr(place) } = action else { return true };
            found.push((*connection, *place));
            false
        });
        found
    }

    /// The next connection stands.
    fn connect(&mut self) -> ConnectionId {
        let connection = self.connects()[0].0;
        self.tell(Input::Connected { connection });
        connection
    }

    fn say(&mut self, connection: ConnectionId, pdus: &[Vec<u8>]) {
        self.tell(Input::Received { connection, bytes: &pdus.concat() });
    }

    /// A connection whose cache has answered with `records`.
    fn synchronised(&mut self, records: &[Vec<u8>]) -> ConnectionId {
        let connection = self.connect();
        assert_eq!(self.queries().last(), Some(&rtr::reset_query(Version::V1)));
        self.say(connection, &[response(7)]);
        self.say(connection, records);
        self.say(connection, &[end(7, 1)]);
        connection
    }

    /// What was sent since the last look.
    fn queries(&mut self) -> Vec<Vec<u8>> {
        let sent = |action| if let Action::Send { bytes, .. } = action { Some(bytes) } else { None };
        self.actions.drain(..).filter_map(sent).collect()
    }

    fn reported(&mut self) -> Option<ErrorCode> {
        self.queries().iter().find_map(|bytes| {
            let Pdu::ErrorReport { code, .. } = rtr::decode(bytes).unwrap().1 else { return None };
            Some(code)
        })
    }

    fn validity(&self) -> Validity {
        self.client.validity(&prefix(OURS), ORIGIN)
    }

    fn is_unknown(&self) -> bool {
        matches!(self.validity(), Validity::Unknown(_))
    }

    fn view(&self) -> CacheView {
        self.client.view(self.now)[0].clone()
    }
}

#[test]
fn a_record_for_the_origin_makes_it_valid_and_one_for_another_invalid_with_a_reason() {
    let mut rig = Rig::new(1);
    assert!(rig.is_unknown());
    let connection = rig.synchronised(&[record(true, OURS, 24, 64500)]);
    assert_eq!(rig.validity(), Validity::Valid);
    assert!(rig.client.take_change() && !rig.client.take_change());
    let view = rig.view();
    assert_eq!((view.phase, view.serial, view.records), ("up to date", Some((7, 1)), 1));
    assert_eq!(view.expires, Some(seconds(7200)));

    rig.say(connection, &[notify(7, 2)]);
    rig.run(seconds(2));
    assert_eq!(rig.queries(), [rtr::serial_query(Version::V1, 7, 1)]);
    let change = [record(false, OURS, 24, 64500), record(true, "192.0.0.0/16", 24, 64501)];
    rig.say(connection, &[response(7)]);
    rig.say(connection, &change);
    assert_eq!(rig.validity(), Validity::Valid, "an answer counts when it is complete");
    rig.say(connection, &[end(7, 2)]);
    let reason = "AS64500 may not originate 192.0.2.0/24; what may be: 192.0.0.0/16-24 AS64501";
    assert_eq!(rig.validity(), Validity::Invalid(reason.to_owned()));
    assert!(rig.client.take_change());
}

#[test]
fn what_is_refused_is_for_the_operator_to_say() {
    let settings =
        |on_invalid, on_unknown| RpkiSettings { caches: names(1), origin: ORIGIN, on_invalid, on_unknown };
    let strict = settings(Doubt::Withdraw, Doubt::Withdraw);
    let lax = settings(Doubt::Announce, Doubt::Announce);
    let refused = |rig: &Rig| {
        let standing = |settings| rig.client.origin(&prefix(OURS), settings, false).standing;
        [&strict, &lax].map(|settings| standing(settings) == Standing::Refused)
    };
    let mut rig = Rig::new(1);
    assert_eq!(refused(&rig), [true, false]);
    let said = rig.client.origin(&prefix(OURS), &lax, false).said.unwrap();
    assert_eq!(said, "RPKI: unknown, no cache has answered; announced all the same, as configured");
    assert_eq!(rig.client.origin(&prefix(OURS), &lax, true).standing, Standing::Awaited);
    rig.synchronised(&[record(true, OURS, 24, 64501)]);
    assert_eq!(refused(&rig), [true, false]);
    let mut rig = Rig::new(1);
    rig.synchronised(&[]);
    assert_eq!(refused(&rig), [false, false]);
    let said = rig.client.origin(&prefix(OURS), &strict, true).said.unwrap();
    assert_eq!(said, "RPKI: no record speaks of it");
}

#[test]
fn records_of_other_prefixes_are_not_kept() {
    let mut rig = Rig::new(1);
    let others = ["198.51.100.0/24", "192.0.2.0/25", "2001:db8::/32", "193.0.0.0/8"];
    let records: Vec<_> = others.iter().map(|text| record(true, text, prefix(text).bits(), 64500)).collect();
    rig.synchronised(&records);
    assert_eq!((rig.validity(), rig.view().records), (Validity::NotFound, 0));
}

#[test]
fn pdus_may_come_a_byte_at_a_time() {
    let mut rig = Rig::new(1);
    let connection = rig.connect();
    let bytes = [response(7), record(true, "0.0.0.0/0", 32, 64500), end(7, 1)].concat();
    for byte in bytes {
        assert!(rig.is_unknown());
        rig.tell(Input::Received { connection, bytes: &[byte] });
    }
    assert_eq!(rig.validity(), Validity::Valid);
}

#[test]
fn a_cache_that_is_gone_is_used_until_its_data_expires_and_not_a_tick_longer() {
    let mut rig = Rig::new(1);
    let connection = rig.synchronised(&[record(true, OURS, 24, 64500)]);
    let expiry = rig.now.time + seconds(7200);
    rig.client.take_change();
    rig.tell(Input::Closed { connection, reason: "reset" });
    rig.run(expiry.since(rig.now.time) - Duration::from_nanos(1));
    assert_eq!(rig.validity(), Validity::Valid);
    assert!(!rig.client.take_change());
    rig.run(Duration::from_nanos(1));
    assert!(rig.is_unknown() && rig.client.take_change());
}

#[test]
fn a_cache_that_cannot_be_reached_is_tried_more_and_more_rarely_and_named_once() {
    let mut rig = Rig::new(1);
    let mut attempts = Vec::new();
    let mut warnings = 0;
    while attempts.len() < 12 {
        let connects = rig.connects();
        assert_eq!(connects.len(), 1);
        attempts.push(rig.now.time);
        rig.tell(Input::Failed { connection: connects[0].0, reason: "connection refused" });
        let is_warning = |action: &Action| matches!(action, Action::Event(Event { level: Level::Warn, .. }));
        warnings += rig.actions.iter().filter(|action| is_warning(action)).count();
        rig.actions.clear();
        let next = rig.client.deadline().unwrap();
        rig.run(next.since(rig.now.time));
    }
    let gaps: Vec<_> = attempts.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    assert!((Duration::from_millis(750)..=seconds(1)).contains(&gaps[0]));
    assert!((Duration::from_millis(1500)..=seconds(2)).contains(&gaps[1]));
    assert!(gaps[8..].iter().all(|gap| (seconds(45)..=seconds(60)).contains(gap)), "{gaps:?}");
    assert_eq!(warnings, 1);
    assert_eq!(rig.view().failure.unwrap().1, "connection refused");
}

#[test]
fn a_question_without_an_answer_is_given_up() {
    let mut rig = Rig::new(1);
    let connection = rig.connect();
    rig.run(seconds(30));
    assert!(rig.actions.contains(&Action::Abort { connection }));
    assert_eq!(rig.view().failure.unwrap().1, "no answer within 30 s");
    let mut rig = Rig::new(1);
    let connection = rig.connects()[0].0;
    rig.run(seconds(30));
    assert!(rig.actions.contains(&Action::Abort { connection }));
}

#[test]
fn data_is_refreshed_and_what_is_confirmed_is_no_change() {
    let mut rig = Rig::new(1);
    let connection = rig.synchronised(&[record(true, OURS, 24, 64500)]);
    rig.client.take_change();
    for serial in 2..10 {
        let pause = rig.client.deadline().unwrap().since(rig.now.time);
        assert!((seconds(2700)..=seconds(3600)).contains(&pause));
        rig.run(pause);
        assert_eq!(rig.queries(), [rtr::serial_query(Version::V1, 7, serial - 1)]);
        rig.say(connection, &[response(7), end(7, serial)]);
    }
    assert_eq!(rig.validity(), Validity::Valid);
    assert!(!rig.client.take_change());
}

#[test]
fn a_reset_is_followed_by_the_question_for_everything() {
    let mut rig = Rig::new(1);
    let connection = rig.synchronised(&[record(true, OURS, 24, 64500)]);
    rig.tell(Input::Closed { connection, reason: "restarts" });
    rig.run(seconds(1));
    let connection = rig.connect();
    assert_eq!(rig.queries(), [rtr::serial_query(Version::V1, 7, 1)]);
    rig.say(connection, &[pdu(1, 8, 0, &[])]);
    assert_eq!(rig.queries(), [rtr::reset_query(Version::V1)]);
    rig.say(connection, &[response(8), end(8, 1)]);
    assert_eq!(rig.validity(), Validity::NotFound);
}

#[test]
fn a_cache_that_does_not_know_the_serial_of_its_earlier_life_is_asked_for_everything() {
    let refusals: [fn(&mut Rig, ConnectionId); 2] = [
        |rig, connection| rig.say(connection, &[error(1, 0)]),
        |rig, connection| rig.tell(Input::Closed { connection, reason: "reset" }),
    ];
    for refuse in refusals {
        let mut rig = Rig::new(1);
        let connection = rig.synchronised(&[record(true, OURS, 24, 64500)]);
        rig.tell(Input::Closed { connection, reason: "restarts" });
        rig.run(seconds(1));
        let connection = rig.connect();
        refuse(&mut rig, connection);
        rig.run(seconds(2));
        rig.synchronised(&[record(true, OURS, 24, 64501)]);
        assert!(matches!(rig.validity(), Validity::Invalid(_)));
    }
}

#[test]
fn a_cache_without_data_is_asked_again_on_the_same_connection() {
    let mut rig = Rig::new(1);
    let connection = rig.connect();
    rig.actions.clear();
    rig.say(connection, &[error(1, 2)]);
    assert!(rig.is_unknown());
    assert_eq!(
        (rig.view().phase, rig.view().failure.unwrap().1.as_str()),
        ("waiting for data", "no data available")
    );
    rig.run(seconds(1));
    assert_eq!(rig.queries(), [rtr::reset_query(Version::V1)]);
    rig.say(connection, &[response(1), end(1, 1)]);
    assert_eq!(rig.validity(), Validity::NotFound);
}

#[test]
fn a_cache_of_version_0_is_spoken_to_in_it() {
    let old_end = || pdu(0, 7, 7, &1_u32.to_be_bytes());
    // It answers in its own version.
    let mut rig = Rig::new(1);
    let connection = rig.connect();
    rig.say(connection, &[pdu(0, 3, 7, &[]), old_end()]);
    assert_eq!((rig.validity(), rig.view().version), (Validity::NotFound, Version::V0));
    // It says that it does not speak ours.
    let mut rig = Rig::new(1);
    let connection = rig.connect();
    rig.say(connection, &[error(0, 4)]);
    let connection = rig.connect();
    assert_eq!(rig.queries().last(), Some(&rtr::reset_query(Version::V0)));
    rig.say(connection, &[pdu(0, 3, 7, &[]), old_end()]);
    assert_eq!(rig.validity(), Validity::NotFound);
    // It hangs up.
    let mut rig = Rig::new(1);
    let connection = rig.connect();
    rig.tell(Input::Closed { connection, reason: "closed" });
    rig.run(seconds(1));
    rig.connect();
    assert_eq!(rig.queries().last(), Some(&rtr::reset_query(Version::V0)));
}

#[test]
fn a_cache_that_speaks_no_version_of_ours_is_not_asked_all_the_time() {
    let mut rig = Rig::new(1);
    let mut asked = 0;
    let end = rig.now.time + seconds(600);
    while rig.now.time < end {
        let connects = rig.connects();
        for (connection, _) in connects {
            asked += 1;
            rig.tell(Input::Connected { connection });
            rig.say(connection, &[error(2, 4)]);
        }
        let next = rig.client.deadline().unwrap();
        rig.run(next.since(rig.now.time));
    }
    assert!((10..60).contains(&asked), "{asked}");
}

#[test]
fn what_contradicts_itself_is_told_so_and_ends_the_session() {
    let ours = || record(true, OURS, 24, 64500);
    let gone = || record(false, OURS, 24, 64500);
    let cases = [
        (vec![response(7), ours(), ours()], ErrorCode::DuplicateAnnouncement),
        (vec![response(7), gone()], ErrorCode::UnknownWithdrawal),
        (vec![response(7), end(8, 1)], ErrorCode::CorruptData),
        (vec![response(7), response(7)], ErrorCode::CorruptData),
        (vec![end(7, 1)], ErrorCode::CorruptData),
        (vec![ours()], ErrorCode::CorruptData),
        (vec![pdu(1, 8, 0, &[])], ErrorCode::CorruptData),
        (vec![rtr::reset_query(Version::V1)], ErrorCode::UnsupportedType),
        (vec![pdu(1, 11, 0, &[])], ErrorCode::UnsupportedType),
        (vec![response(7), pdu(0, 7, 7, &[0; 4])], ErrorCode::UnexpectedVersion),
        (vec![vec![0xff; 100]], ErrorCode::CorruptData),
    ];
    for (pdus, code) in cases {
        let mut rig = Rig::new(1);
        let connection = rig.connect();
        rig.actions.clear();
        rig.say(connection, &pdus);
        assert!(rig.actions.contains(&Action::Close { connection }), "{pdus:?}");
        assert_eq!(rig.reported(), Some(code), "{pdus:?}");
        assert!(rig.is_unknown());
        // What still comes on it does nothing.
        rig.say(connection, &[response(7), end(7, 1)]);
        assert!(rig.is_unknown() && rig.actions.is_empty());
    }
}

#[test]
fn an_error_of_the_cache_ends_the_session_and_is_not_answered() {
    let mut rig = Rig::new(1);
    let connection = rig.connect();
    rig.actions.clear();
    let text = b"disk\nfull\xff";
    let body = [&[0; 4][..], &10_u32.to_be_bytes(), text].concat();
    rig.say(connection, &[pdu(1, 10, 1, &body)]);
    assert_eq!(rig.actions[0], Action::Abort { connection });
    assert!(rig.queries().is_empty());
    assert_eq!(rig.view().failure.unwrap().1, "it reports: internal error diskfull\u{fffd}");
}

#[test]
fn another_session_voids_what_was_said_before() {
    let steps: [fn(&mut Rig, ConnectionId); 2] = [
        |rig, connection| rig.say(connection, &[notify(8, 2)]),
        |rig, connection| {
            rig.say(connection, &[notify(7, 2)]);
            rig.run(seconds(1));
            rig.say(connection, &[response(8)]);
        },
    ];
    for step in steps {
        let mut rig = Rig::new(1);
        let connection = rig.synchronised(&[record(true, OURS, 24, 64500)]);
        step(&mut rig, connection);
        assert!(rig.is_unknown());
        assert_eq!(rig.reported(), Some(ErrorCode::CorruptData));
    }
}

#[test]
fn many_announcements_of_news_are_one_question_a_second() {
    let mut rig = Rig::new(1);
    let connection = rig.synchronised(&[]);
    rig.actions.clear();
    for serial in 0..100 {
        rig.say(connection, &[notify(7, 1000 + serial)]);
    }
    assert!(rig.queries().is_empty());
    rig.run(seconds(1));
    assert_eq!(rig.queries().len(), 1);
}

#[test]
fn a_cache_gone_mad_takes_no_memory() {
    let mut rig = Rig::new(1);
    let connection = rig.connect();
    rig.say(connection, &[response(7)]);
    let mut origin = 0;
    while rig.view().phase == "asking" {
        origin += 1;
        assert!(origin <= 5000);
        rig.say(connection, &[record(true, OURS, 24, origin)]);
    }
    assert_eq!(origin, u32::try_from(RECORDS_MAX).unwrap() + 1);
    assert_eq!(rig.reported(), Some(ErrorCode::InternalError));
}

#[test]
fn a_reason_names_a_few_records_only() {
    let mut rig = Rig::new(1);
    let records: Vec<_> = (1..=10).map(|origin| record(true, OURS, 24, origin)).collect();
    rig.synchronised(&records);
    let named = "192.0.2.0/24 AS1, 192.0.2.0/24 AS2, 192.0.2.0/24 AS3, 7 more";
    let reason = format!("AS64500 may not originate 192.0.2.0/24; what may be: {named}");
    assert_eq!(rig.validity(), Validity::Invalid(reason));
}

#[test]
fn the_first_cache_with_data_is_believed() {
    let mut rig = Rig::new(2);
    let connects = rig.connects();
    assert_eq!(connects.iter().map(|(_, place)| *place).collect::<Vec<_>>(), [0, 1]);
    let answer = |rig: &mut Rig, connection, origin| {
        rig.tell(Input::Connected { connection });
        rig.say(connection, &[response(7), record(true, OURS, 24, origin), end(7, 1)]);
    };
    answer(&mut rig, connects[1].0, 64500);
    assert_eq!(rig.validity(), Validity::Valid);
    answer(&mut rig, connects[0].0, 64501);
    assert!(matches!(rig.validity(), Validity::Invalid(_)));
}

#[test]
fn other_prefixes_are_asked_about_while_the_old_ones_stay_known() {
    let mut rig = Rig::new(1);
    let old = rig.synchronised(&[record(true, OURS, 24, 64500)]);
    rig.client.reload(rig.now, &names(1), &[prefix(OURS), prefix("2001:db8::/48")]);
    rig.collect();
    assert!(rig.actions.contains(&Action::Abort { connection: old }));
    assert_eq!(rig.validity(), Validity::Valid);
    assert!(matches!(rig.client.validity(&prefix("2001:db8::/48"), ORIGIN), Validity::Unknown(_)));
    rig.synchronised(&[record(true, OURS, 24, 64500), record(true, "2001:db8::/32", 48, 64500)]);
    assert_eq!(rig.client.validity(&prefix("2001:db8::/48"), ORIGIN), Validity::Valid);
}

#[test]
fn caches_that_stay_configured_keep_their_connections_and_others_lose_them() {
    let mut rig = Rig::new(2);
    let connects = rig.connects();
    let swapped = [names(2)[1].clone(), "other:1".to_owned()];
    rig.client.reload(rig.now, &swapped, &[prefix(OURS)]);
    rig.collect();
    assert!(rig.actions.contains(&Action::Abort { connection: connects[0].0 }));
    assert!(!rig.actions.contains(&Action::Abort { connection: connects[1].0 }));
    assert_eq!(rig.connects().iter().map(|(_, place)| *place).collect::<Vec<_>>(), [1]);
    rig.tell(Input::Connected { connection: connects[1].0 });
    rig.say(connects[1].0, &[response(7), end(7, 1)]);
    assert_eq!(rig.validity(), Validity::NotFound);
}

#[test]
fn data_of_a_cache_that_is_no_longer_configured_is_used_until_another_has_answered() {
    let mut rig = Rig::new(1);
    let old = rig.synchronised(&[record(true, OURS, 24, 64500)]);
    rig.client.reload(rig.now, &["other:1".to_owned()], &[prefix(OURS)]);
    rig.collect();
    assert!(rig.actions.contains(&Action::Abort { connection: old }));
    assert_eq!(rig.validity(), Validity::Valid);
    let connection = rig.connect();
    let brief = [1, 300, 100, 600].map(u32::to_be_bytes);
    rig.say(connection, &[response(8), record(true, OURS, 24, 64501), pdu(1, 7, 8, brief.as_flattened())]);
    assert!(matches!(rig.validity(), Validity::Invalid(_)));
    rig.run(seconds(601));
    assert!(rig.is_unknown(), "what was said before is not come back to");

    let mut rig = Rig::new(1);
    rig.synchronised(&[record(true, OURS, 24, 64500)]);
    rig.client.reload(rig.now, &["other:1".to_owned()], &[prefix(OURS)]);
    rig.run(seconds(7201));
    assert!(rig.is_unknown(), "it expires as any");

    let mut rig = Rig::new(1);
    rig.synchronised(&[record(true, OURS, 24, 64500)]);
    rig.client.reload(rig.now, &["other:1".to_owned()], &[prefix(OURS)]);
    rig.client.reload(rig.now, &names(1), &[prefix(OURS)]);
    rig.collect();
    assert_eq!((rig.validity(), rig.view().records), (Validity::Valid, 1), "it is configured again");
    assert_eq!(rig.connects().len(), 2, "one for each that was new");
}
