//! Long datagrams and DONT-FRAGMENT (RFC 8656 sections 11.5, 14 and 15), on a loopback interface that takes packets of
//! 65,536 bytes: less than the longest that IPv6 can have.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tern::route::Transport;
use tern::wire::stun::{AddressFamily, AttributeType, Class, Message, Method, TransactionId, Writer};

use crate::client::{Client, Frame, peer, receive};
use crate::relay::{Relay, Setup};
use crate::skip::{Missing, need};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const CHANNEL: u16 = 0x4003;
/// The longest UDP payload of IPv4.
const LONGEST_V4: usize = 65_507;
/// Too long for the interface together with the headers of IPv6, and not for a Send indication.
const TOO_LONG: usize = 65_500;

fn send(peer: SocketAddr, data: &[u8], dont_fragment: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, Class::Indication, Method::SEND, TransactionId([9; 12]));
    writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
    if dont_fragment {
        writer.flag(AttributeType::DONT_FRAGMENT);
    }
    writer.attribute(AttributeType::DATA, data);
    writer.finish().unwrap();
    bytes
}

fn allocate(client: &mut Client, family: AddressFamily) -> SocketAddr {
    let answer = client.allocate_with(17, |writer| {
        writer.address_family(AttributeType::REQUESTED_ADDRESS_FAMILY, family);
    });
    answer.relayed()
}

/// A socket that sees the IP headers of datagrams to `ip`.
fn sniff(ip: Ipv4Addr) -> Result<Socket, Missing> {
    let missing = |error| Missing(format!("the privilege to see IP headers (CAP_NET_RAW): {error}"));
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::UDP)).map_err(missing)?;
    socket.bind(&SocketAddr::from((ip, 0)).into()).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    Ok(socket)
}

/// Whether DF is set in the header of the next datagram to `port`.
fn next_dont_fragment(mut socket: &Socket, port: u16) -> bool {
    let mut packet = [0; 2048];
    loop {
        let count = socket.read(&mut packet).expect("a datagram");
        let header = usize::from(packet[0] & 0xf) * 4;
        if count >= header + 8 && packet[header + 2..header + 4] == port.to_be_bytes() {
            return packet[6] & 0x40 != 0;
        }
    }
}

#[test]
fn dont_fragment_stands_in_the_header_of_its_own_datagram_only() {
    // An address of its own: other tests' datagrams would fill the socket.
    let ip = Ipv4Addr::new(127, 9, 7, 1);
    let sniffer = need!(sniff(ip));
    let relay = Relay::with(&[Transport::Udp, Transport::Tcp]);
    for mut client in [Client::udp(relay.v4(Transport::Udp)), Client::tcp(relay.v4(Transport::Tcp))] {
        let at = peer(ip.into()).local_addr().unwrap();
        client.allocate();
        client.bind(CHANNEL, at);
        for wanted in [true, false, true, true, false] {
            client.send_bytes(&send(at, b"x", wanted));
            assert_eq!(next_dont_fragment(&sniffer, at.port()), wanted);
            client.send_channel(CHANNEL, b"x");
            assert!(!next_dont_fragment(&sniffer, at.port()));
        }
    }
}

#[test]
fn what_may_not_be_fragmented_and_is_too_long_is_reported_as_a_router_would() {
    let relay = Relay::with(&[Transport::Tcp]);
    let mut client = Client::tcp(relay.v6(Transport::Tcp));
    let peer = peer(V6);
    let at = peer.local_addr().unwrap();
    let relayed = allocate(&mut client, AddressFamily::V6);
    client.permit(V6);
    let long = vec![5; TOO_LONG];
    client.send_bytes(&send(at, &long, true));
    let Frame::Stun(bytes) = client.receive() else { panic!("channel data") };
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
    assert_eq!((message.xor_peer_address().unwrap(), message.data()), (Some(at), None));
    let icmp = message.icmp().unwrap().unwrap();
    assert_eq!((icmp.kind, icmp.code, icmp.data), (2, 0, 65_536));
    relay.wait_for("the count", |relay| relay.lost("too_big") == 1);
    // Neither the allocation nor its other datagrams are the worse for it.
    client.send_bytes(&send(at, &long, false));
    assert_eq!(receive(&peer), (long, relayed));
    client.send_bytes(&send(at, b"short", true));
    assert_eq!(receive(&peer).0, b"short");
    assert_eq!(relay.lost("too_big"), 1);
}

#[test]
fn the_longest_datagrams_of_ipv4_pass_both_ways() {
    let relay = Relay::with(&[Transport::Udp, Transport::Tcp]);
    let long: Vec<u8> = (0..=250).cycle().take(LONGEST_V4).collect();
    for client in [Client::tcp(relay.v4(Transport::Tcp)), Client::udp(relay.v6(Transport::Udp))] {
        let mut client = client;
        let is_stream = client.local_addr().is_ipv4();
        let peer = peer(V4);
        let at = peer.local_addr().unwrap();
        let relayed = allocate(&mut client, AddressFamily::V4);
        client.permit(V4);
        if is_stream {
            client.send_bytes(&send(at, &long, false));
            assert_eq!(receive(&peer), (long.clone(), relayed));
            peer.send_to(&long, relayed).unwrap();
            client.expect_data(at, &long);
        }
        client.bind(CHANNEL, at);
        client.send_channel(CHANNEL, &long);
        assert_eq!(receive(&peer), (long.clone(), relayed));
        peer.send_to(&long, relayed).unwrap();
        client.expect_channel(CHANNEL, &long);
    }
    assert_eq!(relay.lost("too_big"), 0);
}

#[test]
fn what_grows_too_long_for_its_client_is_counted() {
    let relay = Setup::new(&[Transport::Udp]).start();
    let mut client = Client::udp(relay.v4(Transport::Udp));
    let peer = peer(V4);
    let relayed = client.allocate();
    client.bind(CHANNEL, peer.local_addr().unwrap());
    // Four bytes of ChannelData make it longer than UDP takes.
    peer.send_to(&[1; LONGEST_V4 - 3], relayed).unwrap();
    relay.wait_for("the count", |relay| relay.lost("too_big") == 1);
    peer.send_to(&[1; LONGEST_V4 - 4], relayed).unwrap();
    client.expect_channel(CHANNEL, &[1; LONGEST_V4 - 4]);
}
