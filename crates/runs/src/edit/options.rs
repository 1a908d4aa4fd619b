//! Options of an edit.

use regex::Regex;

use super::job::Join;
use super::output::SideFiles;
use super::params::Params;
use crate::progress::{OnProgress, Progress};
use crate::table::Sampling;
use tbx::error::{Error, Result};
use tbx::logdir::{RestartPolicy, RunFiles};
use tbx::summary::Kind;
use tbx::summary::hparams::HparamValue;

/// Changes to logs.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let out = dir.path().join("new");
/// use regex::Regex;
/// use tbx::Logdir;
/// use tbx_runs::edit::{Destination, Edit};
///
/// let logdir = Logdir::open("fixtures/keras")?;
/// let edit = Edit::new()
///     .rename(Regex::new("^epoch_(.*)")?, "epoch/$1")
///     .drop_tags(Regex::new("^keras$")?);
/// let edited = edit.run(&logdir, Destination::Folder(&out))?;
/// assert_eq!(edited.runs, 2);
/// assert!(edited.changes.iter().any(|change| change.new_tag.as_deref() == Some("epoch/loss")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Edit {
    pub(super) renames: Vec<(Regex, String)>,
    pub(super) drop_tags: Vec<Regex>,
    pub(super) keep_tags: Vec<Regex>,
    drop_runs: Vec<Regex>,
    keep_runs: Vec<Regex>,
    pub(super) sub_runs: Vec<(Regex, String)>,
    pub(super) merge: bool,
    pub(super) max_file_bytes: Option<u64>,
    pub(super) shift_steps: i64,
    pub(super) shift_time: f64,
    pub(super) samplings: Vec<(Option<Kind>, Sampling)>,
    pub(super) compact: Option<RestartPolicy>,
    pub(super) continues_steps: bool,
    pub(super) parts: Vec<Vec<String>>,
    pub(super) joins: Vec<Join>,
    pub(super) params: Params,
    pub(super) side_files: SideFiles,
    pub(super) on_progress: OnProgress,
}

impl Default for Edit {
    fn default() -> Self {
        Self::new()
    }
}

impl Edit {
    /// An edit that changes nothing.
    pub fn new() -> Self {
        Self {
            renames: Vec::new(),
            drop_tags: Vec::new(),
            keep_tags: Vec::new(),
            drop_runs: Vec::new(),
            keep_runs: Vec::new(),
            sub_runs: Vec::new(),
            merge: false,
            max_file_bytes: None,
            shift_steps: 0,
            shift_time: 0.0,
            samplings: Vec::new(),
            compact: None,
            continues_steps: false,
            parts: Vec::new(),
            joins: Vec::new(),
            params: Params::default(),
            side_files: SideFiles::default(),
            on_progress: OnProgress::default(),
        }
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.renames.is_empty()
            && self.drop_tags.is_empty()
            && self.keep_tags.is_empty()
            && self.drop_runs.is_empty()
            && self.keep_runs.is_empty()
            && self.sub_runs.is_empty()
            && !self.merge
            && self.max_file_bytes.is_none()
            && self.shift_steps == 0
            && self.shift_time == 0.0
            && self.samplings.is_empty()
            && self.compact.is_none()
            && !self.continues_steps
            && self.joins.is_empty()
            && self.params.is_empty()
    }

    /// Renames tags: replaces the text that `tags` matches with `replacement`, in which `$1` means
    /// the first group, as in [`Regex::replace_all`]; write `${1}` before a letter, a digit or `_`.
    /// Several renames are applied one after the other. It is an error if two tags of a run would
    /// get the same name.
    #[must_use]
    pub fn rename(mut self, tags: Regex, replacement: impl Into<String>) -> Self {
        self.renames.push((tags, replacement.into()));
        self
    }

    /// Drops the values of tags that match. Tags here and below are the original ones.
    #[must_use]
    pub fn drop_tags(mut self, tags: Regex) -> Self {
        self.drop_tags.push(tags);
        self
    }

    /// Keeps only the values of tags that match. After several calls, a tag must match one of the
    /// expressions.
    #[must_use]
    pub fn keep_tags(mut self, tags: Regex) -> Self {
        self.keep_tags.push(tags);
        self
    }

    /// Drops runs whose name matches.
    #[must_use]
    pub fn drop_runs(mut self, runs: Regex) -> Self {
        self.drop_runs.push(runs);
        self
    }

    /// Keeps only runs whose name matches. After several calls, a name must match one of the
    /// expressions.
    #[must_use]
    pub fn keep_runs(mut self, runs: Regex) -> Self {
        self.keep_runs.push(runs);
        self
    }

    /// Moves the values of tags that match into the run `name` below their own; `$1` in it means
    /// the first group. The first expression that matches counts. Parts of the name that are not
    /// valid directory names are encoded as in [`safe_name`](tbx::safe_name).
    #[must_use]
    pub fn sub_run(mut self, tags: Regex, name: impl Into<String>) -> Self {
        self.sub_runs.push((tags, name.into()));
        self
    }

    /// Whether the files of a run are merged into one. Default: false.
    #[must_use]
    pub fn merge(self, merge: bool) -> Self {
        Self { merge, ..self }
    }

    /// Splits files that are longer than this number of bytes, between events. Default: no limit.
    #[must_use]
    pub fn max_file_bytes(self, bytes: u64) -> Self {
        Self { max_file_bytes: Some(bytes), ..self }
    }

    /// Adds this to every step. A step that would be out of range is an error. Default: 0.
    #[must_use]
    pub fn shift_steps(self, by: i64) -> Self {
        Self { shift_steps: by, ..self }
    }

    /// Adds this number of seconds to every wall time, except those that are 0 or not finite. Times
    /// inside values, such as those of hyperparameters, do not change. Default: 0.
    #[must_use]
    pub fn shift_time(self, seconds: f64) -> Self {
        Self { shift_time: seconds, ..self }
    }

    /// Thins out the series of a kind, or all series whose kind has no rule of its own. A method
    /// that needs numbers thins out only scalars. Default: none.
    #[must_use]
    pub fn sample(mut self, kind: Option<Kind>, sampling: Sampling) -> Self {
        self.samplings.push((kind, sampling));
        self
    }

    /// Drops redundant data: points that `policy` drops after restarts, the `START`s that make it
    /// do so, and metadata that only repeats the metadata of the tag's first value in the file.
    /// Default: none.
    #[must_use]
    pub fn compact(self, policy: RestartPolicy) -> Self {
        Self { compact: Some(policy), ..self }
    }

    /// Whether restarted sessions become one curve with increasing steps. Default: false.
    ///
    /// A session restarts if the steps of a tag go back to where the previous session began: in a
    /// later file, after a `START`, or within a file. Its steps then begin one logging interval
    /// after the last step before it, with the same offset for all its tags. Its `START`, which
    /// would hide the earlier sessions, is dropped. In a run whose points are all at one step, each
    /// point of a tag gets its own step. Wall times do not change. A second edit like this changes
    /// nothing.
    ///
    /// Steps that go back to somewhere in the middle do not change: the program was resumed from a
    /// checkpoint, and a [restart policy](Self::compact) drops the points that it wrote again.
    /// Neither do the steps of files that were written at the same time. Tags that go on where
    /// others restart, such as Keras' `evaluation_loss_vs_iterations`, count something else and
    /// keep their steps. Dropped tags are ignored.
    #[must_use]
    pub fn continue_steps(self, continue_steps: bool) -> Self {
        Self { continues_steps: continue_steps, ..self }
    }

    /// Names of runs that are parts of one run, such as `train` and `validation`: their sessions
    /// start at the same times and get the same offset. May be called several times, for different
    /// runs.
    #[must_use]
    pub fn parts(mut self, runs: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.parts.push(runs.into_iter().map(Into::into).collect());
        self
    }

    /// Joins runs in this order into the run `into`. Steps continue as with
    /// [`continue_steps`](Self::continue_steps): a run that restarts gets an offset, and a run that
    /// was resumed keeps its steps. The event files become one file. If a directory is not a run,
    /// the runs below it are joined with the runs of the same name below the other directories. The
    /// other files of the first run move with it.
    ///
    /// Parts of the name that are not valid directory names are encoded as in
    /// [`safe_name`](tbx::safe_name). `into` may be the name of one of the runs.
    #[must_use]
    pub fn join(
        mut self,
        runs: impl IntoIterator<Item = impl Into<String>>,
        into: impl Into<String>,
    ) -> Self {
        let runs = runs.into_iter().map(Into::into).collect();
        self.joins.push(Join { runs, into: into.into() });
        self
    }

    /// Sets a hyperparameter in the record that starts the session of each run; `None` and
    /// [`HparamValue::Unset`] remove it. A run without such a record gets one, so that it becomes a
    /// row of TensorBoard's table of hyperparameters. Runs that are [parts](Self::parts) of one run
    /// share one record. If none of them has it, it goes to the run that was named first, which is
    /// created if it has no log of its own, as Keras does. `tbx.json` does not change.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<HparamValue>) -> Self {
        self.params.set(name.into(), value.into());
        self
    }

    /// The treatment of files next to the event files. Default: [`SideFiles::Copy`].
    #[must_use]
    pub fn side_files(self, side_files: SideFiles) -> Self {
        Self { side_files, ..self }
    }

    /// Calls `f` with the progress of the job, from any thread.
    #[must_use]
    pub fn on_progress(self, f: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self { on_progress: OnProgress::new(f), ..self }
    }

    pub(super) fn check(&self) -> Result<()> {
        for (kind, sampling) in &self.samplings {
            let other = kind.filter(|kind| *kind != Kind::Scalar);
            if let Some(kind) = other.filter(|_| sampling.needs_numbers()) {
                let what = format!("{sampling} needs numbers, and {kind} has none");
                return Err(Error::argument(what));
            }
        }
        for (regex, template) in self.renames.iter().chain(&self.sub_runs) {
            groups(template).try_for_each(|name| has_group(regex, name))?;
        }
        match self.shift_time.is_finite() {
            true => Ok(()),
            false => {
                Err(Error::argument(format!("cannot shift times by {} seconds", self.shift_time)))
            }
        }
    }

    pub(super) fn wants_run(&self, run: &RunFiles) -> bool {
        let any = |runs: &[Regex]| runs.iter().any(|regex| regex.is_match(&run.name));
        (self.keep_runs.is_empty() || any(&self.keep_runs)) && !any(&self.drop_runs)
    }

    /// Whether any values of `tag` are kept.
    pub(super) fn wants_tag(&self, tag: &str) -> bool {
        let any = |tags: &[Regex]| tags.iter().any(|regex| regex.is_match(tag));
        (self.keep_tags.is_empty() || any(&self.keep_tags)) && !any(&self.drop_tags)
    }

    /// The sampling method for series of `kind`.
    pub(super) fn sampling(&self, kind: Kind) -> Option<Sampling> {
        let fits = |(of, sampling): &&(Option<Kind>, Sampling)| match of {
            Some(of) => *of == kind,
            None => kind == Kind::Scalar || !sampling.needs_numbers(),
        };
        let own = |(of, _): &&(Option<Kind>, Sampling)| of.is_some();
        let all = || self.samplings.iter().filter(fits);
        all().find(own).or_else(|| all().next()).map(|(_, sampling)| *sampling)
    }

    /// Whether the choice of values depends on their position in their series.
    pub(super) fn selects(&self) -> bool {
        !self.samplings.is_empty() || self.compact.is_some()
    }
}

/// Names of the groups that a replacement refers to, as [`regex::Captures::expand`] parses them.
fn groups(template: &str) -> impl Iterator<Item = &str> {
    let mut parts = template.split('$');
    parts.next(); // before the first
    let mut is_escaped = false;
    parts.filter_map(move |part| {
        // The second `$` of two in a row is a literal `$`.
        if std::mem::take(&mut is_escaped) {
            return None;
        }
        is_escaped = part.is_empty();
        if let Some(braced) = part.strip_prefix('{') {
            return braced.split_once('}').map(|(name, _)| name);
        }
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let name = part.get(..end.unwrap_or(part.len()));
        name.filter(|name| !name.is_empty())
    })
}

/// Fails if `regex` has no such group: the reference would silently become an empty string.
fn has_group(regex: &Regex, name: &str) -> Result<()> {
    let is_there = match name.parse::<usize>() {
        Ok(number) => number < regex.captures_len(),
        Err(_) => regex.capture_names().flatten().any(|known| known == name),
    };
    if is_there {
        return Ok(());
    }
    let digits = name.find(|c: char| !c.is_ascii_digit()).filter(|end| *end > 0);
    let (number, rest) = digits.and_then(|end| name.split_at_checked(end)).unwrap_or(("", ""));
    let hint = match number {
        "" => String::new(),
        number => format!("; ${{{number}}}{rest} is group {number} and {rest:?}"),
    };
    Err(Error::argument(format!("{:?} has no group {name:?}{hint}", regex.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_that_are_not_there_are_refused() {
        let regex = Regex::new("(a)(?P<name>b)").unwrap();
        for fine in ["", "x", "$0$1$2", "${1}x", "$name/", "$$1x", "$", "a$/b", "${1}$$x", "$$$1"] {
            assert!(groups(fine).all(|name| has_group(&regex, name).is_ok()), "{fine}");
        }
        for wrong in ["$3", "$1x", "${1x}", "$nam", "$$$1x", "$1_"] {
            assert!(groups(wrong).any(|name| has_group(&regex, name).is_err()), "{wrong}");
        }
        let said = has_group(&regex, "1_loss").unwrap_err().to_string();
        assert_eq!(
            said,
            "\"(a)(?P<name>b)\" has no group \"1_loss\"; ${1}_loss is group 1 and \"_loss\""
        );
    }
}
