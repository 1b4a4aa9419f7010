//! BIRD in the relay's place: what proves the harness, and what the relay's times are held against.

use std::path::Path;

use crate::host::Host;
use crate::lab::{PREFIX_V4, PREFIX_V6, relay_v4, router_v4};
use crate::router::{Bird, Peer, ROUTER_ASN};
use crate::skip::Missing;

/// It does not fit into two octets.
pub(crate) const ASN: u32 = 4_200_000_600;

/// How it is configured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Announcer {
    pub(crate) med: u32,
    /// Its ASN stands twice in the path.
    pub(crate) prepend: bool,
}

impl Announcer {
    /// The neighbour that the router has to be configured with.
    pub(crate) fn peer(hold: u16, bfd: Option<u16>) -> Peer {
        Peer {
            local: router_v4(0).into(),
            address: relay_v4(0).into(),
            asn: ASN,
            key: None,
            passive: false,
            hold,
            bfd,
            further: "",
        }
    }

    /// Starts it in the place of the first relay.
    pub(crate) fn start(self, host: &Host, folder: &Path) -> Result<Bird, Missing> {
        let mut bird = Bird::new()?;
        bird.run(host, folder, "announcer", &self.configuration());
        Ok(bird)
    }

    /// Both prefixes with this MED, a community and a large one, by static routes `s4` and `s6`, to the session `up0`.
    pub(crate) fn configuration(self) -> String {
        let (local, router, med) = (relay_v4(0), router_v4(0), self.med);
        let prepend = if self.prepend { format!("bgp_path.prepend({ASN}); ") } else { String::new() };
        format!(
            "log stderr all;\nrouter id {local};\nprotocol device {{ scan time 60; }}\nprotocol bfd {{ }}\n\
             protocol static s4 {{ ipv4; route {PREFIX_V4} blackhole; }}\n\
             protocol static s6 {{ ipv6; route {PREFIX_V6} blackhole; }}\n\
             filter announced {{ {prepend}bgp_med = {med}; bgp_community.add((65535,0)); \
             bgp_large_community.add(({ASN},1,2)); accept; }}\n\
             protocol bgp up0 {{ local {local} as {ASN}; neighbor {router} as {ROUTER_ASN}; hold time 90;\n\
             connect delay time 1; connect retry time 1; error wait time 1, 2; graceful restart off;\n\
             bfd {{ min rx interval 100 ms; min tx interval 100 ms; multiplier 3; }};\n\
             ipv4 {{ import all; export filter announced; next hop self; }};\n\
             ipv6 {{ import all; export filter announced; next hop self; }}; }}\n"
        )
    }
}
