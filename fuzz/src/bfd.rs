//! Any bytes as a BFD packet: refused, or written back the same. Any sequence of packets, times, states of health and settings
//! at a session: up only with a data path that answers, stopped for good once stopped, never faster than agreed while it is
//! not up, never both poll and final, and always with a deadline ahead.

use std::time::Duration;

use tern::announce::bfd::{Action, Input, SLOW, Session, Settings};
use tern::time::{Now, Time, UnixTime};
use tern::wire::bfd::{Diagnostic, PACKET_LEN, Packet, State};

const DISCRIMINATOR: u32 = 0x1234_5678;

/// Checks `data` as a packet and as a history.
pub fn check(data: &[u8]) {
    check_packet(data);
    check_session(data);
}

fn check_packet(data: &[u8]) {
    let Ok(packet) = Packet::parse(data) else { return };
    let (read, _) = data.split_first_chunk::<PACKET_LEN>().expect("what was read has its length");
    let ([a0, a1, a2, _, rest @ ..], [b0, b1, b2, _, more @ ..]) = (packet.encode(), *read);
    // Only what follows a packet may make it longer than it is written.
    assert_eq!(([a0, a1, a2], rest), ([b0, b1, b2], more));
}

struct History {
    session: Session,
    now: Now,
    state: State,
    healthy: bool,
    stopped: bool,
}

fn check_session(data: &[u8]) {
    let now = Now { time: Time::from_secs(1000), unix: UnixTime(1000) };
    let session = Session::new(now, Settings::default(), DISCRIMINATOR, 1);
    let mut history = History { session, now, state: State::Down, healthy: false, stopped: false };
    for step in data.chunks_exact(6) {
        let &[kind, wait, flags, multiplier, transmit, receive] = step else { continue };
        history.now = history.now.after(pause(wait));
        history.step(kind, &packet(flags, multiplier, transmit, receive));
    }
    let view = history.session.view();
    assert!(view.counts.downs <= view.counts.ups && view.counts.ups <= view.counts.downs + 1);
}

/// From a millisecond to some minutes.
fn pause(wait: u8) -> Duration {
    Duration::from_micros(u64::from(wait & 0x0F) << (wait >> 4) << 6)
}

fn packet(flags: u8, multiplier: u8, transmit: u8, receive: u8) -> Packet {
    let state = match flags & 3 {
        0 => State::AdminDown,
        1 => State::Down,
        2 => State::Init,
        _ => State::Up,
    };
    let micros = |octet: u8| u32::from(octet & 0x0F) << (octet >> 4) << 8;
    Packet {
        diagnostic: Diagnostic::new(multiplier >> 3),
        state,
        poll: flags & 4 != 0,
        last: flags & 8 != 0,
        independent: false,
        demand: flags & 0x10 != 0,
        multiplier: multiplier.max(1),
        mine: 1 + u32::from(flags >> 7),
        yours: if flags & 0x20 != 0 { 0 } else { DISCRIMINATOR ^ u32::from(flags & 0x40) },
        transmit: micros(transmit),
        receive: micros(receive),
        echo: 0,
    }
}

impl History {
    fn step(&mut self, kind: u8, packet: &Packet) {
        match kind % 16 {
            0..10 => self.tell(Input::Packet(packet)),
            10 | 11 => self.tell(Input::Tick),
            12 => {
                if let Some(deadline) = self.session.deadline() {
                    self.now = self.now.after(deadline.since(self.now.time));
                }
                self.tell(Input::Tick);
            }
            13 | 14 if kind >= 0x80 => {
                self.healthy = kind % 16 == 13;
                self.tell(Input::Healthy(self.healthy));
            }
            13 | 14 => {
                let interval = |micros: u32| Duration::from_micros(micros.into());
                let (transmit, receive) = (interval(packet.transmit), interval(packet.receive));
                self.tell(Input::Reload(Settings { transmit, receive, multiplier: packet.multiplier }));
            }
            _ if kind == 0xFF => {
                self.stopped = true;
                self.tell(Input::Stop);
            }
            _ => {
                self.healthy = true;
                self.tell(Input::Healthy(true));
            }
        }
    }

    fn tell(&mut self, input: Input<'_>) {
        self.session.handle(self.now, input);
        let mut actions = 0;
        while let Some(action) = self.session.poll() {
            actions += 1;
            self.check_action(&action);
        }
        // A session that expires and is then met anew, an answer, and what follows from both.
        assert!(actions <= 6, "{actions} actions");
        assert_eq!(self.session.state(), self.state);
        assert!(self.healthy || self.state <= State::Down, "up without a data path");
        assert!(!self.stopped || self.state == State::AdminDown);
        assert!(self.session.deadline().is_none_or(|deadline| deadline > self.now.time));
    }

    fn check_action(&mut self, action: &Action) {
        match action {
            Action::Change(change) => {
                assert_eq!(change.previous, self.state);
                assert_ne!(change.previous, change.state);
                self.state = change.state;
            }
            Action::Send(bytes) => {
                let packet = Packet::parse(bytes).expect("what is sent can be read");
                assert_eq!(packet.mine, DISCRIMINATOR);
                assert!(!packet.demand);
                assert!(!packet.poll || !packet.last, "poll and final at once");
                let slow = u128::from(packet.transmit) >= SLOW.as_micros();
                assert!(packet.state == State::Up || slow);
            }
        }
    }
}
