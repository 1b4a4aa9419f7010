//! Credentials over the life of a call: they expire, rotate, and are told apart.

use std::time::Duration;

use tern::engine::Event;
use tern::engine::auth::{Token, TokenCipher, TokenKey, TokenKeys};
use tern::time::UnixTime;
use tern::wire::stun::{AttributeType, Method};

use crate::engine::caller::Secret;
use crate::engine::{Caller, EPOCH, Login, Rig, START, Setup, udp};

const PEER: &str = "9.9.9.9:1000";

fn timed(user: &str, after_start: u64) -> Login {
    Login::timed(user, START + after_start)
}

/// A call outlives the credential that it began with.
#[test]
fn an_expired_credential_keeps_its_call() {
    let mut rig = Rig::new(&Setup::default());
    let mut caller = Caller::with(udp("84.1.2.3:5000"), timed("alice", 100));
    caller.allocate(&mut rig, |_| {}).good();
    rig.pass(Duration::from_secs(200));
    caller.refresh(&mut rig, 600).good();
    caller.permit(&mut rig, &[PEER]).good();
    caller.bind(&mut rig, 0x4000, PEER).good();
    // But begins no other.
    let mut other = Caller::with(udp("84.1.2.3:5001"), timed("alice", 100));
    assert_eq!(other.allocate(&mut rig, |_| {}).code, 401);
    caller.refresh(&mut rig, 0).good();
    caller.nonce = None;
    assert_eq!(caller.allocate(&mut rig, |_| {}).code, 401);
}

fn turnarounds(rig: &Rig) -> Vec<u128> {
    let took = |event: &Event| match event {
        // Told in steps of a millisecond.
        Event::Challenged { turnaround, .. } => Some((turnaround.as_millis() + 5) / 10 * 10),
        _ => None,
    };
    rig.events.iter().filter_map(took).collect()
}

/// The way to a client is timed by the nonce of its challenge: at the nonce's first use, if that comes at once.
#[test]
fn the_answer_to_a_challenge_is_timed_once() {
    let mut rig = Rig::new(&Setup { nonce_lifetime: Duration::from_secs(60), ..Setup::default() });
    let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
    caller.greet(&mut rig);
    rig.pass(Duration::from_millis(80));
    caller.allocate(&mut rig, |_| {}).good();
    rig.pass(Duration::from_millis(500));
    caller.permit(&mut rig, &[PEER]).good();
    assert_eq!(turnarounds(&rig), [80]);
    // A stale nonce is a challenge as well.
    rig.pass(Duration::from_secs(100));
    rig.events.clear();
    assert_eq!(caller.request_once(&mut rig, Method::REFRESH, |_| {}).code, 438);
    rig.pass(Duration::from_millis(30));
    caller.request_once(&mut rig, Method::REFRESH, |_| {}).good();
    rig.pass(Duration::from_millis(30));
    caller.bind(&mut rig, 0x4000, PEER).good();
    assert_eq!(turnarounds(&rig), [30]);
    // Whoever takes his time says nothing of the way.
    let mut slow = Caller::new(udp("84.1.2.3:5001"), "alice");
    slow.greet(&mut rig);
    rig.pass(Duration::from_secs(5));
    rig.events.clear();
    slow.allocate(&mut rig, |_| {}).good();
    assert_eq!(turnarounds(&rig), []);
}

/// Another credential of the same user is the same user.
#[test]
fn a_rotated_credential_is_the_same_user() {
    let mut rig = Rig::new(&Setup::default());
    let mut caller = Caller::with(udp("84.1.2.3:5000"), timed("alice", 100));
    caller.allocate(&mut rig, |_| {}).good();
    caller.login = timed("alice", 5000);
    rig.pass(Duration::from_secs(50));
    caller.refresh(&mut rig, 600).good();
    rig.pass(Duration::from_secs(100));
    caller.refresh(&mut rig, 600).good();
    caller.permit(&mut rig, &[PEER]).good();
    assert_eq!(caller.allocate(&mut rig, |_| {}).code, 437);
    let mut bob = Caller::with(udp("84.1.2.3:5000"), timed("bob", 5000));
    assert_eq!(bob.refresh(&mut rig, 0).code, 441);
}

/// A user of the file and one of the secret may have one name and are two.
#[test]
fn equal_names_of_two_kinds_are_two_users() {
    let mut rig = Rig::new(&Setup::default());
    Caller::new(udp("84.1.2.3:5000"), "alice").allocate(&mut rig, |_| {}).good();
    let mut timed = Caller::with(udp("84.1.2.3:5000"), timed("alice", 5000));
    assert_eq!(timed.refresh(&mut rig, 0).code, 441);
}

/// A user who is struck off the file is out, calls included.
#[test]
fn a_removed_user_is_out() {
    let mut rig = Rig::new(&Setup::default());
    let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
    caller.allocate(&mut rig, |_| {}).good();
    rig.engine.reload(Setup { users: vec!["bob"], ..Setup::default() }.settings());
    assert_eq!(caller.refresh(&mut rig, 600).code, 401);
    // A withdrawn secret ends no call.
    let mut caller = Caller::with(udp("84.1.2.3:5001"), timed("carol", 5000));
    caller.allocate(&mut rig, |_| {}).good();
    rig.engine.reload(Setup { rest: false, ..Setup::default() }.settings());
    caller.refresh(&mut rig, 600).good();
}

fn token_key() -> TokenKey {
    TokenKey::new("kid", TokenCipher::Aes256Gcm, &[7; 32]).unwrap()
}

fn tokens() -> TokenKeys {
    TokenKeys::new("turn.example.org", vec![token_key()]).unwrap()
}

fn token_login(key: u8, lifetime: u32, now: UnixTime) -> Login {
    let token = Token { key: &[key; 20], timestamp: Token::timestamp(now), lifetime };
    let sealed = token_key().seal("turn.example.org", [key; 12], &token).unwrap();
    Login { name: "kid".to_owned(), secret: Secret::Key(vec![key; 20]), token: Some(sealed) }
}

fn now() -> UnixTime {
    UnixTime(EPOCH + START)
}

/// RFC 7635 section 6.1: the challenge says whom to ask for a token.
#[test]
fn the_challenge_names_the_authorization_server() {
    let mut rig = Rig::new(&Setup { tokens: Some(tokens), ..Setup::default() });
    let mut caller = Caller::with(udp("84.1.2.3:5000"), Login::user("nobody"));
    let answer = caller.allocate(&mut rig, |_| {});
    assert_eq!(answer.code, 401);
    assert_eq!(answer.find(AttributeType::THIRD_PARTY_AUTHORIZATION), Some(&b"turn.example.org"[..]));
}

/// RFC 7635 section 9: no allocation outlives the token; requests between need none; a new token prolongs, and from
/// then on its key signs.
#[test]
fn a_token_bounds_the_lifetime_and_a_new_one_prolongs_it() {
    let mut rig = Rig::new(&Setup { tokens: Some(tokens), ..Setup::default() });
    let mut caller = Caller::with(udp("84.1.2.3:5000"), token_login(1, 100, now()));
    let granted = caller.allocate(&mut rig, |_| {}).good().lifetime().unwrap();
    assert!((100..=105).contains(&granted), "{granted}");
    caller.login.token = None;
    caller.permit(&mut rig, &[PEER]).good();

    rig.pass(Duration::from_secs(60));
    caller.login = token_login(2, 1000, rig.now.unix);
    let granted = caller.refresh(&mut rig, 600).good().lifetime();
    assert_eq!(granted, Some(600));
    caller.login.token = None;
    rig.pass(Duration::from_secs(200));
    caller.permit(&mut rig, &[PEER]).good();
    caller.bind(&mut rig, 0x4000, PEER).good();
    rig.check();
}

#[test]
fn a_token_without_renewal_ends_with_the_allocation() {
    let mut rig = Rig::new(&Setup { tokens: Some(tokens), ..Setup::default() });
    let mut caller = Caller::with(udp("84.1.2.3:5000"), token_login(1, 100, now()));
    let granted = caller.allocate(&mut rig, |_| {}).good().lifetime().unwrap();
    rig.pass(Duration::from_secs(u64::from(granted)));
    assert_eq!(rig.engine.allocations(), 0);
    assert_eq!(caller.request(&mut rig, Method::REFRESH, |_| {}).code, 401);
}
