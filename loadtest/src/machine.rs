//! What this machine is, for the report.

use crate::outcome::Machine;

/// Describes this machine; what cannot be found out stays empty.
#[must_use]
pub fn describe() -> Machine {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| -> Option<String> {
        text.lines()
            .find(|line| line.starts_with(name))?
            .split_once(':')
            .map(|(_, value)| value.trim().to_owned())
    };
    let kilobytes = |text: String| text.split(' ').next().and_then(|number| number.parse::<u64>().ok());
    Machine {
        system: format!(
            "{} {}",
            read("/proc/sys/kernel/ostype").trim(),
            read("/proc/sys/kernel/osrelease").trim()
        ),
        processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or_default(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory: field(&read("/proc/meminfo"), "MemTotal").and_then(kilobytes).unwrap_or(0) * 1024,
    }
}
