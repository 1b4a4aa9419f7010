//! Lines and bars as SVG. Colours come from the style sheet by class; the text beside a chart says what it shows.

use std::fmt::Write as _;

use maud::{Markup, html};

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 120.0;
/// Below the lines, for where the time begins and ends.
const FOOT: f64 = 16.0;
/// Left of the lines, for the scale's numbers.
const MARGIN: f64 = 80.0;

/// One line. Where it has no value it is interrupted.
pub(super) struct Line {
    pub(super) class: &'static str,
    pub(super) name: &'static str,
    pub(super) points: Vec<(f64, Option<f64>)>,
}

/// Lines over time, from `low` to at least `high`. `ends` are the first moment and the last; where lines cross many moments
/// somebody who sees none of them is told their extremes and their end.
pub(super) fn lines(
    title: &str,
    ends: [&str; 2],
    low: f64,
    high: f64,
    write: impl Fn(f64) -> String,
    lines: &[Line],
) -> Markup {
    let points = || lines.iter().flat_map(|line| &line.points);
    let values = points().filter_map(|(_, value)| *value);
    let high = values.clone().fold(high, f64::max);
    if values.count() == 0 {
        return html! { p.hint { (title) ": nothing was measured yet." } };
    }
    let start = points().map(|(at, _)| *at).fold(f64::INFINITY, f64::min);
    let end = points().map(|(at, _)| *at).fold(start + 1.0, f64::max);
    let x = |at: f64| MARGIN + (at - start) / (end - start) * (WIDTH - MARGIN);
    let y = |value: f64| 4.0 + (high - value.clamp(low, high)) / (high - low).max(1e-9) * (HEIGHT - 8.0);
    let said: Vec<_> = lines.iter().filter_map(|line| line.words(&write)).collect();
    let [first, last] = ends;
    let label = format!("{title}, {first} to {last}: {}", said.join("; "));
    html! {
        figure.chart {
            figcaption {
                (title)
                @for line in lines.iter().filter(|line| !line.name.is_empty()) { " " span.key.(line.class) { (line.name) } }
            }
            svg viewBox=(format!("0 0 {WIDTH} {}", HEIGHT + FOOT)) role="img" aria-label=(label) {
                @for value in [low, (low + high) / 2.0, high] {
                    line.grid x1=(MARGIN) x2=(WIDTH) y1=(number(y(value))) y2=(number(y(value))) {}
                    text x=(MARGIN - 4.0) y=(number(y(value).clamp(9.0, HEIGHT - 3.0) + 3.0)) text-anchor="end" { (write(value)) }
                }
                text x=(MARGIN) y=(HEIGHT + FOOT - 4.0) { (first) }
                text x=(WIDTH) y=(HEIGHT + FOOT - 4.0) text-anchor="end" { (last) }
                @for line in lines {
                    @for piece in pieces(&line.points, x, y) { polyline.line.(line.class) points=(piece) {} }
                }
            }
        }
    }
}

impl Line {
    /// "opened 0 to 12, 3 at the end"; nothing if nothing was measured.
    fn words(&self, write: impl Fn(f64) -> String) -> Option<String> {
        let values = || self.points.iter().filter_map(|(_, value)| *value);
        let (least, most) = (values().reduce(f64::min)?, values().reduce(f64::max)?);
        let space = if self.name.is_empty() { "" } else { " " };
        let last = write(values().next_back()?);
        Some(format!("{}{space}{} to {}, {last} at the end", self.name, write(least), write(most)))
    }
}

/// Coordinates of what hangs together. A point alone is drawn as a short dash.
fn pieces(points: &[(f64, Option<f64>)], x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) -> Vec<String> {
    let runs = points.split(|(_, value)| value.is_none());
    let write = |run: &[(f64, Option<f64>)]| {
        let mut out = String::new();
        for (at, value) in run.iter().filter_map(|(at, value)| Some((at, (*value)?))) {
            // Writing to a string cannot fail.
            let _ = write!(out, "{},{} ", number(x(*at)), number(y(value)));
        }
        if let [(at, Some(value))] = run {
            let _ = write!(out, "{},{}", number(x(*at) + 2.0), number(y(*value)));
        }
        out
    };
    runs.filter(|run| !run.is_empty()).map(write).collect()
}

fn number(value: f64) -> String {
    format!("{value:.1}")
}

/// How much of something is used: a bar that is coloured by what is left.
pub(super) fn bar(used: f64, path: Option<&str>) -> Markup {
    let used = used.clamp(0.0, 1.0);
    let class = if used >= 0.9 {
        "bad"
    } else if used >= 0.75 {
        "fair"
    } else {
        "good"
    };
    html! {
        svg.bar viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" {
            rect.track width="100" height="4" {}
            rect.fill.(class) width=(number(used * 100.0)) height="4" data-bar=[path] {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_interrupted_where_nothing_was_measured() {
        let points = vec![(0.0, Some(1.0)), (1.0, Some(2.0)), (2.0, None), (3.0, Some(4.0))];
        let pieces = pieces(&points, |at| at, |value| value);
        assert_eq!(pieces, ["0.0,1.0 1.0,2.0 ", "3.0,4.0 5.0,4.0"]);
        let line = |points| Line { class: "client", name: "client's leg", points };
        let chart =
            lines("MOS", ["0 s", "3 s"], 1.0, 5.0, |value| format!("{value}"), &[line(points)]).into_string();
        assert!(
            chart.contains(r#"aria-label="MOS, 0 s to 3 s: client's leg 1 to 4, 4 at the end""#),
            "{chart}"
        );
        let empty = lines("MOS", ["", ""], 1.0, 5.0, |value| format!("{value}"), &[line(vec![(0.0, None)])])
            .into_string();
        assert!(empty.contains("nothing was measured") && !empty.contains("svg"));
    }

    #[test]
    fn a_bar_changes_its_colour_before_it_is_full() {
        for (used, class) in [(0.1, "good"), (0.8, "fair"), (0.95, "bad"), (7.0, "bad")] {
            assert!(bar(used, None).into_string().contains(&format!("fill {class}")), "{used}");
        }
    }
}
