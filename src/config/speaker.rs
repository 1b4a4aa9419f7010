//! From the configuration to what the announcer's drivers are told: sockets towards neighbours, checks, commands.

use super::health::{Enabled, OwnProbe, Pace};
use super::{Config, Neighbor, Password};
use crate::announce;
use crate::announce::health::{self, CheckSettings};
use crate::engine::Redirect;
use crate::route::ListenerId;
use crate::speaker::checks::{CheckKind, SelfTest};
use crate::speaker::{self, BfdSettings, HookSettings, NeighborSockets, SecretKey};
use crate::wire::bgp::Prefix;
use std::net::SocketAddr;

impl Config {
    /// What the announcer is started from, or goes on with; `passwords` are the neighbours', in their order. None if there
    /// is nobody to tell, and no wish to look.
    #[must_use]
    pub fn speaker_settings(&self, passwords: &[Option<Password>]) -> Option<speaker::Settings> {
        if self.bgp.neighbor.is_empty() && self.health.enabled != Enabled::On {
            return None;
        }
        let (checks, kinds) = self.checks().into_iter().unzip();
        let none = std::iter::repeat(&None);
        let neighbors = self.bgp.neighbor.iter().zip(passwords.iter().chain(none));
        let hooks = self.health.hook.iter();
        Some(speaker::Settings {
            announce: announce::Settings {
                health: health::Settings {
                    checks,
                    fail_back: self.announce.fail_back,
                    on_down: self.announce.on_down,
                    ..self.health.judgement()
                },
                bgp: self.bgp_settings(),
                rpki: self.rpki_settings(),
                linger: self.announce.linger.0,
            },
            listen: self.bgp.listen.clone(),
            neighbors: neighbors.map(|(neighbor, password)| sockets(neighbor, password.as_ref())).collect(),
            checks: kinds,
            hooks: hooks
                .map(|hook| HookSettings { command: hook.command.clone(), timeout: hook.timeout.0 })
                .collect(),
            heartbeat_timeout: self.bfd.heartbeat_timeout.0,
        })
    }

    /// Whether calls of our own are among the checks: they need a peer, and credentials.
    #[must_use]
    pub fn wants_self_test(&self) -> bool {
        self.has_checks() && self.health.self_test.enabled
    }

    /// Calls through each listener, transport and worker for a relay whose health is not looked at: they are to come through
    /// once, before anybody is told that it serves. None if there are checks that say so, or if there are to be none; none
    /// through a listener that sends every call elsewhere.
    #[must_use]
    pub fn start_tests(&self) -> Vec<(CheckSettings, CheckKind)> {
        if self.has_checks() || self.health.enabled == Enabled::Off {
            return Vec::new();
        }
        let serves = |listener: ListenerId| {
            let listener = self.listener.get(usize::from(listener.0));
            listener.is_some_and(|listener| listener.redirect != Redirect::Always)
        };
        let mut tests = self.self_tests();
        tests.retain(|(_, kind)| matches!(kind, CheckKind::SelfTest(test) if serves(test.listener)));
        tests
    }

    fn has_checks(&self) -> bool {
        match self.health.enabled {
            Enabled::Auto => !self.bgp.neighbor.is_empty(),
            Enabled::On => true,
            Enabled::Off => false,
        }
    }

    fn checks(&self) -> Vec<(CheckSettings, CheckKind)> {
        if !self.has_checks() {
            return Vec::new();
        }
        let mut checks = self.self_tests();
        checks.extend(self.own_state());
        checks.extend(self.health.check.iter().filter(|check| check.pace.enabled).map(|check| {
            let kind = match &check.probe {
                OwnProbe::Command { command } => CheckKind::Command { argv: command.clone() },
                OwnProbe::File { file, present } => {
                    CheckKind::File { path: self.resolve(file), present: *present }
                }
            };
            (check.pace.settings(check.name.as_str()), kind)
        }));
        checks
    }

    /// A call through each listener, transport and worker.
    fn self_tests(&self) -> Vec<(CheckSettings, CheckKind)> {
        let pace = &self.health.self_test;
        if !pace.enabled {
            return Vec::new();
        }
        let announced: Vec<Prefix> = self.announce.prefix.iter().map(|prefix| prefix.prefix.0).collect();
        let listeners = self.listener.iter().map(|one| (one.address.ip(), one.transports.as_slice()));
        let tests = SelfTest::all(listeners, &announced, self.worker_count());
        let named = |test: SelfTest| {
            let listener = self.listener.get(usize::from(test.listener.0));
            let port = listener.map_or(0, |listener| listener.address.port());
            let (transport, at) =
                (super::transport_word(test.transport), SocketAddr::new(test.address, port));
            let name = format!("self-test {transport} {at} worker {}", test.worker);
            (pace.settings(name), CheckKind::SelfTest(test))
        };
        tests.into_iter().map(named).collect()
    }

    /// What the relay knows of itself.
    fn own_state(&self) -> Vec<(CheckSettings, CheckKind)> {
        let health = &self.health;
        let hearts = (0..self.worker_count())
            .map(|worker| (&health.workers, format!("worker {worker}"), CheckKind::Heartbeat { worker }));
        let certificates = self.listener.iter().any(super::Listener::needs_certificate);
        let some = |pace, name: &str, kind| Some((pace, name.to_owned(), kind));
        let rest = [
            some(
                &health.queue_loss.pace,
                "queue loss",
                CheckKind::QueueLoss { percent: health.queue_loss.percent },
            ),
            some(&health.load.pace, "load", CheckKind::Busy { percent: health.load.percent }),
            health.packets.per_second.and_then(|per_second| {
                some(&health.packets.pace, "packets", CheckKind::Packets { per_second: per_second.into() })
            }),
            some(&health.ports.pace, "ports", CheckKind::Ports { percent: health.ports.percent }),
            some(&health.quota.pace, "quota", CheckKind::Quota { percent: health.quota.percent })
                .filter(|_| self.limits.max_allocations > 0),
            some(
                &health.certificates.pace,
                "certificates",
                CheckKind::Certificate { days: health.certificates.days },
            )
            .filter(|_| certificates),
            some(&health.clock.pace, "clock", CheckKind::Clock { step: health.clock.step.0 }),
            some(
                &health.quality.pace,
                "quality",
                CheckKind::Quality {
                    score: health.quality.mos.hundredths(),
                    percent: health.quality.percent,
                    calls: health.quality.least,
                },
            ),
        ];
        let all = hearts.chain(rest.into_iter().flatten());
        let enabled = all.filter(|(pace, _, _): &(&Pace, String, CheckKind)| pace.enabled);
        enabled.map(|(pace, name, kind)| (pace.settings(name), kind)).collect()
    }
}

fn sockets(neighbor: &Neighbor, password: Option<&Password>) -> NeighborSockets {
    NeighborSockets {
        local_address: neighbor.local_address,
        key: password.and_then(|password| SecretKey::new(&password.0)),
        ttl: neighbor.ttl,
        gtsm: neighbor.gtsm,
        user_timeout: neighbor.user_timeout.map(|period| period.0),
        bfd: neighbor.bfd.as_ref().map(|bfd| BfdSettings {
            transmit: bfd.transmit.0,
            receive: bfd.receive.0,
            multiplier: bfd.multiplier,
            multihop: bfd.multihop,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::health::is_built_in;
    use crate::config::{Sources, load};
    use crate::route::Transport;

    const NEIGHBORS: &str = "[announce]\nprefixes = [\"10.99.0.1/32\"]\n[bgp]\nasn = 64512\nrouter_id = \"10.0.0.5\"\n\
        [[bgp.neighbor]]\nname = \"a\"\naddress = \"10.0.0.1\"\nasn = 64600\n\
        [[bgp.neighbor]]\nname = \"b\"\naddress = \"10.0.0.2\"\nasn = 64600\nbfd = true\ngtsm = 1\n";

    fn config(text: &str) -> Config {
        let folder = tempfile::tempdir().unwrap();
        let (file, users) = (folder.path().join("tern.toml"), folder.path().join("users"));
        std::fs::write(&users, crate::engine::auth::user_line("ann", "tern", "opensesame").unwrap()).unwrap();
        let relay = "[server]\nworkers = 2\n[auth]\nusers_file = \"users\"\n[[listener]]\naddress = \"0.0.0.0:3478\"\n\
            [relay]\naddresses = [\"127.0.0.1\"]\n";
        std::fs::write(&file, format!("{relay}{text}")).unwrap();
        load(&Sources { file: Some(file), ..Sources::default() }).unwrap().config
    }

    #[test]
    fn a_relay_without_neighbours_announces_nothing_and_looks_at_nothing_unless_it_is_told_to() {
        assert_eq!(config("").speaker_settings(&[]), None);
        assert!(!config("").wants_self_test());
        let looking = config("[health]\nenabled = \"on\"\n");
        assert!(looking.wants_self_test() && !looking.speaker_settings(&[]).unwrap().checks.is_empty());
        let blind = config(&format!("{NEIGHBORS}[health]\nenabled = \"off\"\n"));
        assert!(!blind.wants_self_test() && blind.speaker_settings(&[]).unwrap().checks.is_empty());
    }

    #[test]
    fn checks_and_their_kinds_and_neighbours_and_their_sockets_stand_in_the_same_order() {
        let key = Password(Box::from(*b"secret"));
        let settings = config(NEIGHBORS).speaker_settings(&[None, Some(key)]).unwrap();
        assert_eq!(settings.checks.len(), settings.announce.health.checks.len());
        for (check, kind) in settings.announce.health.checks.iter().zip(&settings.checks) {
            if let CheckKind::SelfTest(test) = kind {
                assert_eq!(test.address.to_string(), "10.99.0.1", "where calls will arrive");
                let word = crate::config::transport_word(test.transport);
                let name = format!("self-test {word} 10.99.0.1:3478 worker {}", test.worker);
                assert_eq!(&*check.name, name);
                assert!(matches!(test.transport, Transport::Udp | Transport::Tcp));
            }
            if let CheckKind::Heartbeat { worker } = kind {
                assert_eq!(&*check.name, format!("worker {worker}"));
            }
            assert_eq!(matches!(kind, CheckKind::Busy { .. }), &*check.name == "load");
        }
        let names: std::collections::HashSet<_> =
            settings.announce.health.checks.iter().map(|one| &one.name).collect();
        assert_eq!(names.len(), settings.checks.len(), "each name once");
        for name in names {
            assert!(is_built_in(name), "an operator's check could have the name {name:?} as well");
        }
        let [a, b] = settings.neighbors.as_slice() else { panic!("two neighbours") };
        assert_eq!((&a.key, a.gtsm, a.bfd), (&None, None, None));
        assert_eq!((b.gtsm, b.bfd), (Some(1), Some(BfdSettings::default())));
        assert_eq!(b.key.as_ref().map(SecretKey::as_bytes), Some(b"secret".as_slice()));
        assert!(settings.announce.bgp.neighbors[1].bfd);
    }
}
