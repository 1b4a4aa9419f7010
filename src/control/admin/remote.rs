//! Connections by TCP, with TLS where there is a certificate. The handshake is made when a connection is first read
//! from, by the task that serves it: whoever is slow at it keeps nobody else waiting.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use arc_swap::ArcSwap;
use axum::serve::Listener;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ResolvesServerCert, ServerConfig, WebPkiClientVerifier};
use rustls::{RootCertStore, pki_types::CertificateDer};
use rustls_pki_types::pem::PemObject;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{Accept, TlsAcceptor, server::TlsStream};
use x509_cert::der::Decode;
use x509_cert::ext::pkix::{SubjectAltName, name::GeneralName};

use super::access::Holder;
use super::caller::{RemotePeer, Shown};
use crate::control::connections::{Source, Sourced};
use crate::net::certs::CertStore;

/// What the listener cannot be made of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TlsFault(String);

/// What handshakes are made with: a certificate, always the current one, and the authorities whose certificates clients
/// may show, as their file was when it was last looked at.
#[derive(Debug)]
pub struct Tls {
    certificate: Arc<CertStore>,
    authorities: Option<PathBuf>,
    current: ArcSwap<ServerConfig>,
    /// How often the authorities have changed; what the last look at their file has brought.
    count: Arc<AtomicU64>,
    seen: Mutex<Result<Vec<u8>, TlsFault>>,
}

impl Tls {
    /// With `authorities` a client may show a certificate that one of them has signed; it need not.
    ///
    /// # Errors
    /// Authorities that cannot be read.
    pub fn load(certificate: Arc<CertStore>, authorities: Option<PathBuf>) -> Result<Arc<Self>, TlsFault> {
        let pem = authorities.as_deref().map(read_file).transpose()?;
        let config = config(Arc::clone(&certificate), authorities.as_deref().zip(pem.as_deref()))?;
        let (count, seen) = (Arc::default(), Mutex::new(Ok(pem.unwrap_or_default())));
        Ok(Arc::new(Self { certificate, authorities, current: ArcSwap::new(config), count, seen }))
    }

    /// Looks at the file of the authorities again. Callers that were known by the old ones are not known any more, on
    /// connections that they have, too. Authorities that cannot be used change nothing. Returns whether there are others now.
    ///
    /// # Errors
    /// Why they cannot be used, once for each reason.
    pub fn reload_if_changed(&self) -> Result<bool, TlsFault> {
        let Some(path) = &self.authorities else { return Ok(false) };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let found = read_file(path);
        if *seen == found {
            return Ok(false);
        }
        *seen = found;
        let pem = seen.as_ref().map_err(Clone::clone)?;
        self.current.store(config(Arc::clone(&self.certificate), Some((path, pem)))?);
        self.count.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }
}

fn config(
    certificate: Arc<CertStore>,
    authorities: Option<(&Path, &[u8])>,
) -> Result<Arc<ServerConfig>, TlsFault> {
    let fault = |error: &dyn std::fmt::Display| TlsFault(error.to_string());
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| fault(&error))?;
    let builder = match authorities {
        None => builder.with_no_client_auth(),
        Some((path, pem)) => {
            let roots = Arc::new(read_roots(path, pem)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
                .allow_unauthenticated()
                .build()
                .map_err(|error| TlsFault(format!("{}: {error}", path.display())))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let resolver: Arc<dyn ResolvesServerCert> = certificate;
    let mut config = builder.with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A session that is resumed would show no certificate that was taken back meanwhile.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn read_file(path: &Path) -> Result<Vec<u8>, TlsFault> {
    std::fs::read(path).map_err(|error| TlsFault(format!("{}: {error}", path.display())))
}

fn read_roots(path: &Path, pem: &[u8]) -> Result<RootCertStore, TlsFault> {
    let fault = |error: &dyn std::fmt::Display| TlsFault(format!("{}: {error}", path.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| fault(&error))?;
        roots.add(certificate).map_err(|error| fault(&error))?;
    }
    if roots.is_empty() {
        return Err(fault(&"holds no certificate; it must hold PEM blocks BEGIN CERTIFICATE"));
    }
    Ok(roots)
}

/// Accepts them.
pub(super) struct RemoteListener {
    tcp: TcpListener,
    tls: Option<Arc<Tls>>,
}

impl RemoteListener {
    pub(super) fn new(tcp: std::net::TcpListener, tls: Option<Arc<Tls>>) -> io::Result<Self> {
        tcp.set_nonblocking(true)?;
        Ok(Self { tcp: TcpListener::from_std(tcp)?, tls })
    }
}

impl Listener for RemoteListener {
    type Io = RemoteStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = Listener::accept(&mut self.tcp).await;
        let _ = stream.set_nodelay(true);
        let (state, shown, count) = match &self.tls {
            None => (State::Plain(stream), Shown::default(), 0),
            Some(tls) => {
                // Counted first: a change between the two costs a client its connection and lets nobody in.
                let shown = Shown::to(&tls.count);
                let count = shown.count();
                let accept = TlsAcceptor::from(tls.current.load_full()).accept(stream);
                (State::Handshake(Box::new(accept)), shown, count)
            }
        };
        let peer = RemotePeer { address, is_tls: self.tls.is_some(), shown };
        (RemoteStream { state, peer, count }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

/// One of them.
pub(super) struct RemoteStream {
    state: State,
    peer: RemotePeer,
    /// How the authorities were counted when its handshake began.
    count: u64,
}

impl Sourced for RemoteStream {
    fn source(&self) -> Source {
        Source::of(self.peer.address.ip())
    }
}

enum State {
    Plain(TcpStream),
    Handshake(Box<Accept<TcpStream>>),
    Tls(Box<TlsStream<TcpStream>>),
}

impl RemoteStream {
    /// Who it is; its names are known when the handshake is over.
    pub(super) fn peer(&self) -> RemotePeer {
        self.peer.clone()
    }

    fn shake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let State::Handshake(accept) = &mut self.state else { return Poll::Ready(Ok(())) };
        let stream = ready!(Pin::new(accept.as_mut()).poll(cx))?;
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        if let Some(certificate) = certificate {
            self.peer.shown.set(self.count, holder_of(certificate));
        }
        self.state = State::Tls(Box::new(stream));
        Poll::Ready(Ok(()))
    }
}

/// What a certificate calls its holder.
fn holder_of(certificate: &[u8]) -> Holder {
    let Ok(certificate) = x509_cert::Certificate::from_der(certificate) else { return Holder::default() };
    let tbs = certificate.tbs_certificate();
    let serial = tbs.serial_number().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let mut names: Vec<_> = tbs.subject().iter().map(ToString::to_string).collect();
    if let Ok(Some((_, SubjectAltName(alternatives)))) = tbs.get_extension::<SubjectAltName>() {
        names.extend(alternatives.iter().filter_map(|name| match name {
            GeneralName::DnsName(name) => Some(format!("DNS:{name}")),
            GeneralName::Rfc822Name(name) => Some(format!("email:{name}")),
            GeneralName::UniformResourceIdentifier(name) => Some(format!("URI:{name}")),
            GeneralName::OtherName(_)
            | GeneralName::DirectoryName(_)
            | GeneralName::EdiPartyName(_)
            | GeneralName::IpAddress(_)
            | GeneralName::RegisteredId(_) => None,
        }));
    }
    Holder { names, serial }
}

impl AsyncRead for RemoteStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.shake(cx))?;
        match &mut self.state {
            State::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            State::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buffer),
            State::Handshake(_) => Poll::Pending,
        }
    }
}

impl AsyncWrite for RemoteStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.shake(cx))?;
        match &mut self.state {
            State::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            State::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, bytes),
            State::Handshake(_) => Poll::Pending,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.state {
            State::Plain(stream) => Pin::new(stream).poll_flush(cx),
            State::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
            State::Handshake(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.state {
            State::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            State::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
            State::Handshake(_) => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_known_by_its_subject_and_its_other_names() {
        use rcgen::{CertificateParams, DnType, KeyPair, SanType};
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "alice");
        params.distinguished_name.push(DnType::OrganizationalUnitName, "operators");
        params.subject_alt_names = vec![
            SanType::DnsName("ops.example.org".try_into().unwrap()),
            SanType::Rfc822Name("alice@example.org".try_into().unwrap()),
            SanType::URI("spiffe://example.org/ops".try_into().unwrap()),
        ];
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let Holder { mut names, serial } = holder_of(certificate.der());
        assert!(serial.len() >= 2 && serial.bytes().all(|digit| digit.is_ascii_hexdigit()), "{serial}");
        names.sort();
        let expected = [
            "CN=alice",
            "DNS:ops.example.org",
            "OU=operators",
            "URI:spiffe://example.org/ops",
            "email:alice@example.org",
        ];
        assert_eq!(names, expected);
        assert_eq!(holder_of(b"nonsense"), Holder::default());
    }
}
