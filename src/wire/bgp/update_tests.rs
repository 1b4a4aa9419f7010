//! What becomes of UPDATEs with errors: RFC 7606, paragraph by paragraph.

use super::*;

const SESSION: Codec = Codec { four_octet: true, families: Families::BOTH, internal: false };
const INTERNAL: Codec = Codec { internal: true, ..SESSION };
const OLD: Codec = Codec { four_octet: false, ..SESSION };

const ORIGIN: &[u8] = &[0x40, 1, 1, 0];
const AS_PATH: &[u8] = &[0x40, 2, 6, 2, 1, 0, 0, 0xFC, 0];
const NEXT_HOP: &[u8] = &[0x40, 3, 4, 10, 0, 0, 1];
const LOCAL_PREF: &[u8] = &[0x40, 5, 4, 0, 0, 0, 100];
const NLRI: &[u8] = &[24, 192, 0, 2];
/// 2001:db8::/32 by 2001:db8::1.
const REACH: &[u8] = &[
    0x80, 14, 26, 0, 2, 1, 16, 0x20, 1, 0xD, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 32, 0x20, 1, 0xD,
    0xB8,
];
const UNREACH: &[u8] = &[0x80, 15, 8, 0, 2, 1, 32, 0x20, 1, 0xD, 0xB8];

fn message(withdrawn: &[u8], attributes: &[&[u8]], nlri: &[u8]) -> Vec<u8> {
    let attributes = attributes.concat();
    let mut body = u16::try_from(withdrawn.len()).unwrap().to_be_bytes().to_vec();
    body.extend(withdrawn);
    body.extend(u16::try_from(attributes.len()).unwrap().to_be_bytes());
    body.extend(attributes);
    body.extend(nlri);
    wrap(&body)
}

fn wrap(body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xFF; 16];
    bytes.extend(u16::try_from(HEADER_LEN + body.len()).unwrap().to_be_bytes());
    bytes.push(2);
    bytes.extend(body);
    bytes
}

fn judge(bytes: &[u8], codec: &Codec) -> Result<Verdict, Reason> {
    match decode(bytes, codec) {
        Ok(Message::Update(update)) => Ok(update.verdict()),
        Ok(other) => panic!("{other:?}"),
        Err(fault) => Err(fault.reason()),
    }
}

/// The verdict on an announcement of one IPv4 route that is good but for `more`.
fn announce(more: &[&[u8]], codec: &Codec) -> Result<Verdict, Reason> {
    let mut attributes = vec![ORIGIN, AS_PATH, NEXT_HOP];
    if codec.internal {
        attributes.push(LOCAL_PREF);
    }
    attributes.extend(more);
    judge(&message(&[], &attributes, NLRI), codec)
}

fn withdraw(attribute: AttributeType, defect: Defect) -> Result<Verdict, Reason> {
    Ok(Verdict::TreatAsWithdraw(Flaw { attribute, defect }))
}

fn discard(attribute: AttributeType, defect: Defect) -> Result<Verdict, Reason> {
    Ok(Verdict::Discard(Flaw { attribute, defect }))
}

fn counts(bytes: &[u8], codec: &Codec) -> (usize, usize) {
    let Ok(Message::Update(update)) = decode(bytes, codec) else { panic!("no update") };
    (update.announced().count(), update.withdrawn().count())
}

#[test]
fn a_good_announcement_is_accepted() {
    assert_eq!(announce(&[], &SESSION), Ok(Verdict::Accept));
    assert_eq!(announce(&[], &INTERNAL), Ok(Verdict::Accept));
    let both = message(&[8, 10], &[REACH, UNREACH, ORIGIN, AS_PATH, NEXT_HOP], NLRI);
    assert_eq!(judge(&both, &SESSION), Ok(Verdict::Accept));
    assert_eq!(counts(&both, &SESSION), (2, 2));
}

#[test]
fn routes_of_a_bad_announcement_are_withdrawn() {
    let bytes = message(&[8, 10], &[REACH, &[0x40, 1, 1, 3], AS_PATH, NEXT_HOP], NLRI);
    assert_eq!(judge(&bytes, &SESSION), withdraw(AttributeType::ORIGIN, Defect::Value));
    assert_eq!(counts(&bytes, &SESSION), (0, 3));
}

#[test]
fn values_of_the_wrong_length_or_kind_are_treated_as_withdrawn() {
    for (attribute, defect) in [
        (&[0x40, 1, 0][..], Defect::Length),
        (&[0x40, 1, 2, 0, 0], Defect::Length),
        (&[0x40, 1, 1, 3], Defect::Value),
        (&[0x40, 2, 6, 5, 1, 0, 0, 0, 1], Defect::Value),
        (&[0x40, 2, 6, 2, 2, 0, 0, 0, 1], Defect::Value),
        (&[0x40, 2, 7, 2, 1, 0, 0, 0, 1, 2], Defect::Value),
        (&[0x40, 2, 2, 2, 0], Defect::Value),
        (&[0x40, 2, 6, 3, 1, 0, 0, 0, 1], Defect::Value),
        (&[0x40, 2, 6, 2, 1, 0, 0, 0, 0], Defect::Value),
        (&[0x40, 3, 3, 10, 0, 0], Defect::Length),
        (&[0x40, 3, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], Defect::Length),
        (&[0x40, 3, 4, 0, 0, 0, 0], Defect::Value),
        (&[0x40, 3, 4, 127, 0, 0, 1], Defect::Value),
        (&[0x40, 3, 4, 224, 0, 0, 1], Defect::Value),
        (&[0x40, 3, 4, 255, 255, 255, 255], Defect::Value),
        (&[0x80, 4, 3, 0, 0, 0], Defect::Length),
        (&[0x80, 4, 0], Defect::Length),
        (&[0xC0, 8, 0], Defect::Length),
        (&[0xC0, 8, 6, 0, 0, 0, 0, 0, 0], Defect::Length),
        (&[0xC0, 16, 0], Defect::Length),
        (&[0xC0, 16, 4, 0, 0, 0, 0], Defect::Length),
        (&[0xC0, 25, 8, 0, 0, 0, 0, 0, 0, 0, 0], Defect::Length),
        (&[0xC0, 32, 0], Defect::Length),
        (&[0xC0, 32, 8, 0, 0, 0, 0, 0, 0, 0, 0], Defect::Length),
        (&[0xC0, 35, 2, 0, 1], Defect::Length),
    ] {
        let kind = AttributeType(attribute[1]);
        let others: Vec<&[u8]> =
            [ORIGIN, AS_PATH, NEXT_HOP].into_iter().filter(|other| other[1] != attribute[1]).collect();
        let bytes = message(&[], &[&[attribute][..], &others].concat(), NLRI);
        assert_eq!(judge(&bytes, &SESSION), withdraw(kind, defect), "{attribute:?}");
    }
}

#[test]
fn flags_that_contradict_the_type_are_treated_as_withdrawn() {
    for (kind, flags) in (0..=255).filter_map(|kind| Some((kind, AttributeType(kind).flags()?))) {
        if matches!(kind, 14 | 15) {
            continue;
        }
        for wrong in [0, 0x40, 0x80, 0xC0].into_iter().filter(|wrong| *wrong != flags) {
            let others: Vec<&[u8]> =
                [ORIGIN, AS_PATH, NEXT_HOP].into_iter().filter(|other| other[1] != kind).collect();
            let bytes = message(&[], &[&[&[wrong, kind, 0][..]], &others[..]].concat(), NLRI);
            assert_eq!(
                judge(&bytes, &SESSION),
                withdraw(AttributeType(kind), Defect::Flags),
                "{kind} {wrong}"
            );
        }
    }
}

#[test]
fn the_partial_flag_and_unused_flags_do_not_matter() {
    for unused in [0x20, 0x0F, 0x2F] {
        let (mut origin, mut path) = ([0; 4], [0; 9]);
        origin.copy_from_slice(ORIGIN);
        path.copy_from_slice(AS_PATH);
        origin[0] |= unused;
        path[0] |= unused;
        let bytes = message(&[], &[&origin, &path, NEXT_HOP], NLRI);
        assert_eq!(judge(&bytes, &SESSION), Ok(Verdict::Accept));
    }
}

#[test]
fn a_length_of_two_octets_is_as_good_as_one() {
    let bytes = message(&[], &[&[0x50, 1, 0, 1, 0], AS_PATH, NEXT_HOP], NLRI);
    assert_eq!(judge(&bytes, &SESSION), Ok(Verdict::Accept));
}

#[test]
fn errors_that_cannot_mislead_cost_the_attribute_only() {
    assert_eq!(
        announce(&[&[0x40, 6, 1, 0]], &SESSION),
        discard(AttributeType::ATOMIC_AGGREGATE, Defect::Length)
    );
    let short: &[u8] = &[0xC0, 7, 6, 0, 1, 10, 0, 0, 1];
    let long: &[u8] = &[0xC0, 7, 8, 0, 0, 0, 1, 10, 0, 0, 1];
    assert_eq!(announce(&[short], &SESSION), discard(AttributeType::AGGREGATOR, Defect::Length));
    assert_eq!(announce(&[long], &SESSION), Ok(Verdict::Accept));
    let path: &[u8] = &[0x40, 2, 4, 2, 1, 0xFC, 0];
    for (aggregator, wanted) in
        [(long, discard(AttributeType::AGGREGATOR, Defect::Length)), (short, Ok(Verdict::Accept))]
    {
        let bytes = message(&[], &[ORIGIN, path, NEXT_HOP, aggregator], NLRI);
        assert_eq!(judge(&bytes, &OLD), wanted);
    }
    let nobody: &[u8] = &[0xC0, 7, 8, 0, 0, 0, 0, 10, 0, 0, 1];
    assert_eq!(announce(&[nobody], &SESSION), discard(AttributeType::AGGREGATOR, Defect::Value));
}

#[test]
fn four_octet_attributes_are_judged_only_where_numbers_take_two() {
    let path: &[u8] = &[0x40, 2, 4, 2, 1, 0xFC, 0];
    for as4_path in [
        &[0xC0, 17, 0][..],
        &[0xC0, 17, 2, 2, 1],
        &[0xC0, 17, 6, 9, 1, 0, 0, 0, 1],
        &[0xC0, 17, 2, 2, 0],
        &[0xC0, 17, 6, 2, 1, 0, 0, 0, 0],
    ] {
        let bytes = message(&[], &[ORIGIN, path, NEXT_HOP, as4_path], NLRI);
        assert_eq!(judge(&bytes, &OLD), discard(AttributeType::AS4_PATH, Defect::Value), "{as4_path:?}");
        assert_eq!(announce(&[as4_path], &SESSION), Ok(Verdict::Accept));
    }
    let confederation: &[u8] = &[0xC0, 17, 12, 3, 1, 0, 0, 0, 1, 2, 1, 0, 0, 0, 2];
    assert_eq!(
        judge(&message(&[], &[ORIGIN, path, NEXT_HOP, confederation], NLRI), &OLD),
        Ok(Verdict::Accept)
    );
    let aggregator: &[u8] = &[0xC0, 18, 6, 0, 1, 10, 0, 0, 1];
    let bytes = message(&[], &[ORIGIN, path, NEXT_HOP, aggregator], NLRI);
    assert_eq!(judge(&bytes, &OLD), discard(AttributeType::AS4_AGGREGATOR, Defect::Length));
    assert_eq!(announce(&[aggregator], &SESSION), Ok(Verdict::Accept));
}

#[test]
fn what_belongs_within_a_system_is_discarded_from_without() {
    for (kind, value) in [
        (AttributeType::LOCAL_PREF, &[0x40, 5, 4, 0, 0, 0, 9][..]),
        (AttributeType::LOCAL_PREF, &[0x40, 5, 1, 0]),
        (AttributeType::ORIGINATOR_ID, &[0x80, 9, 4, 1, 1, 1, 1]),
        (AttributeType::CLUSTER_LIST, &[0x80, 10, 0]),
    ] {
        assert_eq!(announce(&[value], &SESSION), discard(kind, Defect::External));
    }
    let originator = announce(&[&[0x80, 9, 3, 1, 1, 1]], &INTERNAL);
    assert_eq!(originator, withdraw(AttributeType::ORIGINATOR_ID, Defect::Length));
    let clusters = announce(&[&[0x80, 10, 0]], &INTERNAL);
    assert_eq!(clusters, withdraw(AttributeType::CLUSTER_LIST, Defect::Length));
    assert_eq!(announce(&[&[0x80, 10, 8, 0, 0, 0, 1, 0, 0, 0, 2]], &INTERNAL), Ok(Verdict::Accept));
}

#[test]
fn a_missing_mandatory_attribute_is_treated_as_withdrawn() {
    for missing in 0..3 {
        let all = [ORIGIN, AS_PATH, NEXT_HOP];
        let kind = AttributeType(all[missing][1]);
        let rest: Vec<&[u8]> = all.into_iter().filter(|one| one[1] != kind.0).collect();
        assert_eq!(judge(&message(&[], &rest, NLRI), &SESSION), withdraw(kind, Defect::Missing));
    }
    let bytes = message(&[], &[ORIGIN, AS_PATH, NEXT_HOP], NLRI);
    assert_eq!(judge(&bytes, &INTERNAL), withdraw(AttributeType::LOCAL_PREF, Defect::Missing));
    assert_eq!(
        judge(&message(&[], &[REACH, ORIGIN], &[]), &SESSION),
        withdraw(AttributeType::AS_PATH, Defect::Missing)
    );
    assert_eq!(judge(&message(&[], &[], NLRI), &SESSION), withdraw(AttributeType::ORIGIN, Defect::Missing));
}

#[test]
fn only_routes_of_the_message_itself_need_a_next_hop() {
    assert_eq!(judge(&message(&[], &[REACH, ORIGIN, AS_PATH], &[]), &SESSION), Ok(Verdict::Accept));
    // RFC 4760 section 3: there, it is ignored.
    let odd: &[u8] = &[0x40, 3, 4, 0, 0, 0, 0];
    assert_eq!(judge(&message(&[], &[REACH, ORIGIN, AS_PATH, odd], &[]), &SESSION), Ok(Verdict::Accept));
    assert_eq!(judge(&message(&[8, 10], &[UNREACH], &[]), &SESSION), Ok(Verdict::Accept));
}

#[test]
fn all_but_the_first_of_an_attribute_are_ignored() {
    assert_eq!(announce(&[&[0x40, 1, 1, 9], &[0x40, 3, 0], &[0, 2, 0]], &SESSION), Ok(Verdict::Accept));
    let bytes =
        message(&[], &[&[0x80, 4, 4, 0, 0, 0, 1, 0x80, 4, 4, 0, 0, 0, 2], ORIGIN, AS_PATH, NEXT_HOP], NLRI);
    let Ok(Message::Update(update)) = decode(&bytes, &SESSION) else { panic!("no update") };
    assert_eq!((update.verdict(), update.med()), (Verdict::Accept, Some(1)));
}

#[test]
fn routes_of_other_families_twice_end_the_session() {
    for twice in [REACH, UNREACH] {
        let bytes = message(&[], &[twice, twice, ORIGIN, AS_PATH, NEXT_HOP], NLRI);
        assert_eq!(judge(&bytes, &SESSION), Err(Reason::MALFORMED_ATTRIBUTE_LIST));
    }
}

#[test]
fn the_strongest_handling_wins_and_the_first_of_its_kind_is_named() {
    let bytes = message(&[], &[&[0x40, 6, 1, 0], &[0x80, 4, 0], &[0x40, 1, 1, 3], AS_PATH, NEXT_HOP], NLRI);
    assert_eq!(judge(&bytes, &SESSION), withdraw(AttributeType::MULTI_EXIT_DISC, Defect::Length));
}

#[test]
fn an_error_in_a_message_without_routes_ends_the_session() {
    let bad: &[u8] = &[0x40, 1, 1, 3];
    let fault = decode(&message(&[], &[bad], &[]), &SESSION).unwrap_err();
    assert_eq!((fault.reason(), fault.data()), (Reason::INVALID_ORIGIN, bad));
    // Withdrawn routes do not help: there may have been others.
    assert_eq!(judge(&message(&[8, 10], &[UNREACH, bad], &[]), &SESSION), Err(Reason::INVALID_ORIGIN));
    // What costs an attribute only costs no more here.
    let odd: &[u8] = &[0x40, 6, 1, 0];
    assert_eq!(
        judge(&message(&[8, 10], &[odd], &[]), &SESSION),
        discard(AttributeType::ATOMIC_AGGREGATE, Defect::Length)
    );
    // Routes of a family that is not ours are routes all the same.
    let flow: &[u8] = &[0x80, 14, 8, 0, 1, 133, 0, 0, 1, 2, 3];
    assert_eq!(
        judge(&message(&[], &[flow, bad, AS_PATH], &[]), &SESSION),
        withdraw(AttributeType::ORIGIN, Defect::Value)
    );
}

#[test]
fn a_list_that_ends_within_an_attribute_is_treated_as_withdrawn() {
    for (rest, kind) in [
        (&[0x40][..], 0),
        (&[0x40, 1], 1),
        (&[0x50, 1, 0], 1),
        (&[0x40, 8, 200, 1, 2], 8),
        (&[0x50, 8, 0xFF, 0xFF, 1, 2], 8),
    ] {
        assert_eq!(announce(&[rest], &SESSION), withdraw(AttributeType(kind), Defect::Truncated), "{rest:?}");
        let alone = message(&[8, 10], &[rest], &[]);
        assert_eq!(judge(&alone, &SESSION), Err(Reason::MALFORMED_ATTRIBUTE_LIST), "{rest:?}");
    }
    // If that attribute holds routes, they cannot be told.
    for kind in [14, 15] {
        assert_eq!(announce(&[&[0x80, kind, 200, 0, 2, 1]], &SESSION), Err(Reason::MALFORMED_ATTRIBUTE_LIST));
    }
}

#[test]
fn fields_longer_than_the_message_end_the_session() {
    for body in
        [&[0, 1, 0, 0][..], &[0xFF, 0xFF, 0, 0], &[0, 0, 0, 1], &[0, 2, 8, 10, 0], &[0, 0, 0xFF, 0xFF, 1]]
    {
        assert_eq!(judge(&wrap(body), &SESSION), Err(Reason::MALFORMED_ATTRIBUTE_LIST));
    }
}

#[test]
fn routes_that_cannot_be_told_end_the_session() {
    for list in [&[33, 1, 2, 3, 4, 5][..], &[24, 192, 0], &[8]] {
        let good = [ORIGIN, AS_PATH, NEXT_HOP];
        assert_eq!(judge(&message(&[], &good, list), &SESSION), Err(Reason::INVALID_NETWORK_FIELD));
        assert_eq!(judge(&message(list, &[], &[]), &SESSION), Err(Reason::INVALID_NETWORK_FIELD));
        // Even if the session does not carry IPv4.
        let codec = Codec { families: Families::IPV6, ..SESSION };
        assert_eq!(judge(&message(list, &[], &[]), &codec), Err(Reason::INVALID_NETWORK_FIELD));
    }
}

#[test]
fn routes_of_other_families_that_cannot_be_told_end_the_session() {
    let with_next_hop = |length: u8, routes: &[u8]| {
        let mut value = vec![0x80, 14, 0, 0, 2, 1, length];
        value.extend(vec![0x20; length.into()]);
        value.push(0);
        value.extend(routes);
        value[2] = u8::try_from(value.len() - 3).unwrap();
        value
    };
    for length in [16, 32] {
        let good = with_next_hop(length, &[0]);
        assert_eq!(judge(&message(&[], &[&good, ORIGIN, AS_PATH], &[]), &SESSION), Ok(Verdict::Accept));
    }
    let mut bad: Vec<Vec<u8>> = [0, 4, 15, 17, 24, 33, 48].map(|length| with_next_hop(length, &[0])).to_vec();
    bad.push(with_next_hop(16, &[129; 18]));
    bad.push(with_next_hop(16, &[64, 1, 2]));
    bad.push(vec![0x80, 14, 4, 0, 2, 1, 0]);
    bad.push(vec![0x80, 14, 5, 0, 2, 1, 16, 0]);
    bad.push(vec![0x80, 14, 0]);
    bad.push(vec![0x80, 15, 2, 0, 2]);
    bad.push(vec![0x80, 15, 0]);
    bad.push(vec![0x80, 15, 5, 0, 2, 1, 129, 1]);
    bad.push(vec![0x80, 15, 5, 0, 2, 1, 32, 1]);
    for attribute in bad {
        let bytes = message(&[], &[&attribute, ORIGIN, AS_PATH, NEXT_HOP], NLRI);
        let fault = decode(&bytes, &SESSION).unwrap_err();
        assert_eq!(fault.reason(), Reason::OPTIONAL_ATTRIBUTE, "{attribute:?}");
        assert_eq!(fault.data(), attribute.get(..FAULT_DATA_MAX).unwrap_or(&attribute));
    }
    for wrong in [0xC0, 0x40, 0] {
        for kind in [14, 15] {
            let attribute = [wrong, kind, 3, 0, 2, 1];
            let bytes = message(&[], &[&attribute], &[]);
            assert_eq!(judge(&bytes, &SESSION), Err(Reason::ATTRIBUTE_FLAGS));
        }
    }
}

#[test]
fn families_that_the_session_does_not_carry_are_passed_over() {
    let only4 = Codec { families: Families::IPV4, ..SESSION };
    let only6 = Codec { families: Families::IPV6, ..SESSION };
    let both = message(&[8, 10], &[REACH, UNREACH, ORIGIN, AS_PATH, NEXT_HOP], NLRI);
    assert_eq!(counts(&both, &only4), (1, 1));
    assert_eq!(counts(&both, &only6), (1, 1));
    // Their routes are not read, so they cannot be wrong.
    let odd: &[u8] = &[0x80, 14, 7, 0, 2, 1, 0, 0, 200, 1];
    assert_eq!(announce(&[odd], &only4), Ok(Verdict::Accept));
    // Where their next hop ends still has to be in sight.
    assert_eq!(announce(&[&[0x80, 14, 5, 0, 25, 70, 9, 0]], &SESSION), Err(Reason::OPTIONAL_ATTRIBUTE));
}

#[test]
fn ipv4_routes_may_come_by_multiprotocol() {
    let reach: &[u8] = &[0x80, 14, 13, 0, 1, 1, 4, 10, 0, 0, 1, 0, 24, 192, 0, 2];
    let bytes = message(&[], &[reach, ORIGIN, AS_PATH], &[]);
    let Ok(Message::Update(update)) = decode(&bytes, &SESSION) else { panic!("no update") };
    assert_eq!(update.verdict(), Verdict::Accept);
    assert_eq!(update.announced().map(|prefix| prefix.to_string()).collect::<Vec<_>>(), ["192.0.2.0/24"]);
    assert_eq!(update.next_hop(Family::Ipv4), Some("10.0.0.1".parse().unwrap()));
}

#[test]
fn unknown_attributes_are_passed_over_unless_they_are_not_optional() {
    for flags in [0x80, 0xC0, 0xE0] {
        assert_eq!(announce(&[&[flags, 200, 1, 0]], &SESSION), Ok(Verdict::Accept));
    }
    for flags in [0, 0x40] {
        let bytes = message(&[], &[&[flags, 200, 1, 7], ORIGIN, AS_PATH, NEXT_HOP], NLRI);
        let fault = decode(&bytes, &SESSION).unwrap_err();
        assert_eq!(fault.reason(), Reason::UNRECOGNIZED_WELL_KNOWN);
        assert_eq!(fault.data(), [flags, 200, 1, 7]);
    }
}

#[test]
fn only_an_update_that_says_nothing_else_ends_the_routes() {
    let end = |bytes: &[u8]| {
        let Ok(Message::Update(update)) = decode(bytes, &SESSION) else { panic!("no update") };
        update.end_of_rib()
    };
    assert_eq!(end(&message(&[], &[], &[])), Some(Family::Ipv4));
    assert_eq!(end(&message(&[], &[&[0x80, 15, 3, 0, 2, 1]], &[])), Some(Family::Ipv6));
    assert_eq!(end(&message(&[], &[&[0x80, 15, 3, 0, 1, 1]], &[])), Some(Family::Ipv4));
    assert_eq!(end(&message(&[], &[&[0x80, 15, 3, 0, 25, 70]], &[])), None);
    assert_eq!(end(&message(&[8, 10], &[], &[])), None);
    assert_eq!(end(&message(&[], &[UNREACH], &[])), None);
    assert_eq!(end(&message(&[8, 10], &[&[0x80, 15, 3, 0, 2, 1]], &[])), None);
    assert_eq!(end(&message(&[], &[&[0x80, 15, 3, 0, 2, 1], ORIGIN], &[])), None);
    assert_eq!(end(&message(&[], &[ORIGIN, AS_PATH, NEXT_HOP], NLRI)), None);
}

#[test]
fn the_data_of_a_fault_is_the_attribute() {
    let mut long = vec![0x80, 15, 100, 0, 2, 1, 129];
    long.resize(103, 1);
    let fault = decode(&message(&[], &[&long], &[]), &SESSION).unwrap_err();
    assert_eq!(fault.data(), &long[..FAULT_DATA_MAX]);
}
