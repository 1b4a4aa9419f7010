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
