//! A certificate authority for one test.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};

use crate::relay::write_secret;

/// The files of an authority and of a server certificate under it.
pub(crate) struct Authority {
    /// The authority's own certificate: what clients are told to trust.
    pub(crate) root: PathBuf,
    /// The server's certificate.
    pub(crate) chain: PathBuf,
    /// The server's key.
    pub(crate) key: PathBuf,
}

impl Authority {
    /// Makes all of it in `folder` for a server at `addresses`.
    pub(crate) fn new(folder: &Path, addresses: &[IpAddr]) -> Self {
        let mut root = CertificateParams::default();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.distinguished_name.push(DnType::CommonName, "tern interop root");
        let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();

        let names: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let mut server = CertificateParams::new(names).unwrap();
        server.distinguished_name.push(DnType::CommonName, "tern interop relay");
        server.insert_extended_key_usage(ExtendedKeyUsagePurpose::ServerAuth);
        let key = KeyPair::generate().unwrap();
        let certificate = server.signed_by(&key, &root).unwrap();

        let write = |name: &str, text: String| write_secret(&folder.join(name), &text);
        Self {
            root: write("root.crt", root.pem()),
            chain: write("relay.crt", certificate.pem()),
            key: write("relay.key", key.serialize_pem()),
        }
    }
}
