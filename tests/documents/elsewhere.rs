//! Blocks that run on another machine: their programs exist, their options are known.

use std::path::Path;
use std::process::Command;

use crate::pages::{all, root};
use crate::process::find_program;
use crate::skip::{Missing, need};

/// Programs of clouds and init systems that a machine which tests the relay need not have.
const FOREIGN: [&str; 10] = [
    "apt-get",
    "systemctl",
    "systemd-sysusers",
    "journalctl",
    "terraform",
    "aws",
    "gcloud",
    "kubectl",
    "docker",
    "podman",
];

/// The commands of a block: lines that go on are joined, comments, assignments and what is behind a pipe are left out.
fn commands(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().map(|line| line.split(" #").next().unwrap_or_default().trim().to_owned());
    let kept = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    kept.flat_map(|line| line.split("; ").map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The words of a command up to a pipe, a redirection or the next command; what it would take from another command is `x`.
fn words(command: &str) -> Vec<String> {
    let mut text = command.to_owned();
    while let Some(start) = text.find("$(") {
        let length = text[start..].find(')').expect("a substitution ends");
        text.replace_range(start..=start + length, "x");
    }
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for sign in text.chars().chain([' ']) {
        match quote {
            Some(open) if sign == open => quote = None,
            None if ['"', '\''].contains(&sign) => quote = Some(sign),
            None if sign == ' ' => words.extend((!word.is_empty()).then(|| std::mem::take(&mut word))),
            Some(_) | None => word.push(sign),
        }
    }
    words
        .into_iter()
        .take_while(|word| !["|", ">", ">>", "<", "&&", "||", "&"].contains(&word.as_str()))
        .collect()
}

/// What is wrong with a command of one of our own programs: it is asked for help with the same options before.
fn misunderstood(program: &Path, words: &[String]) -> Option<String> {
    let output = Command::new(program).args(words).arg("--help").output().expect("the program runs");
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// What is wrong with a command.
fn judge(command: &str) -> Option<String> {
    let words = words(command);
    // An assignment before a command is for its environment.
    let words: Vec<_> =
        words.into_iter().skip_while(|word| word.contains('=') && !word.starts_with('-')).collect();
    let (first, rest) = words.split_first()?;
    let tern = Path::new(env!("CARGO_BIN_EXE_tern"));
    match first.as_str() {
        "tern" => misunderstood(tern, rest),
        "tern-loadtest" => misunderstood(&tern.with_file_name("tern-loadtest"), rest),
        "cargo" => {
            let bench = rest.iter().skip_while(|word| *word != "--bench").nth(1)?;
            let there =
                ["", "/main"].iter().any(|end| root().join(format!("benches/{bench}{end}.rs")).is_file());
            (!there).then(|| format!("no bench is called {bench}"))
        }
        path if path.contains('/') => {
            (!root().join(path).is_file()).then(|| format!("the checkout has no {path}"))
        }
        name if FOREIGN.contains(&name) => None,
        name => find_program(name).is_none().then(|| format!("no program is called {name}")),
    }
}

#[test]
fn commands_for_other_machines_are_understood() {
    let loadtest = Path::new(env!("CARGO_BIN_EXE_tern")).with_file_name("tern-loadtest");
    if !loadtest.is_file() {
        need!(Err::<(), _>(Missing("tern-loadtest (cargo build --workspace)".into())));
    }
    let (mut looked, mut wrong) = (0, Vec::new());
    for page in all() {
        for block in page.blocks().into_iter().filter(|block| block.info == "sh elsewhere") {
            let shell = Command::new("bash").args(["-n", "-c", &block.text]).output().expect("bash runs");
            let mut faults = Vec::new();
            if !shell.status.success() {
                faults.push(String::from_utf8_lossy(&shell.stderr).into_owned());
            }
            let commands = commands(&block.text);
            looked += commands.len();
            faults.extend(commands.iter().filter_map(|line| Some(format!("{line}\n{}", judge(line)?))));
            wrong.extend(
                faults.iter().map(|fault| format!("{}:{}: {fault}", page.path.display(), block.line)),
            );
        }
    }
    assert!(looked > 5, "only {looked} commands");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
