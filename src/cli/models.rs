//! `tbx models`

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::empty::{Empty, check_directory};
use super::grid::{Format, Grid};
use super::render::{bytes, name};
use super::{FINE, NO, print, print_json};
use crate::error::{Error, Result};
use crate::logdir::Logdir;
use crate::registry::{Model, Registry, Stage, Version, VersionName};
use crate::table::Cell;

#[derive(clap::Args)]
#[command(
    subcommand_precedence_over_arg = true, // `register` is no folder: LOGDIR is missing
    after_help = "A model has versions, each of which is an artifact of a run. They stand in tbx.registry.json at
the root of the log folder. Where the files of a version are elsewhere, the list has their address.
VERSION is a model and one of its versions: clf/3, clf/champion (an alias), clf/production (the
newest in that stage) or clf/latest.

Examples:
  tbx models runs
  tbx models runs register clf seed-3 model.bin --alias champion
  tbx models runs stage clf/3 production --archive-existing
  cp \"$(tbx models runs path clf/champion)\" model.bin"
)]
pub(super) struct Args {
    /// The log folder.
    #[arg(value_name = "LOGDIR", env = "TBX_LOGDIR")]
    logdir: PathBuf,

    /// The format of the list.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,

    #[command(flatten)]
    empty: Empty,

    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Subcommand)]
enum Action {
    /// Make an artifact of a run the next version of a model.
    Register {
        /// The model's name; it is made if it is not there.
        model: String,
        /// The run's name in the log folder, or its directory.
        run: PathBuf,
        /// The artifact's path in the run's folder `artifacts`.
        artifact: String,
        /// What loads it by name.
        #[arg(long)]
        alias: Vec<String>,
        /// How far it is: none, staging, production or archived.
        #[arg(long)]
        stage: Option<Stage>,
        /// What it is about.
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        /// Tags of the version.
        #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
        tag: Vec<(String, String)>,
    },
    /// Set the stage of a version.
    Stage {
        version: VersionName,
        /// none, staging, production or archived.
        stage: Stage,
        /// Archive other versions in that stage.
        #[arg(long)]
        archive_existing: bool,
    },
    /// Have an alias name this version.
    Alias { version: VersionName, alias: String },
    /// Remove an alias.
    Unalias { model: String, alias: String },
    /// Say what a version, or a whole model, is about.
    Describe {
        /// A version, or the name of a model.
        version: String,
        text: String,
    },
    /// Give a version a tag.
    Tag {
        version: VersionName,
        #[arg(value_name = "NAME=VALUE", value_parser = pair)]
        tag: (String, String),
    },
    /// Print where the file of a version is, once it is seen to be what was registered.
    Path { version: VersionName },
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').map(|(name, value)| (name.into(), value.into()));
    pair.ok_or_else(|| format!("{text:?} is no NAME=VALUE"))
}

pub(super) fn run(args: &Args) -> Result<u8> {
    check_directory(&args.logdir)?;
    let registry = Registry::open(&args.logdir);
    match &args.action {
        None if is_empty(args, &registry)? => return Ok(NO),
        None => list(args, &registry)?,
        Some(Action::Register { model, run, artifact, alias, stage, description, tag }) => {
            check_run(args, run, [model, artifact])?;
            let version = registry.register(model, run, artifact)?;
            let id = VersionName { model: model.clone(), version: version.version.to_string() };
            alias.iter().try_for_each(|alias| registry.set_alias(&id, alias))?;
            stage.map_or(Ok(()), |stage| registry.set_stage(&id, stage, false))?;
            description.as_ref().map_or(Ok(()), |text| registry.describe(&id, text))?;
            tag.iter().try_for_each(|(name, value)| registry.tag(&id, name, value))?;
            print(&format!("{}\n", name(&id.to_string())))?;
        }
        Some(Action::Stage { version, stage, archive_existing }) => {
            registry.set_stage(version, *stage, *archive_existing)?;
        }
        Some(Action::Alias { version, alias }) => registry.set_alias(version, alias)?,
        Some(Action::Unalias { model, alias }) => registry.remove_alias(model, alias)?,
        Some(Action::Describe { version, text }) => match version.parse() {
            Ok(version) => registry.describe(&version, text)?,
            Err(_) => registry.describe_model(version, text)?,
        },
        Some(Action::Tag { version, tag: (name, value) }) => registry.tag(version, name, value)?,
        Some(Action::Path { version }) => {
            print(&format!("{}\n", registry.path(version)?.display()))?;
        }
    }
    Ok(FINE)
}

/// Place of the column `source`.
const SOURCE: usize = 7;

/// A version in JSON.
#[derive(serde::Serialize)]
struct Row<'m> {
    model: &'m str,
    aliases: Vec<&'m str>,
    #[serde(flatten)]
    version: &'m Version,
}

/// Whether there are neither models nor logs, and that is not as it should be.
fn is_empty(args: &Args, registry: &Registry) -> Result<bool> {
    let is_empty = registry.models()?.is_empty() && !Logdir::open(&args.logdir)?.has_logs();
    Ok(is_empty && args.empty.say(&args.logdir) == NO)
}

/// That `run` is there; else whether another argument is it.
fn check_run(args: &Args, run: &Path, others: [&str; 2]) -> Result<()> {
    let is_run = |run: &Path| args.logdir.join(run).is_dir() || run.is_dir();
    if is_run(run) {
        return Ok(());
    }
    let swapped = others.into_iter().find(|other| is_run(Path::new(other)));
    let swapped = swapped.map_or(String::new(), |other| format!(", but {other} is one"));
    let (logdir, run) = (args.logdir.display(), run.display());
    let order = "the order is tbx models LOGDIR register MODEL RUN ARTIFACT";
    Err(Error::argument(format!("there is no run {run} in {logdir}{swapped}: {order}")))
}

fn list(args: &Args, registry: &Registry) -> Result<()> {
    let models = registry.models()?;
    let versions = || {
        models.iter().flat_map(|(name, model)| model.versions.iter().map(move |v| (name, model, v)))
    };
    if args.format == Format::Json {
        return versions().try_for_each(|(name, model, version)| {
            print_json(&Row { model: name, aliases: aliases(model, version), version })
        });
    }
    let mut grid = Grid::new();
    for (column, is_numeric) in [
        ("model", false),
        ("version", true),
        ("stage", false),
        ("aliases", false),
        ("run", false),
        ("artifact", false),
        ("size", true),
        ("source", false),
        ("registered", false),
    ] {
        // For people, the source is in the place of the artifact.
        if column != "source" || args.format != Format::Text {
            grid.column(column, is_numeric);
        }
    }
    for (name, model, version) in versions() {
        let size = match args.format {
            _ if version.path.is_empty() => Cell::Empty,
            Format::Text => bytes(version.size).as_str().into(),
            _ => i64::try_from(version.size).map_or(Cell::Empty, Cell::Int),
        };
        let source = version.source.as_deref();
        let artifact = match source.filter(|_| args.format == Format::Text) {
            Some(source) => format!("{source} (not here)"),
            None => version.path.clone(),
        };
        let mut row = vec![
            name.as_str().into(),
            Cell::Int(version.version.into()),
            version.stage.name().into(),
            aliases(model, version).join(" ").as_str().into(),
            version.run.as_str().into(),
            artifact.as_str().into(),
            size,
            source.map_or(Cell::Empty, Into::into),
            version.created.map_or(Cell::Empty, Cell::Time),
        ];
        if args.format == Format::Text {
            row.remove(SOURCE);
        }
        grid.row(row);
    }
    grid.print(args.format)?;
    Ok(())
}

fn aliases<'m>(model: &'m Model, version: &Version) -> Vec<&'m str> {
    let of_it = model.aliases.iter().filter(|(_, number)| **number == version.version);
    of_it.map(|(alias, _)| alias.as_str()).collect()
}
