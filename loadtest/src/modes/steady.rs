//! `steady`: one rate, one window.

use std::sync::Arc;

use super::ceiling;
use crate::driver::{Fleet, Measurement};
use crate::failure::Failure;
use crate::outcome::{Generator, Steady, Window};
use crate::plan::Plan;
use crate::progress::Progress;

pub(super) fn run(plan: &Plan, progress: &Arc<Progress>, notes: &mut Vec<String>) -> Result<Steady, Failure> {
    let ceiling = ceiling::measure(plan, progress, notes)?;
    let (mut fleet, setup) = Fleet::open(plan, plan.target()?, progress)?;
    let window = fleet.measure(Measurement::of(&plan.load))?;
    fleet.close()?;
    interrupted(progress, &window, notes)?;
    if window.generator.limited {
        notes.push(explain(&window.generator));
    } else {
        notes.extend(ceiling::verdict(ceiling.as_ref(), ceiling::asked(plan, &plan.load.profile)));
    }
    Ok(Steady { setup, window, ceiling })
}

/// Says that the window is shorter than was asked for; if nothing was counted, there is no result.
fn interrupted(progress: &Progress, window: &Window, notes: &mut Vec<String>) -> Result<(), Failure> {
    if !progress.is_cancelled() {
        return Ok(());
    }
    if window.up.sent + window.down.sent == 0 {
        return Err(Failure::interrupted());
    }
    notes.push(format!("Interrupted: the figures are those of {:.1} seconds.", window.seconds));
    Ok(())
}

/// Why the figures may be this program's and not the server's.
fn explain(generator: &Generator) -> String {
    let reason = if generator.refused + generator.overflowed > 0 {
        format!(
            "its own socket buffers lost packets ({} sent, {} received)",
            generator.refused, generator.overflowed
        )
    } else if generator.skipped > 0 {
        format!("it gave up {} packets that it could not send in time", generator.skipped)
    } else if generator.busiest > 0.9 {
        format!("its busiest thread used {:.0} % of a processor", generator.busiest * 100.0)
    } else {
        format!("one packet in a hundred left more than {:.0} ms late", generator.lateness.p99_us / 1000.0)
    };
    format!(
        "The load generator, not the server, may have been the limit: {reason}. Lower the rate, give it --threads, or \
         processors that nobody else uses."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_for_the_limit_is_named() {
        let generator = Generator::default();
        assert!(explain(&Generator { refused: 1, ..generator.clone() }).contains("buffers"));
        assert!(explain(&Generator { skipped: 7, ..generator.clone() }).contains("7 packets"));
        assert!(explain(&Generator { busiest: 0.95, ..generator }).contains("95 %"));
    }
}
