//! The client's side, for the relay's own test calls.

use std::sync::Arc;
use std::time::Duration;

use dimpl::{Config, Dtls, DtlsCertificate};

use super::{CertError, DtlsError, DtlsSession};
use crate::clock::Clock;
use crate::time::Time;

/// After which a flight is sent again. The way to ourselves is short.
const RESEND: Duration = Duration::from_millis(100);

/// Makes client sessions of DTLS 1.2, which take whatever certificate they are shown.
#[derive(Debug)]
pub struct DtlsConnector {
    config: Arc<Config>,
    /// `dimpl` wants one of clients too; no listener of ours asks for it.
    certificate: DtlsCertificate,
    clock: Clock,
}

impl DtlsConnector {
    /// With a certificate that nobody looks at.
    ///
    /// # Errors
    /// When the crypto library cannot be used on this system.
    pub fn new(clock: Clock) -> Result<Self, CertError> {
        let setup = |error: &dyn std::fmt::Display| CertError::new(format!("DTLS cannot be set up: {error}"));
        let config = Config::builder().flight_start_rto(RESEND).build().map_err(|error| setup(&error))?;
        let made =
            rcgen::generate_simple_self_signed(["self-test".to_owned()]).map_err(|error| setup(&error))?;
        let certificate = DtlsCertificate {
            certificate: made.cert.der().to_vec(),
            private_key: made.signing_key.serialize_der(),
        };
        Ok(Self { config: Arc::new(config), certificate, clock })
    }

    /// A session that is to be complete within `handshake`. Poll it: it has something to send.
    ///
    /// # Errors
    /// When the crypto library refuses.
    pub fn connect(&self, now: Time, handshake: Duration) -> Result<DtlsSession, DtlsError> {
        let instant = self.clock.instant(now);
        let mut dtls = Dtls::new_12(Arc::clone(&self.config), self.certificate.clone(), instant);
        dtls.set_active(true);
        let mut session = DtlsSession::new(dtls, self.clock, now + handshake, None);
        session.expire(now)?;
        Ok(session)
    }
}
