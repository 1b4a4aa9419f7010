//! OPEN (RFC 4271 section 4.2) and the capabilities in it (RFC 5492).

use std::fmt;

use super::{Asn, Families, Family, Fault, Reason, RouterId};

/// The version that we speak.
pub const VERSION: u8 = 4;

/// The optional parameter that holds capabilities (RFC 5492 section 4).
pub(super) const PARAMETER_CAPABILITIES: u8 = 2;

/// As a length and as a type: lengths take two octets from here on (RFC 9072 section 2).
const EXTENDED: u8 = 255;

/// Numbers of capabilities that we read.
pub(super) mod code {
    pub(in super::super) const MULTI_PROTOCOL: u8 = 1;
    pub(in super::super) const ROUTE_REFRESH: u8 = 2;
    pub(in super::super) const ROLE: u8 = 9;
    pub(in super::super) const GRACEFUL_RESTART: u8 = 64;
    pub(in super::super) const FOUR_OCTET_ASN: u8 = 65;
}

/// What we are to a neighbour, or it to us (RFC 9234).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Sells transit to the other side.
    Provider,
    /// A route server.
    RouteServer,
    /// A client of a route server.
    RouteServerClient,
    /// Buys transit from the other side.
    Customer,
    /// Exchanges its own and its customers' routes.
    Peer,
}

impl Role {
    /// Its number (RFC 9234 section 4.1).
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Provider => 0,
            Self::RouteServer => 1,
            Self::RouteServerClient => 2,
            Self::Customer => 3,
            Self::Peer => 4,
        }
    }

    /// The role with this number.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Provider),
            1 => Some(Self::RouteServer),
            2 => Some(Self::RouteServerClient),
            3 => Some(Self::Customer),
            4 => Some(Self::Peer),
            _ => None,
        }
    }

    /// The only role that the other side may have.
    #[must_use]
    pub const fn counterpart(self) -> Self {
        match self {
            Self::Provider => Self::Customer,
            Self::Customer => Self::Provider,
            Self::RouteServer => Self::RouteServerClient,
            Self::RouteServerClient => Self::RouteServer,
            Self::Peer => Self::Peer,
        }
    }

    /// Whether one with this role marks what it sends "only to customers" (RFC 9234 section 5): to a customer, a peer, or
    /// a client of its route server.
    #[must_use]
    pub const fn marks_only_to_customer(self) -> bool {
        matches!(self, Self::Provider | Self::Peer | Self::RouteServer)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Provider => "provider",
            Self::RouteServer => "route server",
            Self::RouteServerClient => "route server client",
            Self::Customer => "customer",
            Self::Peer => "peer",
        })
    }
}

/// Graceful restart as offered (RFC 4724 section 3), for the families that we know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GracefulRestart {
    /// The sender has just restarted.
    pub restarting: bool,
    /// NOTIFICATIONs do not end it (RFC 8538).
    pub notification: bool,
    /// Seconds that its routes are to be kept; 0 to 4095.
    pub time: u16,
    /// The families that it holds for.
    pub families: Families,
    /// Of these, those whose forwarding went on during the restart.
    pub preserved: Families,
}

/// One capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Routes of a family, known to us or not (RFC 4760).
    MultiProtocol {
        /// Address family.
        afi: u16,
        /// Subsequent address family.
        safi: u8,
    },
    /// Answers ROUTE-REFRESH (RFC 2918).
    RouteRefresh,
    /// Numbers of systems take four octets, and this is the sender's (RFC 6793).
    FourOctetAsn(Asn),
    /// Graceful restart (RFC 4724).
    GracefulRestart(GracefulRestart),
    /// The sender's role by its number (RFC 9234).
    Role(u8),
    /// One that means nothing to us.
    Unknown(u8),
}

impl Capability {
    /// Reads one by its code. `None` if its value is not of the form that the code has.
    fn parse(code: u8, value: &[u8]) -> Option<Self> {
        Some(match (code, value) {
            (code::MULTI_PROTOCOL, &[a0, a1, _, safi]) => {
                Self::MultiProtocol { afi: u16::from_be_bytes([a0, a1]), safi }
            }
            (code::ROUTE_REFRESH, []) => Self::RouteRefresh,
            (code::FOUR_OCTET_ASN, &[a0, a1, a2, a3]) => {
                Self::FourOctetAsn(Asn(u32::from_be_bytes([a0, a1, a2, a3])))
            }
            (code::ROLE, &[role]) => Self::Role(role),
            (code::GRACEFUL_RESTART, value) => Self::GracefulRestart(parse_graceful_restart(value)?),
            (code::MULTI_PROTOCOL | code::ROUTE_REFRESH | code::FOUR_OCTET_ASN | code::ROLE, _) => {
                return None;
            }
            (code, _) => Self::Unknown(code),
        })
    }

    /// Its number.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::MultiProtocol { .. } => code::MULTI_PROTOCOL,
            Self::RouteRefresh => code::ROUTE_REFRESH,
            Self::FourOctetAsn(_) => code::FOUR_OCTET_ASN,
            Self::GracefulRestart(_) => code::GRACEFUL_RESTART,
            Self::Role(_) => code::ROLE,
            Self::Unknown(code) => *code,
        }
    }
}

fn parse_graceful_restart(value: &[u8]) -> Option<GracefulRestart> {
    let (&[high, low], tuples) = value.split_first_chunk()?;
    let (tuples, []) = tuples.as_chunks::<4>() else { return None };
    let mut found = GracefulRestart {
        restarting: high & 0x80 != 0,
        notification: high & 0x40 != 0,
        time: u16::from_be_bytes([high & 0x0F, low]),
        ..GracefulRestart::default()
    };
    for &[a0, a1, safi, flags] in tuples {
        let Some(family) = Family::from_numbers(u16::from_be_bytes([a0, a1]), safi) else { continue };
        found.families = found.families.with(family);
        if flags & 0x80 != 0 {
            found.preserved = found.preserved.with(family);
        }
    }
    Some(found)
}

/// The registry's names, for operators.
const CAPABILITY_NAMES: &[(u8, &str)] = &[
    (code::MULTI_PROTOCOL, "multiprotocol"),
    (code::ROUTE_REFRESH, "route refresh"),
    (5, "extended next hop"),
    (6, "extended message"),
    (8, "multiple labels"),
    (code::ROLE, "role"),
    (code::GRACEFUL_RESTART, "graceful restart"),
    (code::FOUR_OCTET_ASN, "four-octet AS number"),
    (67, "dynamic capability"),
    (68, "multisession"),
    (69, "additional paths"),
    (70, "enhanced route refresh"),
    (71, "long-lived graceful restart"),
    (73, "host name"),
    (75, "software version"),
];

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MultiProtocol { afi, safi } => match Family::from_numbers(*afi, *safi) {
                Some(family) => write!(f, "{family} unicast"),
                None => write!(f, "AFI {afi} SAFI {safi}"),
            },
            Self::FourOctetAsn(asn) => write!(f, "four-octet AS number {asn}"),
            Self::GracefulRestart(restart) => write!(f, "graceful restart {} s", restart.time),
            Self::Role(role) => match Role::from_code(*role) {
                Some(role) => write!(f, "role {role}"),
                None => write!(f, "role {role}"),
            },
            Self::RouteRefresh | Self::Unknown(_) => {
                match CAPABILITY_NAMES.iter().find(|(code, _)| *code == self.code()) {
                    Some((_, name)) => f.write_str(name),
                    None => write!(f, "capability {}", self.code()),
                }
            }
        }
    }
}

/// Names the capabilities that an Unsupported Capability lists.
pub(super) fn describe_capabilities(data: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const SHOWN: usize = 8;
    let (mut rest, mut separator) = (data, " (");
    for _ in 0..SHOWN {
        let Some((code, value, after)) = split_entry(rest, false) else { break };
        write!(f, "{separator}{}", Capability::parse(code, value).unwrap_or(Capability::Unknown(code)))?;
        (rest, separator) = (after, ", ");
    }
    f.write_str(if separator == ", " { ")" } else { "" })
}

/// What the other side offers. Fields that capabilities override hold what counts.
#[derive(Clone, Debug)]
pub struct Open<'a> {
    /// Its autonomous system: of four octets if it says so by capability.
    pub asn: Asn,
    /// The hold time that it proposes, in seconds: 0, or 3 and more.
    pub hold: u16,
    /// Its identifier; not zero.
    pub id: RouterId,
    /// The families that it names among those that we know; IPv4 if it names none at all (RFC 4760 section 8).
    pub families: Families,
    /// It sends and takes numbers of four octets.
    pub four_octet: bool,
    /// It answers ROUTE-REFRESH.
    pub route_refresh: bool,
    /// The number of its role. Compare with [`Role::counterpart`].
    pub role: Option<u8>,
    /// The graceful restart that it offers.
    pub graceful_restart: Option<GracefulRestart>,
    capabilities: Capabilities<'a>,
}

impl<'a> Open<'a> {
    /// Reads the body of an OPEN, which is as long as the fixed part at least.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, Fault> {
        let malformed = Fault::new(Reason::OPEN_MALFORMED);
        let (&[version, a0, a1, h0, h1, i0, i1, i2, i3], options) =
            body.split_first_chunk().ok_or(malformed)?;
        if version != VERSION {
            return Err(Fault::with_data(Reason::UNSUPPORTED_VERSION, &[0, VERSION]));
        }
        let hold = u16::from_be_bytes([h0, h1]);
        if matches!(hold, 1 | 2) {
            return Err(Fault::with_data(Reason::UNACCEPTABLE_HOLD_TIME, &[h0, h1]));
        }
        let id = RouterId(u32::from_be_bytes([i0, i1, i2, i3]));
        if id.0 == 0 {
            return Err(Fault::with_data(Reason::BAD_BGP_IDENTIFIER, &[0; 4]));
        }
        let mut open = Self {
            asn: Asn(u16::from_be_bytes([a0, a1]).into()),
            hold,
            id,
            families: Families::IPV4,
            four_octet: false,
            route_refresh: false,
            role: None,
            graceful_restart: None,
            capabilities: Capabilities::parse(options)?,
        };
        open.take_capabilities()?;
        if open.asn.0 == 0 {
            return Err(Fault::with_data(Reason::BAD_PEER_AS, &open.asn.0.to_be_bytes()));
        }
        Ok(open)
    }

    fn take_capabilities(&mut self) -> Result<(), Fault> {
        let mut named = None;
        for capability in self.capabilities() {
            match capability {
                Capability::MultiProtocol { afi, safi } => {
                    let families: Families = named.unwrap_or_default();
                    named = Some(
                        Family::from_numbers(afi, safi).map_or(families, |family| families.with(family)),
                    );
                }
                Capability::RouteRefresh => self.route_refresh = true,
                Capability::FourOctetAsn(asn) => (self.four_octet, self.asn) = (true, asn),
                Capability::GracefulRestart(restart) => self.graceful_restart = Some(restart),
                // Several that agree are one (RFC 9234 section 4.2).
                Capability::Role(role) if self.role.is_some_and(|before| before != role) => {
                    return Err(Reason::ROLE_MISMATCH.into());
                }
                Capability::Role(role) => self.role = Some(role),
                Capability::Unknown(_) => {}
            }
        }
        self.families = named.unwrap_or(self.families);
        Ok(())
    }

    /// All capabilities in the order in which they were listed.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities<'a> {
        self.capabilities.clone()
    }
}

/// The capabilities of an OPEN, which have been found well-formed.
#[derive(Clone, Debug)]
pub struct Capabilities<'a> {
    /// What is left of the parameter that is being read.
    current: &'a [u8],
    /// The parameters after it.
    parameters: &'a [u8],
    /// Whether lengths of parameters take two octets.
    extended: bool,
}

impl<'a> Capabilities<'a> {
    /// Reads the optional parameters, from their length on.
    fn parse(options: &'a [u8]) -> Result<Self, Fault> {
        let malformed = Fault::new(Reason::OPEN_MALFORMED);
        let (&length, after) = options.split_first().ok_or(malformed)?;
        let (extended, parameters) = match after {
            [EXTENDED, l0, l1, rest @ ..] if length == EXTENDED => {
                (true, rest.get(..u16::from_be_bytes([*l0, *l1]).into()).filter(|found| *found == rest))
            }
            rest => (false, rest.get(..length.into()).filter(|found| *found == rest)),
        };
        let found = Self { current: &[], parameters: parameters.ok_or(malformed)?, extended };
        found.check()?;
        Ok(found)
    }

    fn check(&self) -> Result<(), Fault> {
        let malformed = Fault::new(Reason::OPEN_MALFORMED);
        let mut parameters = self.parameters;
        while !parameters.is_empty() {
            let (kind, mut value, rest) = split_entry(parameters, self.extended).ok_or(malformed)?;
            if kind != PARAMETER_CAPABILITIES {
                return Err(Reason::UNSUPPORTED_OPTIONAL_PARAMETER.into());
            }
            while !value.is_empty() {
                let (code, capability, rest) = split_entry(value, false).ok_or(malformed)?;
                Capability::parse(code, capability).ok_or(malformed)?;
                value = rest;
            }
            parameters = rest;
        }
        Ok(())
    }
}

impl Iterator for Capabilities<'_> {
    type Item = Capability;

    fn next(&mut self) -> Option<Capability> {
        while self.current.is_empty() {
            (_, self.current, self.parameters) = split_entry(self.parameters, self.extended)?;
        }
        let (code, value, rest) = split_entry(self.current, false)?;
        self.current = rest;
        Capability::parse(code, value)
    }
}

/// A type, its value, and what follows; `wide` lengths take two octets.
fn split_entry(bytes: &[u8], wide: bool) -> Option<(u8, &[u8], &[u8])> {
    let (&kind, rest) = bytes.split_first()?;
    let (length, rest) = if wide {
        let (&length, rest) = rest.split_first_chunk()?;
        (u16::from_be_bytes(length).into(), rest)
    } else {
        let (&length, rest) = rest.split_first()?;
        (usize::from(length), rest)
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((kind, value, rest))
}
