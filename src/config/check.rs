//! What can only be judged with the whole configuration in view.

mod announce;
mod next_hops;

use std::net::{IpAddr, SocketAddr};

use super::problem::{Place, Problems};
use super::{Config, Listener};
use crate::route::Transport;

impl Config {
    pub(super) fn check(&self, problems: &mut Problems) {
        self.check_listeners(problems);
        self.check_certificates(problems);
        self.check_nat_discovery(problems);
        self.check_metrics(problems);
        self.check_admin(problems);
        self.check_announcements(problems);
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

    fn check_metrics(&self, problems: &mut Problems) {
        if let Some(address) = self.metrics.address {
            self.refuse_taken("metrics.address", address, &self.metrics.place, problems);
        }
    }

    fn check_admin(&self, problems: &mut Problems) {
        let admin = &self.admin;
        for address in &admin.listen {
            self.refuse_taken("admin.listen", *address, &admin.place, problems);
            if self.metrics.address.is_some_and(|metrics| overlap(metrics, *address)) {
                problems.error(
                    &admin.place,
                    format!("admin.listen: {address} is that of metrics; choose another port"),
                );
            }
        }
        if !admin.listen.is_empty()
            && self.development.is_none()
            && admin.token.is_empty()
            && admin.client.is_empty()
        {
            let text = "admin.listen: nobody could ask there: add [[admin.token]] or [[admin.client]]";
            problems.error(&admin.place, text);
        }
    }

    /// A TCP socket of our own beside those of the listeners.
    fn refuse_taken(&self, key: &str, address: SocketAddr, place: &Place, problems: &mut Problems) {
        for listener in self.listener.iter().filter(|listener| wants_tcp(listener)) {
            if overlap(listener.address, address) {
                let text = format!(
                    "{key}: {address} overlaps the listener on {} ({}): both want its TCP socket; choose another port",
                    listener.address, listener.place
                );
                problems.error(place, text);
            }
        }
    }

    /// Its four sockets must be had, or be made, beside those of the listeners and of the relayed addresses.
    fn check_nat_discovery(&self, problems: &mut Problems) {
        let Some(discovery) = &self.nat_discovery else { return };
        for listener in self.listener.iter().filter(|listener| wants_udp(listener)) {
            let (ip, port) = (listener.address.ip(), listener.address.port());
            let concerns =
                |is_meant: &dyn Fn(IpAddr) -> bool| discovery.addresses.iter().any(|a| is_meant(a.0.bind));
            if !discovery.ports.contains(&port) {
                continue;
            }
            if ip.is_unspecified() && concerns(&|bind| bind.is_ipv4() == ip.is_ipv4()) {
                let text = format!(
                    "listener.address: with [nat_discovery] on port {port}, name the addresses one by one instead of {ip}"
                );
                problems.error(&listener.place, text);
            } else if concerns(&|bind| bind == ip) && !listener.transports.contains(&Transport::Udp) {
                let text =
                    format!("listener.transports: [nat_discovery] on {ip}:{port} needs \"udp\" among them");
                problems.error(&listener.place, text);
            }
        }
        let relayed = self.relay_addresses();
        for address in &discovery.addresses {
            let is_relayed = relayed.iter().any(|relay| relay.bind == address.0.bind);
            let ports = self.relay.ports.first..=self.relay.ports.last;
            for port in discovery.ports.iter().filter(|port| is_relayed && ports.contains(port)) {
                let text = format!(
                    "nat_discovery.ports: {port} is among relay.ports ({}) on {}; choose another",
                    self.relay.ports, address.0.bind
                );
                problems.error(&discovery.place, text);
            }
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
    if !overlap(a.address, b.address) {
        return None;
    }
    if wants_udp(a) && wants_udp(b) {
        return Some("UDP");
    }
    (wants_tcp(a) && wants_tcp(b)).then_some("TCP")
}

/// Whether a packet could be meant for either.
fn overlap(first: SocketAddr, second: SocketAddr) -> bool {
    let same_ip = first.ip() == second.ip()
        || (first.is_ipv4() == second.is_ipv4()
            && (first.ip().is_unspecified() || second.ip().is_unspecified()));
    first.port() == second.port() && same_ip
}
