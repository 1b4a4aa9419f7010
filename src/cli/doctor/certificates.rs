//! Certificates of the listeners and of the admin API.

use crate::clock::Clock;
use crate::config::Config;
use crate::net::certs::CertStore;
use crate::route::Transport;
use crate::time::UnixTime;

use super::finding::Finding;

const CHECK: &str = "certificate";
/// Whoever renews a certificate does so a month before, most of them.
const SOON: i64 = 21;

pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let now = Clock::new().now().unix;
    let mut findings: Vec<Finding> = Vec::new();
    let listeners = config.listener.iter().map(|listener| {
        let is_dtls = listener.transports.contains(&Transport::Dtls);
        (&listener.certificate_file, &listener.key_file, is_dtls)
    });
    let admin = (&config.admin.certificate_file, &config.admin.key_file, false);
    for (chain, key, is_dtls) in listeners.chain([admin]) {
        let (Some(chain), Some(key)) = (chain, key) else { continue };
        let (chain, key) = (config.resolve(chain), config.resolve(key));
        let finding = match CertStore::load(&chain, &key) {
            Ok(store) => judge(&store, &chain.display().to_string(), is_dtls, now),
            Err(error) => Finding::bad(CHECK, error.to_string(), "tern check shows where it is configured"),
        };
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    findings
}

fn judge(store: &CertStore, name: &str, is_dtls: bool, now: UnixTime) -> Finding {
    let days = store.days_left(now);
    let renew = "renew it; a running relay takes the new file by itself";
    if !store.is_valid_at(now) {
        let what = if days < 0 {
            format!("{name} expired {} days ago", -days)
        } else {
            format!("{name} is not valid yet")
        };
        return Finding::bad(CHECK, what, if days < 0 { renew } else { "is this machine's clock right?" });
    }
    if let Err(error) = store.check_for_dtls()
        && is_dtls
    {
        return Finding::bad(
            CHECK,
            format!("{name} cannot be used for DTLS: {error}"),
            "make one with an ECDSA key on P-256",
        );
    }
    if days < SOON {
        return Finding::warning(CHECK, format!("{name} expires in {days} days"), renew);
    }
    Finding::ok(CHECK, format!("{name} is good for {days} days"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;

    #[test]
    fn that_of_the_admin_api_is_looked_at_too() {
        let mut config = Config::default();
        config.admin.certificate_file = Some("/nowhere/cert.pem".into());
        config.admin.key_file = Some("/nowhere/key.pem".into());
        let levels: Vec<_> = examine(&config).iter().map(|finding| finding.level).collect();
        assert_eq!(levels, [Level::Bad]);
    }

    #[test]
    fn a_certificate_is_judged_by_its_dates() {
        let made = crate::cli::certificate::generate(UnixTime(1_750_000_000), &["relay.example".to_owned()])
            .unwrap();
        let store = CertStore::from_pem(made.chain.as_bytes(), made.key.as_bytes()).unwrap();
        let level = |days: i64| {
            let now = UnixTime(1_750_000_000_u64.saturating_add_signed(days * 86_400));
            judge(&store, "cert.pem", true, now).level
        };
        assert_eq!(level(1), Level::Ok);
        assert_eq!(level(80), Level::Warning);
        assert_eq!(level(100), Level::Bad);
        assert_eq!(level(-10), Level::Bad);
    }
}
