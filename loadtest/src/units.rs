//! Durations, shares and rates as people write them.

use std::time::Duration;

/// `500us`, `20ms`, `10s`, `5m`, `2h`, or several of them in a row: `1m30s`. A bare number is seconds.
///
/// # Errors
/// A sentence that says what was expected.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration; write it as 500ms, 10s, 1m30s or 2h");
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|_| wrong());
    }
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let scale = match unit {
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return Err(wrong()),
        };
        total += number.parse::<f64>().map_err(|_| wrong())? * scale;
        rest = tail;
    }
    Duration::try_from_secs_f64(total).map_err(|_| wrong())
}

/// `0.1%` or `0.001`, as a number from 0 to 1.
///
/// # Errors
/// A sentence that says what was expected.
pub fn share(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is no share; write it as 0.1% or 0.001");
    let (number, scale) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    let value = number.trim().parse::<f64>().map_err(|_| wrong())? / scale;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(wrong()) }
}

/// `1500`, `20k`, `1.5M`.
///
/// # Errors
/// A sentence that says what was expected.
pub fn count(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is no number; write it as 1500, 20k or 1.5M");
    let (number, scale) = match text.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (text.split_at(at).0, 1e3),
        Some((at, 'M')) => (text.split_at(at).0, 1e6),
        _ => (text, 1.0),
    };
    let value = number.parse::<f64>().map_err(|_| wrong())? * scale;
    if value.is_finite() && value >= 0.0 { Ok(value) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, millis) in [
            ("500ms", 500),
            ("10s", 10_000),
            ("1m30s", 90_000),
            ("2h", 7_200_000),
            ("3", 3000),
            ("0.5s", 500),
            ("0", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "5x", "-1s", "1s2", "ms5", "1e400", "inf", "nan"] {
            assert!(text.is_empty() || duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shares_are_between_nothing_and_all() {
        assert_eq!(share("0.1%"), Ok(0.001));
        assert_eq!(share("0.5"), Ok(0.5));
        assert_eq!(share("100%"), Ok(1.0));
        for text in ["101%", "-1%", "2", "", "%", "much"] {
            assert!(share(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts_have_suffixes() {
        assert_eq!(count("1500"), Ok(1500.0));
        assert_eq!(count("20k"), Ok(20_000.0));
        assert_eq!(count("1.5M"), Ok(1_500_000.0));
        for text in ["", "k", "-1", "many", "1G"] {
            assert!(count(text).is_err(), "{text}");
        }
    }
}
