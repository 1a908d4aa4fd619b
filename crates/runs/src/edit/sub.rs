//! The files of a run that is being written, and the decisions about values.

use std::mem;
use std::path::PathBuf;

use super::output::OutFile;
use tbx::error::Result;

/// A run that is being written.
pub(super) struct Sub {
    /// Its directory, as if it were in the logs.
    pub(super) path: PathBuf,
    pub(super) file: Option<OutFile>,
    pub(super) done: Vec<OutFile>,
    /// For each tag, whether its metadata is in the run, or in the last part of a split file.
    pub(super) described: Flags,
    /// For each tag, whether its metadata is in this file.
    pub(super) in_file: Flags,
    pub(super) parts: usize,
}

/// The decision about a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fate {
    pub(super) plan: usize,
    pub(super) sub: usize,
    pub(super) stays: bool,
    pub(super) metadata: MetadataFate,
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
        let (described, in_file) = (Flags::default(), Flags::default());
        Self { path, file: None, done: Vec::new(), described, in_file, parts: 1 }
    }

    /// Completes the file, if there is one.
    pub(super) fn complete(&mut self) -> Result<()> {
        if let Some(mut file) = self.file.take() {
            file.complete()?;
            self.done.push(file);
        }
        self.in_file = Flags::default();
        Ok(())
    }
}

/// One bit per tag.
#[derive(Debug, Default)]
pub(super) struct Flags(Vec<bool>);

impl Flags {
    /// Sets the bit of tag `plan`. Returns whether it was set before.
    pub(super) fn set(&mut self, plan: usize) -> bool {
        if self.0.len() <= plan {
            self.0.resize(plan + 1, false);
        }
        self.0.get_mut(plan).is_some_and(|flag| mem::replace(flag, true))
    }
}
