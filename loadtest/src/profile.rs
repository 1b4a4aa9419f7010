//! What one flow sends: packets of one size, singly or in bursts, at a steady pace.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::media::STAMP_LEN;

/// The longest payload that fits ChannelData and UDP over IPv4, with room for a Send indication's header.
const LONGEST: usize = 65_400;

/// Packets of `size` bytes, `burst` of them back to back, a burst every `interval`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    /// Bytes of payload per packet.
    pub size: usize,
    /// Packets that leave together.
    pub burst: usize,
    /// From burst to burst.
    pub interval: Duration,
}

impl Profile {
    /// Opus at 64 kbit/s in frames of 20 ms, with RTP and SRTP around them.
    pub const OPUS: Self = Self { size: 160, burst: 1, interval: Duration::from_millis(20) };
    /// G.711 in frames of 20 ms, with RTP and SRTP around them.
    pub const PCMU: Self = Self { size: 182, burst: 1, interval: Duration::from_millis(20) };
    /// Video at 30 frames and about 2.3 Mbit/s: each frame is a burst of packets.
    pub const VP8: Self = Self { size: 1200, burst: 8, interval: Duration::from_nanos(33_333_333) };

    /// Packets per second of one flow.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.burst as f64 / self.interval.as_secs_f64()
    }

    /// The same packets and bursts at another pace: `rate` packets per second of one flow.
    #[must_use]
    pub fn at_rate(self, rate: f64) -> Self {
        Self { interval: Duration::from_secs_f64(self.burst as f64 / rate), ..self }
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "opus" => return Ok(Self::OPUS),
            "pcmu" => return Ok(Self::PCMU),
            "vp8" => return Ok(Self::VP8),
            _ => {}
        }
        let wrong = || {
            format!(
                "`{text}` is no profile; write opus, pcmu, vp8, or SIZExRATE or SIZExRATExBURST with bytes per \
                 packet, packets per second of one session and direction, and packets per burst: 160x50, 1200x240x8"
            )
        };
        let mut parts = text.split('x');
        let size = parts.next().and_then(|part| part.parse::<usize>().ok()).ok_or_else(wrong)?;
        let rate = parts.next().and_then(|part| crate::units::count(part).ok()).ok_or_else(wrong)?;
        let burst = parts.next().map_or(Ok(1), |part| part.parse::<usize>().map_err(|_| wrong()))?;
        if parts.next().is_some() || !(0.01..=1e6).contains(&rate) || !(1..=64).contains(&burst) {
            return Err(wrong());
        }
        if !(STAMP_LEN..=LONGEST).contains(&size) {
            return Err(format!(
                "packets have {STAMP_LEN} to {LONGEST} bytes, not {size}: the shortest hold what is measured"
            ));
        }
        let unpaced = Self { size, burst, interval: Duration::ZERO };
        Ok(unpaced.at_rate(rate))
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} B, {:.4} packets/s", self.size, self.rate())?;
        if self.burst > 1 {
            write!(f, " in bursts of {}", self.burst)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_figures_are_profiles() {
        assert_eq!("opus".parse(), Ok(Profile::OPUS));
        assert_eq!("pcmu".parse(), Ok(Profile::PCMU));
        assert_eq!("vp8".parse(), Ok(Profile::VP8));
        assert_eq!("160x50".parse(), Ok(Profile::OPUS));
        let burst: Profile = "1200x240x8".parse().unwrap();
        assert_eq!((burst.size, burst.burst), (1200, 8));
        assert_eq!(burst.rate().round(), 240.0);
        assert!("160x2k".parse::<Profile>().unwrap().rate() > 1999.0);
    }

    #[test]
    fn nonsense_is_refused_with_an_example() {
        for text in
            ["", "160", "x", "160x", "160x0", "x50", "160x50x0", "160x50x65", "160x50x2x2", "-5x5", "1e9x1"]
        {
            let error = text.parse::<Profile>().unwrap_err();
            assert!(error.contains("160x50"), "{text}: {error}");
        }
        for text in ["8x50", "70000x50"] {
            assert!(text.parse::<Profile>().unwrap_err().contains("bytes"), "{text}");
        }
    }

    #[test]
    fn another_rate_keeps_the_packets() {
        let fast = Profile::VP8.at_rate(1000.0);
        assert_eq!((fast.size, fast.burst, fast.interval), (1200, 8, Duration::from_millis(8)));
    }
}
