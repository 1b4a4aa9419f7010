//! Nonces: their time, their relay, their address, their realm, their keys, and every bit of them.

use std::net::IpAddr;
use std::time::Duration;

use super::*;

const FEATURES: Features = Features { password_algorithms: true, username_anonymity: false };

fn issue(keys: &NonceKeys, unix: u64) -> [u8; NONCE_LEN] {
    keys.issue(at(unix), REALM, source(), FEATURES)
}

fn check(keys: &NonceKeys, unix: u64, nonce: &[u8]) -> Result<u16, NonceFault> {
    keys.check(UnixTime(unix), REALM, source().ip(), nonce)
}

#[test]
fn a_nonce_lives_to_the_second() {
    let keys = nonce_keys(7).with_lifetime(Duration::from_secs(600));
    let nonce = issue(&keys, START);
    assert_eq!(check(&keys, START, &nonce), Ok(7));
    assert_eq!(check(&keys, START + 599, &nonce), Ok(7));
    assert_eq!(check(&keys, START + 600, &nonce), Err(NonceFault::Stale));
    assert_eq!(check(&keys, START + 100_000, &nonce), Err(NonceFault::Stale));
}

#[test]
fn the_default_is_an_hour() {
    let keys = nonce_keys(7);
    let nonce = issue(&keys, START);
    assert_eq!(check(&keys, START + 3599, &nonce), Ok(7));
    assert_eq!(check(&keys, START + 3600, &nonce), Err(NonceFault::Stale));
}

#[test]
fn a_nonce_does_not_come_back_when_its_time_field_wraps() {
    let keys = nonce_keys(7);
    for start in [START, 0x000F_FFFF, 0x0010_0000, 5] {
        let nonce = issue(&keys, start);
        assert_eq!(check(&keys, start + 10, &nonce), Ok(7));
        assert_eq!(check(&keys, start + 10 + (1 << 20), &nonce), Err(NonceFault::Foreign));
    }
}

#[test]
fn the_longest_lifetime_is_told_from_a_clock_ahead() {
    let keys = nonce_keys(7).with_lifetime(Duration::MAX);
    let nonce = issue(&keys, START);
    let longest = (1 << 20) - 1 - 60;
    assert_eq!(check(&keys, START + longest - 1, &nonce), Ok(7));
    assert_eq!(check(&keys, START + longest, &nonce), Err(NonceFault::Stale));
}

#[test]
fn a_relay_whose_clock_is_a_little_ahead_is_believed() {
    let keys = nonce_keys(7);
    let nonce = issue(&keys, START);
    assert_eq!(check(&keys, START - 30, &nonce), Ok(7));
    assert!(check(&keys, START - 31, &nonce).is_err());
}

#[test]
fn every_relay_of_the_fleet_accepts_it_and_learns_its_issuer() {
    let nonce = issue(&nonce_keys(0xABCD), START);
    assert_eq!(check(&nonce_keys(2), START + 5, &nonce), Ok(0xABCD));
    let stranger = NonceKeys::new(0xABCD, [FleetKey::derive(b"another fleet")]).unwrap();
    assert_eq!(check(&stranger, START, &nonce), Err(NonceFault::Foreign));
}

#[test]
fn keys_rotate_without_a_gap() {
    let [old, new] = [b"old", b"new"].map(|secret| FleetKey::derive(secret));
    let before = NonceKeys::new(1, [old.clone()]).unwrap();
    let prepared = NonceKeys::new(1, [old.clone(), new.clone()]).unwrap();
    let switched = NonceKeys::new(1, [new.clone(), old]).unwrap();
    let after = NonceKeys::new(1, [new]).unwrap();
    for (issuer, acceptors) in [
        (&before, vec![&before, &prepared, &switched]),
        (&prepared, vec![&before, &prepared, &switched]),
        (&switched, vec![&prepared, &switched, &after]),
        (&after, vec![&prepared, &switched, &after]),
    ] {
        let nonce = issue(issuer, START);
        for acceptor in acceptors {
            assert_eq!(check(acceptor, START, &nonce), Ok(1));
        }
    }
    assert!(check(&after, START, &issue(&prepared, START)).is_err());
    assert!(check(&before, START, &issue(&switched, START)).is_err());
}

#[test]
fn the_list_of_keys_is_bounded() {
    assert_eq!(NonceKeys::new(1, []).unwrap_err(), FleetKeysFault::None);
    let keys = |count| NonceKeys::new(1, (0..count).map(|key| FleetKey::derive(&[key])));
    assert!(keys(8).is_ok());
    assert_eq!(keys(9).unwrap_err(), FleetKeysFault::TooMany(9));
}

#[test]
fn an_altered_bit_anywhere_is_refused() {
    let keys = nonce_keys(7);
    let nonce = issue(&keys, START);
    for bit in 0..NONCE_LEN * 8 {
        let mut altered = nonce;
        altered[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(check(&keys, START, &altered), Err(NonceFault::Foreign), "bit {bit}");
    }
    for byte in 0..NONCE_LEN {
        for value in 0..=255 {
            let mut altered = nonce;
            altered[byte] = value;
            assert_eq!(check(&keys, START, &altered).is_ok(), altered == nonce, "byte {byte} is {value}");
        }
    }
}

#[test]
fn other_lengths_are_refused() {
    let keys = nonce_keys(7);
    let nonce = issue(&keys, START);
    for length in 0..NONCE_LEN {
        assert_eq!(check(&keys, START, &nonce[..length]), Err(NonceFault::Foreign));
    }
    for tail in [&b"="[..], b"A", b"\0", b"AAAA", &[0; 700]] {
        assert_eq!(check(&keys, START, &[&nonce[..], tail].concat()), Err(NonceFault::Foreign));
    }
}

#[test]
fn a_nonce_belongs_to_an_address_but_not_to_a_port() {
    let keys = nonce_keys(7);
    let check =
        |ip: &str, nonce: &[u8]| keys.check(UnixTime(START), REALM, ip.parse::<IpAddr>().unwrap(), nonce);
    let v4 = issue(&keys, START);
    assert_eq!(check("192.0.2.7", &v4), Ok(7));
    assert_eq!(check("::ffff:192.0.2.7", &v4), Ok(7), "the same address in its other notation");
    assert_eq!(check("192.0.2.8", &v4), Err(NonceFault::Foreign));
    assert_eq!(check("2001:db8::7", &v4), Err(NonceFault::Foreign));
    let v6 = keys.issue(at(START), REALM, "[2001:db8::7]:1".parse().unwrap(), FEATURES);
    assert_eq!(check("2001:db8::7", &v6), Ok(7));
    assert_eq!(check("2001:db8::8", &v6), Err(NonceFault::Foreign));
}

#[test]
fn no_two_clients_get_the_same_nonce() {
    // RFC 8489 section 9.2.4: unless they have the same address and port.
    let keys = nonce_keys(7);
    let of = |source: &str| keys.issue(at(START), REALM, source.parse().unwrap(), FEATURES);
    assert_ne!(of("192.0.2.7:1"), of("192.0.2.7:2"));
    assert_ne!(of("192.0.2.7:1"), of("192.0.2.8:1"));
    assert_ne!(issue(&nonce_keys(1), START), issue(&nonce_keys(2), START));
    assert_ne!(issue(&keys, START), issue(&keys, START + 1));
}

#[test]
fn a_nonce_belongs_to_a_realm() {
    let keys = nonce_keys(7);
    let nonce = issue(&keys, START);
    for realm in ["example.com", "", "example.or", "example.orgg"] {
        let result = keys.check(UnixTime(START), realm, source().ip(), &nonce);
        assert_eq!(result, Err(NonceFault::Foreign));
    }
}

#[test]
fn the_issuer_is_read_whoever_signed() {
    let server = server();
    let bytes = Request::md5(&server, "nobody", "nothing").bytes();
    let message = Message::parse(&bytes).unwrap();
    let elsewhere = "192.0.2.9:50000".parse().unwrap();
    assert_eq!(server.nonce_relay(at(START), REALM, source(), &message), Some(1));
    assert_eq!(server.nonce_relay(at(START), REALM, elsewhere, &message), None);
    assert_eq!(server.nonce_relay(at(START + 3600), REALM, source(), &message), None);
}

#[test]
fn features_are_read_from_any_cookie() {
    let of =
        |nonce: &[u8]| Features::of(nonce).map(|found| (found.password_algorithms, found.username_anonymity));
    assert_eq!(of(b"obMatJos2AAAArest"), Some((false, false)));
    assert_eq!(of(b"obMatJos2gAAArest"), Some((true, false)));
    assert_eq!(of(b"obMatJos2QAAA"), Some((false, true)));
    assert_eq!(of(b"obMatJos2wAAA"), Some((true, true)));
    assert_eq!(of(b"obMatJos2AAAB"), Some((true, false)));
    assert_eq!(of(b"obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA"), Some((false, true)));
    assert_eq!(of(b"obMatJos2wAAD"), Some((true, true)));
    for other in
        [&b""[..], b"obMatJos2", b"obMatJos2gAA", b"obMatJos2g%AA", b"obMatJos1gAAA", b"obMatJos2gA=="]
    {
        assert_eq!(of(other), None);
    }
}

#[test]
fn the_answer_to_a_challenge_tells_how_long_it_took() {
    let keys = nonce_keys(7);
    let now = at(START);
    let nonce = keys.issue(now, REALM, source(), FEATURES);
    let after = |wait| keys.turnaround(now.after(wait), source(), &nonce).map(|turnaround| turnaround.took);
    let step = Duration::from_micros(1_050);
    for wait in [0, 1, 20, 999, 1_000, 1_998].map(Duration::from_millis) {
        let told = after(wait).unwrap();
        assert!(told <= wait + step && wait <= told + step, "{told:?} after {wait:?}");
    }
    // Later uses of the nonce tell nothing, also where the finer time has come round.
    for wait in [2_100, 3_000, 4_295, 4_300, 8_590, 3_000_000].map(Duration::from_millis) {
        assert_eq!(after(wait), None, "{wait:?}");
    }
    let mut elsewhere = source();
    elsewhere.set_port(source().port() + 1);
    assert_eq!(keys.turnaround(now, elsewhere, &nonce), None, "another port was not challenged");
    assert_eq!(nonce_keys(8).turnaround(now, source(), &nonce), None, "another relay has another clock");
    assert_eq!(keys.turnaround(now, source(), &nonce[1..]), None);
}
