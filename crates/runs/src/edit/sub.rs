//! The files of a run that is being written, and the decisions about values.

use std::path::PathBuf;

use super::output::OutFile;
use tbx::error::Result;
use tbx::summary::Form;

/// A run that is being written.
pub(super) struct Sub {
    /// Its directory, as if it were in the logs.
    pub(super) path: PathBuf,
    pub(super) file: Option<OutFile>,
    pub(super) done: Vec<OutFile>,
    /// The first metadata of each tag in the run.
    in_run: Described,
    /// The same in the run, or in the last part of a split file.
    pub(super) in_part: Described,
    /// The same in this file.
    in_file: Described,
    pub(super) parts: usize,
}

/// The decision about a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fate {
    pub(super) plan: usize,
    pub(super) sub: usize,
    pub(super) stays: bool,
    pub(super) metadata: MetadataFate,
    /// The metadata that it has, or would get; none if it has none.
    pub(super) holds: Option<Holds>,
}

/// The metadata of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// The first metadata of its tag. Values of different forms may be of different kinds, even
    /// with the same metadata.
    First(Form),
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetadataFate {
    Same,
    /// The metadata is there already.
    Strip,
    /// The value that held the metadata is gone.
    Add,
    /// The value is a session start with changed parameters.
    Session,
}

impl Sub {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            done: Vec::new(),
            in_run: Described::default(),
            in_part: Described::default(),
            in_file: Described::default(),
            parts: 1,
        }
    }

    /// Completes the file, if there is one.
    pub(super) fn complete(&mut self) -> Result<()> {
        if let Some(mut file) = self.file.take() {
            file.complete()?;
            self.done.push(file);
        }
        self.in_file = Described::default();
        Ok(())
    }

    /// Notes a value that is written here, and returns what happens to its metadata. A reader
    /// assigns values without metadata to the series that the first metadata of the tag describes.
    pub(super) fn describe(&mut self, fate: &Fate) -> MetadataFate {
        let Some(holds) = fate.holds else { return fate.metadata };
        let is_first_in = |described: &Described| described.get(fate.plan) == Some(holds);
        let is_known = is_first_in(&self.in_run) && is_first_in(&self.in_part);
        let decides_kind = holds == Holds::First(Form::Tensor);
        let decided = match fate.metadata {
            MetadataFate::Add if is_known => return MetadataFate::Same,
            MetadataFate::Strip if is_first_in(&self.in_file) && (is_known || !decides_kind) => {
                return MetadataFate::Strip;
            }
            MetadataFate::Strip => MetadataFate::Same,
            other => other,
        };
        for described in [&mut self.in_run, &mut self.in_part, &mut self.in_file] {
            described.note(fate.plan, holds);
        }
        decided
    }
}

/// The first metadata of each tag.
#[derive(Debug, Default)]
pub(super) struct Described(Vec<Option<Holds>>);

impl Described {
    fn get(&self, plan: usize) -> Option<Holds> {
        self.0.get(plan).copied().flatten()
    }

    fn note(&mut self, plan: usize, holds: Holds) {
        if self.0.len() <= plan {
            self.0.resize(plan + 1, None);
        }
        if let Some(first) = self.0.get_mut(plan) {
            first.get_or_insert(holds);
        }
    }
}
