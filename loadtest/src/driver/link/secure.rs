//! Whom clients over TLS and DTLS believe, and who they say they are.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Instant;

use dimpl::{Dtls, DtlsCertificate};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::failure::Failure;
use crate::plan::Trust;

/// Makes sessions; shared by all threads.
#[derive(Clone)]
pub(in crate::driver) struct Security {
    tls: Arc<ClientConfig>,
    verifier: Arc<dyn ServerCertVerifier>,
    dtls: Arc<dimpl::Config>,
    certificate: Arc<DtlsCertificate>,
}

impl Security {
    /// Reads whom to believe.
    pub(in crate::driver) fn new(trust: &Trust) -> Result<Self, Failure> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = verifier(trust, &provider)?;
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::machine("TLS", &error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier))
            .with_no_client_auth();
        let made = rcgen::generate_simple_self_signed(["tern-loadtest".to_owned()])
            .map_err(|error| Failure::machine("DTLS", &error))?;
        let certificate = DtlsCertificate {
            certificate: made.cert.der().to_vec(),
            private_key: made.signing_key.serialize_der(),
        };
        let dtls = dimpl::Config::builder().build().map_err(|error| Failure::machine("DTLS", &error))?;
        Ok(Self { tls: Arc::new(tls), verifier, dtls: Arc::new(dtls), certificate: Arc::new(certificate) })
    }

    /// A TLS session.
    pub(super) fn tls(&self, host: &str) -> io::Result<ClientConnection> {
        ClientConnection::new(Arc::clone(&self.tls), name(host)?).map_err(io::Error::other)
    }

    /// A DTLS session.
    pub(super) fn dtls(&self, now: Instant) -> io::Result<Dtls> {
        // Version 1.2 is what servers of all makes speak.
        Ok(Dtls::new_12(Arc::clone(&self.dtls), (*self.certificate).clone(), now))
    }

    /// Judges a DTLS server's certificate.
    pub(super) fn check(&self, certificate: &[u8], host: &str) -> io::Result<()> {
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(crate::clock::unix_seconds()));
        self.verifier
            .verify_server_cert(&CertificateDer::from(certificate), &[], &name(host)?, &[], now)
            .map(drop)
            .map_err(|error| io::Error::new(ErrorKind::InvalidData, format!("DTLS: {error}")))
    }
}

impl std::fmt::Debug for Security {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Security").finish_non_exhaustive()
    }
}

fn name(host: &str) -> io::Result<ServerName<'static>> {
    ServerName::try_from(host.to_owned()).map_err(io::Error::other)
}

fn verifier(trust: &Trust, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Failure> {
    let mut roots = RootCertStore::empty();
    match trust {
        Trust::Anybody => return Ok(Arc::new(Fixed { provider: Arc::clone(provider), believes: true })),
        Trust::System => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Trust::File(path) => {
            let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            let read = read.map_err(|error| {
                Failure::machine(&format!("no certificates can be read from {}", path.display()), &error)
            })?;
            roots.add_parsable_certificates(read);
        }
    }
    if roots.is_empty() {
        return match trust {
            Trust::File(path) => Err(Failure::usage(format!("{} holds no certificate", path.display()))),
            Trust::System | Trust::Anybody => {
                Ok(Arc::new(Fixed { provider: Arc::clone(provider), believes: false }))
            }
        };
    }
    let made = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    Ok(made.map_err(|error| Failure::machine("TLS", &error))?)
}

/// Believes everybody (`--insecure`), or on a system without authorities nobody.
#[derive(Debug)]
struct Fixed {
    provider: Arc<CryptoProvider>,
    believes: bool,
}

impl ServerCertVerifier for Fixed {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.believes {
            return Ok(ServerCertVerified::assertion());
        }
        let what = "this system has no certificate authorities: give --ca FILE, or --insecure";
        Err(rustls::Error::General(what.to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
