//! Axes: where a value lies between the two ends, and which values are written there. Pure.

/// How values spread along an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// Evenly, from zero.
    Linear,
    /// By their logarithm: latencies of microseconds beside such of seconds.
    Log,
    /// Quantiles between 0 and 1, each further nine taking as much room as the one before.
    Quantile,
}

/// Quantiles that are written on an axis.
const QUANTILES: [(f64, &str); 7] = [
    (0.0, "0"),
    (0.5, "50"),
    (0.9, "90"),
    (0.99, "99"),
    (0.999, "99.9"),
    (0.9999, "99.99"),
    (0.99999, "99.999 %"),
];

/// A scale with its two ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    scale: Scale,
    low: f64,
    high: f64,
}

impl Range {
    /// The range that holds all `values`; of something if there are none.
    pub(super) fn of(scale: Scale, values: impl Iterator<Item = f64>) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite() && (scale != Scale::Log || *value > 0.0)) {
            low = low.min(value);
            high = high.max(value);
        }
        if low > high {
            (low, high) = (1.0, 10.0);
        }
        match scale {
            Scale::Linear => {
                let top = if high <= 0.0 { 1.0 } else { high };
                let step = nice_step(top);
                Self { scale, low: 0.0, high: (top / step).ceil() * step }
            }
            Scale::Log => {
                let floor = 10f64.powf(low.log10().floor());
                let ceiling = 10f64.powf(high.log10().ceil());
                Self { scale, low: floor, high: if ceiling > floor { ceiling } else { floor * 10.0 } }
            }
            Scale::Quantile => Self { scale, low: 0.0, high: high.clamp(0.99, 0.99999) },
        }
    }

    /// The same ends without rounding upward: time axes end where the measurement did.
    pub(super) fn exact(mut self, high: f64) -> Self {
        if high.is_finite() && high > self.low {
            self.high = high;
        }
        self
    }

    /// Where `value` lies: 0 at the low end, 1 at the high one. What lies outside stops at the end.
    pub(super) fn position(&self, value: f64) -> f64 {
        let along = |v: f64| match self.scale {
            Scale::Linear => v,
            Scale::Log => v.max(self.low).log10(),
            Scale::Quantile => -(1.0 - v.min(self.high)).log10(),
        };
        let (low, high) = (along(self.low), along(self.high));
        ((along(value) - low) / (high - low)).clamp(0.0, 1.0)
    }

    /// The values that are written on the axis, with their text where it is not the number itself.
    pub(super) fn ticks(&self) -> Vec<(f64, Option<&'static str>)> {
        match self.scale {
            Scale::Linear => {
                let step = nice_step(self.high - self.low);
                let steps = (0..=12).map(|n| f64::from(n) * step + self.low);
                steps.take_while(|v| *v <= self.high * 1.000_001).map(|v| (v, None)).collect()
            }
            Scale::Log => self.log_ticks().into_iter().map(|v| (v, None)).collect(),
            Scale::Quantile => {
                let shown = QUANTILES.into_iter().filter(|(q, _)| *q <= self.high + 1e-9);
                shown.map(|(q, text)| (q, Some(text))).collect()
            }
        }
    }

    /// Decades; with 2 and 5 between them where there are few.
    fn log_ticks(&self) -> Vec<f64> {
        let decades = (self.high / self.low).log10().round();
        let within: &[f64] = if decades <= 2.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let mut ticks = Vec::new();
        let mut decade = self.low;
        while decade <= self.high * 1.000_001 && ticks.len() < 40 {
            ticks.extend(within.iter().map(|m| m * decade).filter(|v| *v <= self.high * 1.000_001));
            decade *= 10.0;
        }
        ticks
    }
}

/// 1, 2 or 5 times a power of ten, so that there are four to ten of them.
fn nice_step(span: f64) -> f64 {
    if !(span.is_finite() && span > 0.0) {
        return 1.0;
    }
    let rough = span / 6.0;
    let power = 10f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power);
    steps.into_iter().find(|step| *step >= rough).unwrap_or(power * 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(range: &Range) -> Vec<f64> {
        range.ticks().into_iter().map(|(value, _)| value).collect()
    }

    #[test]
    fn a_linear_axis_begins_at_zero_and_ends_on_a_round_number() {
        let range = Range::of(Scale::Linear, [3.0, 47.0].into_iter());
        assert_eq!(values(&range), [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]);
        assert_eq!(range.position(25.0), 0.5);
        assert_eq!(range.position(80.0), 1.0);
    }

    #[test]
    fn a_logarithmic_axis_gives_each_decade_the_same_room() {
        let range = Range::of(Scale::Log, [31.0, 2_454.0].into_iter());
        assert!((range.position(100.0) - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(range.position(0.0), 0.0);
        assert_eq!(values(&range).first().copied(), Some(10.0));
        assert!((values(&range).last().unwrap() - 10_000.0).abs() < 1e-6);
    }

    #[test]
    fn each_nine_of_a_quantile_axis_takes_the_same_room() {
        let range = Range::of(Scale::Quantile, [0.0, 0.9999].into_iter());
        let first = range.position(0.99) - range.position(0.9);
        let second = range.position(0.999) - range.position(0.99);
        assert!((first - second).abs() < 1e-9);
        assert_eq!(range.ticks().last().unwrap().1, Some("99.99"));
    }

    #[test]
    fn nothing_to_show_has_an_axis_too() {
        for scale in [Scale::Linear, Scale::Log, Scale::Quantile] {
            for points in [vec![], vec![f64::NAN], vec![0.0], vec![5.0, 5.0]] {
                let range = Range::of(scale, points.into_iter());
                let position = range.position(0.3);
                assert!((0.0..=1.0).contains(&position), "{scale:?}: {position}");
                assert!(range.ticks().len() >= 2, "{scale:?}");
            }
        }
    }
}
