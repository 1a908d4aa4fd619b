//! The questions of an import to the place where a tracker keeps runs, and the form of the answers. No tracker's own names
//! are in it: each tracker converts its records to these.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use tbx::error::{Error, ErrorKind, Location, Report, Result};
use tbx::meta::RunMeta;
use tbx::store::{Links, Root};

/// Maximum number of kinds of objects that are counted by themselves.
const MAX_KINDS: usize = 200;
/// The kind of all others.
const FURTHER: &str = "objects of further kinds";

/// Options for opening a source.
#[derive(Debug, Clone)]
pub(crate) struct SourceOptions {
    /// Maximum number of concurrent requests to a server.
    pub(crate) connections: usize,
    /// Links that are followed.
    pub(crate) links: Links,
    /// Whether files outside of the source are read that its records name by an absolute path.
    pub(crate) follow_local_paths: bool,
    /// The column or key whose values become steps; `None` for the tracker's own choice.
    pub(crate) step: Option<String>,
    /// The column or key whose values become wall times; `None` for the tracker's own choice.
    pub(crate) time: Option<String>,
    /// Whether images are drawn with their boxes.
    pub(crate) draw_boxes: bool,
}

/// A place where a tracker keeps runs. Several threads may use it at once.
pub(crate) trait Source: Sync {
    /// The tracker's name in lower case, such as `wandb`. It is the key of the tracker's facts in
    /// [`RunMeta::other`], and the host name in the names of event files.
    fn tracker(&self) -> &'static str;

    /// All experiments, including deleted ones.
    fn experiments(&self, report: &mut Report) -> Result<Vec<SourceExperiment>>;

    /// The runs of an experiment, including deleted ones.
    fn runs(&self, of: &SourceExperiment, report: &mut Report) -> Result<SourceRuns>;

    /// The content of a run. `artifacts` says whether its files are wanted.
    fn content(&self, of: &SourceRun, artifacts: bool, report: &mut Report) -> Result<Content>;

    /// The files of a run that was imported before and lacked some of them; its values are not needed.
    fn files(&self, of: &SourceRun, report: &mut Report) -> Result<Content> {
        self.content(of, true, report)
    }

    /// The files of a group that belongs to no run.
    fn group(&self, _of: &SourceGroup, _report: &mut Report) -> Result<Content> {
        Ok(Content::default())
    }

    /// The words for [groups](SourceGroup).
    fn group_words(&self) -> GroupWords {
        GroupWords { list: "groups", one: "group", of_file: "group" }
    }

    /// A run is not imported: what the source keeps for it may be dropped.
    fn forget(&self, _run: &SourceRun) {}

    /// Other data in the source, by kind. Asked only if everything is imported.
    fn left_out(&self, _of: &[SourceExperiment], _report: &mut Report) -> Result<Vec<LeftOut>> {
        Ok(Vec::new())
    }

    /// Opens a file of a run.
    fn open(&self, file: &SourceFile) -> Result<Box<dyn Read + '_>> {
        file.open_local()
    }

    /// Registered models.
    fn models(&self, _report: &mut Report) -> Result<Vec<SourceModel>> {
        Ok(Vec::new())
    }

    /// Number of threads that may usefully ask at once.
    fn connections(&self) -> usize;

    /// Whether answers come from another machine, so that most of the time is spent waiting.
    fn is_remote(&self) -> bool {
        false
    }
}

/// An experiment or a project.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SourceExperiment {
    /// Its identifier in the tracker.
    pub(crate) id: String,
    /// Its name: the name of a directory in the log directory.
    pub(crate) name: String,
    /// Its description in Markdown.
    pub(crate) description: Option<String>,
    /// Its tags.
    pub(crate) tags: BTreeMap<String, String>,
    /// Its creation time in seconds since the Unix epoch.
    pub(crate) created_at: Option<f64>,
    pub(crate) is_deleted: bool,
    /// Whether the tracker makes it unasked, so that it is not worth a directory without content.
    pub(crate) is_implicit: bool,
    /// Facts for which tbx has no field.
    pub(crate) facts: Map<String, Value>,
    /// The number by which the source finds the experiment again.
    pub(crate) index: usize,
}

/// The runs of an experiment.
#[derive(Debug, Default)]
pub(crate) struct SourceRuns {
    pub(crate) runs: Vec<SourceRun>,
    /// Groups of files that belong to no run.
    pub(crate) groups: Vec<SourceGroup>,
    /// Other data that is left out.
    pub(crate) left_out: Vec<LeftOut>,
    /// Other data that is left out and belongs to no run. Not counted if only some runs are imported.
    pub(crate) of_no_run: Vec<LeftOut>,
}

/// A group of files that has facts of its own, such as a logged model of MLflow.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SourceGroup {
    /// Its identifier in the tracker.
    pub(crate) id: String,
    /// Its display name.
    pub(crate) name: String,
    pub(crate) is_deleted: bool,
    /// Everything that is known about it, including `id`.
    pub(crate) facts: Map<String, Value>,
    /// The number by which the source finds the group again.
    pub(crate) index: usize,
}

/// The words for groups in metadata and messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GroupWords {
    /// The key of the list of groups among the tracker's facts about a run or an experiment.
    pub(crate) list: &'static str,
    /// The name of one, in messages.
    pub(crate) one: &'static str,
    /// The key of the group's id among the facts about one of its files.
    pub(crate) of_file: &'static str,
}

/// A run, as far as its place among the others needs it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SourceRun {
    /// Its identifier in the tracker, unique in the source.
    pub(crate) id: String,
    /// Its display name: the name of its directory. Several runs may have the same one.
    pub(crate) name: String,
    /// The id of its parent.
    pub(crate) parent: Option<String>,
    /// Its start time in seconds since the Unix epoch.
    pub(crate) start_time: Option<f64>,
    pub(crate) is_deleted: bool,
    /// Path in the log directory from which tbx exported the run, with `/` between directories.
    pub(crate) exported_from: Option<String>,
    /// Whatever changes when the run's data does, such as the size of its file. An import leaves a run with the
    /// state that it had at its import as it is, and replaces one with another state, even if it had ended.
    pub(crate) state: Option<String>,
    /// Its groups of files, which [`Source::content`] lists among its files.
    pub(crate) groups: Vec<SourceGroup>,
    /// The number by which the source finds the run again.
    pub(crate) index: usize,
}

/// Everything about a run that becomes a log.
#[derive(Debug, Default)]
pub(crate) struct Content {
    /// Its metadata, including the object of the [tracker](Source::tracker) in
    /// [`RunMeta::other`] with the tracker's id of the run under the key `run_id`. `artifacts` are left to the
    /// import. The status of a run that has not ended is not final: a later import replaces it.
    pub(crate) meta: RunMeta,
    /// Its values.
    pub(crate) series: Vec<Series>,
    /// Its files.
    pub(crate) files: Vec<SourceFile>,
    /// Event files that tbx had exported, with their paths in the run's directory. Only scalars that they lack are
    /// written.
    pub(crate) event_files: Vec<(SourceFile, PathBuf)>,
    /// Places of files that were not read because they are not in the source.
    pub(crate) elsewhere: Vec<String>,
    /// Whether a listing of files failed, so that there may be more files.
    pub(crate) is_cut: bool,
    /// Values and objects that a log has no place for.
    pub(crate) left_out: Vec<LeftOut>,
}

/// The values of a tag.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    pub(crate) tag: String,
    /// Description in Markdown.
    pub(crate) description: Option<String>,
    pub(crate) points: Points,
}

/// A value at a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct At<T> {
    pub(crate) step: i64,
    /// Seconds since the Unix epoch; finite.
    pub(crate) wall_time: f64,
    pub(crate) value: T,
}

/// Values by kind, in any order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Points {
    Scalars(Vec<At<f64>>),
    Histograms(Vec<At<Histogram>>),
    /// Encoded images; several of one step are one summary.
    Images(Vec<At<Vec<Image>>>),
    /// Encoded audio clips: WAV files keep their bytes.
    Audio(Vec<At<Vec<SourceFile>>>),
    /// Markdown.
    Texts(Vec<At<String>>),
    Meshes(Vec<At<Mesh>>),
}

impl Points {
    /// The number of values.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Scalars(points) => points.len(),
            Self::Histograms(points) => points.len(),
            Self::Images(points) => points.len(),
            Self::Audio(points) => points.len(),
            Self::Texts(points) => points.len(),
            Self::Meshes(points) => points.len(),
        }
    }
}

/// The counts of a histogram: `edges` has one element more than `counts`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Histogram {
    pub(crate) edges: Vec<f64>,
    pub(crate) counts: Vec<f64>,
}

/// An encoded image: PNG, JPEG, GIF, BMP or WebP.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Image {
    pub(crate) file: SourceFile,
    /// Drawn onto the image if [asked for](SourceOptions::draw_boxes): left, top, right, bottom in pixels, and a
    /// label.
    pub(crate) boxes: Vec<([f64; 4], String)>,
}

/// A cloud of points, or a surface.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Mesh {
    pub(crate) vertices: Vec<[f32; 3]>,
    /// RGB, from 0 to 255; empty, or as many as vertices.
    pub(crate) colors: Vec<[u8; 3]>,
    /// Indices of vertices; empty for a cloud of points.
    pub(crate) faces: Vec<[i32; 3]>,
}

/// A file of a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SourceFile {
    /// Its name among the run's artifacts, with `/` between directories.
    pub(crate) name: String,
    /// Its size in bytes, where the tracker says it: another size is an error.
    pub(crate) size: Option<u64>,
    /// Its SHA-256 in lower-case hex, where the tracker says it: another digest is an error.
    pub(crate) sha256: Option<String>,
    /// Its kind, such as `model`.
    pub(crate) kind: Option<String>,
    /// Facts for which tbx has no field.
    pub(crate) facts: Map<String, Value>,
    pub(crate) place: Place,
}

/// Where the bytes of a file are.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// In a file below a root.
    Local(Root, PathBuf),
    /// Here.
    Bytes(Vec<u8>),
    /// On a server: the kind of object that it belongs to, the id of that object, and its path among the object's
    /// files.
    Remote { of: &'static str, id: String, path: String },
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Local(_, a), Self::Local(_, b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (
                Self::Remote { of, id, path },
                Self::Remote { of: other_of, id: other_id, path: other_path },
            ) => (of, id, path) == (other_of, other_id, other_path),
            _ => false,
        }
    }
}

impl SourceFile {
    /// The file at `path`, which must be in `root`.
    pub(crate) fn local(name: impl Into<String>, root: &Root, path: impl Into<PathBuf>) -> Self {
        Self::new(name.into(), Place::Local(root.clone(), path.into()))
    }

    /// The file at `path` among those of the object `id` on a server, of the kind `of`.
    pub(crate) fn remote(
        name: String,
        of: &'static str,
        id: &str,
        path: String,
        size: Option<u64>,
    ) -> Self {
        let place = Place::Remote { of, id: id.to_owned(), path };
        Self { size, ..Self::new(name, place) }
    }

    /// A file with these bytes.
    pub(crate) fn of_bytes(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(name.into(), Place::Bytes(bytes.into()))
    }

    fn new(name: String, place: Place) -> Self {
        Self { name, size: None, sha256: None, kind: None, facts: Map::new(), place }
    }

    /// Opens a file that is on this machine.
    ///
    /// # Errors
    ///
    /// It is on a server, cannot be read, or is outside of its root.
    pub(crate) fn open_local(&self) -> Result<Box<dyn Read + 'static>> {
        match &self.place {
            Place::Local(root, path) => {
                let failed = |error| ErrorKind::from(error).at(Location::of(path.as_path()));
                let (file, len) = root.open(path).map_err(failed)?;
                Ok(Box::new(file.into_reader(len)))
            }
            Place::Bytes(bytes) => Ok(Box::new(Cursor::new(bytes.clone()))),
            Place::Remote { .. } => Err(Error::argument(format!("{} is on a server", self.name))),
        }
    }
}

/// Objects of one kind that are not imported.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct LeftOut {
    /// Name of the kind, in the plural, such as `traces`.
    pub kind: String,
    /// Number of objects.
    pub count: u64,
    /// Whether there may be more.
    pub is_least: bool,
}

impl LeftOut {
    /// Adds `count` to the objects of a kind. The kinds beyond [`MAX_KINDS`] are counted together,
    /// because names of kinds may come from the source.
    pub(crate) fn count(all: &mut Vec<Self>, kind: &str, count: u64, is_least: bool) {
        let is_new = all.len() >= MAX_KINDS && !all.iter().any(|known| known.kind == kind);
        let kind = if is_new { FURTHER } else { kind };
        match all.iter_mut().find(|known| known.kind == kind) {
            Some(known) => {
                known.count = known.count.saturating_add(count);
                known.is_least |= is_least;
            }
            None if count > 0 => all.push(Self { kind: kind.into(), count, is_least }),
            None => {}
        }
    }

    /// Adds these objects to those of their kind.
    pub(crate) fn join(self, all: &mut Vec<Self>) {
        Self::count(all, &self.kind, self.count, self.is_least);
    }
}

/// A tracker that runs can be imported from: a line of [`SOURCES`](super::SOURCES).
pub(crate) struct SourceKind {
    /// The name on the command line, in lower case.
    pub(crate) name: &'static str,
    /// The name that people know.
    pub(crate) title: &'static str,
    /// The accepted kinds of source, as part of a sentence: `a directory mlruns, a database mlflow.db, or the URL
    /// of a server`.
    pub(crate) takes: &'static str,
    /// Whether the file or directory looks like one of them. Reads names of at most some thousand entries, and the
    /// first bytes of files.
    pub(crate) is_here: fn(&Path) -> bool,
    /// Opens it.
    pub(crate) open: fn(&str, &SourceOptions) -> Result<Box<dyn Source>>,
}

/// A registered model.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SourceModel {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    /// Seconds since the Unix epoch.
    pub(crate) created_at: Option<f64>,
    /// Facts for which tbx has no field.
    pub(crate) facts: Map<String, Value>,
    pub(crate) versions: Vec<SourceVersion>,
}

/// A version of a registered model.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SourceVersion {
    /// Its identifier in the tracker, unique in its model.
    pub(crate) id: String,
    /// Its number, where the tracker has numbers.
    pub(crate) number: Option<u32>,
    pub(crate) stage: crate::registry::Stage,
    pub(crate) description: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) aliases: Vec<String>,
    /// Seconds since the Unix epoch.
    pub(crate) created_at: Option<f64>,
    /// The tracker's id of the run that produced it.
    pub(crate) run: Option<String>,
    /// The name of its file, or of the directory of its files, among the artifacts of that run.
    pub(crate) artifact: Option<String>,
    /// The run among whose artifacts they are, if it is not [`run`](Self::run).
    pub(crate) artifact_run: Option<String>,
    /// The [group](SourceGroup) of its files; then `artifact` does not count.
    pub(crate) group: Option<String>,
    /// The SHA-256 of its file among the artifacts of the run, where it is known: it counts before `artifact`.
    pub(crate) sha256: Option<String>,
    /// The name of the file that represents all files of a directory, otherwise the first one.
    pub(crate) main_file: Option<&'static str>,
    /// Whether its number is that of tbx, which exported it.
    pub(crate) is_exported: bool,
    pub(crate) is_deleted: bool,
    /// Where its files are, if they are not among the artifacts of a run.
    pub(crate) location: Option<String>,
    /// Facts for which tbx has no field.
    pub(crate) facts: Map<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_that_are_counted_have_a_limit() {
        let mut all = Vec::new();
        for kind in 0..1000 {
            LeftOut::count(&mut all, &kind.to_string(), 2, false);
        }
        LeftOut::count(&mut all, "5", 1, true);
        assert_eq!(all.len(), MAX_KINDS + 1);
        let find = |kind: &str| all.iter().find(|known| known.kind == kind).unwrap();
        assert_eq!((find("5").count, find("5").is_least), (3, true));
        assert_eq!(find(FURTHER).count, 1600);
    }
}
