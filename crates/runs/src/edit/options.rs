//! What to change.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use regex::Regex;

use super::job::{Job, Jobs, Join};
use super::output::{Destination, Outputs, SideFiles};
use super::params::Params;
use super::report::{Edited, JoinedRun};
use super::sessions::{self, NewSteps};
use super::{run, sidecar};
use crate::progress::{OnProgress, Progress};
use crate::table::Sampling;
use tbx::error::{Error, Result};
use tbx::logdir::{Logdir, RestartPolicy, RunFiles};
use tbx::summary::Kind;
use tbx::summary::hparams::HparamValue;

/// What to change in logs.
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
    side_files: SideFiles,
    on_progress: OnProgress,
}

impl Default for Edit {
    fn default() -> Self {
        Self::new()
    }
}

impl Edit {
    /// Changes nothing.
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

    /// Renames tags: what `tags` matches in them becomes `replacement`, in which `$1` stands for the
    /// first group, as in [`Regex::replace_all`]; `${1}` where a letter, a digit or `_` follows.
    /// Several are done one after the other. Two tags of a run that would become one are an error.
    #[must_use]
    pub fn rename(mut self, tags: Regex, replacement: impl Into<String>) -> Self {
        self.renames.push((tags, replacement.into()));
        self
    }

    /// Drops the values of tags that match. Tags here and below are those of the original.
    #[must_use]
    pub fn drop_tags(mut self, tags: Regex) -> Self {
        self.drop_tags.push(tags);
        self
    }

    /// Drops the values of all tags that match none of these.
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

    /// Drops all runs whose name matches none of these.
    #[must_use]
    pub fn keep_runs(mut self, runs: Regex) -> Self {
        self.keep_runs.push(runs);
        self
    }

    /// Moves the values of tags that match into a run below their own: `name`, in which `$1` stands
    /// for the first group. The first that matches counts. Parts of the name that cannot be a
    /// folder's name are encoded as [`safe_name`](tbx::safe_name) does.
    #[must_use]
    pub fn sub_run(mut self, tags: Regex, name: impl Into<String>) -> Self {
        self.sub_runs.push((tags, name.into()));
        self
    }

    /// Whether the files of a run become one. Default: false.
    #[must_use]
    pub fn merge(self, merge: bool) -> Self {
        Self { merge, ..self }
    }

    /// Files longer than so many bytes are split between events. Default: they are not.
    #[must_use]
    pub fn max_file_bytes(self, bytes: u64) -> Self {
        Self { max_file_bytes: Some(bytes), ..self }
    }

    /// Adds this to every step. A step that would be out of range is an error. Default: 0.
    #[must_use]
    pub fn shift_steps(self, by: i64) -> Self {
        Self { shift_steps: by, ..self }
    }

    /// Adds so many seconds to every wall time; those that are 0 or not finite stay. Times inside of values,
    /// such as those of hyperparameters, are not touched. Default: 0.
    #[must_use]
    pub fn shift_time(self, seconds: f64) -> Self {
        Self { shift_time: seconds, ..self }
    }

    /// Thins out the series of a kind, or all that have no rule of their own. A method that needs
    /// numbers thins out scalars only. Default: none.
    #[must_use]
    pub fn sample(mut self, kind: Option<Kind>, sampling: Sampling) -> Self {
        self.samplings.push((kind, sampling));
        self
    }

    /// Drops what is of no use: points that `policy` drops after restarts, the `START`s that made
    /// it do so, and metadata that a tag's first value in the file has already. Default: none.
    #[must_use]
    pub fn compact(self, policy: RestartPolicy) -> Self {
        Self { compact: Some(policy), ..self }
    }

    /// Whether sessions that start again become one curve with steps that go on. Default: false.
    ///
    /// A session starts again if the steps of a tag go back to where the session before began: in a
    /// later file, behind a `START`, or inside a file. Its steps then begin one interval of logging
    /// behind the last step before, by the same offset for all its tags, and its `START` goes, which
    /// would hide the earlier sessions. In a run whose points are all at one step, each point of a tag
    /// gets a step of its own. Wall times stay. Done again, it changes nothing.
    ///
    /// Steps that go back to somewhere in the middle stay: the program was resumed from a checkpoint,
    /// and a [restart policy](Self::compact) drops what it wrote again. So do those of files that were
    /// written at the same time. Tags that go on by themselves where others start again, such as
    /// Keras' `evaluation_loss_vs_iterations`, count something else, and keep their steps. Tags that
    /// are dropped do not count.
    #[must_use]
    pub fn continue_steps(self, continue_steps: bool) -> Self {
        Self { continues_steps: continue_steps, ..self }
    }

    /// The names of runs that are parts of one, such as `train` and `validation`: their sessions start
    /// at the same times, and get the same offset. Several may be given, each for other runs.
    #[must_use]
    pub fn parts(mut self, runs: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.parts.push(runs.into_iter().map(Into::into).collect());
        self
    }

    /// Joins runs in this order into the run `into`, with steps that go on, as
    /// [`continue_steps`](Self::continue_steps) says: one that starts again gets an offset, one that was
    /// resumed keeps its steps. Their files become one. Of a directory that is no run, the runs below
    /// it are joined with those of the same name below the others. Other files of the first run go
    /// along.
    ///
    /// Parts of the name that cannot be a directory's name are encoded as
    /// [`safe_name`](tbx::safe_name) does. It may be the name of one of the runs.
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
    /// [`HparamValue::Unset`] remove it. A run without such a record gets one, so that it is a row of
    /// TensorBoard's table of hyperparameters. Runs that are [parts](Self::parts) of one have one: in the
    /// run whose name is the first, which is made if it has no log of its own, as Keras does it.
    /// `tbx.json` stays as it is.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<HparamValue>) -> Self {
        self.params.set(name.into(), value.into());
        self
    }

    /// What becomes of the files next to the event files. Default: [`SideFiles::Copy`].
    #[must_use]
    pub fn side_files(self, side_files: SideFiles) -> Self {
        Self { side_files, ..self }
    }

    /// Calls `f` with the progress of the job, from any thread.
    #[must_use]
    pub fn on_progress(self, f: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self { on_progress: OnProgress::new(f), ..self }
    }

    /// Makes the changes. Runs are worked on in parallel; memory does not grow with the logs, but
    /// by a few bytes a value where values are sampled or compacted.
    ///
    /// Damaged records are left out, and are in the report. A file without a single readable event
    /// stays as it is, and so does every file that is no event file, whatever its name: in a new
    /// folder they are copies.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](tbx::ErrorKind::Io): something cannot be read or written, or exists
    /// already. [`ErrorKind::Argument`](tbx::ErrorKind::Argument): two tags or runs would become
    /// one, or a step would be out of range. Then nothing was changed.
    pub fn run(&self, logdir: &Logdir, to: Destination<'_>) -> Result<Edited> {
        self.run_then(logdir, to, |_| Ok(()))
    }

    /// The same, and `beside` changes files next to the new logs. In place, that is a part of the call: it
    /// may be done again after an interruption.
    #[doc(hidden)]
    pub fn run_then(
        &self,
        logdir: &Logdir,
        to: Destination<'_>,
        beside: impl FnOnce(&[JoinedRun]) -> Result<()>,
    ) -> Result<Edited> {
        self.check()?;
        let outputs = Outputs::create(logdir, to)?;
        let now = outputs.logs_now(logdir)?;
        let logdir = &now.as_ref().unwrap_or(logdir).event_files();
        let (kept, dropped): (Vec<_>, Vec<_>) =
            logdir.runs().iter().partition(|run| self.wants_run(run));
        let jobs = Jobs::of(self, &kept, outputs.root())?;
        let mut edited = Edited { runs: jobs.all.len(), ..Edited::default() };
        let steps = self.new_steps(&jobs, &mut edited)?;
        let names = run::Names::of(&jobs.all);
        let sessions = self.params.sessions(&jobs, &self.parts, outputs.root())?;
        let done = Mutex::new(0);
        let edit = |(number, (job, steps)): (usize, (&Job, &Option<NewSteps>))| {
            let is_new = sessions.is_new(number);
            let edited = run::edit(self, job, steps.as_ref(), is_new, &outputs, &names);
            let mut runs = done.lock().unwrap_or_else(PoisonError::into_inner);
            *runs += 1;
            let all_runs = jobs.all.len();
            self.on_progress.call(Progress { runs: *runs, all_runs, ..Progress::default() });
            edited
        };
        let done: Vec<_> = jobs.all.par_iter().zip(&steps).enumerate().map(edit).collect();
        let mut files = self.params.write(&sessions, &outputs)?;
        for file in files.iter().flat_map(|output| &output.files) {
            edited.files_after += 1;
            edited.bytes_after += file.bytes;
            edited.events_after += file.events;
        }
        edited.sessions_added = sessions.count();
        for run in done {
            run?.add_to(&mut edited, &mut files);
        }
        for run in &dropped {
            edited.dropped_runs.push(run.name.clone());
            files.push(outputs.remove(run)?);
        }
        edited.report.issues.extend(logdir.issues().iter().cloned());
        edited.changes.sort_by(|a, b| (&a.run, &a.tag).cmp(&(&b.run, &b.tag)));
        if let Some(links) = self.side_files.links() {
            let dropped: Vec<_> = dropped.iter().map(|run| run.path.as_path()).collect();
            let kept: Vec<_> = kept.iter().map(|run| run.path.as_path()).collect();
            let (sidecars, left) =
                sidecar::copy(logdir, &kept, &dropped, &jobs.moved, links, &outputs)?;
            edited.sidecars = sidecars;
            edited.report.issues.extend(left);
        }
        edited.report.sort();
        let is_in_place = outputs.is_real() && !outputs.is_folder();
        edited.joined = jobs.joined;
        outputs.finish(files, || {
            if let Some(links) = self.side_files.links().filter(|_| is_in_place) {
                sidecar::bring(&jobs.moved, links)?;
            }
            beside(&edited.joined)
        })?;
        Ok(edited)
    }

    /// The steps that sessions get, by run; none for those whose steps stay.
    fn new_steps(&self, jobs: &Jobs, edited: &mut Edited) -> Result<Vec<Option<NewSteps>>> {
        let mut steps: Vec<Option<NewSteps>> = jobs.all.iter().map(|_| None).collect();
        let continued = jobs.groups.par_iter().map(|group| {
            let of_group: Vec<&Job> = group.iter().filter_map(|i| jobs.all.get(*i)).collect();
            sessions::continue_steps(self, &of_group)
        });
        let continued: Vec<_> = continued.collect();
        for (group, continued) in jobs.groups.iter().zip(continued) {
            for (continued, numbers) in continued? {
                for (number, new) in numbers.iter().zip(continued.steps) {
                    if let Some(place) = group.get(*number).and_then(|job| steps.get_mut(*job)) {
                        *place = Some(new);
                    }
                }
                edited.continued.extend(continued.runs);
                edited.step_notes.extend(continued.notes);
            }
        }
        edited.continued.sort_by(|a, b| a.run.cmp(&b.run));
        edited.step_notes.sort_by(|a, b| (&a.run, &a.path).cmp(&(&b.run, &b.path)));
        Ok(steps)
    }

    fn check(&self) -> Result<()> {
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
            false => Err(Error::argument(format!("a shift by {} seconds", self.shift_time))),
        }
    }

    fn wants_run(&self, run: &RunFiles) -> bool {
        let any = |runs: &[Regex]| runs.iter().any(|regex| regex.is_match(&run.name));
        (self.keep_runs.is_empty() || any(&self.keep_runs)) && !any(&self.drop_runs)
    }

    /// Whether values of `tag` stay at all.
    pub(super) fn wants_tag(&self, tag: &str) -> bool {
        let any = |tags: &[Regex]| tags.iter().any(|regex| regex.is_match(tag));
        (self.keep_tags.is_empty() || any(&self.keep_tags)) && !any(&self.drop_tags)
    }

    /// How series of `kind` are thinned out.
    pub(super) fn sampling(&self, kind: Kind) -> Option<Sampling> {
        let fits = |(of, sampling): &&(Option<Kind>, Sampling)| match of {
            Some(of) => *of == kind,
            None => kind == Kind::Scalar || !sampling.needs_numbers(),
        };
        let own = |(of, _): &&(Option<Kind>, Sampling)| of.is_some();
        let all = || self.samplings.iter().filter(fits);
        all().find(own).or_else(|| all().next()).map(|(_, sampling)| *sampling)
    }

    /// Whether values are chosen by where they stand in their series.
    pub(super) fn selects(&self) -> bool {
        !self.samplings.is_empty() || self.compact.is_some()
    }
}

/// The names of the groups that a replacement asks for, as [`regex::Captures::expand`] reads them.
fn groups(template: &str) -> impl Iterator<Item = &str> {
    let mut parts = template.split('$');
    parts.next(); // before the first
    let mut is_escaped = false;
    parts.filter_map(move |part| {
        // Of two in a row, the second stands for itself.
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

/// Fails if `regex` has no such group: it would stand for nothing, and nobody would know.
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
