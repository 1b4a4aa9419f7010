//! Requests: their bytes, their signature, their retransmission.

use std::net::{IpAddr, SocketAddr};

use tern::wire::stun::{AddressFamily, AttributeType, Class, Method, TransactionId, Writer};

use super::{CHANNEL, Wish};
use crate::clock::Nanos;

/// UDP, as REQUESTED-TRANSPORT names it.
const PROTOCOL_UDP: u8 = 17;

/// First wait for an answer; doubled each time (RFC 8489 section 6.2.1).
const FIRST_WAIT: u64 = 500_000_000;

/// How often a request is sent before it has failed: after 7.5 seconds.
const SENDS: u32 = 4;

/// How long an answer may take where nothing is lost.
const RELIABLE_WAIT: u64 = 10_000_000_000;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Allocate.
    Allocate,
    /// ChannelBind or CreatePermission.
    Connect,
    /// Refresh.
    Refresh,
    /// Refresh with lifetime 0.
    Delete,
}

/// How requests are signed, once there was a challenge.
#[derive(Debug, Default)]
pub(super) struct Signer {
    pub(super) realm: Box<[u8]>,
    pub(super) nonce: Box<[u8]>,
    pub(super) key: [u8; 16],
}

/// A request that waits for its answer.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) step: Step,
    pub(super) id: TransactionId,
    pub(super) deadline: Nanos,
    bytes: Vec<u8>,
    sends: u32,
    reliable: bool,
}

impl Signer {
    pub(super) fn is_signing(&self) -> bool {
        !self.nonce.is_empty()
    }
}

impl Step {
    /// Whose answer is awaited.
    pub(super) const fn methods(self) -> [Method; 2] {
        match self {
            Self::Allocate => [Method::ALLOCATE; 2],
            Self::Connect => [Method::CHANNEL_BIND, Method::CREATE_PERMISSION],
            Self::Refresh | Self::Delete => [Method::REFRESH; 2],
        }
    }
}

impl Pending {
    pub(super) fn new(step: Step, id: TransactionId, bytes: &[u8], now: Nanos, reliable: bool) -> Self {
        let wait = if reliable { RELIABLE_WAIT } else { FIRST_WAIT };
        Self { step, id, deadline: now.plus(wait), bytes: bytes.to_vec(), sends: 1, reliable }
    }

    /// Sends it again, or says that it has failed.
    pub(super) fn again(&mut self, now: Nanos, out: &mut Vec<u8>) -> bool {
        if self.reliable || self.sends >= SENDS {
            return false;
        }
        out.extend_from_slice(&self.bytes);
        self.deadline = now.plus(FIRST_WAIT << self.sends);
        self.sends += 1;
        true
    }
}

/// Writes a request.
pub(super) fn write(
    step: Step,
    id: TransactionId,
    wish: &Wish,
    signer: &Signer,
    peer: Option<SocketAddr>,
    out: &mut Vec<u8>,
) {
    let method = match step {
        Step::Allocate => Method::ALLOCATE,
        Step::Connect if wish.channel => Method::CHANNEL_BIND,
        Step::Connect => Method::CREATE_PERMISSION,
        Step::Refresh | Step::Delete => Method::REFRESH,
    };
    let mut writer = Writer::new(out, Class::Request, method, id);
    match step {
        Step::Allocate => {
            writer.requested_transport(PROTOCOL_UDP);
            if let Some(v6) = wish.relay_v6 {
                let family = if v6 { AddressFamily::V6 } else { AddressFamily::V4 };
                writer.address_family(AttributeType::REQUESTED_ADDRESS_FAMILY, family);
            }
        }
        Step::Connect => {
            if wish.channel {
                writer.channel_number(CHANNEL);
            }
            let nobody = SocketAddr::new(IpAddr::from([0; 4]), 0);
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer.unwrap_or(nobody));
        }
        Step::Refresh => {}
        Step::Delete => {
            writer.u32(AttributeType::LIFETIME, 0);
        }
    }
    if signer.is_signing() {
        writer.attribute(AttributeType::USERNAME, wish.credentials.user.as_bytes());
        writer.attribute(AttributeType::REALM, &signer.realm);
        writer.attribute(AttributeType::NONCE, &signer.nonce);
        writer.integrity(&signer.key);
    }
    // The longest names that servers take are far from the 64 KiB of a message.
    let _ = writer.finish();
}
