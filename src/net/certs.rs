//! Certificate chains and private keys: loaded, checked, and re-read when the files change.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::time::UnixTime;

/// What is wrong with a certificate or key. The text says which file, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CertError(String);

/// What a look at the files has brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reload {
    /// Nothing has changed.
    Unchanged,
    /// New connections get the new certificate.
    Reloaded,
    /// The files have changed but cannot be used: the old certificate stays. Told once per change.
    Kept(CertError),
}

/// A chain and its key, swapped whole when the files change. Shared by all workers.
#[derive(Debug)]
pub struct CertStore {
    _todo: (),
}

impl CertStore {
    /// Load and check.
    ///
    /// # Errors
    /// Unreadable or unusable files, a key that does not belong to the certificate.
    pub fn load(chain: &Path, key: &Path) -> Result<Arc<Self>, CertError> {
        let _ = (chain, key);
        unimplemented!()
    }

    /// The same from memory, for certificates made on the spot. It never changes.
    ///
    /// # Errors
    /// As [`CertStore::load`].
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Arc<Self>, CertError> {
        let _ = (chain, key);
        unimplemented!()
    }

    /// Look whether the files have changed, and take them if they can be used. Established connections keep
    /// what they have. Reads files: for the control plane, not for a worker.
    pub fn reload_if_changed(&self) -> Reload {
        unimplemented!()
    }

    /// Whole days until the current certificate expires, negative when it has.
    #[must_use]
    pub fn days_left(&self, now: UnixTime) -> i64 {
        let _ = now;
        unimplemented!()
    }

    /// Whether the current certificate is not yet valid, or no longer.
    #[must_use]
    pub fn is_valid_at(&self, now: UnixTime) -> bool {
        let _ = now;
        unimplemented!()
    }

    /// Whether DTLS listeners can use it: the key must be ECDSA on P-256 or P-384.
    ///
    /// # Errors
    /// Why not.
    pub fn check_for_dtls(&self) -> Result<(), CertError> {
        unimplemented!()
    }

    /// The files it was loaded from, chain and key; none for one from memory.
    #[must_use]
    pub fn files(&self) -> Option<(&Path, &Path)> {
        let _ = PathBuf::new();
        unimplemented!()
    }
}
