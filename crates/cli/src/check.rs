//! `tbx check`

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::config::{ConfigFile, Pattern};
use super::grid::{Format, Grid};
use super::render::{counted, name};
use super::runs::Runs;
use super::{FAILED, NO, print_json, print_note};
use tbx::error::{Error, Result};
use tbx::meta::checklist::{CHECKLIST, Item};
use tbx_runs::table::{Cell, CheckedRun, NameLint};

/// Maximum number of names that are listed per problem.
const MAX_NAMES: usize = 5;

#[derive(clap::Args)]
#[command(
    after_help = "Metadata comes from tbx.json, which tbx::track::ActiveRun writes, and from hparams records. Required
are parameters, seeds, a commit without local changes, and package versions. Advised are a digest of the data, the
hardware, environment variables, the architecture, how the data was prepared, and the result of checking it. Names that
cause problems only get a warning.

The configuration file is TOML. Items and rules have the names in the output of --format json:
  [check]
  silence = [\"hardware\", \"no_prefix\"]  # items and rules that do not matter here
  require = [\"dataset\"]                  # items that are required, too
  names = [\"^legacy/\"]                   # names that no rule applies to

Exit code: 0 if no run lacks what is required, 1 if one does, 2 for an error.

Examples:
  tbx check runs
  tbx check runs --run '^final' --format json"
)]
pub(super) struct Args {
    #[command(flatten)]
    runs: Runs,

    /// Output format.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,

    #[command(flatten)]
    config: ConfigFile,
}

/// The table `check` of the configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    /// Items and rules that are left out.
    silence: BTreeSet<String>,
    /// Items that are required although they are only advised otherwise.
    require: BTreeSet<String>,
    /// Names that no rule applies to.
    names: Vec<Pattern>,
}

impl Settings {
    /// Fails if an item or a rule does not exist.
    fn check(&self) -> Result<()> {
        let items: BTreeSet<_> = CHECKLIST.iter().map(|item| item.name).collect();
        let rules: BTreeSet<_> = NameLint::ALL.iter().map(|lint| lint.name()).collect();
        let all: BTreeSet<_> = items.union(&rules).copied().collect();
        for (key, given, known) in
            [("silence", &self.silence, &all), ("require", &self.require, &items)]
        {
            if let Some(unknown) = given.iter().find(|name| !known.contains(name.as_str())) {
                let known = known.iter().copied().collect::<Vec<_>>().join(", ");
                let what =
                    format!("check.{key} in the configuration has {unknown:?}, not one of {known}");
                return Err(Error::argument(what));
            }
        }
        Ok(())
    }

    /// Leaves out what is silenced.
    fn apply(&self, run: &mut CheckedRun) {
        run.missing.retain(|item| !self.silence.contains(item.name));
        run.names.retain(|found| {
            let is_excepted = self.names.iter().any(|Pattern(names)| names.is_match(&found.name));
            !is_excepted && !self.silence.contains(found.lint.name())
        });
    }

    fn requires(&self, item: &Item) -> bool {
        item.is_required || self.require.contains(item.name)
    }

    fn is_complete(&self, run: &CheckedRun) -> bool {
        !run.missing.iter().any(|item| self.requires(item))
    }

    /// The names of the missing items that are required, or of the others.
    fn missing(&self, run: &CheckedRun, is_required: bool) -> Vec<&'static str> {
        let items = run.missing.iter().filter(|item| self.requires(item) == is_required);
        items.map(|item| item.name).collect()
    }
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let settings: Settings = args.config.check()?;
    settings.check()?;
    let opened = args.runs.logs.open()?;
    if opened.is_empty {
        return Ok(opened.code);
    }
    let (mut runs, is_lossless) = args.runs.check(&opened)?;
    runs.iter_mut().for_each(|run| settings.apply(run));
    if args.format == Format::Json {
        runs.iter().try_for_each(|run| print_json(&Row::of(run, &settings)))?;
    } else {
        table(args.format, &runs, &settings)?;
    }
    let lacking = runs.iter().filter(|run| !settings.is_complete(run)).count();
    if args.format == Format::Text {
        legend(&runs, lacking)?;
    }
    Ok(match (is_lossless, lacking) {
        (false, _) => FAILED,
        (true, 0) => opened.code,
        (true, _) => NO,
    })
}

/// A run in JSON.
#[derive(serde::Serialize)]
struct Row<'a> {
    run: &'a str,
    complete: bool,
    missing: Vec<&'static str>,
    advised: Vec<&'static str>,
    names: Vec<Named<'a>>,
}

#[derive(serde::Serialize)]
struct Named<'a> {
    name: &'a str,
    rule: &'static str,
    problem: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    better: Option<&'a str>,
}

impl<'a> Row<'a> {
    fn of(run: &'a CheckedRun, settings: &Settings) -> Self {
        let names = run.names.iter().map(|found| Named {
            name: &found.name,
            rule: found.lint.name(),
            problem: found.lint.about(),
            better: found.better.as_deref(),
        });
        Self {
            run: &run.name,
            complete: settings.is_complete(run),
            missing: settings.missing(run, true),
            advised: settings.missing(run, false),
            names: names.collect(),
        }
    }
}

fn table(format: Format, runs: &[CheckedRun], settings: &Settings) -> Result<()> {
    let mut grid = Grid::new();
    grid.wrap_texts();
    for column in ["run", "missing", "advised", "names"] {
        grid.column(column, false);
    }
    for run in runs {
        let of = |is_required| Cell::from(settings.missing(run, is_required).join(" ").as_str());
        let names: BTreeSet<_> = run.names.iter().map(|found| found.name.as_str()).collect();
        let names = match format {
            Format::Text if names.len() > 2 => counted(names.len(), "name"),
            _ => names.into_iter().collect::<Vec<_>>().join(" "),
        };
        grid.row(vec![run.name.as_str().into(), of(true), of(false), names.as_str().into()]);
    }
    grid.print(format)?;
    Ok(())
}

/// Lists everything that is missing, and what to do about it.
fn legend(runs: &[CheckedRun], lacking: usize) -> Result<()> {
    let required = match lacking {
        0 => "none lacks what is required".to_owned(),
        1 => "1 lacks what is required".to_owned(),
        _ => format!("{lacking} lack what is required"),
    };
    print_note(&format!("{}: {required}", counted(runs.len(), "run")))?;
    let missing: BTreeSet<_> = runs.iter().flat_map(|run| &run.missing).map(|i| i.name).collect();
    for item in CHECKLIST.iter().filter(|item| missing.contains(item.name)) {
        print_note(&format!("{}: {}", item.name, item.about))?;
    }
    let mut lints: BTreeMap<_, BTreeMap<&str, Option<&str>>> = BTreeMap::new();
    for found in runs.iter().flat_map(|run| &run.names) {
        lints.entry(found.lint).or_default().insert(&found.name, found.better.as_deref());
    }
    for (lint, names) in lints {
        let shown: Vec<_> = names
            .iter()
            .take(MAX_NAMES)
            .map(|(found, better)| match better {
                Some(better) => format!("{} ({})", name(found), name(better)),
                None => name(found).to_string(),
            })
            .collect();
        let more = if names.len() > MAX_NAMES { ", ..." } else { "" };
        print_note(&format!("names {}{more}: {}", shown.join(", "), lint.about()))?;
    }
    Ok(())
}
