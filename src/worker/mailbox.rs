//! How workers and control reach a worker: two bounded queues and a wake-up.
//!
//! Commands come from control, are few and never dropped: a full queue is reported to the caller. Transfers
//! come from other workers and hold what the kernel gave to the wrong one; a queue that is full, by number or by bytes,
//! drops them, which the sender counts. UDP clients send again; a connection that cannot be handed over is closed.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::calls::CallPage;
use super::dtls::DtlsLink;
use super::leases::{Ask, Grant};
use super::queues::Depth;
use super::seen::{Seen, Sum};
use super::sessions::Page;
use super::settings::WorkerSettings;
use super::stream::Stream;
use crate::engine;
use crate::metrics::{CallDetail, SessionDetail};
use crate::net::poll::Waker;
use crate::net::udp::UdpSocket;
use crate::route::{Client, ListenerId, RelayId};
use crate::time::Time;

/// Commands that may wait.
const COMMANDS: usize = 16;
/// Transfers that may wait: some milliseconds of one worker's packets.
const TRANSFERS: usize = 4096;

/// From control.
#[derive(Debug)]
pub(crate) enum Command {
    /// Go on with these settings.
    Reload {
        /// Streams, DTLS, media.
        worker: Arc<WorkerSettings>,
        /// The engine's.
        engine: Arc<engine::Settings>,
    },
    /// Read a dead worker's socket as well as your own.
    Adopt {
        /// Whose it is.
        listener: ListenerId,
        /// The socket.
        socket: UdpSocket,
    },
    /// Show some sessions.
    Sessions {
        /// From this place on.
        from: usize,
        /// To whom; has room for the answer.
        reply: SyncSender<Page>,
    },
    /// Show all of one.
    Session {
        /// Its relay.
        relay: RelayId,
        /// To whom; none if there is no such session.
        reply: SyncSender<Option<Box<SessionDetail>>>,
    },
    /// Show some allocations.
    Calls {
        /// From this place on.
        from: usize,
        /// To whom; has room for the answer.
        reply: SyncSender<CallPage>,
    },
    /// Show all of one.
    Call {
        /// One of its relays.
        relay: RelayId,
        /// To whom; none if there is no such allocation.
        reply: SyncSender<Option<Box<CallDetail>>>,
    },
    /// End an allocation.
    End {
        /// One of its relays.
        relay: RelayId,
        /// Whether there was one.
        reply: SyncSender<bool>,
    },
    /// Write what is queued, then end.
    Stop,
    /// Do nothing for so long, as a worker that hangs. Not in a release.
    #[cfg(any(test, debug_assertions))]
    Hang(std::time::Duration),
    /// Die.
    #[cfg(test)]
    Panic,
    /// Every permission for this address ends, as if its time had come.
    #[cfg(test)]
    Expire(std::net::IpAddr),
}

/// From another worker.
#[derive(Debug)]
pub(super) enum Transfer {
    /// A datagram of a client that this worker serves.
    Datagram {
        /// Who sent it.
        client: Client,
        /// DSCP and ECN.
        tos: u8,
        /// Hop limit as it arrived.
        ttl: u8,
        /// When it did.
        at: Time,
        /// The whole datagram.
        bytes: Box<[u8]>,
    },
    /// A TCP or TLS connection, and the message on it that named this worker.
    Stream {
        /// The connection, with what was read and not yet served.
        stream: Box<Stream>,
        /// The message.
        message: Box<[u8]>,
    },
    /// The same for a DTLS session.
    Dtls {
        /// The session.
        link: Box<DtlsLink>,
        /// The message.
        message: Box<[u8]>,
    },
    /// May packets of another worker's relay come in here?
    Ask(Ask),
    /// They may.
    Grant(Grant),
    /// They have.
    Seen(Box<[Seen]>),
    /// And so many more that nobody looks at.
    Sums(Box<[Sum]>),
}

impl Transfer {
    /// The bytes that it holds.
    fn size(&self) -> usize {
        match self {
            Self::Datagram { bytes, .. } => bytes.len(),
            Self::Stream { stream, message } => message.len().saturating_add(stream.input.len()),
            Self::Dtls { message, .. } => message.len(),
            Self::Ask(_) | Self::Grant(_) => 0,
            Self::Seen(seen) => size_of_val::<[Seen]>(seen),
            Self::Sums(sums) => size_of_val::<[Sum]>(sums),
        }
    }
}

/// The sending end; everybody has one.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    commands: SyncSender<Command>,
    transfers: SyncSender<Transfer>,
    depth: Arc<Depth>,
    waker: Waker,
}

/// The receiving end; the worker's own.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(super) commands: Receiver<Command>,
    transfers: Receiver<Transfer>,
    depth: Arc<Depth>,
    pub(super) waker: Waker,
}

impl Mailbox {
    /// Both ends.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub(crate) fn new() -> io::Result<(Self, Inbox)> {
        let (commands, command_inbox) = sync_channel(COMMANDS);
        let (transfers, transfer_inbox) = sync_channel(TRANSFERS);
        let waker = Waker::new()?;
        let depth = Arc::<Depth>::default();
        let inbox = Inbox {
            commands: command_inbox,
            transfers: transfer_inbox,
            depth: Arc::clone(&depth),
            waker: waker.clone(),
        };
        Ok((Self { commands, transfers, depth, waker }, inbox))
    }

    /// Whether the worker will see the command: not if it is dead, or hangs behind sixteen others.
    pub(crate) fn command(&self, command: Command) -> bool {
        let taken = self.commands.try_send(command).is_ok();
        self.waker.wake();
        taken
    }

    /// Ends the worker's wait.
    pub(crate) const fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Whether there was room.
    pub(super) fn transfer(&self, transfer: Transfer) -> bool {
        let size = transfer.size();
        if !self.depth.take(size) {
            return false;
        }
        let taken = self.transfers.try_send(transfer).is_ok();
        if !taken {
            self.depth.give_back(size);
        }
        self.waker.wake();
        taken
    }
}

impl Inbox {
    /// The next message of another worker.
    pub(super) fn next_transfer(&self) -> Option<Transfer> {
        let transfer = self.transfers.try_recv().ok()?;
        self.depth.give_back(transfer.size());
        Some(transfer)
    }

    /// Messages and bytes of other workers that wait.
    pub(super) fn waiting(&self) -> (usize, usize) {
        self.depth.waiting()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{FiveTuple, Transport};

    #[test]
    fn a_full_queue_refuses_and_a_dead_worker_too() {
        let (mailbox, inbox) = Mailbox::new().unwrap();
        for _ in 0..COMMANDS {
            assert!(mailbox.command(Command::Stop));
        }
        assert!(!mailbox.command(Command::Stop));
        assert!(matches!(inbox.commands.try_recv(), Ok(Command::Stop)));
        assert!(mailbox.command(Command::Stop));
        drop(inbox);
        assert!(!mailbox.command(Command::Stop));
    }

    #[test]
    fn long_messages_fill_a_mailbox_sooner_than_many_short_ones() {
        let (mailbox, inbox) = Mailbox::new().unwrap();
        let send = || {
            let end = std::net::SocketAddr::from(([192, 0, 2, 1], 1)).into();
            let tuple = FiveTuple { client: end, server: end, transport: Transport::Udp };
            let client = Client { tuple, listener: ListenerId(0), link: None };
            let bytes = vec![0; 65_000].into();
            mailbox.transfer(Transfer::Datagram { client, tos: 0, ttl: 9, at: Time::ZERO, bytes })
        };
        let sent = (0..TRANSFERS).take_while(|_| send()).count();
        assert!((100..TRANSFERS).contains(&sent), "{sent}");
        assert_eq!(inbox.waiting().0, sent);
        assert!(inbox.next_transfer().is_some() && send() && !send());
        while inbox.next_transfer().is_some() {}
        assert_eq!(inbox.waiting(), (0, 0));
        // Nobody reads any more.
        let depth = Arc::clone(&inbox.depth);
        drop(inbox);
        assert!(!send());
        assert_eq!(depth.waiting(), (0, 0));
    }
}
