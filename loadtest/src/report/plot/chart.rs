//! One chart as inline SVG: axes, grid, a line for each series. Pure; the page around it is `plot.rs`'s.

use std::fmt::Write as _;

use super::escape;
use super::scale::{Range, Scale};
use crate::report::number::Unit;

/// One axis.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What it says beside itself.
    pub label: &'static str,
    /// How values spread along it.
    pub scale: Scale,
    /// How its values are written.
    pub unit: Unit,
}

/// One line of a chart.
#[derive(Clone, Debug)]
pub struct Series {
    /// The legend's text.
    pub name: String,
    /// From left to right. A value that is no number interrupts the line.
    pub points: Vec<(f64, f64)>,
}

/// Lines over two axes.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Above it.
    pub title: String,
    /// Below.
    pub x: Axis,
    /// At the left.
    pub y: Axis,
    /// At least one, and no more than there are styles for ([`STYLES`]); further ones share the last.
    pub series: Vec<Series>,
}

/// Lines differ by colour (the style sheet's) and by dashes, for those who cannot tell the colours.
pub(super) const STYLES: usize = 6;

pub(super) const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 280.0;
const LEFT: f64 = 74.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 44.0;
/// Columns of the plot: of more points than fit, each keeps its lowest and its highest.
const COLUMNS: usize = 600;

impl Chart {
    /// Whether there is a point to show.
    pub fn has_points(&self) -> bool {
        self.series.iter().any(|series| series.points.iter().any(|(_, y)| y.is_finite()))
    }

    /// Appends the figure to a page.
    pub(super) fn write(&self, out: &mut String) {
        let (x, y) = self.ranges();
        let _ = write!(out, "<figure><figcaption>{}</figcaption>", escape(&self.title));
        self.write_legend(out);
        let _ = write!(
            out,
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            escape(&self.spoken())
        );
        self.write_grid(out, &x, &y);
        for (index, series) in self.series.iter().enumerate() {
            write_line(out, index.min(STYLES - 1), series, &x, &y);
        }
        out.push_str("</svg></figure>\n");
    }

    /// Appends the chart to a picture, from `top` on.
    pub(super) fn write_picture(&self, out: &mut String, top: usize) {
        let (x, y) = self.ranges();
        let _ = write!(
            out,
            "<g transform=\"translate(0 {top})\"><text class=\"name\" x=\"12\" y=\"18\">{}</text>",
            escape(&self.title)
        );
        for (index, series) in self.series.iter().enumerate().filter(|_| self.series.len() > 1) {
            let (style, at) = (index.min(STYLES - 1), 12 + 180 * (index % 4));
            let line = 34 + 14 * (index / 4);
            let _ = write!(
                out,
                "<path class=\"line s{style}\" d=\"M{at} {}h28\"/><text x=\"{}\" y=\"{line}\">{}</text>",
                line - 4,
                at + 34,
                escape(&series.name)
            );
        }
        out.push_str("<g transform=\"translate(0 50)\">");
        self.write_grid(out, &x, &y);
        for (index, series) in self.series.iter().enumerate() {
            write_line(out, index.min(STYLES - 1), series, &x, &y);
        }
        out.push_str("</g></g>\n");
    }

    fn ranges(&self) -> (Range, Range) {
        let points = || self.series.iter().flat_map(|series| series.points.iter());
        let last = points().map(|(x, _)| *x).fold(f64::NEG_INFINITY, f64::max);
        let x = Range::of(self.x.scale, points().map(|(x, _)| *x));
        let x = if self.x.scale == Scale::Linear { x.exact(last) } else { x };
        (x, Range::of(self.y.scale, points().map(|(_, y)| *y)))
    }

    fn write_legend(&self, out: &mut String) {
        if self.series.len() < 2 {
            return;
        }
        out.push_str("<ul class=\"legend\">");
        for (index, series) in self.series.iter().enumerate() {
            let style = index.min(STYLES - 1);
            let _ = write!(
                out,
                "<li><svg viewBox=\"0 0 28 8\" aria-hidden=\"true\"><path class=\"line s{style}\" d=\"M0 4H28\"/></svg>{}</li>",
                escape(&series.name)
            );
        }
        out.push_str("</ul>");
    }

    /// What a screen reader says: the title, and each line's last and highest value.
    fn spoken(&self) -> String {
        let mut text = self.title.clone();
        for series in &self.series {
            let values = || series.points.iter().map(|(_, y)| *y).filter(|y| y.is_finite());
            if let Some(last) = values().next_back() {
                let top = values().fold(f64::NEG_INFINITY, f64::max);
                let show = |value| self.y.unit.show(value);
                let _ = write!(text, "; {}: {} at the end, {} at most", series.name, show(last), show(top));
            }
        }
        text
    }

    fn write_grid(&self, out: &mut String, x: &Range, y: &Range) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for (value, text) in y.ticks() {
            let at = down(y, value);
            let text = text.map_or_else(|| self.y.unit.show(value), str::to_owned);
            let _ = write!(
                out,
                "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{right}\"/><text class=\"y\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                LEFT - 8.0,
                at + 4.0,
                escape(&text)
            );
        }
        for (value, text) in x.ticks() {
            let at = across(x, value);
            let text = text.map_or_else(|| self.x.unit.show(value), str::to_owned);
            let _ = write!(
                out,
                "<path class=\"grid\" d=\"M{at:.1} {TOP}V{bottom}\"/><text class=\"x\" x=\"{at:.1}\" y=\"{:.1}\">{}</text>",
                bottom + 17.0,
                escape(&text)
            );
        }
        let middle = (LEFT + right) / 2.0;
        let _ = write!(
            out,
            "<text class=\"x name\" x=\"{middle:.1}\" y=\"{:.1}\">{}</text>\
             <text class=\"name\" transform=\"translate(13 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            HEIGHT - 8.0,
            escape(self.x.label),
            (TOP + bottom) / 2.0,
            escape(self.y.label)
        );
    }
}

fn across(x: &Range, value: f64) -> f64 {
    LEFT + x.position(value) * (WIDTH - LEFT - RIGHT)
}

fn down(y: &Range, value: f64) -> f64 {
    HEIGHT - BOTTOM - y.position(value) * (HEIGHT - TOP - BOTTOM)
}

fn write_line(out: &mut String, style: usize, series: &Series, x: &Range, y: &Range) {
    let _ = write!(out, "<path class=\"line s{style}\" d=\"");
    let mut is_open = false;
    for (at, value) in thin(&series.points) {
        if !(at.is_finite() && value.is_finite()) {
            is_open = false;
            continue;
        }
        let command = if is_open { 'L' } else { 'M' };
        let _ = write!(out, "{command}{:.1} {:.1}", across(x, at), down(y, value));
        is_open = true;
    }
    let _ = write!(out, "\"><title>{}</title></path>", escape(&series.name));
}

/// No more points than a line has columns, without losing a peak.
fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let size = points.len().div_ceil(COLUMNS);
    if size <= 2 {
        return points.to_vec();
    }
    let mut kept = Vec::with_capacity(2 * COLUMNS);
    for column in points.chunks(size) {
        let by_value = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let finite = || column.iter().filter(|point| point.1.is_finite());
        let (Some(low), Some(high)) = (finite().min_by(by_value), finite().max_by(by_value)) else {
            kept.extend(column.first());
            continue;
        };
        if low.0 <= high.0 {
            kept.extend([*low, *high]);
        } else {
            kept.extend([*high, *low]);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_among_many_points_is_kept() {
        let mut points: Vec<(f64, f64)> = (0..100_000).map(|n| (f64::from(n), 1.0)).collect();
        points[54_321].1 = 99.0;
        points[12_345].1 = 0.0;
        let thinned = thin(&points);
        assert!(thinned.len() <= 2 * COLUMNS);
        assert!(thinned.contains(&(54_321.0, 99.0)) && thinned.contains(&(12_345.0, 0.0)));
        assert!(thinned.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    }

    #[test]
    fn a_gap_interrupts_the_line() {
        let series = Series {
            name: "loss".to_owned(),
            points: vec![(0.0, 1.0), (1.0, 2.0), (2.0, f64::NAN), (3.0, 1.0)],
        };
        let x = Range::of(Scale::Linear, [0.0, 3.0].into_iter());
        let mut out = String::new();
        write_line(&mut out, 0, &series, &x, &x);
        assert_eq!(out.matches('M').count(), 2, "{out}");
        assert!(!out.contains("NaN"));
    }
}
