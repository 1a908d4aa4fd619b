//! `tbx artifacts`

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Subcommand;

use super::empty::{Empty, check_directory};
use super::grid::{Format, Grid};
use super::render::{bytes, counted, name};
use super::{FAILED, FINE, NO, print, print_note, report, warn};
use tbx::artifacts::{ArtifactName, ArtifactVersion};
use tbx::error::Result;
use tbx::logdir::Logdir;
use tbx::store;
use tbx_runs::artifacts::{ArtifactLists, Lineage};
use tbx_runs::table::Cell;

#[derive(clap::Args)]
#[command(
    subcommand_precedence_over_arg = true, // `lineage` is not a directory: LOGDIR is missing
    after_help = "Versions are those that programs log with ActiveRun::log_version. The same content is the same version. Each
run that logs it has its files, as hard links to those of the first run where possible. tbx.artifacts.json lists the
versions, in the logdir or in a directory below it. VERSION is an artifact and one of its versions: data:v3, data:latest
(the one that was logged last) or data:best (an alias).

A version is gone if no run with its files is there any more. tbx gc removes versions only with --keep-versions.

Examples:
  tbx artifacts runs
  tbx artifacts runs fetch data:v3 --out data
  tbx artifacts runs lineage --of model:latest
  tbx artifacts runs lineage --dot | dot -Tsvg > lineage.svg"
)]
pub(super) struct Args {
    /// Log directory.
    #[arg(value_name = "LOGDIR", env = "TBX_LOGDIR")]
    logdir: PathBuf,

    /// Also read versions through links out of the log directory or of a run. Use it only for logs that you
    /// trust: a link can point to any file of this machine.
    #[arg(long, global = true)]
    follow_links: bool,

    /// Output format of lists.
    #[arg(long, value_enum, default_value = "text", global = true)]
    format: Format,

    #[command(flatten)]
    empty: Empty,

    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Subcommand)]
enum Action {
    /// List versions (the default).
    List,
    /// Show which runs logged and used which versions.
    Lineage {
        /// Only what a version was made from and what was made from it, or the same for a run.
        #[arg(long, value_name = "VERSION|RUN")]
        of: Option<String>,
        /// Print the graph for Graphviz.
        #[arg(long, conflicts_with = "format")]
        dot: bool,
    },
    /// Copy the files of a version to a new directory, and compare them with their digest.
    Fetch {
        version: ArtifactName,
        /// New or empty directory for the files.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Print the path of a version's file or directory, after comparing it with its digest.
    Path { version: ArtifactName },
    /// Point an alias to a version.
    Alias { version: ArtifactName, alias: String },
}

pub(super) fn run(args: &Args) -> Result<u8> {
    check_directory(&args.logdir)?;
    let lists = ArtifactLists::find(&args.logdir).follow_links(args.follow_links);
    if !matches!(args.action, Some(Action::Lineage { .. })) {
        lists.unreadable.iter().for_each(|error| warn(format!("{error}: skipped")));
    }
    let mut is_complete = lists.unreadable.is_empty();
    match &args.action {
        None | Some(Action::List | Action::Lineage { .. }) if is_empty(args, &lists)? => {
            return Ok(NO);
        }
        None | Some(Action::List) => list(args, &lists)?,
        Some(Action::Lineage { of, dot }) => {
            let (mut lineage, left) = Lineage::load(&lists);
            is_complete &= report(&left);
            if let Some(of) = of {
                lineage = lineage.of(of)?;
            }
            if *dot { print(&lineage.dot())? } else { show(args.format, &lineage)? }
        }
        Some(Action::Fetch { version, out }) => {
            let list = lists.of(version)?;
            let fetched = list.fetch(version, out)?;
            let files = usize::try_from(fetched.files).unwrap_or(usize::MAX);
            let exact = ArtifactName::new(&version.artifact, fetched.version);
            print(&format!(
                "{exact}: {}, {}, written to {}\n",
                counted(files, "file"),
                bytes(fetched.size),
                out.display()
            ))?;
        }
        Some(Action::Path { version }) => {
            print(&format!("{}\n", lists.of(version)?.path(version)?.display()))?;
        }
        Some(Action::Alias { version, alias }) => lists.of(version)?.set_alias(version, alias)?,
    }
    Ok(if is_complete { FINE } else { FAILED })
}

/// True if there are neither versions nor logs, although some are required.
fn is_empty(args: &Args, lists: &ArtifactLists) -> Result<bool> {
    let is_empty = lists.found.is_empty() && !Logdir::open(&args.logdir)?.has_logs();
    Ok(is_empty && args.empty.say(&args.logdir) == NO)
}

fn list(args: &Args, lists: &ArtifactLists) -> Result<()> {
    let is_text = args.format == Format::Text;
    let mut grid = Grid::new();
    for (column, is_numeric) in [
        ("artifact", false),
        ("version", false),
        ("kind", false),
        ("aliases", false),
        ("run", false),
        ("files", true),
        ("size", true),
        ("digest", false),
        ("logged", false),
        ("state", false),
    ] {
        grid.column(column, is_numeric);
    }
    for list in &lists.found {
        let below = lists.below(list);
        for (artifact, found) in list.all()? {
            for version in &found.versions {
                let named = found.aliases.iter().filter(|(_, to)| **to == version.version);
                let mut aliases: BTreeSet<_> = named.map(|(alias, _)| alias.as_str()).collect();
                aliases.extend((found.latest() == Some(version.version)).then_some("latest"));
                let aliases: Vec<_> = aliases.into_iter().collect();
                // A list of an object store does not say whether the files are there.
                let is_gone = !store::is_url(list.root()) && !list.is_there(version)?;
                let runs = match version.copies.len() {
                    more if more > 0 && is_text => format!("{below}{} +{more}", version.run),
                    _ => {
                        let runs = version.places().map(|place| format!("{below}{}", place.run));
                        runs.collect::<Vec<_>>().join(" ")
                    }
                };
                let number = |number: u64| i64::try_from(number).map_or(Cell::Empty, Cell::Int);
                let size = match is_text {
                    true => bytes(version.size).as_str().into(),
                    false => number(version.size),
                };
                grid.row(vec![
                    format!("{below}{artifact}").as_str().into(),
                    format!("v{}", version.version).as_str().into(),
                    found.kind.as_deref().map_or(Cell::Empty, Cell::from),
                    aliases.join(" ").as_str().into(),
                    runs.as_str().into(),
                    number(version.files),
                    size,
                    digest(version, is_text).as_str().into(),
                    version.created.map_or(Cell::Empty, Cell::Time),
                    if is_gone { "gone" } else { "" }.into(),
                ]);
            }
        }
    }
    grid.print(args.format)?;
    Ok(())
}

/// The digest; for people, its start.
fn digest(version: &ArtifactVersion, is_text: bool) -> String {
    let len = if is_text { 12 } else { usize::MAX };
    version.digest.chars().take(len).collect()
}

fn show(format: Format, lineage: &Lineage) -> Result<()> {
    let mut grid = Grid::new();
    grid.wrap_texts();
    for column in ["version", "kind", "logged by", "used by"] {
        grid.column(column, false);
    }
    let mut unknown = Vec::new();
    for (version, found) in &lineage.versions {
        let joined =
            |runs: &BTreeSet<String>| runs.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        grid.row(vec![
            version.as_str().into(),
            found.kind.as_deref().map_or(Cell::Empty, Cell::from),
            joined(&found.logged_by).as_str().into(),
            joined(&found.used_by).as_str().into(),
        ]);
        if found.logged_by.is_empty() {
            unknown.push(name(version).to_string());
        }
    }
    grid.print(format)?;
    if format == Format::Text && !unknown.is_empty() {
        print_note(&format!("no run here logged {}", unknown.join(", ")))?;
    }
    Ok(())
}
