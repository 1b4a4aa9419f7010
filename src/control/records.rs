//! Where the records of ended calls go: a line of JSON each, to a file or to the log.
//!
//! Workers put records into a bounded queue and never wait; one thread of its own writes them, so that a slow disk delays
//! nobody. What finds the queue full is dropped by the worker, which counts it. The file is opened anew when told to: then
//! whoever rotates it may move it away first.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::mpsc::Receiver;

/// Who may read the file: its owner and group.
const MODE: u32 = 0o640;
/// At the end, for a disk that is slow.
const PATIENCE: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(1);

/// Where a record goes.
#[derive(Debug)]
pub enum RecordSink {
    /// Nowhere.
    Off,
    /// To the log, as the field `record` of a line.
    Log,
    /// To the end of a file.
    File(File),
}

impl RecordSink {
    /// The file at `path`, made if it is not there.
    ///
    /// # Errors
    /// When it cannot be opened for appending.
    pub fn file(path: &Path) -> io::Result<Self> {
        File::options().append(true).create(true).mode(MODE).open(path).map(Self::File)
    }

    fn write(&mut self, record: &impl Serialize) -> io::Result<()> {
        match self {
            Self::Off => Ok(()),
            Self::Log => {
                let record = serde_json::to_string(record)?;
                tracing::info!(%record, "a call has ended");
                Ok(())
            }
            Self::File(file) => {
                let mut line = serde_json::to_vec(record)?;
                line.push(b'\n');
                // In one piece: whoever follows the file sees whole lines.
                file.write_all(&line)
            }
        }
    }
}

/// The thread that writes records.
#[derive(Debug)]
pub struct Recorder {
    next: Arc<Mutex<Option<RecordSink>>>,
    thread: JoinHandle<()>,
}

impl Recorder {
    /// Writes what comes from `records` to `sink`, until nobody is left who could send any.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start<T: Serialize + Send + 'static>(records: Receiver<T>, sink: RecordSink) -> io::Result<Self> {
        let next = Arc::new(Mutex::new(None));
        let told = Arc::clone(&next);
        let thread = thread::Builder::new().name("tern-records".to_owned());
        let thread = thread.spawn(move || write_all(records, sink, &told))?;
        Ok(Self { next, thread })
    }

    /// Goes on with another sink, from the next record on.
    pub fn redirect(&self, sink: RecordSink) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(sink);
    }

    /// Waits until everything is written: when all senders are gone, or else no longer than a second.
    pub fn finish(self) {
        let mut waited = Duration::ZERO;
        while !self.thread.is_finished() && waited < PATIENCE {
            thread::sleep(STEP);
            waited += STEP;
        }
    }
}

fn write_all<T: Serialize>(mut records: Receiver<T>, mut sink: RecordSink, next: &Mutex<Option<RecordSink>>) {
    let mut failed = 0u64;
    while let Some(record) = records.blocking_recv() {
        if let Some(other) = next.lock().unwrap_or_else(PoisonError::into_inner).take() {
            sink = other;
        }
        match sink.write(&record) {
            Ok(()) if failed > 0 => {
                tracing::warn!(lost = failed, "records of calls are written again; some were lost");
                failed = 0;
            }
            Ok(()) => {}
            Err(error) => {
                if failed == 0 {
                    tracing::error!(%error, "records of calls cannot be written and are lost: is the disk full?");
                }
                failed = failed.saturating_add(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::sync::mpsc::channel;

    use super::*;

    fn lines(path: &Path) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn wait_for(path: &Path, count: usize) {
        while lines(path).len() < count {
            thread::yield_now();
        }
    }

    #[test]
    fn every_record_is_a_line_when_the_last_sender_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls.json");
        let (sender, records) = channel(8);
        let recorder = Recorder::start(records, RecordSink::file(&path).unwrap()).unwrap();
        for number in 0..100 {
            sender.blocking_send(json!({ "number": number })).unwrap();
        }
        drop(sender);
        recorder.finish();
        let written = lines(&path);
        assert_eq!((written.len(), &written[99]["number"]), (100, &99.into()));
    }

    #[test]
    fn a_file_that_was_moved_away_is_left_alone_once_it_is_opened_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("calls.json"), folder.path().join("calls.1.json"));
        let (sender, records) = channel(1);
        let recorder = Recorder::start(records, RecordSink::file(&path).unwrap()).unwrap();
        sender.blocking_send(json!(1)).unwrap();
        wait_for(&path, 1);
        std::fs::rename(&path, &old).unwrap();
        sender.blocking_send(json!(2)).unwrap();
        wait_for(&old, 2);
        recorder.redirect(RecordSink::file(&path).unwrap());
        sender.blocking_send(json!(3)).unwrap();
        drop(sender);
        recorder.finish();
        assert_eq!((lines(&old), lines(&path)), (vec![json!(1), json!(2)], vec![json!(3)]));
    }

    #[test]
    fn a_sink_that_fails_does_not_end_the_recorder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls.json");
        std::fs::write(&path, "").unwrap();
        let (sender, records) = channel(1);
        // Opened for reading only.
        let recorder = Recorder::start(records, RecordSink::File(File::open(&path).unwrap())).unwrap();
        sender.blocking_send(json!(1)).unwrap();
        recorder.redirect(RecordSink::file(&path).unwrap());
        sender.blocking_send(json!(2)).unwrap();
        drop(sender);
        recorder.finish();
        assert_eq!(lines(&path).last(), Some(&json!(2)));
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        assert!(RecordSink::file(Path::new("/nowhere/calls.json")).is_err());
    }
}
