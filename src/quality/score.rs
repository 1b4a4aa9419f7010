//! Scores: what an interval of a voice is rated by, why it cannot be, what has cost it most, and the scores of a whole
//! session.
//!
//! Scores on different scales, and those that rest on a proxy, are never put together: a session has one [`Scores`] for
//! each.

use std::time::Duration;

use super::codec::{Basis, Codec, Impairment, Model};
use super::emodel::{Causes, Conditions, Rating, rate};
use super::stream::Counts;
use super::{Direction, IntervalStream, JitterBuffer, Leg, LegRtt, Legs, RttSource, Settings};

/// What can be said of how a direction sounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Score {
    /// This.
    Rated(Rating),
    /// Nothing, for want of this.
    NotMeasurable(Missing),
}

impl Score {
    /// The mean opinion score, 1 to 4.5.
    #[must_use]
    pub const fn mos(&self) -> Option<f64> {
        match self {
            Self::Rated(rating) => Some(rating.mos),
            Self::NotMeasurable(_) => None,
        }
    }
}

/// Why there is no score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Missing {
    /// Too few packets: silence, hold, or an end.
    Packets,
    /// There is no voice in it, pictures at most.
    Media,
    /// Nothing is known about the voice's codec, or about what it does to a voice.
    Codec,
    /// The clock of its timestamps is not known yet, so nobody can say what came too late.
    Clock,
    /// No round trip of the client's leg.
    ClientRtt,
    /// No round trip of the peer's leg.
    PeerRtt,
}

impl Missing {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Packets, Self::Media, Self::Codec, Self::Clock, Self::ClientRtt, Self::PeerRtt];

    /// The name it is exported under.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Packets => "packets",
            Self::Media => "media",
            Self::Codec => "codec",
            Self::Clock => "clock",
            Self::ClientRtt => "client_rtt",
            Self::PeerRtt => "peer_rtt",
        }
    }
}

/// What a score was made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inputs {
    /// Packets that were expected.
    pub expected: u64,
    /// What the codec does to a voice.
    pub impairment: Impairment,
    /// Percent of the expected packets that the upstream leg has lost.
    pub loss: f64,
    /// Percent of them that came too late for the jitter buffer.
    pub discard: f64,
    /// How much longer runs of losses were than if each packet were lost by itself, at least 1.
    pub burst_ratio: f64,
    /// The mean round trips.
    pub rtt: Legs<Duration>,
    /// Where they come from.
    pub sources: Legs<RttSource>,
    /// The jitter buffer assumed.
    pub jitter_buffer: JitterBuffer,
    /// From mouth to ear: half of both round trips, the jitter buffer, a packet and the codec's lookahead.
    pub delay: Duration,
}

/// What makes a score less than the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// It takes too long from mouth to ear.
    Delay,
    /// Packets are lost.
    Loss,
    /// Packets come too late for the jitter buffer.
    Discard,
    /// The codec does no better.
    Codec,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Delay, Self::Loss, Self::Discard, Self::Codec];

    /// The name it is exported under.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::Loss => "loss",
            Self::Discard => "discard",
            Self::Codec => "codec",
        }
    }

    /// What of `causes` it is.
    #[must_use]
    pub const fn points(self, causes: &Causes) -> f64 {
        match self {
            Self::Delay => causes.delay,
            Self::Loss => causes.loss,
            Self::Discard => causes.discard,
            Self::Codec => causes.codec,
        }
    }
}

/// What has cost a direction most, and where.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trouble {
    /// What.
    pub cause: Cause,
    /// On which leg. None for the codec, and for a delay that both legs have their part in.
    pub leg: Option<Leg>,
    /// How many points of R.
    pub points: f64,
}

impl Trouble {
    /// The greatest cause of a rating. A codec's own share is the best that a call can be, and named only if it is more
    /// than all others together. Losses and late packets of a direction come from the leg that it has come by; a
    /// delay from the leg that has two thirds of it.
    fn find(direction: Direction, rating: &Rating, inputs: &Inputs) -> Option<Self> {
        let points = |cause: Cause| cause.points(&rating.causes);
        let others = [Cause::Delay, Cause::Loss, Cause::Discard];
        let cause = if points(Cause::Codec) > others.into_iter().map(points).sum() {
            Cause::Codec
        } else {
            others.into_iter().max_by(|a, b| points(*a).total_cmp(&points(*b)))?
        };
        let leg = match cause {
            Cause::Loss | Cause::Discard => Some(direction.leg()),
            Cause::Delay => longer(&inputs.rtt),
            Cause::Codec => None,
        };
        Some(Self { cause, leg, points: points(cause) }).filter(|trouble| trouble.points > 0.0)
    }
}

fn longer(rtt: &Legs<Duration>) -> Option<Leg> {
    if rtt.client >= rtt.peer * 2 && rtt.client > rtt.peer {
        Some(Leg::Client)
    } else if rtt.peer >= rtt.client * 2 && rtt.peer > rtt.client {
        Some(Leg::Peer)
    } else {
        None
    }
}

/// How a direction sounded last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latest {
    /// The score.
    pub score: Score,
    /// What it was made of, if there is one.
    pub inputs: Option<Inputs>,
    /// What has cost it most, and where.
    pub trouble: Option<Trouble>,
}

impl From<Result<Verdict, Missing>> for Latest {
    fn from(verdict: Result<Verdict, Missing>) -> Self {
        match verdict {
            Ok(Verdict { rating, inputs, trouble }) => {
                Self { score: Score::Rated(rating), inputs: Some(inputs), trouble }
            }
            Err(missing) => Self { score: Score::NotMeasurable(missing), inputs: None, trouble: None },
        }
    }
}

/// An interval's voice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Voice<'a> {
    pub(super) codec: Option<&'a Codec>,
    pub(super) has_clock: bool,
    pub(super) counts: &'a Counts,
}

impl<'a> Voice<'a> {
    pub(super) fn of(settings: &'a Settings, stream: &'a IntervalStream) -> Self {
        let codec = stream.codec.and_then(|id| settings.codecs.get(id));
        Self { codec, has_clock: stream.clock_rate.is_some(), counts: &stream.heard.counts }
    }
}

/// One of 50 packets is 2 percent: with fewer, one lost packet would say more than it can.
const ENOUGH: u64 = 50;

/// A rating with all that belongs to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Verdict {
    pub(super) rating: Rating,
    pub(super) inputs: Inputs,
    pub(super) trouble: Option<Trouble>,
}

/// Rates a voice, or says what is missing.
pub(super) fn judge(
    direction: Direction,
    voice: &Voice<'_>,
    jitter_buffer: JitterBuffer,
    rtt: &Legs<Option<LegRtt>>,
) -> Result<Verdict, Missing> {
    let counts = voice.counts;
    if counts.expected < ENOUGH {
        return Err(Missing::Packets);
    }
    let codec = voice.codec.ok_or(Missing::Codec)?;
    let impairment = codec.impairment.ok_or(Missing::Codec)?;
    if !voice.has_clock {
        return Err(Missing::Clock);
    }
    let client = rtt.client.ok_or(Missing::ClientRtt)?;
    let peer = rtt.peer.ok_or(Missing::PeerRtt)?;
    let inputs = Inputs {
        expected: counts.expected,
        impairment,
        loss: counts.loss() * 100.0,
        discard: counts.discard(jitter_buffer.index()) * (1.0 - counts.loss()) * 100.0,
        burst_ratio: counts.burst_ratio(),
        rtt: Legs { client: client.mean, peer: peer.mean },
        sources: Legs { client: client.source, peer: peer.source },
        jitter_buffer,
        delay: (client.mean + peer.mean) / 2 + jitter_buffer.duration() + codec.frame + codec.lookahead,
    };
    let conditions = Conditions {
        delay: inputs.delay,
        loss: inputs.loss,
        discard: inputs.discard,
        burst_ratio: inputs.burst_ratio,
    };
    let rating = rate(&impairment, &conditions);
    Ok(Verdict { rating, inputs, trouble: Trouble::find(direction, &rating, &inputs) })
}

/// The scores of a direction so far, of one model and one basis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    /// The scale.
    pub model: Model,
    /// What the codec's figures rest on.
    pub basis: Basis,
    /// How many intervals were rated.
    pub intervals: u32,
    /// How long they lasted together.
    pub duration: Duration,
    /// The mean opinion score, each second of the same weight.
    pub mean_mos: f64,
    /// The same of R.
    pub mean_r: f64,
    /// The same of what has cost it.
    pub causes: Causes,
    /// The worst ten seconds. The least score is theirs.
    pub worst: Worst,
}

/// The worst interval of a session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worst {
    /// When it began, since the session did.
    pub start: Duration,
    /// How long it lasted.
    pub duration: Duration,
    /// Its rating.
    pub rating: Rating,
    /// What that was made of.
    pub inputs: Inputs,
    /// What has cost it most, and where.
    pub trouble: Option<Trouble>,
}

/// What is shorter does not count as ten seconds, unless there is nothing longer.
const LONG_ENOUGH: Duration = Duration::from_secs(5);

impl Scores {
    fn new(verdict: &Verdict, start: Duration, duration: Duration) -> Self {
        let Verdict { rating, inputs, trouble } = *verdict;
        Self {
            model: rating.model,
            basis: rating.basis,
            intervals: 1,
            duration,
            mean_mos: rating.mos,
            mean_r: rating.r,
            causes: rating.causes,
            worst: Worst { start, duration, rating, inputs, trouble },
        }
    }

    fn is_of(&self, rating: &Rating) -> bool {
        self.model == rating.model && self.basis == rating.basis
    }

    fn add(&mut self, verdict: &Verdict, start: Duration, duration: Duration) {
        let Verdict { rating, inputs, trouble } = *verdict;
        self.intervals = self.intervals.saturating_add(1);
        self.duration += duration;
        let weight = duration.as_secs_f64() / self.duration.as_secs_f64().max(f64::MIN_POSITIVE);
        let toward = |mean: &mut f64, value: f64| *mean += (value - *mean) * weight;
        toward(&mut self.mean_mos, rating.mos);
        toward(&mut self.mean_r, rating.r);
        toward(&mut self.causes.delay, rating.causes.delay);
        toward(&mut self.causes.loss, rating.causes.loss);
        toward(&mut self.causes.discard, rating.causes.discard);
        toward(&mut self.causes.codec, rating.causes.codec);
        if self.is_worse(&rating, duration) {
            self.worst = Worst { start, duration, rating, inputs, trouble };
        }
    }

    fn is_worse(&self, rating: &Rating, duration: Duration) -> bool {
        let is_long = duration >= LONG_ENOUGH;
        let was_long = self.worst.duration >= LONG_ENOUGH;
        if is_long == was_long { rating.r < self.worst.rating.r } else { is_long }
    }
}

/// Adds an interval's verdict to those of its kind. There are as many kinds as models and bases.
pub(super) fn add(all: &mut Vec<Scores>, verdict: &Verdict, start: Duration, duration: Duration) {
    match all.iter_mut().find(|scores| scores.is_of(&verdict.rating)) {
        Some(scores) => scores.add(verdict, start, duration),
        None => {
            all.reserve_exact(1);
            all.push(Scores::new(verdict, start, duration));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(millis: u64) -> Option<LegRtt> {
        let rtt = Duration::from_millis(millis);
        Some(LegRtt {
            source: RttSource::Check,
            last: rtt,
            smoothed: rtt,
            mean: rtt,
            least: rtt,
            greatest: rtt,
            samples: 1,
            at: crate::time::Time::ZERO,
        })
    }

    fn verdict(counts: &Counts, client: u64, peer: u64) -> Verdict {
        verdict_with("pcmu", counts, client, peer)
    }

    fn verdict_with(codec: &str, counts: &Counts, client: u64, peer: u64) -> Verdict {
        let codec = Codec::known(codec).unwrap();
        let voice = Voice { codec: Some(&codec), has_clock: true, counts };
        let rtt = Legs { client: leg(client), peer: leg(peer) };
        judge(Direction::ClientToPeer, &voice, JitterBuffer::Ms40, &rtt).unwrap()
    }

    fn lossy(lost: u64) -> Counts {
        let received = 500 - lost;
        let loss_runs = [lost, 0, 0, 0, 0, 0, 0];
        Counts { expected: 500, received, lost, loss_runs, timed: received, ..Counts::default() }
    }

    #[test]
    fn a_percentage_of_loss_is_not_rounded() {
        let inputs = verdict(&Counts { expected: 1_000, received: 991, ..lossy(9) }, 20, 20).inputs;
        assert!((inputs.loss - 0.9).abs() < 1e-12);
    }

    #[test]
    fn discards_are_a_part_of_what_was_expected() {
        let counts = Counts { discarded: [40, 0, 0, 0], ..lossy(100) };
        let inputs = verdict(&counts, 20, 20).inputs;
        assert!((inputs.loss - 20.0).abs() < 1e-9 && (inputs.discard - 8.0).abs() < 1e-9, "{inputs:?}");
    }

    #[test]
    fn losses_that_come_together_weigh_more() {
        let together = Counts { loss_runs: [0, 0, 0, 4, 0, 0, 0], ..lossy(20) };
        let (one_by_one, together) = (verdict(&lossy(20), 20, 20), verdict(&together, 20, 20));
        assert!((together.inputs.burst_ratio - 4.8).abs() < 1e-9);
        assert!(together.rating.mos < one_by_one.rating.mos);
        assert!((one_by_one.inputs.burst_ratio - 1.0).abs() < 1e-9);
    }

    #[test]
    fn the_delay_is_that_of_both_legs_and_of_the_receiver() {
        let inputs = verdict(&lossy(0), 30, 90).inputs;
        assert_eq!(inputs.delay, Duration::from_millis(15 + 45 + 40 + 20));
    }

    #[test]
    fn a_delay_belongs_to_the_leg_that_has_two_thirds_of_it() {
        let leg = |client, peer| verdict(&lossy(0), client, peer).trouble.unwrap().leg;
        assert_eq!(leg(400, 200), Some(Leg::Client));
        assert_eq!(leg(200, 400), Some(Leg::Peer));
        assert_eq!(leg(300, 200), None);
        assert_eq!(leg(0, 0), None);
    }

    #[test]
    fn a_codec_is_the_trouble_only_where_there_is_little_else() {
        let cause = |lost| verdict_with("opus", &lossy(lost), 20, 20).trouble.unwrap().cause;
        assert_eq!((cause(0), cause(4), cause(5)), (Cause::Codec, Cause::Codec, Cause::Loss));
    }

    #[test]
    fn a_mean_gives_every_second_the_same_weight() {
        let mut all = Vec::new();
        let (good, bad) = (verdict(&lossy(0), 20, 20), verdict(&lossy(50), 20, 20));
        add(&mut all, &good, Duration::ZERO, Duration::from_secs(30));
        add(&mut all, &bad, Duration::from_secs(30), Duration::from_secs(10));
        let scores = all[0];
        let expected = (good.rating.mos * 3.0 + bad.rating.mos) / 4.0;
        assert!((scores.mean_mos - expected).abs() < 1e-9);
        assert!((scores.causes.loss - bad.rating.causes.loss / 4.0).abs() < 1e-9);
        assert_eq!((scores.worst.rating, scores.worst.start), (bad.rating, Duration::from_secs(30)));
    }

    #[test]
    fn what_is_short_is_the_worst_only_until_there_is_something_longer() {
        let mut all = Vec::new();
        let (good, bad) = (verdict(&lossy(0), 20, 20), verdict(&lossy(50), 20, 20));
        add(&mut all, &bad, Duration::ZERO, Duration::from_millis(4_999));
        assert_eq!(all[0].worst.rating, bad.rating);
        add(&mut all, &good, Duration::from_secs(5), Duration::from_secs(5));
        assert_eq!(all[0].worst.rating, good.rating);
        add(&mut all, &bad, Duration::from_secs(10), Duration::from_secs(10));
        assert_eq!(all[0].worst.rating, bad.rating);
    }
}
