//! Altered and random requests: none authenticates, none panics.

use proptest::prelude::*;

use super::*;

/// One request of every kind, with FINGERPRINT behind it, and where its signature ends.
fn signed(server: &Authenticator) -> Vec<(Vec<u8>, usize)> {
    let secret = SharedSecret::new("main", b"north").unwrap();
    let timed = issue(&secret, "bob", UnixTime(START + 60));
    let requests = [
        Request::md5(server, "alice", "secret"),
        Request::sha256(server, "alice", "secret"),
        Request::md5(server, &timed.username, &timed.password),
        Request::sha256(server, &timed.username, &timed.password),
    ];
    let with_fingerprint = |request: &Request| {
        let mut bytes = request.bytes();
        let end = bytes.len();
        let length = u16::try_from(end + 8 - 20).unwrap();
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&[0x80, 0x28, 0, 4, 0, 0, 0, 0]);
        (bytes, end)
    };
    requests.iter().map(with_fingerprint).collect()
}

fn authenticate(server: &Authenticator, bytes: &[u8]) -> Option<Authenticated> {
    let message = Message::parse(bytes).ok()?;
    server.authenticate(at(START), REALM, source(), &message).ok()
}

#[test]
fn no_request_with_one_byte_altered_authenticates() {
    let server = server();
    for (bytes, end) in signed(&server) {
        assert!(authenticate(&server, &bytes).is_some());
        for at in 0..end {
            for flip in [1, 2, 4, 8, 16, 32, 64, 128, 0xFF] {
                let mut altered = bytes.clone();
                altered[at] ^= flip;
                assert_eq!(authenticate(&server, &altered), None, "byte {at} flipped by {flip:#x}");
            }
        }
    }
}

#[test]
fn no_request_cut_short_authenticates() {
    let server = server();
    for (bytes, end) in signed(&server) {
        for length in 20..end {
            let mut cut = bytes[..length].to_vec();
            let body = u16::try_from(length - 20).unwrap();
            cut[2..4].copy_from_slice(&body.to_be_bytes());
            assert_eq!(authenticate(&server, &cut), None, "{length} bytes");
        }
    }
}

proptest! {
    #[test]
    fn no_request_altered_in_several_places_authenticates(
        kind in 0..4usize,
        changes in proptest::collection::vec((0..10_000usize, 1..=255u8), 1..6),
    ) {
        let server = server();
        let (bytes, end) = signed(&server).swap_remove(kind);
        let mut altered = bytes.clone();
        for (at, flip) in changes {
            altered[at % end] ^= flip;
        }
        prop_assume!(altered != bytes);
        prop_assert_eq!(authenticate(&server, &altered), None);
    }

    #[test]
    fn no_request_made_of_random_parts_authenticates(
        parts in proptest::collection::vec(
            (
                prop::sample::select(vec![0x0006u16, 0x0008, 0x0014, 0x0015, 0x001B, 0x001C, 0x001D, 0x001E, 0x8002]),
                proptest::collection::vec(any::<u8>(), 0..80),
            ),
            0..10,
        ),
    ) {
        let server = server();
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, Class::Request, Method::REFRESH, TransactionId([0; 12]));
        for (kind, value) in &parts {
            writer.attribute(AttributeType(*kind), value);
        }
        writer.finish().unwrap();
        prop_assert_eq!(authenticate(&server, &bytes), None);
    }
}
