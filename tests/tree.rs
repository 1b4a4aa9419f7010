//! What may be in the tree: no secret, in any file that git tracks.

#![expect(clippy::expect_used, reason = "a failed assertion is what this file is for")]

#[path = "support/skip.rs"]
mod skip;

use std::path::Path;
use std::process::Command;

use skip::{Missing, need};

/// Files that hold keys by their names.
const KEY_FILES: &[&str] =
    &["pem", "key", "p12", "pfx", "jks", "keystore", "der", "ppk", "tfstate", "tfvars"];

/// Tests whose keys protect nothing: each says what it wants with them.
const TEST_KEYS: &[(&str, &str)] =
    &[("src/net/certs_tests.rs", "an encrypted key without content, which must be refused")];

/// The beginning of a private key in PEM, OpenSSH's and PuTTY's included.
fn has_private_key(text: &str) -> bool {
    let begins = text.split("-----BEGIN ").skip(1);
    let mut heads = begins.filter_map(|rest| rest.split("-----").next());
    heads.any(|head| head.len() < 40 && head.ends_with("PRIVATE KEY"))
        || text.contains(concat!("PuTTY-", "User-Key-File"))
}

/// Keys of clouds and of services that a sweep of the net would find within minutes.
fn has_access_key(text: &str) -> bool {
    let long = |prefix: &str, length: usize| {
        text.match_indices(prefix).any(|(at, _)| {
            let is_inside = text[..at].ends_with(|before: char| before.is_ascii_alphanumeric());
            let tail = text[at + prefix.len()..].chars();
            let count = tail.take_while(|one| one.is_ascii_alphanumeric() || "_-".contains(*one)).count();
            !is_inside && count >= length
        })
    };
    long("AKIA", 16) || long("ASIA", 16) || long("AIza", 35) || long("ghp_", 36) || long("github_pat_", 50)
}

fn problem(path: &str, text: &str) -> Option<&'static str> {
    let is_key_file = Path::new(path).extension().is_some_and(|end| KEY_FILES.iter().any(|key| end == *key));
    if is_key_file {
        Some("is a file of keys by its name")
    } else if has_access_key(text) {
        Some("has an access key of a service")
    } else if has_private_key(text) && !TEST_KEYS.iter().any(|(test, _)| *test == path) {
        Some("has a private key")
    } else {
        None
    }
}

/// What git tracks, and the files that are yet to be added.
fn tracked(root: &Path) -> Option<Vec<String>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    let output = git.output().ok().filter(|output| output.status.success())?;
    let names = output.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    Some(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
}

#[test]
fn no_tracked_file_has_a_secret() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = need!(tracked(root).ok_or_else(|| Missing("git does not list this tree".to_owned())));
    assert!(names.len() > 500, "only {} files found", names.len());
    let mut wrong = Vec::new();
    for name in names {
        // One that is deleted and not committed yet is not there.
        let Ok(bytes) = std::fs::read(root.join(&name)) else { continue };
        wrong.extend(problem(&name, &String::from_utf8_lossy(&bytes)).map(|text| format!("{name} {text}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn tests_that_have_keys_still_have_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, _) in TEST_KEYS {
        let text = std::fs::read_to_string(root.join(name)).unwrap();
        assert!(has_private_key(&text), "{name} has no key any more: strike it from the list");
    }
}

#[test]
fn secrets_are_found() {
    let pem = |kind: &str| format!("x\n-----BEGIN {kind}-----\nMIG\n-----END {kind}-----\n");
    for kind in
        ["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY"]
    {
        assert!(problem("certs/README.md", &pem(kind)).is_some(), "{kind}");
        assert!(problem("src/net/certs_tests.rs", &pem(kind)).is_none(), "{kind}");
    }
    for name in ["certs/a.pem", "deploy/terraform/terraform.tfstate", "x.p12"] {
        assert!(problem(name, "").is_some(), "{name}");
    }
    assert!(problem("a.tf", &format!("key = \"AKIA{}\"", "ABCD".repeat(4))).is_some());
    for harmless in
        [pem("CERTIFICATE"), pem("PUBLIC KEY"), "must be BEGIN PRIVATE KEY".to_owned(), "AKIA".to_owned()]
    {
        assert_eq!(problem("README.md", &harmless), None, "{harmless}");
    }
}
