//! Options of `tbx export` and the targets they apply to. An option without effect is an error.

use std::collections::BTreeSet;

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::mlflow::To;
use tbx::error::{Error, Result};
use tbx_runs::export::Table;
use tbx_runs::table::Sampling;

/// The kind of a target, as far as options are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TargetKind {
    /// Tables in files.
    Tables,
    /// Runs to MLflow.
    Mlflow(To),
    /// Runs to Weights & Biases.
    Wandb,
}

/// True if an option applies to a target.
type Knows = fn(TargetKind) -> bool;

/// Options that apply to some targets only. All others apply to every target.
const OPTIONS: &[(&str, Knows)] = &[
    ("out", |to| !matches!(to, TargetKind::Mlflow(To::Server | To::DatabaseUri))),
    ("table", is_tables),
    ("wide", is_tables),
    ("duplicates", is_tables),
    ("smooth", is_tables),
    ("force", |to| matches!(to, TargetKind::Tables | TargetKind::Wandb)),
    ("project", |to| to == TargetKind::Wandb),
    ("uri", |to| matches!(to, TargetKind::Mlflow(To::Server | To::DatabaseUri))),
    ("artifact_root", |to| matches!(to, TargetKind::Mlflow(To::Database | To::DatabaseUri))),
    ("experiment", is_mlflow),
    ("no_fold", is_tracker),
    ("no_artifacts", is_tracker),
    ("no_images", is_tracker),
    ("media", is_tracker),
    ("media_last", is_mlflow),
    ("event_files", is_mlflow),
    ("connections", |to| to == TargetKind::Mlflow(To::Server)),
    ("overwrite", is_shared),
    ("recreate_deleted", is_shared),
    ("state", is_shared),
    ("no_state", is_shared),
];

fn is_tables(to: TargetKind) -> bool {
    to == TargetKind::Tables
}

fn is_tracker(to: TargetKind) -> bool {
    !is_tables(to)
}

fn is_mlflow(to: TargetKind) -> bool {
    matches!(to, TargetKind::Mlflow(_))
}

/// True if other programs also change the target.
fn is_shared(to: TargetKind) -> bool {
    is_mlflow(to) && to != TargetKind::Mlflow(To::Folder)
}

/// Options that were given on the command line.
pub(super) struct Given(BTreeSet<String>);

impl Given {
    pub(super) fn of(matches: &ArgMatches) -> Self {
        let is_given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
        let ids = matches.ids().map(clap::Id::as_str);
        Self(ids.filter(|id| is_given(id)).map(str::to_owned).collect())
    }

    fn has(&self, option: &str) -> bool {
        self.0.contains(option)
    }

    /// Fails if an option has no effect for the target called `name`.
    pub(super) fn check(&self, to: TargetKind, name: &str) -> Result<()> {
        let has_effect = |option: &str| {
            let known = OPTIONS.iter().find(|(known, _)| *known == option);
            known.is_none_or(|(_, is_for)| is_for(to))
        };
        match self.0.iter().find(|option| !has_effect(option)) {
            Some(option) => Err(no_effect(option, &format!("with --to {name}"))),
            None => Ok(()),
        }
    }

    /// Fails if an option has no effect for these tables.
    pub(super) fn check_tables(&self, tables: &[&Table], sampling: Option<Sampling>) -> Result<()> {
        if self.has("duplicates") && tables.iter().all(|table| table.name != "wide") {
            return Err(no_effect(
                "duplicates",
                "without --wide: only the table wide has one row per step",
            ));
        }
        let has_points = |table: &&Table| matches!(table.name, "scalars" | "wide");
        if self.has("smooth") && !tables.iter().any(has_points) {
            let names: Vec<_> = tables.iter().map(|table| table.name).collect();
            let why = format!(
                "with --table {}: the tables scalars and wide have smoothed values",
                names.join(",")
            );
            return Err(no_effect("smooth", &why));
        }
        let is_thinned = |sampling: Sampling| {
            tables.iter().any(|table| match sampling.needs_numbers() {
                true => has_points(table),
                false => !["runs", "tags", "hparams", "meta"].contains(&table.name),
            })
        };
        match sampling.filter(|sampling| !is_thinned(*sampling)) {
            Some(sampling) => {
                let names: Vec<_> = tables.iter().map(|table| table.name).collect();
                let why = format!("{sampling} with --table {}", names.join(","));
                Err(no_effect("sample", &why))
            }
            None => Ok(()),
        }
    }
}

fn no_effect(option: &str, why: &str) -> Error {
    Error::argument(format!("--{} has no effect {why}", option.replace('_', "-")))
}
