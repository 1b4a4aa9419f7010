//! Cookies without state, and how `dimpl` is made to accept them.
//!
//! `dimpl` makes its cookies from a secret that each of its sessions draws, so a session would have to exist before
//! the first ClientHello is answered. Here the first answer is made without one; when the cookie comes back and
//! is good, a session is made, fed with the ClientHello as it was before the cookie, its HelloVerifyRequest is
//! thrown away, and it is fed with the real one. For this to fit together the session must think of our cookie
//! as its own: it asks the crypto provider for the HMAC, and [`CookieHmac`] answers with the cookie at hand.
//! `dimpl` calls `hmac_sha256` for cookies only; its key schedule uses `hmac`, which is passed on untouched.

use std::cell::Cell;

use aws_lc_rs::hmac;
use dimpl::CryptoError;
use dimpl::crypto::{CryptoProvider, HashAlgorithm, HmacProvider, aws_lc_rs as dimpl_crypto};

use super::Path;
use crate::time::Time;

/// As long as `dimpl`'s.
pub(super) const COOKIE_LENGTH: usize = 32;

/// A cookie is good in the period in which it was made and the next one.
const PERIOD_NANOS: u64 = 60 * 1_000_000_000;

thread_local! {
    /// The cookie that has been checked and is to be believed now.
    static PROVEN: Cell<Option<[u8; COOKIE_LENGTH]>> = const { Cell::new(None) };
}

static COOKIE_HMAC: CookieHmac = CookieHmac;

/// The key of all cookies of a relay.
pub(super) struct CookieKey(hmac::Key);

impl CookieKey {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    pub(super) fn make(&self, now: Time, path: Path, random: &[u8]) -> [u8; COOKIE_LENGTH] {
        self.compute(period(now), path, random)
    }

    pub(super) fn check(&self, now: Time, path: Path, random: &[u8], cookie: &[u8]) -> bool {
        let this = period(now);
        let fits = |period| {
            let expected = self.compute(period, path, random);
            aws_lc_rs::constant_time::verify_slices_are_equal(&expected, cookie).is_ok()
        };
        cookie.len() == COOKIE_LENGTH && (fits(this) || fits(this.wrapping_sub(1)))
    }

    fn compute(&self, period: u64, path: Path, random: &[u8]) -> [u8; COOKIE_LENGTH] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&period.to_be_bytes());
        for addr in [path.client, path.server] {
            let ip = match addr.ip() {
                std::net::IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                std::net::IpAddr::V6(v6) => v6,
            };
            context.update(&ip.octets());
            context.update(&addr.port().to_be_bytes());
        }
        context.update(random);
        let tag = context.sign();
        tag.as_ref().first_chunk().copied().unwrap_or_default()
    }
}

impl std::fmt::Debug for CookieKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CookieKey")
    }
}

fn period(now: Time) -> u64 {
    now.as_nanos() / PERIOD_NANOS
}

/// The provider for all sessions.
pub(super) fn provider() -> CryptoProvider {
    CryptoProvider { hmac_provider: &COOKIE_HMAC, ..dimpl_crypto::default_provider() }
}

/// Runs `operation` on a session to which `cookie` shall be its own.
pub(super) fn with_cookie<R>(cookie: &[u8], operation: impl FnOnce() -> R) -> R {
    /// Also when the operation panics: the next session must not inherit the cookie.
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            PROVEN.set(None);
        }
    }
    let _reset = Reset;
    PROVEN.set(cookie.try_into().ok());
    operation()
}

#[derive(Debug)]
struct CookieHmac;

impl HmacProvider for CookieHmac {
    fn hmac_sha256(&self, key: &[u8], data: &[u8]) -> Result<[u8; 32], CryptoError> {
        if let Some(cookie) = PROVEN.get() {
            return Ok(cookie);
        }
        let mut out = [0; 32];
        self.hmac(HashAlgorithm::SHA256, key, data, &mut out)?;
        Ok(out)
    }

    fn hmac(
        &self,
        hash: HashAlgorithm,
        key: &[u8],
        data: &[u8],
        out: &mut [u8],
    ) -> Result<usize, CryptoError> {
        dimpl_crypto::default_provider().hmac_provider.hmac(hash, key, data, out)
    }
}
