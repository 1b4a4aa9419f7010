//! Keys of the long-term credential mechanism (RFC 8489 section 9.2.2) and USERHASH (section 14.4).
//!
//! User name, realm and password are taken as the bytes they are. RFC 8489 wants them prepared as OpaqueString
//! (RFC 8265 section 4.2), which leaves ASCII unchanged; a password beyond ASCII must come here in normalisation
//! form C, as clients send it.

use md5::Md5;
use sha2::{Digest, Sha256};

/// `MD5(user ":" realm ":" password)`: PASSWORD-ALGORITHM 1, and the only key of RFC 5389.
#[must_use]
pub fn long_term_key_md5(user: &[u8], realm: &[u8], password: &[u8]) -> [u8; 16] {
    joined::<Md5>(&[user, realm, password]).into()
}

/// `SHA-256(user ":" realm ":" password)`: PASSWORD-ALGORITHM 2.
#[must_use]
pub fn long_term_key_sha256(user: &[u8], realm: &[u8], password: &[u8]) -> [u8; 32] {
    joined::<Sha256>(&[user, realm, password]).into()
}

/// `SHA-256(user ":" realm)`, sent in place of USERNAME.
#[must_use]
pub fn userhash(user: &[u8], realm: &[u8]) -> [u8; 32] {
    joined::<Sha256>(&[user, realm]).into()
}

fn joined<D: Digest>(parts: &[&[u8]]) -> sha2::digest::Output<D> {
    let mut digest = D::new();
    for (position, part) in parts.iter().enumerate() {
        if position > 0 {
            digest.update(b":");
        }
        digest.update(part);
    }
    digest.finalize()
}
