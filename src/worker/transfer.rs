//! From worker to worker: what names something that another worker holds, and packets that the kernel gives to
//! the wrong one from then on.

use super::datapath::Arrival;
use super::mailbox::Transfer;
use super::run::{Link, Worker};
use crate::engine::Input;
use crate::metrics::Loss;
use crate::route::{FiveTuple, LinkId, Transport};

impl Worker {
    /// A datagram of a client that `worker` serves, or is to serve. A full mailbox drops it.
    pub(super) fn hand_over_datagram(&mut self, worker: u8, arrival: &Arrival, bytes: &[u8]) {
        let Arrival { client, tos, ttl, at } = *arrival;
        self.counters.copied.add(bytes.len() as u64);
        let ttl = ttl.unwrap_or(u8::MAX);
        let transfer = Transfer::Datagram { client, tos, ttl, at, bytes: bytes.into() };
        self.send_transfer(worker, transfer);
    }

    /// A connection or session, with the message that named `worker`. What this worker's engine knows of it ends.
    pub(super) fn hand_over_link(&mut self, worker: u8, id: LinkId, message: &[u8]) {
        if self.from_mailbox {
            self.counters.lose(Loss::Misrouted);
            return;
        }
        let message = message.into();
        let transfer = match self.links.remove(id.0) {
            Some(Link::Stream(mut stream)) => {
                self.forget_stream(&mut stream);
                Transfer::Stream { stream, message }
            }
            Some(Link::Dtls(mut link)) => {
                self.forget_dtls(id, &mut link);
                Transfer::Dtls { link, message }
            }
            None => return,
        };
        self.send_transfer(worker, transfer);
        self.feed(Input::ClientClosed { link: id });
    }

    fn send_transfer(&self, worker: u8, transfer: Transfer) {
        if self.from_mailbox {
            self.counters.lose(Loss::Misrouted);
            return;
        }
        let mailbox = self.mailboxes.get(usize::from(worker));
        if !mailbox.is_some_and(|mailbox| mailbox.transfer(transfer)) {
            self.counters.lose(Loss::MailboxFull);
        }
    }

    /// Serves what another worker has sent.
    pub(super) fn take_over(&mut self, transfer: Transfer) {
        self.from_mailbox = true;
        match transfer {
            Transfer::Datagram { client, tos, ttl, at, bytes } => {
                let arrival = Arrival { client, tos, ttl: Some(ttl), at };
                if client.tuple.transport == Transport::Dtls {
                    self.dtls_datagram(usize::from(client.listener.0), arrival, &bytes);
                } else {
                    self.client_bytes(&arrival, &bytes, None);
                }
            }
            Transfer::Stream { stream, message } => self.adopt_stream(stream, &message),
            Transfer::Dtls { link, message } => self.adopt_dtls(link, &message),
            Transfer::Ask(ask) => self.answer(&ask),
            Transfer::Grant(grant) => self.leases.grant(&grant, self.now.time),
            Transfer::Seen(seen) => self.take_seen(&seen),
            Transfer::Sums(sums) => self.take_sums(&sums),
        }
        self.from_mailbox = false;
        self.flush_copies();
    }

    /// From now on other workers send us what they get of this flow.
    pub(super) fn claim_flow(&mut self, tuple: FiveTuple) {
        if self.foreign.insert(tuple) {
            self.directory.insert(tuple, self.index);
        }
    }

    /// The flow is over.
    pub(super) fn disclaim_flow(&mut self, tuple: &FiveTuple) {
        if self.foreign.remove(tuple) {
            self.directory.remove(tuple, self.index);
        }
    }
}
