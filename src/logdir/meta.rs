//! What a run is, from all places that say it.

use super::Run;
use crate::error::{Error, ErrorKind, Location};
use crate::meta::{RunMeta, yaml};
use crate::summary::hparams::HparamsRecord;
use crate::summary::{self, Kind};

impl Run {
    /// What the run is: from `tbx.json` beside its event files and from the copy of that in them,
    /// of which the one that was updated later counts (`tbx.json` if both were at once). What
    /// neither says is taken from `hparams` records, and parameters from Lightning's
    /// `hparams.yaml`.
    ///
    /// The copy is there only if the run was loaded with the values of [`Kind::Meta`].
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
    /// let (meta, errors) = loaded.runs[0].meta();
    /// assert_eq!(meta.name.as_deref(), Some("first"));
    /// assert_eq!(meta.params["lr"], 0.1.into());
    /// assert!(errors.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Beside it, what could not be read.
    pub fn meta(&self) -> (RunMeta, Vec<Error>) {
        let mut errors = Vec::new();
        let mut found = RunMeta::read(&self.path).unwrap_or_else(|error| {
            errors.push(error);
            None
        });
        for series in self.series.iter().filter(|series| series.kind() == Kind::Meta) {
            for (value, step) in series.raw().unwrap_or_default().iter().zip(series.steps()) {
                match summary::meta::read(value) {
                    Ok(copy) if is_newer(&copy, found.as_ref()) => found = Some(copy),
                    Ok(_) => {}
                    Err(kind) => errors.push(self.error(kind, series.tag(), *step)),
                }
            }
        }
        let mut meta = found.unwrap_or_default();
        self.add_hparams(&mut meta);
        for (name, value) in yaml::read(&self.path) {
            meta.params.entry(name).or_insert(value);
        }
        (meta, errors)
    }

    /// What `hparams` records say, where the metadata says nothing.
    fn add_hparams(&self, meta: &mut RunMeta) {
        for series in self.series.iter().filter(|series| series.kind() == Kind::Hparams) {
            match HparamsRecord::read(series.metadata()) {
                Ok(HparamsRecord::Start(start)) => {
                    for (name, value) in start.values {
                        if let Some(value) = value.into_param() {
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

    fn error(&self, kind: ErrorKind, tag: &str, step: i64) -> Error {
        kind.at(Location {
            path: Some(self.path.as_path().into()),
            run: Some(self.name.clone()),
            tag: Some(tag.into()),
            step: Some(step),
            ..Location::default()
        })
    }
}

fn is_newer(copy: &RunMeta, than: Option<&RunMeta>) -> bool {
    than.is_none_or(|than| copy.updated_at > than.updated_at)
}
