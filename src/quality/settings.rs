//! What sessions are told: plain values, made by the configuration and shared by all sessions of a worker.

use std::time::Duration;

use super::codec::Codecs;

/// How sessions count and rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What payload types stand for.
    pub codecs: Codecs,
    /// The receivers' jitter buffer, as a score assumes it.
    pub jitter_buffer: JitterBuffer,
    /// The DSCP that voices are marked with by who sends them, 0 to 63. A voice that comes without any was bleached
    /// before us then; without this nobody can tell.
    pub expected_dscp: Option<u8>,
    /// How many ten-second intervals are kept, at most [`Settings::HISTORY_MAX`].
    pub history: usize,
}

impl Settings {
    /// An hour of intervals.
    pub const HISTORY_MAX: usize = 360;
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            codecs: Codecs::default(),
            jitter_buffer: JitterBuffer::Ms60,
            expected_dscp: None,
            history: Self::HISTORY_MAX,
        }
    }
}

/// How long a receiver waits for what is late: one of the depths that streams count for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum JitterBuffer {
    /// 40 ms.
    Ms40,
    /// 60 ms.
    #[default]
    Ms60,
    /// 100 ms.
    Ms100,
    /// 200 ms.
    Ms200,
}

impl JitterBuffer {
    /// All of them, in the order in which streams count.
    pub const ALL: [Self; 4] = [Self::Ms40, Self::Ms60, Self::Ms100, Self::Ms200];

    /// Its place in [`JitterBuffer::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// How long that is.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(match self {
            Self::Ms40 => 40,
            Self::Ms60 => 60,
            Self::Ms100 => 100,
            Self::Ms200 => 200,
        })
    }

    /// As metrics and the configuration have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ms40 => "40ms",
            Self::Ms60 => "60ms",
            Self::Ms100 => "100ms",
            Self::Ms200 => "200ms",
        }
    }
}
