//! NOTIFICATION (RFC 4271 section 4.5) and what its data means, in words for operators.

use std::fmt;

use super::{Family, Reason, open};

/// Why the other side ends the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notification<'a> {
    /// Its code and subcode.
    pub reason: Reason,
    /// What follows them.
    pub data: &'a [u8],
}

impl<'a> Notification<'a> {
    /// The text of an administrative shutdown or reset (RFC 9003). `None` if there is none, or none that is UTF-8 of the
    /// length that it claims.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        let spoken = matches!(self.reason, Reason::ADMINISTRATIVE_SHUTDOWN | Reason::ADMINISTRATIVE_RESET);
        let (&length, text) = self.data.split_first().filter(|_| spoken)?;
        let text = text.get(..length.into())?;
        std::str::from_utf8(text).ok().filter(|text| !text.is_empty())
    }

    /// What a Hard Reset carries (RFC 8538 section 3): the reason of what would have been said otherwise.
    fn within_hard_reset(&self) -> Option<Self> {
        let (&[code, subcode], data) = self.data.split_first_chunk()?;
        let reason = Reason { code, subcode };
        // One within another says nothing more; showing it would only let a peer nest.
        (self.reason == Reason::HARD_RESET && reason != Reason::HARD_RESET).then_some(Self { reason, data })
    }

    fn details(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.reason, self.data) {
            (_, []) => Ok(()),
            (Reason::ADMINISTRATIVE_SHUTDOWN | Reason::ADMINISTRATIVE_RESET, [0]) => Ok(()),
            (Reason::BAD_MESSAGE_LENGTH, &[l0, l1]) => {
                write!(f, " (length {})", u16::from_be_bytes([l0, l1]))
            }
            (Reason::BAD_MESSAGE_TYPE, &[kind]) => write!(f, " (type {kind})"),
            (Reason::UNSUPPORTED_VERSION, &[v0, v1]) => {
                write!(f, " (version {} is supported)", u16::from_be_bytes([v0, v1]))
            }
            (Reason::UNACCEPTABLE_HOLD_TIME, &[t0, t1]) => write!(f, " ({} s)", u16::from_be_bytes([t0, t1])),
            (Reason::BAD_PEER_AS, &[a0, a1]) => write!(f, " (AS {})", u16::from_be_bytes([a0, a1])),
            (Reason::BAD_PEER_AS, &[a0, a1, a2, a3]) => {
                write!(f, " (AS {})", u32::from_be_bytes([a0, a1, a2, a3]))
            }
            (Reason::UNSUPPORTED_CAPABILITY, data) => open::describe_capabilities(data, f),
            (Reason::MISSING_WELL_KNOWN, &[kind]) => write!(f, " ({})", super::AttributeType(kind)),
            (Reason { code: 3, .. }, &[_, kind, ..]) => write!(f, " ({})", super::AttributeType(kind)),
            (Reason::MAX_PREFIXES, &[a0, a1, safi, l0, l1, l2, l3]) => {
                let (afi, limit) = (u16::from_be_bytes([a0, a1]), u32::from_be_bytes([l0, l1, l2, l3]));
                match Family::from_numbers(afi, safi) {
                    Some(family) => write!(f, " ({family}, limit {limit})"),
                    None => write!(f, " (AFI {afi} SAFI {safi}, limit {limit})"),
                }
            }
            (_, data) => hexadecimal(data, f),
        }
    }
}

/// Whatever the other side wrote is shown with its control and formatting characters escaped: it cannot write to a terminal.
impl fmt::Display for Notification<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)?;
        if let Some(text) = self.text() {
            return write!(f, ": {text:?}");
        }
        match self.within_hard_reset() {
            Some(inner) => write!(f, " ({inner})"),
            None => self.details(f),
        }
    }
}

/// Data that has no meaning for us.
fn hexadecimal(data: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const SHOWN: usize = 16;
    f.write_str(" (data ")?;
    for byte in data.iter().take(SHOWN) {
        write!(f, "{byte:02x}")?;
    }
    f.write_str(if data.len() > SHOWN { "…)" } else { ")" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(reason: Reason, data: &[u8]) -> String {
        Notification { reason, data }.to_string()
    }

    #[test]
    fn a_shutdown_text_is_shown() {
        let said = shown(Reason::ADMINISTRATIVE_SHUTDOWN, b"\x05maint");
        assert_eq!(said, "Cease: Administrative Shutdown: \"maint\"");
        let data = b"\x02hi and more";
        assert_eq!(Notification { reason: Reason::ADMINISTRATIVE_RESET, data }.text(), Some("hi"));
        assert_eq!(shown(Reason::ADMINISTRATIVE_SHUTDOWN, &[0]), "Cease: Administrative Shutdown");
        assert_eq!(Notification { reason: Reason::CEASE, data }.text(), None);
    }

    #[test]
    fn a_text_cannot_write_to_the_terminal() {
        let text = "a\u{1b}[2Jb\u{202e}c\nd";
        let mut data = vec![u8::try_from(text.len()).unwrap()];
        data.extend(text.as_bytes());
        let said = shown(Reason::ADMINISTRATIVE_SHUTDOWN, &data);
        assert!(!said.contains(['\u{1b}', '\u{202e}', '\n']), "{said:?}");
    }

    #[test]
    fn a_malformed_text_is_shown_as_bytes() {
        assert_eq!(
            shown(Reason::ADMINISTRATIVE_SHUTDOWN, b"\x09hi"),
            "Cease: Administrative Shutdown (data 096869)"
        );
        assert_eq!(
            shown(Reason::ADMINISTRATIVE_RESET, b"\x02\xFF\xFE"),
            "Cease: Administrative Reset (data 02fffe)"
        );
    }

    #[test]
    fn data_is_explained() {
        let version = "OPEN Message Error: Unsupported Version Number (version 4 is supported)";
        assert_eq!(shown(Reason::UNSUPPORTED_VERSION, &[0, 4]), version);
        assert_eq!(
            shown(Reason::MAX_PREFIXES, &[0, 1, 1, 0, 0, 0, 9]),
            "Cease: Maximum Number of Prefixes Reached (IPv4, limit 9)"
        );
        assert_eq!(
            shown(Reason::INVALID_ORIGIN, &[0x40, 1, 1, 9]),
            "UPDATE Message Error: Invalid ORIGIN Attribute (ORIGIN)"
        );
        assert_eq!(
            shown(Reason::MISSING_WELL_KNOWN, &[3]),
            "UPDATE Message Error: Missing Well-known Attribute (NEXT_HOP)"
        );
        assert_eq!(
            shown(Reason::BAD_MESSAGE_TYPE, &[99]),
            "Message Header Error: Bad Message Type (type 99)"
        );
        assert_eq!(shown(Reason::CEASE, &[0xAB; 17]), format!("Cease (data {}…)", "ab".repeat(16)));
    }

    #[test]
    fn a_hard_reset_shows_what_it_carries_once() {
        assert_eq!(
            shown(Reason::HARD_RESET, b"\x06\x02\x02hi"),
            "Cease: Hard Reset (Cease: Administrative Shutdown: \"hi\")"
        );
        let nested = [6, 9].repeat(2000);
        assert!(shown(Reason::HARD_RESET, &nested).len() < 100);
        assert_eq!(shown(Reason::HARD_RESET, &[]), "Cease: Hard Reset");
    }
}
