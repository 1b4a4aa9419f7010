//! The log: for people on a terminal, one JSON object per line for everybody else. It goes to standard error.

use std::io::IsTerminal;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

use crate::config::{Level, Log, LogFormat};

/// Changes the level while the process runs.
#[derive(Clone, Debug)]
pub(super) struct LogControl(reload::Handle<LevelFilter, Registry>);

impl LogControl {
    /// Of no log.
    #[cfg(test)]
    pub(super) fn detached() -> Self {
        Self(reload::Layer::new(LevelFilter::OFF).1)
    }

    /// Lets everything through that is at least as important as `level`.
    pub(super) fn set_level(&self, level: Level) {
        // It fails only when the subscriber is gone, and then so is the log.
        let _ = self.0.reload(filter(level));
    }
}

/// Starts the log of this process.
pub(super) fn start(log: &Log) -> LogControl {
    let (level, handle) = reload::Layer::new(filter(log.level));
    let json = match log.format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Human => false,
        LogFormat::Json => true,
    };
    let registry = tracing_subscriber::registry().with(level);
    // It fails only when a log runs already, and that one serves as well.
    let _ = if json {
        registry.with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)).try_init()
    } else {
        let ansi = std::io::stderr().is_terminal();
        registry.with(fmt::layer().with_target(false).with_ansi(ansi).with_writer(std::io::stderr)).try_init()
    };
    std::panic::set_hook(Box::new(log_panic));
    LogControl(handle)
}

/// A panic is a line of the log like any other: the standard library's own words would not be JSON.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let text = panic.payload_as_str().unwrap_or("without a message");
    tracing::error!(thread = thread.name(), place, text, "a defect in the relay: a thread has panicked");
}

const fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}
