//! A page with charts: one HTML file that needs no other, no script and no network, dark or light as its reader has it.
//!
//! Knows lines and axes, not measurements: `report::charts` makes the one from the other.

mod chart;
mod scale;

use std::fmt::Write as _;

use super::table::Table;

use chart::WIDTH;
pub use chart::{Axis, Chart, Series};
pub use scale::Scale;

/// What the page holds, from top to bottom.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The heading.
    pub title: String,
    /// One sentence below it.
    pub summary: String,
    /// Below the charts.
    pub tables: Vec<Table>,
    /// Those without points are left out.
    pub charts: Vec<Chart>,
}

/// Room for a chart of a picture, with its title and its legend.
const PICTURE: usize = 340;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--dim:#5b6470;--paper:#fff;--rule:#e2e6ea;\
--s0:#0b62c4;--s1:#c2410c;--s2:#0f7b4a;--s3:#8b3fb8;--s4:#a16207;--s5:#475569}\
@media(prefers-color-scheme:dark){:root{--ink:#e7ebf0;--dim:#9aa5b1;--paper:#14181d;--rule:#2b323a;\
--s0:#66aaff;--s1:#ff9a5c;--s2:#4fce92;--s3:#cf9bf2;--s4:#e5c04b;--s5:#a9b6c6}}\
body{margin:2rem auto;max-width:52rem;padding:0 1rem;background:var(--paper);color:var(--ink);\
font:15px/1.5 system-ui,sans-serif}\
h1{font-size:1.5rem;margin:0 0 .3rem}h2{font-size:1rem;margin:1.6rem 0 .3rem}p{margin:0 0 1rem;color:var(--dim)}\
figure{margin:1.6rem 0}figcaption{font-weight:600}figure>svg{width:100%;height:auto;display:block}\
.grid{stroke:var(--rule);fill:none}.line{fill:none;stroke-width:1.6;stroke-linejoin:round;vector-effect:non-scaling-stroke}\
.s0{stroke:var(--s0)}.s1{stroke:var(--s1);stroke-dasharray:7 3}.s2{stroke:var(--s2);stroke-dasharray:2 2}\
.s3{stroke:var(--s3);stroke-dasharray:9 3 2 3}.s4{stroke:var(--s4);stroke-dasharray:12 4}.s5{stroke:var(--s5);stroke-dasharray:4 4}\
text{fill:var(--dim);font:11px system-ui,sans-serif}.x{text-anchor:middle}.y{text-anchor:end}.name{fill:var(--ink)}\
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;margin:.2rem 0;padding:0;color:var(--dim);font-size:.85rem}\
.legend svg{width:28px;height:8px;margin-right:.4rem;vertical-align:middle}\
table{border-collapse:collapse;font-size:.9rem}th{text-align:left;font-weight:400;color:var(--dim);padding:.1rem 1.5rem .1rem 0;\
vertical-align:top}td{font-variant-numeric:tabular-nums}\
table.grid td,table.grid th[scope=col]{text-align:right;padding-right:1.2rem}\
@media print{:root{color-scheme:light}}";

impl Page {
    /// The file's text.
    pub fn html(&self) -> String {
        let mut out = String::with_capacity(64 * 1024);
        let _ = write!(
            out,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<p>{}</p>\n",
            escape(&self.summary),
            title = escape(&self.title)
        );
        for chart in self.charts.iter().filter(|chart| chart.has_points()) {
            chart.write(&mut out);
        }
        for table in &self.tables {
            table.write_html(&mut out, escape);
        }
        out.push_str("</body>\n</html>\n");
        out
    }
}

impl Page {
    /// The charts alone, one below the other, as a picture.
    pub fn svg(&self) -> String {
        let charts: Vec<&Chart> = self.charts.iter().filter(|chart| chart.has_points()).collect();
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {}\" role=\"img\">\
             <title>{}</title>\n<style>{STYLE}svg{{background:var(--paper)}}</style>\n",
            PICTURE * charts.len().max(1),
            escape(&self.title)
        );
        for (index, chart) in charts.into_iter().enumerate() {
            chart.write_picture(&mut out, PICTURE * index);
        }
        out.push_str("</svg>\n");
        out
    }
}

/// Text as HTML and SVG take it, in elements and attributes: a server's name is whatever the server says.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() && c != '\n' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::number::Unit;

    fn axis(label: &'static str, scale: Scale, unit: Unit) -> Axis {
        Axis { label, scale, unit }
    }

    fn page() -> Page {
        let latency = Chart {
            title: "Latency".to_owned(),
            x: axis("share of packets, %", Scale::Quantile, Unit::Plain),
            y: axis("latency", Scale::Log, Unit::Micros),
            series: vec![
                Series { name: "<A>".to_owned(), points: vec![(0.0, 20.0), (0.5, 31.0), (0.99, 284.0)] },
                Series { name: "B".to_owned(), points: vec![(0.0, 25.0), (0.5, 45.0), (0.99, 900.0)] },
            ],
        };
        let empty = Chart { series: vec![], title: "Nothing".to_owned(), ..latency.clone() };
        Page {
            title: "tern-loadtest <steady>".to_owned(),
            summary: "\"x\" & y\u{7}".to_owned(),
            tables: vec![Table::pairs("Machine", vec![("CPU", "a<b".to_owned())])],
            charts: vec![latency, empty],
        }
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        let html = page().html();
        for forbidden in ["http://", "https://", "src=", "href=", "<script", "url(", "@import"] {
            assert!(!html.contains(forbidden), "{forbidden} in {html}");
        }
        assert!(html.contains("prefers-color-scheme:dark"));
    }

    #[test]
    fn what_a_server_says_is_text_and_never_markup() {
        let html = page().html();
        assert!(
            html.contains("tern-loadtest &lt;steady&gt;")
                && html.contains("&lt;A&gt;")
                && html.contains("a&lt;b")
        );
        assert!(html.contains("&quot;x&quot; &amp; y "));
    }

    #[test]
    fn a_picture_is_one_svg() {
        let svg = page().svg();
        assert!(svg.starts_with("<svg xmlns") && svg.ends_with("</svg>\n"));
        assert_eq!(svg.matches("class=\"line s1\"").count(), 2, "the line and its legend");
        assert!(!svg.contains("<figure"));
    }

    #[test]
    fn a_chart_without_points_is_left_out() {
        let html = page().html();
        assert_eq!(html.matches("<figure>").count(), 1);
        assert!(!html.contains("Nothing") && !html.contains("NaN"));
    }

    #[test]
    fn each_line_has_a_style_and_a_name() {
        let html = page().html();
        assert!(html.contains("class=\"line s0\"") && html.contains("class=\"line s1\""));
        assert!(html.contains("at the end, 284 µs at most"), "{html}");
    }
}
