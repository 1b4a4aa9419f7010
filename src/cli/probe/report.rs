//! What a probe has found, for people and for programs.

use std::fmt::Write as _;
use std::net::SocketAddr;

use serde::Serialize;

use super::trouble::Trouble;

/// A call.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) ok: bool,
    pub(super) uri: String,
    /// The address that was taken of the server's.
    pub(super) server: Option<SocketAddr>,
    pub(super) transport: &'static str,
    /// What the server calls itself.
    pub(super) software: Option<String>,
    /// This client, as the server sees it.
    pub(super) mapped: Option<SocketAddr>,
    /// The address that the server relays for it.
    pub(super) relayed: Option<SocketAddr>,
    /// Who sent the media back: "allocation" or "socket".
    pub(super) peer: Option<&'static str>,
    pub(super) steps: Vec<Step>,
    /// What is worth knowing.
    pub(super) notes: Vec<String>,
    pub(super) media: Option<Media>,
    pub(super) trouble: Option<Trouble>,
}

/// One that succeeded.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) milliseconds: f64,
    pub(super) detail: String,
}

/// What became of the packets.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Media {
    pub(super) seconds: f64,
    pub(super) packets_per_second: u32,
    /// From the first client to the peer.
    pub(super) out: Way,
    /// From the peer to the first client.
    pub(super) back: Way,
    /// To the peer and back, through the server both times.
    pub(super) rtt_p50_ms: Option<f64>,
    pub(super) rtt_p95_ms: Option<f64>,
    pub(super) rtt_max_ms: Option<f64>,
}

/// One direction.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Way {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) lost: u64,
    pub(super) loss_percent: f64,
    pub(super) duplicate: u64,
    pub(super) reordered: u64,
    /// RFC 3550, the mean of the run.
    pub(super) jitter_ms: Option<f64>,
    /// G.107 with G.711, 1 to 4.4.
    pub(super) mos: Option<f64>,
}

impl Report {
    /// Fails a call that is worse than that.
    pub(super) fn demand(&mut self, least: f64) {
        let Some(media) = self.media.as_ref().filter(|_| self.ok) else { return };
        let worst =
            [&media.out, &media.back].map(|way| way.mos.unwrap_or(1.0)).into_iter().fold(f64::MAX, f64::min);
        if worst < least {
            self.ok = false;
            let text = format!("the opinion score is {worst:.2}, and at least {least:.2} was asked for");
            let remedy =
                "see which direction loses packets or has jitter; a round trip above 300 ms costs as well";
            self.trouble = Some(Trouble::new("media", text, remedy));
        }
    }

    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!("Probe of {}\n\n", self.uri);
        for step in &self.steps {
            // Writing to a string cannot fail.
            let _ =
                writeln!(text, "  ok      {:<10} {:>8.1} ms  {}", step.name, step.milliseconds, step.detail);
        }
        if let Some(trouble) = &self.trouble {
            let _ = writeln!(text, "  FAILED  {:<10} {}", trouble.step, trouble.text);
            let _ = writeln!(text, "          to do      {}", trouble.remedy);
        }
        if let Some(media) = &self.media {
            text.push_str(&media.text());
        }
        for note in &self.notes {
            let _ = writeln!(text, "\nNote: {note}");
        }
        text
    }
}

impl Media {
    fn text(&self) -> String {
        let mut text = format!(
            "\nMedia for {} s, {} packets/s of RTP (G.711)\n\n",
            self.seconds, self.packets_per_second
        );
        let row = |name: &str, way: &Way| {
            vec![
                name.to_owned(),
                way.sent.to_string(),
                way.received.to_string(),
                format!("{:.2} %", way.loss_percent),
                or_dash(way.jitter_ms, " ms"),
                or_dash(way.mos, ""),
            ]
        };
        let rows = [row("  to the peer", &self.out), row("  and back", &self.back)];
        let headings = ["  Direction", "Sent", "Received", "Lost", "Jitter", "MOS"];
        text.push_str(&crate::cli::table::table(&headings, &rows));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "\n  Round trip  half below {}, 95 % below {}, longest {}; to the peer and back, through the server both times",
            or_dash(self.rtt_p50_ms, " ms"),
            or_dash(self.rtt_p95_ms, " ms"),
            or_dash(self.rtt_max_ms, " ms")
        );
        text
    }
}

fn or_dash(number: Option<f64>, unit: &str) -> String {
    number.map_or_else(|| "-".to_owned(), |number| format!("{number:.2}{unit}"))
}
