//! Blocks of TOML are configurations, or parts of one, that the relay accepts.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::pages::{Block, all};

/// What a part leaves out, as the least that works.
const REST: [(&str, &str); 3] = [
    ("[[listener]]", "[[listener]]\naddress = \"127.0.0.1:3478\"\n"),
    ("[relay]", "[relay]\naddresses = [\"127.0.0.1\"]\n"),
    ("[[auth.shared_secret]]", "[[auth.shared_secret]]\nid = \"rest\"\nsecret_file = \"rest.secret\"\n"),
];

/// The block as a whole configuration in `folder`, with every file that it names.
fn complete(block: &Block, folder: &Path) -> String {
    let mut text = String::new();
    for line in block.text.lines() {
        let file = line.split_once("_file = \"").and_then(|(key, rest)| Some((key, rest.split_once('"')?.0)));
        let Some((key, path)) = file else {
            // Groups of operators are made by those who install.
            let _ = writeln!(text, "{}", line.replace("\"tern-viewers\"", "\"root\""));
            continue;
        };
        let name = Path::new(path).file_name().unwrap().to_str().unwrap();
        let kind = key.trim_start_matches('#').trim();
        match kind {
            "certificate" => copy(folder, "cert.pem", name),
            "key" if block.text.contains("certificate_file") => copy(folder, "key.pem", name),
            "client_ca" => copy(folder, "ca.pem", name),
            "users" => secret(&folder.join(name), ""),
            _ => secret(&folder.join(name), &"0123456789abcdef".repeat(4)),
        }
        let _ = writeln!(text, "{}", line.replace(path, name));
    }
    for (header, rest) in REST {
        if !block.text.contains(header) {
            text.push_str(rest);
        }
    }
    text
}

fn copy(folder: &Path, from: &str, to: &str) {
    if from != to {
        std::fs::copy(folder.join(from), folder.join(to)).unwrap();
    }
}

fn secret(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn tern(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tern"));
    command.current_dir(folder);
    command
}

#[test]
fn settings_in_the_documents_are_accepted() {
    let (mut looked, mut wrong) = (0, Vec::new());
    for page in all() {
        for block in page.blocks().into_iter().filter(|block| block.language() == "toml") {
            let folder = TempDir::new().unwrap();
            let made = tern(folder.path()).args(["certs", "dev", ".", "--force"]).output().unwrap();
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            secret(&folder.path().join("rest.secret"), &"0123456789abcdef".repeat(4));
            let text = complete(&block, folder.path());
            std::fs::write(folder.path().join("tern.toml"), &text).unwrap();
            let checked = tern(folder.path()).args(["check", "--config", "tern.toml"]).output().unwrap();
            looked += 1;
            if !checked.status.success() {
                let said = String::from_utf8_lossy(&checked.stderr).into_owned();
                wrong.push(format!("{}:{}: {said}\n{text}", page.path.display(), block.line));
            }
        }
    }
    assert!(looked > 8, "only {looked} blocks of settings");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
