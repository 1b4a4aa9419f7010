//! Any sequence of operations leads engine and model to the same answers and the same routes, and to nothing in the end.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::engine::model::{Op, World};

fn op() -> impl Strategy<Value = Op> {
    let allocate = (any::<u8>(), any::<u8>(), any::<u8>(), any::<bool>(), any::<[bool; 2]>()).prop_map(
        |(caller, families, lifetime, mobile, fails)| {
            // Most sockets open.
            let open = fails.map(|fails| !(fails && caller > 200));
            Op::Allocate { caller, families, lifetime, mobile, open }
        },
    );
    let seconds = prop_oneof![Just(0_u16), Just(40), Just(300), Just(600), Just(900), 0..1000_u16];
    prop_oneof![
        12 => allocate,
        6 => (any::<u8>(), any::<u8>(), any::<u8>())
            .prop_map(|(caller, lifetime, family)| Op::Refresh { caller, lifetime, family }),
        6 => any::<[u8; 5]>().prop_map(|[caller, ticket, address, lifetime, family]| Op::Show {
            caller, ticket, address, lifetime, family
        }),
        9 => (any::<u8>(), prop::collection::vec(any::<u8>(), 0..4))
            .prop_map(|(caller, peers)| Op::Permit { caller, peers }),
        15 => (any::<u8>(), any::<u8>(), any::<u8>())
            .prop_map(|(caller, number, peer)| Op::Bind { caller, number, peer }),
        2 => any::<u8>().prop_map(|caller| Op::Hangup { caller }),
        2 => any::<[u8; 2]>().prop_map(|[caller, address]| Op::Roam { caller, address }),
        10 => (seconds, -1..=1_i8, any::<bool>())
            .prop_map(|(seconds, tick, asleep)| Op::Pass { seconds, tick, asleep }),
        1 => any::<[bool; 2]>().prop_map(|[mobility, legacy]| Op::Reload {
            mobility: mobility || legacy, legacy
        }),
        1 => Just(Op::Close),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        rng_seed: RngSeed::Fixed(8656),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn engine_and_model_agree(ops in prop::collection::vec(op(), 1..100)) {
        let mut world = World::new();
        for op in &ops {
            world.step(op);
        }
        world.finish();
    }
}
