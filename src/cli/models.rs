//! `tbx models`

use std::io::{self, Write};
use std::path::PathBuf;
use std::str::FromStr;

use serde_json::json;

use super::grid::{Format, Grid};
use super::render::{bytes, duration, name};
use super::{FINE, print, print_json, print_note};
use crate::error::{Error, ErrorKind, Result};
use crate::meta::now;
use crate::registry::{Model, ModelVersion, Registry, Stage};
use crate::table::Cell;

#[derive(clap::Args)]
#[command(
    after_help = "Models are in tbx.registry.json in the log folder; their files stay in the folders
artifacts of the runs. NAME/VERSION is clf/3, clf/v3, clf/latest, clf/champion (an
alias) or clf/production (the newest at that stage).

Examples:
  tbx models runs
  tbx models runs register clf first model.bin --alias champion
  tbx models runs stage clf/3 production --archive-existing
  cat \"$(tbx models runs path clf/champion)\" > model.bin
  tbx models runs --format json | jq 'select(.stage == \"Production\")'"
)]
pub(super) struct Args {
    /// The log folder.
    #[arg(value_name = "LOGDIR", env = "TBX_LOGDIR", required = true)]
    logdir: PathBuf,

    /// The format of the list.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,

    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Make an artifact of a run the next version of a model.
    Register {
        /// The model; it is made if there is none.
        name: String,
        /// The run: its name, directory or id.
        run: PathBuf,
        /// The file's path in the run's folder artifacts.
        artifact: String,
        /// Have this alias lead to it; several times for several.
        #[arg(long)]
        alias: Vec<String>,
        /// None, Staging, Production or Archived.
        #[arg(long, value_parser = Stage::from_str)]
        stage: Option<Stage>,
        /// What the version is about.
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        /// A tag of the version; several times for several.
        #[arg(long, value_name = "KEY=VALUE", value_parser = tag)]
        tag: Vec<(String, String)>,
    },
    /// Move a version to a stage.
    Stage {
        /// The version.
        #[arg(value_name = "NAME/VERSION")]
        version: String,
        /// None, Staging, Production or Archived.
        #[arg(value_parser = Stage::from_str)]
        stage: Stage,
        /// Archive the versions that are at this stage.
        #[arg(long)]
        archive_existing: bool,
    },
    /// Have an alias lead to a version.
    Alias {
        /// The version.
        #[arg(value_name = "NAME/VERSION")]
        version: String,
        /// The alias: letters, digits, _ and -.
        alias: String,
    },
    /// Take an alias away.
    Unalias {
        /// The model.
        name: String,
        /// The alias.
        alias: String,
    },
    /// Say what a model or a version is about.
    Describe {
        /// The model or the version.
        #[arg(value_name = "NAME[/VERSION]")]
        model: String,
        /// The text; an empty one takes it away.
        text: String,
    },
    /// Give a model or a version a tag.
    Tag {
        /// The model or the version.
        #[arg(value_name = "NAME[/VERSION]")]
        model: String,
        /// The tag.
        #[arg(value_name = "KEY=VALUE", value_parser = tag)]
        tag: (String, String),
    },
    /// Print where a version's file is, once its digest is checked.
    Path {
        /// The version.
        #[arg(value_name = "NAME/VERSION")]
        version: String,
    },
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let registry = Registry::open(&args.logdir)?;
    match &args.action {
        None => list(&registry, args.format)?,
        Some(action) => act(&registry, action)?,
    }
    Ok(FINE)
}

fn act(registry: &Registry, action: &Action) -> Result<()> {
    match action {
        Action::Register { name: model, run, artifact, alias, stage, description, tag } => {
            let made = registry.register_with(model, run, artifact, alias, |version| {
                version.stage = stage.unwrap_or_default();
                version.description.clone_from(description);
                version.tags = tag.iter().cloned().collect();
            })?;
            print(&format!("{}/{}\n", name(model), made.version))
        }
        Action::Stage { version, stage, archive_existing } => {
            let found = registry.get(version)?;
            registry.set_stage(&found.model, found.version.version, *stage, *archive_existing)
        }
        Action::Alias { version, alias } => {
            let found = registry.get(version)?;
            registry.set_alias(&found.model, alias, found.version.version)
        }
        Action::Unalias { name, alias } => registry.remove_alias(name, alias),
        Action::Describe { model, text } => {
            let (name, version) = model_or_version(registry, model)?;
            registry.describe(&name, version, text)
        }
        Action::Tag { model, tag: (key, value) } => {
            let (name, version) = model_or_version(registry, model)?;
            registry.tag(&name, version, key, value)
        }
        Action::Path { version } => {
            let found = registry.get(version)?;
            found.open()?;
            // For programs: as it is, also if it is no UTF-8.
            let line = [found.path.as_os_str().as_encoded_bytes(), b"\n"].concat();
            io::stdout().write_all(&line).map_err(|error| ErrorKind::from(error).into())
        }
    }
}

fn model_or_version(registry: &Registry, model: &str) -> Result<(String, Option<u64>)> {
    if !model.contains('/') {
        return Ok((model.to_owned(), None));
    }
    let found = registry.get(model)?;
    Ok((found.model, Some(found.version.version)))
}

fn list(registry: &Registry, format: Format) -> Result<()> {
    let models = registry.models()?;
    let versions = || {
        let all = models.iter().map(|(name, model)| (name.as_str(), model));
        all.flat_map(|(name, model)| model.versions.iter().map(move |v| (name, model, v)))
    };
    if format == Format::Json {
        return versions()
            .try_for_each(|(name, model, version)| print_json(&json(name, model, version)));
    }
    if format == Format::Text && models.is_empty() {
        return print_note("no models; tbx models LOGDIR register makes one");
    }
    let mut grid = Grid::new();
    let is_text = format == Format::Text;
    let last = if is_text { "age" } else { "created" };
    for (column, is_numeric) in [
        ("model", false),
        ("version", true),
        ("stage", false),
        ("aliases", false),
        ("run", false),
        ("artifact", false),
        ("size", true),
        (last, is_text),
    ] {
        grid.column(column, is_numeric);
    }
    if !is_text {
        grid.column("sha256", false);
    }
    for (name, model, version) in versions() {
        let aliases: Vec<_> = model.aliases_of(version.version).collect();
        let int = |n: u64| i64::try_from(n).map_or(Cell::Empty, Cell::Int);
        let size = if is_text { bytes(version.size).as_str().into() } else { int(version.size) };
        let created = match version.created {
            Some(time) if is_text => duration((now() - time).max(0.0)).as_str().into(),
            Some(time) => Cell::Time(time),
            None => Cell::Empty,
        };
        let mut row = vec![
            name.into(),
            int(version.version),
            version.stage.name().into(),
            aliases.join(" ").as_str().into(),
            version.run.as_str().into(),
            version.artifact.as_str().into(),
            size,
            created,
        ];
        if !is_text {
            row.push(version.sha256.as_str().into());
        }
        grid.row(row);
    }
    grid.print(format)?;
    Ok(())
}

fn json(name: &str, model: &Model, version: &ModelVersion) -> serde_json::Value {
    json!({
        "model": name,
        "version": version.version,
        "stage": version.stage,
        "aliases": model.aliases_of(version.version).collect::<Vec<_>>(),
        "run": version.run,
        "run_id": version.run_id,
        "artifact": version.artifact,
        "size": version.size,
        "sha256": version.sha256,
        "created": version.created,
        "description": version.description,
        "tags": version.tags,
    })
}

/// `key=value`.
fn tag(text: &str) -> Result<(String, String), Error> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let pair = pair.ok_or_else(|| Error::argument("a tag is KEY=VALUE"))?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}
