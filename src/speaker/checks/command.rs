//! A command of the operator's: started without a shell in a process group of its own, which is killed if it takes too
//! long. Exit code 0 is good, everything else is bad; the first line that it says is told.

use std::io::{self, PipeReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::announce::health::{Report, Verdict};

/// Bytes of its output that are kept; the rest is read and forgotten.
const KEPT: usize = 512;
/// Characters of a line that are told.
const LINE: usize = 200;
/// What one look reads at most.
const READ: usize = 64 * 1024;

/// One that has been started.
pub(super) struct Running {
    child: Child,
    output: PipeReader,
    text: Vec<u8>,
    gone: bool,
}

impl Running {
    /// # Errors
    /// A report why it cannot be started.
    pub(super) fn start(argv: &[String]) -> Result<Self, Report> {
        let Some((program, arguments)) = argv.split_first() else {
            return Err(Report::new(Verdict::Bad, "no command"));
        };
        let failed = |error: io::Error| Report::new(Verdict::Bad, format!("cannot run {program}: {error}"));
        Self::spawn(program, arguments).map_err(failed)
    }

    fn spawn(program: &str, arguments: &[String]) -> io::Result<Self> {
        let (output, input) = io::pipe()?;
        rustix::io::ioctl_fionbio(&output, true)?;
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(input.try_clone()?)
            .stderr(input)
            .process_group(0)
            .spawn()?;
        Ok(Self { child, output, text: Vec::new(), gone: false })
    }

    /// The outcome, once there is one.
    pub(super) fn look(&mut self) -> Option<Report> {
        self.read();
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => {
                self.gone = true;
                self.read();
                Some(self.judge(status))
            }
            Err(error) => {
                self.gone = true;
                Some(Report::new(Verdict::Bad, format!("its end is not known: {error}")))
            }
        }
    }

    /// It and all that it has started, unless it has ended by itself: what it has left behind then was meant to stay.
    pub(super) fn kill(&mut self) {
        if !self.gone {
            // It fails only if they are gone.
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        }
    }

    /// Kills it and waits until it is gone.
    pub(super) fn end(&mut self) {
        self.kill();
        // It fails only if it was waited for already.
        drop(self.child.wait());
        self.gone = true;
    }

    /// Whether nothing of it is left to be waited for.
    pub(super) fn is_gone(&mut self) -> bool {
        self.gone = self.gone || !matches!(self.child.try_wait(), Ok(None));
        self.gone
    }

    fn read(&mut self) {
        let mut buffer = [0; 4096];
        for _ in 0..READ / buffer.len() {
            let Ok(length @ 1..) = self.output.read(&mut buffer) else { return };
            let room = KEPT.saturating_sub(self.text.len()).min(length);
            self.text.extend_from_slice(buffer.get(..room).unwrap_or_default());
        }
    }

    fn judge(&self, status: ExitStatus) -> Report {
        let said = first_line(&self.text);
        if status.success() {
            return Report::new(Verdict::Good, said);
        }
        let how = match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("ended by signal {signal}"),
            (None, None) => "ended in an unknown way".to_owned(),
        };
        let separator = if said.is_empty() { "" } else { ": " };
        Report::new(Verdict::Bad, format!("{how}{separator}{said}"))
    }
}

fn first_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    line.chars().filter(|one| !one.is_control()).take(LINE).collect()
}
