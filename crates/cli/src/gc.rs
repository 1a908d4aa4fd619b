//! `tbx gc`

use std::path::PathBuf;
use std::time::Duration;

use clap::ArgGroup;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::empty::Empty;
use super::grid::{Format, Grid};
use super::render::{bytes, counted, duration};
use super::{FINE, NO, print_note, say};
use tbx::error::Result;
use tbx::logdir::Logdir;
use tbx::meta::{Status, now};
use tbx_runs::archive::{Candidates, Rules};
use tbx_runs::registry;
use tbx_runs::table::Cell;

#[derive(clap::Args)]
#[command(
    group = ArgGroup::new("rules")
        .args(["older_than", "status", "unregistered", "larger_than", "kind"])
        .required(true)
        .multiple(true),
    after_help = "Lists artifacts: the files in the artifacts directories of runs. At least one rule is required.
An artifact is listed if it matches all given rules. Nothing is removed without --delete. Files that a
tbx.registry.json names are never removed (see tbx models), nor those of runs that are still running.
tbx.json keeps the entries of removed files, with their digests and the time of the removal.

tbx gc never removes event files. tbx archive packs whole runs into one compressed file, --remove then removes
them, and tbx restore restores them byte for byte.

Examples:
  tbx gc runs --older-than 30d
  tbx gc runs --status failed,killed --larger-than 100M --delete
  tbx gc runs --unregistered --kind model"
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

pub(super) fn run(args: &Args) -> Result<u8> {
    let mut rules = Rules::new().follow_links(args.follow_links);
    if let Some(age) = args.older_than {
        rules = rules.older_than(age);
    }
    if let Some(bytes) = args.larger_than {
        rules = rules.larger_than(bytes);
    }
    if !args.status.is_empty() {
        rules = rules.statuses(args.status.iter().copied());
    }
    if let Some(kind) = &args.kind {
        rules = rules.kind(kind);
    }
    if args.unregistered {
        rules = rules.unregistered();
    }
    let found = rules.find(&args.logdir)?;
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
        1 => "; 1 more stays, a registered model".into(),
        n => format!("; {n} more stay, registered models"),
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
    ] {
        grid.column(column, is_numeric);
    }
    for file in &found.files {
        let size = if is_text {
            bytes(file.size).as_str().into()
        } else {
            i64::try_from(file.size).map_or(Cell::Empty, Cell::Int)
        };
        let time = match file.time {
            Some(time) if is_text => duration((now() - time).max(0.0).floor()).as_str().into(),
            Some(time) => Cell::Time(time),
            None => Cell::Empty,
        };
        grid.row(vec![
            file.run.name.as_str().into(),
            file.artifact.as_str().into(),
            file.kind.as_deref().map_or(Cell::Empty, Cell::from),
            file.status.map_or(Cell::Empty, |status| status.name().into()),
            size,
            time,
        ]);
    }
    grid.print(format)?;
    Ok(())
}

fn status_parser() -> impl TypedValueParser<Value = Status> {
    let all = [Status::Scheduled, Status::Finished, Status::Failed, Status::Killed];
    PossibleValuesParser::new(all.map(Status::name)).map(move |name| {
        all.into_iter().find(|status| status.name() == name).unwrap_or(Status::Killed)
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
