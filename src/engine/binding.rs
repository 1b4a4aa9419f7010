//! Binding (RFC 8489 section 12) and NAT behaviour discovery (RFC 5780).

use std::net::SocketAddr;

use super::refusal::{Code, Refusal};
use super::request::{Origin, check_known};
use super::settings::NatDiscovery;
use super::{Action, Engine, Event};
use crate::route::{Client, ListenerId, Transport};
use crate::wire::stun::{AttributeType, ChangeRequest, Message};

impl Engine {
    /// "You come from there." Unsigned: browsers and ICE agents send no credentials here.
    pub(super) fn binding(&mut self, origin: &Origin, message: &Message<'_>) -> Result<(), Refusal> {
        check_known(message)?;
        let mapped = origin.client.tuple.client.socket_addr();
        let Some((discovery, at)) = self.discovery(origin.client) else {
            check_changes_nothing(message)?;
            self.succeed(origin, |writer| {
                writer.xor_address(AttributeType::XOR_MAPPED_ADDRESS, mapped);
            });
            return Ok(());
        };
        self.discover(origin, message, discovery, at)
    }

    /// Where in the configured square of addresses and ports the client sent to, if anywhere.
    fn discovery(&self, client: Client) -> Option<(NatDiscovery, (usize, usize))> {
        let discovery = self.settings.nat_discovery?;
        if client.tuple.transport != Transport::Udp {
            return None;
        }
        let mut places = discovery.sockets.iter().enumerate().flat_map(|(a, row)| {
            row.iter().enumerate().map(move |(p, listener): (usize, &ListenerId)| ((a, p), *listener))
        });
        places.find(|(_, listener)| *listener == client.listener).map(|(at, _)| (discovery, at))
    }

    /// RFC 5780 section 6.1.
    fn discover(
        &mut self,
        origin: &Origin,
        message: &Message<'_>,
        discovery: NatDiscovery,
        at: (usize, usize),
    ) -> Result<(), Refusal> {
        let change = message.change_request().map_err(|_| Code::BadRequest)?.unwrap_or_default();
        let response_port = message.response_port().map_err(|_| Code::BadRequest)?;
        let padding = message.find(AttributeType::PADDING).map(<[u8]>::len);
        // Section 7.6: one of them would let us throw large answers at ports that did not ask.
        if (padding.is_some() && response_port.is_some()) || response_port == Some(0) {
            return Err(Code::BadRequest.into());
        }
        let from = changed(at, change);
        let (Some(source), Some(sent_from), Some(other)) = (
            pick(&discovery.sockets, from),
            pick(&discovery.addresses, from),
            pick(&discovery.addresses, (1 - at.0, 1 - at.1)),
        ) else {
            return Err(Code::BadRequest.into());
        };
        let mapped = origin.client.tuple.client.socket_addr();
        let bytes = self.success_bytes(origin, |writer| {
            writer.xor_address(AttributeType::XOR_MAPPED_ADDRESS, mapped);
            writer.address(AttributeType::MAPPED_ADDRESS, mapped);
            writer.address(AttributeType::RESPONSE_ORIGIN, sent_from);
            writer.address(AttributeType::OTHER_ADDRESS, other);
            if let Some(length) = padding {
                writer.attribute(AttributeType::PADDING, pad(length));
            }
        });
        self.event(Event::Served { method: origin.method.value() });
        let to = SocketAddr::new(mapped.ip(), response_port.unwrap_or_else(|| mapped.port()));
        if from == at && to == mapped {
            self.push(Action::Reply { client: origin.client, bytes });
        } else {
            self.push(Action::ReplyFrom { source, to, bytes });
        }
        Ok(())
    }
}

/// Where there is no discovery, what would move the answer is unknown: the client must not take an answer from here for
/// one from there. A CHANGE-REQUEST without flags, which some clients always send, moves nothing.
fn check_changes_nothing(message: &Message<'_>) -> Result<(), Refusal> {
    let change = message.change_request().map_err(|_| Code::BadRequest)?.unwrap_or_default();
    let mut unknown = Vec::new();
    if change.address || change.port {
        unknown.push(AttributeType::CHANGE_REQUEST);
    }
    if message.find(AttributeType::RESPONSE_PORT).is_some() {
        unknown.push(AttributeType::RESPONSE_PORT);
    }
    if unknown.is_empty() { Ok(()) } else { Err(Refusal::unknown(unknown)) }
}

const fn changed(at: (usize, usize), change: ChangeRequest) -> (usize, usize) {
    (at.0 ^ change.address as usize, at.1 ^ change.port as usize)
}

fn pick<T: Copy>(square: &[[T; 2]; 2], (address, port): (usize, usize)) -> Option<T> {
    square.get(address)?.get(port).copied()
}

/// Section 6.1 wants padding up to the interface's MTU; no more than the client itself sent, lest we amplify.
fn pad(length: usize) -> &'static [u8] {
    const PADDING: [u8; 1400] = [0; 1400];
    PADDING.get(..length & !3).unwrap_or(&PADDING)
}
