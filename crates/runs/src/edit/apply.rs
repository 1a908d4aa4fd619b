//! Makes the changes of an edit.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::job::{Job, Jobs};
use super::output::{Destination, Outputs};
use super::report::{Edited, JoinedRun};
use super::sessions::{self, NewSteps};
use super::{Edit, run, sidecar};
use crate::progress::Progress;
use tbx::error::Result;
use tbx::logdir::Logdir;

impl Edit {
    /// Makes the changes. Runs are edited in parallel. Memory use does not grow with the size of
    /// the logs, except by a few bytes per value where values are sampled or compacted.
    ///
    /// Damaged records are left out and listed in the report. A file without any readable event
    /// does not change, and neither does a file that is not an event file, whatever its name: a new
    /// directory gets copies of them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](tbx::ErrorKind::Io): something cannot be read or written, or already
    /// exists. [`ErrorKind::Argument`](tbx::ErrorKind::Argument): two tags or runs would get the
    /// same name, or a step would be out of range. In both cases nothing has changed.
    pub fn run(&self, logdir: &Logdir, to: Destination<'_>) -> Result<Edited> {
        self.run_then(logdir, to, |_| Ok(()))
    }

    /// Like [`run`](Self::run); `beside` also changes files next to the new logs. In place,
    /// `beside` is part of the call, and may run again after an interruption.
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
        let parts = self.continues_steps.then_some(self.parts.as_slice());
        let jobs = Jobs::of(&self.joins, parts, &kept, outputs.root())?;
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

    /// The new steps of the sessions of each run; `None` for a run whose steps do not change.
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
}
