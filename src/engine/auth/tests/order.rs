//! The checks of RFC 8489 section 9.2.4, one by one and against each other.

use super::*;
use crate::wire::stun::userhash;

const UNSIGNED: Result<Authenticated, Rejection> = Err(Rejection::Challenge(Cause::Unsigned));
const BAD: Result<Authenticated, Rejection> = Err(Rejection::BadRequest);
const UNKNOWN: Result<Authenticated, Rejection> = Err(Rejection::Challenge(Cause::User));
const WRONG: Result<Authenticated, Rejection> = Err(Rejection::Challenge(Cause::Password));

fn is_stale(result: &Result<Authenticated, Rejection>, fault: NonceFault) -> bool {
    matches!(result, Err(Rejection::Stale { fault: found, .. }) if *found == fault)
}

#[test]
fn good_requests_name_their_user() {
    let server = server();
    let md5 = Request::md5(&server, "alice", "secret").send(&server).unwrap();
    let sha256 = Request::sha256(&server, "alice", "secret").send(&server).unwrap();
    assert_eq!((md5.user.as_slice(), md5.expires, md5.nonce_relay), (&b"alice"[..], None, 1));
    assert_eq!(md5.owner, sha256.owner);
}

#[test]
fn both_signatures_count_as_sha256() {
    let server = server();
    let mut request = Request::sha256(&server, "alice", "secret");
    request.sha1 = request.sha256.clone();
    assert!(request.send(&server).is_ok());
    request.sha1 = Some(b"wrong".to_vec());
    assert!(request.send(&server).is_ok());
    request.sha1 = request.sha256.replace(b"wrong".to_vec());
    assert_eq!(request.send(&server), WRONG);
}

#[test]
fn each_missing_part_of_a_signed_request_is_a_bad_request() {
    let server = server();
    let whole = Request::sha256(&server, "alice", "secret");
    for part in 0..3 {
        let mut request = whole.clone();
        *[&mut request.username, &mut request.realm, &mut request.nonce][part] = None;
        assert_eq!(request.send(&server), BAD);
        request.sha256 = None;
        assert_eq!(request.send(&server), UNSIGNED, "the signature is looked for first");
    }
    let mut both = whole;
    both.userhash = Some(userhash(b"alice", REALM.as_bytes()).to_vec());
    assert_eq!(both.send(&server), BAD);
}

#[test]
fn the_length_of_no_parameters_is_ignored() {
    let server = server();
    let mut request = Request::sha256(&server, "alice", "secret");
    request.algorithm = Some(vec![0, 2, 0xAB, 0xCD]);
    assert!(request.send(&server).is_ok());
}

#[test]
fn altered_offers_of_algorithms_are_bad_requests() {
    let server = server();
    let whole = Request::sha256(&server, "alice", "secret");
    let one = |value: &[u8]| Some(value.to_vec());
    for (algorithm, algorithms) in [
        // One without the other.
        (one(&SHA256_ONLY), None),
        (None, one(&OFFER)),
        // Another offer than ours: cut down, turned round, prolonged, empty.
        (one(&SHA256_ONLY), one(&SHA256_ONLY)),
        (one(&MD5_ONLY), one(&MD5_ONLY)),
        (one(&SHA256_ONLY), one(&[0, 1, 0, 0, 0, 2, 0, 0])),
        (one(&SHA256_ONLY), one(&[0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0])),
        (one(&SHA256_ONLY), one(&[])),
        // A choice that was not on offer, or no choice at all.
        (one(&[0, 3, 0, 0]), one(&OFFER)),
        (one(&[0, 0, 0, 0]), one(&OFFER)),
        (one(&[0, 2, 0, 1, 0, 0, 0, 0]), one(&OFFER)),
        (one(&[0, 2]), one(&OFFER)),
        (one(&[]), one(&OFFER)),
        (one(&OFFER), one(&OFFER)),
    ] {
        let request = Request { algorithm, algorithms, ..whole.clone() };
        assert_eq!(request.send(&server), BAD, "{:?} of {:?}", request.algorithm, request.algorithms);
    }
}

#[test]
fn features_taken_out_of_the_challenge_never_authenticate() {
    let server = server();
    // A man in the middle clears the bits and drops the list; the client falls back to MD5 and returns what it saw.
    let mut request = Request::md5(&server, "alice", "secret");
    let nonce = request.nonce.as_mut().unwrap();
    assert_eq!(nonce[9..13], *b"gAAB");
    for bits in [b"gAAA", b"AAAB", b"AAAA"] {
        request.nonce.as_mut().unwrap()[9..13].copy_from_slice(bits);
        assert!(is_stale(&request.send(&server), NonceFault::Foreign));
    }
    // He takes the cookie away.
    request.nonce.as_mut().unwrap()[0] = b'x';
    assert!(is_stale(&request.send(&server), NonceFault::Foreign));
    // The client was told to choose and chose: without the bit nothing is compared, but the nonce is still not ours.
    for (algorithm, algorithms) in
        [(Some(SHA256_ONLY.to_vec()), None), (Some(SHA256_ONLY.to_vec()), Some(MD5_ONLY.to_vec()))]
    {
        let chosen = Request {
            nonce: request.nonce.clone(),
            algorithm,
            algorithms,
            ..Request::sha256(&server, "alice", "secret")
        };
        assert!(is_stale(&chosen.send(&server), NonceFault::Foreign));
    }
    let listed = Request { algorithms: Some(MD5_ONLY.to_vec()), ..request };
    assert!(is_stale(&listed.send(&server), NonceFault::Foreign));
}

#[test]
fn added_anonymity_bit_never_authenticates() {
    let server = server();
    let mut request = Request::md5(&server, "alice", "secret");
    request.nonce.as_mut().unwrap()[9] = b'w';
    assert!(is_stale(&request.send(&server), NonceFault::Foreign));
}

#[test]
fn unknown_names_are_challenged() {
    let server = server();
    for name in ["bob", "", "alice ", "Alice", "alice\0"] {
        assert_eq!(Request::md5(&server, name, "secret").send(&server), UNKNOWN, "{name:?}");
        assert_eq!(Request::sha256(&server, name, "secret").send(&server), UNKNOWN, "{name:?}");
    }
    let mut request = Request::md5(&server, "alice", "secret");
    request.username = Some(vec![0xFF; 600]);
    assert_eq!(request.send(&server), UNKNOWN);
}

#[test]
fn hashed_names_are_found() {
    let server = server();
    for whole in [Request::md5(&server, "alice", "secret"), Request::sha256(&server, "alice", "secret")] {
        let hash = userhash(b"alice", REALM.as_bytes());
        let hashed = Request { username: None, userhash: Some(hash.to_vec()), ..whole };
        let user = hashed.send(&server).unwrap();
        assert_eq!(user.user, b"alice");
        for wrong in
            [&hash[..31], &userhash(b"bob", REALM.as_bytes()), &userhash(b"alice", b"example.com"), &[]]
        {
            let wrong = Request { userhash: Some(wrong.to_vec()), ..hashed.clone() };
            assert_eq!(wrong.send(&server), UNKNOWN);
        }
    }
}

#[test]
fn another_realm_is_challenged() {
    let server = server();
    let mut request = Request::md5(&server, "alice", "secret");
    for realm in ["example.com", "", "EXAMPLE.ORG", "example.org\0"] {
        request.realm = Some(realm.into());
        assert_eq!(request.send(&server), Err(Rejection::Challenge(Cause::Realm)));
    }
}

#[test]
fn users_of_one_realm_are_nobody_in_another() {
    let server = server();
    let request = Request::md5(&server, "alice", "secret");
    let bytes = Request { realm: Some("example.com".into()), ..request }.bytes();
    let message = Message::parse(&bytes).unwrap();
    let result = server.authenticate(at(START), "example.com", source(), &message);
    assert_eq!(result, UNKNOWN);
}

#[test]
fn the_checks_come_in_the_order_of_the_rfc() {
    let server = server();
    let late = START + 999_999;
    // Signature, then parts.
    let nothing = Request { realm: None, nonce: None, sha1: None, ..Request::md5(&server, "bob", "x") };
    assert_eq!(nothing.send_at(&server, late), UNSIGNED);
    // Parts, then algorithms: both are 400, so the name decides nothing either.
    let bob = Request { algorithms: None, ..Request::sha256(&server, "bob", "x") };
    assert_eq!(bob.send_at(&server, late), BAD);
    // Name, then password, then nonce.
    assert_eq!(Request::sha256(&server, "bob", "x").send_at(&server, late), UNKNOWN);
    assert_eq!(Request::sha256(&server, "alice", "x").send_at(&server, late), WRONG);
    let stale = Request::sha256(&server, "alice", "secret").send_at(&server, late);
    assert!(is_stale(&stale, NonceFault::Stale));
}

#[test]
fn any_nonce_but_ours_is_stale() {
    let server = server();
    let whole = Request::md5(&server, "alice", "secret");
    for nonce in
        [&b""[..], b"x", b"f//499k954d6OL34oL9FSTvy64sA", b"obMatJos2", b"obMatJos2gAA", &[0xFF; 763]]
    {
        let request = Request { nonce: Some(nonce.to_vec()), ..whole.clone() };
        assert!(is_stale(&request.send(&server), NonceFault::Foreign));
    }
}

#[test]
fn a_short_signature_is_a_wrong_password() {
    let server = server();
    // MESSAGE-INTEGRITY-SHA256 cut to 16 bytes: TURN does not allow it (RFC 8489 section 14.6).
    let bytes = Request::sha256(&server, "alice", "secret").bytes();
    let mut cut = bytes[..bytes.len() - 16].to_vec();
    let length = u16::try_from(cut.len() - 20).unwrap();
    cut[2..4].copy_from_slice(&length.to_be_bytes());
    let attribute = cut.len() - 20;
    cut[attribute + 2..attribute + 4].copy_from_slice(&16u16.to_be_bytes());
    let message = Message::parse(&cut).unwrap();
    assert_eq!(server.authenticate(at(START), REALM, source(), &message), WRONG);
}
