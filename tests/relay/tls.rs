//! Clients over TLS.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use tern::route::Transport;
use tern::wire::stun::Method;

use crate::client::{Client, Stream, Wire, connect, exchange, peer};
use crate::relay::{Relay, Setup};
use crate::streams::behind_proxy;
use crate::tcp_peers::{bind_connection, control, listener, pattern, pipe, read_exactly, start_connect};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

#[test]
fn a_tls_client_is_served_on_both_families() {
    let relay = Relay::with(&[Transport::Tls]);
    exchange(&mut tls(relay.v4(Transport::Tls)), V4);
    exchange(&mut tls(relay.v6(Transport::Tls)), V6);
}

#[test]
fn one_port_serves_tcp_and_tls() {
    let relay = Relay::with(&[Transport::Tcp, Transport::Tls]);
    let at = relay.v4(Transport::Tcp);
    assert_eq!(at, relay.v4(Transport::Tls));
    exchange(&mut tls(at), V4);
    exchange(&mut Client::tcp(at), V4);
}

#[test]
fn each_message_has_a_record_of_its_own() {
    let relay = Relay::with(&[Transport::Tls]);
    let mut client = tls(relay.v4(Transport::Tls));
    let peer = peer(V4);
    let relayed = client.allocate();
    client.bind(0x4000, peer.local_addr().unwrap());
    for _ in 0..50 {
        peer.send_to(b"payload!", relayed).unwrap();
    }
    let Wire::Stream(stream) = &mut client.wire else { panic!("a datagram client") };
    let mut tcp = stream.tcp().try_clone().unwrap();
    let mut received = Vec::new();
    while count_records(&received) < 50 {
        let mut buffer = [0; 4096];
        let count = tcp.read(&mut buffer).expect("all records");
        received.extend_from_slice(&buffer[..count]);
    }
    assert_eq!(count_records(&received), 50);
}

/// Whole records of application data.
fn count_records(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let Some([23, _, _, l0, l1]) = bytes.first_chunk() {
        let Some(rest) = bytes.get(5 + usize::from(u16::from_be_bytes([*l0, *l1]))..) else { break };
        bytes = rest;
        count += 1;
    }
    count
}

#[test]
fn a_proxy_header_comes_before_tls() {
    let relay = behind_proxy(&[Transport::Tls]);
    let mut tcp = connect(relay.v4(Transport::Tls));
    tcp.write_all(b"PROXY TCP4 198.51.100.7 203.0.113.1 1234 3478\r\n").unwrap();
    let mut client = Client::stream(tls_over(tcp));
    assert_eq!(client.request(Method::BINDING, |_| {}).mapped(), "198.51.100.7:1234".parse().unwrap());
}

#[test]
fn the_last_answer_comes_before_the_goodbye() {
    let mut setup = Setup::new(&[Transport::Tls]);
    setup.worker.streams.per_source = 1;
    let relay = setup.start();
    let mut clients = [(); 2].map(|()| {
        let mut client = tls(relay.v4(Transport::Tls));
        client.allocate();
        client
    });
    assert_eq!(clients[0].refresh(0).code(), None);
    // One connection too many without an allocation: it is answered, then closed.
    assert_eq!(clients[1].refresh(0).code(), None);
    assert_eq!(pipe(&mut clients[1]).read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn a_client_that_speaks_no_tls_is_told_so() {
    let relay = Relay::with(&[Transport::Tls]);
    let mut client = connect(relay.v4(Transport::Tls));
    client.write_all(&[0; 64]).unwrap();
    let mut answer = Vec::new();
    drop(client.read_to_end(&mut answer));
    assert_eq!(answer.first(), Some(&21), "an alert");
    relay.wait_for("the count", |relay| relay.lost("tls") == 1);
}

#[test]
fn a_data_connection_may_be_encrypted() {
    let relay = Relay::with(&[Transport::Tcp, Transport::Tls]);
    let (mut client, _) = control(&relay);
    let (listener, at) = listener();
    let id = start_connect(&mut client, at);
    let (mut peer, _) = listener.accept().unwrap();
    let mut data = tls(relay.v4(Transport::Tls));
    bind_connection(&mut data, id);
    pipe(&mut data).write_all(b"secret").unwrap();
    pipe(&mut data).flush().unwrap();
    assert_eq!(read_exactly(&mut peer, 6), b"secret");
    let bulk = pattern(3 * 1024 * 1024);
    let writer = std::thread::spawn({
        let bulk = bulk.clone();
        move || {
            peer.write_all(&bulk).unwrap();
        }
    });
    assert!(read_exactly(pipe(&mut data), bulk.len()) == bulk);
    writer.join().unwrap();
    let mut end = Vec::new();
    pipe(&mut data).read_to_end(&mut end).unwrap();
    assert!(end.is_empty());
}

/// A TLS client that takes any certificate.
pub(crate) fn tls(server: SocketAddr) -> Client {
    Client::stream(tls_over(connect(server)))
}

fn tls_over(tcp: TcpStream) -> StreamOwned<ClientConnection, TcpStream> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate))
        .with_no_client_auth();
    let session =
        ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    StreamOwned::new(session, tcp)
}

impl Stream for StreamOwned<ClientConnection, TcpStream> {
    fn tcp(&self) -> &TcpStream {
        &self.sock
    }
}

#[derive(Debug)]
struct AnyCertificate;

impl rustls::client::danger::ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
