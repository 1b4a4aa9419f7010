//! Writing messages, behind what a buffer already holds. What is written is never longer than [`MESSAGE_MAX`]: what does
//! not fit one message goes on in the next.

use std::net::IpAddr;

use super::attribute::{AS_SEQUENCE, flag};
use super::open::{PARAMETER_CAPABILITIES, VERSION, code};
use super::{
    Asn, AttributeType, Codec, Community, Families, Family, GracefulRestart, HEADER_LEN, Kind,
    LargeCommunity, MARKER, MESSAGE_MAX, Prefix, Reason, Role, RouterId,
};

/// The longest text of an administrative shutdown (RFC 9003).
pub const SHUTDOWN_TEXT_MAX: usize = 255;

/// What we offer. Route refresh and numbers of four octets always are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSettings {
    /// Our autonomous system.
    pub asn: Asn,
    /// The hold time that we propose, in seconds.
    pub hold: u16,
    /// Our identifier.
    pub id: RouterId,
    /// The families that we name.
    pub families: Families,
    /// Our role towards this neighbour.
    pub role: Option<Role>,
    /// Our graceful restart.
    pub graceful_restart: Option<GracefulRestart>,
}

/// Routes that share their attributes. ORIGIN is always IGP: two that differ in it do not share load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route<'a> {
    /// Prefixes of one family.
    pub prefixes: &'a [Prefix],
    /// The systems, ours first as often as it is to count; empty towards a neighbour within our own.
    pub as_path: &'a [Asn],
    /// Where packets go: an address of the prefixes' family.
    pub next_hop: IpAddr,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF, towards a neighbour within our own system.
    pub local_pref: Option<u32>,
    /// COMMUNITIES.
    pub communities: &'a [Community],
    /// LARGE_COMMUNITIES.
    pub large_communities: &'a [LargeCommunity],
    /// ONLY_TO_CUSTOMER: see [`Role::marks_only_to_customer`].
    pub only_to_customer: Option<Asn>,
}

/// Why routes cannot be announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The next hop, or a prefix, is not of the others' family.
    #[error("prefixes and next hop are not of one address family")]
    Family,
    /// The neighbour did not name the family.
    #[error("the session does not carry {0} routes")]
    NotCarried(Family),
    /// The attributes leave no room for a prefix.
    #[error("the attributes do not fit a message of {MESSAGE_MAX} bytes; use fewer communities or prepends")]
    TooLong,
}

/// Appends an OPEN.
pub fn open(out: &mut Vec<u8>, settings: &OpenSettings) {
    message(out, Kind::Open, |out| {
        out.push(VERSION);
        out.extend_from_slice(&settings.asn.two_octets().to_be_bytes());
        out.extend_from_slice(&settings.hold.to_be_bytes());
        out.extend_from_slice(&settings.id.0.to_be_bytes());
        with_length(out, |out| {
            out.push(PARAMETER_CAPABILITIES);
            with_length(out, |out| capabilities(out, settings));
        });
    });
}

fn capabilities(out: &mut Vec<u8>, settings: &OpenSettings) {
    for family in settings.families.iter() {
        out.extend_from_slice(&[code::MULTI_PROTOCOL, 4]);
        family_numbers(out, family, Some(0));
    }
    out.extend_from_slice(&[code::ROUTE_REFRESH, 0]);
    out.extend_from_slice(&[code::FOUR_OCTET_ASN, 4]);
    out.extend_from_slice(&settings.asn.0.to_be_bytes());
    if let Some(role) = settings.role {
        out.extend_from_slice(&[code::ROLE, 1, role.code()]);
    }
    if let Some(restart) = &settings.graceful_restart {
        out.push(code::GRACEFUL_RESTART);
        with_length(out, |out| graceful_restart(out, restart));
    }
}

fn graceful_restart(out: &mut Vec<u8>, restart: &GracefulRestart) {
    let flags = u16::from(restart.restarting) << 15 | u16::from(restart.notification) << 14;
    out.extend_from_slice(&(flags | restart.time.min(0x0FFF)).to_be_bytes());
    for family in restart.families.iter() {
        family_numbers(out, family, None);
        out.push(if restart.preserved.contains(family) { 0x80 } else { 0 });
    }
}

/// AFI, an octet between if there is one, and SAFI.
fn family_numbers(out: &mut Vec<u8>, family: Family, between: Option<u8>) {
    out.extend_from_slice(&family.afi().to_be_bytes());
    out.extend(between);
    out.push(family.safi());
}

/// Appends a KEEPALIVE.
pub fn keepalive(out: &mut Vec<u8>) {
    message(out, Kind::Keepalive, |_| {});
}

/// Appends a ROUTE-REFRESH.
pub fn route_refresh(out: &mut Vec<u8>, family: Family) {
    message(out, Kind::RouteRefresh, |out| family_numbers(out, family, Some(0)));
}

/// Appends a NOTIFICATION. Data that does not fit is cut.
pub fn notification(out: &mut Vec<u8>, reason: Reason, data: &[u8]) {
    const ROOM: usize = MESSAGE_MAX - HEADER_LEN - 2;
    message(out, Kind::Notification, |out| {
        out.extend_from_slice(&[reason.code, reason.subcode]);
        out.extend_from_slice(data.get(..ROOM).unwrap_or(data));
    });
}

/// Appends the NOTIFICATION of an administrative shutdown or reset with a text (RFC 9003). One that is too long ends with
/// the last character that fits.
pub fn shutdown(out: &mut Vec<u8>, reason: Reason, text: &str) {
    let text = text.get(..text.floor_char_boundary(SHUTDOWN_TEXT_MAX)).unwrap_or_default();
    message(out, Kind::Notification, |out| {
        out.extend_from_slice(&[reason.code, reason.subcode]);
        if !text.is_empty() {
            with_length(out, |out| out.extend_from_slice(text.as_bytes()));
        }
    });
}

/// Appends the UPDATEs that announce `route`, and says how many they are.
///
/// # Errors
/// If no message can say this. Nothing has been appended then.
pub fn announce(out: &mut Vec<u8>, route: &Route<'_>, codec: &Codec) -> Result<usize, RouteError> {
    let family = Family::of(route.next_hop);
    if route.prefixes.iter().any(|prefix| prefix.family() != family) {
        return Err(RouteError::Family);
    }
    if !codec.families.contains(family) {
        return Err(RouteError::NotCarried(family));
    }
    let common = attributes(route, codec)?;
    // An empty list of routes in MP_REACH_NLRI, with two octets of length.
    let reach = if family == Family::Ipv6 { 4 + REACH_FIXED } else { 0 };
    let room = UPDATE_ROOM.saturating_sub(common.len() + reach);
    if route.prefixes.iter().any(|prefix| prefix.written() > room) {
        return Err(RouteError::TooLong);
    }
    Ok(in_parts(route.prefixes, room, |part| {
        update(
            out,
            &[],
            |out| {
                if let IpAddr::V6(next_hop) = route.next_hop {
                    attribute(out, AttributeType::MP_REACH_NLRI, |out| {
                        family_numbers(out, family, None);
                        out.push(16);
                        out.extend_from_slice(&next_hop.octets());
                        out.push(0);
                        write_prefixes(out, part);
                    });
                }
                out.extend_from_slice(&common);
            },
            if family == Family::Ipv4 { part } else { &[] },
        );
    }))
}

/// All attributes but MP_REACH_NLRI, in the order of their types.
fn attributes(route: &Route<'_>, codec: &Codec) -> Result<Vec<u8>, RouteError> {
    let mut common = Vec::new();
    let out = &mut common;
    attribute(out, AttributeType::ORIGIN, |out| out.push(ORIGIN_IGP));
    attribute(out, AttributeType::AS_PATH, |out| as_path(out, route.as_path, codec.four_octet));
    if let IpAddr::V4(next_hop) = route.next_hop {
        attribute(out, AttributeType::NEXT_HOP, |out| out.extend_from_slice(&next_hop.octets()));
    }
    number(out, AttributeType::MULTI_EXIT_DISC, route.med);
    number(out, AttributeType::LOCAL_PREF, route.local_pref);
    if !route.communities.is_empty() {
        attribute(out, AttributeType::COMMUNITIES, |out| {
            out.extend(route.communities.iter().flat_map(|community| community.0.to_be_bytes()));
        });
    }
    if !codec.four_octet && route.as_path.iter().any(|asn| !asn.fits_two_octets()) {
        attribute(out, AttributeType::AS4_PATH, |out| as_path(out, route.as_path, true));
    }
    if !route.large_communities.is_empty() {
        attribute(out, AttributeType::LARGE_COMMUNITIES, |out| {
            let numbers = route.large_communities.iter().flat_map(|one| [one.global, one.local1, one.local2]);
            out.extend(numbers.flat_map(u32::to_be_bytes));
        });
    }
    number(out, AttributeType::ONLY_TO_CUSTOMER, route.only_to_customer.map(|asn| asn.0));
    if common.len() > UPDATE_ROOM { Err(RouteError::TooLong) } else { Ok(common) }
}

/// One sequence, or several if it is longer than a segment's count can say.
fn as_path(out: &mut Vec<u8>, path: &[Asn], four_octet: bool) {
    for segment in path.chunks(usize::from(u8::MAX)) {
        out.push(AS_SEQUENCE);
        out.push(u8::try_from(segment.len()).unwrap_or(u8::MAX));
        for asn in segment {
            if four_octet {
                out.extend_from_slice(&asn.0.to_be_bytes());
            } else {
                out.extend_from_slice(&asn.two_octets().to_be_bytes());
            }
        }
    }
}

/// Appends the UPDATEs that withdraw those of `prefixes` that are of `family`, and says how many they are.
pub fn withdraw(out: &mut Vec<u8>, family: Family, prefixes: &[Prefix]) -> usize {
    let own: Vec<Prefix> = prefixes.iter().filter(|prefix| prefix.family() == family).copied().collect();
    match family {
        Family::Ipv4 => in_parts(&own, UPDATE_ROOM, |part| update(out, part, |_| {}, &[])),
        Family::Ipv6 => in_parts(&own, UPDATE_ROOM - 4 - UNREACH_FIXED, |part| unreach(out, family, part)),
    }
}

/// Appends the End-of-RIB of a family (RFC 4724 section 2).
pub fn end_of_rib(out: &mut Vec<u8>, family: Family) {
    match family {
        Family::Ipv4 => update(out, &[], |_| {}, &[]),
        Family::Ipv6 => unreach(out, family, &[]),
    }
}

fn unreach(out: &mut Vec<u8>, family: Family, prefixes: &[Prefix]) {
    let value = |out: &mut Vec<u8>| {
        family_numbers(out, family, None);
        write_prefixes(out, prefixes);
    };
    update(out, &[], |out| attribute(out, AttributeType::MP_UNREACH_NLRI, value), &[]);
}

const ORIGIN_IGP: u8 = 0;

/// What is left of an UPDATE for routes and attributes, beside the lengths of its two fields.
const UPDATE_ROOM: usize = MESSAGE_MAX - HEADER_LEN - 4;

/// MP_REACH_NLRI without its routes: AFI, SAFI, length, next hop, reserved.
const REACH_FIXED: usize = 2 + 1 + 1 + 16 + 1;

/// MP_UNREACH_NLRI without its routes: AFI, SAFI.
const UNREACH_FIXED: usize = 2 + 1;

/// Gives `write` as many of the prefixes at a time as `room` holds, and says how often.
fn in_parts(prefixes: &[Prefix], room: usize, mut write: impl FnMut(&[Prefix])) -> usize {
    let (mut rest, mut count) = (prefixes, 0);
    while !rest.is_empty() {
        let mut left = room;
        let fits = |prefix: &&Prefix| {
            let after = left.checked_sub(prefix.written());
            left = after.unwrap_or(left);
            after.is_some()
        };
        let Some((part, after)) = rest.split_at_checked(rest.iter().take_while(fits).count().max(1)) else {
            break;
        };
        write(part);
        (rest, count) = (after, count + 1);
    }
    count
}

fn update(out: &mut Vec<u8>, withdrawn: &[Prefix], attributes: impl FnOnce(&mut Vec<u8>), nlri: &[Prefix]) {
    message(out, Kind::Update, |out| {
        with_long_length(out, |out| write_prefixes(out, withdrawn));
        with_long_length(out, attributes);
        write_prefixes(out, nlri);
    });
}

fn write_prefixes(out: &mut Vec<u8>, prefixes: &[Prefix]) {
    for prefix in prefixes {
        prefix.write(out);
    }
}

fn number(out: &mut Vec<u8>, kind: AttributeType, value: Option<u32>) {
    if let Some(value) = value {
        attribute(out, kind, |out| out.extend_from_slice(&value.to_be_bytes()));
    }
}

/// An attribute, with a length of two octets only if it takes them.
fn attribute(out: &mut Vec<u8>, kind: AttributeType, write: impl FnOnce(&mut Vec<u8>)) {
    let mut value = Vec::new();
    write(&mut value);
    let flags = kind.flags().unwrap_or(flag::OPTIONAL);
    match u8::try_from(value.len()) {
        Ok(length) => out.extend_from_slice(&[flags, kind.0, length]),
        Err(_) => {
            out.extend_from_slice(&[flags | flag::EXTENDED_LENGTH, kind.0]);
            out.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    out.extend_from_slice(&value);
}

/// Appends the header and what `body` writes behind it.
fn message(out: &mut Vec<u8>, kind: Kind, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&MARKER);
    out.extend_from_slice(&[0, 0, kind.code()]);
    body(out);
    let length = u16::try_from(out.len() - start).unwrap_or(u16::MAX);
    debug_assert!(usize::from(length) <= MESSAGE_MAX, "{length}");
    patch(out, start + MARKER.len(), &length.to_be_bytes());
}

/// An octet that says how many follow.
fn with_length(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.push(0);
    body(out);
    let length = u8::try_from(out.len() - start - 1).unwrap_or(u8::MAX);
    patch(out, start, &[length]);
}

/// Two octets that say how many follow.
fn with_long_length(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0, 0]);
    body(out);
    let length = u16::try_from(out.len() - start - 2).unwrap_or(u16::MAX);
    patch(out, start, &length.to_be_bytes());
}

fn patch(out: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(field) = out.get_mut(at..at + bytes.len()) {
        field.copy_from_slice(bytes);
    }
}
