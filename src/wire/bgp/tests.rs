//! Messages as they are written are read back.

use std::net::IpAddr;

use super::*;

const SESSION: Codec = Codec { four_octet: true, families: Families::BOTH, internal: false };

fn prefixes(texts: &[&str]) -> Vec<Prefix> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The only message of `bytes`.
fn read<'a>(bytes: &'a [u8], codec: &Codec) -> Message<'a> {
    assert_eq!(frame(bytes), Ok(Some(bytes.len())));
    decode(bytes, codec).unwrap()
}

fn read_update<'a>(bytes: &'a [u8], codec: &Codec) -> Update<'a> {
    let Message::Update(update) = read(bytes, codec) else { panic!("no update") };
    update
}

const COMMUNITIES: [Community; 2] = [Community::GRACEFUL_SHUTDOWN, Community::new(64512, 1)];

const SETTINGS: write::OpenSettings = write::OpenSettings {
    asn: Asn(4_200_000_001),
    hold: 60,
    id: RouterId(0x0A00_0001),
    families: Families::BOTH,
    role: Some(Role::Customer),
    graceful_restart: None,
};

fn route<'a>(prefixes: &'a [Prefix], next_hop: &str) -> write::Route<'a> {
    write::Route {
        prefixes,
        as_path: &[Asn(4_200_000_001), Asn(64512)],
        next_hop: address(next_hop),
        med: Some(10200),
        local_pref: None,
        communities: &COMMUNITIES,
        large_communities: &[LargeCommunity { global: 1, local1: 2, local2: 3 }],
        only_to_customer: None,
    }
}

#[test]
fn an_open_is_read_as_it_was_written() {
    let restart = GracefulRestart {
        restarting: true,
        notification: false,
        time: 120,
        families: Families::BOTH,
        preserved: Families::IPV6,
    };
    let mut bytes = Vec::new();
    write::open(&mut bytes, &write::OpenSettings { graceful_restart: Some(restart), ..SETTINGS });
    let Message::Open(open) = read(&bytes, &Codec::default()) else { panic!("no open") };
    assert_eq!((open.asn, open.hold, open.id), (SETTINGS.asn, 60, SETTINGS.id));
    assert_eq!((open.families, open.four_octet, open.route_refresh), (Families::BOTH, true, true));
    assert_eq!((open.role, open.graceful_restart), (Some(3), Some(restart)));
    let shown: Vec<_> = open.capabilities().map(|capability| capability.to_string()).collect();
    assert_eq!(
        shown,
        [
            "IPv4 unicast",
            "IPv6 unicast",
            "route refresh",
            "four-octet AS number 4200000001",
            "role customer",
            "graceful restart 120 s"
        ]
    );
}

#[test]
fn an_announcement_is_read_as_it_was_written() {
    for (family, listed, next_hop) in [
        (Family::Ipv4, prefixes(&["192.0.2.1/32", "198.51.100.0/24"]), "10.0.0.1"),
        (Family::Ipv6, prefixes(&["2001:db8::1/128", "::/0"]), "2001:db8::2"),
    ] {
        let mut bytes = Vec::new();
        let route = route(&listed, next_hop);
        assert_eq!(write::announce(&mut bytes, &route, &SESSION), Ok(1));
        let update = read_update(&bytes, &SESSION);
        assert_eq!(update.verdict(), Verdict::Accept);
        assert_eq!(update.announced().collect::<Vec<_>>(), listed);
        assert_eq!(update.withdrawn().count(), 0);
        assert_eq!(update.end_of_rib(), None);
        assert_eq!(update.next_hop(family), Some(address(next_hop)));
        assert_eq!((update.origin(), update.med(), update.local_pref()), (Some(0), Some(10200), None));
        assert_eq!(update.as_path().unwrap().collect::<Vec<_>>(), route.as_path);
        assert_eq!(update.communities().collect::<Vec<_>>(), route.communities);
        assert_eq!(update.large_communities().collect::<Vec<_>>(), route.large_communities);
    }
}

#[test]
fn a_withdrawal_is_read_as_it_was_written() {
    let listed = prefixes(&["192.0.2.1/32", "2001:db8::1/128"]);
    for (family, own) in Family::ALL.into_iter().zip(&listed) {
        let mut bytes = Vec::new();
        assert_eq!(write::withdraw(&mut bytes, family, &listed), 1);
        let update = read_update(&bytes, &SESSION);
        assert_eq!(update.verdict(), Verdict::Accept);
        assert_eq!(update.withdrawn().collect::<Vec<_>>(), [*own]);
        assert_eq!((update.announced().count(), update.end_of_rib()), (0, None));
    }
}

#[test]
fn the_end_of_the_routes_is_read_as_it_was_written() {
    for family in Family::ALL {
        let mut bytes = Vec::new();
        write::end_of_rib(&mut bytes, family);
        let update = read_update(&bytes, &SESSION);
        assert_eq!((update.end_of_rib(), update.verdict()), (Some(family), Verdict::Accept));
        assert_eq!(update.announced().count() + update.withdrawn().count(), 0);
    }
}

#[test]
fn a_message_is_cut_as_soon_as_it_is_whole() {
    let mut bytes = Vec::new();
    write::open(&mut bytes, &SETTINGS);
    let first = bytes.len();
    write::keepalive(&mut bytes);
    write::route_refresh(&mut bytes, Family::Ipv6);
    for there in 0..bytes.len() {
        let wanted = (there >= first).then_some(first);
        assert_eq!(frame(&bytes[..there]), Ok(wanted), "{there}");
    }
    let (keepalive, refresh) = bytes[first..].split_at(HEADER_LEN);
    assert!(matches!(read(keepalive, &SESSION), Message::Keepalive));
    let Message::RouteRefresh { family, subtype } = read(refresh, &SESSION) else { panic!("no refresh") };
    assert_eq!((family, subtype), (Some(Family::Ipv6), 0));
}

#[test]
fn a_marker_is_judged_from_its_first_byte() {
    for at in 0..16 {
        let mut bytes = vec![0xFF; at];
        assert_eq!(frame(&bytes), Ok(None));
        bytes.push(0xFE);
        assert_eq!(frame(&bytes), Err(Reason::NOT_SYNCHRONIZED.into()));
    }
}

/// A header of this length and type, and no body.
fn header(length: u16, kind: u8) -> Vec<u8> {
    let mut bytes = MARKER.to_vec();
    bytes.extend(length.to_be_bytes());
    bytes.push(kind);
    bytes
}

#[test]
fn lengths_are_judged_by_type_before_the_body_has_come() {
    for (kind, least, most) in [(1, 29, 4096), (2, 23, 4096), (3, 21, 4096), (4, 19, 19), (5, 23, 23)] {
        for length in [0, 1, 18, 19, 20, 21, 22, 23, 24, 28, 29, 4095, 4096, 4097, 65535] {
            let found = frame(&header(length, kind));
            if (least..=most).contains(&length) {
                assert_eq!(found, Ok((length == 19).then_some(19)), "{kind} {length}");
            } else {
                let wanted = Fault::with_data(Reason::BAD_MESSAGE_LENGTH, &length.to_be_bytes());
                assert_eq!(found, Err(wanted), "{kind} {length}");
            }
        }
    }
}

#[test]
fn unknown_types_are_named() {
    for kind in [0, 6, 255] {
        assert_eq!(frame(&header(19, kind)), Err(Fault::with_data(Reason::BAD_MESSAGE_TYPE, &[kind])));
    }
}

#[test]
fn only_a_whole_message_is_read() {
    let mut bytes = Vec::new();
    write::end_of_rib(&mut bytes, Family::Ipv6);
    bytes.push(0);
    assert_eq!(decode(&bytes, &SESSION).unwrap_err().reason(), Reason::BAD_MESSAGE_LENGTH);
    bytes.truncate(bytes.len() - 2);
    assert_eq!(decode(&bytes, &SESSION).unwrap_err().reason(), Reason::BAD_MESSAGE_LENGTH);
    assert!(decode(&[], &SESSION).is_err());
}

#[test]
fn a_notification_is_read_as_it_was_written() {
    let mut bytes = Vec::new();
    write::notification(&mut bytes, Reason::MAX_PREFIXES, Fault::max_prefixes(Family::Ipv4, 9).data());
    let Message::Notification(said) = read(&bytes, &SESSION) else { panic!("no notification") };
    assert_eq!((said.reason, said.data), (Reason::MAX_PREFIXES, &[0, 1, 1, 0, 0, 0, 9][..]));
    bytes.clear();
    write::notification(&mut bytes, Reason::CEASE, &[1; 5000]);
    assert_eq!(bytes.len(), MESSAGE_MAX);
    assert!(matches!(read(&bytes, &SESSION), Message::Notification(_)));
}

#[test]
fn a_shutdown_text_ends_with_a_whole_character() {
    for (text, wanted) in [
        ("maintenance until 04:00 UTC".to_owned(), 27),
        ("\u{e9}".repeat(128), 254),
        ("x".repeat(255), 255),
        ("x".repeat(300), 255),
    ] {
        let mut bytes = Vec::new();
        write::shutdown(&mut bytes, Reason::ADMINISTRATIVE_SHUTDOWN, &text);
        let Message::Notification(said) = read(&bytes, &SESSION) else { panic!("no notification") };
        assert_eq!((said.reason, said.text()), (Reason::ADMINISTRATIVE_SHUTDOWN, Some(&text[..wanted])));
    }
    let mut bytes = Vec::new();
    write::shutdown(&mut bytes, Reason::ADMINISTRATIVE_RESET, "");
    assert_eq!(bytes.len(), HEADER_LEN + 2);
}

#[test]
fn towards_two_octets_large_numbers_go_beside_the_path() {
    let old = Codec { four_octet: false, ..SESSION };
    let listed = prefixes(&["192.0.2.1/32"]);
    let route = route(&listed, "10.0.0.1");
    let mut bytes = Vec::new();
    assert_eq!(write::announce(&mut bytes, &route, &old), Ok(1));
    let update = read_update(&bytes, &old);
    assert_eq!(update.verdict(), Verdict::Accept);
    assert_eq!(update.as_path().unwrap().collect::<Vec<_>>(), [Asn::TRANS, Asn(64512)]);
    let beside = update.find(AttributeType::AS4_PATH).unwrap();
    assert_eq!(AsPath::parse(beside, true).unwrap().collect::<Vec<_>>(), route.as_path);

    bytes.clear();
    let small = write::Route { as_path: &[Asn(64512)], ..route };
    assert_eq!(write::announce(&mut bytes, &small, &old), Ok(1));
    assert_eq!(read_update(&bytes, &old).find(AttributeType::AS4_PATH), None);
}

#[test]
fn a_path_longer_than_a_segment_goes_on_in_the_next() {
    let path = vec![Asn(64512); 256];
    let listed = prefixes(&["192.0.2.1/32"]);
    for codec in [SESSION, Codec { four_octet: false, ..SESSION }] {
        let mut bytes = Vec::new();
        let long = write::Route { as_path: &path, ..route(&listed, "10.0.0.1") };
        assert_eq!(write::announce(&mut bytes, &long, &codec), Ok(1));
        let update = read_update(&bytes, &codec);
        assert_eq!(update.verdict(), Verdict::Accept);
        assert_eq!(update.as_path().unwrap().collect::<Vec<_>>(), path);
    }
}

#[test]
fn within_a_system_the_path_is_empty_and_the_preference_is_there() {
    let internal = Codec { internal: true, ..SESSION };
    let listed = prefixes(&["192.0.2.1/32"]);
    let own = write::Route { as_path: &[], local_pref: Some(100), ..route(&listed, "10.0.0.1") };
    let mut bytes = Vec::new();
    assert_eq!(write::announce(&mut bytes, &own, &internal), Ok(1));
    let update = read_update(&bytes, &internal);
    assert_eq!((update.verdict(), update.local_pref()), (Verdict::Accept, Some(100)));
    assert_eq!(update.as_path().unwrap().count(), 0);
}

#[test]
fn a_mark_for_customers_is_written() {
    let listed = prefixes(&["192.0.2.1/32"]);
    let marked = write::Route { only_to_customer: Some(Asn(64512)), ..route(&listed, "10.0.0.1") };
    let mut bytes = Vec::new();
    assert_eq!(write::announce(&mut bytes, &marked, &SESSION), Ok(1));
    let update = read_update(&bytes, &SESSION);
    assert_eq!((update.verdict(), update.only_to_customer()), (Verdict::Accept, Some(Asn(64512))));
}

#[test]
fn what_no_message_can_say_is_refused_and_nothing_is_written() {
    let (v4, v6) = (prefixes(&["192.0.2.1/32"]), prefixes(&["2001:db8::/32"]));
    let communities = vec![Community::NO_EXPORT; 1100];
    let only6 = Codec { families: Families::IPV6, ..SESSION };
    let mut bytes = Vec::new();
    for (refused, codec, error) in [
        (route(&v4, "2001:db8::1"), SESSION, write::RouteError::Family),
        (route(&v6, "10.0.0.1"), SESSION, write::RouteError::Family),
        (route(&v4, "10.0.0.1"), only6, write::RouteError::NotCarried(Family::Ipv4)),
        (
            write::Route { communities: &communities, ..route(&v4, "10.0.0.1") },
            SESSION,
            write::RouteError::TooLong,
        ),
    ] {
        assert_eq!(write::announce(&mut bytes, &refused, &codec), Err(error));
    }
    assert!(bytes.is_empty());
    assert_eq!(write::announce(&mut bytes, &route(&[], "10.0.0.1"), &SESSION), Ok(0));
    assert_eq!(write::withdraw(&mut bytes, Family::Ipv6, &v4), 0);
    assert!(bytes.is_empty());
}

/// The messages of `bytes`.
fn read_all(mut bytes: &[u8]) -> Vec<Update<'_>> {
    let mut found = Vec::new();
    while let Some(length) = frame(bytes).unwrap() {
        let (message, rest) = bytes.split_at(length);
        found.push(read_update(message, &SESSION));
        bytes = rest;
    }
    assert!(bytes.is_empty());
    found
}

#[test]
fn what_does_not_fit_a_message_goes_on_in_the_next() {
    for (family, next_hop) in [(Family::Ipv4, "10.0.0.1"), (Family::Ipv6, "2001:db8::1")] {
        let listed: Vec<Prefix> = (0..3000_u32)
            .map(|number| match family {
                Family::Ipv4 => Prefix::host(std::net::Ipv4Addr::from_bits(number).into()),
                Family::Ipv6 => Prefix::host(std::net::Ipv6Addr::from_bits(number.into()).into()),
            })
            .collect();
        let mut bytes = Vec::new();
        let count = write::announce(&mut bytes, &route(&listed, next_hop), &SESSION).unwrap();
        let updates = read_all(&bytes);
        assert_eq!(updates.len(), count);
        assert!(updates.iter().all(|update| update.verdict() == Verdict::Accept));
        assert_eq!(updates.iter().flat_map(Update::announced).collect::<Vec<_>>(), listed);

        bytes.clear();
        let count = write::withdraw(&mut bytes, family, &listed);
        let updates = read_all(&bytes);
        assert_eq!(updates.len(), count);
        assert_eq!(updates.iter().flat_map(Update::withdrawn).collect::<Vec<_>>(), listed);
        // No fewer messages would do.
        let room = MESSAGE_MAX - HEADER_LEN - 4;
        let needed = (listed.len() * listed[0].written()).div_ceil(room);
        assert!(count <= needed + 1, "{count} {needed}");
    }
}
