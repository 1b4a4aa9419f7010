//! Whether a series grows: the slope that Theil and Sen take (the median of all pairs' slopes, which no outlier moves)
//! and Mann's and Kendall's test of whether it could be chance. Pure.

/// What a series does over time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// Units each second.
    pub slope: f64,
    /// How probable a trend as strong as this one is where there is none, between 0 and 1.
    pub probability: f64,
}

/// More points are thinned to this many, evenly: pairs grow with the square.
const POINTS: usize = 600;
/// Below this, no trend is told from chance.
pub const FEWEST: usize = 8;

/// The trend of `points` (seconds, value), in order of time; none of too few.
#[must_use]
pub fn trend(points: &[(f64, f64)]) -> Option<Trend> {
    let finite: Vec<_> = points.iter().copied().filter(|(t, v)| t.is_finite() && v.is_finite()).collect();
    let every = finite.len().div_ceil(POINTS).max(1);
    let kept: Vec<_> = finite.into_iter().step_by(every).collect();
    if kept.len() < FEWEST {
        return None;
    }
    let mut slopes = Vec::with_capacity(kept.len() * (kept.len() - 1) / 2);
    let mut sum = 0i64;
    for (index, (earlier, before)) in kept.iter().enumerate() {
        for (later, after) in kept.iter().skip(index + 1) {
            if later > earlier {
                slopes.push((after - before) / (later - earlier));
            }
            sum += match after.total_cmp(before) {
                std::cmp::Ordering::Greater => 1,
                std::cmp::Ordering::Less => -1,
                std::cmp::Ordering::Equal => 0,
            };
        }
    }
    Some(Trend { slope: median(&mut slopes)?, probability: chance(sum, &kept) })
}

/// The two-sided probability of Mann's and Kendall's `sum`, with ties taken into account.
fn chance(sum: i64, points: &[(f64, f64)]) -> f64 {
    let weight = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    let mut values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    values.sort_by(f64::total_cmp);
    let ties: f64 = values.chunk_by(|a, b| a == b).map(|group| weight(count(group.len()))).sum();
    let variance = (weight(count(points.len())) - ties) / 18.0;
    if variance <= 0.0 || sum == 0 {
        return 1.0;
    }
    let distance = (sum.unsigned_abs() - 1) as f64 / variance.sqrt();
    2.0 * upper_tail(distance)
}

/// The share of a normal distribution above `z` ≥ 0 (Abramowitz and Stegun 26.2.17; good to seven decimals).
fn upper_tail(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let polynomial = [1.330_274_429, -1.821_255_978, 1.781_477_937, -0.356_563_782, 0.319_381_53];
    let sum = polynomial.into_iter().fold(0.0, |sum, factor| (sum + factor) * t);
    (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt() * sum
}

/// The middle value; of an even number, the mean of the two. The order of `values` is lost.
#[must_use]
pub fn median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let is_even = values.len().is_multiple_of(2);
    let (below, high, _) = values.select_nth_unstable_by(values.len() / 2, f64::total_cmp);
    let high = *high;
    if is_even {
        let low = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        return Some(f64::midpoint(low, high));
    }
    Some(high)
}

fn count(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise that repeats: a linear congruential generator, between -1 and 1.
    fn noise(length: u32) -> Vec<f64> {
        let mut state = 12_345u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / f64::from(1u32 << 23) - 1.0
        };
        (0..length).map(|_| next()).collect()
    }

    fn series(length: u32, value: impl Fn(f64, f64) -> f64) -> Vec<(f64, f64)> {
        let points = noise(length).into_iter().enumerate();
        points.map(|(n, noise)| (n as f64, value(n as f64, noise))).collect()
    }

    #[test]
    fn a_leak_is_found_beneath_noise() {
        let found = trend(&series(200, |t, noise| 1_000.0 + 3.0 * t + 100.0 * noise)).unwrap();
        assert!((found.slope - 3.0).abs() < 0.3, "{found:?}");
        assert!(found.probability < 1e-6, "{found:?}");
    }

    #[test]
    fn noise_is_no_leak() {
        let found = trend(&series(200, |_, noise| 1_000.0 + 100.0 * noise)).unwrap();
        assert!(found.probability > 0.05, "{found:?}");
    }

    #[test]
    fn what_stands_still_has_no_slope() {
        let found = trend(&series(50, |_, _| 4096.0)).unwrap();
        assert_eq!(found, Trend { slope: 0.0, probability: 1.0 });
    }

    #[test]
    fn one_outlier_does_not_move_the_slope() {
        let mut points = series(100, |t, _| t);
        points[50].1 = 1e9;
        assert!((trend(&points).unwrap().slope - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_fall_is_as_certain_as_a_rise() {
        let found = trend(&series(100, |t, _| -t)).unwrap();
        assert!(found.slope < 0.0 && found.probability < 1e-6, "{found:?}");
    }

    #[test]
    fn of_too_few_points_nothing_is_said() {
        assert_eq!(trend(&series(7, |t, _| t)), None);
        assert_eq!(trend(&[]), None);
    }

    #[test]
    fn hours_of_points_are_thinned() {
        let found = trend(&series(100_000, |t, noise| 0.01 * t + noise)).unwrap();
        assert!((found.slope - 0.01).abs() < 0.001, "{found:?}");
    }

    #[test]
    fn the_normal_distributions_tail_is_known() {
        for (z, tail) in [(0.0, 0.5), (1.0, 0.158_655), (1.959_964, 0.025), (3.0, 0.001_350)] {
            assert!((upper_tail(z) - tail).abs() < 1e-5, "{z}");
        }
    }

    #[test]
    fn the_median_lies_in_the_middle() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&mut []), None);
    }
}
