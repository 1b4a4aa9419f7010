//! Certificate chains and private keys: loaded, checked, and re-read when the files change.
//!
//! A [`CertStore`] is shared by all workers and by TLS and DTLS. Handshakes take the current identity from
//! it; the control plane calls [`CertStore::reload_if_changed`] now and then, which swaps the identity whole or,
//! when the new files cannot be used, keeps the old one and says why. Established connections hold what they
//! began with.
//!
//! DTLS needs an ECDSA key on P-256 or P-384 (a limit of `dimpl`); TLS also takes RSA and Ed25519.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::SignatureAlgorithm;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use x509_cert::der::Decode;

use crate::time::UnixTime;

/// Longest file that is read: a chain of a few certificates has some kilobytes.
const LONGEST_FILE: u64 = 1 << 20;

const DAY: i64 = 24 * 3600;

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
pub struct CertStore {
    files: Option<Files>,
    current: ArcSwap<Identity>,
    /// Seals session tickets. Here because all that serve this certificate must understand each other's.
    tickets: Arc<dyn ProducesTickets>,
}

/// What handshakes need. Never printed: it holds the key.
pub(super) struct Identity {
    tls: Arc<CertifiedKey>,
    dtls: Result<dimpl::DtlsCertificate, CertError>,
    not_before: u64,
    not_after: u64,
}

struct Files {
    chain: PathBuf,
    key: PathBuf,
    /// The state of the files at the last look, whether they could be used then or not.
    seen: Mutex<Seen>,
}

struct Seen {
    stamps: Option<[Stamp; 2]>,
    /// Of both contents; none if they could not be read.
    hash: Option<[u8; 32]>,
    /// The last error told, so that it is not told again and again.
    error: Option<CertError>,
}

/// What changes when a file is written or replaced.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

struct Contents {
    chain: Vec<u8>,
    key: Vec<u8>,
}

impl CertError {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }
}

impl CertStore {
    /// Load and check. An expired certificate is no error: see [`CertStore::days_left`].
    ///
    /// # Errors
    /// Unreadable or unusable files, a key that does not belong to the certificate.
    pub fn load(chain: &Path, key: &Path) -> Result<Arc<Self>, CertError> {
        // Stamps first: a change between the two reads is found by the next look.
        let stamps = stamps(chain, key);
        let contents = Contents::read(chain, key)?;
        let identity = Identity::new(&contents, &chain.display(), &key.display())?;
        let seen = Seen { stamps, hash: Some(contents.hash()), error: None };
        let files = Files { chain: chain.into(), key: key.into(), seen: Mutex::new(seen) };
        Self::with(Some(files), identity)
    }

    /// The same from memory, for certificates made on the spot. It never changes.
    ///
    /// # Errors
    /// As [`CertStore::load`].
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Arc<Self>, CertError> {
        let contents = Contents { chain: chain.into(), key: key.into() };
        let identity = Identity::new(&contents, &"certificate", &"private key")?;
        Self::with(None, identity)
    }

    /// Look whether the files have changed, and take them if they can be used. Established connections keep
    /// what they have. Reads files: for the control plane, not for a worker.
    pub fn reload_if_changed(&self) -> Reload {
        let Some(files) = &self.files else { return Reload::Unchanged };
        let mut seen = files.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = stamps(&files.chain, &files.key);
        if stamps.is_some() && stamps == seen.stamps {
            return Reload::Unchanged;
        }
        seen.stamps = stamps;
        match files.load_unless(seen.hash) {
            Ok(None) => Reload::Unchanged,
            Ok(Some((hash, identity))) => {
                seen.hash = Some(hash);
                match identity {
                    Ok(identity) => {
                        seen.error = None;
                        self.current.store(Arc::new(identity));
                        Reload::Reloaded
                    }
                    Err(error) => seen.keep(error),
                }
            }
            Err(error) => {
                seen.hash = None;
                seen.keep(error)
            }
        }
    }

    /// Whole days until the current certificate expires, negative when it has.
    #[must_use]
    pub fn days_left(&self, now: UnixTime) -> i64 {
        let seconds = i128::from(self.current.load().not_after) - i128::from(now.0);
        i64::try_from(seconds.div_euclid(i128::from(DAY))).unwrap_or(i64::MAX)
    }

    /// When the current certificate expires.
    #[must_use]
    pub fn expires(&self) -> UnixTime {
        UnixTime(self.current.load().not_after)
    }

    /// Whether the current certificate is already and still valid.
    #[must_use]
    pub fn is_valid_at(&self, now: UnixTime) -> bool {
        let current = self.current.load();
        (current.not_before..=current.not_after).contains(&now.0)
    }

    /// Whether DTLS listeners can use it: the key must be ECDSA on P-256 or P-384.
    ///
    /// # Errors
    /// Why not.
    pub fn check_for_dtls(&self) -> Result<(), CertError> {
        self.dtls().map(drop)
    }

    /// The files it was loaded from, chain and key; none for one from memory.
    #[must_use]
    pub fn files(&self) -> Option<(&Path, &Path)> {
        self.files.as_ref().map(|files| (files.chain.as_path(), files.key.as_path()))
    }

    /// Seals and opens session tickets.
    pub(super) fn tickets(&self) -> Arc<dyn ProducesTickets> {
        Arc::clone(&self.tickets)
    }

    /// The certificate and key as DTLS wants them.
    pub(super) fn dtls(&self) -> Result<dimpl::DtlsCertificate, CertError> {
        self.current.load().dtls.clone()
    }

    fn with(files: Option<Files>, identity: Identity) -> Result<Arc<Self>, CertError> {
        let tickets = aws_lc_rs::Ticketer::new()
            .map_err(|error| CertError(format!("no keys for session tickets can be made: {error}")))?;
        Ok(Arc::new(Self { files, current: ArcSwap::from_pointee(identity), tickets }))
    }
}

impl ResolvesServerCert for CertStore {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.load().tls))
    }
}

impl std::fmt::Debug for CertStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertStore").field("files", &self.files()).finish_non_exhaustive()
    }
}

impl Seen {
    fn keep(&mut self, error: CertError) -> Reload {
        if self.error.as_ref() == Some(&error) {
            return Reload::Unchanged;
        }
        self.error = Some(error.clone());
        Reload::Kept(error)
    }
}

impl Files {
    /// Reads the files and makes an identity of them, unless their contents have the hash `known`.
    #[expect(clippy::type_complexity, reason = "used in one place, where it is taken apart")]
    fn load_unless(
        &self,
        known: Option<[u8; 32]>,
    ) -> Result<Option<([u8; 32], Result<Identity, CertError>)>, CertError> {
        let contents = Contents::read(&self.chain, &self.key)?;
        let hash = contents.hash();
        if known == Some(hash) {
            return Ok(None);
        }
        let identity = Identity::new(&contents, &self.chain.display(), &self.key.display());
        Ok(Some((hash, identity)))
    }
}

impl Contents {
    fn read(chain: &Path, key: &Path) -> Result<Self, CertError> {
        Ok(Self { chain: read(chain, "certificate chain")?, key: read(key, "private key")? })
    }

    fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.chain.len().to_le_bytes());
        hash.update(&self.chain);
        hash.update(&self.key);
        hash.finalize().into()
    }
}

impl Identity {
    fn new(
        contents: &Contents,
        chain_name: &dyn std::fmt::Display,
        key_name: &dyn std::fmt::Display,
    ) -> Result<Self, CertError> {
        let chain = parse_chain(&contents.chain, chain_name)?;
        let key = parse_key(&contents.key, key_name)?;
        let leaf = chain.first().map(|leaf| leaf.to_vec()).unwrap_or_default();
        let key_der = key.secret_der().to_vec();
        let (not_before, not_after) = validity(&leaf, chain_name)?;
        let certified = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
            .map_err(|error| CertError(unusable(&error, chain_name, key_name)))?;
        let dtls = for_dtls(certified.key.algorithm(), leaf, key_der, key_name);
        Ok(Self { tls: Arc::new(certified), dtls, not_before, not_after })
    }
}

fn read(path: &Path, what: &str) -> Result<Vec<u8>, CertError> {
    let fail = |reason: &dyn std::fmt::Display, advice: &str| {
        CertError(format!("{what} {}: {reason}; {advice}", path.display()))
    };
    let length = fs::metadata(path)
        .map_err(|error| fail(&error, "check the path and that the relay's user may read it"))?
        .len();
    if length > LONGEST_FILE {
        return Err(fail(&format!("{length} bytes are too many"), "give a PEM file with this only"));
    }
    fs::read(path).map_err(|error| fail(&error, "check that the relay's user may read the file"))
}

fn stamps(chain: &Path, key: &Path) -> Option<[Stamp; 2]> {
    Some([stamp(chain)?, stamp(key)?])
}

/// Follows symbolic links, so a link that is turned to another file counts as a change.
fn stamp(path: &Path) -> Option<Stamp> {
    let meta = fs::metadata(path).ok()?;
    Some(Stamp {
        device: meta.dev(),
        inode: meta.ino(),
        length: meta.len(),
        modified: (meta.mtime(), meta.mtime_nsec()),
        changed: (meta.ctime(), meta.ctime_nsec()),
    })
}

fn parse_chain(pem: &[u8], name: &dyn std::fmt::Display) -> Result<Vec<CertificateDer<'static>>, CertError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain =
        chain.map_err(|error| CertError(format!("{name}: broken PEM ({error}); write the file again")))?;
    if chain.is_empty() {
        return Err(CertError(format!(
            "{name}: holds no certificate; it must hold PEM blocks BEGIN CERTIFICATE, the server's own first"
        )));
    }
    Ok(chain)
}

fn parse_key(pem: &[u8], name: &dyn std::fmt::Display) -> Result<PrivateKeyDer<'static>, CertError> {
    let encrypted = contains(pem, b"BEGIN ENCRYPTED PRIVATE KEY") || contains(pem, b"Proc-Type: 4,ENCRYPTED");
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| {
        let text = if encrypted {
            "the key is encrypted; decrypt it with `openssl pkey -in FILE -out NEW`".to_owned()
        } else if matches!(error, pem::Error::NoItemsFound) {
            "holds no private key; it must hold a PEM block BEGIN PRIVATE KEY, BEGIN EC PRIVATE KEY or \
             BEGIN RSA PRIVATE KEY"
                .to_owned()
        } else {
            format!("broken PEM ({error}); write the file again")
        };
        CertError(format!("{name}: {text}"))
    })
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

fn validity(leaf: &[u8], name: &dyn std::fmt::Display) -> Result<(u64, u64), CertError> {
    let certificate = x509_cert::Certificate::from_der(leaf)
        .map_err(|error| CertError(format!("{name}: the first certificate is broken ({error})")))?;
    let validity = certificate.tbs_certificate().validity();
    let seconds = |time: &x509_cert::time::Time| time.to_unix_duration().as_secs();
    Ok((seconds(&validity.not_before), seconds(&validity.not_after)))
}

fn unusable(
    error: &rustls::Error,
    chain_name: &dyn std::fmt::Display,
    key_name: &dyn std::fmt::Display,
) -> String {
    if let rustls::Error::InconsistentKeys(_) = error {
        format!(
            "{key_name}: is not the key of the first certificate in {chain_name}; put the server's own \
             certificate first, or give the key that belongs to it"
        )
    } else {
        format!(
            "{chain_name} with {key_name}: cannot be used ({error}); RSA, ECDSA and Ed25519 keys are supported"
        )
    }
}

fn for_dtls(
    algorithm: SignatureAlgorithm,
    certificate: Vec<u8>,
    private_key: Vec<u8>,
    key_name: &dyn std::fmt::Display,
) -> Result<dimpl::DtlsCertificate, CertError> {
    let provider = dimpl::crypto::aws_lc_rs::default_provider();
    if algorithm == SignatureAlgorithm::ECDSA && provider.key_provider.load_private_key(&private_key).is_ok()
    {
        return Ok(dimpl::DtlsCertificate { certificate, private_key });
    }
    let kind = if algorithm == SignatureAlgorithm::RSA {
        "RSA"
    } else if algorithm == SignatureAlgorithm::ECDSA {
        "ECDSA on another curve"
    } else if algorithm == SignatureAlgorithm::ED25519 {
        "Ed25519"
    } else {
        "of another kind"
    };
    Err(CertError(format!(
        "{key_name}: the key is {kind}, but DTLS listeners need an ECDSA key on P-256 or P-384; get a certificate \
         for such a key (`openssl ecparam -name prime256v1 -genkey`), or remove `dtls` from the listener"
    )))
}

#[cfg(test)]
#[path = "certs_tests.rs"]
mod tests;
