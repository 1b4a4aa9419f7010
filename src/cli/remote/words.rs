//! Figures as people read them.

/// Bits per second.
pub(super) fn bits(number: f64) -> String {
    format!("{}bit/s", scaled(number))
}

/// Bytes.
pub(super) fn bytes(number: u64) -> String {
    format!("{}B", scaled(number as f64))
}

/// With a prefix of a thousand, a million and so on, and a space before that.
pub(super) fn scaled(number: f64) -> String {
    let steps = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    match steps.iter().find(|(least, _)| number >= *least) {
        Some((least, prefix)) => format!("{:.1} {prefix}", number / least),
        None => format!("{number:.0} "),
    }
}

/// A share as percent.
pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// A figure that may not have been measured.
pub(super) fn figure(number: Option<f64>, digits: usize, unit: &str) -> String {
    number.map_or_else(|| "-".to_owned(), |number| format!("{number:.digits$}{unit}"))
}

/// Those of both legs, the client's first.
pub(super) fn both(client: Option<f64>, peer: Option<f64>, digits: usize) -> String {
    if client.is_none() && peer.is_none() {
        return "-".to_owned();
    }
    format!("{} / {}", figure(client, digits, ""), figure(peer, digits, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_figures_are_short() {
        for (number, text) in
            [(0.0, "0 "), (999.0, "999 "), (1_000.0, "1.0 k"), (12_345_678.0, "12.3 M"), (2e12, "2.0 T")]
        {
            assert_eq!(scaled(number), text);
        }
        assert_eq!((bytes(1_500), bits(2.5e6)), ("1.5 kB".to_owned(), "2.5 Mbit/s".to_owned()));
    }

    #[test]
    fn what_was_not_measured_is_a_dash() {
        assert_eq!(
            (figure(None, 2, " ms"), figure(Some(1.234), 2, " ms")),
            ("-".to_owned(), "1.23 ms".to_owned())
        );
        assert_eq!((both(None, None, 1), both(Some(4.25), None, 1)), ("-".to_owned(), "4.2 / -".to_owned()));
        assert_eq!(percent(0.254), "25 %");
    }
}
