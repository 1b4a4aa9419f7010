//! What a reload changes, and whether it can take effect without a restart.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::{Admin, Config, Listener};

/// One key that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Such as `limits.max_allocations` or `listener[0].realm`.
    pub key: String,
    /// When it takes effect.
    pub effect: Effect,
}

/// When a change takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// At once, calls untouched.
    AtOnce,
    /// With the next start of the process.
    NeedsRestart,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)
    }
}

/// Keys that only a start reads: threads, sockets, and what names this relay to clients that are there.
const FIXED: &[&str] = &[
    "server.workers",
    "server.relay_id",
    "nat_discovery",
    "dtls.handshake_timeout",
    "metrics",
    "admin.socket",
    "admin.group",
    "admin.listen",
    "admin.certificate_file",
    "admin.key_file",
    "admin.client_ca_file",
];

/// Keys of a `[[listener]]` that its sockets and sessions are made from.
const FIXED_OF_LISTENER: &[&str] =
    &["address", "transports", "certificate_file", "key_file", "proxy_protocol_from"];

/// Every key that differs between two configurations.
#[must_use]
pub fn diff(old: &Config, new: &Config) -> Vec<Change> {
    let tree = |config: &Config| serde_json::to_value(config).unwrap_or_default();
    let mut changes = Vec::new();
    compare("", &tree(old), &tree(new), &mut changes);
    changes
}

impl Config {
    /// `new`, with everything that needs a restart as it is in `self`: what a running relay goes on with. A
    /// listener is known again by its address.
    #[must_use]
    pub fn with_changes(&self, mut new: Self) -> Self {
        new.server.workers = self.server.workers;
        new.cores = self.cores;
        new.server.relay_id = self.server.relay_id;
        new.nat_discovery.clone_from(&self.nat_discovery);
        new.dtls.handshake_timeout = self.dtls.handshake_timeout;
        new.metrics.clone_from(&self.metrics);
        new.admin = Admin {
            names: new.admin.names,
            viewers: new.admin.viewers,
            token: new.admin.token,
            client: new.admin.client,
            ..self.admin.clone()
        };
        let listeners = self.listener.iter().map(|old| {
            match new.listener.iter().find(|new| new.address == old.address) {
                Some(new) => Listener {
                    transports: old.transports.clone(),
                    certificate_file: old.certificate_file.clone(),
                    key_file: old.key_file.clone(),
                    proxy_protocol_from: old.proxy_protocol_from.clone(),
                    ..new.clone()
                },
                None => old.clone(),
            }
        });
        new.listener = listeners.collect();
        new
    }
}

fn compare(path: &str, old: &Value, new: &Value, changes: &mut Vec<Change>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let mut keys: Vec<_> = old.keys().chain(new.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let (old, new) = (old.get(key).unwrap_or(&Value::Null), new.get(key).unwrap_or(&Value::Null));
                compare(&below, old, new, changes);
            }
        }
        (Value::Array(old), Value::Array(new))
            if old.iter().chain(new).any(Value::is_object) && old.len() == new.len() =>
        {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                compare(&format!("{path}[{index}]"), old, new, changes);
            }
        }
        (old, new) if old != new => {
            changes.push(Change { key: path.to_owned(), effect: Effect::of(path) });
        }
        (_, _) => {}
    }
}

impl Effect {
    /// Of a change at `path`, in the notation of [`Change::key`].
    #[must_use]
    pub fn of(path: &str) -> Self {
        let is = |key: &str| {
            path == key || path.strip_prefix(key).is_some_and(|rest| rest.starts_with(['.', '[']))
        };
        let fixed = FIXED.iter().any(|key| is(key))
            || path == "listener"
            || (path.starts_with("listener[")
                && path.split_once("].").is_some_and(|(_, key)| FIXED_OF_LISTENER.contains(&key)));
        if fixed { Self::NeedsRestart } else { Self::AtOnce }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{BitRate, Listener};
    use crate::route::Transport;

    fn config() -> Config {
        Config {
            listener: vec![Listener::new("0.0.0.0:3478".parse().unwrap(), &[Transport::Udp])],
            ..Config::default()
        }
    }

    fn changes(change: impl FnOnce(&mut Config)) -> Vec<(String, Effect)> {
        let (old, mut new) = (config(), config());
        change(&mut new);
        diff(&old, &new).into_iter().map(|change| (change.key, change.effect)).collect()
    }

    #[test]
    fn nothing_changed_is_nothing() {
        assert_eq!(changes(|_| ()), vec![]);
    }

    #[test]
    fn limits_and_realms_change_at_once() {
        let found = changes(|config| {
            config.limits.max_allocations = 5;
            config.limits.bandwidth_per_user = Some(BitRate(8_000_000));
            config.listener[0].realm = Some("other".into());
        });
        let key = |name: &str| (name.to_owned(), Effect::AtOnce);
        assert_eq!(
            found,
            [key("limits.bandwidth_per_user"), key("limits.max_allocations"), key("listener[0].realm")]
        );
    }

    #[test]
    fn sockets_and_threads_need_a_restart() {
        let found = changes(|config| {
            config.server.workers = 3;
            config.server.relay_id = 3;
            config.listener[0].transports.push(Transport::Tcp);
        });
        let key = |name: &str| (name.to_owned(), Effect::NeedsRestart);
        assert_eq!(found, [key("listener[0].transports"), key("server.relay_id"), key("server.workers")]);
        let (old, mut new) = (config(), config());
        new.server.workers = 3;
        new.cores = old.cores + 1;
        new.limits.max_allocations = 5;
        new.listener.insert(0, Listener::new("0.0.0.0:1".parse().unwrap(), &[Transport::Tcp]));
        new.listener[1].realm = Some("other".into());
        let next = old.with_changes(new);
        assert_eq!((next.server.workers, next.limits.max_allocations), (0, 5));
        assert_eq!(next.cores, old.cores, "the machine may have got more, the workers that run have not");
        assert_eq!(next.listener.len(), 1);
        assert_eq!(next.listener[0].realm.as_deref(), Some("other"));
        let added = changes(|config| config.listener.push(config.listener[0].clone()));
        assert_eq!(added, [key("listener")]);
    }
}
