//! Directories of the client before neptune-scale: a queue of operations, and files that the client kept.
//!
//! The layout is that of `neptune/internal/utils/files.py`, `neptune/core/components/queue/` and
//! `neptune/core/components/metadata_file.py` 1.14. Programs that resumed a run have a directory each.

mod lines;
mod state;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Map, Value};

use self::lines::{Line, Problem, number};
use self::state::State;
use super::about::{About, ObjectKind};
use super::attributes::{Attribute, Attributes};
use super::find::{METADATA, log_version};
use super::issues::issue;
use super::locate::{Folder, Locator, name_of, sizes};
use tbx::error::{Effect, ErrorKind, Issue, Location, Report};
use tbx::store::Root;

/// The files that the client kept.
const UPLOADS: &str = "upload_path";
/// The version of the last operation, and the maximum size of that file.
const LAST_PUT: &str = "last_put_version";
const MAX_NUMBER: u64 = 64;
/// Maximum size of `metadata.json`.
const MAX_METADATA: u64 = 1 << 20;
/// A part of a line about an attribute that Neptune sets.
const SYS: &[u8] = b"\"sys\"";

/// A run, a model, a version of a model or a project that clients wrote.
pub(super) struct Client {
    kind: ObjectKind,
    id: String,
    directories: Vec<Directory>,
    locator: Locator,
}

/// The files of one program.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// The logs by the version of their first operation.
    logs: BTreeMap<u64, PathBuf>,
    metadata: Map<String, Value>,
    id: String,
    kind: ObjectKind,
    created: Option<Timestamp>,
}

impl Directory {
    /// Reads the description of the directory at `path`, which is in `root`.
    pub(super) fn open(root: &Root, path: PathBuf, issues: &mut Report) -> Self {
        let metadata = match root.read(&path.join(METADATA), MAX_METADATA) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                let what = format!("it is damaged: {error}; the names of directories are used");
                issue(issues, &path.join(METADATA), ErrorKind::Value(what), Effect::Kept);
                Map::new()
            }),
            // Old clients write none.
            Err(_) => Map::new(),
        };
        let text = |key: &str| metadata.get(key).and_then(Value::as_str);
        let named = named(&path);
        let id = text("containerId").filter(|id| !id.is_empty()).map(str::to_owned);
        let kind = text("containerType").or(named.as_ref().map(|(kind, _)| kind.as_str()));
        let created = text("createdAt").and_then(|text| text.parse::<Timestamp>().ok());
        let mut logs = BTreeMap::new();
        for entry in fs::read_dir(&path).into_iter().flatten().flatten() {
            if let Some(version) = entry.file_name().to_str().and_then(log_version) {
                logs.insert(version, entry.path());
            }
        }
        Self {
            kind: kind.map(ObjectKind::parse).unwrap_or_default(),
            created,
            id: id
                .or(named.map(|(_, id)| id).filter(|id| !id.is_empty()))
                .unwrap_or_else(|| name_of(&path)),
            path,
            logs,
            metadata,
        }
    }

    /// The version of the last operation that the program asked for.
    fn last_put(&self, root: &Root) -> Option<u64> {
        let bytes = root.read(&self.path.join(LAST_PUT), MAX_NUMBER).ok()?;
        str::from_utf8(&bytes).ok()?.trim().parse().ok()
    }

    /// The id of the run and the kind, by which directories belong together.
    pub(super) fn key(&self) -> (String, &'static str) {
        (self.id.clone(), self.kind.role().unwrap_or_default())
    }

    /// Whether it has no values: in mode `sync`, the client sends them at once.
    pub(super) fn has_no_values(&self) -> bool {
        self.logs.is_empty()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// The kind and the id in the name of a directory: `run__ID__PROCESS__RANDOM`, `run__ID/exec-TIME-...` or, in the
/// oldest clients, `ID` or `ID/exec-TIME-...`.
fn named(path: &Path) -> Option<(String, String)> {
    let name = path.file_name()?.to_str()?;
    let name = match name.starts_with("exec-") {
        true => path.parent()?.file_name()?.to_str()?,
        false => name,
    };
    let mut parts = name.split("__");
    let (first, second) = (parts.next()?, parts.next());
    Some(match second {
        Some(id) => (first.to_owned(), id.to_owned()),
        None => ("run".to_owned(), first.to_owned()),
    })
}

impl Client {
    /// The run that these directories belong to. There is at least one directory.
    pub(super) fn new(mut directories: Vec<Directory>, locator: Locator) -> Self {
        directories.sort_by(|a, b| (a.created, &a.path).cmp(&(b.created, &b.path)));
        let first = directories.first();
        Self {
            kind: first.map(|first| first.kind).unwrap_or_default(),
            id: first.map(|first| first.id.clone()).unwrap_or_default(),
            directories,
            locator,
        }
    }

    /// A text that changes when values are added.
    pub(super) fn state(&self) -> String {
        sizes(self.directories.iter().flat_map(|directory| directory.logs.values()))
    }

    /// The facts that are known without reading the points.
    pub(super) fn about(&self, report: &mut Report) -> About {
        let is_sys = |line: &[u8]| line.windows(SYS.len()).take(MAX_SYS).any(|part| part == SYS);
        let mut problems = Report::default();
        let (about, _) = self.read(is_sys, &mut problems);
        // The same problems are found again with the content.
        report
            .issues
            .extend(problems.issues.into_iter().filter(|problem| !problem.effect.is_loss()));
        about
    }

    /// All attributes.
    pub(super) fn attributes(&self, report: &mut Report) -> (About, Attributes) {
        self.read(|_| true, report)
    }

    fn read(&self, is_wanted: impl Fn(&[u8]) -> bool, report: &mut Report) -> (About, Attributes) {
        let mut state = State {
            attributes: Attributes::default(),
            facts: Map::new(),
            id: &self.id,
            locator: &self.locator,
            searches: 0,
        };
        let (mut sent, mut unwritten, mut failed_at) = (0u64, 0u64, None);
        for directory in &self.directories {
            let root = &self.locator.source;
            let uploads = Folder::new(directory.path.join(UPLOADS), root, self.locator.links);
            let mut last = None;
            for path in directory.logs.values() {
                let take = |line: Line<'_>, report: &mut Report| {
                    last = line.version.or(last);
                    state.apply(&line.obj, &uploads, report);
                    let has_failed =
                        state.attributes.get("sys/failed") == Some(&Attribute::Bool(true));
                    if !has_failed {
                        failed_at = None;
                    } else if failed_at.is_none() {
                        failed_at = Some(line.at.and_then(number));
                    }
                };
                read_log(root, path, &is_wanted, take, report);
            }
            // Operations that a killed client had not written are lost.
            let put = directory.last_put(root).zip(last);
            unwritten =
                put.map_or(0, |(put, last)| put.saturating_sub(last)).saturating_add(unwritten);
            // Operations that were sent are removed from the queue.
            let first = directory.logs.keys().next().copied().unwrap_or_default();
            sent = sent.saturating_add(first.saturating_sub(1));
        }
        let State { mut attributes, facts, .. } = state;
        attributes.leave_out("operations that are no longer in the queue of the client", sent);
        attributes.leave_out("operations that the client had not written to its queue", unwritten);
        let created = self.directories.iter().find_map(|directory| directory.created);
        let mut about = About {
            kind: self.kind,
            id: self.id.clone(),
            name: attributes.text("sys/name"),
            created: created.map(|time| time.as_duration().as_secs_f64()),
            failed_at: failed_at.flatten().filter(|time: &f64| time.is_finite()),
            format: "client",
            is_deleted: attributes.get("sys/trashed") == Some(&Attribute::Bool(true)),
            parent: match self.kind {
                ObjectKind::ModelVersion => attributes.text("sys/model_id").map(|id| (None, id)),
                _ => None,
            },
            facts,
            ..About::default()
        };
        if let Some(first) = self.directories.first().filter(|first| !first.metadata.is_empty()) {
            let mut client = first.metadata.clone();
            let mut take = |key: &str| match client.remove(key) {
                Some(Value::String(text)) => Some(text),
                _ => None,
            };
            about.os = take("os");
            about.python = take("pythonVersion");
            // They are in the fields of the run.
            for key in ["containerId", "containerType", "createdAt"] {
                take(key);
            }
            about.facts.insert("client".into(), client.into());
        }
        (about, attributes)
    }
}

/// Number of bytes at the start of a line that have the path of its attribute, unless it is very long.
const MAX_SYS: usize = 512;

/// Reads a log. Damage is reported with its place.
fn read_log(
    root: &Root,
    path: &Path,
    is_wanted: impl Fn(&[u8]) -> bool,
    mut take: impl FnMut(Line<'_>, &mut Report),
    report: &mut Report,
) {
    let (file, len) = match root.open(path) {
        Ok(opened) => opened,
        Err(error) => return issue(report, path, error, Effect::SkippedFile),
    };
    let mut problems = Report::default();
    let failed = |offset: u64, len: u64, problem: Problem| {
        let (what, effect) = match problem {
            Problem::Damaged(error) => {
                (format!("the operation is damaged: {error}"), Effect::SkippedRecord)
            }
            Problem::TooLong => {
                (format!("the operation has {len} bytes, which is too long"), Effect::SkippedRecord)
            }
            Problem::Cut => ("the log ends inside an operation".to_owned(), Effect::LostRest(len)),
        };
        let location = Location::of(path).with_offset(offset);
        super::issues::push(&mut problems, Issue::new(ErrorKind::Value(what), location, effect));
    };
    let read = lines::read(file.into_reader(len), is_wanted, |line| take(line, report), failed);
    if let Err(error) = read {
        issue(report, path, error, Effect::SkippedFile);
    }
    report.merge(problems);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_directory_says_what_it_is() {
        let named = |path: &str| {
            let (kind, id) = named(Path::new(path)).unwrap();
            format!("{kind} {id}")
        };
        assert_eq!(named("offline/run__a-b__12__x"), "run a-b");
        assert_eq!(named("async/model_version__a-b/exec-1-x"), "model_version a-b");
        assert_eq!(named("offline/a-b"), "run a-b");
        assert_eq!(named("async/a-b/exec-1"), "run a-b");
    }
}
