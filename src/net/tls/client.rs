//! The client's side, for calls that a program makes by itself. The relay's test of itself trusts whatever certificate it is
//! shown, as long as whoever shows it has the key: whether clients would trust it as well is told by the certificate's dates.
//! Others trust whom they are told to.

use std::io::Read as _;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::{
    ClientConfig, ClientConnection, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme,
    WantsVerifier,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::TlsError;

/// Makes client sessions, which resume one another.
#[derive(Clone, Debug)]
pub struct TlsConnector {
    config: Arc<ClientConfig>,
}

/// One session. Bytes go in and out, as with [`super::TlsStream`].
#[derive(Debug)]
pub struct TlsClient {
    connection: ClientConnection,
}

impl TlsConnector {
    /// With TLS 1.2 and 1.3; whoever has the key of a certificate is taken for the server.
    ///
    /// # Errors
    /// [`TlsError::Setup`] when the crypto library has neither.
    pub fn trusting_all() -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = Self::builder(&provider)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config) })
    }

    /// The same, but a certificate must have been signed by one of `authorities`, be valid, and bear the server's name. An
    /// authority that cannot be read counts as none.
    ///
    /// # Errors
    /// [`TlsError::Setup`] when the crypto library has neither version.
    pub fn trusting(
        authorities: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(authorities);
        let config = Self::builder(&Arc::new(aws_lc_rs::default_provider()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config) })
    }

    fn builder(
        provider: &Arc<CryptoProvider>,
    ) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, TlsError> {
        ClientConfig::builder_with_provider(Arc::clone(provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Setup(error.to_string()))
    }

    /// A session with the server of that name or address; what is to be sent first waits already.
    ///
    /// # Errors
    /// [`TlsError::Setup`] when the system has no random numbers.
    pub fn connect(&self, name: ServerName<'static>) -> Result<TlsClient, TlsError> {
        let connection = ClientConnection::new(Arc::clone(&self.config), name);
        Ok(TlsClient { connection: connection.map_err(|error| TlsError::Setup(error.to_string()))? })
    }
}

impl TlsClient {
    /// Whether the handshake is complete.
    #[must_use]
    pub fn is_established(&self) -> bool {
        !self.connection.is_handshaking()
    }

    /// Takes bytes from the connection, and appends what they decrypt to. Afterwards see [`TlsClient::take_output`].
    ///
    /// # Errors
    /// When the session is over.
    pub fn receive(&mut self, mut bytes: &[u8], plaintext: &mut Vec<u8>) -> Result<(), TlsError> {
        while !bytes.is_empty() {
            self.connection.read_tls(&mut bytes).map_err(|error| self.fail(&error))?;
            let state = self.connection.process_new_packets().map_err(|error| self.fail(&error))?;
            let (start, length) = (plaintext.len(), state.plaintext_bytes_to_read());
            let closed = state.peer_has_closed();
            plaintext.resize(start + length, 0);
            let space = plaintext.get_mut(start..).unwrap_or_default();
            self.connection.reader().read_exact(space).map_err(|error| self.fail(&error))?;
            if closed {
                return Err(self.fail(&"the relay has closed it"));
            }
        }
        Ok(())
    }

    /// Encrypts; before the end of the handshake it waits for that.
    ///
    /// # Errors
    /// When more waits than the session may hold.
    pub fn send(&mut self, plaintext: &[u8]) -> Result<(), TlsError> {
        use std::io::Write as _;
        self.connection.writer().write_all(plaintext).map_err(|error| self.fail(&error))
    }

    /// Appends what is to be sent to `output`.
    ///
    /// # Errors
    /// None that a correct session meets.
    pub fn take_output(&mut self, output: &mut Vec<u8>) -> Result<(), TlsError> {
        while self.connection.wants_write() {
            self.connection.write_tls(output).map_err(|error| self.fail(&error))?;
        }
        Ok(())
    }

    fn fail(&self, error: &impl ToString) -> TlsError {
        if self.connection.is_handshaking() {
            TlsError::Handshake(error.to_string())
        } else {
            TlsError::Broken(error.to_string())
        }
    }
}

/// Asks for the key's signature, and not whose it is.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
