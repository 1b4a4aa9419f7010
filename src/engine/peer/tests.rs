use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn prefixes(texts: &[&str]) -> Vec<Prefix> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// A relay behind a 1:1 NAT, with an IPv6 address besides.
fn settings() -> PeerSettings {
    PeerSettings {
        relays: vec![
            RelayAddress { bind: ip("10.0.0.5"), external: ip("8.8.4.4") },
            RelayAddress { bind: ip("2600::5"), external: ip("2600::5") },
        ],
        ports: 49_152..=65_535,
        own: vec![ip("172.17.0.1"), ip("8.8.4.9")],
        protected: vec![at("0.0.0.0:3478"), at("10.0.0.5:5349"), at("8.8.8.8:6379"), at("[2600::6]:50000")],
        probes: Vec::new(),
        allow: Vec::new(),
        deny: Vec::new(),
        development: false,
    }
}

fn policy(change: impl FnOnce(&mut PeerSettings)) -> PeerPolicy {
    let mut settings = settings();
    change(&mut settings);
    PeerPolicy::new(&settings)
}

#[test]
fn ordinary_peers_are_admitted_as_they_are() {
    let policy = policy(|_| ());
    for peer in
        ["1.1.1.1:1", "8.8.8.8:53", "172.32.0.1:9", "100.63.255.255:9", "100.128.0.0:9", "198.20.0.0:9"]
            .into_iter()
            .chain(["223.255.255.255:9", "11.0.0.0:9", "9.255.255.255:9", "128.0.0.0:9", "[2600::9]:4000"])
            .chain([
                "[2a00:1450::1]:9",
                "[64:ff9b::8.8.8.8]:9",
                "[2002:808:808::1]:9",
                "[2001:0:808:808:0:0:f7f7:f7f7]:9",
            ])
    {
        assert_eq!(policy.check(at(peer)), Ok(at(peer)), "{peer}");
        assert_eq!(policy.check_address(at(peer).ip()), Ok(at(peer).ip()), "{peer}");
    }
}

#[test]
fn the_mapped_form_is_only_a_notation() {
    let policy = policy(|_| ());
    assert_eq!(policy.check(at("[::ffff:1.1.1.1]:9")), Ok(at("1.1.1.1:9")));
    assert_eq!(policy.check_address(ip("::ffff:1.1.1.1")), Ok(ip("1.1.1.1")));
}

/// Denied whatever the port; each row with what holds it off.
const DEFAULT_DENIED: &[(&str, Denied)] = &[
    ("0.0.0.0", Denied::NotUnicast),
    ("0.1.2.3", Denied::NotUnicast),
    ("::", Denied::NotUnicast),
    ("224.0.0.1", Denied::NotUnicast),
    ("239.255.255.255", Denied::NotUnicast),
    ("255.255.255.255", Denied::NotUnicast),
    ("ff02::1", Denied::NotUnicast),
    ("ff0e::1", Denied::NotUnicast),
    ("169.254.169.254", Denied::Metadata),
    ("169.254.170.2", Denied::Metadata),
    ("168.63.129.16", Denied::Metadata),
    ("100.100.100.200", Denied::Metadata),
    ("192.0.0.192", Denied::Metadata),
    ("fd00:ec2::254", Denied::Metadata),
    ("fd20:ce::254", Denied::Metadata),
    ("127.0.0.1", Denied::Loopback),
    ("127.255.255.254", Denied::Loopback),
    ("::1", Denied::Loopback),
    ("169.254.0.1", Denied::LinkLocal),
    ("fe80::1", Denied::LinkLocal),
    ("febf::1", Denied::LinkLocal),
    ("10.0.0.1", Denied::Private),
    ("10.255.255.255", Denied::Private),
    ("172.16.0.1", Denied::Private),
    ("172.31.255.255", Denied::Private),
    ("192.168.1.1", Denied::Private),
    ("100.64.0.1", Denied::Private),
    ("100.127.255.255", Denied::Private),
    ("fc00::1", Denied::Private),
    ("fdff:ffff::1", Denied::Private),
    ("64:ff9b:1::8.8.8.8", Denied::Private),
    ("192.0.0.1", Denied::Reserved),
    ("192.0.2.1", Denied::Reserved),
    ("198.51.100.1", Denied::Reserved),
    ("203.0.113.1", Denied::Reserved),
    ("192.88.99.1", Denied::Reserved),
    ("198.18.0.1", Denied::Reserved),
    ("198.19.255.255", Denied::Reserved),
    ("240.0.0.1", Denied::Reserved),
    ("255.255.255.254", Denied::Reserved),
    ("fec0::1", Denied::Reserved),
    ("100::1", Denied::Reserved),
    ("2001:db8::1", Denied::Reserved),
    ("3fff:fff::1", Denied::Reserved),
    ("2001:2::1", Denied::Reserved),
    ("2001:10::1", Denied::Reserved),
    ("2001:1ff::1", Denied::Reserved),
    ("4000::1", Denied::Reserved),
    ("5f00::1", Denied::Reserved),
    ("1::1", Denied::Reserved),
    ("::8.8.8.8", Denied::Reserved),
    ("::ffff:0:8.8.8.8", Denied::Reserved),
    ("8.8.4.9", Denied::OwnHost),
];

#[test]
fn what_an_attacker_would_aim_at_is_denied_by_default() {
    let policy = policy(|_| ());
    for (peer, denied) in DEFAULT_DENIED {
        assert_eq!(policy.check(SocketAddr::new(ip(peer), 50_000)), Err(*denied), "{peer}");
        assert_eq!(policy.check_address(ip(peer)), Err(*denied), "{peer}");
    }
}

#[test]
fn no_notation_of_a_denied_ipv4_address_passes() {
    let policy = policy(|_| ());
    for (peer, _) in DEFAULT_DENIED {
        let IpAddr::V4(v4) = ip(peer) else { continue };
        let [a, b, c, d] = v4.octets();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        for disguise in [
            format!("::ffff:{v4}"),
            format!("::{v4}"),
            format!("::ffff:0:{v4}"),
            format!("64:ff9b::{v4}"),
            format!("64:ff9b:1::{v4}"),
            format!("64:ff9b:1:{high:x}:{:x}:{:x}::", low >> 8, low << 8),
            format!("2002:{high:x}:{low:x}::1"),
            format!("2001:0:{high:x}:{low:x}::f7f7:f7f7"),
            format!("2001:0:808:808::{:x}:{:x}", !high, !low),
            format!("2600::5efe:{v4}"),
            format!("2002:808:808::200:5efe:{v4}"),
        ] {
            assert!(policy.check_address(ip(&disguise)).is_err(), "{disguise}");
            assert!(policy.check(SocketAddr::new(ip(&disguise), 50_000)).is_err(), "{disguise}");
        }
    }
}

#[test]
fn port_zero_is_no_peer_but_its_address_may_have_a_permission() {
    let policy = policy(|settings| settings.allow = prefixes(&["0.0.0.0/0", "::/0"]));
    assert_eq!(policy.check(at("1.1.1.1:0")), Err(Denied::Port));
    assert_eq!(policy.check_address(ip("1.1.1.1")), Ok(ip("1.1.1.1")));
}

#[test]
fn two_clients_of_this_relay_may_be_peers() {
    let policy = policy(|_| ());
    for peer in
        ["8.8.4.4:49152", "8.8.4.4:65535", "10.0.0.5:50000", "[2600::5]:50000", "[::ffff:8.8.4.4]:50000"]
    {
        assert!(policy.check(at(peer)).is_ok(), "{peer}");
        assert!(policy.check_address(at(peer).ip()).is_ok(), "{peer}");
    }
    assert_eq!(policy.check(at("8.8.4.4:49151")), Err(Denied::OwnHost));
    assert_eq!(policy.check(at("8.8.4.4:22")), Err(Denied::OwnHost));
    assert_eq!(policy.check(at("10.0.0.5:22")), Err(Denied::Private));
    assert_eq!(policy.check(at("[2600::5]:22")), Err(Denied::OwnHost));
}

#[test]
fn own_endpoints_are_out_of_reach_whatever_admits_their_address() {
    let open = |settings: &mut PeerSettings| {
        settings.allow = prefixes(&["0.0.0.0/0", "::/0"]);
        settings.development = true;
    };
    let policy = policy(open);
    for peer in [
        // A wildcard listener is on every address of this host,
        "127.0.0.1:3478",
        "127.1.2.3:3478",
        "[::1]:3478",
        "10.0.0.5:3478",
        "8.8.4.4:3478",
        "172.17.0.1:3478",
        "[2600::5]:3478",
        "[64:ff9b::10.0.0.5]:3478",
        "[::ffff:127.0.0.1]:3478",
        "[2002:7f00:1::]:3478",
        // a bound one also where a NAT leads to it,
        "10.0.0.5:5349",
        "8.8.4.4:5349",
        // and a store may be elsewhere, also in the relay port range.
        "8.8.8.8:6379",
        "[64:ff9b::8.8.8.8]:6379",
        "[2600::6]:50000",
    ] {
        assert_eq!(policy.check(at(peer)), Err(Denied::Protected), "{peer}");
        assert_eq!(policy.check_port(at(peer)), Err(Denied::Protected), "{peer}");
    }
    for peer in ["1.1.1.1:3478", "8.8.8.8:6380", "127.0.0.1:5349", "8.8.4.4:5350"] {
        assert_eq!(policy.check(at(peer)), Ok(at(peer)));
        assert_eq!(policy.check_port(at(peer)), Ok(at(peer)));
    }
}

#[test]
fn a_permission_for_the_relays_own_address_opens_its_relay_ports_only() {
    let policy = policy(|_| ());
    assert_eq!(policy.check_address(ip("8.8.4.4")), Ok(ip("8.8.4.4")));
    assert_eq!(policy.check_port(at("[::ffff:8.8.4.4]:50000")), Ok(at("8.8.4.4:50000")));
    assert_eq!(policy.check_port(at("8.8.4.4:3478")), Err(Denied::Protected));
    assert_eq!(policy.check_port(at("8.8.4.4:22")), Err(Denied::OwnHost));
    assert_eq!(policy.check_port(at("10.0.0.5:22")), Err(Denied::Private));
    assert_eq!(policy.check_port(at("8.8.4.4:0")), Err(Denied::Port));
    assert_eq!(policy.check_port(at("1.1.1.1:0")), Err(Denied::Port));
    // A permission from before a reload: the address is not judged again.
    assert_eq!(policy.check_port(at("192.168.1.1:9")), Ok(at("192.168.1.1:9")));
}

#[test]
fn an_own_endpoint_in_the_relay_port_range_is_protected_too() {
    let policy = policy(|settings| settings.protected.push(at("8.8.4.4:50000")));
    assert_eq!(policy.check(at("8.8.4.4:50000")), Err(Denied::Protected));
    assert_eq!(policy.check(at("10.0.0.5:50000")), Err(Denied::Protected));
    assert!(policy.check(at("8.8.4.4:50001")).is_ok());
}

#[test]
fn the_allow_list_admits_what_is_denied_by_default_only() {
    let policy = policy(|settings| {
        settings.allow =
            prefixes(&["10.1.0.0/16", "127.0.0.5", "fd00::/8", "0.0.0.0/8", "224.0.0.0/4", "169.254.0.0/16"]);
    });
    for peer in [
        "10.1.0.0",
        "10.1.255.255",
        "127.0.0.5",
        "fd12::1",
        "169.254.1.1",
        "::ffff:10.1.2.3",
        "64:ff9b::10.1.2.3",
    ] {
        assert!(policy.check_address(ip(peer)).is_ok(), "{peer}");
    }
    assert_eq!(policy.check_address(ip("10.2.0.0")), Err(Denied::Private));
    assert_eq!(policy.check_address(ip("127.0.0.1")), Err(Denied::Loopback));
    assert_eq!(policy.check_address(ip("0.0.0.1")), Err(Denied::NotUnicast));
    assert_eq!(policy.check_address(ip("224.0.0.1")), Err(Denied::NotUnicast));
    assert_eq!(policy.check_address(ip("169.254.169.254")), Err(Denied::Metadata));
    assert_eq!(policy.check_address(ip("fd00:ec2::254")), Err(Denied::Metadata));
}

#[test]
fn the_deny_list_outweighs_the_allow_list_and_relay_addresses() {
    let policy = policy(|settings| {
        settings.allow = prefixes(&["10.0.0.0/8", "1.1.0.0/16"]);
        settings.deny = prefixes(&["10.0.0.0/24", "1.1.1.0/24", "::ffff:9.9.9.0/120", "2600::/32"]);
        settings.development = true;
    });
    assert!(policy.check(at("10.0.1.1:9")).is_ok());
    assert!(policy.check(at("1.1.2.1:9")).is_ok());
    for peer in
        ["10.0.0.1", "10.0.0.5", "1.1.1.1", "9.9.9.9", "2600::5", "64:ff9b::1.1.1.1", "2002:101:101::"]
    {
        assert_eq!(policy.check(SocketAddr::new(ip(peer), 50_000)), Err(Denied::Listed), "{peer}");
    }
}

#[test]
fn development_admits_loopback_private_and_this_host_and_nothing_else() {
    let policy = policy(|settings| settings.development = true);
    for (peer, denied) in DEFAULT_DENIED {
        let admitted = matches!(denied, Denied::Loopback | Denied::Private | Denied::OwnHost);
        assert_eq!(policy.check_address(ip(peer)).is_ok(), admitted, "{peer}");
    }
    assert!(policy.check(at("172.17.0.1:9")).is_ok());
}

#[test]
fn scope_and_flow_label_are_not_carried_along() {
    let policy = policy(|settings| settings.allow = prefixes(&["fe80::/10"]));
    let scoped = SocketAddr::V6(std::net::SocketAddrV6::new("fe80::1".parse().unwrap(), 9, 5, 7));
    assert_eq!(policy.check(scoped), Ok(at("[fe80::1]:9")));
}

#[test]
fn prefixes_are_read_and_written() {
    for text in ["10.0.0.0/8", "0.0.0.0/0", "2001:db8::/32", "::/0", "192.0.2.1/32"] {
        assert_eq!(text.parse::<Prefix>().unwrap().to_string(), text);
    }
    assert_eq!("192.0.2.1".parse(), Ok(Prefix::single(ip("192.0.2.1"))));
    assert_eq!("2001:db8::1".parse(), Ok(Prefix { base: ip("2001:db8::1"), bits: 128 }));
    let error = |text: &str| text.parse::<Prefix>().unwrap_err();
    assert!(matches!(error("10.0.0/8"), PrefixError::Address(_)));
    assert!(matches!(error("10.0.0.0/x"), PrefixError::Length(_)));
    assert_eq!(error("10.0.0.0/33"), PrefixError::TooLong { bits: 33, most: 32 });
    assert_eq!(error("10.0.0.1/8").to_string(), "the address has bits set behind /8; write 10.0.0.0/8");
}

#[test]
fn a_prefix_holds_its_first_and_last_address_and_none_beside() {
    for (prefix, inside, outside) in [
        ("10.0.0.0/8", ["10.0.0.0", "10.255.255.255"], ["9.255.255.255", "11.0.0.0"]),
        ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::1", "2001:db8::"]),
        ("::/0", ["::1", "ffff::"], ["0.0.0.0", "::ffff:1.2.3.4"]),
        ("fd00::/8", ["fd00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"], ["fcff::", "fe00::"]),
        ("::ffff:10.0.0.0/104", ["10.0.0.0", "::ffff:10.1.1.1"], ["11.0.0.0", "::10.0.0.1"]),
    ] {
        let prefix: Prefix = prefix.parse().unwrap();
        let set = PrefixSet::new(&[prefix, Prefix::single(ip("203.0.113.7")), prefix]);
        for (addresses, holds) in [(inside, true), (outside, false)] {
            for address in addresses {
                assert_eq!(prefix.contains(ip(address)), holds, "{prefix} {address}");
                assert_eq!(set.contains(ip(address).to_canonical()), holds, "{prefix} {address}");
            }
        }
    }
}

#[test]
fn the_base_of_a_prefix_may_be_any_of_its_addresses() {
    let prefix = Prefix { base: ip("10.1.2.3"), bits: 8 };
    assert!(prefix.contains(ip("10.200.0.1")) && !prefix.contains(ip("11.0.0.1")));
    assert!(Prefix { base: ip("10.1.2.3"), bits: 200 }.contains(ip("10.1.2.3")));
}

#[test]
fn a_set_of_prefixes_is_the_union_of_them() {
    let listed =
        prefixes(&["10.0.0.0/8", "10.1.0.0/16", "10.64.0.0/10", "11.0.0.0/8", "192.168.0.0/24", "8.8.8.8"]);
    let set = PrefixSet::new(&listed);
    for first in 0..=255_u8 {
        for rest in [[0, 0, 0], [1, 2, 3], [8, 8, 8], [168, 0, 9], [255, 255, 255]] {
            let address = IpAddr::from([first, rest[0], rest[1], rest[2]]);
            assert_eq!(
                set.contains(address),
                listed.iter().any(|prefix| prefix.contains(address)),
                "{address}"
            );
        }
    }
}

#[test]
fn a_probe_is_reached_in_its_exact_port_whatever_the_lists_say() {
    let policy = policy(|settings| {
        settings.probes =
            vec![at("10.0.0.5:40000"), at("[2600::5]:40001"), at("10.0.0.5:3478"), at("172.17.0.9:7")];
        settings.deny = prefixes(&["10.0.0.0/8", "2600::/16"]);
    });
    for probe in ["10.0.0.5:40000", "[::ffff:10.0.0.5]:40000", "[2600::5]:40001", "172.17.0.9:7"] {
        let canonical = SocketAddr::new(at(probe).ip().to_canonical(), at(probe).port());
        assert_eq!(policy.check(at(probe)), Ok(canonical), "{probe}");
        assert_eq!(policy.check_port(at(probe)), Ok(canonical), "{probe}");
    }
    for (other, why) in [
        ("10.0.0.5:40001", Denied::Listed),
        ("[2600::5]:40000", Denied::Listed),
        // An address that is watched for nothing else.
        ("172.17.0.9:8", Denied::Private),
        // Never is never.
        ("10.0.0.5:3478", Denied::Protected),
    ] {
        assert_eq!(policy.check(at(other)), Err(why), "{other}");
        assert_eq!(policy.check_port(at(other)), Err(why), "{other}");
    }
    assert_eq!(
        policy.check_address(ip("10.0.0.5")),
        Err(Denied::Listed),
        "no permission for its other ports"
    );
}
