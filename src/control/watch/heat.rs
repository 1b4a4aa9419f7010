//! How good calls were, by client network and time: means of what the calls said whenever they were asked.
//!
//! A network is an IPv4 /24 or an IPv6 /48. So many networks are kept by themselves, the busiest; the others are one row
//! together. Memory does not grow with calls or networks.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::sample::{float, rounded};
use crate::control::admin::{Cell, HeatMap, HeatRow};
use crate::quality::{Leg, Legs};
use crate::time::{Now, Time, UnixTime};

/// How long a column is.
const COLUMN: Duration = Duration::from_secs(300);
/// Two hours.
const COLUMNS: usize = 24;
/// Networks that are kept by themselves.
const KEPT: usize = 128;
/// Networks that are shown by themselves.
const SHOWN: usize = 40;
/// What all others are called.
const OTHERS: &str = "others";

/// A call at one moment: where its client is, and how its legs were in their last ten seconds; none before the first
/// packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CallLook {
    /// The client's address.
    pub client: IpAddr,
    /// Its legs.
    pub legs: Option<Legs<Figures>>,
}

/// One leg of one call. Nothing stands where nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// MOS of what came by it.
    pub mos: Option<f64>,
    /// Percent of its packets that it lost.
    pub loss_percent: Option<f64>,
    /// Jitter.
    pub jitter: Option<Duration>,
    /// Round trip.
    pub rtt: Option<Duration>,
}

/// The networks that are kept, and all others.
#[derive(Debug, Default)]
pub(super) struct Heat {
    /// When the newest column begins.
    began: Option<(Time, UnixTime)>,
    /// Columns that there are, the newest included.
    columns: usize,
    kept: HashMap<Network, Row>,
    others: Row,
    /// How often all rows were gone through for the quietest.
    #[cfg(test)]
    searches: usize,
}

/// The first bits of an address.
type Network = IpAddr;

#[derive(Debug, Default)]
struct Row {
    /// At the last look.
    sessions: u64,
    /// The newest last; as many as there are columns, or fewer where the row is younger.
    columns: VecDeque<Legs<Sums>>,
}

/// What is added up in a cell.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    most: u64,
    mos: Mean,
    loss: Mean,
    jitter: Mean,
    rtt: Mean,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    sum: f64,
    count: u64,
}

/// What one look sees of a network.
#[derive(Clone, Copy, Debug, Default)]
struct Look {
    sessions: u64,
    legs: Legs<Sums>,
}

impl Heat {
    /// Takes in how all calls are.
    pub(super) fn look(&mut self, now: Now, calls: impl IntoIterator<Item = CallLook>) {
        self.turn_to(now);
        let mut seen: BTreeMap<Network, Look> = BTreeMap::new();
        for call in calls {
            let look = seen.entry(network(call.client)).or_default();
            look.sessions = look.sessions.saturating_add(1);
            for (leg, figures) in call.legs.iter().flat_map(Legs::iter) {
                look.legs[leg].add(figures);
            }
        }
        for row in self.rows() {
            row.sessions = 0;
        }
        let mut busiest: Vec<_> = seen.into_iter().collect();
        busiest.sort_by_key(|(_, look)| std::cmp::Reverse(look.sessions));
        let mut rest = Look::default();
        // The busiest come first: once one of them gets no row, none after it does.
        let mut is_full = false;
        for (network, look) in busiest {
            is_full = is_full || !self.has_row(network, look.sessions);
            match self.kept.get_mut(&network) {
                Some(row) => row.take(&look),
                None => rest.merge(&look),
            }
        }
        self.others.take(&rest);
    }

    /// Whether a network has a row of its own, or gets one now.
    fn has_row(&mut self, network: Network, sessions: u64) -> bool {
        if self.kept.contains_key(&network) {
            return true;
        }
        if self.kept.len() >= KEPT {
            #[cfg(test)]
            {
                self.searches += 1;
            }
            // One that has gone quiet gives way to one that is twice as busy; what it was goes to the others.
            let quietest = self.kept.iter().map(|(at, row)| (row.most(), *at)).min();
            let Some((_, quietest)) = quietest.filter(|(most, _)| sessions >= most.saturating_mul(2)) else {
                return false;
            };
            if let Some(row) = self.kept.remove(&quietest) {
                self.others.merge(&row);
            }
        }
        self.kept.insert(network, Row::default());
        true
    }

    fn rows(&mut self) -> impl Iterator<Item = &mut Row> {
        self.kept.values_mut().chain([&mut self.others])
    }

    /// Begins as many columns as time has brought.
    fn turn_to(&mut self, now: Now) {
        let fresh = match self.began {
            None => 1,
            Some((began, _)) => {
                usize::try_from(now.time.since(began).as_secs() / COLUMN.as_secs()).unwrap_or(COLUMNS)
            }
        };
        if fresh == 0 {
            return;
        }
        // Columns begin at full five minutes of the clock on the wall.
        let into = Duration::from_secs(now.unix.0 % COLUMN.as_secs());
        let began = (now.time - into, UnixTime(now.unix.0.saturating_sub(into.as_secs())));
        self.began = Some(began);
        self.columns = self.columns.saturating_add(fresh).min(COLUMNS);
        let columns = self.columns;
        for row in self.rows() {
            for _ in 0..fresh.min(COLUMNS) {
                row.columns.push_back(Legs::default());
            }
            while row.columns.len() > columns {
                row.columns.pop_front();
            }
        }
        self.kept.retain(|_, row| row.most() > 0);
    }

    /// As the API shows it.
    pub(super) fn map(&self) -> HeatMap {
        let began = self.began.map_or(UnixTime(0), |(_, unix)| unix);
        let column = |back: usize| {
            let back = COLUMN.as_secs().saturating_mul(u64::try_from(back).unwrap_or(u64::MAX));
            UnixTime(began.0.saturating_sub(back)).to_string()
        };
        let mut rows: Vec<_> = self.kept.iter().collect();
        rows.sort_by_key(|(network, row)| (std::cmp::Reverse(row.most()), **network));
        let mut others = Row { sessions: self.others.sessions, columns: self.others.columns.clone() };
        for (_, row) in rows.iter().skip(SHOWN) {
            others.sessions = others.sessions.saturating_add(row.sessions);
            others.merge(row);
        }
        let shown = rows.into_iter().take(SHOWN).map(|(network, row)| row.show(name(*network), self.columns));
        let mut shown: Vec<_> = shown.collect();
        if others.most() > 0 {
            shown.push(others.show(OTHERS.to_owned(), self.columns));
        }
        let columns = (0..self.columns).rev().map(column).collect();
        HeatMap { column_seconds: COLUMN.as_secs(), columns, rows: shown }
    }
}

impl Row {
    fn take(&mut self, look: &Look) {
        self.sessions = look.sessions;
        if self.columns.is_empty() {
            self.columns.push_back(Legs::default());
        }
        let Some(column) = self.columns.back_mut() else { return };
        for (leg, sums) in look.legs.iter() {
            column[leg].merge(sums);
            column[leg].most = column[leg].most.max(look.sessions);
        }
    }

    /// Column by column, from the newest backward. Sessions of two networks were there at the same time.
    fn merge(&mut self, other: &Self) {
        while self.columns.len() < other.columns.len() {
            self.columns.push_front(Legs::default());
        }
        for (to, from) in self.columns.iter_mut().rev().zip(other.columns.iter().rev()) {
            for (leg, sums) in from.iter() {
                to[leg].merge(sums);
                to[leg].most = to[leg].most.saturating_add(sums.most);
            }
        }
    }

    /// The most sessions it had at a time.
    fn most(&self) -> u64 {
        self.columns.iter().map(|column| column[Leg::Client].most).max().unwrap_or(0)
    }

    fn show(&self, network: String, columns: usize) -> HeatRow {
        let missing = columns.saturating_sub(self.columns.len());
        let cells = |leg: Leg| {
            let known = self.columns.iter().map(|column| column[leg].cell());
            std::iter::repeat_n(None, missing).chain(known).collect()
        };
        HeatRow { network, sessions: self.sessions, client: cells(Leg::Client), peer: cells(Leg::Peer) }
    }
}

impl Look {
    fn merge(&mut self, other: &Self) {
        self.sessions = self.sessions.saturating_add(other.sessions);
        for (leg, sums) in other.legs.iter() {
            self.legs[leg].merge(sums);
        }
    }
}

impl Sums {
    fn add(&mut self, figures: &Figures) {
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        self.mos.add(figures.mos);
        self.loss.add(figures.loss_percent);
        self.jitter.add(figures.jitter.map(millis));
        self.rtt.add(figures.rtt.map(millis));
    }

    fn merge(&mut self, other: &Self) {
        for (to, from) in [
            (&mut self.mos, other.mos),
            (&mut self.loss, other.loss),
            (&mut self.jitter, other.jitter),
            (&mut self.rtt, other.rtt),
        ] {
            to.sum += from.sum;
            to.count = to.count.saturating_add(from.count);
        }
    }

    fn cell(&self) -> Option<Cell> {
        let Self { most, mos, loss, jitter, rtt } = self;
        (*most > 0).then(|| Cell {
            sessions: *most,
            mos: mos.value(),
            loss_percent: loss.value(),
            jitter_ms: jitter.value(),
            rtt_ms: rtt.value(),
        })
    }
}

impl Mean {
    fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.sum += value;
            self.count = self.count.saturating_add(1);
        }
    }

    fn value(self) -> Option<f64> {
        (self.count > 0).then(|| rounded(self.sum / float(self.count)))
    }
}

fn network(address: IpAddr) -> Network {
    match address.to_canonical() {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & (!0 << 8)).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (!0 << 80)).into(),
    }
}

fn name(network: Network) -> String {
    match network {
        IpAddr::V4(v4) => format!("{v4}/24"),
        IpAddr::V6(v6) => format!("{v6}/48"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(seconds: u64) -> Now {
        // A full hour of the wall clock is second 0.
        Now { time: Time::from_secs(90_000 + seconds), unix: UnixTime(1_782_907_200 + seconds) }
    }

    fn call(client: &str, mos: f64, loss: f64) -> CallLook {
        let client_leg = Figures { mos: Some(mos), loss_percent: Some(loss), ..Figures::default() };
        let peer = Figures { rtt: Some(Duration::from_millis(20)), ..Figures::default() };
        CallLook { client: client.parse().unwrap(), legs: Some(Legs { client: client_leg, peer }) }
    }

    #[test]
    fn calls_of_one_network_and_column_are_one_cell() {
        let mut heat = Heat::default();
        heat.look(now(10), [call("198.51.100.7", 4.0, 1.0), call("198.51.100.200", 3.0, 3.0)]);
        heat.look(now(20), [call("::ffff:198.51.100.7", 2.0, 2.0), call("2001:db8:1:2::1", 4.0, 0.0)]);
        let map = heat.map();
        assert_eq!(map.columns, ["2026-07-01T12:00:00Z"]);
        let names: Vec<_> = map.rows.iter().map(|row| (row.network.as_str(), row.sessions)).collect();
        assert_eq!(names, [("198.51.100.0/24", 1), ("2001:db8:1::/48", 1)]);
        let cell =
            Cell { sessions: 2, mos: Some(3.0), loss_percent: Some(2.0), jitter_ms: None, rtt_ms: None };
        assert_eq!(map.rows[0].client, [Some(cell)]);
        assert_eq!(map.rows[0].peer[0].unwrap().rtt_ms, Some(20.0));
    }

    #[test]
    fn columns_begin_at_full_five_minutes_and_two_hours_are_kept() {
        let mut heat = Heat::default();
        heat.look(now(290), [call("198.51.100.7", 4.0, 1.0)]);
        heat.look(now(301), [call("198.51.100.7", 3.0, 1.0)]);
        let map = heat.map();
        assert_eq!(map.columns, ["2026-07-01T12:00:00Z", "2026-07-01T12:05:00Z"]);
        let mos: Vec<_> = map.rows[0].client.iter().map(|cell| cell.unwrap().mos).collect();
        assert_eq!(mos, [Some(4.0), Some(3.0)]);
        for column in 2..60 {
            heat.look(now(301 + column * 300), [call("203.0.113.7", 4.0, 1.0)]);
        }
        let map = heat.map();
        assert_eq!((map.columns.len(), map.rows.len()), (COLUMNS, 1), "the first network has gone");
        assert!(map.rows.iter().all(|row| row.client.len() == COLUMNS && row.peer.len() == COLUMNS));
    }

    #[test]
    fn time_without_calls_is_empty_columns() {
        let mut heat = Heat::default();
        heat.look(now(0), [call("198.51.100.7", 4.0, 1.0)]);
        heat.look(now(900), [call("198.51.100.7", 4.0, 1.0)]);
        let row = &heat.map().rows[0];
        let filled: Vec<_> = row.client.iter().map(Option::is_some).collect();
        assert_eq!(filled, [true, false, false, true]);
    }

    #[test]
    fn a_hundred_thousand_networks_take_no_more_rows() {
        let mut heat = Heat::default();
        let address = |n: u32| IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + n * 256));
        let crowd = (0..50_000).map(|n| CallLook { client: address(n), legs: None });
        let busy = (0..5).map(|_| call("203.0.113.7", 4.0, 1.0));
        heat.look(now(0), crowd.chain(busy));
        assert_eq!(heat.kept.len(), KEPT);
        let map = heat.map();
        assert_eq!((map.rows.len(), map.rows[0].network.as_str()), (SHOWN + 1, "203.0.113.0/24"));
        let others = map.rows.last().unwrap();
        assert_eq!((others.network.as_str(), others.sessions), (OTHERS, 50_000 - 39));
        assert_eq!(others.client[0].unwrap().sessions, 50_000 - 39);
    }

    #[test]
    fn a_crowd_of_networks_costs_no_look_at_all_rows_each() {
        let mut heat = Heat::default();
        let address = |n: u32| IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + n * 256));
        let crowd = |from: u32| (from..from + 5_000).map(|n| CallLook { client: address(n), legs: None });
        heat.look(now(0), crowd(0));
        let busy = (0..30).map(|n| CallLook { client: address(10_000 + n / 3), legs: None });
        heat.look(now(10), crowd(5_000).chain(busy));
        assert_eq!(
            (heat.kept.len(), heat.searches),
            (KEPT, 12),
            "one for each row that is given, and two in vain"
        );
        assert_eq!(heat.map().rows.iter().filter(|row| row.sessions == 3).count(), 10);
    }

    #[test]
    fn a_network_that_becomes_busy_gets_a_row_of_its_own() {
        let mut heat = Heat::default();
        let address = |n: u32| IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + n * 256));
        heat.look(now(0), (0..500).map(|n| CallLook { client: address(n), legs: None }));
        heat.look(now(10), (0..3).map(|_| call("203.0.113.7", 4.0, 1.0)));
        let map = heat.map();
        assert_eq!((map.rows[0].network.as_str(), heat.kept.len()), ("203.0.113.0/24", KEPT));
    }
}
