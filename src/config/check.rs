//! What can only be judged with the whole configuration in view.

use super::problem::Problems;
use super::{Config, Listener};

impl Config {
    pub(super) fn check(&self, problems: &mut Problems) {
        self.check_listeners(problems);
        self.check_certificates(problems);
        self.check_nat_discovery(problems);
    }

    fn check_listeners(&self, problems: &mut Problems) {
        for (index, listener) in self.listener.iter().enumerate() {
            for earlier in self.listener.iter().take(index) {
                if let Some(kind) = shared_socket(listener, earlier) {
                    problems.error(
                        &listener.place,
                        format!(
                            "listener.address: {} overlaps the listener on {} ({}): both want its {kind} socket; \
                             give one another port, or put all transports into one [[listener]]",
                            listener.address, earlier.address, earlier.place
                        ),
                    );
                }
            }
        }
    }

    fn check_certificates(&self, problems: &mut Problems) {
        if self.development.is_some() {
            return;
        }
        for listener in self.listener.iter().filter(|l| l.needs_certificate() && l.certificate_file.is_none())
        {
            problems.error(
                &listener.certificate_place,
                "listener.transports: tls and dtls need certificate_file and key_file; `tern certs dev` makes a pair \
                 for development",
            );
        }
    }

    fn check_nat_discovery(&self, problems: &mut Problems) {
        let Some(discovery) = &self.nat_discovery else { return };
        let wildcard = |listener: &&Listener| {
            listener.address.ip().is_unspecified()
                && discovery.ports.contains(&listener.address.port())
                && wants_udp(listener)
                && discovery.addresses.iter().any(|a| a.0.bind.is_ipv4() == listener.address.is_ipv4())
        };
        for listener in self.listener.iter().filter(wildcard) {
            problems.error(
                &listener.place,
                format!(
                    "listener.address: with [nat_discovery] on port {}, name the addresses one by one instead of {}",
                    listener.address.port(),
                    listener.address.ip()
                ),
            );
        }
    }
}

fn wants_udp(listener: &Listener) -> bool {
    listener.transports.iter().any(|transport| !transport.is_stream())
}

fn wants_tcp(listener: &Listener) -> bool {
    listener.transports.iter().any(|transport| transport.is_stream())
}

/// The kind of socket that both would bind. UDP and DTLS share one, and so do TCP and TLS.
fn shared_socket(a: &Listener, b: &Listener) -> Option<&'static str> {
    let (first, second) = (a.address, b.address);
    let same_ip = first.ip() == second.ip()
        || (first.is_ipv4() == second.is_ipv4()
            && (first.ip().is_unspecified() || second.ip().is_unspecified()));
    if first.port() != second.port() || !same_ip {
        return None;
    }
    if wants_udp(a) && wants_udp(b) {
        return Some("UDP");
    }
    (wants_tcp(a) && wants_tcp(b)).then_some("TCP")
}
