//! Writes events to the files of a run and of those below it.

use std::mem;
use std::path::PathBuf;

use super::names;
use super::output::OutFile;
use super::run::Pass;
use tbx::error::{Error, ErrorKind, Result};
use tbx::event::{Rewrite, ValueRewrite, rewrite};
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
    in_part: Described,
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
    fn describe(&mut self, fate: &Fate) -> MetadataFate {
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
struct Described(Vec<Option<Holds>>);

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

impl Pass<'_> {
    /// Writes an event, whose values are decided, to each run that one of them goes to.
    pub(super) fn summary(&mut self, record: &[u8], payload: &[u8], change: Rewrite) -> Result<()> {
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

    pub(super) fn rewritten(&self, payload: &[u8], change: Rewrite) -> Result<Vec<u8>> {
        if change == Rewrite::default() {
            return Ok(payload.to_vec());
        }
        let mut out = Vec::with_capacity(payload.len() + 16);
        rewrite(payload, change, |_| ValueRewrite::Keep, &mut out)
            .map_err(|malformed| ErrorKind::Proto(malformed.0))?;
        Ok(out)
    }

    /// Writes an event unchanged, or with `payload` if that differs.
    pub(super) fn put(
        &mut self,
        number: usize,
        record: &[u8],
        payload: &[u8],
        change: Rewrite,
    ) -> Result<()> {
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
    pub(super) fn make_room(&mut self, number: usize, len: usize, fates: &[Fate]) -> Result<()> {
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
    pub(super) fn open(&mut self, number: usize) -> Result<()> {
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
}
