//! What a test says that cannot run here. A skip is printed, written to the file that `TERN_SKIP_LOG` names (the
//! closing line of `tests/run` counts it), and is a failure where `TERN_NO_SKIP` is set.

use std::io::Write as _;

/// Something a test needs and this machine lacks.
#[derive(Debug)]
pub(crate) struct Missing(pub(crate) String);

/// Says aloud that `test` is skipped because `what` is missing.
pub(crate) fn skip(test: &str, what: &Missing) {
    let line = format!("SKIP {test}: {}", what.0);
    assert!(std::env::var_os("TERN_NO_SKIP").is_none(), "{line} (and TERN_NO_SKIP is set)");
    println!("{line}");
    if let Some(log) = std::env::var_os("TERN_SKIP_LOG") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(log);
        file.and_then(|mut file| writeln!(file, "{line}")).expect("TERN_SKIP_LOG can be written");
    }
}

/// The value, or out of the test with a skip.
macro_rules! need {
    ($what:expr) => {
        match $what {
            Ok(value) => value,
            Err(missing) => return crate::skip::skip(std::thread::current().name().unwrap_or("?"), &missing),
        }
    };
}
pub(crate) use need;
