//! CSV and JSON Lines: logs of programs that write no other form, and tables that tbx exported.

#[cfg(test)]
mod any_rows;
mod clock;
mod find;
mod preset;
mod rows;
mod sheet;
mod steps;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::json;

use self::sheet::Sheet;
use self::steps::Choice;
use self::tables::Export;
use super::local::{self, Grouped, Local, issue};
use super::source::{
    Content, LeftOut, Source, SourceExperiment, SourceKind, SourceOptions, SourceRun, SourceRuns,
};
use tbx::error::{Effect, Error, Report, Result, failed};
use tbx::meta::RunMeta;

/// Name of the tracker.
const NAME: &str = "csv";

/// Number of characters of the name of an exported run that are part of its id.
const MAX_ID: usize = 200;

/// The line of the table of trackers.
pub(crate) const SOURCE: SourceKind = SourceKind {
    name: NAME,
    title: "CSV",
    takes: "a CSV or JSON Lines file of Lightning, Keras, Ultralytics, Stable-Baselines3, fastai or tbx, any other \
            with a column of steps, or a directory with such files",
    is_here: find::is_here,
    open: |source, options| Ok(Box::new(Tables::open(source, options)?)),
};

/// The tables of a source.
struct Tables {
    source: Local,
    options: SourceOptions,
    runs: Vec<Planned>,
    grouped: Grouped,
    exports: Vec<Export>,
    /// Number of tables of unknown programs.
    unknown: u64,
    /// Problems that were found when the source was opened, until somebody asks.
    report: Mutex<Report>,
}

/// A run.
struct Planned {
    run: SourceRun,
    /// The directory that is its experiment.
    parent: PathBuf,
    from: From,
}

/// Where a run comes from.
enum From {
    /// A file with one row per step.
    File(Sheet, Choice),
    /// An export, and the name of the run in it.
    Export(usize, String),
}

impl Tables {
    fn open(source: &str, options: &SourceOptions) -> Result<Self> {
        let source = Local::open(source, options.links)?;
        let mut report = Report::default();
        let is_export = |sheet: &Sheet| options.step.is_none() && tables::kind(sheet).is_some();
        let (sheets, unknown) = match source.is_dir {
            true => find::sheets(
                &source,
                |sheet| is_export(sheet) || Choice::of(sheet, options).is_ok(),
                &mut report,
            )?,
            false => {
                let sheet = Sheet::open(&source.root, &source.path);
                let mut sheet = sheet.map_err(|kind| failed(kind, &source.named))?;
                sheet.path.clone_from(&source.named);
                (vec![sheet], 0)
            }
        };
        if sheets.is_empty() {
            if let Some(error) = local::first_problem(report) {
                return Err(error);
            }
            let what = format!(
                "neither this directory nor one below it has a CSV or JSON Lines file of a known program: {}, or a \
                 table that tbx exported. For a file of another program, name it and its column of steps with \
                 `Import::step`",
                preset::titles()
            );
            return Err(local::refused(&source.path, what));
        }
        let (mut plain, mut of_exports) = (Vec::new(), BTreeMap::<PathBuf, Vec<Sheet>>::new());
        for sheet in sheets {
            let dir = sheet.path.parent().unwrap_or(&sheet.path).to_owned();
            match is_export(&sheet) {
                true => of_exports.entry(dir).or_default().push(sheet),
                false => plain.push(sheet),
            }
        }
        let mut runs = files(plain, options)?;
        let mut exports = Vec::new();
        for (dir, sheets) in of_exports {
            let export = Export::open(&source.root, sheets, &mut report)?;
            let place = if source.is_dir { &dir } else { &source.named };
            let state = export.state();
            for name in &export.runs {
                runs.push(Planned {
                    run: SourceRun { state: Some(state.clone()), ..of_export(place, name) },
                    parent: dir.clone(),
                    from: From::Export(exports.len(), name.clone()),
                });
            }
            exports.push(export);
        }
        for (index, planned) in runs.iter_mut().enumerate() {
            planned.run.index = index;
        }
        let parents = runs.iter().map(|planned| planned.parent.as_path());
        let grouped = Grouped::new(parents, source.dir(), NAME);
        let report = Mutex::new(report);
        Ok(Self { source, options: options.clone(), runs, grouped, exports, unknown, report })
    }

    /// Parameters in files next to a file.
    fn params(&self, sheet: &Sheet, choice: &Choice, meta: &mut RunMeta, report: &mut Report) {
        let dir = sheet.path.parent().unwrap_or(&sheet.path);
        let root = if self.source.is_dir { self.source.dir() } else { dir };
        for name in choice.preset.map_or(&[][..], |preset| preset.params) {
            let path = dir.join(name);
            match tbx::meta::yaml::read_file(root, &path, self.options.links) {
                Ok(params) => meta.params.extend(params),
                Err(error) => issue(report, &path, error.into_kind(), Effect::SkippedFile),
            }
        }
    }
}

/// The run in a row of an export. Its id begins like those of the runs above it, so that they come first.
fn of_export(place: &Path, name: &str) -> SourceRun {
    let last = name.rsplit('/').find(|part| !part.is_empty() && *part != ".");
    let kept = name.char_indices().nth(MAX_ID).map_or(name.len(), |(at, _)| at);
    let (begin, rest) = name.split_at_checked(kept).unwrap_or((name, ""));
    let rest = if rest.is_empty() { String::new() } else { local::id_of(place, name) };
    SourceRun {
        id: format!("{}/{begin}{rest}", local::id_of(place, NAME)),
        name: last.map_or_else(|| local::name_of(place), str::to_owned),
        exported_from: last.is_some().then(|| name.to_owned()),
        ..SourceRun::default()
    }
}

/// The runs of files with one row per step. A file that is alone in its directory under a name that a program gave
/// to it is that directory; others are named after the file.
fn files(sheets: Vec<Sheet>, options: &SourceOptions) -> Result<Vec<Planned>> {
    let mut by_dir: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for sheet in &sheets {
        *by_dir.entry(sheet.path.parent().unwrap_or(&sheet.path).to_owned()).or_default() += 1;
    }
    let planned = |sheet: Sheet| {
        let choice =
            Choice::of(&sheet, options).map_err(|what| local::refused(&sheet.path, what))?;
        let dir = sheet.path.parent().unwrap_or(&sheet.path);
        let file = sheet.name();
        let is_dir = by_dir.get(dir) == Some(&1) && preset::is_name(&file);
        let (name, parent) = match (is_dir, dir.parent()) {
            (true, Some(parent)) => (local::name_of(dir), parent.to_owned()),
            _ => {
                let stem = file.rsplit_once('.').map_or(&*file, |(stem, _)| stem);
                (stem.to_owned(), dir.to_owned())
            }
        };
        let id = local::id_of(&sheet.path, NAME);
        let params = choice.preset.map_or(&[][..], |preset| preset.params);
        let params: Vec<_> = params.iter().map(|name| dir.join(name)).collect();
        let paths = [&sheet.path].into_iter().chain(&params);
        let state = Some(local::state(paths.map(PathBuf::as_path)));
        let start_time = sheet.start;
        let run = SourceRun { id, name, start_time, state, ..SourceRun::default() };
        Ok(Planned { run, parent, from: From::File(sheet, choice) })
    };
    sheets.into_iter().map(planned).collect()
}

impl Source for Tables {
    fn tracker(&self) -> &'static str {
        NAME
    }

    fn experiments(&self, report: &mut Report) -> Result<Vec<SourceExperiment>> {
        let mut found = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        report.merge(std::mem::take(&mut found));
        Ok(self.grouped.experiments())
    }

    fn runs(&self, of: &SourceExperiment, _: &mut Report) -> Result<SourceRuns> {
        let planned = self.grouped.of(of).iter().filter_map(|place| self.runs.get(*place));
        let runs = planned.map(|planned| planned.run.clone()).collect();
        Ok(SourceRuns { runs, ..SourceRuns::default() })
    }

    fn left_out(&self, _: &[SourceExperiment], _: &mut Report) -> Result<Vec<LeftOut>> {
        let mut left_out = Vec::new();
        LeftOut::count(&mut left_out, "tables of unknown programs", self.unknown, false);
        Ok(left_out)
    }

    fn content(&self, of: &SourceRun, _: bool, report: &mut Report) -> Result<Content> {
        let unknown = || Error::argument(format!("there is no run {}", of.id));
        let planned = self.runs.get(of.index).ok_or_else(unknown)?;
        let mut content = match &planned.from {
            From::File(sheet, choice) => {
                let mut content = Content::default();
                let at = |kind| failed(kind, &sheet.path);
                let read = steps::read(&self.source.root, sheet, choice, report).map_err(at)?;
                // A file without rows was made when the program began.
                let is_empty = read.0.first_time().is_none();
                content.meta.start_time = read.1.or(is_empty.then_some(sheet.modified));
                content.meta.params.clone_from(&sheet.params);
                self.params(sheet, choice, &mut content.meta, report);
                (content.series, content.left_out) = read.0.into_series();
                content
            }
            From::Export(index, name) => {
                let export = self.exports.get(*index).ok_or_else(unknown)?;
                export.content(&self.source.root, name, report)?
            }
        };
        content.meta.other.insert(NAME.into(), json!({ "run_id": of.id }));
        Ok(content)
    }

    fn connections(&self) -> usize {
        1
    }
}
