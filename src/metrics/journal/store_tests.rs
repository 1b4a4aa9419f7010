use std::time::Duration;

use super::super::Ending;
use super::*;
use crate::engine::ReleaseCause;
use crate::engine::auth::AuthResult;
use crate::metrics::SessionInfo;
use crate::quality::{Directions, Session, Settings};
use crate::route::{Endpoint, ListenerId, RelayId, Transport};
use crate::time::Time;

const fn id(relay: u64) -> SessionId {
    SessionId { worker: 0, relay: RelayId(relay) }
}

fn entry(at: u64, owner: u64, session: Option<SessionId>, what: What) -> Note {
    let client = std::net::SocketAddr::from(([192, 0, 2, 7], 5000)).into();
    let transport = Transport::Udp;
    Note::Entry(Entry { at: UnixTime(at), client, transport, owner, is_proven: true, session, what })
}

fn failure(at: u64, owner: u64) -> Note {
    let what = What::Rejected { method: 3, code: 401, reason: AuthResult::WrongPassword };
    let Note::Entry(entry) = entry(at, owner, None, what) else { unreachable!() };
    Note::Entry(Entry { is_proven: false, ..entry })
}

fn allocated(at: u64, owner: u64, relay: u64) -> Note {
    let relayed: Endpoint = std::net::SocketAddr::from(([203, 0, 113, 1], 50_000)).into();
    entry(at, owner, Some(id(relay)), What::Allocated { relayed })
}

fn released(at: u64, owner: u64, relay: u64) -> Note {
    let ending = Ending {
        cause: ReleaseCause::Client,
        began: UnixTime(at),
        second: Some(id(relay + 1)),
        passed: Directions::default(),
        drops: Box::default(),
    };
    entry(at, owner, Some(id(relay)), What::Released(Box::new(ending)))
}

fn ended(owner: u64, relay: u64) -> Note {
    Note::Ended(Box::new(call(owner, relay)))
}

fn call(owner: u64, relay: u64) -> EndedCall {
    let info = SessionInfo {
        id: id(relay),
        client: "192.0.2.7:5000".parse().unwrap(),
        server: "203.0.113.1:3478".parse().unwrap(),
        transport: Transport::Udp,
        listener: ListenerId(0),
        relayed: "203.0.113.1:50000".parse().unwrap(),
        owner,
        began: UnixTime(0),
    };
    let (settings, start) = (Settings::default(), Time::from_secs(1));
    let mut session = Session::new(start);
    let mut now = start;
    for _ in 0..6 {
        now = now + Duration::from_secs(10);
        session.close_interval(&settings, now);
    }
    let (_, record, past) = session.end_with_past(&settings, now);
    EndedCall::new(info, UnixTime(60), &record, past)
}

fn kinds(story: &Story) -> Vec<(u64, &'static str)> {
    story.entries.iter().map(|entry| (entry.at.0, entry.kind())).collect()
}

fn owners(owner: u64) -> About {
    About::Owners(vec![owner])
}

#[test]
fn a_call_is_told_with_the_failures_before_it_and_nothing_of_others() {
    let (journal, notes) = Journal::new();
    for note in [
        failure(10, 1),
        failure(500, 1),
        failure(501, 2),
        allocated(503, 1, 4),
        allocated(504, 1, 6),
        released(600, 1, 4),
        ended(1, 4),
        failure(601, 1),
    ] {
        notes.try_send(note).unwrap();
    }
    let story = journal.explain(&About::Session(id(4)));
    assert_eq!(kinds(&story), [(500, "rejected"), (503, "allocated"), (600, "released")]);
    assert_eq!(story.ended.len(), 1);
    assert_eq!(story.ended[0].past.moments().count(), 6);
    assert_eq!(kinds(&journal.explain(&About::Session(id(5)))), kinds(&story), "its other name");
    let all = journal.explain(&owners(1));
    assert_eq!(all.entries.len(), 6);
    assert_eq!(kinds(&journal.explain(&owners(2))), [(501, "rejected")]);
    assert_eq!(journal.explain(&About::Client([192, 0, 2, 7].into())).entries.len(), 7);
    assert!(journal.explain(&About::Client([192, 0, 2, 8].into())).entries.is_empty());
    assert!(journal.explain(&owners(3)).entries.is_empty());
}

#[test]
fn a_flood_of_bad_passwords_pushes_out_nothing_that_is_proven() {
    let (journal, notes) = Journal::new();
    notes.try_send(allocated(1, 77, 4)).unwrap();
    for second in 0..1_000 {
        for attacker in 0..200 {
            notes.try_send(failure(second, 1_000 + attacker)).unwrap();
        }
        journal.collect();
    }
    assert_eq!(kinds(&journal.explain(&owners(77))), [(1, "allocated")]);
    let story = journal.explain(&owners(1_000));
    assert!(story.suppressed >= 1_000 * 150, "{}", story.suppressed);
    let (held, limit) = journal.size();
    assert!(held <= UNPROVEN + 1_000 && held < limit, "{held}");
}

fn refusal(at: u64, owner: u64, code: u16) -> Note {
    let until = UnixTime(at);
    entry(at, owner, None, What::Refused { method: 9, code, peer: None, times: 1, until })
}

#[test]
fn a_user_who_is_refused_all_the_time_pushes_out_no_call() {
    let (journal, notes) = Journal::new();
    notes.try_send(allocated(1, 77, 4)).unwrap();
    for number in 0..200_000 {
        notes
            .try_send(refusal(number / 1_000, number % 100, u16::try_from(400 + number % 7).unwrap()))
            .unwrap();
        if number % 1_000 == 0 {
            journal.collect();
        }
    }
    assert_eq!(kinds(&journal.explain(&owners(77))).first(), Some(&(1, "allocated")));
    let (held, _) = journal.size();
    assert!(held <= DOINGS + 1_000, "{held}");
}

#[test]
fn the_same_again_has_no_line_of_its_own() {
    let (journal, notes) = Journal::new();
    for note in
        [refusal(5, 1, 403), refusal(6, 1, 403), refusal(6, 2, 403), refusal(7, 1, 437), refusal(9, 1, 403)]
    {
        notes.try_send(note).unwrap();
    }
    let story = journal.explain(&owners(1));
    assert_eq!(kinds(&story), [(5, "refused"), (7, "refused")]);
    assert!(story.entries[0].text().ends_with("; at least 3 times until 1970-01-01T00:00:09Z"), "{story:?}");
    notes.try_send(refusal(65, 1, 403)).unwrap();
    assert_eq!(journal.explain(&owners(1)).entries.len(), 3, "another minute");
}

#[test]
fn what_workers_have_left_out_is_told() {
    let (journal, notes) = Journal::new();
    notes.try_send(Note::LeftOut(7)).unwrap();
    assert_eq!(journal.explain(&owners(1)).suppressed, 7);
}

#[test]
fn a_hundred_thousand_users_leave_no_more_than_fits() {
    let (journal, notes) = Journal::new();
    let template = call(0, 0);
    for user in 0..100_000 {
        let info = SessionInfo { owner: user, id: id(user * 2), ..template.info.clone() };
        let ended = Note::Ended(Box::new(EndedCall { info, ..template.clone() }));
        for note in [allocated(user, user, user * 2), released(user, user, user * 2), ended] {
            notes.try_send(note).unwrap();
        }
        if user % 1_000 == 0 {
            journal.collect();
        }
    }
    journal.collect();
    let (held, limit) = journal.size();
    assert!(held <= limit && held > limit / 2, "{held} of {limit}");
    assert!(journal.explain(&owners(5)).entries.is_empty(), "the oldest is gone");
    assert_eq!(kinds(&journal.explain(&owners(99_999))), [(99_999, "allocated"), (99_999, "released")]);
    assert_eq!(journal.explain(&owners(99_999)).ended.len(), 1);
}

#[test]
fn an_answer_has_an_end() {
    let (journal, notes) = Journal::new();
    for at in 0..3_000 {
        notes.try_send(allocated(at, 1, at)).unwrap();
        if at % 1_000 == 0 {
            journal.collect();
        }
    }
    let story = journal.explain(&owners(1));
    assert_eq!((story.entries.len(), story.entries[0].at.0), (ANSWER, 3_000 - ANSWER as u64));
}

#[test]
fn who_tells_too_much_at_once_does_not_wait() {
    let (journal, notes) = Journal::new();
    let told = (0..NOTES + 10).take_while(|at| notes.try_send(failure(*at as u64, 1)).is_ok()).count();
    assert_eq!(told, NOTES);
    journal.collect();
    assert!(notes.try_send(failure(9, 1)).is_ok());
}

#[test]
fn a_collector_knows_when_nobody_is_left() {
    let (journal, _notes) = Journal::new();
    let collector = journal.collector();
    let clone = journal.clone();
    assert!(collector.collect());
    drop(journal);
    assert!(collector.collect());
    drop(clone);
    assert!(!collector.collect());
}
