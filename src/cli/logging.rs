//! The log: for people on a terminal, one JSON object per line for everybody else. It goes to standard error.
//!
//! A thread of its own writes it, from a queue that drops and counts what finds it full: whoever collects logs may stall,
//! and neither the announcer nor a worker may wait for that.

use std::cell::Cell;
use std::io::{self, IsTerminal};

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

use crate::config::{Level, Log, LogFormat};

/// Lines that may wait to be written.
const LINES: usize = 8_192;

/// Changes the level while the process runs.
#[derive(Debug)]
pub(super) struct LogControl {
    level: reload::Handle<LevelFilter, Registry>,
    /// What it lets through.
    current: Cell<Level>,
    lost: Option<ErrorCounter>,
    /// Of those that have been told of.
    told: usize,
    /// Writes what waits when it is dropped, for a second at most.
    _guard: Option<WorkerGuard>,
}

impl LogControl {
    /// Of no log.
    #[cfg(test)]
    pub(super) fn detached() -> Self {
        Self {
            level: reload::Layer::new(LevelFilter::OFF).1,
            current: Cell::new(Level::Info),
            lost: None,
            told: 0,
            _guard: None,
        }
    }

    /// Lets everything through that is at least as important as `level`.
    pub(super) fn set_level(&self, level: Level) {
        // It fails only when the subscriber is gone, and then so is the log.
        let _ = self.level.reload(filter(level));
        self.current.set(level);
    }

    /// What is let through.
    pub(super) const fn level(&self) -> Level {
        self.current.get()
    }

    /// Lines that were lost since it was asked last, since nobody read the log.
    pub(super) fn take_lost(&mut self) -> usize {
        let lost = self.lost.as_ref().map_or(0, ErrorCounter::dropped_lines);
        lost.saturating_sub(std::mem::replace(&mut self.told, lost))
    }
}

/// Starts the log of this process.
pub(super) fn start(log: &Log) -> LogControl {
    let (level, handle) = reload::Layer::new(filter(log.level));
    let json = match log.format {
        LogFormat::Auto => !io::stderr().is_terminal(),
        LogFormat::Human => false,
        LogFormat::Json => true,
    };
    let registry = tracing_subscriber::registry().with(level);
    let builder = NonBlockingBuilder::default().thread_name("tern-log");
    let (writer, guard) = builder.lossy(true).buffered_lines_limit(LINES).finish(io::stderr());
    let lost = writer.error_counter();
    // It fails only when a log runs already, and that one serves as well.
    let _ = if json {
        registry.with(fmt::layer().json().flatten_event(true).with_writer(writer)).try_init()
    } else {
        let ansi = io::stderr().is_terminal();
        registry.with(fmt::layer().with_target(false).with_ansi(ansi).with_writer(writer)).try_init()
    };
    std::panic::set_hook(Box::new(log_panic));
    LogControl {
        level: handle,
        current: Cell::new(log.level),
        lost: Some(lost),
        told: 0,
        _guard: Some(guard),
    }
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
