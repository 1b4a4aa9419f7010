//! OPENs that are wrong, and those that only look so.

use super::*;

/// An OPEN with these optional parameters, their length before them.
fn open_with(options: &[u8]) -> Vec<u8> {
    fixed([4, 0xFC, 0, 0, 90, 10, 0, 0, 1], options)
}

fn fixed(fields: [u8; 9], options: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xFF; 16];
    bytes.extend(u16::try_from(HEADER_LEN + 9 + options.len()).unwrap().to_be_bytes());
    bytes.push(1);
    bytes.extend(fields);
    bytes.extend(options);
    bytes
}

/// One parameter that holds these capabilities.
fn open_with_capabilities(capabilities: &[u8]) -> Vec<u8> {
    let length = u8::try_from(capabilities.len()).unwrap();
    let mut options = vec![length + 2, 2, length];
    options.extend(capabilities);
    open_with(&options)
}

fn read(bytes: &[u8]) -> Result<Open<'_>, Fault> {
    let Message::Open(open) = decode(bytes, &Codec::default())? else { panic!("no open") };
    Ok(open)
}

fn reason(bytes: &[u8]) -> Reason {
    read(bytes).unwrap_err().reason()
}

#[test]
fn an_open_without_parameters_means_ipv4_and_two_octets() {
    let bytes = open_with(&[0]);
    let open = read(&bytes).unwrap();
    assert_eq!((open.asn, open.hold, open.id.to_string()), (Asn(64512), 90, "10.0.0.1".to_owned()));
    assert_eq!((open.families, open.four_octet, open.route_refresh), (Families::IPV4, false, false));
    assert_eq!((open.role, open.graceful_restart, open.capabilities().count()), (None, None, 0));
}

#[test]
fn a_family_that_is_named_alone_is_the_only_one() {
    assert_eq!(read(&open_with_capabilities(&[1, 4, 0, 2, 0, 1])).unwrap().families, Families::IPV6);
    assert_eq!(
        read(&open_with_capabilities(&[1, 4, 0, 2, 0, 1, 1, 4, 0, 1, 9, 1])).unwrap().families,
        Families::BOTH
    );
    // One that we do not know is not IPv4 either.
    assert!(read(&open_with_capabilities(&[1, 4, 0, 1, 0, 128])).unwrap().families.is_empty());
}

#[test]
fn capabilities_may_stand_in_one_parameter_each() {
    let bytes = open_with(&[14, 2, 2, 2, 0, 2, 6, 65, 4, 0, 1, 0, 0, 2, 0]);
    let open = read(&bytes).unwrap();
    assert_eq!((open.asn, open.four_octet, open.route_refresh), (Asn(65536), true, true));
    assert_eq!(open.capabilities().count(), 2);
}

#[test]
fn unknown_capabilities_are_passed_over_and_shown() {
    let bytes = open_with_capabilities(&[70, 0, 99, 3, 1, 2, 3, 2, 0]);
    let open = read(&bytes).unwrap();
    let shown: Vec<_> = open.capabilities().map(|capability| capability.to_string()).collect();
    assert_eq!(shown, ["enhanced route refresh", "capability 99", "route refresh"]);
}

#[test]
fn another_version_is_answered_with_ours() {
    for version in [0, 3, 5] {
        let fault = read(&fixed([version, 0, 1, 0, 90, 1, 1, 1, 1], &[0])).unwrap_err();
        assert_eq!((fault.reason(), fault.data()), (Reason::UNSUPPORTED_VERSION, &[0, 4][..]));
    }
}

#[test]
fn a_hold_time_of_one_or_two_seconds_is_refused() {
    for (hold, good) in [(0, true), (1, false), (2, false), (3, true)] {
        let bytes = fixed([4, 0, 1, 0, hold, 1, 1, 1, 1], &[0]);
        let found = read(&bytes).map(|open| open.hold);
        assert_eq!(
            found.map_err(|fault| fault.reason()),
            match good {
                true => Ok(u16::from(hold)),
                false => Err(Reason::UNACCEPTABLE_HOLD_TIME),
            }
        );
    }
}

#[test]
fn zero_is_no_identifier_and_no_system() {
    assert_eq!(reason(&fixed([4, 0, 1, 0, 90, 0, 0, 0, 0], &[0])), Reason::BAD_BGP_IDENTIFIER);
    assert_eq!(reason(&fixed([4, 0, 0, 0, 90, 1, 1, 1, 1], &[0])), Reason::BAD_PEER_AS);
    assert_eq!(reason(&open_with_capabilities(&[65, 4, 0, 0, 0, 0])), Reason::BAD_PEER_AS);
}

#[test]
fn parameters_that_do_not_fit_are_malformed() {
    for options in [
        &[1][..],
        &[0, 0],
        &[1, 2],
        &[2, 2, 1],
        &[4, 2, 2, 2],
        &[3, 2, 2, 2, 0],
        &[4, 2, 1, 2, 0],
        &[255],
        &[255, 255, 0, 1],
        &[255, 255, 0, 0, 0],
    ] {
        assert_eq!(reason(&open_with(options)), Reason::OPEN_MALFORMED, "{options:?}");
    }
}

#[test]
fn a_capability_of_the_wrong_length_is_malformed() {
    for capability in [
        &[1, 3, 0, 1, 0][..],
        &[1, 5, 0, 1, 0, 1, 0],
        &[2, 1, 0],
        &[9, 0],
        &[9, 2, 0, 0],
        &[64, 0],
        &[64, 1, 0],
        &[64, 5, 0, 0, 0, 1, 1],
        &[65, 2, 0, 1],
        &[65, 6, 0, 0, 0, 1, 0, 0],
        &[2],
        &[99, 1],
    ] {
        assert_eq!(reason(&open_with_capabilities(capability)), Reason::OPEN_MALFORMED, "{capability:?}");
    }
}

#[test]
fn a_parameter_that_is_no_capability_is_refused() {
    assert_eq!(reason(&open_with(&[2, 1, 0])), Reason::UNSUPPORTED_OPTIONAL_PARAMETER);
    assert_eq!(reason(&open_with(&[2, 3, 0])), Reason::UNSUPPORTED_OPTIONAL_PARAMETER);
}

#[test]
fn parameters_may_be_longer_than_an_octet_says() {
    let mut capabilities = [99, 100].to_vec();
    capabilities.extend([7; 100]);
    capabilities = capabilities.repeat(4);
    capabilities.extend([2, 0]);
    let length = u16::try_from(capabilities.len()).unwrap();
    let mut options = vec![255, 255];
    options.extend((length + 3).to_be_bytes());
    options.push(2);
    options.extend(length.to_be_bytes());
    options.extend(capabilities);
    let bytes = open_with(&options);
    let open = read(&bytes).unwrap();
    assert_eq!((open.capabilities().count(), open.route_refresh), (5, true));
    // The long form may also be used for what would have fitted the short one.
    assert!(read(&open_with(&[255, 255, 0, 5, 2, 0, 2, 2, 0])).unwrap().route_refresh);
    assert!(read(&open_with(&[255, 255, 0, 0])).is_ok());
}

#[test]
fn roles_that_contradict_one_another_are_a_mismatch() {
    assert_eq!(read(&open_with_capabilities(&[9, 1, 3, 9, 1, 3])).unwrap().role, Some(3));
    assert_eq!(reason(&open_with_capabilities(&[9, 1, 3, 9, 1, 4])), Reason::ROLE_MISMATCH);
    // What a number means is not for the reader to say.
    assert_eq!(read(&open_with_capabilities(&[9, 1, 200])).unwrap().role, Some(200));
}

#[test]
fn every_role_has_one_counterpart() {
    for code in 0..5 {
        let role = Role::from_code(code).unwrap();
        assert_eq!(role.code(), code);
        assert_eq!(role.counterpart().counterpart(), role);
        // Of two sides that differ, one marks its routes: the one that the other must not sell upwards.
        let marking = [role, role.counterpart()].map(Role::marks_only_to_customer);
        assert!(if role == Role::Peer { marking == [true, true] } else { marking[0] != marking[1] });
    }
    assert_eq!(Role::from_code(5), None);
}

#[test]
fn graceful_restart_is_read_for_the_families_that_we_know() {
    let bytes = open_with_capabilities(&[64, 14, 0xC0, 120, 0, 1, 1, 0x80, 0, 2, 1, 0, 0, 25, 70, 0x80]);
    let wanted = GracefulRestart {
        restarting: true,
        notification: true,
        time: 120,
        families: Families::BOTH,
        preserved: Families::IPV4,
    };
    assert_eq!(read(&bytes).unwrap().graceful_restart, Some(wanted));
}

#[test]
fn capabilities_that_the_other_side_misses_are_named() {
    let data = [1, 4, 0, 2, 0, 1, 70, 0, 65, 4, 0, 1, 0, 0];
    assert_eq!(
        Fault::with_data(Reason::UNSUPPORTED_CAPABILITY, &data).to_string(),
        "OPEN Message Error: Unsupported Capability (IPv6 unicast, enhanced route refresh, four-octet AS number 65536)"
    );
    assert_eq!(
        Fault::with_data(Reason::UNSUPPORTED_CAPABILITY, &[1]).to_string(),
        "OPEN Message Error: Unsupported Capability"
    );
}
