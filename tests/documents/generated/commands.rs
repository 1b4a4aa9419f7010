//! docs/cli.md: every command of `tern`.

use std::fmt::Write as _;

use clap::builder::StyledStr;
use clap::{Arg, Command};

use super::markdown::{code, head, link, prose, table};

pub(super) fn document() -> String {
    let mut root = tern::cli::command();
    root.build();
    let mut out = head("Command line", "what `tern --help` is made of");
    out += "`tern man DIR` writes the same as manual pages, `tern completions SHELL` what shells complete. Every command has \
            `--help`.\n\n";
    let mut commands = Vec::new();
    collect(&root, &mut commands);
    let rows: Vec<_> =
        commands.iter().map(|(name, command)| [link(&code(name), name), first(command)]).collect();
    out += &table(["Command", "What it does"], &rows);
    let _ = writeln!(out, "## Exit codes\n");
    out += &table(["Code", "Meaning"], &exit_codes(&root));
    for (name, command) in commands {
        describe(&name, command, &mut out);
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// All commands, each before its subcommands.
fn collect<'c>(command: &'c Command, commands: &mut Vec<(String, &'c Command)>) {
    commands.push((command.get_bin_name().unwrap_or(command.get_name()).to_owned(), command));
    for below in command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help")
    {
        collect(below, commands);
    }
}

fn text(styled: Option<&StyledStr>) -> String {
    styled.map(ToString::to_string).unwrap_or_default()
}

fn first(command: &Command) -> String {
    prose(&text(command.get_about()), &[])
}

/// What the end of `tern --help` says.
fn exit_codes(root: &Command) -> Vec<[String; 2]> {
    let help = text(root.get_after_help());
    let lines = help.lines().filter_map(|line| line.trim().split_once(' '));
    let codes = lines.filter(|(code, _)| code.parse::<u8>().is_ok());
    let rows: Vec<_> = codes.map(|(number, meaning)| [code(number), meaning.trim().to_owned()]).collect();
    assert!(rows.len() > 3, "{help}");
    rows
}

fn describe(name: &str, command: &Command, out: &mut String) {
    let level = "#".repeat(1 + name.split(' ').count().clamp(1, 3));
    let _ = writeln!(out, "{level} {name}\n");
    let about = command.get_long_about().or(command.get_about());
    let about = text(about);
    for paragraph in about.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        let _ = writeln!(out, "{}\n", prose(paragraph.trim(), &[]));
    }
    let usage = command.clone().render_usage().to_string();
    let usage = usage.strip_prefix("Usage:").unwrap_or(&usage);
    let lines: Vec<_> = usage.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let _ = writeln!(out, "```text\n{}\n```\n", lines.join("\n"));
    let shown = |arg: &&Arg| !arg.is_hide_set() && !["help", "version"].contains(&arg.get_id().as_str());
    let (positional, options): (Vec<_>, Vec<_>) =
        command.get_arguments().filter(shown).partition(|arg| arg.is_positional());
    let rows: Vec<_> = positional.into_iter().chain(options).map(row).collect();
    *out += &table(["Argument", "Default", "Meaning"], &rows);
}

/// As it is written: `-c, --config FILE`.
fn written(arg: &Arg) -> String {
    let names =
        [arg.get_short().map(|short| format!("-{short}")), arg.get_long().map(|long| format!("--{long}"))];
    let names: Vec<_> = names.into_iter().flatten().collect();
    let takes = arg.get_action().takes_values();
    let values = arg.get_value_names().filter(|_| takes).unwrap_or_default();
    let values: Vec<_> = values
        .iter()
        .map(|value| if names.is_empty() { value.to_string() } else { format!("<{value}>") })
        .collect();
    let parts = [names.join(", "), values.join(" ")];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(" ")
}

fn row(arg: &Arg) -> [String; 3] {
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let takes = arg.get_action().takes_values();
    let default = match defaults.join(" ") {
        text if takes && !text.is_empty() => code(&text),
        _ if arg.is_required_set() => "required".to_owned(),
        _ => String::new(),
    };
    let help = text(arg.get_long_help().or(arg.get_help())).replace("\n\n", " ");
    let mut meaning = prose(&help, &[]);
    let words: Vec<_> = arg.get_possible_values().iter().map(|value| code(value.get_name())).collect();
    if takes && !words.is_empty() {
        meaning = format!("{}. One of {}.", meaning.trim_end_matches('.'), words.join(", "));
    }
    [code(&written(arg)), default, meaning.trim().to_owned()]
}
