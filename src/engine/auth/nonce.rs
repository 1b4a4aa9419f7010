//! Stateless nonces: whoever holds the fleet key can tell a nonce of the fleet from any other, and nothing is remembered.
//!
//! A nonce is 32 characters: the nonce cookie of RFC 8489 section 9.2 ("obMatJos2" and the security features), then 19
//! characters of base64 over 14 bytes:
//!
//! | bytes | what                                                                |
//! |-------|---------------------------------------------------------------------|
//! | 2     | the relay that issued it                                            |
//! | 4     | when: 20 bits of the Unix time in seconds, 12 of a monotonic clock, in steps of 1.05 ms |
//! | 2     | the client's port, so that no two clients get the same (section 9.2.4) |
//! | 6     | HMAC-SHA256, cut, under a fleet key                                 |
//!
//! The MAC covers the cookie, the fields before it with the time in full, the client's address and the realm. So an
//! altered feature bit spoils it (bid-down protection), and a nonce that validates proves that its bearer receives
//! at that address. The port is not compared: the same client may come from another, as RFC 6062 data
//! connections and NAT rebindings do. 48 bits are guessed online only, within the nonce's lifetime, to win an answer
//! to a spoofed address: a nonce authenticates nobody.
//!
//! The finer time is for nobody but the relay that wrote it: when the nonce comes back from the port that it was sent to,
//! it tells how long client and network took to answer the challenge ([`NonceKeys::turnaround`]), and nothing needed to be
//! remembered for that.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::time::{Now, Time, UnixTime};

/// Length of a nonce in bytes, without any padding in the message.
pub const NONCE_LEN: usize = 32;

const MARK: &[u8; 9] = b"obMatJos2";
const COOKIE_LEN: usize = 13;
const FIELDS_LEN: usize = 8;
const MAC_LEN: usize = 6;
const BODY_LEN: usize = FIELDS_LEN + MAC_LEN;
/// The seconds wrap after 12 days.
const TIME_MASK: u64 = 0x000F_FFFF;
/// Below the seconds stands the finer time.
const TICK_BITS: u32 = 12;
const TICK_MASK: u64 = (1 << TICK_BITS) - 1;
/// Nanoseconds of its steps, as a power of two: it wraps after 4.3 seconds.
const STEP_BITS: u32 = 20;
/// A client that takes longer to answer a challenge has not answered at once: that is no measure of anything.
const TURNAROUND_MAX: Duration = Duration::from_secs(2);
/// How far ahead of ours the clock of the relay that issued a nonce may be.
const SKEW: u64 = 30;
/// A nonce lives at most this long, so that its time is never ambiguous.
const LIFETIME_MAX: u64 = TIME_MASK - 2 * SKEW;

/// The STUN Security Features of a nonce cookie (RFC 8489 section 18.1), a set of 24 bits.
///
/// Sections 9.2 and 18.1 count the bits from the most significant one; appendix B.1 has them from the least significant
/// one. Clients of either reading exist (libjuice: the latter). So each feature is written in both places, and read in
/// either: in the other reading these are bits 22 and 23, which mean nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Features {
    /// Bit 0: the server offers PASSWORD-ALGORITHMS.
    pub password_algorithms: bool,
    /// Bit 1: the server wants USERHASH in place of USERNAME.
    pub username_anonymity: bool,
}

impl Features {
    fn encode(self) -> [u8; 3] {
        let (bit0, bit1) = (u8::from(self.password_algorithms), u8::from(self.username_anonymity));
        [bit0 << 7 | bit1 << 6, 0, bit1 << 1 | bit0]
    }

    /// Reads the nonce cookie, of any server; none if `nonce` does not begin with one.
    #[must_use]
    pub fn of(nonce: &[u8]) -> Option<Self> {
        let mut bytes = [0; 3];
        let encoded = nonce.strip_prefix(MARK)?.get(..4)?;
        STANDARD.decode_slice(encoded, &mut bytes).ok().filter(|&length| length == 3)?;
        let [first, _, last] = bytes;
        Some(Self {
            password_algorithms: first & 0x80 != 0 || last & 0x01 != 0,
            username_anonymity: first & 0x40 != 0 || last & 0x02 != 0,
        })
    }
}

/// Why a nonce is not valid. Both lead to 438 (Stale Nonce).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NonceFault {
    /// No fleet key made it for this client and realm.
    Foreign,
    /// It was, too long ago.
    Stale,
}

/// One key that the relays of a fleet share.
#[derive(Clone)]
pub struct FleetKey(Hmac<Sha256>);

impl FleetKey {
    /// Derives the key from a secret of the operator. A short secret can be guessed from one nonce: the caller insists
    /// on 32 random bytes or says so.
    #[must_use]
    pub fn derive(secret: &[u8]) -> Self {
        // HMAC takes keys of every length; a secret of the operator is not used for anything else under this label.
        let mac = |key: &[u8]| <Hmac<Sha256> as KeyInit>::new_from_slice(key).unwrap_or_else(|_| unkeyed());
        let mut derived = mac(secret);
        derived.update(b"tern nonce 1");
        Self(mac(&derived.finalize().into_bytes()))
    }
}

fn unkeyed() -> Hmac<Sha256> {
    Hmac::<Sha256>::new(&hmac::digest::Key::<Hmac<Sha256>>::default())
}

/// Shows no key.
impl fmt::Debug for FleetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FleetKey")
    }
}

/// Issues and validates nonces. During a rotation the previous keys still validate; new nonces get the current one.
#[derive(Clone, Debug)]
pub struct NonceKeys {
    relay: u16,
    current: FleetKey,
    previous: Vec<FleetKey>,
    lifetime: u64,
}

/// What a nonce tells of the way to its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turnaround {
    /// When it was issued, on a clock that wraps: tells nonces of one client apart. Of each only the first use counts.
    pub issued: u32,
    /// From the challenge to this use.
    pub took: Duration,
}

/// How many keys there can be: a foreign nonce makes us try all.
pub const FLEET_KEYS_MAX: usize = 8;

/// A list of fleet keys that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FleetKeysFault {
    /// Nonces need a key.
    #[error("there is no nonce key; make one with `openssl rand -hex 32`")]
    None,
    /// More than [`FLEET_KEYS_MAX`].
    #[error(
        "there are {0} nonce keys; keep the {FLEET_KEYS_MAX} newest: old ones matter for a nonce's lifetime only"
    )]
    TooMany(usize),
}

impl NonceKeys {
    /// For the relay with this number. Nonces are made under the first key and accepted under all. They live one hour unless
    /// [`Self::with_lifetime`] says otherwise.
    ///
    /// To rotate without a single 438: first append the new key on every relay, then move it to the front everywhere, and
    /// drop the old one a nonce's lifetime later.
    ///
    /// # Errors
    /// No key, or too many.
    pub fn new(relay: u16, keys: impl IntoIterator<Item = FleetKey>) -> Result<Self, FleetKeysFault> {
        let mut keys = keys.into_iter();
        let current = keys.next().ok_or(FleetKeysFault::None)?;
        let previous: Vec<_> = keys.collect();
        if previous.len() >= FLEET_KEYS_MAX {
            return Err(FleetKeysFault::TooMany(previous.len() + 1));
        }
        Ok(Self { relay, current, previous, lifetime: 3600 })
    }

    /// How long a nonce is valid, in whole seconds, from one second to 12 days.
    #[must_use]
    pub fn with_lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime: lifetime.as_secs().clamp(1, LIFETIME_MAX), ..self }
    }

    /// A nonce for this client.
    #[must_use]
    pub fn issue(&self, now: Now, realm: &str, source: SocketAddr, features: Features) -> [u8; NONCE_LEN] {
        let mut nonce = [0; NONCE_LEN];
        let (cookie, encoded) = nonce.split_at_mut(COOKIE_LEN);
        let (mark, bits) = cookie.split_at_mut(MARK.len());
        mark.copy_from_slice(MARK);
        let mut body = [0; BODY_LEN];
        let (fields, mac) = body.split_at_mut(FIELDS_LEN);
        let [r0, r1] = self.relay.to_be_bytes();
        let [.., t0, t1, t2, t3] = ((now.unix.0 & TIME_MASK) << TICK_BITS | tick(now.time)).to_be_bytes();
        let [p0, p1] = source.port().to_be_bytes();
        fields.copy_from_slice(&[r0, r1, t0, t1, t2, t3, p0, p1]);
        // Both buffers have exactly the length that base64 needs.
        let _ = STANDARD.encode_slice(features.encode(), bits);
        mac.copy_from_slice(&authenticate(&self.current, cookie, fields, now.unix.0, source.ip(), realm));
        let _ = STANDARD_NO_PAD.encode_slice(body, encoded);
        nonce
    }

    /// Validates a nonce and tells which relay of the fleet issued it.
    ///
    /// # Errors
    /// [`NonceFault`]: the client must get a new one.
    pub fn check(&self, now: UnixTime, realm: &str, source: IpAddr, nonce: &[u8]) -> Result<u16, NonceFault> {
        let (cookie, body) = decode(nonce).ok_or(NonceFault::Foreign)?;
        let [r0, r1, t0, t1, t2, t3, p0, p1, mac @ ..] = body;
        let (issued, age) = full_time(now.0, u64::from(u32::from_be_bytes([t0, t1, t2, t3]) >> TICK_BITS));
        let fields = [r0, r1, t0, t1, t2, t3, p0, p1];
        let good = |key| bool::from(authenticate(key, cookie, &fields, issued, source, realm).ct_eq(&mac));
        if !std::iter::once(&self.current).chain(&self.previous).any(good) {
            return Err(NonceFault::Foreign);
        }
        if age >= self.lifetime { Err(NonceFault::Stale) } else { Ok(u16::from_be_bytes([r0, r1])) }
    }

    /// How long ago this relay sent `source` the nonce with which it comes now, if that was just now: the round trip of
    /// a challenge, the client's own time included. A client that comes from another port has not just been challenged there.
    /// For nonces that [`Self::check`] has found to be valid.
    #[must_use]
    pub fn turnaround(&self, now: Now, source: SocketAddr, nonce: &[u8]) -> Option<Turnaround> {
        let (_, [r0, r1, t0, t1, t2, t3, p0, p1, ..]) = decode(nonce)?;
        let issued = u32::from_be_bytes([t0, t1, t2, t3]);
        let (_, seconds) = full_time(now.unix.0, u64::from(issued >> TICK_BITS));
        let is_ours = u16::from_be_bytes([r0, r1]) == self.relay;
        if !is_ours || u16::from_be_bytes([p0, p1]) != source.port() || seconds > TURNAROUND_MAX.as_secs() + 1
        {
            return None;
        }
        let steps = tick(now.time).wrapping_sub(issued.into()) & TICK_MASK;
        let took = Duration::from_nanos(steps << STEP_BITS);
        (took <= TURNAROUND_MAX).then_some(Turnaround { issued, took })
    }
}

/// The cookie, and the bytes behind it. Decoding is strict: one nonce has one spelling.
fn decode(nonce: &[u8]) -> Option<(&[u8], [u8; BODY_LEN])> {
    let (cookie, encoded) = nonce.split_at_checked(COOKIE_LEN)?;
    // Base64 is decoded in whole groups.
    let mut body = [0; BODY_LEN + 1];
    match STANDARD_NO_PAD.decode_slice(encoded, &mut body) {
        Ok(BODY_LEN) if nonce.len() == NONCE_LEN => Some((cookie, *body.first_chunk()?)),
        Ok(_) | Err(_) => None,
    }
}

const fn tick(now: Time) -> u64 {
    (now.as_nanos() >> STEP_BITS) & TICK_MASK
}

/// The time that `low` abbreviates, and how long ago that was: the last one that ended so, or, if the issuing relay's clock
/// is ahead, one within [`SKEW`].
fn full_time(now: u64, low: u64) -> (u64, u64) {
    let ahead = low.wrapping_sub(now) & TIME_MASK;
    if ahead <= SKEW {
        return (now.wrapping_add(ahead), 0);
    }
    let age = now.wrapping_sub(low) & TIME_MASK;
    (now.wrapping_sub(age), age)
}

/// Every input but the realm has a fixed length, and the realm comes last: two different inputs never give the same bytes.
fn authenticate(
    key: &FleetKey,
    cookie: &[u8],
    fields: &[u8],
    issued: u64,
    source: IpAddr,
    realm: &str,
) -> [u8; MAC_LEN] {
    let ip = match source {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    // The fields have its lower bits. Four bytes fewer spare most realms a second block of the hash.
    let epoch = u32::try_from(issued >> TIME_MASK.count_ones()).unwrap_or(u32::MAX);
    let mut mac = key.0.clone();
    for part in [cookie, fields, &epoch.to_be_bytes(), &ip.octets(), realm.as_bytes()] {
        mac.update(part);
    }
    let [m0, m1, m2, m3, m4, m5, ..] = <[u8; 32]>::from(mac.finalize().into_bytes());
    [m0, m1, m2, m3, m4, m5]
}
