//! What may hang in the kernel for as long as a storage is dead, a look at a file and the start of a program, each on a
//! short-lived thread of its own, "tern-check". Nobody joins one. Of each check at most one is under way: while it hangs,
//! the next run of that check waits behind it and is bad when its time is over; no other check notices.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Weak};
use std::{io, thread};

use super::CheckKind;
use super::command::Running;
use crate::announce::CheckId;
use crate::announce::health::{Report, Verdict};

/// A command that runs, or the outcome.
type Found = Result<Running, Report>;
/// With what was found comes the helper's sign of life, to be dropped.
type Brought = (Found, Arc<()>);

/// The helpers that are under way, even those of checks that there are no longer.
#[derive(Default)]
pub(super) struct Helpers(Vec<(CheckId, CheckKind, Weak<()>)>);

/// A run that has been handed to a helper, or waits for an earlier one to come back.
pub(super) enum Helped {
    UnderWay(Receiver<Brought>),
    Behind { check: CheckId, kind: CheckKind },
}

impl Helpers {
    /// Hands a file or a command to a helper.
    pub(super) fn start(&mut self, check: CheckId, kind: CheckKind) -> Result<Helped, Report> {
        let subject = kind.clone();
        self.start_with(check, kind, move || find(&subject))
    }

    fn start_with(
        &mut self,
        check: CheckId,
        kind: CheckKind,
        find: impl FnOnce() -> Found + Send + 'static,
    ) -> Result<Helped, Report> {
        if self.is_under_way(check, &kind) {
            return Ok(Helped::Behind { check, kind });
        }
        let alive = Arc::new(());
        let sign = Arc::downgrade(&alive);
        // Without room: what nobody takes stays with the helper, which cleans up.
        let (bring, brought) = sync_channel(0);
        let body = move || bring_back(&bring, find(), alive);
        let spawned = thread::Builder::new().name("tern-check".to_owned()).spawn(body);
        spawned.map_err(|error| bad(format!("the system has no thread for it: {error}")))?;
        self.0.push((check, kind, sign));
        Ok(Helped::UnderWay(brought))
    }

    fn is_under_way(&mut self, check: CheckId, kind: &CheckKind) -> bool {
        self.0.retain(|(_, _, sign)| sign.strong_count() > 0);
        self.0.iter().any(|(other, subject, _)| *other == check && subject == kind)
    }
}

impl Helped {
    /// What was found, once it is known.
    pub(super) fn look(&mut self, helpers: &mut Helpers) -> Option<Found> {
        match self {
            Self::UnderWay(brought) => match brought.try_recv() {
                Ok((found, _)) => Some(found),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => Some(Err(bad("the thread that looked has died"))),
            },
            Self::Behind { check, kind } if !helpers.is_under_way(*check, kind) => {
                match helpers.start(*check, kind.clone()) {
                    Ok(helped) => *self = helped,
                    Err(report) => return Some(Err(report)),
                }
                None
            }
            Self::Behind { .. } => None,
        }
    }

    /// For when the time is over.
    pub(super) const fn complaint(&self) -> &'static str {
        match self {
            Self::UnderWay(_) => "it hangs",
            Self::Behind { .. } => "an earlier run is still hanging",
        }
    }
}

fn bring_back(bring: &SyncSender<Brought>, found: Found, alive: Arc<()>) {
    // The run has been given up: its command has no time left.
    if let Err(refused) = bring.send((found, alive)) {
        let (found, _alive) = refused.0;
        if let Ok(mut running) = found {
            running.end();
        }
    }
}

fn find(kind: &CheckKind) -> Found {
    if let CheckKind::Command { argv } = kind {
        return Running::start(argv);
    }
    if let CheckKind::File { path, present } = kind {
        return Err(judge_file(path, *present, path.try_exists()));
    }
    Err(bad("this needs no helper"))
}

fn judge_file(path: &Path, present: bool, found: io::Result<bool>) -> Report {
    let path = path.display();
    match (found, present) {
        (Ok(true), true) | (Ok(false), false) => Report::new(Verdict::Good, ""),
        (Ok(true), false) => bad(format!("{path} is there")),
        (Ok(false), true) => bad(format!("{path} is not there")),
        (Err(error), _) => bad(format!("cannot see whether {path} is there: {error}")),
    }
}

fn bad(text: impl Into<Box<str>>) -> Report {
    Report::new(Verdict::Bad, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn file(present: bool, path: &Path) -> CheckKind {
        CheckKind::File { path: path.to_owned(), present }
    }

    fn outcome(helped: &mut Helped, helpers: &mut Helpers) -> Report {
        for _ in 0..12_000 {
            match helped.look(helpers) {
                Some(Err(report)) => return report,
                Some(Ok(_)) => panic!("a command"),
                None => thread::sleep(Duration::from_millis(5)),
            }
        }
        panic!("no outcome")
    }

    #[test]
    fn a_look_that_hangs_is_waited_for_by_its_own_check_alone() {
        let mut helpers = Helpers::default();
        let here = std::env::current_exe().unwrap();
        let (release, released) = sync_channel::<()>(0);
        let hang = move || {
            let _ = released.recv();
            Err(bad("too late"))
        };
        let mut first = helpers.start_with(CheckId(0), file(true, &here), hang).unwrap();
        let mut other = helpers.start(CheckId(1), file(true, &here)).unwrap();
        assert_eq!(outcome(&mut other, &mut helpers).verdict, Verdict::Good);
        assert!(first.look(&mut helpers).is_none());
        assert_eq!(first.complaint(), "it hangs");
        drop(first);
        for _ in 0..3 {
            let mut next = helpers.start(CheckId(0), file(true, &here)).unwrap();
            assert!(next.look(&mut helpers).is_none());
            assert_eq!(next.complaint(), "an earlier run is still hanging");
        }
        assert_eq!(helpers.0.iter().filter(|(check, ..)| *check == CheckId(0)).count(), 1);
        let mut behind = helpers.start(CheckId(0), file(true, &here)).unwrap();
        drop(release);
        assert_eq!(outcome(&mut behind, &mut helpers), Report::new(Verdict::Good, ""), "its own outcome");
    }

    #[test]
    fn a_file_that_cannot_be_looked_for_is_bad_whether_it_is_wanted_or_not() {
        let mut helpers = Helpers::default();
        let here = std::env::current_exe().unwrap();
        let (beneath, beside) = (here.join("flag"), here.with_file_name("there is no such file"));
        for (path, present, verdict) in [
            (&here, true, Verdict::Good),
            (&here, false, Verdict::Bad),
            (&beside, true, Verdict::Bad),
            (&beside, false, Verdict::Good),
            (&beneath, true, Verdict::Bad),
            (&beneath, false, Verdict::Bad),
        ] {
            let mut helped = helpers.start(CheckId(0), file(present, path)).unwrap();
            let report = outcome(&mut helped, &mut helpers);
            assert_eq!(report.verdict, verdict, "{}: {}", path.display(), report.detail);
            assert_eq!(report.detail.starts_with("cannot see whether"), path == &beneath);
        }
    }

    #[test]
    fn a_command_that_starts_when_nobody_waits_any_more_is_killed() {
        let mut helpers = Helpers::default();
        let argv = ["sleep", "1000"].map(str::to_owned).to_vec();
        let helped = helpers.start(CheckId(0), CheckKind::Command { argv: argv.clone() }).unwrap();
        drop(helped);
        let kind = CheckKind::Command { argv };
        for _ in 0..12_000 {
            // The helper ends when the command has.
            if !helpers.is_under_way(CheckId(0), &kind) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("it runs on");
    }
}
