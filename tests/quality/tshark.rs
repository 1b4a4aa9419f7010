//! What tshark says about a capture file: `-z rtp,streams`, one line per stream.

use std::path::Path;
use std::process::Command;

use crate::capture::PORT;
use crate::skip::Missing;

/// One line of its table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stream {
    pub(crate) ssrc: u32,
    /// Packets, copies included.
    pub(crate) packets: u64,
    /// What it expected less what came, copies included: below zero where there were more copies than losses.
    pub(crate) lost: i64,
    /// Milliseconds, two places of them.
    pub(crate) mean_jitter: f64,
    pub(crate) max_jitter: f64,
}

/// Has it read the file.
pub(crate) fn streams(file: &Path) -> Result<Vec<Stream>, Missing> {
    let mut command = Command::new("tshark");
    // Nothing of a user's settings, no names looked up.
    command.env("HOME", file.parent().unwrap()).args(["-n", "-q", "-z", "rtp,streams"]);
    command.args(["-d", &format!("udp.port=={PORT},rtp"), "-r"]).arg(file);
    let output = command.output().map_err(|error| Missing(format!("the program tshark: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(text.lines().filter_map(parse).collect())
}

/// ` 0.0 2.9 192.0.2.1 40000 192.0.2.2 40000 0x00C0FFEE g711U 150 0 (0.0%) 19.9 20.0 20.1 0.0 0.0 0.1 X`: names of codecs
/// may have blanks in them.
fn parse(line: &str) -> Option<Stream> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let ssrc = words.iter().find_map(|word| word.strip_prefix("0x"))?;
    let share = words.iter().position(|word| word.starts_with('(') && word.ends_with("%)"))?;
    let number = |index: usize| words.get(index)?.parse::<f64>().ok();
    Some(Stream {
        ssrc: u32::from_str_radix(ssrc, 16).ok()?,
        packets: words.get(share - 2)?.parse().ok()?,
        lost: words.get(share - 1)?.parse().ok()?,
        mean_jitter: number(share + 5)?,
        max_jitter: number(share + 6)?,
    })
}

#[test]
fn a_line_is_read_whatever_the_codec_is_called() {
    for codec in ["g711U", "ITU-T G.722", "RTPType-111"] {
        let line = format!(
            " 1.0  2.9  192.0.2.1 40000 192.0.2.2 40000 0x00C0FFEE {codec} 150 -3 (-2.0%) 19.9 20.0 20.1 0.0 1.25 3.5 X"
        );
        let stream = Stream { ssrc: 0xc0_ffee, packets: 150, lost: -3, mean_jitter: 1.25, max_jitter: 3.5 };
        assert_eq!(parse(&line), Some(stream));
    }
    assert_eq!(parse("========= RTP Streams ========"), None);
}
