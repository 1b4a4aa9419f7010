//! Child processes that end with their test: each is killed by its handle, and by the kernel should the test itself be
//! killed before it could.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// How often a wait looks again.
const STEP: Duration = Duration::from_millis(20);

/// Looks until `found` has something, for at most `limit`.
pub(crate) fn wait_for<T>(limit: Duration, mut found: impl FnMut() -> Option<T>) -> Option<T> {
    let steps = limit.as_millis() / STEP.as_millis();
    for _ in 0..=steps {
        if let Some(value) = found() {
            return Some(value);
        }
        sleep(STEP);
    }
    None
}

/// Where a program of this name would be run from.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// A command whose process gets SIGKILL when the thread that started it ends.
pub(crate) fn leashed(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", program]);
    command
}

/// A running child with everything it prints in one file.
pub(crate) struct Running {
    child: Child,
    output: File,
}

impl Running {
    /// Starts `command`, whose output goes to a file of its own in `folder`.
    pub(crate) fn start(mut command: Command, folder: &Path) -> Self {
        let output = tempfile::tempfile_in(folder).expect("a file for the output");
        let (first, second) = (output.try_clone().unwrap(), output.try_clone().unwrap());
        let child = command
            .stdin(Stdio::null())
            .stdout(first)
            .stderr(second)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        Self { child, output }
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, by its name.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status();
        assert!(status.expect("kill runs").success(), "no process to send SIG{name} to");
    }

    /// What it has printed so far.
    pub(crate) fn output(&self) -> String {
        let mut bytes = Vec::new();
        let mut at = 0;
        let mut chunk = vec![0; 64 * 1024];
        // The position of the file is the child's too, so it is not moved.
        while let Ok(count) = self.output.read_at(&mut chunk, at)
            && count > 0
        {
            bytes.extend_from_slice(&chunk[..count]);
            at += count as u64;
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Whether it has ended.
    pub(crate) fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of ours can be waited for")
    }

    /// Its end and all its output; a child that outlives `limit` is killed and fails the test.
    pub(crate) fn finish(mut self, limit: Duration) -> (ExitStatus, String) {
        let status = wait_for(limit, || self.status());
        let output = self.output();
        let status = status.unwrap_or_else(|| panic!("still running after {limit:?}:\n{output}"));
        (status, output)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `command` to its end.
pub(crate) fn run(command: Command, folder: &Path, limit: Duration) -> (ExitStatus, String) {
    Running::start(command, folder).finish(limit)
}
