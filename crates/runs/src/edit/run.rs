//! Edits a run, event by event.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::job::Job;
use super::output::{OutFile, Outputs, RunOutput, Source};
use super::report::{Edited, TagChange};
use super::sessions::{Cursor, NewSteps};
use super::sub::{Described, Fate, Holds, MetadataFate, Sub};
use super::tags::Tags;
use super::value::form;
use super::{Edit, names, select};
use tbx::error::{Effect, Error, ErrorKind, Issue, Location, Report, Result, failed};
use tbx::event::{EventRef, Rewrite, ValueRef, ValueRewrite, What, WholeEvents, rewrite};
use tbx::logdir::{Found, RestartPolicy, file_version, walk};
use tbx::record::Damage;
use tbx::summary::Form;
use tbx::summary::graph::RUN_GRAPH_TAG;
use tbx::summary::hparams::SESSION_START_TAG;

/// The directories of runs, each used by one run.
#[derive(Debug)]
pub(super) struct Names(Mutex<BTreeMap<PathBuf, String>>);

impl Names {
    pub(super) fn of(runs: &[Job]) -> Self {
        let name = |run: &Job| (run.path.clone(), run.name.clone());
        Self(Mutex::new(runs.iter().map(name).collect()))
    }

    /// Reserves `path` for a run below `run`.
    pub(super) fn take(&self, path: &Path, run: &str) -> Result<()> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match names.insert(path.into(), run.into()) {
            None => Ok(()),
            Some(other) => Err(Error::argument(format!(
                "run {run:?}: its tags would move to {}, which is already a run or belongs to \
                 {other:?}",
                path.display()
            ))),
        }
    }
}

/// The result of editing a run.
#[derive(Debug, Default)]
pub(super) struct Done {
    output: RunOutput,
    files_before: usize,
    bytes_before: u64,
    events_before: u64,
    files_left: usize,
    bytes_left: u64,
    unfinished: u64,
    sessions_changed: u64,
    changes: Vec<TagChange>,
    report: Report,
}

impl Done {
    pub(super) fn add_to(self, edited: &mut Edited, files: &mut Vec<RunOutput>) {
        edited.files_before += self.files_before;
        edited.bytes_before += self.bytes_before;
        edited.events_before += self.events_before;
        edited.unfinished_bytes += self.unfinished;
        edited.sessions_changed += self.sessions_changed;
        edited.files_after += self.output.files.len() + self.files_left;
        edited.bytes_after += self.bytes_left;
        for file in &self.output.files {
            edited.bytes_after += file.bytes;
            edited.events_after += file.events;
        }
        edited.changes.extend(self.changes);
        edited.report.merge(self.report);
        files.push(self.output);
    }
}

/// Edits a run. `steps` are the new steps of its sessions; it may also get a new session record.
pub(super) fn edit(
    edit: &Edit,
    run: &Job,
    steps: Option<&NewSteps>,
    needs_session: bool,
    outputs: &Outputs,
    names: &Names,
) -> Result<Done> {
    let selections = match edit.selects() {
        true => select::select(edit, run, steps)?,
        false => select::Selections::new(),
    };
    let mut pass = Pass {
        edit,
        run,
        outputs,
        names,
        merges: edit.merge || run.is_joined(),
        steps: Cursor::new(steps),
        events: WholeEvents::default(),
        needs_session,
        session: Vec::new(),
        tags: Tags::new(edit, &run.name, selections),
        subs: vec![Sub::new(run.path.clone())],
        version: None,
        starts: Vec::new(),
        base: OsString::new(),
        fates: Vec::new(),
        scratch: Vec::new(),
        done: Done::default(),
    };
    for (number, path) in run.files.iter().enumerate() {
        pass.steps.file(number);
        pass.file(path)?;
    }
    pass.finish()
}

struct Pass<'e> {
    edit: &'e Edit,
    run: &'e Job,
    outputs: &'e Outputs,
    names: &'e Names,
    /// Whether its files are merged into one.
    merges: bool,
    steps: Cursor<'e>,
    events: WholeEvents,
    /// Whether a session with the parameters still has to be started.
    needs_session: bool,
    /// The new metadata of a session start.
    session: Vec<u8>,
    tags: Tags<'e>,
    /// The destinations of values: the run, and those below it, in the order of [`Tags::subs`].
    subs: Vec<Sub>,
    /// The last version: its number and the payload of its event.
    version: Option<(f64, Vec<u8>)>,
    /// Payloads of the `START`s in this file.
    starts: Vec<Vec<u8>>,
    /// The name of the file, or of the first one if they are merged.
    base: OsString,
    /// The decisions about the values of the current event.
    fates: Vec<Fate>,
    scratch: Vec<u8>,
    done: Done,
}

impl Pass<'_> {
    fn file(&mut self, path: &Path) -> Result<()> {
        let name = path.file_name().unwrap_or_default();
        let path: Arc<Path> = path.into();
        let source = Source::of(path.to_path_buf())?;
        self.done.files_before += 1;
        self.starts.clear();
        if !self.merges || self.base.is_empty() {
            self.subs.iter_mut().try_for_each(Sub::complete)?;
            self.subs.iter_mut().for_each(|sub| sub.parts = 1);
            self.base = name.into();
        }
        let events_before = self.done.events_before;
        // An error of this pass rather than of the walk.
        let mut failure = None;
        let walked = walk(&path, |found| {
            let taken = match found {
                Found::Record { offset, record, payload } => {
                    self.steps.record();
                    self.done.events_before += 1;
                    self.event(&path, offset, record, payload)
                }
                Found::Damage(damage) => {
                    self.damage(&path, damage);
                    Ok(())
                }
            };
            taken.map_err(|error| {
                failure = Some(error);
                io::Error::other("")
            })
        });
        match (walked, failure) {
            (_, Some(error)) => Err(error),
            (Err(error), None) => Err(failed(error, &path)),
            (Ok(walked), None) => {
                self.done.bytes_before += walked.bytes;
                if self.done.events_before == events_before {
                    return self.leave(&path, name, walked.bytes);
                }
                self.done.unfinished += walked.pending;
                self.done.output.sources.push(source);
                match self.subs.first().is_some_and(|run| run.file.is_none()) {
                    true => self.open(0), // none of its events is kept
                    false => Ok(()),
                }
            }
        }
    }

    /// Leaves a file unchanged that has no readable event: there is nothing to edit, and its
    /// content should not be dropped.
    fn leave(&mut self, path: &Path, name: &OsStr, bytes: u64) -> Result<()> {
        self.done.files_left += 1;
        self.done.bytes_left += bytes;
        // The file of joined runs may have the same name as a file that is left.
        let is_begun = self.subs.first().is_some_and(|run| run.file.is_some());
        if *self.base == *name && !is_begun {
            self.base.clear();
        }
        self.outputs.copy(path)
    }

    fn damage(&mut self, path: &Arc<Path>, damage: Damage) {
        let Damage { offset, kind, effect } = damage;
        let mut location = Location::of(path.clone()).with_offset(offset);
        location.run = Some(self.run.name.clone());
        let report = &mut self.done.report;
        if report.issues.len() < Report::MAX_ISSUES_PER_FILE {
            report.issues.push(Issue::new(kind, location, effect));
        } else {
            report.more_issues += 1;
        }
    }

    fn event(
        &mut self,
        path: &Arc<Path>,
        offset: u64,
        record: &[u8],
        payload: &[u8],
    ) -> Result<()> {
        let event = match self.events.parse(payload) {
            Ok(event) => event,
            Err(malformed) => {
                self.done.events_before -= 1;
                let kind = ErrorKind::Proto(malformed.0);
                self.damage(path, Damage { offset, kind, effect: Effect::SkippedRecord });
                return Ok(());
            }
        };
        let change = self.header(&event)?;
        if self.needs_session && !matches!(event.what, What::FileVersion(_)) {
            self.needs_session = false;
            let time = if event.wall_time.is_finite() { event.wall_time } else { 0.0 };
            let start = self.edit.params.event(change.wall_time.unwrap_or(time))?;
            self.put(0, &[], &start, Rewrite { step: Some(0), ..Rewrite::default() })?;
        }
        match &event.what {
            What::Summary(summary) => {
                self.fates.clear();
                for value in summary.values().flatten() {
                    self.value(&value)?;
                }
                self.summary(record, payload, change)
            }
            What::GraphDef(_) => {
                self.fates.clear();
                self.tagged(RUN_GRAPH_TAG)?;
                self.summary(record, payload, change)
            }
            // An alternative form of the graph, which is not a point of its series.
            What::MetaGraphDef(_) if !self.edit.wants_tag(RUN_GRAPH_TAG) => Ok(()),
            what @ What::TaggedRunMetadata(_) => {
                let Ok(Some((tag, _))) = what.run_metadata() else { return Ok(()) };
                self.fates.clear();
                self.tagged(tag)?;
                self.summary(record, payload, change)
            }
            What::FileVersion(text) => {
                let number = file_version(text);
                let again = self.version.as_ref().is_some_and(|(known, _)| *known == number);
                let payload = self.rewritten(payload, change)?;
                let is_first = self.subs.first().and_then(|sub| sub.file.as_ref());
                let is_first = is_first.is_none_or(|file| file.events == 0);
                self.version = Some((number, payload.clone()));
                // Merged files need it only once.
                if self.merges && again && !is_first {
                    return Ok(());
                }
                self.put(0, record, &payload, change)
            }
            what if what.is_session_start() == Ok(true) => {
                let carried_out = |policy| policy != RestartPolicy::KeepAll;
                if self.edit.compact.is_some_and(carried_out) || self.steps.drops(&event) {
                    return Ok(());
                }
                let payload = self.rewritten(payload, change)?;
                for sub in 0..self.subs.len() {
                    self.put(sub, record, &payload, change)?;
                }
                self.starts.push(payload);
                Ok(())
            }
            _ => {
                let payload = self.rewritten(payload, change)?;
                self.put(0, record, &payload, change)
            }
        }
    }

    /// The new step and time of an event.
    fn header(&mut self, event: &EventRef<'_>) -> Result<Rewrite> {
        let mut change = Rewrite::default();
        let has_step = !matches!(event.what, What::FileVersion(_));
        let by = self.steps.offset(event);
        if has_step && (self.edit.shift_steps != 0 || by != 0) {
            let moved = event.step.checked_add(by);
            let step = moved.and_then(|step| step.checked_add(self.edit.shift_steps));
            let step = step.ok_or_else(|| {
                let (run, step, by) =
                    (&self.run.name, event.step, self.edit.shift_steps.saturating_add(by));
                Error::argument(format!("run {run:?}: step {step} plus {by} is out of range"))
            })?;
            change.step = Some(step);
        }
        let time = event.wall_time;
        if self.edit.shift_time != 0.0 && time.is_finite() && time != 0.0 {
            change.wall_time = Some(time + self.edit.shift_time);
        }
        Ok(change)
    }

    /// Decides about a value of the current event.
    #[inline]
    fn value(&mut self, value: &ValueRef<'_>) -> Result<()> {
        let mut fate = self.fate(value.tag)?;
        let Some(plan) = self.tags.plans.get_mut(fate.plan) else { return Ok(()) };
        // Values that no reader shows do not describe their tag.
        let form = match form(value) {
            Some(Form::None) => Form::Tensor,
            Some(form) => form,
            None => {
                self.fates.push(fate);
                return Ok(());
            }
        };
        let wire = value.metadata.as_deref().unwrap_or(&[]);
        if plan.wire.is_empty() && !wire.is_empty() {
            plan.wire = wire.to_vec();
        }
        // Metadata is useless for other values, which define their kind themselves.
        let needs = form == Form::Tensor && !plan.wire.is_empty();
        fate.holds = match wire.is_empty() {
            true => needs.then_some(Holds::First(form)),
            false if wire == plan.wire => Some(Holds::First(form)),
            false => Some(Holds::Other),
        };
        fate.metadata = match wire.is_empty() {
            true if needs => MetadataFate::Add,
            false if self.edit.compact.is_some() && wire == plan.wire => MetadataFate::Strip,
            _ => MetadataFate::Same,
        };
        if value.tag == SESSION_START_TAG
            && fate.stays
            && let Some(session) = self.edit.params.rewritten(wire)?
        {
            self.session = session;
            self.done.sessions_changed += 1;
            fate.metadata = MetadataFate::Session;
        }
        self.fates.push(fate);
        Ok(())
    }

    /// Decides about an event that is itself a value.
    fn tagged(&mut self, tag: &str) -> Result<()> {
        let fate = self.fate(tag)?;
        self.fates.push(fate);
        Ok(())
    }

    #[inline]
    fn fate(&mut self, tag: &str) -> Result<Fate> {
        let plan = self.tags.find(tag)?;
        while self.subs.len() < self.tags.subs.len() {
            let name = self.tags.subs.get(self.subs.len()).map_or("", String::as_str);
            let path = self.run.path.join(name);
            self.names.take(&path, &self.run.name)?;
            self.subs.push(Sub::new(path));
        }
        let fate =
            |(sub, stays)| Fate { plan, sub, stays, metadata: MetadataFate::Same, holds: None };
        let found = self.tags.plans.get_mut(plan).map(|plan| (plan.sub, plan.next()));
        Ok(fate(found.unwrap_or((0, false))))
    }

    /// Writes an event, whose values are decided, to each run that one of them goes to.
    fn summary(&mut self, record: &[u8], payload: &[u8], change: Rewrite) -> Result<()> {
        let mut fates = mem::take(&mut self.fates);
        for number in 0..self.subs.len() {
            let goes_here = |fate: &Fate| fate.stays && fate.sub == number;
            // An event without values goes to the run itself.
            let is_empty = number == 0 && fates.is_empty();
            if !is_empty && !fates.iter().any(goes_here) {
                continue;
            }
            self.make_room(number, record.len(), &fates)?;
            let Some(sub) = self.subs.get_mut(number) else { continue };
            let mut is_same = change == Rewrite::default();
            for fate in &mut fates {
                if !goes_here(fate) {
                    is_same = false;
                    continue;
                }
                fate.metadata = sub.describe(fate);
                let plan = self.tags.plans.get(fate.plan);
                let renamed = plan.is_some_and(|plan| plan.target.is_some());
                is_same &= !renamed && fate.metadata == MetadataFate::Same;
            }
            if is_same {
                self.put(number, record, payload, Rewrite::default())?;
                continue;
            }
            let (plans, session) = (&self.tags.plans, &self.session);
            let value = |i: usize| {
                let Some(fate) = fates.get(i).filter(|fate| goes_here(fate)) else {
                    return ValueRewrite::Drop;
                };
                let plan = plans.get(fate.plan);
                let tag = plan.and_then(|plan| plan.target.as_deref());
                let metadata = match fate.metadata {
                    MetadataFate::Same => None,
                    MetadataFate::Strip => Some(&[][..]),
                    MetadataFate::Add => plan.map(|plan| &plan.wire[..]),
                    MetadataFate::Session => Some(&session[..]),
                };
                match (tag, metadata) {
                    (None, None) => ValueRewrite::Keep,
                    (tag, metadata) => ValueRewrite::Change { tag, metadata },
                }
            };
            let mut out = mem::take(&mut self.scratch);
            out.clear();
            rewrite(payload, change, value, &mut out).map_err(|e| ErrorKind::Proto(e.0))?;
            if let Some(file) = self.subs.get_mut(number).and_then(|sub| sub.file.as_mut()) {
                file.payload(&out)?;
            }
            self.scratch = out;
        }
        self.fates = fates;
        Ok(())
    }

    fn rewritten(&self, payload: &[u8], change: Rewrite) -> Result<Vec<u8>> {
        if change == Rewrite::default() {
            return Ok(payload.to_vec());
        }
        let mut out = Vec::with_capacity(payload.len() + 16);
        rewrite(payload, change, |_| ValueRewrite::Keep, &mut out)
            .map_err(|malformed| ErrorKind::Proto(malformed.0))?;
        Ok(out)
    }

    /// Writes an event unchanged, or with `payload` if that differs.
    fn put(&mut self, number: usize, record: &[u8], payload: &[u8], change: Rewrite) -> Result<()> {
        self.make_room(number, record.len(), &[])?;
        let file = self.subs.get_mut(number).and_then(|sub| sub.file.as_mut());
        match file {
            Some(file) if change == Rewrite::default() => file.record(record),
            Some(file) => file.payload(payload),
            None => Ok(()),
        }
    }

    /// Ensures that there is a file for an event of run `number`: a new one if the file would get
    /// too long.
    fn make_room(&mut self, number: usize, len: usize, fates: &[Fate]) -> Result<()> {
        let Some(sub) = self.subs.get(number) else { return Ok(()) };
        let Some(file) = &sub.file else { return self.open(number) };
        let Some(most) = self.edit.max_file_bytes else { return Ok(()) };
        // Maximum growth from renaming, metadata and new lengths.
        let more = fates.iter().filter_map(|fate| self.tags.plans.get(fate.plan));
        let more = more.map(|plan| {
            plan.wire.len() + plan.target.as_ref().map_or(0, |target| target.len()) + 32
        });
        let len = u64::try_from(len + more.sum::<usize>()).unwrap_or(u64::MAX);
        let has_more = file.events > u64::from(self.version.is_some());
        if !has_more || file.bytes.saturating_add(len) <= most {
            return Ok(());
        }
        if let Some(sub) = self.subs.get_mut(number) {
            sub.complete()?;
            sub.parts += 1;
            sub.in_part = Described::default();
        }
        self.open(number)
    }

    /// Starts a file of run `number`.
    fn open(&mut self, number: usize) -> Result<()> {
        let Some(sub) = self.subs.get_mut(number) else { return Ok(()) };
        let name = match sub.parts {
            1 => self.base.clone(),
            n => names::part(&self.base, n),
        };
        let is_part = sub.parts > 1;
        let exists = number == 0 && self.run.files.contains(&sub.path.join(&name));
        if is_part && exists && !self.merges {
            let what = "its files were split before; also merge them";
            return Err(Error::argument(format!("run {:?}: {what}", self.run.name)));
        }
        let mut file = self.outputs.file(&sub.path, &name, exists)?;
        if number > 0 || is_part {
            // A separate file begins like the original.
            if let Some((_, version)) = &self.version {
                file.payload(version)?;
            }
        }
        if number > 0 && !is_part {
            self.starts.iter().try_for_each(|start| file.payload(start))?;
        }
        sub.file = Some(file);
        Ok(())
    }

    fn finish(mut self) -> Result<Done> {
        for sub in &mut self.subs {
            sub.complete()?;
            let names: Vec<_> = sub.done.iter().map(OutFile::name).collect();
            if !names.is_sorted_by(|a, b| a.as_encoded_bytes() < b.as_encoded_bytes()) {
                let what = "parts of its files would be read in the wrong order; also merge its \
                            files";
                return Err(Error::argument(format!("run {:?}: {what}", self.run.name)));
            }
        }
        self.done.output.files = self.subs.into_iter().flat_map(|sub| sub.done).collect();
        self.done.changes = self.tags.changes().collect();
        Ok(self.done)
    }
}
