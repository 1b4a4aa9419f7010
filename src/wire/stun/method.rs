//! The message type: class and method, interleaved (RFC 8489 section 5, figure 3).

use std::fmt;

/// What a message is for (RFC 8489 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Wants an answer.
    Request,
    /// Wants none.
    Indication,
    /// Answers a request that was served.
    Success,
    /// Answers a request that was refused.
    Error,
}

/// The operation, a 12-bit number (RFC 8489 section 18.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Method(u16);

impl Method {
    /// RFC 8489.
    pub const BINDING: Self = Self(0x001);
    /// RFC 8656.
    pub const ALLOCATE: Self = Self(0x003);
    /// RFC 8656.
    pub const REFRESH: Self = Self(0x004);
    /// RFC 8656; indication only.
    pub const SEND: Self = Self(0x006);
    /// RFC 8656; indication only.
    pub const DATA: Self = Self(0x007);
    /// RFC 8656.
    pub const CREATE_PERMISSION: Self = Self(0x008);
    /// RFC 8656.
    pub const CHANNEL_BIND: Self = Self(0x009);
    /// RFC 6062.
    pub const CONNECT: Self = Self(0x00A);
    /// RFC 6062.
    pub const CONNECTION_BIND: Self = Self(0x00B);
    /// RFC 6062; indication only.
    pub const CONNECTION_ATTEMPT: Self = Self(0x00C);

    /// The method with this number; `None` above twelve bits.
    #[must_use]
    pub const fn new(value: u16) -> Option<Self> {
        if value <= 0xFFF { Some(Self(value)) } else { None }
    }

    /// Its number.
    #[must_use]
    pub const fn value(self) -> u16 {
        self.0
    }

    /// Its name in the RFC, or `None` if no RFC here defines it.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::BINDING => "Binding",
            Self::ALLOCATE => "Allocate",
            Self::REFRESH => "Refresh",
            Self::SEND => "Send",
            Self::DATA => "Data",
            Self::CREATE_PERMISSION => "CreatePermission",
            Self::CHANNEL_BIND => "ChannelBind",
            Self::CONNECT => "Connect",
            Self::CONNECTION_BIND => "ConnectionBind",
            Self::CONNECTION_ATTEMPT => "ConnectionAttempt",
            _ => return None,
        })
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "Method({:#05x})", self.0),
        }
    }
}

/// The first sixteen bits of a message: `00 M11..M7 C1 M6..M4 C0 M3..M0`.
pub(super) const fn encode(class: Class, method: Method) -> u16 {
    let class = match class {
        Class::Request => 0x000,
        Class::Indication => 0x010,
        Class::Success => 0x100,
        Class::Error => 0x110,
    };
    let m = method.0;
    ((m & 0xF80) << 2) | ((m & 0x070) << 1) | (m & 0x00F) | class
}

/// The reverse of [`encode`]; the two upper bits are not looked at.
pub(super) const fn decode(message_type: u16) -> (Class, Method) {
    let class = match message_type & 0x110 {
        0x000 => Class::Request,
        0x010 => Class::Indication,
        0x100 => Class::Success,
        _ => Class::Error,
    };
    let method = ((message_type & 0x3E00) >> 2) | ((message_type & 0x00E0) >> 1) | (message_type & 0x000F);
    (class, Method(method))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_and_class_survives_the_message_type() {
        for value in 0..=0xFFF {
            let method = Method::new(value).unwrap();
            for class in [Class::Request, Class::Indication, Class::Success, Class::Error] {
                let message_type = encode(class, method);
                assert_eq!(message_type & 0xC000, 0);
                assert_eq!(decode(message_type), (class, method));
            }
        }
        assert_eq!(Method::new(0x1000), None);
    }

    #[test]
    fn message_types_are_those_of_the_registry() {
        assert_eq!(encode(Class::Request, Method::BINDING), 0x0001);
        assert_eq!(encode(Class::Success, Method::BINDING), 0x0101);
        assert_eq!(encode(Class::Error, Method::ALLOCATE), 0x0113);
        assert_eq!(encode(Class::Indication, Method::SEND), 0x0016);
        assert_eq!(encode(Class::Indication, Method::DATA), 0x0017);
        assert_eq!(encode(Class::Request, Method::CONNECT), 0x000A);
        assert_eq!(encode(Class::Indication, Method::CONNECTION_ATTEMPT), 0x001C);
    }
}
