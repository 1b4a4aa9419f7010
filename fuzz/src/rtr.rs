//! Any bytes as RTR: no panic, and no length that is waited for without end. Any sequence of connections, losses, times, bytes
//! and PDUs at a client of two caches: nothing is said on a connection that has ended, there is one for each cache at most,
//! no more is kept than may be, and there is always a deadline ahead.

use std::collections::BTreeMap;
use std::time::Duration;

use tern::announce::rpki::{Client, Input, RECORDS_MAX, Validity};
use tern::announce::{Action, ConnectionId, Target};
use tern::time::{Now, Time, UnixTime};
use tern::wire::bgp::{Asn, Prefix};
use tern::wire::rtr::{self, LONGEST};

/// Checks `data` as a stream and as a history.
pub fn check(data: &[u8]) {
    check_stream(data);
    History::new().run(data);
}

fn check_stream(data: &[u8]) {
    let mut rest = data;
    while let Ok(Some(length)) = rtr::frame(rest) {
        assert!((8..=LONGEST).contains(&length) && length <= rest.len());
        let (pdu, behind) = rest.split_at(length);
        if let Ok((_, rtr::Pdu::Record { vrp, .. })) = rtr::decode(pdu) {
            assert!(vrp.longest >= vrp.prefix.bits() && vrp.longest <= vrp.prefix.family().width());
        }
        rest = behind;
    }
}

struct History {
    client: Client,
    now: Now,
    /// What stands or is being opened, and for which cache.
    connections: BTreeMap<u32, u8>,
    prefixes: Vec<Prefix>,
}

fn names(count: usize) -> Vec<String> {
    ["a", "b"].iter().take(count).map(|name| (*name).to_owned()).collect()
}

impl History {
    fn new() -> Self {
        let prefixes = ["192.0.2.0/24", "2001:db8::/48"];
        let prefixes: Vec<Prefix> = prefixes.iter().map(|text| text.parse().expect("a prefix")).collect();
        let client = Client::new(&names(2), &prefixes, 1);
        let now = Now { time: Time::from_secs(1000), unix: UnixTime(1000) };
        Self { client, now, connections: BTreeMap::new(), prefixes }
    }

    fn run(&mut self, mut data: &[u8]) {
        self.tell(Input::Tick);
        while let Some((&[kind, more, a, b], rest)) = data.split_first_chunk::<4>() {
            data = rest;
            let connection = self.pick(more);
            match kind % 16 {
                0..7 => {
                    let bytes = pdu(kind, more, a, b);
                    self.tell(Input::Received { connection, bytes: &bytes });
                }
                7 | 8 => {
                    let (bytes, rest) = data.split_at(data.len().min(usize::from(more)));
                    data = rest;
                    self.tell(Input::Received { connection, bytes });
                }
                9 | 10 => self.tell(Input::Connected { connection }),
                11 => {
                    self.connections.remove(&connection.0);
                    self.tell(Input::Closed { connection, reason: "closed" });
                }
                12 => {
                    self.connections.remove(&connection.0);
                    self.tell(Input::Failed { connection, reason: "refused" });
                }
                13 => {
                    self.now = self.now.after(Duration::from_millis(u64::from(a) << (b >> 4)));
                    self.tell(Input::Tick);
                }
                14 => {
                    let deadline = self.client.deadline().unwrap_or(self.now.time);
                    self.now = self.now.after(deadline.since(self.now.time));
                    self.tell(Input::Tick);
                }
                _ => {
                    let count = usize::from(a % 3);
                    let prefixes = self.prefixes.get(..usize::from(b % 3)).unwrap_or_default().to_vec();
                    self.client.reload(self.now, &names(count), &prefixes);
                    self.collect();
                }
            }
        }
    }

    /// One that stands, or one that never did.
    fn pick(&self, which: u8) -> ConnectionId {
        let nth = self.connections.keys().nth(usize::from(which & 1));
        ConnectionId(nth.copied().unwrap_or(u32::MAX))
    }

    fn tell(&mut self, input: Input<'_>) {
        self.client.handle(self.now, input);
        self.collect();
    }

    fn collect(&mut self) {
        while let Some(action) = self.client.poll() {
            match action {
                Action::Connect { connection, target: Target::Rtr(cache) } => {
                    let before = self.connections.insert(connection.0, cache);
                    assert_eq!(before, None, "a number is used twice");
                }
                Action::Send { connection, bytes } => {
                    assert!(self.connections.contains_key(&connection.0), "said on no connection");
                    assert_eq!(rtr::frame(&bytes), Ok(Some(bytes.len())));
                }
                Action::Close { connection } | Action::Abort { connection } => {
                    assert!(self.connections.remove(&connection.0).is_some(), "ended twice");
                }
                Action::Event(_) => {}
                Action::Connect { target: Target::Neighbor(_), .. }
                | Action::Run { .. }
                | Action::Hook(_)
                | Action::Stopped => unreachable!("not a client's to ask for"),
            }
        }
        let views = self.client.view(self.now);
        assert!(self.connections.len() <= views.len().max(1));
        assert!(views.iter().all(|view| view.records <= RECORDS_MAX));
        let is_known = views.iter().any(|view| view.serial.is_some());
        for prefix in &self.prefixes {
            let validity = self.client.validity(prefix, Asn(64500));
            assert!(is_known || matches!(validity, Validity::Unknown(_)));
        }
        assert!(self.client.deadline().is_none_or(|deadline| deadline > self.now.time));
    }
}

/// A PDU that a cache may send, in a session or serial that it may be in.
fn pdu(kind: u8, more: u8, a: u8, b: u8) -> Vec<u8> {
    let version = u8::from(more & 2 != 0);
    let session = u16::from(more >> 7);
    let serial = u32::from(b).to_be_bytes();
    let (code, body): (u8, Vec<u8>) = match kind % 16 {
        0 => (0, serial.to_vec()),
        1 => (3, Vec::new()),
        2 | 3 => {
            let length = 16 + (a & 0x0F);
            let record =
                [more >> 6 & 1, length, length + (b & 7), 0, 192, 0, 2, 0, 0, 0, 0xFB, 0xF4 + (b >> 7)];
            (4, record.to_vec())
        }
        4 => {
            let intervals = [60_u32 << (a & 0x0F), 1 << (a >> 4), 600].map(u32::to_be_bytes);
            let intervals = if version == 1 { intervals.as_flattened() } else { &[] };
            (7, [&serial, intervals].concat())
        }
        5 => (8, Vec::new()),
        _ => (10, vec![0; 8]),
    };
    let head = if code == 10 { u16::from(a % 10) } else { session };
    let length = u32::try_from(8 + body.len()).unwrap_or(0);
    [&[version, code][..], &head.to_be_bytes(), &length.to_be_bytes(), &body].concat()
}
