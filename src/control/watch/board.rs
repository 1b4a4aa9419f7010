//! Alerts from when they are noticed until they are over: what is bad for a moment only is none, and what hovers about its
//! threshold is one.

use std::collections::BTreeMap;
use std::time::Duration;

use super::rules::{Finding, Level};
use super::timeline::Happening;
use crate::control::admin::{Alert, AlertSeverity, EventKind, EventSeverity};
use crate::time::{Now, Time, UnixTime};

/// How long something is bad until it is an alert, where its rule does not say that it is one at once.
const RAISE: Duration = Duration::from_secs(10);
/// How long it must have been well until the alert is over.
const CLEAR: Duration = Duration::from_secs(30);
/// More there cannot be with any sensible number of neighbours and certificates.
const MOST: usize = 256;

type Key = (&'static str, Option<String>);

/// What is wrong now.
#[derive(Debug, Default)]
pub(super) struct Board(BTreeMap<Key, Entry>);

#[derive(Debug)]
struct Entry {
    finding: Finding,
    severity: AlertSeverity,
    /// The worst that was told of it.
    told: AlertSeverity,
    /// Since when it is worse than that.
    worse: Option<Time>,
    first: Time,
    /// When it became an alert.
    raised: Option<UnixTime>,
    /// When it was last not well.
    last: Time,
}

impl Board {
    /// Takes in what the rules have found, and says what follows from that.
    pub(super) fn take(&mut self, now: Now, findings: Vec<Finding>) -> Vec<Happening> {
        let mut told = Vec::new();
        for finding in findings {
            let key = (finding.name, finding.subject.clone());
            if let Some(entry) = self.0.get_mut(&key) {
                entry.see(now.time, finding);
            } else if let Level::Bad(severity) = finding.level
                && self.0.len() < MOST
            {
                let (first, last) = (now.time, now.time);
                let entry =
                    Entry { finding, severity, told: severity, worse: None, first, raised: None, last };
                self.0.insert(key, entry);
            }
        }
        for entry in self.0.values_mut() {
            told.extend(entry.raise(now));
        }
        self.0.retain(|_, entry| entry.remains(now.time, &mut told));
        told
    }

    /// The worst first, of the same severity the oldest.
    pub(super) fn alerts(&self) -> Vec<Alert> {
        let mut alerts: Vec<_> = self.0.values().filter_map(Entry::alert).collect();
        alerts.sort_by(|one, other| {
            other.severity.cmp(&one.severity).then_with(|| one.since.cmp(&other.since))
        });
        alerts
    }
}

impl Entry {
    fn see(&mut self, now: Time, finding: Finding) {
        if let Level::Bad(severity) = finding.level {
            self.severity = severity;
            self.worse = if severity > self.told { self.worse.or(Some(now)) } else { None };
        } else if self.raised.is_none() {
            // It was bad for a moment.
            return;
        }
        (self.last, self.finding) = (now, finding);
    }

    /// Tells of it when it becomes an alert, and again when it has become worse: each time once it has been so for long enough.
    fn raise(&mut self, now: Now) -> Option<Happening> {
        let (since, text) = match self.raised {
            None => (self.first, "alert"),
            Some(_) => (self.worse?, "alert has become worse"),
        };
        if !self.finding.is_fact && self.last.since(since) < RAISE {
            return None;
        }
        self.raised.get_or_insert(now.unix);
        (self.told, self.worse) = (self.severity, None);
        let severity = match self.severity {
            AlertSeverity::Warning => EventSeverity::Warning,
            AlertSeverity::Critical => EventSeverity::Critical,
        };
        Some(self.tell(severity, text).with("text", &self.finding.text).with("remedy", self.finding.remedy))
    }

    fn remains(&self, now: Time, told: &mut Vec<Happening>) -> bool {
        let well_for = now.since(self.last);
        match self.raised {
            None => well_for.is_zero(),
            Some(_) if well_for < CLEAR => true,
            Some(_) => {
                told.push(self.tell(EventSeverity::Info, "alert is over"));
                false
            }
        }
    }

    fn tell(&self, severity: EventSeverity, text: &'static str) -> Happening {
        Happening::new(EventKind::Alert, severity, text)
            .with("name", self.finding.name)
            .with_some("subject", self.finding.subject.as_ref())
    }

    fn alert(&self) -> Option<Alert> {
        let Finding { name, subject, text, remedy, value, threshold, .. } = &self.finding;
        Some(Alert {
            name: (*name).to_owned(),
            subject: subject.clone(),
            severity: self.severity,
            since: self.raised?.to_string(),
            text: text.clone(),
            remedy: (*remedy).to_owned(),
            value: *value,
            threshold: *threshold,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(level: Level, is_fact: bool) -> Finding {
        Finding { level, is_fact, ..Finding::new("capacity", level, "it is full".to_owned(), "add a relay") }
    }

    const WARNING: Level = Level::Bad(AlertSeverity::Warning);
    const CRITICAL: Level = Level::Bad(AlertSeverity::Critical);

    fn at(second: u64) -> Now {
        Now { time: Time::from_secs(second), unix: UnixTime(second) }
    }

    /// Tells the board one thing each second from `from` on, and returns what it says with the second.
    fn run(board: &mut Board, from: u64, levels: &[Option<Level>]) -> Vec<(u64, &'static str)> {
        let mut told = Vec::new();
        for (second, level) in (from..).zip(levels) {
            let now = at(second);
            let findings = level.map(|level| finding(level, false)).into_iter().collect();
            told.extend(board.take(now, findings).iter().map(|happening| (second, happening.text())));
        }
        told
    }

    #[test]
    fn a_moment_is_no_alert_and_ten_seconds_are_one() {
        let mut board = Board::default();
        let mut bad = vec![Some(WARNING); 10];
        bad.push(None);
        assert_eq!(run(&mut board, 100, &bad), []);
        assert_eq!(board.alerts(), []);
        assert_eq!(run(&mut board, 200, &[Some(WARNING); 11]), [(210, "alert")]);
        assert_eq!(board.alerts()[0].since, UnixTime(210).to_string());
    }

    #[test]
    fn what_hovers_about_the_threshold_is_one_alert() {
        let mut board = Board::default();
        let levels =
            [vec![Some(WARNING); 12], vec![Some(Level::Near); 60], vec![Some(WARNING)], vec![None; 40]];
        let told = run(&mut board, 0, &levels.concat());
        // Thirty seconds after it was last not well.
        assert_eq!(told, [(10, "alert"), (102, "alert is over")]);
        assert_eq!(board.alerts(), []);
    }

    #[test]
    fn near_the_threshold_is_no_alert_by_itself() {
        let mut board = Board::default();
        assert_eq!(run(&mut board, 0, &[Some(Level::Near); 60]), []);
        let levels = [vec![Some(WARNING); 5], vec![Some(Level::Near); 60]];
        assert_eq!(run(&mut board, 100, &levels.concat()), []);
    }

    #[test]
    fn a_fact_is_an_alert_at_once() {
        let mut board = Board::default();
        let told = board.take(Now::default(), vec![finding(CRITICAL, true)]);
        assert_eq!((told.len(), told[0].field("remedy")), (1, Some("add a relay")));
    }

    #[test]
    fn the_worst_stands_first_and_an_alert_may_become_worse() {
        let mut board = Board::default();
        run(&mut board, 0, &[Some(WARNING); 12]);
        let other = Finding { subject: Some("other".to_owned()), ..finding(CRITICAL, true) };
        let now = Now { time: Time::from_secs(12), unix: UnixTime(12) };
        board.take(now, vec![finding(WARNING, false), other]);
        let order = |board: &Board| board.alerts().into_iter().map(|alert| alert.subject).collect::<Vec<_>>();
        assert_eq!(order(&board), [Some("other".to_owned()), None]);
        run(&mut board, 13, &[Some(CRITICAL)]);
        assert_eq!(order(&board), [None, Some("other".to_owned())]);
    }

    #[test]
    fn an_alert_that_stays_worse_is_told_of_once_more() {
        let mut board = Board::default();
        let levels = [
            vec![Some(WARNING); 12],
            // For a moment only.
            vec![Some(CRITICAL); 5],
            vec![Some(WARNING); 5],
            vec![Some(CRITICAL); 20],
            vec![Some(WARNING); 5],
            vec![Some(CRITICAL); 20],
        ];
        assert_eq!(run(&mut board, 0, &levels.concat()), [(10, "alert"), (32, "alert has become worse")]);
        let told =
            board.take(at(70), vec![Finding { subject: Some("a".to_owned()), ..finding(WARNING, true) }]);
        assert_eq!(told.len(), 1);
        let told =
            board.take(at(71), vec![Finding { subject: Some("a".to_owned()), ..finding(CRITICAL, true) }]);
        assert_eq!(told[0].text(), "alert has become worse", "a fact needs no time to be believed");
    }

    #[test]
    fn there_are_never_more_than_are_kept() {
        let mut board = Board::default();
        let many = (0..MOST * 2).map(|n| Finding { subject: Some(n.to_string()), ..finding(WARNING, true) });
        board.take(Now::default(), many.collect());
        assert_eq!(board.alerts().len(), MOST);
    }
}
