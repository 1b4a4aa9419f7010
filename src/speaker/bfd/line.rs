//! One neighbour's session with what belongs to it on this machine: the socket it sends from, and what the announcer has
//! been told of it.

use std::io;
use std::net::SocketAddr;

use super::sockets::{explain, open_sender};
use super::{Neighbor, News, View};
use crate::announce::NeighborId;
use crate::announce::bfd::{Action, Change, Input, Session};
use crate::net::udp::{PacketMeta, Payload, SendBatch, SendHeader, UdpSocket};
use crate::time::Now;
use crate::wire::bfd::{Packet, State};

/// What single-hop packets are sent and taken with, and multihop packets are sent with.
const HOP_LIMIT: u8 = 255;
/// Network control: CS6.
const TOS: u8 = 0xC0;

/// A session at work.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) id: NeighborId,
    pub(super) neighbor: Neighbor,
    pub(super) session: Session,
    sender: Option<UdpSocket>,
    refused: u64,
    /// What the announcer should know, and whether it has been told.
    news: Option<News>,
    is_told: bool,
    problem: Option<String>,
}

impl Line {
    pub(super) const fn new(id: NeighborId, neighbor: Neighbor, session: Session) -> Self {
        let (news, problem) = (None, None);
        Self { id, neighbor, session, sender: None, refused: 0, news, is_told: true, problem }
    }

    /// Under other settings. What was last said may have been of a number that meant nothing any more when it was heard.
    pub(super) fn renumber(&mut self, now: Now, id: NeighborId, neighbor: Neighbor) {
        self.id = id;
        self.neighbor = neighbor;
        self.session.handle(now, Input::Reload(neighbor.timers()));
        self.is_told = self.news.is_none();
    }

    /// Opens its socket if it has none.
    pub(super) fn open(&mut self, draw: impl FnMut() -> u16) {
        if self.sender.is_some() {
            return;
        }
        match open_sender(&self.neighbor, draw) {
            Ok(socket) => self.sender = Some(socket),
            Err(error) => self
                .complain(SocketAddr::new(self.neighbor.local.unwrap_or(self.neighbor.address), 0), &error),
        }
    }

    /// A socket cannot be had.
    pub(super) fn complain(&mut self, address: SocketAddr, error: &io::Error) {
        let problem = explain(address, error);
        if self.problem.as_ref() != Some(&problem) {
            self.tell(News::Problem(problem.clone()));
            self.problem = Some(problem);
        }
    }

    /// All sockets are there.
    pub(super) fn settle(&mut self) {
        self.problem = None;
    }

    pub(super) const fn has_sender(&self) -> bool {
        self.sender.is_some()
    }

    /// Whether a packet that came to `port` came from its neighbour to this end.
    pub(super) fn is_between(&self, meta: &PacketMeta, port: u16) -> bool {
        self.neighbor.address == meta.source.ip()
            && self.neighbor.port() == port
            && self.neighbor.local.is_none_or(|local| local == meta.destination)
    }

    /// A packet between the two.
    pub(super) fn receive(&mut self, now: Now, meta: &PacketMeta, packet: Option<&Packet>) {
        let has_travelled = !self.neighbor.way.multihop && meta.ttl != HOP_LIMIT;
        match packet.filter(|_| !has_travelled) {
            Some(packet) => self.session.handle(now, Input::Packet(packet)),
            None => self.refused += 1,
        }
    }

    /// Does what the session asks for. Whether its state has changed.
    pub(super) fn act(&mut self, batch: &mut SendBatch) -> bool {
        let mut has_changed = false;
        while let Some(action) = self.session.poll() {
            match action {
                Action::Send(bytes) => self.send(batch, &bytes),
                Action::Change(change) => {
                    self.follow(&change);
                    has_changed = true;
                }
            }
        }
        has_changed
    }

    fn send(&self, batch: &mut SendBatch, bytes: &[u8]) {
        let Some(socket) = &self.sender else { return };
        let destination = SocketAddr::new(self.neighbor.address, self.neighbor.port());
        let header = SendHeader { tos: TOS, ttl: Some(HOP_LIMIT), ..SendHeader::to(destination) };
        // The batch has room for all sessions; a packet that finds none is lost as on a full link.
        batch.push(socket, header, Payload::Copy(bytes));
    }

    fn follow(&mut self, change: &Change) {
        if change.state == State::Up {
            self.tell(News::Up);
        } else if change.is_failure() {
            self.tell(News::Down(change.reason.to_string()));
        } else if change.previous == State::Up {
            self.tell(News::Stopped(change.reason.to_string()));
        }
    }

    fn tell(&mut self, news: News) {
        self.news = Some(news);
        self.is_told = false;
    }

    /// What the announcer is still to be told. `report` says whether it has taken it.
    pub(super) fn report(&mut self, report: impl FnOnce(NeighborId, News) -> bool) {
        if self.is_told {
            return;
        }
        if let Some(news) = self.news.clone() {
            self.is_told = report(self.id, news);
        }
    }

    pub(super) const fn owes_report(&self) -> bool {
        !self.is_told
    }

    pub(super) fn view(&self) -> View {
        View {
            session: self.session.view(),
            multihop: self.neighbor.way.multihop,
            refused: self.refused,
            problem: self.problem.clone(),
        }
    }
}
