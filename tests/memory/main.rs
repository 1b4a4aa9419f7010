//! What an idle allocation costs, and that a packet costs no memory: counted on the worker threads of a whole relay.
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed assertion is what this file is for, and an allocator is unsafe"
)]

mod caller;
mod counting;

use std::collections::HashSet;
use std::net::{SocketAddr, UdpSocket};
use std::thread::sleep;
use std::time::Duration;

use caller::{CHANNEL, Caller, Relay, peer};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tern::clock::Clock;
use tern::metrics::CallRows;
use tern::wire::stun::{AttributeType, Class, Method, TransactionId, Writer};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// What an idle UDP allocation with a permission and a channel may cost.
const BYTES: f64 = 800.0;
/// The answers that must not be made twice are forgotten by then (RFC 8489 section 6.3.1).
const ANSWERS_FORGOTTEN: Duration = Duration::from_secs(41);
/// Of the test itself, of its relays, of others in this process.
const OTHER_DESCRIPTORS: u64 = 100;

/// Hash tables have 2^n buckets and are full at seven eighths of them; one more, and they are twice as large.
#[test]
fn an_idle_allocation_costs_at_most_800_bytes_whatever_the_load_of_the_tables() {
    let full = (8..13).rev().map(|bits| (1_usize << bits) / 8 * 7).find(|full| fits(*full)).unwrap();
    let relays = [("best", full), ("worst", full + 1)].map(|(load, count)| (load, count, fill(count)));
    sleep(ANSWERS_FORGOTTEN);
    let mut worst = 0.0_f64;
    for (load, count, (relay, before)) in &relays {
        let (count, after) = (*count, relay.held());
        let each = |after: i64, before: i64| (after - before) as f64 / count as f64;
        let (bytes, blocks) = (each(after.bytes, before.bytes), each(after.blocks, before.blocks));
        println!(
            "{load} load, {count} allocations: {bytes:.0} bytes each, {blocks:.0} with the allocator's own"
        );
        let common = after.by_size.iter().filter(|(_, held)| usize::try_from(*held).unwrap() * 4 > count);
        let mut small = 0.0;
        for (size, held) in common {
            let many = *held as f64 / count as f64;
            small += many * *size as f64;
            println!("    {many:.2} blocks of {size}");
        }
        println!("    {:.0} in tables", bytes - small);
        assert_eq!(relay.server.counters().value("allocations", ""), count as u64);
        worst = worst.max(blocks);
    }
    assert!(worst <= BYTES, "{worst:.0} bytes per allocation");
}

/// Two relays of so many at once, and a client at a time.
fn fits(count: usize) -> bool {
    2 * count as u64 + OTHER_DESCRIPTORS <= open_files()
}

/// The limit, raised as far as it goes.
fn open_files() -> u64 {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    maximum.unwrap_or(u64::MAX)
}

fn fill(count: usize) -> (Relay, counting::Held) {
    let relay = Relay::start();
    let peer = peer(&relay);
    let call = |number| drop(joined(&relay, number, &peer));
    // By its first answer the worker has all that it starts with.
    call(0);
    let before = relay.held();
    (1..count).for_each(call);
    (relay, before)
}

/// How many there are, unless `TERN_CROWD` says so, and how many of their clients stay; fewer where descriptors are few.
const CROWD: usize = 3000;
const STAYING: usize = 1000;

/// How much one machine takes, if `TERN_CROWD` asks for that: then with `--nocapture`, and with a limit of open files of
/// 1,200 more, or several of it at once with a lower one. Clients close their sockets once they have their channel; a
/// thousand stay and use theirs when everybody is there.
#[test]
fn a_crowd_of_allocations_is_served_at_once() {
    let limit = usize::try_from(open_files()).unwrap_or(usize::MAX);
    let asked = std::env::var("TERN_CROWD").ok().map(|text| text.parse::<usize>().unwrap());
    let most = limit.saturating_sub(200);
    let staying = STAYING.min(most / 3);
    let crowd = asked.unwrap_or(CROWD).min(most - staying);
    println!("{crowd} allocations; the limit of open files is {limit}");
    let relay = Relay::with(2, 3);
    let outside = peer(&relay);
    let mut stay: Vec<Caller> = (0..staying).map(|number| joined(&relay, number, &outside)).collect();
    let (resident, kernel) = (figure("/proc/self/status", "VmRSS:"), figure("/proc/meminfo", "Slab:"));
    for number in staying..crowd {
        drop(joined(&relay, number, &outside));
    }
    let per_call = |name: &str, file: &str, before: usize| {
        let grown = figure(file, name).saturating_sub(before);
        println!("{name} {} KiB more, {} bytes per allocation", grown, grown * 1024 / (crowd - staying));
    };
    per_call("VmRSS:", "/proc/self/status", resident);
    if asked.is_some() {
        sleep(ANSWERS_FORGOTTEN);
        per_call("VmRSS:", "/proc/self/status", resident);
    }
    per_call("Slab:", "/proc/meminfo", kernel);
    let clock = Clock::new();
    let start = clock.now().time;
    assert_eq!(relay.server.counters().value("allocations", ""), crowd as u64);
    println!("counters read in {:?}", clock.now().time.since(start));
    let start = clock.now().time;
    let CallRows { rows, is_complete } = relay.server.calls().rows();
    assert!(is_complete);
    println!("{} rows made in {:?}", rows.len(), clock.now().time.since(start));
    assert_eq!(rows.iter().map(|row| row.info.id).collect::<HashSet<_>>().len(), crowd);
    assert!(rows.iter().all(|row| (row.permissions, row.channels) == (1, 1)));
    let start = clock.now().time;
    stay.iter_mut().for_each(Caller::refresh);
    println!("{} refreshes, one by one, in {:?}", stay.len(), clock.now().time.since(start));
    for (caller, first) in stay.iter().zip((0..).step_by(BURST as usize)) {
        exchange(caller, &outside, first, &channel_data);
    }
}

fn joined(relay: &Relay, number: usize, peer: &UdpSocket) -> Caller {
    let mut caller = Caller::allocate(relay, number);
    caller.bind(CHANNEL, peer.local_addr().unwrap());
    caller
}

/// A number of the kernel's, in KiB.
fn figure(file: &str, name: &str) -> usize {
    let text = std::fs::read_to_string(file).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Everything has grown to its size by then.
const WARM_UP: u32 = 200;
const PACKETS: u32 = 2000;
/// Packets under way at once, so that batches of all lengths are met.
const BURST: u32 = 8;

#[test]
fn a_relayed_packet_costs_no_memory_and_no_copy() {
    let relay = Relay::start();
    let (outside, unbound) = (peer(&relay), peer(&relay));
    let mut caller = Caller::allocate(&relay, usize::from(u16::MAX));
    caller.permit(outside.local_addr().unwrap().ip());
    caller.bind(CHANNEL, outside.local_addr().unwrap());
    let channel = |number: u32| channel_data(number);
    let send = |number: u32| send_indication(unbound.local_addr().unwrap(), number);
    for (number, packets) in [(0, WARM_UP), (1, PACKETS)] {
        let before = relay.held();
        for first in (0..packets).step_by(BURST as usize) {
            exchange(&caller, &outside, first, &channel);
            exchange(&caller, &unbound, first, &send);
        }
        let after = relay.held();
        println!("{packets} packets each way: {} allocations", after.calls - before.calls);
        assert!(number == 0 || after.calls == before.calls, "{} allocations", after.calls - before.calls);
    }
    assert_eq!(relay.server.sessions().len(), 1);
    let counters = relay.server.counters();
    assert_eq!(counters.value("packets", "to_peer"), 2 * u64::from(WARM_UP + PACKETS));
    assert_eq!(counters.value("copied_bytes", ""), 0);
}

/// A burst to the peer, and each packet back.
fn exchange(caller: &Caller, peer: &UdpSocket, first: u32, wrap: &impl Fn(u32) -> Vec<u8>) {
    let mut buffer = [0; 1500];
    for number in first..first + BURST {
        caller.socket.send(&wrap(number)).unwrap();
    }
    for number in first..first + BURST {
        let (length, from) = peer.recv_from(&mut buffer).unwrap();
        assert_eq!(buffer[..length], payload(number));
        peer.send_to(&buffer[..length], from).unwrap();
    }
    for number in first..first + BURST {
        let length = caller.socket.recv(&mut buffer).unwrap();
        assert!(buffer[..length].windows(SIZE).any(|part| part == payload(number)));
    }
}

const SIZE: usize = 160;

/// A packet of voice, which the relay listens to.
fn payload(number: u32) -> [u8; SIZE] {
    let mut payload = [7; SIZE];
    payload[..2].copy_from_slice(&[0x80, 111]);
    let [_, _, sequence @ ..] = number.to_be_bytes();
    payload[2..4].copy_from_slice(&sequence);
    payload[4..8].copy_from_slice(&(number * 960).to_be_bytes());
    payload
}

fn channel_data(number: u32) -> Vec<u8> {
    let mut bytes = CHANNEL.to_be_bytes().to_vec();
    bytes.extend(u16::try_from(SIZE).unwrap().to_be_bytes());
    bytes.extend(payload(number));
    bytes
}

fn send_indication(peer: SocketAddr, number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, Class::Indication, Method::SEND, TransactionId([9; 12]));
    writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
    writer.attribute(AttributeType::DATA, &payload(number));
    bytes
}
