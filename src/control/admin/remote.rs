//! Connections by TCP, with TLS where there is a certificate. The handshake is made when a connection is first read
//! from, by the task that serves it: whoever is slow at it keeps nobody else waiting.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

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

use super::caller::RemotePeer;
use crate::net::certs::CertStore;

/// What the listener cannot be made of.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct TlsFault(String);

/// Sessions with `certificate`, always the current one. With `authorities` a client may show a certificate that one of
/// them has signed; it need not.
///
/// # Errors
/// Authorities that cannot be read.
pub fn tls_config(
    certificate: Arc<CertStore>,
    authorities: Option<&Path>,
) -> Result<Arc<ServerConfig>, TlsFault> {
    let fault = |error: &dyn std::fmt::Display| TlsFault(error.to_string());
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| fault(&error))?;
    let builder = match authorities {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(read_roots(path)?), provider)
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

fn read_roots(path: &Path) -> Result<RootCertStore, TlsFault> {
    let fault = |error: &dyn std::fmt::Display| TlsFault(format!("{}: {error}", path.display()));
    let mut roots = RootCertStore::empty();
    let pem = std::fs::read(path).map_err(|error| fault(&error))?;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
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
    tls: Option<TlsAcceptor>,
}

impl RemoteListener {
    pub(super) fn new(tcp: std::net::TcpListener, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        tcp.set_nonblocking(true)?;
        Ok(Self { tcp: TcpListener::from_std(tcp)?, tls: tls.map(TlsAcceptor::from) })
    }
}

impl Listener for RemoteListener {
    type Io = RemoteStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = Listener::accept(&mut self.tcp).await;
        let _ = stream.set_nodelay(true);
        let is_tls = self.tls.is_some();
        let state = match &self.tls {
            None => State::Plain(stream),
            Some(acceptor) => State::Handshake(Box::new(acceptor.accept(stream))),
        };
        (RemoteStream { state, peer: RemotePeer { address, is_tls, names: Arc::default() } }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

/// One of them.
pub(super) struct RemoteStream {
    state: State,
    peer: RemotePeer,
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
            // It is set once.
            let _ = OnceLock::set(&self.peer.names, names_of(certificate));
        }
        self.state = State::Tls(Box::new(stream));
        Poll::Ready(Ok(()))
    }
}

/// What a certificate calls its holder.
fn names_of(certificate: &[u8]) -> Vec<String> {
    let Ok(certificate) = x509_cert::Certificate::from_der(certificate) else { return Vec::new() };
    let tbs = certificate.tbs_certificate();
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
    names
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
        let mut names = names_of(certificate.der());
        names.sort();
        let expected = [
            "CN=alice",
            "DNS:ops.example.org",
            "OU=operators",
            "URI:spiffe://example.org/ops",
            "email:alice@example.org",
        ];
        assert_eq!(names, expected);
        assert!(names_of(b"nonsense").is_empty());
    }
}
