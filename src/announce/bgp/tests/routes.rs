//! What a neighbour is told, and when nothing is said.

use std::time::Duration;

use super::hand::{FIRST, Hand, keepalive, open};
use super::link::{Link, announced};
use super::{A, B, asn, med, prefix, settings, via};
use crate::announce::bgp::Input;
use crate::announce::io::NeighborId;
use crate::announce::policy::{Attributes, NextHop};
use crate::wire::bgp::write;
use crate::wire::bgp::{Asn, Codec, Community, Families, Family, LargeCommunity, Message, Role, decode};

const SECOND: Duration = Duration::from_secs(1);
const V4: &str = "198.51.100.0/24";
const OTHER: &str = "203.0.113.0/24";
const V6: &str = "2001:db8:1::/48";

#[test]
fn only_what_changes_is_sent() {
    let mut link = Link::established();
    link.take_sent(A);
    type Step<'a> = (&'a [(&'a str, Attributes)], &'a [&'a str]);
    let steps: [Step<'_>; 8] = [
        (&[(V4, med(1)), (OTHER, med(1))], &["+198.51.100.0/24 +203.0.113.0/24 med 1"]),
        (&[(V4, med(1)), (OTHER, med(1))], &[]),
        (&[(OTHER, med(1)), (V4, med(1))], &[]),
        (&[(V4, med(1)), (OTHER, med(2))], &["+203.0.113.0/24 med 2"]),
        (&[(V4, med(3))], &["-203.0.113.0/24", "+198.51.100.0/24 med 3"]),
        (&[(V4, Attributes::default())], &["+198.51.100.0/24"]),
        (&[], &["-198.51.100.0/24"]),
        (&[], &[]),
    ];
    for (wanted, sent) in steps {
        link.set_routes(A, wanted);
        link.run(SECOND);
        assert_eq!(link.take_sent(A), sent);
    }
}

#[test]
fn what_the_policy_does_not_announce_is_withdrawn() {
    let mut hand = Hand::established(&settings(A));
    let route = |attributes| vec![(prefix(V4), attributes)];
    hand.speaker.set_routes(hand.now, NeighborId(0), route(Some(med(1))));
    hand.speaker.set_routes(hand.now, NeighborId(0), route(None));
    hand.speaker.set_routes(hand.now, NeighborId(0), route(None));
    hand.collect();
    assert_eq!(hand.take(), ["1 +198.51.100.0/24 med 1", "1 -198.51.100.0/24"]);
}

#[test]
fn a_route_goes_out_with_everything_that_the_policy_gave_it() {
    let mut both = [settings(A), settings(B)];
    both[A].neighbors[0].role = Some(Role::Provider);
    both[B].neighbors[0].passive = true;
    let mut link = Link::new(both);
    let attributes = Attributes {
        med: Some(40_800),
        prepend: 2,
        communities: vec![Community::GRACEFUL_SHUTDOWN, Community::new(64512, 7)],
        large_communities: vec![LargeCommunity { global: 64512, local1: 1, local2: 2 }],
        next_hop: NextHop::Own,
    };
    link.set_routes(A, &[(V4, attributes.clone())]);
    link.run(SECOND);
    let told = link.view(A).session.unwrap().announced;
    assert_eq!(told[0].attributes, via("192.0.2.1", attributes));
    let bytes = link.updates(A).remove(0);
    let codec = Codec { four_octet: true, families: Families::IPV4, internal: false };
    let Message::Update(update) = decode(&bytes, &codec).unwrap() else { panic!() };
    assert_eq!(update.origin(), Some(0));
    assert_eq!(update.as_path().unwrap().collect::<Vec<_>>(), [asn(A); 3]);
    assert_eq!(update.next_hop(Family::Ipv4), Some([192, 0, 2, 1].into()));
    assert_eq!(update.communities().count(), 2);
    assert_eq!(update.large_communities().count(), 1);
    // RFC 9234 section 5: a provider marks what a customer must not pass upward.
    assert_eq!(update.only_to_customer(), Some(asn(A)));
    assert_eq!(update.local_pref(), None);
}

#[test]
fn a_neighbour_that_knows_only_small_numbers_still_learns_the_path() {
    let mut large = settings(A);
    large.asn = Asn(4_200_000_077);
    large.neighbors[0].asn = Asn(64999);
    let mut hand = Hand::new(&large);
    hand.handle(Input::Tick);
    hand.connect(hand.asked[0]);
    // An OPEN without capabilities.
    let mut bytes = open(|open| open.asn = Asn(64999));
    bytes.truncate(29);
    bytes[17] = 29;
    bytes[28] = 0;
    hand.feed(hand.asked[0], &bytes);
    hand.feed(hand.asked[0], &keepalive());
    hand.collect();
    let attributes = Attributes { prepend: 1, ..med(1) };
    hand.speaker.set_routes(hand.now, NeighborId(0), vec![(prefix(V4), Some(attributes))]);
    let Some(crate::announce::io::Action::Send { bytes, .. }) = hand.speaker.poll() else { panic!() };
    let codec = Codec { four_octet: false, families: Families::IPV4, internal: false };
    let Message::Update(update) = decode(&bytes, &codec).unwrap() else { panic!() };
    assert_eq!(update.as_path().unwrap().collect::<Vec<_>>(), [Asn::TRANS; 2]);
    let as4 = update.find(crate::wire::bgp::AttributeType::AS4_PATH).unwrap();
    assert_eq!(as4[2..], [4_200_000_077_u32.to_be_bytes(); 2].concat());
}

#[test]
fn ipv6_goes_over_a_session_of_ipv4_with_a_next_hop_of_its_own() {
    let mut both = [settings(A), settings(B)];
    both[A].neighbors[0].families = Families::BOTH;
    both[B].neighbors[0].families = Families::BOTH;
    both[B].neighbors[0].passive = true;
    let mut link = Link::new(both);
    link.set_routes(A, &[(V4, med(1)), (V6, med(1))]);
    link.run(SECOND);
    assert_eq!(link.take_sent(A), ["OPEN 64512", "+198.51.100.0/24 med 1", "END IPv4", "END IPv6"]);
    let session = link.view(A).session.unwrap();
    assert_eq!(session.withheld[0].prefix, prefix(V6));
    assert_eq!(
        session.withheld[0].reason,
        "our address on the session is not IPv6: give the prefix a `next_hop`"
    );
    link.set_routes(A, &[(V4, med(1)), (V6, via("2001:db8::1", med(1)))]);
    link.run(SECOND);
    assert_eq!(link.take_sent(A), ["+2001:db8:1::/48 med 1"]);
    assert_eq!(link.view(A).session.unwrap().withheld, []);
    assert_eq!(link.view(B).session.unwrap().received, [(Family::Ipv4, 1), (Family::Ipv6, 1)]);
    // And away again: the family is not lost with the last route.
    link.set_routes(A, &[(V4, med(1))]);
    link.run(SECOND);
    assert_eq!(link.take_sent(A), ["-2001:db8:1::/48"]);
    assert_eq!(link.view(B).session.unwrap().received, [(Family::Ipv4, 1), (Family::Ipv6, 0)]);
}

#[test]
fn a_family_that_was_not_agreed_upon_is_withheld_and_the_reason_shown() {
    let mut link = Link::established();
    link.take_sent(A);
    link.set_routes(A, &[(V6, via("2001:db8::1", med(1)))]);
    link.run(SECOND);
    assert_eq!(link.take_sent(A), [""; 0]);
    let withheld = link.view(A).session.unwrap().withheld;
    assert_eq!(withheld[0].reason, "the session does not carry IPv6: `families` of both sides must have it");
}

#[test]
fn attributes_that_no_message_can_hold_take_the_route_back_and_are_shown() {
    let mut link = Link::established();
    link.set_routes(A, &[(V4, med(1)), (OTHER, med(1))]);
    link.run(SECOND);
    link.take_sent(A);
    let too_many = Attributes { communities: vec![Community(1); 1100], ..med(1) };
    link.set_routes(A, &[(V4, too_many), (OTHER, med(1))]);
    link.run(SECOND);
    assert_eq!(link.take_sent(A), ["-198.51.100.0/24"], "better none than one with the old attributes");
    let withheld = link.view(A).session.unwrap().withheld;
    assert!(withheld[0].reason.contains("fewer communities"), "{withheld:?}");
}

#[test]
fn a_request_for_all_routes_is_answered_once_a_second_at_most() {
    let mut link = Link::established();
    link.set_routes(A, &[(V4, med(1)), (OTHER, med(2))]);
    link.run(5 * SECOND);
    link.take_sent(A);
    let mut hand_made = Vec::new();
    for _ in 0..1000 {
        write::route_refresh(&mut hand_made, Family::Ipv4);
    }
    let connection = link.connection(A);
    let all = ["+198.51.100.0/24 med 1", "+203.0.113.0/24 med 2"];
    for _ in 0..10 {
        link.handle(A, Input::Received { connection, bytes: &hand_made });
    }
    assert_eq!(link.take_sent(A), all);
    link.run(SECOND - Duration::from_nanos(1));
    assert_eq!(link.take_sent(A), [""; 0]);
    link.run(Duration::from_nanos(1));
    assert_eq!(link.take_sent(A), all, "what was asked for meanwhile");
    link.run(60 * SECOND);
    assert_eq!(link.take_sent(A), [""; 0]);
}

#[test]
fn a_request_for_what_the_session_does_not_carry_is_ignored() {
    let mut hand = Hand::established(&settings(A));
    hand.speaker.set_routes(hand.now, NeighborId(0), vec![(prefix(V4), Some(med(1)))]);
    hand.collect();
    hand.take();
    let mut bytes = Vec::new();
    write::route_refresh(&mut bytes, Family::Ipv6);
    hand.feed(FIRST, &bytes);
    // A family that nobody knows, and the marks of an answer (RFC 7313).
    bytes[19..].copy_from_slice(&[0, 25, 0, 70]);
    hand.feed(FIRST, &bytes);
    bytes[19..].copy_from_slice(&[0, 1, 1, 1]);
    hand.feed(FIRST, &bytes);
    assert_eq!(hand.take(), [""; 0]);
}

#[test]
fn with_graceful_restart_the_end_of_routes_is_said_only_once_it_is_known_what_they_are() {
    let mut graceful = settings(A);
    graceful.neighbors[0].graceful_restart = Some(60);
    let mut hand = Hand::established(&graceful);
    hand.pass(SECOND);
    assert_eq!(hand.take(), [""; 0]);
    hand.speaker.set_routes(hand.now, NeighborId(0), vec![(prefix(V4), Some(med(1)))]);
    hand.collect();
    assert_eq!(hand.take(), ["1 +198.51.100.0/24 med 1", "1 END IPv4"]);
}

#[test]
fn many_prefixes_share_messages() {
    let mut link = Link::established();
    link.take_sent(A);
    let routes: Vec<_> =
        (0..2000_u32).map(|n| (prefix(&format!("10.{}.{}.0/24", n / 256, n % 256)), Some(med(1)))).collect();
    link.sides[A].speaker.set_routes(link.now, NeighborId(0), routes);
    link.handle(A, Input::Tick);
    assert_eq!(announced(&link.view(A)).len(), 2000);
    assert!(link.take_sent(A).len() <= 3);
}
