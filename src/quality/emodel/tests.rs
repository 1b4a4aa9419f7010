//! The published points, and what must hold between them.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const PCMU: Impairment = narrowband(0.0, 25.1);
const WITHOUT_PLC: Impairment = narrowband(0.0, 4.3);
const OPUS: Impairment = Impairment { model: Model::Fullband, basis: Basis::Proxy, ie: 10.2, bpl: 10.0 };

const fn narrowband(ie: f64, bpl: f64) -> Impairment {
    Impairment { model: Model::Narrowband, basis: Basis::Itu, ie, bpl }
}

fn after(millis: u64) -> Conditions {
    Conditions { delay: Duration::from_millis(millis), ..Conditions::default() }
}

fn losing(loss: f64) -> Conditions {
    Conditions { loss, ..Conditions::default() }
}

#[track_caller]
fn assert_near(found: f64, expected: f64, within: f64) {
    assert!((found - expected).abs() <= within, "{found} is not {expected} within {within}");
}

#[test]
fn nothing_wrong_is_93_206() {
    let rating = rate(&PCMU, &Conditions::default());
    assert_near(rating.r, 93.206, 0.001);
    assert_near(rating.mos, 4.409, 0.0005);
    assert_near(g107::r(0.0, 0.0, 25.1, 0.0, 1.0), 93.206, 0.001);
}

#[test]
fn delay_costs_what_is_published() {
    for (millis, r, mos) in
        [(100, 90.66, 4.355), (150, 89.54, 4.328), (250, 79.18, 3.993), (400, 62.25, 3.216)]
    {
        let rating = rate(&PCMU, &after(millis));
        assert_near(rating.r, r, 0.005);
        assert_near(rating.mos, mos, 0.0005);
    }
}

#[test]
fn loss_costs_what_is_published() {
    for (loss, with_plc, without) in [(1.0, 4.328, 3.834), (2.0, 4.235, 3.256), (5.0, 3.923, 2.170)] {
        assert_near(rate(&PCMU, &losing(loss)).mos, with_plc, 0.0005);
        assert_near(rate(&WITHOUT_PLC, &losing(loss)).mos, without, 0.0005);
    }
}

#[test]
fn the_other_scales_begin_where_they_should() {
    let wideband = Impairment { model: Model::Wideband, ..PCMU };
    let fullband = Impairment { model: Model::Fullband, ..PCMU };
    assert_near(rate(&wideband, &Conditions::default()).r, 129.0, 0.0);
    assert_near(rate(&fullband, &Conditions::default()).r, 148.0, 0.0);
    for impairment in [wideband, fullband] {
        assert_near(rate(&impairment, &Conditions::default()).mos, 4.5, 0.0);
        assert_near(best(impairment.model), rate(&impairment, &after(100)).r, 0.0);
    }
    // Idd at 250 ms is 8.917 points of the narrowband scale.
    assert_near(rate(&wideband, &after(250)).causes.delay, 8.917 * 1.29, 0.001);
    assert_near(rate(&fullband, &after(250)).causes.delay, 8.917 * 1.48, 0.001);
    // Half of what is lost at a loss of Bpl percent one by one.
    assert_near(rate(&OPUS, &losing(10.0)).r, 148.0 - 10.2 - (132.0 - 10.2) / 2.0, 1e-9);
    assert_near(rate(&Impairment { model: Model::Wideband, ..OPUS }, &losing(10.0)).causes.loss, 42.4, 1e-9);
}

#[test]
fn the_constants_follow_from_the_default_values() {
    let power = |level: f64| 10f64.powf(level / 10.0);
    let (send, receive) = (-75.0 - 1.0 + 0.004 * 64.0, -84.0 + 10.0 * (1.0 + power(-8.0)).log10());
    let receive = receive + 0.008 * (receive + 84.0).powi(2);
    let noise = 10.0 * (power(-70.0) + power(send) + power(receive) + power(-62.0)).log10();
    let ro = 15.0 - 1.5 * (8.0 + noise);
    assert_near(g107::RO, ro, 1e-6);
    assert_near(g107::RO, 94.769, 0.001);
    let loud = (10.0 + 0.2 * (62.0 + noise)) / 8.0;
    let loudness = 20.0 * ((1.0 + loud.powi(8)).powf(0.125) - loud);
    let bend = |x: f64, n: i32| (1.0 + x.powi(n)).powf(f64::from(n).recip());
    let sidetone =
        12.0 * bend(2.0 / 6.0, 8) - 28.0 * bend(16.0 / 19.4, 35) - 13.0 * bend(12.0 / 33.0, 13) + 29.0;
    let g = 1.07 + 0.258 * 37.0 + 0.0602 * 37.0 * 37.0;
    let y = (ro - 100.0) / 15.0 + 46.0 / 8.4 - g / 9.0;
    let quantising = 15.0 * (1.0 + 10f64.powf(y) + 10f64.powf(46.0 / 30.0 - g / 40.0)).log10();
    assert_near(g107::IS, loudness + sidetone + quantising, 1e-6);
    assert_near(g107::IS, 1.414, 0.001);
    assert_near(g107::delay(0.0), 0.149, 0.001);
}

#[test]
fn opinions_stay_between_1_and_4_5() {
    for (r, mos) in [(-10.0, 1.0), (0.0, 1.0), (3.0, 1.0), (6.5, 1.0), (100.0, 4.5), (129.0, 4.5)] {
        assert_near(g107::mos(r), mos, 0.001);
        assert!(g107::mos(r) >= 1.0);
    }
    assert_near(opinion(Model::Fullband, 148.0), 4.5, 0.0);
    assert_near(opinion(Model::Wideband, 129.0 / 2.0), g107::mos(50.0), 1e-12);
}

#[test]
fn long_runs_of_losses_hurt_more_where_that_is_known() {
    let with = |loss, burst_ratio| rate(&PCMU, &Conditions { burst_ratio, ..losing(loss) }).r;
    assert_near(with(1.5, 8.0), g107::r(0.0, 0.0, 25.1, 1.5, 8.0), 1e-9);
    assert!(with(1.5, 8.0) < with(1.5, 2.0));
    assert_near(with(1.5, 0.3), with(1.5, 1.0), 0.0);
    // The ratio counts as 2 from there on, but more loss is not rated better.
    assert_near(with(2.0, 8.0), with(1.999_999, 8.0), 1e-4);
    assert_near(with(20.0, 8.0), with(20.0, 2.0), 0.0);
}

#[test]
fn what_is_no_number_is_no_loss() {
    let odd = Conditions { loss: f64::NAN, discard: -3.0, burst_ratio: f64::NAN, ..Conditions::default() };
    assert_eq!(rate(&PCMU, &odd), rate(&PCMU, &Conditions::default()));
}

#[test]
fn a_rating_names_its_model_and_basis() {
    let rating = rate(&OPUS, &after(120));
    assert_eq!((rating.model, rating.basis), (Model::Fullband, Basis::Proxy));
    assert_near(rating.causes.codec, 10.2, 0.0);
}

fn impairments() -> impl Strategy<Value = Impairment> {
    let model = prop::sample::select(Model::ALL.to_vec());
    (model, 0.0..60.0, 0.5..60.0).prop_map(|(model, ie, bpl)| Impairment { ie, bpl, model, ..PCMU })
}

fn conditions() -> impl Strategy<Value = Conditions> {
    // Below 5 ms the recommendation itself rates a little delay better than none.
    (5_000u64..2_000_000, 0.0..60.0, 0.0..60.0, 0.5..10.0).prop_map(|(micros, loss, discard, burst_ratio)| {
        Conditions { delay: Duration::from_micros(micros), loss, discard, burst_ratio }
    })
}

/// Rounding in the thirteenth digit is no improvement.
const ROUNDING: f64 = 1e-9;

proptest! {
    #[test]
    fn causes_add_up(impairment in impairments(), conditions in conditions()) {
        let rating = rate(&impairment, &conditions);
        prop_assert!((best(impairment.model) - rating.causes.sum()).max(0.0) == rating.r);
        let Causes { delay, loss, discard, codec } = rating.causes;
        prop_assert!([delay, loss, discard, codec].iter().all(|points| *points >= 0.0), "{:?}", rating.causes);
    }

    #[test]
    fn ratings_stay_in_bounds(impairment in impairments(), conditions in conditions()) {
        let rating = rate(&impairment, &conditions);
        prop_assert!((0.0..=best(impairment.model)).contains(&rating.r));
        prop_assert!((1.0..=4.5).contains(&rating.mos));
    }

    #[test]
    fn more_of_anything_bad_is_never_better(
        impairment in impairments(), conditions in conditions(), step in 0.0..20.0f64,
    ) {
        let before = rate(&impairment, &conditions);
        let worse = [
            Conditions { delay: conditions.delay.mul_f64(1.0 + step), ..conditions },
            Conditions { loss: conditions.loss + step, ..conditions },
            Conditions { discard: conditions.discard + step, ..conditions },
            Conditions { burst_ratio: conditions.burst_ratio + step, ..conditions },
        ];
        for conditions in worse {
            let after = rate(&impairment, &conditions);
            prop_assert!(after.r <= before.r + ROUNDING, "{before:?} {after:?}");
            prop_assert!(after.mos <= before.mos + ROUNDING);
        }
        // In bursts, the formula lets a loss of nearly everything cost more than the codec could.
        let random = Conditions { burst_ratio: 1.0, ..conditions };
        let codec = Impairment { ie: impairment.ie + step, ..impairment };
        prop_assert!(rate(&codec, &random).r <= rate(&impairment, &random).r + ROUNDING);
    }

    #[test]
    fn within_its_bounds_a_rating_is_the_formula(
        impairment in impairments(), millis in 0u32..1_000, loss in 0.0..50.0f64, burst_ratio in 1.0..2.0f64,
    ) {
        let delay = Duration::from_millis(millis.into());
        let rating = rate(&impairment, &Conditions { delay, loss, discard: 0.0, burst_ratio });
        let formula = transmission_rating(&impairment, millis.into(), loss, burst_ratio);
        prop_assert!((rating.r - formula.max(0.0)).abs() < ROUNDING);
        prop_assert_eq!(rating.mos, opinion(impairment.model, rating.r));
    }
}
