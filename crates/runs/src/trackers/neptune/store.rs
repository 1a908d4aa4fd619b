//! Everything of Neptune in a directory, as a source of runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::thread;

use super::super::source::{
    Content, Source, SourceExperiment, SourceModel, SourceOptions, SourceRun, SourceRuns,
};
use super::about::{About, ObjectKind};
use super::attributes::{Attributes, NEPTUNE};
use super::content::content;
use super::find::{self, ExportedParts};
use super::issues::{issue, push};
use super::legacy::{Client, Directory};
use super::locate::{Folder, Locator};
use super::models::{self, Registered};
use super::parquet::{self, Exported};
use super::scale::{self, Scale};
use tbx::error::{Effect, Error, ErrorKind, Issue, Location, Report, Result, failed};
use tbx::store::Root;

/// The name of the experiment of runs whose project is not known: clients before neptune-scale do not note it.
const NO_PROJECT: &str = NEPTUNE;
/// The directories of the exporter with attributes of models, and with the files of models and of runs.
const MODEL_DATA: &str = "model_data";
const MODEL_FILES: &str = "model_files";
const RUN_FILES: &str = "files";

/// The runs that Neptune's exporter and clients left in a directory.
pub(super) struct Neptune {
    objects: Vec<Object>,
    /// Problems that were found when it was opened.
    problems: Report,
}

/// A run, a model, a version of a model or a project.
enum Object {
    Exported(Box<Exported>),
    Client(Client),
    Scale(Scale),
}

impl Object {
    /// The name of its project, if it is known.
    fn project(&self) -> Option<String> {
        match self {
            Self::Exported(exported) => Some(exported.project()),
            Self::Client(_) => None,
            Self::Scale(scale) => Some(scale.project().to_owned()),
        }
        .filter(|project| !project.is_empty())
    }

    /// The facts that are known without reading the points.
    fn about(&self, report: &mut Report) -> About {
        match self {
            Self::Exported(exported) => exported.about(report),
            Self::Client(client) => client.about(report),
            Self::Scale(scale) => scale.about(),
        }
    }

    /// A text that changes when values are added.
    fn state(&self) -> String {
        match self {
            Self::Exported(exported) => exported.state(),
            Self::Client(client) => client.state(),
            Self::Scale(scale) => scale.state(),
        }
    }

    fn attributes(&self, report: &mut Report) -> (About, Attributes) {
        match self {
            Self::Exported(exported) => {
                exported.check(report);
                exported.attributes(report)
            }
            Self::Client(client) => client.attributes(report),
            Self::Scale(scale) => scale.attributes(report),
        }
    }
}

impl Neptune {
    pub(super) fn open(source: &str, options: &SourceOptions) -> Result<Self> {
        let path = Path::new(source);
        let at = |error: std::io::Error| failed(error, path);
        // Without `.` and links, so that parents of paths are right.
        let path = path.canonicalize().map_err(at)?;
        let base = if path.is_dir() { &path } else { path.parent().unwrap_or(&path) };
        let root = Root::new(base, options.links).map_err(at)?;
        let found = find::find(&root, &path).map_err(at)?;
        let mut problems = Report::default();
        if found.is_cut {
            let what = "it has too many files and directories: import its parts";
            issue(&mut problems, &path, ErrorKind::Value(what.into()), Effect::SkippedFile);
        }
        let locator =
            Locator { source: root, links: options.links, follows: options.follow_local_paths };
        let mut objects = exported(found.exported, &locator, &mut problems);
        objects.extend(clients(found.clients, &locator, &mut problems));
        objects.extend(scale_runs(found.scale, &locator, &mut problems));
        if objects.is_empty() {
            let first = problems.issues.into_iter().next().map(Error::from);
            return Err(first.unwrap_or_else(|| nothing(&path)));
        }
        Ok(Self { objects, problems })
    }

    /// The experiment of an object.
    fn experiment(object: &Object) -> String {
        object.project().unwrap_or_else(|| NO_PROJECT.to_owned())
    }
}

fn nothing(path: &Path) -> Error {
    let what = "it has nothing of Neptune: neither files *_part_0.parquet of the exporter, nor directories of a client \
                below .neptune with data-1.log or run_operations.sqlite3";
    failed(ErrorKind::Argument(what.into()), path)
}

fn exported(found: Vec<ExportedParts>, locator: &Locator, problems: &mut Report) -> Vec<Object> {
    let mut objects = Vec::new();
    for parts in found {
        if parts.parts.is_empty() {
            for path in &parts.temporary {
                parquet::report_temporary(path, problems);
            }
            continue;
        }
        let path = parts.project.clone();
        let files = files_of(&path);
        let files = match locator.follows {
            true => Folder::anywhere(files, locator.links),
            false => Folder::new(files, &locator.source, locator.links),
        };
        match Exported::open(&locator.source, parts, files) {
            Ok(exported) => objects.extend(exported.map(|it| Object::Exported(Box::new(it)))),
            Err(error) => problems.issues.push(error.into_issue(Effect::SkippedFile)),
        }
    }
    objects
}

/// The directory with the files of a project, whose attributes are in `project`.
fn files_of(project: &Path) -> PathBuf {
    let data = project.parent().unwrap_or(project);
    let is_of_models = data.file_name().is_some_and(|name| name == MODEL_DATA);
    let files = if is_of_models { MODEL_FILES } else { RUN_FILES };
    let name = project.file_name().unwrap_or_default();
    data.parent().unwrap_or(data).join(files).join(name)
}

fn clients(found: Vec<PathBuf>, locator: &Locator, problems: &mut Report) -> Vec<Object> {
    let mut runs: BTreeMap<_, Vec<Directory>> = BTreeMap::new();
    for path in found {
        let directory = Directory::open(&locator.source, path, problems);
        if directory.has_no_values() {
            let what = "it has no values, as the client sent them at once";
            issue(problems, directory.path(), ErrorKind::Value(what.into()), Effect::LeftAlone);
            continue;
        }
        runs.entry(directory.key()).or_default().push(directory);
    }
    let runs = runs.into_values();
    runs.map(|run| Object::Client(Client::new(run, locator.clone()))).collect()
}

fn scale_runs(found: Vec<PathBuf>, locator: &Locator, problems: &mut Report) -> Vec<Object> {
    let mut runs: BTreeMap<_, Vec<PathBuf>> = BTreeMap::new();
    for path in found {
        match scale::key(&locator.source, &path) {
            Ok(key) => runs.entry(key).or_default().push(path),
            Err(error) => problems.issues.push(error.into_issue(Effect::SkippedFile)),
        }
    }
    let runs = runs.into_iter();
    runs.map(|(key, dirs)| Object::Scale(Scale::new(key, dirs, locator.clone()))).collect()
}

impl Source for Neptune {
    fn tracker(&self) -> &'static str {
        NEPTUNE
    }

    fn experiments(&self, report: &mut Report) -> Result<Vec<SourceExperiment>> {
        report.issues.extend(self.problems.issues.iter().cloned());
        report.more_issues = report.more_issues.saturating_add(self.problems.more_issues);
        let names: BTreeSet<_> = self.objects.iter().map(Self::experiment).collect();
        let experiment = |name: String| SourceExperiment {
            id: name.clone(),
            name,
            ..SourceExperiment::default()
        };
        Ok(names.into_iter().map(experiment).collect())
    }

    fn runs(&self, of: &SourceExperiment, report: &mut Report) -> Result<SourceRuns> {
        let objects = self.objects.iter().enumerate();
        let objects = objects.filter(|(_, object)| Self::experiment(object) == of.id);
        let abouts: Vec<_> = objects.map(|(index, object)| (index, object.about(report))).collect();
        // A fork may name its parent by the id that the user gave it, or by Neptune's own.
        let other_ids: HashMap<_, _> = abouts
            .iter()
            .filter_map(|(_, about)| Some((about.other_id.clone()?, about.unique_id())))
            .collect();
        let mut known = BTreeSet::new();
        let mut runs = SourceRuns::default();
        for (index, about) in &abouts {
            let id = about.unique_id();
            if !known.insert(id.clone()) {
                let what = format!("the run {id} is there twice: the first one is imported");
                let location = Location::default().with_run(id);
                push(report, Issue::new(ErrorKind::Value(what), location, Effect::SkippedFile));
                continue;
            }
            let parent = about.parent.as_ref().and_then(|(_, id)| other_ids.get(id).cloned());
            runs.runs.push(SourceRun {
                name: about.name.clone().unwrap_or_else(|| about.id.clone()),
                parent: about
                    .parent_id()
                    .filter(|id| parent.is_none() || known.contains(id))
                    .or(parent),
                start_time: about.created,
                is_deleted: about.is_deleted,
                index: *index,
                id,
                state: self.objects.get(*index).map(Object::state),
                ..SourceRun::default()
            });
        }
        Ok(runs)
    }

    fn content(&self, of: &SourceRun, artifacts: bool, report: &mut Report) -> Result<Content> {
        let object = self.objects.get(of.index);
        let object = object.ok_or_else(|| Error::argument(format!("no run {}", of.id)))?;
        let (about, attributes) = object.attributes(report);
        Ok(content(&about, attributes, artifacts, report))
    }

    fn models(&self, report: &mut Report) -> Result<Vec<SourceModel>> {
        let mut registered = Vec::new();
        for object in &self.objects {
            let is_run =
                |about: &About| matches!(about.kind, ObjectKind::Run | ObjectKind::Project);
            if is_run(&object.about(&mut Report::default())) {
                continue;
            }
            // Problems were reported with the runs.
            let (about, attributes) = object.attributes(&mut Report::default());
            let stage = attributes.text("sys/stage");
            let content = content(&about, attributes, true, &mut Report::default());
            registered.push(Registered { about, content, stage });
        }
        Ok(models::models(registered, report))
    }

    fn connections(&self) -> usize {
        thread::available_parallelism().map_or(1, usize::from)
    }
}
