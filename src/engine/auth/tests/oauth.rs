//! Access tokens, sealed here by hand as RFC 7635 section 6.2 has it.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::*;

const SERVER: &str = "turn.example.org";
const KEY: [u8; 32] = *b"the key of the authorization srv";
const SESSION_KEY: &[u8] = b"a session key, 20 B.";
const LIFETIME: u32 = 600;

fn token_keys() -> TokenKeys {
    let long = TokenKey::new("kid-256", TokenCipher::Aes256Gcm, &KEY).unwrap();
    let short = TokenKey::new("kid-128", TokenCipher::Aes128Gcm, &KEY[..16]).unwrap();
    TokenKeys::new(SERVER, vec![long, short]).unwrap()
}

fn server() -> Authenticator {
    let credentials = Credentials { users: users(), tokens: Some(token_keys()), ..Credentials::default() };
    Authenticator::new(nonce_keys(1), credentials)
}

fn plain(session_key: &[u8], timestamp: u64, lifetime: u32) -> Vec<u8> {
    let length = u16::try_from(session_key.len()).unwrap().to_be_bytes();
    [&length[..], session_key, &timestamp.to_be_bytes(), &lifetime.to_be_bytes()].concat()
}

/// Seals any plaintext, without the code under test.
fn seal(plain: &[u8], key: &[u8], aad: &str) -> Vec<u8> {
    let algorithm = if key.len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
    let key = LessSafeKey::new(UnboundKey::new(algorithm, key).unwrap());
    let mut sealed = plain.to_vec();
    let nonce = Nonce::assume_unique_for_key(*b"twelve bytes");
    key.seal_in_place_append_tag(nonce, Aad::from(aad.as_bytes()), &mut sealed).unwrap();
    [&[0, 12][..], b"twelve bytes", &sealed].concat()
}

fn good_token() -> Vec<u8> {
    seal(&plain(SESSION_KEY, START << 16, LIFETIME), &KEY, SERVER)
}

fn request(server: &Authenticator, token: Vec<u8>) -> Request {
    Request { token: Some(token), sha1: Some(SESSION_KEY.to_vec()), ..Request::md5(server, "kid-256", "") }
}

fn refused(fault: TokenFault) -> Result<Authenticated, Rejection> {
    Err(Rejection::Challenge(Cause::Token(fault)))
}

#[test]
fn challenges_name_the_server_that_tokens_are_issued_for() {
    assert_eq!(challenge(&server()).third_party.as_deref(), Some(SERVER.as_bytes()));
}

#[test]
fn the_sample_of_the_rfc_opens() {
    // RFC 7635 appendix A.
    let key = TokenKey::new("sample", TokenCipher::Aes256Gcm, b"HGkj32KJGiuy098sdfaqbNjOiaz71923").unwrap();
    let sealed = [
        0x00, 0x0C, 0x68, 0x34, 0x6A, 0x33, 0x6B, 0x32, 0x6C, 0x32, 0x6E, 0x34, 0x62, 0x35, 0x61, 0x7E, 0xF1,
        0x34, 0xA3, 0xD5, 0xE4, 0x4E, 0x9A, 0x19, 0xCC, 0x7D, 0xC1, 0x04, 0xB0, 0xC0, 0x3D, 0x03, 0xB2, 0xA5,
        0x51, 0xD8, 0xFD, 0xF5, 0xCD, 0x3B, 0x6D, 0xCA, 0x6F, 0x10, 0xCF, 0xB7, 0x7E, 0x5B, 0x2D, 0xDE, 0xC8,
        0x4D, 0x29, 0x3A, 0x5C, 0x50, 0x49, 0x93, 0x59, 0xF0, 0xC2, 0xE2, 0x6F, 0x76,
    ];
    let timestamp = 92_470_300_704_768;
    let token = Token { key: b"ZksjpweoixXmvn67534m", timestamp, lifetime: 3600 };
    assert_eq!(key.seal("blackdow.carleon.gov", *b"h4j3k2l2n4b5", &token).unwrap(), sealed);
    let keys = TokenKeys::new("blackdow.carleon.gov", vec![key]).unwrap();
    let opened = keys.open(UnixTime(timestamp >> 16), b"sample", &sealed).unwrap();
    assert_eq!(opened.key(), b"ZksjpweoixXmvn67534m");
}

#[test]
fn seal_makes_what_the_rfc_describes() {
    let token = Token { key: SESSION_KEY, timestamp: Token::timestamp(UnixTime(START)), lifetime: LIFETIME };
    for (cipher, key) in [(TokenCipher::Aes256Gcm, &KEY[..]), (TokenCipher::Aes128Gcm, &KEY[..16])] {
        let sealed = TokenKey::new("x", cipher, key).unwrap().seal(SERVER, *b"twelve bytes", &token).unwrap();
        assert_eq!(sealed, seal(&plain(SESSION_KEY, START << 16, LIFETIME), key, SERVER));
    }
}

#[test]
fn tokens_of_both_ciphers_authenticate() {
    let server = server();
    let user = request(&server, good_token()).send(&server).unwrap();
    assert_eq!((user.user.as_slice(), user.key.bytes()), (&b"kid-256"[..], SESSION_KEY));
    assert_eq!(user.key.answer(), Signature::Sha1);
    assert_eq!(user.expires, Some(UnixTime(START + 605)));

    let short = seal(&plain(SESSION_KEY, START << 16, LIFETIME), &KEY[..16], SERVER);
    let short = Request { username: Some(b"kid-128".to_vec()), ..request(&server, short) };
    assert!(short.send(&server).is_ok());

    let key = [7; 32];
    let token = seal(&plain(&key, START << 16, LIFETIME), &KEY, SERVER);
    let sha256 = Request { sha1: None, sha256: Some(key.to_vec()), ..request(&server, token) };
    assert_eq!(sha256.send(&server).unwrap().key.answer(), Signature::Sha256);
}

#[test]
fn a_token_is_accepted_around_its_time_only() {
    // lifetime + Delta > abs(now - timestamp).
    let server = server();
    let request = request(&server, good_token());
    for (now, good) in
        [(START - 604, true), (START - 605, false), (START, true), (START + 604, true), (START + 605, false)]
    {
        let mut request = request.clone();
        request.nonce = Some(answer(&server, now, &Rejection::Challenge(Cause::Unsigned)).nonce);
        let result = request.send_at(&server, now);
        if good {
            assert!(result.is_ok(), "{now}");
        } else {
            assert_eq!(result, refused(TokenFault::Time), "{now}");
        }
    }
}

#[test]
fn fractions_of_a_second_and_extreme_times_count() {
    let keys = token_keys();
    let open = |timestamp, lifetime, now| {
        keys.open(UnixTime(now), b"kid-256", &seal(&plain(SESSION_KEY, timestamp, lifetime), &KEY, SERVER))
            .map(|opened| opened.expires)
    };
    assert_eq!(open(START << 16 | 1, 600, START + 605), Ok(UnixTime(START + 606)));
    assert_eq!(open(START << 16 | 1, 600, START + 606), Err(TokenFault::Time));
    assert_eq!(open(START << 16, 0, START + 4), Ok(UnixTime(START + 5)));
    assert_eq!(open(START << 16, 0, START + 5), Err(TokenFault::Time));
    assert_eq!(open(u64::MAX, u32::MAX, 0), Err(TokenFault::Time));
    assert_eq!(open(u64::MAX, u32::MAX, u64::MAX - 1), Err(TokenFault::Time));
    assert_eq!(open(0, u32::MAX, u64::MAX - 1), Err(TokenFault::Time));
    assert_eq!(open(0, 600, 0), Ok(UnixTime(605)));
}

#[test]
fn a_token_cut_or_prolonged_anywhere_is_refused() {
    let server = server();
    let token = good_token();
    for length in 0..token.len() {
        let result = request(&server, token[..length].to_vec()).send(&server);
        let fault = if length < 14 { TokenFault::Malformed } else { TokenFault::Seal };
        assert_eq!(result, refused(fault), "{length}");
    }
    for (extra, fault) in [
        (1, TokenFault::Seal),
        (44, TokenFault::Seal),
        (45, TokenFault::Malformed),
        (60_000, TokenFault::Malformed),
    ] {
        let token = [token.clone(), vec![0; extra]].concat();
        assert_eq!(request(&server, token).send(&server), refused(fault), "{extra}");
    }
}

#[test]
fn a_token_with_any_bit_altered_is_refused() {
    let server = server();
    let token = good_token();
    for bit in 0..token.len() * 8 {
        let mut altered = token.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        let fault = if bit < 16 { TokenFault::Malformed } else { TokenFault::Seal };
        assert_eq!(request(&server, altered).send(&server), refused(fault), "bit {bit}");
    }
}

#[test]
fn a_token_for_another_server_or_under_another_key_is_refused() {
    let server = server();
    let plain = plain(SESSION_KEY, START << 16, LIFETIME);
    for aad in ["turn.example.com", "", "turn.example.org\0"] {
        assert_eq!(request(&server, seal(&plain, &KEY, aad)).send(&server), refused(TokenFault::Seal));
    }
    assert_eq!(request(&server, seal(&plain, &[0; 32], SERVER)).send(&server), refused(TokenFault::Seal));
    for (kid, fault) in [
        ("kid-128", TokenFault::Seal),
        ("kid", TokenFault::Kid),
        ("", TokenFault::Kid),
        ("alice", TokenFault::Kid),
    ] {
        let request = Request { username: Some(kid.into()), ..request(&server, good_token()) };
        assert_eq!(request.send(&server), refused(fault), "{kid}");
    }
}

#[test]
fn what_is_sealed_must_fit() {
    let server = server();
    let good = plain(SESSION_KEY, START << 16, LIFETIME);
    for length in 0..good.len() {
        let result = request(&server, seal(&good[..length], &KEY, SERVER)).send(&server);
        assert_eq!(result, refused(TokenFault::Content), "{length}");
    }
    let longer = [&good[..], &[0]].concat();
    assert_eq!(request(&server, seal(&longer, &KEY, SERVER)).send(&server), refused(TokenFault::Content));
    for (length, good) in
        [(0, false), (15, false), (16, true), (20, true), (32, true), (33, false), (64, false)]
    {
        let key = vec![9; length];
        let token = seal(&plain(&key, START << 16, LIFETIME), &KEY, SERVER);
        let result = Request { sha1: Some(key), ..request(&server, token) }.send(&server);
        assert_eq!(result.is_ok(), good, "{length}");
        assert!(good || result == refused(TokenFault::Content), "{length}");
    }
    // A key length that points behind the end.
    let mut lying = plain(SESSION_KEY, START << 16, LIFETIME);
    lying[..2].copy_from_slice(&[0xFF, 0xFF]);
    assert_eq!(request(&server, seal(&lying, &KEY, SERVER)).send(&server), refused(TokenFault::Content));
}

#[test]
fn a_stolen_token_is_no_use_without_its_key() {
    let server = server();
    let request = Request { sha1: Some(b"some other key, 20 B".to_vec()), ..request(&server, good_token()) };
    assert_eq!(request.send(&server), Err(Rejection::Challenge(Cause::Password)));
}

#[test]
fn a_token_does_not_replace_the_nonce() {
    let server = server();
    let request = Request { nonce: Some(b"x".to_vec()), ..request(&server, good_token()) };
    assert!(matches!(request.send(&server), Err(Rejection::Stale { .. })));
}

#[test]
fn users_log_in_beside_tokens_and_tokens_are_ignored_where_unknown() {
    let server = server();
    assert!(Request::md5(&server, "alice", "secret").send(&server).is_ok());
    let without = super::server();
    let request = Request { token: Some(good_token()), ..Request::md5(&without, "alice", "secret") };
    assert!(request.send(&without).is_ok());
}

#[test]
fn requests_without_the_token_are_signed_with_its_key() {
    // RFC 7635 section 9: only Allocate and Refresh carry it.
    let server = server();
    let allocate = request(&server, good_token());
    let session = allocate.send(&server).unwrap().session();
    assert_eq!(session.expires(), Some(UnixTime(START + 605)));
    let bind = Request { token: None, ..allocate };
    assert_eq!(bind.send_for(&server, START + 604, Some(&session)).unwrap().session(), session);
    assert!(bind.send(&server).is_err());
    let late = bind.send_for(&server, START + 605, Some(&session));
    assert_eq!(late, Err(Rejection::Challenge(Cause::User)));
    let forged = Request { sha1: Some(vec![1; 20]), ..bind };
    assert!(forged.send_for(&server, START, Some(&session)).is_err());
}

/// Another token, with a key of its own, and a request signed with it.
fn renewed(server: &Authenticator) -> Request {
    let token = seal(&plain(&[3; 20], (START + 500) << 16, LIFETIME), &KEY, SERVER);
    Request { sha1: Some(vec![3; 20]), method: Method::REFRESH, ..request(server, token) }
}

#[test]
fn a_new_token_prolongs_the_allocation_of_the_old() {
    let server = server();
    let first = request(&server, good_token());
    let session = first.send(&server).unwrap().session();
    let renewed = renewed(&server);
    let user = renewed.send_for(&server, START + 500, Some(&session)).unwrap();
    assert_eq!((user.owner, user.expires), (session.owner(), Some(UnixTime(START + 1105))));
    assert_eq!(user.key.bytes(), [3; 20]);
    // From then on requests are signed with the new key, and the owner is still the first.
    let session = user.session();
    let bind = Request { token: None, method: Method::CHANNEL_BIND, ..renewed.clone() };
    assert_eq!(bind.send_for(&server, START + 700, Some(&session)).unwrap().owner, session.owner());
    let old = Request { token: None, ..first };
    assert!(old.send_for(&server, START + 500, Some(&session)).is_err());
    // By itself the new token is an owner of its own: quotas count per token.
    assert_ne!(renewed.send_at(&server, START + 500).unwrap().owner, session.owner());
    // It does not take over what belongs to a user.
    let alice = Request::md5(&server, "alice", "secret").send(&server).unwrap().session();
    assert_ne!(renewed.send_for(&server, START + 500, Some(&alice)).unwrap().owner, alice.owner());
}

#[test]
fn another_token_moves_no_allocation() {
    let server = server();
    let session = request(&server, good_token()).send(&server).unwrap().session();
    let owner = |request: &Request| request.send_for(&server, START + 500, Some(&session)).unwrap().owner;
    let stolen = Request { ticket: Some(b"ticket".to_vec()), ..renewed(&server) };
    assert_ne!(owner(&stolen), session.owner());
    let asking = Request { ticket: Some(Vec::new()), ..renewed(&server) };
    assert_eq!(owner(&asking), session.owner());
    let bind = Request { method: Method::CONNECTION_BIND, ..renewed(&server) };
    assert_ne!(owner(&bind), session.owner());

    // The allocation's own token moves it, also after it was renewed by another.
    let own = Request {
        ticket: Some(b"ticket".to_vec()),
        method: Method::REFRESH,
        ..request(&server, good_token())
    };
    assert_eq!(owner(&own), session.owner());
    let second = renewed(&server).send_for(&server, START + 500, Some(&session)).unwrap().session();
    let moved = stolen.send_for(&server, START + 500, Some(&second)).unwrap();
    assert_eq!(moved.owner, session.owner());
}

#[test]
fn lists_of_keys_are_checked() {
    let key = |kid: &str| TokenKey::new(kid, TokenCipher::Aes256Gcm, &KEY).unwrap();
    let length = TokenKey::new("a", TokenCipher::Aes128Gcm, &KEY).unwrap_err();
    assert_eq!(length.to_string(), r#"the OAuth key "a" has 32 bytes, but Aes128Gcm needs 16"#);
    assert!(TokenKey::new("", TokenCipher::Aes256Gcm, &KEY).is_err());
    assert!(TokenKey::new(&"x".repeat(509), TokenCipher::Aes256Gcm, &KEY).is_err());
    assert_eq!(TokenKeys::new(SERVER, vec![]).unwrap_err(), TokenKeyFault::Incomplete);
    assert_eq!(TokenKeys::new("", vec![key("a")]).unwrap_err(), TokenKeyFault::Incomplete);
    let twice = TokenKeys::new(SERVER, vec![key("a"), key("a")]).unwrap_err();
    assert_eq!(twice, TokenKeyFault::Duplicate("a".into()));
    let many = |count: u8| TokenKeys::new(SERVER, (0..count).map(|kid| key(&kid.to_string())).collect());
    assert!(many(8).is_ok());
    assert_eq!(many(9).unwrap_err(), TokenKeyFault::TooMany(9));
    assert_eq!(
        key("a").valid(Some(UnixTime(2)), Some(UnixTime(1))).unwrap_err(),
        TokenKeyFault::Never("a".into())
    );
}

#[test]
fn a_key_is_valid_in_its_time_only() {
    let key = TokenKey::new("kid-256", TokenCipher::Aes256Gcm, &KEY).unwrap();
    let key = key.valid(Some(UnixTime(START + 1)), Some(UnixTime(START + 3))).unwrap();
    let keys = TokenKeys::new(SERVER, vec![key]).unwrap();
    for (now, good) in [(0, false), (1, true), (2, true), (3, false)] {
        assert_eq!(keys.open(UnixTime(START + now), b"kid-256", &good_token()).is_ok(), good, "{now}");
    }
}
