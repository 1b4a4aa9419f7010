//! The last hour of the relay, as the watch keeps it: a point every few seconds, drawn.

use maud::{Markup, html};

use super::ask::Trouble;
use super::chart::{Line, lines};
use super::figures::{bits, clock, count, float, rate, share, whole};
use crate::control::admin::{History, Point};

pub(super) fn charts(history: &Result<History, Trouble>) -> Markup {
    match history {
        Ok(history) if history.points.is_empty() => {
            html! { p.quiet { "The first figures come in a moment." } }
        }
        Ok(history) => html! { div.charts { (all(history)) } },
        Err(trouble) => html! { p.quiet { "It cannot be shown: " (trouble) "." } },
    }
}

fn all(history: &History) -> Markup {
    let points = &history.points;
    let end = |point: Option<&Point>| point.map(|point| clock(&point.at).to_owned()).unwrap_or_default();
    let ends = [end(points.first()), end(points.last())];
    let ends = [ends[0].as_str(), ends[1].as_str()];
    let line = |class, name, figure: fn(&Point) -> Option<f64>| {
        let step = float(history.step_seconds.max(1));
        let at = |place: usize| step * float(u64::try_from(place).unwrap_or(u64::MAX));
        let points = points.iter().enumerate().map(|(place, point)| (at(place), figure(point))).collect();
        Line { class, name, points }
    };
    let alone = |figure| [line("client", "", figure)];
    // The middle of its scale is a whole number, too.
    let most = points.iter().map(|point| point.sessions).max().unwrap_or_default();
    let most = float(most.max(1).next_multiple_of(2));
    html! {
        (lines("Sessions", ends, 0.0, most, |value| count(whole(value)), &alone(|point| Some(float(point.sessions)))))
        (lines("Traffic", ends, 0.0, 1.0, bits, &alone(|point| Some(point.bits_per_second))))
        (lines("Packets per second", ends, 0.0, 1.0, rate, &alone(|point| Some(point.packets_per_second))))
        (lines("Sessions per second", ends, 0.0, 1.0, rate, &[
            line("client", "opened", |point| Some(point.allocations_per_second)),
            line("peer", "refused", |point| Some(point.refused_per_second)),
        ]))
        (lines("The busiest worker's time", ends, 0.0, 1.0, share, &alone(|point| Some(point.worker_busy))))
        (lines("Poor time of calls", ends, 0.0, 0.1, share, &[
            line("client", "from clients", |point| point.client_poor_share),
            line("peer", "from peers", |point| point.peer_poor_share),
        ]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(minute: u32, sessions: u64, poor: Option<f64>) -> Point {
        let at = format!("2026-11-22T02:{minute:02}:00Z");
        Point { at, sessions, client_poor_share: poor, ..Point::default() }
    }

    #[test]
    fn an_hour_is_drawn_and_told_in_words() {
        let points = vec![point(1, 3, None), point(2, 40, Some(0.25)), point(3, 12, Some(0.05))];
        let drawn = charts(&Ok(History { step_seconds: 60, points })).into_string();
        for said in [
            r#"aria-label="Sessions, 02:01 to 02:03: 3 to 40, 12 at the end""#,
            r#"aria-label="Poor time of calls, 02:01 to 02:03: from clients 5.0 % to 25 %, 5.0 % at the end""#,
            r#"aria-label="Sessions per second, 02:01 to 02:03: opened 0 to 0, 0 at the end; refused 0 to 0, 0 at the end""#,
        ] {
            assert!(drawn.contains(said), "{said}: {drawn}");
        }
        assert_eq!(drawn.matches("<svg").count(), 6);
    }

    #[test]
    fn an_hour_of_nothing_is_no_chart() {
        assert!(!charts(&Ok(History::default())).into_string().contains("svg"));
    }
}
