//! The counting rules once more, slowly: every packet is kept, everything is counted at the end.

use std::collections::BTreeSet;

use super::{Counts, Seen};

/// Every packet of a stream that came.
#[derive(Default)]
pub(super) struct Model {
    lives: Vec<Life>,
    candidate: Option<u16>,
    duplicate: u64,
    stray: u64,
}

/// Between restarts.
struct Life {
    /// Without wrap, in the order in which they came; with the highest before each.
    came: Vec<(i64, i64)>,
}

impl Life {
    fn new(first: i64) -> Self {
        Self { came: vec![(first, first)] }
    }

    fn highest(&self) -> i64 {
        self.came.last().map(|(position, highest)| *position.max(highest)).unwrap()
    }

    fn has(&self, position: i64) -> bool {
        self.came.iter().rev().any(|(came, _)| *came == position)
    }

    fn push(&mut self, position: i64) {
        self.came.push((position, self.highest()));
    }

    /// Whether each packet from the first to the highest came.
    fn packets(&self) -> Vec<bool> {
        let came: BTreeSet<_> = self.came.iter().map(|(position, _)| *position).collect();
        (*came.first().unwrap()..=*came.last().unwrap()).map(|position| came.contains(&position)).collect()
    }

    fn reordered(&self) -> usize {
        self.came.iter().filter(|(position, highest)| position < highest).count()
    }
}

impl Model {
    pub(super) fn see(&mut self, sequence: u16) -> Seen {
        let Some(life) = self.lives.last_mut() else {
            self.lives.push(Life::new(sequence.into()));
            return Seen::New;
        };
        let highest = life.highest();
        // The nearest of all positions with this number.
        let turns = (highest - i64::from(sequence) + 0x8000).div_euclid(0x1_0000);
        let position = i64::from(sequence) + turns * 0x1_0000;
        match position - highest {
            1..3000 => {
                life.push(position);
                self.stray += u64::from(self.candidate.take().is_some());
                Seen::New
            }
            -99..=0 if life.has(position) => {
                self.duplicate += 1;
                Seen::Duplicate
            }
            -99..=0 => {
                life.push(position);
                Seen::Late
            }
            _ => self.see_far(sequence),
        }
    }

    fn see_far(&mut self, sequence: u16) -> Seen {
        match self.candidate {
            Some(candidate) if candidate == sequence => {
                self.stray += 1;
                Seen::Ignored
            }
            Some(candidate) if candidate.wrapping_add(1) == sequence => {
                self.candidate = None;
                let mut life = Life::new(candidate.into());
                life.push(i64::from(candidate) + 1);
                self.lives.push(life);
                Seen::Restart
            }
            other => {
                self.stray += u64::from(other.is_some());
                self.candidate = Some(sequence);
                Seen::Probation
            }
        }
    }

    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts { duplicate: self.duplicate, stray: self.stray, ..Counts::default() };
        counts.restarts = self.lives.len().saturating_sub(1) as u64;
        for life in &self.lives {
            let packets = life.packets();
            counts.expected += packets.len() as u64;
            counts.received += life.came.len() as u64;
            counts.reordered += life.reordered() as u64;
            count_losses(&packets, &mut counts);
        }
        counts.lost = counts.expected - counts.received;
        counts
    }
}

fn count_losses(packets: &[bool], counts: &mut Counts) {
    for run in packets.split(|came| *came).filter(|run| !run.is_empty()) {
        let class = match run.len() {
            1 => 0,
            2 => 1,
            3 => 2,
            4..=5 => 3,
            6..=10 => 4,
            11..=20 => 5,
            _ => 6,
        };
        counts.loss_runs[class] += 1;
    }
    let lost: Vec<usize> = (0..packets.len()).filter(|index| !packets[*index]).collect();
    for burst in lost.chunk_by(|one, next| next - one <= 16).filter(|burst| burst.len() > 1) {
        counts.bursts += 1;
        counts.burst_lost += burst.len() as u64;
        counts.burst_packets += (burst[burst.len() - 1] - burst[0] + 1) as u64;
    }
}
