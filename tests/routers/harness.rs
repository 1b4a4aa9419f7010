//! The harness itself: what it reads off each router is what BIRD, in the relay's place, announces.

use crate::anchor::{ASN, Announcer};
use crate::lab::{Lab, PREFIX_V4, PREFIX_V6, relay_v4, relay_v6};
use crate::router::{Kind, Router, Setup};
use crate::skip::{Missing, need};

fn reads_what_is_announced(kind: Kind) -> Result<(), Missing> {
    let lab = Lab::new(1)?;
    let bfd = matches!(kind, Kind::Bird | Kind::Frr).then_some(100);
    let mut router = Router::start(&lab, kind, Setup::of(vec![Announcer::peer(9, bfd)]))?;
    let bird = Announcer { med: 10_200, prepend: true }.start(&lab.relays[0], lab.folder())?;
    router.wait_for_session(relay_v4(0), true);
    for (prefix, next_hop) in [(PREFIX_V4, relay_v4(0).to_string()), (PREFIX_V6, relay_v6(0).to_string())] {
        let route = router.wait_for_route(prefix, |_| true);
        assert_eq!(route.next_hop, next_hop);
        assert_eq!((route.med, route.path), (Some(10_200), vec![ASN, ASN]));
        assert!(route.communities.iter().eq(["65535:0"]), "{:?}", route.communities);
        assert!(route.large.iter().eq(["4200000600:1:2"]), "{:?}", route.large);
    }
    if bfd.is_some() {
        router.wait_for_bfd(relay_v4(0), true);
    }
    bird.ask("disable up0");
    router.wait_for_session(relay_v4(0), false);
    router.wait_until_gone(PREFIX_V4);
    router.stop("KILL");
    bird.ask("enable up0");
    router.start_again();
    router.wait_for_session(relay_v4(0), true);
    router.wait_for_route(PREFIX_V6, |route| route.med == Some(10_200));
    Ok(())
}

macro_rules! reads {
    ($($name:ident: $kind:ident;)*) => {$(
        #[test]
        fn $name() {
            need!(reads_what_is_announced(Kind::$kind));
        }
    )*};
}

reads! {
    what_bird_shows_is_what_was_announced: Bird;
    what_frr_shows_is_what_was_announced: Frr;
    what_gobgp_shows_is_what_was_announced: Gobgp;
    what_exabgp_shows_is_what_was_announced: Exabgp;
}
