//! The E-model against a second implementation of it: tests/oracle/g107.py, which works every constant out from the
//! recommendation's planning parameters.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failed assertion is what this file is for")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tern::quality::codec::{Basis, Impairment, Model};
use tern::quality::emodel::{Conditions, g107, opinion, rate, transmission_rating};

use skip::{Missing, need};

#[path = "support/skip.rs"]
mod skip;

/// What the two may differ by, in points of R.
const WITHIN: f64 = 0.001;

/// One line of the grid.
#[derive(Debug)]
struct Point {
    impairment: Impairment,
    ta: f64,
    ppl: f64,
    burst_ratio: f64,
    r: f64,
    mos: f64,
}

impl Point {
    fn read(line: &str) -> Self {
        let (model, numbers) = line.split_once(',').unwrap();
        let model = Model::ALL.into_iter().find(|known| known.name() == model).unwrap();
        let numbers: Vec<f64> = numbers.split(',').map(|number| number.parse().unwrap()).collect();
        let [ta, ie, bpl, ppl, burst_ratio, r, mos] = numbers.try_into().unwrap();
        let impairment = Impairment { model, basis: Basis::Itu, ie, bpl };
        Self { impairment, ta, ppl, burst_ratio, r, mos }
    }
}

fn grid() -> Result<String, Missing> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/g107.py");
    let output = match Command::new("python3").arg(&script).output() {
        Ok(output) => output,
        Err(error) => return Err(Missing(format!("python3: {error}"))),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout).expect("it prints text"))
}

#[test]
fn ratings_are_those_of_a_second_implementation() {
    let grid = need!(grid());
    let points: Vec<Point> = grid.lines().skip(1).map(Point::read).collect();
    assert!(points.len() > 30_000, "only {} points", points.len());
    let mut farthest: f64 = 0.0;
    for point in &points {
        let r = transmission_rating(&point.impairment, point.ta, point.ppl, point.burst_ratio);
        farthest = farthest.max((r - point.r).abs());
        let mos = opinion(point.impairment.model, r);
        assert!((r - point.r).abs() < WITHIN, "{point:?}: {r}");
        assert!((mos - point.mos).abs() < WITHIN, "{point:?}: {mos}");
        if point.impairment.model == Model::Narrowband {
            let Impairment { ie, bpl, .. } = point.impairment;
            let by_parts = g107::r(point.ta, ie, bpl, point.ppl, point.burst_ratio);
            assert!((by_parts - r).abs() < 1e-9, "{point:?}: {by_parts}");
        }
        check_rate(point);
    }
    println!("{} points, at most {farthest:.1e} apart", points.len());
}

/// What a session asks for, where it is the formula and nothing else.
fn check_rate(point: &Point) {
    if point.burst_ratio > 2.0 && point.ppl >= 2.0 {
        return;
    }
    let conditions = Conditions {
        delay: Duration::from_secs_f64(point.ta / 1_000.0),
        loss: point.ppl * 0.75,
        discard: point.ppl * 0.25,
        burst_ratio: point.burst_ratio,
    };
    let rating = rate(&point.impairment, &conditions);
    assert!((rating.r - point.r.max(0.0)).abs() < WITHIN, "{point:?}: {rating:?}");
    assert!((rating.mos - point.mos).abs() < WITHIN, "{point:?}: {rating:?}");
}
