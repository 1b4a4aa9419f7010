//! A terminal that shows one screen again and again, and tells which key was pressed meanwhile.

use std::io::{IsTerminal as _, Read as _, Write as _};

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};

/// Another screen, without a cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// Tenths of a second that a look at the keys takes when none is pressed.
const PATIENCE: u8 = 1;
/// Control and C.
const INTERRUPT: u8 = 3;

/// What somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// Nothing, for a tenth of a second.
    None,
    /// The end.
    Quit,
    /// This one.
    Other(u8),
}

/// From here until it is dropped the terminal is ours.
pub(super) struct Screen(Termios);

impl Screen {
    /// None if there is no terminal at either end.
    pub(super) fn enter() -> std::io::Result<Option<Self>> {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() || !std::io::stdout().is_terminal() {
            return Ok(None);
        }
        let before = tcgetattr(&stdin)?;
        let mut raw = before.clone();
        // The interrupt comes as a key: whoever ends us by it wants his terminal back.
        raw.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        raw.special_codes[SpecialCodeIndex::VMIN] = 0;
        raw.special_codes[SpecialCodeIndex::VTIME] = PATIENCE;
        tcsetattr(&stdin, OptionalActions::Flush, &raw)?;
        let screen = Self(before);
        put(ENTER)?;
        Ok(Some(screen))
    }

    /// Replaces what is shown; what does not fit is left out.
    pub(super) fn show(&self, text: &str) -> std::io::Result<()> {
        let size = tcgetwinsize(std::io::stdout())?;
        put(&fit(text, size.ws_row.into(), size.ws_col.into()))
    }

    /// Waits a moment for a key.
    pub(super) fn key(&self) -> std::io::Result<Key> {
        let mut bytes = [0; 16];
        let count = std::io::stdin().lock().read(&mut bytes)?;
        Ok(match bytes.get(..count).and_then(|bytes| bytes.first()) {
            None => Key::None,
            Some(b'q' | b'Q' | &INTERRUPT) => Key::Quit,
            Some(key) => Key::Other(*key),
        })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that has gone needs no restoring.
        drop(put(LEAVE));
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.0);
    }
}

/// Every line is cleared behind its end, and the screen below the last: nothing flickers.
fn fit(text: &str, rows: usize, columns: usize) -> String {
    let mut out = "\x1b[H".to_owned();
    let lines: Vec<_> = text.lines().take(rows).collect();
    for (number, line) in lines.iter().enumerate() {
        out.extend(line.chars().take(columns));
        out.push_str("\x1b[K");
        if number + 1 < lines.len() {
            out.push_str("\r\n");
        }
    }
    out.push_str("\x1b[J");
    out
}

fn put(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_left_out() {
        assert_eq!(fit("abcdef\ngh\nij\n", 2, 4), "\x1b[Habcd\x1b[K\r\ngh\x1b[K\x1b[J");
        assert_eq!(fit("", 2, 4), "\x1b[H\x1b[J");
    }
}
