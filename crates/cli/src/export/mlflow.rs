//! `tbx export --to mlflow`, `--to mlflow-db` and `--to mlruns`

use std::env;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, PossibleValuesParser};

use super::super::progress;
use super::super::render::{bytes, count, counted, name};
use super::super::{FAILED, FINE, report, say, warn};
use super::lines::{left_out, renamed};
use tbx::error::{Error, Result};
use tbx::logdir::{Directories, LoadOptions, Logdir};
use tbx::meta::ExperimentMeta;
use tbx::store;
use tbx::summary::Kind;
use tbx_runs::Progress;
use tbx_runs::registry;
use tbx_runs::table::{Folding, Sampling};
use tbx_runs::trackers::mlflow::{Client, ClientSettings, Database};
use tbx_runs::trackers::mlflow::{MEDIA, MlflowExport, MlflowExported, MlflowTarget, StateDir};
use tbx_runs::trackers::wandb;

/// MLflow targets, with their descriptions.
pub(super) const TARGETS: [(&str, &str); 3] = [
    ("mlflow", "an MLflow tracking server, or its database: --uri sqlite:///mlflow.db"),
    ("mlflow-db", "the MLflow database that --out names, such as mlflow.db"),
    ("mlruns", "a new directory in MLflow's own format"),
];

/// True if there is an experiment or a model registry at or below `logdir`: MLflow can have both without
/// runs.
pub(super) fn has_experiment_or_model(logdir: &Path) -> bool {
    let is_there = |file| !Directories::with(file, logdir).found.is_empty();
    !store::is_url(logdir) && (is_there(ExperimentMeta::FILE) || is_there(registry::FILE))
}

/// Maximum number of listed values that somebody changed in MLflow.
const MAX_KEPT: usize = 20;
/// Value of `--media` for no kinds.
const NONE: &str = "none";

/// A target of MLflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum To {
    Server,
    /// The database that `--out` names.
    Database,
    /// The database that `--uri` names, as for MLflow's own commands.
    DatabaseUri,
    Folder,
}

#[derive(clap::Args)]
#[command(next_help_heading = "To MLflow")]
pub(super) struct MlflowArgs {
    /// Address of the server, or sqlite:///PATH [default: MLFLOW_TRACKING_URI]
    #[arg(long, value_name = "URI")]
    uri: Option<String>,

    /// Artifact directory of the database's server, as in its --artifacts-destination.
    #[arg(long, value_name = "DIR")]
    artifact_root: Option<PathBuf>,

    /// Experiment of all runs [default: the experiment in the runs' metadata, otherwise the logdir's name]
    #[arg(long, value_name = "NAME", env = "MLFLOW_EXPERIMENT_NAME")]
    experiment: Option<String>,

    /// Treat every directory as a run, including `train`, `validation` and similar ones.
    #[arg(long)]
    no_fold: bool,

    /// Do not send artifacts and registered models.
    #[arg(long)]
    no_artifacts: bool,

    /// Do not send images.
    #[arg(long)]
    no_images: bool,

    /// Kinds of values that become artifacts for MLflow's page, separated by commas, or none [default: all]
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = media())]
    media: Option<Vec<String>>,

    /// Number of values per series, the newest, that become such artifacts.
    #[arg(long, value_name = "N", default_value_t = MlflowExport::MEDIA_LAST)]
    media_last: usize,

    /// Also send the event files as artifacts, so that an import can restore them.
    #[arg(long)]
    event_files: bool,

    /// Number of parallel requests.
    #[arg(long, value_name = "N", default_value_t = MlflowExport::CONNECTIONS)]
    connections: usize,

    /// Also send names, states, tags and descriptions that somebody changed in MLflow.
    #[arg(long)]
    overwrite: bool,

    /// Restore runs and experiments, and recreate model versions, that somebody deleted in MLflow.
    #[arg(long)]
    recreate_deleted: bool,

    /// Directory for notes about what each server has [default: ~/.local/state/tbx]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,

    /// Keep no notes; the next export then asks the server.
    #[arg(long, alias = "no-sync-file", conflicts_with = "state")]
    no_state: bool,
}

fn media() -> PossibleValuesParser {
    let more = wandb::MEDIA.into_iter().filter(|kind| !MEDIA.contains(kind));
    let kinds = MEDIA.into_iter().chain(more).map(|kind| PossibleValue::new(kind.name()));
    PossibleValuesParser::new(kinds.chain([PossibleValue::new(NONE)]))
}

impl MlflowArgs {
    fn export(&self, sampling: Option<Sampling>) -> MlflowExport {
        let mut export = MlflowExport::new()
            .folding(self.folding())
            .artifacts(self.has_artifacts())
            .images(self.has_images())
            .media_last(self.media_last)
            .event_files(self.event_files)
            .sample(sampling)
            .overwrite(self.overwrite)
            .recreate_deleted(self.recreate_deleted)
            .connections(self.connections)
            .state(match &self.state {
                _ if self.no_state => StateDir::None,
                Some(dir) => StateDir::At(dir.clone()),
                None => StateDir::User,
            })
            .on_progress(show);
        if let Some(name) = &self.experiment {
            export = export.experiment(name);
        }
        if let Some(kinds) = self.media_kinds() {
            export = export.media(kinds);
        }
        export
    }

    pub(super) fn folding(&self) -> Folding {
        if self.no_fold { Folding::None } else { Folding::Known }
    }

    pub(super) fn has_artifacts(&self) -> bool {
        !self.no_artifacts
    }

    pub(super) fn has_images(&self) -> bool {
        !self.no_images
    }

    /// The kinds of values that become files, if they were given.
    pub(super) fn media_kinds(&self) -> Option<Vec<Kind>> {
        let names = self.media.as_ref()?;
        Some(names.iter().filter_map(|name| name.parse::<Kind>().ok()).collect())
    }

    /// The path of the database, if the address names one.
    fn database(&self) -> Option<PathBuf> {
        let variable = || env::var("MLFLOW_TRACKING_URI").ok();
        let uri = self.uri.clone().or_else(variable)?;
        if let Some(path) = uri.strip_prefix("sqlite:///") {
            let path = path.split('?').next().unwrap_or(path);
            return Some(path.into());
        }
        let path = PathBuf::from(uri);
        Database::is_at(&path).then_some(path)
    }

    /// The target called `to`; none if it is not in [`TARGETS`].
    pub(super) fn to(&self, to: &str) -> Option<To> {
        match to {
            "mlflow" if self.database().is_some() => Some(To::DatabaseUri),
            "mlflow" => Some(To::Server),
            "mlflow-db" => Some(To::Database),
            "mlruns" => Some(To::Folder),
            _ => None,
        }
    }
}

fn show(done: Progress) {
    match done.is_waiting {
        true => progress::work(|| "waiting for another export of these runs".into()),
        false => {
            progress::runs(done.runs, done.all_runs, &format!("{} points", count(done.points)))
        }
    }
}

pub(super) fn run(
    args: &MlflowArgs,
    to: To,
    logdir: &Logdir,
    options: &LoadOptions,
    out: Option<&Path>,
    sampling: Option<Sampling>,
) -> Result<u8> {
    let export = args.export(sampling);
    let out = || out.ok_or_else(|| Error::argument("--out is missing: it names the target"));
    let (place, done);
    match to {
        To::Server => {
            let client = Client::new(ClientSettings::from_env(args.uri.as_deref())?)?;
            place = client.uri().to_owned();
            done = export.run(logdir, options, MlflowTarget::Server(&client));
        }
        To::Database | To::DatabaseUri => {
            let database = match to {
                To::Database => out()?.to_owned(),
                _ => args.database().unwrap_or_default(),
            };
            place = database.display().to_string();
            let artifacts = args.artifact_root.as_deref();
            let target = MlflowTarget::Database { path: &database, artifacts };
            done = export.run(logdir, options, target);
        }
        To::Folder => {
            let out = out()?;
            if Database::is_at(out) {
                let what = format!("{} is a database: use --to mlflow-db", out.display());
                return Err(Error::argument(what));
            }
            place = out.display().to_string();
            done = export.run(logdir, options, MlflowTarget::Folder(out));
        }
    }
    let done = done?;
    let is_lossless = report(&done.report);
    done.warnings.iter().for_each(|what| warn(name(what)));
    done.kept.iter().take(MAX_KEPT).for_each(|what| warn(name(what)));
    if let Some(more) = done.kept.len().checked_sub(MAX_KEPT).filter(|more| *more > 0) {
        warn(format!("{more} more values that were changed in MLflow stay"));
    }
    if !done.kept.is_empty() {
        say("--overwrite replaces them");
    }
    if done.deleted_runs > 0 {
        let (were, them) = match done.deleted_runs {
            1 => ("1 run was".to_owned(), "it"),
            n => (format!("{n} runs were"), "them"),
        };
        warn(format!("{were} deleted in MLflow and not sent; --recreate-deleted restores {them}"));
    }
    done.wrong.iter().for_each(|what| warn(name(what)));
    summary(&done, &name(&place)).iter().for_each(|line| say(line));
    if to == To::Folder {
        hint(&place).iter().for_each(|line| say(line));
    }
    Ok(if is_lossless && done.wrong.is_empty() { FINE } else { FAILED })
}

/// How to open a directory in MLflow's format.
fn hint(place: &str) -> [String; 2] {
    [
        "MLflow 3.13 and later refuse such a directory without this variable:".into(),
        format!("  MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri {}", quoted(place)),
    ]
}

/// Quotes text for a shell.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@".contains(c);
    match text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// Describes what was done.
fn summary(done: &MlflowExported, place: &str) -> Vec<String> {
    let of = |n: u64, what: &str| counted(usize::try_from(n).unwrap_or(usize::MAX), what);
    let new = match done.new_runs {
        new if new == done.runs => String::new(),
        new => format!(" ({new} new)"),
    };
    let mut parts = vec![of(done.points, "point")];
    if done.artifacts > 0 {
        parts.push(format!("{} ({})", of(done.artifacts, "artifact"), bytes(done.bytes)));
    }
    if done.images > 0 {
        parts.push(of(done.images, "image"));
    }
    if done.media > 0 {
        parts.push(of(done.media, "file") + " of other values");
    }
    if done.models > 0 {
        parts.push(of(done.models, "registered version"));
    }
    let mut lines =
        vec![format!("{}{new}, {} to {place}", counted(done.runs, "run"), parts.join(", "))];
    lines.extend(renamed(&done.renamed, "that MLflow does not accept"));
    lines.extend(left_out(&done.left_out, "that MLflow cannot store"));
    lines
}
