//! `tbx models`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::empty::{Empty, check_directory};
use super::grid::{Format, Grid};
use super::render::{bytes, counted, name};
use super::{FINE, NO, print, print_json, print_note, warn};
use tbx::error::{Error, Result};
use tbx::logdir::Logdir;
use tbx_runs::registry::{OtherVersions, Registries, Registry, Stage, Version, VersionName};
use tbx_runs::table::Cell;
use tbx_runs::trackers::mlflow::{Client, ClientSettings};

/// A log directory with models, or a tracking server of MLflow to fetch one from.
fn is_server(logdir: &Path) -> bool {
    let text = logdir.to_string_lossy();
    text.starts_with("http://") || text.starts_with("https://")
}

#[derive(clap::Args)]
#[command(
    subcommand_precedence_over_arg = true, // `register` is not a directory: LOGDIR is missing
    after_help = "A model has versions. Each version is an artifact of a run. tbx.registry.json lists them, in the logdir
or in a directory below it. A new version goes to the registry closest above its run, or to a new one in the
logdir. For versions whose files are elsewhere, the list shows their address. VERSION is a model and one of
its versions: clf/3, clf/champion (an alias), clf/production (the newest in that stage) or
clf/latest; or an address of MLflow: models:/clf/3, models:/clf/production, models:/clf@champion.

Examples:
  tbx models runs
  tbx models runs register clf seed-3 model.bin --alias champion
  tbx models runs stage clf/3 production --archive-existing
  tbx models runs fetch models:/clf@champion --out model
  tbx models http://127.0.0.1:5000 fetch models:/clf/3 --out model"
)]
pub(super) struct Args {
    /// Log directory; for `fetch` also the address of a tracking server of MLflow.
    #[arg(value_name = "LOGDIR", env = "TBX_LOGDIR")]
    logdir: PathBuf,

    /// Also read registries and model files through links out of the log directory or of a run. Use it only
    /// for logs that you trust: a link can point to any file of this machine.
    #[arg(long, global = true)]
    follow_links: bool,

    /// Output format of the list.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,

    #[command(flatten)]
    empty: Empty,

    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Subcommand)]
enum Action {
    /// Register an artifact of a run as the next version of a model.
    Register {
        /// Name of the model; created if it does not exist.
        model: String,
        /// Name of the run in the log directory, or its directory.
        run: PathBuf,
        /// Path of the artifact in the run's directory `artifacts`.
        artifact: String,
        /// Alias of the version, which programs can load it by.
        #[arg(long)]
        alias: Vec<String>,
        /// Stage: none, staging, production or archived.
        #[arg(long)]
        stage: Option<Stage>,
        /// Description of the version.
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        /// Tag of the version.
        #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
        tag: Vec<(String, String)>,
    },
    /// Set the stage of a version.
    Stage {
        version: VersionName,
        /// Stage: none, staging, production or archived.
        stage: Stage,
        /// Archive all other versions in that stage.
        #[arg(long)]
        archive_existing: bool,
    },
    /// Point an alias to a version.
    Alias { version: VersionName, alias: String },
    /// Remove an alias.
    Unalias { model: String, alias: String },
    /// Set the description of a version or of a model.
    Describe {
        /// Version, or name of a model.
        version: String,
        text: String,
    },
    /// Set a tag of a version.
    Tag {
        version: VersionName,
        #[arg(value_name = "NAME=VALUE", value_parser = pair)]
        tag: (String, String),
    },
    /// Print the path of a version's file or directory, after comparing it with its digest.
    Path { version: VersionName },
    /// Copy the files of a version to a new directory: after comparing them with their digest, or from a server.
    Fetch {
        version: VersionName,
        /// New or empty directory for the files.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').map(|(name, value)| (name.into(), value.into()));
    pair.ok_or_else(|| format!("{text:?} is not NAME=VALUE"))
}

pub(super) fn run(args: &Args) -> Result<u8> {
    if is_server(&args.logdir) {
        return fetch_from_server(args);
    }
    check_directory(&args.logdir)?;
    let registries = Registries::find(&args.logdir).follow_links(args.follow_links);
    registries.unreadable.iter().for_each(|error| warn(format!("{error}: skipped")));
    let of = |version: &VersionName| registries.of_model(&version.model);
    match &args.action {
        None if is_empty(args, &registries)? => return Ok(NO),
        None => list(args, &registries)?,
        Some(Action::Register { model, run, artifact, alias, stage, description, tag }) => {
            check_run(args, run, [model, artifact])?;
            // A name in the logdir, or a path relative to the current directory.
            let inside = args.logdir.join(run);
            let run = if inside.is_dir() { &inside } else { run };
            let registry = registries.above(run).cloned();
            let registry = registry
                .unwrap_or_else(|| Registry::open(&args.logdir).follow_links(args.follow_links));
            let version = registry.register(model, run, artifact)?;
            let id = VersionName::new(model, version.version);
            alias.iter().try_for_each(|alias| registry.set_alias(&id, alias))?;
            stage.map_or(Ok(()), |stage| registry.set_stage(&id, stage, OtherVersions::Keep))?;
            description.as_ref().map_or(Ok(()), |text| registry.describe(&id, text))?;
            tag.iter().try_for_each(|(name, value)| registry.tag(&id, name, value))?;
            print(&format!("{}\n", name(&id.to_string())))?;
        }
        Some(Action::Stage { version, stage, archive_existing }) => {
            let others =
                if *archive_existing { OtherVersions::Archive } else { OtherVersions::Keep };
            of(version)?.set_stage(version, *stage, others)?;
        }
        Some(Action::Alias { version, alias }) => of(version)?.set_alias(version, alias)?,
        Some(Action::Unalias { model, alias }) => {
            registries.of_model(model)?.remove_alias(model, alias)?;
        }
        Some(Action::Describe { version, text }) => match version.parse() {
            Ok(version) => of(&version)?.describe(&version, text)?,
            Err(_) => registries.of_model(version)?.describe_model(version, text)?,
        },
        Some(Action::Tag { version, tag: (name, value) }) => {
            of(version)?.tag(version, name, value)?
        }
        Some(Action::Fetch { version, out }) => of(version)?.fetch(version, out)?,
        Some(Action::Path { version }) => {
            print(&format!("{}\n", of(version)?.path(version)?.display()))?;
        }
    }
    Ok(FINE)
}

fn fetch_from_server(args: &Args) -> Result<u8> {
    let Some(Action::Fetch { version, out }) = &args.action else {
        let what =
            "of a server, models can only be fetched: tbx models URL fetch VERSION --out DIR";
        return Err(Error::argument(what));
    };
    let settings = ClientSettings::from_env(Some(&args.logdir.to_string_lossy()))?;
    let fetched = Client::new(settings)?.fetch_model(version, out)?;
    print(&format!(
        "version {}: {}, {}, written to {}\n",
        name(&fetched.version),
        counted(fetched.files, "file"),
        bytes(fetched.bytes),
        out.display()
    ))?;
    Ok(FINE)
}

/// Position of the column `source`.
const SOURCE: usize = 7;

/// A version in JSON.
#[derive(serde::Serialize)]
struct Row<'m> {
    model: &'m str,
    /// Directory of its registry, relative to the logdir; absent for the logdir itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    registry: Option<&'m str>,
    aliases: Vec<&'m str>,
    #[serde(flatten)]
    version: Version,
}

/// True if there are neither models nor logs, although some are required.
fn is_empty(args: &Args, registries: &Registries) -> Result<bool> {
    for registry in &registries.found {
        if !registry.models()?.is_empty() {
            return Ok(false);
        }
    }
    let is_empty = !Logdir::open(&args.logdir)?.has_logs();
    Ok(is_empty && args.empty.say(&args.logdir) == NO)
}

/// Fails if `run` does not exist. The message says whether another argument is a run.
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

fn list(args: &Args, registries: &Registries) -> Result<()> {
    let mut found = Vec::new();
    for registry in &registries.found {
        let place = registry.below(&args.logdir);
        let versions = registry.models()?.into_iter().flat_map(|(name, model)| {
            let aliases = model.aliases;
            model.versions.into_iter().map(move |version| (name.clone(), aliases.clone(), version))
        });
        for (model, aliases, mut version) in versions {
            version.run = registry.run_below(&args.logdir, &version.run);
            found.push((model, aliases, version, place.clone()));
        }
    }
    if args.format == Format::Json {
        return found.into_iter().try_for_each(|(model, aliases, version, place)| {
            let aliases = aliases_of(&aliases, &version);
            print_json(&Row { model: &model, registry: place.as_deref(), aliases, version })
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
        // In text, the column artifact shows the source.
        if column != "source" || args.format != Format::Text {
            grid.column(column, is_numeric);
        }
    }
    for (name, aliases, version, _) in &found {
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
            aliases_of(aliases, version).join(" ").as_str().into(),
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
    if args.format == Format::Text {
        for place in registries.found.iter().filter_map(|found| found.below(&args.logdir)) {
            print_note(&format!("registry found below the logdir: {}", name(&place)))?;
        }
    }
    Ok(())
}

fn aliases_of<'m>(aliases: &'m BTreeMap<String, u32>, version: &Version) -> Vec<&'m str> {
    let of_it = aliases.iter().filter(|(_, number)| **number == version.version);
    of_it.map(|(alias, _)| alias.as_str()).collect()
}
