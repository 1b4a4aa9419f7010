use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use rcgen::{CertificateParams, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, SupportedProtocolVersion,
};

use super::*;
use crate::net::certs::Reload;
use crate::net::poll::{Events, Interest, Poller};
use crate::net::queue::OutQueue;
use crate::net::tcp::{TcpListener, TcpOptions};

/// Takes any certificate: who the server is, is not what these tests ask.
#[derive(Debug)]
struct AnyServer;

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

fn pair() -> (String, String) {
    pair_with(&rcgen::PKCS_ECDSA_P256_SHA256)
}

fn pair_with(algorithm: &'static rcgen::SignatureAlgorithm) -> (String, String) {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn acceptor() -> TlsAcceptor {
    let (chain, key) = pair();
    TlsAcceptor::new(CertStore::from_pem(chain.as_bytes(), key.as_bytes()).unwrap()).unwrap()
}

fn server(acceptor: &TlsAcceptor) -> TlsStream {
    acceptor.accept(Time::from_secs(100), Duration::from_secs(10)).unwrap()
}

fn client_config(versions: &[&'static SupportedProtocolVersion], alpn: &[&[u8]]) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

fn client(config: &Arc<ClientConfig>) -> ClientConnection {
    ClientConnection::new(Arc::clone(config), "localhost".try_into().unwrap()).unwrap()
}

/// Carries bytes both ways, `chunk` at a time, until both are silent. Returns what the server decrypted.
fn exchange(
    client: &mut ClientConnection,
    server: &mut TlsStream,
    chunk: usize,
) -> (Vec<u8>, Result<TlsProgress, TlsError>) {
    let (mut plaintext, mut total) = (Vec::new(), TlsProgress::default());
    loop {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let silent = wire.is_empty() && !server.wants_write();
        for part in wire.chunks(chunk) {
            match server.receive(part, &mut plaintext) {
                Ok(progress) => {
                    total.established |= progress.established;
                    total.closed |= progress.closed;
                }
                Err(error) => {
                    deliver(server, client);
                    return (plaintext, Err(error));
                }
            }
        }
        deliver(server, client);
        if silent {
            return (plaintext, Ok(total));
        }
    }
}

fn deliver(server: &mut TlsStream, client: &mut ClientConnection) {
    let mut wire = Vec::new();
    assert!(server.write_to(|slices| wire.write_vectored(slices)).unwrap());
    let mut wire = wire.as_slice();
    while !wire.is_empty() {
        client.read_tls(&mut wire).unwrap();
        // What the client makes of it is asked by the tests that care.
        drop(client.process_new_packets());
    }
}

fn decrypted(client: &mut ClientConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    match client.reader().read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
    }
    bytes
}

#[test]
fn both_versions_are_spoken_in_any_segmentation() {
    let acceptor = acceptor();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for chunk in [1, 7, 100_000] {
            let mut server = server(&acceptor);
            assert_eq!(server.deadline(), Some(Time::from_secs(110)));
            assert!(!server.is_established());
            let early = server.write(&[IoSlice::new(b"early")]).unwrap_err();
            assert_eq!(early.kind(), io::ErrorKind::WouldBlock);

            let mut client = client(&client_config(&[version], &[]));
            let (_, progress) = exchange(&mut client, &mut server, chunk);
            assert_eq!(progress, Ok(TlsProgress { established: true, closed: false }));
            assert!(server.is_established());
            assert_eq!((server.deadline(), server.alpn()), (None, None));

            client.writer().write_all(b"question").unwrap();
            let (plaintext, progress) = exchange(&mut client, &mut server, chunk);
            assert_eq!((plaintext.as_slice(), progress), (&b"question"[..], Ok(TlsProgress::default())));
            let answer = [IoSlice::new(b"ans"), IoSlice::new(b"wer")];
            assert_eq!(server.write(&answer).unwrap(), 6);
            assert!(server.wants_write());
            deliver(&mut server, &mut client);
            assert_eq!(decrypted(&mut client), b"answer");

            client.send_close_notify();
            assert!(exchange(&mut client, &mut server, chunk).1.unwrap().closed);
            server.close();
            deliver(&mut server, &mut client);
            assert_eq!(client.reader().read(&mut [0; 1]).unwrap(), 0, "close_notify came");
        }
    }
}

#[test]
fn turn_protocol_names_are_chosen_and_others_refused() {
    let acceptor = acceptor();
    let versions = [&rustls::version::TLS13];
    for name in ALPN {
        let mut server = server(&acceptor);
        let mut client = client(&client_config(&versions, &[b"h2", name]));
        exchange(&mut client, &mut server, 1000).1.unwrap();
        assert_eq!(server.alpn(), Some(name));
        assert_eq!(client.alpn_protocol(), Some(name));
    }
    let mut server = server(&acceptor);
    let mut client = client(&client_config(&versions, &[b"h2"]));
    assert!(matches!(exchange(&mut client, &mut server, 1000).1, Err(TlsError::Handshake(_))));
}

#[test]
fn a_session_is_resumed_with_a_ticket() {
    let acceptor = acceptor();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = client_config(&[version], &[]);
        let kinds: Vec<_> = (0..2)
            .map(|_| {
                let (mut client, mut server) = (client(&config), server(&acceptor));
                exchange(&mut client, &mut server, 1000).1.unwrap();
                client.handshake_kind().unwrap()
            })
            .collect();
        assert_ne!(kinds[0], rustls::HandshakeKind::Resumed);
        assert_eq!(kinds[1], rustls::HandshakeKind::Resumed, "{version:?}");
    }
}

#[test]
fn an_old_version_gets_an_alert() {
    // A ClientHello of TLS 1.0 as a client of its time sends it.
    let mut hello = vec![0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 1];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0, 0x2f, 1, 0]);
    let mut server = server(&acceptor());
    let error = server.receive(&hello, &mut Vec::new()).unwrap_err();
    assert!(matches!(error, TlsError::Handshake(_)));
    assert!(server.wants_write());
    let mut wire = Vec::new();
    assert!(server.write_to(|slices| wire.write_vectored(slices)).unwrap());
    // rustls misses the signature algorithms, which came with TLS 1.2, before it looks at the version: the alert
    // is handshake_failure.
    assert_eq!((wire[0], wire[5], wire[6]), (21, 2, 40), "{wire:?}");
}

#[test]
fn what_is_no_tls_ends_the_session() {
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 2000], &[0x16, 3, 1, 0xff, 0xff, 0]] {
        let mut server = server(&acceptor());
        assert!(matches!(server.receive(garbage, &mut Vec::new()), Err(TlsError::Handshake(_))));
    }
}

#[test]
fn a_broken_record_after_the_handshake_ends_the_session() {
    let mut server = server(&acceptor());
    let mut client = client(&client_config(&[&rustls::version::TLS13], &[]));
    exchange(&mut client, &mut server, 1000).1.unwrap();
    let record = [&[0x17, 3, 3, 0, 32][..], &[0; 32]].concat();
    assert!(matches!(server.receive(&record, &mut Vec::new()), Err(TlsError::Broken(_))));
    assert!(server.wants_write(), "bad_record_mac");
}

#[test]
fn a_slow_reader_costs_a_bounded_buffer() {
    let mut server = server(&acceptor());
    let mut client = client(&client_config(&[&rustls::version::TLS13], &[]));
    exchange(&mut client, &mut server, 1000).1.unwrap();

    let mut queue = OutQueue::new(1 << 20);
    let frames: Vec<Vec<u8>> = (0..100u8).map(|n| vec![n; 5000]).collect();
    frames.iter().for_each(|frame| queue.push_control(frame).unwrap());
    let mut received = Vec::new();
    let mut turns = 0;
    while received.len() < 500_000 {
        queue.flush(Time::ZERO, |slices| server.write(slices)).unwrap();
        let mut wire = Vec::new();
        server.write_to(|slices| wire.write_vectored(slices)).unwrap();
        assert!(wire.len() <= SEND_BUFFER + 1024, "{}", wire.len());
        let mut wire = wire.as_slice();
        while !wire.is_empty() {
            client.read_tls(&mut wire).unwrap();
            client.process_new_packets().unwrap();
            received.extend(decrypted(&mut client));
        }
        turns += 1;
    }
    assert!(turns >= 15);
    assert!(received == frames.concat());
}

#[test]
fn a_blocked_connection_keeps_what_it_has() {
    let mut server = server(&acceptor());
    let mut client = client(&client_config(&[&rustls::version::TLS13], &[]));
    exchange(&mut client, &mut server, 1000).1.unwrap();
    server.write(&[IoSlice::new(b"hello")]).unwrap();
    let mut wire = Vec::new();
    let mut turn = 0;
    let done = |wire: &mut Vec<u8>, slices: &[IoSlice<'_>]| {
        wire.extend_from_slice(&slices[0][..1]);
        Ok(1)
    };
    while !server
        .write_to(|slices| {
            turn += 1;
            if turn % 2 == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { done(&mut wire, slices) }
        })
        .unwrap()
    {}
    client.read_tls(&mut wire.as_slice()).unwrap();
    client.process_new_packets().unwrap();
    assert_eq!(decrypted(&mut client), b"hello");
}

#[test]
fn a_reloaded_certificate_serves_new_sessions_and_leaves_old_ones_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    let write = |(chain_pem, key_pem): (String, String)| {
        fs::write(&chain, chain_pem).unwrap();
        fs::write(&key, key_pem).unwrap();
    };
    write(pair());
    let certs = CertStore::load(&chain, &key).unwrap();
    let acceptor = TlsAcceptor::new(Arc::clone(&certs)).unwrap();
    let config = client_config(&[&rustls::version::TLS13], &[]);
    let (mut old_client, mut old_server) = (client(&config), server(&acceptor));
    exchange(&mut old_client, &mut old_server, 1000).1.unwrap();

    write(pair_with(&rcgen::PKCS_RSA_SHA256));
    assert_eq!(certs.reload_if_changed(), Reload::Reloaded);

    let fresh = client_config(&[&rustls::version::TLS13], &[]);
    let (mut new_client, mut new_server) = (client(&fresh), server(&acceptor));
    exchange(&mut new_client, &mut new_server, 1000).1.unwrap();
    assert_ne!(old_client.peer_certificates(), new_client.peer_certificates());

    old_client.writer().write_all(b"still here").unwrap();
    assert_eq!(exchange(&mut old_client, &mut old_server, 1000).0, b"still here");
}

/// Serves one connection until the client closes: answers each byte with itself.
fn serve(listener: &TcpListener, acceptor: &TlsAcceptor) -> (Vec<u8>, Option<TlsError>) {
    let poller = Poller::new().unwrap();
    let mut events = Events::with_capacity(1);
    poller.add(listener, 0, Interest::READ).unwrap();
    while poller.wait(&mut events, Some(Duration::from_secs(10))).unwrap() == 0 {}
    let stream = listener.accept().unwrap().unwrap().stream;
    poller.remove(listener).unwrap();
    poller.add(&stream, 0, Interest::READ).unwrap();
    let mut session = server(acceptor);
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        poller.wait(&mut events, Some(Duration::from_secs(10))).unwrap();
        let count = match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return (all, None),
            Ok(count) => count,
        };
        let mut plaintext = Vec::new();
        let result = session.receive(&buffer[..count], &mut plaintext);
        if !plaintext.is_empty() {
            session.write(&[IoSlice::new(&plaintext)]).unwrap();
            all.extend(plaintext);
        }
        session.write_to(|slices| stream.write(slices)).unwrap();
        match result {
            Err(error) => return (all, Some(error)),
            Ok(progress) if progress.closed => return (all, None),
            Ok(_) => {}
        }
    }
}

fn s_client(to: SocketAddr, arguments: &[&str]) -> Option<(String, String)> {
    let connect = to.to_string();
    let mut child = Command::new("openssl")
        .args(["s_client", "-connect", &connect, "-ign_eof"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    // "Q" alone on a line would end it; with -ign_eof the end of its input does not.
    let mut stdin = child.stdin.take().unwrap();
    drop(stdin.write_all(b"hello from openssl\n"));
    std::thread::scope(|scope| {
        let mut stdout = child.stdout.take().unwrap();
        let reader = scope.spawn(move || {
            let mut text = Vec::new();
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stdout.read(&mut buffer) {
                text.extend_from_slice(&buffer[..count]);
                if String::from_utf8_lossy(&text).contains("hello from openssl") {
                    break;
                }
            }
            String::from_utf8_lossy(&text).into_owned()
        });
        let output = reader.join().unwrap();
        drop(child.kill());
        let mut errors = String::new();
        drop(child.stderr.take().unwrap().read_to_string(&mut errors));
        drop(child.wait());
        Some((output, errors))
    })
}

fn has_openssl() -> bool {
    let found = Command::new("openssl").arg("version").output().is_ok();
    if !found {
        eprintln!("SKIPPED: no openssl program here; install openssl to run this test");
    }
    found
}

#[test]
fn openssl_speaks_both_versions() {
    if !has_openssl() {
        return;
    }
    let acceptor = acceptor();
    for version in ["-tls1_2", "-tls1_3"] {
        let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap(), &TcpOptions::default()).unwrap();
        let to = listener.local_addr();
        let ((received, error), output) = std::thread::scope(|scope| {
            let server = scope.spawn(|| serve(&listener, &acceptor));
            let output = s_client(to, &[version, "-alpn", "stun.turn", "-quiet"]).unwrap();
            (server.join().unwrap(), output)
        });
        assert_eq!(error, None);
        assert_eq!(received, b"hello from openssl\n", "{output:?}");
    }
}

#[test]
fn openssl_with_old_versions_reports_our_alert() {
    if !has_openssl() {
        return;
    }
    let acceptor = acceptor();
    for version in ["-tls1", "-tls1_1"] {
        let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap(), &TcpOptions::default()).unwrap();
        let to = listener.local_addr();
        let ((_, error), (_, errors)) = std::thread::scope(|scope| {
            let server = scope.spawn(|| serve(&listener, &acceptor));
            let output = s_client(to, &[version, "-cipher", "DEFAULT:@SECLEVEL=0"]).unwrap();
            (server.join().unwrap(), output)
        });
        assert!(matches!(error, Some(TlsError::Handshake(_))), "{error:?} {errors}");
        assert!(errors.contains("alert handshake failure"), "{errors}");
    }
}

#[test]
fn our_own_client_talks_to_our_own_server_and_resumes() {
    let made = rcgen::generate_simple_self_signed(["elsewhere".to_owned()]).unwrap();
    let certs =
        CertStore::from_pem(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes()).unwrap();
    let (acceptor, connector) = (TlsAcceptor::new(certs).unwrap(), TlsConnector::trusting_all().unwrap());
    for _ in 0..2 {
        let mut client = connector.connect(named("192.0.2.1")).unwrap();
        let mut server = acceptor.accept(Time::ZERO, Duration::from_secs(1)).unwrap();
        client.send(b"early").unwrap();
        let (mut heard, mut answered) = (Vec::new(), Vec::new());
        for _ in 0..6 {
            let mut bytes = Vec::new();
            client.take_output(&mut bytes).unwrap();
            server.receive(&bytes, &mut heard).unwrap();
            if server.is_established() && answered.is_empty() {
                drop(server.write(&[IoSlice::new(b"answer")]));
            }
            let mut bytes = Vec::new();
            server
                .write_to(|slices| {
                    Ok(slices
                        .iter()
                        .map(|one| {
                            bytes.extend_from_slice(one);
                            one.len()
                        })
                        .sum())
                })
                .unwrap();
            client.receive(&bytes, &mut answered).unwrap();
        }
        assert!(heard == b"early" && answered.starts_with(b"answer"), "{heard:?} {answered:?}");
    }
    let mut client = connector.connect(named("::1")).unwrap();
    assert!(matches!(
        client.receive(b"HTTP/1.1 400 Bad Request\r\n", &mut Vec::new()),
        Err(TlsError::Handshake(_))
    ));
}

fn named(name: &'static str) -> ServerName<'static> {
    name.try_into().unwrap()
}

/// The client's end of a handshake.
fn shake(acceptor: &TlsAcceptor, connector: &TlsConnector, name: &'static str) -> Result<(), TlsError> {
    let mut client = connector.connect(named(name)).unwrap();
    let mut server = acceptor.accept(Time::ZERO, Duration::from_secs(1)).unwrap();
    let mut nothing = Vec::new();
    for _ in 0..6 {
        let mut bytes = Vec::new();
        client.take_output(&mut bytes).unwrap();
        // What it says of a client that does not trust it is of no interest.
        drop(server.receive(&bytes, &mut nothing));
        let mut bytes = Vec::new();
        server
            .write_to(|slices| {
                Ok(slices
                    .iter()
                    .map(|slice| {
                        bytes.extend_from_slice(slice);
                        slice.len()
                    })
                    .sum())
            })
            .unwrap();
        client.receive(&bytes, &mut nothing)?;
    }
    assert!(client.is_established());
    Ok(())
}

#[test]
fn a_client_that_trusts_an_authority_takes_its_certificates_for_their_names_only() {
    let key = rcgen::KeyPair::generate().unwrap();
    let made =
        rcgen::CertificateParams::new(vec!["relay.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    let certs = CertStore::from_pem(made.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    let acceptor = TlsAcceptor::new(certs).unwrap();
    let trusting = TlsConnector::trusting([made.der().clone()]).unwrap();
    assert_eq!(shake(&acceptor, &trusting, "relay.example"), Ok(()));
    let refused = |connector: &TlsConnector, name| shake(&acceptor, connector, name).unwrap_err().to_string();
    assert!(refused(&trusting, "other.example").contains("certificate"));
    assert!(refused(&TlsConnector::trusting([]).unwrap(), "relay.example").contains("UnknownIssuer"));
    assert_eq!(shake(&acceptor, &TlsConnector::trusting_all().unwrap(), "other.example"), Ok(()));
}
