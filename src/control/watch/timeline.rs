//! What has happened to the relay, in its order: the last events, and a way to hear of those that come.
//!
//! Anybody may note something, on any thread that meets no packet. The oldest event goes when there is no room; whoever
//! listens too slowly misses some, is told so, and may read them here.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

use crate::control::admin::{Event, EventKind, EventPage, EventSeverity};
use crate::time::UnixTime;

/// Events that are kept.
const KEPT: usize = 4096;
/// Events that may wait for a listener.
const WAITING: usize = 256;
/// Fields of an event, and bytes of a value: an operator's text, or a neighbour's, may be long.
const FIELDS: usize = 16;
const LONGEST: usize = 512;

/// The events.
#[derive(Debug)]
pub(super) struct Timeline {
    ring: Mutex<Ring>,
    listeners: broadcast::Sender<Arc<Event>>,
}

#[derive(Debug, Default)]
struct Ring {
    newest: u64,
    events: VecDeque<Arc<Event>>,
}

/// Something that is to be noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    kind: EventKind,
    severity: EventSeverity,
    text: &'static str,
    fields: Vec<(&'static str, String)>,
}

impl Happening {
    /// `text` is always the same for the same kind of event.
    #[must_use]
    pub const fn new(kind: EventKind, severity: EventSeverity, text: &'static str) -> Self {
        Self { kind, severity, text, fields: Vec::new() }
    }

    /// The same with one more field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl std::fmt::Display) -> Self {
        if self.fields.len() < FIELDS {
            let mut value = value.to_string();
            value.truncate(value.floor_char_boundary(LONGEST));
            self.fields.push((name, value));
        }
        self
    }

    /// With it, if there is a value.
    #[must_use]
    pub fn with_some(self, name: &'static str, value: Option<impl std::fmt::Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    #[cfg(test)]
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value.as_str())
    }

    #[cfg(test)]
    pub(super) const fn text(&self) -> &'static str {
        self.text
    }
}

impl Timeline {
    pub(super) fn new() -> Self {
        Self { ring: Mutex::default(), listeners: broadcast::Sender::new(WAITING) }
    }

    pub(super) fn note(&self, at: UnixTime, happening: Happening) {
        let Happening { kind, severity, text, fields } = happening;
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let mut ring = self.ring();
        let number = ring.newest.saturating_add(1);
        let event = Event { number, at: at.to_string(), kind, severity, text: text.to_owned(), fields };
        let event = Arc::new(event);
        ring.newest = number;
        if ring.events.len() >= KEPT {
            ring.events.pop_front();
        }
        ring.events.push_back(Arc::clone(&event));
        // Under the lock, so that listeners hear them in their order; sending waits for nobody. Nobody may listen.
        let _ = self.listeners.send(event);
    }

    /// Those after the one with this number, at most `limit`.
    pub(super) fn after(&self, number: u64, limit: usize) -> EventPage {
        let ring = self.ring();
        let oldest = ring.events.front().map_or(0, |event| event.number);
        let later = ring.events.iter().filter(|event| event.number > number).take(limit);
        let events = later.map(|event| Event::clone(event)).collect();
        EventPage { events, newest: ring.newest, oldest, ..EventPage::default() }
    }

    pub(super) fn listen(&self) -> broadcast::Receiver<Arc<Event>> {
        self.listeners.subscribe()
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn happening() -> Happening {
        Happening::new(EventKind::Operator, EventSeverity::Info, "something")
    }

    #[test]
    fn events_are_numbered_and_read_from_any_number_on() {
        let timeline = Timeline::new();
        assert_eq!(timeline.after(0, 10), EventPage::default());
        for number in 1..=5 {
            timeline.note(UnixTime(7), happening().with("number", number));
        }
        let page = timeline.after(2, 2);
        let numbers: Vec<_> = page.events.iter().map(|event| event.number).collect();
        assert_eq!((numbers, page.newest, page.oldest), (vec![3, 4], 5, 1));
        assert_eq!(page.events[0].fields["number"], "3");
    }

    #[test]
    fn the_oldest_event_goes_when_there_is_no_room() {
        let timeline = Timeline::new();
        for _ in 0..KEPT + 3 {
            timeline.note(UnixTime(7), happening());
        }
        let page = timeline.after(0, usize::MAX);
        assert_eq!((page.events.len(), page.oldest), (KEPT, 4));
    }

    #[test]
    fn an_event_has_no_more_than_its_share_of_memory() {
        let mut happening = happening().with("long", "é".repeat(LONGEST));
        for _ in 0..FIELDS * 2 {
            happening = happening.with("more", 1);
        }
        assert_eq!((happening.fields.len(), happening.field("long").unwrap().len()), (FIELDS, LONGEST));
    }

    #[test]
    fn listeners_hear_of_events_and_slow_ones_of_a_gap() {
        let timeline = Timeline::new();
        let mut listener = timeline.listen();
        timeline.note(UnixTime(7), happening());
        assert_eq!(listener.try_recv().unwrap().number, 1);
        for _ in 0..WAITING + 1 {
            timeline.note(UnixTime(7), happening());
        }
        assert!(matches!(listener.try_recv(), Err(broadcast::error::TryRecvError::Lagged(1))));
    }
}
