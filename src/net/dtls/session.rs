//! One client's session.

use std::time::Duration;

use dimpl::{Dtls, Output};

use super::hello::{plain_alert, shift_plaintext_records};
use super::{ALERT_HANDSHAKE_FAILURE, DtlsError, LONGEST_PLAINTEXT};
use crate::clock::Clock;
use crate::time::Time;

/// The number of a plaintext alert: above those of the few plaintext records of a handshake.
const ALERT_SEQUENCE: u64 = 1 << 20;

/// `dimpl` answers "never" with a point in the far future.
const NEVER: Duration = Duration::from_hours(30 * 24);

/// Bytes for output that nobody wants.
const SCRATCH: usize = 2048;

/// One client's session.
#[derive(Debug)]
pub struct DtlsSession {
    dtls: Dtls,
    clock: Clock,
    /// When it was last told the time.
    now: Time,
    /// For the handshake; none once it is complete.
    handshake: Option<Time>,
    /// When `dimpl` wants to be woken.
    wake: Option<Time>,
    proven: bool,
    /// What is added to the numbers of plaintext records. The cookie exchange took place without the session, with
    /// numbers that it does not know of; the client would take its first records for repetitions.
    record_offset: u64,
    /// An alert to be sent before the session is forgotten.
    alert: Option<Vec<u8>>,
    over: bool,
}

/// What a session has to say.
#[derive(Debug, PartialEq, Eq)]
pub enum DtlsOutput<'a> {
    /// Send this datagram to the client.
    Send(&'a [u8]),
    /// A decrypted datagram came; edit it in place if you like.
    Data(&'a mut [u8]),
    /// The handshake is complete.
    Established,
    /// The client has closed the session.
    Closed,
}

enum Found {
    Send(usize),
    Data(usize),
    Established,
    Closed,
}

impl DtlsSession {
    /// `hello_sequence` is the record number of the ClientHello that returned a good cookie.
    pub(super) fn new(dtls: Dtls, clock: Clock, handshake: Time, hello_sequence: Option<u64>) -> Self {
        Self {
            dtls,
            clock,
            now: Time::ZERO,
            handshake: Some(handshake),
            wake: None,
            proven: hello_sequence.is_some(),
            // Its first record, a HelloVerifyRequest that is thrown away, has number 0, the next one 1.
            record_offset: hello_sequence.unwrap_or(0).saturating_sub(1),
            alert: None,
            over: false,
        }
    }

    /// Take a datagram from the client. Poll afterwards, also when it fails: an alert may wait.
    ///
    /// # Errors
    /// When the session is over.
    pub fn receive(&mut self, now: Time, datagram: &[u8]) -> Result<(), DtlsError> {
        self.check_handshake(now)?;
        let instant = self.clock.instant(now);
        let result = self.dtls.handle_timeout(instant).and_then(|()| self.dtls.handle_packet(datagram));
        self.judge(result)
    }

    /// Encrypt a datagram for the client. Poll afterwards, before the next call.
    ///
    /// # Errors
    /// [`DtlsError::TooLong`], after which the session goes on; otherwise when it is over or not yet
    /// established.
    pub fn send(&mut self, now: Time, plaintext: &[u8]) -> Result<(), DtlsError> {
        if plaintext.len() > LONGEST_PLAINTEXT {
            return Err(DtlsError::TooLong);
        }
        if !self.is_established() || self.over {
            return Err(DtlsError::Failed("the session is not established".to_owned()));
        }
        self.now = now;
        let result = self.dtls.send_application_data(plaintext).map(drop);
        self.judge(result)
    }

    /// What comes next; none when everything has been said. `scratch` is where it is put, at least 20 KiB long.
    pub fn poll<'a>(&mut self, scratch: &'a mut [u8]) -> Option<DtlsOutput<'a>> {
        if let Some(alert) = self.alert.take() {
            let space = scratch.get_mut(..alert.len())?;
            space.copy_from_slice(&alert);
            return Some(DtlsOutput::Send(space));
        }
        match self.next(scratch)? {
            Found::Send(length) => {
                let datagram = scratch.get_mut(..length)?;
                if self.record_offset > 0 && self.handshake.is_some() {
                    shift_plaintext_records(datagram, self.record_offset);
                }
                Some(DtlsOutput::Send(datagram))
            }
            Found::Data(length) => Some(DtlsOutput::Data(scratch.get_mut(..length)?)),
            Found::Established => {
                self.handshake = None;
                self.proven = true;
                Some(DtlsOutput::Established)
            }
            Found::Closed => Some(DtlsOutput::Closed),
        }
    }

    /// When [`DtlsSession::expire`] must be called, if ever. Right after a poll has returned none.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        match (self.wake, self.handshake) {
            (Some(wake), Some(handshake)) => Some(wake.min(handshake)),
            (wake, handshake) => wake.or(handshake),
        }
    }

    /// The deadline has come: retransmit, or give up. Poll afterwards.
    ///
    /// # Errors
    /// When the session is over.
    pub fn expire(&mut self, now: Time) -> Result<(), DtlsError> {
        self.check_handshake(now)?;
        let result = self.dtls.handle_timeout(self.clock.instant(now));
        self.judge(result)
    }

    /// Say goodbye (close_notify). Poll afterwards.
    pub fn close(&mut self, now: Time) {
        self.now = now;
        // The only error is that it is closed already.
        drop(self.dtls.close());
    }

    /// Whether the handshake is complete.
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.handshake.is_none()
    }

    /// Whether the client has proven that it receives at its address: by a cookie before the session was made
    /// (DTLS 1.2), or by completing the handshake. Only a proven session may replace another one.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.proven
    }

    /// Throws away what waits to be sent.
    pub(super) fn discard_output(&mut self) {
        let mut scratch = [0; SCRATCH];
        while self.next(&mut scratch).is_some() {}
    }

    /// The next output that concerns us, at the beginning of `scratch`.
    fn next(&mut self, scratch: &mut [u8]) -> Option<Found> {
        while !self.over {
            match self.dtls.poll_output(scratch) {
                Output::Packet(bytes) => return Some(Found::Send(bytes.len())),
                Output::ApplicationData(bytes) => return Some(Found::Data(bytes.len())),
                Output::Connected => return Some(Found::Established),
                Output::CloseNotify => return Some(Found::Closed),
                Output::Timeout(instant) => {
                    let wake = self.clock.time(instant);
                    let soon = wake.since(self.now) < NEVER;
                    self.wake = soon.then_some(wake);
                    return None;
                }
                Output::BufferTooSmall { .. } => {
                    debug_assert!(false, "the scratch buffer is too short");
                    self.over = true;
                }
                // Keys for SRTP and the client's certificate (neither is asked for), and what later versions add.
                Output::PeerCert(_) | Output::KeyingMaterial(..) | _ => {}
            }
        }
        None
    }

    fn check_handshake(&mut self, now: Time) -> Result<(), DtlsError> {
        if self.over {
            return Err(DtlsError::Failed("the session is over".to_owned()));
        }
        self.now = now;
        if self.handshake.is_some_and(|deadline| deadline <= now) {
            self.over = true;
            return Err(DtlsError::Timeout);
        }
        Ok(())
    }

    fn judge(&mut self, result: Result<(), dimpl::Error>) -> Result<(), DtlsError> {
        let Err(error) = result else { return Ok(()) };
        self.over = true;
        if let dimpl::Error::Timeout(_) = error {
            return Err(DtlsError::Timeout);
        }
        if !self.is_established() {
            self.alert = Some(plain_alert(ALERT_SEQUENCE, ALERT_HANDSHAKE_FAILURE));
        }
        Err(DtlsError::Failed(error.to_string()))
    }
}
