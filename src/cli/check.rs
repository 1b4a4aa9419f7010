//! `tern check`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::exit::{Exit, Failure, print};
use crate::config::{self, Loaded, Problems, Sources};

/// Check a configuration without starting anything.
///
/// Files that it names are read, secrets and certificates too; no socket is bound.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The configuration.
    #[arg(long, short, value_name = "FILE", default_value = config::DEFAULT_PATH)]
    config: PathBuf,
    /// Set one key, as in the file: --set limits.max_allocations=1000
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
    /// Print the whole configuration as it would hold, defaults included.
    #[arg(long)]
    effective: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let result = config::load(&Sources::new(Some(args.config.clone()), args.set.clone()));
    if args.json {
        return report_json(args, result);
    }
    let Loaded { config, warnings, .. } = result?;
    if !warnings.is_empty() {
        Failure::new(Exit::Ok, warnings.to_string()).print();
    }
    if args.effective { print(&config.to_toml()) } else { print(&format!("{}: ok\n", args.config.display())) }
}

fn report_json(args: &CheckArgs, result: Result<Loaded, Problems>) -> Result<(), Failure> {
    let (ok, problems, config) = match result {
        Ok(loaded) => (true, loaded.warnings, args.effective.then_some(loaded.config)),
        Err(problems) => (false, problems, None),
    };
    let problems: Vec<_> = problems.iter().collect();
    let mut report = json!({ "ok": ok, "problems": problems });
    if let (Some(config), Some(report)) = (config, report.as_object_mut()) {
        report.insert("effective".into(), json!(config));
    }
    print(&format!("{report}\n"))?;
    if ok { Ok(()) } else { Err(Failure::silent(Exit::Configuration)) }
}
