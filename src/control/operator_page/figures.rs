//! Figures as people read them. The script writes the same figures in the same way while they change
//! (`assets/figures.js`); `assets/figures.json` holds examples that both are tested with.

/// What stands where nothing was measured.
pub(super) const NOTHING: &str = "–";

/// 12345 as "12,345".
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// So many per second: one digit behind the point where it matters.
pub(super) fn rate(value: f64) -> String {
    if value > 0.0 && value < 9.95 { fixed(value, 1) } else { count(whole(value)) }
}

/// "12.3 Mbit/s".
pub(super) fn bits(value: f64) -> String {
    scaled(value, 1e3, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"])
}

/// "12.3 MB".
pub(super) fn bytes(value: u64) -> String {
    scaled(float(value), 1e3, ["B", "kB", "MB", "GB", "TB"])
}

fn scaled(value: f64, step: f64, units: [&str; 5]) -> String {
    let [first, rest @ ..] = units;
    let (mut value, mut unit) = (value.max(0.0), first);
    for next in rest {
        if value < step {
            break;
        }
        (value, unit) = (value / step, next);
    }
    let digits = if unit == first || value >= 99.95 { 0 } else { 1 };
    format!("{} {unit}", fixed(value, digits))
}

/// A share from 0 to 1 as "3.4 %".
pub(super) fn share(value: f64) -> String {
    percent(value * 100.0)
}

/// "3.4 %".
pub(super) fn percent(value: f64) -> String {
    let digits = if value > 0.0 && value < 9.95 { 1 } else { 0 };
    format!("{} %", fixed(value, digits))
}

/// "12.3 ms".
pub(super) fn millis(value: f64) -> String {
    let digits = if value < 99.95 { 1 } else { 0 };
    format!("{} ms", fixed(value, digits))
}

/// "4.21".
pub(super) fn mos(value: f64) -> String {
    fixed(value, 2)
}

/// The two greatest units: "2 d 3 h".
pub(super) fn duration(seconds: u64) -> String {
    let units = [
        ("d", seconds / 86_400),
        ("h", seconds / 3_600 % 24),
        ("min", seconds / 60 % 60),
        ("s", seconds % 60),
    ];
    let told = units.iter().skip_while(|(_, number)| *number == 0).take(2).filter(|(_, number)| *number > 0);
    let told: Vec<_> = told.map(|(unit, number)| format!("{number} {unit}")).collect();
    if told.is_empty() { "0 s".to_owned() } else { told.join(" ") }
}

/// What a figure is, or that there is none.
pub(super) fn maybe<T>(value: Option<T>, write: impl Fn(T) -> String) -> String {
    value.map_or_else(|| NOTHING.to_owned(), write)
}

/// Half goes up, as in the script.
fn fixed(value: f64, digits: usize) -> String {
    let scale = if digits == 0 {
        1.0
    } else if digits == 1 {
        10.0
    } else {
        100.0
    };
    format!("{:.digits$}", (value * scale).round() / scale)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a figure for people; the cast saturates"
)]
pub(super) fn whole(value: f64) -> u64 {
    value.max(0.0).round() as u64
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(super) const fn float(value: u64) -> f64 {
    value as f64
}

/// "2026-11-22 02:15:31" of a time of RFC 3339; the page says that its times are UTC.
pub(super) fn moment(time: &str) -> String {
    match (time.get(..10), time.get(11..19)) {
        (Some(day), Some(clock)) => format!("{day} {clock}"),
        _ => time.to_owned(),
    }
}

/// "02:15" of the same.
pub(super) fn clock(time: &str) -> &str {
    time.get(11..16).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn figures_are_written_as_in_the_examples_that_the_script_is_tested_with() {
        let examples: Vec<(String, f64, String)> =
            serde_json::from_str(include_str!("assets/figures.json")).unwrap();
        assert!(examples.len() > 30);
        for (form, value, written) in examples {
            let got = match form.as_str() {
                "count" => count(whole(value)),
                "rate" => rate(value),
                "bits" => bits(value),
                "bytes" => bytes(whole(value)),
                "share" => share(value),
                "percent" => percent(value),
                "millis" => millis(value),
                "mos" => mos(value),
                "duration" => duration(whole(value)),
                other => panic!("{other}"),
            };
            assert_eq!(got, written, "{form} {value}");
        }
    }

    #[test]
    fn a_time_is_cut_to_what_is_read() {
        assert_eq!(moment("2026-11-22T02:15:31Z"), "2026-11-22 02:15:31");
        assert_eq!(clock("2026-11-22T02:15:31Z"), "02:15");
        assert_eq!((moment("soon").as_str(), clock("é")), ("soon", "é"));
        assert_eq!(maybe(None::<f64>, mos), NOTHING);
        let _: Value = serde_json::from_str(include_str!("assets/figures.json")).unwrap();
    }
}
