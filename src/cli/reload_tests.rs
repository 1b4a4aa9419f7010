use super::*;
use crate::cli::run::tests::relay;
use crate::engine::auth::FleetKey;

/// One that wants test calls. It has no listeners, so no running relay can go on with it.
fn other_config() -> Config {
    let mut config = Config::default();
    config.health.enabled = config::Enabled::On;
    config.health.self_test.enabled = true;
    config
}

fn events(relay: &Relay) -> Vec<(String, EventSeverity)> {
    let page = relay.watching.watch().events(0, 100);
    page.events.into_iter().map(|event| (event.text, event.severity)).collect()
}

fn wait_for_confirmation(relay: &mut Relay, over: Duration) {
    let over = Box::pin(sleep(over));
    let (report, secrets) = (ReloadReport::default(), Secrets::default());
    relay.reloads.pending = Some(Pending { report, config: other_config(), secrets, over });
}

#[tokio::test]
async fn a_reload_that_is_refused_changes_nothing() {
    let (mut relay, _signals) = relay(1);
    relay.process.addresses.clear();
    let too_many =
        Secrets { nonce_keys: (0..9u8).map(|n| FleetKey::derive(&[n])).collect(), ..Secrets::default() };
    for (secrets, expected) in [(too_many, "9"), (Secrets::default(), "only a restart changes")] {
        let refused = relay.apply(other_config(), secrets).unwrap_err();
        assert!(refused.contains(expected), "{refused}");
        assert!(relay.peers.is_none() && relay.process.probe.secret.is_none());
        assert!(relay.process.addresses.is_empty() && !relay.config.wants_self_test());
    }
}

#[tokio::test]
async fn an_undo_that_fails_is_not_forgotten() {
    let (mut relay, _signals) = relay(1);
    wait_for_confirmation(&mut relay, Duration::ZERO);
    relay.reloads.expired().await;
    assert!(relay.undo("nobody has confirmed it in time").is_err());
    let state = relay.reloads.state();
    assert_eq!((state.pending.is_some(), state.last.unwrap().outcome.as_str()), (true, "refused"));
    assert!(!relay.reloads.pending.as_ref().unwrap().over.is_elapsed(), "not again at once");
    let told = ("the configuration of before cannot be had again".to_owned(), EventSeverity::Critical);
    assert!(events(&relay).contains(&told), "{:?}", events(&relay));
    assert!(relay.confirm().is_ok(), "whoever wants to keep it can say so");
}

#[tokio::test]
async fn a_signal_during_a_reload_that_waits_is_told_of() {
    let (mut relay, _signals) = relay(1);
    wait_for_confirmation(&mut relay, Duration::from_secs(3600));
    relay.reload_as_signalled();
    assert!(relay.reloads.pending.is_some());
    assert!(
        events(&relay).iter().any(|(text, _)| text.starts_with("a signal wanted")),
        "{:?}",
        events(&relay)
    );
}
