//! The complete result of a load, in a form that can be compared.

use std::fmt;
use std::path::PathBuf;

use tbx::summary::Form;
use tbx::{EventFile, Issue, Loaded, Metadata, RestartDrop, Run, TimeSeries, ValueReader, Values};

/// The complete result of a load, for comparisons: independent of the location of the log, with
/// floats as bits and payloads as copies.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Facts {
    pub(crate) files: Vec<(String, EventFile)>,
    pub(crate) start_times: Vec<(String, Option<u64>)>,
    pub(crate) series: Vec<SeriesFacts>,
    /// File, offset, kind, effect and value of each issue.
    pub(crate) issues: Vec<String>,
    pub(crate) more_issues: u64,
    pub(crate) restarts: Vec<RestartDrop>,
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) struct SeriesFacts {
    pub(crate) run: String,
    pub(crate) tag: String,
    pub(crate) metadata: Metadata,
    pub(crate) steps: Vec<i64>,
    pub(crate) wall_times: Vec<u64>,
    pub(crate) values: Column,
}

#[derive(Clone, PartialEq)]
pub(crate) enum Column {
    F32(Vec<u32>),
    F64(Vec<u64>),
    Raw(Vec<(Form, Vec<u8>)>),
    Dropped,
}

/// A file without its path.
pub(crate) fn placeless(file: &EventFile) -> EventFile {
    let mut file = file.clone();
    file.path = PathBuf::new();
    file
}

impl Facts {
    pub(crate) fn of(loaded: &Loaded) -> Self {
        let mut facts = Self::of_runs(&loaded.runs);
        facts.issues = loaded.report.issues.iter().map(issue_fact).collect();
        facts.more_issues = loaded.report.more_issues;
        facts.restarts = loaded.report.restarts.clone();
        facts
    }

    pub(crate) fn of_runs(runs: &[Run]) -> Self {
        let mut facts = Self::default();
        for run in runs {
            let files = run.files.iter().map(placeless);
            facts.files.extend(files.map(|file| (run.name.clone(), file)));
            facts.start_times.push((run.name.clone(), run.start_time.map(f64::to_bits)));
            facts.series.extend(run.series.iter().map(|series| SeriesFacts::of_run(run, series)));
        }
        facts
    }

    /// Fails with only the first difference, so that the message is short.
    #[track_caller]
    pub(crate) fn assert_same(&self, other: &Self, what: &str) {
        assert_eq!(self.files, other.files, "{what}");
        assert_eq!(self.start_times, other.start_times, "{what}");
        let names = |facts: &Self| facts.series.iter().map(SeriesFacts::name).collect::<Vec<_>>();
        assert_eq!(names(self), names(other), "{what}");
        for (a, b) in self.series.iter().zip(&other.series) {
            a.assert_same(b, what);
        }
        let longer = self.issues.len().max(other.issues.len());
        for i in 0..longer {
            assert_eq!(self.issues.get(i), other.issues.get(i), "{what}: issue {i}");
        }
        assert_eq!(self.more_issues, other.more_issues, "{what}");
        assert_eq!(self.restarts, other.restarts, "{what}");
    }
}

impl SeriesFacts {
    /// Reads values that are still in the files of `run`.
    fn of_run(run: &Run, series: &TimeSeries) -> Self {
        let facts = Self::of(&run.name, series);
        if series.places().is_none() {
            return facts;
        }
        let mut reader = ValueReader::new(run);
        let values = (0..series.len()).map(|point| reader.read(series, point).unwrap());
        let values = values.map(|value| (value.form, value.bytes.to_vec())).collect();
        Self { values: Column::Raw(values), ..facts }
    }

    pub(crate) fn of(run: &str, series: &TimeSeries) -> Self {
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect();
        let values = match series.values() {
            Values::Scalars(scalars) => match scalars.as_f32() {
                Some(values) => Column::F32(values.iter().map(|value| value.to_bits()).collect()),
                None => Column::F64(bits(scalars.as_f64().unwrap())),
            },
            Values::Raw(values) => {
                Column::Raw(values.iter().map(|v| (v.form, v.bytes.to_vec())).collect())
            }
            _ => Column::Dropped,
        };
        Self {
            run: run.into(),
            tag: series.tag().into(),
            metadata: series.metadata().clone(),
            steps: series.steps().to_vec(),
            wall_times: bits(series.wall_times()),
            values,
        }
    }

    pub(crate) fn name(&self) -> String {
        let Self { run, tag, metadata, steps, .. } = self;
        let (kind, plugin) = (metadata.kind, &metadata.plugin);
        format!("{run} {tag:?} {kind} {plugin:?} {} points", steps.len())
    }

    #[track_caller]
    pub(crate) fn assert_same(&self, other: &Self, what: &str) {
        if self == other {
            return;
        }
        let name = self.name();
        assert_eq!(name, other.name(), "{what}");
        assert_eq!(self.metadata, other.metadata, "{what}: {name}");
        for (i, step) in self.steps.iter().enumerate() {
            assert_eq!(Some(step), other.steps.get(i), "{what}: {name}: step of point {i}");
        }
        assert_eq!(self.wall_times, other.wall_times, "{what}: {name}");
        assert!(self.values == other.values, "{what}: {name}: other values");
        panic!("{what}: {name}: other");
    }
}

impl fmt::Debug for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::F32(values) => write!(f, "<{} f32>", values.len()),
            Self::F64(values) => write!(f, "<{} f64>", values.len()),
            Self::Raw(values) => write!(f, "<{} raw>", values.len()),
            Self::Dropped => write!(f, "<dropped>"),
        }
    }
}

pub(crate) fn issue_fact(issue: &Issue) -> String {
    let Issue { location, kind, effect, .. } = issue;
    let path = location.path.as_ref().and_then(|path| path.file_name()).unwrap_or_default();
    let path = path.to_string_lossy();
    let at = location.offset.map_or_else(String::new, |offset| format!(" at {offset}"));
    let tag = location.tag.as_ref().map_or_else(String::new, |tag| format!(" of {tag:?}"));
    let step = location.step.map_or_else(String::new, |step| format!(" step {step}"));
    format!("{path}{at}{tag}{step}: {}, {effect:?} ({kind})", kind.name())
}
