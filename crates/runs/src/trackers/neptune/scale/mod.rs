//! Directories of neptune-scale: an SQLite database with operations that were not sent yet, and temporary files.
//!
//! The layout is that of `neptune_scale/sync/operations_repository.py` 0.30. Programs that resumed a run have a
//! directory each.

mod database;
mod messages;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use prost::Message;

use self::database::{Database, Stored, Upload};
use self::messages::{ADD, OneValue, REMOVE, Run, Update, Value};
use super::about::About;
use super::attributes::{Attribute, Attributes, Located, of_densities};
use super::find::DATABASE;
use super::locate::{Folder, Locator, last_name, name_of};
use super::step::Step;
use crate::trackers::source::{At, Histogram};
use tbx::error::{Effect, Report, Result};
use tbx::store::Root;

/// A run of neptune-scale.
pub(super) struct Scale {
    project: String,
    id: String,
    /// The directories of the programs that wrote it, in their order.
    directories: Vec<PathBuf>,
    locator: Locator,
}

/// The project and the id of the run in the directory `dir`, which is in `root`.
pub(super) fn key(root: &Root, dir: &Path) -> Result<(String, String)> {
    let (project, id, _) = Database::open(root, &dir.join(DATABASE))?.metadata()?;
    Ok((project, id))
}

/// The content of the databases of a run.
struct State<'a> {
    about: About,
    attributes: Attributes,
    uploads: HashMap<String, Upload>,
    /// The directory of the database.
    folder: Folder,
    locator: &'a Locator,
    /// Points that the client meant to replace, by path.
    previews: BTreeMap<String, Vec<At<f64>>>,
}

impl Scale {
    /// The run in these directories, whose names end in a time.
    pub(super) fn new(
        (project, id): (String, String),
        mut directories: Vec<PathBuf>,
        locator: Locator,
    ) -> Self {
        let time = |path: &PathBuf| -> Option<u64> {
            path.file_name()?.to_str()?.rsplit('_').next()?.parse().ok()
        };
        directories.sort_by(|a, b| (time(a), a).cmp(&(time(b), b)));
        let first = directories.first().map(|first| name_of(first)).unwrap_or_default();
        let id = if id.is_empty() { first } else { id };
        Self { project, id, directories, locator }
    }

    /// The name of the project.
    pub(super) fn project(&self) -> &str {
        &self.project
    }

    /// A text that changes when values are added.
    pub(super) fn state(&self) -> String {
        let state = |directory: &PathBuf| {
            let database = Database::open(&self.locator.source, &directory.join(DATABASE));
            // A database that cannot be read stays so.
            database.and_then(|database| database.last()).unwrap_or_default()
        };
        self.directories.iter().map(state).collect::<Vec<_>>().join(",")
    }

    /// The facts that are known without reading the points.
    pub(super) fn about(&self) -> About {
        self.read(true, &mut Report::default()).about
    }

    /// All attributes.
    pub(super) fn attributes(&self, report: &mut Report) -> (About, Attributes) {
        let mut state = self.read(false, report);
        state.add_previews();
        (state.about, state.attributes)
    }

    fn read(&self, only_create: bool, report: &mut Report) -> State<'_> {
        let about = About {
            project: Some(self.project.clone()).filter(|project| !project.is_empty()),
            id: self.id.clone(),
            format: "scale",
            ..About::default()
        };
        let mut state = State {
            about,
            attributes: Attributes::default(),
            uploads: HashMap::new(),
            folder: Folder::new(PathBuf::new(), &self.locator.source, self.locator.links),
            locator: &self.locator,
            previews: BTreeMap::new(),
        };
        for directory in &self.directories {
            let read = || state.read(directory, only_create, report);
            let mut read = read;
            if let Err(error) = read() {
                report.issues.push(error.into_issue(Effect::SkippedFile));
            }
        }
        state
    }
}

impl State<'_> {
    /// Reads the database in a directory.
    fn read(&mut self, directory: &Path, only_create: bool, report: &mut Report) -> Result<()> {
        let root = &self.locator.source;
        let database = Database::open(root, &directory.join(DATABASE))?;
        let (_, _, version) = database.metadata()?;
        if !version.is_empty() {
            self.about.facts.insert("database_version".into(), version.into());
        }
        if !only_create {
            let more;
            (self.uploads, more) = database.uploads()?;
            self.attributes.leave_out("files beyond the limit per run", more);
            self.folder = Folder::new(directory.to_owned(), root, self.locator.links);
            let errors = database.errors()?;
            if errors > 0 {
                self.about.facts.insert("errors".into(), errors.into());
            }
        }
        let removed = database.operations(only_create, |operation| match operation {
            Stored::Create(bytes) => match Run::decode(bytes) {
                Ok(run) => self.create(run),
                Err(_) => self.attributes.leave_out(DAMAGED, 1),
            },
            Stored::Update(bytes) => match Update::decode(bytes) {
                Ok(update) => self.update(update, report),
                Err(_) => self.attributes.leave_out(DAMAGED, 1),
            },
            Stored::Other => self.attributes.leave_out("operations of unknown types", 1),
        })?;
        if !only_create {
            let kind = "operations that are no longer in the database of the client";
            self.attributes.leave_out(kind, removed);
        }
        Ok(())
    }

    fn create(&mut self, run: Run) {
        let about = &mut self.about;
        about.name = about.name.take().or(Some(run.experiment_id).filter(|name| !name.is_empty()));
        about.created = about.created.or(run.creation_time.map(messages::Time::seconds));
        if !run.family.is_empty() {
            about.facts.insert("family".into(), run.family.into());
        }
        if !run.run_id.is_empty() && run.run_id != about.id {
            about.facts.insert("created_as".into(), run.run_id.into());
        }
        let Some(fork) = run.fork_point else { return };
        let step = fork.step.and_then(|step| Step::of_parts(step.whole, step.micro));
        about.fork_step = step.and_then(|step| step.decimal().parse().ok());
        let project = Some(fork.parent_project).filter(|project| !project.is_empty());
        about.parent = Some((project, fork.parent_run_id));
    }

    fn update(&mut self, update: Update, report: &mut Report) {
        for (path, Value { value }) in update.assign {
            let value = match value {
                Some(OneValue::Float(value)) => Attribute::Float(value),
                Some(OneValue::Int(value)) => Attribute::Int(value),
                Some(OneValue::Bool(value)) => Attribute::Bool(value),
                Some(OneValue::Text(text)) => Attribute::Text(text),
                Some(OneValue::Time(time)) => Attribute::Time(time.milliseconds()),
                Some(OneValue::Set(set)) => Attribute::Set(set.values.into_iter().collect()),
                Some(OneValue::File(file)) => match self.file(&file.path, report) {
                    Some(file) => Attribute::File(file),
                    None => continue,
                },
                Some(OneValue::Histogram(_)) | None => {
                    self.attributes.leave_out(UNKNOWN, 1);
                    continue;
                }
            };
            if self.attributes.has_room(value.size().saturating_add(path.len())) {
                self.attributes.set(&path, value);
            }
        }
        for (path, change) in update.modify_sets {
            let values = change.string.unwrap_or_default().values;
            if self.attributes.has_room(values.keys().map(String::len).sum()) {
                self.change_set(&path, values);
            }
        }
        let step = match update.step {
            Some(step) => Step::of_parts(step.whole, step.micro),
            None if update.append.is_empty() => return,
            None => {
                let count = u64::try_from(update.append.len()).unwrap_or_default();
                return self.attributes.leave_out("points without a step", count);
            }
        };
        let time = update.timestamp.map_or(f64::NAN, messages::Time::seconds);
        let is_preview = update.preview.is_some_and(|preview| preview.is_preview);
        for (path, Value { value }) in update.append {
            match value {
                Some(OneValue::Float(value)) if is_preview => {
                    self.add_preview(path, step, time, value);
                }
                Some(OneValue::Float(value)) => {
                    self.attributes.add_scalar(&path, step, time, value)
                }
                Some(OneValue::Int(value)) => {
                    #[expect(
                        clippy::as_conversions,
                        reason = "rounds beyond 2^53, as any float64"
                    )]
                    self.attributes.add_scalar(&path, step, time, value as f64);
                }
                Some(OneValue::Text(text)) => self.attributes.add_text(&path, step, time, text),
                Some(OneValue::Histogram(value)) => {
                    self.attributes.add_histogram(&path, step, time, histogram(value));
                }
                Some(OneValue::File(file)) => {
                    if let Some(file) = self.file(&file.path, report) {
                        self.attributes.add_file(&path, step, time, file);
                    }
                }
                _ => self.attributes.leave_out(UNKNOWN, 1),
            }
        }
    }

    fn change_set(&mut self, path: &str, values: HashMap<String, i32>) {
        if self.attributes.get(path).is_none() {
            self.attributes.set(path, Attribute::Set(BTreeSet::new()));
        }
        let Some(Attribute::Set(texts)) = self.attributes.map.get_mut(path) else {
            return self.attributes.leave_out("changes to attributes that are not sets", 1);
        };
        for (text, change) in values {
            match change {
                ADD => drop(texts.insert(text)),
                REMOVE => drop(texts.remove(&text)),
                _ => {}
            }
        }
    }

    /// The file with this place on the server. `None` if it is outside of where it may be, which is reported.
    fn file(&self, destination: &str, report: &mut Report) -> Option<Located> {
        let Some(upload) = self.uploads.get(destination) else {
            return Some(Located::Elsewhere(destination.to_owned()));
        };
        // The directory may have moved since.
        match upload.is_temporary {
            true => self.folder.file(last_name(&upload.source).as_bytes(), report),
            false => Some(self.locator.file(&upload.source)),
        }
    }

    fn add_preview(&mut self, path: String, step: Option<Step>, wall_time: f64, value: f64) {
        if let Some(step) = self.attributes.step(step)
            && self.attributes.has_room_for_point(0)
        {
            self.previews.entry(path).or_default().push(At { step, wall_time, value });
        }
    }

    /// Adds the last preview of each step that is after all other points of its series.
    fn add_previews(&mut self) {
        for (path, previews) in std::mem::take(&mut self.previews) {
            let last = match self.attributes.get(&path) {
                Some(Attribute::Scalars(points)) => points.iter().map(|point| point.step).max(),
                _ => None,
            };
            let mut kept: BTreeMap<i64, At<f64>> = BTreeMap::new();
            let count = previews.len();
            for preview in previews {
                if last.is_none_or(|last| preview.step > last) {
                    kept.insert(preview.step, preview);
                }
            }
            let replaced = u64::try_from(count.saturating_sub(kept.len())).unwrap_or_default();
            self.attributes.leave_out("previews of points that were replaced", replaced);
            for (_, At { step, wall_time, value }) in kept {
                self.attributes.add_scalar(&path, Step::new(step), wall_time, value);
            }
        }
    }
}

/// The kinds of what is left out.
const DAMAGED: &str = "operations that are damaged";
const UNKNOWN: &str = "values of unknown types";

#[expect(clippy::as_conversions, reason = "rounds beyond 2^53, as any float64")]
fn histogram(histogram: messages::Histogram) -> Histogram {
    let edges = histogram.bin_edges;
    match (histogram.counts, histogram.densities) {
        (Some(counts), _) => {
            let counts = counts.values.into_iter().map(|count| count as f64).collect();
            Histogram { edges, counts }
        }
        (None, densities) => of_densities(edges, densities.unwrap_or_default().values),
    }
}
