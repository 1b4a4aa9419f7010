//! The first datagram of a handshake, read without keeping anything, and the answers that need no session.

use std::ops::Range;

use super::cookie::COOKIE_LENGTH;

const HANDSHAKE: u8 = 22;
const ALERT: u8 = 21;
const FATAL: u8 = 2;
const CLIENT_HELLO: u8 = 1;
const HELLO_VERIFY_REQUEST: u8 = 3;

/// Versions count downwards: 1.0 is 254.255, 1.2 is 254.253, 1.3 is 254.252.
const MAJOR: u8 = 254;
const DTLS10: [u8; 2] = [MAJOR, 255];
const DTLS12: [u8; 2] = [MAJOR, 253];
const DTLS13: [u8; 2] = [MAJOR, 252];

const RECORD_HEADER: usize = 13;
const HANDSHAKE_HEADER: usize = 12;
/// Where the body begins in a datagram.
const BODY: usize = RECORD_HEADER + HANDSHAKE_HEADER;
const RANDOM: Range<usize> = BODY + 2..BODY + 34;
const SESSION_ID: usize = BODY + 34;
const EXTENSION_SUPPORTED_VERSIONS: u16 = 43;

/// A ClientHello in the clear: the first record of a datagram, the first fragment at least.
pub(super) struct ClientHello<'a> {
    /// The record, from its header to its end.
    record: &'a [u8],
    complete: bool,
    /// Of the cookie in `record`, when complete.
    cookie: Range<usize>,
    offers_dtls13: bool,
}

impl<'a> ClientHello<'a> {
    /// None for anything else, and for one that breaks the format.
    pub(super) fn parse(datagram: &'a [u8]) -> Option<Self> {
        let length = usize::from(be16(datagram, 11)?);
        let record = datagram.get(..RECORD_HEADER + length)?;
        let (&[kind, major, _, epoch0, epoch1, ..], _) = record.split_first_chunk::<13>()?;
        if kind != HANDSHAKE || major != MAJOR || (epoch0, epoch1) != (0, 0) {
            return None;
        }
        let (&handshake, body) = record.get(RECORD_HEADER..)?.split_first_chunk::<HANDSHAKE_HEADER>()?;
        let [kind, l0, l1, l2, _, _, o0, o1, o2, f0, f1, f2] = handshake;
        let total = be24(l0, l1, l2);
        let fragment = be24(f0, f1, f2);
        if kind != CLIENT_HELLO || be24(o0, o1, o2) != 0 || fragment > total || fragment > body.len() {
            return None;
        }
        if fragment < total {
            return Some(Self { record, complete: false, cookie: 0..0, offers_dtls13: false });
        }
        let record = record.get(..BODY + total)?;
        let cookie = cookie(record)?;
        let offers_dtls13 = offers(record, cookie.end, DTLS13)?;
        Some(Self { record, complete: true, cookie, offers_dtls13 })
    }

    /// Whether the whole message is in this record.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether the client's best version is older than 1.2.
    pub(super) fn speaks_only_older(&self) -> bool {
        !matches!(self.record.get(BODY..BODY + 2), Some([MAJOR, minor]) if *minor <= DTLS12[1])
    }

    pub(super) fn offers_dtls13(&self) -> bool {
        self.offers_dtls13
    }

    pub(super) fn random(&self) -> &[u8] {
        self.record.get(RANDOM).unwrap_or(&[])
    }

    pub(super) fn cookie(&self) -> &[u8] {
        self.record.get(self.cookie.clone()).unwrap_or(&[])
    }

    pub(super) fn record_sequence(&self) -> u64 {
        self.record.get(5..11).unwrap_or(&[]).iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }

    /// The message as it was before the cookie exchange: without cookie, number 0. None unless this is message 1,
    /// as the answer to a HelloVerifyRequest must be (RFC 6347 section 4.2.2).
    pub(super) fn without_cookie(&self) -> Option<Vec<u8>> {
        if be16(self.record, RECORD_HEADER + 4)? != 1 {
            return None;
        }
        let mut message = self.record.get(BODY..self.cookie.start.checked_sub(1)?)?.to_vec();
        message.push(0);
        message.extend_from_slice(self.record.get(self.cookie.end..)?);
        Some(handshake_record(DTLS12, &[0; 6], CLIENT_HELLO, &message))
    }

    /// RFC 6347 section 4.2.1: version 1.0 whatever will be spoken, and the record number of the ClientHello.
    pub(super) fn verify_request(&self, cookie: &[u8; COOKIE_LENGTH]) -> Vec<u8> {
        let mut message = DTLS10.to_vec();
        message.extend(u8::try_from(cookie.len()));
        message.extend_from_slice(cookie);
        handshake_record(DTLS10, self.sequence(), HELLO_VERIFY_REQUEST, &message)
    }

    /// A fatal alert in the record version that the client uses.
    pub(super) fn alert(&self, description: u8) -> Vec<u8> {
        let version = self.record.get(1..3).and_then(|bytes| bytes.try_into().ok()).unwrap_or(DTLS12);
        record(ALERT, version, self.sequence(), &[FATAL, description])
    }

    fn sequence(&self) -> &[u8] {
        self.record.get(5..11).unwrap_or(&[0; 6])
    }
}

/// A fatal alert of DTLS 1.2 in the clear.
pub(super) fn plain_alert(sequence: u64, description: u8) -> Vec<u8> {
    let [_, _, sequence @ ..] = sequence.to_be_bytes();
    record(ALERT, DTLS12, &sequence, &[FATAL, description])
}

/// Adds `offset` to the record numbers of all plaintext records of a datagram. They are not authenticated.
pub(super) fn shift_plaintext_records(mut datagram: &mut [u8], offset: u64) {
    while let Some(length) = be16(datagram, 11) {
        let end = (RECORD_HEADER + usize::from(length)).min(datagram.len());
        let (record, rest) = datagram.split_at_mut(end);
        if let Some(number @ [0, 0, ..]) =
            record.get_mut(3..11).and_then(|bytes| bytes.first_chunk_mut::<8>())
        {
            *number = u64::from_be_bytes(*number).wrapping_add(offset).to_be_bytes();
        }
        datagram = rest;
    }
}

fn handshake_record(version: [u8; 2], sequence: &[u8], kind: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or_default().to_be_bytes();
    let [_, length @ ..] = length;
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&length);
    bytes.extend_from_slice(&[0, 0, 0, 0, 0]);
    bytes.extend_from_slice(&length);
    bytes.extend_from_slice(message);
    record(HANDSHAKE, version, sequence, &bytes)
}

/// A record of epoch 0.
fn record(kind: u8, version: [u8; 2], sequence: &[u8], content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&version);
    bytes.extend_from_slice(&[0, 0]);
    bytes.extend_from_slice(sequence);
    bytes.extend_from_slice(&u16::try_from(content.len()).unwrap_or_default().to_be_bytes());
    bytes.extend_from_slice(content);
    bytes
}

/// Where the cookie is: behind version, random and session ID.
fn cookie(record: &[u8]) -> Option<Range<usize>> {
    let length_at = SESSION_ID + 1 + usize::from(*record.get(SESSION_ID)?);
    let start = length_at + 1;
    let end = start + usize::from(*record.get(length_at)?);
    record.get(start..end).map(|_| start..end)
}

/// Whether the extension `supported_versions` names `version`. `at` is where the cipher suites begin.
fn offers(record: &[u8], at: usize, version: [u8; 2]) -> Option<bool> {
    let compressions = at + 2 + usize::from(be16(record, at)?);
    let extensions = compressions + 1 + usize::from(*record.get(compressions)?);
    let mut rest = record.get(extensions..)?;
    if rest.is_empty() {
        return Some(false);
    }
    let length = usize::from(be16(rest, 0)?);
    rest = rest.get(2..2 + length)?;
    while !rest.is_empty() {
        let end = 4 + usize::from(be16(rest, 2)?);
        let content = rest.get(4..end)?;
        if be16(rest, 0)? == EXTENSION_SUPPORTED_VERSIONS {
            let versions = content.get(1..).unwrap_or(&[]);
            return Some(versions.chunks_exact(2).any(|offered| offered == version));
        }
        rest = rest.get(end..)?;
    }
    Some(false)
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|pair| u16::from_be_bytes(*pair))
}

fn be24(b0: u8, b1: u8, b2: u8) -> usize {
    usize::from(b0) << 16 | usize::from(b1) << 8 | usize::from(b2)
}
