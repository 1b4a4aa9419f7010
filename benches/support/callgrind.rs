//! Runs this program under callgrind and compares what it counted with the baseline.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::skip::{Missing, skip};

/// Set in the run under callgrind: the file that takes the operations' names, in order.
const NAMES: &str = "TERN_COUNT_NAMES";
/// Only what happens inside is counted, and each return from it writes a count.
const MEASURED: &str = "instructions::measured_by_callgrind";
/// More than this above the baseline is a failure; more than this below it is worth a new baseline.
const TOLERANCE: f64 = 0.05;
/// So many more are none: of ten instructions, one is ten percent.
const SLACK: u64 = 3;
/// What the counts depend on beside the code.
const ARCHITECTURE: &str = "x86_64";

type Counts = BTreeMap<String, u64>;

/// Whether this is the run under callgrind.
pub(crate) fn is_counting() -> bool {
    std::env::var_os(NAMES).is_some()
}

/// Says what was just counted, and how many operations that were.
pub(crate) fn note(name: &str, times: u32) {
    use std::io::Write as _;
    let path = std::env::var_os(NAMES).expect("set by the other run");
    let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    writeln!(file, "{times} {name}").unwrap();
}

/// Counts, and compares or writes the baseline. Ends the process with 1 on a regression.
pub(crate) fn judge() {
    let counts = match count() {
        Ok(counts) => counts,
        Err(missing) => return skip("instruction counts", &missing),
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.baseline");
    if std::env::args().any(|argument| argument == "--refresh") {
        fs::write(&path, print(&counts)).unwrap();
        println!("written: {}", path.display());
        return;
    }
    let baseline = read(&fs::read_to_string(&path).unwrap());
    if !compare(&counts, &baseline) {
        std::process::exit(1);
    }
}

fn compare(counts: &Counts, baseline: &Counts) -> bool {
    let mut good = true;
    for (name, count) in counts {
        let (verdict, ratio) = match baseline.get(name) {
            None => ("NOT IN THE BASELINE: refresh it", 1.0),
            Some(old) => {
                let ratio = *count as f64 / *old as f64;
                let more = ratio > 1.0 + TOLERANCE && *count > old + SLACK;
                (if more { "MORE" } else { "" }, ratio)
            }
        };
        good &= verdict.is_empty();
        let hint = if ratio < 1.0 - TOLERANCE { "fewer: refresh the baseline" } else { verdict };
        println!("{count:>10} {name:<24} {ratio:>6.3} x {hint}");
    }
    for name in baseline.keys().filter(|name| !counts.contains_key(*name)) {
        println!("           {name:<24} GONE: refresh the baseline");
        good = false;
    }
    if !good {
        println!("cargo bench --profile count --bench instructions -- --refresh writes the baseline anew");
    }
    good
}

/// Instructions of one operation each.
fn count() -> Result<Counts, Missing> {
    if std::env::consts::ARCH != ARCHITECTURE {
        return Err(Missing(format!("the baseline is that of {ARCHITECTURE}")));
    }
    let folder = tempfile::tempdir().unwrap();
    let (names, out) = (folder.path().join("names"), folder.path().join("out"));
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["-q", "--tool=callgrind"]);
    valgrind.arg(format!("--toggle-collect={MEASURED}")).arg(format!("--dump-after={MEASURED}"));
    valgrind.arg(format!("--callgrind-out-file={}", out.display()));
    valgrind.arg(std::env::current_exe().unwrap()).env(NAMES, &names).stdin(Stdio::null());
    let status = valgrind.status().map_err(|error| Missing(format!("valgrind: {error}")))?;
    assert!(status.success(), "valgrind ended with {status}");
    let names = fs::read_to_string(names).unwrap();
    let counts = names.lines().zip(1..).map(|(line, dump)| {
        let (times, name) = line.split_once(' ').unwrap();
        let total = total(&PathBuf::from(format!("{}.{dump}", out.display())));
        (name.to_owned(), total / times.parse::<u64>().unwrap())
    });
    Ok(counts.collect())
}

/// The instructions that one dump of callgrind holds.
fn total(dump: &Path) -> u64 {
    let text = fs::read_to_string(dump).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("summary: ").or(line.strip_prefix("totals: ")));
    line.and_then(|line| line.trim().parse().ok()).expect("callgrind counts instructions")
}

fn print(counts: &Counts) -> String {
    let lines: String = counts.iter().map(|(name, count)| format!("{count:>10} {name}\n")).collect();
    format!(
        "# Instructions per operation; written by `cargo bench --profile count --bench instructions -- --refresh`.\n{lines}"
    )
}

fn read(text: &str) -> Counts {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.trim().split_once(' '));
    pairs.map(|(count, name)| (name.to_owned(), count.parse().expect("a count"))).collect()
}
