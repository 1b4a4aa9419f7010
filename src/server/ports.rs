//! How many relayed ports there are and how many are free, for `/metrics`: counted when it is asked for, as of the settings
//! that hold then.

use std::sync::{Arc, Mutex, PoisonError};

use super::Server;
use crate::engine::{self, FamilyPorts};
use crate::metrics::{Family, More, Sums};
use crate::wire::stun::AddressFamily;

const LABELS: &[&str] = &["family"];
static ALL: Family = Family::gauge(
    "tern_ports",
    LABELS,
    "Ports of all relayed addresses, used and free, by their address family.",
);
static FREE: Family = Family::gauge(
    "tern_ports_free",
    LABELS,
    "Ports of relayed addresses that nobody has, by address family.",
);

/// What [`Server::ports`] shows.
#[must_use]
pub fn port_families() -> [&'static Family; 2] {
    [&ALL, &FREE]
}

/// The ports of a relay.
#[derive(Debug)]
struct Ports {
    shared: engine::Shared,
    settings: Arc<Mutex<Arc<engine::Settings>>>,
}

impl More for Ports {
    fn families(&self) -> Vec<&'static Family> {
        port_families().to_vec()
    }

    fn add(&self, sums: &mut Sums) {
        let settings = Arc::clone(&self.settings.lock().unwrap_or_else(PoisonError::into_inner));
        for FamilyPorts { family, all, free } in self.shared.family_ports(&settings) {
            let family = match family {
                AddressFamily::V4 => "ipv4",
                AddressFamily::V6 => "ipv6",
            };
            sums.add(&ALL, &[family], all as f64);
            sums.add(&FREE, &[family], free as f64);
        }
    }
}

impl Server {
    /// What `/metrics` shows of its ports.
    #[must_use]
    pub fn ports(&self) -> Arc<dyn More> {
        Arc::new(Ports { shared: self.shared.clone(), settings: Arc::clone(&self.engine_settings) })
    }
}
