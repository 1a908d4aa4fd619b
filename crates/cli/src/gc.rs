//! `tbx gc`

use std::path::PathBuf;
use std::time::Duration;

use clap::ArgGroup;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use serde::{Deserialize, Deserializer};

use super::config::{ConfigFile, parsed};
use super::empty::Empty;
use super::grid::{Format, Grid};
use super::render::{bytes, counted, duration};
use super::{FINE, NO, print_note, say};
use tbx::error::{Error, Result};
use tbx::logdir::Logdir;
use tbx::meta::{Status, now};
use tbx_runs::archive::{Candidate, Candidates, Rules};
use tbx_runs::registry;
use tbx_runs::table::Cell;

#[derive(clap::Args)]
#[command(
    group = ArgGroup::new("rules")
        .args([
            "older_than", "status", "unregistered", "larger_than", "kind", "keep_versions", "policy",
        ])
        .required(true)
        .multiple(true),
    after_help = "Lists artifacts: the files in the artifacts directories of runs. At least one rule is required.
An artifact is listed if it matches all given rules. Nothing is removed without --delete. Files that a
tbx.registry.json names are never removed (see tbx models), nor those of runs that are still running. Versions of
artifacts (see tbx artifacts) are removed only with --keep-versions, which selects nothing else. Other rules then apply
to a version as a whole. tbx.json keeps the entries of removed files, with their digests and the time of the removal.

tbx gc never removes event files. tbx archive packs whole runs into one compressed file, --remove then removes
them, and tbx restore restores them byte for byte.

With --policy, the rules come from the configuration file, a TOML file. An artifact is listed if all rules of one entry
hold, each of which has the name of an option:
  [[gc.remove]]
  status = [\"failed\", \"killed\"]
  older_than = \"7d\"
  [[gc.remove]]
  kind = \"checkpoint\"
  larger_than = \"1G\"
  unregistered = true
  [[gc.remove]]
  keep_versions = 5
  older_than = \"30d\"

Examples:
  tbx gc runs --older-than 30d
  tbx gc runs --policy --delete
  tbx gc runs --status failed,killed --larger-than 100M --delete
  tbx gc runs --unregistered --kind model
  tbx gc runs --keep-versions 3 --kind checkpoint --delete"
)]
pub(super) struct Args {
    /// Log directory.
    #[arg(value_name = "LOGDIR", env = "TBX_LOGDIR")]
    logdir: PathBuf,

    /// Rule: at least this old: 90m, 12h, 30d or 2w.
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Option<Duration>,

    /// Rule: of a run with one of these statuses, separated by commas.
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = status_parser())]
    status: Vec<Status>,

    /// Rule: not named by any registry.
    #[arg(long)]
    unregistered: bool,

    /// Rule: larger than this: 500k, 100M or 2G (powers of 1000).
    #[arg(long, value_name = "SIZE", value_parser = size)]
    larger_than: Option<u64>,

    /// Rule: of this kind in tbx.json, such as model.
    #[arg(long)]
    kind: Option<String>,

    /// Rule: a version of an artifact that is not among the newest ones of that artifact, this many. Versions with
    /// an alias, such as latest, and those that a run used, are kept.
    #[arg(long, value_name = "COUNT")]
    keep_versions: Option<usize>,

    /// Rules: those of gc.remove in the configuration file.
    #[arg(long, conflicts_with_all = [
        "older_than", "status", "unregistered", "larger_than", "kind", "keep_versions",
    ])]
    policy: bool,

    #[command(flatten)]
    config: ConfigFile,

    /// Also read tbx.json and tbx.registry.json through links out of a run or of the log directory.
    /// Artifacts behind links are never removed.
    #[arg(long)]
    follow_links: bool,

    /// Remove the listed artifacts.
    #[arg(long)]
    delete: bool,

    /// Output format of the list.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,

    #[command(flatten)]
    empty: Empty,
}

/// The table `gc` of the configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Policy {
    /// The artifacts to remove: those for which all rules of one entry hold.
    remove: Vec<Entry>,
}

/// The rules of an entry.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Entry {
    #[serde(deserialize_with = "config_age")]
    older_than: Option<Duration>,
    status: Vec<StatusName>,
    unregistered: bool,
    #[serde(deserialize_with = "config_size")]
    larger_than: Option<u64>,
    kind: Option<String>,
    keep_versions: Option<usize>,
}

/// A status that runs with artifacts to remove may have.
#[derive(Debug, Clone, Copy)]
struct StatusName(Status);

impl<'de> Deserialize<'de> for StatusName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, |text| {
            let status = STATUSES.into_iter().find(|status| status.name() == text);
            let names = STATUSES.map(Status::name).join(", ");
            status.map(Self).ok_or_else(|| format!("is not one of {names}"))
        })
    }
}

fn config_age<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    parsed(deserializer, age).map(Some)
}

fn config_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    parsed(deserializer, size).map(Some)
}

/// Statuses that `--status` takes: artifacts of runs that are running stay.
const STATUSES: [Status; 5] =
    [Status::Scheduled, Status::Finished, Status::Failed, Status::Killed, Status::Pruned];

impl Entry {
    fn rules(&self, follow_links: bool) -> Rules {
        let mut rules = Rules::new().follow_links(follow_links);
        if let Some(age) = self.older_than {
            rules = rules.older_than(age);
        }
        if let Some(bytes) = self.larger_than {
            rules = rules.larger_than(bytes);
        }
        if !self.status.is_empty() {
            rules = rules.statuses(self.status.iter().map(|StatusName(status)| *status));
        }
        if let Some(kind) = &self.kind {
            rules = rules.kind(kind);
        }
        if let Some(count) = self.keep_versions {
            rules = rules.keep_versions(count);
        }
        if self.unregistered {
            rules = rules.unregistered();
        }
        rules
    }
}

impl Args {
    /// The rules of the options, or of the configuration file.
    fn entries(&self) -> Result<Vec<Entry>> {
        if self.policy {
            let Policy { remove } = self.config.gc()?;
            if remove.is_empty() {
                return Err(Error::argument("the configuration file has no gc.remove"));
            }
            return Ok(remove);
        }
        Ok(vec![Entry {
            older_than: self.older_than,
            status: self.status.iter().copied().map(StatusName).collect(),
            unregistered: self.unregistered,
            larger_than: self.larger_than,
            kind: self.kind.clone(),
            keep_versions: self.keep_versions,
        }])
    }
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let rules = args.entries()?.iter().map(|entry| entry.rules(args.follow_links)).collect();
    let found = Rules::find_any(rules, &args.logdir)?;
    let has_registry = args.logdir.join(registry::FILE).exists();
    let is_empty = found.files.is_empty() && found.registered == 0 && !has_registry;
    if is_empty && !Logdir::open(&args.logdir)?.has_logs() && args.empty.say(&args.logdir) == NO {
        return Ok(NO);
    }
    if !found.files.is_empty() || args.format != Format::Text {
        list(&found, args.format)?;
    }
    let total = format!("{}, {}", counted(found.files.len(), "artifact"), bytes(found.bytes()));
    let stay = match found.registered {
        0 => String::new(),
        1 => "; 1 more stays, of a registered model or version".into(),
        n => format!("; {n} more stay, of registered models or versions"),
    };
    let end = if args.delete {
        format!("{total}: {} removed{stay}", found.remove()?)
    } else {
        format!("{total}; --delete removes them{stay}")
    };
    if args.format == Format::Text {
        print_note(&end)?
    } else {
        say(&end)
    }
    Ok(FINE)
}

fn list(found: &Candidates, format: Format) -> Result<()> {
    let is_text = format == Format::Text;
    let mut grid = Grid::new();
    let last = if is_text { "age" } else { "time" };
    for (column, is_numeric) in [
        ("run", false),
        ("artifact", false),
        ("kind", false),
        ("status", false),
        ("size", true),
        (last, is_text),
        ("version", false),
    ] {
        if column != "version" || !is_text {
            grid.column(column, is_numeric);
        }
    }
    // In text, a version is one row.
    let is_one = |a: &Candidate, b: &Candidate| {
        is_text && a.version.is_some() && (&a.run, &a.version) == (&b.run, &b.version)
    };
    for files in found.files.chunk_by(is_one) {
        let Some(file) = files.first() else { continue };
        let total = files.iter().map(|file| file.size).fold(0, u64::saturating_add);
        let size = match is_text {
            true => bytes(total).as_str().into(),
            false => i64::try_from(total).map_or(Cell::Empty, Cell::Int),
        };
        let artifact = match &file.version {
            Some(version) if is_text => format!("{version}, {}", counted(files.len(), "file")),
            _ => file.artifact.clone(),
        };
        let time = match file.time {
            Some(time) if is_text => duration((now() - time).max(0.0).floor()).as_str().into(),
            Some(time) => Cell::Time(time),
            None => Cell::Empty,
        };
        let mut row = vec![
            file.run.name.as_str().into(),
            artifact.as_str().into(),
            file.kind.as_deref().map_or(Cell::Empty, Cell::from),
            file.status.map_or(Cell::Empty, |status| status.name().into()),
            size,
            time,
        ];
        if !is_text {
            row.push(file.version.as_deref().map_or(Cell::Empty, Cell::from));
        }
        grid.row(row);
    }
    grid.print(format)?;
    Ok(())
}

fn status_parser() -> impl TypedValueParser<Value = Status> {
    PossibleValuesParser::new(STATUSES.map(Status::name)).map(move |name| {
        STATUSES.into_iter().find(|status| status.name() == name).unwrap_or(Status::Killed)
    })
}

/// Parses `90m`, `12h`, `30d`, `2w`.
pub(super) fn age(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400), ("w", 7 * 86_400)];
    let seconds = units.iter().find_map(|(unit, factor)| {
        text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(*factor)
    });
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| "must be an age such as 90m, 12h, 30d or 2w".into())
}

/// Parses `500`, `500k`, `100M`, `2G`, each with an optional `B`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let number = text.strip_suffix('B').unwrap_or(text);
    let units = [
        ("k", 1000),
        ("K", 1000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("T", 1_000_000_000_000),
        ("", 1),
    ];
    let bytes = units.iter().find_map(|(unit, factor)| {
        number.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(*factor)
    });
    bytes.ok_or_else(|| "must be a size such as 500k, 100M or 2G".into())
}
