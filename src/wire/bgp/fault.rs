//! What a NOTIFICATION says: its code and subcode with their names, and the data beside them.

use std::fmt;

use super::Family;

/// A code and subcode of a NOTIFICATION. What follows each name is where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reason {
    /// What kind of message or state was at fault.
    pub code: u8,
    /// More closely; 0 if there is nothing closer to say.
    pub subcode: u8,
}

/// Names codes and subcodes once, for the constants and for the words.
macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal / $subcode:literal, $words:literal;)+) => {
        impl Reason {
            $($(#[doc = $doc])+ pub const $name: Self = Self { code: $code, subcode: $subcode };)+

            /// Every one that has a name.
            pub const NAMED: &'static [Self] = &[$(Self::$name),+];

            const fn subcode_name(self) -> Option<&'static str> {
                match (self.code, self.subcode) {
                    $(($code, $subcode) => Some($words),)+
                    _ => None,
                }
            }
        }
    };
}

reasons! {
    /// RFC 4271 section 6.1: the marker.
    NOT_SYNCHRONIZED = 1 / 1, "Connection Not Synchronized";
    /// RFC 4271 section 6.1.
    BAD_MESSAGE_LENGTH = 1 / 2, "Bad Message Length";
    /// RFC 4271 section 6.1.
    BAD_MESSAGE_TYPE = 1 / 3, "Bad Message Type";
    /// RFC 4271 section 6.2: an optional parameter or capability is malformed.
    OPEN_MALFORMED = 2 / 0, "";
    /// RFC 4271 section 6.2.
    UNSUPPORTED_VERSION = 2 / 1, "Unsupported Version Number";
    /// RFC 4271 section 6.2.
    BAD_PEER_AS = 2 / 2, "Bad Peer AS";
    /// RFC 4271 section 6.2, RFC 6286 section 2.2.
    BAD_BGP_IDENTIFIER = 2 / 3, "Bad BGP Identifier";
    /// RFC 4271 section 6.2.
    UNSUPPORTED_OPTIONAL_PARAMETER = 2 / 4, "Unsupported Optional Parameter";
    /// RFC 4271 section 4.5: deprecated, yet seen.
    AUTHENTICATION_FAILURE = 2 / 5, "Authentication Failure";
    /// RFC 4271 section 6.2.
    UNACCEPTABLE_HOLD_TIME = 2 / 6, "Unacceptable Hold Time";
    /// RFC 5492 section 5: the data lists what is missing.
    UNSUPPORTED_CAPABILITY = 2 / 7, "Unsupported Capability";
    /// RFC 9234 section 4.2.
    ROLE_MISMATCH = 2 / 11, "Role Mismatch";
    /// RFC 4271 section 6.3.
    MALFORMED_ATTRIBUTE_LIST = 3 / 1, "Malformed Attribute List";
    /// RFC 4271 section 6.3.
    UNRECOGNIZED_WELL_KNOWN = 3 / 2, "Unrecognized Well-known Attribute";
    /// RFC 4271 section 6.3.
    MISSING_WELL_KNOWN = 3 / 3, "Missing Well-known Attribute";
    /// RFC 4271 section 6.3.
    ATTRIBUTE_FLAGS = 3 / 4, "Attribute Flags Error";
    /// RFC 4271 section 6.3.
    ATTRIBUTE_LENGTH = 3 / 5, "Attribute Length Error";
    /// RFC 4271 section 6.3.
    INVALID_ORIGIN = 3 / 6, "Invalid ORIGIN Attribute";
    /// RFC 4271 section 4.5: deprecated.
    ROUTING_LOOP = 3 / 7, "AS Routing Loop";
    /// RFC 4271 section 6.3.
    INVALID_NEXT_HOP = 3 / 8, "Invalid NEXT_HOP Attribute";
    /// RFC 4271 section 6.3, RFC 4760 section 7.
    OPTIONAL_ATTRIBUTE = 3 / 9, "Optional Attribute Error";
    /// RFC 4271 section 6.3.
    INVALID_NETWORK_FIELD = 3 / 10, "Invalid Network Field";
    /// RFC 4271 section 6.3.
    MALFORMED_AS_PATH = 3 / 11, "Malformed AS_PATH";
    /// RFC 4271 section 6.5.
    HOLD_TIMER_EXPIRED = 4 / 0, "";
    /// RFC 4271 section 6.6.
    FSM_ERROR = 5 / 0, "";
    /// RFC 6608.
    UNEXPECTED_IN_OPEN_SENT = 5 / 1, "Unexpected Message in OpenSent State";
    /// RFC 6608.
    UNEXPECTED_IN_OPEN_CONFIRM = 5 / 2, "Unexpected Message in OpenConfirm State";
    /// RFC 6608.
    UNEXPECTED_IN_ESTABLISHED = 5 / 3, "Unexpected Message in Established State";
    /// RFC 4271 section 6.7: no closer word.
    CEASE = 6 / 0, "";
    /// RFC 4486: [`Fault::max_prefixes`] has its data.
    MAX_PREFIXES = 6 / 1, "Maximum Number of Prefixes Reached";
    /// RFC 4486; a text may follow (RFC 9003).
    ADMINISTRATIVE_SHUTDOWN = 6 / 2, "Administrative Shutdown";
    /// RFC 4486.
    PEER_DECONFIGURED = 6 / 3, "Peer De-configured";
    /// RFC 4486; a text may follow (RFC 9003).
    ADMINISTRATIVE_RESET = 6 / 4, "Administrative Reset";
    /// RFC 4486.
    CONNECTION_REJECTED = 6 / 5, "Connection Rejected";
    /// RFC 4486.
    CONFIGURATION_CHANGE = 6 / 6, "Other Configuration Change";
    /// RFC 4271 section 6.8, RFC 4486.
    COLLISION_RESOLUTION = 6 / 7, "Connection Collision Resolution";
    /// RFC 4486.
    OUT_OF_RESOURCES = 6 / 8, "Out of Resources";
    /// RFC 8538: what would have been said otherwise is in the data.
    HARD_RESET = 6 / 9, "Hard Reset";
    /// RFC 9384.
    BFD_DOWN = 6 / 10, "BFD Down";
    /// RFC 7313 section 5.
    ROUTE_REFRESH_LENGTH = 7 / 1, "Invalid Message Length";
    /// RFC 9687.
    SEND_HOLD_TIMER_EXPIRED = 8 / 0, "";
}

impl Reason {
    /// The name of the code alone.
    #[must_use]
    pub const fn code_name(self) -> Option<&'static str> {
        match self.code {
            1 => Some("Message Header Error"),
            2 => Some("OPEN Message Error"),
            3 => Some("UPDATE Message Error"),
            4 => Some("Hold Timer Expired"),
            5 => Some("Finite State Machine Error"),
            6 => Some("Cease"),
            7 => Some("ROUTE-REFRESH Message Error"),
            8 => Some("Send Hold Timer Expired"),
            _ => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code_name() {
            Some(name) => f.write_str(name)?,
            None => write!(f, "code {}", self.code)?,
        }
        match self.subcode_name() {
            Some("") => Ok(()),
            Some(name) => write!(f, ": {name}"),
            None if self.subcode == 0 => Ok(()),
            None => write!(f, ": subcode {}", self.subcode),
        }
    }
}

/// The longest data of a NOTIFICATION that answers a message. An attribute that is longer is quoted from its beginning.
pub const FAULT_DATA_MAX: usize = 64;

/// Why a session ends: what our NOTIFICATION says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    reason: Reason,
    length: u8,
    data: [u8; FAULT_DATA_MAX],
}

impl Fault {
    /// A reason without data.
    #[must_use]
    pub const fn new(reason: Reason) -> Self {
        Self { reason, length: 0, data: [0; FAULT_DATA_MAX] }
    }

    /// A reason with the first [`FAULT_DATA_MAX`] bytes of `data`.
    #[must_use]
    pub fn with_data(reason: Reason, data: &[u8]) -> Self {
        Self::with_parts(reason, &[data])
    }

    /// A reason with data that lies in pieces.
    pub(super) fn with_parts(reason: Reason, parts: &[&[u8]]) -> Self {
        let mut fault = Self::new(reason);
        for (to, from) in fault.data.iter_mut().zip(parts.iter().copied().flatten()) {
            *to = *from;
            fault.length += 1;
        }
        fault
    }

    /// More prefixes than `limit` were received (RFC 4486 section 4).
    #[must_use]
    pub fn max_prefixes(family: Family, limit: u32) -> Self {
        let ([a0, a1], [l0, l1, l2, l3]) = (family.afi().to_be_bytes(), limit.to_be_bytes());
        Self::with_data(Reason::MAX_PREFIXES, &[a0, a1, family.safi(), l0, l1, l2, l3])
    }

    /// Code and subcode.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// What follows them.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        self.data.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl From<Reason> for Fault {
    fn from(reason: Reason) -> Self {
        Self::new(reason)
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault").field("reason", &self.reason).field("data", &self.data()).finish()
    }
}

/// The words of the NOTIFICATION, as [`super::Notification`] shows them.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::Notification { reason: self.reason, data: self.data() }.fmt(f)
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_words() {
        let shown = |reason: Reason| reason.to_string();
        assert_eq!(shown(Reason::ADMINISTRATIVE_SHUTDOWN), "Cease: Administrative Shutdown");
        assert_eq!(shown(Reason::HOLD_TIMER_EXPIRED), "Hold Timer Expired");
        assert_eq!(shown(Reason::SEND_HOLD_TIMER_EXPIRED), "Send Hold Timer Expired");
        assert_eq!(shown(Reason { code: 6, subcode: 99 }), "Cease: subcode 99");
        assert_eq!(shown(Reason { code: 77, subcode: 0 }), "code 77");
        assert_eq!(shown(Reason { code: 77, subcode: 3 }), "code 77: subcode 3");
    }

    #[test]
    fn every_named_reason_has_a_code_with_a_name_and_words_of_its_own() {
        let mut words: Vec<_> = Reason::NAMED.iter().map(ToString::to_string).collect();
        assert!(Reason::NAMED.iter().all(|reason| reason.code_name().is_some()));
        words.sort();
        words.dedup();
        assert_eq!(words.len(), Reason::NAMED.len());
    }

    #[test]
    fn data_is_cut_at_its_bound() {
        assert_eq!(Fault::with_data(Reason::BAD_PEER_AS, &[7; 300]).data(), [7; FAULT_DATA_MAX]);
        assert_eq!(Fault::with_parts(Reason::BAD_PEER_AS, &[&[1], &[], &[2, 3]]).data(), [1, 2, 3]);
        assert!(Fault::new(Reason::CEASE).data().is_empty());
    }

    #[test]
    fn a_limit_of_prefixes_names_family_and_number() {
        assert_eq!(Fault::max_prefixes(Family::Ipv6, 5000).data(), [0, 2, 1, 0, 0, 0x13, 0x88]);
    }
}
