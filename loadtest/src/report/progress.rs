//! What a person sees while a measurement runs: a bar and the current rates on a terminal, a plain line every few
//! seconds anywhere else. All of it goes to standard error; standard output is the results' alone.
//!
//! A thread of its own reads the counters that generator threads and modes add to ([`crate::progress`]); nothing waits
//! for it. It ends with the [`View`].

use std::collections::VecDeque;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::number::Unit;
use crate::clock::{self, Nanos};
use crate::progress::{Phase, Progress};

/// A running view; dropping it leaves the terminal as it was.
#[derive(Debug)]
pub struct View {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// How often the view is brought up to date.
const EVERY: Duration = Duration::from_millis(500);
/// How soon the end of a measurement is seen.
const NAP: Duration = Duration::from_millis(50);
/// A line in a file or a pipe each time that so much has passed.
const LINE_EVERY: u64 = 5_000_000_000;
const CURVE: usize = 24;
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const TEMPLATE: &str = "{prefix:.bold}  {bar:24.cyan/dim}  {wide_msg}";
/// Parts of a bar; its resolution is finer than a character.
const SCALE: u64 = 10_000;

impl View {
    /// Starts showing `progress`; nothing if the user wants it quiet.
    #[must_use]
    pub fn start(progress: &Arc<Progress>, is_quiet: bool) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (progress, over) = (Arc::clone(progress), Arc::clone(&is_over));
        let show = move || {
            let mut renderer = Renderer::new(is_terminal());
            loop {
                renderer.show(&progress);
                let mut waited = Duration::ZERO;
                while waited < EVERY {
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                    std::thread::sleep(NAP);
                    waited += NAP;
                }
            }
        };
        // Without a thread for it the measurement goes on unseen.
        let thread = if is_quiet {
            None
        } else {
            std::thread::Builder::new().name("view".to_owned()).spawn(show).ok()
        };
        Self { is_over, thread }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A view that failed has nothing more to show.
            let _ = thread.join();
        }
    }
}

fn is_terminal() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

enum Sink {
    Live(ProgressBar),
    Lines { next: Nanos },
}

/// Totals at one moment.
#[derive(Clone, Copy, Default)]
struct Totals {
    at: Nanos,
    sent: u64,
    received: u64,
    bytes: u64,
    cycles: u64,
}

struct Renderer {
    sink: Sink,
    phase: Phase,
    before: Totals,
    curve: VecDeque<f64>,
}

impl Renderer {
    fn new(is_terminal: bool) -> Self {
        let sink = if is_terminal {
            let bar = ProgressBar::with_draw_target(Some(SCALE), ProgressDrawTarget::stderr_with_hz(4));
            if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
                bar.set_style(style.progress_chars("━╸─"));
            }
            Sink::Live(bar)
        } else {
            Sink::Lines { next: Nanos::default() }
        };
        Self {
            sink,
            phase: Phase::default(),
            before: Totals::default(),
            curve: VecDeque::with_capacity(CURVE),
        }
    }

    fn show(&mut self, progress: &Progress) {
        let (now, phase) = (clock::now(), progress.phase());
        let is_new = phase != self.phase;
        if is_new {
            self.phase = phase;
            self.curve.clear();
        }
        if self.phase.what.is_empty() {
            return;
        }
        if let Sink::Lines { next } = &mut self.sink {
            if !is_new && now < *next {
                return;
            }
            *next = now.plus(LINE_EVERY);
        }
        let figures = self.figures(progress, now);
        let elapsed = now.since(Nanos(self.phase.began));
        match &self.sink {
            Sink::Live(bar) => {
                bar.set_prefix(self.phase.what.clone());
                bar.set_position(part(elapsed, self.phase.planned));
                let mut parts = vec![how_far(elapsed, self.phase.planned)];
                parts.extend(figures);
                if self.curve.len() > 1 {
                    parts.push(sparkline(&self.curve));
                }
                bar.set_message(parts.join("  "));
            }
            Sink::Lines { .. } => {
                let mut parts = vec![how_far(elapsed, self.phase.planned)];
                parts.extend(figures);
                // With standard error closed nobody is left to tell.
                let _ = writeln!(std::io::stderr(), "{}: {}", self.phase.what, parts.join(", "));
            }
        }
    }

    /// What happened since the view was last brought up to date.
    fn figures(&mut self, progress: &Progress, now: Nanos) -> Vec<String> {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let totals = Totals {
            at: now,
            sent: load(&progress.sent),
            received: load(&progress.received),
            bytes: load(&progress.bytes),
            cycles: load(&progress.cycles),
        };
        let before = std::mem::replace(&mut self.before, totals);
        let seconds = float(now.since(before.at)) / 1e9;
        let rate = |now: u64, before: u64| {
            if seconds > 0.0 { float(now.saturating_sub(before)) / seconds } else { 0.0 }
        };
        let mut figures = Vec::new();
        let (ready, wanted) = (load(&progress.sessions_ready), load(&progress.sessions_wanted));
        if ready < wanted {
            figures.push(format!("{ready} of {wanted} sessions"));
        }
        let (sent, received) = (rate(totals.sent, before.sent), rate(totals.received, before.received));
        if sent > 0.0 || received > 0.0 {
            figures.push(format!(
                "{} sent, {} received",
                Unit::PerSecond.show(sent),
                Unit::PerSecond.show(received)
            ));
            figures.push(Unit::BitsPerSecond.show(rate(totals.bytes, before.bytes) * 8.0));
            push(&mut self.curve, received);
        }
        let cycles = rate(totals.cycles, before.cycles);
        if cycles > 0.0 {
            figures.push(format!("{} cycles", Unit::PerSecond.show(cycles)));
            push(&mut self.curve, cycles);
        }
        let highest = progress.highest_latency.swap(0, Ordering::Relaxed);
        if highest > 0 {
            figures.push(format!("highest latency {}", Unit::Micros.show(float(highest) / 1e3)));
        }
        for (counter, what) in [(&progress.failures, "requests failed"), (&progress.corrupted, "corrupted")] {
            let count = load(counter);
            if count > 0 {
                figures.push(format!("{count} {what}"));
            }
        }
        figures
    }
}

impl Drop for Renderer {
    /// The results come next, or an error.
    fn drop(&mut self) {
        if let Sink::Live(bar) = &self.sink {
            bar.finish_and_clear();
        }
    }
}

fn push(curve: &mut VecDeque<f64>, value: f64) {
    if curve.len() == CURVE {
        curve.pop_front();
    }
    curve.push_back(value);
}

/// How much of the bar is full.
fn part(elapsed: u64, planned: u64) -> u64 {
    let part = (u128::from(elapsed) * u128::from(SCALE)).checked_div(u128::from(planned)).unwrap_or(0);
    u64::try_from(part).unwrap_or(SCALE).min(SCALE)
}

fn how_far(elapsed: u64, planned: u64) -> String {
    let seconds = |nanos: u64| float(nanos / 1_000_000_000);
    if planned == 0 {
        return Unit::Seconds.show(seconds(elapsed));
    }
    let total = float(planned) / 1e9;
    format!("{} of {}", Unit::Seconds.show(seconds(elapsed).min(total)), Unit::Seconds.show(total))
}

/// The course of a value, from nothing to its highest.
fn sparkline(curve: &VecDeque<f64>) -> String {
    let top = curve.iter().copied().fold(0.0, f64::max);
    let block = |value: &f64| {
        let share = if top > 0.0 { (value / top).clamp(0.0, 1.0) } else { 0.0 };
        #[expect(clippy::cast_possible_truncation, reason = "between 0 and 7")]
        let index = (share * 7.0).round() as usize;
        BLOCKS.get(index).copied().unwrap_or(' ')
    };
    curve.iter().map(block).collect()
}

const fn float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_full_at_the_end_and_not_beyond() {
        for (elapsed, planned, expected) in [(0, 10, 0), (5, 10, SCALE / 2), (11, 10, SCALE), (1, 0, 0)] {
            assert_eq!(part(elapsed, planned), expected);
        }
    }

    #[test]
    fn a_time_that_nobody_knows_is_not_made_up() {
        assert_eq!(how_far(3_200_000_000, 0), "3 s");
        assert_eq!(how_far(3_200_000_000, 10_000_000_000), "3 s of 10 s");
        assert_eq!(how_far(13_200_000_000, 10_000_000_000), "10 s of 10 s");
    }

    #[test]
    fn a_curve_shows_its_peak() {
        assert_eq!(sparkline(&VecDeque::from([0.0, 7.0, 3.5])), "▁█▅");
        assert_eq!(sparkline(&VecDeque::from([0.0, 0.0])), "▁▁");
    }

    #[test]
    fn rates_are_differences() {
        let progress = Progress::default();
        let mut renderer = Renderer::new(false);
        renderer.before.at = Nanos(0);
        progress.sent.store(1_000, Ordering::Relaxed);
        progress.received.store(900, Ordering::Relaxed);
        progress.highest_latency.store(284_000, Ordering::Relaxed);
        let figures = renderer.figures(&progress, Nanos(2_000_000_000));
        assert_eq!(figures, ["500/s sent, 450/s received", "0 bit/s", "highest latency 284 µs"]);
        assert!(renderer.figures(&progress, Nanos(4_000_000_000)).is_empty());
    }
}
