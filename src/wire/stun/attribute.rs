//! Attribute types (RFC 8489 section 18.3 and the registries that grew from it).

use std::fmt;

/// The type of an attribute.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttributeType(pub u16);

impl AttributeType {
    /// RFC 8489 section 14.1.
    pub const MAPPED_ADDRESS: Self = Self(0x0001);
    /// RFC 5780 section 7.2.
    pub const CHANGE_REQUEST: Self = Self(0x0003);
    /// RFC 8489 section 14.3.
    pub const USERNAME: Self = Self(0x0006);
    /// RFC 8489 section 14.5.
    pub const MESSAGE_INTEGRITY: Self = Self(0x0008);
    /// RFC 8489 section 14.8.
    pub const ERROR_CODE: Self = Self(0x0009);
    /// RFC 8489 section 14.13.
    pub const UNKNOWN_ATTRIBUTES: Self = Self(0x000A);
    /// RFC 8656 section 18.1.
    pub const CHANNEL_NUMBER: Self = Self(0x000C);
    /// RFC 8656 section 18.2.
    pub const LIFETIME: Self = Self(0x000D);
    /// RFC 8656 section 18.3.
    pub const XOR_PEER_ADDRESS: Self = Self(0x0012);
    /// RFC 8656 section 18.4.
    pub const DATA: Self = Self(0x0013);
    /// RFC 8489 section 14.9.
    pub const REALM: Self = Self(0x0014);
    /// RFC 8489 section 14.10.
    pub const NONCE: Self = Self(0x0015);
    /// RFC 8656 section 18.5.
    pub const XOR_RELAYED_ADDRESS: Self = Self(0x0016);
    /// RFC 8656 section 18.6.
    pub const REQUESTED_ADDRESS_FAMILY: Self = Self(0x0017);
    /// RFC 8656 section 18.7.
    pub const EVEN_PORT: Self = Self(0x0018);
    /// RFC 8656 section 18.8.
    pub const REQUESTED_TRANSPORT: Self = Self(0x0019);
    /// RFC 8656 section 18.9.
    pub const DONT_FRAGMENT: Self = Self(0x001A);
    /// RFC 7635 section 6.2.
    pub const ACCESS_TOKEN: Self = Self(0x001B);
    /// RFC 8489 section 14.6.
    pub const MESSAGE_INTEGRITY_SHA256: Self = Self(0x001C);
    /// RFC 8489 section 14.12.
    pub const PASSWORD_ALGORITHM: Self = Self(0x001D);
    /// RFC 8489 section 14.4.
    pub const USERHASH: Self = Self(0x001E);
    /// RFC 8489 section 14.2.
    pub const XOR_MAPPED_ADDRESS: Self = Self(0x0020);
    /// RFC 8656 section 18.10.
    pub const RESERVATION_TOKEN: Self = Self(0x0022);
    /// RFC 5780 section 7.6.
    pub const PADDING: Self = Self(0x0026);
    /// RFC 5780 section 7.5.
    pub const RESPONSE_PORT: Self = Self(0x0027);
    /// RFC 6062 section 6.2.1.
    pub const CONNECTION_ID: Self = Self(0x002A);
    /// RFC 8656 section 18.11.
    pub const ADDITIONAL_ADDRESS_FAMILY: Self = Self(0x8000);
    /// What ADDITIONAL-ADDRESS-FAMILY was numbered in draft-martinsen-tram-ssoda; coturn's programs still do.
    pub const DRAFT_ADDITIONAL_ADDRESS_FAMILY: Self = Self(0x8032);
    /// RFC 8656 section 18.12.
    pub const ADDRESS_ERROR_CODE: Self = Self(0x8001);
    /// RFC 8489 section 14.11.
    pub const PASSWORD_ALGORITHMS: Self = Self(0x8002);
    /// RFC 8489 section 14.16.
    pub const ALTERNATE_DOMAIN: Self = Self(0x8003);
    /// RFC 8656 section 18.13.
    pub const ICMP: Self = Self(0x8004);
    /// RFC 8489 section 14.14.
    pub const SOFTWARE: Self = Self(0x8022);
    /// RFC 8489 section 14.15.
    pub const ALTERNATE_SERVER: Self = Self(0x8023);
    /// RFC 8489 section 14.7.
    pub const FINGERPRINT: Self = Self(0x8028);
    /// RFC 5780 section 7.3.
    pub const RESPONSE_ORIGIN: Self = Self(0x802B);
    /// RFC 5780 section 7.4.
    pub const OTHER_ADDRESS: Self = Self(0x802C);
    /// RFC 7635 section 6.1.
    pub const THIRD_PARTY_AUTHORIZATION: Self = Self(0x802E);
    /// RFC 8016 section 3.3.
    pub const MOBILITY_TICKET: Self = Self(0x8030);

    /// Whether a receiver that does not know it must refuse the message (RFC 8489 section 14).
    #[must_use]
    pub const fn is_comprehension_required(self) -> bool {
        self.0 < 0x8000
    }

    /// Whether it is one of those named here. A known attribute in a message that has no use for it is ignored
    /// (RFC 8489 section 14); only one that is not known and must be is an error.
    #[must_use]
    pub const fn is_known(self) -> bool {
        self.name().is_some()
    }

    /// Its name in the RFC.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::MAPPED_ADDRESS => "MAPPED-ADDRESS",
            Self::CHANGE_REQUEST => "CHANGE-REQUEST",
            Self::USERNAME => "USERNAME",
            Self::MESSAGE_INTEGRITY => "MESSAGE-INTEGRITY",
            Self::ERROR_CODE => "ERROR-CODE",
            Self::UNKNOWN_ATTRIBUTES => "UNKNOWN-ATTRIBUTES",
            Self::CHANNEL_NUMBER => "CHANNEL-NUMBER",
            Self::LIFETIME => "LIFETIME",
            Self::XOR_PEER_ADDRESS => "XOR-PEER-ADDRESS",
            Self::DATA => "DATA",
            Self::REALM => "REALM",
            Self::NONCE => "NONCE",
            Self::XOR_RELAYED_ADDRESS => "XOR-RELAYED-ADDRESS",
            Self::REQUESTED_ADDRESS_FAMILY => "REQUESTED-ADDRESS-FAMILY",
            Self::EVEN_PORT => "EVEN-PORT",
            Self::REQUESTED_TRANSPORT => "REQUESTED-TRANSPORT",
            Self::DONT_FRAGMENT => "DONT-FRAGMENT",
            Self::ACCESS_TOKEN => "ACCESS-TOKEN",
            Self::MESSAGE_INTEGRITY_SHA256 => "MESSAGE-INTEGRITY-SHA256",
            Self::PASSWORD_ALGORITHM => "PASSWORD-ALGORITHM",
            Self::USERHASH => "USERHASH",
            Self::XOR_MAPPED_ADDRESS => "XOR-MAPPED-ADDRESS",
            Self::RESERVATION_TOKEN => "RESERVATION-TOKEN",
            Self::PADDING => "PADDING",
            Self::RESPONSE_PORT => "RESPONSE-PORT",
            Self::CONNECTION_ID => "CONNECTION-ID",
            Self::ADDITIONAL_ADDRESS_FAMILY | Self::DRAFT_ADDITIONAL_ADDRESS_FAMILY => {
                "ADDITIONAL-ADDRESS-FAMILY"
            }
            Self::ADDRESS_ERROR_CODE => "ADDRESS-ERROR-CODE",
            Self::PASSWORD_ALGORITHMS => "PASSWORD-ALGORITHMS",
            Self::ALTERNATE_DOMAIN => "ALTERNATE-DOMAIN",
            Self::ICMP => "ICMP",
            Self::SOFTWARE => "SOFTWARE",
            Self::ALTERNATE_SERVER => "ALTERNATE-SERVER",
            Self::FINGERPRINT => "FINGERPRINT",
            Self::RESPONSE_ORIGIN => "RESPONSE-ORIGIN",
            Self::OTHER_ADDRESS => "OTHER-ADDRESS",
            Self::THIRD_PARTY_AUTHORIZATION => "THIRD-PARTY-AUTHORIZATION",
            Self::MOBILITY_TICKET => "MOBILITY-TICKET",
            _ => return None,
        })
    }
}

impl fmt::Debug for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "AttributeType({:#06x})", self.0),
        }
    }
}
