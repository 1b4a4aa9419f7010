//! The E-model: from delay, loss and codec to a transmission rating R and the opinion (MOS) that goes with it.
//!
//! Owns the formulas of G.107, G.107.1 and G.107.2 and the split of a rating into causes. Refuses to guess: whoever
//! calls it has every input, or does not call it. A session does at the end of an interval, on its worker's thread;
//! nothing here is kept between calls.
//!
//! What is carried of the three models:
//!
//! * G.107 (narrowband) with all its default values: [`g107`].
//! * G.107.1 (wideband) and G.107.2 (fullband): the best rating, the effective equipment impairment and the loss of
//!   interactivity. Not carried: wideband echo (the caller's echo canceller is taken as perfect, as G.107.2 does for
//!   every call), and terminals that are not the default ones (loudness, noise, sidetone, bandwidth).
//! * No advantage factor in any of them: nobody is assumed to forgive a bad line.
//!
//! The scales end at 93.2, 129 and 148. Ratings of different models are never compared, nor averaged; the opinions
//! can be put side by side, each beside the name of its model.

pub mod g107;
mod scale;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::codec::{Basis, Impairment, Model};
use scale::Scale;

/// What a direction of a call is rated by.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Conditions {
    /// From mouth to ear: half the round trips, jitter buffer, packet and lookahead.
    pub delay: Duration,
    /// Packets that the network has lost, in percent of those that were expected.
    pub loss: f64,
    /// Packets that came too late for the jitter buffer, in percent of those that were expected.
    pub discard: f64,
    /// How much longer runs of losses are than if each packet were lost by itself; below 1 counts as 1. Beyond 2 the
    /// models hold for losses below 2 % only: with more loss, the worse of two ratings counts, that with a ratio of 2
    /// and that of the last loss for which they hold.
    pub burst_ratio: f64,
}

/// How good a direction of a call is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rating {
    /// The scale that `r` lies on.
    pub model: Model,
    /// Where the codec's figures come from.
    pub basis: Basis,
    /// The transmission rating, not below 0.
    pub r: f64,
    /// The mean opinion score, from 1 to 4.5.
    pub mos: f64,
    /// Why `r` is not [`best`].
    pub causes: Causes,
}

/// Points of R by what has cost them. They add up to [`best`] less the rating, which may lie below 0 then.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Causes {
    /// Delay: less interactive, and its echo more disturbing. G.107 takes back up to 0.06 between 1 and 2 ms.
    pub delay: f64,
    /// Lost on the way.
    pub loss: f64,
    /// Too late for the jitter buffer.
    pub discard: f64,
    /// The codec itself, without any loss.
    pub codec: f64,
}

impl Causes {
    /// All of them together.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.delay + self.loss + self.discard + self.codec
    }
}

/// The rating of a direction.
///
/// Loss and discard hurt together, more than each by itself; each bears the part of the harm that is its part of the
/// missing packets.
#[must_use]
pub fn rate(impairment: &Impairment, conditions: &Conditions) -> Rating {
    let scale = Scale::of(impairment.model);
    let loss = percent(conditions.loss);
    let discard = percent(conditions.discard).min(100.0 - loss);
    let missing = loss + discard;
    let harm = equipment(&scale, impairment, missing, conditions.burst_ratio) - impairment.ie;
    let part_of_loss = if missing > 0.0 { harm * loss / missing } else { 0.0 };
    let causes = Causes {
        delay: scale.delay(conditions.delay.as_secs_f64() * 1_000.0),
        loss: part_of_loss,
        discard: harm - part_of_loss,
        codec: impairment.ie,
    };
    let r = (scale.best - causes.sum()).max(0.0);
    Rating { model: impairment.model, basis: impairment.basis, r, mos: scale.opinion(r), causes }
}

/// The rating of a model without delay, loss or codec.
#[must_use]
pub fn best(model: Model) -> f64 {
    Scale::of(model).best
}

/// The formula as it stands, neither bounded nor judged for where it holds: for `ta_ms` milliseconds from mouth to
/// ear and `ppl` percent of missing packets.
#[must_use]
pub fn transmission_rating(impairment: &Impairment, ta_ms: f64, ppl: f64, burst_ratio: f64) -> f64 {
    let scale = Scale::of(impairment.model);
    let equipment = effective_equipment(scale.ceiling, impairment.ie, impairment.bpl, ppl, burst_ratio);
    scale.best - scale.delay(ta_ms) - equipment
}

/// The opinion that goes with a rating on the scale of `model`.
#[must_use]
pub fn opinion(model: Model, r: f64) -> f64 {
    Scale::of(model).opinion(r)
}

/// Ie,eff, continued beyond where the burst ratio holds.
fn equipment(scale: &Scale, impairment: &Impairment, ppl: f64, burst_ratio: f64) -> f64 {
    const VALID_RATIO: f64 = 2.0;
    const VALID_PPL: f64 = 2.0;
    let burst_ratio = burst_ratio.max(1.0);
    let at = |ppl: f64, burst_ratio: f64| {
        effective_equipment(scale.ceiling, impairment.ie, impairment.bpl, ppl, burst_ratio)
    };
    if burst_ratio <= VALID_RATIO || ppl < VALID_PPL {
        at(ppl, burst_ratio)
    } else {
        at(ppl, VALID_RATIO).max(at(VALID_PPL, burst_ratio))
    }
}

/// Ie,eff of G.107 section 7.5; `ceiling` is what it goes to when nothing arrives and losses come one by one.
fn effective_equipment(ceiling: f64, ie: f64, bpl: f64, ppl: f64, burst_ratio: f64) -> f64 {
    if ppl <= 0.0 {
        return ie;
    }
    ie + (ceiling - ie) * ppl / (ppl / burst_ratio + bpl)
}

/// From 0 to 100; what is no number counts as 0.
const fn percent(value: f64) -> f64 {
    if value > 0.0 { value.min(100.0) } else { 0.0 }
}
