//! What the server answers: challenges, stale nonces, and how answers are signed.

use super::*;
use crate::wire::stun::Integrity;

#[test]
fn first_request_draws_a_small_unsigned_challenge() {
    let server = server();
    let mut request = Request::md5(&server, "alice", "secret");
    request.sha1 = None;
    assert_eq!(request.send(&server), Err(Rejection::Challenge(Cause::Unsigned)));

    let answer = challenge(&server);
    assert_eq!(answer.code, 401);
    assert_eq!(answer.realm.as_deref(), Some(REALM.as_bytes()));
    assert_eq!(answer.nonce.len(), NONCE_LEN);
    assert_eq!(answer.algorithms.as_deref(), Some(&OFFER[..]));
    assert_eq!(answer.third_party, None);
    assert!(!is_signed(&answer.bytes));
    // Header, ERROR-CODE without a phrase, REALM, NONCE, PASSWORD-ALGORITHMS, nothing else.
    assert_eq!(answer.bytes.len(), 20 + 8 + (4 + 12) + (4 + 32) + (4 + 8));
}

#[test]
fn algorithms_are_announced_in_the_nonce_cookie() {
    let nonce = challenge(&server()).nonce;
    // Bit 0 from either end: RFC 8489 sections 9.2 and 18.1, and appendix B.1.
    assert_eq!(&nonce[..13], b"obMatJos2gAAB");
}

#[test]
fn user_names_are_hidden_only_where_that_works() {
    let bits = |credentials: Credentials| challenge(&Authenticator::new(nonce_keys(1), credentials)).nonce;
    let only_users = || Credentials { users: users(), ..Credentials::default() };
    let mixed = || Credentials { secrets: secrets(&[("main", "north")]), ..only_users() };
    assert_eq!(&bits(only_users())[9..13], b"wAAD");
    assert_eq!(&bits(mixed())[9..13], b"gAAB");
    assert_eq!(&bits(Credentials::default())[9..13], b"gAAB");
    assert_eq!(&bits(Credentials { anonymity: Anonymity::Always, ..mixed() })[9..13], b"wAAD");
    assert_eq!(&bits(Credentials { anonymity: Anonymity::Never, ..only_users() })[9..13], b"gAAB");
}

#[test]
fn wrong_password_draws_a_second_unsigned_challenge_with_everything() {
    let server = server();
    for request in [Request::md5(&server, "alice", "guess"), Request::sha256(&server, "alice", "guess")] {
        let rejection = request.send(&server).unwrap_err();
        assert_eq!(rejection, Rejection::Challenge(Cause::Password));
        let answer = answer(&server, START, &rejection);
        assert_eq!((answer.code, is_signed(&answer.bytes)), (401, false));
        assert_eq!(answer.realm.as_deref(), Some(REALM.as_bytes()));
        assert_eq!(answer.nonce.len(), NONCE_LEN);
        assert_eq!(answer.algorithms.as_deref(), Some(&OFFER[..]));
    }
}

#[test]
fn stale_nonce_is_answered_signed_and_the_new_nonce_works() {
    let server = server();
    for mut request in [Request::md5(&server, "alice", "secret"), Request::sha256(&server, "alice", "secret")]
    {
        let late = START + 3600;
        let rejection = request.send_at(&server, late).unwrap_err();
        assert!(matches!(rejection, Rejection::Stale { fault: NonceFault::Stale, .. }));
        let answer = answer(&server, late, &rejection);
        assert_eq!(answer.code, 438);
        assert_eq!(answer.realm.as_deref(), Some(REALM.as_bytes()));
        assert_eq!(answer.algorithms.as_deref(), Some(&OFFER[..]));
        let message = Message::parse(&answer.bytes).unwrap();
        let verdict = match (&request.sha1, &request.sha256) {
            (Some(key), _) => message.check_integrity(key),
            (None, key) => message.check_integrity_sha256(key.as_ref().unwrap()),
        };
        assert_eq!(verdict, Integrity::Good);
        request.nonce = Some(answer.nonce);
        assert!(request.send_at(&server, late).is_ok());
    }
}

#[test]
fn answers_are_signed_in_the_attribute_that_the_client_understands() {
    let server = server();
    let answer = |request: Request| request.send(&server).unwrap().key.answer();
    assert_eq!(answer(Request::md5(&server, "alice", "secret")), Signature::Sha1);
    assert_eq!(answer(Request::sha256(&server, "alice", "secret")), Signature::Sha256);

    // MD5 chosen from the list: still SHA-256 in the answer (RFC 8489 section 9.2.4).
    let md5 = Request::md5(&server, "alice", "secret");
    let chosen =
        Request { algorithm: Some(MD5_ONLY.to_vec()), algorithms: Some(OFFER.to_vec()), ..md5.clone() };
    assert_eq!(answer(chosen), Signature::Sha256);

    // Signed with SHA-256 without naming an algorithm: the key is MD5's.
    let unnamed = Request { sha256: md5.sha1.clone(), sha1: None, ..md5 };
    assert_eq!(answer(unnamed), Signature::Sha256);
}

#[test]
fn answers_verify_under_the_users_key() {
    let server = server();
    for request in [Request::md5(&server, "alice", "secret"), Request::sha256(&server, "alice", "secret")] {
        let user = request.send(&server).unwrap();
        let mut bytes = Vec::new();
        let mut writer =
            Writer::new(&mut bytes, Class::Success, Method::ALLOCATE, TransactionId(*b"transaction1"));
        user.key.sign(&mut writer);
        writer.finish().unwrap();
        let message = Message::parse(&bytes).unwrap();
        let verdicts =
            (message.check_integrity(user.key.bytes()), message.check_integrity_sha256(user.key.bytes()));
        let expected = match user.key.answer() {
            Signature::Sha1 => (Integrity::Good, Integrity::Absent),
            Signature::Sha256 => (Integrity::Absent, Integrity::Good),
        };
        assert_eq!(verdicts, expected);
    }
}

#[test]
fn a_session_is_small() {
    assert!(size_of::<Session>() <= 56);
    assert!(size_of::<IntegrityKey>() <= 34);
}
