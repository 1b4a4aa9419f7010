//! Blocks of commands are carried out as they stand, section by section.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;

use crate::host::Host;
use crate::pages::{Block, all, root};
use crate::process::{find_program, wait_for};
use crate::skip::{Missing, need};

/// What the commands use besides our own programs.
const PROGRAMS: [&str; 8] = ["bash", "curl", "jq", "openssl", "python3", "script", "ss", "turnserver"];

/// How long a section may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(300);

/// The block as words of the shell.
fn script(block: &Block) -> Option<String> {
    match block.info.as_str() {
        "sh" => Some(block.text.clone()),
        // It is part of a program that has a secret.
        "python" => Some(format!("python3 - <<'PYTHON'\nsecret = 'of this test'\n{}PYTHON\n", block.text)),
        _ => None,
    }
}

/// Sections that have commands, each with what it is called and what to carry out.
fn sections() -> BTreeMap<String, String> {
    let mut sections = BTreeMap::<String, String>::new();
    for page in all() {
        for block in page.blocks() {
            if let Some(script) = script(&block) {
                let name = format!("{}: {}", page.path.display(), block.section);
                let section = sections.entry(name).or_default();
                let _ = writeln!(section, ": line {}\n{script}", block.line);
            }
        }
    }
    sections
}

/// What went wrong, with the output.
fn carry_out(name: &str, section: &str, folder: &Path) -> Result<Result<(), String>, Missing> {
    let host = Host::start()?;
    let programs = Path::new(env!("CARGO_BIN_EXE_tern")).parent().unwrap();
    let standing = if section.contains("tern run --config") { "0" } else { "1" };
    let input = folder.join("section");
    std::fs::write(&input, section).unwrap();
    let output = std::fs::File::create(folder.join("output")).unwrap();
    let mut command = host.command("bash");
    command.arg(root().join("tests/documents/sandbox.sh")).arg(programs).arg(root()).arg(standing);
    command.stdin(std::fs::File::open(&input).unwrap());
    command.stdout(output.try_clone().unwrap()).stderr(Stdio::from(output));
    let mut child = command.spawn().expect("nsenter runs");
    let status = wait_for(LIMIT, || child.try_wait().expect("a child of ours can be waited for"));
    // Whatever it has started goes with the host.
    drop(host);
    let _ = child.wait();
    let said = String::from_utf8_lossy(&std::fs::read(folder.join("output")).unwrap()).into_owned();
    Ok(match status {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(format!("{name}: {status}\n{said}")),
        None => Err(format!("{name}: not done after {LIMIT:?}\n{said}")),
    })
}

#[test]
fn commands_in_the_documents_run() {
    for program in PROGRAMS {
        need!(find_program(program).ok_or_else(|| Missing(format!("the program {program}"))));
    }
    if !Path::new(env!("CARGO_BIN_EXE_tern")).with_file_name("tern-loadtest").is_file() {
        need!(Err::<(), _>(Missing("tern-loadtest (cargo build --workspace)".into())));
    }
    let sections = sections();
    assert!(sections.len() > 10, "only {} sections have commands", sections.len());
    let only = std::env::var("TERN_SECTION").unwrap_or_default();
    let mut wrong = Vec::new();
    for (name, section) in sections.iter().filter(|(name, _)| name.contains(&only)) {
        let folder = TempDir::new().unwrap();
        if let Err(fault) = need!(carry_out(name, section, folder.path())) {
            wrong.push(fault);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
