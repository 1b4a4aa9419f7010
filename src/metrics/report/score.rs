//! Scores, with all that they were made of.

use serde::Serialize;

use super::{Both, millis, rounded, seconds};
use crate::quality::emodel::Causes;
use crate::quality::{Inputs, Latest, Leg, Score, Scores, Trouble, Worst};

/// The scores of a direction, of one model and one basis.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ScoresReport {
    model: &'static str,
    basis: &'static str,
    intervals: u32,
    seconds: f64,
    mean_mos: f64,
    mean_r: f64,
    mean_impairment: CausesReport,
    worst: WorstReport,
}

impl From<&Scores> for ScoresReport {
    fn from(scores: &Scores) -> Self {
        Self {
            model: scores.model.name(),
            basis: scores.basis.name(),
            intervals: scores.intervals,
            seconds: seconds(scores.duration),
            mean_mos: rounded(scores.mean_mos),
            mean_r: rounded(scores.mean_r),
            mean_impairment: (&scores.causes).into(),
            worst: (&scores.worst).into(),
        }
    }
}

#[derive(Clone, Debug, Serialize)]
struct WorstReport {
    start_seconds: f64,
    seconds: f64,
    mos: f64,
    r: f64,
    impairment: CausesReport,
    inputs: InputsReport,
    trouble: Option<TroubleReport>,
}

impl From<&Worst> for WorstReport {
    fn from(worst: &Worst) -> Self {
        Self {
            start_seconds: seconds(worst.start),
            seconds: seconds(worst.duration),
            mos: rounded(worst.rating.mos),
            r: rounded(worst.rating.r),
            impairment: (&worst.rating.causes).into(),
            inputs: (&worst.inputs).into(),
            trouble: worst.trouble.as_ref().map(TroubleReport::from),
        }
    }
}

/// How a direction sounded last: a score, or what is missing for one.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct LatestReport {
    mos: Option<f64>,
    r: Option<f64>,
    model: Option<&'static str>,
    basis: Option<&'static str>,
    impairment: Option<CausesReport>,
    inputs: Option<InputsReport>,
    trouble: Option<TroubleReport>,
    missing: Option<&'static str>,
}

impl From<&Latest> for LatestReport {
    fn from(latest: &Latest) -> Self {
        match &latest.score {
            Score::Rated(rating) => Self {
                mos: Some(rounded(rating.mos)),
                r: Some(rounded(rating.r)),
                model: Some(rating.model.name()),
                basis: Some(rating.basis.name()),
                impairment: Some((&rating.causes).into()),
                inputs: latest.inputs.as_ref().map(InputsReport::from),
                trouble: latest.trouble.as_ref().map(TroubleReport::from),
                missing: None,
            },
            Score::NotMeasurable(missing) => Self { missing: Some(missing.name()), ..Self::default() },
        }
    }
}

/// Points of R.
#[derive(Clone, Debug, Serialize)]
struct CausesReport {
    delay: f64,
    loss: f64,
    discard: f64,
    codec: f64,
}

impl From<&Causes> for CausesReport {
    fn from(causes: &Causes) -> Self {
        Self {
            delay: rounded(causes.delay),
            loss: rounded(causes.loss),
            discard: rounded(causes.discard),
            codec: rounded(causes.codec),
        }
    }
}

#[derive(Clone, Debug, Serialize)]
struct InputsReport {
    expected: u64,
    ie: f64,
    bpl: f64,
    loss_percent: f64,
    discard_percent: f64,
    burst_ratio: f64,
    rtt_ms: Both<f64>,
    rtt_source: Both<&'static str>,
    jitter_buffer_ms: f64,
    delay_ms: f64,
}

impl From<&Inputs> for InputsReport {
    fn from(inputs: &Inputs) -> Self {
        Self {
            expected: inputs.expected,
            ie: inputs.impairment.ie,
            bpl: inputs.impairment.bpl,
            loss_percent: rounded(inputs.loss),
            discard_percent: rounded(inputs.discard),
            burst_ratio: rounded(inputs.burst_ratio),
            rtt_ms: Both::of(&inputs.rtt, |rtt| millis(*rtt)),
            rtt_source: Both::of(&inputs.sources, |source| source.name()),
            jitter_buffer_ms: millis(inputs.jitter_buffer.duration()),
            delay_ms: millis(inputs.delay),
        }
    }
}

#[derive(Clone, Debug, Serialize)]
struct TroubleReport {
    cause: &'static str,
    leg: Option<&'static str>,
    points: f64,
}

impl From<&Trouble> for TroubleReport {
    fn from(trouble: &Trouble) -> Self {
        Self { cause: trouble.cause.name(), leg: trouble.leg.map(Leg::name), points: rounded(trouble.points) }
    }
}
