//! UPDATE (RFC 4271 section 4.3, RFC 4760), judged as RFC 7606 wants: a fault that would end the session is kept for what
//! leaves no doubt which routes were meant out of reach.

use std::net::{IpAddr, Ipv6Addr};

use super::attribute::{self, Handling};
use super::{
    AsPath, Asn, AttributeType, Attributes, Codec, Community, Defect, Families, Family, Fault, Flaw,
    LargeCommunity, Prefix, Prefixes, Reason,
};

/// What becomes of an UPDATE that does not end the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It means what it says.
    Accept,
    /// One attribute at least is taken for absent: the first of them.
    Discard(Flaw),
    /// What it announces is taken for withdrawn; this is why.
    TreatAsWithdraw(Flaw),
}

/// Routes that come and go, and what holds for those that come.
#[derive(Clone, Debug)]
pub struct Update<'a> {
    codec: Codec,
    withdrawn: Prefixes<'a>,
    nlri: Prefixes<'a>,
    attributes: Attributes<'a>,
    reach: Option<Reach<'a>>,
    unreach: Option<Unreach<'a>>,
    verdict: Verdict,
}

/// MP_REACH_NLRI (RFC 4760 section 3).
#[derive(Clone, Debug)]
struct Reach<'a> {
    /// `None` for families that we do not know.
    family: Option<Family>,
    next_hop: &'a [u8],
    prefixes: Prefixes<'a>,
    /// Whether routes of any family are in it.
    is_empty: bool,
}

/// MP_UNREACH_NLRI (RFC 4760 section 4).
#[derive(Clone, Debug)]
struct Unreach<'a> {
    family: Option<Family>,
    prefixes: Prefixes<'a>,
}

impl<'a> Update<'a> {
    /// Reads the body of an UPDATE.
    pub(super) fn parse(body: &'a [u8], codec: &Codec) -> Result<Self, Fault> {
        let (withdrawn, rest) = split_field(body)?;
        let (attributes, nlri) = split_field(rest)?;
        let network = || Fault::new(Reason::INVALID_NETWORK_FIELD);
        let withdrawn = Prefixes::parse(Family::Ipv4, withdrawn).ok_or_else(network)?;
        let nlri = Prefixes::parse(Family::Ipv4, nlri).ok_or_else(network)?;
        let mut found = Findings::default();
        found.read(attributes, codec)?;
        found.judge_next_hop(attributes, !nlri.is_empty());
        found.check_mandatory(!nlri.is_empty(), codec);
        let reachable = !nlri.is_empty() || found.reach.as_ref().is_some_and(|reach| !reach.is_empty);
        Ok(Self {
            codec: *codec,
            withdrawn,
            nlri,
            attributes: Attributes::new(attributes),
            verdict: found.verdict(reachable)?,
            reach: found.reach,
            unreach: found.unreach,
        })
    }

    /// What becomes of it.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The family whose initial routes end here (RFC 4724 section 2): an UPDATE that says nothing else.
    #[must_use]
    pub fn end_of_rib(&self) -> Option<Family> {
        let alone = self.withdrawn.is_empty() && self.nlri.is_empty();
        let mut attributes = self.attributes;
        match (attributes.next(), attributes.rest()) {
            (None, []) if alone => Some(Family::Ipv4),
            (Some(only), [])
                if alone && only.kind == AttributeType::MP_UNREACH_NLRI && only.value.len() == 3 =>
            {
                self.unreach.as_ref()?.family
            }
            (None | Some(_), _) => None,
        }
    }

    /// The routes that come, of the session's families. None if all are taken for withdrawn.
    pub fn announced(&self) -> impl Iterator<Item = Prefix> + use<'a> {
        let refused = matches!(self.verdict, Verdict::TreatAsWithdraw(_));
        self.listed().filter(move |_| !refused)
    }

    /// The routes that go, of the session's families. The same route may be named more than once, and may be among those that
    /// come as well: it then stays (RFC 4271 section 4.3).
    pub fn withdrawn(&self) -> impl Iterator<Item = Prefix> + use<'a> {
        let refused = matches!(self.verdict, Verdict::TreatAsWithdraw(_));
        let unreach = self.unreach.as_ref().map(|unreach| unreach.prefixes.clone());
        let (families, withdrawn) = (self.codec.families, self.withdrawn.clone());
        let listed = withdrawn.chain(unreach.into_iter().flatten()).filter(of(families));
        listed.chain(self.listed().filter(move |_| refused))
    }

    fn listed(&self) -> impl Iterator<Item = Prefix> + use<'a> {
        let reach = self.reach.as_ref().map(|reach| reach.prefixes.clone());
        self.nlri.clone().chain(reach.into_iter().flatten()).filter(of(self.codec.families))
    }

    /// All attributes as they were sent, good or not, up to the first that does not fit.
    #[must_use]
    pub const fn attributes(&self) -> Attributes<'a> {
        self.attributes
    }

    /// The value of the first attribute of a type: others are ignored (RFC 7606 section 3 (g)).
    #[must_use]
    pub fn find(&self, kind: AttributeType) -> Option<&'a [u8]> {
        self.attributes.clone().find(|attribute| attribute.kind == kind).map(|attribute| attribute.value)
    }

    /// Who brought the routes into BGP: 0 for IGP.
    #[must_use]
    pub fn origin(&self) -> Option<u8> {
        self.find(AttributeType::ORIGIN)?.first().copied()
    }

    /// The systems that the routes passed, the neighbour's first.
    #[must_use]
    pub fn as_path(&self) -> Option<AsPath<'a>> {
        AsPath::parse(self.find(AttributeType::AS_PATH)?, self.codec.four_octet)
    }

    /// MULTI_EXIT_DISC.
    #[must_use]
    pub fn med(&self) -> Option<u32> {
        self.number(AttributeType::MULTI_EXIT_DISC)
    }

    /// LOCAL_PREF, from neighbours within our system.
    #[must_use]
    pub fn local_pref(&self) -> Option<u32> {
        self.number(AttributeType::LOCAL_PREF).filter(|_| self.codec.internal)
    }

    /// The system that the routes go down to customers from (RFC 9234).
    #[must_use]
    pub fn only_to_customer(&self) -> Option<Asn> {
        self.number(AttributeType::ONLY_TO_CUSTOMER).map(Asn)
    }

    fn number(&self, kind: AttributeType) -> Option<u32> {
        let value = self.find(kind)?.try_into().ok()?;
        Some(u32::from_be_bytes(value))
    }

    /// Where packets to the routes of a family go; of IPv6's one or two the global one.
    #[must_use]
    pub fn next_hop(&self, family: Family) -> Option<IpAddr> {
        let value = match &self.reach {
            Some(reach) if reach.family == Some(family) => reach.next_hop,
            Some(_) | None if family == Family::Ipv4 => self.find(AttributeType::NEXT_HOP)?,
            Some(_) | None => return None,
        };
        match family {
            Family::Ipv4 => value.try_into().ok().map(|octets: [u8; 4]| IpAddr::from(octets)),
            Family::Ipv6 => value.first_chunk().map(|octets| Ipv6Addr::from(*octets).into()),
        }
    }

    /// COMMUNITIES.
    pub fn communities(&self) -> impl Iterator<Item = Community> + use<'a> {
        let (values, _) = self.find(AttributeType::COMMUNITIES).unwrap_or_default().as_chunks::<4>();
        values.iter().map(|value| Community(u32::from_be_bytes(*value)))
    }

    /// LARGE_COMMUNITIES.
    pub fn large_communities(&self) -> impl Iterator<Item = LargeCommunity> + use<'a> {
        let (values, _) = self.find(AttributeType::LARGE_COMMUNITIES).unwrap_or_default().as_chunks::<12>();
        values.iter().map(|&[g0, g1, g2, g3, a0, a1, a2, a3, b0, b1, b2, b3]| LargeCommunity {
            global: u32::from_be_bytes([g0, g1, g2, g3]),
            local1: u32::from_be_bytes([a0, a1, a2, a3]),
            local2: u32::from_be_bytes([b0, b1, b2, b3]),
        })
    }
}

fn of(families: Families) -> impl Fn(&Prefix) -> bool {
    move |prefix| families.contains(prefix.family())
}

/// Two octets of length, so many octets, and the rest (RFC 4271 section 6.3: what is too long is a malformed list).
fn split_field(bytes: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let split = || {
        let (&length, rest) = bytes.split_first_chunk()?;
        rest.split_at_checked(u16::from_be_bytes(length).into())
    };
    split().ok_or(Fault::new(Reason::MALFORMED_ATTRIBUTE_LIST))
}

/// What a pass over the attributes has found.
#[derive(Default)]
struct Findings<'a> {
    reach: Option<Reach<'a>>,
    unreach: Option<Unreach<'a>>,
    /// A bit for each type.
    seen: [u128; 2],
    /// Whether anything else than MP_UNREACH_NLRI is there.
    has_others: bool,
    /// The first of the strongest flaws, and the attribute that has it.
    worst: Option<(Handling, Flaw, &'a [u8])>,
}

impl<'a> Findings<'a> {
    fn read(&mut self, list: &'a [u8], codec: &Codec) -> Result<(), Fault> {
        let mut attributes = Attributes::new(list);
        for attribute in attributes.by_ref() {
            self.has_others |= attribute.kind != AttributeType::MP_UNREACH_NLRI;
            let is_first = self.see(attribute.kind);
            match attribute.kind {
                AttributeType::MP_REACH_NLRI | AttributeType::MP_UNREACH_NLRI => {
                    self.take_routes(&attribute, is_first, codec)?;
                }
                _ if is_first => self.note(&attribute, attribute::judge(&attribute, codec))?,
                // RFC 7606 section 3 (g): all but the first are as if they were not there.
                _ => {}
            }
        }
        self.judge_end(attributes.rest())
    }

    /// Whether this is the first of its type.
    fn see(&mut self, kind: AttributeType) -> bool {
        let Some(bits) = self.seen.get_mut(usize::from(kind.0 / 128)) else { return false };
        let bit = 1 << (kind.0 % 128);
        let is_first = *bits & bit == 0;
        *bits |= bit;
        is_first
    }

    fn has(&self, kind: AttributeType) -> bool {
        self.seen.get(usize::from(kind.0 / 128)).is_some_and(|bits| bits & 1 << (kind.0 % 128) != 0)
    }

    fn note(
        &mut self,
        attribute: &attribute::Attribute<'a>,
        judged: Result<(), (Handling, Defect)>,
    ) -> Result<(), Fault> {
        let Err((handling, defect)) = judged else { return Ok(()) };
        let flaw = Flaw { attribute: attribute.kind, defect };
        if handling == Handling::Reset {
            return Err(Fault::with_data(flaw.reason(), attribute.whole));
        }
        self.add(handling, flaw, attribute.whole);
        Ok(())
    }

    fn add(&mut self, handling: Handling, flaw: Flaw, whole: &'a [u8]) {
        if self.worst.is_none_or(|(worst, ..)| handling > worst) {
            self.worst = Some((handling, flaw, whole));
        }
    }

    /// RFC 7606 section 5.3: unless every route in it can be told, the session ends.
    fn take_routes(
        &mut self,
        attribute: &attribute::Attribute<'a>,
        is_first: bool,
        codec: &Codec,
    ) -> Result<(), Fault> {
        let fault = |defect| {
            let flaw = Flaw { attribute: attribute.kind, defect };
            Fault::with_data(flaw.reason(), attribute.whole)
        };
        if !is_first {
            return Err(fault(Defect::Repeated));
        }
        self.note(attribute, attribute::judge(attribute, codec))?;
        if attribute.kind == AttributeType::MP_REACH_NLRI {
            self.reach = Some(Reach::parse(attribute.value, codec).map_err(fault)?);
        } else {
            self.unreach = Some(Unreach::parse(attribute.value, codec).map_err(fault)?);
        }
        Ok(())
    }

    /// RFC 7606 section 4: what follows the last whole attribute is one that does not fit. If routes were in it, nobody knows
    /// which.
    fn judge_end(&mut self, rest: &'a [u8]) -> Result<(), Fault> {
        let Some(kind) = rest.first().map(|_| AttributeType(rest.get(1).copied().unwrap_or(0))) else {
            return Ok(());
        };
        let flaw = Flaw { attribute: kind, defect: Defect::Truncated };
        if matches!(kind, AttributeType::MP_REACH_NLRI | AttributeType::MP_UNREACH_NLRI) {
            return Err(Fault::new(flaw.reason()));
        }
        self.has_others = true;
        self.add(Handling::Withdraw, flaw, &[]);
        Ok(())
    }

    /// NEXT_HOP counts only with routes in the message's own field (RFC 4760 section 3).
    fn judge_next_hop(&mut self, list: &'a [u8], counts: bool) {
        let found = Attributes::new(list).find(|attribute| attribute.kind == AttributeType::NEXT_HOP);
        let Some(next_hop) = found.filter(|next_hop| counts && next_hop.value.len() == 4) else { return };
        if !attribute::is_host(next_hop.value) {
            let flaw = Flaw { attribute: next_hop.kind, defect: Defect::Value };
            self.add(Handling::Withdraw, flaw, next_hop.whole);
        }
    }

    /// RFC 7606 section 3 (d).
    fn check_mandatory(&mut self, has_nlri: bool, codec: &Codec) {
        let reaches = has_nlri || self.reach.as_ref().is_some_and(|reach| !reach.is_empty);
        let wanted = [
            (AttributeType::ORIGIN, reaches),
            (AttributeType::AS_PATH, reaches),
            (AttributeType::NEXT_HOP, has_nlri),
            (AttributeType::LOCAL_PREF, reaches && codec.internal),
        ];
        for (attribute, wanted) in wanted {
            if wanted && !self.has(attribute) {
                self.add(Handling::Withdraw, Flaw { attribute, defect: Defect::Missing }, &[]);
            }
        }
    }

    /// RFC 7606 section 5.2: without a route in sight nobody can tell what to withdraw.
    fn verdict(&self, reachable: bool) -> Result<Verdict, Fault> {
        Ok(match self.worst {
            None => Verdict::Accept,
            Some((Handling::Discard, flaw, _)) => Verdict::Discard(flaw),
            Some((_, flaw, whole)) if !reachable && self.has_others => {
                return Err(Fault::with_data(flaw.reason(), whole));
            }
            Some((_, flaw, _)) => Verdict::TreatAsWithdraw(flaw),
        })
    }
}

impl<'a> Reach<'a> {
    fn parse(value: &'a [u8], codec: &Codec) -> Result<Self, Defect> {
        let (&[a0, a1, safi, length], rest) = value.split_first_chunk().ok_or(Defect::Length)?;
        let (next_hop, rest) = rest.split_at_checked(length.into()).ok_or(Defect::Length)?;
        let (_reserved, routes) = rest.split_first().ok_or(Defect::Length)?;
        let family = session_family(a0, a1, safi, codec);
        // RFC 7606 section 7.11: the routes stand behind the next hop, so its length has to be right.
        let expected = match family {
            Some(Family::Ipv4) => next_hop.len() == 4,
            Some(Family::Ipv6) => matches!(next_hop.len(), 16 | 32),
            None => true,
        };
        if !expected {
            return Err(Defect::Value);
        }
        Ok(Self { family, next_hop, prefixes: parse_routes(family, routes)?, is_empty: routes.is_empty() })
    }
}

impl<'a> Unreach<'a> {
    fn parse(value: &'a [u8], codec: &Codec) -> Result<Self, Defect> {
        let (&[a0, a1, safi], routes) = value.split_first_chunk().ok_or(Defect::Length)?;
        let family = session_family(a0, a1, safi, codec);
        Ok(Self { family, prefixes: parse_routes(family, routes)? })
    }
}

/// A family that both sides have named. What either has not, is passed over unread (RFC 4760 section 8).
fn session_family(a0: u8, a1: u8, safi: u8, codec: &Codec) -> Option<Family> {
    Family::from_numbers(u16::from_be_bytes([a0, a1]), safi).filter(|family| codec.families.contains(*family))
}

fn parse_routes(family: Option<Family>, routes: &[u8]) -> Result<Prefixes<'_>, Defect> {
    match family {
        Some(family) => Prefixes::parse(family, routes).ok_or(Defect::Value),
        None => Ok(Prefixes::none(Family::Ipv4)),
    }
}
