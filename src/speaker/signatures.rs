//! What the kernel says of TCP MD5: it drops segments that are signed wrongly, or not at all, without a word, and counts
//! them for the whole network namespace. That is all the evidence there is of a wrong password.

use std::fs;
use std::time::Duration;

const COUNTERS: &str = "/proc/self/net/netstat";
const NAMES: [&str; 3] = ["TCPMD5NotFound", "TCPMD5Unexpected", "TCPMD5Failure"];

/// What was counted when the oldest attempt that may still fail began.
#[derive(Debug, Default)]
pub(super) struct Signatures {
    before: Option<u64>,
}

impl Signatures {
    /// Of all connections so far; none if the kernel does not say.
    pub(super) fn badly_signed() -> Option<u64> {
        sum(&fs::read_to_string(COUNTERS).ok()?)
    }

    /// An attempt to connect begins.
    pub(super) fn begin(&mut self) {
        if self.before.is_none() {
            self.before = Self::badly_signed();
        }
    }

    /// Why nobody answered an attempt, as far as it can be told.
    pub(super) fn explain_silence(&mut self, time: Duration) -> String {
        let now = Self::badly_signed();
        let before = std::mem::replace(&mut self.before, now);
        let dropped = now.zip(before).map_or(0, |(now, before)| now.saturating_sub(before));
        silence(time, dropped)
    }
}

fn silence(time: Duration, dropped: u64) -> String {
    let seconds = time.as_secs();
    if dropped > 0 {
        return format!(
            "no answer for {seconds} s, and meanwhile {dropped} segments came whose TCP MD5 signature is wrong or \
             missing: compare the passwords of both sides"
        );
    }
    format!(
        "no answer for {seconds} s: is the address right, does a firewall stand between, do both sides have the same \
         TCP MD5 password, or both none?"
    )
}

/// The file has a line of names and one of numbers for each protocol.
fn sum(text: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("TcpExt: "));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let columns = names.split_whitespace().zip(numbers.split_whitespace());
    let ours = columns.filter(|(name, _)| NAMES.contains(name));
    ours.map(|(_, number)| number.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counters_of_signatures_are_added_up() {
        let text = "TcpExt: A TCPMD5NotFound B TCPMD5Unexpected TCPMD5Failure\nTcpExt: 9 1 9 2 4\nIpExt: A\nIpExt: 5\n";
        assert_eq!(sum(text), Some(7));
        assert_eq!(sum("IpExt: A\nIpExt: 5\n"), None);
        assert!(Signatures::badly_signed().is_some());
    }

    #[test]
    fn the_words_name_the_password_when_the_kernel_has_dropped_segments() {
        let time = Duration::from_secs(9);
        assert!(silence(time, 3).contains("3 segments came whose TCP MD5 signature is wrong"));
        assert!(silence(time, 0).contains("firewall"));
    }
}
