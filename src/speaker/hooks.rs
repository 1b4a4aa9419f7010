//! The operator's commands at a change of state, on a thread of their own, one after another.
//!
//! They are run without a shell, with the change in their environment, and what they write goes nowhere. One that takes
//! too long is killed with all that it started. Changes that come faster than commands end wait, a few; of more the
//! oldest are left out and told of, since the last state is the one that matters.

use std::collections::VecDeque;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fmt, io};

use rustix::process::{Pid, Signal, kill_process_group};

use super::settings::HookSettings;
use crate::announce::Change;

/// Changes that may wait.
const WAITING: usize = 16;
/// Between two looks at a command that runs.
const STEP: Duration = Duration::from_millis(10);
/// For a command that runs when the relay ends.
const LAST: Duration = Duration::from_millis(500);

/// The thread, and what waits for it.
#[derive(Debug)]
pub(super) struct Hooks {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    bell: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Job>,
    left_out: u64,
    is_ending: bool,
}

#[derive(Debug)]
struct Job {
    hooks: Arc<[HookSettings]>,
    change: Change,
}

impl Hooks {
    pub(super) fn start() -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new().name("tern-hooks".to_owned());
        let thread = thread.spawn(move || run_all(&theirs))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Runs the commands for a change when those before it are done.
    pub(super) fn run(&self, hooks: &Arc<[HookSettings]>, change: Change) {
        if hooks.is_empty() {
            return;
        }
        let mut state = self.shared.state();
        if state.waiting.len() == WAITING {
            state.waiting.pop_front();
            state.left_out = state.left_out.saturating_add(1);
        }
        state.waiting.push_back(Job { hooks: Arc::clone(hooks), change });
        self.shared.bell.notify_one();
    }
}

/// What runs has a moment left; what waits is not run any more.
impl Drop for Hooks {
    fn drop(&mut self) {
        self.shared.state().is_ending = true;
        self.shared.bell.notify_one();
        if let Some(thread) = self.thread.take() {
            // It does not panic; and if it did, nobody is left to tell.
            drop(thread.join());
        }
    }
}

impl Shared {
    /// What it holds is whole between any two statements.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next change; none when there will be no more.
    fn next(&self) -> Option<(Job, u64)> {
        let mut state = self.state();
        loop {
            if state.is_ending {
                return None;
            }
            if let Some(job) = state.waiting.pop_front() {
                return Some((job, std::mem::take(&mut state.left_out)));
            }
            state = self.bell.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn is_ending(&self) -> bool {
        self.state().is_ending
    }
}

fn run_all(shared: &Shared) {
    while let Some((job, left_out)) = shared.next() {
        if left_out > 0 {
            tracing::warn!(
                left_out,
                "commands at a change of state take too long; for some changes none was run"
            );
        }
        for hook in job.hooks.iter() {
            if let Err(fault) = run(hook, &job.change, shared) {
                let command = hook.command.first().map_or("", String::as_str);
                tracing::warn!(command, %fault, "a command at a change of state has failed");
            }
        }
    }
}

/// Why a command did no good.
#[derive(Debug)]
enum Fault {
    Start(io::Error),
    Late(Duration),
    /// It had a moment left, and was not done then.
    Ending,
    Status(ExitStatus),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => write!(f, "cannot be run: {error}"),
            Self::Late(timeout) => write!(f, "killed: it took longer than {timeout:?}"),
            Self::Ending => f.write_str("killed before it was done: the relay stops"),
            Self::Status(status) => write!(f, "{status}"),
        }
    }
}

fn run(hook: &HookSettings, change: &Change, shared: &Shared) -> Result<(), Fault> {
    let Some((program, arguments)) = hook.command.split_first() else { return Ok(()) };
    let child = Command::new(program)
        .args(arguments)
        .envs(environment(change))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(Fault::Start)?;
    wait(child, hook.timeout, shared)
}

fn environment(change: &Change) -> [(&'static str, String); 5] {
    let prefixes: Vec<_> = change.prefixes.iter().map(ToString::to_string).collect();
    [
        ("TERN_STATE", change.state.to_string()),
        ("TERN_PREVIOUS_STATE", change.previous.to_string()),
        ("TERN_REASONS", change.reasons.join("\n")),
        ("TERN_PREFIXES", prefixes.join(" ")),
        ("TERN_TIME", change.at.to_string()),
    ]
}

fn wait(mut child: Child, timeout: Duration, shared: &Shared) -> Result<(), Fault> {
    let mut waited = Duration::ZERO;
    // When the relay ends, if that leaves it less time.
    let mut last = None;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(Fault::Status(status)),
            Ok(None) => {}
            Err(error) => return Err(Fault::Start(error)),
        }
        if waited >= last.unwrap_or(timeout) {
            // It fails only if they are gone.
            let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
            drop(child.wait());
            return Err(last.map_or(Fault::Late(timeout), |_| Fault::Ending));
        }
        if last.is_none() && shared.is_ending() {
            last = Some(waited + LAST).filter(|last| *last < timeout);
        }
        thread::sleep(STEP);
        waited += STEP;
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::announce::health::State as Health;
    use crate::time::UnixTime;

    fn change(state: Health) -> Change {
        Change {
            at: UnixTime(0),
            previous: Health::Healthy,
            state,
            reasons: vec!["first".into(), "second; $(third)".into()],
            prefixes: vec!["192.0.2.1/32".parse().unwrap(), "2001:db8::1/128".parse().unwrap()],
        }
    }

    fn hooks(script: &str, timeout: Duration) -> Arc<[HookSettings]> {
        let command = ["/bin/sh", "-c", script].map(str::to_owned).into();
        Arc::new([HookSettings { command, timeout }])
    }

    fn read_when_complete(path: &Path, lines: usize) -> String {
        for _ in 0..6_000 {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            if text.lines().count() >= lines {
                return text;
            }
            thread::sleep(STEP);
        }
        panic!("{}: never complete", path.display());
    }

    #[test]
    fn a_command_learns_of_the_change_by_its_environment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let script = format!(
            "env | grep ^TERN_ | sort > {path}.new; echo \"$TERN_REASONS\" >> {path}.new; mv {path}.new {path}",
            path = path.display()
        );
        let thread = Hooks::start().unwrap();
        thread.run(&hooks(&script, Duration::from_secs(60)), change(Health::Down));
        let text = read_when_complete(&path, 6);
        for line in [
            "TERN_STATE=down",
            "TERN_PREVIOUS_STATE=healthy",
            "TERN_PREFIXES=192.0.2.1/32 2001:db8::1/128",
            "TERN_TIME=1970-01-01T00:00:00Z",
            "second; $(third)",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
    }

    #[test]
    fn a_command_that_hangs_is_killed_and_the_next_is_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let thread = Hooks::start().unwrap();
        thread.run(&hooks("sleep 1000", Duration::from_millis(50)), change(Health::Down));
        let script = format!("echo $TERN_STATE >> {}", path.display());
        thread.run(&hooks(&script, Duration::from_secs(60)), change(Health::Healthy));
        assert_eq!(read_when_complete(&path, 1), "healthy\n");
    }

    #[test]
    fn of_more_changes_than_may_wait_the_last_ones_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let (path, gate) = (folder.path().join("out"), folder.path().join("gate"));
        let thread = Hooks::start().unwrap();
        let held = format!("until [ -e {} ]; do sleep 0.01; done", gate.display());
        thread.run(&hooks(&held, Duration::from_secs(60)), change(Health::Down));
        while !thread.shared.state().waiting.is_empty() {
            thread::sleep(STEP);
        }
        let script = format!("echo $TERN_STATE >> {}", path.display());
        let script = hooks(&script, Duration::from_secs(60));
        for _ in 0..3 {
            thread.run(&script, change(Health::Down));
        }
        for _ in 0..WAITING {
            thread.run(&script, change(Health::Draining));
        }
        assert_eq!(thread.shared.state().left_out, 3);
        std::fs::write(gate, "").unwrap();
        assert_eq!(read_when_complete(&path, WAITING), "draining\n".repeat(WAITING));
    }

    #[test]
    fn a_command_that_is_killed_is_told_of_with_the_true_reason() {
        let killed = |shared: &Shared, timeout| {
            let hook = &hooks("sleep 1000", timeout)[0];
            run(hook, &change(Health::Down), shared).unwrap_err().to_string()
        };
        let shared = Shared::default();
        assert_eq!(killed(&shared, STEP), "killed: it took longer than 10ms");
        shared.state().is_ending = true;
        assert_eq!(
            killed(&shared, STEP),
            "killed: it took longer than 10ms",
            "it would have been all the same"
        );
        let long = Duration::from_secs(60);
        assert_eq!(killed(&shared, long), "killed before it was done: the relay stops");
    }

    #[test]
    fn the_end_waits_for_no_command() {
        let thread = Hooks::start().unwrap();
        let script = hooks("sleep 1000", Duration::from_secs(1000));
        thread.run(&script, change(Health::Down));
        thread.run(&script, change(Health::Down));
        drop(thread);
    }
}
