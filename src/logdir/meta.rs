//! Metadata of a run, from all places that hold it.

use super::{LoadOptions, Run, ValueReader};
use crate::error::{Effect, Error, Issue, Location, Result};
use crate::meta::{RunMeta, now, yaml};
use crate::summary::hparams::HparamsRecord;
use crate::summary::hparams::{SESSION_END_TAG, SESSION_START_TAG};
use crate::summary::{self, Kind};

impl Run {
    /// The metadata of the run, and an issue for each part that could not be read.
    ///
    /// The metadata comes from `tbx.json` next to the event files and from the copy of that file in
    /// the log. The one that was updated later wins (`tbx.json` if both were updated at the same
    /// time). Missing fields come from `hparams` records, and missing parameters from Lightning's
    /// `hparams.yaml`.
    ///
    /// The copy is used only if the run was loaded with the values of [`Kind::Meta`], or with their
    /// [places](super::Payloads::Placed).
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
    pub fn meta(&self) -> (RunMeta, Vec<Issue>) {
        let (found, mut issues) = self.own_meta();
        let mut meta = found.unwrap_or_default();
        let unreadable = self.add_hparams(&mut meta).into_iter();
        issues.extend(unreadable.map(|error| self.issue(error, Effect::SkippedValue)));
        match yaml::read(&self.path, self.links()) {
            Ok(params) => {
                for (name, value) in params {
                    meta.params.entry(name).or_insert(value);
                }
            }
            Err(error) => issues.push(self.issue(error, Effect::SkippedFile)),
        }
        (meta, issues)
    }

    /// Applies `change` to the run's own metadata and writes the result to `tbx.json` in the run's
    /// directory. The metadata is read from that file, or from the copy in the log if that is
    /// newer. The file is created if it does not exist. `hparams` records and `hparams.yaml` stay
    /// as they are; `tbx.json` takes precedence over them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`](crate::ErrorKind::Value): `tbx.json` is not a metadata file;
    /// [`ErrorKind::Io`](crate::ErrorKind::Io).
    pub fn update_meta(&self, change: impl FnOnce(&mut RunMeta)) -> Result<()> {
        let (own, _) = self.own_meta();
        RunMeta::update(&self.path, |meta| {
            // The file may have changed since it was read.
            if let Some(own) = own.filter(|own| meta.schema.is_empty() || is_newer(own, Some(meta)))
            {
                *meta = own;
            }
            change(meta);
            meta.updated_at = Some(now());
        })
    }

    /// Whether the run has a `tbx.json`, or a copy of one in the log.
    #[doc(hidden)]
    pub fn has_own_meta(&self) -> bool {
        self.own_meta().0.is_some()
    }

    /// The metadata from `tbx.json` or the newest copy in the log, and the errors in reading them.
    fn own_meta(&self) -> (Option<RunMeta>, Vec<Issue>) {
        let mut issues = Vec::new();
        let mut note = |error: Error, effect| issues.push(self.issue(error, effect));
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
        (found, issues)
    }

    /// An issue of this run for the error.
    fn issue(&self, error: Error, effect: Effect) -> Issue {
        let location = error.location().clone();
        let location = Location { run: Some(self.name.clone()), ..location };
        Issue { location, kind: error.into_kind(), effect }
    }

    /// The copies of the metadata in the log.
    fn copies(&self) -> impl Iterator<Item = Result<RunMeta>> {
        let mut reader = ValueReader::new(self);
        let of_kind = self.series.iter().filter(|series| series.kind() == Kind::Meta);
        let points = of_kind.flat_map(|series| (0..series.len()).map(move |i| (series, i)));
        points.filter_map(move |(series, i)| {
            let value = match (series.raw(), series.places()) {
                (Some(values), _) => values.get(i).cloned().map(Ok),
                (None, Some(_)) => Some(reader.read(series, i)),
                (None, None) => None, // not requested
            };
            let read = |value| {
                summary::meta::read(&value).map_err(|kind| kind.at(reader.location(series, i)))
            };
            value.map(|value| value.and_then(read))
        })
    }

    /// Adds the values of `hparams` records that the metadata lacks. Returns an error for each
    /// unreadable record.
    fn add_hparams(&self, meta: &mut RunMeta) -> Vec<Error> {
        let mut unreadable = Vec::new();
        let reader = ValueReader::new(self);
        for series in self.series.iter().filter(|series| series.kind() == Kind::Hparams) {
            match HparamsRecord::read(series.metadata()) {
                Ok(HparamsRecord::Start(start)) => {
                    for (name, value) in start.values {
                        // `track::ActiveRun` shows seeds there, too.
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
                Ok(HparamsRecord::Experiment(_)) => {} // not of this run
                Err(kind) => unreadable.push(kind.at(reader.location(series, 0))),
            }
        }
        unreadable
    }
}

impl LoadOptions {
    /// Also selects the series that hold run metadata, whatever tags are selected.
    #[doc(hidden)]
    pub fn with_run_meta(self) -> Self {
        let Some(wanted) = self.tags.clone() else { return self };
        self.tags(move |tag| wanted(tag) || is_of_run(tag))
    }
}

/// Whether series of this tag hold run metadata.
fn is_of_run(tag: &str) -> bool {
    [SESSION_START_TAG, SESSION_END_TAG, summary::meta::TAG].contains(&tag)
}

fn is_newer(copy: &RunMeta, than: Option<&RunMeta>) -> bool {
    than.is_none_or(|than| copy.updated_at > than.updated_at)
}
