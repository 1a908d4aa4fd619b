//! Folds directories that are parts of one run.
//!
//! In TensorBoard every run is a directory, but several libraries spread what a person calls a run
//! over several directories. [`rule`] assigns directories to runs, based on the facts about them
//! and about their siblings ([`Directory`]); this module applies the result.

mod directory;
mod rule;
mod stage;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

pub(crate) use self::directory::Directory;
use tbx::logdir::Logdir;

/// Whether directories are folded into the run that they are part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Folding {
    /// Sibling directories such as `train` and `validation`, and those that `add_scalars` and
    /// `add_hparams` of PyTorch and tensorboardX create, are parts of the run above them.
    #[default]
    Known,
    /// Every directory with event files is a run, as in TensorBoard.
    None,
}

/// The run of each directory that is part of one, and the names of its tags in that run.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    of: HashMap<String, (String, Rename)>,
    folding: Folding,
}

/// The name of a part's tag in its run.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Rename {
    /// The string, a slash, and the tag.
    Prefix(String),
    /// The tag, a slash, and the string.
    Line(String),
    /// The tag, unchanged.
    Keep,
}

impl Parts {
    /// The parts among the directories of `logdir`; `read` are those that were read.
    pub(crate) fn of(logdir: &Logdir, read: &[Directory], folding: Folding) -> Self {
        if folding == Folding::None {
            return Self { of: HashMap::new(), folding };
        }
        let unread = directory::unread(logdir, read);
        Self::among(&read.iter().chain(&unread).collect::<Vec<_>>())
    }

    /// The parts among these directories.
    pub(crate) fn among(directories: &[&Directory]) -> Self {
        Self { of: rule::decide(directories), folding: Folding::Known }
    }

    /// The run that directory `name` is or belongs to, and the name of its tag `tag` in that run.
    pub(crate) fn place(&self, name: &str, tag: &str) -> (String, String) {
        let (mut run, mut tag) = (name.to_owned(), tag.to_owned());
        // Each run is above the previous one, so the loop ends.
        while let Some((parent, rename)) = self.of.get(&run) {
            tag = rename.of(&tag);
            run.clone_from(parent);
        }
        (run, tag)
    }

    /// The run that directory `name` is or belongs to.
    pub(crate) fn run_of(&self, name: &str) -> String {
        self.place(name, "").0
    }

    /// The names of the runs that directories with logs are or belong to. A directory above runs
    /// that has only configuration is not a run: TensorFlow and PyTorch put the description of an
    /// experiment there.
    pub(crate) fn runs(&self, directories: &[Directory]) -> HashSet<String> {
        let mut no_runs = HashSet::new();
        if self.folding == Folding::Known {
            no_runs = rule::only_above_runs(directories, self);
        }
        let with_logs = directories.iter().filter(|directory| directory.has_logs);
        let runs = with_logs.filter(|directory| !no_runs.contains(directory.name.as_str()));
        runs.map(|directory| self.run_of(&directory.name)).collect()
    }
}

/// Directories that hold no event files but may have parts. Their `tbx.json` describes the run.
pub(crate) use self::directory::without_logs;

impl Rename {
    fn of(&self, tag: &str) -> String {
        match self {
            Self::Prefix(prefix) => format!("{prefix}/{tag}"),
            Self::Line(line) => format!("{tag}/{line}"),
            Self::Keep => tag.to_owned(),
        }
    }
}

/// Splits `name` into the name of its parent directory and its last component.
fn split(name: &str) -> (&str, &str) {
    let separator = |c: char| c == '/' || c == std::path::MAIN_SEPARATOR;
    match name.rfind(separator) {
        Some(at) => {
            let (parent, last) = name.split_at(at);
            (parent, last.trim_start_matches(separator))
        }
        None => (".", name),
    }
}

/// The names of the parent directories, the nearest first.
fn above(name: &str) -> impl Iterator<Item = &str> {
    fn up<'n>(name: &&'n str) -> Option<&'n str> {
        (*name != ".").then(|| split(name).0)
    }
    std::iter::successors(Some(name), up).skip(1)
}

pub(super) fn depth(name: &str) -> usize {
    above(name).count()
}
