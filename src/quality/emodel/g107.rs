//! ITU-T G.107 (06/2015), narrowband, with all its default values: only delay and equipment vary at a relay.
//!
//! Times are in milliseconds, losses in percent. One path goes both ways: T = Ta, Tr = 2 Ta.

/// Ro, the signal over all noise, with the defaults of table 2; a test works it out from them.
pub(super) const RO: f64 = 94.768_821_6;
/// Is with the same defaults. Its sidetone has a part that depends on the delay, of less than 1e-7.
pub(super) const IS: f64 = 1.413_568_1;

const TELR: f64 = 65.0;
const WEPL: f64 = 110.0;

/// What Ie,eff goes to.
pub(super) const CEILING: f64 = 95.0;

/// R, neither bounded nor judged for where the formula holds.
#[must_use]
pub fn r(ta_ms: f64, ie: f64, bpl: f64, ppl: f64, burst_ratio: f64) -> f64 {
    RO - IS - delay(ta_ms) - super::effective_equipment(CEILING, ie, bpl, ppl, burst_ratio)
}

/// The opinion that goes with R: 1 to 4.5. The cubic of annex B dips below 1 for R < 6.5.
#[must_use]
pub fn mos(r: f64) -> f64 {
    if r >= 100.0 {
        4.5
    } else if r > 0.0 {
        (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0)
    } else {
        1.0
    }
}

/// Id, with all three of its parts.
pub(super) fn delay(ta: f64) -> f64 {
    talker_echo(ta) + listener_echo(2.0 * ta) + loss_of_interactivity(ta)
}

/// Idte. Roe is Ro less 15 + 1.5 (SLR + RLR), which is none with the defaults. Slightly below 0 for T under 4 ms.
fn talker_echo(t: f64) -> f64 {
    if t < 1.0 {
        return 0.0;
    }
    let terv = TELR - 40.0 * ((1.0 + t / 10.0) / (1.0 + t / 150.0)).log10() + 6.0 * (-0.3 * t * t).exp();
    let re = 80.0 + 2.5 * (terv - 14.0);
    let half = (RO - re) / 2.0;
    (half + (half * half + 100.0).sqrt() - 1.0) * (1.0 - (-t).exp())
}

/// Idle.
fn listener_echo(tr: f64) -> f64 {
    let rle = 10.5 * (WEPL + 7.0) * (tr + 1.0).powf(-0.25);
    let half = (RO - rle) / 2.0;
    half + (half * half + 169.0).sqrt()
}

/// Idd: nobody notices 100 ms; from there on people talk into each other's words.
pub(super) fn loss_of_interactivity(ta: f64) -> f64 {
    if ta <= 100.0 {
        return 0.0;
    }
    let x = (ta / 100.0).log2();
    let bend = |x: f64| (1.0 + x.powi(6)).powf(1.0 / 6.0);
    25.0 * (bend(x) - 3.0 * bend(x / 3.0) + 2.0)
}
