//! Our BGP codec against one that others wrote, `netgauze-bgp-pkt`, on messages that either writes and on damaged ones.
//! Where the two differ, [`stricter`] and [`laxer`] say on what condition and by which RFC; anything else fails.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a failed assertion is what this file is for"
)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netgauze_bgp_pkt::BgpMessage;
use netgauze_bgp_pkt::capabilities as caps;
use netgauze_bgp_pkt::community as their_community;
use netgauze_bgp_pkt::iana::BgpRoleValue;
use netgauze_bgp_pkt::nlri::{Ipv4Unicast, Ipv4UnicastAddress, Ipv6Unicast, Ipv6UnicastAddress};
use netgauze_bgp_pkt::notification::{BgpNotificationMessage, CeaseError};
use netgauze_bgp_pkt::open::{BgpOpenMessage, BgpOpenMessageParameter};
use netgauze_bgp_pkt::path_attribute::{self as theirs, PathAttribute, PathAttributeValue as Value};
use netgauze_bgp_pkt::update::BgpUpdateMessage;
use netgauze_bgp_pkt::wire::deserializer::{BgpMessageParsingError, BgpParsingContext};
use netgauze_iana::address_family::AddressType;
use netgauze_parse_utils::WritablePdu as _;
use netgauze_parse_utils::reader::SliceReader;
use netgauze_parse_utils::traits::ParseFromWithOneInput as _;
use proptest::prelude::*;
use tern::wire::bgp::{
    Asn, AttributeType, Codec, Community, Defect, Families, Family, Fault, Flaw, GracefulRestart,
    LargeCommunity, Message, Open, Prefix, Reason, Role, RouterId, Update, Verdict, decode, write,
};

const HEADER_LEN: usize = 19;

fn session(four_octet: bool, internal: bool) -> Codec {
    Codec { four_octet, families: Families::BOTH, internal }
}

fn read_theirs(bytes: &[u8], codec: &Codec) -> Result<BgpMessage, BgpMessageParsingError> {
    let mut context = BgpParsingContext::default();
    context.set_asn4(codec.four_octet);
    BgpMessage::parse(&mut SliceReader::new(bytes), &mut context)
}

fn write_theirs(message: &BgpMessage) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.write(&mut bytes).unwrap();
    bytes
}

/// What an UPDATE says, as either codec read it.
#[derive(Debug, Default, PartialEq)]
struct Said {
    announced: Vec<String>,
    withdrawn: Vec<String>,
    end_of_rib: Option<Family>,
    origin: Option<u8>,
    path: Option<Vec<u32>>,
    next_hops: [Option<IpAddr>; 2],
    med: Option<u32>,
    local_pref: Option<u32>,
    communities: Vec<u32>,
    large: Vec<[u32; 3]>,
    customer: Option<u32>,
}

fn said_by_ours(update: &Update<'_>) -> Said {
    Said {
        announced: update.announced().map(|prefix| prefix.to_string()).collect(),
        withdrawn: update.withdrawn().map(|prefix| prefix.to_string()).collect(),
        end_of_rib: update.end_of_rib(),
        origin: update.origin(),
        path: update.as_path().map(|path| path.map(|asn| asn.0).collect()),
        next_hops: Family::ALL.map(|family| update.next_hop(family)),
        med: update.med(),
        local_pref: update.local_pref(),
        communities: update.communities().map(|community| community.0).collect(),
        large: update.large_communities().map(|one| [one.global, one.local1, one.local2]).collect(),
        customer: update.only_to_customer().map(|asn| asn.0),
    }
}

fn said_by_theirs(update: &BgpUpdateMessage, codec: &Codec) -> Said {
    let mut said = Said {
        announced: update.nlri().iter().map(v4).collect(),
        withdrawn: update.withdraw_routes().iter().map(v4).collect(),
        end_of_rib: match update.end_of_rib() {
            // Theirs looks for MP_REACH_NLRI only; RFC 4724 wants nothing beside MP_UNREACH_NLRI.
            Some(_) if update.path_attributes().len() > 1 => None,
            Some(AddressType::Ipv4Unicast) => Some(Family::Ipv4),
            Some(AddressType::Ipv6Unicast) => Some(Family::Ipv6),
            Some(_) | None => None,
        },
        ..Said::default()
    };
    let mut reach_v4 = None;
    let mut seen = Vec::new();
    for attribute in update.path_attributes() {
        // RFC 7606 section 3 (g): the first counts. Theirs keeps them all.
        let kind = attribute.path_attribute_type();
        if seen.contains(&kind) {
            continue;
        }
        seen.push(kind);
        match attribute.value() {
            Value::Origin(origin) => said.origin = Some(*origin as u8),
            Value::AsPath(theirs::AsPath::As2PathSegments(segments)) => {
                let numbers = segments.iter().flat_map(|segment| segment.as_numbers());
                said.path = Some(numbers.map(|number| u32::from(*number)).collect());
            }
            Value::AsPath(theirs::AsPath::As4PathSegments(segments)) => {
                said.path = Some(segments.iter().flat_map(|s| s.as_numbers()).copied().collect());
            }
            Value::NextHop(next_hop) => said.next_hops[0] = Some(next_hop.next_hop().into()),
            Value::MultiExitDiscriminator(med) => said.med = Some(med.metric()),
            Value::LocalPreference(preference) if codec.internal => {
                said.local_pref = Some(preference.metric());
            }
            Value::Communities(list) => {
                said.communities = list.communities().iter().map(|one| one.value()).collect();
            }
            Value::LargeCommunities(list) => {
                let numbers = |one: &their_community::LargeCommunity| {
                    [one.global_admin(), one.local_data1(), one.local_data2()]
                };
                said.large = list.communities().iter().map(numbers).collect();
            }
            Value::OnlyToCustomer(mark) => said.customer = Some(mark.asn()),
            Value::MpReach(theirs::MpReach::Ipv4Unicast { next_hop, nlri, .. }) => {
                said.announced.extend(nlri.iter().map(v4));
                reach_v4 = Some(*next_hop);
            }
            Value::MpReach(theirs::MpReach::Ipv6Unicast { next_hop_global, nlri, .. }) => {
                said.announced.extend(nlri.iter().map(v6));
                said.next_hops[1] = Some((*next_hop_global).into());
            }
            Value::MpUnreach(theirs::MpUnreach::Ipv4Unicast { nlri }) => {
                said.withdrawn.extend(nlri.iter().map(v4));
            }
            Value::MpUnreach(theirs::MpUnreach::Ipv6Unicast { nlri }) => {
                said.withdrawn.extend(nlri.iter().map(v6));
            }
            _ => {}
        }
    }
    said.next_hops[0] = reach_v4.or(said.next_hops[0]);
    said
}

/// Bits beyond a prefix's length are irrelevant (RFC 4271 section 4.3); theirs keeps them.
fn v4(address: &Ipv4UnicastAddress) -> String {
    address.network().address().trunc().to_string()
}

fn v6(address: &Ipv6UnicastAddress) -> String {
    address.network().address().trunc().to_string()
}

// Generated messages.

fn prefixes4() -> impl Strategy<Value = Vec<Prefix>> {
    let one = (any::<u32>(), 0..=32_u8).prop_map(|(bits, length)| {
        Prefix::masked(Ipv4Addr::from_bits(bits % (224 << 24)).into(), length).unwrap()
    });
    prop::collection::vec(one, 0..6)
}

fn prefixes6() -> impl Strategy<Value = Vec<Prefix>> {
    let one = (any::<u128>(), 0..=128_u8).prop_map(|(bits, length)| {
        Prefix::masked(Ipv6Addr::from_bits(bits % (0xFF << 120)).into(), length).unwrap()
    });
    prop::collection::vec(one, 0..6)
}

#[derive(Clone, Debug)]
struct RouteParts {
    prefixes: Vec<Prefix>,
    next_hop: IpAddr,
    path: Vec<Asn>,
    med: Option<u32>,
    communities: Vec<Community>,
    large: Vec<LargeCommunity>,
    customer: Option<Asn>,
}

fn route_parts() -> impl Strategy<Value = RouteParts> {
    let routes = prop_oneof![
        (prefixes4(), (1_u32..(127 << 24)))
            .prop_map(|(prefixes, bits)| { (prefixes, IpAddr::from(Ipv4Addr::from_bits(bits | 1 << 24))) }),
        (prefixes6(), any::<u128>())
            .prop_map(|(prefixes, bits)| (prefixes, Ipv6Addr::from_bits(bits).into())),
    ];
    let asn = prop_oneof![1_u32..=65535, 1_u32..];
    let large =
        any::<[u32; 3]>().prop_map(|[global, local1, local2]| LargeCommunity { global, local1, local2 });
    (
        routes,
        prop_oneof![4 => prop::collection::vec(asn.clone(), 0..5), 1 => prop::collection::vec(asn.clone(), 250..270)],
        any::<Option<u32>>(),
        prop_oneof![4 => prop::collection::vec(any::<u32>(), 0..4), 1 => prop::collection::vec(any::<u32>(), 60..80)],
        prop::collection::vec(large, 0..3),
        proptest::option::of(asn),
    )
        .prop_map(|((prefixes, next_hop), path, med, communities, large, customer)| RouteParts {
            prefixes,
            next_hop,
            path: path.into_iter().map(Asn).collect(),
            med,
            communities: communities.into_iter().map(Community).collect(),
            large,
            customer: customer.map(Asn),
        })
}

impl RouteParts {
    fn route(&self, internal: bool) -> write::Route<'_> {
        write::Route {
            prefixes: &self.prefixes,
            as_path: &self.path,
            next_hop: self.next_hop,
            med: self.med,
            local_pref: internal.then_some(100),
            communities: &self.communities,
            large_communities: &self.large,
            only_to_customer: self.customer,
        }
    }

    /// The same in their types, with MP_REACH_NLRI first as RFC 7606 section 5.1 wants it.
    fn their_update(&self, codec: &Codec) -> BgpMessage {
        let mut attributes = Vec::new();
        let well_known = |value| PathAttribute::from(false, true, false, false, value).unwrap();
        let non_transitive = |value| PathAttribute::from(true, false, false, false, value).unwrap();
        let transitive = |long, value| PathAttribute::from(true, true, false, long, value).unwrap();
        let mut nlri = Vec::new();
        match self.next_hop {
            IpAddr::V4(_) => nlri.extend(self.prefixes.iter().map(their_v4)),
            IpAddr::V6(next_hop_global) => {
                let nlri = self.prefixes.iter().map(their_v6).collect();
                let reach = theirs::MpReach::Ipv6Unicast { next_hop_global, next_hop_local: None, nlri };
                attributes.push(non_transitive(Value::MpReach(reach)));
            }
        }
        attributes.push(well_known(Value::Origin(theirs::Origin::IGP)));
        let sequence = theirs::AsPathSegmentType::AsSequence;
        let path = if codec.four_octet {
            let numbers: Vec<u32> = self.path.iter().map(|asn| asn.0).collect();
            let segments = numbers.chunks(255).map(|part| theirs::As4PathSegment::new(sequence, part));
            theirs::AsPath::as4_path_segments(segments.collect::<Vec<_>>())
        } else {
            let numbers: Vec<u16> = self.path.iter().map(|asn| asn.two_octets()).collect();
            let segments = numbers.chunks(255).map(|part| theirs::As2PathSegment::new(sequence, part));
            theirs::AsPath::as2_path_segments(segments.collect::<Vec<_>>())
        };
        let width = if codec.four_octet { 4 } else { 2 };
        let long = self.path.chunks(255).map(|part| 2 + part.len() * width).sum::<usize>() > 255;
        attributes.push(PathAttribute::from(false, true, false, long, Value::AsPath(path)).unwrap());
        if let IpAddr::V4(next_hop) = self.next_hop {
            attributes.push(well_known(Value::NextHop(theirs::NextHop::new(next_hop))));
        }
        if let Some(med) = self.med {
            let med = theirs::MultiExitDiscriminator::new(med);
            attributes.push(non_transitive(Value::MultiExitDiscriminator(med)));
        }
        if codec.internal {
            attributes.push(well_known(Value::LocalPreference(theirs::LocalPreference::new(100))));
        }
        if !self.communities.is_empty() {
            let list: Vec<_> =
                self.communities.iter().map(|one| their_community::Community::new(one.0)).collect();
            let long = list.len() * 4 > 255;
            attributes.push(transitive(long, Value::Communities(theirs::Communities::new(list))));
        }
        if !codec.four_octet && self.path.iter().any(|asn| !asn.fits_two_octets()) {
            let numbers: Vec<u32> = self.path.iter().map(|asn| asn.0).collect();
            let segments: Vec<_> =
                numbers.chunks(255).map(|part| theirs::As4PathSegment::new(sequence, part)).collect();
            let long = segments.len() * 2 + numbers.len() * 4 > 255;
            attributes.push(transitive(long, Value::As4Path(theirs::As4Path::new(segments))));
        }
        if !self.large.is_empty() {
            let new = |one: &LargeCommunity| {
                their_community::LargeCommunity::new(one.global, one.local1, one.local2)
            };
            let list: Vec<_> = self.large.iter().map(new).collect();
            attributes.push(transitive(false, Value::LargeCommunities(theirs::LargeCommunities::new(list))));
        }
        if let Some(customer) = self.customer {
            let mark = theirs::OnlyToCustomer::new(customer.0);
            attributes.push(transitive(false, Value::OnlyToCustomer(mark)));
        }
        BgpMessage::Update(BgpUpdateMessage::new(vec![], attributes, nlri))
    }
}

fn their_v4(prefix: &Prefix) -> Ipv4UnicastAddress {
    let net = prefix.to_string().parse().unwrap();
    Ipv4UnicastAddress::new_no_path_id(Ipv4Unicast::from_net(net).unwrap())
}

fn their_v6(prefix: &Prefix) -> Ipv6UnicastAddress {
    let net = prefix.to_string().parse().unwrap();
    Ipv6UnicastAddress::new(None, Ipv6Unicast::from_net(net).unwrap())
}

fn open_settings() -> impl Strategy<Value = write::OpenSettings> {
    let families = (any::<bool>(), any::<bool>()).prop_map(|(ipv4, ipv6)| Families { ipv4, ipv6 });
    let hold = prop_oneof![Just(0), 3_u16..];
    let role = proptest::option::of((0..5_u8).prop_map(|code| Role::from_code(code).unwrap()));
    let restart = (any::<bool>(), any::<bool>(), 0..4096_u16, families.clone(), families.clone()).prop_map(
        |(restarting, notification, time, families, preserved)| GracefulRestart {
            restarting,
            notification,
            time,
            families,
            preserved: preserved.and(families),
        },
    );
    (1_u32.., hold, 1_u32..(224 << 24), families, role, proptest::option::of(restart)).prop_map(
        |(asn, hold, id, families, role, graceful_restart)| write::OpenSettings {
            asn: Asn(asn),
            hold,
            id: RouterId(id),
            families,
            role,
            graceful_restart,
        },
    )
}

fn address_type(family: Family) -> AddressType {
    match family {
        Family::Ipv4 => AddressType::Ipv4Unicast,
        Family::Ipv6 => AddressType::Ipv6Unicast,
    }
}

fn their_open(settings: &write::OpenSettings) -> BgpMessage {
    use caps::BgpCapability as Capability;
    let multi = |family| {
        Capability::MultiProtocolExtensions(caps::MultiProtocolExtensionsCapability::new(address_type(
            family,
        )))
    };
    let mut list: Vec<Capability> = settings.families.iter().map(multi).collect();
    list.push(Capability::RouteRefresh);
    list.push(Capability::FourOctetAs(caps::FourOctetAsCapability::new(settings.asn.0)));
    if let Some(role) = settings.role {
        let role = BgpRoleValue::try_from(role.code()).unwrap();
        list.push(Capability::BgpRole(caps::BgpRoleCapability::new(role)));
    }
    if let Some(restart) = settings.graceful_restart {
        let families: Vec<_> = restart
            .families
            .iter()
            .map(|family| {
                let preserved = restart.preserved.contains(family);
                caps::GracefulRestartAddressFamily::new(preserved, address_type(family))
            })
            .collect();
        list.push(Capability::GracefulRestartCapability(caps::GracefulRestartCapability::new(
            restart.restarting,
            restart.notification,
            restart.time,
            families,
        )));
    }
    BgpMessage::Open(BgpOpenMessage::new(
        settings.asn.two_octets(),
        settings.hold,
        Ipv4Addr::from_bits(settings.id.0),
        vec![BgpOpenMessageParameter::new_capabilities(list)],
    ))
}

proptest! {
    #[test]
    fn both_write_the_same_announcement_and_read_the_others(
        parts in route_parts(),
        four_octet: bool,
        internal: bool,
    ) {
        let codec = session(four_octet, internal);
        let mut ours = Vec::new();
        let count = write::announce(&mut ours, &parts.route(internal), &codec).unwrap();
        prop_assert_eq!(count, usize::from(!parts.prefixes.is_empty()));
        if count == 1 {
            let message = parts.their_update(&codec);
            // They give a long path no attribute of two octets by themselves, so the flag is set above.
            prop_assert_eq!(&write_theirs(&message), &ours);
            prop_assert_eq!(read_theirs(&ours, &codec), Ok(message));
            agree(&ours, &codec);
        }
    }

    #[test]
    fn both_write_the_same_withdrawal_and_read_the_others(listed4 in prefixes4(), listed6 in prefixes6()) {
        let codec = session(true, false);
        let mut ours = Vec::new();
        if write::withdraw(&mut ours, Family::Ipv4, &listed4) == 1 {
            let routes: Vec<_> = listed4.iter().map(their_v4).collect();
            let message = BgpMessage::Update(BgpUpdateMessage::new(routes, vec![], vec![]));
            prop_assert_eq!(&write_theirs(&message), &ours);
            prop_assert_eq!(read_theirs(&ours, &codec), Ok(message));
            agree(&ours, &codec);
        }
        ours.clear();
        if write::withdraw(&mut ours, Family::Ipv6, &listed6) == 1 {
            let unreach = theirs::MpUnreach::Ipv6Unicast { nlri: listed6.iter().map(their_v6).collect() };
            let attribute = PathAttribute::from(true, false, false, false, Value::MpUnreach(unreach)).unwrap();
            let message = BgpMessage::Update(BgpUpdateMessage::new(vec![], vec![attribute], vec![]));
            prop_assert_eq!(&write_theirs(&message), &ours);
            prop_assert_eq!(read_theirs(&ours, &codec), Ok(message));
            agree(&ours, &codec);
        }
    }

    #[test]
    fn both_write_the_same_open_and_read_the_others(settings in open_settings()) {
        let mut ours = Vec::new();
        write::open(&mut ours, &settings);
        let message = their_open(&settings);
        prop_assert_eq!(&write_theirs(&message), &ours);
        prop_assert_eq!(read_theirs(&ours, &session(true, false)), Ok(message));
        agree(&ours, &Codec::default());
    }

    #[test]
    fn both_write_the_same_shutdown_and_read_the_others(text in "\\PC{1,60}") {
        let mut ours = Vec::new();
        write::shutdown(&mut ours, Reason::ADMINISTRATIVE_SHUTDOWN, &text);
        let mut value = vec![u8::try_from(text.len()).unwrap()];
        value.extend(text.as_bytes());
        let said = CeaseError::AdministrativeShutdown { value: value.into() };
        let message = BgpMessage::Notification(BgpNotificationMessage::CeaseError(said));
        prop_assert_eq!(&write_theirs(&message), &ours);
        let Ok(Message::Notification(read)) = decode(&ours, &Codec::default()) else { panic!("no notification") };
        prop_assert_eq!(read.text(), Some(text.as_str()));
    }
}

#[test]
fn both_write_the_same_short_messages_and_read_the_others() {
    use netgauze_bgp_pkt::iana::RouteRefreshSubcode;
    use netgauze_bgp_pkt::route_refresh::BgpRouteRefreshMessage;
    let codec = session(true, false);
    let mut ours = Vec::new();
    write::keepalive(&mut ours);
    assert_eq!(write_theirs(&BgpMessage::KeepAlive), ours);
    for family in Family::ALL {
        ours.clear();
        write::route_refresh(&mut ours, family);
        let refresh = BgpRouteRefreshMessage::new(address_type(family), RouteRefreshSubcode::NormalRequest);
        assert_eq!(write_theirs(&BgpMessage::RouteRefresh(refresh)), ours);
        ours.clear();
        write::end_of_rib(&mut ours, family);
        let Ok(BgpMessage::Update(update)) = read_theirs(&ours, &codec) else { panic!("no update") };
        assert_eq!(update.end_of_rib(), Some(address_type(family)));
        agree(&ours, &codec);
    }
}

// Damaged messages.

/// An attribute that may be anything.
fn attribute() -> impl Strategy<Value = Vec<u8>> {
    let kinds = prop::sample::select(vec![
        (0x40, 1),
        (0x40, 1),
        (0x40, 2),
        (0x40, 2),
        (0x40, 3),
        (0x80, 4),
        (0x40, 5),
        (0x40, 6),
        (0xC0, 7),
        (0xC0, 8),
        (0x80, 9),
        (0x80, 10),
        (0x80, 14),
        (0x80, 15),
        (0xC0, 17),
        (0xC0, 32),
        (0xC0, 35),
    ]);
    let value = |kind: u8| -> BoxedStrategy<Vec<u8>> {
        let number = any::<[u8; 4]>().prop_map(|value| value.to_vec());
        let numbers = |size| {
            prop::collection::vec(any::<u8>(), 0..3_usize)
                .prop_flat_map(move |count| prop::collection::vec(any::<u8>(), count.len() * size))
        };
        let path =
            (0..4_u8, prop::collection::vec(prop_oneof![Just([0_u8, 0, 0, 1]), any::<[u8; 4]>()], 0..4))
                .prop_map(|(kind, numbers)| {
                    let mut value = vec![kind.max(1), u8::try_from(numbers.len()).unwrap()];
                    value.extend(numbers.concat());
                    value
                });
        let routes =
            prop_oneof![Just(vec![]), Just(vec![0]), Just(vec![16, 0x20, 1]), Just(vec![9, 1, 0xFF])];
        let family = prop_oneof![8 => Just([0_u8, 2, 1]), 4 => Just([0, 1, 1]), 1 => Just([0, 1, 128]), 1 => any::<[u8; 3]>()];
        let reach = (
            family.clone(),
            prop_oneof![4 => Just(16_usize), 2 => Just(4), 1 => Just(32), 1 => 0..40_usize],
            routes.clone(),
        )
            .prop_map(|(family, length, routes)| {
                let mut value = family.to_vec();
                value.push(u8::try_from(length).unwrap());
                value.extend(vec![0x21; length]);
                value.push(0);
                value.extend(routes);
                value
            });
        let unreach = (family, routes).prop_map(|(family, routes)| [&family[..], &routes].concat());
        match kind {
            1 => (0..4_u8).prop_map(|origin| vec![origin]).boxed(),
            2 | 17 => path.boxed(),
            6 => Just(vec![]).boxed(),
            7 => prop_oneof![
                any::<[u8; 8]>().prop_map(|v| v.to_vec()),
                any::<[u8; 6]>().prop_map(|v| v.to_vec())
            ]
            .boxed(),
            8 | 10 => numbers(4).boxed(),
            14 => reach.boxed(),
            15 => unreach.boxed(),
            32 => numbers(12).boxed(),
            _ => number.boxed(),
        }
    };
    let odd_flags =
        prop_oneof![20 => Just(0_u8), 1 => prop::sample::select(vec![0x80, 0x40, 0xC0, 0x20, 0x0F])];
    let any_kind =
        prop_oneof![20 => kinds, 1 => any::<(u8, u8)>().prop_map(|(flags, kind)| (flags & 0xE0, kind))];
    (any_kind, odd_flags, any::<bool>()).prop_flat_map(move |((flags, kind), odd, long)| {
        let random = prop::collection::vec(any::<u8>(), 0..12);
        prop_oneof![12 => value(kind), 1 => random].prop_map(move |value| {
            let mut bytes = vec![flags ^ odd, kind];
            if long {
                bytes[0] |= 0x10;
                bytes.push(0);
            } else {
                bytes[0] &= !0x10;
            }
            bytes.push(u8::try_from(value.len()).unwrap());
            bytes.extend(value);
            bytes
        })
    })
}

/// An UPDATE of which every part may be good or not.
fn update() -> impl Strategy<Value = Vec<u8>> {
    let routes = prop_oneof![
        4 => Just(vec![]),
        6 => Just(vec![24, 192, 0, 2]),
        2 => Just(vec![0, 9, 10, 0xFF]),
        1 => prop::collection::vec(any::<u8>(), 0..8),
    ];
    let good: [&[u8]; 3] = [&[0x40, 1, 1, 0], &[0x40, 2, 6, 2, 1, 0, 0, 0xFC, 0], &[0x40, 3, 4, 10, 0, 0, 1]];
    let leading = prop::collection::vec(prop::sample::select(good.map(<[u8]>::to_vec).to_vec()), 0..3);
    let leading = prop_oneof![3 => Just(good.map(<[u8]>::to_vec).to_vec()), 1 => leading];
    let others = prop::collection::vec(attribute(), 0..4);
    (routes.clone(), leading, others, routes).prop_map(|(withdrawn, leading, others, nlri)| {
        let attributes = [leading.concat(), others.concat()].concat();
        let mut body = u16::try_from(withdrawn.len()).unwrap().to_be_bytes().to_vec();
        body.extend(withdrawn);
        body.extend(u16::try_from(attributes.len()).unwrap().to_be_bytes());
        body.extend(attributes);
        body.extend(nlri);
        wrap(2, &body)
    })
}

fn wrap(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xFF; 16];
    bytes.extend(u16::try_from(HEADER_LEN + body.len()).unwrap().to_be_bytes());
    bytes.push(kind);
    bytes.extend(body);
    bytes
}

/// An OPEN of which every part may be good or not.
fn open() -> impl Strategy<Value = Vec<u8>> {
    let capability = prop_oneof![
        3 => prop::sample::select(vec![[1_u8, 4, 0, 1, 0, 1].to_vec(), [1, 4, 0, 2, 0, 1].to_vec(), vec![2, 0]]),
        2 => any::<[u8; 4]>().prop_map(|asn| [&[65, 4][..], &asn].concat()),
        1 => (0..7_u8).prop_map(|role| vec![9, 1, role]),
        1 => any::<[u8; 2]>().prop_map(|time| [&[64, 6][..], &time, &[0, 1, 1, 0x80]].concat()),
        1 => (any::<u8>(), prop::collection::vec(any::<u8>(), 0..6)).prop_map(|(code, value)| {
            [&[code, u8::try_from(value.len()).unwrap()][..], &value].concat()
        }),
    ];
    let parameter = prop::collection::vec(capability, 0..4).prop_map(|list| {
        let list = list.concat();
        [&[2, u8::try_from(list.len()).unwrap()][..], &list].concat()
    });
    let version = prop_oneof![9 => Just(4_u8), 1 => any::<u8>()];
    let hold = prop_oneof![Just(90_u16), 0..4_u16];
    let asn = prop_oneof![Just(64512_u16), Just(0), Just(23456)];
    (version, asn, hold, any::<u32>(), prop::collection::vec(parameter, 0..3)).prop_map(
        |(version, asn, hold, id, parameters)| {
            let parameters = parameters.concat();
            let mut body = vec![version];
            body.extend(asn.to_be_bytes());
            body.extend(hold.to_be_bytes());
            body.extend(id.to_be_bytes());
            body.push(u8::try_from(parameters.len()).unwrap());
            body.extend(parameters);
            wrap(1, &body)
        },
    )
}

/// What happens to a message on its way. Its length stays right, or nothing else would be looked at.
#[derive(Clone, Debug)]
enum Damage {
    None,
    Bytes(Vec<(prop::sample::Index, u8)>),
    Cut(prop::sample::Index),
    Longer(Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        6 => Just(Damage::None),
        6 => prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..3).prop_map(Damage::Bytes),
        1 => any::<prop::sample::Index>().prop_map(Damage::Cut),
        1 => prop::collection::vec(any::<u8>(), 1..5).prop_map(Damage::Longer),
    ]
}

impl Damage {
    fn inflict(&self, bytes: &[u8]) -> Vec<u8> {
        let mut body = bytes[HEADER_LEN..].to_vec();
        match self {
            Self::None => {}
            Self::Bytes(changes) => changes.iter().for_each(|(at, byte)| *at.get_mut(&mut body) = *byte),
            Self::Cut(at) => body.truncate(at.index(body.len())),
            Self::Longer(more) => body.extend(more),
        }
        wrap(bytes[18], &body)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn both_judge_a_damaged_update_alike(bytes in update(), damage in damage(), four_octet: bool, internal: bool) {
        agree(&damage.inflict(&bytes), &session(four_octet, internal));
    }

    #[test]
    fn both_judge_a_damaged_open_alike(bytes in open(), damage in damage()) {
        agree(&damage.inflict(&bytes), &Codec::default());
    }

    #[test]
    fn both_judge_any_other_message_alike(kind: u8, body in prop::collection::vec(any::<u8>(), 0..8)) {
        agree(&wrap(kind, &body), &session(true, false));
    }
}

/// Fails unless both codecs read the same, or differ for a reason that is stated below.
fn agree(bytes: &[u8], codec: &Codec) {
    let (ours, theirs) = (decode(bytes, codec), read_theirs(bytes, codec));
    match (&ours, &theirs) {
        (Ok(Message::Update(ours)), Ok(BgpMessage::Update(theirs))) if ours.verdict() == Verdict::Accept => {
            assert_eq!(said_by_ours(ours), said_by_theirs(theirs, codec), "{bytes:?}");
        }
        (Ok(Message::Update(_)), Ok(BgpMessage::Update(_))) => {
            assert!(stricter(bytes, codec), "only ours objects: {ours:?}\n{theirs:?}\n{bytes:?}");
        }
        (Ok(Message::Open(ours)), Ok(BgpMessage::Open(theirs))) => compare_opens(ours, theirs),
        (Ok(Message::Notification(ours)), Ok(BgpMessage::Notification(_))) => {
            // Their variants have no common field; what they write again is what they have read.
            let again = write_theirs(theirs.as_ref().unwrap());
            assert_eq!([&[ours.reason.code, ours.reason.subcode], ours.data].concat(), &again[HEADER_LEN..]);
        }
        (Ok(Message::RouteRefresh { family, .. }), Ok(BgpMessage::RouteRefresh(theirs))) => {
            let known = match theirs.address_type() {
                AddressType::Ipv4Unicast => Some(Family::Ipv4),
                AddressType::Ipv6Unicast => Some(Family::Ipv6),
                _ => None,
            };
            assert_eq!(*family, known);
        }
        (Ok(Message::Keepalive), Ok(BgpMessage::KeepAlive)) | (Err(_), Err(_)) => {}
        (Ok(Message::Update(update)), Err(error)) if update.verdict() == Verdict::Accept => {
            assert!(laxer(bytes, codec, error), "only theirs objects: {error:?}\n{ours:?}\n{bytes:?}");
        }
        // They end the session; we know better (RFC 7606).
        (Ok(Message::Update(_)), Err(_)) => {}
        (Ok(_), Err(error)) => {
            assert!(laxer(bytes, codec, error), "only theirs objects: {error:?}\n{ours:?}\n{bytes:?}");
        }
        (Err(fault), Ok(_)) => {
            assert!(
                strictly_refused(bytes, codec, fault),
                "only ours objects: {fault:?}\n{theirs:?}\n{bytes:?}"
            );
        }
        (Ok(_), Ok(_)) => panic!("different messages: {ours:?}\n{theirs:?}"),
    }
}

fn compare_opens(ours: &Open<'_>, theirs: &BgpOpenMessage) {
    use caps::BgpCapability as Capability;
    assert_eq!((ours.hold, Ipv4Addr::from_bits(ours.id.0)), (theirs.hold_time(), theirs.bgp_id()));
    let (mut multi, mut restart, mut role) = (None, None, None);
    let (mut four_octet, mut refresh) = (false, false);
    for capability in theirs.capabilities() {
        match capability {
            Capability::MultiProtocolExtensions(one) => {
                let families: &mut Families = multi.get_or_insert_default();
                match one.address_type() {
                    AddressType::Ipv4Unicast => families.ipv4 = true,
                    AddressType::Ipv6Unicast => families.ipv6 = true,
                    _ => {}
                }
            }
            Capability::RouteRefresh => refresh = true,
            Capability::FourOctetAs(_) => four_octet = true,
            Capability::BgpRole(one) => role = Some(one.role() as u8),
            Capability::GracefulRestartCapability(one) => {
                restart = Some((one.restart(), one.graceful_notification(), one.time()));
            }
            _ => {}
        }
    }
    assert_eq!(ours.asn.0, theirs.my_asn4());
    assert_eq!((ours.families, ours.four_octet), (multi.unwrap_or(Families::IPV4), four_octet));
    assert_eq!((ours.route_refresh, ours.role), (refresh, role));
    assert_eq!(ours.graceful_restart.map(|one| (one.restarting, one.notification, one.time)), restart);
}

/// The attributes of an UPDATE whose fields fit it, as flags, type and value, up to the first that does not fit.
fn attributes(bytes: &[u8]) -> Vec<(u8, u8, Vec<u8>)> {
    let body = &bytes[HEADER_LEN..];
    let length = |at: usize| usize::from(u16::from_be_bytes([body[at], body[at + 1]]));
    let start = 2 + length(0);
    let mut rest = &body[start + 2..start + 2 + length(start)];
    let mut found = Vec::new();
    loop {
        let (flags, kind, skip, size) = match *rest {
            [flags, kind, l0, l1, ..] if flags & 0x10 != 0 => {
                (flags, kind, 4, usize::from(u16::from_be_bytes([l0, l1])))
            }
            [flags, kind, length, ..] if flags & 0x10 == 0 => (flags, kind, 3, usize::from(length)),
            _ => return found,
        };
        let Some(value) = rest.get(skip..skip + size) else { return found };
        found.push((flags, kind, value.to_vec()));
        rest = &rest[skip + size..];
    }
}

fn first(bytes: &[u8], kind: AttributeType) -> Option<Vec<u8>> {
    attributes(bytes).into_iter().find(|(_, found, _)| *found == kind.0).map(|(_, _, value)| value)
}

/// Whether a number of a path is AS 0, or a segment one of a confederation's.
fn odd_path(value: &[u8], four_octet: bool) -> bool {
    let width = if four_octet { 4 } else { 2 };
    let mut rest = value;
    while let [kind, count, tail @ ..] = rest {
        let (segment, after) = tail.split_at(usize::from(*count) * width);
        if *kind > 2 || segment.chunks(width).any(|number| number.iter().all(|byte| *byte == 0)) {
            return true;
        }
        rest = after;
    }
    false
}

/// Whether ours may object to an UPDATE that theirs takes, for the flaw that ours names.
fn stricter(bytes: &[u8], codec: &Codec) -> bool {
    let Ok(Message::Update(update)) = decode(bytes, codec) else { return false };
    let (Verdict::Discard(flaw) | Verdict::TreatAsWithdraw(flaw)) = update.verdict() else { return false };
    explains(flaw, bytes, codec)
}

fn explains(flaw: Flaw, bytes: &[u8], codec: &Codec) -> bool {
    let value = first(bytes, flaw.attribute);
    let length = value.as_ref().map(Vec::len);
    match (flaw.attribute, flaw.defect) {
        // RFC 4271 section 5.1; what else is to be done without is the caller's in theirs.
        (_, Defect::Missing) => value.is_none(),
        // RFC 7606 sections 7.5, 7.9, 7.10: theirs does not know who is external.
        (_, Defect::External) => !codec.internal,
        // RFC 7607, and RFC 5065 section 5.
        (AttributeType::AS_PATH, Defect::Value) => odd_path(&value.unwrap(), codec.four_octet),
        (AttributeType::AGGREGATOR, Defect::Value) => true,
        // RFC 6793 section 6: one segment at least, and no AS 0 (RFC 7607).
        (AttributeType::AS4_PATH, Defect::Value) => {
            value.is_some_and(|value| value.is_empty() || odd_path(&value, true))
        }
        // RFC 4271 section 6.3: a host.
        (AttributeType::NEXT_HOP, Defect::Value) => {
            value.is_some_and(|value| matches!(value[0], 0 | 127 | 224..))
        }
        // RFC 7606 sections 7.8, 7.10, 7.14, RFC 8092 section 5: not empty.
        (
            AttributeType::COMMUNITIES
            | AttributeType::CLUSTER_LIST
            | AttributeType::EXTENDED_COMMUNITIES
            | AttributeType::IPV6_EXTENDED_COMMUNITIES
            | AttributeType::LARGE_COMMUNITIES,
            Defect::Length,
        ) => length == Some(0),
        // RFC 7606 section 7.9, RFC 9234 section 5: four octets, not more.
        (AttributeType::ORIGINATOR_ID | AttributeType::ONLY_TO_CUSTOMER, Defect::Length) => length > Some(4),
        // Theirs knows no AS4_AGGREGATOR (RFC 6793).
        (AttributeType::AS4_AGGREGATOR, _) => true,
        _ => false,
    }
}

/// Whether ours may refuse a message that theirs takes.
fn strictly_refused(bytes: &[u8], codec: &Codec, fault: &Fault) -> bool {
    let kind = bytes[18];
    let count = |kind: AttributeType| attributes(bytes).iter().filter(|one| one.1 == kind.0).count();
    match (kind, fault.reason()) {
        // RFC 7607: nobody is AS 0.
        (1, Reason::BAD_PEER_AS) => true,
        // RFC 9234 section 4.2: roles that contradict one another.
        (1, Reason::ROLE_MISMATCH) => true,
        // RFC 4271 section 4.4: 19 octets.
        (4 | 5, Reason::BAD_MESSAGE_LENGTH) => true,
        // RFC 7606 section 3 (g).
        (2, Reason::MALFORMED_ATTRIBUTE_LIST) => {
            count(AttributeType::MP_REACH_NLRI) > 1 || count(AttributeType::MP_UNREACH_NLRI) > 1
        }
        // RFC 4271 section 6.3: theirs lets an unknown attribute have any flags.
        (2, Reason::UNRECOGNIZED_WELL_KNOWN) => true,
        // RFC 7606 section 7.11: 16 or 32 octets; theirs takes all but 32 for 16. Of IPv4 by IPv6 (RFC 8950) we say nothing
        // in our OPEN.
        (2, Reason::OPTIONAL_ATTRIBUTE) if count(AttributeType::MP_REACH_NLRI) > 0 => {
            let value = first(bytes, AttributeType::MP_REACH_NLRI).unwrap();
            match value[..] {
                [0, 1, 1, length, ..] => length != 4,
                [0, 2, 1, length, ..] => !matches!(length, 16 | 32),
                _ => true,
            }
        }
        // RFC 7606 section 5.2: ours would have treated it as withdrawn, had there been a route.
        (2, _) => {
            let mut body = bytes[HEADER_LEN..].to_vec();
            body.extend([24, 192, 0, 2]);
            stricter(&wrap(2, &body), codec)
        }
        _ => false,
    }
}

/// Whether theirs may refuse a message that ours takes.
fn laxer(bytes: &[u8], codec: &Codec, error: &BgpMessageParsingError) -> bool {
    let error = format!("{error:?}");
    let says = |words: &[&str]| words.iter().any(|word| error.contains(word));
    match bytes[18] {
        1 => {
            // RFC 6286: any identifier but zero. RFC 4760, 4724: families and roles that we do not know are not for us to
            // judge; nor is what is within a capability that we do not read.
            says(&["InvalidBgpId", "UndefinedAddressFamily", "UndefinedSubsequentAddressFamily", "AddressTypeError"])
                || says(&["UndefinedBgpRoleValue", "UndefinedRole", "BgpRoleCapabilityError"])
                || says(&[
                    "LongLived", "Fqdn", "AddPath", "ExtendedNextHop", "MultipleLabel", "ExtendedMessageLength",
                    "EnhancedRouteRefresh", "InvalidRouteRefreshLength",
                ])
                // RFC 9072: longer parameters.
                || (bytes[28] == 255 && bytes[29] == 255)
        }
        // Theirs knows what is registered; ours shows any number. Some codes are younger than theirs (RFC 9687).
        3 => says(&["Undefined"]),
        // RFC 2918 section 4: what we have not offered is ignored.
        5 => says(&["Undefined", "AddressTypeError"]),
        2 => laxer_update(bytes, codec, &says),
        _ => false,
    }
}

fn laxer_update(bytes: &[u8], codec: &Codec, says: &dyn Fn(&[&str]) -> bool) -> bool {
    let list = attributes(bytes);
    let repeated = list.iter().enumerate().any(|(at, one)| list[..at].iter().any(|before| before.1 == one.1));
    let other_family = list
        .iter()
        .any(|(_, kind, value)| matches!(kind, 14 | 15) && !matches!(value[..], [0, 1 | 2, 1, ..]));
    let unread = list.iter().any(|(_, kind, _)| matches!(kind, 16 | 25 | 26 | 29 | 40));
    // RFC 7606 section 3 (c): the Partial flag is not among those that count.
    says(&["InvalidPartialFlagValue"])
        // RFC 4271 section 6.3 has a multicast route ignored; ours counts it, and there is nothing that it could do.
        || says(&["InvalidIpv4UnicastNetwork", "InvalidIpv6UnicastNetwork", "InvalidUnicastNetwork"])
        // RFC 7606 section 3 (g): only the first of an attribute is looked at.
        || repeated
        // RFC 4760 section 8: families that were not agreed on are passed over.
        || other_family
        // What is within attributes that ours does not read.
        || unread
        // RFC 6793 sections 4.1 and 6: AS4_PATH means nothing between those that know four octets, and a confederation's
        // segments in it are passed over.
        || (says(&["AsPathError"])
            && list.iter().any(|one| one.1 == 17 && (codec.four_octet || odd_path(&one.2, true))))
}
