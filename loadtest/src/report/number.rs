//! Numbers as people read them: three significant digits and a unit. Pure; every report goes through here, so that the
//! same figure reads the same on a terminal, in a table and on a plot.

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A count or a ratio without a unit.
    Plain,
    /// Seconds on a time axis.
    Seconds,
    /// A latency in microseconds.
    Micros,
    /// Processor time in nanoseconds.
    Nanos,
    /// A share between 0 and 1.
    Share,
    /// Bytes.
    Bytes,
    /// Events each second.
    PerSecond,
    /// Bits each second.
    BitsPerSecond,
}

/// Steps of a unit, the largest first: from how much on, divided by what, and the name.
type Steps = &'static [(f64, f64, &'static str)];

const MICROS: Steps = &[(1e6, 1e6, " s"), (1e3, 1e3, " ms"), (0.0, 1.0, " µs")];
const NANOS: Steps = &[(1e9, 1e9, " s"), (1e6, 1e6, " ms"), (1e4, 1e3, " µs"), (0.0, 1.0, " ns")];
const BYTES: Steps = &[
    (10_737_418_240.0, 1_073_741_824.0, " GiB"),
    (10_485_760.0, 1_048_576.0, " MiB"),
    (102_400.0, 1_024.0, " KiB"),
    (0.0, 1.0, " B"),
];
const COUNTS: Steps = &[(1e9, 1e9, " G"), (1e6, 1e6, " M"), (1e5, 1e3, " k"), (0.0, 1.0, "")];
const BITS: Steps =
    &[(1e9, 1e9, " Gbit/s"), (1e6, 1e6, " Mbit/s"), (1e3, 1e3, " kbit/s"), (0.0, 1.0, " bit/s")];

impl Unit {
    /// The number with its unit.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Plain => step(value, COUNTS),
            Self::Seconds => seconds(value),
            Self::Micros => step(value, MICROS),
            Self::Nanos => step(value, NANOS),
            Self::Share => share(value),
            Self::Bytes => step(value, BYTES),
            Self::PerSecond => format!("{}/s", step(value, COUNTS)),
            Self::BitsPerSecond => step(value, BITS),
        }
    }
}

fn step(value: f64, steps: Steps) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let size = value.abs();
    let found = steps.iter().find(|(from, _, _)| size >= *from);
    found.map_or_else(|| digits(value), |(_, divisor, name)| format!("{}{name}", digits(value / divisor)))
}

/// Three significant digits, and no more precision than was asked for in whole numbers.
pub(super) fn digits(value: f64) -> String {
    let size = value.abs();
    let decimals = match size {
        _ if size >= 99.95 || size.fract() == 0.0 => 0,
        _ if size >= 9.995 => 1,
        _ if size >= 0.9995 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    // What rounds to nothing has no sign.
    if text.trim_start_matches('-').chars().all(|c| matches!(c, '0' | '.')) { "0".to_owned() } else { text }
}

/// A share in percent, as fine as it takes to tell little from nothing.
fn share(value: f64) -> String {
    let percent = value * 100.0;
    match percent.abs() {
        _ if !percent.is_finite() => "–".to_owned(),
        0.0 => "0 %".to_owned(),
        size if size < 0.001 => "< 0.001 %".to_owned(),
        size if size < 1.0 => format!("{percent:.3} %"),
        _ => format!("{} %", digits(percent)),
    }
}

fn seconds(value: f64) -> String {
    if !value.is_finite() || value < 0.0 {
        return "–".to_owned();
    }
    if value < 120.0 {
        return format!("{} s", digits((value * 10.0).round() / 10.0));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "finite and positive; saturates"
    )]
    let whole = value.round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    match (hours, seconds) {
        (0, 0) => format!("{minutes} min"),
        (0, _) => format!("{minutes}:{seconds:02} min"),
        (_, 0) => format!("{hours}:{minutes:02} h"),
        _ => format!("{hours}:{minutes:02}:{seconds:02} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_the_unit_that_suits_them() {
        let cases = [
            (Unit::Plain, 0.0, "0"),
            (Unit::Plain, 1.2345, "1.23"),
            (Unit::Plain, 99_999.0, "99999"),
            (Unit::Plain, 138_200.0, "138 k"),
            (Unit::Micros, 31.04, "31.0 µs"),
            (Unit::Micros, 2_454.0, "2.45 ms"),
            (Unit::Micros, 3_000_000.0, "3 s"),
            (Unit::Nanos, 6_480.0, "6480 ns"),
            (Unit::Bytes, 4_540.0, "4540 B"),
            (Unit::Bytes, 204_800.0, "200 KiB"),
            (Unit::PerSecond, 18_300.0, "18300/s"),
            (Unit::BitsPerSecond, 1_234_567.0, "1.23 Mbit/s"),
            (Unit::Micros, f64::NAN, "–"),
        ];
        for (unit, value, text) in cases {
            assert_eq!(unit.show(value), text);
        }
    }

    #[test]
    fn a_small_loss_is_told_from_none() {
        for (value, text) in [
            (0.0, "0 %"),
            (0.000_000_1, "< 0.001 %"),
            (0.000_52, "0.052 %"),
            (0.012_34, "1.23 %"),
            (1.0, "100 %"),
        ] {
            assert_eq!(Unit::Share.show(value), text);
        }
    }

    #[test]
    fn long_times_are_told_in_minutes_and_hours() {
        for (value, text) in [
            (5.0, "5 s"),
            (0.25, "0.300 s"),
            (120.0, "2 min"),
            (125.0, "2:05 min"),
            (7_200.0, "2:00 h"),
            (7_261.0, "2:01:01 h"),
        ] {
            assert_eq!(Unit::Seconds.show(value), text);
        }
    }

    #[test]
    fn what_rounds_to_nothing_has_no_sign() {
        assert_eq!(digits(-0.000_1), "0");
        assert_eq!(digits(-1.5), "-1.50");
    }
}
