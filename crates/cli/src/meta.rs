//! `tbx meta`

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::output::Format;
use super::render::{Fit, NotShown, Table, date, name};
use super::{FAILED, FINE, NO, print, print_json, report, warn};
use tbx::error::{Error, Report, Result, failed};
use tbx::logdir::{LoadOptions, Logdir, Payloads, Run};
use tbx::meta::{Param, RunMeta, Status};
use tbx::store;
use tbx::summary::Kind;

#[derive(clap::Args)]
#[command(
    after_help = "RUN is the directory of a run. Changes go to tbx.json in it, also for runs of other programs; event
files stay as they are. tbx table, check and export show the changes, TensorBoard does not. tbx edit --set-param
adds parameters to logs, for TensorBoard's hyperparameter table.

Keys are name, experiment, description (or notes), status (scheduled, running, finished, failed,
killed), param.NAME, tag.NAME and label.NAME. Values of parameters are bools, numbers or texts, as in
Python and JSON: 0.1, True, adam; double quotes make a text: '\"0.1\"'. A label has no value.

Examples:
  tbx meta show runs/1
  tbx meta set runs/1 param.lr=0.1 param.optimizer=adam name='first try'
  tbx meta set runs/1 tag.team=vision label.reviewed status=finished
  tbx meta unset runs/1 label.reviewed"
)]
pub(super) struct Args {
    /// Also read tbx.json and hparams.yaml through links out of the run's directory. Use it only for logs
    /// that you trust: a link can point to any file of this machine.
    #[arg(long, global = true)]
    follow_links: bool,

    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Print the metadata of a run: parameters, tags, code, machine, how it ended.
    Show {
        /// Directory of the run.
        run: PathBuf,
        /// Text, or JSON: one object, as in tbx.json.
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Set parameters, tags, notes, the name, the experiment or the status of a run.
    Set {
        /// Directory of the run.
        run: PathBuf,
        /// Values to set.
        #[arg(value_name = "KEY=VALUE", required = true, value_parser = Change::parse)]
        changes: Vec<Change>,
    },
    /// Remove values that were set.
    Unset {
        /// Directory of the run.
        run: PathBuf,
        /// Keys to remove.
        #[arg(required = true, value_parser = Key::parse)]
        keys: Vec<Key>,
    },
}

/// A key that can be set.
#[derive(Debug, Clone, PartialEq)]
enum Key {
    Name,
    Experiment,
    Description,
    Status,
    Param(String),
    Tag(String),
    Label(String),
}

/// A key with its new value.
#[derive(Debug, Clone)]
struct Change {
    key: Key,
    value: String,
}

impl Key {
    fn parse(text: &str) -> std::result::Result<Self, String> {
        let named = text.split_once('.').filter(|(_, name)| !name.is_empty());
        Ok(match (text, named) {
            ("name", _) => Self::Name,
            ("experiment", _) => Self::Experiment,
            ("description" | "notes", _) => Self::Description,
            ("status", _) => Self::Status,
            (_, Some(("param", name))) => Self::Param(name.into()),
            (_, Some(("tag", name))) => Self::Tag(name.into()),
            (_, Some(("label", name))) => Self::Label(name.into()),
            _ => {
                return Err(format!(
                    "there is no key {text:?}; there are name, experiment, description, notes, status, \
                     param.NAME, tag.NAME and label.NAME"
                ));
            }
        })
    }

    /// True if the run has this key.
    fn is_in(&self, meta: &RunMeta) -> bool {
        match self {
            Self::Name => meta.name.is_some(),
            Self::Experiment => meta.experiment.is_some(),
            Self::Description => meta.description.is_some(),
            Self::Status => meta.status.is_some(),
            Self::Param(name) => meta.params.contains_key(name),
            Self::Tag(name) => meta.tags.contains_key(name),
            Self::Label(name) => meta.labels.contains(name),
        }
    }

    fn remove(&self, meta: &mut RunMeta) {
        match self {
            Self::Name => meta.name = None,
            Self::Experiment => meta.experiment = None,
            Self::Description => meta.description = None,
            Self::Status => (meta.status, meta.process) = (None, None),
            Self::Param(name) => drop(meta.params.remove(name)),
            Self::Tag(name) => drop(meta.tags.remove(name)),
            Self::Label(name) => drop(meta.labels.remove(name)),
        }
    }
}

impl Change {
    fn parse(text: &str) -> std::result::Result<Self, String> {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (Key::parse(key)?, value.to_owned()),
            None => (Key::parse(text)?, String::new()),
        };
        match (&key, text.contains('=')) {
            (Key::Label(_), true) => Err(format!("{text:?}: a label has no value")),
            (Key::Label(_), false) => Ok(Self { key, value }),
            (_, false) => Err(format!("{text:?} is not KEY=VALUE")),
            (Key::Status, true) => status(&value).map(|_| Self { key, value }),
            (_, true) => Ok(Self { key, value }),
        }
    }

    fn apply(&self, meta: &mut RunMeta) {
        let value = self.value.clone();
        match &self.key {
            Key::Name => meta.name = Some(value),
            Key::Experiment => meta.experiment = Some(value),
            Key::Description => meta.description = Some(value),
            Key::Status => (meta.status, meta.process) = (status(&value).ok(), None),
            Key::Param(name) => drop(meta.params.insert(name.clone(), Param::inferred(&value))),
            Key::Tag(name) => drop(meta.tags.insert(name.clone(), value)),
            Key::Label(name) => drop(meta.labels.insert(name.clone())),
        }
    }
}

fn status(text: &str) -> std::result::Result<Status, String> {
    let found = Status::ALL.into_iter().find(|status| status.name().eq_ignore_ascii_case(text));
    found.ok_or_else(|| {
        let names = Status::ALL.map(Status::name).join(", ");
        format!("there is no status {text:?}; there are {names}")
    })
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let follow = args.follow_links;
    match &args.action {
        Action::Show { run, format } => show(run, follow, *format),
        Action::Set { run, changes } => {
            let (run, code) = load(run, follow, "tbx meta set")?;
            run.update_meta(|meta| changes.iter().for_each(|change| change.apply(meta)))?;
            Ok(code)
        }
        Action::Unset { run: path, keys } => {
            let (run, code) = load(path, follow, "tbx meta unset")?;
            let (before, _) = run.meta();
            let missing: Vec<_> = keys.iter().filter(|key| !key.is_in(&before)).collect();
            missing.iter().for_each(|key| warn(format!("the run has no {}", key.text())));
            if missing.len() < keys.len() {
                run.update_meta(|meta| keys.iter().for_each(|key| key.remove(meta)))?;
            }
            let (after, _) = run.meta();
            let left: Vec<_> = keys.iter().filter(|key| key.is_in(&after)).collect();
            for key in &left {
                let key = key.text();
                warn(format!(
                    "{key} is in the log itself; use tbx edit --unset-param to remove parameters"
                ));
            }
            Ok(if missing.is_empty() && left.is_empty() { code } else { code.max(NO) })
        }
    }
}

impl Key {
    fn text(&self) -> String {
        match self {
            Self::Name => "name".into(),
            Self::Experiment => "experiment".into(),
            Self::Description => "description".into(),
            Self::Status => "status".into(),
            Self::Param(name) => format!("param.{name}"),
            Self::Tag(name) => format!("tag.{name}"),
            Self::Label(name) => format!("label.{name}"),
        }
    }
}

/// Loads the run in the directory `path`. Returns it with the exit code so far.
fn load(path: &Path, follow: bool, what: &str) -> Result<(Run, u8)> {
    if store::is_url(path) {
        let what =
            format!("{what} changes local runs only: download the run, change it, and upload it");
        let error = std::io::Error::new(std::io::ErrorKind::Unsupported, what);
        return Err(failed(error, path));
    }
    read(path, follow)
}

fn read(path: &Path, follow: bool) -> Result<(Run, u8)> {
    let logdir = Logdir::open(path)?;
    let kinds = [Kind::Hparams, Kind::Meta];
    let options =
        LoadOptions::new().kinds(kinds).runs(|name| name == ".").payloads(Payloads::Placed);
    let options = options.follow_links(follow);
    let mut loaded = logdir.load(&options)?;
    let is_lossless = report(&loaded.report);
    match loaded.runs.pop() {
        Some(run) => Ok((run, if is_lossless { FINE } else { FAILED })),
        None => {
            let some: Vec<_> = logdir.runs().iter().take(5).map(|run| run.name.as_str()).collect();
            let hint = match some.is_empty() {
                true => String::new(),
                false => format!("; runs in it are {}", some.join(", ")),
            };
            let what = format!("{} is not a run: it has no event file{hint}", path.display());
            Err(Error::argument(what))
        }
    }
}

fn show(path: &Path, follow: bool, format: Format) -> Result<u8> {
    let (run, code) = read(path, follow)?;
    let (meta, issues) = run.meta();
    let is_lossless = report(&Report::from(issues));
    match format {
        Format::Json => print_json(&meta)?,
        Format::Text => print(&text(&meta))?,
    }
    Ok(if is_lossless { code } else { FAILED })
}

/// One line per key, in the form that `tbx meta set` takes, and everything else that is known.
fn text(meta: &RunMeta) -> String {
    let mut table = Table::of(&["KEY", "VALUE"], 0).fit(&["VALUE"], Fit::Text);
    let mut row = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            table.row(vec![name(key), name(&value)]);
        }
    };
    row("name", meta.name.clone());
    row("experiment", meta.experiment.clone());
    row("description", meta.description.clone());
    row("status", meta.status_at(tbx::meta::now()).map(|status| status.name().to_owned()));
    row("id", meta.id.clone());
    row("parent", meta.parent.clone());
    row("start", meta.start_time.map(date));
    row("end", meta.end_time.map(date));
    for (key, value) in &meta.params {
        row(&format!("param.{key}"), Some(value.to_string()));
    }
    for (key, value) in &meta.tags {
        row(&format!("tag.{key}"), Some(value.clone()));
    }
    for label in &meta.labels {
        row(&format!("label.{label}"), Some(String::new()));
    }
    for (key, seed) in &meta.seeds {
        row(&format!("seed {key}"), Some(seed.to_string()));
    }
    for data in &meta.datasets {
        row(&format!("dataset {}", data.name), Some(data.digest.clone()));
    }
    for artifact in &meta.artifacts {
        row(&format!("artifact {}", artifact.path), Some(super::render::bytes(artifact.size)));
    }
    if let Some(git) = &meta.git {
        row("commit", git.commit.clone());
        row("branch", git.branch.clone());
    }
    row("host", meta.environment.as_ref().and_then(|environment| environment.host.clone()));
    row("error", meta.failure.as_ref().map(|failure| failure.message.clone()));
    match *meta == RunMeta::default() {
        true => "the run has no metadata\n".into(),
        false => table.shown(&mut NotShown::default()),
    }
}
