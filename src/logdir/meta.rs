//! What a run is, from all places that say it.

use super::{Run, ValueReader};
use crate::error::{Effect, Error, Issue, Location, Result};
use crate::meta::{RunMeta, yaml};
use crate::summary::hparams::HparamsRecord;
#[cfg(feature = "table")]
use crate::summary::hparams::{SESSION_END_TAG, SESSION_START_TAG};
use crate::summary::{self, Kind};

impl Run {
    /// What the run is: from `tbx.json` beside its event files and from the copy of that in them,
    /// of which the one that was updated later counts (`tbx.json` if both were at once). What
    /// neither says is taken from `hparams` records, and parameters from Lightning's
    /// `hparams.yaml`.
    ///
    /// The copy counts only if the run was loaded with the values of [`Kind::Meta`], or with their
    /// [places](super::LoadOptions::places).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use tbx::meta::RunMeta;
    /// use tbx::{LoadOptions, Logdir, SummaryWriter};
    ///
    /// let writer = SummaryWriter::create(dir.path())?;
    /// writer.add_hparams([("lr", 0.1.into())], [])?;
    /// writer.close()?;
    /// RunMeta::update(dir.path(), |meta| meta.name = Some("first".into()))?;
    ///
    /// let loaded = Logdir::open(dir.path())?.load(&LoadOptions::new())?;
    /// let (meta, issues) = loaded.runs[0].meta();
    /// assert_eq!(meta.name.as_deref(), Some("first"));
    /// assert_eq!(meta.params["lr"], 0.1.into());
    /// assert!(issues.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Beside it, what could not be read.
    pub fn meta(&self) -> (RunMeta, Vec<Issue>) {
        let mut issues = Vec::new();
        let mut note = |error: Error, effect| {
            let location = error.location().clone();
            let location = Location { run: Some(self.name.clone()), ..location };
            issues.push(Issue { location, kind: error.into_kind(), effect });
        };
        let mut found = RunMeta::read_in(&self.path, self.links()).unwrap_or_else(|error| {
            note(error, Effect::SkippedFile);
            None
        });
        for copy in self.copies() {
            match copy {
                Ok(copy) if is_newer(&copy, found.as_ref()) => found = Some(copy),
                Ok(_) => {}
                Err(error) => note(error, Effect::SkippedValue),
            }
        }
        let mut meta = found.unwrap_or_default();
        self.add_hparams(&mut meta);
        for (name, value) in yaml::read(&self.path, self.links()) {
            meta.params.entry(name).or_insert(value);
        }
        (meta, issues)
    }

    /// What the log says itself.
    fn copies(&self) -> impl Iterator<Item = Result<RunMeta>> {
        let mut reader = ValueReader::new(self);
        let of_kind = self.series.iter().filter(|series| series.kind() == Kind::Meta);
        let points = of_kind.flat_map(|series| (0..series.len()).map(move |i| (series, i)));
        points.filter_map(move |(series, i)| {
            let value = match (series.raw(), series.places()) {
                (Some(values), _) => values.get(i).cloned().map(Ok),
                (None, Some(_)) => Some(reader.read(series, i)),
                (None, None) => None, // not asked for
            };
            let read = |value| {
                summary::meta::read(&value).map_err(|kind| kind.at(reader.location(series, i)))
            };
            value.map(|value| value.and_then(read))
        })
    }

    /// What `hparams` records say, where the metadata says nothing.
    fn add_hparams(&self, meta: &mut RunMeta) {
        for series in self.series.iter().filter(|series| series.kind() == Kind::Hparams) {
            match HparamsRecord::read(series.metadata()) {
                Ok(HparamsRecord::Start(start)) => {
                    for (name, value) in start.values {
                        // `track::Run` shows seeds there, too.
                        let seed = name.strip_prefix("seed/");
                        let is_seed = seed.is_some_and(|seed| meta.seeds.contains_key(seed));
                        if let Some(value) = value.into_param().filter(|_| !is_seed) {
                            meta.params.entry(name).or_insert(value);
                        }
                    }
                    meta.start_time = meta.start_time.or(start.start_time);
                }
                Ok(HparamsRecord::End(end)) => {
                    meta.status = meta.status.or(end.status.to_run_status());
                    meta.end_time = meta.end_time.or(end.end_time);
                }
                // An experiment is not of this run; what cannot be read says nothing.
                Ok(HparamsRecord::Experiment(_)) | Err(_) => {}
            }
        }
    }
}

/// Whether series of this tag say what a run is.
#[cfg(feature = "table")]
pub(super) fn is_of_run(tag: &str) -> bool {
    [SESSION_START_TAG, SESSION_END_TAG, summary::meta::TAG].contains(&tag)
}

fn is_newer(copy: &RunMeta, than: Option<&RunMeta>) -> bool {
    than.is_none_or(|than| copy.updated_at > than.updated_at)
}
