//! The systems that runs are kept in: one folder per tracker.
//!
//! Each one that runs can be imported from is one of [`sources`].

mod csv;
mod gathered;
#[cfg(any(feature = "mlflow", feature = "wandb"))]
pub(crate) mod live;
mod local;
#[cfg(feature = "mlflow")]
pub mod mlflow;
#[cfg(feature = "neptune")]
pub(crate) mod neptune;
#[cfg(test)]
mod opened;
mod overview;
#[cfg(any(feature = "mlflow", feature = "wandb"))]
mod produced;
mod python_json;
#[cfg(any(feature = "mlflow", feature = "wandb"))]
mod reread;
#[allow(dead_code, reason = "not every set of features has a tracker for all of it")]
pub(crate) mod source;
#[cfg(any(feature = "mlflow", feature = "trackio"))]
#[cfg_attr(not(feature = "trackio"), allow(dead_code, reason = "MLflow's source only connects"))]
mod sqlite;
mod time_text;
#[cfg(feature = "trackio")]
mod trackio;
mod trainer_state;
#[cfg(feature = "wandb")]
pub mod wandb;

use std::fs;
use std::path::{Path, PathBuf};

pub use self::overview::{SourceOverview, SourceRunOverview};
use self::source::{Source, SourceKind, SourceOptions};
use crate::table::meant;
use tbx::error::{Error, ErrorKind, Location, Result};

/// Maximum number of entries of a directory that are tried for a hint.
const MAX_INSIDE: usize = 100;

/// The trackers that record the step and the time of each point, so that there is nothing to choose.
const OWN_AXES: [&str; 2] = ["mlflow", "neptune"];

/// Every tracker that runs can be imported from. The order is that of `tbx import --help`.
static SOURCES: &[&SourceKind] = &[
    #[cfg(feature = "mlflow")]
    &mlflow::SOURCE,
    #[cfg(feature = "wandb")]
    &wandb::SOURCE,
    #[cfg(feature = "neptune")]
    &neptune::SOURCE,
    &trainer_state::SOURCE,
    #[cfg(feature = "trackio")]
    &trackio::SOURCE,
    &csv::SOURCE,
];

/// A tracker that runs can be imported from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrackerInfo {
    /// Its name on the command line.
    pub name: &'static str,
    /// The name that people know.
    pub title: &'static str,
    /// The accepted kinds of source, as part of a sentence.
    pub takes: &'static str,
}

/// Every tracker that runs can be imported from.
pub fn sources() -> Vec<TrackerInfo> {
    let info =
        |kind: &&SourceKind| TrackerInfo { name: kind.name, title: kind.title, takes: kind.takes };
    SOURCES.iter().map(info).collect()
}

/// Opens the source at `place`, a path or a URL, of the tracker called `from`, or of the only one that it can belong
/// to. The first result is the title of the tracker.
///
/// # Errors
///
/// There is no such tracker, nothing is at `place`, or no tracker or several have such sources.
pub(crate) fn open(
    place: &str,
    from: Option<&str>,
    options: &SourceOptions,
) -> Result<(&'static str, Box<dyn Source>)> {
    let kind = match from {
        Some(name) => named(name)?,
        None => recognized(place, SOURCES)?,
    };
    check_axes(kind, options)?;
    Ok((kind.title, (kind.open)(place, options)?))
}

/// Refuses a key of steps or times where it has no use.
fn check_axes(kind: &SourceKind, options: &SourceOptions) -> Result<()> {
    let asked =
        [(&options.step, "`Import::step`", "step"), (&options.time, "`Import::time`", "time")];
    let asked = asked.into_iter().find(|(key, ..)| key.is_some());
    match asked.filter(|_| OWN_AXES.contains(&kind.name)) {
        Some((_, option, what)) => Err(Error::argument(format!(
            "{} records the {what} of each point; leave out {option}",
            kind.title
        ))),
        None => Ok(()),
    }
}

fn named(name: &str) -> Result<&'static SourceKind> {
    let names: Vec<_> = SOURCES.iter().map(|kind| kind.name).collect();
    let unknown =
        || Error::argument(format!("there is no tracker {name:?}; {}", meant(name, &names)));
    SOURCES.iter().copied().find(|kind| kind.name == name).ok_or_else(unknown)
}

/// The tracker whose source is at `place`.
fn recognized<'k>(place: &str, kinds: &[&'k SourceKind]) -> Result<&'k SourceKind> {
    let is_here = |kind: &&&SourceKind| (kind.is_here)(Path::new(place));
    let found: Vec<_> = kinds.iter().filter(is_here).copied().collect();
    match found.as_slice() {
        [kind] => Ok(kind),
        [] => Err(unknown(place, kinds)),
        several => {
            let names: Vec<_> = several
                .iter()
                .map(|kind| format!("{} (`Import::from` {})", kind.title, kind.name))
                .collect();
            let what = format!("{place} may belong to {}: choose one of them", names.join(" or "));
            Err(Error::argument(what))
        }
    }
}

/// The error for a place that no tracker recognizes.
fn unknown(place: &str, kinds: &[&SourceKind]) -> Error {
    let is_path = !place.contains("://");
    if let (true, Err(error)) = (is_path, Path::new(place).metadata()) {
        return ErrorKind::from(error).at(Location::of(Path::new(place)));
    }
    let takes: Vec<_> =
        kinds.iter().map(|kind| format!("{} ({})", kind.title, kind.takes)).collect();
    let hint = inside(Path::new(place), kinds);
    let hint = hint.map(|found| format!("; did you mean {}?", found.display()));
    let what = format!(
        "{place} has no runs that can be imported{}; looked for {}; `Import::from` names the tracker",
        hint.unwrap_or_default(),
        takes.join("; ")
    );
    Error::argument(what)
}

/// The first thing in a directory that a tracker recognizes.
fn inside(dir: &Path, kinds: &[&SourceKind]) -> Option<PathBuf> {
    let mut names: Vec<_> = fs::read_dir(dir).ok()?.take(MAX_INSIDE).flatten().collect();
    names.sort_by_key(fs::DirEntry::file_name);
    let is_found = |path: &PathBuf| kinds.iter().any(|kind| (kind.is_here)(path));
    names.into_iter().map(|entry| entry.path()).find(is_found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &'static str, is_here: fn(&Path) -> bool) -> SourceKind {
        let open = |_: &str, _: &SourceOptions| Err(Error::argument("not in a test"));
        SourceKind { name, title: name, takes: "a file of its own", is_here, open }
    }

    #[test]
    fn a_source_is_recognized_if_it_can_be_of_one_tracker_only() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            fs::write(dir.path().join(name), "").unwrap();
            dir.path().join(name).to_str().unwrap().to_owned()
        };
        let one = kind("one", |path| path.extension().is_some_and(|end| end == "a" || end == "ab"));
        let two = kind("two", |path| path.extension().is_some_and(|end| end == "b" || end == "ab"));
        let kinds = [&one, &two];
        let found = |place: &str| recognized(place, &kinds).map(|kind| kind.name);
        assert_eq!(found(&file("x.a")).unwrap(), "one");
        assert_eq!(found(&file("x.b")).unwrap(), "two");
        let said = found(&file("x.ab")).unwrap_err().to_string();
        assert!(said.contains("one (`Import::from` one) or two (`Import::from` two)"), "{said}");
        let said = found(&file("x.c")).unwrap_err().to_string();
        assert!(said.contains("looked for one (a file of its own); two"), "{said}");
        let said = found(dir.path().to_str().unwrap()).unwrap_err().to_string();
        assert!(said.contains("did you mean") && said.contains("x.a?"), "{said}");
        assert!(found("not/there").unwrap_err().to_string().contains("not/there"));
        assert!(found("s3://bucket/x").unwrap_err().to_string().contains("looked for"));
        let mut options = SourceOptions {
            connections: 1,
            links: tbx::store::Links::Inside,
            follow_local_paths: false,
            step: None,
            time: Some("when".into()),
            draw_boxes: false,
        };
        assert!(check_axes(&one, &options).is_ok());
        let mlflow = kind("mlflow", |_| true);
        let said = check_axes(&mlflow, &options).unwrap_err().to_string();
        assert!(said.contains("the time of each point; leave out `Import::time`"), "{said}");
        options.time = None;
        assert!(check_axes(&mlflow, &options).is_ok());
        assert!(named("nothing").err().unwrap().to_string().contains("there is no tracker"));
    }

    #[test]
    fn names_in_the_table_are_different_and_fit_the_command_line() {
        let names: Vec<_> = sources().into_iter().map(|tracker| tracker.name).collect();
        let mut once = names.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), names.len());
        let is_plain = |c: char| c.is_ascii_lowercase() || c == '-' || c == '_';
        assert!(names.iter().all(|name| name.chars().all(is_plain)), "{names:?}");
    }
}
