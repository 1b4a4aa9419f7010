//! What is not as it should be when a relay starts, and does not keep it from starting.

use crate::config::{Config, Problems, Severity};
use crate::server::Server;

/// A full buffer loses what a burst brings.
pub(super) fn warn_of_small_buffers(server: &Server) {
    if let Some(cut) = server.buffers().iter().find(|buffers| buffers.are_cut()) {
        tracing::warn!(
            asked = cut.asked,
            receive = cut.receive,
            send = cut.send,
            "the system gives listeners smaller buffers than they should have, and bursts may be lost: sysctl -w \
             net.core.rmem_max={asked} net.core.wmem_max={asked}",
            asked = cut.asked
        );
    }
}

/// Without an address of its own a relay starts and refuses every allocation. It may get the address later, as
/// one that moves between machines does, so this is no error.
pub(super) fn warn_of_foreign_addresses(config: &Config) {
    for relay in config.relay_addresses() {
        if let Err(error) = std::net::UdpSocket::bind((relay.bind, 0)) {
            tracing::warn!(
                address = %relay.bind,
                %error,
                "relay.addresses: not an address of this machine, so nothing can be relayed from it; behind a 1:1 NAT write {{ bind = \"own address\", external = \"public address\" }}"
            );
        }
    }
}

pub(super) fn log_problems(problems: &Problems) {
    for problem in problems {
        let place = problem.place.to_string();
        match problem.severity {
            Severity::Error => tracing::error!(place, "{}", problem.text),
            Severity::Warning => tracing::warn!(place, "{}", problem.text),
        }
    }
}
