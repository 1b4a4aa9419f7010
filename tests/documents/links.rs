//! Links to files and headings of the project.

use std::path::{Component, PathBuf};

use crate::pages::{all, root};

/// The targets of a line's links and pictures.
fn targets(line: &str) -> Vec<&str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target).collect()
}

/// Without `.` and `..`, as a path from the root.
fn plain(path: PathBuf) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => assert!(plain.pop(), "{} leaves the project", path.display()),
            Component::Normal(name) => plain.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    plain
}

#[test]
fn links_lead_to_files_and_headings_that_exist() {
    let pages = all();
    let (mut looked, mut wrong) = (0, Vec::new());
    for page in &pages {
        for (number, line) in page.prose() {
            for target in targets(line) {
                if ["https://", "http://", "mailto:"].iter().any(|scheme| target.starts_with(scheme)) {
                    continue;
                }
                looked += 1;
                let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
                let path = match file {
                    "" => page.path.clone(),
                    file => plain(page.path.parent().unwrap().join(file)),
                };
                let place = format!("{}:{number}: {target}", page.path.display());
                if !root().join(&path).exists() {
                    wrong.push(format!("{place}: no such file"));
                } else if !anchor.is_empty() {
                    let there = pages.iter().find(|page| page.path == path);
                    if !there.is_some_and(|page| page.anchors().iter().any(|name| name == anchor)) {
                        wrong.push(format!("{place}: no such heading"));
                    }
                }
            }
        }
    }
    assert!(looked > 30, "only {looked} links were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_alert_has_its_chapter_in_the_runbook() {
    let rules = std::fs::read_to_string(root().join("deploy/prometheus/alerts.yml")).unwrap();
    let names: Vec<_> =
        rules.lines().filter_map(|line| line.trim_start().strip_prefix("- alert: ")).collect();
    assert!(names.len() > 10, "only {} alerts", names.len());
    let pages = all();
    let runbook = pages.iter().find(|page| page.path.ends_with("runbooks/alerts.md")).unwrap();
    let headings: Vec<_> =
        runbook.prose().map(|(_, line)| line).filter(|line| line.starts_with("### ")).collect();
    let told = |name: &&str| headings.iter().any(|line| line[4..].split(", ").any(|title| title == *name));
    let missing: Vec<_> = names.iter().filter(|name| !told(name)).collect();
    assert!(missing.is_empty(), "no chapter for {missing:?}");
    for title in headings.iter().flat_map(|line| line[4..].split(", ")) {
        assert!(names.contains(&title), "a chapter for {title}, which is no alert");
    }
}
